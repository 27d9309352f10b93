"""What changes between the look and the act decides: real threads, on each database.

A ledger that lets another one in just before its transaction begins stands for the worst moment;
nothing here waits for a time.
"""

import hashlib
import threading
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.domain.errors import StatusMoveError
from commonwatt.clinic.io.registry import DeploymentStatus, RegistryWriter
from commonwatt.ledger import Key, Ledger, Person, actor_id_of
from commonwatt.ledger.verify import verify_ledger
from commonwatt.operate.domain.care.cases import MOVE
from commonwatt.operate.domain.care.errors import CareMoveError
from commonwatt.operate.domain.care.lifecycle import CareStage
from commonwatt.operate.engines.care.caretaker import Caretaker
from commonwatt.operate.engines.care.operator import CareOperator
from commonwatt.operate.io.care.journal import LedgerJournal
from commonwatt.operate.io.care.repairs import NoNodeTester
from commonwatt.sandbox.domain.errors import ProjectError, ProjectRoleError
from commonwatt.sandbox.domain.job import OutputKind
from commonwatt.sandbox.domain.lifecycle import OutputState, RecallReason
from commonwatt.sandbox.engines.airlock.cohort import Cohort
from commonwatt.sandbox.engines.isolation.collect import CollectedOutput
from commonwatt.sandbox.engines.isolation.node import JobEnding, JobOutcome
from commonwatt.sandbox.engines.privacy import measures
from commonwatt.sandbox.io.imports.dataset import import_fhir
from commonwatt.sandbox.io.store import schema as rooms
from commonwatt.sandbox.usecases.projects.project import JobSubmission, Project
from tests.clinic_factories import BODIES, NAMES, NOW, desk, move, put
from tests.databases import empty, postgresql
from tests.sandbox_node import open_folder
from tests.sandbox_project import SandboxProject
from tests.unit.test_operate_care_taker import cluster, finding


@pytest.fixture(scope="module")
def server():
    with postgresql() as url:
        yield url


class OvertakenLedger(Ledger):
    """Lets somebody else act, in a thread of their own, before its next transaction begins."""

    overtake = None

    def transaction(self):
        overtake, self.overtake = self.overtake, None
        if overtake:
            thread = threading.Thread(target=overtake)
            thread.start()
            thread.join()
        return super().transaction()


@pytest.fixture(params=["sqlite", "postgresql"])
def pair(request):
    """A sandbox, and the same project through a ledger that can be overtaken."""
    where = ""
    if request.param == "postgresql":
        where = request.getfixturevalue("server")
        empty(where)
    with open_folder() as folder:
        made = SandboxProject(folder, people=40, where=where)
        made.sign()
        late = OvertakenLedger.open(where or folder / "state.db")
        yield made, Project(late, made.project.folder, made.project.name)
        late.engine.dispose()
        made.ledger.engine.dispose()


def waiting_output(sandbox, state="waiting"):
    """Put an output on the project's shelf."""
    output = sandbox.project._store_output_bytes_and_return_sha256(f"n\n{state}\n".encode())
    with sandbox.ledger.transaction() as tx:
        tx.execute(sa.insert(rooms.outputs).values(
            room="harbour", output=output, job="j", name="n.csv", kind="csv",
            author="somebody", state=state, stops="[]",
        ))  # fmt: skip
    return output


def steps_of_open_project(sandbox, project, folder):
    """Return every step that needs an open project, as calls."""
    custodian = {"by": sandbox.custodian}
    waiting, approved, released = (
        waiting_output(sandbox, state) for state in ("waiting", "approved", "released")
    )
    lines = folder / "Patient.ndjson"
    return {
        "import": lambda at: project.import_dataset(
            lambda store: import_fhir([lines], store, f"more{at:%S}"), at=at, **custodian),
        "deidentify": lambda at: project.deidentify("raw", f"safe{at:%S}", at=at, **custodian),
        "lane": lambda at: project.set_preapproved_release(0.5, at=at, **custodian),
        "vote": lambda at: project.vote(waiting, approve=True, by=sandbox.first, at=at),
        "refuse": lambda at: project.vote(waiting, approve=False, by=sandbox.second, at=at),
        "release": lambda at: project.release(approved, folder / "out", at=at, **custodian),
        "again": lambda at: project.release(released, folder / "out", at=at, **custodian),
    }  # fmt: skip


STEPS = ("import", "deidentify", "lane", "vote", "refuse", "release", "again")


@pytest.mark.parametrize("name", STEPS)
def test_a_project_closed_between_look_and_act_lets_nothing_through(pair, name):
    sandbox, project = pair
    step = steps_of_open_project(sandbox, project, sandbox.project.folder.parent)[name]
    before = sandbox.project.status()
    project.ledger.overtake = lambda: sandbox.project.close(by=sandbox.custodian, at=sandbox.now())
    with pytest.raises(ProjectError, match="not open"):
        step(sandbox.now())
    assert sandbox.project.status() == before | {"state": "closed"}
    assert [entry.kind for entry in sandbox.ledger.entries()][-1] == "sandbox.close"
    assert not (sandbox.project.folder.parent / "out").exists()
    sandbox.project.reopen(by=sandbox.custodian, at=sandbox.now())
    step(sandbox.now())
    verify_ledger(sandbox.ledger)


