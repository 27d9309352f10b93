"""Tables of anybody's own, by a small TOML file that says what their columns mean.

::

    separator = ","                # optional, of a text table

    [columns]                      # ours = theirs
    submit = "time"
    runtime = "duration"           # or: end = "…" with start = "…"
    gpus = "gpu_request"

    [units]                        # s where not said; ms, us, min, h; or instant
    submit = "us"

    [constants]                    # a value for every row
    tenant = "hospital-a"

Ours are `submit`, `runtime`, `start`, `end`, `limit`, `gpus`, `gpu_milli`, `cpu_milli`,
`memory_mib`, `single_node`, `priority`, `job_id`, `tenant`, `user`, `group`, `gpu_types`, `sites`.
A table whose header already has `submit_s`, `runtime_s` and `gpus` needs no such file.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

import polars as pl

from commonwatt.core.errors import InputError, table_cell_location_text
from commonwatt.core.messages import Message
from commonwatt.fleet.io.traces.draft import DraftWorkload
from commonwatt.fleet.io.traces.rows import (
    LATEST_S,
    MOST_GPUS,
    YEARS_100_S,
    ReadingGaps,
    TraceRows,
    check_trace_rows,
    shown_trace_cell,
    trace_instants_ms,
    trace_milliseconds,
    trace_text_column,
    trace_whole_numbers,
)
from commonwatt.fleet.io.traces.source import TraceSource
from commonwatt.fleet.io.traces.tabular import read_trace_rows

COLUMNS: Final = ("submit_s", "runtime_s", "gpus")
_PER_SECOND: Final = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9, "min": 1 / 60, "h": 1 / 3600}
_TIMES: Final = ("submit", "start", "end", "runtime", "limit")
_NAMES: Final = ("job_id", "tenant", "user", "group", "gpu_types", "sites")
_WHOLES: Final = {
    "gpus": (0, MOST_GPUS),
    "gpu_milli": (1, 1000),
    "cpu_milli": (0, 1_000_000_000),
    "memory_mib": (0, 1 << 40),
    "single_node": (0, 1),
    "priority": (-1_000_000_000, 1_000_000_000),
}
_KNOWN: Final = (*_TIMES, *_NAMES, *_WHOLES)


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """What a mapping file says.

    Args:
        where: The file's name.
        columns: Our name of each column, and the table's.
        units: Unit of each of our times; seconds where not named.
        constants: A value for every row.
        separator: What stands between two fields of a text table.
    """

    where: str
    columns: dict[str, str]
    units: dict[str, str]
    constants: dict[str, object]
    separator: str = ","


PLAIN_MAPPING: Final = ColumnMapping(
    "header",
    {name: name for name in (*_NAMES, *_WHOLES)} | {name: f"{name}_s" for name in _TIMES},
    {},
    {},
)


def load_trace_column_mapping(path: Path) -> ColumnMapping:
    """Return the mapping in a TOML file.

    Raises:
        InputError: It cannot be read, is not TOML, or names what we do not know.
    """
    where, settings = str(path), _load_trace_mapping_toml(path)
    _check_trace_mapping_names(where, "", settings, ("separator", "columns", "units", "constants"))
    sections = {
        name: _trace_mapping_section(where, settings, name)
        for name in ("columns", "units", "constants")
    }
    for name, section in sections.items():
        _check_trace_mapping_names(where, name, section, _TIMES if name == "units" else _KNOWN)
    units = _trace_mapping_text_section(where, "units", sections["units"])
    for name, unit in units.items():
        _check_trace_mapping_name_known(
            table_cell_location_text(where, column=f"units.{name}"), unit, (*_PER_SECOND, "instant")
        )
    columns = _trace_mapping_text_section(where, "columns", sections["columns"])
    _check_trace_mapping_complete(where, {*columns, *sections["constants"]})
    return ColumnMapping(
        where, columns, units, sections["constants"], _trace_mapping_separator(where, settings)
    )


def _load_trace_mapping_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(
            str(path), found=Message("no readable file"), wanted=Message("a mapping file in TOML")
        ) from error
    # Deep nesting exhausts the parser's stack before it becomes a fault of syntax. Its own words
    # are cut, because they may quote at length from a file that is no TOML at all.
    except (ValueError, RecursionError) as error:
        actual = Message("text that is not TOML ({reason})", {"reason": str(error)[:80]})
        raise InputError(
            str(path), found=actual, wanted=Message("a mapping file in TOML")
        ) from error


def _trace_mapping_section(
    mapping_file: str, settings: dict[str, object], name: str
) -> dict[str, object]:
    section = settings.get(name, {})
    if not isinstance(section, dict):
        place = table_cell_location_text(mapping_file, column=name)
        raise InputError(place, found=shown_trace_cell(section), wanted=Message("a table of names"))
    return cast("dict[str, object]", section)


def _trace_mapping_text_section(
    mapping_file: str, name: str, section: dict[str, object]
) -> dict[str, str]:
    for key, text in section.items():
        if not isinstance(text, str):
            place = table_cell_location_text(mapping_file, column=f"{name}.{key}")
            raise InputError(
                place, found=shown_trace_cell(text), wanted=Message("a text in quotes")
            )
    return cast("dict[str, str]", section)


def _check_trace_mapping_names(
    mapping_file: str, section: str, names: dict[str, object], known_names: tuple[str, ...]
) -> None:
    for name in names:
        _check_trace_mapping_name_known(
            table_cell_location_text(mapping_file, column=section or None), name, known_names
        )


def _check_trace_mapping_name_known(place: str, name: str, known_names: tuple[str, ...]) -> None:
    if name not in known_names:
        wanted = Message("one of {names}", {"names": ", ".join(known_names)})
        raise InputError(place, found=shown_trace_cell(name), wanted=wanted)


def _check_trace_mapping_complete(mapping_file: str, mapped_columns: set[str]) -> None:
    has_runtime = "runtime" in mapped_columns or {"start", "end"} <= mapped_columns
    missing = [name for name in ("submit", "gpus") if name not in mapped_columns]
    if not has_runtime:
        missing.append("runtime")
    if missing:
        place = table_cell_location_text(mapping_file, column="columns")
        actual = Message("no {names}", {"names": ", ".join(missing)})
        wanted = Message("submit, gpus and either runtime or both start and end")
        raise InputError(place, found=actual, wanted=wanted)


def _trace_mapping_separator(mapping_file: str, settings: dict[str, object]) -> str:
    mark = settings.get("separator", ",")
    # One byte: the reader splits bytes, and a quote or a line break already means something else.
    if not isinstance(mark, str) or len(mark.encode()) != 1 or mark in '"\n':
        place = table_cell_location_text(mapping_file, column="separator")
        raise InputError(place, found=shown_trace_cell(mark), wanted=Message("a single character"))
    return mark


def read_table_of_jobs(source: TraceSource, gaps: ReadingGaps) -> DraftWorkload:  # noqa: ARG001 - nothing may be left out
    """Return the jobs of a table whose columns already have our names."""
    return read_mapped_jobs(source, PLAIN_MAPPING)


def read_mapped_jobs(source: TraceSource, mapping: ColumnMapping) -> DraftWorkload:
    """Return the jobs of a table whose columns `mapping` explains."""
    # Under plain names the other columns may be absent; a mapping file names only what must be
    # there.
    required = COLUMNS if mapping is PLAIN_MAPPING else tuple(mapping.columns.values())
    rows = _mapped_rows_under_plain_names(
        read_trace_rows(source, required, separator=mapping.separator), mapping
    )
    columns = _mapped_job_time_columns(rows, mapping)
    columns |= {
        name: trace_whole_numbers(
            rows, name, low=low, high=high, missing=_default_of_empty_trace_job_column(name)
        )
        for name, (low, high) in _WHOLES.items()
        if rows.has_column(name)
    }
    columns |= {
        name: trace_text_column(rows, name, missing="") for name in _NAMES if rows.has_column(name)
    }
    columns.setdefault("job_id", rows.row.cast(pl.String))
    frame = pl.DataFrame(columns)
    if "single_node" in columns:
        frame = frame.with_columns(pl.col("single_node") == 1)
    # Two tables share a clock if the same mapping explains them, or if both hold instants.
    is_instant = mapping.units.get("submit") == "instant"
    return DraftWorkload(
        frame, "utc" if is_instant else f"table of {mapping.where}", "the table's zero"
    )


def _default_of_empty_trace_job_column(job_column: str) -> int | None:
    return {"gpu_milli": 1000, "gpus": None}.get(job_column, 0)


def _mapped_rows_under_plain_names(rows: TraceRows, mapping: ColumnMapping) -> TraceRows:
    """Return the table under our names, with a column for each constant."""
    renamed = [
        rows.frame[column].alias(name)
        for name, column in mapping.columns.items()
        if column in rows.frame.columns
    ]
    constants = [
        pl.Series([str(constant)]).new_from_index(0, len(rows)).alias(name)
        for name, constant in mapping.constants.items()
    ]
    return replace(rows, frame=pl.DataFrame(renamed + constants), spelled=mapping.columns)


def _mapped_job_time_columns(rows: TraceRows, mapping: ColumnMapping) -> dict[str, pl.Series]:
    submit = _mapped_instant_ms(rows, mapping, "submit")
    times = {"submit_ms": submit, "runtime_ms": _mapped_job_runtime_ms(rows, mapping, submit)}
    if rows.has_column("limit"):
        times["estimate_ms"] = _mapped_trace_duration_ms(rows, mapping, "limit")
    return times


def _mapped_job_runtime_ms(rows: TraceRows, mapping: ColumnMapping, submit: pl.Series) -> pl.Series:
    if rows.has_column("runtime"):
        return _mapped_trace_duration_ms(rows, mapping, "runtime")
    start, end = (
        _mapped_instant_ms(rows, mapping, "start"),
        _mapped_instant_ms(rows, mapping, "end"),
    )
    check_trace_rows(rows, "start", start < submit, Message("a time at or after the submission"))
    check_trace_rows(rows, "end", end < start, Message("a time at or after the start"))
    return end - start


def _mapped_instant_ms(rows: TraceRows, mapping: ColumnMapping, name: str) -> pl.Series:
    unit = mapping.units.get(name, "s")
    if unit == "instant":
        return trace_instants_ms(rows, name)
    return trace_milliseconds(rows, name, high_s=LATEST_S, per_second=_PER_SECOND[unit])


def _mapped_trace_duration_ms(rows: TraceRows, mapping: ColumnMapping, name: str) -> pl.Series:
    unit = mapping.units.get(name, "s")
    _check_trace_mapping_name_known(
        table_cell_location_text(mapping.where, column=f"units.{name}"), unit, tuple(_PER_SECOND)
    )
    return trace_milliseconds(rows, name, high_s=YEARS_100_S, per_second=_PER_SECOND[unit])
