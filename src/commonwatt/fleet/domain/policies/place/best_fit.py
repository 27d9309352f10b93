"""Best-fit: the node with the least room left, CPU and GPU weighing the same.

Source: the artifact of the FGD paper (Weng et al. 2023) cuts the score to a
    whole number from 0 to 100; nodes of one score tie.
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

CODE = 2
POLICY = PlacePolicy(
    "best-fit",
    CODE,
    Message("the node with the least CPU and GPU left"),
    "Weng et al. 2023, artifact",
)


@njit(inner=True)
def node_share_left_after_request(
    request: PlacementRequest, nodes: FreeCapacity, node: int, typical: TypicalDemand
) -> float:
    """Return the room left on `node` after `request`: mean of CPU and GPU shares.

    Shares are of the fleet's largest node; unknown CPU counts as none left.
    """
    cpu = nodes.cpu_milli[node] - request.cpu_milli
    # An unknown capacity is a huge number less what was placed there; half of it tells it from any
    # capacity that is known.
    if cpu > UNBOUND // 2:
        cpu = 0
    gpu = free_gpu_milli_of_node(nodes, node) - request.gpus * request.gpu_milli
    # In this order and no other: the score is cut to a whole number, where the last bit of the sum
    # decides who ties.
    return cpu / typical.largest_cpu_milli * 0.5 + gpu / typical.largest_gpu_milli * 0.5


@njit(inner=True)
def score_nodes_by_best_fit(
    request: PlacementRequest, nodes: FreeCapacity, among: I64, typical: TypicalDemand, scores: I64
) -> None:
    """Write 100 × (1 - room left), cut to a whole number, for the nodes `among`."""
    for node in among:
        scores[node] = int(
            (1.0 - node_share_left_after_request(request, nodes, node, typical)) * 100.0
        )
