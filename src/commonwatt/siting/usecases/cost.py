"""What a GPU-hour costs by site, how sure that is, and what drives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.core.seeds import stream
from commonwatt.siting.domain.cells import (
    PRICE_YEAR,
    CellConfidence,
    CellOrigin,
    CostCell,
    SiteCells,
    site_cells,
    sites_of,
)
from commonwatt.siting.domain.cooling import ADDER_USD_PER_KWH, Cooling, delivered_tariff, pue_of
from commonwatt.siting.domain.cost_inputs import NAMES
from commonwatt.siting.domain.distributions import Distribution, DistributionShape
from commonwatt.siting.engines.cost.chance import costs_of, draw_costs, sobol, summary
from commonwatt.siting.engines.cost.drivers import (
    break_even_map,
    break_even_tariff,
    break_even_utilisation,
    tornado,
)
from commonwatt.siting.engines.cost.model import lcoc, lcoc_by_part, per_effective_pflop_hour
from commonwatt.siting.io.cells import DATA, load_cells
from commonwatt.siting.io.series import load_market

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


def load_library_cells(path: Path | None = None) -> list[CostCell]:
    """Return the shipped cells, or those of `path`."""
    return load_cells(path)


def fixed_value(value: float) -> Distribution:
    """Return a value without spread."""
    return Distribution(DistributionShape.FIXED, value, value, value)


def cells_for(cells: Sequence[CostCell], site: str, case: str, first: str) -> SiteCells:
    """Return a site's cells under a case.

    Raises:
        UsageError: The site or the case is unknown.
    """
    if site not in sites_of(cells):
        raise UsageError(
            site,
            found=Message("no such site"),
            wanted=Message("one of {names}", {"names": ", ".join(sites_of(cells))}),
        )
    chosen = site_cells(cells, site)
    if case == "column":
        return site_cells([*cells, *load_cells(DATA / "column_cells.csv")], site)
    # The question of what is left of a difference once the contested inputs are equal.
    if case == "equal":
        use = site_cells(cells, first)["utilisation_share"].value
        values = {"utilisation_share": use, "hardware_price_ratio": fixed_value(1.0)}
        return chosen.with_values(values, f"as at {first}", CellOrigin.LIBRARY)
    return chosen


def with_run(
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
    use = cells["utilisation_share"].value.quantile(0.5) if utilisation is None else utilisation
    if utilisation is not None:
        # The bounds of the input: a run that used nothing would divide the cost by zero.
        values["utilisation_share"] = fixed_value(min(max(utilisation, 0.01), 1.0))
    if kwh_per_gpu_hour is not None:
        values |= _draw_shares(cells, use, kwh_per_gpu_hour)
    return cells.with_values(values, "measured by a fleet run", CellOrigin.FLEET_RUN)


def with_market(cells: SiteCells, region: str, cooling: Cooling, *, year: int = 2023) -> SiteCells:
    """Return the cells with tariff and PUE of a region's hours.

    The tariff is the wholesale price of each hour plus `ADDER_USD_PER_KWH`, weighted by
    the PUE that the weather of that hour gives under `cooling`.
    """
    market = load_market(year)
    if region not in market.names:
        raise UsageError(
            region,
            found=Message("no such region"),
            wanted=Message("one of {names}", {"names": ", ".join(market.names)}),
        )
    r = market.names.index(region)
    pue = pue_of(market.temp_c[r], market.rh_pct[r], cooling)
    tariff, mean = delivered_tariff(market.price_usd_per_mwh[r], pue, ADDER_USD_PER_KWH)
    values = {"tariff_usd_per_kwh": fixed_value(tariff), "pue_ratio": fixed_value(mean)}
    source = f"hours of {market.zones[r]} in {year}, {cooling} cooling"
    return cells.with_values(values, source, CellOrigin.MARKET)


def _draw_shares(cells: SiteCells, use: float, kwh: float) -> dict[str, Distribution]:
    """Return draw shares that make a useful GPU-hour take `kwh` of IT energy."""
    inputs = cells.medians()
    kw, busy, idle = inputs.it_kw_per_gpu, inputs.busy_draw_share, inputs.idle_draw_share
    kwh_at_medians = kw * (idle + (busy - idle) * use) / use
    factor = kwh / kwh_at_medians
    scaled = {
        "busy_draw_share": fixed_value(busy * factor),
        "idle_draw_share": fixed_value(idle * factor),
    }
    # No GPU draws more than its rating; where the run did, the library's rating was too low.
    if busy * factor > 1.0:
        scaled = {"it_kw_per_gpu": fixed_value(kw * factor)}
    return scaled


def cost_of_run(
    site: str, *, utilisation: float, kwh_per_gpu_hour: float | None, draws: int, seed: int
) -> Row:
    """Return the cost at one site, fed by what a fleet run measured."""
    cells = with_run(
        site_cells(load_cells(), site), utilisation=utilisation, kwh_per_gpu_hour=kwh_per_gpu_hour
    )
    return _summary_row(cells, "measured", draws, seed)


def cost_result(
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
    library = list(cells) if cells is not None else load_cells()
    # A run at a site is more than a figure for all sites, and both are more than a cell.
    names = list(sites) or sites_of(library)
    measured = {name: (runs or {}).get(name, (utilisation, kwh_per_gpu_hour)) for name in names}
    chosen = [
        with_run(
            cells_for(library, name, case, names[0]),
            utilisation=measured[name][0], kwh_per_gpu_hour=measured[name][1],
        )
        for name in names
    ]  # fmt: skip
    if market is not None:
        chosen = [with_market(each, *market) for each in chosen]
    return {
        "case": case,
        "case_meaning": CASES[case],
        "price_year": PRICE_YEAR,
        "precision": "BF16, dense",
        "peak_pflops": PEAK_PFLOPS,
        "achieved_share": ACHIEVED_SHARE,
        "seed": seed,
        "draws": draws,
        "sites": [_summary_row(each, case, draws, seed) for each in chosen],
        "parts": [row for each in chosen for row in _part_rows(each)],
        "tornado": [row for each in chosen for row in _tornado_rows(each)],
        "sobol": [row for each in chosen for row in _sobol_rows(each, sobol_draws, seed)],
        "break_even": _break_even_rows(chosen),
        "cells": [row for each in chosen for row in _cell_rows(each)],
    }


def sites_comparison(
    first_site: str = "us-virginia",
    second_site: str = "cn-west",
    *,
    draws: int = 100_000,
    seed: int = 1,
) -> Row:
    """Return the column's own contest beside the audited ones, with 90 % intervals.

    Inputs that both sites share are drawn once for both.
    """
    library = load_cells()
    rows = [
        _contest_row(
            name,
            cells_for(library, first_site, case, first_site),
            with_run(
                cells_for(library, second_site, case, first_site),
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
    swings = _tornado_rows(site_cells(library, second_site))
    return {
        "one": first_site,
        "other": second_site,
        "contest": rows,
        "tornado": swings,
        "seed": seed,
    }


def _contest_row(name: str, first: SiteCells, second: SiteCells, draws: int, seed: int) -> Row:
    rng = stream(seed, "siting.contest")
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
    costs_of_first, costs_of_second = costs_of(first, a), costs_of(second, b)
    row: Row = {"contest": name}
    for label, values in (("one", costs_of_first), ("other", costs_of_second)):
        spread = summary(values)
        row |= {
            f"{label}_{key}_usd_per_gpu_hour": getattr(spread, key) for key in ("p5", "p50", "p95")
        }
    # The ratio of each draw, and not of two percentiles: a draw that is dear for both is no
    # difference between them.
    low, mid, high = np.percentile(costs_of_second / costs_of_first, [5, 50, 95]).tolist()
    row |= {"ratio_p5": low, "ratio_p50": mid, "ratio_p95": high}
    return row | {"other_cheaper_share": float((costs_of_second < costs_of_first).mean())}


def _summary_row(cells: SiteCells, case: str, draws: int, seed: int) -> Row:
    spread = draw_costs(cells, draws=draws, seed=seed)
    medians = cells.medians()
    marked = sum(cell.confidence in MARKED_CONFIDENCES for cell in cells.cells)
    effective = [
        per_effective_pflop_hour(value, PEAK_PFLOPS, ACHIEVED_SHARE)
        for value in (spread.p5, spread.p50, spread.p95)
    ]
    return {
        "site": cells.site,
        "case": case,
        "at_medians_usd_per_gpu_hour": lcoc(medians),
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


def _part_rows(cells: SiteCells) -> list[Row]:
    parts = lcoc_by_part(cells.medians())
    return [
        {"site": cells.site, "part": part, "usd_per_gpu_hour": value}
        for part, value in parts.items()
    ]


def _tornado_rows(cells: SiteCells) -> list[Row]:
    return [
        {
            "site": cells.site,
            "input": bar.input,
            "at_p5": bar.low,
            "at_p95": bar.high,
            "cost_at_p5_usd_per_gpu_hour": bar.cost_at_low,
            "cost_at_p95_usd_per_gpu_hour": bar.cost_at_high,
            "swing_usd_per_gpu_hour": bar.swing,
        }
        for bar in tornado(cells)
    ]


def _sobol_rows(cells: SiteCells, draws: int, seed: int) -> list[Row]:
    indices = sobol(cells, draws=draws, seed=seed)
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


def _break_even_rows(chosen: Sequence[SiteCells]) -> list[Row]:
    base = chosen[0].medians()
    rows: list[Row] = []
    for cells in chosen:
        medians = cells.medians()
        rows.append(
            {
                "site": cells.site,
                "against": chosen[0].site,
                "utilisation_to_match_share": break_even_utilisation(medians, base),
                "rent_usd_per_gpu_hour": RENT_USD,
                "tariff_where_rent_wins_usd_per_kwh": break_even_tariff(medians, RENT_USD),
            }
        )
    return rows


def _cell_rows(cells: SiteCells) -> list[Row]:
    return [
        {
            "site": cells.site,
            "input": cell.input,
            "p5": cell.value.quantile(0.05),
            "median": cell.value.quantile(0.5),
            "p95": cell.value.quantile(0.95),
            "source_unit": cell.unit,
            "year": cell.year,
            "source": cell.source,
            "dated": cell.dated,
            "confidence": str(cell.confidence),
            "note": cell.note,
        }
        for cell in cells.cells
    ]


def map_rows(first_site: str, second_site: str) -> list[Row]:
    """Return the cost ratio of two sites by the first one's use and its chip price ratio."""
    library = load_cells()
    a, b = site_cells(library, first_site).medians(), site_cells(library, second_site).medians()
    shares, ratios = np.arange(0.2, 0.901, 0.05), np.arange(0.7, 1.601, 0.05)
    table = break_even_map(a, b, shares, ratios)
    return [
        {
            "utilisation_share": round(float(share), 3),
            "hardware_price_ratio": round(float(ratio), 3),
            "cost_ratio": float(table[i, j]),
        }
        for i, share in enumerate(shares)
        for j, ratio in enumerate(ratios)
    ]


