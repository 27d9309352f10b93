"""The store of a project: both shapes, whole or not there, the same bytes, in any form."""

import csv
import io
import json
import subprocess
import sys
import zlib
from pathlib import Path

import polars as pl
import pytest
import zstandard
from pydicom.data import get_testdata_file

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.sandbox.domain.errors import ProjectError
from commonwatt.sandbox.io.imports.checked import (
    dataset_sql_text_literal,
    open_dataset_import_database,
)
from commonwatt.sandbox.io.imports.dataset import import_fhir, import_omop, load_dataset
from commonwatt.sandbox.io.imports.genomes import import_vcf
from commonwatt.sandbox.io.imports.shapes import add_omop_or_fhir_tables_and_count
from commonwatt.sandbox.io.imports.tables import omop_fields_by_table
from commonwatt.sandbox.io.store.opt_outs import ConsentScope
from commonwatt.sandbox.io.store.people_tables import path_of_table_without_people
from commonwatt.sandbox.usecases.projects.project import JobSubmission
from tests.proofs import PROOFS
from tests.sandbox_node import open_folder
from tests.sandbox_project import SandboxProject
from tests.shared_data import shared_data

CONCEPTS = (
    "concept_id,concept_name,domain_id,vocabulary_id,concept_class_id,standard_concept,"
    "concept_code,valid_start_date,valid_end_date\n"
    "3036277,Body height,Measurement,LOINC,Clinical Observation,S,8302-2,1970-01-01,2099-12-31\n"
    "45766052,Old,Condition,SNOMED,Finding,,1,1970-01-01,2099-12-31\n"
    "201826,Diabetes,Condition,SNOMED,Finding,S,44054006,1970-01-01,2099-12-31\n"
)
MAPS = (
    "concept_id_1,concept_id_2,relationship_id,valid_start_date,valid_end_date\n"
    "45766052,201826,Maps to,1970-01-01,2099-12-31\n"
)


def _fhir(folder: Path, people: int = 3) -> Path:
    folder.mkdir()
    patients = [
        {"resourceType": "Patient", "id": f"p{i}", "gender": ("male", "female")[i % 2],
         "birthDate": "1950-02-03"}
        for i in range(people)
    ]  # fmt: skip
    observations = [
        {"resourceType": "Observation", "id": f"o{i}", "status": "final",
         "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]},
         "subject": {"reference": f"Patient/p{i % people}"},
         "effectiveDateTime": f"2011-10-{i % 28 + 1:02}",
         "valueQuantity": {"value": 150 + i, "unit": "cm"}}
        for i in range(4 * people)
    ]  # fmt: skip
    conditions = [
        {"resourceType": "Condition", "id": f"c{i}", "onsetDateTime": "2011-10-14",
         "code": {"coding": [{"system": "http://snomed.info/sct", "code": "1"}]},
         "subject": {"reference": f"urn:uuid:p{i}"}}
        for i in range(people)
    ]  # fmt: skip
    for name, rows in (("Patient", patients), ("Observation", observations),
                       ("Condition", conditions)):  # fmt: skip
        (folder / f"{name}.ndjson").write_text("\n".join(map(json.dumps, rows)))
    return folder


def test_codes_become_concepts_where_the_vocabulary_is_there(tmp_path):
    source = _fhir(tmp_path / "in")
    bare = import_fhir([source], tmp_path / "store", "bare")
    assert set(pl.read_parquet(bare.table_path("measurement"))["measurement_concept_id"]) == {0}
    (source / "CONCEPT.csv").write_text(CONCEPTS)
    (source / "CONCEPT_RELATIONSHIP.csv").write_text(MAPS)
    dataset = import_fhir([source], tmp_path / "store", "mapped")
    measured = pl.read_parquet(dataset.table_path("measurement"))
    assert set(measured["measurement_concept_id"]) == {3036277}
    conditions = pl.read_parquet(dataset.table_path("condition_occurrence"))
    assert set(conditions["condition_concept_id"]) == {201826}
    assert set(conditions["condition_source_concept_id"]) == {45766052}
    assert set(conditions["condition_source_value"]) == {"1"}


def test_every_required_field_of_the_standard_is_made(tmp_path):
    dataset = import_fhir([_fhir(tmp_path / "in")], tmp_path / "store", "raw")
    for table in dataset.derived:
        made = pl.read_parquet(dataset.table_path(table))
        required = [field.name for field in omop_fields_by_table()[table] if field.required]
        assert made.select(pl.col(required).null_count().sum()).row(0) == (0,) * len(required)


