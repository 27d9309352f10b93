"""Sourced cells: every value with its unit, year, source, date and confidence.

A library is a CSV with one cell a row. Reading converts each cell into the
canonical unit of its input and into the money of one year, explicitly.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from commonwatt.core.errors import cell_location
from commonwatt.core.messages import Message
from commonwatt.core.shipped import DATA as SHIPPED
from commonwatt.siting.domain.cost_inputs import INPUTS, PLACE, input_named
from commonwatt.siting.domain.distributions import Distribution, DistributionShape
from commonwatt.siting.domain.errors import CellsError
from commonwatt.siting.domain.units import CurrencyTable, check_same_kind, parse_unit

PRICE_YEAR: Final = 2025
DATA: Final = SHIPPED / "siting"
COLUMNS: Final = (
    "site", "input", "shape", "low", "mode", "high", "unit", "year", "source", "dated",
    "confidence", "note",
)  # fmt: skip


class CellConfidence(StrEnum):
    """How far a cell may be trusted; the last two are marked wherever they are shown."""

    MEASURED = "measured"
    OFFICIAL = "official"
    ESTIMATE = "estimate"
    PRESS = "press"
    REMEMBERED = "remembered"
    CLAIM = "claim"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostCell:
    """One sourced value, in the canonical unit of its input.

    Args:
        site: Site of the library, or "all" for a value that every site shares.
        input: Name of the model input.
        value: Value or distribution [canonical unit of the input, money of `PRICE_YEAR`].
        unit: Unit as the source writes it.
        year: Year of the money or the measurement.
        source: Title of the source.
        dated: Date of the source, as far as known.
        confidence: How far it may be trusted.
        note: What was done to it, or what to beware of.
    """

    site: str
    input: str
    value: Distribution
    unit: str
    year: int
    source: str
    dated: str
    confidence: CellConfidence
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCells:
    """The cells of one site, one for every input of the model, in its order."""

    site: str
    cells: tuple[CostCell, ...]

    def __getitem__(self, name: str) -> CostCell:
        return self.cells[PLACE[name]]

    def medians(self) -> list[float]:
        """Return the median of each input, in the order of the model."""
        return [each.value.quantile(0.5) for each in self.cells]

    def with_values(self, values: Mapping[str, Distribution], source: str) -> SiteCells:
        """Return these cells with some values replaced, as coming from `source`."""
        cells = tuple(
            replace(each, value=values[each.input], source=source, note="")
            if each.input in values
            else each
            for each in self.cells
        )
        return replace(self, cells=cells)


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


def sites_of(cells: Iterable[CostCell]) -> list[str]:
    """Return the sites of a library in the order of the file."""
    names = dict.fromkeys(each.site for each in cells)
    return [name for name in names if name != "all"]


def site_cells(cells: Sequence[CostCell], site: str) -> SiteCells:
    """Return one cell per input for `site`: its own, or the one that all share.

    Raises:
        CellsError: An input has no cell.
    """
    found = {each.input: each for each in cells if each.site == "all"}
    found |= {each.input: each for each in cells if each.site == site}
    missing = [each.name for each in INPUTS if each.name not in found]
    if missing:
        raise CellsError(
            site,
            found=Message("no cell for {names}", {"names": ", ".join(missing)}),
            wanted=Message("one cell for every input of the model"),
        )
    return SiteCells(site=site, cells=tuple(found[each.name] for each in INPUTS))


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
    unit, wanted = parse_unit(row["unit"]), parse_unit(input_named(name).unit)
    check_same_kind(unit, wanted, cell_location(where, column="unit"))
    factor = unit.factor / wanted.factor
    if unit.currency:
        factor *= money.usd(1.0, unit.currency, year, price_year=PRICE_YEAR)
    value = _distribution(row, where).scaled(factor)
    _check_bounds(value, name, where)
    return CostCell(
        site=row["site"], input=name, value=value, unit=row["unit"], year=year,
        source=row["source"], dated=row["dated"], confidence=CellConfidence(row["confidence"]),
        note=row.get("note") or "",
    )  # fmt: skip


def _check_row(row: Mapping[str, str], where: str) -> None:
    if row.get("input") not in PLACE:
        raise _bad(where, "input", repr(row.get("input")), Message("an input of the cost model"))
    if not str(row.get("year") or "").isdigit():
        raise _bad(where, "year", repr(row.get("year")), Message("the year of the value"))
    if not row.get("source"):
        raise _bad(where, "source", "''", Message("where the value comes from"))
    if row.get("confidence") not in set(CellConfidence):
        choices = ", ".join(CellConfidence)
        raise _bad(
            where, "confidence", repr(row.get("confidence")),
            Message("one of {choices}", {"choices": choices}),
        )  # fmt: skip


def _distribution(row: Mapping[str, str], where: str) -> Distribution:
    try:
        shape = DistributionShape(row["shape"])
        mode = float(row["mode"]) if row["mode"] else (float(row["low"]) + float(row["high"])) / 2
        low = float(row["low"]) if row["low"] else mode
        high = float(row["high"]) if row["high"] else mode
    except ValueError as error:
        raise _bad(where, "mode", str(error), Message("a shape and its numbers")) from error
    if not low <= mode <= high:
        raise _bad(where, "low", f"{low}, {mode}, {high}", Message("low, mode, high in order"))
    return Distribution(shape, low, mode, high)


def _check_bounds(value: Distribution, name: str, where: str) -> None:
    wanted = input_named(name)
    if value.low < wanted.low or value.high > wanted.high:
        raise _bad(
            where, "mode", f"{value.low:g} – {value.high:g} {wanted.unit}",
            Message(
                "{low} to {high} {unit}",
                {"low": f"{wanted.low:g}", "high": f"{wanted.high:g}", "unit": wanted.unit},
            ),
        )  # fmt: skip


def _bad(where: str, column: str, found: str, wanted: Message) -> CellsError:
    return CellsError(cell_location(where, column=column), found=found, wanted=wanted)
