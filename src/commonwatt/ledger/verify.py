"""Check the whole record in its database: chain, columns, signatures, actors, checkpoints.

Everything is derived again from the lines themselves; a stored hash is only
ever compared. `independent.py` does the same for an export and shares no code
with this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

import sqlalchemy as sa

import commonwatt.ledger.actors as actors
import commonwatt.ledger.merkle as merkle
import commonwatt.ledger.schema as schema
import commonwatt.ledger.tiles as tiles
from commonwatt.core.messages import Message
from commonwatt.ledger.checkpoints import Checkpoint, checkpoint_signed_by, parse_checkpoint_note
from commonwatt.ledger.entries import (
    genesis_link,
    ledger_entry_line_prefix,
    merkle_leaf_hash,
    parse_ledger_entry,
)
from commonwatt.ledger.errors import TamperedError
from commonwatt.ledger.keys import actor_id_of, actor_signature_holds, entry_batch_message
from commonwatt.ledger.store import ChainHead, read_chain_head

_PAGE = 20_000
_OF_ACTORS = frozenset({actors.ENROL, actors.REVOKE})


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationResult:
    """What was checked and found whole."""

    entries: int
    signatures: int
    actors: int
    checkpoints: int
    root: bytes


class MerkleAccumulator:
    """The root over leaves that arrive one by one; holds one hash a level."""

    def __init__(self) -> None:
        self._peaks: list[bytes] = []
        self.size = 0
        self.done: list[tuple[int, int, bytes]] = []

    def add_leaf(self, leaf: bytes) -> None:
        """Take the next leaf; nodes of stored levels that it completes go to `done`."""
        level, position = 0, self.size
        while position & 1:
            # In place of `merkle.parent`: this line runs once for every entry of a long ledger.
            leaf = sha256(b"\x01" + self._peaks.pop() + leaf).digest()
            level, position = level + 1, position >> 1
            if level % tiles.STEP == 0:
                self.done.append((level, position, leaf))
        self._peaks.append(leaf)
        self.size += 1

    def merkle_root(self) -> bytes:
        """Return the root over the leaves so far."""
        if not self._peaks:
            return merkle.EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = merkle.merkle_parent_hash(peak, root)
        return root


@dataclass(slots=True)
class _ChainWalk:
    """The state of one pass over the chain."""

    origin: str
    link: bytes
    at: str = ""
    tree: MerkleAccumulator = field(default_factory=MerkleAccumulator)
    keys: dict[str, bytes] = field(default_factory=dict[str, bytes])
    revoked: dict[str, int] = field(default_factory=dict[str, int])


class ReadableChain(Protocol):
    """Whatever a chain can be read from: a ledger, or a copy of its database."""

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """Give a connection that sees one state of the database."""
        ...


def verify_ledger(ledger: ReadableChain, *, pinned: Checkpoint | None = None) -> VerificationResult:
    """Return what was checked, or raise at the first thing that does not hold.

    Args:
        ledger: The ledger.
        pinned: A checkpoint that somebody kept elsewhere; without one, a ledger whose
            tail was cut off together with its own checkpoints cannot be told from a
            ledger that never had it.

    Raises:
        TamperedError: Something was changed, removed or put in another order.
    """
    with ledger.reading() as connection:
        head = read_chain_head(connection)
        walk = _ChainWalk(origin=head.origin, link=genesis_link(head.origin))
        checkpoints = _checked_ledger_checkpoints(connection, pinned)
        signatures = _walk_chain_and_count_signatures(connection, walk, checkpoints)
        _check_chain_head(head, walk)
        _check_merkle_nodes(connection, walk.tree.done)
        _check_ledger_actors(connection, walk)
        _check_checkpoint_signers(checkpoints, walk)
        return VerificationResult(
            entries=walk.tree.size,
            signatures=signatures,
            actors=len(walk.keys),
            checkpoints=len(checkpoints),
            root=walk.tree.merkle_root(),
        )


def _walk_chain_and_count_signatures(
    connection: sa.Connection, walk: _ChainWalk, checkpoints: list[Checkpoint]
) -> int:
    """Follow entries, signatures and checkpoints in step; return the number of signatures."""
    due: dict[int, list[Checkpoint]] = {}
    for checkpoint in checkpoints:
        due.setdefault(checkpoint.size, []).append(checkpoint)
    _check_checkpoint_roots(walk, due.get(0, ()))
    count, rows = 0, _entry_rows(connection)
    for batch in _signature_rows(connection):
        _check_signed_batch_start(batch, walk)
        members = _signed_batch_rows(rows, batch["last"] - batch["first"] + 1, walk)
        for row in members:
            _check_chain_entry(row, batch["actor_id"], walk)
            if walk.tree.size in due:
                _check_checkpoint_roots(walk, due[walk.tree.size])
        _check_batch_signature(batch, walk)
        count += 1
    if next(rows, None) is not None:
        raise _tampered_ledger_error(walk, Message("an entry that nobody signed"))
    return count


def _entry_rows(connection: sa.Connection) -> Iterator[Any]:
    table = schema.entries
    yield from connection.execute(sa.select(table).order_by(table.c.position)).yield_per(_PAGE)


def _signature_rows(connection: sa.Connection) -> Iterator[dict[str, Any]]:
    table = schema.signatures
    rows = connection.execute(sa.select(table).order_by(table.c.last)).mappings().all()
    yield from (dict(row) for row in rows)


def _signed_batch_rows(rows: Iterator[Any], count: int, walk: _ChainWalk) -> Iterable[Any]:
    for _ in range(count):
        row = next(rows, None)
        if row is None:
            raise _tampered_ledger_error(walk, Message("an entry missing"))
        yield row


def _check_signed_batch_start(batch: dict[str, Any], walk: _ChainWalk) -> None:
    if not walk.tree.size == batch["first"] <= batch["last"]:
        raise _tampered_ledger_error(walk, Message("a signature that begins elsewhere"))
    # Only the very first batch may be signed by a key that it enrols itself.
    if batch["actor_id"] not in walk.keys and walk.tree.size:
        raise _tampered_ledger_error(walk, Message("a signer who is not enrolled"))
    if batch["actor_id"] in walk.revoked:
        raise _tampered_ledger_error(walk, Message("a signer whose key was revoked"))


def _check_chain_entry(row: Any, signer_id: str, walk: _ChainWalk) -> None:
    position, at, actor_id, kind, subject, text, stored_link = row
    begins = ledger_entry_line_prefix(walk.tree.size, walk.link.hex(), at, signer_id, kind, subject)
    # The columns are compared with the line by spelling it anew, which costs no parsing and leaves
    # no second reading of a line.
    if position != walk.tree.size or not text.startswith(begins) or actor_id != signer_id:
        raise _tampered_ledger_error(
            walk, Message("a line that does not follow from the one before it")
        )
    if at < walk.at:
        raise _tampered_ledger_error(walk, Message("a clock that went back"))
    link = merkle_leaf_hash(text.encode())
    if link != stored_link:
        raise _tampered_ledger_error(walk, Message("a line that does not have its hash"))
    if kind in _OF_ACTORS:
        _learn_actor_key(text, walk)
    walk.link, walk.at = link, at
    walk.tree.add_leaf(link)


def _learn_actor_key(text: str, walk: _ChainWalk) -> None:
    entry = parse_ledger_entry(text, b"")
    actor_id = entry.subject.removeprefix("actor/")
    if entry.kind == actors.REVOKE:
        walk.revoked[actor_id] = entry.index
        return
    key = bytes.fromhex(entry.body["public_key"])
    if actor_id_of(key) != actor_id or actor_id in walk.keys:
        raise _tampered_ledger_error(walk, Message("a key under a name that is not its own"))
    walk.keys[actor_id] = key


def _check_batch_signature(batch: dict[str, Any], walk: _ChainWalk) -> None:
    key = walk.keys.get(batch["actor_id"], b"")
    message = entry_batch_message(walk.origin, batch["first"], batch["last"], walk.link)
    if not actor_signature_holds(key, bytes(batch["signature"]), message):
        raise _tampered_ledger_error(walk, Message("a signature that does not hold"))


def _checked_ledger_checkpoints(
    connection: sa.Connection, pinned: Checkpoint | None
) -> list[Checkpoint]:
    table = schema.checkpoints
    rows = connection.execute(sa.select(table).order_by(table.c.size)).all()
    checkpoints = [parse_checkpoint_note(row.note) for row in rows]
    if any((c.size, c.root) != (r.size, r.root) for c, r in zip(checkpoints, rows, strict=True)):
        raise TamperedError("ledger_checkpoints", found=Message("a note that differs from its row"))
    return [*checkpoints, pinned] if pinned else checkpoints


def _check_checkpoint_roots(walk: _ChainWalk, due: Iterable[Checkpoint]) -> None:
    for checkpoint in due:
        if checkpoint.root != walk.tree.merkle_root():
            raise _tampered_ledger_error(walk, Message("another past than its checkpoint says"))


def _check_checkpoint_signers(checkpoints: list[Checkpoint], walk: _ChainWalk) -> None:
    for checkpoint in checkpoints:
        if checkpoint.size > walk.tree.size:
            raise _tampered_ledger_error(walk, Message("fewer entries than a checkpoint says"))
        if not any(checkpoint_signed_by(checkpoint, key) for key in walk.keys.values()):
            raise _tampered_ledger_error(
                walk, Message("a checkpoint that nobody enrolled has signed")
            )


def _check_chain_head(head: ChainHead, walk: _ChainWalk) -> None:
    if (head.size, head.link, head.at) != (walk.tree.size, walk.link, walk.at):
        raise _tampered_ledger_error(
            walk, Message("a chain that ends elsewhere than its head says")
        )


def _check_merkle_nodes(connection: sa.Connection, wanted: list[tuple[int, int, bytes]]) -> None:
    rows = connection.execute(sa.select(schema.nodes)).all()
    # Proofs read stored nodes; a node that was edited would make a true entry look false, or the
    # other way round.
    if {(r.level, r.position, bytes(r.hash)) for r in rows} != set(wanted):
        raise TamperedError("ledger_nodes", found=Message("nodes that do not follow from entries"))


def _check_ledger_actors(connection: sa.Connection, walk: _ChainWalk) -> None:
    rows = connection.execute(sa.select(schema.actors)).mappings()
    in_table = {
        a.actor_id: (a.public_key, a.revoked_in) for a in map(actors.ledger_actor_of_row, rows)
    }
    if in_table != {name: (key, walk.revoked.get(name)) for name, key in walk.keys.items()}:
        raise TamperedError("ledger_actors", found=Message("actors who do not follow from entries"))


def _tampered_ledger_error(walk: _ChainWalk, fault: Message) -> TamperedError:
    return TamperedError(
        f"entry {walk.tree.size:,}",
        found=fault,
        remedy=Message("Restore the ledger from a copy that agrees with a kept checkpoint."),
    )
