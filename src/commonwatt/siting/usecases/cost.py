"""What a GPU-hour costs by site, how sure that is, and what drives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.core.seeds import named_random_stream
from commonwatt.siting.domain.cells import (
    PRICE_YEAR,
    CellConfidence,
    CellOrigin,
    CostCell,
    SiteCells,
    site_cells,
    sites_of_cost_cells,
)
from commonwatt.siting.domain.cooling import (
    ADDER_USD_PER_KWH,
    Cooling,
    site_hourly_pue,
    site_tariff_usd_per_kwh_and_pue,
)
from commonwatt.siting.domain.cost_inputs import NAMES
from commonwatt.siting.domain.distributions import Distribution, DistributionShape
from commonwatt.siting.engines.cost.chance import (
    CostDraws,
    cost_sobol_indices,
    draw_gpu_hour_costs,
    gpu_hour_cost_summary,
    site_gpu_hour_costs_usd_by_draw,
)
from commonwatt.siting.engines.cost.drivers import (
    break_even_tariff_usd_per_kwh,
    break_even_utilisation,
    cost_tornado,
    site_cost_ratio_matrix,
)
from commonwatt.siting.engines.cost.model import (
    cost_usd_per_effective_pflop_hour,
    levelised_compute_cost_usd_per_gpu_hour,
    levelised_usd_per_gpu_hour_by_part,
)
from commonwatt.siting.io.cells import DATA, load_cost_cells
from commonwatt.siting.io.series import load_power_market

Row = dict[str, Any]

CASES: Final[Mapping[str, str]] = {
    "audited": "the shipped cells, each with its source",
    "column": "a newspaper column's own figures, the rest as audited",
    "equal": "audited, but the first site's use and US chip prices everywhere",
}
PEAK_PFLOPS: Final = 0.9894  # H100 SXM, dense BF16 (Epoch AI, ML hardware)
ACHIEVED_SHARE: Final = 0.40  # Meta (2024), The Llama 3 Herd of Models: 38 to 43 % in BF16
RENT_USD: Final = 2.5  # asking price of an H100-hour on demand, press, 2025
MARKED_CONFIDENCES: Final = (
    CellConfidence.PRESS,
    CellConfidence.REMEMBERED,
    CellConfidence.ESTIMATE,
    CellConfidence.CLAIM,
)


def load_library_cost_cells(path: Path | None = None) -> list[CostCell]:
    """Return the shipped cells, or those of `path`."""
    return load_cost_cells(path)


def fixed_cost_distribution(value: float) -> Distribution:
    """Return a value without spread."""
    return Distribution(DistributionShape.FIXED, value, value, value)


def site_cost_cells_under_case(
    cells: Sequence[CostCell], site: str, case: str, first: str
) -> SiteCells:
    """Return a site's cells under a case.

    Raises:
        UsageError: The site or the case is unknown.
    """
    if site not in sites_of_cost_cells(cells):
        raise UsageError(
            site,
            found=Message("no such site"),
            wanted=Message("one of {names}", {"names": ", ".join(sites_of_cost_cells(cells))}),
        )
    chosen = site_cells(cells, site)
    if case == "column":
        return site_cells([*cells, *load_cost_cells(DATA / "column_cells.csv")], site)
    # The question of what is left of a difference once the contested inputs are equal.
    if case == "equal":
        use = site_cells(cells, first)["utilisation_share"].value
        # The use keeps its spread: fixed, the first site's own band would be wider than the
        # other's.
        values = {"utilisation_share": use, "hardware_price_ratio": fixed_cost_distribution(1.0)}
        return chosen.with_cost_values(values, f"as at {first}", CellOrigin.LIBRARY)
    return chosen


def site_cost_cells_with_measured_use(
    cells: SiteCells, *, utilisation: float | None, kwh_per_gpu_hour: float | None
) -> SiteCells:
    """Return the cells with what a fleet run measured put in.

    Args:
        cells: Cells of a site.
        utilisation: Allocated over available GPU time, measured [share].
        kwh_per_gpu_hour: IT energy of the run over its allocated GPU-hours [kWh];
            idle GPUs are within it.
    """
    values: dict[str, Distribution] = {}
    # Energy per useful hour depends on the use, so one is needed even where none was measured.
    use = (
        cells["utilisation_share"].value.cost_input_quantile(0.5)
        if utilisation is None
        else utilisation
    )
    if utilisation is not None:
        # The bounds of the input: a run that used nothing would divide the cost by zero.
        values["utilisation_share"] = fixed_cost_distribution(min(max(utilisation, 0.01), 1.0))
    if kwh_per_gpu_hour is not None:
        values |= _gpu_draw_cost_inputs_for_kwh(cells, use, kwh_per_gpu_hour)
    return cells.with_cost_values(values, "measured by a fleet run", CellOrigin.FLEET_RUN)


def site_cells_with_power_market(
    cells: SiteCells, region: str, cooling: Cooling, *, year: int = 2023
) -> SiteCells:
    """Return the cells with tariff and PUE of a region's hours.

    The tariff is the wholesale price of each hour plus `ADDER_USD_PER_KWH`, weighted by
    the PUE that the weather of that hour gives under `cooling`.
    """
    market = load_power_market(year)
    if region not in market.names:
        raise UsageError(
            region,
            found=Message("no such region"),
            wanted=Message("one of {names}", {"names": ", ".join(market.names)}),
        )
    r = market.names.index(region)
    pue = site_hourly_pue(market.temp_c[r], market.rh_pct[r], cooling)
    tariff, mean = site_tariff_usd_per_kwh_and_pue(
        market.price_usd_per_mwh[r], pue, ADDER_USD_PER_KWH
    )
    values = {
        "tariff_usd_per_kwh": fixed_cost_distribution(tariff),
        "pue_ratio": fixed_cost_distribution(mean),
    }
    source = f"hours of {market.zones[r]} in {year}, {cooling} cooling"
    return cells.with_cost_values(values, source, CellOrigin.MARKET)


def _gpu_draw_cost_inputs_for_kwh(
    cells: SiteCells, use: float, kwh: float
) -> dict[str, Distribution]:
    """Return draw shares that make a useful GPU-hour take `kwh` of IT energy."""
    inputs = cells.median_cost_inputs()
    kw, busy, idle = inputs.it_kw_per_gpu, inputs.busy_draw_share, inputs.idle_draw_share
    kwh_at_medians = kw * (idle + (busy - idle) * use) / use
    factor = kwh / kwh_at_medians
    scaled = {
        "busy_draw_share": fixed_cost_distribution(busy * factor),
        "idle_draw_share": fixed_cost_distribution(idle * factor),
    }
    # No GPU draws more than its rating; where the run did, the library's rating was too low.
    if busy * factor > 1.0:
        scaled = {"it_kw_per_gpu": fixed_cost_distribution(kw * factor)}
    return scaled


def site_gpu_hour_cost_at_measured_use(
    site: str, *, utilisation: float, kwh_per_gpu_hour: float | None, draws: int, seed: int
) -> Row:
    """Return the cost at one site, fed by what a fleet run measured."""
    cells = site_cost_cells_with_measured_use(
        site_cells(load_cost_cells(), site),
        utilisation=utilisation,
        kwh_per_gpu_hour=kwh_per_gpu_hour,
    )
    return _site_cost_summary_row(
        cells, "measured", draw_gpu_hour_costs(cells, draws=draws, seed=seed)
    )


def gpu_hour_cost_result(
    sites: Sequence[str] = (),
    *,
    case: str = "audited",
    cells: Sequence[CostCell] | None = None,
    utilisation: float | None = None,
    kwh_per_gpu_hour: float | None = None,
    market: tuple[str, Cooling] | None = None,
    runs: Mapping[str, tuple[float | None, float | None]] | None = None,
    draws: int = 100_000,
    sobol_draws: int = 8192,
    seed: int = 1,
) -> Row:
    """Return the whole answer of `siting cost`.

    Args:
        sites: Sites to cost; all of the library by default. The first is compared with.
        case: One of `CASES`.
        cells: Cells to use instead of the shipped ones.
        utilisation: Use of every site instead of its cell [share].
        kwh_per_gpu_hour: IT energy of a useful GPU-hour at every site [kWh].
        market: Region whose hourly prices and weather, and the cooling whose PUE, take
            the place of tariff and PUE at every site.
        runs: By site, the use and the IT energy of a useful GPU-hour that a fleet run
            measured there; it goes before the two above.
        draws: Draws of the correlated inputs.
        sobol_draws: Base draws of the Sobol indices.
        seed: Seed of every draw.
    """
    library = list(cells) if cells is not None else load_cost_cells()
    # A run at a site is more than a figure for all sites, and both are more than a cell.
    names = list(sites) or sites_of_cost_cells(library)
    measured = {name: (runs or {}).get(name, (utilisation, kwh_per_gpu_hour)) for name in names}
    chosen = [
        site_cost_cells_with_measured_use(
            site_cost_cells_under_case(library, name, case, names[0]),
            utilisation=measured[name][0], kwh_per_gpu_hour=measured[name][1],
        )
        for name in names
    ]  # fmt: skip
    if market is not None:
        chosen = [site_cells_with_power_market(each, *market) for each in chosen]
    return {
        "case": case,
        "case_meaning": CASES[case],
        "price_year": PRICE_YEAR,
        "precision": "BF16, dense",
        "peak_pflops": PEAK_PFLOPS,
        "achieved_share": ACHIEVED_SHARE,
        "seed": seed,
        "draws": draws,
        "sites": [
            _site_cost_summary_row(each, case, draw_gpu_hour_costs(each, draws=draws, seed=seed))
            for each in chosen
        ],
        "parts": [row for each in chosen for row in _site_cost_part_rows(each)],
        "tornado": [row for each in chosen for row in _site_cost_tornado_rows(each)],
        "sobol": [row for each in chosen for row in _site_cost_sobol_rows(each, sobol_draws, seed)],
        "break_even": _site_break_even_against_first_rows(chosen),
        "cells": [row for each in chosen for row in _siting_cost_cell_rows(each)],
    }


def site_cost_comparison(
    first_site: str = "us-virginia",
    second_site: str = "cn-west",
    *,
    draws: int = 100_000,
    seed: int = 1,
) -> Row:
    """Return the column's own contest beside the audited ones, with 90 % intervals.

    Inputs that both sites share are drawn once for both.
    """
    library = load_cost_cells()
    rows = [
        _site_cost_comparison_row(
            name,
            site_cost_cells_under_case(library, first_site, case, first_site),
            site_cost_cells_with_measured_use(
                site_cost_cells_under_case(library, second_site, case, first_site),
                utilisation=use, kwh_per_gpu_hour=None,
            ),
            draws,
            seed,
        )
        for name, case, use in (
            ("the column's own figures", "column", None),
            ("audited figures", "audited", None),
            ("audited, 35 percent use at the other site", "audited", 0.35),
            ("equal use and chip prices", "equal", None),
        )
    ]  # fmt: skip
    swings = _site_cost_tornado_rows(site_cells(library, second_site))
    return {
        "one": first_site,
        "other": second_site,
        "contest": rows,
        "tornado": swings,
        "seed": seed,
    }


def _site_cost_comparison_row(
    name: str, first: SiteCells, second: SiteCells, draws: int, seed: int
) -> Row:
    rng = named_random_stream(seed, "siting.contest")
    a = rng.standard_normal((draws, len(NAMES)), dtype=np.float32)
    b = rng.standard_normal((draws, len(NAMES)), dtype=np.float32)
    same = f"as at {first.site}"
    shared = [
        i
        for i, cell in enumerate(first.cells)
        if cell.site == second.cells[i].site or second.cells[i].source == same
    ]
    # Common random numbers: what both sites read from one cell cannot make them differ.
    b[:, shared] = a[:, shared]
    costs_of_first, costs_of_second = (
        site_gpu_hour_costs_usd_by_draw(first, a),
        site_gpu_hour_costs_usd_by_draw(second, b),
    )
    row: Row = {"contest": name}
    for label, values in (("one", costs_of_first), ("other", costs_of_second)):
        spread = gpu_hour_cost_summary(values)
        row |= {
            f"{label}_{key}_usd_per_gpu_hour": getattr(spread, key) for key in ("p5", "p50", "p95")
        }
    # The ratio of each draw, and not of two percentiles: a draw that is dear for both is no
    # difference between them.
    low, mid, high = np.percentile(costs_of_second / costs_of_first, [5, 50, 95]).tolist()
    row |= {"ratio_p5": low, "ratio_p50": mid, "ratio_p95": high}
    return row | {"other_cheaper_share": float((costs_of_second < costs_of_first).mean())}


def _site_cost_summary_row(cells: SiteCells, case: str, spread: CostDraws) -> Row:
    medians = cells.median_cost_inputs()
    marked = sum(cell.confidence in MARKED_CONFIDENCES for cell in cells.cells)
    effective = [
        cost_usd_per_effective_pflop_hour(value, PEAK_PFLOPS, ACHIEVED_SHARE)
        for value in (spread.p5, spread.p50, spread.p95)
    ]
    return {
        "site": cells.site,
        "case": case,
        "at_medians_usd_per_gpu_hour": levelised_compute_cost_usd_per_gpu_hour(medians),
        "p5_usd_per_gpu_hour": spread.p5,
        "p50_usd_per_gpu_hour": spread.p50,
        "p95_usd_per_gpu_hour": spread.p95,
        "mean_usd_per_gpu_hour": spread.mean,
        "p5_usd_per_effective_pflop_hour": effective[0],
        "p50_usd_per_effective_pflop_hour": effective[1],
        "p95_usd_per_effective_pflop_hour": effective[2],
        "utilisation_share": medians.utilisation_share,
        "cells_not_official": marked,
        "cells": len(cells.cells),
    }


def _site_cost_part_rows(cells: SiteCells) -> list[Row]:
    parts = levelised_usd_per_gpu_hour_by_part(cells.median_cost_inputs())
    return [
        {"site": cells.site, "part": part, "usd_per_gpu_hour": value}
        for part, value in parts.items()
    ]


def _site_cost_tornado_rows(cells: SiteCells) -> list[Row]:
    return [
        {
            "site": cells.site,
            "input": bar.input,
            "at_p5": bar.low,
            "at_p95": bar.high,
            "cost_at_p5_usd_per_gpu_hour": bar.cost_at_low,
            "cost_at_p95_usd_per_gpu_hour": bar.cost_at_high,
            "swing_usd_per_gpu_hour": bar.cost_swing_usd,
        }
        for bar in cost_tornado(cells)
    ]


def _site_cost_sobol_rows(cells: SiteCells, draws: int, seed: int) -> list[Row]:
    indices = cost_sobol_indices(cells, draws=draws, seed=seed)
    rows = [
        {
            "site": cells.site,
            "input": name,
            "first_order_share": float(first),
            "total_share": float(total),
        }
        for name, first, total in zip(indices.names, indices.first, indices.total, strict=True)
    ]
    return sorted(rows, key=lambda row: -row["total_share"])


def _site_break_even_against_first_rows(chosen: Sequence[SiteCells]) -> list[Row]:
    base = chosen[0].median_cost_inputs()
    rows: list[Row] = []
    for cells in chosen:
        medians = cells.median_cost_inputs()
        rows.append(
            {
                "site": cells.site,
                "against": chosen[0].site,
                "utilisation_to_match_share": break_even_utilisation(medians, base),
                "rent_usd_per_gpu_hour": RENT_USD,
                # On demand: every rented hour is used, whatever the site's own use.
                "tariff_where_rent_wins_usd_per_kwh": break_even_tariff_usd_per_kwh(
                    medians, RENT_USD
                ),
            }
        )
    return rows


def _siting_cost_cell_rows(cells: SiteCells) -> list[Row]:
    return [
        {
            "site": cells.site,
            "input": cell.input,
            "p5": cell.value.cost_input_quantile(0.05),
            "median": cell.value.cost_input_quantile(0.5),
            "p95": cell.value.cost_input_quantile(0.95),
            "source_unit": cell.unit,
            "year": cell.year,
            "source": cell.source,
            "dated": cell.dated,
            "confidence": str(cell.confidence),
            "note": cell.note,
        }
        for cell in cells.cells
    ]


def break_even_map_rows(first_site: str, second_site: str) -> list[Row]:
    """Return the cost ratio of two sites by the first one's use and its chip price ratio."""
    library = load_cost_cells()
    a, b = (
        site_cells(library, first_site).median_cost_inputs(),
        site_cells(library, second_site).median_cost_inputs(),
    )
    # A little past the last value, because `arange` leaves its end out.
    shares, ratios = np.arange(0.2, 0.901, 0.05), np.arange(0.7, 1.601, 0.05)
    table = site_cost_ratio_matrix(a, b, shares, ratios)
    return [
        {
            "utilisation_share": round(float(share), 3),
            "hardware_price_ratio": round(float(ratio), 3),
            "cost_ratio": float(table[i, j]),
        }
        for i, share in enumerate(shares)
        for j, ratio in enumerate(ratios)
    ]


