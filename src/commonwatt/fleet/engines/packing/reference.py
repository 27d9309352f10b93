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
    def asks_whole_gpus(self) -> bool:
        """Whether it asks for whole GPUs."""
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
    nodes = _nodes(fleet)
    asks = [_ask(workload, job) for job in range(len(workload))]
    world = ReferenceContext(
        largest_cpu=max(1, *(int(cpu) for cpu in fleet.cpu_milli)),
        largest_gpu=1000 * max(1, *(int(gpus) for gpus in fleet.gpus)),
        typical=_typical(asks, popularity),
    )
    losses = [fragmented_share(node, world) for node in nodes]
    return [
        _step(asks[job], nodes, losses, node_order, policy, world, draw)
        for job, draw in zip(order, draws, strict=True)
    ]


def _step(
    ask: ReferenceRequest,
    nodes: list[ReferenceNode],
    losses: list[Fraction],
    node_order: Sequence[int],
    policy: str,
    world: ReferenceContext,
    draw: Sequence[float],
) -> ReferencePlacement:
    """Place one job, keep the fragmentation of each node in `losses`, say what became of it."""
    index = _chosen(ask, nodes, node_order, policy, world, draw[0])
    gpus: tuple[int, ...] = ()
    if index >= 0:
        gpus = _gpus(ask, nodes[index], policy, world, draw[1])
        _take(ask, nodes[index], gpus)
        losses[index] = fragmented_share(nodes[index], world)
    return ReferencePlacement(index, gpus, sum(losses, Fraction(0)))


def _chosen(
    ask: ReferenceRequest,
    nodes: list[ReferenceNode],
    node_order: Sequence[int],
    policy: str,
    world: ReferenceContext,
    draw: float,
) -> int:
    fitting = [index for index in node_order if _fits(ask, nodes[index])]
    if not fitting:
        return -1
    if policy == "random-fit":
        return fitting[int(draw * len(fitting))]
    return max(fitting, key=lambda index: SCORES[policy](ask, nodes[index], world))


def _fits(ask: ReferenceRequest, node: ReferenceNode) -> bool:
    return (
        (node.cpu is None or node.cpu >= ask.cpu)
        and (node.memory is None or node.memory >= ask.memory)
        and sum(free >= ask.share for free in node.free if ask.gpus) >= ask.gpus
        and (not ask.gpus or not ask.types or node.gpu_type in ask.types)
        and (not ask.sites or node.site in ask.sites)
        and node.tenant in {SHARED, ask.tenant}
    )


def _take(ask: ReferenceRequest, node: ReferenceNode, gpus: Sequence[int]) -> None:
    node.cpu = None if node.cpu is None else node.cpu - ask.cpu
    node.memory = None if node.memory is None else node.memory - ask.memory
    for gpu in gpus:
        node.free[gpu] -= ask.share
    if ask.gpus:
        node.kinds[ask.gpus if ask.asks_whole_gpus else 0] += 1


def _gpus(
    ask: ReferenceRequest, node: ReferenceNode, policy: str, world: ReferenceContext, draw: float
) -> tuple[int, ...]:
    fitting = [gpu for gpu, free in enumerate(node.free) if ask.gpus and free >= ask.share]
    if ask.gpus != 1 or ask.asks_whole_gpus:
        if policy != "first-fit":
            fitting.sort(key=lambda gpu: node.free[gpu])
        return tuple(fitting[: ask.gpus])
    match policy:
        case "first-fit":
            return (fitting[0],)
        case "random-fit":
            return (fitting[int(draw * len(fitting))],)
        case "worst-fit":
            return (max(fitting, key=lambda gpu: node.free[gpu]),)
        case "fgd":
            return (max(fitting, key=lambda gpu: _level(ask, node, (gpu,), world)),)
        case _:
            return (min(fitting, key=lambda gpu: node.free[gpu]),)


def fragmented_share(node: ReferenceNode, world: ReferenceContext) -> Fraction:
    """Return the fragmented share of a node [1/1000 GPU]: a mean over typical jobs."""
    return sum((part * _lost_to(ask, node) for ask, part in world.typical), Fraction(0))


def _lost_to(ask: ReferenceRequest, node: ReferenceNode) -> int:
    """Return the free share of `node` that jobs like `ask` cannot use [1/1000 GPU]."""
    enough = [free for free in node.free if free >= ask.share]
    serves = (
        ask.gpus > 0
        and len(enough) >= ask.gpus
        and (node.cpu is None or node.cpu >= ask.cpu)
        and (not ask.types or node.gpu_type in ask.types)
    )
    return sum(node.free) - (sum(enough) if serves else 0)


def _level(
    ask: ReferenceRequest, node: ReferenceNode, gpus: Sequence[int], world: ReferenceContext
) -> int:
    after = ReferenceNode(
        node.cpu, node.memory, node.free.copy(), node.gpu_type, node.site, node.tenant
    )
    _take(ask, after, gpus)
    fall = float((fragmented_share(node, world) - fragmented_share(after, world)) / 1000)
    return int(100 / (1 + math.exp(-fall)))


