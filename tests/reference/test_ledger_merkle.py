"""Ranges and stored nodes against RFC 6962's definitions, written down plainly."""

import hashlib

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from commonwatt.ledger import merkle, schema, tiles
from commonwatt.ledger.entries import merkle_leaf_hash
from commonwatt.ledger.verify import MerkleAccumulator


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1: MTH over leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962, section 2.1.1: PATH(m, D[n])."""
    if len(leaves) == 1:
        return []
    k = merkle.merkle_split_size(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def proof(m: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """RFC 6962, section 2.1.2: SUBPROOF(m, D[n], b)."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = merkle.merkle_split_size(len(leaves))
    if m <= k:
        return [*proof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*proof(m - k, leaves[k:], False), mth(leaves[:k])]


def leaves(n: int) -> list[bytes]:
    return [merkle_leaf_hash(str(i).encode()) for i in range(n)]


sizes = st.integers(1, 140)


@given(sizes, st.data())
def test_an_inclusion_proof_is_that_of_the_standard_and_proves_only_its_leaf(n, data):
    index = data.draw(st.integers(0, n - 1))
    all_, nodes = leaves(n), merkle.ListedSubtreeHashes(leaves(n))
    proof_hashes = merkle.merkle_range_roots(nodes, merkle.inclusion_proof_ranges(index, n))
    assert proof_hashes == path(index, all_)
    root = merkle.merkle_range_root(nodes, 0, n)
    assert root == mth(all_)
    for other in range(n):
        holds = merkle.inclusion_proof_holds(
            index=other, size=n, leaf=all_[index], path=proof_hashes, root=root
        )
        assert holds == (other == index)


@given(sizes, st.data())
def test_a_consistency_proof_is_that_of_the_standard_and_no_other_past_passes(n, data):
    old = data.draw(st.integers(1, n))
    all_, nodes = leaves(n), merkle.ListedSubtreeHashes(leaves(n))
    proof_hashes = merkle.merkle_range_roots(nodes, merkle.consistency_proof_ranges(old, n))
    assert proof_hashes == proof(old, all_)
    given_ = {"new": n, "new_root": mth(all_), "path": proof_hashes}
    assert merkle.consistency_proof_holds(old=old, old_root=mth(all_[:old]), **given_)
    assert not merkle.consistency_proof_holds(
        old=old, old_root=mth([*all_[: old - 1], b"x"]), **given_
    )


@given(sizes, st.data())
def test_a_damaged_proof_does_not_hold(n, data):
    index = data.draw(st.integers(0, n - 1))
    nodes = merkle.ListedSubtreeHashes(leaves(n))
    proof_hashes = merkle.merkle_range_roots(nodes, merkle.inclusion_proof_ranges(index, n))
    root = merkle.merkle_range_root(nodes, 0, n)
    given_ = {"index": index, "size": n, "leaf": leaves(n)[index], "root": root}
    assert not merkle.inclusion_proof_holds(path=[*proof_hashes, root], **given_)
    for i in range(len(proof_hashes)):
        assert not merkle.inclusion_proof_holds(
            path=proof_hashes[:i] + proof_hashes[i + 1 :], **given_
        )


@given(sizes)
def test_the_root_that_grows_leaf_by_leaf_is_that_of_the_standard(n):
    tree = MerkleAccumulator()
    for leaf in leaves(n):
        tree.add_leaf(leaf)
    assert tree.merkle_root() == mth(leaves(n))


def test_the_roots_of_certificate_transparencys_own_test_vectors():
    data = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657",
            "606162636465666768696a6b6c6d6e6f"]  # fmt: skip
    all_ = [merkle_leaf_hash(bytes.fromhex(d)) for d in data]
    assert mth(all_).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert merkle.merkle_range_root(merkle.ListedSubtreeHashes(all_), 0, 8) == mth(all_)


@pytest.mark.slow
def test_stored_nodes_two_levels_deep_agree_with_the_leaves():
    count = 66_000
    all_ = leaves(count)
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        schema.create_merkle_ledger_tables(connection)
        rows = [{"position": i, "at": "", "actor_id": "", "kind": "", "subject": "", "text": "",
                 "link": leaf} for i, leaf in enumerate(all_)]  # fmt: skip
        connection.execute(sa.insert(schema.entries), rows)
        for old, new in ((0, 300), (300, 65_535), (65_535, 65_536), (65_536, count)):
            tiles.store_complete_merkle_nodes(connection, old, new)
        stored, plain = tiles.StoredSubtreeHashes(connection), merkle.ListedSubtreeHashes(all_)
        assert stored.node(16, 0) == plain.node(16, 0)
        assert merkle.merkle_range_root(stored, 0, count) == merkle.merkle_range_root(
            plain, 0, count
        )
        ranges = merkle.inclusion_proof_ranges(40_000, count)
        assert merkle.merkle_range_roots(stored, ranges) == merkle.merkle_range_roots(plain, ranges)
    engine.dispose()


