"""Price, yield, accrued interest, duration and convexity of a bond.

Street convention: the payments are reckoned on the days that the terms name, the
time to each is counted period by period under the bond's own day count, and the
yield compounds with the coupon frequency (once a year where there is none).

Source: ICMA Rule 803 and its formulae for redemption yields, duration and
convexity; Fabozzi, The Handbook of Fixed Income Securities, chapter 4.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import cast

from scipy.optimize import brentq  # type: ignore[import-untyped]

from commonwatt.core.messages import Message
from commonwatt.treasury.domain.bonds.terms import Bond, CouponPeriod, coupon_periods
from commonwatt.treasury.domain.errors import BondError
from commonwatt.treasury.engines.bonds.cash_flows import bond_cash_flows, coupon_accrual_fraction


@dataclass(frozen=True, slots=True)
class BondClaim:
    """What a holder still gets after settlement.

    Args:
        times: Years to each payment, counted under the bond's day count.
        amounts: Payments per unit of face at issue.
        accrued: Interest already earned by the seller, per unit of face.
        outstanding: Principal not yet repaid, per unit of face.
        frequency: Compounding periods of the yield in a year.
    """

    times: tuple[float, ...]
    amounts: tuple[float, ...]
    accrued: float
    outstanding: float
    frequency: int


def bond_claim_after(bond: Bond, settle_on: date) -> BondClaim:
    """Return the payments that fall after `settle_on`.

    Raises:
        BondError: Settlement is before the issue or not before the maturity.
    """
    if not bond.issue_on <= settle_on < bond.maturity_on:
        raise BondError(
            f"bond {bond.name}, settlement",
            found=settle_on.isoformat(),
            wanted=Message("a day from the issue on and before the maturity"),
        )
    periods, flows = coupon_periods(bond), bond_cash_flows(bond)
    # A coupon due on the day of settlement is the seller's.
    first = bisect_right([period.end for period in periods], settle_on)
    outstanding = 1.0 - sum(flow.principal for flow in flows[:first])
    earned = outstanding * bond.coupon * coupon_accrual_fraction(bond, periods[first], settle_on)
    return BondClaim(
        times=_bond_cash_flow_times(bond, periods[first:], settle_on),
        amounts=tuple(flow.interest + flow.principal for flow in flows[first:]),
        accrued=earned,
        outstanding=outstanding,
        frequency=max(bond.frequency, 1),
    )


def _bond_cash_flow_times(
    bond: Bond, periods: tuple[CouponPeriod, ...], settle_on: date
) -> tuple[float, ...]:
    times: list[float] = []
    now = -coupon_accrual_fraction(bond, periods[0], settle_on)
    for period in periods:
        now += coupon_accrual_fraction(bond, period, period.end)
        times.append(now)
    return tuple(times)


def dirty_price(bond_claim: BondClaim, yield_rate: float) -> float:
    """Return the price with accrued interest, per 100 of face.

        P = 100 Σ c_i / (1 + y / f)^(f t_i)

    >>> par = BondClaim((0.5, 1.0), (0.02, 1.02), 0.0, 1.0, 2)
    >>> round(dirty_price(par, 0.04), 10)
    100.0
    """
    # One logarithm for all payments: the power of each time is then one exponential.
    base = math.log1p(yield_rate / bond_claim.frequency) * bond_claim.frequency
    return 100 * sum(
        amount * math.exp(-base * time)
        for time, amount in zip(bond_claim.times, bond_claim.amounts, strict=True)
    )


def clean_price(bond_claim: BondClaim, yield_rate: float) -> float:
    """Return the quoted price, without accrued interest, per 100 of face."""
    return dirty_price(bond_claim, yield_rate) - 100 * bond_claim.accrued


def yield_from_clean_price(bond_claim: BondClaim, clean: float) -> float:
    """Return the yield at which the clean price is `clean`; the inverse of `clean_price`.

    >>> par = BondClaim((0.5, 1.0), (0.02, 1.02), 0.0, 1.0, 2)
    >>> round(yield_from_clean_price(par, 100.0), 10)
    0.04
    """
    # The price falls in the yield, so a bracket is found by doubling upwards, and downwards by
    # halving the distance to -f, where the discount factor has its pole.
    low, high = 0.0, 1.0
    while clean_price(bond_claim, high) > clean:
        high *= 2
    while clean_price(bond_claim, low) < clean:
        low = (low - bond_claim.frequency) / 2
    return _bond_yield_root(lambda rate: clean_price(bond_claim, rate) - clean, low, high)


def _bond_yield_root(price_error: Callable[[float], float], low: float, high: float) -> float:
    return cast("float", brentq(price_error, low, high, xtol=1e-14))


def bond_macaulay_duration_years(bond_claim: BondClaim, yield_rate: float) -> float:
    """Return the mean time to the payments, weighted by their present values [years].

    >>> zero = BondClaim((7.0,), (1.0,), 0.0, 1.0, 1)
    >>> bond_macaulay_duration_years(zero, 0.03)
    7.0
    """
    return _bond_present_value_moment(bond_claim, yield_rate, 1) / _bond_present_value_moment(
        bond_claim, yield_rate, 0
    )


def bond_modified_duration_years(bond_claim: BondClaim, yield_rate: float) -> float:
    """Return -dP/dy / P [years]: Macaulay duration / (1 + y / f)."""
    return bond_macaulay_duration_years(bond_claim, yield_rate) / (
        1 + yield_rate / bond_claim.frequency
    )


def convexity(bond_claim: BondClaim, yield_rate: float) -> float:
    """Return d²P/dy² / P [years²].

    C = Σ t_i (t_i + 1/f) pv_i / (P (1 + y/f)²)
    """
    price = _bond_present_value_moment(bond_claim, yield_rate, 0)
    second = (
        _bond_present_value_moment(bond_claim, yield_rate, 2)
        + _bond_present_value_moment(bond_claim, yield_rate, 1) / bond_claim.frequency
    )
    return second / price / (1 + yield_rate / bond_claim.frequency) ** 2


def _bond_present_value_moment(claim: BondClaim, yield_rate: float, power: int) -> float:
    base = math.log1p(yield_rate / claim.frequency) * claim.frequency
    pairs = zip(claim.times, claim.amounts, strict=True)
    return sum(time**power * amount * math.exp(-base * time) for time, amount in pairs)
