"""Shocks learned from a panel of economies, none of it later than a given year.

One law for all economies, with means and volatilities of their own that are pulled
towards the panel's: an economy with κ years of history counts half, the panel half.
Debt moves by d' = d (1 + r)/(1 + g) - p + s, so that s, the stock-flow adjustment,
is what the other three do not explain and the identity closes in every year.

Sources: James and Stein (1961) for the shrinkage; Celasun, Debrun and Ostry (2006),
"Primary surplus behavior and risks to fiscal sustainability in emerging market
countries", for fans from estimated joint shocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from commonwatt.treasury.domain.shocks import F64, SHOCKS, ShockModel
from commonwatt.treasury.io.country.weo import Economy

# Pseudo-years of the panel in an economy's own means and volatility. Set once on the
# panel without the eight economies that are kept for examination; see `backtest`.
KAPPA_MEAN = np.array([12.0, 12.0, 8.0])
KAPPA_SD = 10.0
# Beyond these a year is a war or a rebased account and would drown the rest.
LIMITS = np.array([[-0.20, 0.30], [-0.40, 0.40], [-0.25, 0.25]])
RATE_LIMITS = (0.0, 0.15)
RATE_UNKNOWN = 0.03  # where the table holds no primary balance, so that the identity closes
REACTION_LIMIT = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroHistory:
    """One economy's macro series, NaN where unknown.

    Args:
        series: Growth, primary balance, stock-flow, one row a year, shape (years, 3).
        rate: Effective interest rate on last year's debt, shape (years,).
        debt_share: Debt over GDP, shape (years,).
    """

    series: F64
    rate: F64
    debt_share: F64


def macro_history(economy: Economy) -> MacroHistory:
    """Return the macro series of an economy.

    Where interest is unknown or net interest is no cost of the gross debt (asset
    holders), the rate is set within bounds and the primary balance follows from the
    balance, so that the debt law still closes.
    """
    debt, gdp = economy.debt_share(), economy.gdp
    growth = np.full(len(gdp), np.nan)
    growth[1:] = gdp[1:] / gdp[:-1] - 1
    rate = _effective_interest_rates(economy)
    cost = np.full(len(gdp), np.nan)
    cost[1:] = rate[1:] * debt[:-1] / (1 + growth[1:])
    primary = economy.balance / gdp + cost
    flow = np.full(len(gdp), np.nan)
    flow[1:] = debt[1:] - debt[:-1] / (1 + growth[1:]) - cost[1:] + primary[1:]
    series = np.stack([growth, primary, flow], axis=1)
    return MacroHistory(
        series=np.clip(series, LIMITS[:, 0], LIMITS[:, 1]), rate=rate, debt_share=debt
    )


def _effective_interest_rates(series: Economy) -> F64:
    rate = np.full(len(series.gdp), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):  # a year without debt has no rate
        rate[1:] = (series.primary - series.balance)[1:] / series.debt[:-1]
    return np.where(np.isfinite(rate), np.clip(rate, *RATE_LIMITS), RATE_UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroPanel:
    """What the panel says: one law, and each economy's place in it.

    Args:
        mean: Shrunken long-run means by economy, shape (3,) each.
        years: Years of own history by economy, shape (3,) each.
        persistence: φ of the three macro series, shape (3,).
        residuals: Yearly shocks by economy, shape (years, 3) each.
        covariance: Of all shocks, shape (3, 3).
        degrees: Degrees of freedom of their Student t.
        reaction: Rise of the primary balance for each unit of debt over its mean.
        anchor: Mean debt over GDP by economy.
    """

    mean: Mapping[str, F64]
    years: Mapping[str, F64]
    persistence: F64
    residuals: Mapping[str, F64]
    covariance: F64
    degrees: float
    reaction: float
    anchor: Mapping[str, float]


def estimate_macro_panel(histories: Mapping[str, MacroHistory]) -> MacroPanel:
    """Return the panel's law from the histories of its economies."""
    counts = {name: np.isfinite(h.series).sum(axis=0) for name, h in histories.items()}
    everything = np.concatenate([h.series for h in histories.values()])
    overall = np.nanmean(everything, axis=0)
    mean = {
        name: (np.nansum(h.series, axis=0) + KAPPA_MEAN * overall) / (counts[name] + KAPPA_MEAN)
        for name, h in histories.items()
    }
    gaps = {name: h.series - mean[name] for name, h in histories.items()}
    anchor = {name: float(np.nanmean(h.debt_share)) for name, h in histories.items()}
    over = {name: h.debt_share - anchor[name] for name, h in histories.items()}
    persistence, reaction = _macro_persistence_and_reaction(gaps, over)
    residuals = {
        name: _macro_shock_residuals(gap, over[name], persistence, reaction)
        for name, gap in gaps.items()
    }
    pooled = np.concatenate(list(residuals.values()))
    return MacroPanel(
        mean=mean,
        years={name: count.astype(np.float64) for name, count in counts.items()},
        persistence=persistence,
        residuals=residuals,
        covariance=np.cov(pooled.T),
        degrees=_macro_shock_degrees_of_freedom(residuals),
        reaction=reaction,
        anchor=anchor,
    )


