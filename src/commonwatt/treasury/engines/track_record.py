"""Forecast realism: how past forecasts fared, and whether they lean to one side.

Source: IMF (2022), Staff Guidance Note on the SRDSF, realism tools: the record of
forecast errors and its bias.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from commonwatt.treasury.engines.rows import Row
from commonwatt.treasury.io.country.csvs import rows

COLUMNS = (
    "budget",
    "target_end_month",
    "forecast_reserves_hkd_bn",
    "outturn_hkd_bn",
    "source_id",
    "confirmation",
)
BIAS_SHARE = 0.75  # share of errors on one side from which a lean is flagged
RECENT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastVintage:
    """One past forecast; outturn None where it is not known yet."""

    budget: str
    target: str
    forecast: float
    outturn: float | None
    source: str

    @property
    def error_share(self) -> float | None:
        """Outturn less forecast over forecast; negative where it was optimistic."""
        return None if self.outturn is None else self.outturn / self.forecast - 1


def load_vintages(path: Path) -> tuple[ForecastVintage, ...]:
    """Return the vintages of a file, in order of budget."""
    found = [
        ForecastVintage(
            budget=row.text("budget"),
            target=row.text("target_end_month"),
            forecast=row.number_in("forecast_reserves_hkd_bn"),
            outturn=row.number_in("outturn_hkd_bn") if row.text("outturn_hkd_bn") else None,
            source=row.text("source_id"),
        )
        for row in rows(path, COLUMNS)
    ]
    return tuple(sorted(found, key=lambda v: v.budget))


def forecast_record(vintages: tuple[ForecastVintage, ...]) -> Row:
    """Return the record: size, bias, whether it leans, and of the most recent ones.

    A lean is flagged where three in four errors or more fall on one side; `p_value` is
    the two-sided chance of such a split, were both sides as likely.
    """
    errors = [v.error_share for v in vintages if v.error_share is not None]
    recent = errors[-RECENT:]
    return {
        "forecasts": len(vintages),
        "with_outturn": len(errors),
        "mean_error_share": _mean(errors),
        "mean_absolute_error_share": _mean([abs(e) for e in errors]),
        "optimistic_share": _mean([float(e < 0) for e in errors]),
        "p_value": sign_test(sum(e < 0 for e in errors), len(errors)),
        "recent_forecasts": len(recent),
        "recent_mean_error_share": _mean(recent),
        "recent_flag": _flag(recent),
        "flag": _flag(errors),
    }


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


def _flag(errors: list[float]) -> str:
    optimistic = _mean([float(e < 0) for e in errors])
    if optimistic >= BIAS_SHARE:
        return "optimistic"
    return "cautious" if 1 - optimistic >= BIAS_SHARE else "no lean"


def sign_test(successes: int, trials: int) -> float:
    """Return the two-sided chance of a split at least this uneven under even odds.

    >>> round(sign_test(0, 4), 4)
    0.125
    """
    tail = min(successes, trials - successes)
    chance = sum(math.comb(trials, k) for k in range(tail + 1)) / 2**trials
    return min(1.0, 2 * chance)


def vintage_rows(vintages: tuple[ForecastVintage, ...]) -> list[Row]:
    """Return each vintage beside its outturn."""
    return [
        {
            "budget": v.budget,
            "target": v.target,
            "forecast_reserves_hkd_bn": v.forecast,
            "outturn_hkd_bn": v.outturn,
            "error_share": v.error_share,
            "source_id": v.source,
        }
        for v in vintages
    ]
