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

from commonwatt.sandbox.domain.job import OutputKind

_COUNT_NAMES: Final = re.compile(
    r"(?i)^(n|nobs|count|counts|freq|frequency|number|patients|people|persons|cases|events|deaths|admissions|visits|readmissions|controls|rows|"
    r"total|size|n_.*|.*_(n|count|counts|patients|people|persons|cases|events|deaths))$"
)
_OTHER_WHOLE: Final = re.compile(
    r"(?i)(^|_)(year|month|week|day|hour|date|age|band|bin|decile|quantile|percentile|quartile|"
    r"group|level|grade|stage|code|lag|visit|follow_up|term|arm|cluster|fold|seed|"
    r"version|epoch|epochs|iterations|df|dof|df_resid|df_model|residual_df|sum|sums|total_[a-z]+|"
    r"amount|cost|costs|mean|median|sd|std|var|share|rate|ratio|coef|coefficient|estimate|"
    r"odds_ratio|se|std_err|p|p_value|auc|brier|accuracy|precision|recall|sensitivity|"
    r"specificity|f1|loss|intercept|min|max|minimum|maximum|smallest|largest|"
    r"oldest|youngest|range|alpha|beta|threshold|cutoff|epsilon|lower|upper|ci_low|ci_high)$"
)
"""Names of whole numbers that are no counts; any other column of whole numbers is taken for one."""
_IDENTIFIER_NAMES: Final = re.compile(
    r"(?i)(^|_)(id|identifier|patient_id|person_id|mrn|hkid|name|phone|email|address|dob|birth_on|token)$"
)

_WITHHELD: Final = re.compile(
    r"(?i)^([<≤]=? ?[0-9]+|[*.–-]+|n/?a|nan|null|none|suppressed|withheld|redacted|masked)$"
)
"""What stands in a cell in place of a number that was withheld."""


@dataclass(frozen=True, slots=True)
class OutputTable:
    """A table of text cells: header and rows."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def output_column_cells(self, index: int) -> list[str]:
        """Return one column's cells."""
        return [row[index] for row in self.rows]

    def output_column_numbers_or_none(self, index: int) -> list[float] | None:
        """Return a column as numbers, or None if a cell is none that is neither empty nor withheld.

        A count that is withheld in one cell is still a count in the others.
        """
        cells = [
            cell
            for cell in self.output_column_cells(index)
            if cell.strip() and not _WITHHELD.match(cell.strip())
        ]
        parsed = [parse_output_number(cell) for cell in cells]
        return None if None in parsed or not parsed else [cast("float", value) for value in parsed]

    def numbers_among_output_column_cells(self, index: int) -> list[float]:
        """Return the numbers of a column, whatever words stand among them."""
        numbers = map(parse_output_number, self.output_column_cells(index))
        return [number for number in numbers if number is not None]

    @property
    def output_count_column_indices(self) -> list[int]:
        """Return the columns of whole numbers, but for those that are named as something else.

        A count under another name would pass the differencing check, so the name must speak for it.
        A column that is named as a count is one even among words and fractions: one odd cell at the
        end of a table would else hide all others.
        """
        return [
            i
            for i, name in enumerate(self.header)
            if (_COUNT_NAMES.match(name.strip()) and self._output_column_has_whole_number(i))
            or (
                self._is_output_column_all_whole_numbers(i)
                and not _OTHER_WHOLE.search(name.strip())
            )
        ]

    @property
    def output_identifier_column_indices(self) -> list[int]:
        """Return the columns whose names say that they identify a person."""
        return [i for i, name in enumerate(self.header) if _IDENTIFIER_NAMES.search(name.strip())]

    @property
    def output_category_column_indices(self) -> list[int]:
        """Return the columns that hold no numbers."""
        return [i for i in range(len(self.header)) if self.output_column_numbers_or_none(i) is None]

    def _output_column_has_whole_number(self, index: int) -> bool:
        return any(value == int(value) for value in self.numbers_among_output_column_cells(index))

    def _is_output_column_all_whole_numbers(self, index: int) -> bool:
        values = self.output_column_numbers_or_none(index)
        return values is not None and all(value == int(value) for value in values)


def parse_output_number(cell: str) -> float | None:
    """Return the number in a cell, or None.

    >>> parse_output_number("1,234"), parse_output_number("<8"), parse_output_number("nan")
    (1234.0, None, None)
    """
    try:
        value = float(cell.replace(",", "").strip())
    except ValueError:
        return None
    # `nan` and `inf` are written for what was withheld and are no counts.
    return value if math.isfinite(value) else None


