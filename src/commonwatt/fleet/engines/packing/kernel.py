"""The fast engine: one pass over the arrivals, with scores kept between them.

A score depends on the request's CPU and GPUs (its shape) and on one node's state.
So scores are kept per shape and node, and when a shape comes again only the nodes
that changed since its last turn are scored anew. Memory and eligibility are checked
when the best node is sought, so that shapes stay few.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from commonwatt.core.jit import njit
from commonwatt.fleet.domain.machines import F64
from commonwatt.fleet.domain.policies.place import random_fit
from commonwatt.fleet.domain.policies.place.choose import pick_gpus_of_node, score_nodes
from commonwatt.fleet.domain.policies.place.state import (
    I64,
    FreeCapacity,
    PlacementRequest,
    node_has_enough_free_gpus,
    take_or_release_request_on_node,
)
from commonwatt.fleet.domain.policies.place.typical import (
    TypicalDemand,
    fragmented_weight_milli_gpu_of_node,
)
from commonwatt.fleet.domain.workload import Bools

NO_NODE = -1
UNKNOWN = 1 << 60  # no score is as high


class PackingJobs(NamedTuple):
    """The jobs' requests as columns, shape (jobs,); `shape` numbers equal CPU and GPUs."""

    cpu_milli: I64
    memory_mib: I64
    gpus: I64
    gpu_milli: I64
    klass: I64
    shape: I64


class ScoreMemory(NamedTuple):
    """What is kept between arrivals.

    Args:
        scores: Score of each node for each shape, -1 without room; the last row serves
            all shapes too rare to keep, shape (shapes, nodes).
        seen: Entries of `log` that each shape has taken in, -1 before its first turn.
        leader: Node of the highest score of each shape, the first of equals.
        top: The leader's score when it was chosen, shape (shapes,).
        log: Node of each placement so far, shape (arrivals,).
        latest: Last entry of `log` that names each node, shape (nodes,).
        fragmented: Fragmentation of each node now, shape (nodes,).
        changed: Scratch for the nodes that changed, shape (nodes,).
        candidates: Scratch for those of them with room, shape (nodes,).
        picked: GPUs of the decision at hand, shape (most GPUs on a node,).
    """

    scores: I64
    read_until: I64
    leader: I64
    top: I64
    log: I64
    latest: I64
    fragmented: I64
    changed: I64
    candidates: I64
    picked: I64


class PlacementTrail(NamedTuple):
    """What happened, one entry per arrival.

    Args:
        node: Node that took the job, -1 where none had room.
        first_gpu: Where the job's GPUs begin in `gpu`.
        gpu: GPUs, job after job, -1 where not placed.
        allocated_milli: GPU allocated after the arrival [1/1000 GPU].
        fragmented: GPU fragmented after it, in units of weight x milli-GPU.
    """

    node: I64
    first_gpu: I64
    gpu: I64
    allocated_milli: I64
    fragmented: I64


