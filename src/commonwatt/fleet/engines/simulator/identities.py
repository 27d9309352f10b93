"""Conservation laws that every result must obey; a breach is a bug of ours."""

from __future__ import annotations

import numpy as np

from commonwatt.core.errors import IdentityError
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.machines import Fleet
from commonwatt.fleet.domain.policies.place.state import WHOLE
from commonwatt.fleet.domain.result import (
    JobState,
    Segments,
    SimulationResult,
    exact_sum_of_gpu_amounts,
)
from commonwatt.fleet.domain.workload import Workload

# Beyond this the recount is left to the kernel, which looks at each start and stop as it happens.
SEGMENTS_RECHECKED = 200_000  # segments


def check_simulation_identities(result: SimulationResult, workload: Workload, fleet: Fleet) -> None:
    """Raise where a conservation law does not close, or a job ran where it may not.

    1. Every job is in exactly one final state, and a finished one has run its time.
    2. GPU time requested = served + lost (rejected) + waiting; GPU time held = served + redone.
    3. GPU time at a site that a job may not use is nought.
    4. No node ever holds more than it has; the kernel checks each start and stop,
       and up to `SEGMENTS_RECHECKED` of them are checked again here from the outcome.

    Raises:
        IdentityError: One of them does not hold.
    """
    _check_job_states(result, workload)
    _check_gpu_time_conserved(result, workload)
    check_simulation_law(
        "GPU time beyond a rule", gpu_milli_ms_at_forbidden_sites(result, workload, fleet) == 0
    )
    if len(result.segments) <= SEGMENTS_RECHECKED:
        check_nodes_not_overbooked(result.segments, fleet)


def gpu_milli_ms_by_conservation_term(
    result: SimulationResult, workload: Workload
) -> dict[str, int]:
    """Return GPU time [milli-GPU ms] requested, served, lost, waiting, held and redone."""
    demand = workload.gpu_demand_milli_by_job()
    requested = demand * workload.runtime_ms
    segments = result.segments
    held = (segments.end_ms - segments.start_ms) * demand[segments.job]
    served = exact_sum_of_gpu_amounts(requested[result.state == JobState.FINISHED])
    return {
        "requested": exact_sum_of_gpu_amounts(requested),
        "served": served,
        "lost": exact_sum_of_gpu_amounts(requested[result.state == JobState.REJECTED]),
        "waiting": exact_sum_of_gpu_amounts(requested[result.state == JobState.WAITING]),
        "held": exact_sum_of_gpu_amounts(held),
        "redone": exact_sum_of_gpu_amounts(held) - served,
    }


def gpu_milli_ms_at_forbidden_sites(
    result: SimulationResult, workload: Workload, fleet: Fleet
) -> int:
    """Return the GPU time at sites that a job may not use [milli-GPU ms].

    Read from the bits of each job and the site of each node, not by way of the classes
    that the engines place by, so that a fault there shows here.
    """
    bit_of = {name: 1 << i for i, name in enumerate(workload.site_names)}
    bits = np.array([bit_of.get(site.name, 0) for site in fleet.sites], np.int64)
    segments = result.segments
    segment, node, milli = segments.segment_node_and_gpu_milli()
    allowed = workload.sites[segments.job[segment]]
    outside = (allowed != 0) & (allowed & bits[fleet.site[node]] == 0)
    return exact_sum_of_gpu_amounts(
        ((segments.end_ms - segments.start_ms)[segment] * milli)[outside]
    )


def _check_job_states(result: SimulationResult, workload: Workload) -> None:
    done = result.state == JobState.FINISHED
    check_simulation_law("states", np.isin(result.state, list(JobState)).all())
    check_simulation_law("ends", ((result.end_ms >= 0) == done).all())
    waited = result.end_ms - workload.submit_ms - result.pending_ms
    # At least: a job that began again after a preemption ran longer than its length.
    check_simulation_law("run times", (waited[done] >= workload.runtime_ms[done]).all())
    check_simulation_law("waits", (result.start_ms >= workload.submit_ms)[done].all())
    check_simulation_law("pending times", (result.pending_ms[done] >= 0).all())


def _check_gpu_time_conserved(result: SimulationResult, workload: Workload) -> None:
    time = gpu_milli_ms_by_conservation_term(result, workload)
    check_simulation_law(
        "GPU time requested", time["requested"] == time["served"] + time["lost"] + time["waiting"]
    )
    segments = result.segments
    pieces = np.zeros(len(segments), np.int64)
    segment, _, milli = segments.segment_node_and_gpu_milli()
    np.add.at(pieces, segment, milli)
    check_simulation_law(
        "GPU time held", (pieces == workload.gpu_demand_milli_by_job()[segments.job]).all()
    )
    # Only jobs that were never stopped: the others may have run parts of their time twice.
    ran = np.bincount(segments.job, segments.end_ms - segments.start_ms, minlength=len(workload))
    once = (result.state == JobState.FINISHED) & (result.preemptions == 0)
    check_simulation_law("GPU time served", (ran[once] == workload.runtime_ms[once]).all())
    check_simulation_law("GPU time redone", time["redone"] >= 0)


def check_nodes_not_overbooked(segments: Segments, fleet: Fleet) -> None:
    """Raise where a node ever held more GPU than it has, by all starts and stops in order.

    Raises:
        IdentityError: Some node did.
    """
    segment, node, milli = segments.segment_node_and_gpu_milli()
    nodes = np.concatenate([node, node])
    at_ms = np.concatenate([segments.start_ms[segment], segments.end_ms[segment]])
    change = np.concatenate([milli, -milli])
    # Stops sort before starts of the same instant, as in the event loop. The changes of a node add
    # up to nought, so that one running sum serves all nodes in turn.
    order = np.lexsort((change, at_ms, nodes))
    held = np.cumsum(change[order])
    capacity = fleet.gpus.astype(np.int64) * WHOLE
    check_simulation_law("GPUs of a node", (held <= capacity[nodes[order]]).all())


def check_simulation_law(law: str, holds: object) -> None:
    """Raise where a law that must hold does not."""
    if not holds:
        raise IdentityError(law, found=Message("a conservation law that does not close"))
