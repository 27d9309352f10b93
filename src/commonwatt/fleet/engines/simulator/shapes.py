"""What jobs request, as a few shapes: so many GPUs from such groups of nodes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from commonwatt.fleet.domain.machines import Fleet
from commonwatt.fleet.domain.policies.place.state import node_eligibility_by_job_class
from commonwatt.fleet.domain.workload import I64, Bools, Workload

NEVER_FITS = -1


class GangShapes(NamedTuple):
    """The different shapes of gangs in a workload.

    A gang that some permitted node can hold takes one node; a wider one takes
    whole nodes of one group and, for what is left over, one more node of it.

    Args:
        need: GPUs, shape (shapes,).
        wide: 1 where the gang spans several nodes, shape (shapes,).
        groups_at: Where the shape's groups begin in `groups`, shape (shapes + 1,).
        groups: Groups that may hold the shape, in order.
        of_job: Shape of each job, `NEVER_FITS` where it can never fit, shape (jobs,).
    """

    need: I64
    wide: I64
    groups_at: I64
    groups: I64
    of_job: I64


def node_group_number_by_node(fleet: Fleet) -> I64:
    """Return the group of each node (same site, GPU type, size, tenant), in order.

    >>> from commonwatt.fleet.domain.machines import uniform_fleet
    >>> node_group_number_by_node(uniform_fleet(3, 8)).tolist()
    [0, 0, 0]
    """
    columns = (fleet.site, fleet.gpu_type, fleet.gpus, fleet.tenant)
    keys = np.stack([column.astype(np.int64) for column in columns], axis=1)
    _, first, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    # `unique` numbers groups by their values; here the group of the first node comes first.
    order = np.empty(len(first), np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return order[group.reshape(-1)]


def gang_shapes_of_jobs(workload: Workload, fleet: Fleet, group: I64) -> GangShapes:
    """Return the shapes of `workload` on a fleet whose nodes lie in `group`."""
    klass, eligible = _job_classes_and_eligible_nodes(workload, fleet)
    groups = int(group.max(initial=-1)) + 1
    first = np.array([np.flatnonzero(group == g)[0] for g in range(groups)], np.int64)
    size, members = fleet.gpus[first].astype(np.int64), np.bincount(group, minlength=groups)
    requests, of_job = _distinct_gang_requests_and_row_by_job(workload, klass)
    shape_rows = [
        _gang_spans_nodes_and_fitting_groups(need, bool(single), eligible[k][first], size, members)
        for need, single, k in requests.tolist()
    ]
    never = np.array([len(holders) == 0 for _, holders in shape_rows], np.bool_)
    lengths = [len(holders) for _, holders in shape_rows]
    return GangShapes(
        need=np.ascontiguousarray(requests[:, 0]),  # one layout, or the kernel compiles twice
        wide=np.array([wide for wide, _ in shape_rows], np.int64),
        groups_at=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        groups=np.array([g for _, holders in shape_rows for g in holders], np.int64),
        of_job=np.where(never[of_job], NEVER_FITS, of_job).astype(np.int64),
    )


def _job_classes_and_eligible_nodes(workload: Workload, fleet: Fleet) -> tuple[I64, Bools]:
    plain = not (workload.gpu_types.any() or workload.sites.any() or (fleet.tenant >= 0).any())
    # The usual case is spared a search for classes among all jobs.
    if plain:
        return np.zeros(len(workload), np.int64), np.ones((1, len(fleet)), np.bool_)
    return node_eligibility_by_job_class(workload, fleet)


def _distinct_gang_requests_and_row_by_job(workload: Workload, klass: I64) -> tuple[I64, I64]:
    """Return the different (GPUs, single node, class) and the row of each job."""
    width = int(workload.gpus.max(initial=0)) + 1
    # One number for each row: counting numbers is linear in the jobs, where sorting rows is not.
    packed = ((klass * width + workload.gpus) << 1) | workload.single_node
    occurs = np.bincount(packed) > 0
    different = np.flatnonzero(occurs)
    of_job = (np.cumsum(occurs) - 1)[packed]
    rows = np.stack([(different >> 1) % width, different & 1, (different >> 1) // width], axis=1)
    return rows.astype(np.int64), of_job


def _gang_spans_nodes_and_fitting_groups(
    need: int, single: bool, permitted: Bools, size: I64, members: I64
) -> tuple[bool, list[int]]:
    """Return whether a gang spans nodes, and the groups that can hold it when idle."""
    narrow = np.flatnonzero(permitted & (size >= need))
    if len(narrow) or single:
        return False, narrow.tolist()
    with_gpus = permitted & (size > 0)
    # Rounded up, because what is left over takes a node more.
    wide = np.flatnonzero(with_gpus & (-(-need // np.maximum(size, 1)) <= members))
    return True, wide.tolist()
