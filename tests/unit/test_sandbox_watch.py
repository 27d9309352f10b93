"""The watch: what is unusual, who used which rows, what is due, and what a deletion proves."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from commonwatt.ledger import actor_id_of
from commonwatt.sandbox.domain.errors import ProjectError
from commonwatt.sandbox.domain.lifecycle import ProjectState
from commonwatt.sandbox.engines.privacy import measures
from commonwatt.sandbox.io.store.opt_outs import people_of
from commonwatt.sandbox.io.store.wipe import wipe
from commonwatt.sandbox.usecases.projects.activity import (
    ActivityThresholds,
    activity_alerts,
    activity_report,
    data_uses,
    events,
    retention_duties,
)
from tests.sandbox_house import ALL_BY_SEX, BY_SEX, House
from tests.sandbox_node import open_folder, proved_node

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def node():
    with open_folder() as folder:
        yield proved_node(folder / "node")


@pytest.fixture
def house():
    with open_folder() as folder:
        made = House(folder)
        made.sign()
        for person in ("", actor_id_of(made.researcher.public_key)):
            made.room.grant(1.0, person=person, by=made.custodian, at=made.now())
        made.room.set_preapproved_release(0.5, by=made.custodian, at=made.now())
        yield made


def _ask(house, epsilon=0.01, purpose="count"):
    def measure(dataset, gone):
        return measures.count(len(people_of([dataset.table("Patient")]) - gone)).answer(epsilon)

    return house.room.ask(
        "safe", measure, epsilon, tables=("Patient",), purpose=purpose, by=house.researcher,
        at=house.now(),
    )  # fmt: skip


def _rules(house, **changed):
    found = activity_alerts(house.ledger, "harbour", ActivityThresholds(**changed))
    me = actor_id_of(house.researcher.public_key)
    assert all(alert.actor == me for alert in found)
    return [alert.rule for alert in found]


def test_quiet_work_raises_no_alert(house, node):
    house.submit(node, BY_SEX, n=ALL_BY_SEX)
    _ask(house)
    _ask(house, purpose="another")
    assert _rules(house) == []


def test_jobs_begun_at_night_raise_an_alert_by_local_time(house, node):
    for _ in range(5):
        house.submit(node, "")
    assert _rules(house) == []  # the clock of the test stands at 16:00 in Hong Kong
    assert _rules(house, utc_offset_h=-4.0) == ["night jobs"]


def test_an_alert_is_raised_once_until_it_is_quiet_again(house, node):
    for _ in range(7):
        house.submit(node, "")
    house.now.at += 2 * DAY
    assert _rules(house, utc_offset_h=-4.0) == ["night jobs"]
    for _ in range(5):
        house.submit(node, "")
    assert _rules(house, utc_offset_h=-4.0) == ["night jobs", "night jobs"]


def test_outputs_refused_by_checks_or_checkers_raise_an_alert_on_their_author(house, node):
    for number in (1, 2):
        house.submit(node, f"open('/out/n.csv', 'w').write('gender,n\\nmale,{number}\\n')")
    assert _rules(house) == []
    fine = house.submit(node, BY_SEX, n=ALL_BY_SEX).ended.outputs[0].sha256
    house.room.vote(fine, approve=False, by=house.first, at=house.now())
    assert _rules(house) == ["refused outputs"]


def test_files_that_the_collector_kept_in_raise_an_alert(house, node):
    house.submit(node, "for i in range(3): open(f'/out/CHAN{i}', 'w')")
    assert _rules(house) == ["kept-in files"]


def test_a_budget_spent_fast_and_the_same_question_again_raise_alerts(house):
    _ask(house, 0.2)
    _ask(house, 0.3, purpose="other")
    assert _rules(house) == ["budget speed"]
    for _ in range(2):
        _ask(house, purpose="other")
    assert _rules(house) == ["budget speed", "like questions"]


def test_outputs_that_differ_in_a_few_people_raise_an_alert(house, node, tmp_path):
    from commonwatt.sandbox.engines.airlock.cohort import Cohort
    from commonwatt.sandbox.io.store.opt_outs import ConsentScope

    total = "open('/out/n.csv', 'w').write('n\\n60\\n')"
    house.release(
        house.submit(node, total, n=Cohort(table="Patient")).ended.outputs[0].sha256, tmp_path
    )
    house.room.opt_out("p1", ConsentScope.ALL, by=house.custodian, at=house.now())
    for word in ("a", "b"):
        code = f"open('/out/n.csv', 'w').write('n_{word}\\n60\\n')"
        house.submit(node, code, n=Cohort(table="Patient"))
    assert _rules(house) == ["like outputs"]


def test_every_use_is_on_record_with_person_tables_and_people(house, node):
    house.submit(node, BY_SEX, n=ALL_BY_SEX)
    _ask(house)
    job, question = data_uses(house.ledger, "harbour")
    assert (job["step"], question["step"]) == ("submit", "ask")
    assert job["actor"] == actor_id_of(house.researcher.public_key)
    assert (json.loads(job["tables"]), job["people"]) == (["Patient"], 60)
    assert job["people_sha256"] == question["people_sha256"]
    assert datetime.fromisoformat(job["at"]) < datetime.fromisoformat(question["at"])


def test_the_auditor_sees_steps_uses_and_alerts_and_no_person(house, node):
    house.submit(node, BY_SEX, n=ALL_BY_SEX)
    _ask(house)
    told = activity_report(house.ledger, house.room.folder, "harbour", house.now())
    steps = [step["step"] for step in told["steps"]]
    assert steps == [event.step for event in events(house.ledger, "harbour")]
    assert {"open", "import", "deidentify", "sign-risk", "submit", "ask", "lane"} <= set(steps)
    people = people_of([house.room.store / "safe" / "Patient.parquet"])
    text = json.dumps(told)
    assert not any(person in text for person in people)
    assert json.loads(text)["thresholds"]["night_jobs"] == 5


def test_expiry_asks_for_closing_and_then_for_deletion(house):
    folder, late = house.room.folder, datetime(2027, 1, 2, tzinfo=UTC)
    assert retention_duties(house.ledger, folder, "harbour", house.now()) == []
    found = retention_duties(house.ledger, folder, "harbour", late, keep_days=30)
    assert [(one.on, str(one.why)) for one in found] == [
        ("2027-01-01", "expired, and still open"),
        ("2027-01-31", "its data are to be deleted by then"),
    ]
    house.room.close(by=house.custodian, at=late)
    house.room.delete_project(by=house.custodian, at=late)
    assert retention_duties(house.ledger, folder, "harbour", late) == []


def test_a_deleted_room_holds_nothing_and_its_tokens_lead_to_nobody(house, node):
    house.submit(node, BY_SEX, n=ALL_BY_SEX)
    with pytest.raises(ProjectError, match="cannot follow"):
        house.room.delete_project(by=house.custodian, at=house.now())
    house.room.close(by=house.custodian, at=house.now())
    proof = house.room.delete_project(by=house.custodian, at=house.now())
    assert proof.left == 0
    assert len(proof.files) >= 6
    assert list(house.room.folder.iterdir()) == []
    assert house.room.status()["state"] == ProjectState.DELETED
    last = events(house.ledger, "harbour")[-1]
    assert last.body["key"] == "destroyed"
    assert last.body["not-covered"].startswith("blocks that flash")
    with pytest.raises(ProjectError, match="without its key"):
        house.room.opt_out("p1", "all", by=house.custodian, at=house.now())
    with pytest.raises(ProjectError):
        house.room.reopen(by=house.custodian, at=house.now())


def test_a_deletion_that_was_interrupted_is_due_and_goes_on(house, monkeypatch):
    import commonwatt.sandbox.usecases.projects.project as room

    def cut(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(room, "wipe", cut)
        with pytest.raises(KeyboardInterrupt):
            house.room.delete("raw", by=house.custodian, at=house.now())
    waiting = retention_duties(house.ledger, house.room.folder, "harbour", house.now())
    assert [one.what for one in waiting] == ["dataset raw"]
    assert house.room.delete("raw", by=house.custodian, at=house.now()).left == 0
    assert retention_duties(house.ledger, house.room.folder, "harbour", house.now()) == []


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
