"""The fast path: sets the compiled kernel up, runs it, and reads its result."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from commonwatt.core.errors import TraceError
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.gangs import WHOLE_GPU_POLICIES
from commonwatt.fleet.domain.policies.order import fair_share
from commonwatt.fleet.domain.policies.place.state import WHOLE
from commonwatt.fleet.domain.result import JobState, Segments, SimulationResult
from commonwatt.fleet.domain.workload import I64
from commonwatt.fleet.engines.simulator.estimates import empty_runtime_estimates
from commonwatt.fleet.engines.simulator.gangs import HeldPlaces
from commonwatt.fleet.engines.simulator.identities import check_simulation_law
from commonwatt.fleet.engines.simulator.kernel import (
    BITS,
    BY_SHARE,
    EASY,
    FAULTS,
    MODE,
    NOBODY,
    NOTES,
    PROMISED_TO,
    TOO_LATE,
    KernelState,
    replay_kernel,
)
from commonwatt.fleet.engines.simulator.nodesets import NodeSets, idle_node_sets
from commonwatt.fleet.engines.simulator.queues import (
    WaitingQueues,
    empty_queue_of_all_jobs,
    empty_queues_by_tenant,
)
from commonwatt.fleet.engines.simulator.releases import idle_fleet_releases
from commonwatt.fleet.engines.simulator.setup import ReplaySetup, initial_queue_state
from commonwatt.fleet.engines.simulator.shapes import (
    NEVER_FITS,
    GangShapes,
    gang_shapes_of_jobs,
    node_group_number_by_node,
)

T = TypeVar("T", bound=np.generic)


def can_replay_fast(setup: ReplaySetup) -> bool:
    """Return whether the compiled kernel serves these inputs at once."""
    order = setup.policy.order
    return (order.fixed or order is fair_share.POLICY) and can_compiled_kernel_replay_ranked_jobs(
        setup
    )


def can_compiled_kernel_replay_ranked_jobs(setup: ReplaySetup) -> bool:
    """Return whether the compiled kernel serves these inputs once the order is known."""
    work, fleet, policy = setup.workload, setup.fleet, setup.policy
    return (
        # The kernel counts whole GPUs only. CPU and memory keep it out where both jobs and nodes
        # name them; where either side is silent they bind nothing, and nobody has a share of them.
        policy.place.name in WHOLE_GPU_POLICIES
        and policy.backfill.name in ("none", "easy")
        and policy.preempt.name == "none"
        and setup.quota_milli is None
        and bool((work.gpu_milli == WHOLE).all())
        and not (work.cpu_milli.any() and fleet.cpu_milli.any())
        and not (work.memory_mib.any() and fleet.memory_mib.any())
    )


def replay_on_fast_kernel(setup: ReplaySetup) -> SimulationResult:
    """Return the outcome of `setup` by the compiled kernel."""
    work, order = setup.workload, setup.policy.order
    if order is fair_share.POLICY:
        queues = empty_queues_by_tenant(
            work.tenant.astype(np.int64), len(work.tenant_names), setup.fleet.gpu_capacity_milli
        )
        return _checked_replay_kernel_result(setup, queues)
    # Jobs already stand in order of submission: there is nothing to rank.
    if order.name == "fifo":
        jobs = np.arange(len(work))
        return _checked_replay_kernel_result(setup, empty_queue_of_all_jobs(jobs, jobs))
    return replay_ranked_on_fast_kernel(setup, _queue_order_keys(setup))


def replay_ranked_on_fast_kernel(setup: ReplaySetup, keys: I64) -> SimulationResult:
    """Return the outcome of `setup` where the least of `keys`, shape (jobs,), goes first."""
    queue = empty_queue_of_all_jobs(*_queue_ranks_and_jobs_by_rank(keys))
    return _checked_replay_kernel_result(setup, queue)


def _checked_replay_kernel_result(setup: ReplaySetup, queues: WaitingQueues) -> SimulationResult:
    kernel = _initial_kernel_state(setup, queues)
    replay_kernel(kernel)
    if kernel.note[TOO_LATE]:
        wanted = Message("submissions and run times that fit in a few thousand years")
        raise TraceError("runtime", found=Message("a job that ends too late"), wanted=wanted)
    check_simulation_law("GPUs of a node", kernel.note[FAULTS] == 0)
    idle = kernel.sets.free == kernel.sets.size[kernel.sets.group]
    check_simulation_law("GPUs given back", idle[kernel.sets.node >= 0].all())
    return _simulation_result_of_kernel(setup, kernel)


def _initial_kernel_state(setup: ReplaySetup, queues: WaitingQueues) -> KernelState:
    work, easy = setup.workload, setup.policy.backfill.name == "easy"
    group = node_group_number_by_node(setup.fleet)
    shapes = gang_shapes_of_jobs(work, setup.fleet, group)
    sets = idle_node_sets(group, setup.fleet.gpus.astype(np.int64))
    wide_at, places = _wide_gang_place_offsets_by_job_and_count(shapes, sets)
    widest = int(shapes.need.max(initial=1)) + 1
    note = np.zeros(NOTES, np.int64)
    note[PROMISED_TO] = NOBODY
    note[EASY], note[MODE] = easy, setup.policy.place.code
    note[BY_SHARE] = len(queues.of_job) > 0
    note[BITS] = max(len(work) - 1, 1).bit_length()
    return KernelState(
        submit=work.submit_ms,
        runtime=work.runtime_ms,
        believed=setup.believed_ms,
        start=np.full(len(work), -1, np.int64),
        shapes=shapes,
        sets=sets,
        held=HeldPlaces(np.full(len(work), -1, np.int64), wide_at, np.zeros(places, np.int64)),
        queues=queues,
        ends=np.empty(len(work) + 1, np.int64),
        releases=idle_fleet_releases(sets, used=easy),
        estimates=empty_runtime_estimates(shapes, queues, used=easy),
        lean=sets.many.copy(),
        promised=np.zeros(widest, np.int64),
        promised_gpus=np.zeros(widest, np.int64),
        scratch=np.zeros(widest, np.int64),
        note=note,
    )


def _queue_ranks_and_jobs_by_rank(order_keys: I64) -> tuple[I64, I64]:
    """Return each job's place in the queue's order, and the job at each place."""
    jobs = np.arange(len(order_keys))
    bits = max(len(jobs) - 1, 1).bit_length()
    low = int(order_keys.min(initial=0))
    if int(order_keys.max(initial=0)) - low < 1 << (62 - bits):
        # The job's number in the low bits makes one sort of plain words stable. Keys too far apart
        # to leave room for it go the slower way below.
        by_rank = np.sort(((order_keys - low) << bits) | jobs) & ((1 << bits) - 1)
    else:
        by_rank = np.argsort(order_keys, kind="stable")
    rank = np.empty_like(by_rank)
    rank[by_rank] = jobs
    return rank, by_rank


def _queue_order_keys(setup: ReplaySetup) -> I64:
    if setup.policy.order.name == "sjf":
        return setup.believed_ms
    state = initial_queue_state(setup)
    return setup.policy.order.keys(state, np.arange(len(setup.workload)))


def _wide_gang_place_offsets_by_job_and_count(
    shapes: GangShapes, sets: NodeSets
) -> tuple[I64, int]:
    """Return where each wide gang notes its places, and how many places that takes."""
    smallest = max(int(sets.size[sets.size > 0].min(initial=1 << 30)), 1)
    most_places = np.where(shapes.wide == 1, -(-shapes.need // smallest), 0)
    if not most_places.any():
        return np.zeros(0, np.int64), 0
    counts = np.where(shapes.of_job == NEVER_FITS, 0, most_places[shapes.of_job])
    ends = np.cumsum(counts)
    return ends - counts, int(ends[-1])


def _simulation_result_of_kernel(setup: ReplaySetup, kernel: KernelState) -> SimulationResult:
    work, start = setup.workload, kernel.start
    ran = start >= 0
    end = np.where(ran, start + work.runtime_ms, -1)
    state = np.where(ran, JobState.FINISHED, JobState.WAITING).astype(np.int32)
    state[kernel.shapes.of_job == NEVER_FITS] = JobState.REJECTED
    return SimulationResult(
        start_ms=start,
        end_ms=end,
        pending_ms=np.where(ran, start - work.submit_ms, -1),
        state=state,
        preemptions=np.zeros(len(work), np.int32),
        segments=_job_segments_of_kernel(setup, kernel, np.flatnonzero(ran)),
    )


def _job_segments_of_kernel(setup: ReplaySetup, kernel: KernelState, jobs: I64) -> Segments:
    work, shapes = setup.workload, kernel.shapes
    # Copies, because the entries of wide gangs are written over below.
    place, gpus = (
        _copied_job_rows(kernel.held.place, jobs),
        _copied_job_rows(work.gpus, jobs).astype(np.int64),
    )
    start = _copied_job_rows(kernel.start, jobs)
    wide = np.flatnonzero((shapes.wide == 1)[_copied_job_rows(shapes.of_job, jobs)])
    size = kernel.sets.size[place[wide]]
    nodes = -(-gpus[wide] // size)
    segment = np.repeat(wide, nodes)
    nth = np.arange(len(segment)) - np.repeat(np.cumsum(nodes) - nodes, nodes)
    at = kernel.held.wide[kernel.held.wide_at[jobs[segment]] + nth] if len(wide) else segment
    held = np.minimum(np.repeat(size, nodes), gpus[segment] - nth * np.repeat(size, nodes))
    milli = gpus * WHOLE
    place[wide], milli[wide] = at[nth == 0], size * WHOLE
    node = np.where(place >= 0, kernel.sets.node[place], -1)
    further = nth > 0
    return Segments(
        job=jobs,
        start_ms=start,
        end_ms=start + _copied_job_rows(work.runtime_ms, jobs),
        node=node,
        milli=milli,
        more_segment=segment[further],
        more_node=kernel.sets.node[at[further]],
        more_milli=held[further] * WHOLE,
    )


def _copied_job_rows(job_column: npt.NDArray[T], jobs: I64) -> npt.NDArray[T]:
    """Return a copy of the rows `jobs`, which rise; quick where they are all of them."""
    return job_column.copy() if len(jobs) == len(job_column) else job_column[jobs]
