"""The schedule of a programme's jobs, kept apart from what power costs and labels say.

Prices, carbon, draw and PUE move no job, so a what-if on them reads the schedule back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import polars as pl

from commonwatt.fleet.engines.simulator import Segments, SimulationResult, simulate_schedule
from commonwatt.runs import Stage, StageResult
from commonwatt.study.programme.reader import Programme
from commonwatt.study.stages.demand import fleet_inputs_of_programme, programme_scheduling_policies

JOBS = ("start_ms", "end_ms", "pending_ms", "state", "preemptions")
# Of another length than the segments: only gangs over several nodes have further pieces.
FURTHER_PIECE_COLUMNS = ("more_segment", "more_node", "more_milli")
SEGMENT_COLUMNS = tuple(f.name for f in fields(Segments) if f.name not in FURTHER_PIECE_COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleStageInputs:
    """What decides when and where jobs run.

    Args:
        programme: The programme as `schedule_view` gives it, its policy the one that runs.
    """

    programme: Programme


def compute_programme_schedule(inputs: ScheduleStageInputs) -> StageResult:
    """Return when and where each job runs under the policy of the programme."""
    programme = inputs.programme
    demand = fleet_inputs_of_programme(programme)
    schedule = simulate_schedule(
        demand.workload,
        demand.fleet,
        programme_scheduling_policies(programme)[0],
        seed=programme.file.seed,
        quotas=programme.quota_gpus_by_tenant_or_none(demand.workload.tenant_names),
    )
    return StageResult(data={}, tables=study_schedule_stage_tables(schedule))


SCHEDULE_STAGE = Stage(name="schedule", compute=compute_programme_schedule)


def study_schedule_stage_tables(result: SimulationResult) -> dict[str, pl.DataFrame]:
    """Return a schedule as tables: by job, by segment, by further piece."""
    own = result.segments
    return {
        "jobs": pl.DataFrame({name: getattr(result, name) for name in JOBS}),
        "segments": pl.DataFrame({name: getattr(own, name) for name in SEGMENT_COLUMNS}),
        "more": pl.DataFrame({name: getattr(own, name) for name in FURTHER_PIECE_COLUMNS}),
    }


def study_schedule_of_stage_tables(tables: Mapping[str, pl.DataFrame]) -> SimulationResult:
    """Return the schedule that `study_schedule_stage_tables` wrote."""
    jobs, segments, more = (tables[name] for name in ("jobs", "segments", "more"))
    columns = {name: segments[name].to_numpy() for name in SEGMENT_COLUMNS}
    columns |= {name: more[name].to_numpy() for name in FURTHER_PIECE_COLUMNS}
    return SimulationResult(
        **{name: jobs[name].to_numpy() for name in JOBS},  # pyright: ignore[reportArgumentType]
        segments=Segments(**columns),  # pyright: ignore[reportArgumentType]
    )
