"""From the fleet's measured load to which site should run which tenant, hour by hour."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from commonwatt.app.charts.siting import load_chart
from commonwatt.app.fleet.simulation import FleetRun
from commonwatt.app.report import Fact, Figure, Section, Shown
from commonwatt.app.siting.cost import standing_usd_per_gpu_hour
from commonwatt.app.siting.place import plan_rows
from commonwatt.core.errors import InfeasibleError
from commonwatt.core.messages import Message
from commonwatt.fleet.timeline import steps
from commonwatt.fleet.workload import I64
from commonwatt.scenario.programme import Programme
from commonwatt.siting.place.exact import solve_exact
from commonwatt.siting.place.explain import check_feasible, price_of_last_gpu, price_of_limits
from commonwatt.siting.place.problem import F64, Bools, Problem

HOUR_MS = 3_600_000
HOURS = 168
CARBON_USD_PER_T = 50.0  # a price put on carbon; said in the report
ROOM = 4.0  # a site may grow to this many times the programme's GPUs
Answer = dict[str, Any]


def place_programme(programme: Programme, run: FleetRun) -> Answer | None:
    """Return the cheapest sizes and placement of the first week's load.

    None where a site names no cost cells, or the run is shorter than a week.
    """
    sites = programme.file.sites
    submit = run.inputs.workload.submit_ms
    if not all(site.cost_cells for site in sites) or submit[-1] - submit[0] < HOURS * HOUR_MS:
        return None
    problem = build_problem(programme, run)
    try:
        plan = solve_exact(problem, gap=1e-4)
    except InfeasibleError:
        check_feasible(problem)
        raise
    prices = [*price_of_limits(problem, plan), *price_of_last_gpu(problem, plan)]
    return plan_rows(problem, plan) | {"limits": [price.what for price in prices]}


def build_problem(programme: Programme, run: FleetRun) -> Problem:
    """Return the placement problem of a programme's sites and a run's first week."""
    names = run.inputs.workload.tenant_names
    sites, gpu = programme.file.sites, programme.gpu_types[0]
    pools = len(sites)
    power = [_hours(site.price_usd_per_mwh) for site in programme.sites]
    carbon = [_hours(site.carbon_g_per_kwh) for site in programme.sites]
    kwh = np.array([gpu.busy_w / 1000 * site.pue for site in programme.sites])[:, None]
    kg = kwh * np.array(carbon) / 1000
    standing = [standing_usd_per_gpu_hour(str(site.cost_cells)) for site in sites]
    return Problem(
        class_names=tuple(programme.tenant_labels(names)),
        pool_names=tuple(programme.site_labels()),
        site_names=tuple(programme.site_labels()),
        site=np.arange(pools, dtype=np.int64),
        demand=tenant_load(run),
        draw=np.ones(len(names)),
        run_usd=kwh * np.array(power) / 1000 + kg / 1000 * CARBON_USD_PER_T,
        move_usd=np.zeros((len(names), pools)),
        carbon_kg=kg,
        latency_ok=_near_enough(programme, names),
        residency_ok=_may_go(programme, names),
        type_ok=np.ones((len(names), pools), np.bool_),
        defer_h=np.array([part.defer_h for part in programme.tenant_parts(names)], np.int64),
        size_usd=np.array(standing) * HOURS,
        open_usd=np.zeros(pools),
        unit=np.zeros(pools),
        max_size=np.full(pools, ROOM * run.metrics.gpus),
    )


def tenant_load(run: FleetRun) -> F64:
    """Return the mean GPUs that each tenant held in each hour of the first week, (K, 168)."""
    jobs, own = run.inputs.workload, run.result.segments
    edges = int(jobs.submit_ms[0]) + np.arange(HOURS + 1, dtype=np.int64) * HOUR_MS
    demand, tenant = jobs.demand_milli()[own.job], jobs.tenant[own.job]
    return np.array(
        [_held(own.start_ms, own.end_ms, demand, tenant == t, edges)
         for t in range(len(jobs.tenant_names))]
    )  # fmt: skip


def _held(start_ms: I64, end_ms: I64, milli: I64, mine: Bools, edges: I64) -> F64:
    at_ms = np.concatenate([start_ms[mine], end_ms[mine]])
    line = steps(at_ms, np.concatenate([milli[mine], -milli[mine]]))
    return np.diff(line.until(edges)) / HOUR_MS / 1000


def _hours(series: F64) -> F64:
    return np.resize(series, HOURS)


def _near_enough(programme: Programme, names: tuple[str, ...]) -> Bools:
    """Return where each tenant's limit on the round trip from its origin holds."""
    index = {site.name: i for i, site in enumerate(programme.sites)}
    rtt = programme.fleet().rtt_ms
    rows: list[Bools] = []
    for part in programme.tenant_parts(names):
        origin = index[part.origin] if part.origin else 0
        longest = np.inf if part.latency is None else part.latency
        rows.append(rtt[origin] <= longest if np.isfinite(longest) else np.ones(len(index), bool))
    return np.array(rows, np.bool_)


def _may_go(programme: Programme, names: tuple[str, ...]) -> Bools:
    sites = [site.name for site in programme.sites]
    parts = programme.tenant_parts(names)
    return np.array([[not part.sites or s in part.sites for s in sites] for part in parts])


def placement_tables(answer: Answer) -> dict[str, pl.DataFrame]:
    """Return the tables of the placement joint."""
    rows = {name: answer[name] for name in ("sites", "classes", "hourly")}
    return {f"place_{name}": pl.DataFrame(found) for name, found in rows.items()}


def placement_section(answer: Answer, language: str) -> Section:
    """Return the report's section on the placement."""
    values = {
        "cost": f"{answer['cost_usd']:,.0f}",
        "gap": f"{100 * answer['gap_share']:.3f}",
        "carbon": f"{answer['carbon_t']:,.1f}",
        "price": f"{CARBON_USD_PER_T:.0f}",
    }
    lede = Message(
        "If the same week were planned afresh, with sizes free, the cheapest plan would cost "
        "USD {cost} with standing cost and energy (proved to {gap} %), and emit {carbon} t of "
        "CO₂, at USD {price} per tonne.",
        values,
    )
    return Section(
        name="placement",
        title=Message("Place it: which site runs what").say(language),
        lede=lede.say(language),
        facts=[_fact(row, language) for row in answer["sites"]],
        figures=[_hourly(answer, language)],
        tables=[_where(answer, language)],
        notes=[limit.say(language) for limit in answer["limits"]],
    )


def _fact(row: dict[str, Any], language: str) -> Fact:
    note = Message("used {share} % of the time", {"share": f"{100 * row['mean_use_share']:.0f}"})
    return Fact(
        label=row["pool"], value=f"{row['h100_equivalents']:,.0f} GPU", note=note.say(language)
    )


def _hourly(answer: Answer, language: str) -> Figure:
    return Figure(
        name="placement-hours",
        title=Message("Where the load would run").say(language),
        caption=Message("Hour by hour, the first week of the trace.").say(language),
        svg=load_chart(answer["hourly"], language),
        data=pl.DataFrame(answer["sites"]),
    )


def _where(answer: Answer, language: str) -> Shown:
    headings = [Message("Tenant"), Message("Site"), Message("Share of its load")]
    return Shown(
        title=Message("Who runs where").say(language),
        headings=[heading.say(language) for heading in headings],
        rows=[[row["class"], row["pool"], f"{row['share']:.1%}"] for row in answer["classes"]],
        note=Message(
            "Residency and latency limits are hard; the GPU-hours are those that the fleet run "
            "measured, and the standing cost is that of the site's cells."
        ).say(language),
    )
