"""The terms of a bond: what its prospectus says, checked as it is built."""

from __future__ import annotations

import math
from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from commonwatt.core.messages import Message
from commonwatt.treasury.domain.bonds.calendars import Calendar, RollConvention
from commonwatt.treasury.domain.bonds.day_count import DayCount
from commonwatt.treasury.domain.errors import BondError, checked_treasury_share


class Amortisation(StrEnum):
    """How principal comes back."""

    BULLET = "bullet"
    LINEAR = "linear"
    ANNUITY = "annuity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bond:
    """One tranche.

    Args:
        name: As the country file spells it.
        currency: ISO 4217 code.
        face_minor: Principal at issue [minor units of the currency].
        coupon: Annual coupon rate [share a year].
        issue_on: First day of accrual.
        maturity_on: Day of the last payment before any roll.
        frequency: Coupons in a year: 1, 2, 4 or 12; 0 for a single payment at maturity.
        day_count: Convention of accrual and of yields.
        amortisation: Bullet, equal principal parts, or equal payments.
        calendar: Closing days of the payment system.
        roll: Where a payment goes that falls on a closing day.
        label: Green, infrastructure, retail …; free text.

    Raises:
        BondError: The terms contradict each other.
    """

    name: str
    currency: str
    face_minor: int
    coupon: float
    issue_on: date
    maturity_on: date
    frequency: int = 2
    day_count: DayCount = DayCount.ACT_ACT_ICMA
    amortisation: Amortisation = Amortisation.BULLET
    calendar: Calendar = Calendar.NONE
    roll: RollConvention = RollConvention.UNADJUSTED
    label: str = ""

    def __post_init__(self) -> None:
        self._check_maturity_after_issue()
        self._check_face_and_coupon()

    def _check_maturity_after_issue(self) -> None:
        if self.maturity_on > self.issue_on:
            return
        raise BondError(
            f"bond {self.name}",
            found=Message(
                "maturity on {maturity}, issue on {issue}",
                {"maturity": self.maturity_on.isoformat(), "issue": self.issue_on.isoformat()},
            ),
            wanted=Message("a maturity after the issue"),
        )

    def _check_face_and_coupon(self) -> None:
        where = f"bond {self.name}"
        if self.frequency not in {0, 1, 2, 4, 12}:
            raise BondError(
                f"{where}, frequency",
                found=str(self.frequency),
                wanted=Message("0, 1, 2, 4 or 12 coupons a year"),
            )
        # ICMA Rule 251 counts in coupon periods, of which a single payment has none.
        if self.frequency == 0 and self.day_count is DayCount.ACT_ACT_ICMA:
            raise BondError(
                f"{where}, day count",
                found=self.day_count.value,
                wanted=Message("a day count that needs no coupon period"),
            )
        if self.face_minor <= 0:
            raise BondError(
                f"{where}, face",
                found=str(self.face_minor),
                wanted=Message("a principal above zero"),
            )
        # Ahead of the bounds, whose remedy (0.05 for five per cent) is no help with NaN.
        if not math.isfinite(self.coupon):
            raise BondError(f"{where}, coupon", found=str(self.coupon), wanted=Message("a number"))
        checked_treasury_share(f"{where}, coupon", self.coupon, BondError)


@dataclass(frozen=True, slots=True)
class CouponPeriod:
    """One coupon period: accrual days and the regular period that holds them."""

    start: date
    end: date
    reference: tuple[date, date]


def coupon_periods(bond: Bond) -> tuple[CouponPeriod, ...]:
    """Return the periods of a bond, counted back from maturity; the first may be short.

    >>> b = Bond(name="b", currency="HKD", face_minor=100, coupon=0.03,
    ...          issue_on=date(2025, 3, 1), maturity_on=date(2026, 6, 30))
    >>> [p.start.isoformat() for p in coupon_periods(b)]
    ['2025-03-01', '2025-06-30', '2025-12-30']
    """
    if bond.frequency == 0:
        whole = (bond.issue_on, bond.maturity_on)
        return (CouponPeriod(*whole, whole),)
    months = 12 // bond.frequency
    periods: list[CouponPeriod] = []
    # Each date is counted from maturity itself: stepped month by month, a 31st that has once
    # become the 28th of February would stay the 28th.
    end, k = bond.maturity_on, 1
    while end > bond.issue_on:
        regular = coupon_date_months_before(bond.maturity_on, k * months)
        if regular < bond.issue_on:  # a short first period: its regular one ends where it ends
            periods.append(
                CouponPeriod(bond.issue_on, end, (coupon_date_months_before(end, months), end))
            )
            break
        periods.append(CouponPeriod(regular, end, (regular, end)))
        end, k = regular, k + 1
    return tuple(reversed(periods))


def coupon_date_months_before(day: date, months: int) -> date:
    """Return the same day of the month, `months` earlier, or the month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
