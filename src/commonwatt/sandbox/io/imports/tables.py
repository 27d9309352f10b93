"""Tables of OMOP CDM 5.4 and plain CSV, held to a specification.

A specification is a list of fields with type and whether each is required; for
OMOP it is the standard's own, for a plain file the custodian writes it. Every
cell is read as text, checked, then converted, so that a bad one quarantines its
row and nothing else.

Source: OHDSI, OMOP Common Data Model v5.4, `OMOP_CDMv5.4_Field_Level.csv`.
"""

# ruff: noqa: S608  the names in the SQL are ours, and values are quoted by `literal`

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from commonwatt.core.messages import Message
from commonwatt.core.shipped import DATA
from commonwatt.sandbox.domain.errors import DataImportError
from commonwatt.sandbox.domain.import_report import TableImportReport
from commonwatt.sandbox.io.imports.checked import (
    WORK_TABLE,
    dataset_sql_text_literal,
    import_error_without_record_content,
    mark_duplicate_import_records,
    write_kept_and_quarantined_import_rows,
)
from commonwatt.sandbox.io.imports.compressed import check_zstd_import_file_whole
from commonwatt.sandbox.io.imports.lenient_csv import (
    FAULT,
    NO_TEXT,
    QUOTES,
    RAGGED,
    save_lenient_csv_as_parquet_parts,
)
from commonwatt.sandbox.io.imports.plain import DatasetField, TableFileSchema, cast_table_cell_sql

_SPECIFICATION: Final = DATA / "sandbox" / "omop-5.4" / "fields.csv"
VOCABULARY: Final = ("concept", "concept_relationship")
"""OMOP's tables that say which concept a code of a terminology is."""


@cache
def omop_fields_by_table() -> dict[str, tuple[DatasetField, ...]]:
    """Return the fields of every OMOP table, in the standard's order."""
    rows = pl.read_csv(_SPECIFICATION, infer_schema=False)
    tables: dict[str, list[DatasetField]] = {}
    for row in rows.iter_rows(named=True):
        kind, longest = _omop_field_kind_and_length(row["datatype"])
        tables.setdefault(row["table"], []).append(
            DatasetField(
                name=row["field"],
                kind=kind,
                required=row["required"].strip().lower() == "yes",
                unique=row["primary_key"].strip().lower() == "yes",
                longest=longest,
            )
        )
    return {name: tuple(fields) for name, fields in tables.items()}


def _omop_field_kind_and_length(datatype: str) -> tuple[str, int | None]:
    """Return kind and longest text of one of the standard's type names.

    >>> _omop_field_kind_and_length("varchar(50)"), _omop_field_kind_and_length("Integer")
    (('text', 50), ('integer', None))
    """
    name = datatype.strip().lower()
    if match := re.fullmatch(r"varchar\((\d+|max)\)", name):
        return "text", None if match[1] == "max" else int(match[1])
    return name, None


def import_table_into_parquet(
    base: duckdb.DuckDBPyConnection,
    name: str,
    plain: TableFileSchema,
    source: Path,
    to: Path,
) -> TableImportReport:
    """Read the CSV or Parquet file `source` into `to`, quarantining broken rows.

    Raises:
        DataImportError: The file lacks a required column or cannot be read.
    """
    try:
        header = _load_raw_import_table(
            base, plain, source, to.parent / WORK_TABLE / f"{name}.loose"
        )
        fields_by_column = _table_fields_by_column(source, header, plain.fields)
        _make_checked_import_table(base, fields_by_column)
    except duckdb.Error as error:
        raise DataImportError(
            source.name,
            found=Message("a file that cannot be read as a table"),
            wanted=Message("CSV with a header or Parquet, in UTF-8"),
        ) from import_error_without_record_content(error)
    # In the order in which they are tried; every rule is reported, also with 0.
    rules = [RAGGED, QUOTES, NO_TEXT]
    rules += [
        rule
        for column, field in fields_by_column.items()
        for rule, _ in _table_field_rules_sql(column, field)
    ]
    rules += [
        _duplicate_value_quarantine_reason(field)
        for field in fields_by_column.values()
        if field.unique
    ]
    columns = [f'"{field.name}"' for field in fields_by_column.values()]
    report = write_kept_and_quarantined_import_rows(
        base, name, source=source.name, columns=columns, rules=rules, to=to
    )
    base.execute("DROP TABLE raw")
    return report


