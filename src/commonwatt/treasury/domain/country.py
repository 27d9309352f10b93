"""A country as the projection sees it: lines, funds, tranches, curves and ceilings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from commonwatt.treasury.domain.accounts import AccountingEntry, BudgetAccount
from commonwatt.treasury.domain.bonds.ladder import Tranche
from commonwatt.treasury.domain.publications import (
    CashWindow,
    ForecastVintage,
    PublishedStock,
)


class LineDriver(StrEnum):
    """What moves a line from one year to the next."""

    GROWTH = "growth"  # nominal GDP growth × elasticity, plus a drift
    LAND = "land"  # a share of GDP that steps towards a norm
    FIXED = "fixed"  # the same amount each year
    ONCE = "once"  # amounts named year by year, then nothing
    RESERVES = "reserves"  # a return on the reserves


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLine:
    """One line of the budget.

    Args:
        name: As the budget calls it.
        kind: "income", "expense" or "transfer".
        fund: The fund that it is paid into or out of.
        pocket: For a transfer, the public pocket that it comes from.
        driver: What moves it.
        amounts: Amounts of the first year, or of each year that is named.
        elasticity: Per cent of growth per per cent of nominal GDP growth.
        drift: Growth beside it [1/year]; ageing works here.
        step: Change of a land line's share of GDP [share a year].
        norm: Share of GDP at which it stops [share].
        includes_interest: The first amount includes the year's interest.
    """

    name: str
    kind: str
    fund: str
    pocket: str = ""
    driver: LineDriver = LineDriver.GROWTH
    amounts: tuple[float, ...] = (0.0,)
    elasticity: float = 1.0
    drift: float = 0.0
    step: float = 0.0
    norm: float = 0.0
    includes_interest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MixPart:
    """A part of each year's gross issuance."""

    programme: str
    currency: str
    tenor: int
    share: float
    coupon: float
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryYear:
    """One published year: amounts in bn, None where nothing was published."""

    fiscal_year: str
    debt: float | None
    gdp: float | None
    reserves: float | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFigure:
    """A figure that the projection must meet."""

    fiscal_year: str
    field: str
    value: float
    tolerance: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """Everything that a projection needs; money in bn of the currency.

    Args:
        name: As people say it.
        iso3: ISO 3166 code.
        currency: ISO 4217 code.
        fiscal_year_starts: Month of the first day of the fiscal year.
        first_year: Calendar year in which the first projected fiscal year starts.
        gdp_before: Nominal GDP of the year before it.
        gdp_first: Nominal GDP of the first year.
        growth: Nominal growth of each later year; the last is kept on [1/year].
        gdp_vintage: Which vintage these are.
        reserves: Fiscal reserves at the start.
        reserves_return: Return on them beyond what the lines hold [1/year].
        opening_revaluation: What the revalued basis adds to the opening stock.
        lines: Lines of the budget.
        accounts: Chart of accounts.
        entries: Published entries of past years.
        tranches: The opening stock.
        issuance: Gross issuance of the years that are planned.
        mix: Parts of gross issuance.
        interest_given: Interest of the first years, where an outlook names it.
        financing_share: Share of a deficit that debt finances once no plan is left.
        ceiling: Legal ceiling on principal; None where there is none.
        ceiling_programmes: Programmes that count under the ceiling.
        history: Published past years.
        published: Figures that the projection must meet.
        guarantees: Debt guaranteed at the start.
        fx_change: Yearly change of each foreign currency's price in the country's own.
        quarters: Shares of a year's (income, expense) that fall in each quarter.
        sources: Title of every source that the files name, by its id.
        stocks: Published stocks of debt.
        cash_windows: Published bond cash between them.
        vintages: Past forecasts of reserves.
        shocks_of: Whose shocks stand for the country's, where none were estimated for it.
    """

    name: str
    iso3: str
    currency: str
    fiscal_year_starts: int
    first_year: int
    gdp_before: float
    gdp_first: float
    growth: tuple[float, ...]
    gdp_vintage: str
    reserves: float | None
    lines: tuple[BudgetLine, ...]
    accounts: tuple[BudgetAccount, ...]
    tranches: tuple[Tranche, ...]
    issuance: tuple[float, ...]
    mix: tuple[MixPart, ...]
    interest_given: tuple[float, ...] = ()
    reserves_return: float = 0.0
    opening_revaluation: float = 0.0
    entries: tuple[AccountingEntry, ...] = ()
    financing_share: float = 1.0
    ceiling: float | None = None
    ceiling_programmes: tuple[str, ...] = ()
    history: tuple[HistoryYear, ...] = ()
    published: tuple[PublishedFigure, ...] = ()
    guarantees: float = 0.0
    quarters: tuple[tuple[float, float], ...] = ((0.25, 0.25),) * 4
    fx_change: Mapping[str, float] = field(default_factory=dict[str, float])
    sources: Mapping[str, str] = field(default_factory=dict[str, str])
    stocks: tuple[PublishedStock, ...] = ()
    cash_windows: tuple[CashWindow, ...] = ()
    vintages: tuple[ForecastVintage, ...] = ()
    shocks_of: str = ""

    def fiscal_year_name(self, year: int) -> str:
        """Return a fiscal year's name from the calendar year in which it starts."""
        if self.fiscal_year_starts == 1:
            return str(year)
        return f"{year}-{(year + 1) % 100:02d}"

    def money_bn_column_name(self, name: str) -> str:
        """Return a field name with currency and unit: `debt` becomes `debt_hkd_bn`."""
        return f"{name}_{self.currency.lower()}_bn"

    def projected_gdp_bn_of_year(self, year: int) -> float:
        """Return nominal GDP of a projected year, or of the one before the first."""
        ahead = year - self.first_year
        if ahead < 0:
            return self.gdp_before
        gdp = self.gdp_first
        for k in range(ahead):
            gdp *= 1 + self.growth[min(k, len(self.growth) - 1)]  # the last rate goes on
        return gdp
