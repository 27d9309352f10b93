"""FHIR files into Parquet, inside DuckDB and in bounded memory.

A line that is no JSON object reads as a row of nothing, which the first rule
of every resource catches; so one pass reads, checks, keeps and quarantines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import duckdb
import polars as pl

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import DataImportError
from commonwatt.sandbox.domain.fhir import RESOURCES, FhirResource
from commonwatt.sandbox.domain.import_report import QUARANTINE, TableImportReport
from commonwatt.sandbox.io.imports.checked import (
    dataset_sql_text_literal,
    import_error_without_record_content,
    mark_broken_import_records,
    mark_duplicate_import_records,
    write_kept_and_quarantined_import_rows,
)
from commonwatt.sandbox.io.imports.compressed import (
    check_zstd_import_file_whole,
    open_unpacked_import_file,
)

_LARGEST_RECORD: Final = 64 << 20
_OTHER: Final = "Other"
_NO_BUNDLE: Final = "no bundle"
_NOT_KEPT: Final = "type not kept"

DUPLICATE: Final = "id seen before"
ORPHAN: Final = "patient not in this dataset"


def import_fhir_resource_into_parquet(
    base: duckdb.DuckDBPyConnection, resource: FhirResource, sources: list[Path], to: Path
) -> TableImportReport:
    """Read NDJSON files of one resource type into the Parquet file `to`.

    Where patients stand beside `to`, records of other patients are quarantined.

    Raises:
        DataImportError: A file cannot be read at all.
    """
    # Before the first row is read: half a file must not be imported as if it were whole.
    for source in sources:
        check_zstd_import_file_whole(source)
    try:
        base.execute(_checked_fhir_resource_sql(resource, sources))
    except duckdb.Error as error:
        raise DataImportError(
            sources[0].name,
            found=Message("a file that cannot be read as lines of JSON"),
            wanted=Message("one JSON object a line, in UTF-8"),
            # The database's own words quote the line that it could not read.
        ) from import_error_without_record_content(error)
    mark_duplicate_import_records(base, "id", DUPLICATE)
    rules = [*dict.fromkeys(rule.reason for rule in resource.rules), DUPLICATE]
    # Patients are read first, so a record of somebody who was quarantined there is quarantined
    # here.
    patients = to.with_name("Patient.parquet")
    if "patient_id" in resource.columns and patients != to and patients.exists():
        known_patients = (
            f"SELECT patient_id FROM read_parquet({dataset_sql_text_literal(str(patients))})"  # noqa: S608
        )
        mark_broken_import_records(
            base, ORPHAN, f"patient_id IS NOT NULL AND patient_id NOT IN ({known_patients})"
        )
        rules.append(ORPHAN)
    names = ", ".join(path.name for path in sources)
    return write_kept_and_quarantined_import_rows(
        base, resource.name, source=names, columns=resource.columns, rules=rules, to=to
    )


def _checked_fhir_resource_sql(resource: FhirResource, sources: list[Path]) -> str:
    fields = ", ".join(
        f'"{name}": {dataset_sql_text_literal(kind)}' for name, kind in resource.fields.items()
    )
    whens = " ".join(
        f"WHEN {rule.broken} THEN {dataset_sql_text_literal(rule.reason)}"
        for rule in resource.rules
    )
    columns = ", ".join(f"{sql} AS {name}" for name, sql in resource.columns.items())
    files = ", ".join(dataset_sql_text_literal(str(path)) for path in sources)
    return (
        f"CREATE OR REPLACE TEMP TABLE checked AS SELECT {columns}, CASE {whens} END AS reason,"  # noqa: S608
        f" row_number() OVER () AS record FROM read_json([{files}], format='newline_delimited',"
        # A line that cannot be parsed becomes a row of nothing, which the first rule quarantines
        # by its number; without this one bad line would refuse a whole file.
        f" ignore_errors=true, maximum_object_size={_LARGEST_RECORD}, columns={{{fields}}})"
    )


def unpack_fhir_bundles_and_report_leftovers(
    sources: list[Path], to: Path
) -> tuple[list[Path], TableImportReport]:
    """Split bundles into NDJSON files by resource type under `to`.

    One bundle is held in memory at a time. `urn:uuid:` references keep their
    id, which is all that the tables use.

    Returns:
        The files, and a report of what has no table: bundles that are none, and
        resources of other types, each quarantined by its place.
    """
    to.mkdir(parents=True, exist_ok=True)
    leftover: list[tuple[str, int, str]] = []
    read = 0
    for source in sources:
        files: dict[str, list[str]] = {}
        for resource in _fhir_bundle_resources(source):
            read += 1
            kind = resource.get("resourceType") if resource else None
            if isinstance(kind, str) and kind in RESOURCES:
                files.setdefault(kind, []).append(json.dumps(resource, ensure_ascii=False))
            else:
                leftover.append((_OTHER, read, _NO_BUNDLE if resource is None else _NOT_KEPT))
        _append_fhir_ndjson_lines(files, to)
    return sorted(to.glob("*.ndjson")), _fhir_bundle_leftover_import_report(leftover, to)


def _fhir_bundle_leftover_import_report(
    leftover: list[tuple[str, int, str]], to: Path
) -> TableImportReport:
    quarantine_file = to / f"{_OTHER}.quarantine.parquet"
    pl.DataFrame(leftover, schema=QUARANTINE, orient="row").write_parquet(quarantine_file)
    reasons = [reason for _, _, reason in leftover]
    return TableImportReport(
        table=_OTHER, source="bundles", read_count=len(leftover), kept_count=0,
        quarantine_file=quarantine_file,
        rules={rule: reasons.count(rule) for rule in (_NO_BUNDLE, _NOT_KEPT)},
    )  # fmt: skip


def _fhir_bundle_resources(source: Path) -> Iterator[dict[str, Any] | None]:
    """Yield the resources of a bundle, or None once for what is no bundle."""
    try:
        with open_unpacked_import_file(source) as file:
            entries: list[Any] = json.loads(file.read())["entry"]
        resources = [entry["resource"] for entry in entries]
    # A bundle that is nested without end is as broken as one that is no JSON.
    except (ValueError, KeyError, TypeError, RecursionError):
        yield None
        return
    for resource in resources:
        yield cast("dict[str, Any]", resource) if isinstance(resource, dict) else {}


def _append_fhir_ndjson_lines(files: dict[str, list[str]], to: Path) -> None:
    for kind, lines in files.items():
        with (to / f"{kind}.ndjson").open("a", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)
