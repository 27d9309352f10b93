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

    def integral_until(self, at_ms: I64) -> I64:
        """Return the integral of the level up to each instant, exactly, shape of `at_ms`."""
        if len(self.at_ms) == 0:
            return np.zeros(len(at_ms), np.int64)
        area = np.concatenate([[0], np.cumsum(self.level[:-1] * np.diff(self.at_ms))])
        # -1 before the first step: it reads the last one, and `where` below throws that away.
        step = np.searchsorted(self.at_ms, at_ms, side="right") - 1
        after = area[step] + self.level[step] * (at_ms - self.at_ms[step])
        return np.where(step >= 0, after, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Use and queue of a whole run.

    Args:
        held_milli: GPU held [1/1000 GPU].
        queue: Jobs that wait; those that can never fit are not among them.
        queued_milli: GPU that these jobs request [1/1000 GPU].
    """

    held_milli: StepSeries
    queue: StepSeries
    queued_milli: StepSeries


def fleet_step_series_of_changes(at_ms: I64, level_change: I64) -> StepSeries:
    """Return the steps that changes at given instants make.

    >>> made = fleet_step_series_of_changes(np.array([5, 0, 5, 9]), np.array([2, 1, -1, -2]))
    >>> made.at_ms.tolist(), made.level.tolist(), made.integral_until(np.array([7])).tolist()
    ([0, 5, 9], [1, 2, 0], [9])
    """
    instants, which = np.unique(at_ms, return_inverse=True)
    total = np.zeros(len(instants), np.int64)
    # Changes of one instant are one step, whose order nobody should see.
    np.add.at(total, which.reshape(-1), level_change)
    return StepSeries(at_ms=instants, level=np.cumsum(total))


def timeline_of_gpus_and_queue(result: SimulationResult, workload: Workload) -> Timeline:
    """Return GPU held and jobs waiting over time."""
    segments = result.segments
    demand = workload.gpu_demand_milli_by_job()[segments.job]
    return Timeline(
        held_milli=fleet_step_series_of_changes(
            np.concatenate([segments.start_ms, segments.end_ms]), np.concatenate([demand, -demand])
        ),
        queue=_waiting_jobs_series(result, workload, np.ones(len(workload), np.int64)),
        queued_milli=_waiting_jobs_series(result, workload, workload.gpu_demand_milli_by_job()),
    )


def _waiting_jobs_series(
    result: SimulationResult, workload: Workload, job_weight: I64
) -> StepSeries:
    """Return the sum of `job_weight` over the jobs that wait, shape of `job_weight` (jobs,)."""
    segments = result.segments
    admitted = np.flatnonzero(result.state != JobState.REJECTED)
    finished = result.end_ms[segments.job] == segments.end_ms
    last = (
        np.append(segments.job[1:] != segments.job[:-1], True)
        if len(segments)
        else np.zeros(0, np.bool_)
    )
    # A segment that does not end with its job was a preemption, after which the job waits again.
    requeued = ~(finished & last)
    at_ms = np.concatenate(
        [workload.submit_ms[admitted], segments.end_ms[requeued], segments.start_ms]
    )
    weights = [job_weight[admitted], job_weight[segments.job[requeued]], -job_weight[segments.job]]
    return fleet_step_series_of_changes(at_ms, np.concatenate(weights))


def gpu_milli_held_series(
    result: SimulationResult, node_column: I64, node_column_value: int
) -> StepSeries:
    """Return GPU held [1/1000 GPU] on nodes whose column `node_column` has `node_column_value`."""
    segment, node, milli = result.segments.segment_node_and_gpu_milli()
    on_nodes = node_column[node] == node_column_value
    segment, milli = segment[on_nodes], milli[on_nodes]
    segments = result.segments
    at_ms = np.concatenate([segments.start_ms[segment], segments.end_ms[segment]])
    return fleet_step_series_of_changes(at_ms, np.concatenate([milli, -milli]))
