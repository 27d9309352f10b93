"""One store, two shapes: whoever imported FHIR can ask in OMOP, and the other way."""

from __future__ import annotations

from pathlib import Path

import duckdb

from commonwatt.sandbox.io.imports.to_fhir import make_fhir_tables_and_count_rows
from commonwatt.sandbox.io.imports.to_omop import make_omop_tables_and_count_rows


def add_omop_or_fhir_tables_and_count(
    base: duckdb.DuckDBPyConnection, draft: Path
) -> dict[str, int]:
    """Add what a draft lacks: OMOP tables to FHIR patients, FHIR tables to OMOP persons.

    Returns:
        Rows by table of what was added.
    """
    if (draft / "Patient.parquet").exists():
        if (draft / "patient.parquet").exists():
            return {}  # names that differ in case are one file here: `Observation` would be lost
        return make_omop_tables_and_count_rows(base, draft)
    if (draft / "person.parquet").exists():
        return make_fhir_tables_and_count_rows(base, draft)
    return {}
