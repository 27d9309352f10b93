"""What the columns of a twin may hold, from a file that was written without the data."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, cast

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.core.shipped import DATA
from commonwatt.sandbox.engines.synthetic.tables import (
    CategoryColumn,
    Domain,
    IdentifierColumn,
    InstantColumn,
    PersonColumn,
    RangeColumn,
    SyntheticTable,
)

FHIR: Final = DATA / "sandbox" / "twin" / "fhir.toml"


def load_domains(path: Path = FHIR, *, rows: int | None = None) -> dict[str, SyntheticTable]:
    """Return how the tables of a twin are made.

    Args:
        path: A TOML file: a table for each table, with `rows`, `rows_a_person` and
            `columns`. A column is "person", "token", a list of values, `{lowest,
            highest, bins}` or `{first, last, bins}` with dates.
        rows: Rows of the tables with one row a person, if not as the file says.

    Raises:
        UsageError: The file is no such description; the place is named.
    """
    try:
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
        return {name: _table(given, rows) for name, given in facts.items()}
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            path.name,
            found=type(error).__name__,
            wanted=Message("tables with rows, rows_a_person and columns"),
        ) from None


def _table(given: Mapping[str, Any], rows: int | None) -> SyntheticTable:
    rows_a_person = int(given.get("rows_a_person", 1))
    many = int(given.get("rows", 500)) if rows is None else rows * rows_a_person
    return SyntheticTable(
        domains={name: _domain(what) for name, what in given["columns"].items()},
        rows=many,
        rows_a_person=rows_a_person,
        person=str(given.get("person", "patient_id")),
    )


def _domain(what: Any) -> Domain:
    if what == "person":
        return PersonColumn()
    if what == "token":
        return IdentifierColumn()
    if isinstance(what, list):
        return CategoryColumn(tuple(str(value) for value in cast("list[Any]", what)))
    bins = int(what.get("bins", 20))
    if "first" in what:
        return InstantColumn(_moment(what["first"]), _moment(what["last"]), bins)
    return RangeColumn(float(what["lowest"]), float(what["highest"]), bins)


def _moment(given: date | datetime) -> datetime:
    if isinstance(given, datetime):
        return given
    return datetime(given.year, given.month, given.day, tzinfo=UTC)
