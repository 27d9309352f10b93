"""The whole catalogue: what every room declares, gathered by name and checked.

The rooms stand above this one, so they are named as text and imported when somebody asks:
the printed reference, lineage, and the test that holds the catalogue whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Final, TypeVar, cast

from commonwatt.catalogue.errors import CatalogueError
from commonwatt.catalogue.measures import CURRENCY, Measure
from commonwatt.catalogue.tables import TableSchema
from commonwatt.catalogue.units import check_same_unit_kind, parse_unit
from commonwatt.core.messages import Message

T = TypeVar("T")
# A list and no registry that modules write into on import: the catalogue would depend on what was
# imported before.
ROOMS: Final = (
    "commonwatt.catalogue.shared",
    "commonwatt.ledger",
    "commonwatt.runs",
    "commonwatt.fleet.domain",
    "commonwatt.siting.domain",
    "commonwatt.treasury.domain",
    "commonwatt.sandbox.domain",
    "commonwatt.clinic.domain",
    "commonwatt.audit.domain",
    "commonwatt.operate.domain",
    "commonwatt.study",
)
_MODULES: Final = ("measures", "tables")  # beside a wing's domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Every measure by its id and every declared table by its name."""

    measures: Mapping[str, Measure]
    tables: Mapping[str, TableSchema]


def collect_catalogue() -> Catalogue:
    """Return what every room declares.

    Raises:
        CatalogueError: An id or a table stands twice, a label is empty, a form or a column
            has a unit of another kind than its measure.
        UnitError: A unit is unknown.
    """
    measures: dict[str, Measure] = {}
    tables: dict[str, TableSchema] = {}
    for value in (
        value
        for module in measure_and_table_modules()
        for value in _declared_measures_and_tables(module)
    ):
        if isinstance(value, TableSchema):
            _add_unique_catalogue_declaration(tables, value.name, value)
            for column in value.columns:
                _check_declared_unit(column.name, column.unit)
                _add_unique_catalogue_declaration(measures, column.measure.id, column.measure)
                _check_units_of_same_kind(column.name, column.unit, column.measure.unit)
        else:
            _add_unique_catalogue_declaration(measures, value.id, value)
    for measure in measures.values():
        _check_measure_declaration(measure)
    return Catalogue(measures=measures, tables=tables)


def measure_and_table_modules() -> Iterator[ModuleType]:
    """Yield the modules of measures and tables that the rooms have."""
    for room in ROOMS:
        # This module declares its measures itself and has no `measures` below it.
        if room.endswith(".shared"):
            yield import_module(room)
            continue
        for name in _MODULES:
            # Asked before importing: an ImportError from within such a module must not pass for a
            # room without one.
            if find_spec(f"{room}.{name}") is not None:
                yield import_module(f"{room}.{name}")


def _declared_measures_and_tables(module: ModuleType) -> Iterator[Measure | TableSchema]:
    for name, value in vars(module).items():
        if name.startswith("__"):
            continue
        # Tables and measures also stand in tuples and mappings of their room, such as one for each
        # event.
        items: tuple[object, ...] = (value,)
        if isinstance(value, tuple | list):
            items = tuple(cast("tuple[object, ...]", value))
        elif isinstance(value, Mapping):
            items = tuple(cast("Mapping[str, object]", value).values())
        for item in items:
            if isinstance(item, Measure | TableSchema):
                yield item


def _add_unique_catalogue_declaration(known: dict[str, T], name: str, value: T) -> None:
    # The same object may be met twice, as modules import each other's; another object under one id
    # is a second declaration.
    if known.setdefault(name, value) is not value:
        raise CatalogueError(
            name,
            found=Message("two declarations"),
            wanted=Message("one, to which the other place refers"),
        )


def _check_measure_declaration(measure: Measure) -> None:
    if not measure.label.text.strip() or not measure.meaning.text.strip():
        raise CatalogueError(measure.id, wanted=Message("a label and a meaning"))
    _check_declared_unit(measure.id, measure.unit)
    if measure.form.unit:
        _check_units_of_same_kind(measure.id, measure.form.unit, measure.unit)


def _check_declared_unit(where: str, unit: str) -> None:
    if unit:
        # Any currency would do: what is asked is whether the unit can be read once a run fills its
        # money in.
        parse_unit(unit.replace(CURRENCY, "USD"), where=where)


def _check_units_of_same_kind(where: str, column_unit: str, measure_unit: str) -> None:
    if column_unit != measure_unit:
        units = (
            parse_unit(unit.replace(CURRENCY, "USD") or "ratio")
            for unit in (column_unit, measure_unit)
        )
        check_same_unit_kind(*units, where=where)
