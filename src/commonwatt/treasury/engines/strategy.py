"""Issuance strategies: what a mix of tenors and currencies costs, and what it risks.

The path of net borrowing is given; a strategy decides how each year's gross issuance is
made up, and so what must be rolled over. Its cost is interest and exchange loss on new
bonds, to first order in rates and exchange rates: then cost is a fixed sum plus a weight
for every shock of every year, and a thousand strategies on ten thousand paths are one
product of two matrices.

Source: IMF and World Bank (2019), Developing a Medium-Term Debt Management Strategy
Framework, for cost against risk; cost at risk after Danmarks Nationalbank's practice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commonwatt.core.seeds import named_random_stream
from commonwatt.treasury.domain.country import MixPart
from commonwatt.treasury.domain.shocks import F64, ShockModel
from commonwatt.treasury.engines.fan.draws import BLOCK, draw_debt_shock_block
from commonwatt.treasury.engines.fan.inputs import FanInputs, mix_repayment_and_interest_profile
from commonwatt.treasury.engines.fan.kernel import GUARANTEE, SHORT, VOLATILITY


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyOutcome:
    """One strategy's cost and risk over the horizon, in the country's money.

    Args:
        name: The strategy.
        cost: Mean cost a year of new bonds.
        risk: 95 % quantile of that cost less its mean: cost at risk.
        peak_redemption: Largest redemption of any year.
        efficient: No other strategy costs less at no more risk.
    """

    name: str
    cost: float
    risk: float
    peak_redemption: float
    efficient: bool


def random_issuance_mixes(
    mix: Sequence[MixPart], count: int, seed: int
) -> list[tuple[MixPart, ...]]:
    """Return mixes of the same parts with random shares, the first as given.

    Shares are drawn evenly from the simplex, the Dirichlet law of ones.
    """
    shares = named_random_stream(seed, "treasury strategies").dirichlet(np.ones(len(mix)), count)
    shares[0] = [part.share for part in mix]
    return [_issuance_mix_with_shares(mix, row) for row in shares]


def _issuance_mix_with_shares(mix: Sequence[MixPart], shares: F64) -> tuple[MixPart, ...]:
    pairs = zip(mix, shares, strict=True)
    return tuple(
        MixPart(
            programme=part.programme,
            currency=part.currency,
            tenor=part.tenor,
            share=float(share),
            coupon=part.coupon,
            label=part.label,
        )
        for part, share in pairs
    )


def evaluate_issuance_mixes(
    inputs: FanInputs,
    model: ShockModel,
    mixes: Sequence[Sequence[MixPart]],
    *,
    paths: int,
    seed: int,
) -> list[StrategyOutcome]:
    """Return cost and risk of each mix on the same paths of rates and exchange rates."""
    years = len(inputs.names)
    exposures = [_issuance_mix_exposure(inputs, mix) for mix in mixes]
    fixed = np.array([exposure.fixed for exposure in exposures])
    weights = np.stack([exposure.weights for exposure in exposures], axis=1)
    costs = (fixed + market_shock_paths(model, years, paths, seed) @ weights) / years
    ordered = np.sort(costs, axis=0)
    mean = costs.mean(axis=0)
    # An order statistic, not an interpolated quantile: the cost of a path that was drawn.
    risk = ordered[int(0.95 * (paths - 1))] - mean
    best = _efficiency_flags_of_issuance_mixes(mean, risk)
    return [
        StrategyOutcome(
            name="as planned" if k == 0 else f"mix {k}",
            cost=float(mean[k]),
            risk=float(risk[k]),
            peak_redemption=exposure.peak_redemption,
            efficient=bool(best[k]),
        )
        for k, exposure in enumerate(exposures)
    ]


def market_shock_paths(model: ShockModel, years: int, paths: int, seed: int) -> F64:
    """Return short rate, long rate and three log exchange rates, shape (paths, 5 × years).

    They are those of the fan of the same seed.
    """
    blocks = range(-(-paths // BLOCK))
    return np.concatenate([_market_shock_path_block(model, years, seed, b) for b in blocks])[:paths]


def _market_shock_path_block(model: ShockModel, years: int, seed: int, block: int) -> F64:
    draws, chi, unsure = draw_debt_shock_block(model, years, seed=seed, block=block)
    # Rates and exchange rates only: net borrowing is given, so growth cannot move a cost.
    factor = model.shock_cholesky_factor()[SHORT:GUARANTEE].astype(np.float32)
    shocks = np.einsum("ij,ltjp->itlp", factor, draws).astype(np.float64)
    shocks *= chi.transpose(1, 0, 2)[None] * unsure[None, None, :, VOLATILITY, :]
    flat = shocks.reshape(5, years, BLOCK)
    for k in range(2):
        for t in range(1, years):
            flat[k, t] += model.persistence[SHORT + k] * flat[k, t - 1]
    flat[2:] = flat[2:].cumsum(axis=1)  # exchange rates are random walks in logs
    return flat.reshape(5 * years, BLOCK).T


@dataclass(frozen=True, slots=True)
class _Exposure:
    """A mix's fixed cost, its weight on every shock of every year, and its peak redemption."""

    fixed: float
    weights: F64
    peak_redemption: float


def _issuance_mix_exposure(inputs: FanInputs, mix: Sequence[MixPart]) -> _Exposure:
    years = len(inputs.names)
    red, cost, short, long, currency = mix_repayment_and_interest_profile(
        mix, inputs.currencies, years
    )
    amounts, due = _gross_issuance_and_redemption_bn_by_year(inputs, red, currency)
    weights = np.zeros((5, years))
    fixed = 0.0
    for u in range(years):
        left = years - u  # ages 1 … left - 1 fall within the horizon
        for c in range(4):
            face = amounts[u] * currency[c]
            paid = face * cost[c, 1:left]
            fixed += paid.sum()
            weights[0, u] += face * short[c, 1:left].sum()
            weights[1, u] += face * long[c, 1:left].sum()
            if c:
                _add_exchange_loss_weights(weights[1 + c], u, paid, face * red[c, 1:left], face)
    return _Exposure(fixed, weights.reshape(-1), float(due.max()))


def _add_exchange_loss_weights(
    fx_weights: F64, u: int, coupons: F64, repaid: F64, face: float
) -> None:
    """Add a vintage's exchange loss: paid, or still owed at the end, at a later rate.

    To first order a payment of a costs a (log f_t - log f_u) more than at issue.
    """
    paid = coupons + repaid
    fx_weights[u + 1 : u + 1 + len(paid)] += paid
    owed = face - repaid.sum()
    fx_weights[-1] += owed
    fx_weights[u] -= paid.sum() + owed


def _gross_issuance_and_redemption_bn_by_year(
    inputs: FanInputs, red: F64, currency: F64
) -> tuple[F64, F64]:
    """Return gross issuance and redemption by year: net borrowing is given."""
    years = len(inputs.names)
    by_age = currency @ red
    gross, due = np.zeros(years), np.zeros(years)
    for t in range(years):
        due[t] = inputs.opening.redemption[:, t].sum() + gross[:t] @ by_age[1 : t + 1][::-1]
        gross[t] = max(due[t] + inputs.net_issue[t], 0.0)
    return gross, due


def _efficiency_flags_of_issuance_mixes(cost: F64, risk: F64) -> np.ndarray:
    """Return which points no other point beats on both: the lower left frontier."""
    order = np.lexsort((risk, cost))
    best = np.inf
    efficient = np.zeros(len(cost), bool)
    for k in order:  # by cost, so a point is on the frontier where its risk is a new low
        if risk[k] < best:
            efficient[k], best = True, risk[k]
    return efficient
