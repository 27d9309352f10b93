"""Day count conventions: the fraction of a year between two dates.

Sources: ICMA Rule 251 (Actual/Actual); 2006 ISDA Definitions, section 4.16
(Actual/Actual ISDA, Actual/360, Actual/365 Fixed, 30/360, 30E/360).
"""

from __future__ import annotations

from calendar import isleap
from datetime import date
from enum import StrEnum
from typing import assert_never


class DayCount(StrEnum):
    """A named day count convention."""

    ACT_ACT_ICMA = "act/act-icma"
    ACT_ACT_ISDA = "act/act-isda"
    ACT_360 = "act/360"
    ACT_365F = "act/365f"
    THIRTY_360 = "30/360"
    THIRTY_E_360 = "30e/360"


def day_count_fraction(
    convention: DayCount, start: date, end: date, period: tuple[date, date], frequency: int
) -> float:
    """Return the years from `start` to `end` under a convention.

    Args:
        convention: The named convention.
        start: First day of accrual.
        end: Last day, itself not counted.
        period: The regular coupon period that holds both dates; only Actual/Actual
            ICMA looks at it.
        frequency: Coupons in a year; likewise.

    >>> half = (date(2025, 1, 15), date(2025, 7, 15))
    >>> day_count_fraction(DayCount.ACT_ACT_ICMA, *half, half, 2)
    0.5
    >>> round(day_count_fraction(DayCount.ACT_360, *half, half, 2), 6)
    0.502778
    """
    days = (end - start).days
    match convention:
        case DayCount.ACT_ACT_ICMA:
            # Rule 251 divides by the regular period, whatever the length of the year.
            return days / (period[1] - period[0]).days / frequency
        case DayCount.ACT_ACT_ISDA:
            return _act_act_isda_fraction(start, end)
        case DayCount.ACT_360:
            return days / 360
        case DayCount.ACT_365F:
            return days / 365
        case DayCount.THIRTY_360:
            return _thirty_360_day_count_fraction(start, end, european=False)
        case DayCount.THIRTY_E_360:
            return _thirty_360_day_count_fraction(start, end, european=True)
        case _:
            assert_never(convention)


def _act_act_isda_fraction(start: date, end: date) -> float:
    if start.year == end.year:
        return (end - start).days / _day_count_days_in_year(start.year)
    # Days in a leap year over 366 and the others over 365, so a period is split at New Year.
    first = (date(start.year + 1, 1, 1) - start).days / _day_count_days_in_year(start.year)
    last = (end - date(end.year, 1, 1)).days / _day_count_days_in_year(end.year)
    return first + (end.year - start.year - 1) + last


def _thirty_360_day_count_fraction(start: date, end: date, *, european: bool) -> float:
    first = min(start.day, 30)
    # 4.16(f) turns the 31st into the 30th only after a start on the 30th; 4.16(g) always.
    last = 30 if end.day == 31 and (european or first == 30) else end.day
    months = 12 * (end.year - start.year) + end.month - start.month
    return (30 * months + last - first) / 360


def _day_count_days_in_year(year: int) -> int:
    return 366 if isleap(year) else 365