def _macro_persistence_and_reaction(
    macro_gaps: Mapping[str, F64], debt_gaps: Mapping[str, F64]
) -> tuple[F64, float]:
    """Return φ of each series and the reaction of the primary balance to debt.

    x' = φ x + e for growth and stock-flow, x' = φ x + ρ (d - d̄) + e for the primary
    balance, by least squares over all economies.
    """
    before = np.concatenate([gap[:-1] for gap in macro_gaps.values()])
    after = np.concatenate([gap[1:] for gap in macro_gaps.values()])
    debt = np.concatenate([gap[:-1] for gap in debt_gaps.values()])
    growth, stock_flow = (
        _macro_regression_coefficients(before[:, [k]], after[:, k])[0] for k in (0, 2)
    )
    primary, reaction = _macro_regression_coefficients(
        np.stack([before[:, 1], debt], axis=1), after[:, 1]
    )
    # Under one, or a shock would never fade; not under zero, where a year would undo the one
    # before it.
    persistence = np.clip([growth, primary, stock_flow], 0.0, 0.95)
    # Never negative: debt that lowers the primary balance feeds on itself.
    return persistence, float(np.clip(reaction, 0.0, REACTION_LIMIT))


def _macro_regression_coefficients(lagged_macro: F64, macro_series: F64) -> F64:
    # Years with a hole are dropped, not filled: a filled year is a shock of zero.
    complete = np.isfinite(lagged_macro).all(axis=1) & np.isfinite(macro_series)
    return np.linalg.lstsq(lagged_macro[complete], macro_series[complete], rcond=None)[0].astype(
        np.float64
    )


def _macro_shock_residuals(
    macro_gaps: F64, debt_gap: F64, persistence: F64, reaction: float
) -> F64:
    left = macro_gaps[1:] - persistence * macro_gaps[:-1]
    left[:, 1] -= reaction * debt_gap[:-1]
    return left[np.isfinite(left).all(axis=1)]


def _macro_shock_degrees_of_freedom(residuals: Mapping[str, F64]) -> float:
    """Return ν from the kurtosis of shocks scaled by their own economy's volatility.

    A Student t has excess kurtosis 6 / (ν - 4).
    """
    # Scaled by its own economy first: pooled raw, calm and wild economies together look
    # fat-tailed where each of them is normal.
    scaled = [r / r.std(axis=0) for r in residuals.values() if len(r) > 7]
    if not scaled:
        return 5.0
    fourth = float(np.mean(np.concatenate(scaled) ** 4))
    # Over four, where kurtosis exists at all; from thirty on a t is a normal to the eye.
    return float(np.clip(4 + 6 / max(fourth - 3, 1e-9), 4.2, 30.0))


def macro_shock_sd_mean_error_and_degrees(panel: MacroPanel, name: str) -> tuple[F64, F64, float]:
    """Return an economy's macro volatilities, standard errors of means, and degrees."""
    residuals = panel.residuals[name]
    pooled = np.diag(panel.covariance)
    years = len(residuals) + KAPPA_SD
    spread = np.sqrt(((residuals**2).sum(axis=0) + KAPPA_SD * pooled) / years)
    weight = np.sqrt(panel.years[name] + KAPPA_MEAN)
    # The long-run standard error: shocks that persist count for fewer years than they are.
    error = spread / (1 - panel.persistence) / weight
    return spread, error, years


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketShocks:
    """Shocks of rates, exchange rates and guarantees, in the order of `SHOCKS[3:]`.

    Args:
        persistence: φ of short and long rates, shape (2,).
        sd: Of short, long, three exchange rates and guarantees, shape (6,).
        correlation: Between them, shape (6, 6).
        growth_guarantee: Correlation of the guarantee factor with growth.
    """

    persistence: F64
    sd: F64
    correlation: F64
    growth_guarantee: float = 0.5


def economy_shock_model(
    panel: MacroPanel, name: str, markets: MarketShocks, source: str
) -> ShockModel:
    """Return the joint shocks of an economy of the panel."""
    spread, error, degrees = macro_shock_sd_mean_error_and_degrees(panel, name)
    scale = np.sqrt(np.diag(panel.covariance))
    return ShockModel(
        mean=panel.mean[name],
        persistence=np.concatenate([panel.persistence, markets.persistence]),
        sd=np.concatenate([spread, markets.sd]),
        correlation=macro_and_market_correlation(
            panel.covariance / np.outer(scale, scale), markets
        ),
        degrees=panel.degrees,
        mean_error=error,
        scale_degrees=degrees,
        reaction=panel.reaction,
        observations=len(panel.residuals[name]),
        source=source,
    )


def macro_and_market_correlation(macro: F64, markets: MarketShocks) -> F64:
    """Return the correlation of all shocks; macro and market blocks meet in guarantees."""
    n = len(SHOCKS)
    whole = np.eye(n)
    whole[:3, :3] = macro
    whole[3:, 3:] = markets.correlation
    # Guarantees are called in bad years: the one place where macro and market shocks meet.
    whole[0, n - 1] = whole[n - 1, 0] = markets.growth_guarantee
    return whole