@njit()
def pack_jobs_on_nodes(
    code: int,
    order: I64,
    jobs: PackingJobs,
    nodes: FreeCapacity,
    typical: TypicalDemand,
    draws: F64,
    memory: ScoreMemory,
    trail: PlacementTrail,
) -> None:
    """Place the jobs of `order` one by one under policy `code`, never releasing any.

    Args:
        code: The policy.
        order: Job numbers in order of arrival, shape (arrivals,).
        jobs: The requests.
        nodes: The state, changed in place.
        typical: The typical demand.
        draws: Two numbers in [0, 1) per arrival, shape (arrivals, 2).
        memory: Scores between arrivals, changed in place.
        trail: What happened, filled in.
    """
    allocated, placed = 0, 0
    lost = _remeasure_fleet_fragmentation_growth(nodes, typical, memory.fragmented)
    for i in range(len(order)):
        job = int(order[i])
        request, shape = (
            _placement_request_of_job(jobs, job),
            min(int(jobs.shape[job]), len(memory.read_until) - 1),
        )
        among, scores = (
            _nodes_to_rescore_updating_memory(request, shape, nodes, memory, placed),
            memory.scores[shape],
        )
        score_nodes(code, request, nodes, among, typical, memory.fragmented, memory.picked, scores)
        node = _node_chosen_for_request(code, request, shape, nodes, memory, among, draws[i, 0])
        trail.node[i] = node
        if node >= 0:
            pick_gpus_of_node(code, request, nodes, node, typical, draws[i, 1], memory.picked)
            take_or_release_request_on_node(request, nodes, node, memory.picked, 1)
            for k in range(request.gpus):
                trail.gpu[trail.first_gpu[i] + k] = memory.picked[k]
            memory.log[placed], memory.latest[node] = node, placed
            placed += 1
            allocated += request.gpus * request.gpu_milli
            lost += _remeasure_node_fragmentation_growth(nodes, node, typical, memory.fragmented)
        trail.allocated_milli[i], trail.fragmented[i] = allocated, lost


@njit(inner=True)
def _placement_request_of_job(jobs: PackingJobs, job: int) -> PlacementRequest:
    return PlacementRequest(
        int(jobs.cpu_milli[job]),
        int(jobs.memory_mib[job]),
        int(jobs.gpus[job]),
        int(jobs.gpu_milli[job]),
        int(jobs.klass[job]),
    )


@njit(inner=True)
def _remeasure_fleet_fragmentation_growth(
    nodes: FreeCapacity, typical: TypicalDemand, table: I64
) -> int:
    lost = 0
    for node in range(len(nodes.gpus)):
        lost += _remeasure_node_fragmentation_growth(nodes, node, typical, table)
    return lost


@njit(inner=True)
def _remeasure_node_fragmentation_growth(
    nodes: FreeCapacity, node: int, typical: TypicalDemand, table: I64
) -> int:
    """Measure `node` anew and return by how much its fragmentation grew."""
    free = nodes.gpu_milli[node]
    now = fragmented_weight_milli_gpu_of_node(
        nodes.cpu_milli[node], free, nodes.gpu_type[node], typical
    )
    grown = now - table[node]
    table[node] = now
    return grown


@njit(inner=True)
def _nodes_to_rescore_updating_memory(
    request: PlacementRequest, shape: int, nodes: FreeCapacity, memory: ScoreMemory, placed: int
) -> I64:
    """Return the nodes with room whose score for the shape must be written anew."""
    start, memory.read_until[shape] = memory.read_until[shape], placed
    scores = memory.scores[shape]
    # The last row serves all shapes too rare for one of their own, so what it holds belongs to
    # another.
    if start < 0 or shape == len(memory.read_until) - 1:
        memory.top[shape] = UNKNOWN
        for node in range(len(scores)):
            memory.changed[node], scores[node] = node, 0
        return _changed_nodes_that_fit_request(
            request, nodes, memory.changed, memory.candidates, scores
        )
    count = 0
    for entry in range(start, placed):
        node = memory.log[entry]
        # A node that changed several times is scored once, at its last change.
        if memory.latest[node] == entry:
            memory.changed[count] = node
            count += 1
    return _changed_nodes_that_fit_request(
        request, nodes, memory.changed[:count], memory.candidates, scores
    )


@njit(inner=True)
def _changed_nodes_that_fit_request(
    request: PlacementRequest, nodes: FreeCapacity, changed: I64, among: I64, scores: I64
) -> I64:
    """Return the nodes of `changed` with CPU and GPUs enough; the others score -1."""
    count = 0
    for node in changed:
        if scores[node] == NO_NODE:  # room never grows here
            continue
        if nodes.cpu_milli[node] >= request.cpu_milli and node_has_enough_free_gpus(
            request, nodes, node
        ):
            among[count] = node
            count += 1
        else:
            scores[node] = NO_NODE
    return among[:count]


