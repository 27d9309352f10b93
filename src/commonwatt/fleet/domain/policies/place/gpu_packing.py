"""GPU packing: shared GPUs first, then free GPUs of nodes in use, then free nodes.

Source: Weng et al. (2022), "MLaaS in the Wild", NSDI, in the form of the
    artifact of Weng et al. (2023); there, a CPU job takes the first node with room.
"""

from __future__ import annotations

from commonwatt.core.jit import njit
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.place.gpus import pick_tightest_gpus
from commonwatt.fleet.domain.policies.place.policy import PlacePolicy
from commonwatt.fleet.domain.policies.place.state import I64, WHOLE, FreeCapacity, PlacementRequest

CODE = 6
POLICY = PlacePolicy(
    "gpu-packing",
    CODE,
    Message("GPUs already shared, then free GPUs of used nodes, then free nodes"),
    "Weng et al. 2023, artifact; Weng et al. 2022",
)


@njit(inner=True)
def score_nodes_by_gpu_packing(
    request: PlacementRequest, nodes: FreeCapacity, among: I64, picked: I64, scores: I64
) -> None:
    """Write the score of each node `among`; `picked` is overwritten."""
    for node in among:
        scores[node] = (
            _gpu_packing_score_of_node(request, nodes, node, picked) if request.gpus > 0 else 0
        )


@njit(inner=True)
def _gpu_packing_score_of_node(
    request: PlacementRequest, nodes: FreeCapacity, node: int, picked: I64
) -> int:
    """Return 50 to 100 on shared GPUs, 33 to 50 on a used node, else at most 33."""
    free = nodes.gpu_milli[node]
    idle = 0
    for gpu in range(len(free)):
        idle += free[gpu] == WHOLE
    if idle == nodes.gpus[node]:
        # The artifact's formula as it stands, although beyond 16 GPUs on a node it turns around.
        return max(33 - idle, idle)
    pick_tightest_gpus(request, free, picked)
    opened, spare = 0, 0
    for i in range(request.gpus):
        opened += free[picked[i]] == WHOLE
        spare += free[picked[i]] // 10
    if opened > 0:
        return max(50 - opened, 33)
    return max(100 - spare // 10, 50)
