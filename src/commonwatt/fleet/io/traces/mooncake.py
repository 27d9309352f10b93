"""Mooncake (Kimi) requests with the ids of their prefix blocks.

Schema: github.com/kvcache-ai/Mooncake, FAST25-release/README.md: a JSON object a line with
`timestamp` [ms], `input_length`, `output_length` [tokens] and `hash_ids` [ids of 512-token prefix
blocks; the same id is the same cached block]. A Parquet copy may say `t_ms` for `timestamp`.
"""

from __future__ import annotations

import json
from typing import Any, Final, cast

import polars as pl

from commonwatt.core.errors import InputError, cell_location
from commonwatt.core.messages import Message
from commonwatt.fleet.io.traces.requests import RequestTrace, request_summary
from commonwatt.fleet.io.traces.rows import (
    LATEST_S,
    ReadingGaps,
    TraceRows,
    check_rows,
    milliseconds,
    shown_value,
    whole_numbers,
)
from commonwatt.fleet.io.traces.source import TraceSource
from commonwatt.fleet.io.traces.tabular import check_columns, columns_of, first_line, read_rows

KEYS: Final = ("timestamp", "input_length", "output_length", "hash_ids")
MOST_TOKENS: Final = 1_000_000_000


def recognises(source: TraceSource) -> bool:
    """Return whether the first line, or the schema, has the keys."""
    if source.is_parquet:
        return {"t_ms", *KEYS[1:]} <= set(columns_of(source)) or set(KEYS) <= set(
            columns_of(source)
        )
    line = first_line(source)
    return line.startswith("{") and '"hash_ids"' in line and '"input_length"' in line


def read(source: TraceSource, gaps: ReadingGaps) -> RequestTrace:  # noqa: ARG001 - nothing may be left out
    """Return the summary of the requests."""
    rows = read_rows(source) if source.is_parquet else _rows_of_lines(source)
    at = "t_ms" if rows.has("t_ms") else "timestamp"
    check_columns(source, rows.frame.columns, KEYS[1:])
    columns = {
        "at_ms": milliseconds(rows, at, high_s=LATEST_S, per_second=1000),
        "prompt_tokens": whole_numbers(rows, "input_length", high=MOST_TOKENS),
        "output_tokens": whole_numbers(rows, "output_length", high=MOST_TOKENS),
        "blocks": _block_lists(rows),
    }
    return request_summary(pl.DataFrame(columns))


def _block_lists(rows: TraceRows) -> pl.Series:
    values, wanted = rows.frame["hash_ids"], Message("a list of whole numbers")
    if not isinstance(values.dtype, pl.List) or not values.explode().dtype.is_integer():
        actual = Message("a column of type {type}", {"type": str(values.dtype)})
        raise rows.error(cell_location(rows.where, column="hash_ids"), found=actual, wanted=wanted)
    check_rows(rows, "hash_ids", values.is_null(), wanted)
    return values


def _rows_of_lines(source: TraceSource) -> TraceRows:
    try:
        frame = pl.read_ndjson(source.data, schema=_SCHEMA)
    except pl.exceptions.PolarsError:
        frame = None
    row = [at for at, line in enumerate(source.data.split(b"\n"), 1) if line.strip()]
    # The quick reader passes over what it cannot take, and says neither where nor that it did; the
    # slow pass finds the line.
    if frame is None or frame.height != len(row) or _has_null(frame):
        _check_lines(source)
    if frame is None:
        raise InputError(source.where, found=Message("lines that are not requests"))
    return TraceRows(source.where, frame, pl.Series("row", row, dtype=pl.Int64), source.error)


_SCHEMA: Final = {
    "timestamp": pl.Float64,
    "input_length": pl.Float64,
    "output_length": pl.Float64,
    "hash_ids": pl.List(pl.Int64),
}


def _has_null(frame: pl.DataFrame) -> bool:
    return any(frame[name].null_count() for name in KEYS)


def _check_lines(source: TraceSource) -> None:
    """Raise for the first line that is no request, read one by one."""
    for at, line in enumerate(source.data.split(b"\n"), 1):
        if line.strip():
            _check_request(source, at, line)


def _check_request(source: TraceSource, at: int, line: bytes) -> None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        place = cell_location(source.where, at)
        wanted = Message("a JSON object")
        raise source.error(place, found=Message("text that is not JSON"), wanted=wanted) from error
    if not isinstance(entry, dict):
        raise source.error(
            cell_location(source.where, at),
            found=shown_value(entry),
            wanted=Message("a JSON object"),
        )
    request = cast("dict[str, Any]", entry)
    for key in KEYS:
        _check_key(source, at, key, request.get(key))


def _check_key(source: TraceSource, at: int, key: str, cell: object) -> None:
    if key == "hash_ids":
        wanted = Message("a list of whole numbers")
        is_valid = isinstance(cell, list) and all(
            type(number) is int for number in cast("list[object]", cell)
        )
    else:
        # Not `isinstance`: to Python `true` is a whole number, and as a length it would count as 1.
        wanted, is_valid = Message("a number"), type(cell) in (int, float)
    if not is_valid:
        actual = Message("nothing") if cell is None else shown_value(cast("object", cell))
        raise source.error(cell_location(source.where, at, key), found=actual, wanted=wanted)
