"""Rooms and models through the console: what is seen, voted, released and reported."""

import hashlib
import json
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from commonwatt.clinic.io.registry import DeploymentStatus, RegistryWriter
from commonwatt.ledger import Key, Person, actor_id_of
from commonwatt.sandbox.domain.checks import CHECKS_OF_KIND
from commonwatt.sandbox.domain.job import OutputKind
from commonwatt.sandbox.io.imports.dataset import import_fhir
from commonwatt.sandbox.io.store import schema as rooms
from commonwatt.sandbox.io.store.opt_outs import ConsentScope
from commonwatt.sandbox.usecases.projects.project import JobSubmission, Project, ProjectFacts
from commonwatt.web.roles import ConsoleRole
from tests.clinic_factories import BODIES, BY, NAMES
from tests.sandbox_node import open_folder, proved_node
from tests.sandbox_project import ALL_BY_SEX, BY_SEX, _patient
from tests.web.console import HTML, running
from tests.web.sample import sample_store


def now():
    return datetime.now(UTC)


def enrol(desk, role):
    key = Key.generate()
    # The console is one for all tests of this file, and a name stands once in a role.
    person = Person(name=actor_id_of(key.public_key), role=role, organisation="HA", device="test")
    with desk.ledger.transaction() as tx:
        desk.ledger.enrol(tx, person, key.public_key, by=desk.entry_writer.key, at=now())
    return key


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("desks")
    sample_store(root / "runs")
    (root / "qmh.toml").write_text('institution = "qmh"\n')
    institution = {
        "institution": str(root / "qmh.toml"),
        "institution_secret": str(root / "institution.secret"),
    }
    with (
        open_folder() as folder,
        running(root / "runs", rooms=folder / "rooms", **institution) as console,
    ):
        yield console, folder


@pytest.fixture(scope="module")
def output(place):
    """An output that waits in the airlock of a room."""
    console, folder = place
    desk, custodian = console.desk, enrol(console.desk, "data-custodian")
    researcher = enrol(desk, "researcher")
    facts = ProjectFacts(
        name="heart", purpose="Heart failure", legal_basis="consent",
        scope=ConsentScope.AI_TRAINING,
        expires_on="2099-01-01",
    )  # fmt: skip
    (folder / "rooms").mkdir()
    room = Project.open(desk.ledger, folder / "rooms" / "heart", facts, by=custodian, at=now())
    source = folder / "Patient.ndjson"
    source.write_text("\n".join(_patient(i) for i in range(60)))
    room.import_dataset(lambda store: import_fhir([source], store, "raw"), by=custodian, at=now())
    _, report = room.deidentify("raw", "safe", by=custodian, at=now())
    room.sign_dataset_risk_report("safe", report.sha256, by=custodian, at=now())
    request = JobSubmission(
        code=BY_SEX, dataset="safe", tables=("Patient",), outputs={"n.csv": OutputKind.CSV},
        cohorts={"n.csv": ALL_BY_SEX},
    )  # fmt: skip
    done = room.submit(proved_node(folder / "node"), request, by=researcher, at=now())
    return done.outcome.outputs[0].sha256


def test_a_checker_sees_what_the_decision_rests_on_and_nothing_of_a_person(place, output):
    console, _ = place
    page = f"/rooms?room=heart&output={output}"
    code = hashlib.sha256(BY_SEX.encode()).hexdigest()
    with console.visitor(ConsoleRole.CHECKER) as checker:
        shown = checker.get(page, headers=HTML).text
        for seen in ("Heart failure", "consent", code, "approvals: 0 / 2", "60 · safe (Patient)"):
            assert seen in " ".join(shown.replace("</dt><dd>", " ").split()), seen
        assert shown.count('class="chip good">passed<') == len(CHECKS_OF_KIND[OutputKind.CSV])
        assert "No vote here" not in shown
        chinese = checker.get(f"{page}&lang=zh-Hant", headers=HTML).text
        assert chinese.count('class="chip good">通過<') == len(CHECKS_OF_KIND[OutputKind.CSV])
        basis = checker.get(page.replace("/rooms?", "/rooms.json?")).json()["data"]["basis"]
        assert basis["cells"] == 2
        assert basis["smallest_cell"] == 30
        assert basis["own_vote"] is None
    # Whom each cell counts is known beside it by tokens, of which none stands on the page.
    with console.desk.ledger.reading() as tx:
        people = {
            token for row in tx.execute(sa.select(rooms.cells)) for token in json.loads(row.people)
        }
    assert len(people) == 60
    assert not [token for token in people if token in shown or token in str(basis)]
    with console.visitor(ConsoleRole.CUSTODIAN) as custodian:
        assert "Only an output checker votes." in custodian.get(page, headers=HTML).text


