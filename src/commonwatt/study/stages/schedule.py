"""The schedule of a programme's jobs, kept apart from what power costs and labels say.

Prices, carbon, draw and PUE move no job, so a what-if on them reads the schedule back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import polars as pl

from commonwatt.core.hashes import file_sha256
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies import SchedulingPolicy
from commonwatt.fleet.engines.simulator import Segments, SimulationResult, simulate
from commonwatt.fleet.engines.simulator.identities import check_identities
from commonwatt.fleet.usecases.inputs import FleetInputs
from commonwatt.runs import StageResult, StageStore
from commonwatt.study.programme.reader import Programme

JOBS = ("start_ms", "end_ms", "pending_ms", "state", "preemptions")
FURTHER_PIECE_COLUMNS = ("more_segment", "more_node", "more_milli")
SEGMENT_COLUMNS = tuple(f.name for f in fields(Segments) if f.name not in FURTHER_PIECE_COLUMNS)
ReportProgress = Callable[[Message], None]


def schedule(
    programme: Programme,
    inputs: FleetInputs,
    policy: SchedulingPolicy,
    stages: StageStore,
    report_progress: ReportProgress,
) -> SimulationResult:
    """Return when and where each job runs, from the kept stages where it is there.

    Raises:
        IdentityError: The schedule breaks a conservation law: a bug.
    """

    def compute() -> StageResult:
        report_progress(Message("Simulating {policy}", {"policy": policy.name}))
        quotas = programme.quotas(inputs.workload.tenant_names)
        seed = programme.file.seed
        found = simulate(inputs.workload, inputs.fleet, policy, seed=seed, quotas=quotas)
        return StageResult(data={}, tables=tables_of(found))

    kept = stages.get("schedule", _decides(programme, policy), compute)
    result = result_of(kept.tables)
    check_identities(result, inputs.workload, inputs.fleet)
    return result


def _decides(programme: Programme, policy: SchedulingPolicy) -> dict[str, Any]:
    """Return what decides when and where jobs run: machines, demand, limits, order."""
    file, files = programme.file, [programme.trace, programme.mapping]
    return {
        "files": [file_sha256(path) for path in files if path is not None],
        "format": file.demand.format,
        "only": file.demand.tenants,
        "tenants": [
            [part.name, part.quota_gpus, part.sites, part.origin, part.latency]
            for part in file.tenants
        ],
        "gpus": [[part.name, part.slices, part.memory_gib] for part in file.gpus],
        "places": [part.name for part in file.sites],
        "sites": [
            [part.name, [pool.model_dump(mode="json") for pool in part.pools]]
            for part in programme.built
        ],
        "latency": [[sorted(part.between), part.rtt] for part in file.latency],
        "policy": policy.name,
        "seed": file.seed,
    }


def tables_of(result: SimulationResult) -> dict[str, pl.DataFrame]:
    """Return a schedule as tables: by job, by segment, by further piece."""
    own = result.segments
    return {
        "jobs": pl.DataFrame({name: getattr(result, name) for name in JOBS}),
        "segments": pl.DataFrame({name: getattr(own, name) for name in SEGMENT_COLUMNS}),
        "more": pl.DataFrame({name: getattr(own, name) for name in FURTHER_PIECE_COLUMNS}),
    }


def result_of(tables: dict[str, pl.DataFrame]) -> SimulationResult:
    """Return the schedule that `tables_of` wrote."""
    jobs, segments, more = (tables[name] for name in ("jobs", "segments", "more"))
    columns = {name: segments[name].to_numpy() for name in SEGMENT_COLUMNS}
    columns |= {name: more[name].to_numpy() for name in FURTHER_PIECE_COLUMNS}
    return SimulationResult(
        **{name: jobs[name].to_numpy() for name in JOBS},  # pyright: ignore[reportArgumentType]
        segments=Segments(**columns),  # pyright: ignore[reportArgumentType]
    )
