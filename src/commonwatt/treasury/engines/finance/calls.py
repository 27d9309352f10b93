"""Calls on a guarantee, drawn from the same shocks as the sovereign's own fan.

A path's GDP growth is the one that the fan of the same seed sees, path by path.
Demand for compute moves with the level of GDP against its baseline by a stated
elasticity and by chance of its own; where the cash falls short of debt service, the
guarantee pays the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commonwatt.core.seeds import named_random_stream
from commonwatt.treasury.domain.shocks import F64, ShockModel
from commonwatt.treasury.engines.fan.draws import (
    BLOCK,
    BLOCKS_PER_STREAM,
    PATHS_PER_BLOCK,
    draw_debt_shock_block,
)
from commonwatt.treasury.engines.fan.kernel import F32, GROWTH, VOLATILITY, WORST_GROWTH
from commonwatt.treasury.engines.finance.books import CentreLife

DEMAND_SD = 0.10  # assumption: yearly log change of demand that has nothing to do with GDP


@dataclass(frozen=True, slots=True, kw_only=True)
class GuaranteeCalls:
    """Guarantee calls by operating year, in mn.

    Args:
        years: Calendar years.
        expected: Mean call of each year.
        stressed: 99 % quantile of each year.
        probability: Share of paths with a call in each year.
        probability_ever: Share of paths with any call.
        monte_carlo_error: Standard error of `probability_ever`.
    """

    years: tuple[int, ...]
    expected: tuple[float, ...]
    stressed: tuple[float, ...]
    probability: tuple[float, ...]
    probability_ever: float
    monte_carlo_error: float


def guarantee_calls(
    life: CentreLife, model: ShockModel, *, paths: int, seed: int, demand_sd: float = DEMAND_SD
) -> GuaranteeCalls:
    """Return the calls of a centre whose loan the government guarantees."""
    builds, years = life.centre.construction.years, life.centre.loan.years
    blocks = range(-(-paths // BLOCK))
    parts = [
        _guarantee_calls_mn_of_path_block(life, model, seed, b, builds + years, demand_sd)
        for b in blocks
    ]
    calls = np.concatenate(parts, axis=1)[:, :paths]
    hit = calls > 1e-9  # a tenth of a cent: less is rounding of two equal sums
    ever = float(hit.any(axis=0).mean())
    return GuaranteeCalls(
        years=tuple(life.centre.first_year + builds + k for k in range(years)),
        expected=tuple(float(v) for v in calls.mean(axis=1)),
        stressed=tuple(float(v) for v in np.quantile(calls, 0.99, axis=1)),
        probability=tuple(float(v) for v in hit.mean(axis=1)),
        probability_ever=ever,
        monte_carlo_error=float(np.sqrt(ever * (1 - ever) / paths)),
    )


def _guarantee_calls_mn_of_path_block(
    life: CentreLife, model: ShockModel, seed: int, block: int, years: int, demand_sd: float
) -> F64:
    growth = log_gdp_gap_paths(model, years, seed=seed, block=block)
    rng = named_random_stream(seed, f"treasury centre {life.centre.name}, block {block}")
    apart = rng.standard_normal((years, growth.shape[1])).cumsum(axis=0) * demand_sd
    # The paths start when building does: the years before the first sale are chance, too.
    demand = np.exp(life.centre.growth_beta * growth + apart)[life.centre.construction.years :]
    return _guarantee_payments_mn(life, demand)


def log_gdp_gap_paths(model: ShockModel, years: int, *, seed: int, block: int) -> F64:
    """Return log GDP against its baseline on the paths of one block of the fan.

    Shape (years, paths); the draws, the scales and the law are the fan's own.
    """
    draws, chi, unsure = draw_debt_shock_block(model, years, seed=seed, block=block)
    # The first row of the factor alone: growth needs none of the other eight shocks.
    weights = model.shock_cholesky_factor()[GROWTH]
    shocks = np.einsum("j,ltjp->tlp", weights.astype(np.float32), draws).astype(np.float64)
    shocks *= _gdp_shock_scales(chi, unsure)
    state = np.zeros(shocks.shape[1:])
    gap = np.zeros(shocks.shape[1:])
    rows: list[F64] = []
    for shock in shocks:
        state = model.persistence[GROWTH] * state + shock
        gap = gap + np.log1p(np.maximum(unsure[:, GROWTH, :] + state, WORST_GROWTH))
        rows.append(gap.reshape(BLOCKS_PER_STREAM * PATHS_PER_BLOCK))
    return np.stack(rows)


def _gdp_shock_scales(student_scales: F32, unsure: F64) -> F64:
    return student_scales.transpose(1, 0, 2).astype(np.float64) * unsure[None, :, VOLATILITY, :]


def _guarantee_payments_mn(life: CentreLife, demand: F64) -> F64:
    """Return what the guarantee pays in each year of the loan, in mn.

    Demand cannot exceed what there is to sell. Debt service comes before the refresh
    reserve, and cash beyond both is paid out, so nothing else stands before the guarantee.
    """
    centre = life.centre
    per_year = centre.periods_per_year
    ceiling = 1 / centre.operation.utilisation
    rows: list[F64] = []
    for year in range(centre.loan.years):
        span = range(year * per_year, (year + 1) * per_year)
        revenue = sum(life.operating[k].revenue for k in span)
        variable = 100 * centre.operation.variable_cost * sum(life.operating[k].hours for k in span)
        # Fixed cost is what is left of the running cost, so that both move as `operation` has it.
        index = (1 + centre.operation.inflation) ** year
        fixed = sum(life.operating[k].cost for k in span) - variable * index
        service = sum(life.service[k].total_payment for k in span)
        used = np.minimum(demand[year], ceiling)
        cash = (revenue - variable * index) * used - fixed
        rows.append(np.maximum(service - cash, 0.0) / 100_000_000)
    return np.stack(rows)
