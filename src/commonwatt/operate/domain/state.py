"""What the controller remembers of every job, and how one look at the engine changes it.

Pure: `absorb` returns the changes, and the store writes them. GPU time is opened when
a start is seen to run, and closed when it is seen to have ended, with the engine's own
instants, so that a controller that was away for a while meters as if it had not been.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from commonwatt.operate.domain.cluster import OVER, Ask, JobSeen, NodeSeen, Phase, Seen

BY_SIGTERM = 128 + 15


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One job as the controller remembers it.

    Args:
        ask: What it asks.
        phase: Where it stood when last seen.
        starts: How often it has been started.
        first_start_s: First start that ran [s since 1970]; 0 before.
        last_start_s: Last start that ran [s since 1970]; 0 before.
        ended_at_s: End [s since 1970]; 0 before.
        exit_code: What it returned.
        served_s: Run time kept from earlier starts [s].
        warned_at_s: When it was told that it would be stopped; 0 where it was not.
        offered_at_s: When it was last handed to the engine to start; 0 where it was not.
        refusals: Starts refused in a row.
    """

    ask: Ask
    phase: Phase = Phase.HELD
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
class Use:
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
class Changes:
    """What a look has changed.

    Args:
        rows: Jobs that are new or stand differently.
        opened: Uses that have begun.
        closed: End of every use of a start, by job and start [s since 1970].
    """

    rows: list[JobRow] = field(default_factory=list[JobRow])
    opened: list[Use] = field(default_factory=list[Use])
    closed: dict[tuple[str, int], float] = field(default_factory=dict[tuple[str, int], float])

    def __bool__(self) -> bool:
        return bool(self.rows or self.opened or self.closed)


def absorb(book: Mapping[str, JobRow], open_starts: Mapping[str, int], seen: Seen) -> Changes:
    """Return what `seen` changes about what was remembered.

    Args:
        book: Every job remembered, by name.
        open_starts: The start whose use is open, by job.
        seen: A look at the engine.
    """
    changes = Changes()
    nodes = {node.name: node for node in seen.nodes}
    for name, job in seen.jobs.items():
        known = book.get(name)
        if known is not None and known.phase in OVER and known.phase == job.phase:
            continue
        _one(known or JobRow(ask=job.ask), job, open_starts.get(name), nodes, changes, seen.at_s)
        if known is not None and changes.rows and changes.rows[-1] == known:
            changes.rows.pop()
    for name, row in book.items():
        if row.phase not in OVER and name not in seen.jobs:
            # the engine has forgotten it: it is over, and nobody knows since when
            if name in open_starts:
                changes.closed[(name, open_starts[name])] = seen.at_s
            changes.rows.append(replace(row, phase=Phase.FAILED, ended_at_s=seen.at_s))
    return changes


def _one(
    row: JobRow,
    job: JobSeen,
    open_start: int | None,
    nodes: Mapping[str, NodeSeen],
    changes: Changes,
    now_s: float,
) -> None:
    runs = job.phase == Phase.RUNNING or (job.phase in OVER and job.started_at_s > 0)
    if open_start is not None and (job.phase != Phase.RUNNING or job.starts != open_start):
        ended_s = job.ended_at_s if job.phase in OVER and job.starts == open_start else now_s
        changes.closed[(job.ask.job_id, open_start)] = max(ended_s, row.last_start_s)
        if job.phase not in OVER or is_by_warning(row, job):
            row = replace(row, served_s=_served_s(row, ended_s))
    if runs and job.starts != open_start and job.starts > 0:
        changes.opened += _uses(job, nodes)
        row = replace(row, last_start_s=job.started_at_s)
        if job.phase in OVER:
            changes.closed[(job.ask.job_id, job.starts)] = max(job.ended_at_s, job.started_at_s)
    changes.rows.append(_seen_row(row, job))


def _seen_row(row: JobRow, job: JobSeen) -> JobRow:
    ran = job.phase == Phase.RUNNING or (job.phase in OVER and job.started_at_s > 0)
    held = job.phase == Phase.HELD
    return replace(
        row,
        phase=job.phase,
        starts=max(job.starts, row.starts),
        first_start_s=row.first_start_s or (job.started_at_s if ran else 0.0),
        ended_at_s=job.ended_at_s if job.phase in OVER else 0.0,
        exit_code=job.exit_code,
        warned_at_s=0.0 if held else row.warned_at_s,
        offered_at_s=0.0 if held or ran else row.offered_at_s,
        refusals=0 if ran else row.refusals,
    )


def is_by_warning(row: JobRow, job: JobSeen) -> bool:
    """Return whether a job ended because it was told that it would be stopped."""
    return job.phase == Phase.FAILED and row.warned_at_s > 0 and job.exit_code == BY_SIGTERM


def _served_s(row: JobRow, now_s: float) -> float:
    """Return the run time that a stopped job keeps: all of it if it saves its work, else none."""
    if not row.ask.checkpoints:
        return 0.0
    return row.served_s + max(now_s - row.last_start_s, 0.0)


def _uses(job: JobSeen, nodes: Mapping[str, NodeSeen]) -> list[Use]:
    found: list[Use] = []
    for place in job.places:
        node = nodes.get(place.node)
        found.append(
            Use(
                job_id=job.ask.job_id,
                starts=job.starts,
                node=place.node,
                site=node.site if node else "site",
                gpu_type=node.gpu_type if node else "any",
                gpus=len(place.gpus),
                gpu_milli=place.gpu_milli,
                from_s=job.started_at_s,
            )
        )
    return found
