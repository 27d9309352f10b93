"""What the chain says of itself: who is enrolled, and who may write which kind of entry.

The state is a fold over the entries whose kind begins with `ledger.`, and over nothing
else. Writer, both verifiers and every read that decides ask it with the same rules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from commonwatt.core.messages import Message
from commonwatt.ledger.people import (
    ENROL,
    REGISTRAR,
    REVOKE,
    Actor,
    actor_of_enrolment,
    person_name_normalised_for_comparison,
)
from commonwatt.ledger.permissions import (
    OWN_PREFIX,
    WritePermissions,
    parse_ledger_write_permissions,
)

PERMISSIONS: Final = "ledger.permissions"
CONSENT: Final = "ledger.consent"
CLOCK: Final = "ledger.clock"
WITNESS: Final = "ledger.witness"
OWN_KINDS: Final = frozenset({ENROL, REVOKE, PERMISSIONS, CONSENT, CLOCK, WITNESS})


@dataclass(frozen=True, slots=True)
class WriteFault:
    """Why somebody may not write an entry.

    Args:
        found: What stands in the way.
        wanted: Which roles may, where a role is at fault.
    """

    found: Message
    wanted: Message | str = ""


@dataclass(slots=True)
class ChainState:
    """What follows from the entries of a chain that speak of the chain itself.

    Args:
        actors: Everybody ever enrolled, by the name of their key.
        permissions: Who may write what; None in a chain of a version that did not say so yet.
        consents: Who of the committee agreed to an entry, by its digest.
        witnesses: Folders and addresses that hold checkpoints.
    """

    actors: dict[str, Actor] = field(default_factory=dict[str, Actor])
    permissions: WritePermissions | None = None
    consents: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    witnesses: tuple[str, ...] = ()

    def copy(self) -> ChainState:
        """Return a state that may change without this one."""
        return ChainState(dict(self.actors), self.permissions, dict(self.consents), self.witnesses)

    def write_fault(
        self, actor_id: str, kind: str, body: Mapping[str, Any], digest: str
    ) -> WriteFault | None:
        """Return why `actor_id` may not write such an entry next, None where they may.

        Args:
            actor_id: Whoever signs.
            kind: Of the entry.
            body: Of the entry.
            digest: `entry_content_digest_hex` of the entry.
        """
        actor = self.actors.get(actor_id)
        if actor is None:
            return WriteFault(Message("a signer who is not enrolled"))
        if actor.revoked_in is not None:
            return WriteFault(Message("a signer whose key was revoked"))
        if kind.startswith(OWN_PREFIX):
            return self._own_entry_fault(actor, kind, digest)
        if self.permissions is None:
            return None  # a chain of an older version, in which nothing says who may
        may = self.permissions.roles_that_may_write(kind, body)
        if actor.person.role in may or "*" in may:
            return None
        return role_write_fault(actor.person.role, may)

    def _own_entry_fault(self, actor: Actor, kind: str, digest: str) -> WriteFault | None:
        """Return why an entry about the chain itself may not be written."""
        role = actor.person.role
        if kind not in OWN_KINDS:
            return WriteFault(Message("a kind of entry that the ledger does not have"))
        committee = self.permissions.committee if self.permissions else frozenset[str]()
        if kind == CONSENT:
            return None if role in committee else role_write_fault(role, committee)
        if role == REGISTRAR or (
            role in committee and self.has_consent_of_other_committee_member(actor, digest)
        ):
            return None
        return role_write_fault(role, frozenset({str(REGISTRAR)}))

    def has_consent_of_other_committee_member(self, actor: Actor, digest: str) -> bool:
        """Return whether another person of the committee, still enrolled, agreed to an entry."""
        people = (self.actors[other] for other in self.consents.get(digest, frozenset()))
        own = person_name_normalised_for_comparison(actor.person.name)
        return any(
            other.revoked_in is None
            and person_name_normalised_for_comparison(other.person.name) != own
            for other in people
        )

    def apply_own_entry(
        self, index: int, actor_id: str, kind: str, subject: str, body: Mapping[str, Any],
        digest: str,
    ) -> None:  # fmt: skip
        """Take in an entry about the chain itself; whether it may be written was asked before.

        Raises:
            KeyError: The body lacks a member.
            ValueError: The body is not of the form, or says what cannot be.
        """
        if kind == ENROL:
            actor = actor_of_enrolment(index, subject, body)
            if actor.actor_id in self.actors:
                raise ValueError
            self.actors[actor.actor_id] = actor
            if index == 0 and "permissions" in body:
                self.permissions = parse_ledger_write_permissions(body["permissions"])
        elif kind == REVOKE:
            revoked = self.actors[subject.removeprefix("actor/")]
            if revoked.revoked_in is not None:
                raise ValueError
            self.actors[revoked.actor_id] = replace(revoked, revoked_in=index)
        elif kind == PERMISSIONS:
            self.permissions = parse_ledger_write_permissions(body)
        elif kind == CONSENT:
            of = str(body["entry"])
            self.consents[of] = self.consents.get(of, frozenset()) | {actor_id}
        elif kind == WITNESS:
            self.witnesses = tuple(map(str, body["witnesses"]))
        # An agreement counts once: what two people allowed is not allowed again next year.
        self.consents.pop(digest, None)


def role_write_fault(role: str, may: frozenset[str]) -> WriteFault:
    """Return the fault of a role that may not."""
    return WriteFault(
        Message("the role {role}", {"role": role}),
        Message("one of the roles {roles}", {"roles": ", ".join(sorted(may)) or "–"}),
    )


def entry_content_digest_hex(text: str) -> str:
    """Return the digest of what an entry says: its line from `"kind"` on.

    >>> entry_content_digest_hex('{"index":0,"kind":"a","subject":"b","body":{}}')[:8]
    '32d46ec3'
    """
    return hashlib.sha256(text[text.index('"kind":') :].encode()).hexdigest()
