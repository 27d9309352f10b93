"""A case: what care did with one node, folded from the entries that it wrote.

Nothing is kept beside the entries, so that a caretaker that was killed finds every
case where it stood, and an auditor finds the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from commonwatt.operate.domain.care.findings import Component, NodeFinding, Severity
from commonwatt.operate.domain.care.lifecycle import CareStage

MOVE: Final = "operate.care.move"
HOLD: Final = "operate.care.hold"
APPROVE: Final = "operate.care.approve"
FREEZE: Final = "operate.care.freeze"
RELEASE: Final = "operate.care.release"


@dataclass(frozen=True, slots=True, kw_only=True)
class CareCase:
    """One node in care.

    Args:
        node: Which node.
        stage: Where it stands.
        since_s: Since when [s since 1970].
        component: Which part is at fault, as first found.
        severity: The worst that was found.
        tried: First aid already given.
        returns: How often it came back from care and has not proved sound yet.
        held_move: Stage that waits for an approval or a budget; None where nothing waits.
        approved: Stage that a person approved and that has not been taken.
    """

    node: str
    stage: CareStage = CareStage.IN_SERVICE
    since_s: float = 0.0
    component: Component = Component.UNKNOWN
    severity: Severity = Severity.SUSPECT
    tried: tuple[CareStage, ...] = ()
    returns: int = 0
    held_move: CareStage | None = None
    approved: CareStage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """What a journal keeps.

    Args:
        at_s: When [s since 1970].
        kind: One of the kinds above.
        node: Which node; empty where it is about the fleet.
        body: Plain JSON values.
    """

    at_s: float
    kind: str
    node: str
    body: Mapping[str, Any]


def care_move_entry_body(
    case: CareCase, to: CareStage, reason: str, finding: NodeFinding | None
) -> dict[str, Any]:
    """Return the body of a move's entry: from, to, why, and on what evidence."""
    component = finding.component if finding else case.component
    severity = finding.severity if finding else case.severity
    body = {
        "from": str(case.stage),
        "to": str(to),
        "reason": reason,
        "component": str(component),
        "severity": str(severity),
    }
    evidence = {"rule": finding.rule, "evidence": list(finding.evidence)} if finding else {}
    return body | evidence


def care_case_after_entry(case: CareCase | None, entry: JournalEntry) -> CareCase:
    """Return the case as it stands after an entry about its node."""
    case = case or CareCase(node=entry.node)
    match entry.kind:
        case "operate.care.move":
            return _care_case_after_move(case, entry)
        case "operate.care.hold":
            return replace(case, held_move=CareStage(entry.body["to"]))
        case "operate.care.approve":
            return replace(case, approved=CareStage(entry.body["to"]))
        case _:
            return case


def _care_case_after_move(case: CareCase, entry: JournalEntry) -> CareCase:
    to = CareStage(entry.body["to"])
    new_fault = case.stage in (
        CareStage.IN_SERVICE,
        CareStage.WATCHED,
        CareStage.REPORTED,
        CareStage.PROBATION,
    )
    component = Component(entry.body["component"]) if new_fault else case.component
    tried = () if to is CareStage.DRAINED else case.tried
    if to in (CareStage.RESET, CareStage.REBOOT, CareStage.TEST):
        tried = (*tried, to)
    returns = {CareStage.PROBATION: case.returns + 1, CareStage.IN_SERVICE: 0}.get(to, case.returns)
    return CareCase(
        node=case.node,
        stage=to,
        since_s=entry.at_s,
        component=component,
        severity=Severity(entry.body["severity"]),
        tried=tried,
        returns=returns,
    )