def test_what_would_leave_is_seen_voted_on_by_two_and_released_byte_for_byte(place, output):
    console, _ = place
    page = f"/rooms?room=heart&output={output}"
    with console.visitor(ConsoleRole.CHECKER) as first:
        shown = first.get(page, headers=HTML).text
        assert "female,30" in shown
        assert "Approve these bytes" in shown
        assert first.get(f"/rooms/heart/outputs/{output}/bytes").content.startswith(b"gender,n")
        voted = first.post(f"/rooms/heart/outputs/{output}/vote", json={"approve": "yes"})
        assert voted.json()["state"] == "waiting"
        again = first.post(f"/rooms/heart/outputs/{output}/vote", json={"approve": "yes"})
        assert again.status_code == 409
        after = first.get(page, headers=HTML).text
        assert "Approve these bytes" not in after
        assert "<strong>your vote:</strong> approved" in after
        assert "You have voted on it; a vote is cast once." in after
    with console.visitor(ConsoleRole.CUSTODIAN) as custodian:
        assert custodian.post(f"/rooms/heart/outputs/{output}/release").status_code == 409
    with console.visitor(ConsoleRole.CHECKER, ConsoleRole.REGULATOR) as second:
        blind = second.get(page, headers=HTML).text
        assert "approvals: 1 / 2" in blind
        # How others voted is not shown to who has still to vote.
        assert ConsoleRole.CHECKER.value + ":" not in blind
        voted = second.post(f"/rooms/heart/outputs/{output}/vote", json={"approve": "yes"})
        assert voted.json()["state"] == "approved"
        decided = second.get(page, headers=HTML).text
        assert f"{ConsoleRole.CHECKER.value}: approved" in decided
        assert "It is decided: approved." in decided
    with console.visitor(ConsoleRole.CUSTODIAN) as custodian:
        left = custodian.post(f"/rooms/heart/outputs/{output}/release")
        assert left.content == b"gender,n\nfemale,30\nmale,30\n"
        state = custodian.get("/rooms/tables/outputs.json?room=heart").json()["data"]
    assert [row["state"] for row in state] == ["released"]
    kinds = [entry.kind for entry in console.desk.ledger.entries(subject="room/heart/")]
    assert kinds.count("sandbox.vote") == 2
    assert kinds.count("sandbox.release") == 1


@pytest.mark.parametrize(
    "role",
    [ConsoleRole.VIEWER, ConsoleRole.RESEARCHER, ConsoleRole.REGULATOR, ConsoleRole.CLINICIAN],
)
def test_no_other_role_sees_or_moves_an_output(place, output, role):
    console, _ = place
    base = f"/rooms/heart/outputs/{output}"
    with console.visitor(role) as visitor:
        assert visitor.get(f"/rooms?room=heart&output={output}").status_code == 403
        assert visitor.get(f"{base}/bytes").status_code == 403
        assert visitor.post(f"{base}/vote", json={"approve": "yes"}).status_code == 403
        assert visitor.post(f"{base}/release").status_code == 403
        assert visitor.post(f"{base}/recall", json={"reason": "consent"}).status_code == 403


def test_an_approved_output_is_taken_back_through_the_doors(place, output):
    console, folder = place
    data = b"gender,n\nfemale,30\n"
    approved = hashlib.sha256(data).hexdigest()
    (folder / "rooms" / "heart" / "outputs" / approved).write_bytes(data)
    with console.desk.ledger.transaction() as tx:
        tx.execute(sa.insert(rooms.outputs).values(
            room="heart", output=approved, job="j", name="m.csv", kind="csv",
            author="somebody", state="approved", stops="[]",
        ))  # fmt: skip
    with console.visitor(ConsoleRole.CHECKER) as checker:
        shown = checker.get(f"/rooms?room=heart&output={approved}", headers=HTML).text
        assert "Take it back, because" in shown
        base = f"/rooms/heart/outputs/{approved}"
        assert checker.post(f"{base}/recall", json={"reason": "whim"}).status_code >= 400
        taken = checker.post(f"{base}/recall", json={"reason": "wrong-figures"})
        assert taken.json()["state"] == "rejected"
        again = checker.post(f"{base}/recall", json={"reason": "wrong-figures"})
        assert again.status_code == 409
        gone = checker.post(f"/rooms/heart/outputs/{output}/recall", json={"reason": "consent"})
        assert gone.status_code == 409
        # Which remedy hangs on what the other tests of this module have done to that output.
        assert gone.json()["remedy"]


