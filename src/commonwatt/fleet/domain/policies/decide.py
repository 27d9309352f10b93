"""One decision of a queue: which jobs to start, where, and which to preempt.

A pure function of the state: the simulator calls it at each event, a live
controller with the state of its cluster.
"""

from __future__ import annotations

from dataclasses import dataclass

from commonwatt.fleet.domain.policies.gangs import Piece
from commonwatt.fleet.domain.policies.plan import Plan, shift
from commonwatt.fleet.domain.policies.policy import Policy
from commonwatt.fleet.domain.policies.state import QueueState


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now; preemptions come before starts.

    Args:
        preemptions: Jobs to stop, in order.
        starts: Pieces of each job to start.
    """

    preemptions: tuple[int, ...]
    starts: dict[int, tuple[Piece, ...]]


def decide(state: QueueState, policy: Policy) -> Decision:
    """Return what `policy` does in `state`.

    The first job in the queue starts if it fits, or if preemption makes room; else
    backfill has its say. With quotas each tenant has a queue of its own, so that a
    tenant that must wait for its quota does not hold up the others.
    """
    plan = Plan(state, policy.order, policy.place, borrow=policy.borrow)
    while heads := _heads(plan):
        if not any(_start(plan, job) or _start_by_force(plan, job, policy) for job in heads):
            policy.backfill.fill(plan)
            break
    return Decision(tuple(plan.preempted), plan.starts)


def _heads(plan: Plan) -> list[int]:
    """Return the first job in the queue; with quotas, the first of each tenant."""
    queue = plan.queue()
    if plan.state.quota_milli is None:
        return queue[:1]
    heads: dict[int, int] = {}
    for job in queue:
        heads.setdefault(int(plan.state.workload.tenant[job]), job)
    return list(heads.values())


def _start(plan: Plan, job: int) -> bool:
    pieces = plan.find(job)
    if pieces is None:
        return False
    plan.start(job, pieces)
    return True


def _start_by_force(plan: Plan, job: int, policy: Policy) -> bool:
    """Start `job` on room that preemption makes, stopping no more than it needs."""
    victims = _needed(plan, job, policy.preempt.victims(plan, job))
    for victim in victims:
        plan.preempt(victim, keep_progress=policy.keep_progress)
    return bool(victims) and _start(plan, job)


def _needed(plan: Plan, job: int, victims: list[int]) -> list[int]:
    """Return as few of `victims` as make room for `job`, the first to go first, or none."""
    nodes, held = plan.state.nodes, plan.state.held
    stopped: list[int] = []
    while victims and plan.find(job) is None:
        victim, *victims = victims
        shift(nodes, held[victim], -1)
        stopped.append(victim)
    fits = bool(stopped) and plan.find(job) is not None
    needed: list[int] = []
    for victim in reversed(stopped):
        shift(nodes, held[victim], 1)
        if fits and plan.find(job) is None:
            shift(nodes, held[victim], -1)
            needed.append(victim)
    for victim in needed:
        shift(nodes, held[victim], 1)
    return needed[::-1]
