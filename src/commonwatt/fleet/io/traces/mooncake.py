"""Mooncake (Kimi) requests with the ids of their prefix blocks.

Schema: github.com/kvcache-ai/Mooncake, FAST25-release/README.md: a JSON object a line with
`timestamp` [ms], `input_length`, `output_length` [tokens] and `hash_ids` [ids of 512-token prefix
blocks; the same id is the same cached block]. A Parquet copy may say `t_ms` for `timestamp`.
"""

from __future__ import annotations

import json
from typing import Any, Final, cast

import polars as pl

from commonwatt.core.errors import InputError, table_cell_location_text
from commonwatt.core.messages import Message
from commonwatt.fleet.io.traces.requests import RequestTrace, request_trace_summary
from commonwatt.fleet.io.traces.rows import (
    LATEST_S,
    ReadingGaps,
    TraceRows,
    check_trace_rows,
    shown_trace_cell,
    trace_milliseconds,
    trace_whole_numbers,
)
from commonwatt.fleet.io.traces.source import TraceSource
from commonwatt.fleet.io.traces.tabular import (
    check_trace_columns,
    first_trace_line,
    read_trace_rows,
    trace_column_names,
)

KEYS: Final = ("timestamp", "input_length", "output_length", "hash_ids")
MOST_TOKENS: Final = 1_000_000_000


def is_mooncake_trace(source: TraceSource) -> bool:
    """Return whether the first line, or the schema, has the keys."""
    if source.is_parquet:
        return {"t_ms", *KEYS[1:]} <= set(trace_column_names(source)) or set(KEYS) <= set(
            trace_column_names(source)
        )
    line = first_trace_line(source)
    return line.startswith("{") and '"hash_ids"' in line and '"input_length"' in line


def read_mooncake_requests(source: TraceSource, gaps: ReadingGaps) -> RequestTrace:  # noqa: ARG001 - nothing may be left out
    """Return the summary of the requests."""
    rows = read_trace_rows(source) if source.is_parquet else _request_rows_of_json_lines(source)
    at = "t_ms" if rows.has_column("t_ms") else "timestamp"
    check_trace_columns(source, rows.frame.columns, KEYS[1:])
    columns = {
        "at_ms": trace_milliseconds(rows, at, high_s=LATEST_S, per_second=1000),
        "prompt_tokens": trace_whole_numbers(rows, "input_length", high=MOST_TOKENS),
        "output_tokens": trace_whole_numbers(rows, "output_length", high=MOST_TOKENS),
        "blocks": _trace_request_block_id_lists(rows),
    }
    return request_trace_summary(pl.DataFrame(columns))


def _trace_request_block_id_lists(rows: TraceRows) -> pl.Series:
    values, wanted = rows.frame["hash_ids"], Message("a list of whole numbers")
    if not isinstance(values.dtype, pl.List) or not values.explode().dtype.is_integer():
        actual = Message("a column of type {type}", {"type": str(values.dtype)})
        raise rows.error(
            table_cell_location_text(rows.where, column="hash_ids"), found=actual, wanted=wanted
        )
    check_trace_rows(rows, "hash_ids", values.is_null(), wanted)
    return values


def _request_rows_of_json_lines(source: TraceSource) -> TraceRows:
    try:
        frame = pl.read_ndjson(source.data, schema=_SCHEMA)
    except pl.exceptions.PolarsError:
        frame = None
    row = [at for at, line in enumerate(source.data.split(b"\n"), 1) if line.strip()]
    # The quick reader passes over what it cannot take, and says neither where nor that it did; the
    # slow pass finds the line.
    if frame is None or frame.height != len(row) or _has_null_trace_request_key(frame):
        _check_trace_request_lines(source)
    if frame is None:
        raise InputError(source.file_name, found=Message("lines that are not requests"))
    return TraceRows(source.file_name, frame, pl.Series("row", row, dtype=pl.Int64), source.error)


_SCHEMA: Final = {
    "timestamp": pl.Float64,
    "input_length": pl.Float64,
    "output_length": pl.Float64,
    "hash_ids": pl.List(pl.Int64),
}


def _has_null_trace_request_key(frame: pl.DataFrame) -> bool:
    return any(frame[name].null_count() for name in KEYS)


def _check_trace_request_lines(source: TraceSource) -> None:
    """Raise for the first line that is no request, read one by one."""
    for at, line in enumerate(source.data.split(b"\n"), 1):
        if line.strip():
            _check_trace_request_line(source, at, line)


def _check_trace_request_line(source: TraceSource, line_number: int, line: bytes) -> None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        place = table_cell_location_text(source.file_name, line_number)
        wanted = Message("a JSON object")
        raise source.error(place, found=Message("text that is not JSON"), wanted=wanted) from error
    if not isinstance(entry, dict):
        raise source.error(
            table_cell_location_text(source.file_name, line_number),
            found=shown_trace_cell(entry),
            wanted=Message("a JSON object"),
        )
    request = cast("dict[str, Any]", entry)
    for key in KEYS:
        _check_trace_request_value(source, line_number, key, request.get(key))


def _check_trace_request_value(
    source: TraceSource, line_number: int, key: str, cell: object
) -> None:
    if key == "hash_ids":
        wanted = Message("a list of whole numbers")
        is_valid = isinstance(cell, list) and all(
            type(number) is int for number in cast("list[object]", cell)
        )
    else:
        # Not `isinstance`: to Python `true` is a whole number, and as a length it would count as 1.
        wanted, is_valid = Message("a number"), type(cell) in (int, float)
    if not is_valid:
        actual = Message("nothing") if cell is None else shown_trace_cell(cast("object", cell))
        raise source.error(
            table_cell_location_text(source.file_name, line_number, key),
            found=actual,
            wanted=wanted,
        )
