"""Our rules for FHIR against the models of `fhir.resources`, where that is installed.

The oracle knows the whole standard; our rules know what the kept columns depend
on. So whatever we set aside by one of the shared rules the oracle must refuse,
and whatever the oracle takes we must keep, apart from the rules that are ours.
"""

import json

import polars as pl
import pytest

from commonwatt.sandbox.io.imports.dataset import import_fhir
from tests.shared_data import shared_data

oracle = pytest.importorskip("fhir.resources.R4B", reason="fhir.resources is not installed")

OURS = ("out of range", "dies before birth", "abates before onset", "seen before",
        "not in this dataset", "ends before it starts", "no reference to a patient",
        "value set", "code missing", "holds spaces", "resourceType", "id missing",
        "id malformed", "valueQuantity is no number")  # fmt: skip
"""Rules on meaning, value sets and other records, which the oracle leaves alone."""

PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1950-02-03"}
OBSERVATION = {
    "resourceType": "Observation", "id": "o1", "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]},
    "subject": {"reference": "Patient/p1"}, "effectiveDateTime": "2011-10-14T23:37:54+00:00",
    "valueQuantity": {"value": 176.3, "unit": "cm"},
}  # fmt: skip
CHANGES = {
    "Patient": [
        {}, {"gender": "F"}, {"gender": None}, {"birthDate": "1950"}, {"birthDate": "1950-02"},
        {"birthDate": "03/02/1950"}, {"birthDate": "1950-02-30"}, {"id": "a b"}, {"id": "x" * 65},
        {"id": None}, {"deceasedDateTime": "yes"}, {"deceasedDateTime": "2001-02-03T10:00:00Z"},
        {"maritalStatus": {"coding": [{"code": "M"}]}}, {"birthDate": "1850-01-01"},
    ],
    "Observation": [
        {}, {"status": None}, {"code": None}, {"effectiveDateTime": "2011-10-14T23:37:54"},
        {"effectiveDateTime": "2011-02-31"}, {"effectiveDateTime": "2011"}, {"issued": "now"},
        {"valueString": "x"}, {"effectivePeriod": {"start": "2011-01-01"}},
        {"subject": {"reference": "Patient/none"}}, {"effectiveDateTime": "yesterday"},
        {"valueQuantity": None, "valueString": "x"},
        {"effectiveDateTime": None, "effectivePeriod": {"start": "2011-02-01"}},
    ],
}  # fmt: skip


def _known(kind: str, record: dict[str, object]) -> bool:
    """Return whether the oracle takes a record."""
    model = getattr(__import__(f"fhir.resources.R4B.{kind.lower()}", fromlist=[kind]), kind)
    try:
        model.model_validate_json(json.dumps(record))
    except ValueError:
        return False
    return True


def _changed(base, change, number):
    record = {key: value for key, value in {**base, **change}.items() if value is not None}
    if "id" not in change:
        record["id"] = f"{base['id']}-{number}"
    return record


def _reasons(folder, records):
    """Return the rule by which we set aside each record, or nothing."""
    folder.mkdir()
    for kind, rows in records.items():
        (folder / f"{kind}.ndjson").write_text("\n".join(map(json.dumps, rows)))
    dataset = import_fhir([folder], folder / "store", "data")
    aside = pl.read_parquet(dataset.folder / "quarantine.parquet")
    return {(table, record): reason for table, record, reason in aside.rows()}


def test_we_and_the_oracle_refuse_the_same_changes(tmp_path):
    bases = {"Patient": PATIENT, "Observation": OBSERVATION}
    records = {
        kind: [bases[kind], *(_changed(bases[kind], c, i) for i, c in enumerate(changes))]
        for kind, changes in CHANGES.items()
    }
    reasons = _reasons(tmp_path / "in", records)
    for kind, rows in records.items():
        for place, row in enumerate(rows, start=1):
            reason = reasons.get((kind, place))
            if reason is None or any(word in reason for word in OURS):
                continue
            assert not _known(kind, row), (kind, row, reason)
    accepted_rows = [
        (kind, row)
        for kind, rows in records.items()
        for place, row in enumerate(rows, start=1)
        if (kind, place) not in reasons
    ]
    assert all(_known(kind, row) for kind, row in accepted_rows)
    assert len(accepted_rows) >= 10


@pytest.mark.shared_data
def test_the_oracle_takes_what_a_synthetic_hospital_holds(tmp_path):
    """A bundle that we import whole is whole to the oracle, too."""
    source = sorted(shared_data("health", "fhir-synthea-bundles").glob("*.zst"))[0]
    dataset = import_fhir([source], tmp_path, "one")
    import zstandard

    data = zstandard.ZstdDecompressor().decompressobj().decompress(source.read_bytes())
    entries = [entry["resource"] for entry in json.loads(data)["entry"]]
    for kind in ("Patient", "Observation", "Encounter", "Condition"):
        ours = [resource for resource in entries if resource["resourceType"] == kind]
        assert dataset.rows.get(kind, 0) == len(ours)
        refused = [resource for resource in ours[:40] if not _known(kind, resource)]
        assert refused == []
