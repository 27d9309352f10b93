"""Which sites to open for given classes of load, on real prices and carbon."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from commonwatt.core.errors import InfeasibleError, TableError, UsageError, table_cell_location_text
from commonwatt.core.messages import Message
from commonwatt.core.spreadsheets import read_spreadsheet_csv_names_and_rows
from commonwatt.siting.domain.cells import site_cells
from commonwatt.siting.domain.cooling import ADDER_USD_PER_KWH, Cooling, site_hourly_pue
from commonwatt.siting.domain.market import PowerMarket
from commonwatt.siting.domain.placement import (
    F64,
    PlacementPlan,
    PlacementProblem,
    placement_carbon_kg,
)
from commonwatt.siting.engines.cost.model import HOURS, levelised_usd_per_gpu_hour_by_part
from commonwatt.siting.engines.place.decompose import solve_placement_by_days
from commonwatt.siting.engines.place.exact import solve_placement_exactly
from commonwatt.siting.engines.place.explain import (
    check_placement_feasible,
    last_gpu_prices_of_built_placement_pools,
    placement_carbon_and_its_cost_message,
    price_of_placement_limits,
)
from commonwatt.siting.engines.place.rolling import (
    best_region_saving_share,
    outcome_of_day_ahead_planning,
    outcome_of_planning_in_hindsight,
    placement_outcome_at_origin,
    rolling_case_of_market,
)
from commonwatt.siting.io.cells import DATA, load_cost_cells
from commonwatt.siting.io.series import load_power_market, read_power_market

Row = dict[str, Any]
TRANSFER_USD_PER_GB: Final = 0.08  # Google Cloud price list via SustainCluster: 0.02 to 0.14
EXACT_HOURS: Final = 168
DEFAULT_COST_SITE: Final = "eu-germany"  # cost of building of a region that the table does not name


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementOptions:
    """What a user may choose.

    Args:
        year: Year of prices and carbon.
        folder: Folder of yearly files instead of the shipped year, see `read_power_market`.
        leave_out: Grid zones not to use.
        first_hour: Hour of that year to start at.
        hours: Hours to place, whole days.
        carbon_usd_per_t: Price put on carbon.
        carbon_cap_t: Carbon over all hours at most; None for none.
        unit_gpus: Step of sizes [GPU]; 0 for any size.
        open_usd_per_year: Cost of opening a site at all.
        max_gpus: Largest pool [H100-equivalents].
        types: GPU types that may be bought.
        cooling: Cooling of every site.
        gap: Gap to prove.
        explain: Also price the limits, which solves the problem again without each.
    """

    year: int = 2023
    folder: Path | None = None
    leave_out: tuple[str, ...] = ()
    first_hour: int = 0
    hours: int = EXACT_HOURS
    carbon_usd_per_t: float = 50.0
    carbon_cap_t: float | None = None
    unit_gpus: float = 0.0
    open_usd_per_year: float = 0.0
    max_gpus: float = 20_000.0
    types: tuple[str, ...] = ("H100",)
    cooling: Cooling = Cooling.ECONOMISER
    gap: float = 1e-4
    explain: bool = True


def placement_result(
    classes: Path | Sequence[Row] | None = None, choices: PlacementOptions | None = None
) -> Row:
    """Return the whole answer of `siting place`.

    Args:
        classes: A file of classes, or its rows with numbers as numbers; the shipped
            example by default.
        choices: What else may be chosen.

    Raises:
        InfeasibleError: With the smallest set of limits that cannot hold together.
    """
    chosen = choices or PlacementOptions()
    market = open_power_market(chosen.year, chosen.folder, chosen.leave_out)
    if classes is None or isinstance(classes, Path):
        classes = load_placement_class_rows(classes or DATA / "classes.csv")
    problem = build_placement_problem(market, classes, chosen)
    plan = solve_placement(problem, chosen)
    limits = [price.what for price in last_gpu_prices_of_built_placement_pools(problem, plan)]
    if chosen.explain:
        limits = [
            price.what for price in price_of_placement_limits(problem, plan, gap=chosen.gap)
        ] + limits
    limits.append(placement_carbon_and_its_cost_message(problem, plan, chosen.carbon_usd_per_t))
    return {
        "year": chosen.year,
        "hours": chosen.hours,
        **placement_plan_summary(problem, plan),
        "limits": limits,
    }


def open_power_market(year: int, folder: Path | None, leave_out: Sequence[str] = ()) -> PowerMarket:
    """Return the shipped market of a year, or that of a folder of yearly files."""
    if folder is None:
        return load_power_market(year, leave_out=leave_out)
    return read_power_market(folder, year, leave_out=leave_out)


def solve_placement(problem: PlacementProblem, choices: PlacementOptions) -> PlacementPlan:
    """Return a plan, exact where the horizon is short, with conflicts named."""
    # A cap on carbon ties all days together, which only the whole model can hold; without one the
    # days fall apart, and a year in one model would not fit.
    short = choices.hours <= EXACT_HOURS or np.isfinite(problem.carbon_cap_kg)
    try:
        if short:
            return solve_placement_exactly(problem, gap=choices.gap)
        return solve_placement_by_days(problem, gap=choices.gap)
    except InfeasibleError:
        # HiGHS says only that nothing fits; the user is told which limits cannot hold together.
        check_placement_feasible(problem)
        raise


def load_placement_class_rows(path: Path) -> list[Row]:
    """Return the classes of a CSV file.

    Raises:
        TableError: A column is missing or a value is not a number.
    """
    wanted = (
        "class", "origin", "gpus", "latency_ms", "residency", "types", "defer_h", "gb_per_gpu_hour",
    )  # fmt: skip
    try:
        rows: list[Row] = [{**row} for row in read_spreadsheet_csv_names_and_rows(path)[1]]
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(str(path), found=Message("no readable file")) from error
    if not rows or any(name not in rows[0] for name in wanted):
        raise TableError(
            path.name, wanted=Message("the columns {names}", {"names": ", ".join(wanted)})
        )
    # The header is line 1, so the message names the line that an editor shows.
    for number, row in enumerate(rows, start=2):
        for name in ("gpus", "latency_ms", "defer_h", "gb_per_gpu_hour"):
            row[name] = _parse_placement_number(
                row[name], table_cell_location_text(path.name, number, name)
            )
    return rows


def _parse_placement_number(class_cell: str, where: str) -> float:
    try:
        value = float(class_cell)
    except ValueError as error:
        raise TableError(
            where, found=repr(class_cell), wanted=Message("a number, not negative")
        ) from error
    if not value >= 0:  # so written that NaN fails, too
        raise TableError(where, found=repr(class_cell), wanted=Message("a number, not negative"))
    return value


def build_placement_problem(
    market: PowerMarket, classes: Sequence[Row], choices: PlacementOptions
) -> PlacementProblem:
    """Return the arrays of a placement on a market's hours."""
    window = market.power_market_of_hour_window(choices.first_hour, choices.hours)
    types = _gpu_type_cost_rows(choices.types)
    sites, pools = list(market.names), [(s, t) for s in range(len(market.names)) for t in types]
    origin = [_market_region_index(market, str(row["origin"])) for row in classes]
    shape = _hourly_placement_load_shape(choices.first_hour + choices.hours)[choices.first_hour :]
    power, carbon = _pool_usd_and_carbon_kg_per_h100_hour(window, pools, choices)
    # Sizes are priced by the year and hours as they run: a week of a plan pays a week of the pools.
    share = choices.hours / HOURS
    cap = np.inf if choices.carbon_cap_t is None else choices.carbon_cap_t * 1000
    return PlacementProblem(
        class_names=tuple(str(row["class"]) for row in classes),
        pool_names=tuple(f"{sites[s]} {t['type']}" for s, t in pools),
        site_names=tuple(sites),
        site=np.array([s for s, _ in pools], dtype=np.int64),
        demand=np.array([row["gpus"] * shape for row in classes]),
        draw=np.full(len(classes), 1.0),
        run_usd=power,
        move_usd=_transfer_usd_per_gpu_hour_by_class_and_pool(classes, origin, pools),
        carbon_kg=carbon,
        latency_ok=np.array(
            [
                # A limit below a region's own round trip would otherwise shut a class out of its
                # own region.
                [s == o or window.rtt_ms[o, s] <= row["latency_ms"] for s, _ in pools]
                for row, o in zip(classes, origin, strict=True)
            ]
        ),
        residency_ok=np.array(
            [
                [_is_placement_pool_allowed(row["residency"], sites[s]) for s, _ in pools]
                for row in classes
            ]
        ),
        type_ok=np.array(
            [
                [_is_placement_pool_allowed(row["types"], t["type"]) for _, t in pools]
                for row in classes
            ]
        ),
        defer_h=np.array([int(row["defer_h"]) for row in classes], dtype=np.int64),
        size_usd=np.array(
            [fixed_usd_per_h100_equivalent_year(sites[s], t) * share for s, t in pools]
        ),
        open_usd=np.full(len(sites), choices.open_usd_per_year * share),
        unit=np.full(len(pools), choices.unit_gpus),
        max_size=np.full(len(pools), choices.max_gpus),
        carbon_cap_kg=cap,
    )


