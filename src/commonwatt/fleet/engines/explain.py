"""Why a job waited: reasons over time, who stood in its way, and what would have helped.

The reasons are a closed list. What would have helped is not guessed: each change is
simulated again, everything else the same.

Source: Kueue's workload conditions, for the idea of a closed list of reasons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

import numpy as np

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.machines import SHARED, Fleet
from commonwatt.fleet.domain.policies.backfill import BACKFILLS
from commonwatt.fleet.domain.policies.order import ORDERS
from commonwatt.fleet.domain.policies.place.state import node_eligibility_by_job_class
from commonwatt.fleet.domain.policies.policy import SchedulingPolicy
from commonwatt.fleet.domain.result import (
    JobState,
    Segments,
    SimulationResult,
    exact_sum_of_gpu_amounts,
)
from commonwatt.fleet.domain.workload import I32, I64, Bools, Workload
from commonwatt.fleet.engines.simulator.setup import Runtime
from commonwatt.fleet.engines.simulator.simulate import Pool, select_fleet_nodes, simulate_schedule


class QueueReason(StrEnum):
    """Why a job waits at an instant; the first that applies."""

    NEVER_FITS = "never-fits"
    """It requests more than the nodes that it may use have."""
    PREEMPTED = "preempted"
    """It ran before and had to make room."""
    QUOTA_USED = "quota-used"
    """Its tenant may not borrow and has used up its quota."""
    TOO_FEW_FREE = "too-few-free"
    """Fewer GPUs are free on its nodes than it requests."""
    FRAGMENTED = "fragmented"
    """Enough GPUs are free, but not in the right places."""
    BEHIND_OTHERS = "behind-others"
    """It fits, but the order of the queue holds it back."""


REASON_MESSAGES: dict[QueueReason, Message] = {
    QueueReason.NEVER_FITS: Message("requests more than its nodes have"),
    QueueReason.PREEMPTED: Message("preempted by a job that goes first"),
    QueueReason.QUOTA_USED: Message("its tenant's quota is used up"),
    QueueReason.TOO_FEW_FREE: Message("too few GPUs are free"),
    QueueReason.FRAGMENTED: Message("enough GPUs are free, but not together"),
    QueueReason.BEHIND_OTHERS: Message("fits, but jobs ahead of it in the queue go first"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitInterval:
    """A stretch of the wait with one reason.

    Args:
        from_ms: Its start [ms].
        until_ms: Its end [ms].
        reason: Why the job waited.
        free_gpus: GPUs free on the nodes that it may use, at the start of the stretch.
    """

    from_ms: int
    until_ms: int
    reason: QueueReason
    free_gpus: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """A job that held GPUs which the waiting job could have used.

    Args:
        job_id: Its name.
        gpu_hours: GPU time that it held on these nodes during the wait [GPU-h].
        later: It was submitted after the waiting job.
    """

    job_id: str
    gpu_hours: float
    later: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """A change, and what it would have done.

    Args:
        change: What is changed.
        queue_delay_s: Delay of the job with the change [s], None where it never starts.
        saved_s: How much earlier it would have started [s]; negative: later.
    """

    change: Message
    queue_delay_s: float | None
    saved_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why one job waited.

    Args:
        job_id: Its name.
        state: What became of it.
        queue_delay_s: First start minus submission [s], None where it never started.
        stretches: Reasons over the wait.
        blockers: Jobs that held what it needed, the most GPU time first.
        remedies: Changes that were simulated, the most helpful first.
    """

    job_id: str
    state: JobState
    queue_delay_s: float | None
    intervals: tuple[WaitInterval, ...]
    blockers: tuple[Blocker, ...]
    remedies: tuple[Remedy, ...]


MOST_BLOCKERS = 10


