"""The slow and obvious engine: plain Python, every node scored for every job.

It shares no arithmetic with the fast one: nodes are objects, fragmentation is a mean
of fractions over the typical requests, scores are written as their sources have
them. Tests hold the two together: the same node and the same GPUs, every time.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from commonwatt.fleet.domain.machines import SHARED, Fleet
from commonwatt.fleet.domain.workload import Workload


class ReferenceRequest(NamedTuple):
    """One job's request; `types` and `sites` empty allow all."""

    cpu: int
    memory: int
    gpus: int
    share: int
    types: frozenset[str]
    sites: frozenset[str]
    tenant: int

    @property
    def requests_whole_gpus(self) -> bool:
        """Whether it requests whole GPUs."""
        return self.share == 1000


@dataclass(slots=True)
class ReferenceNode:
    """One node; `cpu` and `memory` are None where unknown, and then bind nothing."""

    cpu: int | None
    memory: int | None
    free: list[int]
    gpu_type: str
    site: str
    tenant: int
    kinds: Counter[int] = field(default_factory=Counter[int])


@dataclass(slots=True, kw_only=True)
class ReferenceContext:
    """What scores may look at beside node and job."""

    largest_cpu: int
    largest_gpu: int
    typical: list[tuple[ReferenceRequest, Fraction]]


class ReferencePlacement(NamedTuple):
    """What became of one arrival: node (-1: none had room), GPUs, fragmented GPUs."""

    node: int
    gpus: tuple[int, ...]
    fragmented: Fraction


def pack_reference(
    fleet: Fleet,
    workload: Workload,
    policy: str,
    *,
    order: Sequence[int],
    node_order: Sequence[int],
    draws: Sequence[Sequence[float]],
    popularity: float = 0.95,
) -> list[ReferencePlacement]:
    """Place the jobs of `order` one by one; return what became of each.

    Args:
        fleet: The nodes.
        workload: The jobs.
        policy: Name of a place policy.
        order: Rows of the workload in order of arrival.
        node_order: Nodes of the fleet, the first of equals first.
        draws: Two numbers in [0, 1) per arrival, for the policies of chance.
        popularity: Share of the jobs that count as typical.
    """
    nodes = _reference_nodes_of_fleet(fleet)
    requests = [_reference_request_of_job(workload, job) for job in range(len(workload))]
    context = ReferenceContext(
        # A fleet whose CPU is unknown has 0 throughout, and scores divide by it.
        largest_cpu=max(1, *(int(cpu) for cpu in fleet.cpu_milli)),
        largest_gpu=1000 * max(1, *(int(gpus) for gpus in fleet.gpus)),
        typical=_typical_reference_requests(requests, popularity),
    )
    losses = [fragmented_gpu_share(node, context) for node in nodes]
    return [
        _place_reference_request(requests[job], nodes, losses, node_order, policy, context, draw)
        for job, draw in zip(order, draws, strict=True)
    ]


def _place_reference_request(
    request: ReferenceRequest,
    nodes: list[ReferenceNode],
    losses: list[Fraction],
    node_order: Sequence[int],
    policy: str,
    context: ReferenceContext,
    draw: Sequence[float],
) -> ReferencePlacement:
    """Place one job, keep the fragmentation of each node in `losses`, say what became of it."""
    index = _reference_node_chosen(request, nodes, node_order, policy, context, draw[0])
    gpus: tuple[int, ...] = ()
    if index >= 0:
        gpus = _reference_gpus_chosen(request, nodes[index], policy, context, draw[1])
        _take_request_on_reference_node(request, nodes[index], gpus)
        losses[index] = fragmented_gpu_share(nodes[index], context)
    return ReferencePlacement(index, gpus, sum(losses, Fraction(0)))


def _reference_node_chosen(
    request: ReferenceRequest,
    nodes: list[ReferenceNode],
    node_order: Sequence[int],
    policy: str,
    context: ReferenceContext,
    draw: float,
) -> int:
    fitting = [index for index in node_order if _request_fits_reference_node(request, nodes[index])]
    if not fitting:
        return -1
    if policy == "random-fit":
        return fitting[int(draw * len(fitting))]
    # `max` returns the first of equals, and `fitting` stands in the order that breaks ties.
    return max(fitting, key=lambda index: SCORES[policy](request, nodes[index], context))


