"""Where a gang could start: the plain rules, over a row per node.

A gang that some permitted node could hold takes one node. A wider one stays in one
group (same site, GPU type, size and tenant): whole nodes, and one more for what is
left over. First-fit takes the first nodes, best-fit those with the fewest whole GPUs
free, worst-fit those with the most; consolidate is best-fit that takes whole nodes
from the far end of a group, so that wide and narrow gangs do not meet. Shares of
GPUs and the other policies are left to `policies.place`, one node a job.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from commonwatt.fleet.domain.policies.place import (
    FreeCapacity,
    PlacementRequest,
    PlacePolicy,
    TypicalDemand,
    choose_node_and_gpus,
    nodes_with_room,
)
from commonwatt.fleet.domain.policies.place.state import WHOLE
from commonwatt.fleet.domain.workload import I64, Bools


class GangPiece(NamedTuple):
    """What a gang holds on one node."""

    node: int
    gpus: tuple[int, ...]
    request: PlacementRequest


class Gang(NamedTuple):
    """What a job requests.

    Args:
        request: The whole gang, as if it were to share one node.
        wide: No permitted node could hold it, so that it must span several.
        chance: Two numbers in [0, 1) for the policies of chance.
    """

    request: PlacementRequest
    wide: bool
    chance: tuple[float, float]


class NodeFacts(NamedTuple):
    """What does not change about the nodes.

    Args:
        group: Group of each node, numbered by first appearance, shape (nodes,).
        typical: Scale and typical demand, for the policies that weigh them.
    """

    group: I64
    typical: TypicalDemand


# These look at whole GPUs alone, so that the compiled engine can serve them by counting free GPUs.
WHOLE_GPU_POLICIES = ("first-fit", "best-fit", "worst-fit", "consolidate")


def gang_pieces_if_gang_fits(
    gang: Gang, nodes: FreeCapacity, machines: NodeFacts, place: PlacePolicy
) -> tuple[GangPiece, ...] | None:
    """Return the pieces that `gang` would hold, or None where it does not fit now."""
    request = gang.request
    if request.gpus == request.cpu_milli == request.memory_mib == 0:
        # Residency holds for a job that requests nothing, too: some node must be open to it.
        return () if nodes.eligible[request.klass].any() else None
    if gang.wide:
        return _gang_pieces_on_many_nodes(gang, nodes, machines, place)
    if request.gpus > 0 and request.gpu_milli == WHOLE and place.name in WHOLE_GPU_POLICIES:
        node = _node_for_narrow_gang(request, nodes, machines, place.name)
        return None if node < 0 else (_gang_piece_on_node(request, nodes, node),)
    choice = choose_node_and_gpus(place, request, nodes, machines.typical, draws=gang.chance)
    return None if choice is None else (GangPiece(choice.node, choice.gpus, request),)


def free_whole_gpus_by_node(nodes: FreeCapacity) -> I64:
    """Return how many whole GPUs each node has free, shape (nodes,)."""
    return (nodes.gpu_milli == WHOLE).sum(axis=1)


def _node_for_narrow_gang(
    request: PlacementRequest, nodes: FreeCapacity, machines: NodeFacts, place: str
) -> int:
    candidates = np.flatnonzero(nodes_with_room(request, nodes))
    if len(candidates) == 0:
        return -1
    if place == "first-fit":
        return int(candidates[0])
    free = free_whole_gpus_by_node(nodes)[candidates]
    # `argmax` takes the first of equals, which is the rule for ties in every place policy.
    if place == "worst-fit":
        return int(candidates[np.argmax(free)])
    tightest = candidates[free == free.min()]
    if place == "best-fit":
        return int(tightest[0])
    return _consolidated_node_for_gang(request, nodes, machines.group, tightest)


def _consolidated_node_for_gang(
    request: PlacementRequest, nodes: FreeCapacity, group: I64, tightest: I64
) -> int:
    first_group = tightest[group[tightest] == group[tightest].min()]
    # Only a gang that fills its node goes to the far end, where wide gangs take theirs; a smaller
    # one would break up a whole node there.
    empties_node = nodes.gpus[first_group[0]] == request.gpus
    return int(first_group[-1] if empties_node else first_group[0])


def _gang_pieces_on_many_nodes(
    gang: Gang, nodes: FreeCapacity, machines: NodeFacts, place: PlacePolicy
) -> tuple[GangPiece, ...] | None:
    permitted = nodes.eligible[gang.request.klass]
    # One group or none: a gang works in step, so a slower GPU type or a link between sites would
    # set the pace of all of it.
    for g in range(int(machines.group.max()) + 1):
        members = permitted & (machines.group == g)
        size = int(nodes.gpus[members].max(initial=0))
        if size > 0:
            pieces = _gang_pieces_in_node_group(gang.request, nodes, machines, place, members, size)
            if pieces is not None:
                return pieces
    return None


def _gang_pieces_in_node_group(
    request: PlacementRequest,
    nodes: FreeCapacity,
    machines: NodeFacts,
    place: PlacePolicy,
    members: Bools,
    size: int,
) -> tuple[GangPiece, ...] | None:
    count, rest = divmod(request.gpus, size)
    whole = np.flatnonzero(members & nodes_with_room(_gang_request_on_node(request, size), nodes))
    if len(whole) < count:
        return None
    whole_nodes = (
        whole[len(whole) - count :][::-1] if place.name == "consolidate" else whole[:count]
    )
    pieces = tuple(
        _gang_piece_on_node(_gang_request_on_node(request, size), nodes, int(node))
        for node in whole_nodes
    )
    if rest == 0:
        return pieces
    remaining = members.copy()
    # `nodes` is not changed by a look, so the nodes just chosen still seem free in it.
    remaining[whole_nodes] = False
    last = _remainder_gang_piece(
        _gang_request_on_node(request, rest), nodes, machines, place.name, remaining
    )
    return None if last is None else (*pieces, last)


def _remainder_gang_piece(
    request: PlacementRequest, nodes: FreeCapacity, machines: NodeFacts, place: str, members: Bools
) -> GangPiece | None:
    """Return the piece for what whole nodes leave over."""
    members_only = nodes._replace(eligible=members[None, :])
    # What is left over is a narrow gang that must not open another whole node if it need not;
    # scores of shares say nothing about it, so the other policies fall back on the first node.
    name = {"consolidate": "best-fit"}.get(place, place)
    if name not in WHOLE_GPU_POLICIES:
        name = "first-fit"
    # The members are the only row of the narrowed table, hence class 0.
    node = _node_for_narrow_gang(request._replace(klass=0), members_only, machines, name)
    return None if node < 0 else _gang_piece_on_node(request, nodes, node)


def _gang_request_on_node(request: PlacementRequest, gpus: int) -> PlacementRequest:
    """Return what a gang requests on a node where it has `gpus`: CPU and memory by GPU."""
    # Rounded up on each node, so that the pieces together never request less than the gang.
    cpu = -(-request.cpu_milli * gpus // request.gpus)
    memory = -(-request.memory_mib * gpus // request.gpus)
    return request._replace(cpu_milli=cpu, memory_mib=memory, gpus=gpus)


def _gang_piece_on_node(request: PlacementRequest, nodes: FreeCapacity, node: int) -> GangPiece:
    free = np.flatnonzero(nodes.gpu_milli[node] >= request.gpu_milli)
    return GangPiece(node, tuple(free[: request.gpus].tolist()), request)
