"""One decision of a queue: which jobs to start, where, and which to preempt.

A pure function of the state: the simulator calls it at each event, a live
controller with the state of its cluster.
"""

from __future__ import annotations

from dataclasses import dataclass

from commonwatt.fleet.domain.policies.gangs import GangPiece
from commonwatt.fleet.domain.policies.plan import SchedulingPlan, take_or_release_gang_pieces
from commonwatt.fleet.domain.policies.policy import SchedulingPolicy
from commonwatt.fleet.domain.policies.state import QueueState


@dataclass(frozen=True, slots=True)
class SchedulingDecision:
    """What to do now; preemptions come before starts.

    Args:
        preemptions: Jobs to stop, in order.
        starts: Pieces of each job to start.
    """

    preemptions: tuple[int, ...]
    starts: dict[int, tuple[GangPiece, ...]]


def decide_scheduling(state: QueueState, policy: SchedulingPolicy) -> SchedulingDecision:
    """Return what `policy` does in `state`.

    The first job in the queue starts if it fits, or if preemption makes room; else
    backfill has its say. With quotas each tenant has a queue of its own, so that a
    tenant that must wait for its quota does not hold up the others.
    """
    plan = SchedulingPlan(state, policy.order, policy.place, borrow=policy.borrow)
    # The queue is read anew after each start, because shares and quotas have moved by it.
    while heads := _jobs_at_queue_heads(plan):
        if not any(
            _start_job_if_gang_fits(plan, job) or _start_job_by_preemption(plan, job, policy)
            for job in heads
        ):
            # Whatever starts out of turn only takes room, so no head can fit afterwards and one
            # pass is enough.
            policy.backfill.fill(plan)
            break
    return SchedulingDecision(tuple(plan.preempted), plan.starts)


def _jobs_at_queue_heads(plan: SchedulingPlan) -> list[int]:
    """Return the first job in the queue; with quotas, the first of each tenant."""
    queue = plan.startable_jobs_in_order()
    if plan.state.quota_milli is None:
        return queue[:1]
    # As in Kueue, where each ClusterQueue has pending jobs of its own: one queue for all would let
    # a tenant that has used up its quota hold up everybody behind its first job.
    heads: dict[int, int] = {}
    for job in queue:
        heads.setdefault(int(plan.state.workload.tenant[job]), job)
    return list(heads.values())


def _start_job_if_gang_fits(plan: SchedulingPlan, job: int) -> bool:
    pieces = plan.find_gang_pieces(job)
    if pieces is None:
        return False
    plan.start_job(job, pieces)
    return True


def _start_job_by_preemption(plan: SchedulingPlan, job: int, policy: SchedulingPolicy) -> bool:
    """Start `job` on room that preemption makes, stopping no more than it needs."""
    victims = _fewest_preemption_victims(plan, job, policy.preempt.victims(plan, job))
    for victim in victims:
        plan.preempt_job(victim, keep_progress=policy.keep_progress)
    return bool(victims) and _start_job_if_gang_fits(plan, job)


def _fewest_preemption_victims(plan: SchedulingPlan, job: int, victims: list[int]) -> list[int]:
    """Return as few of `victims` as make room for `job`, the first to go first, or none."""
    nodes, held = plan.state.nodes, plan.state.held_pieces
    stopped: list[int] = []
    while victims and plan.find_gang_pieces(job) is None:
        victim, *victims = victims
        take_or_release_gang_pieces(nodes, held[victim], -1)
        stopped.append(victim)
    fits = bool(stopped) and plan.find_gang_pieces(job) is not None
    needed: list[int] = []
    # Each is let back in turn, the last first, to see whether the job fits without its room; what
    # the policy would rather spare is thereby spared. The trial is on the plan's own nodes and
    # undone below: `SchedulingPlan.preempt` takes the room for good.
    for victim in reversed(stopped):
        take_or_release_gang_pieces(nodes, held[victim], 1)
        if fits and plan.find_gang_pieces(job) is None:
            take_or_release_gang_pieces(nodes, held[victim], -1)
            needed.append(victim)
    for victim in needed:
        take_or_release_gang_pieces(nodes, held[victim], 1)
    return needed[::-1]