def _left(ask: ReferenceRequest, node: ReferenceNode, world: ReferenceContext) -> float:
    cpu = 0 if node.cpu is None else node.cpu - ask.cpu
    gpu = sum(node.free) - ask.gpus * ask.share
    return cpu / world.largest_cpu * 0.5 + gpu / world.largest_gpu * 0.5


def _best_fit(ask: ReferenceRequest, node: ReferenceNode, world: ReferenceContext) -> int:
    return int((1.0 - _left(ask, node, world)) * 100.0)


def _worst_fit(ask: ReferenceRequest, node: ReferenceNode, world: ReferenceContext) -> int:
    return int(_left(ask, node, world) * 100.0)


def _dot_product(ask: ReferenceRequest, node: ReferenceNode, world: ReferenceContext) -> int:
    cpu = 0 if node.cpu is None else node.cpu
    product = (cpu / world.largest_cpu) * (ask.cpu / world.largest_cpu)
    product += sum(node.free) / world.largest_gpu * (ask.gpus * ask.share / world.largest_gpu)
    return max(0, int(100.0 * (1.0 - product / 2.0)))


def _gpu_packing(ask: ReferenceRequest, node: ReferenceNode, _: ReferenceContext) -> int:
    if not ask.gpus:
        return 0
    idle = node.free.count(1000)
    if idle == len(node.free):
        return max(33 - idle, idle)
    taken = sorted(free for free in node.free if free >= ask.share)[: ask.gpus]
    if 1000 in taken:
        return max(50 - taken.count(1000), 33)
    return max(100 - sum(free // 10 for free in taken) // 10, 50)


def _gpu_clustering(ask: ReferenceRequest, node: ReferenceNode, world: ReferenceContext) -> int:
    if not ask.gpus:
        return 0
    present = {kind for kind, count in node.kinds.items() if count}
    same = (ask.gpus if ask.asks_whole_gpus else 0) in present
    company = (75 if len(present) == 1 else 50) if same else (0 if present else 25)
    return company + 25 * (world.largest_gpu - sum(node.free)) // world.largest_gpu


def _consolidate(ask: ReferenceRequest, node: ReferenceNode, world: ReferenceContext) -> int:
    left = sum(node.free) - ask.gpus * ask.share
    in_use = sum(node.free) < 1000 * len(node.free)
    return (world.largest_gpu if in_use else -world.largest_gpu) - left


def _fgd(ask: ReferenceRequest, node: ReferenceNode, world: ReferenceContext) -> int:
    gpus = _gpus(ask, node, "fgd", world, 0.0)
    return _level(ask, node, gpus, world)


SCORES: dict[str, Callable[[ReferenceRequest, ReferenceNode, ReferenceContext], int]] = {
    "first-fit": lambda _ask, _node, _world: 0,
    "best-fit": _best_fit,
    "worst-fit": _worst_fit,
    "dot-product": _dot_product,
    "gpu-packing": _gpu_packing,
    "gpu-clustering": _gpu_clustering,
    "fgd": _fgd,
    "consolidate": _consolidate,
}


def _typical(
    asks: list[ReferenceRequest], popularity: float
) -> list[tuple[ReferenceRequest, Fraction]]:
    """Return the most popular requests with their weights, which sum to 1."""
    plain = [ask._replace(memory=0, sites=frozenset(), tenant=0) for ask in asks]
    counts = Counter(plain)
    ranked = sorted(
        counts,
        key=lambda ask: (counts[ask], ask.cpu, ask.share, ask.gpus, "|".join(sorted(ask.types))),
        reverse=True,
    )
    kept: list[ReferenceRequest] = []
    for ask in ranked:
        if sum(counts[other] for other in kept) >= popularity * len(asks):
            break
        kept.append(ask)
    total = sum(counts[ask] for ask in kept)
    return [(ask, Fraction(counts[ask], total)) for ask in kept]


def _nodes(fleet: Fleet) -> list[ReferenceNode]:
    return [
        ReferenceNode(
            int(fleet.cpu_milli[i]) or None,
            int(fleet.memory_mib[i]) or None,
            [1000] * int(fleet.gpus[i]),
            fleet.gpu_types[int(fleet.gpu_type[i])].name,
            fleet.sites[int(fleet.site[i])].name,
            int(fleet.tenant[i]),
        )
        for i in range(len(fleet))
    ]


def _ask(workload: Workload, job: int) -> ReferenceRequest:
    gpus = int(workload.gpus[job])
    return ReferenceRequest(
        int(workload.cpu_milli[job]),
        int(workload.memory_mib[job]),
        gpus,
        int(workload.gpu_milli[job]) if gpus else 0,
        _names(int(workload.gpu_types[job]), workload.gpu_type_names) if gpus else frozenset(),
        _names(int(workload.sites[job]), workload.site_names),
        int(workload.tenant[job]),
    )


def _names(mask: int, names: Sequence[str]) -> frozenset[str]:
    return frozenset(name for i, name in enumerate(names) if mask >> i & 1)
