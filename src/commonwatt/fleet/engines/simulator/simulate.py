"""`simulate_schedule`: one workload, one fleet, one policy, one outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from commonwatt.core.errors import NodesError, UsageError
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.machines import SHARED, Fleet
from commonwatt.fleet.domain.policies.policy import SchedulingPolicy
from commonwatt.fleet.domain.result import JobState, Segments, SimulationResult
from commonwatt.fleet.domain.workload import I64, Workload
from commonwatt.fleet.engines.simulator.fast import can_replay_fast, replay_on_fast_kernel
from commonwatt.fleet.engines.simulator.identities import check_simulation_identities
from commonwatt.fleet.engines.simulator.loop import replay_event_by_event
from commonwatt.fleet.engines.simulator.predicted import (
    can_replay_predicted,
    replay_with_predicted_runtimes,
)
from commonwatt.fleet.engines.simulator.record import segments_in_job_order
from commonwatt.fleet.engines.simulator.setup import (
    ReplaySetup,
    Runtime,
    believed_runtimes_ms,
    placement_random_draws_by_job,
)

Pool = Literal["all", "tenant"]

# What plain Python replays in less than half the time that loading the compiler takes: 0.4 s of
# 1.0 s at these limits, where gangs span nodes and EASY looks at every one of them.
_PLAIN_JOBS, _PLAIN_JOBS_IN_ROUNDS, _PLAIN_JOBS_TIMES_NODES = 500, 100, 8_000


def simulate_schedule(
    workload: Workload,
    fleet: Fleet,
    policy: SchedulingPolicy,
    *,
    pool: Pool = "all",
    seed: int = 0,
    runtime: Runtime = "oracle",
    quotas: Mapping[str, float] | None = None,
) -> SimulationResult:
    """Return when and where each job runs.

    Events are taken one at a time: at one instant releases before submissions, each
    in the order of the workload; the queue is looked at after every event. Equal keys
    of the order go by submission, then by the order of the workload.

    Args:
        workload: The jobs.
        fleet: The machines.
        policy: How the queue is run.
        pool: "all" lets every tenant use every node; "tenant" gives each tenant a
            queue of its own on the nodes that carry its number.
        seed: Seed of the place policies that draw.
        runtime: "oracle" lets the scheduler know run times, "none" only estimates.
        quotas: GPUs that each tenant, by name, may count on; others have none.

    Raises:
        IdentityError: A conservation law did not close: a bug.
        NodesError: The pool is by tenant and a node belongs to none.
        UsageError: A quota names no tenant of the workload.

    >>> from commonwatt.fleet.domain.machines import uniform_fleet
    >>> from commonwatt.fleet.domain.policies import parse_scheduling_policy
    >>> from commonwatt.fleet.domain.workload import workload_from_columns
    >>> jobs = workload_from_columns([0, 1, 2], [10, 10, 10], [6, 4, 2])
    >>> simulate_schedule(jobs, uniform_fleet(1, 8), parse_scheduling_policy()).start_ms.tolist()
    [0, 10000, 10000]
    >>> easy = parse_scheduling_policy(backfill="easy")
    >>> simulate_schedule(jobs, uniform_fleet(1, 8), easy).start_ms.tolist()
    [0, 10000, 2000]
    """
    if len(workload) and not len(fleet):
        raise NodesError("nodes", found="0", wanted=Message("at least one node"))
    setup = _replay_setup(workload, fleet, policy, seed=seed, runtime=runtime, quotas=quotas)
    result = (
        _replay_on_nodes_of_each_tenant(setup)
        if pool == "tenant"
        else _replay_with_nodes_of_all_tenants(setup)
    )
    # Against the inputs as they were given, and not as an engine has prepared them.
    check_simulation_identities(result, workload, fleet)
    return result


def is_replay_faster_in_plain_python(
    workload: Workload,
    fleet: Fleet,
    policy: SchedulingPolicy,
    *,
    quotas: Mapping[str, float] | None = None,
) -> bool:
    """Return whether one replay takes plain Python less time than loading the compiler.

    Orders that rest on predictions are replayed in rounds, and preemption looks at nodes for
    each job again and again, so that fewer jobs are small there.

    >>> from commonwatt.fleet.domain.machines import uniform_fleet
    >>> from commonwatt.fleet.domain.policies import parse_scheduling_policy
    >>> from commonwatt.fleet.domain.workload import workload_from_columns
    >>> jobs = workload_from_columns([0] * 200, [10] * 200, [8] * 200)
    >>> orders = [parse_scheduling_policy(order) for order in ("fifo", "qssf")]
    >>> [is_replay_faster_in_plain_python(jobs, uniform_fleet(16, 8), order) for order in orders]
    [True, False]
    """
    setup = _replay_setup(workload, fleet, policy, quotas=quotas)
    most_jobs = _PLAIN_JOBS if can_replay_fast(setup) else _PLAIN_JOBS_IN_ROUNDS
    jobs = len(workload)
    return jobs <= most_jobs and jobs * len(fleet) <= _PLAIN_JOBS_TIMES_NODES


def _replay_setup(
    workload: Workload,
    fleet: Fleet,
    policy: SchedulingPolicy,
    *,
    seed: int = 0,
    runtime: Runtime = "oracle",
    quotas: Mapping[str, float] | None = None,
) -> ReplaySetup:
    return ReplaySetup(
        workload=workload,
        fleet=fleet,
        policy=policy,
        believed_ms=believed_runtimes_ms(workload, runtime),
        chance=placement_random_draws_by_job(seed, len(workload), policy),
        quota_milli=_quota_gpu_milli_by_tenant(workload, quotas),
    )


def _quota_gpu_milli_by_tenant(
    workload: Workload, quotas: Mapping[str, float] | None
) -> I64 | None:
    if quotas is None:
        return None
    names = workload.tenant_names
    for name in quotas:
        if name not in names:
            known_tenants = Message("one of {names}", {"names": ", ".join(names)})
            raise UsageError("quotas", found=name, wanted=known_tenants)
    # A tenant that is not listed may count on nothing: forgetting a line must not be a free pass.
    return np.array([round(quotas.get(name, 0) * 1000) for name in names], np.int64)


def _replay_with_nodes_of_all_tenants(setup: ReplaySetup) -> SimulationResult:
    # Whose a node is means nothing here; left in, it would still part nodes that are alike.
    shared = np.full(len(setup.fleet), SHARED, np.int32)
    return _replay_by_fastest_engine(replace(setup, fleet=replace(setup.fleet, tenant=shared)))


def _replay_by_fastest_engine(setup: ReplaySetup) -> SimulationResult:
    if can_replay_fast(setup):
        return replay_on_fast_kernel(setup)
    # Rounds of prediction need not settle; the plain loop then gives the same schedule, later.
    settled = replay_with_predicted_runtimes(setup) if can_replay_predicted(setup) else None
    return settled or replay_event_by_event(setup)


def _replay_on_nodes_of_each_tenant(setup: ReplaySetup) -> SimulationResult:
    """Replay each tenant's jobs on its own nodes, and put the outcomes together."""
    owner = setup.fleet.tenant
    if (owner < 0).any():
        node = setup.fleet.node_id[int(np.argmax(owner < 0))]
        raise NodesError(node, found=Message("no tenant"), wanted=Message("a tenant for each node"))
    tenants = range(len(setup.workload.tenant_names))
    parts = [
        _replay_tenant_part(
            setup, np.flatnonzero(setup.workload.tenant == t), np.flatnonzero(owner == t)
        )
        for t in tenants
    ]
    return _joined_simulation_result(len(setup.workload), parts)


