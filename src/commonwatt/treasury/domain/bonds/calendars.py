"""Business days: which days pay, and where a payment moves that falls on another.

Sources: TARGET closing days, European Central Bank press release of 14 December
2000; Gregorian Easter by the anonymous algorithm (Meeus, Astronomical Algorithms,
chapter 8); business day conventions, 2006 ISDA Definitions, section 4.12.
"""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from functools import cache
from typing import assert_never


class Calendar(StrEnum):
    """A named set of closing days."""

    NONE = "none"
    WEEKENDS = "weekends"
    TARGET = "target"


class RollConvention(StrEnum):
    """Where a payment goes that falls on a closing day."""

    UNADJUSTED = "unadjusted"
    FOLLOWING = "following"
    MODIFIED_FOLLOWING = "modified-following"
    PRECEDING = "preceding"


def is_bond_business_day(calendar: Calendar, day: date) -> bool:
    """Return whether payments are made on `day`.

    >>> is_bond_business_day(Calendar.TARGET, date(2026, 4, 3))  # Good Friday
    False
    """
    match calendar:
        case Calendar.NONE:
            return True
        case Calendar.WEEKENDS:
            return day.weekday() < 5
        case Calendar.TARGET:
            return day.weekday() < 5 and day not in _target_payment_holidays(day.year)
        case _:
            assert_never(calendar)


def adjusted_payment_day(calendar: Calendar, roll: RollConvention, day: date) -> date:
    """Return the day on which a payment due on `day` is made.

    >>> roll = RollConvention.MODIFIED_FOLLOWING
    >>> adjusted_payment_day(Calendar.WEEKENDS, roll, date(2026, 5, 31))  # a Sunday
    datetime.date(2026, 5, 29)
    """
    match roll:
        case RollConvention.UNADJUSTED:
            return day
        case RollConvention.FOLLOWING:
            return _nearest_payment_day(calendar, day, 1)
        case RollConvention.PRECEDING:
            return _nearest_payment_day(calendar, day, -1)
        case RollConvention.MODIFIED_FOLLOWING:
            # Not into the next month: the payment would fall into another accounting period.
            later = _nearest_payment_day(calendar, day, 1)
            return later if later.month == day.month else _nearest_payment_day(calendar, day, -1)
        case _:
            assert_never(roll)


def _nearest_payment_day(calendar: Calendar, day: date, direction: int) -> date:
    while not is_bond_business_day(calendar, day):
        day += timedelta(days=direction)
    return day


@cache
def _target_payment_holidays(year: int) -> frozenset[date]:
    # Before 2000 TARGET closed on New Year's Day and Christmas Day alone.
    easter = _bond_calendar_easter_sunday(year)
    moving = (
        {easter - timedelta(days=2), easter + timedelta(days=1)} if year >= 2000 else set[date]()
    )
    fixed = {date(year, 1, 1), date(year, 12, 25)}
    if year >= 2000:
        fixed |= {date(year, 5, 1), date(year, 12, 26)}
    # The last days before the euro, before the year 2000, and before the euro's cash.
    if year in {1998, 1999, 2001}:
        fixed.add(date(year, 12, 31))
    return frozenset(moving | fixed)


def _bond_calendar_easter_sunday(year: int) -> date:
    a, b, c = year % 19, year // 100, year % 100
    d, e, f = b // 4, b % 4, (b + 8) // 25
    h = (19 * a + b - d - (b - f + 1) // 3 + 15) % 30
    k = (32 + 2 * e + 2 * (c // 4) - h - c % 4) % 7
    m = (a + 11 * h + 22 * k) // 451
    month, day = divmod(h + k - 7 * m + 114, 31)
    return date(year, month, day + 1)