def parse_output_csv_or_none(data: bytes) -> OutputTable | None:
    """Return a CSV as a table, or None if its rows are ragged or it has none."""
    rows = [row for row in csv.reader(io.StringIO(data.decode("utf-8"))) if row]
    # A ragged row is where a record hides beside a table.
    if len(rows) < 2 or len({len(row) for row in rows}) != 1:
        return None
    return OutputTable(tuple(rows[0]), tuple(tuple(row) for row in rows[1:]))


def parse_output_json(data: bytes) -> Any:
    """Return what a JSON output holds."""
    return json.loads(data)


def output_json_leaf_path_value_pairs(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Return every leaf of a JSON value with its path.

    >>> output_json_leaf_path_value_pairs({"a": [1, {"n": 2}]})
    [('a.0', 1), ('a.1.n', 2)]
    """
    if isinstance(value, dict):
        mapping = cast("dict[str, Any]", value)
        return [
            leaf
            for key, child in mapping.items()
            for leaf in output_json_leaf_path_value_pairs(child, f"{path}.{key}".strip("."))
        ]
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [
            leaf
            for i, child in enumerate(items)
            for leaf in output_json_leaf_path_value_pairs(child, f"{path}.{i}".strip("."))
        ]
    return [(path, value)]


@dataclass(frozen=True, slots=True)
class LabelledCount:
    """One count with what stands beside it.

    Args:
        value: The count.
        row_labels: The other cells of its row or object, by column.
        path: The keys that lead to it in JSON, without list positions and its own name.
    """

    value: float
    row_labels: dict[str, str]
    path: tuple[str, ...] = ()

    def output_count_cell_label_or_none(self, by: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return the label of its cell in a table split by `by`, or None if it has none.

        In JSON the label stands beside the count or is the path to it.

        >>> LabelledCount(30.0, {}, ("female",)).output_count_cell_label_or_none(("gender",))
        ('female',)
        """
        if all(column in self.row_labels for column in by):
            return tuple(self.row_labels[column] for column in by)
        return self.path if len(self.path) == len(by) else None


def labelled_counts(data: bytes, kind: OutputKind) -> dict[str, list[LabelledCount]]:
    """Return every count of people in a CSV or JSON output, by the name of its column.

    >>> counts = labelled_counts(b'{"cells": [{"sex": "F", "n": 500}]}', OutputKind.JSON)
    >>> [count.output_count_cell_label_or_none(("sex",)) for count in counts["n"]]
    [('F',)]
    """
    counts: dict[str, list[LabelledCount]] = {}
    if kind is OutputKind.JSON:
        _collect_output_json_counts(parse_output_json(data), (), counts)
        return counts
    table = parse_output_csv_or_none(data)
    if table is None:
        return counts
    for index in table.output_count_column_indices:
        counts[table.header[index]] = [
            LabelledCount(value, dict(zip(table.header, row, strict=True)))
            for row in table.rows
            if (value := parse_output_number(row[index])) is not None
        ]
    return counts


def _collect_output_json_counts(
    value: Any, path: tuple[str, ...], counts: dict[str, list[LabelledCount]]
) -> None:
    if isinstance(value, list):
        for child in cast("list[Any]", value):
            _collect_output_json_counts(child, path, counts)
    if not isinstance(value, dict):
        return
    inner = cast("dict[str, Any]", value)
    # Only plain values stand beside a count; an inner object is a table of its own.
    labels = {key: str(cell) for key, cell in inner.items() if not isinstance(cell, dict | list)}
    for key, child in inner.items():
        if is_output_people_count(key, child):
            number = parse_output_number(str(child)) or 0.0
            counts.setdefault(key, []).append(LabelledCount(number, labels, path))
        elif isinstance(child, list) and _COUNT_NAMES.match(key):
            _collect_unlabelled_output_counts(key, cast("list[Any]", child), path, counts)
        else:
            _collect_output_json_counts(child, (*path, key), counts)


def _collect_unlabelled_output_counts(
    key: str, values: list[Any], path: tuple[str, ...], counts: dict[str, list[LabelledCount]]
) -> None:
    """Take a bare list that is named like a count; its cells have no labels."""
    for child in values:
        if is_output_people_count(key, child):
            number = parse_output_number(str(child)) or 0.0
            counts.setdefault(key, []).append(LabelledCount(number, {}, (*path, key, "")))
        else:
            _collect_output_json_counts(child, (*path, key), counts)


def is_output_people_count(name: str, value: Any) -> bool:
    """Return whether a JSON value is named like a count of people and is a whole number."""
    return bool(OutputTable((name,), ((str(value),),)).output_count_column_indices)
