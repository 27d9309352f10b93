"""What logs of submit, start and end times share: the checks and the jobs that never ran."""

from __future__ import annotations

from typing import Final

import polars as pl

from commonwatt.core.messages import Message
from commonwatt.fleet.io.traces.rows import (
    YEARS_100_S,
    ReadingGaps,
    TraceRows,
    check_trace_rows,
    trace_instants_ms,
)

_ABSENT: Final = ("", "None", "NaT", "nan", "NaN", "null", "Unknown")


def finished_job_rows(rows: TraceRows, gaps: ReadingGaps, start: str, end: str) -> TraceRows:
    """Return the jobs that started and ended; the others are counted as dropped."""
    # Dropped before the instants are read: where nothing happened there is no instant to be
    # refused.
    rows = gaps.drop_incomplete_rows_or_refuse_if_strict(
        rows, _empty_job_log_cell_flags(rows, start), Message("the job never started")
    )
    return gaps.drop_incomplete_rows_or_refuse_if_strict(
        rows, _empty_job_log_cell_flags(rows, end), Message("the job had not ended")
    )


def submit_and_runtime_ms_columns(
    rows: TraceRows, submit: str, start: str, end: str
) -> dict[str, pl.Series]:
    """Return submission and run time from three columns of instants.

    Raises:
        TraceError: A job starts before its submission, ends before its start, or
            runs for more than a hundred years.
    """
    submit_ms = trace_instants_ms(rows, submit)
    start_ms, end_ms = trace_instants_ms(rows, start), trace_instants_ms(rows, end)
    after = Message("an instant at or after {column}", {"column": submit})
    check_trace_rows(rows, start, start_ms < submit_ms, after)
    after = Message("an instant at or after {column}", {"column": start})
    check_trace_rows(rows, end, end_ms < start_ms, after)
    runtime_ms = end_ms - start_ms
    soon = Message("an instant less than a hundred years after the start")
    check_trace_rows(rows, end, runtime_ms > YEARS_100_S * 1000, soon)
    return {"submit_ms": submit_ms, "runtime_ms": runtime_ms}


def is_instant_column_zoned(rows: TraceRows, column: str) -> bool:
    """Return whether the first instant of a column names its offset from UTC."""
    values = rows.frame[column]
    if isinstance(values.dtype, pl.Datetime):
        return values.dtype.time_zone is not None
    # A log has one clock, so its first instant tells for all. A third minus is an offset west of
    # UTC; the date has two.
    first = str(values[0]) if values.dtype == pl.String else ""
    return first.strip().endswith("Z") or "+" in first or first.count("-") > 2


def _empty_job_log_cell_flags(rows: TraceRows, column: str) -> pl.Series:
    values = rows.frame[column]
    if values.dtype != pl.String:
        return values.is_null()
    return values.fill_null("").str.strip_chars().is_in(_ABSENT)
