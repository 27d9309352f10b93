"""Sourced cells: every value with its unit, year, source, date and confidence.

A library is a CSV with one cell a row. Reading converts each cell into the
canonical unit of its input and into the money of one year, explicitly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from commonwatt.catalogue.units import Unit, check_same_unit_kind, parse_unit
from commonwatt.core.errors import table_cell_location_text
from commonwatt.core.messages import Message
from commonwatt.core.shipped import DATA as SHIPPED
from commonwatt.core.spreadsheets import read_spreadsheet_csv_names_and_rows
from commonwatt.siting.domain.cells import PRICE_YEAR, CellConfidence, CostCell
from commonwatt.siting.domain.cost_inputs import PLACE, cost_input_spec
from commonwatt.siting.domain.distributions import Distribution, DistributionShape
from commonwatt.siting.domain.errors import CellsError
from commonwatt.siting.domain.money import CurrencyTable

DATA: Final = SHIPPED / "siting"
COLUMNS: Final = (
    "site", "input", "shape", "low", "mode", "high", "unit", "year", "source", "dated",
    "confidence", "note",
)  # fmt: skip


def load_site_cost_currency_table(path: Path | None = None) -> CurrencyTable:
    """Return exchange rates and prices of the shipped table, or of `path`."""
    rows = _read_cost_cell_rows(path or DATA / "money.csv")
    rates = {
        (row["currency"], int(row["year"])): float(row["per_usd"]) for row in rows if row["per_usd"]
    }
    prices = {int(row["year"]): float(row["us_cpi"]) for row in rows if row["us_cpi"]}
    return CurrencyTable(per_usd=rates, us_prices=prices)


def load_cost_cells(
    path: Path | None = None, *, money: CurrencyTable | None = None
) -> list[CostCell]:
    """Return the cells of a library file, converted.

    Raises:
        CellsError: A row lacks a year or a source, or holds a value that cannot be.
        UnitError: A unit is unknown or contradicts its input.
    """
    file = path or DATA / "cells.csv"
    rates = money or load_site_cost_currency_table()
    return [
        _parse_cost_cell(row, f"{file.name}, row {number}", rates)
        for number, row in enumerate(_read_cost_cell_rows(file), start=2)
    ]


@cache
def cost_library_site_names() -> tuple[str, ...]:
    """Return the sites of the shipped library, in the order of the file."""
    # Off the column alone: whoever only checks a name needs no money and no units.
    names = dict.fromkeys(row["site"] for row in _read_cost_cell_rows(DATA / "cells.csv"))
    return tuple(name for name in names if name != "all")


def _read_cost_cell_rows(cost_cells_path: Path) -> list[dict[str, str]]:
    try:
        return read_spreadsheet_csv_names_and_rows(cost_cells_path)[1]
    except (OSError, UnicodeDecodeError) as error:
        raise CellsError(
            str(cost_cells_path),
            found=Message("no readable file"),
            wanted=Message("a table of cells"),
        ) from error


def _parse_cost_cell(
    cost_cell_row: Mapping[str, str], where: str, money: CurrencyTable
) -> CostCell:
    _check_cost_cell_row(cost_cell_row, where)
    name, year = cost_cell_row["input"], int(cost_cell_row["year"])
    unit_at = table_cell_location_text(where, column="unit")
    unit, wanted = (
        parse_unit(cost_cell_row["unit"], where=unit_at),
        parse_unit(cost_input_spec(name).unit),
    )
    check_same_unit_kind(_site_cost_unit_in_currency(unit, wanted), wanted, where=unit_at)
    factor = unit.factor / wanted.factor
    if unit.currency:
        # Prices of a year that the unit itself names go before the year of the measurement.
        factor *= money.site_cost_in_usd(
            1.0, unit.currency, unit.price_year or year, price_year=PRICE_YEAR
        )
    value = _parse_cost_distribution(cost_cell_row, where).scaled_cost_input(factor)
    # After the conversion: the bounds of an input are in its own unit and money.
    _check_cost_input_bounds(value, name, where)
    return CostCell(
        site=cost_cell_row["site"],
        input=name,
        value=value,
        unit=cost_cell_row["unit"],
        year=year,
        source=cost_cell_row["source"],
        dated=cost_cell_row["dated"],
        confidence=CellConfidence(cost_cell_row["confidence"]),
        note=cost_cell_row.get("note") or "",
    )


def _site_cost_unit_in_currency(unit: Unit, wanted: Unit) -> Unit:
    """Return the unit with its money in the wanted currency, as it is once rates are applied."""
    return replace(unit.in_currency(wanted.currency), price_year=None)


def _check_cost_cell_row(cost_cell_row: Mapping[str, str], where: str) -> None:
    if cost_cell_row.get("input") not in PLACE:
        raise _cost_cell_error(
            where, "input", repr(cost_cell_row.get("input")), Message("an input of the cost model")
        )
    if not str(cost_cell_row.get("year") or "").isdigit():
        raise _cost_cell_error(
            where, "year", repr(cost_cell_row.get("year")), Message("the year of the value")
        )
    if not cost_cell_row.get("source"):
        raise _cost_cell_error(where, "source", "''", Message("where the value comes from"))
    if cost_cell_row.get("confidence") not in set(CellConfidence):
        choices = ", ".join(CellConfidence)
        raise _cost_cell_error(
            where, "confidence", repr(cost_cell_row.get("confidence")),
            Message("one of {choices}", {"choices": choices}),
        )  # fmt: skip


def _parse_cost_distribution(cost_cell_row: Mapping[str, str], where: str) -> Distribution:
    try:
        shape = DistributionShape(cost_cell_row["shape"])
        # Sources that give only a range say nothing of its middle; half way is the least that a
        # triangle needs, and for a uniform value it has no effect.
        mode = (
            float(cost_cell_row["mode"])
            if cost_cell_row["mode"]
            else (float(cost_cell_row["low"]) + float(cost_cell_row["high"])) / 2
        )
        low = float(cost_cell_row["low"]) if cost_cell_row["low"] else mode
        high = float(cost_cell_row["high"]) if cost_cell_row["high"] else mode
    except ValueError as error:
        raise _cost_cell_error(
            where, "mode", str(error), Message("a shape and its numbers")
        ) from error
    # A source that turns its range round is read wrong by any formula below, and silently.
    if not low <= mode <= high:
        raise _cost_cell_error(
            where, "low", f"{low}, {mode}, {high}", Message("low, mode, high in order")
        )
    return Distribution(shape, low, mode, high)


def _check_cost_input_bounds(cost_distribution: Distribution, input_name: str, where: str) -> None:
    wanted = cost_input_spec(input_name)
    if cost_distribution.low < wanted.low or cost_distribution.high > wanted.high:
        raise _cost_cell_error(
            where, "mode", f"{cost_distribution.low:g} – {cost_distribution.high:g} {wanted.unit}",
            Message(
                "{low} to {high} {unit}",
                {"low": f"{wanted.low:g}", "high": f"{wanted.high:g}", "unit": wanted.unit},
            ),
        )  # fmt: skip


def _cost_cell_error(where: str, column: str, content: str, wanted: Message) -> CellsError:
    return CellsError(table_cell_location_text(where, column=column), found=content, wanted=wanted)
