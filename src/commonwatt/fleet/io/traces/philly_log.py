"""Microsoft Philly, the published log (`cluster_job_log`, JSON), August to December 2017.

Schema: github.com/msr-fiddle/philly-traces, README, "cluster_job_log": a list of jobs with
`status`, `vc`, `jobid`, `submitted_time`, `user` and `attempts`, each of `start_time`, `end_time`
and `detail` (`ip`, `gpus`). The README allows jobs without attempts, attempts without times
and, in a job still running, a last attempt without end. Times are Pacific, as the zones
PDT and PST in its other files show.
"""

from __future__ import annotations

import json
from typing import Any, Final, cast

import polars as pl

from commonwatt.core.errors import InputError, table_cell_location_text
from commonwatt.core.messages import Message
from commonwatt.fleet.io.traces.draft import DraftWorkload
from commonwatt.fleet.io.traces.rows import (
    YEARS_100_S,
    ReadingGaps,
    TraceRows,
    check_trace_rows,
    shown_trace_cell,
    trace_instants_ms,
    trace_text_column,
)
from commonwatt.fleet.io.traces.source import TraceSource, check_trace_is_text

ZONE: Final = "America/Los_Angeles"
KEYS: Final = ("vc", "jobid", "attempts", "submitted_time")
_ATTEMPT: Final = {
    "job": pl.Int64,
    "start_time": pl.String,
    "end_time": pl.String,
    "gpus": pl.Int64,
}


def is_philly_log(source: TraceSource) -> bool:
    """Return whether the file opens as a JSON list of objects with `attempts`."""
    if source.is_parquet:
        return False
    # The keys of the first job stand within the first MiB, however long the log is.
    head = source.data[: 1 << 20].lstrip()
    return head.startswith(b"[") and b'"attempts"' in head and b'"jobid"' in head


def read_philly_log_jobs(source: TraceSource, gaps: ReadingGaps) -> DraftWorkload:
    """Return the jobs of the log; a job runs for the sum of its attempts."""
    entries = _philly_log_entries(source)
    rows = _philly_job_rows_with_attempt_sums(
        _philly_job_rows(source, entries), _philly_attempt_rows(source, entries), gaps
    )
    runs, gpus = pl.col("runs"), pl.col("gpus")
    # In this order: without an attempt there is no last one that could be open or name a GPU.
    rows = _philly_job_rows_dropping_where(
        rows, gaps, runs.fill_null(0) == 0, Message("the job has no attempt")
    )
    rows = _philly_job_rows_dropping_where(
        rows, gaps, pl.col("is_open"), Message("the job was still running")
    )
    rows = _philly_job_rows_dropping_where(
        rows, gaps, gpus == 0, Message("the job's last attempt names no GPU")
    )
    frame = pl.DataFrame(
        {
            "submit_ms": trace_instants_ms(rows, "submitted_time", zone=ZONE),
            "runtime_ms": rows.frame["runtime_ms"],
            "gpus": rows.frame["gpus"],
            "job_id": trace_text_column(rows, "jobid"),
            "tenant": trace_text_column(rows, "vc"),
            "user": trace_text_column(rows, "user", missing="unknown"),
        }
    )
    return DraftWorkload(frame, "utc")


def _philly_job_rows_dropping_where(
    rows: TraceRows, gaps: ReadingGaps, when: pl.Expr, reason: Message
) -> TraceRows:
    return gaps.drop_incomplete_rows_or_refuse_if_strict(
        rows, rows.frame.select(when.alias("when"))["when"], reason
    )


def _philly_job_rows_with_attempt_sums(
    rows: TraceRows, attempts: TraceRows, gaps: ReadingGaps
) -> TraceRows:
    """Return the jobs with the time they ran, their GPUs and whether they still run."""
    with_lengths = attempts.frame.with_columns(
        runtime_ms=_philly_attempt_durations_ms(attempts, gaps)
    )
    runs = with_lengths.group_by("job", maintain_order=True).agg(
        runs=pl.len().cast(pl.Int64),
        runtime_ms=pl.col("runtime_ms").sum(),
        # Attempts of a job may differ in GPUs; it counts by the one that it ended with.
        gpus=pl.col("gpus").last(),
        is_open=pl.col("end_time").last().is_null() & pl.col("start_time").last().is_not_null(),
    )
    frame = rows.frame.with_row_index("job").with_columns(pl.col("job").cast(pl.Int64))
    joined = frame.join(runs, on="job", how="left", maintain_order="left")
    return TraceRows(
        rows.where, joined.with_columns(pl.col("is_open").fill_null(value=False)), rows.row
    )


