"""OMOP CDM 5.4 tables made from FHIR-shaped ones.

Each OMOP table is filled from one or more FHIR tables by a line of `OMOP_MAPPINGS`.
Every table also carries `patient_id`, as the FHIR tables do, so that opt-outs
and cohorts reach people in either shape. Dates are days in UTC. What OMOP
cannot hold, because it demands a date and the record has none, is counted.

Source: OHDSI, OMOP Common Data Model v5.4.
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
from commonwatt.sandbox.io.imports.checked import (
    copy_import_query_to_parquet,
    dataset_sql_text_literal,
)
from commonwatt.sandbox.io.imports.terms import (
    ETHNICITIES,
    GENDERS,
    OF_ADMINISTRATION,
    OF_PRESCRIPTION,
    OF_RECORD,
    RACES,
    VISITS,
    make_omop_code_table,
    omop_concept_sql,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OmopEventMapping:
    """How rows of a FHIR table become rows of an OMOP table.

    Args:
        table: OMOP table.
        prefix: Of its columns of concept, dates and source value.
        source: FHIR table.
        at: SQL for when it happened.
        until: SQL for when it ended, in tables that have an end.
        kind: Concept of the kind of record.
        where: Which rows; all if empty.
        more: Further columns, as SQL.
        unnest: Whether the parts of an observation become rows of their own.
    """

    table: str
    prefix: str
    source: str
    at: str
    until: str = ""
    kind: int = OF_RECORD
    where: str = ""
    more: Mapping[str, str] = field(default_factory=dict[str, str])
    unnest: bool = False


_VALUE: Final = {
    "value_as_number": "value_number", "value_as_concept_id": "0",
    "unit_source_value": "value_unit",
}  # fmt: skip
_PART: Final = _VALUE | {"value_as_number": "part_number", "unit_source_value": "NULL::VARCHAR"}
_STATED: Final = {
    "value_as_number": "value_number",
    "value_as_string": "coalesce(value_text, value_code)",
    "value_as_concept_id": "0",
    "unit_source_value": "value_unit",
}
_NO_VALUE: Final = {
    "value_as_number": "NULL::DOUBLE", "value_as_string": "NULL::VARCHAR",
    "value_as_concept_id": "0", "unit_source_value": "NULL::VARCHAR",
}  # fmt: skip
_PARTED: Final = "len(component_numbers) > 0"

OMOP_MAPPINGS: Final = (
    OmopEventMapping(table="condition_occurrence", prefix="condition", source="Condition",
          at="coalesce(onset_at, recorded_at)", until="abatement_at"),
    OmopEventMapping(table="drug_exposure", prefix="drug_exposure", source="MedicationRequest",
          at="authored_at", until="authored_at", kind=OF_PRESCRIPTION),
    OmopEventMapping(table="drug_exposure", prefix="drug_exposure", source="Immunization",
          at="occurred_at", until="occurred_at", kind=OF_ADMINISTRATION),
    OmopEventMapping(table="procedure_occurrence", prefix="procedure", source="Procedure",
          at="performed_at"),
    OmopEventMapping(table="measurement", prefix="measurement", source="Observation",
          at="effective_at", where="value_number IS NOT NULL", more=_VALUE),
    OmopEventMapping(table="measurement", prefix="measurement", source="Observation",
          at="effective_at", where=_PARTED, more=_PART, unnest=True),
    OmopEventMapping(table="observation", prefix="observation", source="Observation",
          at="effective_at",
          where=f"value_number IS NULL AND NOT coalesce({_PARTED}, false)", more=_STATED),
    OmopEventMapping(table="observation", prefix="observation", source="AllergyIntolerance",
          at="recorded_at", more=_NO_VALUE),
)  # fmt: skip

_ID: Final = {"condition_occurrence": "condition_occurrence_id", "drug_exposure":
              "drug_exposure_id", "procedure_occurrence": "procedure_occurrence_id",
              "measurement": "measurement_id", "observation": "observation_id"}  # fmt: skip
_ENDED: Final = ("condition_occurrence", "drug_exposure")
# CDM 5.4 requires an end of an exposure and leaves that of a condition open.
_MUST_END: Final = ("drug_exposure",)


class FhirDraftTables:
    """The FHIR tables of a draft; a column that one lacks reads as nothing."""

    def __init__(self, draft: Path) -> None:
        self.draft = draft

    def has(self, table: str) -> bool:
        """Return whether the draft holds `table`."""
        return self.path(table).exists()

    def path(self, table: str) -> Path:
        """Return where `table` is or would be."""
        return self.draft / f"{table}.parquet"

    def rows_sql(self, table: str, wanted_columns: Mapping[str, str]) -> str:
        """Return SQL for `table` with every wanted column, by its type."""
        schema = pl.read_parquet_schema(self.path(table))
        columns = [
            f'"{name}"' if name in schema else f'NULL::{kind} AS "{name}"'
            for name, kind in wanted_columns.items()
        ]
        file = dataset_sql_text_literal(str(self.path(table)))
        return f"(SELECT {', '.join(columns)} FROM read_parquet({file}))"


_AT: Final = "TIMESTAMPTZ"
_CODED: Final = {"patient_id": "VARCHAR", "encounter_id": "VARCHAR", "code_system": "VARCHAR",
                 "code_code": "VARCHAR"}  # fmt: skip
FHIR_COLUMNS_READ: Final = {
    "Patient": {"patient_id": "VARCHAR", "gender": "VARCHAR", "birth_on": "DATE",
                "birth_band": "INTEGER", "died_at": _AT, "race": "VARCHAR",
                "ethnicity": "VARCHAR"},
    "Encounter": {"id": "VARCHAR", "patient_id": "VARCHAR", "class_code": "VARCHAR",
                  "start_at": _AT, "end_at": _AT},
    "Condition": _CODED | {"onset_at": _AT, "recorded_at": _AT, "abatement_at": _AT},
    "MedicationRequest": _CODED | {"authored_at": _AT},
    "Immunization": _CODED | {"occurred_at": _AT},
    "Procedure": _CODED | {"performed_at": _AT},
    "AllergyIntolerance": _CODED | {"recorded_at": _AT},
    "Observation": _CODED | {"effective_at": _AT, "value_number": "DOUBLE",
                             "value_unit": "VARCHAR", "value_code": "VARCHAR",
                             "value_text": "VARCHAR", "component_codes": "VARCHAR[]",
                             "component_numbers": "DOUBLE[]"},
}  # fmt: skip


def make_omop_tables_and_count_rows(base: duckdb.DuckDBPyConnection, draft: Path) -> dict[str, int]:
    """Add OMOP tables beside the FHIR tables in `draft`; return their rows by table.

    Raises:
        IdentityError: A row was lost or came twice.
    """
    draft_tables = FhirDraftTables(draft)
    make_omop_code_table(base, draft)
    people = _write_omop_persons_and_deaths_and_count(base, draft_tables)
    _write_omop_visits_from_fhir_encounters(base, draft_tables)
    for table in _ID:
        mappings = [
            mapping
            for mapping in OMOP_MAPPINGS
            if mapping.table == table and draft_tables.has(mapping.source)
        ]
        if mappings:
            _write_omop_events_from_fhir_resources(base, draft_tables, table, mappings)
    _write_omop_observation_period_a_person(base, draft_tables)
    row_counts = {
        table: _omop_table_row_count(base, draft_tables.path(table))
        for table in DERIVED_OMOP_TABLES
        if draft_tables.has(table)
    }
    _check_omop_row_count("person", row_counts["person"], people)
    return row_counts


DERIVED_OMOP_TABLES: Final = ("person", "death", "visit_occurrence", *_ID, "observation_period")


def _write_omop_persons_and_deaths_and_count(
    base: duckdb.DuckDBPyConnection, draft_tables: FhirDraftTables
) -> int:
    rows = draft_tables.rows_sql("Patient", FHIR_COLUMNS_READ["Patient"])
    base.execute(
        "CREATE OR REPLACE TEMP TABLE people AS SELECT *,"
        # Numbered by id and not by the order of rows, so that one thread and many give the same
        # numbers.
        f" row_number() OVER (ORDER BY patient_id) AS person_id FROM {rows}"
    )
    columns = {
        "person_id": "person_id", "gender_concept_id": omop_concept_sql("gender", GENDERS),
        # De-identified tables hold the first year of a band in place of a day.
        "year_of_birth": "coalesce(year(birth_on), birth_band)",
        "month_of_birth": "month(birth_on)", "day_of_birth": "day(birth_on)",
        "race_concept_id": omop_concept_sql("lower(race)", RACES),
        "ethnicity_concept_id": omop_concept_sql("lower(ethnicity)", ETHNICITIES),
        "person_source_value": "patient_id", "gender_source_value": "gender",
        "gender_source_concept_id": "0", "race_source_value": "race",
        "race_source_concept_id": "0", "ethnicity_source_value": "ethnicity",
        "ethnicity_source_concept_id": "0", "patient_id": "patient_id",
    }  # fmt: skip
    copy_import_query_to_parquet(
        base,
        f"SELECT {_omop_column_list_sql(columns)} FROM people ORDER BY person_id",
        draft_tables.path("person"),
    )
    died = {
        "person_id": "person_id", "death_date": _omop_day_sql("died_at"),
        "death_datetime": _omop_instant_sql("died_at"), "death_type_concept_id": str(OF_RECORD),
        "patient_id": "patient_id",
    }  # fmt: skip
    query = (
        f"SELECT {_omop_column_list_sql(died)} FROM people"
        " WHERE died_at IS NOT NULL ORDER BY person_id"
    )
    copy_import_query_to_parquet(base, query, draft_tables.path("death"))
    row = base.execute("SELECT count(*) FROM people").fetchone()
    return row[0] if row else 0


def _write_omop_visits_from_fhir_encounters(
    base: duckdb.DuckDBPyConnection, draft_tables: FhirDraftTables
) -> None:
    if not draft_tables.has("Encounter"):
        # Events are joined to visits below, so the table is there even without encounters.
        base.execute("CREATE OR REPLACE TEMP TABLE visits (id VARCHAR, visit_id BIGINT)")
        return
    rows = draft_tables.rows_sql("Encounter", FHIR_COLUMNS_READ["Encounter"])
    base.execute(
        "CREATE OR REPLACE TEMP TABLE numbered AS SELECT e.*, p.person_id,"
        f" row_number() OVER (ORDER BY e.id) AS visit_id FROM {rows} e"
        " JOIN people p USING (patient_id) WHERE e.start_at IS NOT NULL"
    )
    # CDM requires an end; a visit without one counts as ended when it began.
    end = "coalesce(end_at, start_at)"
    columns = {
        "visit_occurrence_id": "visit_id",
        "person_id": "person_id",
        "visit_concept_id": omop_concept_sql("class_code", VISITS),
        "visit_start_date": _omop_day_sql("start_at"),
        "visit_start_datetime": _omop_instant_sql("start_at"),
        "visit_end_date": _omop_day_sql(end),
        "visit_end_datetime": _omop_instant_sql(end),
        "visit_type_concept_id": str(OF_RECORD),
        "visit_source_value": "class_code",
        "visit_source_concept_id": "0",
        "patient_id": "patient_id",
    }
    query = f"SELECT {_omop_column_list_sql(columns)} FROM numbered ORDER BY visit_id"
    copy_import_query_to_parquet(base, query, draft_tables.path("visit_occurrence"))
    base.execute("CREATE OR REPLACE TEMP TABLE visits AS SELECT id, visit_id FROM numbered")
    base.execute("DROP TABLE numbered")


def _write_omop_events_from_fhir_resources(
    base: duckdb.DuckDBPyConnection,
    draft_tables: FhirDraftTables,
    table: str,
    mappings: list[OmopEventMapping],
) -> None:
    union = " UNION ALL ".join(_omop_event_rows_sql(draft_tables, mapping) for mapping in mappings)
    number = f"row_number() OVER () AS {_ID[table]}"
    prefix = mappings[0].prefix
    # The standard names the concepts of an exposure after the drug and its dates after the table.
    named = "drug" if table == "drug_exposure" else prefix
    columns = {
        _ID[table]: _ID[table], "person_id": "p.person_id",
        f"{named}_concept_id": "coalesce(c.standard_id, 0)",
        **_omop_event_dates_sql(table, prefix),
        f"{named}_type_concept_id": "kind",
        "visit_occurrence_id": "v.visit_id",
        f"{named}_source_value": "code_code",
        f"{named}_source_concept_id": "coalesce(c.concept_id, 0)",
        **{name: name for name in mappings[0].more}, "patient_id": "e.patient_id",
    }  # fmt: skip
    query = (
        f"SELECT {_omop_column_list_sql(columns)} FROM (SELECT *, {number} FROM ({union})) e"
        " JOIN people p ON p.patient_id = e.patient_id"
        " LEFT JOIN visits v ON v.id = e.encounter_id"
        " LEFT JOIN codes c ON c.system = e.code_system AND c.code = e.code_code"
        f" ORDER BY {_ID[table]}"
    )
    copy_import_query_to_parquet(base, query, draft_tables.path(table))
    # A code that stands twice in the vocabulary, or a visit with two rows, would double events in
    # silence; the count catches it.
    dated = base.execute(
        f"SELECT count(*) FROM ({union}) JOIN people USING (patient_id)"
    ).fetchone()
    _check_omop_row_count(
        table, _omop_table_row_count(base, draft_tables.path(table)), dated[0] if dated else 0
    )


def _omop_event_rows_sql(draft_tables: FhirDraftTables, mapping: OmopEventMapping) -> str:
    until = mapping.until or "NULL::TIMESTAMPTZ"
    code = "part_code AS code_code" if mapping.unnest else "code_code"
    extra_columns = "".join(f", {sql} AS {name}" for name, sql in mapping.more.items())
    rows = draft_tables.rows_sql(mapping.source, FHIR_COLUMNS_READ[mapping.source])
    if mapping.unnest:
        rows = (
            "(SELECT *, unnest(component_codes) AS part_code,"
            f" unnest(component_numbers) AS part_number FROM {rows})"
        )
    where = f" AND ({mapping.where})" if mapping.where else ""
    return (
        f"SELECT patient_id, encounter_id, code_system, {code}, {mapping.kind} AS kind,"
        f" {mapping.at} AS begun_at, {until} AS until_at{extra_columns} FROM {rows}"
        f" WHERE {mapping.at} IS NOT NULL{where}"
    )


def _omop_event_dates_sql(table: str, prefix: str) -> dict[str, str]:
    """Return the columns of when; a drug must end, and ends when it was given."""
    if table not in _ENDED:
        return {
            f"{prefix}_date": _omop_day_sql("begun_at"),
            f"{prefix}_datetime": _omop_instant_sql("begun_at"),
        }
    # What is not known stays empty where the standard lets it.
    end = "coalesce(until_at, begun_at)" if table in _MUST_END else "until_at"
    return {
        f"{prefix}_start_date": _omop_day_sql("begun_at"),
        f"{prefix}_start_datetime": _omop_instant_sql("begun_at"),
        f"{prefix}_end_date": _omop_day_sql(end),
        f"{prefix}_end_datetime": _omop_instant_sql(end),
    }


_FIRST_DAY: Final = {"visit_occurrence": ("visit_start_date", "visit_end_date"),
                     "condition_occurrence": ("condition_start_date", "condition_start_date"),
                     "drug_exposure": ("drug_exposure_start_date", "drug_exposure_end_date"),
                     "procedure_occurrence": ("procedure_date", "procedure_date"),
                     "measurement": ("measurement_date", "measurement_date"),
                     "observation": ("observation_date", "observation_date")}  # fmt: skip


def _write_omop_observation_period_a_person(
    base: duckdb.DuckDBPyConnection, draft_tables: FhirDraftTables
) -> None:
    """Make one period a person, from the first day on record to the last."""
    days = [
        f"SELECT person_id, patient_id, {first} AS first, {last} AS last"
        f" FROM read_parquet({dataset_sql_text_literal(str(draft_tables.path(table)))})"
        for table, (first, last) in _FIRST_DAY.items()
        if draft_tables.has(table)
    ]
    if not days:
        return
    query = (
        "SELECT row_number() OVER (ORDER BY person_id) AS observation_period_id, person_id,"
        " min(first) AS observation_period_start_date, max(last) AS observation_period_end_date,"
        f" {OF_RECORD} AS period_type_concept_id, patient_id"
        f" FROM ({' UNION ALL '.join(days)}) GROUP BY person_id, patient_id ORDER BY person_id"
    )
    copy_import_query_to_parquet(base, query, draft_tables.path("observation_period"))


def _omop_day_sql(expression: str) -> str:
    return f"CAST({_omop_instant_sql(expression)} AS DATE)"


def _omop_instant_sql(expression: str) -> str:
    """Return SQL for an instant as OMOP writes it: the clock in UTC, without a zone."""
    return f"make_timestamp(epoch_us({expression}))"


def _omop_column_list_sql(columns: Mapping[str, str]) -> str:
    return ", ".join(f'{sql} AS "{name}"' for name, sql in columns.items())


def _omop_table_row_count(base: duckdb.DuckDBPyConnection, path: Path) -> int:
    row = base.execute(
        f"SELECT count(*) FROM read_parquet({dataset_sql_text_literal(str(path))})"
    ).fetchone()
    return row[0] if row else 0


def _check_omop_row_count(table: str, row_count: int, source_count: int) -> None:
    if row_count != source_count:
        raise IdentityError(
            table,
            found=Message("{count} rows", {"count": str(row_count)}),
            wanted=Message("{count}, one for each of its source", {"count": str(source_count)}),
        )
