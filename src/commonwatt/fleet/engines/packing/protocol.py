"""The arrived-load protocol: jobs arrive in chance order, are placed once, and stay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commonwatt.core.errors import UsageError
from commonwatt.core.seeds import named_random_stream
from commonwatt.fleet.domain.machines import F64, Fleet
from commonwatt.fleet.domain.policies.place import PLACES
from commonwatt.fleet.domain.policies.place.policy import PlacePolicy, UserPlacePolicy
from commonwatt.fleet.domain.policies.place.slices import workload_in_gpu_slices
from commonwatt.fleet.domain.policies.place.state import (
    I64,
    FreeCapacity,
    idle_fleet_capacity,
    node_eligibility_by_job_class,
)
from commonwatt.fleet.domain.policies.place.typical import (
    POPULARITY,
    TypicalDemand,
    typical_gpu_demand,
)
from commonwatt.fleet.domain.workload import Workload
from commonwatt.fleet.engines.packing.arrivals import draw_job_and_node_order_to_load
from commonwatt.fleet.engines.packing.check import check_packing_conserves_capacity
from commonwatt.fleet.engines.packing.kernel import (
    PackingJobs,
    PlacementTrail,
    blank_packing_trail,
    blank_score_memory,
    pack_jobs_on_nodes,
)
from commonwatt.fleet.engines.packing.result import PackingResult
from commonwatt.fleet.engines.packing.user_policy import pack_jobs_by_user_policy

MOST_CACHED_SCORES = 20_000_000  # scores kept between arrivals, 8 bytes each


@dataclass(frozen=True, slots=True, kw_only=True)
class PackingSetup:
    """Everything that a run needs, prepared from fleet, workload and seed.

    Args:
        jobs: The requests, by row of the workload.
        order: Rows in order of arrival.
        nodes: The idle state; its nodes stand in chance order.
        node_order: Fleet index of each node of `nodes`.
        typical: Scale and typical demand.
        draws: Two numbers in [0, 1) per arrival, for the policies of chance.
        shapes: Number of different shapes.
    """

    jobs: PackingJobs
    order: I64
    nodes: FreeCapacity
    node_order: I64
    typical: TypicalDemand
    draws: F64
    shapes: int


def place_arrived_load(
    fleet: Fleet,
    workload: Workload,
    policy: str | PlacePolicy | UserPlacePolicy,
    *,
    load: float,
    seed: int,
    popularity: float = POPULARITY,
) -> PackingResult:
    """Place jobs up to an arrived load, once each, never releasing any.

    Jobs and nodes stand in an order drawn from the seed, as in the published runs, and
    the first of equally good nodes wins.

    Args:
        fleet: The nodes.
        workload: The jobs; each must fit on one node to be placed.
        policy: Name of a place policy, the policy, or a user's own.
        load: GPU demand to arrive, over GPU capacity [share].
        seed: Seed of the order of jobs and nodes, and of chance.
        popularity: Share of the jobs that count as typical, most popular first.

    Source: Weng et al. (2023), USENIX ATC, section 6, and its artifact.
    """
    chosen = _place_policy(policy) if isinstance(policy, str) else policy
    workload = workload_in_gpu_slices(workload, fleet)
    setup = prepare_packing(fleet, workload, load=load, seed=seed, popularity=popularity)
    end, trail = run_packing_of_jobs(setup, chosen)
    check_packing_conserves_capacity(setup.nodes, end, setup.order, setup.jobs, trail)
    return PackingResult(
        policy=chosen.name,
        load=load,
        seed=seed,
        capacity_milli=fleet.gpu_capacity_milli,
        weight=setup.typical.weight,
        order=setup.order,
        arrived_milli=workload.gpu_demand_milli_by_job()[setup.order].cumsum(),
        trail=_placement_trail_in_fleet_node_order(trail, setup.node_order),
        nodes=_free_capacity_in_node_order(end, np.argsort(setup.node_order)),
    )


def prepare_packing(
    fleet: Fleet, workload: Workload, *, load: float, seed: int, popularity: float = POPULARITY
) -> PackingSetup:
    """Return the prepared run: who arrives when, on which nodes, with which draws."""
    klass, eligible = node_eligibility_by_job_class(workload, fleet)
    order, node_order = draw_job_and_node_order_to_load(fleet, workload, load=load, seed=seed)
    jobs, shapes = _packing_jobs_and_shape_count(workload, klass)
    return PackingSetup(
        jobs=jobs,
        order=order,
        nodes=_free_capacity_in_node_order(idle_fleet_capacity(fleet, eligible), node_order),
        node_order=node_order,
        typical=typical_gpu_demand(workload, fleet, popularity),
        # A stream of our own: the published draws of random-fit mix with those of the scheduler's
        # threads and cannot be had again.
        draws=named_random_stream(seed, "packing.draws").random((len(order), 2)),
        shapes=shapes,
    )


def run_packing_of_jobs(
    setup: PackingSetup, policy: PlacePolicy | UserPlacePolicy
) -> tuple[FreeCapacity, PlacementTrail]:
    """Return the state at the end and what happened, leaving the scene as it was."""
    nodes = copy_packing_capacity(setup.nodes)
    if not isinstance(policy, PlacePolicy):
        return nodes, pack_jobs_by_user_policy(
            policy, setup.order, setup.jobs, nodes, setup.typical, setup.draws
        )
    trail = blank_packing_trail(setup.jobs.gpus[setup.order])
    cached_shapes = min(setup.shapes, MOST_CACHED_SCORES // max(len(nodes.gpus), 1))
    memory = blank_score_memory(cached_shapes, len(setup.order), nodes)
    pack_jobs_on_nodes(
        policy.code, setup.order, setup.jobs, nodes, setup.typical, setup.draws, memory, trail
    )
    return nodes, trail


def copy_packing_capacity(nodes: FreeCapacity) -> FreeCapacity:
    """Return a state of its own that may be changed."""
    return FreeCapacity(**{name: getattr(nodes, name).copy() for name in FreeCapacity._fields})


def _place_policy(name: str) -> PlacePolicy:
    if name not in PLACES:
        raise UsageError("--place", found=name, wanted=", ".join(PLACES))
    return PLACES[name]


def _packing_jobs_and_shape_count(workload: Workload, klass: I64) -> tuple[PackingJobs, int]:
    """Return the requests as columns; shapes are numbered by popularity."""
    gpu_milli = np.where(workload.gpus > 0, workload.gpu_milli, 0).astype(np.int64)
    requests = np.stack([workload.cpu_milli, workload.gpus.astype(np.int64), gpu_milli], axis=1)
    _, shape, counts = np.unique(requests, axis=0, return_inverse=True, return_counts=True)
    # Popular shapes get the low numbers, so that those beyond the kept scores are the rare ones.
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    jobs = PackingJobs(
        cpu_milli=workload.cpu_milli.astype(np.int64),
        memory_mib=workload.memory_mib.astype(np.int64),
        gpus=workload.gpus.astype(np.int64),
        gpu_milli=gpu_milli,
        klass=klass,
        shape=rank[shape.reshape(-1)],
    )
    return jobs, len(counts)


def _free_capacity_in_node_order(nodes: FreeCapacity, order: I64) -> FreeCapacity:
    # Nodes are the first axis of every column but `eligible`, whose rows are classes.
    columns = {name: getattr(nodes, name)[order].copy() for name in FreeCapacity._fields[:-1]}
    return FreeCapacity(**columns, eligible=nodes.eligible[:, order].copy())


def _placement_trail_in_fleet_node_order(trail: PlacementTrail, node_order: I64) -> PlacementTrail:
    return trail._replace(node=np.where(trail.node >= 0, node_order[trail.node], -1))