def explain_job_wait(
    result: SimulationResult,
    workload: Workload,
    fleet: Fleet,
    policy: SchedulingPolicy,
    job_id: str,
    *,
    pool: Pool = "all",
    seed: int = 0,
    runtime: Runtime = "oracle",
    quotas: Mapping[str, float] | None = None,
) -> Explanation:
    """Return why `job_id` waited in `result`, which `simulate` gave for the same arguments.

    Raises:
        UsageError: The workload has no such job.
    """
    job = _job_number_in_workload(workload, job_id)
    nodes = _nodes_permitted_to_job(workload, fleet, job, pool)
    during = _result_with_segments_overlapping(
        result, int(workload.submit_ms[job]), int(result.end_ms[job])
    )
    wait = _JobWait(during, workload, fleet, policy, job, nodes, quotas)
    counterfactual = _Counterfactual(workload, fleet, policy, job, pool, seed, runtime, quotas)
    return Explanation(
        job_id=job_id,
        state=JobState(int(result.state[job])),
        queue_delay_s=_queue_delay_of_job_s(result, workload, job),
        intervals=tuple(wait.wait_intervals()),
        blockers=tuple(wait.blocking_jobs()),
        remedies=tuple(
            counterfactual.remedies_with_least_delay_first(
                _queue_delay_of_job_s(result, workload, job), nodes
            )
        ),
    )


def _job_number_in_workload(workload: Workload, job_id: str) -> int:
    matches = (workload.job_id == job_id).arg_true()
    if len(matches) == 0:
        raise UsageError(job_id, wanted=Message("a job of the trace"))
    return int(matches[0])


def _result_with_segments_overlapping(
    result: SimulationResult, from_ms: int, until_ms: int
) -> SimulationResult:
    """Return `result` with only the segments that overlap a stretch; -1 is its end."""
    whole = result.segments
    # Segments before and after the wait neither hold nor free anything in it. Without them the
    # search for instants is one of the wait, and no longer one of the whole run.
    overlaps = whole.end_ms >= from_ms
    if until_ms >= 0:
        overlaps &= whole.start_ms <= until_ms
    number = np.cumsum(overlaps) - 1
    further = overlaps[whole.more_segment]
    segments = Segments(
        job=whole.job[overlaps],
        start_ms=whole.start_ms[overlaps],
        end_ms=whole.end_ms[overlaps],
        node=whole.node[overlaps],
        milli=whole.milli[overlaps],
        more_segment=number[whole.more_segment[further]],
        more_node=whole.more_node[further],
        more_milli=whole.more_milli[further],
    )
    return replace(result, segments=segments)


def _nodes_permitted_to_job(workload: Workload, fleet: Fleet, job: int, pool: Pool) -> Bools:
    """Return which nodes the job may use at all."""
    owner = fleet.tenant if pool == "tenant" else np.full(len(fleet), SHARED, np.int32)
    klass, eligible = node_eligibility_by_job_class(workload, replace(fleet, tenant=owner))
    return eligible[klass[job]]


def _queue_delay_of_job_s(result: SimulationResult, workload: Workload, job: int) -> float | None:
    start_ms = int(result.start_ms[job])
    return None if start_ms < 0 else (start_ms - int(workload.submit_ms[job])) / 1000


