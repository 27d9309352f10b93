"""What the controller remembers of every job, and how one observation of the backend changes it.

Pure: `cluster_state_changes` returns the changes, and the store writes them. GPU time is opened
when a start is seen to run, and closed when it is seen to have ended, with the backend's own
instants, so that a controller that was away for a while meters as if it had not been.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from commonwatt.operate.domain.cluster import (
    TERMINAL_PHASES,
    ClusterObservation,
    JobPhase,
    JobRequest,
    ObservedJob,
    ObservedNode,
)

# As the shells that wrap our jobs report a program that a signal ended: 128 and its number.
# POSIX asks only for more than 128.
BY_SIGTERM = 128 + 15


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """One job as the controller remembers it.

    Args:
        request: What it requests.
        phase: Where it stood when last seen.
        starts: How often it has been started.
        first_start_s: First start that ran [s since 1970]; 0 before.
        last_start_s: Last start that ran [s since 1970]; 0 before.
        ended_at_s: End [s since 1970]; 0 before.
        exit_code: What it returned.
        served_s: Run time kept from earlier starts [s].
        warned_at_s: When it was told that it would be stopped; 0 where it was not.
        offered_at_s: When it was last handed to the backend to start; 0 where it was not.
        refusals: Starts refused in a row.
    """

    request: JobRequest
    phase: JobPhase = JobPhase.HELD
    starts: int = 0
    first_start_s: float = 0.0
    last_start_s: float = 0.0
    ended_at_s: float = 0.0
    exit_code: int | None = None
    served_s: float = 0.0
    warned_at_s: float = 0.0
    offered_at_s: float = 0.0
    refusals: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUse:
    """GPUs of one node held by one start of a job; `until_s` is None while it lasts."""

    job_id: str
    starts: int
    node: str
    site: str
    gpu_type: str
    gpus: int
    gpu_milli: int
    from_s: float
    until_s: float | None = None


@dataclass(slots=True)
class StateChanges:
    """What an observation has changed.

    Args:
        job_records: Jobs that are new or stand differently.
        opened_uses: Uses that have begun.
        closed_uses: End of every use of a start, by job and start [s since 1970].
    """

    job_records: list[JobRecord] = field(default_factory=list[JobRecord])
    opened_uses: list[GpuUse] = field(default_factory=list[GpuUse])
    closed_uses: dict[tuple[str, int], float] = field(default_factory=dict[tuple[str, int], float])

    def __bool__(self) -> bool:
        return bool(self.job_records or self.opened_uses or self.closed_uses)


def cluster_state_changes(
    jobs: Mapping[str, JobRecord], open_starts: Mapping[str, int], observation: ClusterObservation
) -> StateChanges:
    """Return what `observation` changes about what was remembered.

    Args:
        jobs: Every job remembered, by name.
        open_starts: The start whose use is open, by job.
        observation: The cluster as it is seen now.
    """
    changes = StateChanges()
    nodes = {node.name: node for node in observation.nodes}
    for name, job in observation.jobs.items():
        record = jobs.get(name)
        # What is over stays as it was first seen, whatever a backend says of it later: an end
        # that moves would move what was already invoiced.
        if record is not None and record.phase in TERMINAL_PHASES and record.phase == job.phase:
            continue
        _add_job_state_changes(
            record or JobRecord(request=job.request),
            job,
            open_starts.get(name),
            nodes,
            changes,
            observation.at_s,
        )
        # Nothing new: a row a job and tick would make the database grow with time and not with
        # events.
        if record is not None and changes.job_records and changes.job_records[-1] == record:
            changes.job_records.pop()
    for name, row in jobs.items():
        if row.phase not in TERMINAL_PHASES and name not in observation.jobs:
            # the backend has forgotten it: it is over, and nobody knows since when
            if name in open_starts:
                changes.closed_uses[(name, open_starts[name])] = observation.at_s
            changes.job_records.append(
                replace(row, phase=JobPhase.FAILED, ended_at_s=observation.at_s)
            )
    return changes


def _add_job_state_changes(
    row: JobRecord,
    job: ObservedJob,
    open_start: int | None,
    nodes: Mapping[str, ObservedNode],
    changes: StateChanges,
    now_s: float,
) -> None:
    runs = job.phase == JobPhase.RUNNING or (job.phase in TERMINAL_PHASES and job.started_at_s > 0)
    if open_start is not None and (job.phase != JobPhase.RUNNING or job.starts != open_start):
        ended_s = (
            job.ended_at_s if job.phase in TERMINAL_PHASES and job.starts == open_start else now_s
        )
        # Clocks of two machines may disagree by more than a short run takes; a use never ends
        # before it began.
        changes.closed_uses[(job.request.job_id, open_start)] = max(ended_s, row.last_start_s)
        # Work is served only where the job goes on: one that has ended by itself has no later
        # start to count it for.
        if job.phase not in TERMINAL_PHASES or job_ended_after_warning(row, job):
            row = replace(row, served_s=_job_checkpointed_run_time_s(row, ended_s))
    if runs and job.starts != open_start and job.starts > 0:
        changes.opened_uses += _gpu_uses_of_job(job, nodes)
        row = replace(row, last_start_s=job.started_at_s)
        if job.phase in TERMINAL_PHASES:
            changes.closed_uses[(job.request.job_id, job.starts)] = max(
                job.ended_at_s, job.started_at_s
            )
    changes.job_records.append(_job_record_as_observed(row, job))


def _job_record_as_observed(row: JobRecord, job: ObservedJob) -> JobRecord:
    ran = job.phase == JobPhase.RUNNING or (job.phase in TERMINAL_PHASES and job.started_at_s > 0)
    is_held = job.phase == JobPhase.HELD
    return replace(
        row,
        phase=job.phase,
        starts=max(job.starts, row.starts),
        # Queue delay is first start minus submission; a requeue must not move it.
        first_start_s=row.first_start_s or (job.started_at_s if ran else 0.0),
        ended_at_s=job.ended_at_s if job.phase in TERMINAL_PHASES else 0.0,
        exit_code=job.exit_code,
        warned_at_s=0.0 if is_held else row.warned_at_s,
        offered_at_s=0.0 if is_held or ran else row.offered_at_s,
        refusals=0 if ran else row.refusals,
    )


def job_ended_after_warning(row: JobRecord, job: ObservedJob) -> bool:
    """Return whether a job ended because it was told that it would be stopped."""
    return job.phase == JobPhase.FAILED and row.warned_at_s > 0 and job.exit_code == BY_SIGTERM


def _job_checkpointed_run_time_s(row: JobRecord, now_s: float) -> float:
    """Return the run time that a stopped job keeps: all of it if it saves its work, else none."""
    if not row.request.checkpoints:
        return 0.0
    return row.served_s + max(now_s - row.last_start_s, 0.0)


def _gpu_uses_of_job(job: ObservedJob, nodes: Mapping[str, ObservedNode]) -> list[GpuUse]:
    uses: list[GpuUse] = []
    for place in job.places:
        node = nodes.get(place.node)
        uses.append(
            GpuUse(
                job_id=job.request.job_id,
                starts=job.starts,
                node=place.node,
                site=node.site if node else "site",
                gpu_type=node.gpu_type if node else "any",
                gpus=len(place.gpus),
                gpu_milli=place.gpu_milli,
                from_s=job.started_at_s,
            )
        )
    return uses
