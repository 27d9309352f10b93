"""From the fleet's measured use and energy to the cost of a GPU-hour at each site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from commonwatt.core.seeds import named_random_stream
from commonwatt.runs import Stage, StageOutput, StageResult, StageStore
from commonwatt.siting.domain.cells import SiteCells, borrowed_cost_cell_site_or_empty
from commonwatt.siting.domain.placement import F64
from commonwatt.siting.engines.cost.chance import draw_gpu_hour_costs, gpu_hour_cost_summary
from commonwatt.siting.engines.cost.model import cost_usd_per_effective_pflop_hour
from commonwatt.siting.usecases.cost import (
    ACHIEVED_SHARE,
    PEAK_PFLOPS,
    measured_site_cost_rows_by_table,
)
from commonwatt.study.programme.regions import country_code_of_programme_region
from commonwatt.study.programme.schema import RentPart
from commonwatt.study.stages.basis import (
    study_basis_cost_draw_tables,
    study_rent_site_name_costs_and_prices,
    study_site_name_costs_and_draw_inputs,
)
from commonwatt.study.stages.samplers import site_cost_sampler_with_cached_grid
from commonwatt.study.stages.sites import (
    RENT,
    StudyCostedSite,
    programme_rent_price_cost_input,
    study_rented_gpu_hour_usd,
)
from commonwatt.study.stages.views import programme_site_view_of_cost_stage

DRAWS = 50_000
TABLES = ("sites", "parts", "tornado", "cells")
Answer = dict[str, Any]
Row = dict[str, Any]
DrawnCosts = tuple[str, F64, pl.DataFrame]  # a site, cost by draw, inputs of the first draws


@dataclass(frozen=True, slots=True, kw_only=True)
class CostStageInputs:
    """What decides the cost of a GPU-hour at each site.

    Args:
        sites: Each site with its cells and what was measured there.
        measured: Where use and energy of the sites come from.
        draws: Draws of the inputs.
        seed: Seed of the draws.
        parts: Where what was drawn of a single site is cached.
    """

    sites: tuple[StudyCostedSite, ...]
    measured: StageOutput[Any]
    draws: int
    seed: int
    parts: StageStore = field(metadata={"decides": False}, repr=False)

    @classmethod
    def of(
        cls,
        sites: Sequence[StudyCostedSite],
        fleet: StageResult,
        *,
        seed: int,
        parts: StageStore,
    ) -> CostStageInputs:
        """Return the inputs that a fleet run leaves for the sites."""
        return cls(
            sites=tuple(
                replace(site, site=programme_site_view_of_cost_stage(site.site)) for site in sites
            ),
            measured=fleet.value("measured"),
            draws=DRAWS,
            seed=seed,
            parts=parts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCostStageInputs:
    """What decides the cost of a GPU-hour at one site that is built.

    Args:
        site: The site with its cells and what was measured there.
        cells: Its cells.
        draws: Draws of the inputs.
        seed: Seed of the draws.
        parts: Where what all sites share is cached.
    """

    site: StudyCostedSite
    cells: SiteCells
    draws: int
    seed: int
    parts: StageStore = field(metadata={"decides": False}, repr=False)


def compute_site_costs_of_study(inputs: CostStageInputs) -> StageResult:
    """Return the cost at each site: summary, parts, drivers and inputs, a table of each."""
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    drawn: list[DrawnCosts] = []
    for site in inputs.sites:
        if site.cells is not None:
            own = SiteCostStageInputs(
                site=site,
                cells=site.cells,
                draws=inputs.draws,
                seed=inputs.seed,
                parts=inputs.parts,
            )
            # Apart from the other sites, which a change of one site's price leaves as they were.
            stage = inputs.parts.get_or_compute(SITE_COST_STAGE, own)
            site_rows = stage.data
            costs = stage.tables["draws"]["cost_usd_per_gpu_hour"].to_numpy()
            drawn.append((site.site.name, costs, stage.tables["draw_inputs"]))
        else:
            site_rows = _rented_site_cost_rows_by_table(site, inputs.seed)
            drawn.append(_study_rented_site_name_costs_and_prices(site, inputs.seed))
        for name, more in site_rows.items():
            rows[name] += [row | {"name": site.site.name} for row in more]
    return StageResult(data=rows, tables=study_basis_cost_draw_tables(drawn))


def compute_site_cost_rows_and_draws(inputs: SiteCostStageInputs) -> StageResult:
    """Return the rows of one site by table, the cost of every draw and the inputs of the first."""
    site, cells, seed = inputs.site.site, inputs.cells, inputs.seed
    # Once for the summary and for the table of draws: they are what takes the time.
    sampler = site_cost_sampler_with_cached_grid(cells, inputs.parts)
    spread = draw_gpu_hour_costs(cells, draws=inputs.draws, seed=seed, sampler=sampler)
    rows = measured_site_cost_rows_by_table(cells, label=str(site.title), spread=spread)
    _, costs, draw_inputs = study_site_name_costs_and_draw_inputs(
        site.name, sampler, cells.site, spread.cost, seed
    )
    return StageResult(
        data=_site_cost_rows_with_borrowed_cells_marked(rows, site.region, cells),
        tables={
            "draws": pl.DataFrame({"cost_usd_per_gpu_hour": costs}),
            "draw_inputs": draw_inputs,
        },
    )


SITE_COST_STAGE = Stage(name="site-cost", compute=compute_site_cost_rows_and_draws)
COST_STAGE = Stage(name="cost", compute=compute_site_costs_of_study)


def _site_cost_rows_with_borrowed_cells_marked(
    rows: dict[str, list[Row]], region: str, cells: SiteCells
) -> dict[str, list[Row]]:
    """Return the rows of a site with the cells marked that are another country's."""
    country = country_code_of_programme_region(region)
    owners = [borrowed_cost_cell_site_or_empty(cell, country) for cell in cells.cells]
    # One site of the library stands for one of a programme, so that there is one owner or none.
    summary = {
        "cells_borrowed": sum(map(bool, owners)),
        "borrowed_from": next(filter(None, owners), ""),
    }
    return rows | {
        "sites": [row | summary for row in rows["sites"]],
        "cells": [
            row | {"borrowed_from": owner} for row, owner in zip(rows["cells"], owners, strict=True)
        ],
    }


