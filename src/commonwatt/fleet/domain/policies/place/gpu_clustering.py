"""GPU clustering: jobs of a kind together; sharing jobs, 1-GPU jobs, 2-GPU jobs apart.

Best is a node with jobs of this kind only, then one with this kind among others,
then an empty one, last one with other kinds; within each, the fewer GPUs free.

Source: Xiao et al. (2018), "Gandiva", OSDI, in the form of the artifact of
    Weng et al. (2023); there, a CPU job takes the first node with room.
"""

from __future__ import annotations

from commonwatt.core.jit import njit
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.place.policy import PlacePolicy
from commonwatt.fleet.domain.policies.place.state import (
    I64,
    FreeCapacity,
    PlacementRequest,
    free_gpu_milli_of_node,
    whole_gpus_or_zero_for_shared,
)
from commonwatt.fleet.domain.policies.place.typical import TypicalDemand

CODE = 5
POLICY = PlacePolicy(
    "gpu-clustering",
    CODE,
    Message("a node that holds jobs of the same kind, then the fewest GPUs free"),
    "Weng et al. 2023, artifact; Xiao et al. 2018",
)


@njit(inner=True)
def score_nodes_by_clustering(
    request: PlacementRequest, nodes: FreeCapacity, among: I64, typical: TypicalDemand, scores: I64
) -> None:
    """Write 75, 50, 25 or 0 by what a node holds, plus up to 25 for the GPU in use."""
    for node in among:
        scores[node] = 0
        if request.gpus > 0:
            used = typical.largest_gpu_milli - free_gpu_milli_of_node(nodes, node)
            in_use = 25 * used // typical.largest_gpu_milli
            scores[node] = _gpu_clustering_node_score(request, nodes, node) + in_use


@njit(inner=True)
def _gpu_clustering_node_score(request: PlacementRequest, nodes: FreeCapacity, node: int) -> int:
    kinds = 0
    for kind in range(nodes.kinds.shape[1]):
        kinds += nodes.kinds[node, kind] > 0
    if nodes.kinds[node, whole_gpus_or_zero_for_shared(request)] > 0:
        return 75 if kinds == 1 else 50
    return 25 if kinds == 0 else 0
