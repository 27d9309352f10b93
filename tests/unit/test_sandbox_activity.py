"""The watch: what is unusual, who used which rows, what is due, and what a deletion proves."""

import json
from datetime import UTC, datetime, timedelta

import pytest

import commonwatt.ledger.clock as clock
from commonwatt.ledger import actor_id_of
from commonwatt.sandbox.domain.errors import ProjectError
from commonwatt.sandbox.domain.lifecycle import ProjectState
from commonwatt.sandbox.engines.privacy import measures
from commonwatt.sandbox.io.store.people_tables import people_in_tables
from commonwatt.sandbox.io.store.wipe import wipe
from commonwatt.sandbox.usecases.projects.activity import (
    ActivityThresholds,
    project_activity_alerts,
    project_activity_report_by_part,
    project_data_use_rows,
    project_ledger_activity_events,
    project_retention_duties,
)
from tests.sandbox_node import open_folder, proved_node
from tests.sandbox_project import ALL_BY_SEX, BY_SEX, SandboxProject

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def node():
    with open_folder() as folder:
        yield proved_node(folder / "node")


@pytest.fixture
def sandbox():
    with open_folder() as folder:
        made = SandboxProject(folder)
        made.sign()
        for person in ("", actor_id_of(made.researcher.public_key)):
            made.project.set_privacy_budget(1.0, person=person, by=made.custodian, at=made.now())
        made.project.set_preapproved_release(0.5, by=made.custodian, at=made.now())
        yield made


def _ask(sandbox, epsilon=0.01, purpose="count"):
    def measure(dataset, gone):
        return measures.noisy_count_query(
            len(people_in_tables([dataset.table_path("Patient")]) - gone)
        ).answer(epsilon)

    return sandbox.project.query(
        "safe", measure, epsilon, tables=("Patient",), purpose=purpose, by=sandbox.researcher,
        at=sandbox.now(),
    )  # fmt: skip


def _rules(sandbox, **changed):
    alerts = project_activity_alerts(sandbox.ledger, "harbour", ActivityThresholds(**changed))
    me = actor_id_of(sandbox.researcher.public_key)
    assert all(alert.actor == me for alert in alerts)
    return [alert.rule for alert in alerts]


def test_quiet_work_raises_no_alert(sandbox, node):
    sandbox.submit(node, BY_SEX, n=ALL_BY_SEX)
    _ask(sandbox)
    _ask(sandbox, purpose="another")
    assert _rules(sandbox) == []


def test_jobs_begun_at_night_raise_an_alert_by_local_time(sandbox, node):
    for _ in range(5):
        sandbox.submit(node, "")
    assert _rules(sandbox) == []  # the clock of the test stands at 16:00 in Hong Kong
    assert _rules(sandbox, utc_offset_h=-4.0) == ["night jobs"]


def test_an_alert_is_raised_once_until_it_is_quiet_again(sandbox, node):
    for _ in range(7):
        sandbox.submit(node, "")
    sandbox.now.at += 2 * DAY
    assert _rules(sandbox, utc_offset_h=-4.0) == ["night jobs"]
    for _ in range(5):
        sandbox.submit(node, "")
    assert _rules(sandbox, utc_offset_h=-4.0) == ["night jobs", "night jobs"]


def test_outputs_refused_by_checks_or_checkers_raise_an_alert_on_their_author(sandbox, node):
    for number in (1, 2):
        sandbox.submit(node, f"open('/out/n.csv', 'w').write('gender,n\\nmale,{number}\\n')")
    assert _rules(sandbox) == []
    fine = sandbox.submit(node, BY_SEX, n=ALL_BY_SEX).outcome.outputs[0].sha256
    sandbox.project.vote(fine, approve=False, by=sandbox.first, at=sandbox.now())
    assert _rules(sandbox) == ["refused outputs"]


def test_files_that_the_collector_kept_in_raise_an_alert(sandbox, node):
    sandbox.submit(node, "for i in range(3): open(f'/out/CHAN{i}', 'w')")
    assert _rules(sandbox) == ["kept-in files"]


def test_a_budget_spent_fast_and_the_same_question_again_raise_alerts(sandbox):
    _ask(sandbox, 0.2)
    _ask(sandbox, 0.3, purpose="other")
    assert _rules(sandbox) == ["budget speed"]
    for _ in range(2):
        _ask(sandbox, purpose="other")
    assert _rules(sandbox) == ["budget speed", "like questions"]


def test_outputs_that_differ_in_a_few_people_raise_an_alert(sandbox, node, tmp_path):
    from commonwatt.sandbox.engines.airlock.cohort import Cohort
    from commonwatt.sandbox.io.store.opt_outs import ConsentScope

    total = "open('/out/n.csv', 'w').write('n\\n60\\n')"
    sandbox.release(
        sandbox.submit(node, total, n=Cohort(table="Patient")).outcome.outputs[0].sha256, tmp_path
    )
    sandbox.project.opt_out("p1", ConsentScope.ALL, by=sandbox.custodian, at=sandbox.now())
    for word in ("a", "b"):
        code = f"open('/out/n.csv', 'w').write('n_{word}\\n60\\n')"
        sandbox.submit(node, code, n=Cohort(table="Patient"))
    assert _rules(sandbox) == ["like outputs"]


