"""Standard Workload Format of the Parallel Workloads Archive, version 2.2.

Schema: cs.huji.ac.il/labs/parallel/workload/swf.html: lines of 18 numbers between spaces,
-1 where unknown, comments after `;`. A log may give a job that was swapped out a summary
line and a line for each partial execution (status 2, 3, 4); the summary holds them all.
The archive counts processors; here each is a GPU. Groups become tenants, executables groups.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from commonwatt.core.messages import Message
from commonwatt.fleet.io.traces.draft import DraftWorkload
from commonwatt.fleet.io.traces.rows import (
    LATEST_S,
    MOST_GPUS,
    YEARS_100_S,
    ReadingGaps,
    TraceRows,
    check_trace_rows,
    trace_finite_numbers,
    trace_whole_numbers,
)
from commonwatt.fleet.io.traces.source import TraceSource
from commonwatt.fleet.io.traces.tabular import (
    TableBody,
    check_trace_not_empty,
    first_trace_line,
    split_trace_rows,
)

FIELDS: Final = (
    "job_number", "submit_time", "wait_time", "run_time", "allocated_processors",
    "average_cpu_time", "used_memory", "requested_processors", "requested_time",
    "requested_memory", "status", "user_id", "group_id", "executable", "queue", "partition",
    "preceding_job", "think_time",
)  # fmt: skip
_PARTIAL: Final = (2, 3, 4)
_MOST_KIB: Final = 1 << 50
_UNKNOWN: Final = -1


def is_swf_log(source: TraceSource) -> bool:
    """Return whether the file opens with a `;` comment or a line of 18 numbers."""
    if source.is_parquet:
        return False
    line = first_trace_line(source).strip()
    numbers = re.fullmatch(r"(-?[0-9.]+\s+){17}-?[0-9.]+", line)
    return line.startswith(";") or numbers is not None


def read_swf_jobs(source: TraceSource, gaps: ReadingGaps) -> DraftWorkload:
    """Return the jobs of an SWF log."""
    # Comments became empty lines before, so that every row still stands on its own line of the
    # file.
    rows = split_trace_rows(
        TableBody(source, _swf_lines_single_spaced(source.data), 1, list(FIELDS), " ", quote=False)
    )
    check_trace_not_empty(rows)
    rows = _complete_swf_job_rows(rows, gaps)
    processors = _swf_requested_or_allocated_processors(rows)
    start_s = _swf_unix_start_s(source.data)
    columns = {
        "job_id": rows.frame["job_number"],
        "submit_ms": _swf_seconds_to_ms(
            _swf_seconds_column(rows, "submit_time", LATEST_S, unknown=False)
        )
        + start_s * 1000,
        "runtime_ms": _swf_seconds_to_ms(_swf_seconds_column(rows, "run_time", YEARS_100_S)),
        "gpus": processors,
        "memory_mib": _swf_job_memory_mib(rows, processors),
        "user": _swf_names_of_numbers(rows, "user_id"),
        "tenant": _swf_names_of_numbers(rows, "group_id"),
        "group": _swf_names_of_numbers(rows, "executable"),
    }
    columns["estimate_ms"] = _swf_runtime_estimate_ms(rows, columns["runtime_ms"])
    gaps.add_trace_reading_note(Message("Processors are read as GPUs."))
    # Without its header a log counts from a zero that no other log shares.
    clock = "utc" if start_s else "swf"
    return DraftWorkload(pl.DataFrame(columns), clock, "the log's zero")


def _swf_lines_single_spaced(swf_bytes: bytes) -> bytes:
    """Return the lines with comments emptied and single spaces; no line is added or lost."""
    if b";" in swf_bytes:
        swf_bytes = re.sub(rb"(?m)^[ \t]*;.*$", b"", swf_bytes)
    swf_bytes = swf_bytes.replace(b"\t", b" ")
    # Halved again and again, on the bytes as a whole: splitting lines would make objects of
    # millions.
    while b"  " in swf_bytes:
        swf_bytes = swf_bytes.replace(b"  ", b" ")
    swf_bytes = swf_bytes.replace(b"\n ", b"\n").replace(b" \n", b"\n")
    return swf_bytes.strip(b" ")


def _swf_unix_start_s(swf_bytes: bytes) -> int:
    """Return the `UnixStartTime` of the header, 0 where there is none [s since 1970]."""
    header = re.search(
        rb"(?m)^[ \t]*;[ \t]*UnixStartTime:[ \t]*([0-9]{1,10})[ \t]*$", swf_bytes[: 1 << 20]
    )
    return int(header[1]) if header else 0


def _complete_swf_job_rows(rows: TraceRows, gaps: ReadingGaps) -> TraceRows:
    status = trace_whole_numbers(rows, "status", low=_UNKNOWN, high=5)
    rows = gaps.drop_rows_that_trace_format_skips(
        rows, status.is_in(_PARTIAL), Message("a partial execution of a job")
    )
    lengths = _swf_seconds_column(rows, "run_time", YEARS_100_S)
    rows = gaps.drop_incomplete_rows_or_refuse_if_strict(
        rows, lengths < 0, Message("the run time is unknown")
    )
    return gaps.drop_incomplete_rows_or_refuse_if_strict(
        rows,
        _swf_requested_or_allocated_processors(rows) < 1,
        Message("the processors are unknown"),
    )


def _swf_requested_or_allocated_processors(rows: TraceRows) -> pl.Series:
    """Return the processors requested, or where unknown those allocated."""
    requested = trace_whole_numbers(rows, "requested_processors", low=_UNKNOWN, high=MOST_GPUS)
    allocated = trace_whole_numbers(rows, "allocated_processors", low=_UNKNOWN, high=MOST_GPUS)
    return requested.zip_with(requested > 0, allocated)


def _swf_runtime_estimate_ms(rows: TraceRows, runtime_ms: pl.Series) -> pl.Series:
    requested = _swf_seconds_to_ms(_swf_seconds_column(rows, "requested_time", YEARS_100_S))
    return requested.zip_with(requested > 0, runtime_ms)


def _swf_names_of_numbers(rows: TraceRows, column: str) -> pl.Series:
    """Return a column of numbers that stand for names, -1 as `unknown`."""
    return rows.frame[column].replace("-1", "unknown")


def _swf_job_memory_mib(rows: TraceRows, processors: pl.Series) -> pl.Series:
    """Return the memory requested, from KiB a processor [MiB]; 0 where unknown."""
    each_kib = trace_finite_numbers(rows, "requested_memory", low=_UNKNOWN, high=_MOST_KIB)
    return (each_kib.clip(lower_bound=0) * processors / 1024).ceil().cast(pl.Int64)


def _swf_seconds_column(
    rows: TraceRows, column: str, high_s: int, *, unknown: bool = True
) -> pl.Series:
    values = trace_finite_numbers(rows, column, low=_UNKNOWN if unknown else 0, high=high_s)
    wanted = Message("a number of seconds, or -1 where unknown")
    check_trace_rows(rows, column, (values < 0) & (values != _UNKNOWN), wanted)
    return values


def _swf_seconds_to_ms(swf_seconds: pl.Series) -> pl.Series:
    return (swf_seconds * 1000).round().cast(pl.Int64)