def _study_rented_site_name_costs_and_prices(site: StudyCostedSite, seed: int) -> DrawnCosts:
    prices = _study_rent_usd_per_gpu_hour_draws(site, seed)
    return study_rent_site_name_costs_and_prices(
        site.site.name, prices, prices * study_rented_gpu_hour_usd(1.0, site.site, site.use)
    )


def _study_rent_usd_per_gpu_hour_draws(site: StudyCostedSite, seed: int) -> F64:
    rent = site.site.rent
    assert rent is not None  # a costed site has cells or a rent
    # A stream for each site, so that one more site moves no draw of another.
    shares = named_random_stream(seed, f"study.rent.{site.site.name}").random(DRAWS)
    return programme_rent_price_cost_input(site.site.name, rent).value.cost_input_quantiles(shares)


def _rented_site_cost_rows_by_table(site: StudyCostedSite, seed: int) -> dict[str, list[Row]]:
    """Return what `measured_site_cost_rows_by_table` does, for a site whose GPUs are rented."""
    rent = site.site.rent
    assert rent is not None  # a costed site has cells or a rent
    label = str(site.site.title)
    return {
        "sites": [_study_rented_site_summary_row(site, seed) | {"site": label}],
        "parts": [{"site": label, "part": "rent", "usd_per_gpu_hour": site.gpu_hour_usd()}],
        "tornado": [_study_rent_price_swing_row(site, rent) | {"site": label}],
        "cells": [_study_rent_price_cell_row(site, rent) | {"site": label}],
    }


def _study_rented_site_summary_row(site: StudyCostedSite, seed: int) -> Row:
    rent_summary = gpu_hour_cost_summary(
        _study_rent_usd_per_gpu_hour_draws(site, seed)
        * study_rented_gpu_hour_usd(1.0, site.site, site.use)
    )
    row: Row = {"site": "", "case": "rented", "at_medians_usd_per_gpu_hour": site.gpu_hour_usd()}
    costs = {"p5": rent_summary.p5, "p50": rent_summary.p50, "p95": rent_summary.p95}
    row |= {f"{name}_usd_per_gpu_hour": cost for name, cost in costs.items()}
    row |= {"mean_usd_per_gpu_hour": rent_summary.mean}
    row |= {
        f"{name}_usd_per_effective_pflop_hour": cost_usd_per_effective_pflop_hour(
            cost, PEAK_PFLOPS, ACHIEVED_SHARE
        )
        for name, cost in costs.items()
    }
    # A rent is a price that somebody quotes: its one input is never an official figure.
    return row | {
        "utilisation_share": site.use, "cells_not_official": 1, "cells": 1,
        "cells_borrowed": 0, "borrowed_from": "",
    }  # fmt: skip


def _study_rent_price_swing_row(site: StudyCostedSite, rent: RentPart) -> Row:
    low, high = (
        programme_rent_price_cost_input(site.site.name, rent).value.cost_input_quantile(q)
        for q in (0.05, 0.95)
    )
    costs = [study_rented_gpu_hour_usd(price, site.site, site.use) for price in (low, high)]
    return {
        "site": "",
        "input": RENT,
        "at_p5": low,
        "at_p95": high,
        "cost_at_p5_usd_per_gpu_hour": costs[0],
        "cost_at_p95_usd_per_gpu_hour": costs[1],
        "swing_usd_per_gpu_hour": abs(costs[1] - costs[0]),
    }


def _study_rent_price_cell_row(site: StudyCostedSite, rent: RentPart) -> Row:
    rent_price = programme_rent_price_cost_input(site.site.name, rent)
    return {
        "site": "",
        "input": RENT,
        "p5": rent_price.value.cost_input_quantile(0.05),
        "median": rent_price.value.cost_input_quantile(0.5),
        "p95": rent_price.value.cost_input_quantile(0.95),
        "source_unit": rent_price.unit,
        "year": None,
        "source": rent.source,
        "dated": "",
        "confidence": "press",
        "note": "",
        "borrowed_from": "",
    }


def study_cost_stage_tables(answer: Answer) -> dict[str, pl.DataFrame]:
    """Return the tables of the cost joint."""
    # All rows are read for the types: a rented site leaves columns empty that others fill.
    return {f"cost_{name}": pl.DataFrame(answer[name], infer_schema_length=None) for name in TABLES}