@dataclass(frozen=True, slots=True)
class _JobWait:
    """The wait of one job, replayed from the outcome."""

    result: SimulationResult
    workload: Workload
    fleet: Fleet
    policy: SchedulingPolicy
    job: int
    nodes: Bools
    quotas: Mapping[str, float] | None

    def wait_intervals(self) -> Iterator[WaitInterval]:
        """Return the reasons over the wait, neighbours with one reason joined."""
        open_at: WaitInterval | None = None
        for from_ms, until_ms in self._waiting_stretches_ms():
            for at_ms, end_ms in self._stretches_between_changes_ms(from_ms, until_ms):
                reason, free = self._gpu_job_queue_reason_and_free_milli(at_ms)
                if open_at and open_at.reason == reason and open_at.until_ms == at_ms:
                    open_at = replace(open_at, until_ms=end_ms)
                    continue
                if open_at:
                    yield open_at
                open_at = WaitInterval(
                    from_ms=at_ms, until_ms=end_ms, reason=reason, free_gpus=free / 1000
                )
        if open_at:
            yield open_at

    def _waiting_stretches_ms(self) -> list[tuple[int, int]]:
        """Return the stretches between submission and end in which the job did not run."""
        segments = self.result.segments
        of_job = segments.job == self.job
        last = max(int(segments.end_ms.max(initial=0)), int(self.workload.submit_ms[self.job]))
        starts = [*segments.start_ms[of_job].tolist()]
        ends = [int(self.workload.submit_ms[self.job]), *segments.end_ms[of_job].tolist()]
        if self.result.state[self.job] != JobState.FINISHED:
            starts.append(last)
        # The end of a finished job opens no gap: it is the one entry of `ends` that finds no start.
        return [(end, start) for end, start in zip(ends, starts, strict=False) if start > end]

    def _stretches_between_changes_ms(
        self, from_ms: int, until_ms: int
    ) -> Iterator[tuple[int, int]]:
        """Return the pieces of a gap in which nothing starts or ends."""
        segments = self.result.segments
        at = np.union1d(segments.start_ms, segments.end_ms)
        cuts = [from_ms, *at[(at > from_ms) & (at < until_ms)].tolist(), until_ms]
        yield from pairwise(cuts)

    def _gpu_job_queue_reason_and_free_milli(self, at_ms: int) -> tuple[QueueReason, int]:
        # From what no queue could mend to what only its order decides: the first reason that
        # applies is the one that its owner can act on.
        free = self._free_gpu_milli_by_node(at_ms)
        job_free = int(free[self.nodes].sum())
        if self.result.state[self.job] == JobState.REJECTED:
            return QueueReason.NEVER_FITS, job_free
        if self._had_ended_a_run_by(at_ms):
            return QueueReason.PREEMPTED, job_free
        if self._would_job_exceed_tenant_quota(at_ms):
            return QueueReason.QUOTA_USED, job_free
        if job_free < self.workload.gpu_demand_milli_by_job()[self.job]:
            return QueueReason.TOO_FEW_FREE, job_free
        fits = self._gang_fits(free)
        return (QueueReason.BEHIND_OTHERS if fits else QueueReason.FRAGMENTED), job_free

    def _running_segment_flags_at(self, at_ms: int) -> Bools:
        segments = self.result.segments
        return (segments.start_ms <= at_ms) & (segments.end_ms > at_ms)

    def _free_gpu_milli_by_node(self, at_ms: int) -> I64:
        """Return free GPU of each node just after `at_ms` [1/1000 GPU]."""
        segment, node, milli = self.result.segments.segment_node_and_gpu_milli()
        now = self._running_segment_flags_at(at_ms)[segment]
        free = self.fleet.gpus.astype(np.int64) * 1000
        # `free[node] -= milli` would take from each node once, however many pieces it holds.
        np.subtract.at(free, node[now], milli[now])
        return free

    def _had_ended_a_run_by(self, at_ms: int) -> bool:
        segments = self.result.segments
        return bool(((segments.job == self.job) & (segments.end_ms <= at_ms)).any())

    def _would_job_exceed_tenant_quota(self, at_ms: int) -> bool:
        if self.quotas is None or self.policy.borrow:
            return False
        tenant = int(self.workload.tenant[self.job])
        jobs = self.result.segments.job[self._running_segment_flags_at(at_ms)]
        demand = self.workload.gpu_demand_milli_by_job()
        used = exact_sum_of_gpu_amounts(demand[jobs[self.workload.tenant[jobs] == tenant]])
        quota = self.quotas.get(self.workload.tenant_names[tenant], 0) * 1000
        return bool(used + demand[self.job] > quota)

    def _gang_fits(self, free: I64) -> bool:
        """Return whether the gang has room by free GPU of its nodes: whole nodes if wide."""
        need = int(self.workload.gpu_demand_milli_by_job()[self.job])
        size = self.fleet.gpus[self.nodes].astype(np.int64) * 1000
        # By the free GPU of whole nodes: shares that lie on different GPUs of a node count together
        # here, although a place policy may find no single GPU with enough.
        free_permitted = free[self.nodes]
        if self.workload.single_node[self.job] or (size >= need).any():
            return bool((free_permitted >= need).any())
        whole = int(free_permitted[free_permitted == size].sum())
        return whole + int(free_permitted[free_permitted < size].max(initial=0)) >= need

    def blocking_jobs(self) -> Iterator[Blocker]:
        """Return the jobs that held most GPU time on the job's nodes during its wait."""
        segment, node, milli = self.result.segments.segment_node_and_gpu_milli()
        segments, held = self.result.segments, np.zeros(len(self.workload), np.int64)
        for from_ms, until_ms in self._waiting_stretches_ms():
            inside = np.minimum(segments.end_ms, until_ms) - np.maximum(segments.start_ms, from_ms)
            time = np.maximum(inside, 0)[segment] * self.nodes[node]
            np.add.at(held, segments.job[segment], time * milli)
        names: list[str] = self.workload.job_id.to_list()
        # Stable: of jobs that held as much, the one submitted first is named first.
        most: list[int] = np.argsort(-held, kind="stable")[:MOST_BLOCKERS].tolist()
        for job in most:
            if held[job] > 0:
                yield Blocker(
                    job_id=names[job],
                    gpu_hours=int(held[job]) / 3.6e9,
                    later=job > self.job,
                )


