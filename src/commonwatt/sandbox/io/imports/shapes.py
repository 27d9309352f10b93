"""One store, two shapes: whoever imported FHIR can ask in OMOP, and the other way."""

from __future__ import annotations

from pathlib import Path

import duckdb

from commonwatt.sandbox.io.imports.to_fhir import make_fhir_tables
from commonwatt.sandbox.io.imports.to_omop import make_omop_tables


def add_omop_or_fhir_counterparts(base: duckdb.DuckDBPyConnection, draft: Path) -> dict[str, int]:
    """Add what a draft lacks: OMOP tables to FHIR patients, FHIR tables to OMOP persons.

    Returns:
        Rows by table of what was added.
    """
    if (draft / "Patient.parquet").exists():
        if (draft / "patient.parquet").exists():
            return {}  # names that differ in case are one file here: `Observation` would be lost
        return make_omop_tables(base, draft)
    if (draft / "person.parquet").exists():
        return make_fhir_tables(base, draft)
    return {}