def _philly_attempt_durations_ms(attempts: TraceRows, gaps: ReadingGaps) -> pl.Series:
    """Return how long each attempt ran; one without both times counts nothing [ms]."""
    start = trace_instants_ms(attempts, "start_time", zone=ZONE, empty_is_null=True)
    end = trace_instants_ms(attempts, "end_time", zone=ZONE, empty_is_null=True)
    # In the hour that summer time repeats, an end reads as early as it can without going back.
    end = end.zip_with(
        (end >= start).fill_null(value=True), _philly_instants_in_later_dst_hour(end)
    )
    check_trace_rows(
        attempts, "end_time", end < start, Message("an instant at or after start_time")
    )
    check_trace_rows(attempts, "end_time", end - start > YEARS_100_S * 1000, _WITHIN_A_CENTURY)
    # Only the last attempt can still run; an earlier one without an end is a gap in the log.
    is_open = attempts.frame["job"].is_last_distinct() & start.is_not_null() & end.is_null()
    lost = (start.is_null() | end.is_null()) & ~is_open
    gaps.count_filled_rows_or_refuse_if_strict(
        attempts, lost, Message("an attempt lacks a time and counts nothing")
    )
    return (end - start).fill_null(0)


_WITHIN_A_CENTURY = Message("an instant less than a hundred years after the start")


def _philly_instants_in_later_dst_hour(attempt_end: pl.Series) -> pl.Series:
    local = attempt_end.cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone(ZONE)
    clock = local.dt.replace_time_zone(None)
    later = clock.dt.replace_time_zone(ZONE, ambiguous="latest", non_existent="null")
    return later.dt.convert_time_zone("UTC").to_physical()


def _philly_log_entries(source: TraceSource) -> list[dict[str, Any]]:
    check_trace_is_text(source)
    try:
        entries = json.loads(source.data)
    # Brackets nested deep enough end Python's stack before they end in bad JSON.
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        raise InputError(
            table_cell_location_text(source.file_name, line),
            found=Message("text that is not JSON, or is cut off"),
            wanted=Message("a whole JSON list of jobs"),
        ) from error
    if not isinstance(entries, list) or not entries:
        actual = Message("JSON without a single job")
        raise source.error(source.file_name, found=actual, wanted=Message("a JSON list of jobs"))
    return cast("list[dict[str, Any]]", entries)


def _philly_job_rows(source: TraceSource, entries: list[dict[str, Any]]) -> TraceRows:
    for at, entry in enumerate(entries, 1):
        _check_philly_log_object(source, at, entry, KEYS)
    names = ("jobid", "vc", "user", "submitted_time")
    columns = {name: [_philly_text_or_none(entry.get(name)) for entry in entries] for name in names}
    frame = pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String))
    return TraceRows(source.file_name, frame, _philly_log_entry_numbers(len(entries)))


def _philly_attempt_rows(source: TraceSource, entries: list[dict[str, Any]]) -> TraceRows:
    attempts: list[tuple[int, str | None, str | None, int]] = []
    for at, entry in enumerate(entries):
        for attempt in _philly_log_list(source, at + 1, "attempts", entry["attempts"]):
            _check_philly_log_object(source, at + 1, attempt, ("start_time", "end_time", "detail"))
            times = (
                _philly_text_or_none(attempt["start_time"]),
                _philly_text_or_none(attempt["end_time"]),
            )
            attempts.append(
                (at, *times, _philly_attempt_gpu_count(source, at + 1, attempt["detail"]))
            )
    frame = pl.DataFrame(attempts, schema=_ATTEMPT, orient="row")
    return TraceRows(source.file_name, frame, frame["job"] + 1)


def _philly_attempt_gpu_count(
    source: TraceSource, entry_number: int, attempt_detail: object
) -> int:
    servers = _philly_log_list(source, entry_number, "detail", attempt_detail)
    for server in servers:
        _check_philly_log_object(source, entry_number, server, ("gpus",))
    return sum(
        len(_philly_log_list(source, entry_number, "gpus", server["gpus"])) for server in servers
    )


def _philly_log_list(
    source: TraceSource, entry_number: int, column: str, value: object
) -> list[Any]:
    if not isinstance(value, list):
        place = table_cell_location_text(source.file_name, entry_number, column)
        raise source.error(place, found=shown_trace_cell(value), wanted=Message("a list"))
    return cast("list[Any]", value)


def _check_philly_log_object(
    source: TraceSource, entry_number: int, value: object, keys: tuple[str, ...]
) -> None:
    if not isinstance(value, dict):
        actual, wanted = (
            shown_trace_cell(value),
            Message("an object with {keys}", {"keys": ", ".join(keys)}),
        )
        raise source.error(
            table_cell_location_text(source.file_name, entry_number), found=actual, wanted=wanted
        )
    for key in keys:
        if key not in value:
            place = table_cell_location_text(source.file_name, entry_number, key)
            raise source.error(place, found=Message("nothing"), wanted=Message("a value"))


def _philly_text_or_none(entry_cell: object) -> str | None:
    if entry_cell is None or entry_cell == "None":
        return None
    return str(entry_cell).encode(errors="replace").decode()  # half a surrogate pair is no text


def _philly_log_entry_numbers(count: int) -> pl.Series:
    return pl.int_range(1, count + 1, eager=True, dtype=pl.Int64).alias("row")
