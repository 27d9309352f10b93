"""Rolling origins: was the fan as wide as the future was wild?

At each origin the shocks are estimated from what was known up to that year, a fan is
drawn for every economy, and its horizon is scored against what came to pass: the
share of outcomes inside the 80 % band, and the continuous ranked probability score.
The vintage is today's, so revisions are known that forecasters did not know.

Sources: Gneiting and Raftery (2007), "Strictly proper scoring rules, prediction, and
estimation", equation 21 for CRPS; Hersbach (2000) for its form on an ensemble.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from commonwatt.treasury.domain.country import MixPart
from commonwatt.treasury.domain.shocks import BUCKETS, F64
from commonwatt.treasury.domain.tables import Row
from commonwatt.treasury.engines.fan.engine import run_debt_fan
from commonwatt.treasury.engines.fan.estimate import (
    MacroHistory,
    MacroPanel,
    MarketShocks,
    economy_shock_model,
    estimate_macro_panel,
    macro_history,
)
from commonwatt.treasury.engines.fan.inputs import (
    NO_CALLS,
    FanInputs,
    mix_repayment_and_interest_profile,
)
from commonwatt.treasury.engines.fan.kernel import OpeningLadder
from commonwatt.treasury.io.country.weo import Economy

OPENING_STOCK_YEARS = 8  # years over which the opening stock matures, where no ladder is published
BAND = (0.10, 0.90)
PATHS = 2_000  # of each of some 600 fans
# 2019 is the last origin whose fifth year is an outturn of the October 2025 vintage.
ORIGINS = range(2004, 2020)
HORIZON = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestScore:
    """One economy at one origin; shares of GDP."""

    economy: str
    origin: int
    outcome: float
    low: float
    median: float
    high: float
    crps: float

    @property
    def is_outcome_in_band(self) -> bool:
        """Whether the outcome fell inside the band."""
        return self.low <= self.outcome <= self.high


def backtest_debt_fan(
    table: Mapping[str, Economy],
    markets: MarketShocks,
    *,
    origins: range = ORIGINS,
    horizon: int = HORIZON,
    paths: int = PATHS,
    seed: int = 1,
    only: frozenset[str] = frozenset(),
) -> list[BacktestScore]:
    """Return the score of each economy at each origin whose outcome is known.

    Args:
        table: Economies; all of them are estimated on.
        markets: Shocks of rates and exchange rates.
        origins: Last years that the forecaster knows.
        horizon: Years ahead that are scored.
        paths: Paths of each fan.
        seed: Seed of all fans.
        only: Economies that are scored; none named: all.
    """
    scores: list[BacktestScore] = []
    for origin in origins:
        # Cut before anything is estimated: a mean over all years would know the future.
        histories = {code: macro_history(series.until(origin)) for code, series in table.items()}
        panel = estimate_macro_panel(histories)
        for name, series in table.items():
            outcome = _economy_debt_gdp_share_or_none(series, origin + horizon)
            now = histories[name].debt_share
            if (only and name not in only) or outcome is None or not np.isfinite(now[-1]):
                continue
            fan = forecast_debt_ratios_at_horizon(
                panel, name, histories[name], markets, horizon, paths=paths, seed=seed
            )
            scores.append(_debt_backtest_score(name, origin, outcome, fan))
    return scores


def backtest_naive_debt_fan(
    table: Mapping[str, Economy],
    *,
    origins: range = ORIGINS,
    horizon: int = HORIZON,
    only: frozenset[str] = frozenset(),
) -> list[BacktestScore]:
    """Return the score of the plainest rival: past changes of all, added to today's ratio.

    The changes are those over `horizon` years that were complete at the origin.
    """
    scores: list[BacktestScore] = []
    for origin in origins:
        ratios = {code: series.until(origin).debt_share() for code, series in table.items()}
        changes = np.concatenate([d[horizon:] - d[:-horizon] for d in ratios.values()])
        changes = changes[np.isfinite(changes)]
        for name, series in table.items():
            outcome, now = (
                _economy_debt_gdp_share_or_none(series, origin + horizon),
                ratios[name][-1],
            )
            if (only and name not in only) or outcome is None or not np.isfinite(now):
                continue
            scores.append(_debt_backtest_score(name, origin, outcome, now + changes))
    return scores


def _economy_debt_gdp_share_or_none(series: Economy, year: int) -> float | None:
    at = np.flatnonzero(series.years == year)
    share = float(series.debt_share()[at[0]]) if len(at) else float("nan")
    return share if np.isfinite(share) else None


def _debt_backtest_score(
    economy_name: str, origin: int, outcome: float, forecast_paths: F64
) -> BacktestScore:
    ordered = np.sort(forecast_paths)
    low, median, high = (float(q) for q in np.quantile(ordered, [BAND[0], 0.5, BAND[1]]))
    return BacktestScore(
        economy=economy_name,
        origin=origin,
        outcome=outcome,
        low=low,
        median=median,
        high=high,
        crps=debt_forecast_crps(ordered, outcome),
    )


def debt_forecast_crps(ordered_paths: F64, outcome: float) -> float:
    """Return the continuous ranked probability score of an ensemble.

        CRPS = mean |x - y| - Σ (2 i - n - 1) x_(i) / n²

    Args:
        ordered_paths: The ensemble, sorted, shape (paths,).
        outcome: What came to pass.

    >>> round(debt_forecast_crps(np.array([0.0, 1.0]), 0.5), 3)
    0.25
    """
    n = len(ordered_paths)
    ranks = 2.0 * np.arange(1, n + 1) - n - 1
    return float(np.abs(ordered_paths - outcome).mean() - (ranks * ordered_paths).sum() / n**2)


def forecast_debt_ratios_at_horizon(
    panel: MacroPanel,
    name: str,
    past: MacroHistory,
    markets: MarketShocks,
    horizon: int,
    *,
    paths: int,
    seed: int,
) -> F64:
    """Return an economy's debt ratio `horizon` years after its last known year."""
    model = economy_shock_model(panel, name, markets, "panel")
    inputs = economy_fan_inputs(panel, name, past, horizon)
    return run_debt_fan(inputs, model, paths=paths, seed=seed).debt[-1].astype(np.float64)


