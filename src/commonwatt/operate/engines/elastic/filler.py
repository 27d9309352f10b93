"""Filler: preemptible work of its own tenant, only where it takes nothing from anyone."""

from __future__ import annotations

from collections.abc import Mapping

from commonwatt.operate.domain.cluster import ON_NODES, Ask, JobSeen, NodeState, Phase, Seen
from commonwatt.operate.domain.settings import Filler

PRIORITY = -1_000_000_000


def withheld(seen: Seen, filler: Filler, soon_gpus: float) -> tuple[str, ...]:
    """Return the held filler jobs that are not to be offered now.

    None is offered while anybody else waits, and so many are held back as would leave
    less room than the forecast says will be wanted.
    """
    own = [job for job in seen.jobs.values() if job.ask.tenant == filler.tenant]
    held = sorted(job.ask.job_id for job in own if job.phase == Phase.HELD)
    if _others_wait(seen.jobs, filler):
        return tuple(held)
    spare = free_gpus(seen) - soon_gpus
    may_start = max(int(spare // filler.gpus), 0)
    return tuple(held[may_start:])


def wanted(seen: Seen, filler: Filler, number: int, now_s: float) -> Ask | None:
    """Return one more filler job, or None where there are enough.

    Args:
        seen: A look at the engine.
        filler: What filler is.
        number: A number that no filler job has borne.
        now_s: The instant [s since 1970].
    """
    own = [j for j in seen.jobs.values() if j.ask.tenant == filler.tenant]
    alive = sum(job.phase in ON_NODES or job.phase == Phase.HELD for job in own)
    waits = any(job.phase == Phase.HELD for job in own)
    if waits or alive >= filler.most or free_gpus(seen) < filler.gpus:
        return None
    return Ask(
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


def free_gpus(seen: Seen) -> int:
    """Return the GPUs that nothing holds, on nodes that are up."""
    up = {node.name: node.gpus for node in seen.nodes if node.state == NodeState.UP}
    for job in seen.jobs.values():
        for place in job.places if job.phase in ON_NODES else ():
            if place.node in up:
                up[place.node] -= len(place.gpus)
    return sum(max(free, 0) for free in up.values())


def _others_wait(jobs: Mapping[str, JobSeen], filler: Filler) -> bool:
    return any(j.phase == Phase.HELD and j.ask.tenant != filler.tenant for j in jobs.values())
