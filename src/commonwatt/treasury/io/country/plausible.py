"""Whether a country's amounts fit its GDP, and its years each other.

A folder in mn where bn are read, or with a year twice, gives a path that runs and is wrong by a
factor. The bounds lie far outside of what any country has published, so that no sound folder
meets them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from commonwatt.core.messages import Message
from commonwatt.treasury.domain.errors import CountryError
from commonwatt.treasury.io.country.csvs import CountryCsvRow

# Japan's gross debt is 2.6 times its GDP; no government spends its whole GDP.
_MOST_DEBT_GDP, _LEAST_DEBT_GDP = 5.0, 0.002
_MOST_LINE_GDP, _LEAST_BUDGET_GDP = 1.0, 0.0002
# Nominal GDP over that of the year before; the worst inflation that left accounts of a year.
_GDP_STEP: Final = (0.3, 4.0)
_YEARS, _TENORS = (1900, 2200), (1, 100)
_MOST_ELASTICITY: Final = 10.0
_YEAR: Final = re.compile(r"(\d{4})(-\d{2})?")
_UNIT: Final = Message("Check the unit: bn of the currency, or a column unit or a name in _mn.")


def check_bounded_country_cell(
    row: CountryCsvRow, column: str, number: float, low: float, high: float
) -> None:
    """Raise `CountryError` where a number of a cell cannot be."""
    if not low <= number <= high:
        raise CountryError(
            row.country_cell_location(column),
            found=f"{number:g}",
            wanted=Message("{low} to {high}", {"low": f"{low:g}", "high": f"{high:g}"}),
            remedy=Message("Write the number as the country's reference page means it."),
        )


def check_country_year(row: CountryCsvRow, column: str, year: float) -> None:
    """Raise `CountryError` where a year is none of a bond's or an account's."""
    check_bounded_country_cell(row, column, year, *_YEARS)


def check_country_tenor(row: CountryCsvRow, tenor: float) -> None:
    """Raise `CountryError` where a tenor [years] is none of a bond's."""
    check_bounded_country_cell(row, "tenor", tenor, *_TENORS)


def check_country_elasticity(row: CountryCsvRow, elasticity: float) -> None:
    """Raise `CountryError` where a line would move more than ten times as GDP does."""
    check_bounded_country_cell(row, "elasticity", elasticity, -_MOST_ELASTICITY, _MOST_ELASTICITY)


def check_country_rows_once(rows: Iterable[CountryCsvRow], columns: Sequence[str]) -> None:
    """Raise `CountryError` where two rows have the same key: both would count.

    Args:
        rows: The rows of one file.
        columns: The columns that name a row.
    """
    seen = set[tuple[str, ...]]()
    for row in rows:
        key = tuple(row.text(column) for column in columns)
        if key in seen:
            raise CountryError(
                row.country_cell_location(columns[0]),
                found=Message("{name} twice", {"name": repr(", ".join(key))}),
                wanted=Message("each row once"),
                remedy=Message("Take one of the two rows out, or give it a name of its own."),
            )
        seen.add(key)


def check_gdp_step(where: str, before: float, after: float) -> None:
    """Raise `CountryError` where GDP moves within a year as no GDP does.

    Args:
        where: The place of the later one.
        before: GDP of the year before [bn].
        after: GDP [bn].
    """
    if not _GDP_STEP[0] <= after / before <= _GDP_STEP[1]:
        raise CountryError(
            where,
            found=Message(
                "{after} bn beside {before} bn",
                {"after": f"{after:g}", "before": f"{before:g}"},
            ),
            wanted=Message("GDP of years that follow each other, in one unit"),
            remedy=_UNIT,
        )


def check_debt_gdp(where: str, debt: float, gdp: float) -> None:
    """Raise `CountryError` where debt [bn] is beyond any country's of this GDP [bn]."""
    if abs(debt) > _MOST_DEBT_GDP * gdp:
        raise _gdp_share_error(where, debt, gdp, (0.0, _MOST_DEBT_GDP))


def check_largest_debt_gdp(where: str, debt: float, gdp: float) -> None:
    """Raise `CountryError` where the most that is ever owed [bn] is next to nothing of GDP [bn].

    Of the most, and not of each year: who begins to borrow owes little at first. 0 is no debt.
    """
    check_debt_gdp(where, debt, gdp)
    if 0 < abs(debt) < _LEAST_DEBT_GDP * gdp:
        raise _gdp_share_error(where, debt, gdp, (_LEAST_DEBT_GDP, _MOST_DEBT_GDP))


def check_budget_line_gdp(where: str, amount: float, gdp: float) -> None:
    """Raise `CountryError` where one line [bn] is more than the whole GDP [bn]."""
    if abs(amount) > _MOST_LINE_GDP * gdp:
        raise _gdp_share_error(where, amount, gdp, (0.0, _MOST_LINE_GDP))


def check_budget_gdp(where: str, amounts: Sequence[float], gdp: float) -> None:
    """Raise `CountryError` where no line of the budget reaches a five-thousandth of GDP [bn]."""
    largest = max(map(abs, amounts), default=0.0)
    if largest and largest < _LEAST_BUDGET_GDP * gdp:
        raise _gdp_share_error(where, largest, gdp, (_LEAST_BUDGET_GDP, _MOST_LINE_GDP))


def check_history_years(rows: Sequence[CountryCsvRow]) -> None:
    """Raise `CountryError` where a year of the history is none, is left out, or goes back."""
    previous: int | None = None
    for row in rows:
        year = history_year(row)
        if previous is not None and year != previous + 1:
            raise CountryError(
                row.country_cell_location("fiscal_year"),
                found=row.text("fiscal_year")[:40],
                wanted=Message("{year}, one year after the row above", {"year": str(previous + 1)}),
                remedy=Message("Write every year once, in order."),
            )
        previous = year


def history_year(row: CountryCsvRow) -> int:
    """Return the calendar year in which a fiscal year of the history begins.

    Raises:
        CountryError: It is no year.
    """
    match = _YEAR.fullmatch(row.text("fiscal_year"))
    if match is None:
        raise CountryError(
            row.country_cell_location("fiscal_year"),
            found=repr(row.text("fiscal_year")[:40]),
            wanted=Message("a fiscal year such as 2025 or 2025-26"),
            remedy=Message("Write the year alone, in four digits."),
        )
    return int(match[1])


def _gdp_share_error(
    where: str, amount: float, gdp: float, bounds: tuple[float, float]
) -> CountryError:
    return CountryError(
        where,
        found=Message(
            "{amount} bn, {share} times the GDP of {gdp} bn",
            {"amount": f"{amount:g}", "share": f"{abs(amount) / gdp:.3g}", "gdp": f"{gdp:g}"},
        ),
        wanted=Message(
            "{low} to {high} times GDP", {"low": f"{bounds[0]:g}", "high": f"{bounds[1]:g}"}
        ),
        remedy=_UNIT,
    )
