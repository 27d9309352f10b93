"""Check the whole record in its database: chain, columns, signatures, roles, checkpoints.

Everything is derived again from the lines themselves; a stored hash is only ever compared,
and nothing that was verified before is believed. `independent.py` does the same for an export
and shares no code with this.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

import commonwatt.ledger.schema as schema
from commonwatt.core.messages import Message
from commonwatt.ledger.checkpoints import (
    Checkpoint,
    is_checkpoint_signed_by,
    parse_ledger_checkpoint_note,
)
from commonwatt.ledger.clock import check_last_ledger_instant_not_ahead
from commonwatt.ledger.errors import TamperedError
from commonwatt.ledger.head import ChainHead, read_chain_head
from commonwatt.ledger.people import ledger_actor_row
from commonwatt.ledger.verified import actors_do_not_follow_error
from commonwatt.ledger.walk import (
    ChainWalk,
    MerkleAccumulator,
    entry_instant_by_index_reader,
    head_of_empty_ledger,
    walk_chain,
)

__all__ = ["MerkleAccumulator", "VerificationResult", "verify_ledger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationResult:
    """What was checked and found whole.

    Args:
        entries: Lines of the chain.
        signatures: Over them.
        actors: Keys ever enrolled.
        checkpoints: Compared with the chain.
        root: Over all lines.
        roles_checked: Whether the chain says who may write what; one of an older version does
            not, and only its enrolments were held to a role.
    """

    entries: int
    signatures: int
    actors: int
    checkpoints: int
    root: bytes
    roles_checked: bool = True


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
            tail was cut off together with its own checkpoints, and with what its witnesses
            hold, cannot be told from a ledger that never had it.

    Raises:
        TamperedError: Something was changed, removed, put in another order, or written by who
            may not.
        ClockError: The last entry lies in the future.
    """
    with ledger.reading() as connection:
        head = read_chain_head(connection)
        start = head_of_empty_ledger(head.origin)
        walk = ChainWalk(start=start, instant_of=entry_instant_by_index_reader(connection))
        checkpoints = _checked_ledger_checkpoints(connection, pinned)
        _walk_with_checkpoints(connection, walk, checkpoints)
        _check_chain_head(head, walk)
        if walk.tree.size:
            check_last_ledger_instant_not_ahead(connection, walk.at, walk.tree.size - 1)
        _check_merkle_nodes(connection, walk.tree.done)
        _check_ledger_actors(connection, walk)
        _check_checkpoint_signers(checkpoints, walk)
        return VerificationResult(
            entries=walk.tree.size,
            signatures=walk.signatures,
            actors=len(walk.state.actors),
            checkpoints=len(checkpoints),
            root=walk.tree.merkle_root(),
            roles_checked=walk.state.permissions is not None,
        )


def _walk_with_checkpoints(
    connection: sa.Connection, walk: ChainWalk, checkpoints: list[Checkpoint]
) -> None:
    """Follow entries, signatures and checkpoints in step."""
    due: dict[int, list[Checkpoint]] = {}
    for checkpoint in checkpoints:
        due.setdefault(checkpoint.size, []).append(checkpoint)

    def check_due(walk: ChainWalk) -> None:
        if walk.tree.size in due:
            _check_checkpoint_roots(walk, due[walk.tree.size])

    check_due(walk)
    walk_chain(connection, walk, check_due if due else None)


def _checked_ledger_checkpoints(
    connection: sa.Connection, pinned: Checkpoint | None
) -> list[Checkpoint]:
    table = schema.checkpoints
    rows = connection.execute(sa.select(table).order_by(table.c.size)).all()
    checkpoints = [parse_ledger_checkpoint_note(row.note) for row in rows]
    if any((c.size, c.root) != (r.size, r.root) for c, r in zip(checkpoints, rows, strict=True)):
        raise TamperedError("ledger_checkpoints", found=Message("a note that differs from its row"))
    return [*checkpoints, pinned] if pinned else checkpoints


def _check_checkpoint_roots(walk: ChainWalk, due: Iterable[Checkpoint]) -> None:
    for checkpoint in due:
        if checkpoint.root != walk.tree.merkle_root():
            raise walk.tampered_error(Message("another past than its checkpoint says"))


def _check_checkpoint_signers(checkpoints: list[Checkpoint], walk: ChainWalk) -> None:
    for checkpoint in checkpoints:
        if checkpoint.size > walk.tree.size:
            raise walk.tampered_error(Message("fewer entries than a checkpoint says"))
        keys = [actor.public_key for actor in walk.state.actors.values()]
        if not any(is_checkpoint_signed_by(checkpoint, key) for key in keys):
            raise walk.tampered_error(Message("a checkpoint that nobody enrolled has signed"))


def _check_chain_head(head: ChainHead, walk: ChainWalk) -> None:
    if (head.size, head.link, head.at) != (walk.tree.size, walk.link, walk.at):
        raise walk.tampered_error(Message("a chain that ends elsewhere than its head says"))


def _check_merkle_nodes(connection: sa.Connection, wanted: list[tuple[int, int, bytes]]) -> None:
    rows = connection.execute(sa.select(schema.nodes)).all()
    # Proofs read stored nodes; a node that was edited would make a true entry look false, or the
    # other way round.
    if {(r.level, r.position, bytes(r.hash)) for r in rows} != set(wanted):
        raise TamperedError("ledger_nodes", found=Message("nodes that do not follow from entries"))


def _check_ledger_actors(connection: sa.Connection, walk: ChainWalk) -> None:
    rows = [dict(row) for row in connection.execute(sa.select(schema.actors)).mappings()]
    in_table = {row["actor_id"]: row | {"public_key": bytes(row["public_key"])} for row in rows}
    if in_table != {name: ledger_actor_row(of) for name, of in walk.state.actors.items()}:
        raise actors_do_not_follow_error()