def test_both_shapes_have_the_same_bytes_on_one_thread_and_two(tmp_path):
    """Enough rows for several threads and row groups."""
    raw = import_fhir([_fhir(tmp_path / "in", people=40_000)], tmp_path / "store", "raw")
    for threads in (1, 2):
        draft = tmp_path / f"draft{threads}"
        draft.mkdir()
        for table in raw.rows:
            (draft / f"{table}.parquet").symlink_to(raw.table_path(table))
        with open_dataset_import_database(draft, threads=threads) as base:
            add_omop_or_fhir_tables_and_count(base, draft)
        for table in raw.derived:
            made = (draft / f"{table}.parquet").read_bytes()
            assert zlib.crc32(made) == zlib.crc32(raw.table_path(table).read_bytes())


def test_opt_outs_reach_people_in_either_shape(tmp_path):
    dataset = import_fhir([_fhir(tmp_path / "in")], tmp_path / "store", "raw")
    for table in ("Observation", "measurement", "person", "observation_period"):
        seen = pl.read_parquet(
            path_of_table_without_people(
                dataset.table_path(table), frozenset({"p1"}), tmp_path / "views"
            )
        )
        assert set(seen["patient_id"]) == {"p0", "p2"}


def test_a_project_can_be_fed_omop_and_asked_in_both_shapes(tmp_path):
    source = tmp_path / "omop"
    source.mkdir()
    rows = [f"{i},{(8507, 8532)[i % 2]},1950,8527,38003564" for i in range(1, 61)]
    head = "person_id,gender_concept_id,year_of_birth,race_concept_id,ethnicity_concept_id\n"
    (source / "PERSON.csv").write_text(head + "\n".join(rows) + "\n")
    visits = [f"{i},{i},9202,2020-01-02,2020-01-03,32817" for i in range(1, 61)]
    head = ("visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_end_date,"
            "visit_type_concept_id\n")  # fmt: skip
    (source / "VISIT_OCCURRENCE.csv").write_text(head + "\n".join(visits) + "\n")
    with open_folder() as folder:
        sandbox = SandboxProject(folder)
        project, now = sandbox.project, sandbox.now
        project.import_dataset(lambda store: import_omop([source], store, "omop"),
                     by=sandbox.custodian, at=now())  # fmt: skip
        project.opt_out("7", ConsentScope.ALL, by=sandbox.custodian, at=now())
        safe, report = project.deidentify("omop", "omop-safe", by=sandbox.custodian, at=now())
        assert report.risk.k >= 5
        assert (safe.rows["Patient"], safe.rows["Encounter"]) == (59, 59)
        assert (safe.derived["person"], safe.derived["visit_occurrence"]) == (59, 59)
        people = pl.read_parquet(safe.table_path("person"))
        assert set(people["year_of_birth"]) == {1950}
        assert set(people["patient_id"]) == set(
            pl.read_parquet(safe.table_path("Patient"))["patient_id"]
        )
        sandbox.ledger.engine.dispose()


def test_a_project_makes_of_genomes_counts_and_no_row(tmp_path):
    samples = [f"g{i}" for i in range(60)]
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t"
    cells = "\t".join(["0|1"] * 30 + ["0|0"] * 30)
    line = f"1\t5\t.\tA\tC\t.\t.\t.\tGT\t{cells}\n"
    (tmp_path / "in.vcf").write_text(head + "\t".join(samples) + "\n" + line)
    with open_folder() as folder:
        sandbox = SandboxProject(folder)
        project, now = sandbox.project, sandbox.now
        project.import_dataset(lambda store: import_vcf([tmp_path / "in.vcf"], store, "genomes"),
                     by=sandbox.custodian, at=now())  # fmt: skip
        project.opt_out("g0", ConsentScope.GENOMICS, by=sandbox.custodian, at=now())
        with pytest.raises(ProjectError):
            project.deidentify("genomes", "rows", by=sandbox.custodian, at=now())
        counts, report = project.count_alleles("genomes", "counts", by=sandbox.custodian, at=now())
        assert (report.people, set(counts.dataset_row_count_by_table)) == (59, {"AlleleCount"})
        project.sign_dataset_risk_report("counts", report.sha256, by=sandbox.custodian, at=now())
        states = {dataset["dataset"]: dataset["state"] for dataset in project.status()["datasets"]}
        assert (states["genomes"], states["counts"]) == ("imported", "signed")
        sandbox.ledger.engine.dispose()


