"""A move and its ledger entry, checked and written on one connection.

There is no other way to move: whoever moved first and wrote later could be killed in
between, and whoever checked before the transaction would act on what was true then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic

import sqlalchemy as sa

from commonwatt.governance.lifecycle import F, Lifecycle, S
from commonwatt.ledger import EntryDraft, Ledger, LedgerEntry, Signer
from commonwatt.ledger.roles import LedgerRole
from commonwatt.ledger.store import lock_chain_head, permitted_ledger_signer


@dataclass(frozen=True, kw_only=True)
class MoveRequest(Generic[S, F]):
    """A move about to be made.

    Args:
        where: What moves, as an error names it.
        origin: Where it stands, as read on the connection that will write; None: it begins.
        to: Where it goes.
        step: The word under which the table has the move.
        facts: What preconditions are asked of, read on that connection, too.
        entries: What goes on record with it.
    """

    where: str
    origin: S | None
    to: S
    step: str
    facts: F
    entries: Sequence[EntryDraft]


def make_governed_move(
    ledger: Ledger,
    tx: sa.Connection,
    lifecycle: Lifecycle[S, F],
    move: MoveRequest[S, F],
    *,
    by: Signer,
    at: datetime,
    save: Callable[[], object] = lambda: None,
    acting_for: Collection[LedgerRole] | None = None,
) -> list[LedgerEntry]:
    """Check a move, carry it out and put it on record; all of it or nothing.

    1. Lock the head of the chain, so that nothing is decided beside it. 2. Ask the table by
    the signer's role. 3. Call `save`. 4. Append the entries.

    Args:
        ledger: The record.
        tx: A transaction of the ledger's database, in which `move` was read.
        lifecycle: The table.
        move: What is wanted.
        by: Whoever answers for it.
        at: When.
        save: Changes the state where it stands beside the ledger.
        acting_for: Roles of the person for whom a service signs; the signer's own if not given.

    Raises:
        ActorError: The signer is unknown or revoked.
        CommonwattError: The lifecycle's own errors: see `Lifecycle.check_move`.
    """
    lock_chain_head(tx)
    signer = permitted_ledger_signer(tx, by, None, move.step)
    roles = {signer.person.role} if acting_for is None else acting_for
    lifecycle.check_move(
        move.where, move.origin, move.to, step=move.step, roles=roles, facts=move.facts
    )
    save()
    return ledger.append(tx, move.entries, by=by, at=at)
