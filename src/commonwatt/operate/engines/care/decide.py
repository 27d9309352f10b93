"""The decision: from a case and what is seen of its node to the next move, or none.

A pure function of plain values, so that the replay of real faults and the live cluster
get the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from commonwatt.operate.domain.care.cases import Case
from commonwatt.operate.domain.care.findings import Component, Finding, Severity
from commonwatt.operate.domain.care.lifecycle import Stage
from commonwatt.operate.domain.care.policy import FIRST_AID, CarePolicy
from commonwatt.operate.domain.cluster import NodeState


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is seen of one node.

    Args:
        now_s: Now [s since 1970].
        state: Whether it takes jobs.
        busy: Whether jobs hold places on it.
        boot_at_s: When it last started [s since 1970]; 0 where unknown.
        finding: The worst that detectors say now; None where they say nothing.
        heard_at_s: When its telemetry was last heard [s since 1970]; None: never asked for.
        passed: What its test said: None while it runs or where none was begun.
    """

    now_s: float
    state: NodeState
    busy: bool = False
    boot_at_s: float = 0.0
    finding: Finding | None = None
    heard_at_s: float | None = None
    passed: bool | None = None


@dataclass(frozen=True, slots=True)
class Want:
    """A move that ought to be made, and why."""

    to: Stage
    reason: str


def decide(case: Case, look: Look, policy: CarePolicy) -> Want | None:  # noqa: PLR0911  one per stage
    """Return the next move of a node, or None where it should stay where it is."""
    match case.stage:
        case Stage.IN_SERVICE | Stage.WATCHED | Stage.REPORTED:
            return _in_service(case, look, policy)
        case Stage.DRAINED:
            return _drained(case, look, policy)
        case Stage.RESET:
            return Want(Stage.TEST, "reset done")
        case Stage.REBOOT:
            return _rebooting(case, look, policy)
        case Stage.TEST:
            return _testing(case, look, policy)
        case Stage.PROBATION:
            return _on_probation(case, look, policy)
        case Stage.HANDED_OVER:
            return None


def _in_service(case: Case, look: Look, policy: CarePolicy) -> Want | None:
    found = look.finding
    if found and found.severity is not Severity.SUSPECT:
        return Want(Stage.DRAINED, found.rule)
    if found:
        return _suspect(case, look, found, policy)
    quiet_s = look.now_s - case.since_s
    if case.stage is not Stage.IN_SERVICE and quiet_s >= policy.watch_s:
        return Want(Stage.IN_SERVICE, "quiet again")
    return None


def _suspect(case: Case, look: Look, found: Finding, policy: CarePolicy) -> Want | None:
    if case.stage is Stage.IN_SERVICE:
        return Want(Stage.WATCHED, found.rule)
    if case.stage is Stage.WATCHED and found.component is Component.MONITOR:
        blind_s = look.now_s - found.first_s
        return Want(Stage.REPORTED, "telemetry is silent") if blind_s >= policy.blind_s else None
    if case.stage is Stage.WATCHED and look.now_s - case.since_s >= policy.suspect_s:
        return Want(Stage.REPORTED, "suspect for long")
    return None


def _drained(case: Case, look: Look, policy: CarePolicy) -> Want | None:
    if look.state in (NodeState.UP, NodeState.DRAINING) or look.busy:
        overdue = look.now_s - case.since_s >= policy.drain_s
        return Want(Stage.HANDED_OVER, "still runs jobs") if overdue else None
    if case.returns >= policy.returns:
        return Want(Stage.HANDED_OVER, "relapsed after repair")
    return _next_aid(case)


def _next_aid(case: Case) -> Want:
    for stage in FIRST_AID[case.component]:
        if stage not in case.tried:
            return Want(stage, f"first aid for {case.component}")
    return Want(Stage.HANDED_OVER, "first aid is used up")


def _rebooting(case: Case, look: Look, policy: CarePolicy) -> Want | None:
    back = look.state is NodeState.DRAINED
    restarted = look.boot_at_s == 0 or look.boot_at_s >= case.since_s - 1
    if back and restarted:
        return Want(Stage.TEST, "back from reboot")
    overdue = look.now_s - case.since_s >= policy.reboot_s
    return Want(Stage.HANDED_OVER, "did not come back from reboot") if overdue else None


def _testing(case: Case, look: Look, policy: CarePolicy) -> Want | None:
    if look.passed is False:
        return _next_aid(case)
    blind = look.heard_at_s is not None and look.heard_at_s < case.since_s
    if look.passed and not blind:
        if case.node in policy.lemons:
            return Want(Stage.HANDED_OVER, "sound now, failed often before")
        return Want(Stage.PROBATION, "test passed")
    if look.now_s - case.since_s < policy.test_s:
        return None
    reason = "telemetry is silent" if look.passed else "test did not end"
    return Want(Stage.HANDED_OVER, reason)


def _on_probation(case: Case, look: Look, policy: CarePolicy) -> Want | None:
    found = look.finding
    if found and found.severity is not Severity.SUSPECT:
        return Want(Stage.DRAINED, f"relapse: {found.rule}")
    if look.now_s - case.since_s >= policy.probation_s:
        return Want(Stage.IN_SERVICE, "sound through probation")
    return None