def _request_fits_reference_node(request: ReferenceRequest, node: ReferenceNode) -> bool:
    return (
        (node.cpu is None or node.cpu >= request.cpu)
        and (node.memory is None or node.memory >= request.memory)
        and sum(free >= request.share for free in node.free if request.gpus) >= request.gpus
        and (not request.gpus or not request.types or node.gpu_type in request.types)
        and (not request.sites or node.site in request.sites)
        and node.tenant in {SHARED, request.tenant}
    )


def _take_request_on_reference_node(
    request: ReferenceRequest, node: ReferenceNode, gpus: Sequence[int]
) -> None:
    node.cpu = None if node.cpu is None else node.cpu - request.cpu
    node.memory = None if node.memory is None else node.memory - request.memory
    for gpu in gpus:
        node.free[gpu] -= request.share
    if request.gpus:
        node.kinds[request.gpus if request.requests_whole_gpus else 0] += 1


def _reference_gpus_chosen(
    request: ReferenceRequest,
    node: ReferenceNode,
    policy: str,
    context: ReferenceContext,
    draw: float,
) -> tuple[int, ...]:
    fitting = [gpu for gpu, free in enumerate(node.free) if request.gpus and free >= request.share]
    if request.gpus != 1 or request.requests_whole_gpus:
        if policy != "first-fit":
            # Python's sort is stable: equal GPUs stay in order of their number, as in the compiled
            # engine.
            fitting.sort(key=lambda gpu: node.free[gpu])
        return tuple(fitting[: request.gpus])
    match policy:
        case "first-fit":
            return (fitting[0],)
        case "random-fit":
            return (fitting[int(draw * len(fitting))],)
        case "worst-fit":
            return (max(fitting, key=lambda gpu: node.free[gpu]),)
        case "fgd":
            return (max(fitting, key=lambda gpu: _fgd_score(request, node, (gpu,), context)),)
        case _:
            return (min(fitting, key=lambda gpu: node.free[gpu]),)


def fragmented_gpu_share(node: ReferenceNode, context: ReferenceContext) -> Fraction:
    """Return the fragmented share of a node [1/1000 GPU]: a mean over typical jobs."""
    return sum(
        (
            part * _free_gpu_milli_unusable_by_request(request, node)
            for request, part in context.typical
        ),
        Fraction(0),
    )


def _free_gpu_milli_unusable_by_request(request: ReferenceRequest, node: ReferenceNode) -> int:
    """Return the free share of `node` that jobs like `request` cannot use [1/1000 GPU]."""
    enough = [free for free in node.free if free >= request.share]
    serves = (
        request.gpus > 0
        and len(enough) >= request.gpus
        and (node.cpu is None or node.cpu >= request.cpu)
        and (not request.types or node.gpu_type in request.types)
    )
    return sum(node.free) - (sum(enough) if serves else 0)


def _fgd_score(
    request: ReferenceRequest, node: ReferenceNode, gpus: Sequence[int], context: ReferenceContext
) -> int:
    after = ReferenceNode(
        node.cpu, node.memory, node.free.copy(), node.gpu_type, node.site, node.tenant
    )
    _take_request_on_reference_node(request, after, gpus)
    # Exact fractions up to here, so that only the sigmoid itself is rounded.
    fall = float(
        (fragmented_gpu_share(node, context) - fragmented_gpu_share(after, context)) / 1000
    )
    return int(100 / (1 + math.exp(-fall)))


def _node_share_left_after_request(
    request: ReferenceRequest, node: ReferenceNode, context: ReferenceContext
) -> float:
    cpu = 0 if node.cpu is None else node.cpu - request.cpu
    gpu = sum(node.free) - request.gpus * request.share
    return cpu / context.largest_cpu * 0.5 + gpu / context.largest_gpu * 0.5


def _best_fit_score(
    request: ReferenceRequest, node: ReferenceNode, context: ReferenceContext
) -> int:
    return int((1.0 - _node_share_left_after_request(request, node, context)) * 100.0)


def _worst_fit_score(
    request: ReferenceRequest, node: ReferenceNode, context: ReferenceContext
) -> int:
    return int(_node_share_left_after_request(request, node, context) * 100.0)


def _dot_product_score(
    request: ReferenceRequest, node: ReferenceNode, context: ReferenceContext
) -> int:
    cpu = 0 if node.cpu is None else node.cpu
    product = (cpu / context.largest_cpu) * (request.cpu / context.largest_cpu)
    product += (
        sum(node.free) / context.largest_gpu * (request.gpus * request.share / context.largest_gpu)
    )
    return max(0, int(100.0 * (1.0 - product / 2.0)))


