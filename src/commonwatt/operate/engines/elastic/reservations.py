"""Reservations: nodes kept for a service, empty of others when its time begins."""

from __future__ import annotations

from collections.abc import Sequence

from commonwatt.operate.domain.cluster import ON_NODES, Seen
from commonwatt.operate.domain.settings import Reservation


def to_clear(seen: Seen, reservations: Sequence[Reservation], grace_s: float) -> tuple[str, ...]:
    """Return the preemptible jobs of others on reserved nodes, from `grace_s` before the time.

    One that may not be preempted is left to its end, and starts no more there.
    """
    found: set[str] = set()
    for each in reservations:
        if not each.from_s - grace_s <= seen.at_s < each.until_s:
            continue
        for name, job in seen.jobs.items():
            others = job.ask.tenant != each.tenant and job.ask.preemptible
            here = any(place.node in each.nodes for place in job.places)
            if others and here and job.phase in ON_NODES:
                found.add(name)
    return tuple(sorted(found))
