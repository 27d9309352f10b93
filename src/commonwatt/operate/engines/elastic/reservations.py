"""Reservations: nodes kept for a service, empty of others when its time begins."""

from __future__ import annotations

from collections.abc import Sequence

from commonwatt.operate.domain.cluster import PHASES_ON_NODES, ClusterObservation
from commonwatt.operate.domain.settings import Reservation


def jobs_to_clear(
    observation: ClusterObservation, reservations: Sequence[Reservation], grace_s: float
) -> tuple[str, ...]:
    """Return the preemptible jobs of others on reserved nodes, from `grace_s` before the time.

    One that may not be preempted is left to its end, and starts no more there.
    """
    found: set[str] = set()
    for each in reservations:
        if not each.from_s - grace_s <= observation.at_s < each.until_s:
            continue
        for name, job in observation.jobs.items():
            others = job.request.tenant != each.tenant and job.request.preemptible
            here = any(place.node in each.nodes for place in job.places)
            if others and here and job.phase in PHASES_ON_NODES:
                found.add(name)
    return tuple(sorted(found))
