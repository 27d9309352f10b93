"""The identities that every packing run must close before it is shown."""

from __future__ import annotations

import numpy as np

from commonwatt.core.errors import IdentityError
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.place.state import I64, FreeCapacity
from commonwatt.fleet.engines.packing.kernel import PackingJobs, PlacementTrail


def check_packing_conserves_capacity(
    start: FreeCapacity, end: FreeCapacity, order: I64, jobs: PackingJobs, trail: PlacementTrail
) -> None:
    """Raise unless allocated + free = capacity for CPU, memory and every single GPU.

    Recounted from the placements, not from the engine's own sums; and no job may
    hold one GPU twice, no node may be over-committed.

    Raises:
        IdentityError: A law does not hold; the result must not be used.
    """
    placed = trail.node >= 0
    node, job = trail.node[placed], order[placed]
    _check_packing_law_equal(
        "CPU",
        start.cpu_milli - _amount_total_by_node(node, jobs.cpu_milli[job], start),
        end.cpu_milli,
    )
    _check_packing_law_equal(
        "memory",
        start.memory_mib - _amount_total_by_node(node, jobs.memory_mib[job], start),
        end.memory_mib,
    )
    _check_packing_law_equal(
        "GPU",
        start.gpu_milli - _gpu_milli_held_by_node_and_gpu(start, order, jobs, trail),
        end.gpu_milli,
    )
    allocated = int((jobs.gpus[job] * jobs.gpu_milli[job]).sum())
    last = int(trail.allocated_milli[-1]) if len(order) else 0
    _check_packing_law_equal("allocated GPU", np.array(allocated), np.array(last))
    for left in (end.cpu_milli, end.memory_mib, end.gpu_milli):
        _check_packing_law("room", bool((left >= 0).all()))


def _amount_total_by_node(node_of_placement: I64, amount: I64, nodes: FreeCapacity) -> I64:
    total = np.zeros(len(nodes.gpus), np.int64)
    # `total[nodes] += amount` would count a node once, however often it stands in the list.
    np.add.at(total, node_of_placement, amount)
    return total


def _gpu_milli_held_by_node_and_gpu(
    start: FreeCapacity, order: I64, jobs: PackingJobs, trail: PlacementTrail
) -> I64:
    """Return the share held of each GPU, recounted from the placements."""
    gpus = jobs.gpus[order]
    owner = np.repeat(np.arange(len(order)), gpus)
    used = trail.gpu >= 0
    # A placed job holds all GPUs that it requests, and one without a node holds none.
    _check_packing_law("placed GPUs", bool((used == (trail.node[owner] >= 0)).all()))
    owner, gpu = owner[used], trail.gpu[used]
    pairs = owner * start.gpu_milli.shape[1] + gpu
    # One GPU twice for one job would leave every sum right.
    _check_packing_law("different GPUs", len(np.unique(pairs)) == len(pairs))
    held = np.zeros_like(start.gpu_milli)
    np.add.at(held, (trail.node[owner], gpu), jobs.gpu_milli[order[owner]])
    return held


def _check_packing_law_equal(law: str, expected: I64, counted: I64) -> None:
    _check_packing_law(law, bool((expected == counted).all()))


def _check_packing_law(law: str, law_holds: bool) -> None:
    if not law_holds:
        raise IdentityError(
            "packing",
            found=Message("allocated + free differs from capacity ({what})", {"what": law}),
            remedy=Message("This is a fault in Commonwatt; the result is withheld."),
        )
