"""What a policy sees: jobs, what runs and waits, and the free room, as arrays.

The state may come from the simulator or from a live cluster; the same state gives
the same decision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from commonwatt.fleet.domain.machines import Fleet
from commonwatt.fleet.domain.policies.gangs import Gang, GangPiece, NodeFacts
from commonwatt.fleet.domain.policies.place import FreeCapacity, placement_request_of_job
from commonwatt.fleet.domain.workload import I64, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """One instant of a queue and its machines; job columns have shape (jobs,).

    Args:
        now_ms: The instant [ms].
        workload: What every job requests.
        fleet: The machines.
        machines: What is derived from them once.
        klass: Class of each job, a row of `nodes.eligible`.
        wide: Which gangs no single permitted node could hold.
        believed_ms: Run time that the scheduler believes, at least the true one [ms].
        predicted_ms: Run time predicted from finished jobs, set at submission [ms].
        chance: Two numbers in [0, 1) a job for policies of chance, shape (jobs, 2).
        waiting: Jobs that wait, in order of number.
        running: Jobs that run, in order of number.
        started_ms: Last start of each running job [ms].
        served_ms: Run time of each job kept from before that start [ms].
        held_pieces: Pieces that each running job holds.
        nodes: Free room.
        quota_milli: Quota of each tenant [1/1000 GPU], or None without quotas.
    """

    now_ms: int
    workload: Workload
    fleet: Fleet
    machines: NodeFacts
    klass: I64
    wide: npt.NDArray[np.bool_]
    believed_ms: I64
    predicted_ms: I64
    chance: npt.NDArray[np.float64]
    waiting: I64
    running: I64
    started_ms: I64
    served_ms: I64
    held_pieces: dict[int, tuple[GangPiece, ...]]
    nodes: FreeCapacity
    quota_milli: I64 | None = None


def job_ran_ms(state: QueueState, jobs: I64) -> I64:
    """Return how long `jobs` have run so far, with progress kept [ms]."""
    # `started_ms` of a preempted job is still its last start: time since then counts only for
    # jobs that run now.
    now = np.isin(jobs, state.running)
    return state.served_ms[jobs] + np.where(now, state.now_ms - state.started_ms[jobs], 0)


def gang_of_job(state: QueueState, job: int) -> Gang:
    """Return what `job` requests."""
    request = placement_request_of_job(state.workload, job, state.klass)
    first, second = state.chance[job].tolist()
    return Gang(request, bool(state.wide[job]), (first, second))


def believed_job_end_ms(state: QueueState, job: int) -> int:
    """Return when running `job` is believed to end [ms]."""
    left = state.believed_ms[job] - state.served_ms[job]
    return int(state.started_ms[job] + left)