def measured_rows(cells: SiteCells, *, label: str, draws: int, seed: int) -> dict[str, list[Row]]:
    """Return cost, parts, tornado and cells of a site that a fleet run was measured at.

    Args:
        cells: Its inputs, the measured ones among them.
        label: What the rows call it.
        draws: Draws of the correlated inputs.
        seed: Seed of the draws.
    """
    rows = {
        "sites": [_summary_row(cells, "measured", draws, seed)],
        "parts": _part_rows(cells),
        "tornado": _tornado_rows(cells),
        "cells": _cell_rows(cells),
    }
    return {name: [row | {"site": label} for row in table] for name, table in rows.items()}


def capital_usd_per_gpu(cells: SiteCells) -> float:
    """Return what a GPU costs to build at a site: servers, network, shell and land [USD].

    At the median of every cell, before subsidies and interest during construction.
    """
    inputs = cells.medians()
    it = inputs.server_usd_per_gpu * inputs.hardware_price_ratio + inputs.network_usd_per_gpu
    return it + inputs.it_kw_per_gpu * (inputs.shell_usd_per_kw + inputs.land_usd_per_kw)


def standing_usd_per_gpu_hour(cells: SiteCells) -> float:
    """Return what a GPU costs for an hour whether it runs or not, energy left out [USD]."""
    parts = lcoc_by_part(cells.medians()._replace(utilisation_share=1.0))
    return sum(parts.values()) - parts["energy"]
