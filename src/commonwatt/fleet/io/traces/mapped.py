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

from commonwatt.core.errors import InputError, cell_location
from commonwatt.core.messages import Message
from commonwatt.fleet.io.traces.draft import DraftWorkload
from commonwatt.fleet.io.traces.rows import (
    LATEST_S,
    MOST_GPUS,
    YEARS_100_S,
    ReadingGaps,
    TraceRows,
    check_rows,
    instants,
    milliseconds,
    shown_value,
    text_column,
    whole_numbers,
)
from commonwatt.fleet.io.traces.source import TraceSource
from commonwatt.fleet.io.traces.tabular import read_rows

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


OURS: Final = ColumnMapping(
    "header",
    {name: name for name in (*_NAMES, *_WHOLES)} | {name: f"{name}_s" for name in _TIMES},
    {},
    {},
)


def load_mapping(path: Path) -> ColumnMapping:
    """Return the mapping in a TOML file.

    Raises:
        InputError: It cannot be read, is not TOML, or names what we do not know.
    """
    where, found = str(path), _toml(path)
    _check_names(where, "", found, ("separator", "columns", "units", "constants"))
    sections = {name: _section(where, found, name) for name in ("columns", "units", "constants")}
    for name, section in sections.items():
        _check_names(where, name, section, _TIMES if name == "units" else _KNOWN)
    units = _texts(where, "units", sections["units"])
    for name, unit in units.items():
        _check_one_of(cell_location(where, column=f"units.{name}"), unit, (*_PER_SECOND, "instant"))
    columns = _texts(where, "columns", sections["columns"])
    _check_complete(where, {*columns, *sections["constants"]})
    return ColumnMapping(where, columns, units, sections["constants"], _separator(where, found))


def _toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            str(path), found=Message("no readable file"), wanted=Message("a mapping file in TOML")
        ) from error
    except (ValueError, RecursionError) as error:
        found = Message("text that is not TOML ({reason})", {"reason": str(error)[:80]})
        raise InputError(
            str(path), found=found, wanted=Message("a mapping file in TOML")
        ) from error


def _section(where: str, found: dict[str, object], name: str) -> dict[str, object]:
    section = found.get(name, {})
    if not isinstance(section, dict):
        place = cell_location(where, column=name)
        raise InputError(place, found=shown_value(section), wanted=Message("a table of names"))
    return cast("dict[str, object]", section)


def _texts(where: str, name: str, section: dict[str, object]) -> dict[str, str]:
    for key, value in section.items():
        if not isinstance(value, str):
            place = cell_location(where, column=f"{name}.{key}")
            raise InputError(place, found=shown_value(value), wanted=Message("a text in quotes"))
    return cast("dict[str, str]", section)


def _check_names(
    where: str, section: str, found: dict[str, object], known: tuple[str, ...]
) -> None:
    for name in found:
        _check_one_of(cell_location(where, column=section or None), name, known)


def _check_one_of(place: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        wanted = Message("one of {names}", {"names": ", ".join(known)})
        raise InputError(place, found=shown_value(name), wanted=wanted)


def _check_complete(where: str, given: set[str]) -> None:
    has_runtime = "runtime" in given or {"start", "end"} <= given
    missing = [name for name in ("submit", "gpus") if name not in given]
    if not has_runtime:
        missing.append("runtime")
    if missing:
        place = cell_location(where, column="columns")
        found = Message("no {names}", {"names": ", ".join(missing)})
        wanted = Message("submit, gpus and either runtime or both start and end")
        raise InputError(place, found=found, wanted=wanted)


def _separator(where: str, found: dict[str, object]) -> str:
    mark = found.get("separator", ",")
    if not isinstance(mark, str) or len(mark.encode()) != 1 or mark in '"\n':
        place = cell_location(where, column="separator")
        raise InputError(place, found=shown_value(mark), wanted=Message("a single character"))
    return mark


def read(source: TraceSource, gaps: ReadingGaps) -> DraftWorkload:  # noqa: ARG001 - nothing may be left out
    """Return the jobs of a table whose columns already have our names."""
    return read_mapped(source, OURS)


def read_mapped(source: TraceSource, mapping: ColumnMapping) -> DraftWorkload:
    """Return the jobs of a table whose columns `mapping` explains."""
    required = COLUMNS if mapping is OURS else tuple(mapping.columns.values())
    rows = _renamed(read_rows(source, required, separator=mapping.separator), mapping)
    columns = _times(rows, mapping)
    columns |= {name: whole_numbers(rows, name, low=low, high=high, missing=_missing(name))
                for name, (low, high) in _WHOLES.items() if rows.has(name)}  # fmt: skip
    columns |= {name: text_column(rows, name, missing="") for name in _NAMES if rows.has(name)}
    columns.setdefault("job_id", rows.row.cast(pl.String))
    frame = pl.DataFrame(columns)
    if "single_node" in columns:
        frame = frame.with_columns(pl.col("single_node") == 1)
    is_instant = mapping.units.get("submit") == "instant"
    return DraftWorkload(
        frame, "utc" if is_instant else f"table of {mapping.where}", "the table's zero"
    )


def _missing(name: str) -> int | None:
    return {"gpu_milli": 1000, "gpus": None}.get(name, 0)


def _renamed(rows: TraceRows, mapping: ColumnMapping) -> TraceRows:
    """Return the table under our names, with a column for each constant."""
    ours = [
        rows.frame[theirs].alias(name)
        for name, theirs in mapping.columns.items()
        if theirs in rows.frame.columns
    ]
    constants = [
        pl.Series([str(value)]).new_from_index(0, len(rows)).alias(name)
        for name, value in mapping.constants.items()
    ]
    return replace(rows, frame=pl.DataFrame(ours + constants), spelled=mapping.columns)


def _times(rows: TraceRows, mapping: ColumnMapping) -> dict[str, pl.Series]:
    submit = _instant(rows, mapping, "submit")
    times = {"submit_ms": submit, "runtime_ms": _runtime(rows, mapping, submit)}
    if rows.has("limit"):
        times["estimate_ms"] = _length(rows, mapping, "limit")
    return times


def _runtime(rows: TraceRows, mapping: ColumnMapping, submit: pl.Series) -> pl.Series:
    if rows.has("runtime"):
        return _length(rows, mapping, "runtime")
    start, end = _instant(rows, mapping, "start"), _instant(rows, mapping, "end")
    check_rows(rows, "start", start < submit, Message("a time at or after the submission"))
    check_rows(rows, "end", end < start, Message("a time at or after the start"))
    return end - start


def _instant(rows: TraceRows, mapping: ColumnMapping, name: str) -> pl.Series:
    unit = mapping.units.get(name, "s")
    if unit == "instant":
        return instants(rows, name)
    return milliseconds(rows, name, high_s=LATEST_S, per_second=_PER_SECOND[unit])


def _length(rows: TraceRows, mapping: ColumnMapping, name: str) -> pl.Series:
    unit = mapping.units.get(name, "s")
    _check_one_of(cell_location(mapping.where, column=f"units.{name}"), unit, tuple(_PER_SECOND))
    return milliseconds(rows, name, high_s=YEARS_100_S, per_second=_PER_SECOND[unit])
