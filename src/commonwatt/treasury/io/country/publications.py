"""A country's published stocks, cash windows, vintages and cells, as its folder holds them.

Every file may be absent: a country folder that somebody starts has `country.toml` and its
lines, and grows as its sources are read.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from commonwatt.core.messages import Message
from commonwatt.treasury.domain.accounts import GeneralLedger
from commonwatt.treasury.domain.errors import AccountError, CountryError
from commonwatt.treasury.domain.publications import (
    CashWindow,
    ForecastVintage,
    PublishedStock,
    debt_publication_month_number,
)
from commonwatt.treasury.io.country.csvs import CountryCsvRow, optional_country_csv_rows

_PERIOD = re.compile(r"(\d{4})-(\d{2})(?:\.\.(\d{4})-(\d{2}))?")
# Published and posted amounts are rounded by different hands, to a tenth of a bn at worst.
CELL_TOLERANCE = 0.051


def load_published_debt_stocks(folder: Path, currency: str) -> tuple[PublishedStock, ...]:
    """Return the published stocks of debt."""
    return tuple(
        PublishedStock(
            on=_debt_publication_date(row), debt=row.money_bn("government_debts", currency)
        )
        for row in optional_country_csv_rows(folder / "debt_stock.csv", ["date", "source_id"])
    )


def load_published_bond_cash_windows(folder: Path, currency: str) -> tuple[CashWindow, ...]:
    """Return the published bond cash, by window of months."""
    rows = optional_country_csv_rows(folder / "cash_flows.csv", ["period", "source_id"])
    return tuple(_parse_debt_cash_window(row, currency) for row in rows)


def load_budget_forecast_vintages(folder: Path, currency: str) -> tuple[ForecastVintage, ...]:
    """Return past forecasts of reserves, in order of budget."""
    columns = ["budget", "target_end_month", "source_id"]
    vintages = [
        ForecastVintage(
            budget=row.text("budget"),
            target=row.text("target_end_month"),
            forecast=row.money_bn("forecast_reserves", currency),
            outturn=row.money_bn_or_none("outturn", currency),
            source=row.text("source_id"),
        )
        for row in optional_country_csv_rows(folder / "vintages.csv", columns)
    ]
    return tuple(sorted(vintages, key=lambda vintage: vintage.budget))


def check_published_balances(path: Path, currency: str, ledger: GeneralLedger) -> None:
    """Raise unless the cells that were read agree with the entries that were posted.

    `cells.csv` is what was read, one figure a row with its unit; `ledger.csv` is what was
    made of it. The two are typed by hand, and only a comparison shows a slip in either.

    Raises:
        AccountError: A balance of a past year differs from its published cell.
        UnitError: A cell's unit is no money of the country.
    """
    years = {entry.fiscal_year for entry in ledger.entries}
    columns = ["period", "variable", "value", "unit", "source_id"]
    for row in optional_country_csv_rows(path, columns):
        # A year without a posted entry has nothing for its cells to agree with.
        if row.text("period") in years and row.text("variable") in _POSTED:
            _check_published_balance(row, currency, ledger)


def _check_published_balance(row: CountryCsvRow, currency: str, ledger: GeneralLedger) -> None:
    published = row.money_bn("value", currency)
    balances = ledger.budget_balances(row.text("period"))
    posted = {
        "bond_proceeds": balances.proceeds,
        # Published with the sign of cash; the balances hold what is repaid as positive.
        "bond_repayment": -balances.repayment,
        "balance_before_bonds": balances.before_bonds,
        "consolidated_balance_after_bonds": balances.published,
    }[row.text("variable")]
    if abs(published - posted) <= CELL_TOLERANCE:
        return
    raise AccountError(
        row.country_cell_location("value"),
        found=Message("{amount} bn", {"amount": f"{published:,.1f}"}),
        wanted=Message("{amount} bn, as the ledger holds it", {"amount": f"{posted:,.1f}"}),
    )


_POSTED = (
    "bond_proceeds",
    "bond_repayment",
    "balance_before_bonds",
    "consolidated_balance_after_bonds",
)


def _debt_publication_date(row: CountryCsvRow) -> date:
    try:
        return date.fromisoformat(row.text("date"))
    except ValueError:
        raise CountryError(
            row.country_cell_location("date"),
            found=row.text("date")[:40],
            wanted=Message("a date YYYY-MM-DD"),
        ) from None


def _parse_debt_cash_window(row: CountryCsvRow, currency: str) -> CashWindow:
    match = _PERIOD.fullmatch(row.text("period"))
    if match is None:
        raise CountryError(
            row.country_cell_location("period"),
            found=row.text("period")[:40],
            wanted=Message("months such as 2025-08 or 2025-04..2025-12"),
        )
    first_year, first, last_year, last = match.groups()
    return CashWindow(
        # A window is a step between month-ends, and starts at the end of the month before it.
        before=debt_publication_month_number(int(first_year), int(first)) - 1,
        last=debt_publication_month_number(int(last_year or first_year), int(last or first)),
        proceeds=row.money_bn("proceeds", currency),
        repayment=row.money_bn("repayment", currency),
    )
