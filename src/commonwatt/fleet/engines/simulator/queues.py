"""The waiting jobs in order: one queue for everybody, or one for each tenant, for compiled code.

Under an order that is known at submission all wait in one queue. Under fair share the
order within a tenant never changes, and only the tenants change places: each has a queue
of its own, and the head of the queue is the first job of the tenant with the least share.
"""

# An element picked by an element of another array reads as an array to the checker.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from commonwatt.core.jit import njit
from commonwatt.fleet.domain.policies.order.fair_share import SCALE
from commonwatt.fleet.domain.policies.place.state import WHOLE
from commonwatt.fleet.domain.workload import I64
from commonwatt.fleet.engines.simulator.bits import (
    LATER,
    NONE,
    ZERO,
    add_to_job_queue_bitset,
    drop_from_job_queue_bitset,
    empty_job_queue_bitsets_and_floors,
    least_in_job_queue_bitset,
)


class WaitingQueues(NamedTuple):
    """The waiting jobs of each queue.

    Args:
        words: Waiting jobs by rank, a tower of words for each queue.
        floors: Floors of each tower, shape (queues, floors + 1).
        first_rank: Least rank of each queue, shape (queues,).
        rank: Place of each job in the order of the queues, shape (jobs,).
        by_rank: Job at each place of that order, shape (jobs,).
        of_job: Tenant of each job, whose queue it is in, shape (jobs,); empty where there is
            one queue for all.
        used_milli: GPU that each tenant holds [1/1000 GPU], shape (queues,).
        share: Its share of the fleet now, shape (queues,).
        share_in_pass: Its share when the queue was last put in order for a pass over it.
        capacity_milli: GPU of the fleet [1/1000 GPU], shape (1,).
    """

    words: I64
    floors: I64
    first_rank: I64
    rank: I64
    by_rank: I64
    of_job: I64
    used_milli: I64
    share: I64
    share_in_pass: I64
    capacity_milli: I64


def empty_queue_of_all_jobs(rank: I64, by_rank: I64) -> WaitingQueues:
    """Return one empty queue whose order is `by_rank`."""
    return _empty_queues(rank, by_rank, np.zeros(0, np.int64), np.array([len(rank)]), 0)


def empty_queues_by_tenant(tenant: I64, tenants: int, capacity_milli: int) -> WaitingQueues:
    """Return an empty queue for each tenant, in order of submission.

    Args:
        tenant: Tenant of each job, shape (jobs,).
        tenants: How many there are.
        capacity_milli: GPU of the fleet [1/1000 GPU].
    """
    by_rank = np.argsort(tenant, kind="stable")
    rank = np.empty_like(by_rank)
    rank[by_rank] = np.arange(len(by_rank))
    lengths = np.bincount(tenant, minlength=tenants)
    return _empty_queues(rank, by_rank, tenant, lengths, capacity_milli)


def _empty_queues(
    rank: I64, by_rank: I64, of_job: I64, lengths: I64, capacity_milli: int
) -> WaitingQueues:
    words, floors = empty_job_queue_bitsets_and_floors(lengths.tolist())
    none = np.zeros(len(lengths), np.int64)
    return WaitingQueues(
        words=words,
        floors=floors,
        first_rank=np.cumsum(lengths) - lengths,
        rank=rank,
        by_rank=by_rank,
        of_job=of_job,
        used_milli=none,
        share=none.copy(),
        share_in_pass=none.copy(),
        capacity_milli=np.array([capacity_milli], np.int64),
    )


@njit(bare=True, hot=True)
def _queue_of_job(queues: WaitingQueues, job: int) -> int:
    return queues.of_job[job] if len(queues.of_job) > 0 else ZERO


@njit(bare=True, hot=True)
def add_waiting_job(queues: WaitingQueues, job: int) -> None:
    """Let `job` wait in its queue."""
    queue = _queue_of_job(queues, job)
    member = queues.rank[job] - queues.first_rank[queue]
    add_to_job_queue_bitset(queues.words, queues.floors[queue], member)


@njit(bare=True, hot=True)
def drop_waiting_job(queues: WaitingQueues, job: int) -> None:
    """Take `job` out of its queue."""
    queue = _queue_of_job(queues, job)
    member = queues.rank[job] - queues.first_rank[queue]
    drop_from_job_queue_bitset(queues.words, queues.floors[queue], member)


@njit(bare=True, hot=True)
def first_waiting_job(queues: WaitingQueues) -> int:
    """Return the first of all waiting jobs, or -1 where none waits."""
    if len(queues.of_job) > 0:
        return _first_job_of_least_share(queues)
    member = least_in_job_queue_bitset(queues.words, queues.floors[0])
    return queues.by_rank[member] if member >= 0 else NONE


@njit(bare=True)
def _first_job_of_least_share(queues: WaitingQueues) -> int:
    least, first = LATER, NONE
    for queue in range(len(queues.share)):
        share = queues.share[queue]
        # Most tenants are passed over by their share, without a search for their first job.
        if share > least:
            continue
        member = least_in_job_queue_bitset(queues.words, queues.floors[queue])
        if member < 0:
            continue
        job = queues.by_rank[queues.first_rank[queue] + member]
        # Equal shares: the earliest submission, which has the least number.
        if share < least or job < first:
            least, first = share, job
    return first


@njit(bare=True, hot=True)
def job_goes_before_other(queues: WaitingQueues, job: int, other: int) -> bool:
    """Return whether `job` stands before `other` by the shares as they are now."""
    return _job_is_before_other_by_shares(queues, queues.share, job, other)


@njit(bare=True, hot=True)
def job_goes_before_other_in_pass(queues: WaitingQueues, job: int, other: int) -> bool:
    """Return whether `job` stood before `other` when the pass over the queue began."""
    return _job_is_before_other_by_shares(queues, queues.share_in_pass, job, other)


@njit(bare=True, hot=True)
def _job_is_before_other_by_shares(
    queues: WaitingQueues, shares: I64, job: int, other: int
) -> bool:
    if len(queues.of_job) == 0:
        return queues.rank[job] < queues.rank[other]
    share, other_share = shares[queues.of_job[job]], shares[queues.of_job[other]]
    return share < other_share or (share == other_share and job < other)


@njit(bare=True)
def note_tenant_shares_for_queue_pass(queues: WaitingQueues) -> None:
    """Note the shares: whatever starts in a pass over the queue does not reorder it."""
    # One queue for all has no shares that could change.
    if len(queues.of_job) == 0:
        return
    for queue in range(len(queues.share)):
        queues.share_in_pass[queue] = queues.share[queue]


@njit(bare=True, hot=True)
def add_gpus_to_tenant_share(queues: WaitingQueues, job: int, gpus: int) -> None:
    """Count `gpus` more, or fewer where negative, as held by the tenant of `job`."""
    if len(queues.of_job) == 0:
        return
    queue, capacity = queues.of_job[job], queues.capacity_milli[0]
    queues.used_milli[queue] += gpus * WHOLE
    # A fleet without GPUs: nobody has a share of them.
    if capacity > 0:
        # The very division of `fair_share`, so that equal shares tie here, too.
        queues.share[queue] = queues.used_milli[queue] * SCALE // capacity