@dataclass(frozen=True, slots=True)
class _Counterfactual:
    """The same run with one thing changed."""

    workload: Workload
    fleet: Fleet
    policy: SchedulingPolicy
    job: int
    pool: Pool
    seed: int
    runtime: Runtime
    quotas: Mapping[str, float] | None

    def remedies_with_least_delay_first(self, delay_s: float | None, nodes: Bools) -> list[Remedy]:
        """Return every change with its effect, the most helpful first."""
        # A job that started at once has nothing to gain, and each change costs a simulation.
        if delay_s == 0:
            return []
        remedies = [
            self._simulated_remedy(change, delay_s, workload, fleet, policy)
            for change, workload, fleet, policy in self._changed_inputs(nodes)
        ]
        return sorted(remedies, key=_fleet_job_delay_with_remedy_s)

    def _simulated_remedy(
        self,
        change: Message,
        delay_s: float | None,
        workload: Workload,
        fleet: Fleet,
        policy: SchedulingPolicy,
    ) -> Remedy:
        result = simulate_schedule(
            workload,
            fleet,
            policy,
            pool=self.pool,
            seed=self.seed,
            runtime=self.runtime,
            quotas=self.quotas,
        )
        new_s = _queue_delay_of_job_s(result, workload, self.job)
        saved_s = None if new_s is None or delay_s is None else delay_s - new_s
        return Remedy(change=change, queue_delay_s=new_s, saved_s=saved_s)

    def _changed_inputs(
        self, nodes: Bools
    ) -> Iterator[tuple[Message, Workload, Fleet, SchedulingPolicy]]:
        work, gpus = self.workload, int(self.workload.gpus[self.job])
        if gpus > 1:
            fewer = _job_column_with_entry_replaced(work.gpus, self.job, gpus // 2)
            change = Message("half the GPUs ({gpus})", {"gpus": str(gpus // 2)})
            yield change, replace(work, gpus=fewer), self.fleet, self.policy
        raised = _job_column_with_entry_replaced(
            work.priority, self.job, int(work.priority.max()) + 1
        )
        by_priority = replace(self.policy, order=ORDERS["priority"])
        only_this_job = _job_column_with_entry_replaced(np.zeros_like(work.priority), self.job, 1)
        # Other orders read no priority, so that raising it would be no remedy. FIFO is turned into
        # priority with this job alone raised, which is FIFO with one exception.
        if self.policy.order.name == "priority":
            yield Message("top priority"), replace(work, priority=raised), self.fleet, self.policy
        elif self.policy.order.name == "fifo":
            yield (
                Message("top priority"),
                replace(work, priority=only_this_job),
                self.fleet,
                by_priority,
            )
        if self.policy.backfill.name == "none":
            easy = replace(self.policy, backfill=BACKFILLS["easy"])
            yield Message("EASY backfill"), work, self.fleet, easy
        if nodes.any():
            # The last node that it may use, repeated at the end: no other node changes its number,
            # so ties fall as they did.
            larger = _fleet_with_one_more_node(self.fleet, int(np.flatnonzero(nodes)[-1]))
            yield Message("one more node like those it may use"), work, larger, self.policy


def _fleet_job_delay_with_remedy_s(remedy: Remedy) -> float:
    return float("inf") if remedy.queue_delay_s is None else remedy.queue_delay_s


def _job_column_with_entry_replaced(column: I32, job: int, job_entry: int) -> I32:
    new = column.copy()
    new[job] = job_entry
    return new


def _fleet_with_one_more_node(fleet: Fleet, like_node: int) -> Fleet:
    rows = np.append(np.arange(len(fleet)), like_node)
    larger = select_fleet_nodes(fleet, rows)
    return replace(larger, node_id=(*fleet.node_id, f"{fleet.node_id[like_node]}+1"))
