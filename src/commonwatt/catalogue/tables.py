"""What a table holds: one line a column, with its unit and meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from commonwatt.core.errors import TableError, cell_location
from commonwatt.core.messages import Message

_KINDS: Final = {
    "text": pl.String,
    "count": pl.Int64,
    "number": pl.Float64,
    "flag": pl.Boolean,
    "instant": pl.Datetime("us", "UTC"),
    "date": pl.Date,
}


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column: `kind` is text, count, number, flag, instant or date."""

    name: str
    kind: str
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A named table and its columns, in order."""

    name: str
    meaning: str
    columns: tuple[TableColumn, ...]

    def frame(self, **columns: Any) -> pl.DataFrame:
        """Return a data frame of exactly these columns, in order and typed.

        Raises:
            TableError: A column is missing, unknown or of the wrong type.

        >>> t = Table("t", "a table", (Column("wait_s", "number", "s", "wait"),))
        >>> t.frame(wait_s=[1, 2])["wait_s"].to_list()
        [1.0, 2.0]
        """
        wanted = [column.name for column in self.columns]
        if set(columns) != set(wanted):
            raise TableError(
                cell_location(self.name),
                found=Message("columns {names}", {"names": ", ".join(columns)}),
                wanted=Message("columns {names}", {"names": ", ".join(wanted)}),
            )
        series = [_series(column, columns[column.name]) for column in self.columns]
        return pl.DataFrame(series)


def _series(column: TableColumn, values: Any) -> pl.Series:
    return pl.Series(column.name, values, strict=False).cast(_KINDS[column.kind])
