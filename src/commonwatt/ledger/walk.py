"""Follow the chain entry by entry: hashes, order, clock, signatures, and who may write what.

A walk begins at the first entry or at a head that was verified before, and ends in a head
that is verified. Everything is derived again from the lines; a stored hash is only compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import sqlalchemy as sa

import commonwatt.ledger.merkle as merkle
import commonwatt.ledger.schema as schema
import commonwatt.ledger.tiles as tiles
from commonwatt.core.messages import Message
from commonwatt.ledger.entries import (
    LedgerEntry,
    ledger_entry_line_prefix,
    ledger_genesis_link,
    ledger_instant_text,
    merkle_leaf_hash,
    parse_ledger_entry,
)
from commonwatt.ledger.errors import EntryError, TamperedError
from commonwatt.ledger.keys import actor_signature_holds, entry_batch_message_to_sign
from commonwatt.ledger.people import ENROL
from commonwatt.ledger.permissions import OWN_PREFIX
from commonwatt.ledger.state import CLOCK, ChainState, entry_content_digest_hex

PAGE: Final = 20_000
_FIRST: Final = sa.bindparam("first", type_=sa.BigInteger())
_ENTRIES_FROM: Final = (
    sa.select(schema.entries)
    .where(schema.entries.c.position >= _FIRST)
    .order_by(schema.entries.c.position)
)
_SIGNATURES_FROM: Final = (
    sa.select(schema.signatures)
    .where(schema.signatures.c.last >= _FIRST)
    .order_by(schema.signatures.c.last)
)


@dataclass(frozen=True, slots=True)
class KindFold:
    """All entries of one kind: how many, and a hash over their links in order.

    Whoever reads the entries of a kind folds them again; an entry that was changed, hidden or
    added gives another hash.
    """

    count: int = 0
    digest: bytes = b""

    def with_link(self, link: bytes) -> KindFold:
        """Return the fold with the next entry of the kind."""
        return KindFold(self.count + 1, sha256(self.digest + link).digest())


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedHead:
    """The end of a chain that was verified up to here, and what follows from it.

    Args:
        origin: The name of the ledger.
        size: How many entries.
        first_link: Of the first entry, by which a ledger is told from another; empty before it.
        link: Of the last.
        at: Instant of the last.
        peaks: Roots of the complete subtrees, the largest first.
        kinds: A fold for each kind.
        state: Who is enrolled and who may write what.
    """

    origin: str
    size: int
    first_link: bytes
    link: bytes
    at: str
    peaks: tuple[bytes, ...]
    kinds: Mapping[str, KindFold]
    state: ChainState

    def merkle_root(self) -> bytes:
        """Return the root over all entries."""
        return merkle_root_of_peaks(self.peaks)


def head_of_empty_ledger(origin: str) -> VerifiedHead:
    """Return the head of a ledger without entries."""
    return VerifiedHead(
        origin=origin, size=0, first_link=b"", link=ledger_genesis_link(origin), at="", peaks=(),
        kinds={}, state=ChainState(),
    )  # fmt: skip


def merkle_root_of_peaks(peaks: tuple[bytes, ...] | list[bytes]) -> bytes:
    """Return the root over the leaves of complete subtrees, the largest first."""
    if not peaks:
        return merkle.EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = merkle.merkle_parent_hash(peak, root)
    return root


class MerkleAccumulator:
    """The root over leaves that arrive one by one; holds one hash a level."""

    def __init__(self, peaks: tuple[bytes, ...] = (), size: int = 0) -> None:
        self.peaks: list[bytes] = list(peaks)
        self.size = size
        self.done: list[tuple[int, int, bytes]] = []

    def add_leaf(self, leaf: bytes) -> None:
        """Take the next leaf; nodes of stored levels that it completes go to `done`."""
        level, position = 0, self.size
        while position & 1:
            # In place of `merkle.parent`: this line runs once for every entry of a long ledger.
            leaf = sha256(b"\x01" + self.peaks.pop() + leaf).digest()
            level, position = level + 1, position >> 1
            if level % tiles.STEP == 0:
                self.done.append((level, position, leaf))
        self.peaks.append(leaf)
        self.size += 1

    def merkle_root(self) -> bytes:
        """Return the root over the leaves so far."""
        return merkle_root_of_peaks(self.peaks)


@dataclass(slots=True)
class ChainWalk:
    """The state of one pass over the chain.

    Args:
        start: The verified head from which it goes on.
        instant_of: Returns the instant of an earlier entry of the same chain.
    """

    start: VerifiedHead
    instant_of: Callable[[int], str]
    link: bytes = field(init=False)
    at: str = field(init=False)
    first_link: bytes = field(init=False)
    tree: MerkleAccumulator = field(init=False)
    state: ChainState = field(init=False)
    signatures: int = 0
    _folds: dict[str, list[Any]] = field(init=False)
    _allowed: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def __post_init__(self) -> None:
        start = self.start
        self.link, self.at, self.first_link = start.link, start.at, start.first_link
        self.tree = MerkleAccumulator(start.peaks, start.size)
        self.state = start.state.copy()
        self._folds = {kind: [fold.count, fold.digest] for kind, fold in start.kinds.items()}

    def verified_head(self) -> VerifiedHead:
        """Return how far the walk has come."""
        return VerifiedHead(
            origin=self.start.origin,
            size=self.tree.size,
            first_link=self.first_link,
            link=self.link,
            at=self.at,
            peaks=tuple(self.tree.peaks),
            kinds={kind: KindFold(count, digest) for kind, (count, digest) in self._folds.items()},
            state=self.state.copy(),
        )

    def check_batch_start(self, first: int, last: int) -> None:
        """Raise unless a signature begins where the one before it ended."""
        if not self.tree.size == first <= last:
            raise self.tampered_error(Message("a signature that begins elsewhere"))

    def add_entry(self, row: Any, signer_id: str) -> None:
        """Take the next entry, as it stands in its row, signed by `signer_id`.

        Raises:
            TamperedError: It does not follow, or the signer may not write it.
        """
        position, at, actor_id, kind, subject, text, stored_link = row
        size = self.tree.size
        begins = ledger_entry_line_prefix(size, self.link.hex(), at, signer_id, kind, subject)
        # The columns are compared with the line by spelling it anew, which costs no parsing and
        # leaves no second reading of a line.
        if position != size or not text.startswith(begins) or actor_id != signer_id:
            raise self.tampered_error(Message("a line that does not follow from the one before it"))
        link = merkle_leaf_hash(text.encode())
        if link != stored_link:
            raise self.tampered_error(Message("a line that does not have its hash"))
        if at != self.at:
            self._check_entry_instant_form_and_order(at, kind)
        if (signer_id, kind) not in self._allowed:
            self._check_may_write_and_apply_entry(text, link)
        self.link, self.at = link, at
        self.first_link = self.first_link or link
        fold = self._folds.setdefault(kind, [0, b""])
        fold[0], fold[1] = fold[0] + 1, sha256(fold[1] + link).digest()
        self.tree.add_leaf(link)

    def _check_entry_instant_form_and_order(self, at: str, kind: str) -> None:
        try:
            is_sound = len(at) == 27 and ledger_instant_text(datetime.fromisoformat(at)) == at
        except (ValueError, EntryError):
            is_sound = False
        if not is_sound:
            raise self.tampered_error(
                Message("an entry that is not of the form, or contradicts the chain")
            )
        if at < self.at and kind != CLOCK:
            raise self.tampered_error(Message("a clock that went back"))

    def _check_may_write_and_apply_entry(self, text: str, link: bytes) -> None:
        """Ask whether the signer may write this, and take in what it says of the chain."""
        try:
            entry = parse_ledger_entry(text, link)
            own = entry.kind.startswith(OWN_PREFIX)
            digest = entry_content_digest_hex(text) if own else ""
            # The key that a chain begins with is enrolled by the entry that it signs.
            founding = entry.index == 0 and entry.kind == ENROL
            if founding:
                self._apply_own_entry(entry, digest)
            fault = self.state.write_fault(entry.actor_id, entry.kind, entry.body, digest)
            if own and not founding and fault is None:
                self._apply_own_entry(entry, digest)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self.tampered_error(
                Message("an entry that is not of the form, or contradicts the chain")
            ) from None
        if fault:
            gaps = {"kind": entry.kind, "fault": str(fault.found)}
            raise self.tampered_error(Message("{kind}, written by {fault}", gaps))
        if own:
            self._allowed.clear()
        elif not self._write_permission_depends_on_state(entry.kind):
            self._allowed.add((entry.actor_id, entry.kind))

    def _write_permission_depends_on_state(self, kind: str) -> bool:
        """Return whether who may write a kind hangs on the state that its body moves to."""
        table = self.state.permissions
        return table is not None and any(key.startswith(f"{kind}>") for key in table.roles)

    def _apply_own_entry(self, entry: LedgerEntry, digest: str) -> None:
        if entry.kind == CLOCK:
            after = int(entry.body["after"])
            is_earlier = 0 <= after < entry.index
            if not is_earlier or ledger_instant_text(entry.at) < self.instant_of(after):
                raise ValueError
        self.state.apply_own_entry(
            entry.index, entry.actor_id, entry.kind, entry.subject, entry.body, digest
        )

    def check_batch_signature(self, batch: Mapping[str, Any]) -> None:
        """Raise unless the signature over the entries just taken holds."""
        actor = self.state.actors.get(batch["actor_id"])
        message = entry_batch_message_to_sign(
            self.start.origin, batch["first"], batch["last"], self.link
        )
        key = actor.public_key if actor else b""
        if not actor_signature_holds(key, bytes(batch["signature"]), message):
            raise self.tampered_error(Message("a signature that does not hold"))
        self.signatures += 1

    def tampered_error(self, fault: Message) -> TamperedError:
        """Return the error of a fault at the entry that comes next."""
        return TamperedError(
            f"entry {self.tree.size:,}",
            found=fault,
            remedy=Message("Restore the ledger from a copy that agrees with a kept checkpoint."),
        )


def walk_chain(
    connection: sa.Connection,
    walk: ChainWalk,
    at_size: Callable[[ChainWalk], None] | None = None,
) -> None:
    """Follow entries and signatures in step, from where `walk` stands to the end.

    Args:
        connection: Sees the chain.
        walk: Goes on from its start.
        at_size: Called after each entry.

    Raises:
        TamperedError: Something does not follow.
    """
    rows = _ledger_entry_rows_from(connection, walk.tree.size)
    for batch in _ledger_batch_signature_rows_from(connection, walk.tree.size):
        walk.check_batch_start(batch["first"], batch["last"])
        for _ in range(batch["last"] - batch["first"] + 1):
            row = next(rows, None)
            if row is None:
                raise walk.tampered_error(Message("an entry missing"))
            walk.add_entry(row, batch["actor_id"])
            if at_size is not None:
                at_size(walk)
        walk.check_batch_signature(batch)
    if next(rows, None) is not None:
        raise walk.tampered_error(Message("an entry that nobody signed"))


def entry_instant_by_index_reader(connection: sa.Connection) -> Callable[[int], str]:
    """Return what tells the instant of an entry of the chain that `connection` sees."""

    def instant_of(index: int) -> str:
        table = schema.entries
        at = connection.execute(sa.select(table.c.at).where(table.c.position == index)).scalar()
        if at is None:
            raise ValueError
        return str(at)

    return instant_of


def _ledger_entry_rows_from(connection: sa.Connection, first: int) -> Iterator[Any]:
    yield from connection.execute(_ENTRIES_FROM, {"first": first}).yield_per(PAGE)


def _ledger_batch_signature_rows_from(
    connection: sa.Connection, first: int
) -> list[dict[str, Any]]:
    rows = connection.execute(_SIGNATURES_FROM, {"first": first})
    return [dict(row) for row in rows.mappings()]
