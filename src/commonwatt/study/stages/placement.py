"""From the fleet's measured load to which site should run which tenant, hour by hour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from commonwatt.core.errors import InfeasibleError
from commonwatt.core.jit import plain_python_kernels_if_small_work
from commonwatt.runs import Stage, StageOutput, StageResult
from commonwatt.siting.domain.placement import F64, PlacementProblem
from commonwatt.siting.engines.place.exact import solve_placement_exactly
from commonwatt.siting.engines.place.explain import (
    check_placement_feasible,
    last_gpu_prices_of_built_placement_pools,
    price_of_placement_limits,
)
from commonwatt.siting.usecases.cost import site_cost_without_energy_usd_per_gpu_hour
from commonwatt.siting.usecases.place import placement_plan_summary
from commonwatt.study.programme.reader import Programme
from commonwatt.study.programme.schema import SitePart
from commonwatt.study.stages.basis import study_placement_basis_tables
from commonwatt.study.stages.fleet import HOURS
from commonwatt.study.stages.sites import StudyCostedSite
from commonwatt.study.stages.views import programme_view_of_placement_stage

CARBON_USD_PER_T = 50.0  # a price put on carbon; said in the report
# Tenants times sites times hours: three sites and four tenants take a third of the time in plain
# Python that loading the compiler takes.
_SMALL_PROBLEM = 4000
GROWTH_FACTOR = 4.0  # a site may grow to this many times the programme's GPUs
TABLES = ("sites", "classes", "hourly")
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementStageInputs:
    """What decides a placement.

    Args:
        programme: The programme as `programme_view_of_placement_stage` gives it.
        sites: Its sites with their costs.
        tenants: Names of the tenants of the trace.
        load: GPUs that each tenant held in each hour of the first week.
    """

    programme: Programme
    sites: tuple[StudyCostedSite, ...]
    tenants: StageOutput[list[str]]
    load: StageOutput[pl.DataFrame]

    @classmethod
    def of(
        cls, programme: Programme, sites: Sequence[StudyCostedSite], fleet: StageResult
    ) -> PlacementStageInputs:
        """Return the inputs that a fleet run leaves for the sites of a programme."""
        return cls(
            programme=programme_view_of_placement_stage(programme),
            sites=tuple(sites),
            tenants=fleet.value("tenants"),
            load=fleet.table("fleet_load"),
        )


def compute_programme_placement(inputs: PlacementStageInputs) -> StageResult:
    """Return the cheapest sizes and placement of the first week's load.

    Raises:
        InfeasibleError: The limits cannot all hold; the message names the smallest set.
    """
    problem = placement_problem_of_programme_week(inputs)
    with plain_python_kernels_if_small_work(is_small=math.prod(problem.shape) <= _SMALL_PROBLEM):
        try:
            plan = solve_placement_exactly(problem, gap=1e-4)
        except InfeasibleError:
            # The solver only says that there is no plan; this finds the smallest set of limits
            # that cannot hold together.
            check_placement_feasible(problem)
            raise
        prices = [
            *price_of_placement_limits(problem, plan),
            *last_gpu_prices_of_built_placement_pools(problem, plan),
        ]
    # Text and values apart: a label is put in the reader's language before the sentence is made.
    limits = [{"text": price.what.text, "values": price.what.values} for price in prices]
    return StageResult(
        data=placement_plan_summary(problem, plan) | {"limits": limits},
        tables=study_placement_basis_tables(
            problem, plan, [site.site.name for site in inputs.sites], inputs.tenants.value
        ),
    )


PLACEMENT_STAGE = Stage(name="placement", compute=compute_programme_placement)


def can_run_placement_stage(fleet: StageResult) -> bool:
    """Return whether the run is a week long, as a placement needs."""
    return fleet.tables["fleet_load"].height > 0


def placement_problem_of_programme_week(inputs: PlacementStageInputs) -> PlacementProblem:
    """Return the placement problem of a programme's sites and a run's first week."""
    programme, sites, names = inputs.programme, inputs.sites, inputs.tenants.value
    pools = len(sites)
    power = [
        _study_series_repeated_over_placement_hours(site.price_usd_per_mwh)
        for site in programme.sites
    ]
    carbon = [
        _study_series_repeated_over_placement_hours(site.carbon_g_per_kwh)
        for site in programme.sites
    ]
    kwh = np.array([_busy_gpu_hour_kwh_of_first_pool(programme, site.site) for site in sites])[
        :, None
    ]
    kg = kwh * np.array(carbon) / 1000
    paid = np.array([_standing_and_running_usd_per_gpu_hour(site) for site in sites])
    bills = np.array([site.site.rent is None for site in sites])[:, None]  # rent holds the power
    return PlacementProblem(
        class_names=tuple(programme.programme_tenant_labels(names)),
        pool_names=tuple(programme.built_site_labels()),
        site_names=tuple(programme.built_site_labels()),
        site=np.arange(pools, dtype=np.int64),
        demand=inputs.load.value["held_gpus"].to_numpy().reshape(len(names), HOURS),
        draw=np.ones(len(names)),
        run_usd=bills * kwh * np.array(power) / 1000 + paid[:, 1:2] + kg / 1000 * CARBON_USD_PER_T,
        move_usd=np.zeros((len(names), pools)),
        carbon_kg=kg,
        latency_ok=programme.is_site_within_tenant_latency(names),
        residency_ok=programme.is_site_permitted_by_tenant_residency(names),
        type_ok=np.ones((len(names), pools), np.bool_),
        defer_h=np.array(
            [part.defer_h for part in programme.programme_tenant_parts(names)], np.int64
        ),
        size_usd=paid[:, 0] * HOURS,
        open_usd=np.zeros(pools),
        # Sizes need not be whole nodes: the plan says what would be best.
        unit=np.zeros(pools),
        max_size=np.full(pools, GROWTH_FACTOR * sum(site.site.gpus for site in sites)),
    )


def _busy_gpu_hour_kwh_of_first_pool(programme: Programme, site: SitePart) -> float:
    """Return the energy of a busy GPU's hour at a site, overhead included [kWh]."""
    busy_w = {gpu.name: gpu.busy_w for gpu in programme.gpu_types}
    # A plan knows one kind of GPU a site; that of the first pool stands for it.
    return busy_w[site.pools[0].gpu] / 1000 * site.pue


def _standing_and_running_usd_per_gpu_hour(site: StudyCostedSite) -> tuple[float, float]:
    """Return what a GPU costs for an hour: whether it runs or not, and only if it runs."""
    if site.cells is not None:
        return site_cost_without_energy_usd_per_gpu_hour(site.cells), 0.0
    rent = site.site.rent
    price = 0.0 if rent is None else rent.price
    # Reserved hours are paid whether they are used or not, and so stand like a building.
    return (price, 0.0) if rent is not None and rent.paid == "reserved" else (0.0, price)


def _study_series_repeated_over_placement_hours(series: F64) -> F64:
    # `np.resize` repeats the series, as the simulator does; the method of an array would fill up
    # with noughts.
    return np.resize(series, HOURS)


def study_placement_stage_tables(answer: Answer) -> dict[str, pl.DataFrame]:
    """Return the tables of the placement joint."""
    return {
        f"place_{name}": pl.DataFrame(answer[name], infer_schema_length=None) for name in TABLES
    }
