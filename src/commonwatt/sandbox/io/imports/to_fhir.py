"""FHIR-shaped tables made from OMOP ones, with the columns that a FHIR import has.

A patient's id is OMOP's `person_id` as text. A code comes from the vocabulary
where it was imported, else from `…_source_value`. What OMOP does not say, such
as a status, is left empty.

Source: OHDSI, OMOP Common Data Model v5.4; HL7 FHIR R4 (v4.0.1).
"""

# ruff: noqa: S608  the names in the SQL are ours, and values are quoted by `literal`

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from commonwatt.core.errors import IdentityError
from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.fhir import RESOURCES
from commonwatt.sandbox.io.imports.checked import (
    copy_import_query_to_parquet,
    dataset_sql_text_literal,
)
from commonwatt.sandbox.io.imports.plain import TYPES
from commonwatt.sandbox.io.imports.tables import omop_fields_by_table
from commonwatt.sandbox.io.imports.terms import (
    ETHNICITIES,
    GENDERS,
    OF_ADMINISTRATION,
    RACES,
    SYSTEMS,
    VISITS,
    word_of_omop_concept_sql,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirTableMapping:
    """How rows of an OMOP table become rows of a FHIR table.

    Args:
        resource: FHIR table.
        table: OMOP table.
        key: Its column that names a row.
        concept: Column of the standard concept; empty where the table has no code.
        source: Column of the code as it stood at the source.
        columns: FHIR columns as SQL over the OMOP ones.
        where: Which rows; all if empty.
    """

    resource: str
    table: str
    key: str
    concept: str = ""
    source: str = ""
    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    where: str = ""


# OMOP keeps prescriptions and doses given in one table; the kind of record parts them again.
_ADMINISTERED: Final = f"drug_type_concept_id = {OF_ADMINISTRATION}"
_VALUE: Final = {"value_number": "value_as_number", "value_unit": "unit_source_value"}


def _omop_time_or_day_sql(day: str, instant: str) -> str:
    """Return SQL for an instant: the time if it is known, else the start of the day."""
    return f"CAST(coalesce({instant}, CAST({day} AS TIMESTAMP)) AS TIMESTAMPTZ)"


FHIR_MAPPINGS: Final = (
    FhirTableMapping(
        resource="Encounter",
        table="visit_occurrence",
        key="visit_occurrence_id",
        columns={
            "class_code": word_of_omop_concept_sql("visit_concept_id", VISITS),
            "type_code": "visit_source_value",
            "start_at": _omop_time_or_day_sql("visit_start_date", "visit_start_datetime"),
            "end_at": _omop_time_or_day_sql("visit_end_date", "visit_end_datetime"),
        },
    ),
    FhirTableMapping(
        resource="Condition",
        table="condition_occurrence",
        key="condition_occurrence_id",
        concept="condition_concept_id",
        source="condition_source_value",
        columns={
            "onset_at": _omop_time_or_day_sql("condition_start_date", "condition_start_datetime"),
            "abatement_at": _omop_time_or_day_sql("condition_end_date", "condition_end_datetime"),
        },
    ),
    FhirTableMapping(
        resource="MedicationRequest",
        table="drug_exposure",
        key="drug_exposure_id",
        concept="drug_concept_id",
        source="drug_source_value",
        where=f"NOT ({_ADMINISTERED})",
        columns={
            "authored_at": _omop_time_or_day_sql(
                "drug_exposure_start_date", "drug_exposure_start_datetime"
            )
        },
    ),
    FhirTableMapping(
        resource="Immunization",
        table="drug_exposure",
        key="drug_exposure_id",
        concept="drug_concept_id",
        source="drug_source_value",
        where=_ADMINISTERED,
        columns={
            "occurred_at": _omop_time_or_day_sql(
                "drug_exposure_start_date", "drug_exposure_start_datetime"
            )
        },
    ),
    FhirTableMapping(
        resource="Procedure",
        table="procedure_occurrence",
        key="procedure_occurrence_id",
        concept="procedure_concept_id",
        source="procedure_source_value",
        columns={"performed_at": _omop_time_or_day_sql("procedure_date", "procedure_datetime")},
    ),
    FhirTableMapping(
        resource="Observation",
        table="measurement",
        key="measurement_id",
        concept="measurement_concept_id",
        source="measurement_source_value",
        columns=_VALUE
        | {"effective_at": _omop_time_or_day_sql("measurement_date", "measurement_datetime")},
    ),
    FhirTableMapping(
        resource="Observation",
        table="observation",
        key="observation_id",
        concept="observation_concept_id",
        source="observation_source_value",
        columns=_VALUE
        | {
            "value_text": "value_as_string",
            "effective_at": _omop_time_or_day_sql("observation_date", "observation_datetime"),
        },
    ),
)


class OmopDraftTables:
    """The OMOP tables of a draft; a column that one lacks reads as nothing."""

    def __init__(self, draft: Path) -> None:
        self.draft = draft

    def has(self, table: str) -> bool:
        """Return whether the draft holds `table`."""
        return self.path(table).exists()

    def path(self, table: str) -> Path:
        """Return where `table` is or would be."""
        return self.draft / f"{table}.parquet"

    def rows_sql(self, table: str) -> str:
        """Return SQL for `table` with every column of the standard and none beside."""
        schema = pl.read_parquet_schema(self.path(table))
        columns = [
            f'"{omop_field.name}"'
            if omop_field.name in schema
            else f'NULL::{TYPES[omop_field.kind]} AS "{omop_field.name}"'
            for omop_field in omop_fields_by_table()[table]
        ]
        path = dataset_sql_text_literal(str(self.path(table)))
        return f"(SELECT {', '.join(columns)} FROM read_parquet({path}))"


def make_fhir_tables_and_count_rows(base: duckdb.DuckDBPyConnection, draft: Path) -> dict[str, int]:
    """Add FHIR-shaped tables beside the OMOP tables in `draft`; return their rows by table.

    Raises:
        IdentityError: A row was lost or came twice.
    """
    draft_tables = OmopDraftTables(draft)
    _make_omop_concept_terms(base, draft_tables)
    row_counts = {"Patient": _write_fhir_patients_from_omop_persons(base, draft_tables)}
    for resource in dict.fromkeys(mapping.resource for mapping in FHIR_MAPPINGS):
        mappings = [
            mapping
            for mapping in FHIR_MAPPINGS
            if mapping.resource == resource and draft_tables.has(mapping.table)
        ]
        if mappings:
            row_counts[resource] = _make_fhir_resource_and_count_rows(
                base, draft_tables, resource, mappings
            )
    return row_counts


def _make_omop_concept_terms(
    base: duckdb.DuckDBPyConnection, draft_tables: OmopDraftTables
) -> None:
    """Make the table `terms`: system and code of each concept."""
    base.execute(
        "CREATE OR REPLACE TEMP TABLE terms"
        " (concept_id BIGINT, system VARCHAR, code VARCHAR, name VARCHAR)"
    )
    if not draft_tables.has("concept"):
        return
    names = ", ".join(
        f"({dataset_sql_text_literal(url)}, {dataset_sql_text_literal(name)})"
        for url, name in SYSTEMS.items()
    )
    base.execute(
        "INSERT INTO terms SELECT c.concept_id, coalesce(n.system, c.vocabulary_id),"
        f" c.concept_code, c.concept_name FROM {draft_tables.rows_sql('concept')} c"
        f" LEFT JOIN (VALUES {names}) n(system, vocabulary) ON n.vocabulary = c.vocabulary_id"
        " WHERE c.concept_id <> 0"
    )


def _write_fhir_patients_from_omop_persons(
    base: duckdb.DuckDBPyConnection, draft_tables: OmopDraftTables
) -> int:
    died = "SELECT NULL::BIGINT AS person_id, NULL::TIMESTAMPTZ AS died_at WHERE false"
    if draft_tables.has("death"):
        when = _omop_time_or_day_sql("death_date", "death_datetime")
        died = (
            # The standard means one row a person; should a source hold two, the patient must not
            # become two.
            f"SELECT person_id, min({when}) AS died_at FROM {draft_tables.rows_sql('death')}"
            " GROUP BY person_id"
        )
    locations = "SELECT NULL::BIGINT AS location_id, NULL::VARCHAR AS city, NULL::VARCHAR AS state,"
    locations += " NULL::VARCHAR AS zip WHERE false"
    if draft_tables.has("location"):
        locations = f"SELECT location_id, city, state, zip FROM {draft_tables.rows_sql('location')}"
    columns = {
        "id": "CAST(p.person_id AS VARCHAR)",
        "patient_id": "CAST(p.person_id AS VARCHAR)",
        "gender": word_of_omop_concept_sql("p.gender_concept_id", GENDERS),
        # OMOP requires the year alone.
        "birth_on": "make_date(p.year_of_birth, coalesce(p.month_of_birth, 1),"
        " coalesce(p.day_of_birth, 1))",
        "died_at": "d.died_at",
        "identifiers": "p.person_source_value",
        "city": "l.city",
        "state": "l.state",
        "postal_code": "l.zip",
        "race": f"coalesce({word_of_omop_concept_sql('p.race_concept_id', RACES)},"
        " p.race_source_value)",
        "ethnicity": f"coalesce({word_of_omop_concept_sql('p.ethnicity_concept_id', ETHNICITIES)},"
        " p.ethnicity_source_value)",
    }
    query = (
        f"SELECT {_fhir_column_list_sql('Patient', columns)}"
        f" FROM {draft_tables.rows_sql('person')} p"
        f" LEFT JOIN ({died}) d USING (person_id) LEFT JOIN ({locations}) l USING (location_id)"
        " ORDER BY p.person_id"
    )
    copy_import_query_to_parquet(base, query, draft_tables.path("Patient"))
    return _checked_fhir_row_count(base, draft_tables, "Patient", ["person"], "")


def _make_fhir_resource_and_count_rows(
    base: duckdb.DuckDBPyConnection,
    draft_tables: OmopDraftTables,
    resource: str,
    mappings: list[FhirTableMapping],
) -> int:
    union = " UNION ALL ".join(_fhir_rows_sql(draft_tables, mapping) for mapping in mappings)
    # A union has no order of its own, and the same source must give the same bytes.
    copy_import_query_to_parquet(
        base, f"SELECT * FROM ({union}) ORDER BY ALL", draft_tables.path(resource)
    )
    where = mappings[0].where
    return _checked_fhir_row_count(
        base, draft_tables, resource, [mapping.table for mapping in mappings], where
    )


def _fhir_rows_sql(draft_tables: OmopDraftTables, mapping: FhirTableMapping) -> str:
    columns = {
        # Two OMOP tables become one resource type, and their numbers overlap.
        "id": f"'{mapping.table}-' || o.{mapping.key}",
        "patient_id": "CAST(o.person_id AS VARCHAR)",
        "encounter_id": "'visit_occurrence-' || o.visit_occurrence_id",
        **mapping.columns,
    }  # fmt: skip
    joined = ""
    if mapping.concept:
        columns |= {
            "code_system": "t.system",
            "code_code": f"coalesce(t.code, CAST(o.{mapping.source} AS VARCHAR))",
        }
        joined = f" LEFT JOIN terms t ON t.concept_id = o.{mapping.concept}"
    # Only there does CDM keep an answer as a concept.
    if mapping.table == "observation":
        columns |= {"value_code": "v.code"}
        joined += " LEFT JOIN terms v ON v.concept_id = o.value_as_concept_id"
    where = f" WHERE {mapping.where}" if mapping.where else ""
    filled = _fhir_column_list_sql(mapping.resource, columns)
    return f"SELECT {filled} FROM {draft_tables.rows_sql(mapping.table)} o{joined}{where}"


def _fhir_column_list_sql(resource: str, columns: Mapping[str, str]) -> str:
    """Return the columns of a FHIR table, those that are not given as nothing."""
    return ", ".join(
        f'{columns[name]} AS "{name}"'
        if name in columns
        else f'NULL::{fhir_column_sql_type(name)} AS "{name}"'
        for name in RESOURCES[resource].columns
    )


def fhir_column_sql_type(column: str) -> str:
    """Return the type of a column of the FHIR tables.

    >>> fhir_column_sql_type("birth_on"), fhir_column_sql_type("gender")
    ('DATE', 'VARCHAR')
    """
    kinds = {"component_codes": "VARCHAR[]", "component_numbers": "DOUBLE[]",
             "value_number": "DOUBLE"}  # fmt: skip
    if column in kinds:
        return kinds[column]
    return {"_at": "TIMESTAMPTZ", "_on": "DATE"}.get(column[-3:], "VARCHAR")


def _checked_fhir_row_count(
    base: duckdb.DuckDBPyConnection,
    draft_tables: OmopDraftTables,
    resource: str,
    tables: list[str],
    where: str,
) -> int:
    """Return the rows of what was made, which are as many as those of its sources."""
    condition = f" WHERE {where}" if where else ""
    queries = [
        f"SELECT count(*) FROM {draft_tables.rows_sql(table)}{condition}" for table in tables
    ]
    source_rows = base.execute("SELECT (" + ") + (".join(queries) + ")").fetchone()
    file = dataset_sql_text_literal(str(draft_tables.path(resource)))
    made_rows = base.execute(f"SELECT count(*) FROM read_parquet({file})").fetchone()
    if made_rows is None or source_rows is None or made_rows[0] != source_rows[0]:
        raise IdentityError(
            resource,
            found=Message("{count} rows", {"count": str(made_rows and made_rows[0])}),
            wanted=Message(
                "{count}, one for each of its source",
                {"count": str(source_rows and source_rows[0])},
            ),
        )
    return int(made_rows[0])
