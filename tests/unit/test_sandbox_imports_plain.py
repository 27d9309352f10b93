"""Plain tables: schemas written, shipped and guessed; files that are not in order."""

import gzip
import json

import polars as pl
import pytest
import zstandard

from commonwatt.sandbox.domain.errors import DataImportError
from commonwatt.sandbox.io.imports.dataset import import_csv, import_fhir
from commonwatt.sandbox.io.imports.plain import (
    DatasetField,
    TableFileSchema,
    dataset_file_schema_json,
    infer_import_table_schema,
    load_import_file_schema,
    shipped_import_file_schema_names,
)
from commonwatt.sandbox.io.imports.sources import FORMS, ImportSources, import_dataset_as
from tests.shared_data import shared_data

FIELDS = [
    DatasetField(name="a", kind="integer", required=True),
    DatasetField(name="b", kind="text"),
]


def _import(folder, data, fields=FIELDS, name="in.csv"):
    path = folder / name
    path.write_bytes(data)
    return import_csv(path, fields, folder / "store", "plain")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (b"2,y,z", "cells not as in the header"),
        (b"2", "cells not as in the header"),
        (b"2,\xffy", "not UTF-8 text"),
        (b'2,"y"y', "quotation marks out of order"),
    ],
)
@pytest.mark.parametrize("packed", ["", "gz", "zst"])
def test_a_row_that_is_not_in_order_costs_only_itself(tmp_path, row, why, packed):
    data = b"a,b\n1,x\n" + row + b"\n3,w\n"
    pack = {"": bytes, "gz": gzip.compress, "zst": zstandard.compress}[packed]
    dataset = _import(tmp_path, pack(data), name=f"in.csv.{packed}" if packed else "in.csv")
    assert dataset.quarantined == {"rows": {why: 1}}
    assert pl.read_parquet(dataset.table_path("rows")).rows() == [(1, "x"), (3, "w")]
    aside = pl.read_parquet(dataset.folder / "quarantine.parquet")
    assert aside.rows() == [("rows", 2, why)]


def test_cells_may_hold_line_breaks_and_quotes(tmp_path):
    dataset = _import(tmp_path, b'a,b\r\n1,"x\ny"\r\n2,"say ""z"""\r\n')
    assert pl.read_parquet(dataset.table_path("rows")).rows() == [(1, "x\ny"), (2, 'say "z"')]


def test_a_quotation_mark_that_never_closes_refuses_the_file(tmp_path):
    with pytest.raises(DataImportError, match="never closed"):
        _import(tmp_path, b'a,b\n1,x\n2,"y\n3,w\n')
    assert not (tmp_path / "store" / "plain").exists()


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_file_that_was_cut_is_refused(tmp_path, pack):
    ending = "gz" if pack is gzip.compress else "zst"
    rows = "\n".join(["a,b", *(f"{i},{i * i % 97}" for i in range(5000))])
    with pytest.raises(DataImportError):
        _import(tmp_path, pack(rows.encode())[:-9], name=f"in.csv.{ending}")
    lines = "\n".join(json.dumps({"resourceType": "Patient", "id": f"p{i}"}) for i in range(5000))
    (tmp_path / f"Patient.ndjson.{ending}").write_bytes(pack(lines.encode())[:-9])
    with pytest.raises(DataImportError):
        import_fhir([tmp_path / f"Patient.ndjson.{ending}"], tmp_path / "store", "fhir")
    assert not list((tmp_path / "store").glob("[!.]*"))


def test_zstd_in_several_frames_is_read_whole(tmp_path):
    data = zstandard.compress(b"a,b\n1,x\n") + zstandard.compress(b"2,y\n")
    assert _import(tmp_path, data, name="in.csv.zst").rows == {"rows": 2}


def test_a_schema_is_guessed_from_the_cells(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(
        "Ward no,code,on,at,chol,count,note,empty\n"
        "7,007,2024-01-02,2024-01-02 10:00:00,1.5,3.0,x,?\n"
        "8,12,2024-02-29,2024-01-02 10:00:01,NA,4,,?\n"
    )
    guess = infer_import_table_schema(path)
    assert [(field.name, field.kind) for field in guess.fields] == [
        ("ward_no", "integer"), ("code", "text"), ("on", "date"), ("at", "datetime"),
        ("chol", "float"), ("count", "integer"), ("note", "text"), ("empty", "text"),
    ]  # fmt: skip
    dataset = import_csv(path, guess, tmp_path / "store", "guess")
    assert (dataset.rows, dataset.quarantined) == ({"rows": 2}, {})


def test_a_schema_survives_its_file(tmp_path):
    plain = TableFileSchema(
        fields=(
            DatasetField(name="a", kind="integer", required=True, unique=True, lowest=0, highest=9),
            DatasetField(name="b", kind="text", longest=3, choices=("x", "y"), column="B col"),
        ),
        header=False, missing=("?", "-"), delimiter=";",
    )  # fmt: skip
    (tmp_path / "s.json").write_text(dataset_file_schema_json(plain))
    assert load_import_file_schema(tmp_path / "s.json") == plain


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"kind": "text"}]', '{"fields": 3}'])
def test_what_is_no_schema_is_refused(tmp_path, text):
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(DataImportError, match="uci-heart"):
        load_import_file_schema(tmp_path / "s.json")


def test_marks_for_nothing_and_files_without_a_header(tmp_path):
    plain = TableFileSchema(
        fields=(DatasetField(name="a", kind="integer"), DatasetField(name="b", kind="float")),
        header=False, missing=("?",), delimiter=";",
    )  # fmt: skip
    dataset = _import(tmp_path, b"1;?\n?;2.5\n", plain)
    assert pl.read_parquet(dataset.table_path("rows")).rows() == [(1, None), (None, 2.5)]


def test_every_form_says_what_it_lacks(tmp_path):
    sources = ImportSources(paths=[tmp_path / "none"], clean=lambda source, to: None)
    for form in FORMS:
        with pytest.raises(DataImportError):
            import_dataset_as(form, sources, tmp_path / "store", "raw")
    with pytest.raises(DataImportError, match="fhir, omop, csv, dicom, vcf"):
        import_dataset_as("hl7v2", sources, tmp_path / "store", "raw")


@pytest.mark.shared_data
def test_shipped_schemas_fit_the_public_data_sets(tmp_path):
    assert shipped_import_file_schema_names() == {"uci-heart", "uci-diabetes130"}
    heart = load_import_file_schema("uci-heart")
    hospital_datasets = {
        path.name: import_csv(path, heart, tmp_path, path.name.split(".")[1])
        for path in sorted(shared_data("health", "uci-heart").glob("*.data"))
    }
    assert [hospital.rows["rows"] for hospital in hospital_datasets.values()] == [
        303,
        294,
        123,
        200,
    ]
    assert [hospital.quarantined for hospital in hospital_datasets.values()] == [{}] * 4
    cleveland = pl.read_parquet(hospital_datasets["processed.cleveland.data"].table_path("rows"))
    assert cleveland["ca"].null_count() == 4
    source = shared_data("health", "uci-diabetes130", "diabetic_data.csv.zst")
    dataset = import_csv(source, load_import_file_schema("uci-diabetes130"), tmp_path, "diabetes")
    assert (dataset.rows, dataset.quarantined) == ({"rows": 101_766}, {})
    assert pl.read_parquet(dataset.table_path("rows"))["patient_nbr"].n_unique() == 71_518
