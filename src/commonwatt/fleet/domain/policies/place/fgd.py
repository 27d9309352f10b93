"""FGD: the node, and the GPU on it, where fragmentation grows least.

    score = floor(100 / (1 + exp(-fall))), fall of fragmentation in whole GPUs

Nodes of one score tie, and the first in order wins. Cutting the score makes many
ties, so the order of the nodes is part of the result; see the page "FGD, exactly".

Source: Weng et al. (2023), USENIX ATC, and its artifact.
"""

from __future__ import annotations

from commonwatt.core.jit import njit
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.place.gpus import pick_tightest_gpus
from commonwatt.fleet.domain.policies.place.policy import PlacePolicy
from commonwatt.fleet.domain.policies.place.state import I64, WHOLE, FreeCapacity, PlacementRequest
from commonwatt.fleet.domain.policies.place.typical import (
    TypicalDemand,
    count_gpu_score_levels_up_to,
    fragmented_weight_milli_gpu_of_node,
)

CODE = 7
POLICY = PlacePolicy(
    "fgd",
    CODE,
    Message("the node and GPU where fragmentation grows least"),
    "Weng et al. 2023",
)


@njit(inner=True)
def score_nodes_by_fgd(
    request: PlacementRequest,
    nodes: FreeCapacity,
    among: I64,
    typical: TypicalDemand,
    now: I64,
    picked: I64,
    scores: I64,
) -> None:
    """Write the score of each node `among`, given the fragmentation of each node `now`."""
    for node in among:
        scores[node] = fgd_score_of_node_writing_gpus(
            request, nodes, node, typical, int(now[node]), picked
        )


@njit(inner=True)
def fgd_score_of_node_writing_gpus(
    request: PlacementRequest,
    nodes: FreeCapacity,
    node: int,
    typical: TypicalDemand,
    now: int,
    picked: I64,
) -> int:
    """Return the score of `node` and write the best GPUs into `picked`.

    Args:
        request: The job; the node must have room for it.
        nodes: The state.
        node: The node.
        typical: The typical demand.
        now: Fragmentation of the node as it is.
        picked: Room for the GPUs, shape (most GPUs on a node,).
    """
    # A copy to try shares on: scoring must leave the node as it is.
    free = nodes.gpu_milli[node].copy()
    cpu, kind = nodes.cpu_milli[node] - request.cpu_milli, nodes.gpu_type[node]
    if request.gpus != 1 or request.gpu_milli == WHOLE:
        pick_tightest_gpus(request, free, picked)
        for i in range(request.gpus):
            free[picked[i]] -= request.gpu_milli
        # The score is looked up among whole falls, so that no exponential of a float decides a tie.
        return count_gpu_score_levels_up_to(
            typical.levels, now - fragmented_weight_milli_gpu_of_node(cpu, free, kind, typical)
        )
    return _fgd_score_picking_best_gpu(request, free, cpu, kind, typical, now, picked)


@njit(inner=True)
def _fgd_score_picking_best_gpu(
    request: PlacementRequest,
    free: I64,
    cpu: int,
    kind: int,
    typical: TypicalDemand,
    now: int,
    picked: I64,
) -> int:
    best = -1
    for gpu in range(len(free)):
        # GPUs with equal shares free score alike, so the first of them stands for all.
        if free[gpu] >= request.gpu_milli and not _earlier_gpu_has_same_free_share(free, gpu):
            free[gpu] -= request.gpu_milli
            level = count_gpu_score_levels_up_to(
                typical.levels, now - fragmented_weight_milli_gpu_of_node(cpu, free, kind, typical)
            )
            free[gpu] += request.gpu_milli
            if level > best:
                best, picked[0] = level, gpu
    return best


@njit(inner=True)
def _earlier_gpu_has_same_free_share(free: I64, gpu: int) -> bool:
    """Return whether an earlier GPU has the same share free, and so the same score."""
    repeats = False
    for before in range(gpu):
        repeats |= free[before] == free[gpu]
    return repeats
