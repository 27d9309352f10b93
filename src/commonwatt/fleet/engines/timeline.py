"""Use and queue over time, as steps: what was held, and how many waited, from when on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commonwatt.fleet.domain.result import JobState, SimulationResult
from commonwatt.fleet.domain.workload import I64, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSeries:
    """A quantity that changes in steps; it is 0 before the first.

    Args:
        at_ms: Instants of change, rising [ms], shape (steps,).
        level: Value from that instant until the next, shape (steps,).
    """

    at_ms: I64
    level: I64

    def until(self, at_ms: I64) -> I64:
        """Return the integral of the level up to each instant, exactly, shape of `at_ms`."""
        if len(self.at_ms) == 0:
            return np.zeros(len(at_ms), np.int64)
        area = np.concatenate([[0], np.cumsum(self.level[:-1] * np.diff(self.at_ms))])
        step = np.searchsorted(self.at_ms, at_ms, side="right") - 1
        after = area[step] + self.level[step] * (at_ms - self.at_ms[step])
        return np.where(step >= 0, after, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Use and queue of a whole run.

    Args:
        held_milli: GPU held [1/1000 GPU].
        queue: Jobs that wait; those that can never fit are not among them.
        queued_milli: GPU that these jobs ask for [1/1000 GPU].
    """

    held_milli: StepSeries
    queue: StepSeries
    queued_milli: StepSeries


def steps(at_ms: I64, change: I64) -> StepSeries:
    """Return the steps that changes at given instants make.

    >>> made = steps(np.array([5, 0, 5, 9]), np.array([2, 1, -1, -2]))
    >>> made.at_ms.tolist(), made.level.tolist(), made.until(np.array([7])).tolist()
    ([0, 5, 9], [1, 2, 0], [9])
    """
    instants, which = np.unique(at_ms, return_inverse=True)
    total = np.zeros(len(instants), np.int64)
    np.add.at(total, which.reshape(-1), change)
    return StepSeries(at_ms=instants, level=np.cumsum(total))


def timeline(result: SimulationResult, workload: Workload) -> Timeline:
    """Return GPU held and jobs waiting over time."""
    own = result.segments
    demand = workload.demand_milli()[own.job]
    return Timeline(
        held_milli=steps(
            np.concatenate([own.start_ms, own.end_ms]), np.concatenate([demand, -demand])
        ),
        queue=_queue(result, workload, np.ones(len(workload), np.int64)),
        queued_milli=_queue(result, workload, workload.demand_milli()),
    )


def _queue(result: SimulationResult, workload: Workload, weight: I64) -> StepSeries:
    """Return the sum of `weight` over the jobs that wait, shape of `weight` (jobs,)."""
    own = result.segments
    came = np.flatnonzero(result.state != JobState.REJECTED)
    finished = result.end_ms[own.job] == own.end_ms
    last = np.append(own.job[1:] != own.job[:-1], True) if len(own) else np.zeros(0, np.bool_)
    back = ~(finished & last)
    at_ms = np.concatenate([workload.submit_ms[came], own.end_ms[back], own.start_ms])
    each = [weight[came], weight[own.job[back]], -weight[own.job]]
    return steps(at_ms, np.concatenate(each))


def held_by(result: SimulationResult, column: I64, value: int) -> StepSeries:
    """Return GPU held [1/1000 GPU] on nodes whose `column` (a node column) has `value`."""
    segment, node, milli = result.segments.pieces()
    mine = column[node] == value
    segment, milli = segment[mine], milli[mine]
    own = result.segments
    at_ms = np.concatenate([own.start_ms[segment], own.end_ms[segment]])
    return steps(at_ms, np.concatenate([milli, -milli]))
