"""Decide a captured state again, in the simulator, and simulate what comes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from commonwatt.fleet.domain.policies.decide import SchedulingDecision
from commonwatt.fleet.engines.simulator.loop import WAKE, EventReplay, HeapAgenda
from commonwatt.operate.domain.capture import Capture, parse_cluster_capture
from commonwatt.operate.engines.snapshot import (
    QueueSnapshot,
    queue_snapshot,
    scheduling_decision_by_names,
)

NO_DECISION = SchedulingDecision((), {})


@dataclass(slots=True)
class ReplayAgreement:
    """How live decisions and the simulator's agree.

    Args:
        decisions: Decisions compared.
        starts: Starts among them.
        preemptions: Preemptions among them.
        differing: Ticks at which they differ.
    """

    decisions: int = 0
    starts: int = 0
    preemptions: int = 0
    differing: list[int] = field(default_factory=list[int])


def simulated_cluster_decision(snapshot: QueueSnapshot, captured: Capture) -> SchedulingDecision:
    """Return what the simulator decides when it goes on from a captured state."""
    replay = EventReplay.continue_simulation_from_state(
        snapshot.state, captured.scheduling_policy, HeapAgenda()
    )
    # The simulator's own event loop takes one step from the captured state. A second copy of
    # the policy's call would agree with itself and prove nothing.
    return (
        replay.replay_simulated_event_and_decide((snapshot.state.now_ms, WAKE, 0, 0)) or NO_DECISION
    )


def compare_live_with_simulated(
    decisions: Iterable[tuple[int, dict[str, Any], str]],
) -> ReplayAgreement:
    """Return how decisions that were kept agree with the simulator's on the same states."""
    agreement = ReplayAgreement()
    for tick, live_decision, text in decisions:
        captured = parse_cluster_capture(text, f"decision {tick}")
        snapshot = queue_snapshot(captured)
        simulated = scheduling_decision_by_names(
            simulated_cluster_decision(snapshot, captured), snapshot
        )
        # Counted even where nothing was started, so that the share of differing decisions has
        # the right denominator.
        agreement.decisions += 1
        agreement.starts += len(live_decision["start"])
        agreement.preemptions += len(live_decision["preempt"])
        if simulated != {"preempt": live_decision["preempt"], "start": live_decision["start"]}:
            agreement.differing.append(tick)
    return agreement


def expected_job_start_instants_s(captured: Capture) -> dict[str, float]:
    """Return when each waiting job will start if nothing new comes [s since 1970].

    Run times are the estimates, so that a start is as a rule earlier than told.
    """
    snapshot = queue_snapshot(captured)
    replay = EventReplay.continue_simulation_from_state(
        snapshot.state, captured.scheduling_policy, HeapAgenda()
    )
    replay.replay_simulated_event_and_decide((snapshot.state.now_ms, WAKE, 0, 0))
    result = replay.run_to_end()
    return {
        snapshot.names[job]: float(result.start_ms[job]) / 1000
        for job in map(int, snapshot.state.waiting)
        if result.start_ms[job] >= 0
    }
