"""What a table holds: one line a column, with its unit and meaning; tables are checked by it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from commonwatt.catalogue.errors import CatalogueError
from commonwatt.catalogue.measures import CURRENCY, TableColumn
from commonwatt.core.errors import TableError, table_cell_location_text
from commonwatt.core.messages import Message

if TYPE_CHECKING:
    # Pages and commands read headings here without the 60 ms that polars takes to load.
    import polars as pl

__all__ = ["TableColumn", "TableSchema"]

_WIDER: Final = frozenset({"count", "number"})  # a whole number fits in both


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A named table and its columns, in order."""

    name: str
    meaning: str
    columns: tuple[TableColumn, ...]

    def build_frame(self, **columns: Any) -> pl.DataFrame:
        """Return a data frame of exactly these columns, in order and typed.

        Raises:
            TableError: A column is missing, unknown or of the wrong type.

        >>> from commonwatt.catalogue.shared import QUEUE_DELAY_MEAN
        >>> t = TableSchema("t", "a table", (TableColumn.of(QUEUE_DELAY_MEAN, "wait_s"),))
        >>> t.build_frame(wait_s=[1, 2])["wait_s"].to_list()
        [1.0, 2.0]
        """
        self._check_columns_match_schema(columns)
        import polars as pl  # noqa: PLC0415  # see above

        return pl.DataFrame(
            [_catalogue_column_series(column, columns[column.name]) for column in self.columns]
        )

    def frame_from_rows(self, rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
        """Return a data frame of rows, each of which holds exactly these columns.

        Raises:
            TableError: A row lacks a column or has another one.

        >>> from commonwatt.catalogue.shared import QUEUE_DELAY_MEAN
        >>> t = TableSchema("t", "a table", (TableColumn.of(QUEUE_DELAY_MEAN, "wait_s"),))
        >>> t.frame_from_rows([{"wait_s": 1}]).rows()
        [(1.0,)]
        """
        records = list(rows)
        for row in records:
            self._check_columns_match_schema(row)
        return self.build_frame(
            **{column.name: [row[column.name] for row in records] for column in self.columns}
        )

    def frame_checked_against_schema(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return `build_frame` where its columns are exactly these, and refuse any other.

        A column without a single value has no type of its own and takes the declared one.

        Raises:
            CatalogueError: Names, order or types differ from what is declared: a bug.
        """
        wanted = [column.name for column in self.columns]
        # The order as well: a CSV is often read by position.
        if frame.columns != wanted:
            raise CatalogueError(
                table_cell_location_text(self.name),
                found=Message("columns {names}", {"names": ", ".join(frame.columns)}),
                wanted=Message("columns {names}", {"names": ", ".join(wanted)}),
            )
        return frame.with_columns(
            _catalogue_column_of_declared_type(self.name, column, frame) for column in self.columns
        )

    def column(self, name: str) -> TableColumn:
        """Return the column of that name.

        Raises:
            CatalogueError: The table has no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise CatalogueError(
            self.name,
            found=Message("columns {names}", {"names": name}),
            wanted=Message(
                "columns {names}", {"names": ", ".join(column.name for column in self.columns)}
            ),
        )

    def schema_under_name_with_more_columns(
        self, name: str, *more: TableColumn, meaning: str = ""
    ) -> TableSchema:
        """Return this table under another name, with more columns at its end."""
        columns = (*self.columns, *more)
        return replace(self, name=name, columns=columns, meaning=meaning or self.meaning)

    def in_currency(self, currency: str) -> TableSchema:
        """Return this table for a country's money: its code in names and units.

        >>> from commonwatt.catalogue.measures import MONEY, Measure
        >>> debt = Measure("debt", Message("Debt"), "{currency} bn", Message("Gross"), MONEY)
        >>> column = TableColumn.of(debt, "debt_{currency}_bn")
        >>> TableSchema("t", "a table", (column,)).in_currency("HKD").columns[0].name
        'debt_hkd_bn'
        """
        columns = (
            replace(
                column,
                # Small in a name, as names are, and as ISO 4217 writes it in a unit.
                name=column.name.replace(CURRENCY, currency.lower()),
                unit=column.unit.replace(CURRENCY, currency),
            )
            for column in self.columns
        )
        return replace(self, columns=tuple(columns))

    def _check_columns_match_schema(self, names: Iterable[str]) -> None:
        wanted = [column.name for column in self.columns]
        if set(names) != set(wanted):
            raise TableError(
                table_cell_location_text(self.name),
                found=Message("columns {names}", {"names": ", ".join(names)}),
                wanted=Message("columns {names}", {"names": ", ".join(wanted)}),
            )


@cache
def _polars_type_by_column_kind() -> dict[str, pl.DataType]:
    import polars as pl  # noqa: PLC0415  # see above

    return {
        "text": pl.String(),
        "count": pl.Int64(),
        "number": pl.Float64(),
        "flag": pl.Boolean(),
        "instant": pl.Datetime("us", "UTC"),
        "date": pl.Date(),
    }


def _catalogue_column_series(column: TableColumn, values: Any) -> pl.Series:
    import polars as pl  # noqa: PLC0415  # see above

    # Not strict, because rows mix whole numbers and floats in one column; the cast then gives the
    # declared type.
    return pl.Series(column.name, values, strict=False).cast(
        _polars_type_by_column_kind()[column.kind]
    )


def _catalogue_column_of_declared_type(
    table: str, column: TableColumn, frame: pl.DataFrame
) -> pl.Series:
    import polars as pl  # noqa: PLC0415  # see above

    series, wanted = frame[column.name], _polars_type_by_column_kind()[column.kind]
    if series.dtype == wanted:
        return series
    # Never from a float to a count, or from text to a number: what does not fit is a bug and is not
    # rounded away.
    if series.dtype == pl.Null or (series.dtype.is_integer() and column.kind in _WIDER):
        return series.cast(wanted)
    raise CatalogueError(
        table_cell_location_text(table, column=column.name),
        found=Message("values of the type {type}", {"type": str(series.dtype)}),
        wanted=Message("values of the type {type}", {"type": column.kind}),
    )
