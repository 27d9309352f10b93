"""Actors as the chain has them, and the table that indexes them.

Name, role and organisation come from signed enrolments, folded from verified entries. The
table beside the chain is compared with them at each use and never believed.
"""

from __future__ import annotations

import sqlalchemy as sa

import commonwatt.ledger.schema as schema
from commonwatt.core.messages import Message
from commonwatt.ledger.entries import EntryDraft
from commonwatt.ledger.errors import ActorError
from commonwatt.ledger.people import (
    ENROL,
    REGISTRAR,
    REVOKE,
    Actor,
    Person,
    actor_of_enrolment,
    check_actor_active,
    check_actor_role,
    check_person_can_be_enrolled,
    enrolment_draft,
    ledger_actor_row,
    person_name_normalised_for_comparison,
    revocation_draft,
)
from commonwatt.ledger.verified import verified_head

__all__ = [
    "ENROL",
    "REGISTRAR",
    "REVOKE",
    "Actor",
    "Person",
    "actor_of_enrolment",
    "apply_actor_draft_to_table",
    "check_actor_active",
    "check_actor_role",
    "check_person_can_be_enrolled",
    "enrolment_draft",
    "find_ledger_actor",
    "person_name_normalised_for_comparison",
    "revocation_draft",
]


def find_ledger_actor(connection: sa.Connection, actor_id: str) -> Actor:
    """Return the actor of that name, as the verified chain enrolled them.

    Raises:
        ActorError: Nobody of that name is enrolled.
        TamperedError: The chain, or the table beside it, was changed.
    """
    actor = verified_head(connection).state.actors.get(actor_id)
    if actor is None:
        raise ActorError(
            f"actor {actor_id}",
            found=Message("nobody enrolled under this key"),
            remedy=Message("Ask a registrar to enrol the key first."),
        )
    return actor


def apply_actor_draft_to_table(connection: sa.Connection, index: int, draft: EntryDraft) -> None:
    """Bring the table of actors up to date with an enrolment or a revocation."""
    actor_id = draft.subject.removeprefix("actor/")
    # The table is an index of the entries, never a source: each use compares it with the chain.
    if draft.kind == ENROL:
        actor = actor_of_enrolment(index, draft.subject, draft.body)
        connection.execute(sa.insert(schema.actors), [ledger_actor_row(actor)])
    if draft.kind == REVOKE:
        table = schema.actors
        change = sa.update(table).where(table.c.actor_id == actor_id)
        connection.execute(change.values(revoked_in=index))
