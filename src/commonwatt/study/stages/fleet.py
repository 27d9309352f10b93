"""The first stage: the demand on the machines, and what later stages need of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from commonwatt.core.messages import LANGUAGES, Message
from commonwatt.fleet.domain.machines import F64
from commonwatt.fleet.domain.workload import I64, Bools
from commonwatt.fleet.engines.energy import site_energies_in_site_order
from commonwatt.fleet.engines.metrics import FleetMetrics, SiteUse, WaitMetrics, fleet_metrics
from commonwatt.fleet.engines.simulator.identities import (
    check_simulation_identities,
    check_simulation_law,
)
from commonwatt.fleet.engines.timeline import fleet_step_series_of_changes
from commonwatt.fleet.usecases.compare import fleet_run_comparison_table
from commonwatt.fleet.usecases.series import (
    fleet_gpu_hours_and_delay_by_tenant,
    mean_allocated_gpus_by_bin_and_site,
    queue_over_time_table,
    simulated_site_use_and_energy_table,
)
from commonwatt.fleet.usecases.simulate import FleetRun, simulated_jobs_table
from commonwatt.runs import Stage, StageResult, StageStore
from commonwatt.study.programme.reader import Programme
from commonwatt.study.programme.schema import PolicyPart
from commonwatt.study.programme.without_effect import run_keys_without_effect
from commonwatt.study.stages.basis import study_fleet_run_basis_tables
from commonwatt.study.stages.demand import fleet_inputs_of_programme, programme_scheduling_policies
from commonwatt.study.stages.schedule import (
    SCHEDULE_STAGE,
    ScheduleStageInputs,
    study_schedule_of_stage_tables,
)
from commonwatt.study.stages.views import (
    programme_view_of_fleet_stage,
    programme_view_of_schedule_stage,
)

HOUR_MS = 3_600_000
HOURS = 168
ReportProgress = Callable[[Message], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetStageInputs:
    """What decides a fleet run's figures and tables.

    Args:
        programme: The programme as `programme_view_of_fleet_stage` gives it, its policy the one
            that runs.
        schedule: When and where its jobs ran.
    """

    programme: Programme
    schedule: StageResult


def compute_fleet_run_of_programme(inputs: FleetStageInputs) -> StageResult:
    """Return what one policy makes of the demand.

    Raises:
        IdentityError: The schedule breaks a conservation law: a bug.
    """
    demand = fleet_inputs_of_programme(inputs.programme)
    schedule = study_schedule_of_stage_tables(inputs.schedule.tables)
    # A schedule may come from the cache: its laws are asked of what is used, each time.
    check_simulation_identities(schedule, demand.workload, demand.fleet)
    run = FleetRun(
        policy=programme_scheduling_policies(inputs.programme)[0].name,
        inputs=demand,
        result=schedule,
        metrics=fleet_metrics(schedule, demand.workload, demand.fleet),
        # A time would make another result of the same schedule.
        simulation_cpu_s=0.0,
    )
    return programme_fleet_stage_result(inputs.programme, run)


FLEET_STAGE = Stage(name="fleet", compute=compute_fleet_run_of_programme)


def cached_programme_fleet_stage_result(
    programme: Programme, policy: PolicyPart, stages: StageStore, report_progress: ReportProgress
) -> StageResult:
    """Return what one policy makes of the demand, from cached stages where they are there."""
    inputs = ScheduleStageInputs(programme=programme_view_of_schedule_stage(programme, policy))
    name = programme_scheduling_policies(inputs.programme)[0].name
    schedule = stages.get_or_compute(
        SCHEDULE_STAGE,
        inputs,
        lambda: report_progress(Message("Simulating {policy}", {"policy": name})),
    )
    view = programme_view_of_fleet_stage(programme, policy)
    return stages.get_or_compute(FLEET_STAGE, FleetStageInputs(programme=view, schedule=schedule))


def programme_fleet_stage_result(programme: Programme, run: FleetRun) -> StageResult:
    """Return what later stages, tables and the report need of a run."""
    names = run.inputs.workload.tenant_names
    beyond = gpu_hours_beyond_programme_limits(programme, run)
    # Asked of each run: limits once held in the placement and not in the schedule, and an
    # alternative could win by it.
    check_simulation_law("GPU-hours beyond a tenant's limits", beyond == 0)
    tables = study_fleet_tables_of_runs(programme, [run], names)
    return StageResult(
        data={
            "policy": run.policy,
            "metrics": asdict(run.metrics),
            "measured": study_measured_site_use_and_energy_rows(run),
            "tenants": list(names),
            "warnings": [
                {"text": warning.text, "values": warning.values}
                for warning in programme_fleet_warnings(programme, run)
            ],
            # In every language: the stage is kept, and the next report may be in the other.
            "notes": {
                language: _study_fleet_notes_and_warnings(programme, run, language)
                for language in LANGUAGES
            },
            "mean_rtt_ms": programme_tenants_mean_rtt_ms(programme, run),
            "gpu_hours_beyond_rules": beyond,
        },
        tables=tables
        | {"fleet_load": programme_tenant_load_by_hour_frame(programme, run)}
        | study_fleet_run_basis_tables(programme, run),
    )


def _study_fleet_notes_and_warnings(
    programme: Programme, run: FleetRun, language: str
) -> list[str]:
    sentences = [
        sentence for read in run.inputs.reads for sentence in read.reading_sentences(language)
    ]
    return sentences + [
        warning.translate(language) for warning in programme_fleet_warnings(programme, run)
    ]


def programme_fleet_warnings(programme: Programme, run: FleetRun) -> list[Message]:
    """Return what a reader must know of a run before any of its figures."""
    submit_ms = run.inputs.workload.submit_ms
    at_once = [
        Message(
            "All jobs of the trace arrive at the same moment: there is no time over which use could"
            " be measured, and the cost of a GPU-hour holds for a use of 1%."
        )
    ]
    own = at_once if submit_ms[0] == submit_ms[-1] else []
    is_placed = study_mean_gpus_by_tenant_and_hour(run).shape[1] > 0
    return [
        *own,
        *programme_tenant_without_jobs_warnings(programme, run),
        *run_keys_without_effect(programme, run.inputs.workload, is_placed=is_placed),
    ]


def programme_tenant_without_jobs_warnings(programme: Programme, run: FleetRun) -> list[Message]:
    """Return a warning for each tenant of the programme that no job belongs to."""
    unnamed = programme.names_of_tenants_without_jobs(run.inputs.workload.tenant_names)
    return [
        Message("The programme declares tenant {name}, and no job of the trace is theirs.",
                {"name": repr(name)})
        for name in unnamed
    ]  # fmt: skip


def fleet_metrics_of_stage_result(stage: StageResult) -> FleetMetrics:
    """Return the figures of a fleet stage."""
    figures: dict[str, Any] = stage.data["metrics"]
    nested: dict[str, Any] = {
        "all": WaitMetrics(**figures["all"]),
        "by_tenant": {name: WaitMetrics(**row) for name, row in figures["by_tenant"].items()},
        "by_site": {name: SiteUse(**row) for name, row in figures["by_site"].items()},
    }
    return FleetMetrics(**{**figures, **nested})


def study_measured_site_use_and_energy_rows(run: FleetRun) -> list[dict[str, Any]]:
    """Return what the cost needs of each site, in the window of arrivals.

    Use is that of the window; the energy of a GPU-hour counts the idle draw of the
    same window, and leaves out the tail in which nothing more arrives.
    """
    fleet, submit = run.inputs.fleet, run.inputs.workload.submit_ms
    used = site_energies_in_site_order(
        run.result, fleet, from_ms=int(submit[0]), until_ms=int(submit[-1])
    )
    return [
        {
            "site": name,
            "utilisation_share": site.utilisation_share,
            "held_gpu_h": own.held_gpu_h,
            "kwh_per_gpu_hour": own.it_kwh / own.held_gpu_h if own.held_gpu_h else None,
            "usd_per_kwh": own.cost_usd / own.energy_kwh if own.energy_kwh else 0.0,
            "carbon_g_per_gpu_hour": 1000 * own.carbon_kg / own.held_gpu_h
            if own.held_gpu_h
            else None,
        }
        for (name, site), own in zip(run.metrics.by_site.items(), used, strict=True)
    ]


def programme_tenants_mean_rtt_ms(programme: Programme, run: FleetRun) -> float | None:
    """Return the round trip from where a tenant works to where its jobs ran [ms].

    Weighted by GPU time; None where the programme leaves a round trip out.
    """
    jobs, own, fleet = run.inputs.workload, run.result.segments, run.inputs.fleet
    segment, node, milli = own.segment_node_and_gpu_milli()
    origin = np.array(programme.tenant_origin_place_indices(jobs.tenant_names))[
        jobs.tenant[own.job[segment]]
    ]
    rtt = programme.places_to_built_sites_round_trips_ms()[origin, fleet.site[node]]
    weight = (milli * (own.end_ms - own.start_ms)[segment]).astype(np.float64)
    total = float(weight.sum())
    # An unknown round trip is NaN and makes the sum NaN: a mean over the known ones would be too
    # good.
    mean = float((rtt * weight).sum()) / total if total else float("nan")
    return mean if np.isfinite(mean) else None


def gpu_hours_beyond_programme_limits(programme: Programme, run: FleetRun) -> float:
    """Return the GPU-hours that ran beyond their tenant's residency or latency limit.

    Asked of the file itself, site by site of every piece that ran, and not of the masks
    that the schedule was made with: a limit that never became a mask shows here.
    """
    jobs, own, fleet = run.inputs.workload, run.result.segments, run.inputs.fleet
    segment, node, milli = own.segment_node_and_gpu_milli()
    held_h = milli * (own.end_ms - own.start_ms)[segment] / HOUR_MS / 1000
    tenant, site = jobs.tenant[own.job[segment]], fleet.site[node]
    hours = np.zeros((len(jobs.tenant_names), len(fleet.sites)))
    # `hours[tenant, site] += …` would count a pair that comes twice only once.
    np.add.at(hours, (tenant, site), held_h)
    rtt_ms = {frozenset(link.between): link.rtt for link in programme.file.latency}
    beyond = 0.0
    for row, part in zip(hours, programme.programme_tenant_parts(jobs.tenant_names), strict=True):
        origin = part.origin or programme.file.sites[0].name
        for gpu_hours, at in zip(row.tolist(), fleet.sites, strict=True):
            away_ms = 0.0 if at.name == origin else rtt_ms.get(frozenset({origin, at.name}))
            resident = not part.sites or at.name in part.sites
            near = part.latency is None or (away_ms is not None and away_ms <= part.latency)
            beyond += 0.0 if resident and near else gpu_hours
    return beyond


def programme_tenant_load_by_hour_frame(programme: Programme, run: FleetRun) -> pl.DataFrame:
    """Return the mean GPUs that each tenant held in each hour of the first week."""
    names = run.inputs.workload.tenant_names
    load = study_mean_gpus_by_tenant_and_hour(run)
    labels, hours = programme.programme_tenant_labels(names), range(load.shape[1])
    rows = [(label, hour) for label in labels for hour in hours]
    return pl.DataFrame(
        rows, schema={"tenant": pl.String, "hour": pl.Int64}, orient="row"
    ).with_columns(pl.Series("held_gpus", load.ravel(), dtype=pl.Float64))


def study_mean_gpus_by_tenant_and_hour(run: FleetRun) -> F64:
    """Return the mean GPUs that each tenant held by hour, shape (tenants, hours).

    No hours where the trace is shorter than a week.
    """
    jobs, own = run.inputs.workload, run.result.segments
    hours = HOURS if jobs.submit_ms[-1] - jobs.submit_ms[0] >= HOURS * HOUR_MS else 0
    edges = int(jobs.submit_ms[0]) + np.arange(hours + 1, dtype=np.int64) * HOUR_MS
    demand, tenant = jobs.gpu_demand_milli_by_job()[own.job], jobs.tenant[own.job]
    return np.array(
        [_study_mean_gpus_by_hour(own.start_ms, own.end_ms, demand, tenant == t, edges)
         for t in range(len(jobs.tenant_names))]
    )  # fmt: skip


def _study_mean_gpus_by_hour(
    start_ms: I64, end_ms: I64, milli: I64, is_of_tenant: Bools, edges: I64
) -> F64:
    at_ms = np.concatenate([start_ms[is_of_tenant], end_ms[is_of_tenant]])
    line = fleet_step_series_of_changes(
        at_ms, np.concatenate([milli[is_of_tenant], -milli[is_of_tenant]])
    )
    return np.diff(line.integral_until(edges)) / HOUR_MS / 1000


def study_fleet_headline_by_figure_name(stage: StageResult) -> dict[str, Any]:
    """Return the figures that people quote of a fleet stage."""
    figures = fleet_metrics_of_stage_result(stage)
    return {
        "jobs": figures.all.jobs,
        "jobs_finished": figures.all.jobs_finished,
        "gpus": figures.gpus,
        "utilisation_share": figures.utilisation_share,
        "makespan_utilisation_share": figures.makespan_utilisation_share,
        "mean_queue_delay_s": figures.all.mean_queue_delay_s,
        "p95_queue_delay_s": figures.all.p95_queue_delay_s,
        "energy_kwh": figures.energy_kwh,
        "energy_cost_usd": figures.cost_usd,
        "carbon_kg": figures.carbon_kg,
        "mean_rtt_ms": stage.data["mean_rtt_ms"],
        "gpu_hours_beyond_rules": stage.data["gpu_hours_beyond_rules"],
    }


def study_fleet_tables_of_runs(
    programme: Programme, runs: Sequence[FleetRun], names: Sequence[str]
) -> dict[str, pl.DataFrame]:
    """Return every table of the fleet wing; the first run is the programme's own policy.

    Args:
        programme: The programme.
        runs: One run for each policy.
        names: Tenants of the trace.
    """
    labels = dict(zip(names, programme.programme_tenant_labels(names), strict=True))
    main = runs[0]
    return {
        "fleet_jobs": simulated_jobs_table(main.result, main.inputs.workload, main.inputs.fleet),
        "fleet_use": mean_allocated_gpus_by_bin_and_site(main, programme.built_site_labels()),
        "fleet_queue": queue_over_time_table(main),
        "fleet_tenants": fleet_gpu_hours_and_delay_by_tenant(main, labels),
        "fleet_sites": simulated_site_use_and_energy_table(main, programme.built_site_labels()),
        "fleet_policies": fleet_run_comparison_table(runs),
    }
