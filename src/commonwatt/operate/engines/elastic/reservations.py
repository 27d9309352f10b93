"""Reservations: nodes kept for a service, empty of others when its time begins."""

from __future__ import annotations

from collections.abc import Sequence

from commonwatt.operate.domain.cluster import PHASES_ON_NODES, ClusterObservation
from commonwatt.operate.domain.settings import Reservation


def jobs_to_clear_for_reservations(
    observation: ClusterObservation, reservations: Sequence[Reservation], grace_s: float
) -> tuple[str, ...]:
    """Return the preemptible jobs of others on reserved nodes, from `grace_s` before the time.

    One that may not be preempted is left to its end, and starts no more there.
    """
    names: set[str] = set()
    for reservation in reservations:
        # Cleared one grace early, so that the nodes are empty when the service begins and not
        # when the last warning has run out.
        if not reservation.from_s - grace_s <= observation.at_s < reservation.until_s:
            continue
        for name, job in observation.jobs.items():
            is_movable = job.request.tenant != reservation.tenant and job.request.preemptible
            is_on_reserved = any(place.node in reservation.nodes for place in job.places)
            if is_movable and is_on_reserved and job.phase in PHASES_ON_NODES:
                names.add(name)
    return tuple(sorted(names))
