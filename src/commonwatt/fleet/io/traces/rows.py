"""Rows of a table and the checks that every reader shares, each with its exact place.

Text tables arrive as columns of text; a number that is not one is found by what the
cast could not turn, so that a million rows are checked at the speed of the cast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from commonwatt.core.errors import InputError, TraceError, table_cell_location_text
from commonwatt.core.messages import Message

YEARS_100_S: Final = 3_155_760_000  # 100 Julian years
LATEST_S: Final = 10_000_000_000  # November 2286, as seconds since 1970
MOST_GPUS: Final = 1_000_000
MOST_SHOWN_CHARACTERS: Final = 40


@dataclass(frozen=True, slots=True)
class TraceRows:
    """A table and the place of each row in its file.

    Args:
        where: The file's name.
        frame: The columns.
        row: Row in the file, counted from 1; a header line is row 1, shape (rows,).
        error: What a bad value is raised as.
        spelled: The file's name of a column that was renamed, for messages.
    """

    where: str
    frame: pl.DataFrame
    row: pl.Series
    error: type[InputError] = TraceError
    spelled: Mapping[str, str] = field(default_factory=dict[str, str])

    def __len__(self) -> int:
        return self.frame.height

    def rows_where_true(self, mask: pl.Series) -> TraceRows:
        """Return the rows where `mask` holds."""
        return replace(self, frame=self.frame.filter(mask), row=self.row.filter(mask))

    def trace_cell_location_text(self, at: int, column: str) -> str:
        """Return where a value stands, as the file spells it."""
        return table_cell_location_text(self.where, self.row[at], self.spelled.get(column, column))

    def has_column(self, column: str) -> bool:
        """Return whether the table has a column of that name."""
        return column in self.frame.columns


@dataclass(frozen=True, slots=True)
class SkippedRows:
    """Rows that a reader left out, or a value that it had to stand in for.

    Args:
        reason: Why.
        count: How many rows.
        first_rows: The first of them, as rows of the file.
    """

    reason: Message
    count: int
    first_rows: tuple[int, ...]


@dataclass(slots=True)
class ReadingGaps:
    """What a reader could not take as it stands; a strict one refuses the first."""

    strict: bool
    dropped: list[SkippedRows] = field(default_factory=list[SkippedRows])
    filled: list[SkippedRows] = field(default_factory=list[SkippedRows])
    notes: list[Message] = field(default_factory=list[Message])

    def drop_incomplete_rows_or_refuse_if_strict(
        self, rows: TraceRows, mask: pl.Series, reason: Message
    ) -> TraceRows:
        """Return `rows` without those of `mask`, which are counted under `reason`."""
        if not mask.any():
            return rows
        self._record_skipped_rows_or_refuse_if_strict(self.dropped, rows, mask, reason)
        return rows.rows_where_true(~mask)

    def drop_rows_that_trace_format_skips(
        self, rows: TraceRows, mask: pl.Series, reason: Message
    ) -> TraceRows:
        """Return `rows` without those of `mask`, which the format means to be left out."""
        if mask.any():
            self.dropped.append(_skipped_trace_rows(rows, mask, reason))
        return rows.rows_where_true(~mask)

    def count_filled_rows_or_refuse_if_strict(
        self, rows: TraceRows, mask: pl.Series, reason: Message
    ) -> None:
        """Count the rows of `mask`, for which a stand-in is used."""
        if mask.any():
            self._record_skipped_rows_or_refuse_if_strict(self.filled, rows, mask, reason)

    def add_trace_reading_note(self, message: Message) -> None:
        """Say something about the whole file."""
        self.notes.append(message)

    def _record_skipped_rows_or_refuse_if_strict(
        self, skipped: list[SkippedRows], rows: TraceRows, mask: pl.Series, reason: Message
    ) -> None:
        gap = _skipped_trace_rows(rows, mask, reason)
        if self.strict:
            raise rows.error(
                table_cell_location_text(rows.where, gap.first_rows[0]),
                found=reason,
                wanted=Message("a complete row, because strict reading was requested"),
                remedy=Message("Read without strict to have such rows counted."),
            )
        skipped.append(gap)


def _skipped_trace_rows(rows: TraceRows, mask: pl.Series, reason: Message) -> SkippedRows:
    at = rows.row.filter(mask)
    return SkippedRows(reason, at.len(), tuple(at.head(5).to_list()))


def trace_cell_error(rows: TraceRows, at: int, column: str, expected: Message) -> InputError:
    """Return the error for the value in `column` of the row at index `at`."""
    cell = _trace_cell_value_of_single_row(rows.frame[column].slice(at, 1))
    actual = Message("nothing") if _is_blank_trace_cell(cell) else shown_trace_cell(cell)
    return rows.error(rows.trace_cell_location_text(at, column), found=actual, wanted=expected)


def _trace_cell_value_of_single_row(single: pl.Series) -> object:
    """Return the value of a single row; an instant that no calendar holds as its number."""
    if not single.dtype.is_temporal() or single.is_null().any():
        return single[0]
    is_date = isinstance(single.dtype, pl.Date | pl.Datetime)
    at = single.cast(pl.Datetime("ms"), strict=False).to_physical()[0] if is_date else None
    # Far beyond any calendar the library cannot print a day; its number is shown instead.
    is_near = at is not None and abs(int(at)) < 100 * LATEST_S * 1000
    return single.cast(pl.String)[0] if is_near else single.to_physical()[0]


def shown_trace_cell(cell: object) -> str:
    """Return a value as messages show it: quoted, on one line, at most 40 characters.

    >>> shown_trace_cell("8x"), shown_trace_cell("a" * 99) == "'" + "a" * 40 + "…'"
    ("'8x'", True)
    """
    # A control character in a message could rewrite the terminal's line that shows it.
    text = "".join(
        letter if letter.isprintable() else "·" for letter in str(cell)[: MOST_SHOWN_CHARACTERS + 1]
    )
    return (
        f"'{text[:MOST_SHOWN_CHARACTERS]}…'" if len(text) > MOST_SHOWN_CHARACTERS else f"'{text}'"
    )


def _is_blank_trace_cell(trace_cell: object) -> bool:
    return trace_cell is None or (isinstance(trace_cell, str) and not trace_cell.strip())


def first_trace_row_where(row_mask: pl.Series) -> int | None:
    """Return the index of the first row where `row_mask` holds.

    >>> (
    ...     first_trace_row_where(pl.Series([False, True, True])),
    ...     first_trace_row_where(pl.Series([False])),
    ... )
    (1, None)
    """
    at = row_mask.fill_null(value=False).arg_max()
    return at if at is not None and row_mask[at] else None


def check_trace_rows(rows: TraceRows, column: str, is_bad: pl.Series, expected: Message) -> None:
    """Raise for the first row where `is_bad` holds.

    Raises:
        TraceError: Names the file, the row, the column, the value and what is wanted.
    """
    at = first_trace_row_where(is_bad)
    if at is not None:
        raise trace_cell_error(rows, at, column, expected)


def trace_whole_numbers(
    rows: TraceRows, column: str, *, low: int = 0, high: int, missing: int | None = None
) -> pl.Series:
    """Return a column of whole numbers from `low` to `high`.

    Args:
        rows: The table.
        column: Its name.
        low: The least that is allowed.
        high: The most that is allowed.
        missing: What an empty value means; without it an empty value is a fault.

    Raises:
        TraceError: A value is none, not a whole number or out of bounds.
    """
    wanted = Message(
        "a whole number from {low} to {high}", _trace_number_bounds_message_details(low, high)
    )
    values = _trace_column_as_whole_numbers(rows, column, wanted)
    values = _trace_column_filled_or_checked(rows, column, values, missing, wanted)
    check_trace_rows(rows, column, (values < low) | (values > high), wanted)
    return values


def trace_finite_numbers(
    rows: TraceRows, column: str, *, low: float = 0, high: float, missing: float | None = None
) -> pl.Series:
    """Return a column of finite numbers from `low` to `high`; see `trace_whole_numbers`."""
    wanted = Message(
        "a number from {low} to {high}", _trace_number_bounds_message_details(low, high)
    )
    values = _trace_column_as_numbers(rows, column, wanted)
    values = _trace_column_filled_or_checked(rows, column, values, missing, wanted)
    check_trace_rows(rows, column, ~values.is_finite() | (values < low) | (values > high), wanted)
    return values


def trace_milliseconds(
    rows: TraceRows,
    column: str,
    *,
    high_s: int = YEARS_100_S,
    per_second: float = 1,
    missing: int | None = None,
) -> pl.Series:
    """Return a column of lengths of time as whole milliseconds.

    Args:
        rows: The table.
        column: Its name; the values count `1 / per_second` seconds.
        high_s: The longest that is allowed [s].
        per_second: Units of the column in one second.
        missing: What an empty value means [units of the column].
    """
    high = high_s * per_second
    if per_second in (1, 1000) and _trace_column_reads_as_whole(rows.frame[column]):
        units = trace_whole_numbers(rows, column, high=int(high), missing=missing)
        # Whole seconds and milliseconds stay whole: as a float a late instant loses its last
        # digits.
        return units * int(1000 // per_second)
    numbers = trace_finite_numbers(rows, column, high=high, missing=missing)
    return (numbers * (1000 / per_second)).round().cast(pl.Int64)


def _trace_number_bounds_message_details(
    least_allowed: float, most_allowed: float
) -> dict[str, str]:
    return {"low": f"{least_allowed:,.0f}", "high": f"{most_allowed:,.0f}"}


def _trace_column_reads_as_whole(trace_column: pl.Series) -> bool:
    if trace_column.dtype != pl.String:
        return trace_column.dtype.is_integer()
    return trace_column.cast(pl.Int64, strict=False).null_count() == trace_column.null_count()


def trace_instants_ms(
    rows: TraceRows, column: str, *, zone: str | None = None, empty_is_null: bool = False
) -> pl.Series:
    """Return a column of instants as whole milliseconds since 1970.

    Text is `2017-10-07 01:12:09`, with a `T` or a fraction or an offset from UTC where the
    file has them. An instant without an offset is read as if its clock were UTC's,
    so that differences are those of the file's own clock.

    Args:
        rows: The table.
        column: Its name.
        zone: The zone of a clock that the file leaves out; None leaves it as it reads.
        empty_is_null: An empty value is returned as null rather than refused.
    """
    wanted = Message("an instant such as 2017-10-07 01:12:09, from 1970 to 2286")
    column_s = _trace_text_with_blanks_null(rows.frame[column])
    at = _parsed_trace_instants_ms(rows, column, column_s, wanted)
    bad = at.is_null() & column_s.is_not_null() if empty_is_null else at.is_null()
    check_trace_rows(rows, column, bad, wanted)
    check_trace_rows(rows, column, (at < 0) | (at > LATEST_S * 1000), wanted)
    return _zoned_trace_instants_to_utc_ms(at, zone) if zone else at


def trace_text_column(rows: TraceRows, column: str, *, missing: str | None = None) -> pl.Series:
    """Return a column as text; `missing` stands where it is empty, or it is a fault."""
    wanted = Message("a name")
    if not _trace_dtype_reads_as_text(rows.frame[column].dtype):
        raise _trace_column_type_error(rows, column, wanted)
    values = _trace_text_with_blanks_null(rows.frame[column].cast(pl.String))
    if missing is None:
        check_trace_rows(rows, column, values.is_null(), wanted)
        return values
    return values.fill_null(missing)


def _trace_dtype_reads_as_text(column_dtype: pl.DataType) -> bool:
    named = isinstance(column_dtype, pl.String | pl.Categorical | pl.Enum | pl.Boolean | pl.Null)
    return named or column_dtype.is_numeric()


def _trace_text_with_blanks_null(trace_column: pl.Series) -> pl.Series:
    if trace_column.dtype != pl.String:
        return trace_column
    stripped = trace_column.str.strip_chars()
    return stripped.set(stripped == "", None)


def _parsed_trace_instants_ms(
    rows: TraceRows, column: str, values: pl.Series, wanted: Message
) -> pl.Series:
    if values.dtype == pl.Date or values.dtype.base_type() == pl.Datetime:
        return values.cast(pl.Datetime("ms")).to_physical()
    if values.dtype != pl.String:
        raise _trace_column_type_error(rows, column, wanted)
    mark = "T" if "T" in (values.drop_nulls().head(1).to_list() or [""])[0] else " "
    readings = (_trace_datetime_texts_to_ms(values, form.replace("T", mark)) for form in _FORMS)
    return _fullest_trace_instant_reading(readings, values.null_count())


# The plain form first: the parser knows it by heart, and most logs are of it.
_FORMS: Final = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f%#z")


def _fullest_trace_instant_reading(readings: Iterable[pl.Series], expected_nulls: int) -> pl.Series:
    """Return the first reading that leaves no value out, or the one that leaves out the fewest."""
    best: pl.Series | None = None
    for parsed in readings:
        if best is None or parsed.null_count() < best.null_count():
            best = parsed
        if parsed.null_count() == expected_nulls:
            return parsed
    assert best is not None, "there is always a form to try"
    return best


def _trace_datetime_texts_to_ms(values: pl.Series, form: str) -> pl.Series:
    return values.str.to_datetime(form, strict=False, time_unit="ms", cache=False).to_physical()


def _zoned_trace_instants_to_utc_ms(local_instants: pl.Series, zone: str) -> pl.Series:
    local = local_instants.cast(pl.Datetime("ms"))
    # In the hour that summer time repeats the earlier reading is as good as the later; the reader
    # of the Philly log, which knows what must follow what, mends it.
    return local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").to_physical()


def _trace_column_as_whole_numbers(rows: TraceRows, column: str, wanted: Message) -> pl.Series:
    values = _trace_text_with_blanks_null(rows.frame[column])
    if values.dtype.is_integer():
        # A count beyond 64 bits with a sign is out of every bound that a reader sets.
        return values.cast(pl.Int64, strict=False).fill_null(1 << 62).set(values.is_null(), None)
    if values.dtype == pl.String:
        plain = values.cast(pl.Int64, strict=False)
        if plain.null_count() == values.null_count():
            return plain
    numbers = _trace_column_as_numbers(rows, column, wanted)
    # Beyond 2^53 floats skip whole numbers, and a number that was rounded would pass for the one
    # given.
    fractions = ~numbers.is_finite() | (numbers != numbers.round()) | (numbers.abs() > 2.0**53)
    check_trace_rows(rows, column, fractions, wanted)
    return numbers.cast(pl.Int64)


def _trace_column_as_numbers(rows: TraceRows, column: str, wanted: Message) -> pl.Series:
    values = _trace_text_with_blanks_null(rows.frame[column])
    if not (values.dtype == pl.String or values.dtype.is_numeric()):
        raise _trace_column_type_error(rows, column, wanted)
    numbers = values.cast(pl.Float64, strict=False)
    check_trace_rows(rows, column, numbers.is_null() & values.is_not_null(), wanted)
    return numbers


def _trace_column_filled_or_checked(
    rows: TraceRows, column: str, values: pl.Series, missing: float | None, wanted: Message
) -> pl.Series:
    if missing is not None:
        return values.fill_null(missing)
    check_trace_rows(rows, column, values.is_null(), wanted)
    return values


def _trace_column_type_error(rows: TraceRows, column: str, wanted: Message) -> InputError:
    actual = Message("a column of type {type}", {"type": str(rows.frame[column].dtype)})
    place = table_cell_location_text(rows.where, column=rows.spelled.get(column, column))
    return rows.error(place, found=actual, wanted=wanted)
