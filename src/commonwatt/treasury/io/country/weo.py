"""Any economy of the World Economic Outlook, read from the user's table.

The table has a row for each economy and year with the WEO's own codes as columns.
It is read where it lies and not shipped: its terms ask for attribution and no
implied endorsement by the IMF.

Source: IMF, World Economic Outlook database; codes NGDP_FY (GDP of the fiscal
year), GGXWDG (gross debt), GGXCNL (net lending), GGXONLB (primary balance).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from commonwatt.core.errors import table_cell_location_text
from commonwatt.core.messages import Message
from commonwatt.treasury.domain.accounts import AccountKind, BudgetAccount
from commonwatt.treasury.domain.bonds.ladder import Tranche
from commonwatt.treasury.domain.country import BudgetLine, Country, HistoryYear, LineDriver, MixPart
from commonwatt.treasury.domain.debt import DebtDecomposition, DebtYear, decompose_debt_change
from commonwatt.treasury.domain.errors import CountryError

F64 = npt.NDArray[np.float64]
COLUMNS = ("ref_area", "year", "NGDP_FY", "GGXCNL", "GGXONLB", "GGXWDG")
OUTLOOK_FROM = 2025  # later rows of the October 2025 vintage are projections
CURRENCIES: dict[str, str] = {
    pair[:3]: pair[4:]
    for pair in [
        "AUS:AUD",
        "AUT:EUR",
        "BEL:EUR",
        "BRA:BRL",
        "CAN:CAD",
        "CHE:CHF",
        "CHL:CLP",
        "CHN:CNY",
        "CZE:CZK",
        "DEU:EUR",
        "DNK:DKK",
        "ESP:EUR",
        "EST:EUR",
        "FIN:EUR",
        "FRA:EUR",
        "GBR:GBP",
        "GRC:EUR",
        "HKG:HKD",
        "HUN:HUF",
        "IDN:IDR",
        "IND:INR",
        "IRL:EUR",
        "ISR:ILS",
        "ITA:EUR",
        "JPN:JPY",
        "KOR:KRW",
        "MEX:MXN",
        "MYS:MYR",
        "NLD:EUR",
        "NOR:NOK",
        "NZL:NZD",
        "POL:PLN",
        "PRT:EUR",
        "ROU:RON",
        "SGP:SGD",
        "SWE:SEK",
        "THA:THB",
        "TUR:TRY",
        "USA:USD",
        "ZAF:ZAR",
    ]
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Economy:
    """One economy's annual series, one value a year, NaN where there is none.

    Args:
        iso3: ISO 3166 code.
        years: Calendar years, shape (years,).
        gdp: Nominal GDP of the fiscal year, bn of national currency, shape (years,).
        debt: General government gross debt, likewise.
        balance: Net lending, likewise.
        primary: Primary net lending, likewise.
    """

    iso3: str
    years: npt.NDArray[np.int64]
    gdp: F64
    debt: F64
    balance: F64
    primary: F64

    def debt_share(self) -> F64:
        """Return gross debt over GDP."""
        return self.debt / self.gdp

    def until(self, year: int) -> Economy:
        """Return the economy as if nothing after `year` were known."""
        keep = self.years <= year
        return Economy(
            iso3=self.iso3,
            years=self.years[keep],
            gdp=self.gdp[keep],
            debt=self.debt[keep],
            balance=self.balance[keep],
            primary=self.primary[keep],
        )


def load_weo_economies(path: Path, leave_out: frozenset[str] = frozenset()) -> dict[str, Economy]:
    """Return the economies of a WEO table by code, in order of code.

    Args:
        path: CSV with the columns of `COLUMNS` at least.
        leave_out: Codes that are dropped before anything else looks at them.

    Raises:
        CountryError: The file is missing or lacks a column.
    """
    if not path.is_file():
        raise CountryError(path.name, found=Message("no such file"), wanted=Message("a CSV file"))
    # Types from all rows: by the first hundred, a column of whole numbers refuses a later fraction.
    frame = pl.read_csv(path, infer_schema_length=None, null_values=["", "n/a", "--"])
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise CountryError(
            table_cell_location_text(path.name, 1),
            found=Message("no column {names}", {"names": ", ".join(missing)}),
            wanted=Message("columns {names}", {"names": ", ".join(COLUMNS)}),
        )
    # Dropped before anything is estimated: an economy that is kept for examination must not
    # reach the panel's means either.
    rows = frame.filter(~pl.col("ref_area").is_in(sorted(leave_out))).sort("ref_area", "year")
    groups = rows.partition_by("ref_area", maintain_order=True)
    return {str(group["ref_area"][0]): _economy_from_weo_rows(group) for group in groups}


def _economy_from_weo_rows(weo_rows: pl.DataFrame) -> Economy:
    def weo_series(name: str) -> F64:
        return weo_rows[name].cast(pl.Float64).to_numpy().astype(np.float64)

    return Economy(
        iso3=str(weo_rows["ref_area"][0]),
        years=weo_rows["year"].cast(pl.Int64).to_numpy(),
        gdp=weo_series("NGDP_FY"),
        debt=weo_series("GGXWDG"),
        balance=weo_series("GGXCNL"),
        primary=weo_series("GGXONLB"),
    )


def weo_economy(table: dict[str, Economy], code: str, path: Path) -> Economy:
    """Return one economy.

    Raises:
        CountryError: The table does not hold it.
    """
    if code in table:
        return table[code]
    raise CountryError(
        path.name,
        found=Message("the economy “{name}”", {"name": code}),
        wanted=Message("one of {names}", {"names": ", ".join(table)}),
    )


def country_from_economy(economy_series: Economy, first_year: int = OUTLOOK_FROM) -> Country:
    """Return an economy as a country whose lines are the outlook's own balances.

    One tranche a year of maturity stands for the opening stock: the table holds no
    ladder, so principal is spread evenly over eight years and pays the implied rate.
    """
    start = _debt_outlook_start_row_index(economy_series, first_year)
    debt_before, gdp_before = (
        float(economy_series.debt[start - 1]),
        float(economy_series.gdp[start - 1]),
    )
    primary = _primary_balance_series(economy_series)[start:]
    interest = primary - economy_series.balance[start:]
    # Net interest is below zero where a government earns more than it pays: no rate of its bonds.
    rate = max(0.0, float(interest[0]) / debt_before) if debt_before > 0 else 0.0
    growth = np.diff(economy_series.gdp[start:]) / economy_series.gdp[start:-1]
    # What debt moves by beyond the balance: assets bought, valuation, discounts.
    stock_flow = np.diff(economy_series.debt[start - 1 :]) + economy_series.balance[start:]
    return Country(
        name=economy_series.iso3,
        iso3=economy_series.iso3,
        currency=CURRENCIES.get(economy_series.iso3, "LCU"),
        fiscal_year_starts=1,
        first_year=first_year,
        gdp_before=gdp_before,
        gdp_first=float(economy_series.gdp[start]),
        # A table that ends with the first year has no growth to read.
        growth=tuple(float(g) for g in growth) or (0.0,),
        gdp_vintage="IMF World Economic Outlook, October 2025, NGDP_FY",
        reserves=None,
        lines=_weo_budget_lines(primary, stock_flow),
        accounts=_ACCOUNTS,
        tranches=_even_opening_tranches(debt_before, rate, first_year),
        issuance=(),
        interest_given=tuple(float(v) for v in interest),
        mix=_even_issuance_mix(rate),
        history=_weo_debt_history(economy_series, first_year),
    )


def _debt_outlook_start_row_index(series: Economy, first_year: int) -> int:
    """Return the row of `first_year`, from which on the money must be known."""
    at = np.flatnonzero(series.years == first_year)
    # The year before must be there as well: the first year's debt grows out of it.
    if len(at) == 1 and at[0] > 0:
        k = int(at[0])
        money = [series.debt[k - 1 :], series.gdp[k - 1 :], series.balance[k - 1 :]]
        if np.isfinite(money).all():
            return k
    raise CountryError(
        f"{series.iso3}, {first_year}",
        found=Message("no debt, GDP or balance"),
        wanted=Message("debt, GDP and balance of {year} and after", {"year": str(first_year - 1)}),
    )


def _primary_balance_series(series: Economy) -> F64:
    # Where the table holds no primary balance, interest is unknown and stays in the balance.
    return np.where(np.isfinite(series.primary), series.primary, series.balance)


_TERM = 8  # years over which the opening stock matures; the outlook holds no ladder
_ACCOUNTS = (
    BudgetAccount("Treasury", AccountKind.FUND),
    BudgetAccount("Public assets and other stock-flow", AccountKind.POCKET),
    BudgetAccount("Bonds outstanding", AccountKind.DEBT),
)


def _weo_budget_lines(primary: F64, stock_flow: F64) -> tuple[BudgetLine, ...]:
    return (
        BudgetLine(
            name="primary balance",
            kind="income",
            fund="Treasury",
            driver=LineDriver.GROWTH,
            amounts=tuple(float(v) for v in primary),
        ),
        BudgetLine(
            name="stock-flow adjustment",
            kind="transfer",
            fund="Treasury",
            pocket="Public assets and other stock-flow",
            # Each year has its own: assets that were bought say nothing of the years after.
            driver=LineDriver.ONCE,
            amounts=tuple(float(-v) for v in stock_flow),  # as cash: what is bought is paid
        ),
    )


def _even_opening_tranches(debt: float, rate: float, first_year: int) -> tuple[Tranche, ...]:
    currency = "own"
    return tuple(
        Tranche(
            name=f"opening due {first_year + k}",
            programme="general government",
            currency=currency,
            amount=debt / _TERM,
            # A tranche's coupon is a share, and interest on hardly any debt may be above all of it.
            coupon=min(rate, 1.0),
            issued=first_year - 1,
            matures=first_year + k,
        )
        for k in range(_TERM)
    )


def _even_issuance_mix(rate: float) -> tuple[MixPart, ...]:
    return tuple(
        MixPart(
            programme="general government",
            currency="own",
            tenor=k + 1,
            share=1 / _TERM,
            coupon=min(rate, 1.0),
        )
        for k in range(_TERM)
    )


def _weo_debt_history(series: Economy, first_year: int) -> tuple[HistoryYear, ...]:
    past = [k for k, year in enumerate(series.years) if year < first_year]
    return tuple(
        HistoryYear(
            fiscal_year=str(series.years[k]),
            debt=_weo_amount_or_none(series.debt[k]),
            gdp=_weo_amount_or_none(series.gdp[k]),
            reserves=None,
            source="WEO",
        )
        for k in past
    )


def _weo_amount_or_none(weo_amount: float) -> float | None:
    return float(weo_amount) if np.isfinite(weo_amount) else None


def outlook_debt_years(
    economy_series: Economy, first_year: int = OUTLOOK_FROM
) -> list[tuple[int, DebtYear]]:
    """Return the money of each year of the outlook, for the debt law and its parts."""
    rows: list[tuple[int, DebtYear]] = []
    for k in range(1, len(economy_series.years)):
        debts, gdps = economy_series.debt[k - 1 : k + 1], economy_series.gdp[k - 1 : k + 1]
        primary, balance = economy_series.primary[k], economy_series.balance[k]
        complete = np.isfinite([*debts, *gdps, primary, balance]).all()
        if economy_series.years[k] < first_year or not complete:
            continue
        year = DebtYear(
            debt_before=float(debts[0]),
            debt=float(debts[1]),
            gdp_before=float(gdps[0]),
            gdp=float(gdps[1]),
            interest=float(primary - balance),  # net interest, as the outlook has no gross one
            primary_balance=float(primary),
        )
        rows.append((int(economy_series.years[k]), year))
    return rows


def debt_decompositions_by_year(
    economy_series: Economy, first_year: int
) -> dict[int, DebtDecomposition]:
    """Return what moved the ratio in each year from `first_year` on."""
    return {
        year: decompose_debt_change(money)
        for year, money in outlook_debt_years(economy_series, first_year)
    }
