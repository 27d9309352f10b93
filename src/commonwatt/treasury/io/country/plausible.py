"""Figures of a country's folder that cannot stand beside each other.

Sources publish millions, billions and percent side by side, and a unit that is off by a
thousand gives a debt path that is drawn and is wrong by as much. The bounds lie far outside of
what any country has: each fault names the row, what it is set against, and the figure that was
probably meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from commonwatt.core.errors import table_cell_location_text
from commonwatt.core.messages import Message
from commonwatt.treasury.domain.bonds.ladder import Tranche
from commonwatt.treasury.domain.country import BudgetLine, HistoryYear, PublishedFigure
from commonwatt.treasury.domain.errors import BondError, CountryError

_FISCAL_YEAR: Final = re.compile(r"(\d{4})(?:-\d{2})?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_FIRST_ROW: Final = 2  # the heading is row 1
# Over GDP. Japan owes two and a half times its GDP; funds of small oil states hold up to ten.
_MOST_DEBT: Final = 5.0
_LEAST_DEBT: Final = 0.002  # the most of any year of a history, where anything was owed
_MOST_LINE: Final = 1.0
_MOST_STOCK: Final = 15.0
_MOST_ELASTICITY: Final = 10.0
_BUDGET: Final = (0.001, 3.0)
# Between two years of one series, and between two statements of one figure.
_YEAR_FACTOR: Final = 3.0
_SAME_FACTOR: Final = 5.0
_STOCK_FACTOR: Final = 30.0  # a file may list a part of what is owed
_LEAST_COMPARED_DEBT: Final = 0.02  # over GDP; below it two bases may differ by any factor
_SCALES: Final = (1 / 1000, 1000.0, 1 / 1e6, 1e6, 1 / 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountryAmounts:
    """The stocks and flows that `country.toml` states, by their keys [bn]."""

    gdp_before: float
    gdp_first: float
    first_year: int
    stocks: dict[str, float]


def check_country_amounts(amounts: CountryAmounts, history: Sequence[HistoryYear]) -> None:
    """Raise where the GDP of `country.toml` cannot be, or a stock cannot stand beside it.

    Raises:
        CountryError: One cannot; place, figure and the one probably meant are in it.
    """
    before, first = amounts.gdp_before, amounts.gdp_first
    if not _is_within_factor(first, before, _YEAR_FACTOR):
        raise _amount_error(
            "country.toml, gdp.first",
            first,
            Message("an amount near gdp.before, {amount} bn", {"amount": f"{before:,g}"}),
            lambda value: _is_within_factor(value, before, _YEAR_FACTOR),
        )
    known = [year.gdp for year in history if year.gdp]
    if known and not _is_within_factor(before, known[-1], _SAME_FACTOR):
        raise _amount_error(
            "country.toml, gdp.before",
            before,
            Message("an amount near the last GDP of history.csv, {amount} bn",
                    {"amount": f"{known[-1]:,g}"}),
            lambda value: _is_within_factor(value, known[-1], _SAME_FACTOR),
        )  # fmt: skip
    for key, amount in amounts.stocks.items():
        most = first * (_MOST_LINE if key == "debt.opening_revaluation" else _MOST_STOCK)
        if abs(amount) > most:
            raise _amount_error(
                f"country.toml, {key}", amount, _at_most_message(most),
                lambda value, most=most: abs(value) <= most,
            )  # fmt: skip


def check_budget_lines(lines: Sequence[BudgetLine], gdp: float) -> None:
    """Raise where an amount of a budget cannot be paid out of a GDP, or all together are nothing.

    Raises:
        CountryError: One cannot.
    """
    _check_named_once("lines.csv", "line", [line.name for line in lines])
    for row, line in enumerate(lines, start=_FIRST_ROW):
        for amount in line.amounts:
            if abs(amount) > _MOST_LINE * gdp:
                raise _amount_error(
                    table_cell_location_text("lines.csv", row, "amounts"), amount,
                    _at_most_message(_MOST_LINE * gdp),
                    lambda value: abs(value) <= _MOST_LINE * gdp,
                )  # fmt: skip
        if abs(line.elasticity) > _MOST_ELASTICITY:
            raise CountryError(
                table_cell_location_text("lines.csv", row, "elasticity"),
                found=f"{line.elasticity:g}",
                wanted=Message("between -{most} and {most}", {"most": f"{_MOST_ELASTICITY:g}"}),
                remedy=Message("Write for example {example}.",
                               {"example": f"{line.elasticity / 100:g}"}),
            )  # fmt: skip
    total = sum(abs(line.amounts[0]) for line in lines if line.amounts)
    low, high = (share * gdp for share in _BUDGET)
    if lines and not low <= total <= high:
        raise _amount_error(
            "lines.csv, column amounts", total,
            Message("amounts of the first year that together make {low} to {high} bn, as the GDP "
                    "of country.toml is {gdp} bn",
                    {"low": f"{low:,.4g}", "high": f"{high:,.4g}", "gdp": f"{gdp:,g}"}),
            lambda value: low <= value <= high,
        )  # fmt: skip


def check_debt_tranches(
    tranches: Sequence[Tranche], gdp: float, first_year: int, history: Sequence[HistoryYear]
) -> None:
    """Raise where debt cannot be owed out of a GDP, is owed twice or is repaid already.

    Raises:
        BondError: A tranche cannot be.
        CountryError: All together contradict the debt of the history.
    """
    _check_named_once("tranches.csv", "name", [tranche.name for tranche in tranches])
    for row, tranche in enumerate(tranches, start=_FIRST_ROW):
        if tranche.amount < 0:
            raise BondError(
                table_cell_location_text("tranches.csv", row, "amount"),
                found=f"{tranche.amount:g}",
                wanted=Message("an amount owed, 0 or more"),
                remedy=Message("Write for example {example}.", {"example": f"{-tranche.amount:g}"}),
            )
        if not _CURRENCY.fullmatch(tranche.currency):
            raise BondError(
                table_cell_location_text("tranches.csv", row, "currency"),
                found=repr(tranche.currency)[:40],
                wanted=Message("a currency in three letters (ISO 4217)"),
                remedy=Message("Write for example {example}.", {"example": "USD"}),
            )
        if tranche.amount > _MOST_DEBT * gdp:
            raise _amount_error(
                table_cell_location_text("tranches.csv", row, "amount"), tranche.amount,
                _at_most_message(_MOST_DEBT * gdp), lambda value: value <= _MOST_DEBT * gdp,
            )  # fmt: skip
        if tranche.matures < first_year:
            raise BondError(
                table_cell_location_text("tranches.csv", row, "matures"),
                found=str(tranche.matures),
                wanted=Message(
                    "a year from {year}, in which the accounts begin", {"year": str(first_year)}
                ),
                remedy=Message("Take the row out: it is repaid before the first year."),
            )
    owed = sum(tranche.amount for tranche in tranches)
    known = [year.debt for year in history if year.debt]
    last = known[-1] if known else 0.0
    if owed > _MOST_DEBT * gdp or (
        max(owed, last) > _LEAST_COMPARED_DEBT * gdp
        and last
        and not _is_within_factor(owed, last, _STOCK_FACTOR)
    ):
        near = last or gdp
        raise _amount_error(
            "tranches.csv, column amount", owed,
            Message("amounts that together make about the last debt of history.csv, {amount} bn",
                    {"amount": f"{last:,g}"})
            if last else _at_most_message(_MOST_DEBT * gdp),
            lambda value: _is_within_factor(value, near, _STOCK_FACTOR),
        )  # fmt: skip


def check_debt_history(history: Sequence[HistoryYear], first_year: int) -> None:
    """Raise where years of a history are twice, missing, in disorder or of figures that jump.

    Raises:
        CountryError: They are.
    """
    years = [_fiscal_year_of_history(row, each) for row, each in _numbered(history)]
    for row, (year, before) in enumerate(
        zip(years[1:], years[:-1], strict=True), start=_FIRST_ROW + 1
    ):
        if year != before + 1:
            raise CountryError(
                table_cell_location_text("history.csv", row, "fiscal_year"),
                found=Message("{year} after {before}",
                              {"year": history[row - _FIRST_ROW].fiscal_year,
                               "before": history[row - _FIRST_ROW - 1].fiscal_year}),
                wanted=Message("each year once, in order, and none left out"),
                remedy=Message("Take the second row out.")
                if year == before
                else Message("Write the years in order; leave a cell empty that is not known."),
            )  # fmt: skip
    if years and years[-1] >= first_year:
        raise CountryError(
            table_cell_location_text("history.csv", _FIRST_ROW + len(years) - 1, "fiscal_year"),
            found=history[-1].fiscal_year,
            wanted=Message("years before first_year of country.toml, {year}",
                           {"year": str(first_year)}),
            remedy=Message("Take the row out, or raise first_year."),
        )  # fmt: skip
    _check_history_amounts(history)
    _check_largest_debt_of_history(history)


def _check_largest_debt_of_history(history: Sequence[HistoryYear]) -> None:
    """Raise where the most that was ever owed is next to nothing, and not nothing."""
    debts = [
        (year.debt, row, year.gdp) for row, year in _numbered(history) if year.debt and year.gdp
    ]
    debt, row, gdp = max(debts, default=(0.0, 0, 0.0))
    if debts and debt < _LEAST_DEBT * gdp:
        raise _amount_error(
            table_cell_location_text("history.csv", row, "debt"), debt,
            Message("at least {least} bn in some year, or 0 in all",
                    {"least": f"{_LEAST_DEBT * gdp:.4g}"}),
            lambda value: _LEAST_DEBT * gdp <= value <= _MOST_DEBT * gdp, scales=(1000.0, 1e6),
        )  # fmt: skip


def _check_history_amounts(history: Sequence[HistoryYear]) -> None:
    before: float | None = None
    for row, year in _numbered(history):
        gdp = year.gdp
        if gdp is None:
            continue
        if gdp <= 0:
            raise CountryError(
                table_cell_location_text("history.csv", row, "gdp"),
                found=f"{gdp:g}",
                wanted=Message("more than 0"),
                remedy=Message("Write GDP in bn, or leave the cell empty."),
            )
        if before is not None and not _is_within_factor(gdp, before, _YEAR_FACTOR):
            past = before
            raise _amount_error(
                table_cell_location_text("history.csv", row, "gdp"), gdp,
                Message("an amount near that of the year before, {amount} bn",
                        {"amount": f"{past:,g}"}),
                lambda value, past=past: _is_within_factor(value, past, _YEAR_FACTOR),
            )  # fmt: skip
        before = gdp
        stocks = (("debt", year.debt, _MOST_DEBT), ("reserves", year.reserves, _MOST_STOCK))
        for column, amount, most in stocks:
            if amount is not None and not (0 if column == "debt" else -most) * gdp <= amount <= (
                most * gdp
            ):
                raise _amount_error(
                    table_cell_location_text("history.csv", row, column), amount,
                    _at_most_message(most * gdp),
                    lambda value, most=most, gdp=gdp: 0 <= value <= most * gdp,
                )  # fmt: skip


def check_published_figures(
    figures: Sequence[PublishedFigure], gdp: float, *, money_ends: str
) -> None:
    """Raise where a published figure stands twice, or is out of all proportion.

    Args:
        figures: The figures.
        gdp: GDP of the first year [bn].
        money_ends: What the name of an amount ends with.

    Raises:
        CountryError: One is.
    """
    seen: dict[Hashable, int] = {}
    for row, figure in enumerate(figures, start=_FIRST_ROW):
        key = (figure.fiscal_year, figure.field)
        if key in seen:
            raise CountryError(
                table_cell_location_text("published.csv", row, "field"),
                found=Message("{field} of {year}, as in row {row}",
                              {"field": figure.field, "year": figure.fiscal_year,
                               "row": str(seen[key])}),
                wanted=Message("each figure of a year once"),
                remedy=Message("Take one of the two rows out."),
            )  # fmt: skip
        seen[key] = row
        if figure.tolerance < 0:
            raise CountryError(
                table_cell_location_text("published.csv", row, "tolerance"),
                found=f"{figure.tolerance:g}",
                wanted=Message("0 or more"),
                remedy=Message("Write for example {example}.",
                               {"example": f"{-figure.tolerance:g}"}),
            )  # fmt: skip
        most = _MOST_STOCK * gdp if figure.field.endswith(money_ends) else _MOST_DEBT
        if abs(figure.value) > most:
            raise _amount_error(
                table_cell_location_text("published.csv", row, "value"), figure.value,
                _at_most_message(most, "bn" if figure.field.endswith(money_ends) else ""),
                lambda value, most=most: abs(value) <= most,
                scales=(1 / 1000, 1 / 1e6) if figure.field.endswith(money_ends) else (1 / 100,),
            )  # fmt: skip


def _numbered(history: Sequence[HistoryYear]) -> list[tuple[int, HistoryYear]]:
    return list(enumerate(history, start=_FIRST_ROW))


def _fiscal_year_of_history(row: int, year: HistoryYear) -> int:
    match = _FISCAL_YEAR.fullmatch(year.fiscal_year)
    if match is None:
        raise CountryError(
            table_cell_location_text("history.csv", row, "fiscal_year"),
            found=repr(year.fiscal_year)[:40],
            wanted=Message("a year such as 2025 or 2025-26"),
            remedy=Message("Write the year in which it begins, in four digits."),
        )
    return int(match[1])


def _check_named_once(file: str, column: str, names: Sequence[str]) -> None:
    for row, name in enumerate(names, start=_FIRST_ROW):
        if name in names[: row - _FIRST_ROW]:
            raise CountryError(
                table_cell_location_text(file, row, column),
                found=Message("{name}, as in row {row}",
                              {"name": repr(name), "row": str(names.index(name) + _FIRST_ROW)}),
                wanted=Message("each name once"),
                remedy=Message("Take one of the two rows out, or give each its own name."),
            )  # fmt: skip


def _is_within_factor(value: float, other: float, factor: float) -> bool:
    return other / factor <= value <= other * factor


def _at_most_message(most: float, unit: str = "bn") -> Message:
    digits = ",.0f" if most >= 10 else ".4g"
    return Message("at most {most}", {"most": f"{most:{digits}} {unit}".strip()})


def _amount_error(
    where: str,
    amount: float,
    wanted: Message,
    is_right: Callable[[float], bool],
    *,
    scales: Sequence[float] = _SCALES,
) -> CountryError:
    """Return the error of an amount, with the one that was probably meant."""
    meant = next((amount * scale for scale in scales if is_right(amount * scale)), None)
    return CountryError(
        where,
        found=f"{amount:,g}",
        wanted=wanted,
        remedy=Message("Check the unit; write for example {example}.", {"example": f"{meant:g}"})
        if meant is not None
        else Message("Check the unit; every amount is in bn of the country's own money."),
    )
