"""A captured state: all that a decision rested on, as one JSON object.

The live controller decides from a capture and keeps it, so that what was decided can be
decided again, anywhere, from the file alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies import SchedulingPolicy
from commonwatt.operate.domain.cluster import (
    PHASES_ON_NODES,
    ClusterObservation,
    JobPhase,
    NodeState,
    ObservedJob,
    ObservedNode,
)
from commonwatt.operate.domain.errors import CaptureError
from commonwatt.operate.domain.requests import (
    compact_cluster_json,
    job_request_from_json,
    job_request_json,
    node_allocations_from_json,
    node_allocations_json,
)
from commonwatt.operate.domain.settings import (
    ControllerSettings,
    PolicySettings,
    Reservation,
    policy_of_controller_settings,
)

VERSION = 1
NO_SITE = "(none permitted)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """One instant of a cluster and what its controller had been told.

    Args:
        at_s: The instant [s since 1970].
        nodes: Every node, in the order that breaks ties.
        jobs: Jobs that wait or hold places, by submission, then by name.
        served_s: Run time kept from earlier starts, by job [s].
        predicted_s: Run time predicted from finished jobs, by job [s].
        parked: Jobs that a person must look at before they are offered again.
        policy: Names of the policy.
        quotas: GPUs that each tenant may count on, or None.
        reservations: Nodes kept for services.
        seed: Seed of the policies of chance.
    """

    at_s: float
    nodes: tuple[ObservedNode, ...]
    jobs: tuple[ObservedJob, ...]
    served_s: Mapping[str, float] = field(default_factory=dict[str, float])
    predicted_s: Mapping[str, float] = field(default_factory=dict[str, float])
    parked: tuple[str, ...] = ()
    policy: PolicySettings = field(default_factory=PolicySettings)
    quotas: Mapping[str, float] | None = None
    reservations: tuple[Reservation, ...] = ()
    seed: int = 0

    @property
    def scheduling_policy(self) -> SchedulingPolicy:
        """The policy itself."""
        return policy_of_controller_settings(self.policy)


def capture_cluster_state(
    observation: ClusterObservation,
    settings: ControllerSettings,
    *,
    served_s: Mapping[str, float] | None = None,
    predicted_s: Mapping[str, float] | None = None,
    parked: tuple[str, ...] = (),
) -> Capture:
    """Return what a decision on `observation` rests on."""
    active = [
        job for job in observation.jobs.values() if job.phase in PHASES_ON_NODES | {JobPhase.HELD}
    ]
    active = [_job_limited_to_tenant_sites(job, settings.tenant_sites) for job in active]
    # The order that breaks ties, written into the capture: whoever replays it needs nothing
    # else.
    active.sort(key=lambda job: (job.request.submitted_at_s, job.request.job_id))
    names = {job.request.job_id for job in active}
    return Capture(
        at_s=observation.at_s,
        nodes=observation.nodes,
        jobs=tuple(active),
        # Only of jobs that the decision can concern: a capture is kept by the hundred thousand.
        served_s={k: v for k, v in (served_s or {}).items() if k in names},
        predicted_s={k: v for k, v in (predicted_s or {}).items() if k in names},
        parked=tuple(sorted(set(parked) & names)),
        policy=settings.policy,
        quotas=settings.quotas,
        reservations=settings.reservations,
        seed=settings.seed,
    )


def _job_limited_to_tenant_sites(
    job: ObservedJob, tenant_sites: Mapping[str, tuple[str, ...]]
) -> ObservedJob:
    """Return the job held to its tenant's sites: the policy and the hard rules read the same.

    A job that asks for sites of which its tenant may use none must not fall back to all
    sites, which an empty tuple means; it asks for a site that no cluster has.
    """
    allowed = tenant_sites.get(job.request.tenant)
    if allowed is None:
        return job
    sites = tuple(name for name in job.request.sites or allowed if name in allowed)
    return replace(job, request=replace(job.request, sites=sites or (NO_SITE,)))


def capture_json_line(captured: Capture) -> str:
    """Return a capture as one line of JSON, whole: `parse_cluster_capture` gives the same back."""
    return compact_cluster_json(
        {
            "version": VERSION,
            "at_s": captured.at_s,
            "nodes": [asdict(node) for node in captured.nodes],
            "jobs": [_captured_job_json(job) for job in captured.jobs],
            "served_s": dict(captured.served_s),
            "predicted_s": dict(captured.predicted_s),
            "parked": captured.parked,
            "policy": captured.policy.model_dump(),
            "quotas": None if captured.quotas is None else dict(captured.quotas),
            "reservations": [reservation.model_dump() for reservation in captured.reservations],
            "seed": captured.seed,
        }
    )


def parse_cluster_capture(text: str, where: str = "capture") -> Capture:
    """Return the capture that a line of JSON holds.

    Raises:
        CaptureError: It is none, or of a later version.
    """
    try:
        data = cast("dict[str, Any]", json.loads(text))
        # A later version may mean something else by the same member. A replay that guesses
        # would call an honest decision different.
        if data["version"] != VERSION:
            raise CaptureError(
                where,
                found=Message("version {version}", {"version": str(data["version"])}),
                wanted=Message("version {version}", {"version": str(VERSION)}),
            )
        return _capture_from_json(data)
    except (ValueError, KeyError, TypeError) as error:
        wanted = Message("a captured state, as `operate capture` writes it")
        raise CaptureError(where, found=type(error).__name__, wanted=wanted) from None


def load_cluster_capture(path: Path) -> Capture:
    """Return the capture in a file.

    Raises:
        CaptureError: The file cannot be read, or holds none.
    """
    try:
        return parse_cluster_capture(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        wanted = Message("a captured state, as `operate capture` writes it")
        raise CaptureError(str(path), found=type(error).__name__, wanted=wanted) from None


def _capture_from_json(capture_json: dict[str, Any]) -> Capture:
    return Capture(
        at_s=float(capture_json["at_s"]),
        nodes=tuple(
            ObservedNode(**(n | {"state": NodeState(n["state"])})) for n in capture_json["nodes"]
        ),
        jobs=tuple(_captured_job_from_json(row) for row in capture_json["jobs"]),
        served_s=capture_json["served_s"],
        predicted_s=capture_json["predicted_s"],
        parked=tuple(capture_json["parked"]),
        policy=PolicySettings(**capture_json["policy"]),
        quotas=capture_json["quotas"],
        reservations=tuple(Reservation(**row) for row in capture_json["reservations"]),
        seed=capture_json["seed"],
    )


def _captured_job_json(job: ObservedJob) -> dict[str, Any]:
    """Return what a decision needs of a job: what it runs, and with which environment, stays."""
    # Programs and environments may carry secrets, and a decision needs neither.
    request = {k: v for k, v in job_request_json(job.request).items() if k not in ("argv", "env")}
    return {
        "ask": request,
        "phase": job.phase.value,
        "places": node_allocations_json(job.places),
        "starts": job.starts,
        "started_at_s": job.started_at_s,
    }


def _captured_job_from_json(job_json: dict[str, Any]) -> ObservedJob:
    return ObservedJob(
        request=job_request_from_json(job_json["ask"]),
        phase=JobPhase(job_json["phase"]),
        places=node_allocations_from_json(job_json["places"]),
        starts=job_json["starts"],
        started_at_s=job_json["started_at_s"],
    )