KILLED = """
import json, os, shutil, signal, sys
from pathlib import Path
from commonwatt.sandbox.io.imports.dataset import import_csv, import_fhir, import_omop
from commonwatt.sandbox.io.imports.genomes import import_vcf
from commonwatt.sandbox.io.imports.images import import_dicom
from commonwatt.sandbox.io.imports.plain import infer_import_table_schema
import polars, duckdb
form, source, store = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
stops = [int(stop) for stop in sys.argv[4:]]
make = {
    "fhir": lambda to: import_fhir([source], to, "data"),
    "omop": lambda to: import_omop([source], to, "data"),
    "csv": lambda to: import_csv(source, infer_import_table_schema(source), to, "data"),
    "vcf": lambda to: import_vcf([source], to, "data"),
    "dicom": lambda to: import_dicom([source], to, "data", clean=shutil.copyfile),
}[form]
calls = 0
def count(frame, event, argument):
    global calls
    name = frame.f_code.co_filename
    if event == "call" and ("sandbox/io/imports" in name or "core/files" in name):
        calls += 1
        if calls == stop > 0:
            os.kill(os.getpid(), signal.SIGKILL)
for stop in stops:
    to = store / str(abs(stop))
    calls = 0
    if os.fork() == 0:
        sys.setprofile(count)
        make(to)
        sys.setprofile(None)
        (store / "calls").write_text(str(calls))
        os._exit(0)
    os.wait()
"""


def _sources(folder: Path, form: str) -> Path:
    if form == "fhir":
        return _fhir(folder / "in")
    if form == "omop":
        (folder / "PERSON.csv").write_text(
            "person_id,gender_concept_id,year_of_birth,race_concept_id,ethnicity_concept_id\n"
            "1,8507,1950,0,0\n"
        )
        return folder / "PERSON.csv"
    if form == "csv":
        (folder / "in.csv").write_text("a,b\n1,x\n2,y,z\n")
        return folder / "in.csv"
    if form == "dicom":
        return Path(str(get_testdata_file("CT_small.dcm")))
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\n"
    (folder / "in.vcf").write_text(head + "1\t5\t.\tA\tC\t.\t.\t.\tGT\t0|1\n")
    return folder / "in.vcf"


