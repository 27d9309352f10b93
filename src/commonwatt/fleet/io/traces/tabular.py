"""Text and Parquet tables as rows whose place in the file is known."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import polars as pl

from commonwatt.core.errors import InputError, table_cell_location_text
from commonwatt.core.messages import Message
from commonwatt.core.spreadsheets import (
    frame_with_spreadsheet_texts_restored,
    text_restored_from_spreadsheet_cell,
)
from commonwatt.fleet.io.traces.rows import TraceRows, shown_trace_cell
from commonwatt.fleet.io.traces.source import TraceSource, check_trace_is_text


def trace_column_names(source: TraceSource, separator: str = ",") -> list[str]:
    """Return the column names of a table: Parquet's schema, or the first line's fields."""
    if source.is_parquet:
        return list(_parquet_trace_schema(source))
    return _trace_header_fields(first_trace_line(source), separator)


def first_trace_line(source: TraceSource) -> str:
    """Return the first line that is not blank."""
    # Leading blank lines are passed over here, and still count as lines of the file elsewhere.
    start = len(source.data) - len(source.data.lstrip(b"\n"))
    end = source.data.find(b"\n", start)
    return source.data[start : end if end >= 0 else None].decode()


def read_trace_rows(
    source: TraceSource, columns: Sequence[str] = (), *, separator: str = ",", quote: bool = True
) -> TraceRows:
    """Return the table in `source`, text as columns of text.

    Args:
        source: The file.
        columns: Names that must be there.
        separator: What stands between two fields of a text table.
        quote: Fields may stand in double quotes.

    Raises:
        TraceError: A column is missing or named twice, a row has too many or too
            few fields, or there is no row.
    """
    rows = (
        _parquet_trace_rows(source)
        if source.is_parquet
        else _text_trace_rows(source, separator, quote)
    )
    check_trace_columns(source, rows.frame.columns, columns)
    check_trace_not_empty(rows)
    return rows


def check_trace_columns(
    source: TraceSource, columns: Sequence[str], required: Sequence[str]
) -> None:
    """Raise if one of the columns in `required` is missing.

    Raises:
        TraceError: Names the first missing column and those that are there.
    """
    missing = [name for name in required if name not in columns]
    if missing:
        raise source.error(
            table_cell_location_text(
                source.file_name,
                None if source.is_parquet else trace_header_row_number(source),
                missing[0],
            ),
            found=Message(
                "only the columns {names}", {"names": trace_column_names_text_for_messages(columns)}
            ),
            wanted=Message("a column named {name}", {"name": missing[0]}),
        )


def trace_column_names_text_for_messages(column_names: Sequence[str]) -> str:
    """Return column names for a message, the first dozen of them."""
    text = ", ".join(shown_trace_cell(name)[1:-1] for name in column_names[:12])
    return f"{text}, …" if len(column_names) > 12 else text


def trace_header_row_number(source: TraceSource) -> int:
    """Return the row of the header line, counted from 1."""
    return len(source.data) - len(source.data.lstrip(b"\n")) + 1


def _parquet_trace_schema(source: TraceSource) -> dict[str, pl.DataType]:
    with _ParquetFaults(source):
        return dict(pl.read_parquet_schema(io.BytesIO(source.data)))


def _parquet_trace_rows(source: TraceSource) -> TraceRows:
    with _ParquetFaults(source):
        frame = pl.read_parquet(io.BytesIO(source.data))
    return TraceRows(
        source.file_name, frame, _trace_row_numbers_from(1, frame.height), source.error
    )


class _ParquetFaults:
    """Turns whatever a damaged Parquet file makes its reader raise into one error."""

    def __init__(self, source: TraceSource) -> None:
        self.source = source

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        # The reader may panic on damaged bytes, and its panic is not an Exception.
        if kind is None or issubclass(kind, KeyboardInterrupt | SystemExit | MemoryError):
            return
        raise InputError(
            self.source.file_name,
            found=Message("a damaged Parquet file"),
            wanted=Message("a whole file; fetch or write it again"),
        ) from None


@dataclass(frozen=True, slots=True)
class TableBody:
    """The rows of a text table as bytes: what follows the header, and how it is split.

    Args:
        source: The file.
        data: Its rows, one newline each.
        line: Row of the file that they start on.
        names: Columns.
        separator: What stands between two fields.
        quote: Fields may stand in double quotes.
    """

    source: TraceSource
    data: bytes
    line: int
    names: list[str]
    separator: str
    quote: bool


def split_trace_rows(body: TableBody) -> TraceRows:
    """Return the rows of `body`, all columns as text, blank lines left out.

    Raises:
        TraceError: A row has too many or too few fields.
    """
    check_trace_is_text(body.source)
    source, body = body.source, _trace_body_without_leading_blanks(body)
    if not body.data:
        empty = pl.DataFrame(schema=dict.fromkeys(body.names, pl.String))
        return TraceRows(source.file_name, empty, _trace_row_numbers_from(1, 0), source.error)
    frame = _parsed_trace_frame(body)
    return _trace_rows_without_blank_lines(
        TraceRows(source.file_name, frame, _trace_row_numbers(body, frame), source.error), body
    )


def _trace_body_without_leading_blanks(body: TableBody) -> TableBody:
    """Return the body without leading blank lines, from which fields would be miscounted."""
    data = body.data.lstrip(b"\n")
    return replace(body, data=data, line=body.line + len(body.data) - len(data))


def check_trace_not_empty(rows: TraceRows) -> None:
    """Raise if there is no row.

    Raises:
        TraceError: There is none.
    """
    if not len(rows):
        actual = Message("a header and no rows")
        raise rows.error(rows.where, found=actual, wanted=Message("at least one row"))


def _text_trace_rows(source: TraceSource, separator: str, quote: bool) -> TraceRows:
    names = _text_trace_column_names(source, separator)
    data, line = _trace_bytes_after_header(source)
    return split_trace_rows(TableBody(source, data, line, names, separator, quote))


def _text_trace_column_names(source: TraceSource, separator: str) -> list[str]:
    names = _trace_header_fields(first_trace_line(source), separator)
    earlier: set[str] = set()
    for name in names:
        if name in earlier:
            place = table_cell_location_text(
                source.file_name, trace_header_row_number(source), shown_trace_cell(name)[1:-1]
            )
            raise source.error(
                place, found=Message("the same column twice"), wanted=Message("it once")
            )
        earlier.add(name)
    return names


def _trace_header_fields(header_line: str, separator: str) -> list[str]:
    fields = next(csv.reader([header_line], delimiter=separator), list[str]())
    return [text_restored_from_spreadsheet_cell(name.strip()) for name in fields]


def _trace_bytes_after_header(source: TraceSource) -> tuple[bytes, int]:
    """Return what follows the header line, and the row that it starts on."""
    line = trace_header_row_number(source)
    end = source.data.find(b"\n", line - 1)
    return (source.data[end + 1 :], line + 1) if end >= 0 else (b"", line + 1)


def _parsed_trace_frame(body: TableBody) -> pl.DataFrame:
    try:
        frame = pl.read_csv(
            body.data,
            has_header=False,
            schema=dict.fromkeys(body.names, pl.String),
            separator=body.separator,
            quote_char='"' if body.quote else None,
        )
    except pl.exceptions.PolarsError as error:
        # The parser does not say which row it means; this names it.
        _check_trace_field_counts(body)
        raise body.source.error(
            body.source.file_name,
            found=Message("a table that cannot be split into fields"),
            wanted=Message(
                "fields between {separator}", {"separator": shown_trace_cell(body.separator)}
            ),
        ) from error
    # The parser fills short rows up with nothing and does not say so. Counting separators finds
    # them; a count that is off only for quoted ones is cleared by the slow pass.
    if body.data.count(body.separator.encode()) != (len(body.names) - 1) * frame.height:
        _check_trace_field_counts(body)
    # Our own tables come back as traces, with an apostrophe before a name such as "=1+1".
    return frame_with_spreadsheet_texts_restored(frame) if body.quote else frame


def _check_trace_field_counts(body: TableBody) -> None:
    """Raise for the first row with more or fewer fields than the header."""
    names = {"count": str(len(body.names))}
    for line, fields in _trace_records_by_row(body):
        if fields and len(fields) != len(body.names):
            raise body.source.error(
                table_cell_location_text(body.source.file_name, line),
                found=Message("{count} fields", {"count": str(len(fields))}),
                wanted=Message("{count} fields, one for each column", names),
            )


def _trace_records_by_row(body: TableBody) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the row it starts on, the slow and exact way."""
    lines = io.StringIO(body.data.decode(), newline="\n")
    quoting = csv.QUOTE_MINIMAL if body.quote else csv.QUOTE_NONE
    reader = csv.reader(lines, delimiter=body.separator, quoting=quoting)
    start = body.line
    try:
        for fields in reader:
            yield start, fields
            start = body.line + reader.line_num
    except csv.Error as error:
        actual = Message("a field that is too long, or a quote that is not closed")
        raise body.source.error(
            table_cell_location_text(body.source.file_name, start), found=actual
        ) from error


def _trace_row_numbers(body: TableBody, frame: pl.DataFrame) -> pl.Series:
    breaks = body.data.count(b"\n") + (not body.data.endswith(b"\n"))
    # Only quotes can hide a line break within a row; without them rows are lines.
    if breaks == frame.height or not body.quote or b'"' not in body.data:
        return _trace_row_numbers_from(body.line, frame.height)
    starts = [start for start, _ in _trace_records_by_row(body)]
    return pl.Series("row", starts[: frame.height], dtype=pl.Int64)


def _trace_rows_without_blank_lines(rows: TraceRows, body: TableBody) -> TraceRows:
    is_empty = rows.frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
    if not is_empty.any():
        return rows
    lines = body.data.split(b"\n")
    at = cast("list[int]", rows.row.filter(is_empty).to_list())
    # A row of empty fields between separators is a row with values missing, and stays to be
    # refused.
    is_blank = [not lines[row - body.line].strip() for row in at]
    return rows.rows_where_true(~is_empty.scatter(is_empty.arg_true(), is_blank))


def _trace_row_numbers_from(first_row_number: int, row_count: int) -> pl.Series:
    return pl.int_range(
        first_row_number, first_row_number + row_count, eager=True, dtype=pl.Int64
    ).alias("row")
