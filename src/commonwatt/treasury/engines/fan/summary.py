"""What a fan says: quantiles, chances, and how sure Monte Carlo is of them."""

from __future__ import annotations

import math

import numpy as np

from commonwatt.treasury.domain.tables import Row
from commonwatt.treasury.engines.fan.engine import FanPaths
from commonwatt.treasury.engines.fan.inputs import FanInputs
from commonwatt.treasury.engines.fan.kernel import F32

LEVELS = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
EVENTS = ("debt_over_ceiling", "reserves_under_floor", "guarantee_call")


def debt_quantile_column_name(level: float) -> str:
    """Return the column of a quantile.

    >>> debt_quantile_column_name(0.05), debt_quantile_column_name(0.5)
    ('q05', 'q50')
    """
    return f"q{round(100 * level):02d}"


def fan_gdp_share_quantile_rows(fiscal_years: tuple[str, ...], paths: F32) -> list[Row]:
    """Return the quantiles of each year, with the Monte-Carlo error of the widest."""
    return [
        _fan_gdp_share_quantile_row(name, year)
        for name, year in zip(fiscal_years, paths, strict=True)
    ]


def _fan_gdp_share_quantile_row(fiscal_year: str, debt_share_paths: F32) -> Row:
    ordered = np.sort(debt_share_paths)
    row: Row = {"fiscal_year": fiscal_year}
    row |= {
        debt_quantile_column_name(level): debt_path_quantile(ordered, level) for level in LEVELS
    }
    row["mean"] = float(ordered.mean(dtype=np.float64))
    row["monte_carlo_error_q05"] = debt_quantile_standard_error(ordered, 0.05)
    row["monte_carlo_error_q50"] = debt_quantile_standard_error(ordered, 0.50)
    row["monte_carlo_error_q95"] = debt_quantile_standard_error(ordered, 0.95)
    return row


def debt_path_quantile(ordered_paths: F32, level: float) -> float:
    """Return a quantile of sorted values by linear interpolation between neighbours."""
    place = level * (len(ordered_paths) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered_paths) - 1)
    return float(ordered_paths[low]) + (place - low) * (
        float(ordered_paths[high]) - float(ordered_paths[low])
    )


def debt_quantile_standard_error(ordered_paths: F32, level: float) -> float:
    """Return the standard error of a quantile: half the span of its one-sigma ranks.

    The rank of a quantile is binomial, so ±√(n q (1 - q)) ranks are one standard error.
    """
    n = len(ordered_paths)
    # Binomial ranks ask nothing of the law of the paths, whose density at a quantile a
    # standard formula would need.
    ranks = math.sqrt(n * level * (1 - level))
    low = max(0, math.floor(level * n - ranks))
    high = min(n - 1, math.ceil(level * n + ranks))
    return (float(ordered_paths[high]) - float(ordered_paths[low])) / 2


def debt_event_chance_rows(inputs: FanInputs, paths: FanPaths) -> list[Row]:
    """Return the chance of each event by year and ever, with Monte-Carlo errors."""
    n = paths.debt.shape[1]
    rows: list[Row] = []
    for k, when in enumerate((*inputs.names, "ever")):
        row: Row = {"fiscal_year": when}
        for event, counts in zip(EVENTS, paths.counts, strict=True):
            chance = int(counts[k]) / n
            row[f"{event}_probability"] = chance
            row[f"{event}_monte_carlo_error"] = math.sqrt(chance * (1 - chance) / n)
        rows.append(row)
    return rows
