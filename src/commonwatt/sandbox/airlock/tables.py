"""Read an output table as cells that describe people.

A researcher declares what a table holds; the checks do not trust the
declaration further than it makes them stricter. A column is a category, a
count of people, or a statistic over so many people.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final, cast

_COUNT_NAMES: Final = re.compile(
    r"(?i)^(n|nobs|count|counts|freq|frequency|number|patients|people|persons|cases|events|deaths|admissions|visits|readmissions|controls|rows|"
    r"total|size|n_.*|.*_(n|count|counts|patients|people|persons|cases|events|deaths))$"
)
_IDENTIFIER_NAMES: Final = re.compile(
    r"(?i)(^|_)(id|identifier|patient_id|person_id|mrn|hkid|name|phone|email|address|dob|birth_on|token)$"
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text cells: header and rows."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, index: int) -> list[str]:
        """Return one column's cells."""
        return [row[index] for row in self.rows]

    def numbers(self, index: int) -> list[float] | None:
        """Return a column as numbers, or None if a filled cell is none."""
        cells = [cell for cell in self.column(index) if cell.strip()]
        parsed = [parse_number(cell) for cell in cells]
        return None if None in parsed or not parsed else [cast("float", value) for value in parsed]

    @property
    def counts(self) -> list[int]:
        """Return the columns that count people, by name."""
        return [
            i
            for i, name in enumerate(self.header)
            if _COUNT_NAMES.match(name.strip()) and self._is_whole(i)
        ]

    @property
    def identifiers(self) -> list[int]:
        """Return the columns whose names say that they identify a person."""
        return [i for i, name in enumerate(self.header) if _IDENTIFIER_NAMES.search(name.strip())]

    @property
    def categories(self) -> list[int]:
        """Return the columns that hold no numbers."""
        return [i for i in range(len(self.header)) if self.numbers(i) is None]

    def _is_whole(self, index: int) -> bool:
        values = self.numbers(index)
        return values is not None and all(value == int(value) for value in values)


def parse_number(cell: str) -> float | None:
    """Return the number in a cell, or None.

    >>> parse_number("1,234"), parse_number("<8"), parse_number("nan")
    (1234.0, None, None)
    """
    try:
        value = float(cell.replace(",", "").strip())
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_csv(data: bytes) -> Table | None:
    """Return a CSV as a table, or None if its rows are ragged or it has none."""
    rows = [row for row in csv.reader(io.StringIO(data.decode("utf-8"))) if row]
    if len(rows) < 2 or len({len(row) for row in rows}) != 1:
        return None
    return Table(tuple(rows[0]), tuple(tuple(row) for row in rows[1:]))


def read_json(data: bytes) -> Any:
    """Return what a JSON output holds."""
    return json.loads(data)


def leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Return every leaf of a JSON value with its path.

    >>> leaves({"a": [1, {"n": 2}]})
    [('a.0', 1), ('a.1.n', 2)]
    """
    if isinstance(value, dict):
        found = cast("dict[str, Any]", value)
        return [
            leaf for key, one in found.items() for leaf in leaves(one, f"{path}.{key}".strip("."))
        ]
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [
            leaf for i, one in enumerate(items) for leaf in leaves(one, f"{path}.{i}".strip("."))
        ]
    return [(path, value)]


def has_counts(data: bytes) -> bool:
    """Return whether a JSON output holds a value that is named like a count of people.

    >>> has_counts(b'{"auc": 0.7}'), has_counts(b'{"cells": [{"n": 500}]}')
    (False, True)
    """
    return any(
        Table((path.rsplit(".", 1)[-1],), ((str(value),),)).counts
        for path, value in leaves(read_json(data))
    )
