"""What a government publishes of its own books beside the budget: stocks, cash, forecasts."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedStock:
    """Government debt on a day, bn of the country's currency."""

    on: date
    debt: float

    @property
    def month(self) -> int | None:
        """Number of the month that ends on the day; None for a day within a month."""
        last = monthrange(self.on.year, self.on.month)[1]
        return (
            debt_publication_month_number(self.on.year, self.on.month)
            if self.on.day == last
            else None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CashWindow:
    """Bond proceeds and repayments over whole months, bn; repayments are negative.

    Args:
        before: Number of the month before the window.
        last: Number of its last month.
        proceeds: Proceeds of the window.
        repayment: Repayments of the window, as published with their sign.
    """

    before: int
    last: int
    proceeds: float
    repayment: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastVintage:
    """One past forecast of reserves, bn; outturn None where it is not known yet."""

    budget: str
    target: str
    forecast: float
    outturn: float | None
    source: str

    @property
    def forecast_error_share(self) -> float | None:
        """Outturn less forecast over forecast; negative where it was optimistic."""
        return None if self.outturn is None else self.outturn / self.forecast - 1


def debt_publication_month_number(year: int, month: int) -> int:
    """Return a month as one number, so that neighbours differ by one.

    >>> debt_publication_month_number(2026, 1) - debt_publication_month_number(2025, 12)
    1
    """
    return 12 * year + month - 1
