"""Proofs that a record is in the ledger, and that the ledger only grew.

Every node of a proof is the root of a range of leaves, so a proof is first a
list of ranges (`inclusion_proof_ranges`, `consistency_proof_ranges`), then a hash for
each. Where a range stands aligned and complete it is one stored node; `SubtreeHashes`
finds it.

Source: RFC 6962, "Certificate Transparency", section 2.1; the checks of a
proof are those of RFC 9162, sections 2.1.3.2 and 2.1.4.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Protocol

Range = tuple[int, int]
EMPTY_ROOT = hashlib.sha256(b"").digest()


class SubtreeHashes(Protocol):
    """Where the hashes of complete subtrees come from."""

    def node(self, level: int, position: int) -> bytes:
        """Return the root of the leaves from `position << level`, `1 << level` of them."""
        ...


class ListedSubtreeHashes:
    """Nodes over hashes in memory; the plainest `SubtreeHashes`."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._pdf_page_object_numbers = leaves

    def node(self, level: int, position: int) -> bytes:
        """Return the root of one complete subtree."""
        first = position << level
        return complete_merkle_subtree_root(
            self._pdf_page_object_numbers[first : first + (1 << level)]
        )


def merkle_parent_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right)."""
    # Nodes and leaves are hashed under different first bytes (RFC 6962, 2.1); without them a node
    # could be passed off as an entry.
    return hashlib.sha256(b"\x01" + left + right).digest()


def complete_merkle_subtree_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root of a complete subtree; their number is a power of two."""
    while len(hashes) > 1:
        pairs = iter(hashes)
        hashes = [merkle_parent_hash(left, right) for left, right in zip(pairs, pairs, strict=True)]
    return hashes[0]


def merkle_split_size(size: int) -> int:
    """Return the largest power of two below `size`.

    >>> [merkle_split_size(n) for n in (2, 3, 4, 5, 8, 9)]
    [1, 2, 2, 4, 4, 8]
    """
    return 1 << (size - 1).bit_length() - 1


def merkle_range_root(nodes: SubtreeHashes, first_leaf: int, end_leaf: int) -> bytes:
    """Return the root over leaves `first_leaf` (inclusive) to `end_leaf` (exclusive)."""
    if first_leaf == end_leaf:
        return EMPTY_ROOT
    size = end_leaf - first_leaf
    # A complete and aligned range is one stored node, which is what keeps a proof over a million
    # entries to a few reads.
    if size & (size - 1) == 0 and first_leaf % size == 0:
        return nodes.node(size.bit_length() - 1, first_leaf // size)
    k = merkle_split_size(size)
    return merkle_parent_hash(
        merkle_range_root(nodes, first_leaf, first_leaf + k),
        merkle_range_root(nodes, first_leaf + k, end_leaf),
    )


def merkle_range_roots(nodes: SubtreeHashes, ranges: Iterable[Range]) -> list[bytes]:
    """Return the root of each range."""
    return [merkle_range_root(nodes, lo, hi) for lo, hi in ranges]


def inclusion_proof_ranges(index: int, size: int, first_leaf: int = 0) -> list[Range]:
    """Return PATH(index, D[size]) as ranges, the deepest first.

    >>> inclusion_proof_ranges(2, 7)
    [(3, 4), (0, 2), (4, 7)]
    """
    if size == 1:
        return []
    k = merkle_split_size(size)
    if index < k:
        return [*inclusion_proof_ranges(index, k, first_leaf), (first_leaf + k, first_leaf + size)]
    return [
        *inclusion_proof_ranges(index - k, size - k, first_leaf + k),
        (first_leaf, first_leaf + k),
    ]


def consistency_proof_ranges(old: int, size: int) -> list[Range]:
    """Return PROOF(old, D[size]) as ranges.

    >>> consistency_proof_ranges(3, 7)
    [(2, 3), (3, 4), (0, 2), (4, 7)]
    """
    return [] if old == 0 else _consistency_subproof_ranges(old, 0, size, whole=True)


def _consistency_subproof_ranges(
    old: int, first_leaf: int, size: int, *, whole: bool
) -> list[Range]:
    if old == size:
        return [] if whole else [(first_leaf, first_leaf + size)]
    k = merkle_split_size(size)
    if old <= k:
        return [
            *_consistency_subproof_ranges(old, first_leaf, k, whole=whole),
            (first_leaf + k, first_leaf + size),
        ]
    return [
        *_consistency_subproof_ranges(old - k, first_leaf + k, size - k, whole=False),
        (first_leaf, first_leaf + k),
    ]


def inclusion_proof_holds(
    *, index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes
) -> bool:
    """Return whether `path` proves that `leaf` is number `index` of `size` under `root`."""
    if not 0 <= index < size:
        return False
    fn, sn, computed = index, size - 1, leaf
    for sibling in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            computed = merkle_parent_hash(sibling, computed)
            fn, sn = _merkle_indexes_past_left_edge(fn, sn)
        else:
            computed = merkle_parent_hash(computed, sibling)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and computed == root


def _merkle_indexes_past_left_edge(fn: int, sn: int) -> tuple[int, int]:
    while fn and not fn & 1:
        fn, sn = fn >> 1, sn >> 1
    return fn, sn


def consistency_proof_holds(
    *, old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> bool:
    """Return whether `path` proves that the tree of `old` leaves is how that of `new` begins."""
    if old > new or old < 0:
        return False
    if old == new:
        return not path and old_root == new_root
    if old == 0:
        return not path and old_root == EMPTY_ROOT
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    return bool(hashes) and _is_merkle_tree_prefix(old - 1, new - 1, hashes, old_root, new_root)


def _is_merkle_tree_prefix(
    fn: int, sn: int, hashes: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            first, second = merkle_parent_hash(sibling, first), merkle_parent_hash(sibling, second)
            fn, sn = _merkle_indexes_past_left_edge(fn, sn)
        else:
            second = merkle_parent_hash(second, sibling)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and first == old_root and second == new_root
