"""What Hong Kong's published figures say of each other.

The stock at the end of 2025 is rolled forward from the July 2025 stock and the
cash flows between; the ceiling is set beside the published ratio; reserves are set
beside debt year by year.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from commonwatt.treasury.domain.country import Country
from commonwatt.treasury.io.country.csvs import rows

WINDOW_COLUMNS = ("period", "proceeds_hkd_mn", "repayment_hkd_mn")
STOCK_COLUMNS = ("date", "government_debts_hkd_mn", "source_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """A stock rolled forward by cash, and the stock that was published; HKD bn."""

    opening_on: str
    opening: float
    proceeds: float
    repayment: float
    rolled: float
    claimed_on: str
    claimed: float

    @property
    def gap_share(self) -> float:
        """Rolled less claimed, over claimed; revaluation of foreign bonds lies in it."""
        return self.rolled / self.claimed - 1


def reconcile(folder: Path) -> Reconciliation:
    """Return the stock of July 2025 rolled to the end of 2025 by the published cash flows.

    The windows are year to date, so the flow of August to December is April to December
    less April to August, plus August.
    """
    flows = {
        row.text("period"): (row.number_in("proceeds_hkd_mn"), row.number_in("repayment_hkd_mn"))
        for row in rows(folder / "cash_flows.csv", WINDOW_COLUMNS)
    }
    stocks = {
        row.text("date"): row.number_in("government_debts_hkd_mn") / 1000
        for row in rows(folder / "debt_stock.csv", STOCK_COLUMNS)
    }
    proceeds, repayment = (
        flows["2025-04..2025-12"][k] - flows["2025-04..2025-08"][k] + flows["2025-08"][k]
        for k in (0, 1)
    )
    opening = stocks["2025-07-31"]
    return Reconciliation(
        opening_on="2025-07-31",
        opening=opening,
        proceeds=proceeds / 1000,
        repayment=-repayment / 1000,
        rolled=opening + (proceeds + repayment) / 1000,
        claimed_on="2025-12-31",
        claimed=stocks["2025-12-31"],
    )


def growth_for(amount: float, share: float, gdp: float, years: int) -> float:
    """Return the nominal growth at which `amount` is `share` of GDP after `years`.

        g = (A / (s Y))^(1/n) - 1

    >>> round(growth_for(900, 0.199, 3485.1, 4), 4)
    0.0673
    """
    return (amount / share / gdp) ** (1 / years) - 1


def reserves_less_debt(country: Country) -> dict[str, float]:
    """Return reserves less debt of each published year, HKD bn."""
    return {
        year.fiscal_year: year.reserves - year.debt
        for year in country.history
        if year.reserves is not None and year.debt is not None
    }
