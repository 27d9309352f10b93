"""What a bond pays: interest and principal, in whole minor units or exact shares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import assert_never

from commonwatt.treasury.domain.bonds.calendars import adjusted_payment_day
from commonwatt.treasury.domain.bonds.day_count import day_count_fraction
from commonwatt.treasury.domain.bonds.terms import Amortisation, Bond, CouponPeriod, coupon_periods


@dataclass(frozen=True, slots=True)
class CashFlow:
    """One payment.

    Args:
        due_on: The day that the terms name; yields are reckoned from it.
        paid_on: The business day on which it is made.
        interest: Interest, per unit of face.
        principal: Principal, per unit of face.
    """

    due_on: date
    paid_on: date
    interest: float
    principal: float


def bond_cash_flows(bond: Bond) -> tuple[CashFlow, ...]:
    """Return the payments of a bond per unit of face, in order of time.

    Interest of a period is outstanding principal × coupon × day count fraction.

    >>> b = Bond(name="b", currency="HKD", face_minor=100, coupon=0.04,
    ...          issue_on=date(2025, 1, 15), maturity_on=date(2026, 1, 15))
    >>> [(f.interest, f.principal) for f in bond_cash_flows(b)]
    [(0.02, 0.0), (0.02, 1.0)]
    """
    periods = coupon_periods(bond)
    shares = bond_repayment_shares(bond, len(periods))
    flows: list[CashFlow] = []
    outstanding = 1.0
    for period, share in zip(periods, shares, strict=True):
        interest = outstanding * bond.coupon * coupon_accrual_fraction(bond, period, period.end)
        paid_on = adjusted_payment_day(bond.calendar, bond.roll, period.end)
        flows.append(CashFlow(period.end, paid_on, interest, share))
        outstanding -= share
    return tuple(flows)


def coupon_accrual_fraction(bond: Bond, period: CouponPeriod, until: date) -> float:
    """Return the day count fraction from the start of a period until a day in it."""
    frequency = max(bond.frequency, 1)
    return day_count_fraction(bond.day_count, period.start, until, period.reference, frequency)


def bond_repayment_shares(bond: Bond, payments: int) -> tuple[float, ...]:
    """Return the share of face repaid at each of `payments` dates; they add to one.

    An annuity's share grows by the coupon of a period: a level payment pays
    p_k = p_1 (1 + i)^(k-1), p_1 = i / ((1 + i)^n - 1).

    >>> b = Bond(name="b", currency="HKD", face_minor=100, coupon=0.0, frequency=1,
    ...          issue_on=date(2025, 1, 15), maturity_on=date(2026, 1, 15),
    ...          amortisation=Amortisation.LINEAR)
    >>> bond_repayment_shares(b, 4)
    (0.25, 0.25, 0.25, 0.25)
    """
    match bond.amortisation:
        case Amortisation.BULLET:
            return (0.0,) * (payments - 1) + (1.0,)
        case Amortisation.LINEAR:
            return (1 / payments,) * payments
        case Amortisation.ANNUITY:
            return _annuity_repayment_shares(bond.coupon / max(bond.frequency, 1), payments)
        case _:
            assert_never(bond.amortisation)


def _annuity_repayment_shares(coupon_rate: float, payments: int) -> tuple[float, ...]:
    # expm1 and log1p keep a rate near zero from dividing one rounding by another.
    growth = math.expm1(payments * math.log1p(coupon_rate))
    first = coupon_rate / growth if growth > 0 else 1 / payments
    return tuple(first * (1 + coupon_rate) ** k for k in range(payments))


def bond_cash_in_minor_units(bond: Bond) -> tuple[tuple[date, int, int], ...]:
    """Return (day, interest, principal) of each payment in whole minor units.

    Roundings are carried forward, so that the principal repaid is exactly the face
    and the interest paid is within half a minor unit of the exact sum at each date.
    """
    rows: list[tuple[date, int, int]] = []
    paid = [0, 0]
    # Fractions, because a sum of floats would lose the minor unit of a face of some trillion.
    exact = [Fraction(0), Fraction(0)]
    flows = bond_cash_flows(bond)
    for flow in flows:
        for k, amount in enumerate((flow.interest, flow.principal)):
            exact[k] += Fraction(amount) * bond.face_minor
        if flow is flows[-1]:
            # Shares such as a third do not add to one in floats; what is owed is the face.
            exact[1] = Fraction(bond.face_minor)
        now = [round(amount) for amount in exact]
        rows.append((flow.paid_on, now[0] - paid[0], now[1] - paid[1]))
        paid = now
    return tuple(rows)
