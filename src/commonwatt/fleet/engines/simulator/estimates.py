"""The waiting jobs of each shape, with their believed run times: for compiled code.

Per shape a tree of minima in queue order answers: which is the first job in the
queue that would end in time?
"""

# An element picked by an element of another array reads as an array to the checker.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from commonwatt.core.jit import njit
from commonwatt.fleet.domain.workload import I64
from commonwatt.fleet.engines.simulator.bits import LATER, NONE, ONE
from commonwatt.fleet.engines.simulator.shapes import NEVER_FITS, GangShapes


class Estimates(NamedTuple):
    """A tree of minima for each shape.

    Args:
        tree: Least believed run time below each tree node [ms]; `LATER` where none waits.
        tree_at: Where the tree of each shape begins, shape (shapes,).
        leaves: Leaves of each tree, a power of two, shape (shapes,).
        leaf: Leaf of each job in the tree of its shape, shape (jobs,).
        job: Job at each leaf, from `job_at` of its shape on.
        job_at: Where the jobs of each shape begin in `job`, shape (shapes,).
    """

    tree: I64
    tree_at: I64
    leaves: I64
    leaf: I64
    job: I64
    job_at: I64


def empty_runtime_estimates(shapes: GangShapes, by_rank: I64, *, used: bool) -> Estimates:
    """Return empty trees for jobs whose queue order is `by_rank`."""
    if not used:
        none = np.zeros(0, np.int64)
        return Estimates(none, none, none, none, none, none)
    queued = by_rank[shapes.of_job[by_rank] != NEVER_FITS]
    by_shape = np.argsort(shapes.of_job[queued], kind="stable")
    job = queued[by_shape]
    members = np.bincount(shapes.of_job[job], minlength=len(shapes.need))
    job_at = np.concatenate([[0], np.cumsum(members)]).astype(np.int64)
    leaves = np.int64(1) << np.ceil(np.log2(np.maximum(members, 1))).astype(np.int64)
    tree_at = np.concatenate([[0], np.cumsum(2 * leaves)]).astype(np.int64)
    leaf = np.zeros(len(by_rank), np.int64)
    leaf[job] = np.arange(len(job)) - job_at[shapes.of_job[job]]
    tree = np.full(int(tree_at[-1]), LATER, np.int64)
    return Estimates(tree, tree_at[:-1], leaves, leaf, job, job_at[:-1])


@njit(bare=True)
def set_runtime_estimate(estimates: Estimates, shape: int, job: int, time: int) -> None:
    """Let `job` wait with a believed run time, or `LATER` to take it away."""
    root = estimates.tree_at[shape]
    at = estimates.leaves[shape] + estimates.leaf[job]
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
def first_waiting_job_within_runtime(estimates: Estimates, shape: int, limit: int) -> int:
    """Return the first waiting job of a shape that runs at most `limit`, or -1."""
    root, leaves = estimates.tree_at[shape], estimates.leaves[shape]
    if estimates.tree[root + 1] > limit:
        return NONE
    at = ONE
    while at < leaves:
        # The left half first: leaves stand in queue order, and the first job in the queue is
        # wanted.
        at *= 2
        if estimates.tree[root + at] > limit:
            at += 1
    return estimates.job[estimates.job_at[shape] + at - leaves]
