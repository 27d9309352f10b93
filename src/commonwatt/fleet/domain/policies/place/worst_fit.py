"""Worst-fit: the node with the most room left, and on it the emptiest GPU.

The score is 100 × room left, cut to a whole number as the other policies' are.
"""

from __future__ import annotations

import commonwatt.fleet.domain.policies.place.best_fit as best_fit
from commonwatt.core.jit import njit
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.place.policy import PlacePolicy
from commonwatt.fleet.domain.policies.place.state import I64, FreeCapacity, PlacementRequest
from commonwatt.fleet.domain.policies.place.typical import TypicalDemand

CODE = 3
POLICY = PlacePolicy("worst-fit", CODE, Message("the node with the most CPU and GPU left"))


@njit(inner=True)
def score_nodes_by_worst_fit(
    request: PlacementRequest, nodes: FreeCapacity, among: I64, typical: TypicalDemand, scores: I64
) -> None:
    """Write 100 × room left, cut to a whole number, for the nodes `among`."""
    for node in among:
        scores[node] = int(
            best_fit.node_share_left_after_request(request, nodes, node, typical) * 100.0
        )