def economy_fan_inputs(panel: MacroPanel, name: str, past: MacroHistory, years: int) -> FanInputs:
    """Return the inputs of a fan that starts from an economy's last known year.

    GDP of that year is 1. Growth, primary balance and stock-flow go back to their
    long-run means at the panel's pace; the debt on hand matures over eight years.
    """
    # A series that is not known for the last year starts at its mean, where it would go anyway.
    now = np.where(np.isfinite(past.series[-1]), past.series[-1], panel.mean[name])
    ahead = np.arange(1, years + 1)[:, None]
    base = panel.mean[name] + panel.persistence**ahead * (now - panel.mean[name])
    # Three years of the rate, so that one odd year does not set it for the whole horizon.
    debt, rate = float(past.debt_share[-1]), float(np.mean(past.rate[-3:]))
    nothing = np.zeros(years)
    return FanInputs(
        names=tuple(str(k) for k in range(1, years + 1)),
        currencies=("own", "", "", ""),
        gdp_before=1.0,
        growth=base[:, 0],
        # Stock-flow adds to debt as a deficit does, and the inputs hold one baseline for both.
        primary=base[:, 1] - base[:, 2],
        net_issue=nothing,
        need=nothing,
        opening=_even_opening_debt_ladder(debt, rate, years),
        # No plan is known: the budget answers to debt beyond where it stood at the origin.
        anchor=np.full(years + 1, debt),
        mix=mix_repayment_and_interest_profile(
            _even_issuance_mix(rate), ("own", "", "", ""), years
        ),
        reserves=0.0,
        reserves_return=0.0,
        financing_share=1.0,
        floor=0.0,
        guarantees=nothing,
        call_threshold=NO_CALLS,
        call_loss=0.0,
        # The outlook knows neither reserves nor a legal ceiling.
        ceiling=np.full(years, np.inf),
    )


def _even_issuance_mix(coupon_rate: float) -> tuple[MixPart, ...]:
    return tuple(
        MixPart(
            programme="all",
            currency="own",
            tenor=k,
            share=1 / OPENING_STOCK_YEARS,
            coupon=coupon_rate,
        )
        for k in range(1, min(OPENING_STOCK_YEARS, BUCKETS) + 1)
    )


def _even_opening_debt_ladder(debt: float, coupon_rate: float, years: int) -> OpeningLadder:
    red, cost = np.zeros((4, years)), np.zeros((4, years))
    red[0, :OPENING_STOCK_YEARS] = debt / OPENING_STOCK_YEARS
    # What stands as a year begins bears interest in it.
    standing = np.maximum(debt * (1 - np.arange(years) / OPENING_STOCK_YEARS), 0.0)
    cost[0] = standing * coupon_rate
    return OpeningLadder(red, cost, np.array([debt, 0.0, 0.0, 0.0]))


def backtest_score_rows(scores: list[BacktestScore]) -> list[Row]:
    """Return coverage and CRPS by economy, and of all; CRPS in points of GDP."""
    names = sorted({score.economy for score in scores})
    groups = [(name, [s for s in scores if s.economy == name]) for name in names]
    return [_backtest_score_row(name, group) for name, group in (*groups, ("all", scores)) if group]


def _backtest_score_row(economy_name: str, scores: list[BacktestScore]) -> Row:
    return {
        "economy": economy_name,
        "forecasts": len(scores),
        "coverage_80_share": sum(s.is_outcome_in_band for s in scores) / len(scores),
        "crps_points": 100 * sum(s.crps for s in scores) / len(scores),
        "width_80_points": 100 * sum(s.high - s.low for s in scores) / len(scores),
        "median_error_points": 100 * sum(s.outcome - s.median for s in scores) / len(scores),
    }
