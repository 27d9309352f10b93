"""Decide a captured state again, in the simulator, and simulate what comes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from commonwatt.fleet.domain.policies.decide import Decision
from commonwatt.fleet.engines.simulator.loop import WAKE, HeapAgenda, Replay
from commonwatt.operate.domain.capture import Capture, parse_capture
from commonwatt.operate.engines.snapshot import View, said, view

NOTHING = Decision((), {})


@dataclass(slots=True)
class Compared:
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


def simulated(seen: View, captured: Capture) -> Decision:
    """Return what the simulator decides when it goes on from a captured state."""
    replay = Replay.onward(seen.state, captured.rule, HeapAgenda())
    return replay.step((seen.state.now_ms, WAKE, 0, 0)) or NOTHING


def compare(kept: Iterable[tuple[int, dict[str, Any], str]]) -> Compared:
    """Return how decisions that were kept agree with the simulator's on the same states."""
    compared = Compared()
    for tick, told, text in kept:
        captured = parse_capture(text, f"decision {tick}")
        seen = view(captured)
        again = said(simulated(seen, captured), seen)
        compared.decisions += 1
        compared.starts += len(told["start"])
        compared.preemptions += len(told["preempt"])
        if again != {"preempt": told["preempt"], "start": told["start"]}:
            compared.differing.append(tick)
    return compared


def expected_starts_s(captured: Capture) -> dict[str, float]:
    """Return when each waiting job will start if nothing new comes [s since 1970].

    Run times are the estimates, so that a start is as a rule earlier than told.
    """
    seen = view(captured)
    replay = Replay.onward(seen.state, captured.rule, HeapAgenda())
    replay.step((seen.state.now_ms, WAKE, 0, 0))
    result = replay.run()
    return {
        seen.names[job]: float(result.start_ms[job]) / 1000
        for job in map(int, seen.state.waiting)
        if result.start_ms[job] >= 0
    }
