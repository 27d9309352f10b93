"""Filler: preemptible jobs of a tenant of their own, only where it takes nothing from anyone."""

from __future__ import annotations

from collections.abc import Mapping

from commonwatt.operate.domain.cluster import (
    PHASES_ON_NODES,
    ClusterObservation,
    JobPhase,
    JobRequest,
    NodeState,
    ObservedJob,
)
from commonwatt.operate.domain.settings import Filler

PRIORITY = -1_000_000_000


def withheld_filler_jobs(
    observation: ClusterObservation, filler: Filler, soon_gpus: float
) -> tuple[str, ...]:
    """Return the held filler jobs that are not to be offered now.

    None is offered while anybody else waits, and so many are held back as would leave
    less capacity than the forecast says will be wanted.
    """
    filler_jobs = [job for job in observation.jobs.values() if job.request.tenant == filler.tenant]
    held_names = sorted(job.request.job_id for job in filler_jobs if job.phase == JobPhase.HELD)
    # Whoever waits goes first, even a job that filler would leave capacity for: filler started
    # now is a preemption later.
    if _is_other_tenant_waiting(observation.jobs, filler):
        return tuple(held_names)
    spare = free_cluster_gpus(observation) - soon_gpus
    # Rounded down: a filler job that only partly fits the spare capacity would take from the
    # forecast.
    may_start = max(int(spare // filler.gpus), 0)
    return tuple(held_names[may_start:])


def next_filler_job(
    observation: ClusterObservation, filler: Filler, number: int, now_s: float
) -> JobRequest | None:
    """Return one more filler job, or None where there are enough.

    Args:
        observation: The cluster as it is seen now.
        filler: What filler is.
        number: A number that no filler job has borne.
        now_s: The instant [s since 1970].
    """
    filler_jobs = [j for j in observation.jobs.values() if j.request.tenant == filler.tenant]
    alive = sum(job.phase in PHASES_ON_NODES or job.phase == JobPhase.HELD for job in filler_jobs)
    # One held filler job is enough; more would only lengthen the queue that every tick is
    # planned over.
    waits = any(job.phase == JobPhase.HELD for job in filler_jobs)
    if waits or alive >= filler.most or free_cluster_gpus(observation) < filler.gpus:
        return None
    return JobRequest(
        job_id=f"filler-{number}",
        argv=filler.argv,
        tenant=filler.tenant,
        user=filler.tenant,
        group="filler",
        priority=PRIORITY,
        gpus=filler.gpus,
        estimate_s=filler.estimate_s,
        submitted_at_s=now_s,
        preemptible=True,
        checkpoints=True,
    )


def free_cluster_gpus(observation: ClusterObservation) -> int:
    """Return the GPUs that nothing holds, on nodes that are up."""
    up = {node.name: node.gpus for node in observation.nodes if node.state == NodeState.UP}
    for job in observation.jobs.values():
        for place in job.places if job.phase in PHASES_ON_NODES else ():
            if place.node in up:
                up[place.node] -= len(place.gpus)
    # A node that others overcommit counts as full, and not as a debt that hides what is free
    # elsewhere.
    return sum(max(free, 0) for free in up.values())


def _is_other_tenant_waiting(jobs: Mapping[str, ObservedJob], filler: Filler) -> bool:
    return any(
        j.phase == JobPhase.HELD and j.request.tenant != filler.tenant for j in jobs.values()
    )