def measured_site_cost_rows_by_table(
    cells: SiteCells, *, label: str, spread: CostDraws
) -> dict[str, list[Row]]:
    """Return cost, parts, tornado and cells of a site that a fleet run was measured at.

    Args:
        cells: Its inputs, the measured ones among them.
        label: What the rows call it.
        spread: Its cost in draws of the correlated inputs.
    """
    rows = {
        "sites": [_site_cost_summary_row(cells, "measured", spread)],
        "parts": _site_cost_part_rows(cells),
        "tornado": _site_cost_tornado_rows(cells),
        "cells": _siting_cost_cell_rows(cells),
    }
    return {name: [row | {"site": label} for row in table] for name, table in rows.items()}


def capital_usd_per_gpu(cells: SiteCells) -> float:
    """Return what a GPU costs to build at a site: servers, network, shell and land [USD].

    At the median of every cell, before subsidies and interest during construction.
    """
    inputs = cells.median_cost_inputs()
    it = inputs.server_usd_per_gpu * inputs.hardware_price_ratio + inputs.network_usd_per_gpu
    return it + inputs.it_kw_per_gpu * (inputs.shell_usd_per_kw + inputs.land_usd_per_kw)


def site_cost_without_energy_usd_per_gpu_hour(cells: SiteCells) -> float:
    """Return what a GPU costs for an hour whether it runs or not, energy left out [USD]."""
    parts = levelised_usd_per_gpu_hour_by_part(
        cells.median_cost_inputs()._replace(utilisation_share=1.0)
    )
    return sum(parts.values()) - parts["energy"]