def test_an_incident_is_reported_and_says_who_must_be_told_by_when(place):
    console, _ = place
    keys = {role: enrol(console.desk, role) for role in set(BY.values()) - {"clinician"}}
    keys |= {role: enrol(console.desk, role) for role in ("committee-chair", "clinical-lead")}
    desk = RegistryWriter(console.desk.ledger)
    with desk.transaction() as tx:
        for kind, body in BODIES.items():
            desk.write_registry_record(tx, kind, NAMES[kind], body, by=keys[BY[kind]], at=now())
        for to, role in (
            (DeploymentStatus.APPROVED, "committee-chair"),
            (DeploymentStatus.LIVE, "clinical-lead"),
        ):
            desk.move_deployment(tx, "deployment/x", to, by=keys[role], at=now(), reason="test")
    given = {"deployment": "deployment/x", "severity": "death", "jurisdiction": "hk",
             "code": "missed-finding"}  # fmt: skip
    with console.visitor(ConsoleRole.CLINICIAN) as clinician:
        owed = clinician.post("/models/incidents", json=given).json()["duties"]
        assert [duty["rule"] for duty in owed] == ["hk.ae.death"]
        assert clinician.post("/models/incidents", json=given | {"code": "A B"}).status_code == 422
        shown = clinician.get("/models", headers=HTML).text
        assert "1 of 1 deployments are live" in shown
        assert "missed-finding" in shown
        file = clinician.get("/models/dossier?version=version/v1")
        assert file.headers["content-disposition"].startswith("attachment")
        assert "Chest" in file.text
    with console.visitor(ConsoleRole.RESEARCHER) as researcher:
        assert researcher.post("/models/incidents", json=given).status_code == 403
        assert "Tell a patient" not in researcher.get("/models", headers=HTML).text


def test_a_patient_is_told_on_the_page_under_the_clinicians_key_and_a_pseudonym(place):
    """After the one above, which puts the deployment on record."""
    console, _ = place
    told = {"deployment": "deployment/x", "encounter": "E-4711", "language": "zh-Hant"}
    with console.visitor(ConsoleRole.CLINICIAN) as clinician:
        shown = clinician.get("/models", headers=HTML).text
        assert "Tell a patient" in shown
        assert "電腦模型" in shown
        answer = clinician.post("/models/disclosures", json=told)
        assert answer.status_code == 201
        assert "電腦模型" in answer.json()["notice"]
        assert (
            clinician.post("/models/disclosures", json=told | {"encounter": ""}).status_code >= 400
        )
        for wrong in ({"deployment": "deployment/none"}, {"language": "tlh"}):
            assert clinician.post("/models/disclosures", json=told | wrong).status_code >= 400
    entry = list(console.desk.ledger.entries(kind="clinic.disclosure"))[-1]
    assert entry.subject == answer.json()["disclosure"]
    assert "4711" not in entry.text
    registry = RegistryWriter(console.desk.ledger).registry
    assert ("deployment/x", entry.body["encounter"]) in registry.disclosed
    with console.visitor(ConsoleRole.RESEARCHER) as researcher:
        assert researcher.post("/models/disclosures", json=told).status_code == 403


def test_an_entry_is_proved_and_the_whole_ledger_verified(place):
    console, _ = place
    with console.visitor(ConsoleRole.REGULATOR) as regulator:
        proof = regulator.get("/ledger.json?prove=0").json()["data"]["proof"]
        assert proof["holds"] is True
        shown = regulator.get("/ledger?verify=yes", headers=HTML).text
        assert "signatures hold" in shown
    with console.visitor(ConsoleRole.CUSTODIAN) as custodian:
        assert custodian.get("/ledger?verify=yes").status_code == 403
