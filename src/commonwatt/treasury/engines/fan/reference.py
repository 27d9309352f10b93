"""The slow, obvious reference of the kernel: one path, thirty maturity buckets a currency.

Buckets are shifted by a year every year, each holds its face and the coupons it pays,
and nothing is vectorised. Tests compare it with the kernel path by path.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from commonwatt.treasury.domain.country import MixPart
from commonwatt.treasury.domain.shocks import BUCKETS, F64, ShockModel
from commonwatt.treasury.engines.fan.inputs import FanInputs
from commonwatt.treasury.engines.fan.kernel import (
    FX,
    GROWTH,
    GUARANTEE,
    LONG,
    PRIMARY,
    SHORT,
    STOCK_FLOW,
    VOLATILITY,
    WORST_GROWTH,
)


@dataclass(slots=True)
class BondBucket:
    """Bonds of one currency and residual maturity, in that currency."""

    face: float = 0.0
    coupons: float = 0.0


@dataclass(frozen=True, slots=True)
class PathYear:
    """What one year of a path comes to, in money."""

    gdp: float
    debt: float
    reserves: float
    gfn: float
    called: bool


def run_reference_debt_path(
    inputs: FanInputs,
    model: ShockModel,
    mix: Sequence[MixPart],
    *,
    draws: F64,
    chi: F64,
    unsure: F64,
) -> list[PathYear]:
    """Return one path, year by year.

    Args:
        inputs: Baseline and rules.
        model: The shocks' law.
        mix: The parts of gross issuance, as `inputs` was made from.
        draws: Unit normals, shape (years, 9).
        chi: Student scales, shape (years,).
        unsure: Three mean shifts and the volatility scale, shape (4,).
    """
    factor = model.shock_cholesky_factor()
    issued = [[BondBucket() for _ in range(BUCKETS)] for _ in range(4)]
    state, fx = [0.0] * 5, [1.0] * 4
    face = [float(amount) for amount in inputs.opening.face]
    gdp, reserves = inputs.gdp_before, inputs.reserves
    gap = (sum(face) - reserves) / gdp - inputs.anchor[0]
    rows: list[PathYear] = []
    for t in range(len(inputs.names)):
        scale = chi[t] * unsure[VOLATILITY]
        shocks = [sum(factor[i, j] * draws[t, j] for j in range(9)) * scale for i in range(9)]
        state = [model.persistence[i] * state[i] + shocks[i] for i in range(5)]
        # The gap is that of the year before: a budget cannot answer to debt that it makes itself.
        state[PRIMARY] += model.reaction * gap
        # The country's own currency is the unit of account and never moves.
        fx = [1.0, *(fx[c] * math.exp(shocks[FX - 1 + c]) for c in (1, 2, 3))]
        due, cost = _debt_service_moving_buckets_a_year(inputs, issued, t)
        red = sum(f * d for f, d in zip(fx, due, strict=True))
        paid = sum(f * c for f, c in zip(fx, cost, strict=True))
        gdp *= 1 + max(inputs.growth[t] + unsure[GROWTH] + state[GROWTH], WORST_GROWTH)
        called = shocks[GUARANTEE] < inputs.call_threshold
        call = inputs.call_loss * inputs.guarantees[t] if called else 0.0
        primary = inputs.primary[t] + unsure[PRIMARY] + state[PRIMARY]
        need = (unsure[STOCK_FLOW] + state[STOCK_FLOW] - primary) * gdp + paid + call
        gross, reserves = _gross_issuance_and_reserves(
            inputs, t, red=red, need=need, reserves=reserves
        )
        # After the year's service: a bond pays its first coupon in the year after its issue.
        _issue_bonds_by_tenor(issued, mix, inputs, gross, fx, state[SHORT], state[LONG])
        for c in range(4):
            face[c] += gross * inputs.mix.currency[c] / fx[c] - due[c]
        debt = sum(f * a for f, a in zip(fx, face, strict=True))
        gap = (debt - reserves) / gdp - inputs.anchor[t + 1]
        rows.append(PathYear(gdp, debt, reserves, max(red + need, 0.0), called))
    return rows


def _debt_service_moving_buckets_a_year(
    inputs: FanInputs, issued: list[list[BondBucket]], t: int
) -> tuple[list[float], list[float]]:
    """Return redemptions and interest by currency, and move every bucket a year on."""
    due: list[float] = []
    cost: list[float] = []
    for c, buckets in enumerate(issued):
        cost.append(float(inputs.opening.interest[c, t]) + sum(b.coupons for b in buckets))
        due.append(float(inputs.opening.redemption[c, t]) + buckets[0].face)
        issued[c] = [*buckets[1:], BondBucket()]
    return due, cost


def _gross_issuance_and_reserves(
    inputs: FanInputs, t: int, *, red: float, need: float, reserves: float
) -> tuple[float, float]:
    share = inputs.financing_share
    gross = red + inputs.net_issue[t] + share * (need - inputs.need[t])
    # Debt takes the whole of every shock, so that reserves stay as they are.
    if share == 1.0:
        return max(gross, 0.0), reserves
    before = reserves * (1 + inputs.reserves_return) - red - need
    # Reserves cannot fall below zero: what they cannot pay is borrowed.
    gross = max(gross, -before, 0.0)
    return gross, max(before + gross, 0.0)


def _issue_bonds_by_tenor(
    issued: list[list[BondBucket]],
    mix: Sequence[MixPart],
    inputs: FanInputs,
    gross: float,
    fx: Sequence[float],
    short: float,
    long: float,
) -> None:
    for part in mix:
        c = inputs.currencies.index(part.currency)
        amount = gross * part.share / fx[c]
        weight = part.tenor / BUCKETS
        rate = part.coupon + (1 - weight) * short + weight * long
        bucket = issued[c][part.tenor - 1]
        bucket.face += amount
        bucket.coupons += amount * rate
