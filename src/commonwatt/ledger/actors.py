"""Who may put something on record: a person in a role, of an organisation, at a device.

One key stands for one person in one role. Enrolment and revocation are entries
themselves, so that the chain alone tells whose signature counted when.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import RowMapping

import commonwatt.ledger.schema as schema
from commonwatt.core.identifiers import IdentifierKind, check_identifier
from commonwatt.core.messages import Message
from commonwatt.ledger.entries import EntryDraft
from commonwatt.ledger.errors import ActorError
from commonwatt.ledger.keys import actor_id_of
from commonwatt.ledger.roles import LedgerRole, check_known_role

ENROL: Final = "ledger.enrol"
REVOKE: Final = "ledger.revoke"
REGISTRAR: Final = LedgerRole.REGISTRAR


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A member of staff or a service, never a patient.

    Args:
        name: As the organisation's directory has it.
        role: One of `LedgerRole`; in a chain of an older version also another word.
        organisation: Who answers for them.
        device: The machine or card that holds the key.
    """

    name: str
    role: str
    organisation: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """An enrolled person and their key."""

    actor_id: str
    public_key: bytes
    person: Person
    enrolled_in: int
    revoked_in: int | None


def check_person_can_be_enrolled(person: Person) -> None:
    """Refuse a person of whom an enrolment would be refused, whatever their key.

    Raises:
        IdentifierError: Nobody may be called so.
        InputError: No rule knows the role.
    """
    check_identifier(IdentifierKind.PERSON, person.name, "name")
    check_known_role(person.role, "role")


def enrolment_draft(person: Person, public_key: bytes) -> EntryDraft:
    """Return the entry that makes `person` known by `public_key`.

    Raises:
        IdentifierError: Nobody may be called so; older enrolments are read as they stand.
        InputError: No rule knows the role; older enrolments are read as they stand.
    """
    check_person_can_be_enrolled(person)
    body = asdict(person) | {"public_key": public_key.hex()}
    return EntryDraft(kind=ENROL, subject=f"actor/{actor_id_of(public_key)}", body=body)


def revocation_draft(actor_id: str, reason: str) -> EntryDraft:
    """Return the entry after which `actor_id` counts no more."""
    return EntryDraft(kind=REVOKE, subject=f"actor/{actor_id}", body={"reason": reason})


def find_ledger_actor(connection: sa.Connection, actor_id: str) -> Actor:
    """Return the actor of that name.

    Raises:
        ActorError: Nobody of that name is enrolled.
    """
    query = sa.select(schema.actors).where(schema.actors.c.actor_id == actor_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise ActorError(
            f"actor {actor_id}",
            found=Message("nobody enrolled under this key"),
            remedy=Message("Ask a registrar to enrol the key first."),
        )
    return ledger_actor_of_row(row)


def ledger_actor_of_row(row: RowMapping) -> Actor:
    """Return the actor in a row of the table."""
    names = ("name", "role", "organisation", "device")
    return Actor(
        actor_id=row["actor_id"],
        public_key=bytes(row["public_key"]),
        person=Person(**{name: row[name] for name in names}),
        enrolled_in=row["enrolled_in"],
        revoked_in=row["revoked_in"],
    )


def check_actor_active(actor: Actor) -> None:
    """Refuse an actor whose key was revoked.

    Raises:
        ActorError: The key was revoked; the entry that did so is named.
    """
    if actor.revoked_in is not None:
        raise ActorError(
            f"actor {actor.actor_id}",
            found=Message("a key revoked in entry {index}", {"index": f"{actor.revoked_in:,}"}),
            wanted=Message("a key in force"),
        )


def check_actor_role(actor: Actor, roles: frozenset[str] | None, step: str) -> None:
    """Refuse an actor whose role may not take `step`; `None` lets every role.

    Raises:
        ActorError: The role is not among `roles`.
    """
    if roles is not None and actor.person.role not in roles:
        raise ActorError(
            f"actor {actor.actor_id}, {step}",
            found=Message("the role {role}", {"role": actor.person.role}),
            wanted=Message("one of the roles {roles}", {"roles": ", ".join(sorted(roles))}),
        )


def save_ledger_actor(connection: sa.Connection, index: int, draft: EntryDraft) -> None:
    """Bring the table of actors up to date with an enrolment or a revocation."""
    actor_id = draft.subject.removeprefix("actor/")
    # The table is an index of the entries, never a source: verification rebuilds it from the chain
    # and compares.
    if draft.kind == ENROL:
        row: dict[str, Any] = dict(draft.body) | {"actor_id": actor_id, "enrolled_in": index}
        row["public_key"] = bytes.fromhex(row["public_key"])
        connection.execute(sa.insert(schema.actors), [row])
    if draft.kind == REVOKE:
        table = schema.actors
        change = sa.update(table).where(table.c.actor_id == actor_id)
        connection.execute(change.values(revoked_in=index))
