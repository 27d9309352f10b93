"""FHIR files into Parquet, inside DuckDB and in bounded memory.

A line that is no JSON object reads as a row of nothing, which the first rule
of every resource catches; so one pass reads, checks, keeps and sets aside.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import duckdb
import polars as pl

from commonwatt.core.messages import Message
from commonwatt.sandbox.errors import ImportFaultError
from commonwatt.sandbox.imports.duplicates import mark_duplicates
from commonwatt.sandbox.imports.fhir import RESOURCES, Resource
from commonwatt.sandbox.imports.report import QUARANTINE, TableReport

_LARGEST_RECORD: Final = 64 << 20
_OTHER: Final = "Other"
_UNPACKED: Final = (
    "SELECT line FROM read_csv(?, compression='zstd', header=false, delim='\x1f', quote='',"
    " escape='', auto_detect=false, max_line_size=67108864, columns={'line': 'VARCHAR'})"
)
"""A packed text by its lines; no unit separator can stand in JSON text."""

DUPLICATE: Final = "id seen before"
ORPHAN: Final = "patient not in this dataset"


@contextmanager
def connection(
    spill: Path, *, memory_mb: int = 1024, threads: int = 2
) -> Generator[duckdb.DuckDBPyConnection]:
    """Yield a database in memory that spills into `spill` beyond `memory_mb`."""
    settings = {
        "memory_limit": f"{memory_mb}MB", "threads": threads, "temp_directory": str(spill),
        "autoinstall_known_extensions": False, "autoload_known_extensions": False,
        "TimeZone": "UTC",
    }  # fmt: skip
    base = duckdb.connect()
    try:
        for name, value in settings.items():
            base.execute(f"SET {name} = {_literal(str(value))}")
        yield base
    finally:
        base.close()


def read_resource(
    base: duckdb.DuckDBPyConnection, resource: Resource, sources: list[Path], to: Path
) -> TableReport:
    """Read NDJSON files of one resource type into the Parquet file `to`.

    Raises:
        ImportFaultError: A file cannot be read at all.
    """
    try:
        base.execute(_checked(resource, sources))
    except duckdb.Error as error:
        raise ImportFaultError(
            sources[0].name,
            found=Message("a file that cannot be read as lines of JSON"),
            wanted=Message("one JSON object a line, in UTF-8"),
        ) from _without_content(error)
    mark_duplicates(base, "id", DUPLICATE)
    columns = ", ".join(resource.columns)
    base.execute(
        f"COPY (SELECT {columns} FROM checked WHERE reason IS NULL)"  # noqa: S608
        f" TO {_literal(str(to))} (FORMAT parquet, COMPRESSION zstd)"
    )
    counts = base.execute("SELECT count(*), count(*) - count(reason) FROM checked").fetchone()
    assert counts is not None
    rows = base.execute(
        "SELECT ?, record, reason FROM checked WHERE reason IS NOT NULL ORDER BY record",
        [resource.name],
    ).fetchall()
    aside = pl.DataFrame(rows, schema=QUARANTINE, orient="row")
    base.execute("DROP TABLE checked")
    return TableReport(
        table=resource.name, source=", ".join(path.name for path in sources),
        read=counts[0], kept=counts[1], quarantine=aside,
    )  # fmt: skip


def _checked(resource: Resource, sources: list[Path]) -> str:
    fields = ", ".join(f'"{name}": {_literal(kind)}' for name, kind in resource.fields.items())
    whens = " ".join(f"WHEN {rule.broken} THEN {_literal(rule.reason)}" for rule in resource.rules)
    columns = ", ".join(f"{sql} AS {name}" for name, sql in resource.columns.items())
    files = ", ".join(_literal(str(path)) for path in sources)
    return (
        f"CREATE OR REPLACE TEMP TABLE checked AS SELECT {columns}, CASE {whens} END AS reason,"  # noqa: S608
        f" row_number() OVER () AS record FROM read_json([{files}], format='newline_delimited',"
        f" ignore_errors=true, maximum_object_size={_LARGEST_RECORD}, columns={{{fields}}})"
    )


def unpack_bundles(sources: list[Path], to: Path) -> tuple[list[Path], TableReport]:
    """Split bundles into NDJSON files by resource type under `to`.

    One bundle is held in memory at a time. `urn:uuid:` references keep their
    id, which is all that the tables use.

    Returns:
        The files, and a report of what has no table: bundles that are none, and
        resources of other types, each set aside by its place.
    """
    to.mkdir(parents=True, exist_ok=True)
    other: list[tuple[str, int, str]] = []
    read = 0
    for source in sources:
        files: dict[str, list[str]] = {}
        for resource in _entries(source):
            read += 1
            kind = resource.get("resourceType") if resource else None
            if isinstance(kind, str) and kind in RESOURCES:
                files.setdefault(kind, []).append(json.dumps(resource, ensure_ascii=False))
            else:
                other.append((_OTHER, read, "no bundle" if resource is None else "type not kept"))
        _append(files, to)
    aside = pl.DataFrame(other, schema=QUARANTINE, orient="row")
    report = TableReport(table=_OTHER, source="bundles", read=len(other), kept=0, quarantine=aside)
    return sorted(to.glob("*.ndjson")), report


def _entries(source: Path) -> Iterator[dict[str, Any] | None]:
    """Yield the resources of a bundle, or None once for what is no bundle."""
    try:
        entries: list[Any] = json.loads(_text(source))["entry"]
        resources = [entry["resource"] for entry in entries]
    except (ValueError, KeyError, TypeError):
        yield None
        return
    for resource in resources:
        yield cast("dict[str, Any]", resource) if isinstance(resource, dict) else {}


def _text(source: Path) -> bytes:
    if source.suffix != ".zst":
        return source.read_bytes()
    with duckdb.connect() as base:
        lines = base.execute(_UNPACKED, [str(source)]).fetchall()
    return "\n".join(line or "" for (line,) in lines).encode()


def _append(files: dict[str, list[str]], to: Path) -> None:
    for kind, lines in files.items():
        with (to / f"{kind}.ndjson").open("a", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)


def find_orphans(store: Path, table: str) -> pl.DataFrame:
    """Return the rows of `table` whose patient is not in the store, by row from 0."""
    patients = pl.scan_parquet(store / "Patient.parquet").select("patient_id")
    rows = pl.scan_parquet(store / f"{table}.parquet").select("patient_id").with_row_index("row")
    return rows.join(patients, on="patient_id", how="anti").select("row").collect()


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _without_content(error: Exception) -> Exception:
    """Return the kind of an error; DuckDB's own words may quote a record."""
    return RuntimeError(type(error).__name__)