def test_an_index_outside_the_tree_is_in_no_proof():
    root = mth(leaves(1))
    given_ = {"leaf": leaves(1)[0], "path": [], "root": root}
    assert merkle.inclusion_proof_holds(index=0, size=1, **given_)
    for index, size in ((-1, 1), (1, 1), (0, 0), (-1, 0)):
        assert not merkle.inclusion_proof_holds(index=index, size=size, **given_)


def test_the_empty_ledger_has_the_root_of_nothing_and_begins_every_other():
    nothing = hashlib.sha256(b"").digest()
    nodes = merkle.ListedSubtreeHashes(leaves(5))
    assert merkle.merkle_range_root(nodes, 3, 3) == merkle.EMPTY_ROOT == nothing
    assert merkle.consistency_proof_ranges(0, 5) == []
    new = {"new": 5, "new_root": mth(leaves(5))}
    assert merkle.consistency_proof_holds(old=0, old_root=nothing, path=[], **new)
    assert not merkle.consistency_proof_holds(old=0, old_root=b"x", path=[], **new)
    assert not merkle.consistency_proof_holds(old=0, old_root=nothing, path=[b"x"], **new)


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_a_ledger_begins_itself_without_a_proof_and_never_a_shorter_one(size):
    root = mth(leaves(size))
    same = {"old": size, "new": size, "old_root": root}
    assert merkle.consistency_proof_holds(new_root=root, path=[], **same)
    assert not merkle.consistency_proof_holds(new_root=b"x", path=[], **same)
    assert not merkle.consistency_proof_holds(new_root=root, path=[root], **same)
    shorter = {"new": size, "new_root": root, "old_root": root, "path": []}
    assert not merkle.consistency_proof_holds(old=size + 1, **shorter)
    assert not merkle.consistency_proof_holds(old=-1, **shorter)


@pytest.mark.parametrize("old", range(1, 20))
def test_every_hash_of_a_consistency_proof_is_needed_and_each_root_is_compared(old):
    all_ = leaves(20)
    nodes = merkle.ListedSubtreeHashes(all_)
    hashes = merkle.merkle_range_roots(nodes, merkle.consistency_proof_ranges(old, 20))
    roots = {"old_root": mth(all_[:old]), "new_root": mth(all_)}

    def holds(path, **changes):
        return merkle.consistency_proof_holds(old=old, new=20, path=path, **(roots | changes))

    assert holds(hashes) is True
    for n in range(len(hashes)):
        assert not holds(hashes[:n] + hashes[n + 1 :])
        assert not holds([*hashes[:n], b"x" * 32, *hashes[n + 1 :]])
    assert not holds([])
    for extra in (*hashes, roots["old_root"], roots["new_root"]):
        assert not holds([*hashes, extra])
    assert not holds(hashes, old_root=roots["new_root"])
    assert not holds(hashes, new_root=roots["old_root"])


def test_a_complete_range_is_one_stored_node_and_any_other_is_joined_of_such():
    """Only aligned powers of two are stored: what is asked for says which were read."""

    class Recorder(merkle.ListedSubtreeHashes):
        def node(self, level, position):
            reads.append((level, position))
            return super().node(level, position)

    for first, end, expected in [
        (0, 8, [(3, 0)]), (8, 16, [(3, 1)]), (4, 8, [(2, 1)]), (5, 6, [(0, 5)]),
        (4, 12, [(2, 1), (2, 2)]), (0, 7, [(2, 0), (1, 2), (0, 6)]),
    ]:  # fmt: skip
        reads = []
        root = merkle.merkle_range_root(Recorder(leaves(16)), first, end)
        assert root == mth(leaves(16)[first:end])
        assert reads == expected


@pytest.mark.parametrize("count", [0, 3, 6])
def test_only_a_power_of_two_is_a_complete_subtree(count):
    with pytest.raises((ValueError, IndexError)):
        merkle.complete_merkle_subtree_root(leaves(count))
    assert merkle.complete_merkle_subtree_root(leaves(4)) == mth(leaves(4))


def test_the_split_is_the_largest_power_of_two_below():
    for size in range(2, 300):
        split = merkle.merkle_split_size(size)
        assert split.bit_count() == 1
        assert split < size <= 2 * split


def test_a_leaf_and_a_node_are_hashed_under_the_bytes_of_the_standard():
    assert merkle_leaf_hash(b"ab") == hashlib.sha256(b"\x00ab").digest()
    assert merkle.merkle_parent_hash(b"a", b"b") == hashlib.sha256(b"\x01ab").digest()
