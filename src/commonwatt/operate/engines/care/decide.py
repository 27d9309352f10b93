"""The decision: from a case and what is seen of its node to the next move, or none.

A pure function of plain values, so that the replay of real faults and the live cluster
get the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from commonwatt.operate.domain.care.cases import CareCase
from commonwatt.operate.domain.care.findings import Component, NodeFinding, Severity
from commonwatt.operate.domain.care.lifecycle import CareStage
from commonwatt.operate.domain.care.policy import FIRST_AID, CarePolicy
from commonwatt.operate.domain.cluster import NodeState


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeObservation:
    """What is seen of one node.

    Args:
        now_s: Now [s since 1970].
        state: Whether it takes jobs.
        busy: Whether jobs hold places on it.
        boot_at_s: When it last started [s since 1970]; 0 where unknown.
        finding: The worst that detectors say now; None where they say nothing.
        heard_at_s: When its telemetry was last heard [s since 1970]; None: never asked for.
        test_passed: What its test said: None while it runs or where none was begun.
    """

    now_s: float
    state: NodeState
    busy: bool = False
    boot_at_s: float = 0.0
    finding: NodeFinding | None = None
    heard_at_s: float | None = None
    test_passed: bool | None = None


@dataclass(frozen=True, slots=True)
class ProposedMove:
    """A move that ought to be made, and why."""

    to: CareStage
    reason: str


def next_care_move(  # noqa: PLR0911  one per stage
    case: CareCase, observation: NodeObservation, policy: CarePolicy
) -> ProposedMove | None:
    """Return the next move of a node, or None where it should stay where it is."""
    match case.stage:
        case CareStage.IN_SERVICE | CareStage.WATCHED | CareStage.REPORTED:
            return _care_move_in_service(case, observation, policy)
        case CareStage.DRAINED:
            return _care_move_from_drained(case, observation, policy)
        case CareStage.RESET:
            return ProposedMove(CareStage.TEST, "reset done")
        case CareStage.REBOOT:
            return _care_move_from_reboot(case, observation, policy)
        case CareStage.TEST:
            return _care_move_from_test(case, observation, policy)
        case CareStage.PROBATION:
            return _care_move_from_probation(case, observation, policy)
        case CareStage.HANDED_OVER:
            return None


def _care_move_in_service(
    case: CareCase, observation: NodeObservation, policy: CarePolicy
) -> ProposedMove | None:
    finding = observation.finding
    if finding and finding.severity is not Severity.SUSPECT:
        return ProposedMove(CareStage.DRAINED, finding.rule)
    if finding:
        return _care_move_of_suspect_node(case, observation, finding, policy)
    quiet_s = observation.now_s - case.since_s
    if case.stage is not CareStage.IN_SERVICE and quiet_s >= policy.watch_s:
        return ProposedMove(CareStage.IN_SERVICE, "quiet again")
    return None


def _care_move_of_suspect_node(
    case: CareCase, observation: NodeObservation, finding: NodeFinding, policy: CarePolicy
) -> ProposedMove | None:
    if case.stage is CareStage.IN_SERVICE:
        return ProposedMove(CareStage.WATCHED, finding.rule)
    if case.stage is CareStage.WATCHED and finding.component is Component.MONITOR:
        # From the first silence and not from the watch: how long nobody has seen the node is
        # what matters, whenever care began to look.
        blind_s = observation.now_s - finding.first_s
        return (
            ProposedMove(CareStage.REPORTED, "telemetry is silent")
            if blind_s >= policy.blind_s
            else None
        )
    if case.stage is CareStage.WATCHED and observation.now_s - case.since_s >= policy.suspect_s:
        return ProposedMove(CareStage.REPORTED, "suspect for long")
    return None


def _care_move_from_drained(
    case: CareCase, observation: NodeObservation, policy: CarePolicy
) -> ProposedMove | None:
    if observation.state in (NodeState.UP, NodeState.DRAINING) or observation.busy:
        overdue = observation.now_s - case.since_s >= policy.drain_s
        return ProposedMove(CareStage.HANDED_OVER, "still runs jobs") if overdue else None
    # First aid that did not last is not given again: it would put off the repair by a person
    # for as long as the fault comes and goes.
    if case.returns >= policy.returns:
        return ProposedMove(CareStage.HANDED_OVER, "relapsed after repair")
    return _next_first_aid_move(case)


def _next_first_aid_move(case: CareCase) -> ProposedMove:
    for stage in FIRST_AID[case.component]:
        if stage not in case.tried:
            return ProposedMove(stage, f"first aid for {case.component}")
    return ProposedMove(CareStage.HANDED_OVER, "first aid is used up")


def _care_move_from_reboot(
    case: CareCase, observation: NodeObservation, policy: CarePolicy
) -> ProposedMove | None:
    back = observation.state is NodeState.DRAINED
    # Slurm writes instants to the second, hence the one second. A backend that tells no start
    # (0) is believed when the node is back.
    restarted = observation.boot_at_s == 0 or observation.boot_at_s >= case.since_s - 1
    if back and restarted:
        return ProposedMove(CareStage.TEST, "back from reboot")
    overdue = observation.now_s - case.since_s >= policy.reboot_s
    return ProposedMove(CareStage.HANDED_OVER, "did not come back from reboot") if overdue else None


def _care_move_from_test(
    case: CareCase, observation: NodeObservation, policy: CarePolicy
) -> ProposedMove | None:
    if observation.test_passed is False:
        return _next_first_aid_move(case)
    # A test that passed on a node whose telemetry is still dead proves that it computes and not
    # that it is watched.
    blind = observation.heard_at_s is not None and observation.heard_at_s < case.since_s
    if observation.test_passed and not blind:
        # Sound at the test and failed often before: a test of minutes seldom meets a fault that
        # comes once a week.
        if case.node in policy.lemons:
            return ProposedMove(CareStage.HANDED_OVER, "sound now, failed often before")
        return ProposedMove(CareStage.PROBATION, "test passed")
    if observation.now_s - case.since_s < policy.test_s:
        return None
    reason = "telemetry is silent" if observation.test_passed else "test did not end"
    return ProposedMove(CareStage.HANDED_OVER, reason)


def _care_move_from_probation(
    case: CareCase, observation: NodeObservation, policy: CarePolicy
) -> ProposedMove | None:
    finding = observation.finding
    if finding and finding.severity is not Severity.SUSPECT:
        return ProposedMove(CareStage.DRAINED, f"relapse: {finding.rule}")
    if observation.now_s - case.since_s >= policy.probation_s:
        return ProposedMove(CareStage.IN_SERVICE, "sound through probation")
    return None
