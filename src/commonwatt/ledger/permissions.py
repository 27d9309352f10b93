"""Which role may write which kind of entry: the table that every new chain begins with.

The table stands in the chain itself: the first entry carries it, and `ledger.permissions`
entries replace it. What is here is only what a new ledger is given; both verifiers and
every read go by the table in the chain. A test compares it with the tables of the wings.

A key of the table is a kind (`clinic.decision`), a kind and the state that its body moves to
(`clinic.move>approved`), or all kinds below a prefix (`console.`). The most exact counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from commonwatt.ledger.roles import LedgerRole

ANY_ROLE: Final = "*"
OWN_PREFIX: Final = "ledger."

_R = LedgerRole
_CUSTODIAN: Final = (_R.DATA_CUSTODIAN,)
_RESEARCHERS: Final = (_R.PROJECT_LEAD, _R.RESEARCHER)

COMMITTEE_ROLES: Final = (_R.CLINICAL_LEAD, _R.COMMITTEE_CHAIR, _R.SAFETY_OFFICER)
"""Two people in these roles may together do what a registrar may."""

ROLES_OF_KIND: Final[Mapping[str, Sequence[LedgerRole | str]]] = {
    "clinic.product": (_R.MANUFACTURER,),
    "clinic.version": (_R.MANUFACTURER,),
    "clinic.intended-use": (_R.MANUFACTURER,),
    "clinic.ruling": (_R.REGULATORY_OFFICER,),
    "clinic.evidence": (_R.EVALUATOR, _R.MANUFACTURER),
    "clinic.determination": (_R.COMMITTEE_CHAIR,),
    "clinic.fulfilment": (_R.COMMITTEE_CHAIR,),
    "clinic.deployment": (_R.CLINICAL_LEAD,),
    "clinic.move>approved": (_R.COMMITTEE_CHAIR,),
    "clinic.move>live": (_R.CLINICAL_LEAD, _R.MONITOR),
    "clinic.move>paused": (_R.CLINICAL_LEAD, _R.MONITOR, _R.SAFETY_OFFICER),
    "clinic.move>retired": (_R.CLINICAL_LEAD, _R.SAFETY_OFFICER),
    "clinic.disclosure": (_R.CLINICIAN, _R.GATEWAY),
    "clinic.advice": (_R.GATEWAY,),
    "clinic.decision": (_R.CLINICIAN,),
    "clinic.outcome": (_R.CLINICIAN, _R.GATEWAY),
    "clinic.examination": (_R.EVALUATOR,),
    "clinic.event": (_R.CLINICAL_LEAD, _R.CLINICIAN, _R.MONITOR, _R.SAFETY_OFFICER),
    "gate.sample": (_R.GATEWAY,),
    "gate.refusal": (_R.GATEWAY,),
    "agent.call": (_R.GATEWAY,),
    "sandbox.open": _CUSTODIAN,
    "sandbox.close": _CUSTODIAN,
    "sandbox.import": _CUSTODIAN,
    "sandbox.deidentify": _CUSTODIAN,
    "sandbox.sign-risk": _CUSTODIAN,
    "sandbox.delete": _CUSTODIAN,
    "sandbox.delete-room": _CUSTODIAN,
    "sandbox.opt-out": _CUSTODIAN,
    "sandbox.erase": _CUSTODIAN,
    "sandbox.lane": _CUSTODIAN,
    "sandbox.grant-budget": _CUSTODIAN,
    "sandbox.submit": _RESEARCHERS,
    "sandbox.ask": _RESEARCHERS,
    "sandbox.twin": _RESEARCHERS,
    "sandbox.vote": (_R.OUTPUT_CHECKER,),
    "sandbox.release": _CUSTODIAN,
    "sandbox.recall": (_R.DATA_CUSTODIAN, _R.OUTPUT_CHECKER),
    "operate.": (_R.CONTROLLER, _R.OPERATOR),
    "operate.care.": (_R.CARE, _R.OPERATOR),
    "operate.care.approve": (_R.OPERATOR,),
    "operate.care.release": (_R.OPERATOR,),
    # The console acts for its accounts where they have no key of their own, and only it does.
    "console.": (_R.REGISTRAR,),
    # Decides nothing: for exercises, examples and trials.
    "demo": (ANY_ROLE,),
    "demo.": (ANY_ROLE,),
}


@dataclass(frozen=True, slots=True)
class WritePermissions:
    """Who may write what, as one entry of a chain says.

    Args:
        roles: Roles by kind, kind and state, or prefix.
        committee: Roles of which two people together may do what a registrar may.
    """

    roles: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    committee: frozenset[str] = frozenset()

    def roles_that_may_write(self, kind: str, body: Mapping[str, Any]) -> frozenset[str]:
        """Return the roles that may write such an entry; none where no rule names its kind.

        >>> table = WritePermissions({"a.": frozenset({"x"}), "a.b>c": frozenset({"y"})})
        >>> [*table.roles_that_may_write("a.b", {"to": "c"})]
        ['y']
        >>> [*table.roles_that_may_write("a.b", {"to": "d"})]
        ['x']
        >>> [*table.roles_that_may_write("b", {})]
        []
        """
        prefixes = [kind[: at + 1] for at, letter in enumerate(kind) if letter == "."]
        for key in (f"{kind}>{body.get('to')}", kind, *reversed(prefixes)):
            if key in self.roles:
                return self.roles[key]
        return frozenset()

    def as_entry_body(self) -> dict[str, Any]:
        """Return the table as plain JSON values."""
        roles = {key: sorted(who) for key, who in self.roles.items()}
        return {"roles": roles, "committee": sorted(self.committee)}


def shipped_ledger_write_permissions() -> WritePermissions:
    """Return the table that a new ledger begins with."""
    return WritePermissions(
        {key: frozenset(map(str, who)) for key, who in ROLES_OF_KIND.items()},
        frozenset(map(str, COMMITTEE_ROLES)),
    )


def parse_ledger_write_permissions(body: Mapping[str, Any]) -> WritePermissions:
    """Return the table in the body of an entry.

    Raises:
        ValueError: It is none.
    """
    roles: dict[str, Any] = body["roles"]
    return WritePermissions(
        {key: _role_names_of_json_list(names) for key, names in roles.items()},
        _role_names_of_json_list(body["committee"]),
    )


def _role_names_of_json_list(names: Any) -> frozenset[str]:
    # A bare text would be read as the set of its letters.
    if not isinstance(names, list):
        raise ValueError
    return frozenset(map(str, cast("list[Any]", names)))