def test_every_use_is_on_record_with_person_tables_and_people(sandbox, node):
    sandbox.submit(node, BY_SEX, n=ALL_BY_SEX)
    _ask(sandbox)
    job, question = project_data_use_rows(sandbox.ledger, "harbour")
    assert (job["step"], question["step"]) == ("submit", "ask")
    assert job["actor"] == actor_id_of(sandbox.researcher.public_key)
    assert (json.loads(job["tables"]), job["people"]) == (["Patient"], 60)
    assert job["people_sha256"] == question["people_sha256"]
    assert datetime.fromisoformat(job["at"]) < datetime.fromisoformat(question["at"])


def test_the_auditor_sees_steps_uses_and_alerts_and_no_person(sandbox, node):
    sandbox.submit(node, BY_SEX, n=ALL_BY_SEX)
    _ask(sandbox)
    report = project_activity_report_by_part(
        sandbox.ledger, sandbox.project.folder, "harbour", sandbox.now()
    )
    steps = [step["step"] for step in report["steps"]]
    assert steps == [
        event.step for event in project_ledger_activity_events(sandbox.ledger, "harbour")
    ]
    assert {"open", "import", "deidentify", "sign-risk", "submit", "ask", "lane"} <= set(steps)
    people = people_in_tables([sandbox.project.store / "safe" / "Patient.parquet"])
    text = json.dumps(report)
    assert not any(person in text for person in people)
    assert json.loads(text)["thresholds"]["night_jobs"] == 5


def test_expiry_asks_for_closing_and_then_for_deletion(sandbox, monkeypatch):
    for name in ("ledger_reference_instant", "ledger_reference_instant_for_reader"):
        monkeypatch.setattr(clock, name, lambda _: datetime(2027, 1, 3, tzinfo=UTC))
    folder, late = sandbox.project.folder, datetime(2027, 1, 2, tzinfo=UTC)
    assert project_retention_duties(sandbox.ledger, folder, "harbour", sandbox.now()) == []
    duties = project_retention_duties(sandbox.ledger, folder, "harbour", late, keep_days=30)
    assert [(duty.on, str(duty.why)) for duty in duties] == [
        ("2027-01-01", "expired, and still open"),
        ("2027-01-31", "its data are to be deleted by then"),
    ]
    sandbox.project.close(by=sandbox.custodian, at=late)
    sandbox.project.delete_project(by=sandbox.custodian, at=late)
    assert project_retention_duties(sandbox.ledger, folder, "harbour", late) == []


def test_a_deleted_project_holds_nothing_and_its_tokens_lead_to_nobody(sandbox, node):
    sandbox.submit(node, BY_SEX, n=ALL_BY_SEX)
    with pytest.raises(ProjectError, match="cannot follow"):
        sandbox.project.delete_project(by=sandbox.custodian, at=sandbox.now())
    sandbox.project.close(by=sandbox.custodian, at=sandbox.now())
    proof = sandbox.project.delete_project(by=sandbox.custodian, at=sandbox.now())
    assert proof.left == 0
    assert len(proof.files) >= 6
    assert list(sandbox.project.folder.iterdir()) == []
    assert sandbox.project.status()["state"] == ProjectState.DELETED
    last = project_ledger_activity_events(sandbox.ledger, "harbour")[-1]
    assert last.body["key"] == "destroyed"
    assert last.body["not-covered"].startswith("blocks that flash")
    with pytest.raises(ProjectError, match="without its key"):
        sandbox.project.opt_out("p1", "all", by=sandbox.custodian, at=sandbox.now())
    with pytest.raises(ProjectError):
        sandbox.project.reopen(by=sandbox.custodian, at=sandbox.now())


def test_a_deletion_that_was_interrupted_is_due_and_goes_on(sandbox, monkeypatch):
    import commonwatt.sandbox.usecases.projects.project as moves

    def cut(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(moves, "wipe", cut)
        with pytest.raises(KeyboardInterrupt):
            sandbox.project.delete_dataset("raw", by=sandbox.custodian, at=sandbox.now())
    waiting = project_retention_duties(
        sandbox.ledger, sandbox.project.folder, "harbour", sandbox.now()
    )
    assert [duty.what for duty in waiting] == ["dataset raw"]
    assert sandbox.project.delete_dataset("raw", by=sandbox.custodian, at=sandbox.now()).left == 0
    assert (
        project_retention_duties(sandbox.ledger, sandbox.project.folder, "harbour", sandbox.now())
        == []
    )


def test_what_is_wiped_is_overwritten_before_it_is_removed(tmp_path):
    (tmp_path / "folder" / "in").mkdir(parents=True)
    file = tmp_path / "folder" / "in" / "secret"
    file.write_text("CHAN Tai Man" * 200_000)
    with file.open("rb") as kept_open:  # the inode outlives its name
        proof = wipe([tmp_path / "folder", tmp_path / "nothing"])
        assert kept_open.read().strip(b"\0") == b""
    assert not (tmp_path / "folder").exists()
    assert proof.overwritten_bytes == 12 * 200_000
    assert len(proof.files[0]) == 64


def test_a_link_is_removed_and_not_followed(tmp_path):
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    assert wipe([tmp_path / "link"]).files == ()
    assert (tmp_path / "kept").read_text() == "kept"
    assert not (tmp_path / "link").is_symlink()
