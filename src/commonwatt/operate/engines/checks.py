"""Hard rules, checked once more before anything is done, whatever the policy said.

Residency, GPU type, quota and gang are never bent: a decision that bends one is a bug
of the policy, and none of it is carried out.
"""

from __future__ import annotations

import numpy as np

from commonwatt.core.errors import IdentityError
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.decide import SchedulingDecision
from commonwatt.fleet.domain.policies.gangs import GangPiece
from commonwatt.operate.domain.capture import Capture
from commonwatt.operate.domain.cluster import (
    PHASES_ON_NODES,
    ClusterObservation,
    JobPhase,
    JobRequest,
    NodeState,
    ObservedNode,
)
from commonwatt.operate.engines.snapshot import QueueSnapshot


def check_live_scheduling_decision(
    decision: SchedulingDecision, snapshot: QueueSnapshot, captured: Capture
) -> None:
    """Raise if a start breaks a hard rule.

    Raises:
        IdentityError: A rule is broken: a bug, and nothing is done.
    """
    for job, pieces in decision.starts.items():
        request = captured.jobs[job].request
        nodes = [captured.nodes[piece.node] for piece in pieces]
        for node in nodes:
            _check_controller_scheduling_rule(request.job_id, "health", node.state == NodeState.UP)
            _check_controller_scheduling_rule(
                request.job_id, "residency", not request.sites or node.site in request.sites
            )
            # A job without GPUs may run beside any type: its types are those of GPUs that it
            # does not use.
            suits = request.gpus == 0 or not request.gpu_types or node.gpu_type in request.gpu_types
            _check_controller_scheduling_rule(request.job_id, "GPU type", suits)
            _check_controller_scheduling_rule(
                request.job_id,
                "reservation",
                not _is_node_reserved_for_others(request, node, captured),
            )
        _check_controller_scheduling_rule(
            request.job_id, "gang", _is_cluster_job_placed_whole(request, pieces)
        )
        _check_controller_scheduling_rule(
            request.job_id, "one node", not request.single_node or len(pieces) <= 1
        )
    for job in decision.preemptions:
        request = captured.jobs[job].request
        runs = (
            captured.jobs[job].phase in PHASES_ON_NODES
        )  # or was started and stopped in one decision
        _check_controller_scheduling_rule(
            request.job_id, "preemption", request.preemptible or not runs
        )
    _check_tenant_quotas_hold(decision, snapshot, captured)


def overcommitted_cluster_nodes(observation: ClusterObservation) -> list[str]:
    """Return the nodes on which jobs that run hold more GPU than there is."""
    free = _free_gpu_milli_by_node(observation)
    return [node.name for node in observation.nodes if free[node.name] < 0]


def starting_jobs_with_gpus_taken(observation: ClusterObservation) -> list[str]:
    """Return the starting jobs whose places what runs has taken meanwhile.

    A backend that spreads a gang over its nodes by itself may take a GPU that was
    meant for another start.
    """
    free, displaced = _free_gpu_milli_by_node(observation), list[str]()
    for name, job in observation.jobs.items():
        if job.phase != JobPhase.STARTING:
            continue
        needed_milli = {place.node: len(place.gpus) * place.gpu_milli for place in job.places}
        # All of a gang or nothing: half a gang that keeps its places holds up others and can
        # never begin.
        if any(free.get(node, 0) < milli for node, milli in needed_milli.items()):
            displaced.append(name)
            continue
        for node, milli in needed_milli.items():
            free[node] -= milli
    return displaced


def _free_gpu_milli_by_node(observation: ClusterObservation) -> dict[str, int]:
    """Return the GPU of each node that nothing running holds [1/1000 GPU]."""
    free = {node.name: node.gpus * 1000 for node in observation.nodes}
    for job in observation.jobs.values():
        for place in job.places if job.phase == JobPhase.RUNNING else ():
            if place.node in free:
                free[place.node] -= len(place.gpus) * place.gpu_milli
    return free


def _is_cluster_job_placed_whole(request: JobRequest, pieces: tuple[GangPiece, ...]) -> bool:
    return sum(piece.request.gpus for piece in pieces) == request.gpus


def _is_node_reserved_for_others(
    request: JobRequest, node: ObservedNode, captured: Capture
) -> bool:
    return any(
        node.name in reservation.nodes
        and request.tenant != reservation.tenant
        and reservation.from_s <= captured.at_s < reservation.until_s
        for reservation in captured.reservations
    )


def _check_tenant_quotas_hold(
    decision: SchedulingDecision, snapshot: QueueSnapshot, captured: Capture
) -> None:
    """Without borrowing no tenant may hold more than its quota after the decision."""
    state = snapshot.state
    # With borrowing a tenant may hold more than its quota by design; and without a start
    # nothing that this decision does can break one.
    if state.quota_milli is None or captured.policy.borrow or not decision.starts:
        return
    # Victims count as gone: the decision is judged by the state that it leads to.
    stays = np.setdiff1d(state.running, np.array(decision.preemptions, np.int64))
    after = np.union1d(stays, np.array(list(decision.starts), np.int64))
    used = np.zeros(len(state.quota_milli), np.int64)
    np.add.at(used, state.workload.tenant[after], state.workload.gpu_demand_milli_by_job()[after])
    started = state.workload.tenant[np.array(list(decision.starts), np.int64)]
    _check_controller_scheduling_rule(
        "tenants", "quota", bool((used <= state.quota_milli)[started].all())
    )


def _check_controller_scheduling_rule(where: str, rule: str, holds: bool) -> None:
    if not holds:
        raise IdentityError(
            where, found=Message("a decision that breaks the rule of {rule}", {"rule": rule})
        )