def _hourly_placement_load_shape(year_hours: int) -> F64:
    """Return the shipped load shape, repeated where a year is longer, shape (hours,)."""
    shape = pl.read_parquet(DATA / "regions" / "shape.parquet")["load_ratio"].to_numpy()
    # The function of NumPy repeats the shape; the array's own method would fill up with zeros.
    return np.resize(shape.astype(np.float64), year_hours)


def fixed_usd_per_h100_equivalent_year(region: str, gpu: Mapping[str, Any]) -> float:
    """Return the yearly cost of one H100-equivalent in a region, energy left out [USD]."""
    cells = site_cells(load_cost_cells(), cost_site_of_region(region))
    parts = levelised_usd_per_gpu_hour_by_part(
        cells.median_cost_inputs()._replace(
            server_usd_per_gpu=gpu["server_usd_per_gpu"],
            it_kw_per_gpu=gpu["it_kw_per_gpu"],
            # Per hour that is there and not per useful one: how well a pool is used is for the plan
            # to find.
            utilisation_share=1.0,
        )
    )
    # Energy is paid by the hour in the plan itself, and would be counted twice.
    return HOURS * (sum(parts.values()) - parts["energy"]) / gpu["speed"]


def cost_site_of_region(region: str) -> str:
    """Return the library site whose cost of building stands for a region."""
    with (DATA / "site_of_region.csv").open(encoding="utf-8", newline="") as file:
        table = {row["region"]: row["site"] for row in csv.DictReader(file)}
    return table.get(region, DEFAULT_COST_SITE)


