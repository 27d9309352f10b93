"""The fast mapping from FHIR to OMOP against the slow one, and there and back again."""

import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.sandbox.io.imports.checked import open_dataset_import_database
from commonwatt.sandbox.io.imports.to_fhir import make_fhir_tables_and_count_rows
from commonwatt.sandbox.io.imports.to_omop import make_omop_tables_and_count_rows
from commonwatt.sandbox.io.imports.to_omop_reference import (
    omop_conditions_reference,
    omop_measurements_reference,
    omop_observations_reference,
    omop_persons_reference,
    omop_visits_reference,
)

_AT = pl.Datetime("us", "UTC")
_TEXT = ("id", "patient_id", "encounter_id", "code_system", "code_code")
SCHEMAS = {
    "Patient": {"patient_id": pl.String, "gender": pl.String, "birth_on": pl.Date,
                "died_at": _AT, "race": pl.String, "ethnicity": pl.String},
    "Encounter": {"id": pl.String, "patient_id": pl.String, "class_code": pl.String,
                  "start_at": _AT, "end_at": _AT},
    "Condition": dict.fromkeys(_TEXT, pl.String) | {
        "onset_at": _AT, "abatement_at": _AT, "recorded_at": _AT},
    "Observation": dict.fromkeys(_TEXT, pl.String) | {
        "effective_at": _AT, "value_number": pl.Float64, "value_unit": pl.String,
        "value_code": pl.String, "value_text": pl.String,
        "component_codes": pl.List(pl.String), "component_numbers": pl.List(pl.Float64)},
}  # fmt: skip

people = st.sampled_from(["p1", "p2", "p3", "gone", None])
codes = st.sampled_from(["8302-2", "44054006", None])
instants = st.none() | st.integers(0, 3000).map(
    lambda hours: datetime(2010, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
)
numbers = st.none() | st.floats(-1e6, 1e6)


def _coded(**more):
    return st.fixed_dictionaries({
        "id": st.just(""), "patient_id": people, "code_code": codes,
        "code_system": st.sampled_from(["http://loinc.org", None]),
        "encounter_id": st.sampled_from(["e0", "e1", "none", None]), **more,
    })  # fmt: skip


@st.composite
def projects(draw):
    parts = st.lists(st.tuples(codes, numbers), max_size=2)
    patients = st.fixed_dictionaries({
        "gender": st.sampled_from(["male", "female", "other", None]),
        "birth_on": st.none() | st.dates(date(1900, 1, 1), date(2020, 1, 1)),
        "died_at": instants, "race": st.sampled_from(["White", "ASIAN", "Other", None]),
        "ethnicity": st.sampled_from(["Hispanic or Latino", None]),
    })  # fmt: skip
    encounters = st.fixed_dictionaries({
        "patient_id": people, "start_at": instants, "end_at": instants,
        "class_code": st.sampled_from(["AMB", "IMP", "odd", None]),
    })  # fmt: skip
    observations = _coded(
        effective_at=instants, value_number=numbers, value_unit=st.sampled_from(["cm", None]),
        value_code=codes, value_text=st.sampled_from(["yes", None]), parts=parts,
    )  # fmt: skip
    conditions = _coded(onset_at=instants, abatement_at=instants, recorded_at=instants)
    tables = {
        "Patient": [{"patient_id": f"p{i}", **draw(patients)} for i in (3, 1, 2)],
        "Encounter": draw(st.lists(encounters, max_size=4)),
        "Condition": draw(st.lists(conditions, max_size=5)),
        "Observation": draw(st.lists(observations, max_size=6)),
    }
    tables["Encounter"] = [{"id": f"e{i}", **row} for i, row in enumerate(tables["Encounter"])]
    for row in tables["Observation"]:
        pairs = row.pop("parts")
        row["component_codes"] = [code for code, _ in pairs] or None
        row["component_numbers"] = [number for _, number in pairs] or None
    return tables


def _made(rows, make):
    with tempfile.TemporaryDirectory() as name:
        draft = Path(name)
        for table, schema in SCHEMAS.items():
            pl.DataFrame(rows[table], schema=schema).write_parquet(draft / f"{table}.parquet")
        with open_dataset_import_database(draft) as base:
            make(base, draft)
        return {path.stem: pl.read_parquet(path) for path in draft.glob("*.parquet")}


@settings(max_examples=25, deadline=None)
@given(projects())
def test_the_fast_mapping_is_the_slow_one(rows):
    made = _made(rows, make_omop_tables_and_count_rows)
    persons = omop_persons_reference(rows["Patient"])
    assert made["person"].select(list(persons[0])).to_dicts() == persons
    numbers = {person["patient_id"]: person["person_id"] for person in persons}
    visits = omop_visits_reference(rows["Encounter"], numbers)
    columns = ["visit_occurrence_id", "person_id", "visit_concept_id", "visit_start_date",
               "visit_end_date"]  # fmt: skip
    assert made["visit_occurrence"].select(columns).to_dicts() == visits
    columns = ["person_id", "measurement_source_value", "measurement_date", "value_as_number"]
    measured = omop_measurements_reference(rows["Observation"], numbers)
    assert made["measurement"].select(columns).rows() == measured
    columns = ["person_id", "observation_source_value", "observation_date", "value_as_string"]
    observed = omop_observations_reference(rows["Observation"], numbers)
    assert made["observation"].select(columns).rows() == observed
    columns = ["person_id", "condition_source_value", "condition_start_date", "condition_end_date"]
    conditions = omop_conditions_reference(rows["Condition"], numbers)
    assert made["condition_occurrence"].select(columns).rows() == conditions


@settings(max_examples=25, deadline=None)
@given(projects())
def test_what_omop_holds_comes_back_to_fhir(rows):
    """Who, which code, when and how much survive FHIR to OMOP to FHIR."""
    with tempfile.TemporaryDirectory() as name:
        draft = Path(name)
        for table, schema in SCHEMAS.items():
            pl.DataFrame(rows[table], schema=schema).write_parquet(draft / f"{table}.parquet")
        with open_dataset_import_database(draft) as base:
            make_omop_tables_and_count_rows(base, draft)
            people = pl.read_parquet(draft / "person.parquet")
            for table in SCHEMAS:
                (draft / f"{table}.parquet").unlink()
            made = make_fhir_tables_and_count_rows(base, draft)
        back = pl.read_parquet(draft / "Observation.parquet")
    names = {str(row["person_id"]): row["patient_id"] for row in people.iter_rows(named=True)}
    wanted = sorted(
        (
            observation["patient_id"],
            observation["code_code"] or "",
            observation["effective_at"],
            observation["value_number"],
        )
        for observation in rows["Observation"]
        if observation["effective_at"] and observation["patient_id"] in names.values()
        if observation["value_number"] is not None
    )
    observations = [
        (names[row["patient_id"]], row["code_code"] or "", row["effective_at"], row["value_number"])
        for row in back.filter(pl.col("value_number").is_not_null()).iter_rows(named=True)
    ]
    parts = sum(
        number is not None
        for observation in rows["Observation"]
        if observation["effective_at"] and observation["patient_id"] in names.values()
        for number in observation["component_numbers"] or []
    )
    assert all(observation in observations for observation in wanted)
    assert len(observations) == len(wanted) + parts
    assert made["Patient"] == 3