@pytest.mark.parametrize("closes", [False, True])
def test_an_answer_paid_for_before_the_closing_waits_for_votes(pair, closes):
    sandbox, project = pair
    person = {"by": sandbox.researcher}
    for who in ("", actor_id_of(sandbox.researcher.public_key)):
        project.set_privacy_budget(2.0, person=who, by=sandbox.custodian, at=sandbox.now())
    project.set_preapproved_release(0.5, by=sandbox.custodian, at=sandbox.now())

    def measure(dataset, gone):
        if closes:
            sandbox.project.close(by=sandbox.custodian, at=sandbox.now())
        return measures.noisy_count_query(40).answer(0.5)

    result = project.query("safe", measure, 0.5, purpose="count", at=sandbox.now(), **person)
    assert result.state is (OutputState.WAITING if closes else OutputState.RELEASED)
    assert (result.answer is None) is closes


def test_a_dataset_deleted_between_look_and_act_is_not_used_or_copied(pair):
    sandbox, project = pair

    def delete(name):
        return lambda: sandbox.project.delete_dataset(name, by=sandbox.custodian, at=sandbox.now())

    project.ledger.overtake = delete("raw")
    with pytest.raises(ProjectError, match="deleted"):
        project.deidentify("raw", "copy", by=sandbox.custodian, at=sandbox.now())
    names = [row["dataset"] for row in sandbox.project.status()["datasets"]]
    assert "copy" not in names
    project.set_privacy_budget(2.0, by=sandbox.custodian, at=sandbox.now())
    project.ledger.overtake = delete("safe")
    with pytest.raises(ProjectError, match="deleted"):
        project.query("safe", lambda *_: pytest.fail("read"), 0.5, purpose="count",
                      by=sandbox.researcher, at=sandbox.now())  # fmt: skip


def test_a_job_that_ends_after_its_project_closed_leaves_its_outputs_waiting(pair):
    sandbox, project = pair

    class ClosingRunner:
        """Stands for any node: the project is closed while the job runs on it."""

        def environment(self, language):
            return {}

        def run(self, job, *, to):
            sandbox.project.close(by=sandbox.custodian, at=sandbox.now())
            data = b"n\n40\n"
            sha256 = hashlib.sha256(data).hexdigest()
            (to / sha256).write_bytes(data)
            output = CollectedOutput(
                name="n.csv", kind=OutputKind.CSV, sha256=sha256, size_bytes=len(data),
                path=to / sha256,
            )  # fmt: skip
            return JobOutcome(
                ending=JobEnding.DONE,
                exit_code=0,
                wall_s=0.0,
                cpu_s=0.0,
                memory_peak_bytes=0,
                outputs=(output,),
                refusals={},
                log=b"",
                log_cut=False,
            )

    request = JobSubmission(code="", dataset="safe", tables=("Patient",),
                            outputs={"n.csv": OutputKind.CSV},
                            cohorts={"n.csv": Cohort(table="Patient")})  # fmt: skip
    result = project.submit(ClosingRunner(), request, by=sandbox.researcher, at=sandbox.now())
    assert result.states == {"n.csv": OutputState.WAITING}, result.stops
    [output] = sandbox.project.status()["outputs"]
    with pytest.raises(ProjectError, match="not open"):
        project.vote(output["output"], approve=True, by=sandbox.first, at=sandbox.now())
    bodies = [e.body.get("state") for e in sandbox.ledger.entries(kind="sandbox.submit")]
    assert bodies == ["started", "done"]
    with pytest.raises(ProjectError, match="not open"):
        project.submit(ClosingRunner(), request, by=sandbox.researcher, at=sandbox.now())


def test_an_approved_output_is_recalled_and_a_released_one_is_not(pair):
    sandbox, project = pair
    approved, released = (waiting_output(sandbox, s) for s in ("approved", "released"))
    out = sandbox.project.folder.parent / "out"

    def recall(output, by):
        return project.recall_output(output, RecallReason.DISCLOSURE_RISK, by=by, at=sandbox.now())

    for key in (sandbox.researcher, sandbox.auditor):
        with pytest.raises(ProjectRoleError, match="output-checker"):
            recall(approved, key)
    sandbox.project.close(by=sandbox.custodian, at=sandbox.now())
    assert recall(approved, sandbox.first) is OutputState.REJECTED
    entry = list(sandbox.ledger.entries(kind="sandbox.recall"))[-1]
    assert entry.body == {"reason": "disclosure-risk", "state": "rejected"}
    sandbox.project.reopen(by=sandbox.custodian, at=sandbox.now())
    with pytest.raises(ProjectError, match="rejected, from which released cannot follow"):
        project.release(approved, out, by=sandbox.custodian, at=sandbox.now())
    with pytest.raises(ProjectError, match="ask whoever received it to destroy it"):
        recall(released, sandbox.custodian)
    assert not out.exists()


