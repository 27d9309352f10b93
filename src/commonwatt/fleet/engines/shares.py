"""How many nodes each tenant gets when a fleet is split: in proportion to load."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from commonwatt.core.errors import InfeasibleError
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.machines import Fleet, uniform_fleet
from commonwatt.fleet.domain.workload import I64, Workload


def node_count_by_tenant_for_load(workload: Workload, nodes: int, gpus_per_node: int) -> I64:
    """Return the nodes of each tenant, shape (tenants,).

    Load is GPUs × run time. No tenant gets fewer nodes than its widest gang needs;
    the others share what is left in proportion to load, the largest remainders
    rounded up.

    Raises:
        InfeasibleError: The widest gangs alone need more nodes than there are.

    >>> from commonwatt.fleet.domain.workload import workload_from_columns
    >>> tenant, names = np.array([0, 1, 1], np.int32), ("a", "b")
    >>> columns = ([0, 0, 0], [1, 9, 9], [16, 8, 8])
    >>> jobs = workload_from_columns(*columns, tenant=tenant, tenant_names=names)
    >>> node_count_by_tenant_for_load(jobs, 5, 8)
    array([2, 3])
    """
    load, least = (
        _requested_gpu_ms_by_tenant(workload),
        _node_count_of_widest_gang_by_tenant(workload, gpus_per_node),
    )
    if least.sum() > nodes:
        wanted = Message("at least {count} nodes", {"count": str(int(least.sum()))})
        raise InfeasibleError("nodes", found=str(nodes), wanted=wanted)
    fixed = np.zeros(len(load), np.bool_)
    # Giving one tenant its least leaves the others less to share, so that more may fall below
    # theirs. Each round settles at least one, so there are no more rounds than tenants.
    while True:
        left = nodes - int(least[fixed].sum())
        share = np.where(fixed, 0, load) * left / max(float(load[~fixed].sum()), 1e-300)
        small = ~fixed & (share < least)
        if not small.any():
            return np.where(fixed, least, _whole_node_counts_by_tenant_share(share, left))
        fixed |= small


def fleet_split_by_tenant(workload: Workload, nodes: int, gpus_per_node: int) -> Fleet:
    """Return equal nodes, each of one tenant, by `node_count_by_tenant_for_load`."""
    count = node_count_by_tenant_for_load(workload, nodes, gpus_per_node)
    tenant = np.repeat(np.arange(len(count), dtype=np.int32), count)
    return replace(uniform_fleet(nodes, gpus_per_node), tenant=tenant)


def _requested_gpu_ms_by_tenant(workload: Workload) -> I64:
    load = np.zeros(len(workload.tenant_names), np.int64)
    np.add.at(load, workload.tenant, workload.gpus * workload.runtime_ms)
    return load


def _node_count_of_widest_gang_by_tenant(workload: Workload, gpus_per_node: int) -> I64:
    widest = np.zeros(len(workload.tenant_names), np.int64)
    np.maximum.at(widest, workload.tenant, workload.gpus.astype(np.int64))
    return -(-widest // gpus_per_node)


def _whole_node_counts_by_tenant_share(
    tenant_share: np.ndarray[tuple[int], np.dtype[np.float64]], total_nodes: int
) -> I64:
    floor = np.floor(tenant_share).astype(np.int64)
    # Largest remainders: the total is kept and no tenant is a whole node from its share.
    first = np.argsort(floor - tenant_share, kind="stable")[: total_nodes - int(floor.sum())]
    floor[first] += 1
    return floor
