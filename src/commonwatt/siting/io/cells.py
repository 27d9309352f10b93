"""Sourced cells: every value with its unit, year, source, date and confidence.

A library is a CSV with one cell a row. Reading converts each cell into the
canonical unit of its input and into the money of one year, explicitly.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from commonwatt.catalogue.units import Unit, check_same_kind, parse_unit
from commonwatt.core.errors import cell_location
from commonwatt.core.messages import Message
from commonwatt.core.shipped import DATA as SHIPPED
from commonwatt.siting.domain.cells import PRICE_YEAR, CellConfidence, CostCell
from commonwatt.siting.domain.cost_inputs import PLACE, input_named
from commonwatt.siting.domain.distributions import Distribution, DistributionShape
from commonwatt.siting.domain.errors import CellsError
from commonwatt.siting.domain.money import CurrencyTable

DATA: Final = SHIPPED / "siting"
COLUMNS: Final = (
    "site", "input", "shape", "low", "mode", "high", "unit", "year", "source", "dated",
    "confidence", "note",
)  # fmt: skip


def load_money(path: Path | None = None) -> CurrencyTable:
    """Return exchange rates and prices of the shipped table, or of `path`."""
    rows = _rows(path or DATA / "money.csv")
    rates = {
        (row["currency"], int(row["year"])): float(row["per_usd"]) for row in rows if row["per_usd"]
    }
    prices = {int(row["year"]): float(row["us_cpi"]) for row in rows if row["us_cpi"]}
    return CurrencyTable(per_usd=rates, us_prices=prices)


def load_cells(path: Path | None = None, *, money: CurrencyTable | None = None) -> list[CostCell]:
    """Return the cells of a library file, converted.

    Raises:
        CellsError: A row lacks a year or a source, or holds a value that cannot be.
        UnitError: A unit is unknown or contradicts its input.
    """
    file = path or DATA / "cells.csv"
    rates = money or load_money()
    return [
        _cell(row, f"{file.name}, row {number}", rates)
        for number, row in enumerate(_rows(file), start=2)
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise CellsError(
            str(path), found=Message("no readable file"), wanted=Message("a table of cells")
        ) from error


def _cell(row: Mapping[str, str], where: str, money: CurrencyTable) -> CostCell:
    _check_row(row, where)
    name, year = row["input"], int(row["year"])
    unit_at = cell_location(where, column="unit")
    unit, wanted = parse_unit(row["unit"], where=unit_at), parse_unit(input_named(name).unit)
    check_same_kind(_at_a_rate(unit, wanted), wanted, where=unit_at)
    factor = unit.factor / wanted.factor
    if unit.currency:
        # Prices of a year that the unit itself names go before the year of the measurement.
        factor *= money.usd(1.0, unit.currency, unit.price_year or year, price_year=PRICE_YEAR)
    value = _distribution(row, where).scaled(factor)
    # After the conversion: the bounds of an input are in its own unit and money.
    _check_bounds(value, name, where)
    return CostCell(
        site=row["site"], input=name, value=value, unit=row["unit"], year=year,
        source=row["source"], dated=row["dated"], confidence=CellConfidence(row["confidence"]),
        note=row.get("note") or "",
    )  # fmt: skip


def _at_a_rate(unit: Unit, wanted: Unit) -> Unit:
    """Return the unit with its money in the wanted currency, as it is once rates are applied."""
    return replace(unit.in_currency(wanted.currency), price_year=None)


def _check_row(row: Mapping[str, str], where: str) -> None:
    if row.get("input") not in PLACE:
        raise _cells_error(
            where, "input", repr(row.get("input")), Message("an input of the cost model")
        )
    if not str(row.get("year") or "").isdigit():
        raise _cells_error(where, "year", repr(row.get("year")), Message("the year of the value"))
    if not row.get("source"):
        raise _cells_error(where, "source", "''", Message("where the value comes from"))
    if row.get("confidence") not in set(CellConfidence):
        choices = ", ".join(CellConfidence)
        raise _cells_error(
            where, "confidence", repr(row.get("confidence")),
            Message("one of {choices}", {"choices": choices}),
        )  # fmt: skip


def _distribution(row: Mapping[str, str], where: str) -> Distribution:
    try:
        shape = DistributionShape(row["shape"])
        # Sources that give only a range say nothing of its middle; half way is the least that a
        # triangle needs, and for a uniform value it has no effect.
        mode = float(row["mode"]) if row["mode"] else (float(row["low"]) + float(row["high"])) / 2
        low = float(row["low"]) if row["low"] else mode
        high = float(row["high"]) if row["high"] else mode
    except ValueError as error:
        raise _cells_error(where, "mode", str(error), Message("a shape and its numbers")) from error
    # A source that turns its range round is read wrong by any formula below, and silently.
    if not low <= mode <= high:
        raise _cells_error(
            where, "low", f"{low}, {mode}, {high}", Message("low, mode, high in order")
        )
    return Distribution(shape, low, mode, high)


def _check_bounds(value: Distribution, name: str, where: str) -> None:
    wanted = input_named(name)
    if value.low < wanted.low or value.high > wanted.high:
        raise _cells_error(
            where, "mode", f"{value.low:g} – {value.high:g} {wanted.unit}",
            Message(
                "{low} to {high} {unit}",
                {"low": f"{wanted.low:g}", "high": f"{wanted.high:g}", "unit": wanted.unit},
            ),
        )  # fmt: skip


def _cells_error(where: str, column: str, content: str, wanted: Message) -> CellsError:
    return CellsError(cell_location(where, column=column), found=content, wanted=wanted)
