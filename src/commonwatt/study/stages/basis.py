"""Tables that the figures are evaluated over, made by the stages before any figure exists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from commonwatt.core.seeds import named_random_stream
from commonwatt.fleet.domain.result import JobState
from commonwatt.fleet.domain.workload import I64
from commonwatt.fleet.engines.timeline import gpu_milli_held_series
from commonwatt.fleet.usecases.simulate import FleetRun
from commonwatt.siting.domain.cost_inputs import NAMES
from commonwatt.siting.domain.placement import PlacementPlan, PlacementProblem
from commonwatt.siting.engines.cost.arrays import BLOCK
from commonwatt.siting.engines.cost.chance import CostSampler, cost_inputs_of_normal_scores
from commonwatt.study.programme.reader import Programme
from commonwatt.study.programme.schema import FundingPart
from commonwatt.study.stages.sites import RENT, StudyCostedSite
from commonwatt.study.tables import (
    BASIS_ACCOUNTS,
    BASIS_BOUND,
    BASIS_COSTS,
    BASIS_DRAW,
    BASIS_DRAW_INPUTS,
    BASIS_DRAWS,
    BASIS_HOURS,
    BASIS_INPUTS,
    BASIS_JOBS,
    BASIS_LOADS,
    BASIS_NODES,
    BASIS_PATHS,
    BASIS_PIECES,
    BASIS_RATES,
    BASIS_SITES,
    BASIS_SIZES,
    BASIS_TERMS,
    BASIS_TRIPS,
)
from commonwatt.treasury.engines.projection import Projection
from commonwatt.treasury.usecases.finance import FundingPaths

HOUR_MS: Final = 3_600_000
# Enough that a law which errs in a corner of its inputs shows, and few enough to be kept.
DRAWS_WITH_INPUTS: Final = 200
Tables = dict[str, pl.DataFrame]


def study_fleet_run_basis_tables(programme: Programme, run: FleetRun) -> Tables:
    """Return sites, nodes, jobs, pieces, priced spans and round trips of a fleet run.

    The column `run` stands empty: a stage does not know which variants share it.
    """
    fleet = run.inputs.fleet
    names = [site.name for site in fleet.sites]
    kinds = [kind.name for kind in fleet.gpu_types]
    return {
        BASIS_SITES.name: BASIS_SITES.build_frame(
            run=[""] * len(names),
            site=names,
            title=programme.built_site_labels(),
            pue=[site.pue for site in fleet.sites],
        ),
        BASIS_NODES.name: BASIS_NODES.build_frame(
            run=[""] * len(fleet.gpus),
            node=np.arange(len(fleet.gpus)),
            site=[names[i] for i in fleet.site],
            gpu=[kinds[k] for k in fleet.gpu_type],
            gpus=fleet.gpus,
        ),
        BASIS_DRAW.name: BASIS_DRAW.build_frame(
            run=[""] * len(kinds),
            gpu=kinds,
            idle_w=[kind.idle_w for kind in fleet.gpu_types],
            busy_w=[kind.busy_w for kind in fleet.gpu_types],
        ),
        BASIS_JOBS.name: _study_basis_fleet_jobs_frame(run),
        BASIS_PIECES.name: _study_basis_gang_pieces_frame(run),
        BASIS_HOURS.name: _study_basis_priced_spans_frame(run),
        BASIS_TRIPS.name: _study_basis_round_trips_frame(programme, run, names),
    }


def _study_basis_fleet_jobs_frame(run: FleetRun) -> pl.DataFrame:
    jobs, result = run.inputs.workload, run.result
    return BASIS_JOBS.build_frame(
        run=[""] * len(jobs),
        job=np.arange(len(jobs)),
        tenant=[jobs.tenant_names[i] for i in jobs.tenant],
        submit_s=jobs.submit_ms / 1000,
        start_s=_study_basis_seconds_or_null(result.start_ms),
        end_s=_study_basis_seconds_or_null(result.end_ms),
        admitted=result.state != JobState.REJECTED,
        finished=result.state == JobState.FINISHED,
    )


def _study_basis_seconds_or_null(at_ms: I64) -> pl.Series:
    values = pl.Series(at_ms / 1000)
    # The engine writes -1 for what never happened; as a number it would enter every mean.
    return pl.select(pl.when(pl.Series(at_ms >= 0)).then(values)).to_series()


def _study_basis_gang_pieces_frame(run: FleetRun) -> pl.DataFrame:
    """Return every piece, and one without a node for each stretch that holds none."""
    own, result = run.result.segments, run.result
    segment, node, milli = own.segment_node_and_gpu_milli()
    # A job without GPUs may run and hold no node; it still waited, and has to be counted.
    without = np.flatnonzero(own.node < 0)
    segment = np.concatenate([segment, without])
    node = np.concatenate([node, np.full(len(without), -1)])
    milli = np.concatenate([milli, np.zeros(len(without), np.int64)])
    order = np.argsort(segment, kind="stable")  # the first node of a gang stays the first
    segment, node, milli = segment[order], node[order], milli[order]
    first = np.searchsorted(segment, segment, side="left")
    last = np.append(own.job[1:] != own.job[:-1], True) if len(own) else np.zeros(0, np.bool_)
    ends_its_job = last & (result.end_ms[own.job] == own.end_ms)
    return BASIS_PIECES.build_frame(
        run=[""] * len(segment),
        job=own.job[segment],
        piece=np.arange(len(segment)) - first,
        node=node,
        gpus=milli / 1000,
        from_s=own.start_ms[segment] / 1000,
        until_s=own.end_ms[segment] / 1000,
        queued_again=~ends_its_job[segment],
    )


def _study_basis_priced_spans_frame(run: FleetRun) -> pl.DataFrame:
    """Return the spans of one price: clock hours, cut at both ends of the arrivals."""
    fleet, submit = run.inputs.fleet, run.inputs.workload.submit_ms
    first, last = int(submit[0]), int(submit[-1])
    end = max(int(run.result.end_ms.max(initial=0)), last)
    # Whole milliseconds, as everywhere in the simulator, so that spans meet exactly; `-(-a // b)`
    # rounds up without floats.
    whole = np.arange(first // HOUR_MS + 1, -(-end // HOUR_MS)) * HOUR_MS
    cuts = np.unique(np.concatenate([[first, last, end], whole]).astype(np.int64))
    hour = cuts[:-1] // HOUR_MS
    frames: list[pl.DataFrame] = []
    for i, site in enumerate(fleet.sites):
        for k, kind in enumerate(fleet.gpu_types):
            nodes = (fleet.site == i) & (fleet.gpu_type == k)
            if not nodes.any():
                continue
            held = np.diff(
                gpu_milli_held_series(run.result, nodes.astype(np.int64), 1).integral_until(cuts)
            )
            frames.append(
                BASIS_HOURS.build_frame(
                    run=[""] * len(hour),
                    site=[site.name] * len(hour),
                    gpu=[kind.name] * len(hour),
                    from_s=cuts[:-1] / 1000,
                    until_s=cuts[1:] / 1000,
                    # The cuts stand at both ends of the window, so each span lies wholly within it
                    # or without.
                    in_window=cuts[1:] <= last,
                    held_gpu_h=held / 1000 / HOUR_MS,
                    price_usd_per_mwh=site.price_usd_per_mwh[hour % len(site.price_usd_per_mwh)],
                    carbon_g_per_kwh=site.carbon_g_per_kwh[hour % len(site.carbon_g_per_kwh)],
                )
            )
    return pl.concat(frames)


def _study_basis_round_trips_frame(
    programme: Programme, run: FleetRun, sites: Sequence[str]
) -> pl.DataFrame:
    tenants = run.inputs.workload.tenant_names
    trips = programme.places_to_built_sites_round_trips_ms()[
        np.array(programme.tenant_origin_place_indices(tenants))
    ]
    return BASIS_TRIPS.build_frame(
        run=[""] * trips.size,
        tenant=[tenant for tenant in tenants for _ in sites],
        site=[site for _ in tenants for site in sites],
        round_trip_ms=pl.Series(trips.ravel()).fill_nan(None),
    )


def study_basis_with_run_column(tables: Mapping[str, pl.DataFrame], run: str) -> Tables:
    """Return the basis of a fleet run under the name of the variant that it stands for."""
    return {name: frame.with_columns(run=pl.lit(run)) for name, frame in tables.items()}


def study_cost_basis_tables(variant: str, sites: Sequence[StudyCostedSite], scale: float) -> Tables:
    """Return GPUs, use and the median of every input of the cost of each site."""
    return {
        BASIS_COSTS.name: BASIS_COSTS.build_frame(
            variant=[variant] * len(sites),
            site=[site.site.name for site in sites],
            gpus=[site.site.gpus for site in sites],
            scale=[scale] * len(sites),
            utilisation_share=[site.use for site in sites],
            held_gpu_h=[site.gpu_hours for site in sites],
            rented=[site.cells is None for site in sites],
            every_hour_paid=[
                site.site.rent is not None and site.site.rent.paid == "reserved" for site in sites
            ],
        ),
        BASIS_INPUTS.name: BASIS_INPUTS.frame_from_rows(
            {"variant": variant, "site": site.site.name, "input": name, "value": value}
            for site in sites
            for name, value in _study_cost_input_names_with_medians(site)
        ),
    }


def _study_cost_input_names_with_medians(site: StudyCostedSite) -> Iterator[tuple[str, float]]:
    if site.cells is not None:
        yield from zip(NAMES, map(float, site.cells.median_cost_inputs()), strict=True)
    else:
        rent = next(site.sourced_inputs_of_site_cost())
        yield rent.name, rent.value.cost_input_quantile(0.5)


def study_basis_cost_draw_tables(
    drawn: Iterable[tuple[str, np.ndarray[Any, Any], pl.DataFrame]],
) -> Tables:
    """Return the cost of every draw by site, and the inputs of the first of them.

    Args:
        drawn: Name of a site, the cost of its draws, and the inputs of the first draws.
    """
    parts = list(drawn)
    return {
        BASIS_DRAWS.name: pl.concat(
            BASIS_DRAWS.build_frame(
                site=[name] * len(costs),
                draw=np.arange(len(costs)),
                cost_usd_per_gpu_hour=costs,
            )
            for name, costs, _ in parts
        ),
        BASIS_DRAW_INPUTS.name: pl.concat(frame for _, _, frame in parts),
    }


def study_site_name_costs_and_draw_inputs(
    name: str, sampler: CostSampler, stream: str, costs: np.ndarray[Any, Any], seed: int
) -> tuple[str, np.ndarray[Any, Any], pl.DataFrame]:
    """Return the cost of every draw of a site's cells, and the inputs of the first draws.

    Args:
        name: The site.
        sampler: What turns scores into its inputs.
        stream: Name of the site whose cells were drawn.
        costs: What `draw_gpu_hour_costs` gives of the cells and the seed, shape (draws,).
        seed: The seed.
    """
    draws = len(costs)
    count = min(draws, DRAWS_WITH_INPUTS)
    # The shape of the kernel's first block: the same stream gives the same numbers only when it
    # fills the same array.
    scores = np.empty((min(draws, BLOCK), len(NAMES)), np.float32)
    named_random_stream(seed, f"siting.cost.{stream}").standard_normal(out=scores, dtype=np.float32)
    values = cost_inputs_of_normal_scores(sampler, scores[:count])
    return name, costs, study_site_draw_inputs_frame(name, NAMES, values)


def study_site_draw_inputs_frame(
    name: str, inputs: Sequence[str], values: np.ndarray[Any, Any]
) -> pl.DataFrame:
    """Return the inputs of draws as a table, from values of shape (draws, inputs)."""
    count = len(values)
    return BASIS_DRAW_INPUTS.build_frame(
        site=[name] * values.size,
        draw=np.repeat(np.arange(count), len(inputs)),
        input=list(inputs) * count,
        value=values.ravel(),
    )


def study_rent_site_name_costs_and_prices(
    name: str, prices: np.ndarray[Any, Any], costs: np.ndarray[Any, Any]
) -> tuple[str, np.ndarray[Any, Any], pl.DataFrame]:
    """Return the cost of every draw of a rented site, and the prices of the first draws."""
    return (
        name,
        costs,
        study_site_draw_inputs_frame(name, (RENT,), prices[:DRAWS_WITH_INPUTS, None]),
    )


def study_placement_basis_tables(
    problem: PlacementProblem, plan: PlacementPlan, names: Sequence[str], tenants: Sequence[str]
) -> Tables:
    """Return sizes, loads and rates of a plan, and what the solver proved of it.

    The plan is priced as the programme's problem is: no class draws less than the rating,
    moving costs nothing and no site costs anything to open. Another problem is refused,
    because the tables would not hold what its plan costs.

    Raises:
        ValueError: The problem has a cost that the tables do not hold.
    """
    if problem.move_usd.any() or problem.open_usd.any() or (problem.draw != 1).any():
        raise ValueError("a plan with costs of moving, of opening, or of partial draw")
    hours = problem.shape[2]
    # Most tenants run at one or two sites: the noughts would be nearly all of the table.
    used = np.argwhere(plan.load != 0)
    return {
        BASIS_SIZES.name: BASIS_SIZES.build_frame(
            site=list(names), gpus=plan.size, usd_per_gpu=problem.size_usd
        ),
        BASIS_LOADS.name: BASIS_LOADS.build_frame(
            tenant=[tenants[k] for k in used[:, 0]],
            site=[names[j] for j in used[:, 1]],
            hour=used[:, 2],
            gpus=plan.load[tuple(used.T)],
        ),
        BASIS_RATES.name: BASIS_RATES.build_frame(
            site=[name for name in names for _ in range(hours)],
            hour=list(range(hours)) * len(names),
            usd_per_gpu_h=problem.run_usd.ravel(),
            kg_per_gpu_h=problem.carbon_kg.ravel(),
        ),
        BASIS_BOUND.name: BASIS_BOUND.build_frame(bound_usd=[plan.bound_usd]),
    }


def study_debt_path_basis_frame(
    variant: str, path: str, projection: Projection, need: Mapping[int, float], currency: str
) -> pl.DataFrame:
    """Return GDP and debt of each year of a planned path."""
    return BASIS_ACCOUNTS.in_currency(currency).frame_from_rows(
        {
            "variant": variant,
            "path": path,
            "year": year.year,
            "fiscal_year": year.name,
            "need_bn": need.get(year.year, 0.0),
            "gdp_bn": year.gdp,
            "debt_before_bn": year.debt_before,
            "revaluation_bn": year.revaluation,
            "issuance_bn": year.gross_issuance,
            "redemption_bn": year.redemption,
            "interest_bn": year.interest,
            "debt_bn": year.debt,
            "reserves_bn": year.reserves,
        }
        for year in projection.years
    )


def study_funding_terms_basis_frame(
    variant: str, part: FundingPart, ceiling_bn: float
) -> pl.DataFrame:
    """Return the terms of a funding; the ceiling is infinite where the country has none."""
    terms = {
        "scale": part.scale,
        "currency_per_usd": part.currency_per_usd,
        "first_year": part.first_year,
        "build_years": part.build_years,
        "steepness": part.steepness,
        "years": part.years,
        "ceiling_bn": ceiling_bn,
    }
    return BASIS_TERMS.frame_from_rows(
        {"variant": variant, "input": name, "value": value} for name, value in terms.items()
    )


def study_funding_basis_tables(
    variant: str, funding_paths: FundingPaths, part: FundingPart
) -> Tables:
    """Return the terms of the funding, both planned paths, and the last year of both fans."""
    with_need, without = funding_paths.with_need, funding_paths.without_need
    money = with_need.projection.country.currency
    return {
        BASIS_TERMS.name: study_funding_terms_basis_frame(
            variant, part, float(with_need.inputs.ceiling[-1])
        ),
        BASIS_ACCOUNTS.name: pl.concat(
            [
                study_debt_path_basis_frame(variant, "without", without.projection, {}, money),
                study_debt_path_basis_frame(
                    variant, "with", with_need.projection, funding_paths.need, money
                ),
            ]
        ),
        BASIS_PATHS.name: BASIS_PATHS.build_frame(
            path=np.arange(part.paths),
            debt_with_gdp_share=with_need.paths.debt[-1].astype(np.float64),
            debt_without_gdp_share=without.paths.debt[-1].astype(np.float64),
            debt_with_bn=with_need.paths.last_debt,
        ),
    }
