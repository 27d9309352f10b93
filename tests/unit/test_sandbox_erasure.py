"""A person is erased from every byte of a project, and nobody else is changed."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.ledger.backups.home import back_up_home, restore_home_with_verified_ledgers
from commonwatt.ledger.errors import ActorError
from commonwatt.ledger.verify import verify_ledger
from commonwatt.sandbox.domain.errors import ProjectError
from commonwatt.sandbox.domain.job import OutputKind
from commonwatt.sandbox.domain.lifecycle import OutputState
from commonwatt.sandbox.engines.deidentify.tables import pseudonym
from commonwatt.sandbox.io.imports.dataset import (
    import_csv,
    import_fhir,
    import_omop,
    load_dataset,
)
from commonwatt.sandbox.io.imports.erase import (
    dataset_has_row_of_person,
    finish_killed_dataset_rewrite,
    rewrite_dataset_without_person,
    tables_with_rows_of_no_person,
)
from commonwatt.sandbox.io.imports.plain import DatasetField
from commonwatt.sandbox.io.store import records
from commonwatt.sandbox.usecases.projects.erasure import erase_person
from commonwatt.sandbox.usecases.projects.project import JobSubmission
from tests.databases import empty, postgresql
from tests.sandbox_node import open_folder, proved_node
from tests.sandbox_project import ALL_BY_SEX, BY_SEX, SandboxProject

PERSON = "PLANTED-PERSON-77"
PLANTED = (PERSON, "Zzyzxwitz", "98765432109", "PLANTED-VISIT")
DUMP = (
    "import polars as pl\nt = pl.read_parquet('/data/patient')\n"
    "print(t.write_csv())\nt.write_csv('/out/n.csv')"
)


def _patient(identity, number):
    facts = {"resourceType": "Patient", "id": identity, "birthDate": "1960-01-01"}
    facts |= {"gender": ("male", "female")[number % 2]}
    if identity == PERSON:
        facts["name"] = [{"family": PLANTED[1], "given": ["A"]}]
        facts["telecom"] = [{"system": "phone", "value": PLANTED[2]}]
    return json.dumps(facts)


def _observation(identity, number):
    key = PLANTED[3] if identity == PERSON else f"o{number}"
    return json.dumps({
        "resourceType": "Observation", "id": key, "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]},
        "subject": {"reference": f"Patient/{identity}"}, "effectiveDateTime": "2011-10-01",
        "valueQuantity": {"value": 150 + number, "unit": "cm"},
    })  # fmt: skip


def _ward(folder: Path) -> Path:
    """Write sixty people, one of them with planted strings."""
    ids = [PERSON, *(f"q{i}" for i in range(59))]
    folder.mkdir()
    for name, line in (("Patient", _patient), ("Observation", _observation)):
        lines = [line(identity, i) for i, identity in enumerate(ids)]
        (folder / f"{name}.ndjson").write_text("\n".join(lines))
    return folder


@pytest.fixture
def ward():
    with open_folder() as folder:
        yield _signed_ward(folder, _ward(folder / "sources"))


def _signed_ward(folder, sources, where=""):
    sandbox = SandboxProject(folder, where=where)
    custodian, now = sandbox.custodian, sandbox.now
    project = sandbox.project
    project.import_dataset(
        lambda store: import_fhir([sources], store, "ward"), by=custodian, at=now()
    )
    _, report = project.deidentify("ward", "ward-safe", by=custodian, at=now())
    project.sign_dataset_risk_report("ward-safe", report.sha256, by=custodian, at=now())
    return sandbox


def _submit(sandbox, node, code, **cohorts):
    request = JobSubmission(
        code=code, dataset="ward-safe", tables=("Patient",),
        outputs={"n.csv": OutputKind.CSV}, cohorts=cohorts,
    )  # fmt: skip
    submission = sandbox.project.submit(node, request, by=sandbox.researcher, at=sandbox.now())
    return submission.outcome.outputs[0].sha256, submission.states["n.csv"]


def _erase(sandbox, **more):
    options = {"delete_copies": False, "by": sandbox.custodian} | more
    return erase_person(sandbox.project, PERSON, at=sandbox.now(), **options)


def _everything(sandbox) -> dict[str, str]:
    """Return what every file of the project and its database holds; tables with their cells."""
    database = Path(sandbox.ledger.engine.url.database)
    files = [*sandbox.project.folder.rglob("*"), *database.parent.glob(f"{database.name}*")]
    held = {str(path): path.read_bytes().decode("latin-1") for path in files if path.is_file()}
    for path in files:
        if path.suffix == ".parquet":
            held[str(path)] += repr(pl.read_parquet(path).to_dict(as_series=False))
    return held


def _places(held, needle):
    return sorted(Path(path).name for path, text in held.items() if needle in text)


def _tables(dataset):
    return {file: pl.read_parquet(dataset.folder / file) for file in dataset.files}


def test_no_byte_of_the_person_is_left_and_nobody_else_is_changed(ward):
    token = pseudonym(ward.project.key, PERSON)
    with open_folder() as other:
        node = proved_node(other / "node")
        stopped, state = _submit(ward, node, DUMP)
        assert state == "stopped"
        counts, state = _submit(ward, node, BY_SEX, **{"n.csv": ALL_BY_SEX})
        assert state == "waiting"
    ward.release(counts, other)
    before = _everything(ward)
    assert all(_places(before, needle) for needle in (*PLANTED, token))
    assert stopped in _places(before, token)
    tables = _tables(load_dataset(ward.project.store / "ward"))
    safe_files = load_dataset(ward.project.store / "safe").files

    result = _erase(ward)

    after = _everything(ward)
    assert {needle: _places(after, needle) for needle in PLANTED} == {
        needle: [] for needle in PLANTED
    }
    database = Path(ward.ledger.engine.url.database).name
    assert _places(after, token) == [database]
    # once, in the list of opt-outs, and in no set of people
    assert "".join(after.values()).count(token) == 1
    ward_now = load_dataset(ward.project.store / "ward", check=True)
    for file, frame in _tables(ward_now).items():
        was = tables[file]
        if "patient_id" in was.columns:
            was = was.filter(pl.col("patient_id") != PERSON)
        assert frame.equals(was), file
    assert ward_now.rows["Patient"] == 59
    assert load_dataset(ward.project.store / "safe", check=True).files == safe_files
    assert (result.rewritten, result.deleted) == (["ward"], {"ward-safe": "ward"})
    assert (result.wiped_outputs, result.released_outputs) == ([stopped], [counts])
    assert not result.unfinished_jobs
    assert not result.backups
    assert verify_ledger(ward.ledger).entries == ward.ledger.head().size


def test_the_record_holds_counts_and_digests_and_no_number_of_rows(ward):
    _erase(ward)
    entries = list(ward.ledger.entries(kind="sandbox.erase"))
    assert [entry.body["state"] for entry in entries] == ["begun", "done"]
    files = entries[1].body["datasets"]["ward"]
    now = load_dataset(ward.project.store / "ward").files
    assert files["after"]["Patient.parquet"] == now["Patient.parquet"]
    assert files["before"].keys() == files["after"].keys()
    assert "rows" not in json.dumps(dict(entries[1].body))


def test_a_copy_can_be_made_anew_and_the_person_is_not_in_it(ward):
    _erase(ward)
    safe, report = ward.project.deidentify("ward", "anew", by=ward.custodian, at=ward.now())
    assert pl.read_parquet(safe.table_path("Patient")).height == 59
    ward.project.sign_dataset_risk_report("anew", report.sha256, by=ward.custodian, at=ward.now())
    # and whoever imports them again leaves them out
    ward.project.import_dataset(
        lambda store: import_fhir([ward.project.folder.parent / "sources"], store, "again"),
        by=ward.custodian, at=ward.now(),
    )  # fmt: skip
    again, _ = ward.project.deidentify("again", "again-safe", by=ward.custodian, at=ward.now())
    assert pl.read_parquet(again.table_path("Patient")).height == 59


def test_a_stand_in_keeps_the_differencing_check_and_marks_the_model(ward):
    token = pseudonym(ward.project.key, PERSON)
    others = [f"t{i}" for i in range(9)]
    record = records.OutputRecord(
        sha256="a" * 64,
        name="n.csv",
        kind="csv",
        job="j",
        author="x",
        state=OutputState.RELEASED,
    )
    with ward.ledger.transaction() as tx:
        records.add_project_output_row(tx, "harbour", record, {"n": [*others, token], "m": others})
        records.add_trained_model_row(tx, "harbour", "b" * 64, "safe", [*others, token], 0.5)
        records.add_trained_model_row(tx, "harbour", "c" * 64, "safe", others, 0.5)
    result = _erase(ward)
    with ward.ledger.reading() as tx:
        cells = records.output_people_tokens_by_cell(tx, "harbour", "a" * 64)
    assert cells["m"] == others
    assert len(cells["n"]) == 10
    assert token not in cells["n"]
    assert result.models == ["b" * 64]


def test_a_job_that_ended_after_the_erasure_is_met_by_the_next_one(ward):
    use = records.DataUse(
        name="late", step="submit", actor="x", dataset="ward-safe", tables=("Patient",),
        people=frozenset({"t"}), at=ward.now(),
    )  # fmt: skip
    with ward.ledger.transaction() as tx:
        records.add_project_data_use_row(tx, "harbour", use)
    assert _erase(ward).unfinished_jobs == ["late"]
    record = records.OutputRecord(
        sha256="a" * 64, name="n.csv", kind="csv", job="late", author="x",
        state=OutputState.STOPPED,
    )  # fmt: skip
    left = [ward.project.folder / "outputs" / ("a" * 64), ward.project.folder / "logs" / "late"]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_text(PERSON)
    with ward.ledger.transaction() as tx:
        records.add_project_output_row(tx, "harbour", record, {})
    assert _erase(ward).wiped_outputs == ["a" * 64]
    assert not any(path.exists() for path in left)


def test_only_a_custodian_erases(ward):
    with pytest.raises(ActorError):
        _erase(ward, by=ward.researcher)
    assert dataset_has_row_of_person(load_dataset(ward.project.store / "ward"), frozenset({PERSON}))
    _erase(ward)


def test_a_copy_that_cannot_be_made_anew_is_deleted_only_when_that_is_said(ward):
    ward.project.delete_dataset("ward", by=ward.custodian, at=ward.now())
    with pytest.raises(ProjectError, match="ward-safe"):
        _erase(ward)
    assert (ward.project.store / "ward-safe").exists()
    assert _erase(ward, delete_copies=True).deleted == {"ward-safe": ""}
    assert not (ward.project.store / "ward-safe").exists()


def test_a_person_who_is_in_nothing_changes_nothing_but_the_record(ward):
    files = load_dataset(ward.project.store / "ward").files
    result = erase_person(
        ward.project, "nobody", delete_copies=False, by=ward.custodian, at=ward.now()
    )
    assert not result.rewritten
    assert not result.deleted
    assert load_dataset(ward.project.store / "ward", check=True).files == files


@pytest.mark.parametrize("renames", [0, 1])
def test_a_rewriting_that_is_cut_ends_in_one_whole_dataset(renames, tmp_path, monkeypatch):
    dataset = import_fhir([_ward(tmp_path / "sources")], tmp_path / "store", "ward")
    real, left = Path.rename, [renames]

    def cut(path, to):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return real(path, to)

    monkeypatch.setattr(Path, "rename", cut)
    with pytest.raises(KeyboardInterrupt):
        rewrite_dataset_without_person(dataset, frozenset({PERSON}))
    monkeypatch.undo()
    finish_killed_dataset_rewrite(dataset.folder)
    now = load_dataset(dataset.folder, check=True)
    assert dataset_has_row_of_person(now, frozenset({PERSON})) is (renames == 0)
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["ward"]
    rewrite_dataset_without_person(now, frozenset({PERSON}))
    assert not dataset_has_row_of_person(load_dataset(dataset.folder), frozenset({PERSON}))


def test_notes_and_places_of_an_omop_person_go_and_those_of_others_stay(tmp_path):
    person = "person_id,gender_concept_id,year_of_birth,race_concept_id,ethnicity_concept_id"
    rows = {
        "person": f"{person},location_id\n"
        "7,8507,1960,0,0,1\n8,8507,1960,0,0,2\n9,8507,1960,0,0,2\n",
        "location": "location_id,address_1\n1,Planted Road 7\n2,Shared Road\n3,Hospital\n",
        "note": "note_id,person_id,note_date,note_type_concept_id,note_class_concept_id,note_text,"
        "encoding_concept_id,language_concept_id\n70,7,2020-01-01,0,0,planted,0,0\n"
        "80,8,2020-01-01,0,0,other,0,0\n",
        "note_nlp": "note_nlp_id,note_id,lexical_variant,note_nlp_concept_id,nlp_date\n"
        "1,70,planted,0,2020-01-01\n2,80,other,0,2020-01-01\n",
        "cost": "cost_id,cost_event_id,cost_domain_id,cost_type_concept_id\n1,70,Note,0\n",
    }
    (tmp_path / "in").mkdir()
    for name, text in rows.items():
        (tmp_path / "in" / f"{name}.csv").write_text(text)
    dataset = import_omop([tmp_path / "in"], tmp_path / "store", "omop")
    assert tables_with_rows_of_no_person(dataset) == ["cost"]
    rewrite_dataset_without_person(dataset, frozenset({"7"}))
    now = load_dataset(dataset.folder, check=True)
    remaining = {name: pl.read_parquet(now.table_path(name)) for name in rows}
    assert remaining["person"]["person_id"].to_list() == [8, 9]
    assert remaining["location"]["location_id"].to_list() == [2, 3]
    assert remaining["note"]["note_id"].to_list() == [80]
    assert remaining["note_nlp"]["note_nlp_id"].to_list() == [2]
    assert remaining["cost"].height == 1  # named above, because nothing in it leads to anybody


def test_a_row_of_a_plain_file_is_the_persons_if_any_column_says_so(tmp_path):
    (tmp_path / "t.csv").write_text(f"mrn,n\n{PERSON},1\nother,2\n")
    fields = [DatasetField(name="mrn", kind="text"), DatasetField(name="n", kind="integer")]
    dataset = import_csv(tmp_path / "t.csv", fields, tmp_path / "store", "plain")
    rewrite_dataset_without_person(dataset, frozenset({PERSON}))
    left = pl.read_parquet(load_dataset(dataset.folder).table_path("rows"))
    assert left["mrn"].to_list() == ["other"]


def test_the_copy_that_a_migration_left_beside_goes_with_the_person_and_with_the_project(ward):
    """It holds what the database held: the tokens of everybody who ever opted out."""
    database = Path(ward.ledger.engine.url.database)
    token = pseudonym(ward.project.key, PERSON)
    copy = database.with_name(f"{database.name}.before-projects_2")
    other = database.with_name(f"{database.name}-notes")
    for path in (copy, other):
        path.write_text(token if path == copy else "none of ours")
    result = _erase(ward)
    assert result.wiped_migration_copies == [copy.name]
    assert not copy.exists()
    assert other.exists()
    assert _erase(ward).wiped_migration_copies == []
    copy.write_text(token)
    ward.project.close(by=ward.custodian, at=ward.now())
    assert ward.project.delete_project(by=ward.custodian, at=ward.now()).left == 0
    assert not copy.exists()


def test_backups_that_hold_the_person_are_named_and_hold_them(ward, tmp_path):
    home = ward.project.folder.parent
    back_up_home(home, tmp_path / "b.tar", at=datetime(2026, 11, 23, tzinfo=UTC))
    result = _erase(ward)
    archives = [record.archive for record in result.backups]
    assert archives == [str(tmp_path / "b.tar")]
    assert result.backups[0].at.startswith("2026-11-23")
    restore_home_with_verified_ledgers(tmp_path / "b.tar", tmp_path / "new")
    old = load_dataset(tmp_path / "new" / "room" / "datasets" / "ward", check=True)
    assert dataset_has_row_of_person(old, frozenset({PERSON}))


def test_an_erasure_on_postgresql_leaves_the_token_in_the_opt_outs_alone():
    with postgresql() as url, open_folder() as folder:
        empty(url)
        ward = _signed_ward(folder, _ward(folder / "sources"), where=url)
        token = pseudonym(ward.project.key, PERSON)
        with ward.ledger.transaction() as tx:
            records.add_trained_model_row(tx, "harbour", "b" * 64, "safe", [token, "x"], 0.5)
        assert _erase(ward).models == ["b" * 64]
        with ward.ledger.reading() as tx:
            tables = {
                name: tx.exec_driver_sql(f"SELECT count(*) FROM {name} t WHERE t::text LIKE "
                f"'%%{token}%%'").scalar()
                for name in ("sandbox_models", "sandbox_cells", "sandbox_opt_outs")
            }  # fmt: skip
        ward.ledger.engine.dispose()
    assert tables == {"sandbox_models": 0, "sandbox_cells": 0, "sandbox_opt_outs": 1}


def test_the_command_says_what_went_and_what_stays(ward, tmp_path, capsys):
    ward.custodian.save(tmp_path / "custodian.pem")
    folder = ward.project.folder
    folder.rename(folder.parent / "harbour")
    words = [
        "sandbox", "project", "erase", "harbour", PERSON, "--key", str(tmp_path / "custodian.pem"),
        "--ledger", ward.ledger.engine.url.database, "--rooms", str(folder.parent),
    ]  # fmt: skip
    assert run_main(root, words) == 0
    out = capsys.readouterr().out
    assert "ward-safe" in out
    assert "What stays" in out
    assert PERSON not in out