def _gpu_type_cost_rows(gpu_types: Sequence[str]) -> list[Row]:
    with (DATA / "gpu_types.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["type"]: row for row in csv.DictReader(file)}
    unknown = [name for name in gpu_types if name not in rows]
    if unknown:
        raise UsageError(
            unknown[0],
            found=Message("no such GPU type"),
            wanted=Message("one of {names}", {"names": ", ".join(rows)}),
        )
    # All types in one unit, so that a class that may use several has one demand.
    base = float(rows["H100"]["peak_bf16_pflops"])
    numbers = ("peak_bf16_pflops", "server_usd_per_gpu", "it_kw_per_gpu")
    return [
        {"type": name, "speed": float(rows[name]["peak_bf16_pflops"]) / base}
        | {key: float(rows[name][key]) for key in numbers}
        for name in gpu_types
    ]


def _market_region_index(market: PowerMarket, region_name: str) -> int:
    if region_name not in market.names:
        raise UsageError(
            region_name,
            found=Message("no such region"),
            wanted=Message("one of {names}", {"names": ", ".join(market.names)}),
        )
    return market.names.index(region_name)


def _is_placement_pool_allowed(allowed_names: str, candidate_name: str) -> bool:
    return not allowed_names or candidate_name in allowed_names.split("|")


def _pool_usd_and_carbon_kg_per_h100_hour(
    window: PowerMarket, pools: Sequence[tuple[int, Row]], choices: PlacementOptions
) -> tuple[F64, F64]:
    """Return cost and carbon of one H100-equivalent for one hour, each shape (J, T)."""
    busy = 0.72  # draw over rating, as in the library; placement moves whole GPUs, used or not
    cost: list[F64] = []
    carbon: list[F64] = []
    for s, gpu in pools:
        pue = site_hourly_pue(window.temp_c[s], window.rh_pct[s], choices.cooling)
        kwh = gpu["it_kw_per_gpu"] * busy * pue / gpu["speed"]
        kg = window.carbon_g_per_kwh[s] / 1000 * kwh
        tariff = window.price_usd_per_mwh[s] / 1000 + ADDER_USD_PER_KWH
        cost.append(kwh * tariff + kg / 1000 * choices.carbon_usd_per_t)
        carbon.append(kg)
    return np.array(cost), np.array(carbon)


def _transfer_usd_per_gpu_hour_by_class_and_pool(
    classes: Sequence[Row], origin: Sequence[int], pools: Sequence[tuple[int, Row]]
) -> F64:
    return np.array(
        [
            [0.0 if s == o else row["gb_per_gpu_hour"] * TRANSFER_USD_PER_GB for s, _ in pools]
            for row, o in zip(classes, origin, strict=True)
        ]
    )


def _placement_pool_rows(problem: PlacementProblem, plan: PlacementPlan) -> list[Row]:
    use = plan.load.sum(axis=0)
    out: list[Row] = []
    # A solver stops within its tolerance: pools that it does not build keep a trace of size.
    for j in np.flatnonzero(plan.size > 1e-6):
        carbon = float(
            (np.einsum("k,kt->t", problem.draw, plan.load[:, j]) * problem.carbon_kg[j]).sum()
        )
        out.append(
            {
                "pool": problem.pool_names[j],
                "h100_equivalents": float(plan.size[j]),
                "mean_use_share": float(use[j].mean() / plan.size[j]),
                "size_usd": float(plan.size[j] * problem.size_usd[j]),
                "running_usd": float((use[j] * problem.run_usd[j]).sum()),
                "carbon_t": carbon / 1000,
                "last_gpu_saves_usd": float(plan.capacity_usd[j].sum()),
                "last_gpu_costs_usd": float(problem.size_usd[j]),
            }
        )
    return out


def _placement_class_share_rows(problem: PlacementProblem, plan: PlacementPlan) -> list[Row]:
    # A class may ask for nothing, and then has no shares.
    total = np.maximum(plan.load.sum(axis=(1, 2)), 1e-12)
    return [
        {
            "class": problem.class_names[k],
            "pool": problem.pool_names[j],
            "share": float(plan.load[k, j].sum() / total[k]),
        }
        for k, j in np.argwhere(plan.load.sum(axis=2) > 1e-6 * total[:, None])
    ]


def _placement_hourly_load_rows(problem: PlacementProblem, plan: PlacementPlan) -> list[Row]:
    use = plan.load.sum(axis=0)
    return [
        {"hour": int(t), "pool": problem.pool_names[j], "load_gpus": float(use[j, t])}
        for j in np.flatnonzero(plan.size > 1e-6)
        for t in range(use.shape[1])
    ]


def day_ahead_placement_rows(
    limits_ms: Sequence[float],
    *,
    year: int = 2023,
    carbon_usd_per_t: float = 50.0,
    folder: Path | None = None,
    leave_out: Sequence[str] = (),
) -> list[Row]:
    """Return, by latency limit, what day-ahead planning saves beside hindsight."""
    market = open_power_market(year, folder, leave_out)
    shape = _hourly_placement_load_shape(market.price_usd_per_mwh.shape[1])
    return [_day_ahead_placement_row(market, ms, shape, carbon_usd_per_t) for ms in limits_ms]


def _day_ahead_placement_row(
    market: PowerMarket, ms: float, shape: F64, carbon_usd_per_t: float
) -> Row:
    case = rolling_case_of_market(market, ms, shape=shape, carbon_usd_per_t=carbon_usd_per_t)
    home, ahead, behind = (
        placement_outcome_at_origin(case),
        outcome_of_day_ahead_planning(case),
        outcome_of_planning_in_hindsight(case),
    )
    return {
        "latency_limit_ms": ms,
        "price_ceiling_share": best_region_saving_share(market, ms, market.price_usd_per_mwh),
        "carbon_ceiling_share": best_region_saving_share(market, ms, market.carbon_g_per_kwh),
        "hindsight_saves_cost_share": 1 - behind.objective_usd / home.objective_usd,
        "day_ahead_saves_cost_share": 1 - ahead.objective_usd / home.objective_usd,
        "hindsight_saves_carbon_share": 1 - behind.carbon_t / home.carbon_t,
        "day_ahead_saves_carbon_share": 1 - ahead.carbon_t / home.carbon_t,
        "cost_over_hindsight_share": ahead.objective_usd / behind.objective_usd - 1,
        "carbon_over_hindsight_share": ahead.carbon_t / behind.carbon_t - 1,
        "load_beyond_limit_mwh": ahead.far_share,
    }


def placement_plan_summary(problem: PlacementProblem, plan: PlacementPlan) -> Row:
    """Return a plan's cost, proof, sites, classes and hours."""
    return {
        "cost_usd": plan.cost_usd,
        "bound_usd": plan.bound_usd,
        "gap_share": plan.optimality_gap_share,
        "carbon_t": placement_carbon_kg(problem, plan.load) / 1000,
        "sites": _placement_pool_rows(problem, plan),
        "classes": _placement_class_share_rows(problem, plan),
        "hourly": _placement_hourly_load_rows(problem, plan),
    }