def _gpu_packing_score(request: ReferenceRequest, node: ReferenceNode, _: ReferenceContext) -> int:
    if not request.gpus:
        return 0
    idle = node.free.count(1000)
    if idle == len(node.free):
        return max(33 - idle, idle)
    taken = sorted(free for free in node.free if free >= request.share)[: request.gpus]
    if 1000 in taken:
        return max(50 - taken.count(1000), 33)
    return max(100 - sum(free // 10 for free in taken) // 10, 50)


def _gpu_clustering_score(
    request: ReferenceRequest, node: ReferenceNode, context: ReferenceContext
) -> int:
    if not request.gpus:
        return 0
    present = {kind for kind, count in node.kinds.items() if count}
    same = (request.gpus if request.requests_whole_gpus else 0) in present
    company = (75 if len(present) == 1 else 50) if same else (0 if present else 25)
    return company + 25 * (context.largest_gpu - sum(node.free)) // context.largest_gpu


def _reference_consolidate_node_score(
    request: ReferenceRequest, node: ReferenceNode, context: ReferenceContext
) -> int:
    left = sum(node.free) - request.gpus * request.share
    # Not the compiled formula, on purpose: what must agree is the order of the nodes.
    in_use = sum(node.free) < 1000 * len(node.free)
    return (context.largest_gpu if in_use else -context.largest_gpu) - left


def _fgd_score_of_node(
    request: ReferenceRequest, node: ReferenceNode, context: ReferenceContext
) -> int:
    gpus = _reference_gpus_chosen(request, node, "fgd", context, 0.0)
    return _fgd_score(request, node, gpus, context)


SCORES: dict[str, Callable[[ReferenceRequest, ReferenceNode, ReferenceContext], int]] = {
    "first-fit": lambda _request, _node, _context: 0,
    "best-fit": _best_fit_score,
    "worst-fit": _worst_fit_score,
    "dot-product": _dot_product_score,
    "gpu-packing": _gpu_packing_score,
    "gpu-clustering": _gpu_clustering_score,
    "fgd": _fgd_score_of_node,
    "consolidate": _reference_consolidate_node_score,
}


def _typical_reference_requests(
    requests: list[ReferenceRequest], popularity: float
) -> list[tuple[ReferenceRequest, Fraction]]:
    """Return the most popular requests with their weights, which sum to 1."""
    # Fragmentation looks at none of the three, and they would part requests that are alike to it.
    plain = [request._replace(memory=0, sites=frozenset(), tenant=0) for request in requests]
    counts = Counter(plain)
    ranked = sorted(
        counts,
        key=lambda request: (
            # Down to the list of types, so that the set never depends on the order of the trace.
            counts[request],
            request.cpu,
            request.share,
            request.gpus,
            "|".join(sorted(request.types)),
        ),
        reverse=True,
    )
    popular: list[ReferenceRequest] = []
    for request in ranked:
        if sum(counts[earlier] for earlier in popular) >= popularity * len(requests):
            break
        popular.append(request)
    total = sum(counts[request] for request in popular)
    return [(request, Fraction(counts[request], total)) for request in popular]


def _reference_nodes_of_fleet(fleet: Fleet) -> list[ReferenceNode]:
    return [
        ReferenceNode(
            # A fleet writes 0 where it does not know.
            int(fleet.cpu_milli[i]) or None,
            int(fleet.memory_mib[i]) or None,
            [1000] * int(fleet.gpus[i]),
            fleet.gpu_types[int(fleet.gpu_type[i])].name,
            fleet.sites[int(fleet.site[i])].name,
            int(fleet.tenant[i]),
        )
        for i in range(len(fleet))
    ]


def _reference_request_of_job(workload: Workload, job: int) -> ReferenceRequest:
    gpus = int(workload.gpus[job])
    return ReferenceRequest(
        int(workload.cpu_milli[job]),
        int(workload.memory_mib[job]),
        gpus,
        int(workload.gpu_milli[job]) if gpus else 0,
        _gpu_type_names_in_mask(int(workload.gpu_types[job]), workload.gpu_type_names)
        if gpus
        else frozenset(),
        _gpu_type_names_in_mask(int(workload.sites[job]), workload.site_names),
        int(workload.tenant[job]),
    )


def _gpu_type_names_in_mask(gpu_type_mask: int, gpu_type_names: Sequence[str]) -> frozenset[str]:
    return frozenset(name for i, name in enumerate(gpu_type_names) if gpu_type_mask >> i & 1)
