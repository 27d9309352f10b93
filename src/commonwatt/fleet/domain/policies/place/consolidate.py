"""Consolidate: on nodes in use, the fewest GPUs left over; free nodes stay whole.

Source: Hu et al. (2021), "Characterization and Prediction of Deep Learning
    Workloads in Large-Scale GPU Datacenters" (Helios), SC, whose simulator gives a
    job as few nodes as possible and keeps free nodes for large jobs.
"""

from __future__ import annotations

from commonwatt.core.jit import njit
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.place.policy import PlacePolicy
from commonwatt.fleet.domain.policies.place.state import (
    I64,
    WHOLE,
    FreeCapacity,
    PlacementRequest,
    free_gpu_milli_of_node,
)
from commonwatt.fleet.domain.policies.place.typical import TypicalDemand

CODE = 8
POLICY = PlacePolicy(
    "consolidate",
    CODE,
    Message("a node in use with the fewest GPUs left, so that free nodes stay whole"),
    "Hu et al. 2021",
)


@njit(inner=True)
def score_nodes_by_consolidation(
    request: PlacementRequest, nodes: FreeCapacity, among: I64, typical: TypicalDemand, scores: I64
) -> None:
    """Write the GPU missing after `request`, any node in use before any free one."""
    largest = typical.largest_gpu_milli
    for node in among:
        free = free_gpu_milli_of_node(nodes, node)
        left = free - request.gpus * request.gpu_milli
        scores[node] = largest - left + (largest + 1) * (free < nodes.gpus[node] * WHOLE)
