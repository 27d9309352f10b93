"""From a captured cluster to the arrays that policies read: the same for live and replay.

Nodes that are not up take nothing, whatever runs on them counts as held. A gang that
could not start even if all nodes in use were idle is left out, so that it does not hold
up the queue while a node is away; it comes back with the node.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import polars as pl

from commonwatt.core.seeds import named_random_stream
from commonwatt.fleet.domain.machines import SHARED, SINGLE_SITE, UNNAMED_GPU, Fleet
from commonwatt.fleet.domain.policies.decide import SchedulingDecision
from commonwatt.fleet.domain.policies.gangs import WHOLE_GPU_POLICIES, GangPiece
from commonwatt.fleet.domain.policies.place import (
    FreeCapacity,
    PlacementRequest,
    node_eligibility_by_job_class,
    placement_request_of_job,
)
from commonwatt.fleet.domain.policies.plan import (
    SchedulingPlan,
    copy_free_capacity,
    take_or_release_gang_pieces,
)
from commonwatt.fleet.domain.policies.state import QueueState
from commonwatt.fleet.domain.workload import I64, Bools, Workload
from commonwatt.fleet.engines.simulator.setup import (
    ReplaySetup,
    initial_queue_state,
    never_fitting_job_flags,
)
from commonwatt.operate.domain.capture import Capture
from commonwatt.operate.domain.cluster import (
    PHASES_ON_NODES,
    JobPhase,
    NodeAllocation,
    NodeState,
    ObservedJob,
)


class WaitReason(StrEnum):
    """Why a job waits: the closed list."""

    TOO_LARGE = "too-large"
    """Asks for more than the cluster has, or for what it has not."""
    NODES = "nodes"
    """Would fit, were all nodes in use."""
    PARKED = "parked"
    """Was refused too often; a person must look."""
    QUOTA = "quota"
    NO_CAPACITY = "room"
    TURN = "turn"
    """Has room now, but others go first."""


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """A queue state, and what its numbers stand for.

    Args:
        state: What the policy sees.
        names: Name of each job of the workload.
        complete_nodes: Free room counting every job that holds any, shape of `state.nodes`.
        excluded: Jobs that the policy is not offered, and why.
    """

    state: QueueState
    names: tuple[str, ...]
    complete_nodes: FreeCapacity
    excluded: dict[str, WaitReason]


def queue_snapshot(captured: Capture) -> QueueSnapshot:
    """Return what the policy sees of `captured`."""
    workload, fleet = _captured_workload(captured), _captured_fleet(captured)
    policy = captured.scheduling_policy
    setup = ReplaySetup(
        workload=workload,
        fleet=fleet,
        policy=policy,
        # The live side knows no true run times; the estimate stands for both, so that simulator
        # and controller order by the same numbers.
        believed_ms=workload.estimate_ms,
        chance=_random_pair_per_captured_job(captured, policy.place.name),
        quota_milli=_captured_quota_milli(captured, workload),
    )
    idle = initial_queue_state(setup)
    # Asked twice, of the whole cluster and of what is up: only the first means that the job can
    # never run, and a person is told which.
    too_large = never_fitting_job_flags(idle)
    state = _queue_with_captured_nodes_barred(idle, captured)
    away = never_fitting_job_flags(state) & ~too_large
    excluded = _excluded_job_wait_reasons(captured, too_large, away)
    names = tuple(job.request.job_id for job in captured.jobs)
    return _snapshot_of_captured_queue(
        state, captured, names, excluded, preempts=policy.preempt.name != "none"
    )


def scheduling_decision_by_names(
    decision: SchedulingDecision, snapshot: QueueSnapshot
) -> dict[str, object]:
    """Return a decision by names rather than numbers, as logs keep it."""
    names, nodes = snapshot.names, snapshot.state.fleet.node_id
    return {
        "preempt": [names[job] for job in decision.preemptions],
        "start": {
            names[job]: [[nodes[piece.node], list(piece.gpus)] for piece in pieces]
            for job, pieces in decision.starts.items()
        },
    }


def node_allocations_of_gang(
    pieces: tuple[GangPiece, ...], snapshot: QueueSnapshot
) -> tuple[NodeAllocation, ...]:
    """Return the pieces of a start as a backend takes them."""
    nodes = snapshot.state.fleet.node_id
    return tuple(
        NodeAllocation(
            nodes[piece.node],
            piece.gpus,
            piece.request.gpu_milli,
            piece.request.cpu_milli,
            piece.request.memory_mib,
        )
        for piece in pieces
    )


def take_room_for_start_if_it_fits(
    pieces: tuple[GangPiece, ...], free_capacity: FreeCapacity
) -> bool:
    """Return whether `pieces` find their room in `free_capacity`, which is then taken."""
    for piece in pieces:
        request, node = piece.request, piece.node
        free = [free_capacity.gpu_milli[node, gpu] >= request.gpu_milli for gpu in piece.gpus]
        if not all(free):
            return False
        if free_capacity.cpu_milli[node] < request.cpu_milli:
            return False
        if free_capacity.memory_mib[node] < request.memory_mib:
            return False
    # Taken at once, so that two starts of one decision cannot be granted the same GPU.
    take_or_release_gang_pieces(free_capacity, pieces, 1)
    return True


def job_wait_reasons(
    snapshot: QueueSnapshot, decision: SchedulingDecision, captured: Capture
) -> dict[str, WaitReason]:
    """Return why each job waits that `decision` does not start."""
    policy = captured.scheduling_policy
    # The reasons are found on a copy of the plan, after the starts of this decision: a job is
    # told what it waits for now, and not what it waited for a moment ago.
    plan = SchedulingPlan(snapshot.state, policy.order, policy.place, borrow=policy.borrow)
    reasons = dict(snapshot.excluded)
    for job, pieces in decision.starts.items():
        if plan.find_gang_pieces(job) is not None:
            plan.start_job(job, pieces)
    for job in snapshot.state.waiting.tolist():
        if job in decision.starts:
            continue
        if not plan.may_start_within_quota(job):
            reasons[snapshot.names[job]] = WaitReason.QUOTA
        else:
            reasons[snapshot.names[job]] = (
                WaitReason.NO_CAPACITY if plan.find_gang_pieces(job) is None else WaitReason.TURN
            )
    return reasons


def _captured_workload(captured: Capture) -> Workload:
    requests = [job.request for job in captured.jobs]
    # Sorted names, so that the numbers of tenants do not depend on who came first and a replay
    # of the capture ties as the live decision did.
    tenants = sorted({request.tenant for request in requests} | set(captured.quotas or {}))
    users, groups = (
        sorted({request.user for request in requests}),
        sorted({request.group for request in requests}),
    )
    types = sorted({name for request in requests for name in request.gpu_types})
    sites = sorted({name for request in requests for name in request.sites})
    # Whole milliseconds, as in the simulator: float seconds would order equal jobs by their
    # rounding.
    estimate = _captured_seconds_as_ms([request.estimate_s for request in requests])
    return Workload(
        job_id=pl.Series("job_id", [request.job_id for request in requests], dtype=pl.String),
        submit_ms=_captured_seconds_as_ms([request.submitted_at_s for request in requests]),
        runtime_ms=estimate,
        estimate_ms=estimate,
        gpus=np.array([request.gpus for request in requests], np.int32),
        gpu_milli=np.array([request.gpu_milli for request in requests], np.int32),
        cpu_milli=np.array([request.cpu_milli for request in requests], np.int64),
        memory_mib=np.array([request.memory_mib for request in requests], np.int64),
        single_node=np.array([request.single_node for request in requests], np.bool_),
        gpu_types=_captured_name_bit_masks([request.gpu_types for request in requests], types),
        sites=_captured_name_bit_masks([request.sites for request in requests], sites),
        tenant=np.array([tenants.index(request.tenant) for request in requests], np.int32),
        user=np.array([users.index(request.user) for request in requests], np.int32),
        group=np.array([groups.index(request.group) for request in requests], np.int32),
        priority=np.array([request.priority for request in requests], np.int32),
        gpu_type_names=tuple(types),
        site_names=tuple(sites),
        tenant_names=tuple(tenants),
        user_names=tuple(users),
        group_names=tuple(groups),
        origin="1970",
    )


def _captured_seconds_as_ms(seconds: list[float]) -> I64:
    return np.rint(np.array(seconds, np.float64) * 1000).astype(np.int64)


def _captured_name_bit_masks(named: list[tuple[str, ...]], names: list[str]) -> I64:
    return np.array([sum(1 << names.index(n) for n in allowed) for allowed in named], np.int64)


def _captured_fleet(captured: Capture) -> Fleet:
    nodes = captured.nodes
    types = sorted({node.gpu_type for node in nodes})
    sites = sorted({node.site for node in nodes})
    return Fleet(
        node_id=tuple(node.name for node in nodes),
        site=np.array([sites.index(node.site) for node in nodes], np.int32),
        gpu_type=np.array([types.index(node.gpu_type) for node in nodes], np.int32),
        gpus=np.array([node.gpus for node in nodes], np.int32),
        cpu_milli=np.array([node.cpu_milli for node in nodes], np.int64),
        memory_mib=np.array([node.memory_mib for node in nodes], np.int64),
        tenant=np.full(len(nodes), SHARED, np.int32),
        sites=tuple(replace(SINGLE_SITE, name=name) for name in sites),
        gpu_types=tuple(replace(UNNAMED_GPU, name=name) for name in types),
        # No round trips here: which sites a tenant may use was decided when the capture was
        # taken.
        rtt_ms=np.zeros((len(sites), len(sites))),
    )


def _random_pair_per_captured_job(captured: Capture, place: str) -> npt.NDArray[np.float64]:
    """Return two numbers a job, which stay the same for as long as it waits."""
    # These policies draw nothing; the numbers would be computed and thrown away for every job
    # in every tick.
    if place in WHOLE_GPU_POLICIES:
        return np.broadcast_to(np.float64(0.0), (len(captured.jobs), 2))
    # Keyed by the job's name and not drawn in turn: a job keeps its numbers while others come
    # and go, so that it is not shuffled anew each tick.
    pairs = [
        named_random_stream(captured.seed, job.request.job_id).random(2) for job in captured.jobs
    ]
    return np.array(pairs, np.float64).reshape(-1, 2)


def _captured_quota_milli(captured: Capture, workload: Workload) -> I64 | None:
    if captured.quotas is None:
        return None
    gpus = [captured.quotas.get(name, 0.0) for name in workload.tenant_names]
    return np.rint(np.array(gpus, np.float64) * 1000).astype(np.int64)


def _queue_with_captured_nodes_barred(idle: QueueState, captured: Capture) -> QueueState:
    """Return `idle` with nodes out of use, or kept for a service, barred to whom they are."""
    up = np.array([node.state == NodeState.UP for node in captured.nodes], np.bool_)
    klass, eligible = node_eligibility_by_job_class(idle.workload, idle.fleet)
    barred = _reservation_bar_flags_by_job(captured)
    if barred.any():
        # Jobs of one class that no reservation tells apart stay one class: eligibility is a
        # table of classes by nodes, and one of jobs by nodes would not fit a large queue.
        rows = np.unique(np.concatenate([klass[:, None], barred], axis=1), axis=0)
        keys = {tuple(row): i for i, row in enumerate(rows.tolist())}
        both = np.concatenate([klass[:, None], barred], axis=1).tolist()
        klass = np.array([keys[tuple(row)] for row in both], np.int64)
        eligible = eligible[rows[:, 0]] & ~_nodes_closed_by_reservations(captured, rows[:, 1:])
    nodes = idle.nodes._replace(eligible=eligible & up)
    return replace(idle, klass=klass, nodes=nodes)


def _reservation_bar_flags_by_job(captured: Capture) -> I64:
    """Return whether each reservation bars each job, shape (jobs, reservations)."""
    rows = [
        [
            job.request.tenant != reservation.tenant
            and captured.at_s < reservation.until_s
            and captured.at_s + _observed_job_time_left_s(job, captured) > reservation.from_s
            for reservation in captured.reservations
        ]
        for job in captured.jobs
    ]
    return np.array(rows, np.int64).reshape(len(captured.jobs), len(captured.reservations))


def _observed_job_time_left_s(job: ObservedJob, captured: Capture) -> float:
    return job.request.estimate_s - captured.served_s.get(job.request.job_id, 0.0)


def _nodes_closed_by_reservations(captured: Capture, barred: I64) -> Bools:
    """Return which nodes are closed to each row of `barred`, shape (rows, nodes)."""
    is_reserved = np.array(
        [
            [node.name in reservation.nodes for node in captured.nodes]
            for reservation in captured.reservations
        ],
        np.int64,
    )
    return (barred @ is_reserved) > 0


def _excluded_job_wait_reasons(
    captured: Capture, too_large: Bools, away: Bools
) -> dict[str, WaitReason]:
    reasons: dict[str, WaitReason] = {}
    for i, job in enumerate(captured.jobs):
        if job.phase != JobPhase.HELD:
            continue
        if too_large[i]:
            reasons[job.request.job_id] = WaitReason.TOO_LARGE
        elif away[i]:
            reasons[job.request.job_id] = WaitReason.NODES
        elif job.request.job_id in captured.parked:
            reasons[job.request.job_id] = WaitReason.PARKED
    return reasons


def _snapshot_of_captured_queue(
    state: QueueState,
    captured: Capture,
    names: tuple[str, ...],
    excluded: dict[str, WaitReason],
    *,
    preempts: bool,
) -> QueueSnapshot:
    """Return the view with what runs, what waits and what room is left."""
    nodes, held_pieces, fixed = (
        copy_free_capacity(state.nodes),
        dict[int, tuple[GangPiece, ...]](),
        list[int](),
    )
    where = {name: i for i, name in enumerate(state.fleet.node_id)}
    on_nodes = [i for i, job in enumerate(captured.jobs) if job.phase in PHASES_ON_NODES]
    # what runs says which GPUs it has; what is starting takes those that are left
    for i in sorted(on_nodes, key=lambda i: captured.jobs[i].phase != JobPhase.RUNNING):
        held_pieces[i] = _gang_pieces_taken_by_observed_job(
            state, nodes, captured.jobs[i], i, where
        )
        # The policy preempts whatever it is shown as running; what may not be stopped is
        # therefore not shown, and only its places are taken.
        if preempts and not captured.jobs[i].request.preemptible:
            fixed.append(i)
    running = np.array([i for i in on_nodes if i not in fixed], np.int64)
    waiting = [
        i
        for i, job in enumerate(captured.jobs)
        if job.phase == JobPhase.HELD and names[i] not in excluded
    ]
    started = np.zeros(len(names), np.int64)
    for i in on_nodes:
        started[i] = round((captured.jobs[i].started_at_s or captured.at_s) * 1000)
    filled = replace(
        state,
        now_ms=round(captured.at_s * 1000),
        waiting=np.array(waiting, np.int64),
        running=running,
        # A backend's clock may run ahead of ours by a little: a start in the future would give
        # the policy a negative age.
        started_ms=np.minimum(started, round(captured.at_s * 1000)),
        served_ms=_captured_seconds_as_ms([captured.served_s.get(name, 0.0) for name in names]),
        predicted_ms=_captured_seconds_as_ms(
            [captured.predicted_s.get(name, 3600.0) for name in names]
        ),
        held_pieces={i: pieces for i, pieces in sorted(held_pieces.items()) if i not in fixed},
        nodes=nodes,
        quota_milli=_quota_milli_left_for_controller(state, fixed),
    )
    return QueueSnapshot(filled, names, copy_free_capacity(nodes), excluded)


def _gang_pieces_taken_by_observed_job(
    state: QueueState, nodes: FreeCapacity, job: ObservedJob, i: int, where: dict[str, int]
) -> tuple[GangPiece, ...]:
    """Return what a job holds, and take it out of the room of `nodes`."""
    whole_request = placement_request_of_job(state.workload, i, state.klass)
    pieces: list[GangPiece] = []
    for place in job.places:
        # A node may be gone from the list while a job still says that it runs there; what it
        # held is then nobody's to give.
        if place.node not in where:
            continue
        node = where[place.node]
        milli = place.gpu_milli if place.gpus else 0
        gpus = _named_or_other_free_node_gpus(nodes, node, place)
        request = PlacementRequest(
            place.cpu_milli,
            place.memory_mib,
            len(gpus),
            milli or whole_request.gpu_milli,
            whole_request.klass,
        )
        pieces.append(GangPiece(node, gpus, request))
    take_or_release_gang_pieces(nodes, tuple(pieces), 1)
    return tuple(pieces)


def _named_or_other_free_node_gpus(
    nodes: FreeCapacity, node: int, place: NodeAllocation
) -> tuple[int, ...]:
    """Return the GPUs that a place names, or as many others where those are taken."""
    size = nodes.gpu_milli.shape[1]
    free = [g for g in range(size) if nodes.gpu_milli[node, g] >= place.gpu_milli]
    # A backend may have given other GPUs of the node than were meant. The count is what
    # capacity depends on, so others stand in.
    named = [g for g in place.gpus if g in free]
    others = [g for g in free if g not in named]
    return tuple(sorted((named + others)[: len(place.gpus)]))


def _quota_milli_left_for_controller(state: QueueState, fixed: list[int]) -> I64 | None:
    """Return the quotas less what jobs hold that may not be preempted."""
    if state.quota_milli is None or not fixed:
        return state.quota_milli
    used = np.zeros(len(state.quota_milli), np.int64)
    jobs = np.array(fixed, np.int64)
    np.add.at(used, state.workload.tenant[jobs], state.workload.gpu_demand_milli_by_job()[jobs])
    # Never below 0: a tenant whose quota was cut while its jobs run starts nothing new, and
    # owes nothing.
    return np.maximum(state.quota_milli - used, 0)
