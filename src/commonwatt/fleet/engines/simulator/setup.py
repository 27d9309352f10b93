"""What every engine derives from its inputs before the first event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from commonwatt.core.seeds import named_random_stream
from commonwatt.fleet.domain.machines import Fleet
from commonwatt.fleet.domain.policies.gangs import (
    WHOLE_GPU_POLICIES,
    NodeFacts,
    gang_pieces_if_gang_fits,
)
from commonwatt.fleet.domain.policies.place import (
    first_fit,
    idle_fleet_capacity,
    node_eligibility_by_job_class,
    typical_gpu_demand,
)
from commonwatt.fleet.domain.policies.policy import SchedulingPolicy
from commonwatt.fleet.domain.policies.state import QueueState, gang_of_job
from commonwatt.fleet.domain.workload import I64, Bools, Workload
from commonwatt.fleet.engines.simulator.shapes import (
    NEVER_FITS,
    GangShapes,
    gang_shapes_of_jobs,
    node_group_number_by_node,
)

Runtime = Literal["oracle", "none"]
UNKNOWN_MS = 30 * 24 * 3_600_000  # believed run time where nothing is known: 30 days
FIRST_GUESS_MS = 3_600_000  # predicted run time before any job has finished: an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySetup:
    """Inputs of one replay, and what is derived from them.

    Args:
        workload: The jobs.
        fleet: The machines.
        policy: How the queue is run.
        believed_ms: Run time that the scheduler believes of each job [ms].
        chance: Two numbers in [0, 1) a job, shape (jobs, 2).
        quota_milli: Quota of each tenant [1/1000 GPU], or None.
    """

    workload: Workload
    fleet: Fleet
    policy: SchedulingPolicy
    believed_ms: I64
    chance: npt.NDArray[np.float64]
    quota_milli: I64 | None


def believed_runtimes_ms(workload: Workload, runtime: Runtime) -> I64:
    """Return the run times that the scheduler believes [ms].

    An oracle knows them. Without one they are the estimates of the trace, raised to
    the run where a job outran its estimate; where a trace holds no estimates (they
    equal the run times throughout), nothing is known and all are equally long.
    """
    if runtime == "oracle":
        return workload.runtime_ms
    # Estimates that equal the run times throughout were filled in by a reader; to believe them
    # would make an oracle of a trace that knows nothing.
    has_estimates = not np.array_equal(workload.estimate_ms, workload.runtime_ms)
    estimate = (
        workload.estimate_ms if has_estimates else np.full(len(workload), UNKNOWN_MS, np.int64)
    )
    # A scheduler would have stopped the job at its limit, and the trace shows that it went on.
    return np.maximum(estimate, workload.runtime_ms)


def placement_random_draws_by_job(
    seed: int, jobs: int, policy: SchedulingPolicy
) -> npt.NDArray[np.float64]:
    """Return the chance of each job; none where the place policy draws nothing."""
    if policy.place.name in WHOLE_GPU_POLICIES:
        # Nothing is drawn, so that a run without chance has the same digest under every seed.
        return np.broadcast_to(np.float64(0.0), (jobs, 2))
    return named_random_stream(seed, "place").random((jobs, 2))


def initial_queue_state(setup: ReplaySetup) -> QueueState:
    """Return the state before the first event: an idle fleet and an empty queue."""
    workload, fleet = setup.workload, setup.fleet
    klass, eligible = node_eligibility_by_job_class(workload, fleet)
    none = np.zeros(0, np.int64)
    return QueueState(
        now_ms=0,
        workload=workload,
        fleet=fleet,
        machines=NodeFacts(node_group_number_by_node(fleet), typical_gpu_demand(workload, fleet)),
        klass=klass,
        wide=_wide_gang_flags_by_job(setup),
        believed_ms=setup.believed_ms,
        predicted_ms=np.zeros(len(workload), np.int64),
        chance=setup.chance,
        waiting=none,
        running=none,
        started_ms=np.zeros(len(workload), np.int64),
        served_ms=np.zeros(len(workload), np.int64),
        held_pieces={},
        nodes=idle_fleet_capacity(fleet, eligible),
        quota_milli=setup.quota_milli,
    )


def _wide_gang_flags_by_job(setup: ReplaySetup) -> Bools:
    shapes: GangShapes = gang_shapes_of_jobs(
        setup.workload, setup.fleet, node_group_number_by_node(setup.fleet)
    )
    return (shapes.of_job != NEVER_FITS) & (shapes.wide[shapes.of_job] == 1)


def never_fitting_job_flags(state: QueueState) -> Bools:
    """Return which jobs do not even fit an idle fleet, shape (jobs,)."""
    work = state.workload
    columns = (state.klass, work.gpus, work.gpu_milli, work.cpu_milli, work.memory_mib, state.wide)
    keys = np.stack([column.astype(np.int64) for column in columns], axis=1)
    _, first, which = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    fits = [
        gang_pieces_if_gang_fits(
            gang_of_job(state, job), state.nodes, state.machines, first_fit.POLICY
        )
        is not None
        for job in first.tolist()
    ]
    return ~np.array(fits, np.bool_)[which.reshape(-1)]
