"""Dot-product: the node whose free room points least along the request.

    score = 100 (1 - (free_cpu ask_cpu + free_gpu ask_gpu) / 2)

shares of the fleet's largest node, cut to a whole number.

Source: Grandl et al. (2014), "Multi-Resource Packing for Cluster Schedulers"
    (Tetris), SIGCOMM, in the form of the artifact of Weng et al. (2023), which
    favours the *smallest* product so that small jobs keep large nodes free.
"""

from __future__ import annotations

from commonwatt.core.jit import njit
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.place.policy import PlacePolicy
from commonwatt.fleet.domain.policies.place.state import (
    I64,
    UNBOUND,
    FreeCapacity,
    PlacementRequest,
    free_gpu_milli_of_node,
)
from commonwatt.fleet.domain.policies.place.typical import TypicalDemand

CODE = 4
POLICY = PlacePolicy(
    "dot-product",
    CODE,
    Message("the node whose free room is least along the request"),
    "Weng et al. 2023, artifact; Grandl et al. 2014",
)


@njit(inner=True)
def score_nodes_by_dot_product(
    request: PlacementRequest, nodes: FreeCapacity, among: I64, typical: TypicalDemand, scores: I64
) -> None:
    """Write 100 × (1 - half the product), cut to a whole number, for the nodes `among`."""
    for node in among:
        product = _free_and_requested_share_dot_product(request, nodes, node, typical)
        # -1 means "no room" to the packing engine, so no score may fall below nought.
        scores[node] = max(int(100.0 * (1.0 - product / 2.0)), 0)


@njit(inner=True)
def _free_and_requested_share_dot_product(
    request: PlacementRequest, nodes: FreeCapacity, node: int, typical: TypicalDemand
) -> float:
    """Return the dot product of free and requested shares; unknown CPU counts as none free."""
    cpu, largest_cpu = nodes.cpu_milli[node], typical.largest_cpu_milli
    if cpu > UNBOUND // 2:
        cpu = 0
    gpu, largest_gpu = free_gpu_milli_of_node(nodes, node), typical.largest_gpu_milli
    product = (cpu / largest_cpu) * (request.cpu_milli / largest_cpu)
    return product + (gpu / largest_gpu) * (request.gpus * request.gpu_milli / largest_gpu)
