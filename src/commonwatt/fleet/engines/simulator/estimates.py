"""The waiting jobs of each shape, with their believed run times: for compiled code.

Per shape, and per queue where there are several, a tree of minima in queue order answers:
which is the first job in the queue that would end in time?
"""

# An element picked by an element of another array reads as an array to the checker.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from commonwatt.core.jit import njit
from commonwatt.fleet.domain.workload import I64
from commonwatt.fleet.engines.simulator.bits import LATER, NONE, ONE
from commonwatt.fleet.engines.simulator.queues import WaitingQueues
from commonwatt.fleet.engines.simulator.shapes import NEVER_FITS, GangShapes


class Estimates(NamedTuple):
    """A tree of minima for each kind of job: a shape, in a queue.

    Args:
        of_job: Kind of each job, `NEVER_FITS` where it can never fit, shape (jobs,).
        kind_at: Where the kinds of each shape begin, shape (shapes + 1,).
        tree: Least believed run time below each tree node [ms]; `LATER` where none waits.
        tree_at: Where the tree of each kind begins, shape (kinds,).
        leaves: Leaves of each tree, a power of two, shape (kinds,).
        leaf: Leaf of each job in the tree of its kind, shape (jobs,).
        job: Job at each leaf, from `job_at` of its kind on.
        job_at: Where the jobs of each kind begin in `job`, shape (kinds,).
    """

    of_job: I64
    kind_at: I64

    tree: I64
    tree_at: I64
    leaves: I64
    leaf: I64
    job: I64
    job_at: I64


def empty_runtime_estimates(shapes: GangShapes, queues: WaitingQueues, *, used: bool) -> Estimates:
    """Return empty trees for jobs that wait in `queues`."""
    if not used:
        none = np.zeros(0, np.int64)
        return Estimates(none, none, none, none, none, none, none, none)
    of_job, kind_at = _kind_by_job_and_offset_by_shape(shapes, queues.of_job)
    queued = queues.by_rank[of_job[queues.by_rank] != NEVER_FITS]
    by_kind = np.argsort(of_job[queued], kind="stable")
    job = queued[by_kind]
    members = np.bincount(of_job[job], minlength=int(kind_at[-1]))
    job_at = np.concatenate([[0], np.cumsum(members)]).astype(np.int64)
    leaves = np.int64(1) << np.ceil(np.log2(np.maximum(members, 1))).astype(np.int64)
    tree_at = np.concatenate([[0], np.cumsum(2 * leaves)]).astype(np.int64)
    leaf = np.zeros(len(of_job), np.int64)
    leaf[job] = np.arange(len(job)) - job_at[of_job[job]]
    tree = np.full(int(tree_at[-1]), LATER, np.int64)
    return Estimates(of_job, kind_at, tree, tree_at[:-1], leaves, leaf, job, job_at[:-1])


def _kind_by_job_and_offset_by_shape(shapes: GangShapes, queue: I64) -> tuple[I64, I64]:
    """Return the kind of each job, and where the kinds of each shape begin."""
    count = len(shapes.need)
    if len(queue) == 0:
        return shapes.of_job, np.arange(count + 1, dtype=np.int64)
    fits = np.flatnonzero(shapes.of_job != NEVER_FITS)
    queues = int(queue.max(initial=0)) + 1
    # By shape first, so that the kinds of a shape stand together.
    pairs, kind = np.unique(shapes.of_job[fits] * queues + queue[fits], return_inverse=True)
    of_job = np.full(len(queue), NEVER_FITS, np.int64)
    of_job[fits] = kind.reshape(-1)
    return of_job, np.searchsorted(pairs, np.arange(count + 1) * queues).astype(np.int64)


@njit(bare=True)
def set_runtime_estimate(estimates: Estimates, job: int, time: int) -> None:
    """Let `job` wait with a believed run time, or `LATER` to take it away."""
    kind = estimates.of_job[job]
    root = estimates.tree_at[kind]
    at = estimates.leaves[kind] + estimates.leaf[job]
    estimates.tree[root + at] = time
    at >>= 1
    while at >= 1:
        least = min(estimates.tree[root + 2 * at], estimates.tree[root + 2 * at + 1])
        # A minimum that stays leaves every one above it as it is.
        if estimates.tree[root + at] == least:
            return
        estimates.tree[root + at] = least
        at >>= 1


@njit(bare=True)
def first_waiting_job_within_runtime(estimates: Estimates, kind: int, limit: int) -> int:
    """Return the first waiting job of a kind that runs at most `limit`, or -1."""
    root, leaves = estimates.tree_at[kind], estimates.leaves[kind]
    if estimates.tree[root + 1] > limit:
        return NONE
    at = ONE
    while at < leaves:
        # The left half first: leaves stand in queue order, and the first job in the queue is
        # wanted.
        at *= 2
        if estimates.tree[root + at] > limit:
            at += 1
    return estimates.job[estimates.job_at[kind] + at - leaves]
