"""What synthetic columns may hold, from a file that was written without the data."""

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


def load_synthetic_table_plans_by_name(
    path: Path = FHIR, *, rows: int | None = None
) -> dict[str, SyntheticTable]:
    """Return how synthetic tables are made.

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
        return {name: _synthetic_table(fields, rows) for name, fields in facts.items()}
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            path.name,
            found=type(error).__name__,
            wanted=Message("tables with rows, rows_a_person and columns"),
        ) from None


def _synthetic_table(fields: Mapping[str, Any], rows: int | None) -> SyntheticTable:
    rows_a_person = int(fields.get("rows_a_person", 1))
    # `rows` counts people; a table of events gets as many rows as it allows a person.
    many = int(fields.get("rows", 500)) if rows is None else rows * rows_a_person
    return SyntheticTable(
        domains={name: _synthetic_column_domain(spec) for name, spec in fields["columns"].items()},
        rows=many,
        rows_a_person=rows_a_person,
        person=str(fields.get("person", "patient_id")),
    )


def _synthetic_column_domain(spec: Any) -> Domain:
    if spec == "person":
        return PersonColumn()
    if spec == "token":
        return IdentifierColumn()
    if isinstance(spec, list):
        return CategoryColumn(tuple(str(value) for value in cast("list[Any]", spec)))
    bins = int(spec.get("bins", 20))
    if "first" in spec:
        return InstantColumn(
            _synthetic_bound_instant_in_utc(spec["first"]),
            _synthetic_bound_instant_in_utc(spec["last"]),
            bins,
        )
    return RangeColumn(float(spec["lowest"]), float(spec["highest"]), bins)


def _synthetic_bound_instant_in_utc(day: date | datetime) -> datetime:
    if isinstance(day, datetime):
        return day
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