@njit(inner=True)
def _node_chosen_for_request(
    code: int,
    request: PlacementRequest,
    shape: int,
    nodes: FreeCapacity,
    memory: ScoreMemory,
    among: I64,
    draw: float,
) -> int:
    """Return the node for `request`, or -1, once the nodes `among` are scored anew."""
    scores, leader = memory.scores[shape], _updated_leading_node_for_shape(shape, memory, among)
    if scores[leader] < 0:
        return -1
    memory_mib, eligible = nodes.memory_mib, nodes.eligible[request.klass]
    if code == random_fit.CODE:
        return _random_scored_node_with_memory(
            request.memory_mib, scores, memory_mib, eligible, draw
        )
    # Memory and eligibility are no part of a shape, so the best score may belong to a node that
    # this job cannot use.
    if memory_mib[leader] >= request.memory_mib and eligible[leader]:
        return leader
    return _best_scored_node(request.memory_mib, scores, memory_mib, eligible)


@njit(inner=True)
def _updated_leading_node_for_shape(shape: int, memory: ScoreMemory, among: I64) -> int:
    """Return the shape's best node: the old one or a rescored one, unless the old one fell."""
    scores, leader = memory.scores[shape], memory.leader[shape]
    # If the leader fell, any node may lead now; otherwise only one that was scored anew can pass
    # it.
    if scores[leader] < memory.top[shape]:
        for node in range(len(scores)):
            if scores[node] > scores[leader] or (scores[node] == scores[leader] and node < leader):
                leader = node
    else:
        for node in among:
            if scores[node] > scores[leader] or (scores[node] == scores[leader] and node < leader):
                leader = node
    memory.leader[shape], memory.top[shape] = leader, scores[leader]
    return leader


@njit(inner=True)
def _best_scored_node(need_mib: int, scores: I64, memory_mib: I64, eligible: Bools) -> int:
    best, chosen = NO_NODE, -1
    for node in range(len(scores)):
        if scores[node] > best and memory_mib[node] >= need_mib and eligible[node]:
            best, chosen = scores[node], node
    return chosen


@njit(inner=True)
def _random_scored_node_with_memory(
    need_mib: int, scores: I64, memory_mib: I64, eligible: Bools, draw: float
) -> int:
    count = 0
    for node in range(len(scores)):
        count += (scores[node] >= 0) & (memory_mib[node] >= need_mib) & eligible[node]
    left = int(draw * count)
    for node in range(len(scores)):
        left -= (scores[node] >= 0) & (memory_mib[node] >= need_mib) & eligible[node]
        if left < 0:
            return node
    return -1


def blank_score_memory(shapes: int, arrivals: int, nodes: FreeCapacity) -> ScoreMemory:
    """Return an empty memory for so many kept shapes, arrivals and nodes."""
    count, width = nodes.gpu_milli.shape
    return ScoreMemory(
        scores=np.zeros((shapes + 1, count), np.int64),
        read_until=np.full(shapes + 1, -1, np.int64),
        leader=np.zeros(shapes + 1, np.int64),
        top=np.full(shapes + 1, UNKNOWN, np.int64),
        log=np.zeros(arrivals, np.int64),
        latest=np.full(count, -1, np.int64),
        fragmented=np.zeros(count, np.int64),
        changed=np.zeros(count, np.int64),
        candidates=np.zeros(count, np.int64),
        picked=np.zeros(width, np.int64),
    )


def blank_packing_trail(gpus: I64) -> PlacementTrail:
    """Return an empty trail for arrivals that request so many `gpus` each."""
    return PlacementTrail(
        node=np.full(len(gpus), -1, np.int64),
        first_gpu=np.concatenate([np.zeros(1, np.int64), gpus.cumsum()])[:-1],
        gpu=np.full(int(gpus.sum()), -1, np.int64),
        allocated_milli=np.zeros(len(gpus), np.int64),
        fragmented=np.zeros(len(gpus), np.int64),
    )