def _load_raw_import_table(
    base: duckdb.DuckDBPyConnection, plain: TableFileSchema, source: Path, work: Path
) -> dict[str, str]:
    """Read every cell as text into `raw`; return the columns by lower-case name."""
    check_zstd_import_file_whole(source)
    make = "CREATE OR REPLACE TEMP TABLE raw AS SELECT COLUMNS(*)::VARCHAR,"
    # Numbered before anything is dropped, so that a quarantined row can be found in the
    # custodian's file.
    number = "row_number() OVER () AS record_of_file"
    try:
        base.execute(f"{make} NULL::VARCHAR AS {FAULT}, {number} FROM {plain.reader_sql(source)}")
    except duckdb.Error:
        if source.suffix == ".parquet":
            raise
        parts = ", ".join(
            dataset_sql_text_literal(str(part))
            for part in save_lenient_csv_as_parquet_parts(source, plain, work)
        )
        base.execute(f"{make} {number} FROM read_parquet([{parts}])")
    described = base.execute("SELECT * FROM raw LIMIT 0").description or []
    return {str(column[0]).lower(): str(column[0]) for column in described}


def _table_fields_by_column(
    source: Path, header: Mapping[str, str], fields: tuple[DatasetField, ...]
) -> dict[str, DatasetField]:
    missing = [field.heading for field in fields if field.required and field.heading not in header]
    if missing:
        raise DataImportError(
            source.name,
            # Two columns of the table are ours: the fault and the number.
            found=Message("{count} columns", {"count": str(len(header) - 2)}),
            wanted=Message("also the columns {names}", {"names": ", ".join(missing)}),
        )
    return {header[field.heading]: field for field in fields if field.heading in header}


def _make_checked_import_table(
    base: duckdb.DuckDBPyConnection, fields_by_column: Mapping[str, DatasetField]
) -> None:
    values = ", ".join(
        f'{_table_value_sql(column, field)} AS "{field.name}"'
        for column, field in fields_by_column.items()
    )
    whens = " ".join(
        f"WHEN {broken} THEN {dataset_sql_text_literal(reason)}"
        for column, field in fields_by_column.items()
        for reason, broken in _table_field_rules_sql(column, field)
    )
    base.execute(
        f"CREATE OR REPLACE TEMP TABLE checked AS SELECT {values}, record_of_file AS record,"
        f" CASE WHEN {FAULT} IS NOT NULL THEN {FAULT} {whens} END AS reason FROM raw"
    )
    for field in fields_by_column.values():
        if field.unique:
            mark_duplicate_import_records(
                base, field.name, _duplicate_value_quarantine_reason(field)
            )


def _duplicate_value_quarantine_reason(field: DatasetField) -> str:
    return f"{field.name} seen before"


def _null_if_import_cell_empty_sql(column: str) -> str:
    quoted = '"' + column.replace('"', '""') + '"'
    # An empty cell and none are one: exporters write either for a missing value.
    return f"nullif({quoted}, '')"


def _table_value_sql(column: str, field: DatasetField) -> str:
    cell = _null_if_import_cell_empty_sql(column)
    return cell if field.kind == "text" else cast_table_cell_sql(cell, field.kind)


def _table_field_rules_sql(column: str, field: DatasetField) -> list[tuple[str, str]]:
    cell, value, name = (
        _null_if_import_cell_empty_sql(column),
        _table_value_sql(column, field),
        field.name,
    )
    rules: list[tuple[str, str]] = []
    if field.required:
        rules.append((f"{name} missing", f"{cell} IS NULL"))
    if field.kind != "text":
        rules.append((f"{name} is no {field.kind}", f"{cell} IS NOT NULL AND {value} IS NULL"))
    if field.kind == "float":
        # A cast takes `inf` and `nan` for numbers, and one of them spoils every mean.
        rules.append((f"{name} is not finite", f"NOT isfinite({value})"))
    if field.longest is not None:
        rules.append((f"{name} too long", f"length({cell}) > {field.longest}"))
    if field.choices:
        choices = ", ".join(dataset_sql_text_literal(choice) for choice in field.choices)
        rules.append((f"{name} not of its choices", f"NOT coalesce({cell} IN ({choices}), true)"))
    if field.lowest is not None:
        rules.append((f"{name} too small", f"{value} < {field.lowest}"))
    if field.highest is not None:
        rules.append((f"{name} too large", f"{value} > {field.highest}"))
    return rules
