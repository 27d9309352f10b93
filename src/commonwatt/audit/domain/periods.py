"""Dates as statistics write them: a year, a fiscal year, a month, a span."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_PART: Final = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?")


class PeriodKind(StrEnum):
    """What kind of period is meant."""

    CALENDAR = "calendar year"
    FISCAL = "fiscal year"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class ClaimPeriod:
    """From `start` to `end`, in years and their fractions.

    >>> parse_claim_period("2026-27").kind, parse_claim_period("2025-12").kind
    (<PeriodKind.FISCAL: 'fiscal year'>, <PeriodKind.MONTH: 'month'>)
    """

    start: float
    end: float
    kind: PeriodKind

    def gap_years_or_zero_on_overlap(self, other: ClaimPeriod) -> float:
        """Return the years between two periods, 0 where they overlap."""
        return max(0.0, other.start - self.end, self.start - other.end)

    def overlap_years(self, other: ClaimPeriod) -> float:
        """Return the years that both hold."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))


def parse_claim_period(text: str) -> ClaimPeriod | None:
    """Return the period that `text` names, or None where it names no year.

    A fiscal year starts in April, as in Hong Kong, Japan, India and the United Kingdom.
    """
    parts = [_claim_period_of_year_match(match) for match in _PART.finditer(text)]
    if not parts:
        return None
    return ClaimPeriod(
        min(each.start for each in parts), max(each.end for each in parts), parts[0].kind
    )


def _claim_period_of_year_match(match: re.Match[str]) -> ClaimPeriod:
    year, second = int(match[1]), match[2]
    if second is None:
        return ClaimPeriod(year, year + 1, PeriodKind.CALENDAR)
    # 2026-27 is a fiscal year and 2026-07 a month; 2011-12 could be either, and statistics of
    # governments mean the year.
    if match[3] is None and int(second) == (year + 1) % 100:
        # From April to March, as fractions of a calendar year.
        return ClaimPeriod(year + 0.25, year + 1.25, PeriodKind.FISCAL)
    # A number such as 2025-30 is no month; it is read as the nearest one and its year still counts.
    month = min(max(int(second), 1), 12)
    return ClaimPeriod(year + (month - 1) / 12, year + month / 12, PeriodKind.MONTH)