@pytest.mark.parametrize(("state", "code"), [("approved", 0), ("released", 71)])
def test_an_output_is_recalled_from_the_command_line(state, code, capsys):
    with open_folder() as folder:
        sandbox = SandboxProject(folder, people=40)
        output = waiting_output(sandbox, state)
        sandbox.first.save(folder / "checker.pem")
        sandbox.ledger.engine.dispose()
        command = ["sandbox", "project", "recall", "harbour", output, "--because", "consent"]
        where = ["--ledger", str(folder / "state.db"), "--rooms", str(folder), "--json"]
        assert run_main(root, [*command, *where, "--key", str(folder / "checker.pem")]) == code
        shown = capsys.readouterr()
        assert '"state": "rejected"' in shown.out or "destroy it" in shown.err + shown.out


def test_recall_and_release_at_once_let_one_of_them_through(pair):
    sandbox, project = pair
    out = sandbox.project.folder.parent / "out"
    approved = waiting_output(sandbox, "approved")
    how = {"by": sandbox.custodian}
    project.ledger.overtake = lambda: sandbox.project.recall_output(
        approved, RecallReason.CONSENT, at=sandbox.now(), **how
    )
    with pytest.raises(ProjectError, match="rejected"):
        project.release(approved, out, at=sandbox.now(), **how)
    assert not out.exists()


def test_an_approval_withdrawn_by_another_writer_stops_the_move(tmp_path):
    url = f"sqlite:///{tmp_path}/clinic.db"
    first = desk(url)
    for kind, body in BODIES.items():
        put(first, kind, NAMES[kind], body)
    move(first, DeploymentStatus.APPROVED, "committee-chair")
    late = RegistryWriter(OvertakenLedger.open(url))
    withdrawn = BODIES["determination"] | {"outcome": "withdrawn"}
    late.ledger.overtake = lambda: put(first, "determination", "w", withdrawn)
    with pytest.raises(StatusMoveError, match="in force"):
        move(late, DeploymentStatus.LIVE, "clinical-lead")
    move(late, DeploymentStatus.RETIRED, "clinical-lead")


@pytest.fixture
def journals(tmp_path):
    """Journals of care and of an operator; care's can be overtaken."""
    where, keys = tmp_path / "care.db", {}
    ledger = Ledger.open(where)
    registrar = Key.from_seed(bytes(32))
    who = Person(name="r", role="registrar", organisation="O", device="d")
    ledger.enrol_first_registrar(registrar, who, at=NOW)
    for i, role in enumerate(("care", "operator")):
        keys[role] = Key.from_seed(bytes([i + 1]) * 32)
        with ledger.transaction() as tx:
            person = Person(name=role, role=role, organisation="O", device="d")
            ledger.enrol(tx, person, keys[role].public_key, by=registrar, at=NOW)
    late = OvertakenLedger.open(where)

    def clock():
        return datetime(2026, 11, 25, tzinfo=UTC)

    yield LedgerJournal(late, keys["care"], clock), LedgerJournal(ledger, keys["operator"], clock)
    late.engine.dispose()
    ledger.engine.dispose()


def test_care_gives_way_to_an_operator_who_was_faster_and_goes_on(journals):
    ours, theirs = journals
    backend = cluster()
    care, person = Caretaker(backend, ours), CareOperator(backend, theirs, NoNodeTester())
    ours._ledger.overtake = lambda: person.move_node(
        "n1", CareStage.WATCHED, reason="seen", now_s=backend.now_s
    )
    assert care.step([finding("n1")]) == []
    assert care.cases.cases["n1"].stage is CareStage.WATCHED
    [step] = care.step([finding("n1")])
    assert (step.origin, step.to) == (CareStage.WATCHED, CareStage.DRAINED)
    moves = [entry.body["to"] for _, entry in theirs.entries_after(0) if entry.kind == MOVE]
    assert moves == ["watched", "drained"]


def test_an_operator_who_was_overtaken_is_told(journals):
    theirs, ours = journals[1], journals[0]
    backend = cluster()
    slow = CareOperator(backend, ours, NoNodeTester())  # signs as care; overtaken by a person
    other = CareOperator(backend, theirs, NoNodeTester())
    ours._ledger.overtake = lambda: other.move_node(
        "n1", CareStage.DRAINED, reason="first", now_s=backend.now_s
    )
    with pytest.raises(CareMoveError, match="somebody acted meanwhile"):
        slow.move_node("n1", CareStage.WATCHED, reason="second", now_s=backend.now_s)
    assert len(list(theirs.entries_after(0))) == 1
