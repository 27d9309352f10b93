"""What a place policy sees: the free room of every node, and one request.

Plain arrays, so that the state may come from a simulator or a live cluster
(one policy, two worlds), and named tuples, so that compiled code and plain
Python read the same fields.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from commonwatt.core.jit import njit
from commonwatt.fleet.domain.machines import SHARED, Fleet
from commonwatt.fleet.domain.workload import I64, Bools, Workload

WHOLE = 1000  # a whole GPU [1/1000 GPU]
UNBOUND = 1 << 60  # free CPU or memory of a node whose capacity is unknown: binds nothing


class FreeCapacity(NamedTuple):
    """Free room on every node, in the order that breaks ties.

    Args:
        cpu_milli: Free CPU [1/1000 core], `UNBOUND` where unknown, shape (nodes,).
        memory_mib: Free memory [MiB], `UNBOUND` where unknown, shape (nodes,).
        gpu_milli: Free share of each GPU [1/1000 GPU], 0 where a node has no such
            GPU, shape (nodes, most GPUs on a node).
        gpus: GPUs on the node, shape (nodes,).
        gpu_type: Index of the node's GPU type, shape (nodes,).
        kinds: Jobs on the node by what they hold: column 0 counts jobs that share
            a GPU, column k jobs of k whole GPUs, shape (nodes, most GPUs + 1).
        eligible: May a job of this class use this node at all (GPU type, site,
            tenant, health)? Shape (classes, nodes).
    """

    cpu_milli: I64
    memory_mib: I64
    gpu_milli: I64
    gpus: I64
    gpu_type: I64
    kinds: I64
    eligible: Bools


class PlacementRequest(NamedTuple):
    """One job to be placed on one node.

    Args:
        cpu_milli: CPU [1/1000 core].
        memory_mib: Memory [MiB].
        gpus: Number of GPUs, all different; 0 for a CPU job.
        gpu_milli: Share of each of them [1/1000 GPU]; 1000 is a whole one.
        klass: Row of `FreeCapacity.eligible` that the job belongs to.
    """

    cpu_milli: int
    memory_mib: int
    gpus: int
    gpu_milli: int
    klass: int


def idle_fleet_capacity(fleet: Fleet, eligible: Bools) -> FreeCapacity:
    """Return the state of `fleet` with nothing on it.

    >>> from commonwatt.fleet.domain.machines import uniform_fleet
    >>> idle_fleet_capacity(uniform_fleet(2, 3), np.ones((1, 2), np.bool_)).gpu_milli.tolist()
    [[1000, 1000, 1000], [1000, 1000, 1000]]
    """
    gpus = fleet.gpus.astype(np.int64)
    # At least one column, or a fleet of CPU nodes would give compiled loops an empty axis.
    width = max(int(gpus.max(initial=0)), 1)
    present = np.arange(width) < gpus[:, None]
    return FreeCapacity(
        cpu_milli=np.where(fleet.cpu_milli > 0, fleet.cpu_milli, UNBOUND).astype(np.int64),
        memory_mib=np.where(fleet.memory_mib > 0, fleet.memory_mib, UNBOUND).astype(np.int64),
        gpu_milli=np.where(present, WHOLE, 0).astype(np.int64),
        gpus=gpus,
        gpu_type=fleet.gpu_type.astype(np.int64),
        kinds=np.zeros((len(fleet), width + 1), np.int64),
        eligible=eligible,
    )


def node_eligibility_by_job_class(workload: Workload, fleet: Fleet) -> tuple[I64, Bools]:
    """Return each job's class, and which nodes each class may use at all.

    GPU types and sites are matched by name; a job that names none may use all, and
    a CPU job is not held to a GPU type. A node of one tenant takes that tenant's
    jobs only.

    Returns:
        Class of each job, shape (jobs,); classes by nodes, shape (classes, nodes).
    """
    types = np.where(workload.gpus > 0, workload.gpu_types, 0)
    keys = np.stack([types, workload.sites, workload.tenant.astype(np.int64)], axis=1)
    # Jobs fall into few classes; a row of nodes for each of a million jobs would not fit in memory.
    classes, klass = np.unique(keys, axis=0, return_inverse=True)
    type_names = tuple(kind.name for kind in fleet.gpu_types)
    site_names = tuple(site.name for site in fleet.sites)
    rows = [
        _accepted_offered_gpu_type_flags(types, workload.gpu_type_names, type_names)[fleet.gpu_type]
        & _accepted_offered_gpu_type_flags(sites, workload.site_names, site_names)[fleet.site]
        & ((fleet.tenant == SHARED) | (fleet.tenant == tenant))
        for types, sites, tenant in classes.tolist()
    ]
    eligible = np.array(rows, np.bool_).reshape(len(rows), len(fleet))
    return klass.reshape(-1).astype(np.int64), eligible


def _accepted_offered_gpu_type_flags(
    gpu_type_mask: int, requested_names: tuple[str, ...], offered: tuple[str, ...]
) -> Bools:
    requested = {name for i, name in enumerate(requested_names) if gpu_type_mask >> i & 1}
    return np.array([gpu_type_mask == 0 or name in requested for name in offered], np.bool_)


def placement_request_of_job(workload: Workload, job: int, klass: I64) -> PlacementRequest:
    """Return job number `job` of `workload` as a request."""
    return PlacementRequest(
        int(workload.cpu_milli[job]),
        int(workload.memory_mib[job]),
        int(workload.gpus[job]),
        int(workload.gpu_milli[job]),
        int(klass[job]),
    )


def nodes_with_room(request: PlacementRequest, nodes: FreeCapacity) -> Bools:
    """Return which nodes have room for `request`, shape (nodes,): for policies in Python.

    >>> from commonwatt.fleet.domain.machines import uniform_fleet
    >>> nodes = idle_fleet_capacity(uniform_fleet(2, 3), np.array([[True, False]]))
    >>> nodes_with_room(PlacementRequest(0, 0, 3, 1000, 0), nodes)
    array([ True, False])
    >>> nodes_with_room(PlacementRequest(0, 0, 4, 1000, 0), nodes)
    array([False, False])
    """
    # At least 1: a share of 0 would count GPUs that the node does not have, which are 0, too.
    free = (nodes.gpu_milli >= max(request.gpu_milli, 1)).sum(axis=1)
    enough: npt.NDArray[np.bool_] = (
        (free >= request.gpus)
        & (nodes.cpu_milli >= request.cpu_milli)
        & (nodes.memory_mib >= request.memory_mib)
        & nodes.eligible[request.klass]
    )
    return enough


@njit()
def node_has_enough_free_gpus(request: PlacementRequest, nodes: FreeCapacity, node: int) -> bool:
    """Return whether enough different GPUs of `node` have the share free."""
    wanted = request.gpus
    if wanted == 0:
        return True
    for gpu in range(nodes.gpus[node]):
        if nodes.gpu_milli[node, gpu] >= request.gpu_milli:
            wanted -= 1
            if wanted == 0:
                return True
    return False


@njit()
def request_fits_node(request: PlacementRequest, nodes: FreeCapacity, node: int) -> bool:
    """Return whether `node` may take `request` and has room for it now."""
    return (
        nodes.eligible[request.klass, node]
        and nodes.cpu_milli[node] >= request.cpu_milli
        and nodes.memory_mib[node] >= request.memory_mib
        and node_has_enough_free_gpus(request, nodes, node)
    )


@njit(inner=True)
def free_gpu_milli_of_node(nodes: FreeCapacity, node: int) -> int:
    """Return the free share of all GPUs of `node` together [1/1000 GPU]."""
    free = 0
    for gpu in range(nodes.gpus[node]):
        free += nodes.gpu_milli[node, gpu]
    return free


@njit(inner=True)
def whole_gpus_or_zero_for_shared(request: PlacementRequest) -> int:
    """Return the column of `kinds` for `request`: 0 where it shares a GPU, k for k whole ones."""
    return request.gpus if request.gpu_milli == WHOLE else 0


@njit()
def take_or_release_request_on_node(
    request: PlacementRequest, nodes: FreeCapacity, node: int, picked: I64, sign: int
) -> None:
    """Take `request` out of the room of `node` (sign 1), or give it back (sign -1).

    Args:
        request: What is taken or given back.
        nodes: The state, changed in place.
        node: The node.
        picked: The GPUs of the node, the first `request.gpus` entries count.
        sign: 1 takes, -1 gives back.
    """
    nodes.cpu_milli[node] -= sign * request.cpu_milli
    nodes.memory_mib[node] -= sign * request.memory_mib
    if request.gpus > 0:
        nodes.kinds[node, whole_gpus_or_zero_for_shared(request)] += sign
    for i in range(request.gpus):
        nodes.gpu_milli[node, picked[i]] -= sign * request.gpu_milli