@pytest.mark.prove
@pytest.mark.parametrize("form", ["fhir", "omop", "csv", "vcf", "dicom"])
def test_killed_at_any_call_there_is_no_dataset_or_a_whole_one(tmp_path, form):
    """Kill it at calls from its first to its last; then try the latest again."""
    source = tmp_path / "source"
    source.mkdir()
    given = _sources(source, form)

    def run(*stops):
        subprocess.run(
            [sys.executable, "-c", KILLED, form, str(given), str(tmp_path), *map(str, stops)],
            check=True, timeout=300,
        )  # fmt: skip

    run(0)
    calls = int((tmp_path / "calls").read_text())
    whole = load_dataset(tmp_path / "0" / "data", check=True).files
    tries = PROOFS.size(12, 40)
    stops = range(calls, 0, -max(1, calls // tries))
    run(*stops)
    left = [tmp_path / str(stop) for stop in stops]
    finished = [path for path in left if (path / "data").exists()]
    assert all(load_dataset(path / "data", check=True).files == whole for path in finished)
    assert sum((path / ".data.draft").exists() for path in left) >= tries // 4
    again = next(stop for stop in stops if not (tmp_path / str(stop) / "data").exists())
    run(-again)
    assert load_dataset(tmp_path / str(again) / "data", check=True).files == whole


@pytest.mark.shared_data
def test_omop_comes_back_with_every_required_field(tmp_path):
    """Every table of the sample, every required field, value by value."""
    source = shared_data("health", "omop-synthea27nj")
    dataset = import_omop([source], tmp_path, "omop")
    fields = rows = 0
    for table, kinds in omop_fields_by_table().items():
        path = next(source.glob(f"{table.upper()}.csv*"), None)
        if path is None:
            continue
        wanted = _rows(path)
        imported = pl.read_parquet(dataset.table_path(table))
        assert imported.height == len(wanted)
        rows += len(wanted)
        for field in kinds:
            if field.required:
                expected = [_said(row[field.name], field.kind) for row in wanted]
                assert [_told(value, field.kind) for value in imported[field.name]] == expected
                fields += 1
    assert (rows, fields) == (27_615, 175)


def _rows(path: Path) -> list[dict[str, str]]:
    data = path.read_bytes()
    if path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return [
        {name.lower(): cell for name, cell in row.items()}
        for row in csv.DictReader(io.StringIO(data.decode()))
    ]


def _said(text: str, kind: str) -> object:
    match kind:
        case "integer":
            return int(float(text))
        case "float":
            return float(text)
        case "date":
            return text[:10]
        case _:
            return text or None


def _told(value: object, kind: str) -> object:
    return str(value)[:10] if kind == "date" else str(value) if kind == "datetime" else value


@pytest.mark.shared_data
def test_the_two_shapes_of_a_hospital_tell_the_same(tmp_path):
    """Counts by code, month and person agree between FHIR's and OMOP's tables."""
    dataset = import_fhir([shared_data("health", "fhir-synthea-bulk")], tmp_path, "bulk")
    with open_dataset_import_database(tmp_path) as base:
        read = {name: f"read_parquet({dataset_sql_text_literal(str(dataset.table_path(name)))})"
                for name in ("Condition", "condition_occurrence")}  # fmt: skip
        fhir = base.execute(
            "SELECT patient_id, code_code, date_trunc('month', onset_at::DATE), count(*)"
            f" FROM {read['Condition']} GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        omop = base.execute(
            "SELECT patient_id, condition_source_value,"
            " date_trunc('month', condition_start_date), count(*)"
            f" FROM {read['condition_occurrence']} GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    assert fhir == omop
    assert dataset.derived["person"] == dataset.rows["Patient"]
    assert dataset.derived["visit_occurrence"] == dataset.rows["Encounter"]
    drugs = dataset.rows["MedicationRequest"] + dataset.rows["Immunization"]
    assert dataset.derived["drug_exposure"] == drugs


def test_the_command_takes_every_form_and_tells_every_rule(tmp_path, capsys):
    def run(*arguments, who="custodian"):
        place = ["--ledger", str(tmp_path / "ledger.db"), "--key", str(tmp_path / f"{who}.pem")]
        if arguments[0] == "sandbox":
            place += ["--rooms", str(tmp_path / "rooms")]
        assert run_main(root, [*arguments, *place, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    about = ("--name", "A", "--organisation", "HA")
    run("ledger", "init", *about, who="registrar")
    by = ("--by", str(tmp_path / "registrar.pem"))
    run("ledger", "enrol", *by, *about, "--role", "data-custodian")
    run("sandbox", "init", "bay", "--purpose", "a test")
    (tmp_path / "in.csv").write_text("age,sex\n50,F\n51,M,3\n")
    answer = run("sandbox", "import", "bay", "plain", str(tmp_path / "in.csv"), "--format", "csv")
    assert answer["rows"] == {"rows": 1}
    assert answer["rules"]["rows"]["cells not as in the header"] == 1
    assert answer["rules"]["rows"]["age is no integer"] == 0
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t"
    samples = "\t".join(f"g{i}" for i in range(40))
    cells = "\t".join(["0|1"] * 20 + ["0|0"] * 20)
    (tmp_path / "in.vcf").write_text(f"{head}{samples}\n1\t5\t.\tA\tC\t.\t.\t.\tGT\t{cells}\n")
    answer = run("sandbox", "import", "bay", "genes", str(tmp_path / "in.vcf"), "--format", "vcf")
    assert answer["sealed"] == ["Genotype", "Sample"]
    answer = run("sandbox", "risk", "bay", "genes", "counts")
    assert (answer["people"], answer["withheld"]) == (40, 0)
    signed = run("sandbox", "risk", "bay", "genes", "counts", "--sign", answer["report_sha256"])
    assert signed["dataset"] == "counts"


def test_a_job_may_not_ask_for_two_tables_of_one_name():
    """FHIR's Observation and OMOP's observation would lie on one place."""
    with pytest.raises(ProjectError, match="under one name"):
        JobSubmission(code="", dataset="safe", tables=("Observation", "observation"), outputs={})
