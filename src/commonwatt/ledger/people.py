"""Who may put something on record: a person in a role, of an organisation, at a device.

One key stands for one person in one role. Enrolment and revocation are entries
themselves, so that the chain alone tells whose signature counted when.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from commonwatt.core.identifiers import IdentifierKind, identifier_checked_valid
from commonwatt.core.messages import Message
from commonwatt.ledger.entries import EntryDraft
from commonwatt.ledger.errors import ActorError
from commonwatt.ledger.keys import actor_id_of
from commonwatt.ledger.roles import LedgerRole, check_known_ledger_role

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
    identifier_checked_valid(IdentifierKind.PERSON, person.name, "name")
    check_known_ledger_role(person.role, "role")


def enrolment_draft(
    person: Person, public_key: bytes, permissions: Mapping[str, Any] | None = None
) -> EntryDraft:
    """Return the entry that makes `person` known by `public_key`.

    Args:
        person: Whoever is enrolled.
        public_key: By which they sign.
        permissions: Who may write what, in the first entry of a chain alone.

    Raises:
        IdentifierError: Nobody may be called so; older enrolments are read as they stand.
        InputError: No rule knows the role; older enrolments are read as they stand.
    """
    check_person_can_be_enrolled(person)
    body = asdict(person) | {"public_key": public_key.hex()}
    if permissions is not None:
        body |= {"permissions": dict(permissions)}
    return EntryDraft(kind=ENROL, subject=f"actor/{actor_id_of(public_key)}", body=body)


def actor_of_enrolment(index: int, subject: str, body: Mapping[str, Any]) -> Actor:
    """Return the actor whom the enrolment in entry `index` makes known.

    Raises:
        KeyError: The body lacks a member.
        ValueError: The key is none, or not that of the subject.
    """
    public_key = bytes.fromhex(body["public_key"])
    actor_id = subject.removeprefix("actor/")
    if actor_id_of(public_key) != actor_id:
        raise ValueError
    names = ("name", "role", "organisation", "device")
    return Actor(
        actor_id=actor_id,
        public_key=public_key,
        person=Person(**{name: str(body[name]) for name in names}),
        enrolled_in=index,
        revoked_in=None,
    )


def person_name_normalised_for_comparison(name: str) -> str:
    """Return how a name is compared: letters that look alike in two encodings are one name.

    >>> person_name_normalised_for_comparison("Ｌee  Ka-Ming")
    'lee ka-ming'
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def same_organisation_key(name: str) -> str:
    """Return how an organisation is compared, where two must be independent of each other.

    By its letters and digits alone: a hyphen, a full stop or a hidden character makes no
    second house.

    >>> same_organisation_key("St. Mary's  Hospital") == same_organisation_key("ST MARYS HOSPITAL")
    True
    """
    return "".join(
        letter for letter in unicodedata.normalize("NFKC", name).casefold() if letter.isalnum()
    )


def is_same_person(person: Person, other: Person) -> bool:
    """Return whether two enrolments are of one person, where two must be independent.

    By name, whatever the organisation: whoever is enrolled for two houses is still one person. Two
    people of one name are told apart by a name each.

    >>> wong = Person(name="Wong Siu-Ming", role="manufacturer", organisation="A", device="1")
    >>> again = Person(name="WONG Siu Ming", role="committee-chair", organisation="B", device="2")
    >>> is_same_person(wong, again)
    True
    """
    return same_organisation_key(person.name) == same_organisation_key(other.name)


def revocation_draft(actor_id: str, reason: str) -> EntryDraft:
    """Return the entry after which `actor_id` counts no more."""
    return EntryDraft(kind=REVOKE, subject=f"actor/{actor_id}", body={"reason": reason})


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


def ledger_actor_row(actor: Actor) -> dict[str, Any]:
    """Return how an actor stands in the table that indexes them."""
    person = actor.person
    # Spelled out: every transaction compares all actors, and `asdict` copies each field deeply.
    return {
        "name": person.name,
        "role": person.role,
        "organisation": person.organisation,
        "device": person.device,
        "actor_id": actor.actor_id,
        "public_key": actor.public_key,
        "enrolled_in": actor.enrolled_in,
        "revoked_in": actor.revoked_in,
    }
