"""Rooms: who may do what, what a killed step leaves, and that no one who said no is seen."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.ledger import ActorError, Key, Ledger, Person
from commonwatt.sandbox.airlock.cohort import Cohort
from commonwatt.sandbox.errors import BudgetError, RoleError, RoomError
from commonwatt.sandbox.imports.dataset import import_fhir
from commonwatt.sandbox.isolate.job import Kind
from commonwatt.sandbox.privacy import measures
from commonwatt.sandbox.rooms import consent
from commonwatt.sandbox.rooms.consent import Scope, left_out, reaches, record, view
from commonwatt.sandbox.rooms.moves import (
    DATASET_MOVES,
    MAY,
    OUTPUT_MOVES,
    ROOM_MOVES,
    DatasetState,
    OutputState,
    Role,
    RoomState,
)
from commonwatt.sandbox.rooms.room import Facts, Request, Room, prepare
from tests.sandbox_node import open_folder, proved_node

START = datetime(2026, 11, 22, 8, tzinfo=UTC)
ROLES = ("data-custodian", "researcher", "output-checker", "output-checker", "auditor")
FACTS = Facts(name="harbour", purpose="a test", legal_basis="consent", scope=Scope.AI_TRAINING,
              expires_on="2027-01-01")  # fmt: skip


class Clock:
    """Hands out moments that never go back."""

    def __init__(self):
        self.at = START

    def __call__(self):
        self.at += timedelta(seconds=1)
        return self.at


class House:
    """A ledger with one person in each role, and a room with a signed dataset."""

    def __init__(self, folder: Path, people: int = 60):
        self.now = Clock()
        self.ledger = Ledger.open(folder / "state.db")
        registrar = Key.from_seed(bytes(32))
        self.ledger.found(registrar, _person("registrar", 0), at=self.now())
        self.keys = [Key.from_seed(bytes([1 + i]) * 32) for i in range(len(ROLES))]
        with self.ledger.transaction() as tx:
            for i, role in enumerate(ROLES):
                self.ledger.enrol(
                    tx, _person(role, i), self.keys[i].public_key, by=registrar, at=self.now()
                )
        self.custodian, self.researcher, self.first, self.second, self.auditor = self.keys
        self.room = Room.open(self.ledger, folder / "room", FACTS, by=self.custodian, at=self.now())
        lines = [_patient(i) for i in range(people)]
        (folder / "Patient.ndjson").write_text("\n".join(lines))
        self.room.take_in(
            lambda store: import_fhir([folder / "Patient.ndjson"], store, "raw"),
            by=self.custodian, at=self.now(),
        )  # fmt: skip
        _, report = self.room.deidentify("raw", "safe", by=self.custodian, at=self.now())
        self.report = report

    def sign(self):
        self.room.sign_risk("safe", self.report.sha256, by=self.custodian, at=self.now())

    def submit(self, node, code, **cohorts):
        request = Request(
            code=code, dataset="safe", tables=("Patient",),
            outputs={"n.csv": Kind.CSV}, cohorts={"n.csv": cohorts["n"]} if cohorts else {},
        )  # fmt: skip
        return self.room.submit(node, request, by=self.researcher, at=self.now())


def _patient(number):
    facts = {"resourceType": "Patient", "id": f"p{number}", "birthDate": "1960-01-01"}
    return json.dumps(facts | {"gender": ("male", "female")[number % 2]})


def _person(role, number):
    return Person(name=f"{role} {number}", role=role, organisation="HA", device="test")


@pytest.fixture
def house():
    with open_folder() as folder:
        yield House(folder)


@pytest.fixture(scope="module")
def node():
    with open_folder() as folder:
        yield proved_node(folder / "node")


BY_SEX = (
    "import polars as pl\nt = pl.read_parquet('/data/patient')\n"
    "t.group_by('gender').len('n').sort('gender').write_csv('/out/n.csv')"
)
ALL_BY_SEX = Cohort(table="Patient", by=("gender",))


def test_every_state_has_its_moves_and_every_step_its_roles():
    for states, moves in (
        (RoomState, ROOM_MOVES), (DatasetState, DATASET_MOVES), (OutputState, OUTPUT_MOVES),
    ):  # fmt: skip
        assert set(states) == set(moves)
        assert all(to <= set(states) for to in moves.values())
    assert all(roles and Role.AUDITOR not in roles for roles in MAY.values())
    assert not MAY["vote"] & MAY["submit"]


def test_an_output_leaves_only_after_two_strangers_saw_its_bytes(house, node, tmp_path):
    house.sign()
    done = house.submit(node, BY_SEX, n=ALL_BY_SEX)
    assert done.states == {"n.csv": OutputState.WAITING}, done.stops
    output = done.ended.outputs[0].sha256
    assert house.room.bytes_of(output) == b"gender,n\nfemale,30\nmale,30\n"
    with pytest.raises(RoomError, match="cannot follow"):
        house.room.release(output, tmp_path, by=house.custodian, at=house.now())
    with pytest.raises(RoleError):
        house.room.vote(output, approve=True, by=house.researcher, at=house.now())
    house.room.vote(output, approve=True, by=house.first, at=house.now())
    with pytest.raises(RoleError, match="already"):
        house.room.vote(output, approve=True, by=house.first, at=house.now())
    assert list(tmp_path.iterdir()) == []
    house.room.vote(output, approve=True, by=house.second, at=house.now())
    left = house.room.release(output, tmp_path, by=house.custodian, at=house.now())
    assert left.read_bytes() == house.room.bytes_of(output)
    again = house.room.release(output, tmp_path, by=house.custodian, at=house.now())
    assert again == left
    kinds = [entry.kind for entry in house.ledger.entries()]
    assert kinds.count("sandbox.release") == 1
    assert kinds.count("sandbox.vote") == 2


def test_changed_bytes_cannot_be_released(house, node, tmp_path):
    house.sign()
    output = house.submit(node, BY_SEX, n=ALL_BY_SEX).ended.outputs[0].sha256
    for checker in (house.first, house.second):
        house.room.vote(output, approve=True, by=checker, at=house.now())
    (house.room.folder / "outputs" / output).write_bytes(b"gender,n\nfemale,31\n")
    with pytest.raises(RoomError, match="other than those collected"):
        house.room.release(output, tmp_path, by=house.custodian, at=house.now())


def test_counts_cannot_pass_the_guard_as_json(house, node):
    house.sign()
    request = Request(
        code="open('/out/n.json', 'w').write('{\"n\": 60}')",
        dataset="safe",
        tables=("Patient",),
        outputs={"n.json": Kind.JSON},
    )
    done = house.room.submit(node, request, by=house.researcher, at=house.now())
    assert [stop.rule for stop in done.stops["n.json"]] == ["declaration"]


def test_one_refusal_is_enough(house, node):
    house.sign()
    output = house.submit(node, BY_SEX, n=ALL_BY_SEX).ended.outputs[0].sha256
    state = house.room.vote(output, approve=False, by=house.first, at=house.now())
    assert state is OutputState.REJECTED
    with pytest.raises(RoomError):
        house.room.vote(output, approve=True, by=house.second, at=house.now())


def test_counts_of_undeclared_or_other_people_are_stopped(house, node):
    house.sign()
    undeclared = house.submit(node, BY_SEX)
    assert [stop.rule for stop in undeclared.stops["n.csv"]] == ["declaration"]
    false = BY_SEX.replace(".write_csv", ".with_columns(n=pl.col('n') + 20).write_csv")
    lied = house.submit(node, false, n=ALL_BY_SEX)
    assert "declaration" in [stop.rule for stop in lied.stops["n.csv"]]


def test_the_same_people_but_one_cannot_be_released_beside_them(house, node, tmp_path):
    """A released total, then one person opts out, then the total once more."""
    house.sign()
    total = "import polars as pl\nopen('/out/n.csv','w').write('n\\n60\\n')"
    everyone = Cohort(table="Patient")
    output = house.submit(node, total, n=everyone).ended.outputs[0].sha256
    for checker in (house.first, house.second):
        house.room.vote(output, approve=True, by=checker, at=house.now())
    house.room.release(output, tmp_path, by=house.custodian, at=house.now())
    house.room.opt_out("p7", Scope.ALL, by=house.custodian, at=house.now())
    again = house.submit(node, total + "  # once more", n=everyone)
    assert "differencing" in [stop.rule for stop in again.stops["n.csv"]]


def test_no_job_runs_on_data_that_nobody_signed_for(house, node):
    with pytest.raises(RoomError, match="de-identified"):
        house.submit(node, BY_SEX)
    with pytest.raises(RoomError, match="risk report"):
        house.room.sign_risk("safe", "0" * 64, by=house.custodian, at=house.now())
    for key in (house.researcher, house.auditor):
        with pytest.raises(ActorError):
            house.room.sign_risk("safe", house.report.sha256, by=key, at=house.now())


def test_a_closed_or_expired_room_lets_no_one_work(house, node):
    house.sign()
    late = datetime(2027, 1, 2, tzinfo=UTC)
    request = Request(code="", dataset="safe", tables=("Patient",), outputs={})
    with pytest.raises(RoomError, match="expired"):
        house.room.submit(node, request, by=house.researcher, at=late)
    house.room.close(by=house.custodian, at=house.now())
    with pytest.raises(RoomError, match="not open"):
        house.room.submit(node, request, by=house.researcher, at=house.now())


def test_a_question_is_paid_for_before_it_is_answered(house):
    house.sign()
    from commonwatt.ledger import actor_id_of

    person = actor_id_of(house.researcher.public_key)
    house.room.grant(1.0, by=house.custodian, at=house.now())
    house.room.grant(0.6, person=person, by=house.custodian, at=house.now())

    def asked(dataset, gone):
        rows = pl.read_parquet(view(dataset.table("Patient"), gone, house.room.folder / "views"))
        return measures.count(rows.height).answer(0.5)

    house.room.set_lane(0.5, by=house.custodian, at=house.now())
    found = house.room.ask(
        "safe", asked, 0.5, purpose="count", by=house.researcher, at=house.now()
    )
    assert found.state is OutputState.RELEASED
    assert abs(found.answer.values[0] - 60) < 60
    with pytest.raises(BudgetError, match="0.1 of epsilon left"):
        house.room.ask("safe", asked, 0.5, purpose="count", by=house.researcher, at=house.now())


def test_what_is_deleted_is_gone_and_on_record(house):
    house.room.delete("raw", by=house.custodian, at=house.now())
    assert not (house.room.store / "raw").exists()
    begun, done = list(house.ledger.entries())[-2:]
    assert (begun.kind, done.kind) == ("sandbox.delete", "sandbox.delete")
    assert begun.body["files"]["Patient.parquet"] in done.body["wiped-sha256"]
    assert done.body["left"] == 0
    assert done.body["overwritten-bytes"] > 0


def test_no_person_of_the_data_stands_in_the_ledger_or_the_status(house, node):
    house.sign()
    house.room.opt_out("p7", Scope.ALL, by=house.custodian, at=house.now())
    house.submit(node, "print(open('/data/patient', 'rb').read())", n=ALL_BY_SEX)
    told = json.dumps([entry.text for entry in house.ledger.entries()])
    told += json.dumps(house.room.status(), default=str)
    safe = pl.read_parquet(house.room.store / "safe" / "Patient.parquet")
    people = [*(f'"p{i}"' for i in range(60)), *safe["patient_id"].to_list()]
    assert not any(person in told for person in people)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from(list(Scope)), st.booleans()),
        max_size=25,
    ),
    st.sampled_from(list(Scope)),
)
def test_after_any_history_no_use_sees_a_person_who_said_no(history, use):
    ledger = Ledger.open("sqlite://")
    prepare(ledger)
    last = {}
    with open_folder() as folder:
        table = folder / "t.parquet"
        pl.DataFrame({"patient_id": list("abcdef"), "x": range(6)}).write_parquet(table)
        for person, scope, out in history:
            with ledger.transaction() as tx:
                record(tx, "room", person, scope, out=out)
            last[person, scope] = out
            with ledger.reading() as tx:
                gone = left_out(tx, "room", use)
            said_no = {p for (p, s), no in last.items() if no and reaches(s, use)}
            seen = set(pl.read_parquet(view(table, gone, folder / "views"))["patient_id"])
            assert seen == set("abcdef") - said_no


def test_scopes_reach_what_they_say():
    assert reaches(consent.Scope.ALL, Scope.GENOMICS)
    assert reaches(Scope.GENOMICS, Scope.GENOMICS)
    assert not reaches(Scope.AI_TRAINING, Scope.RESEARCH)


def test_an_opt_out_reaches_the_next_job_and_the_next_copy(house, node):
    house.sign()
    house.room.opt_out("p7", Scope.RESEARCH, by=house.custodian, at=house.now())
    house.room.opt_out("p8", Scope.GENOMICS, by=house.custodian, at=house.now())
    count = "import polars as pl\nn = pl.read_parquet('/data/patient').height\n"
    count += "open('/out/n.csv', 'w').write(f'x\\n{n}\\n')"
    done = house.submit(node, count)
    assert done.ended.outputs[0].path.read_text() == "x\n59\n"
    copy, _ = house.room.deidentify("raw", "later", by=house.custodian, at=house.now())
    assert copy.rows["Patient"] == 59
