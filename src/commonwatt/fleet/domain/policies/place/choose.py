"""One decision: score every node that has room, take the best, pick its GPUs.

A pure function of arrays. The engines that place many jobs keep scores between
decisions, but call the same scores; so does a live controller.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import commonwatt.fleet.domain.policies.place.best_fit as best_fit
import commonwatt.fleet.domain.policies.place.consolidate as consolidate
import commonwatt.fleet.domain.policies.place.dot_product as dot_product
import commonwatt.fleet.domain.policies.place.fgd as fgd
import commonwatt.fleet.domain.policies.place.first_fit as first_fit
import commonwatt.fleet.domain.policies.place.gpu_clustering as gpu_clustering
import commonwatt.fleet.domain.policies.place.gpu_packing as gpu_packing
import commonwatt.fleet.domain.policies.place.random_fit as random_fit
import commonwatt.fleet.domain.policies.place.worst_fit as worst_fit
from commonwatt.core.jit import njit
from commonwatt.fleet.domain.policies.place.gpus import (
    pick_emptiest_gpu_or_tightest_gpus,
    pick_first_fitting_gpus,
    pick_random_gpu_or_tightest_gpus,
    pick_tightest_gpus,
)
from commonwatt.fleet.domain.policies.place.policy import PlacePolicy
from commonwatt.fleet.domain.policies.place.state import (
    I64,
    FreeCapacity,
    PlacementRequest,
    request_fits_node,
)
from commonwatt.fleet.domain.policies.place.typical import (
    TypicalDemand,
    fragmented_weight_milli_gpu_of_node,
)


class NodeChoice(NamedTuple):
    """A node and the GPUs on it."""

    node: int
    gpus: tuple[int, ...]


def choose_node_and_gpus(
    policy: PlacePolicy,
    request: PlacementRequest,
    nodes: FreeCapacity,
    typical: TypicalDemand,
    *,
    draws: tuple[float, float] = (0.0, 0.0),
) -> NodeChoice | None:
    """Return where `policy` puts `request`, or None where no node has room.

    Args:
        policy: A built-in policy.
        request: The job.
        nodes: The state; left as it is.
        typical: Scale and typical demand.
        draws: Two numbers in [0, 1) for the policies of chance: node, then GPU.
    """
    picked = np.zeros(nodes.gpu_milli.shape[1], np.int64)
    node = choose_node(policy.code, request, nodes, typical, draws[0], picked)
    if node < 0:
        return None
    pick_gpus_of_node(policy.code, request, nodes, node, typical, draws[1], picked)
    return NodeChoice(node, tuple(picked[: request.gpus].tolist()))


@njit()
def choose_node(
    code: int,
    request: PlacementRequest,
    nodes: FreeCapacity,
    typical: TypicalDemand,
    draw: float,
    picked: I64,
) -> int:
    """Return the node that policy `code` chooses, or -1; `picked` is overwritten."""
    count = len(nodes.gpus)
    among = np.empty(count, np.int64)
    room = 0
    for node in range(count):
        if request_fits_node(request, nodes, node):
            among[room] = node
            room += 1
    if room == 0:
        return -1
    among = among[:room]
    if code == random_fit.CODE:
        return among[int(draw * room)]
    scores, now = np.empty(count, np.int64), np.empty(count, np.int64)
    if code == fgd.CODE:
        for node in among:
            now[node] = fragmented_weight_milli_gpu_at_node(nodes, node, typical)
    score_nodes(code, request, nodes, among, typical, now, picked, scores)
    best = among[0]
    for node in among:
        # Strictly higher: the first of equals wins, as in the published runs.
        if scores[node] > scores[best]:
            best = node
    return best


@njit(inner=True)
def fragmented_weight_milli_gpu_at_node(
    nodes: FreeCapacity, node: int, typical: TypicalDemand
) -> int:
    """Return the fragmented share of `node` now, in units of weight x milli-GPU."""
    free = nodes.gpu_milli[node]
    return fragmented_weight_milli_gpu_of_node(
        nodes.cpu_milli[node], free, nodes.gpu_type[node], typical
    )


@njit(inner=True)
def score_nodes(
    code: int,
    request: PlacementRequest,
    nodes: FreeCapacity,
    among: I64,
    typical: TypicalDemand,
    now: I64,
    picked: I64,
    scores: I64,
) -> None:
    """Write the score of each node `among` under policy `code`; at least 0.

    Args:
        code: The policy.
        request: The job; the nodes must have room for it.
        nodes: The state.
        among: Nodes to be scored.
        typical: Scale and typical demand.
        now: Fragmentation of each node, read by FGD only, shape (nodes,).
        picked: Scratch, shape (most GPUs on a node,).
        scores: Filled in at the nodes `among`, shape (nodes,).
    """
    if code == best_fit.CODE:
        best_fit.score_nodes_by_best_fit(request, nodes, among, typical, scores)
    elif code == worst_fit.CODE:
        worst_fit.score_nodes_by_worst_fit(request, nodes, among, typical, scores)
    elif code == dot_product.CODE:
        dot_product.score_nodes_by_dot_product(request, nodes, among, typical, scores)
    elif code == gpu_clustering.CODE:
        gpu_clustering.score_nodes_by_clustering(request, nodes, among, typical, scores)
    elif code == gpu_packing.CODE:
        gpu_packing.score_nodes_by_gpu_packing(request, nodes, among, picked, scores)
    elif code == fgd.CODE:
        fgd.score_nodes_by_fgd(request, nodes, among, typical, now, picked, scores)
    elif code == consolidate.CODE:
        consolidate.score_nodes_by_consolidation(request, nodes, among, typical, scores)
    else:
        for node in among:
            scores[node] = 0


@njit()
def pick_gpus_of_node(
    code: int,
    request: PlacementRequest,
    nodes: FreeCapacity,
    node: int,
    typical: TypicalDemand,
    draw: float,
    picked: I64,
) -> None:
    """Write the GPUs of `node` that policy `code` picks into `picked`."""
    if request.gpus == 0:
        return
    free = nodes.gpu_milli[node]
    if code == fgd.CODE:
        fgd.fgd_score_of_node_writing_gpus(
            request,
            nodes,
            node,
            typical,
            fragmented_weight_milli_gpu_at_node(nodes, node, typical),
            picked,
        )
    elif code == random_fit.CODE:
        pick_random_gpu_or_tightest_gpus(request, free, draw, picked)
    elif code == worst_fit.CODE:
        pick_emptiest_gpu_or_tightest_gpus(request, free, picked)
    elif code == first_fit.CODE:
        pick_first_fitting_gpus(request, free, picked)
    else:
        pick_tightest_gpus(request, free, picked)
