"""The loop for a user's own place policy in plain Python."""

from __future__ import annotations

import numpy as np

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.machines import F64
from commonwatt.fleet.domain.policies.place.gpus import pick_tightest_gpus
from commonwatt.fleet.domain.policies.place.policy import UserPlacePolicy
from commonwatt.fleet.domain.policies.place.state import (
    I64,
    FreeCapacity,
    PlacementRequest,
    request_fits_node,
    take_or_release_request_on_node,
)
from commonwatt.fleet.domain.policies.place.typical import (
    TypicalDemand,
    fragmented_weight_milli_gpu_of_node,
)
from commonwatt.fleet.engines.packing.kernel import (
    PackingJobs,
    PlacementTrail,
    blank_packing_trail,
)


def pack_jobs_by_user_policy(
    policy: UserPlacePolicy,
    order: I64,
    jobs: PackingJobs,
    nodes: FreeCapacity,
    typical: TypicalDemand,
    draws: F64,
) -> PlacementTrail:
    """Place the jobs of `order` as `policy` says, changing `nodes`; return what happened.

    The policy names a node; on it, shares go to the tightest GPUs with room.

    Raises:
        UsageError: The policy named a node that does not exist or has no room.
    """
    trail = blank_packing_trail(jobs.gpus[order])
    picked = np.zeros(nodes.gpu_milli.shape[1], np.int64)
    lost = sum(
        _fragmented_weight_milli_gpu_of_state_node(nodes, node, typical)
        for node in range(len(nodes.gpus))
    )
    allocated = 0
    for i, job in enumerate(order.tolist()):
        # All columns but the last, the shape, which only the compiled engine reads.
        request = PlacementRequest(*(int(column[job]) for column in jobs[:-1]))
        node = int(policy.choose(request, nodes, float(draws[i, 0])))
        _check_node_chosen_by_user(policy, request, nodes, node)
        if node >= 0:
            # Only this node changes; a sum over all nodes at every arrival would be most of the
            # run.
            lost -= _fragmented_weight_milli_gpu_of_state_node(nodes, node, typical)
            pick_tightest_gpus(request, nodes.gpu_milli[node], picked)
            take_or_release_request_on_node(request, nodes, node, picked, 1)
            first = int(trail.first_gpu[i])
            trail.gpu[first : first + request.gpus] = picked[: request.gpus]
            allocated += request.gpus * request.gpu_milli
            lost += _fragmented_weight_milli_gpu_of_state_node(nodes, node, typical)
        trail.node[i], trail.allocated_milli[i], trail.fragmented[i] = node, allocated, lost
    return trail


def _fragmented_weight_milli_gpu_of_state_node(
    nodes: FreeCapacity, node: int, typical: TypicalDemand
) -> int:
    cpu = int(nodes.cpu_milli[node])
    return int(
        fragmented_weight_milli_gpu_of_node(
            cpu, nodes.gpu_milli[node], int(nodes.gpu_type[node]), typical
        )
    )


def _check_node_chosen_by_user(
    policy: UserPlacePolicy, request: PlacementRequest, nodes: FreeCapacity, node: int
) -> None:
    # Asked here, or a user's slip would come out as a conservation law of ours that does not close.
    if node == -1 or (0 <= node < len(nodes.gpus) and request_fits_node(request, nodes, node)):
        return
    raise UsageError(
        policy.name,
        found=Message("node {node}", {"node": str(node)}),
        wanted=Message("a node with room for the job, or -1"),
        remedy=Message("`nodes_with_room(request, nodes)` tells which nodes have room."),
    )
