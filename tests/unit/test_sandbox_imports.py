"""Import: what is kept, what is set aside and why, and what a killed import leaves."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from commonwatt.core.errors import IdentifierError
from commonwatt.sandbox.domain.errors import DataImportError, ProjectError
from commonwatt.sandbox.io.imports.dataset import (
    import_csv,
    import_fhir,
    import_omop,
    load_dataset,
)
from commonwatt.sandbox.io.imports.tables import DatasetField, omop_fields_by_table
from tests.shared_data import shared_data

PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1950-02-03"}
OBSERVATION = {
    "resourceType": "Observation", "id": "o1", "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]},
    "subject": {"reference": "Patient/p1"}, "effectiveDateTime": "2011-10-14T23:37:54+00:00",
    "valueQuantity": {"value": 176.3, "unit": "cm"},
}  # fmt: skip
ENCOUNTER = {
    "resourceType": "Encounter", "id": "e1", "status": "finished", "class": {"code": "AMB"},
    "subject": {"reference": "Patient/p1"}, "period": {"start": "2011-10-14", "end": "2011-10-15"},
}  # fmt: skip
MEDICATION = {
    "resourceType": "MedicationRequest", "id": "m1", "status": "active", "intent": "order",
    "medicationCodeableConcept": {"text": "x"}, "subject": {"reference": "Patient/p1"},
}  # fmt: skip
IMMUNIZATION = {
    "resourceType": "Immunization", "id": "i1", "status": "completed",
    "vaccineCode": {"text": "x"}, "patient": {"reference": "Patient/p1"},
    "occurrenceDateTime": "2011-10-14",
}  # fmt: skip
CONDITION = {
    "resourceType": "Condition", "id": "c1", "code": {"text": "x"},
    "subject": {"reference": "Patient/p1"},
}  # fmt: skip


def _but(good, **changes):
    merged = {**good, **changes}
    return json.dumps({key: value for key, value in merged.items() if value is not ...})


BROKEN = [
    ("Patient", "{broken", "not a JSON object"),
    ("Patient", "[1, 2]", "not a JSON object"),
    ("Patient", '"text"', "not a JSON object"),
    ("Patient", '{"id": "p1"', "not a JSON object"),
    ("Patient", _but(PATIENT, resourceType=...), "resourceType missing"),
    ("Patient", _but(PATIENT, resourceType="Group"), "resourceType of another kind"),
    ("Patient", _but(PATIENT, id=...), "id missing"),
    ("Patient", _but(PATIENT, id="a b"), "id malformed"),
    ("Patient", _but(PATIENT, id="x" * 65), "id malformed"),
    ("Patient", _but(PATIENT, id=""), "id malformed"),
    ("Patient", _but(PATIENT, gender="F"), "gender not of the value set"),
    ("Patient", _but(PATIENT, birthDate="03/02/1950"), "birthDate malformed"),
    ("Patient", _but(PATIENT, birthDate="1950-02-30"), "birthDate is no day of the calendar"),
    ("Patient", _but(PATIENT, birthDate="1150-02-03"), "birthDate out of range"),
    ("Patient", _but(PATIENT, deceasedDateTime="yes"), "deceasedDateTime malformed"),
    ("Patient", _but(PATIENT, deceasedDateTime="1949-01-01"), "dies before birth"),
    ("Patient", _but(PATIENT, id="p1"), "id seen before"),
    ("Observation", _but(OBSERVATION, status=...), "status missing"),
    ("Observation", _but(OBSERVATION, status="done"), "status not of the value set"),
    ("Observation", _but(OBSERVATION, code=...), "code missing"),
    ("Observation", _but(OBSERVATION, code="8302-2"), "code missing"),
    ("Observation", _but(OBSERVATION, code={"coding": [{"code": " 8302-2"}]}),
     "code holds spaces at its ends"),
    ("Observation", _but(OBSERVATION, subject=...), "subject missing"),
    ("Observation", _but(OBSERVATION, subject={"reference": "Group/1"}),
     "subject is no reference to a patient"),
    ("Observation", _but(OBSERVATION, subject={"reference": "Patient/none"}),
     "patient not in this dataset"),
    ("Observation", _but(OBSERVATION, effectiveDateTime="yesterday"),
     "effectiveDateTime malformed"),
    ("Observation", _but(OBSERVATION, effectiveDateTime="2011-02-31"),
     "effectiveDateTime is no day of the calendar"),
    ("Observation", _but(OBSERVATION, effectiveDateTime="9999-01-01"),
     "effectiveDateTime out of range"),
    ("Observation", _but(OBSERVATION, effectiveDateTime="2011-10-14T23:37:54"),
     "effectiveDateTime malformed"),
    ("Observation", _but(OBSERVATION, effectivePeriod={"start": "2011-01-01"}),
     "two kinds of time"),
    ("Observation", _but(OBSERVATION, effectiveDateTime=..., effectivePeriod={"start": "x"}),
     "effectivePeriod.start malformed"),
    ("Observation", _but(OBSERVATION, effectiveDateTime=..., effectivePeriod={
        "start": "2011-02-01", "end": "2011-01-01"}), "effectivePeriod ends before it starts"),
    ("Observation", _but(OBSERVATION, issued="now"), "issued malformed"),
    ("Observation", _but(OBSERVATION, valueQuantity={"value": "tall"}),
     "valueQuantity is no number"),
    ("Observation", _but(OBSERVATION, valueQuantity={"value": float("nan")}),
     "valueQuantity is no number"),
    ("Observation", _but(OBSERVATION, valueString="x"), "two kinds of value"),
    ("Observation", _but(OBSERVATION, id="o1"), "id seen before"),
    ("Encounter", _but(ENCOUNTER, **{"class": ...}), "class missing"),
    ("Encounter", _but(ENCOUNTER, status="over"), "status not of the value set"),
    ("Encounter", _but(ENCOUNTER, period={"start": "2012-01-01", "end": "2011-01-01"}),
     "period ends before it starts"),
    ("Encounter", _but(ENCOUNTER, period={"end": "2011-13-01"}),
     "period.end is no day of the calendar"),
    ("Encounter", _but(ENCOUNTER, subject=...), "subject missing"),
    ("MedicationRequest", _but(MEDICATION, intent=...), "intent missing"),
    ("MedicationRequest", _but(MEDICATION, intent="wish"), "intent not of the value set"),
    ("MedicationRequest", _but(MEDICATION, medicationCodeableConcept=...), "medication missing"),
    ("MedicationRequest", _but(MEDICATION, authoredOn="?"), "authoredOn malformed"),
    ("Immunization", _but(IMMUNIZATION, patient=...), "patient missing"),
    ("Immunization", _but(IMMUNIZATION, vaccineCode=...), "vaccineCode missing"),
    ("Immunization", _but(IMMUNIZATION, occurrenceDateTime=...), "occurrence missing"),
    ("Immunization", _but(IMMUNIZATION, status="given"), "status not of the value set"),
    ("Condition", _but(CONDITION, clinicalStatus={"coding": [{"code": "gone"}]}),
     "clinicalStatus.coding[1].code not of the value set"),
    ("Condition", _but(CONDITION, onsetDateTime="2012-01-01", abatementDateTime="2011-01-01"),
     "abates before onset"),
]  # fmt: skip
GOOD = {
    "Patient": PATIENT, "Observation": OBSERVATION, "Encounter": ENCOUNTER,
    "MedicationRequest": MEDICATION, "Immunization": IMMUNIZATION, "Condition": CONDITION,
}  # fmt: skip


def _write(folder, broken):
    folder.mkdir(exist_ok=True)
    for name, good in GOOD.items():
        lines = [json.dumps(good), *(line for table, line, _ in broken if table == name)]
        (folder / f"{name}.ndjson").write_text("\n".join(lines) + "\n")


def _renumbered(index, line):
    """Give each broken record an id of its own, so that only its fault shows."""
    for old in ('"id": "o1"', '"id": "p1"', '"id": "e1"', '"id": "m1"', '"id": "i1"', '"id": "c1"'):
        line = (
            line.replace(old, f'"id": "b{index}"') if BROKEN[index][2] != "id seen before" else line
        )
    return line


def test_fifty_kinds_of_broken_record_are_each_set_aside_once(tmp_path):
    assert len(BROKEN) >= 50
    broken = [(table, _renumbered(i, line), why) for i, (table, line, why) in enumerate(BROKEN)]
    _write(tmp_path / "in", broken)
    dataset = import_fhir([tmp_path / "in"], tmp_path / "store", "broken")
    assert set(dataset.rows.values()) == {1}
    aside = pl.read_parquet(dataset.folder / "quarantine.parquet").sort("table", "record")
    wanted = []
    for name in GOOD:
        reasons = [why for table, _, why in broken if table == name]
        wanted += [(name, row, why) for row, why in enumerate(reasons, start=2)]
    assert sorted(aside.rows()) == sorted(wanted)


@pytest.mark.parametrize("index", [1, 7, 10, 24, 33])
def test_one_broken_record_costs_only_itself(tmp_path, index):
    table, line, why = BROKEN[index]
    _write(tmp_path / "in", [(table, _renumbered(index, line), why)])
    dataset = import_fhir([tmp_path / "in"], tmp_path / "store", "one")
    assert dataset.quarantined == {table: {why: 1}}


def test_no_error_repeats_what_stands_in_a_record(tmp_path):
    secret = "CHAN TAI MAN"
    (tmp_path / "rows.csv").write_bytes(f'a,b\n"{secret}'.encode() + b"\xff\n")
    with pytest.raises(DataImportError) as caught:
        import_csv(tmp_path / "rows.csv", [DatasetField(name="z", kind="text", required=True)],
                   tmp_path / "store", "rows")  # fmt: skip
    error_texts = [str(caught.value), repr(caught.value.__cause__), str(caught.value.as_dict())]
    assert not any(secret in text for text in error_texts)


def test_a_bundle_and_its_lines_import_alike(tmp_path):
    bundle = {
        "resourceType": "Bundle",
        "entry": [{"resource": resource} for resource in GOOD.values()],
    }
    (tmp_path / "bundle.json").write_text(json.dumps(bundle))
    _write(tmp_path / "in", [])
    lines = import_fhir([tmp_path / "in"], tmp_path / "store", "lines")
    packed = import_fhir([tmp_path / "bundle.json"], tmp_path / "store", "packed")
    assert {k: v for k, v in lines.files.items() if k != "quarantine.parquet"} == {
        k: v for k, v in packed.files.items() if k != "quarantine.parquet"
    }


def test_a_plain_table_is_held_to_its_schema(tmp_path):
    fields = [
        DatasetField(name="age", kind="integer", required=True, lowest=0, highest=120),
        DatasetField(name="sex", kind="text", choices=("F", "M")),
        DatasetField(name="seen_on", kind="date"),
        DatasetField(name="chol", kind="float"),
        DatasetField(name="row_id", kind="integer", unique=True),
    ]
    rows = ["63.0,F,2020-01-02,1.5,1", ",F,,,2", "x,F,,,3", "130,F,,,4", "50,X,,,5",
            "50,F,2020-02-30,,6", "50.5,F,,,10", "50,F,2020-01-02 10:00:00,,11",
            "50,F,,high,7", "50,F,,inf,8", "50,F,,,1"]  # fmt: skip
    (tmp_path / "in.csv").write_text("age,sex,seen_on,chol,row_id\n" + "\n".join(rows) + "\n")
    dataset = import_csv(tmp_path / "in.csv", fields, tmp_path / "store", "plain")
    assert pl.read_parquet(dataset.table_path("rows")).rows()[0][0] == 63
    assert dataset.rows == {"rows": 1}
    assert dataset.quarantined["rows"] == {
        "age missing": 1, "age is no integer": 2, "age too large": 1, "sex not of its choices": 1,
        "seen_on is no date": 2, "chol is no float": 1, "chol is not finite": 1,
        "row_id seen before": 1,
    }  # fmt: skip


def test_a_killed_import_leaves_no_dataset(tmp_path):
    """Kill the import at many moments: the dataset is absent or complete, never half."""
    _write(tmp_path / "in", [])
    lines = [json.dumps({**OBSERVATION, "id": f"o{i}"}) for i in range(30_000)]
    (tmp_path / "in" / "Observation.ndjson").write_text("\n".join(lines))
    code = (
        "import sys; from pathlib import Path;"
        "from commonwatt.sandbox.io.imports.dataset import import_fhir;"
        "print('go', flush=True);"
        "import_fhir([Path(sys.argv[1])], Path(sys.argv[2]), 'data'); print('end', flush=True)"
    )
    ended = 0
    for number, pause_s in enumerate((0.0, 0.05, 0.15, 0.3, 0.5)):
        store = tmp_path / f"store{number}"
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "in"), str(store)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(pause_s)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if (store / "data").exists():
            ended += 1
            assert load_dataset(store / "data", check=True).rows["Observation"] == 30_000
        else:
            with pytest.raises(ProjectError):
                load_dataset(store / "data")
            assert import_fhir([tmp_path / "in"], store, "data").rows["Observation"] == 30_000
    assert ended < 5


def test_a_changed_file_is_noticed(tmp_path):
    _write(tmp_path / "in", [])
    dataset = import_fhir([tmp_path / "in"], tmp_path / "store", "data")
    assert os.stat(tmp_path / "store").st_mode & 0o077 == 0
    with dataset.table_path("Patient").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ProjectError, match="other than those imported"):
        load_dataset(dataset.folder, check=True)


def test_a_dataset_needs_a_plain_name_of_its_own(tmp_path):
    _write(tmp_path / "in", [])
    with pytest.raises(IdentifierError, match="found '../out'"):
        import_fhir([tmp_path / "in"], tmp_path / "store", "../out")
    with pytest.raises(DataImportError, match="small letters"):
        import_fhir([tmp_path / "in"], tmp_path / "store", "Out")
    import_fhir([tmp_path / "in"], tmp_path / "store", "data")
    with pytest.raises(DataImportError, match="already"):
        import_fhir([tmp_path / "in"], tmp_path / "store", "data")


@pytest.mark.shared_data
def test_every_synthetic_hospital_imports_whole(tmp_path):
    dataset = import_fhir([shared_data("health", "fhir-synthea-bulk")], tmp_path, "bulk")
    assert dataset.quarantined == {}
    assert sum(dataset.rows.values()) == 148_203
    assert dataset.rows["Observation"] == 88_674
    packed = import_fhir([shared_data("health", "fhir-synthea-bundles")], tmp_path, "bundles")
    assert packed.rows["Patient"] == 39  # one of the 40 bundles holds hospitals only
    assert set(packed.quarantined) <= {"Organization", "Practitioner", "Other"}
    assert set(packed.quarantined["Other"]) == {"type not kept"}


@pytest.mark.shared_data
def test_omop_comes_back_as_it_went_in(tmp_path):
    """The required fields of the specification survive a round trip exactly."""
    source = shared_data("health", "omop-synthea27nj")
    dataset = import_omop([source], tmp_path, "omop")
    assert dataset.rows["person"] == 28
    assert dataset.quarantined == {}
    tables = omop_fields_by_table()
    for table in ("person", "visit_occurrence", "condition_occurrence", "drug_exposure"):
        with (source / f"{table.upper()}.csv").open(newline="") as file:
            wanted = list(csv.DictReader(file))
        imported = pl.read_parquet(dataset.table_path(table))
        for field in tables[table]:
            if field.required and field.kind == "integer":
                assert imported[field.name].to_list() == [int(row[field.name]) for row in wanted]
            if field.required and field.kind == "date":
                dates = [row[field.name][:10] for row in wanted]
                assert imported[field.name].cast(pl.String).to_list() == dates


HEART = [
    DatasetField(name=name, kind=kind)
    for name, kind in zip(
        [
            "age",
            "sex",
            "cp",
            "trestbps",
            "chol",
            "fbs",
            "restecg",
            "thalach",
            "exang",
            "oldpeak",
            "slope",
            "ca",
            "thal",
            "num",
        ],
        ["integer"] * 9 + ["float"] + ["integer"] * 4,
        strict=True,
    )
]


@pytest.mark.shared_data
def test_real_heart_patients_import_with_missing_marks_as_nothing(tmp_path):
    source = shared_data("health", "uci-heart", "processed.cleveland.data")
    header = ",".join(field.name for field in HEART)
    text = source.read_text().replace("?", "")
    (tmp_path / "heart.csv").write_text(header + "\n" + text)
    dataset = import_csv(tmp_path / "heart.csv", HEART, tmp_path / "store", "heart")
    assert dataset.rows == {"rows": 303}
    assert pl.read_parquet(dataset.table_path("rows"))["ca"].null_count() == 4


@pytest.mark.shared_data
def test_real_diabetes_encounters_import_whole(tmp_path):
    source = shared_data("health", "uci-diabetes130", "diabetic_data.csv.zst")
    fields = [DatasetField(name="encounter_id", kind="integer", required=True, unique=True),
              DatasetField(name="patient_nbr", kind="integer", required=True),
              DatasetField(name="time_in_hospital", kind="integer", lowest=1, highest=14),
              ]  # fmt: skip
    dataset = import_csv(Path(source), fields, tmp_path / "store", "diabetes")
    assert dataset.rows == {"rows": 101_766}
