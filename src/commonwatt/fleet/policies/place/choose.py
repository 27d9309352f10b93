"""One decision: score every node that has room, take the best, pick its GPUs.

A pure function of arrays. The engines that place many jobs keep scores between
decisions, but call the same scores; so does a live controller.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from commonwatt.core.jit import njit
from commonwatt.fleet.policies.place import (
    best_fit,
    consolidate,
    dot_product,
    fgd,
    first_fit,
    gpu_clustering,
    gpu_packing,
    random_fit,
    worst_fit,
)
from commonwatt.fleet.policies.place.gpus import (
    pick_by_chance,
    pick_emptiest,
    pick_first,
    pick_tightest,
)
from commonwatt.fleet.policies.place.policy import PlacePolicy
from commonwatt.fleet.policies.place.state import I64, Nodes, Request, fits
from commonwatt.fleet.policies.place.typical import Typical, fragmented


class Choice(NamedTuple):
    """A node and the GPUs on it."""

    node: int
    gpus: tuple[int, ...]


def choose(
    policy: PlacePolicy,
    request: Request,
    nodes: Nodes,
    typical: Typical,
    *,
    draws: tuple[float, float] = (0.0, 0.0),
) -> Choice | None:
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
    pick_gpus(policy.code, request, nodes, node, typical, draws[1], picked)
    return Choice(node, tuple(picked[: request.gpus].tolist()))


@njit()
def choose_node(
    code: int, request: Request, nodes: Nodes, typical: Typical, draw: float, scratch: I64
) -> int:
    """Return the node that policy `code` chooses, or -1; `scratch` is overwritten."""
    best, chosen, count = -1, -1, 0
    for node in range(len(nodes.gpus)):
        if fits(request, nodes, node):
            now = fragmentation_for(code, nodes, node, typical)
            level = score(code, request, nodes, node, typical, now, scratch)
            count += 1
            if level > best:
                best, chosen = level, node
    if code == random_fit.CODE and count > 0:
        return _nth_fitting(request, nodes, int(draw * count))
    return chosen


@njit()
def _nth_fitting(request: Request, nodes: Nodes, left: int) -> int:
    for node in range(len(nodes.gpus)):
        if fits(request, nodes, node):
            if left == 0:
                return node
            left -= 1
    return -1


@njit()
def fragmentation_for(code: int, nodes: Nodes, node: int, typical: Typical) -> int:
    """Return the fragmentation of `node` where policy `code` asks for it, else 0."""
    if code != fgd.CODE:
        return 0
    return fragmented(nodes.cpu_milli[node], nodes.gpu_milli[node], nodes.gpu_type[node], typical)


@njit()
def score(
    code: int, request: Request, nodes: Nodes, node: int, typical: Typical, now: int, scratch: I64
) -> int:
    """Return the score of `node`, which has room, under policy `code`; at least 0."""
    level = 0
    if code == best_fit.CODE:
        level = best_fit.score(request, nodes, node, typical)
    elif code == worst_fit.CODE:
        level = worst_fit.score(request, nodes, node, typical)
    elif code == dot_product.CODE:
        level = dot_product.score(request, nodes, node, typical)
    elif code == gpu_clustering.CODE:
        level = gpu_clustering.score(request, nodes, node, typical)
    elif code == gpu_packing.CODE:
        level = gpu_packing.score(request, nodes, node, scratch)
    elif code == fgd.CODE:
        level = fgd.score(request, nodes, node, typical, now, scratch)
    elif code == consolidate.CODE:
        level = consolidate.score(request, nodes, node, typical)
    return max(level, 0)


@njit()
def pick_gpus(
    code: int,
    request: Request,
    nodes: Nodes,
    node: int,
    typical: Typical,
    draw: float,
    picked: I64,
) -> None:
    """Write the GPUs of `node` that policy `code` picks into `picked`."""
    if request.gpus == 0:
        return
    free = nodes.gpu_milli[node]
    if code == fgd.CODE:
        now = fragmentation_for(code, nodes, node, typical)
        fgd.score(request, nodes, node, typical, now, picked)
    elif code == random_fit.CODE:
        pick_by_chance(request, free, draw, picked)
    elif code == worst_fit.CODE:
        pick_emptiest(request, free, picked)
    elif code == first_fit.CODE:
        pick_first(request, free, picked)
    else:
        pick_tightest(request, free, picked)