def _replay_tenant_part(
    setup: ReplaySetup, jobs: I64, nodes: I64
) -> tuple[I64, I64, SimulationResult]:
    part = replace(
        setup,
        workload=setup.workload.workload_of_job_rows(jobs),
        fleet=select_fleet_nodes(setup.fleet, nodes),
        believed_ms=setup.believed_ms[jobs],
        # A job brings its own draws along, so that they do not depend on who shares the pool.
        chance=setup.chance[jobs],
    )
    return jobs, nodes, _replay_with_nodes_of_all_tenants(part)


def select_fleet_nodes(fleet: Fleet, nodes: I64) -> Fleet:
    """Return the `nodes` of a fleet, in that order."""
    return replace(
        fleet,
        node_id=tuple(fleet.node_id[int(i)] for i in nodes),
        site=fleet.site[nodes],
        gpu_type=fleet.gpu_type[nodes],
        gpus=fleet.gpus[nodes],
        cpu_milli=fleet.cpu_milli[nodes],
        memory_mib=fleet.memory_mib[nodes],
        tenant=fleet.tenant[nodes],
    )


def _joined_simulation_result(
    job_count: int, tenant_results: list[tuple[I64, I64, SimulationResult]]
) -> SimulationResult:
    """Return one result from those of disjoint jobs and nodes."""
    whole = SimulationResult(
        start_ms=np.full(job_count, -1, np.int64),
        end_ms=np.full(job_count, -1, np.int64),
        pending_ms=np.full(job_count, -1, np.int64),
        state=np.full(job_count, JobState.REJECTED, np.int32),
        preemptions=np.zeros(job_count, np.int32),
        segments=_joined_job_segments(tenant_results),
    )
    for jobs, _, result in tenant_results:
        for name in ("start_ms", "end_ms", "pending_ms", "state", "preemptions"):
            getattr(whole, name)[jobs] = getattr(result, name)
    return whole


def _joined_job_segments(tenant_results: list[tuple[I64, I64, SimulationResult]]) -> Segments:
    offsets = np.cumsum([0] + [len(result.segments) for _, _, result in tenant_results])
    columns: dict[str, list[I64]] = {}
    for (jobs, nodes, result), offset in zip(tenant_results, offsets[:-1].tolist(), strict=True):
        segments = result.segments
        columns.setdefault("job", []).append(jobs[segments.job])
        columns.setdefault("node", []).append(_fleet_node_numbers(segments.node, nodes))
        columns.setdefault("more_node", []).append(_fleet_node_numbers(segments.more_node, nodes))
        # Segments are numbered within a part, and move up by those of the parts before.
        columns.setdefault("more_segment", []).append(segments.more_segment + offset)
        for name in ("start_ms", "end_ms", "milli", "more_milli"):
            columns.setdefault(name, []).append(getattr(segments, name))
    return segments_in_job_order({name: np.concatenate(parts) for name, parts in columns.items()})


def _fleet_node_numbers(part_node: I64, nodes_of_part: I64) -> I64:
    # A tenant without nodes: even a -1 cannot index an empty array.
    if len(nodes_of_part) == 0:
        return part_node
    return np.where(part_node >= 0, nodes_of_part[part_node], -1)
