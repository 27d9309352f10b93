"""Rooms: who may do what, what a killed step leaves, and that no one who said no is seen."""

import json
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.ledger import ActorError, Ledger
from commonwatt.sandbox.domain.errors import PrivacyBudgetError, ProjectError, ProjectRoleError
from commonwatt.sandbox.domain.job import OutputKind
from commonwatt.sandbox.domain.lifecycle import (
    DATASET_MOVES,
    OUTPUT_MOVES,
    PROJECT_MOVES,
    STEP_ROLES,
    DatasetState,
    OutputState,
    ProjectRole,
    ProjectState,
)
from commonwatt.sandbox.engines.airlock.cohort import Cohort
from commonwatt.sandbox.engines.privacy import measures
from commonwatt.sandbox.io.store import opt_outs as consent
from commonwatt.sandbox.io.store.opt_outs import (
    ConsentScope,
    excluded_people,
    filtered_table,
    opt_out_reaches,
    record_opt_out,
)
from commonwatt.sandbox.usecases.projects.project import JobSubmission, prepare_tables
from tests.databases import empty, postgresql
from tests.sandbox_house import ALL_BY_SEX, BY_SEX, House
from tests.sandbox_node import open_folder, proved_node


@pytest.fixture(scope="module")
def server():
    with postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request):
    """A house on each database."""
    where = ""
    if request.param == "postgresql":
        where = request.getfixturevalue("server")
        empty(where)
    with open_folder() as folder:
        made = House(folder, where=where)
        yield made
        made.ledger.engine.dispose()


@pytest.fixture(scope="module")
def node():
    with open_folder() as folder:
        yield proved_node(folder / "node")


def test_every_state_has_its_moves_and_every_step_its_roles():
    for states, moves in (
        (ProjectState, PROJECT_MOVES), (DatasetState, DATASET_MOVES), (OutputState, OUTPUT_MOVES),
    ):  # fmt: skip
        assert set(states) == set(moves)
        assert all(to <= set(states) for to in moves.values())
    assert all(roles and ProjectRole.AUDITOR not in roles for roles in STEP_ROLES.values())
    assert not STEP_ROLES["vote"] & STEP_ROLES["submit"]


def test_an_output_leaves_only_after_two_strangers_saw_its_bytes(house, node, tmp_path):
    house.sign()
    done = house.submit(node, BY_SEX, n=ALL_BY_SEX)
    assert done.states == {"n.csv": OutputState.WAITING}, done.stops
    output = done.ended.outputs[0].sha256
    assert house.room.bytes_of(output) == b"gender,n\nfemale,30\nmale,30\n"
    with pytest.raises(ProjectError, match="cannot follow"):
        house.room.release(output, tmp_path, by=house.custodian, at=house.now())
    with pytest.raises(ProjectRoleError):
        house.room.vote(output, approve=True, by=house.researcher, at=house.now())
    house.room.vote(output, approve=True, by=house.first, at=house.now())
    with pytest.raises(ProjectRoleError, match="already"):
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
    with pytest.raises(ProjectError, match="other than those collected"):
        house.room.release(output, tmp_path, by=house.custodian, at=house.now())


def _json(house, node, text, **cohorts):
    request = JobSubmission(
        code=f"open('/out/n.json', 'w').write({text!r})", dataset="safe", tables=("Patient",),
        outputs={"n.json": OutputKind.JSON},
        cohorts={"n.json": cohorts["n"]} if cohorts else {},
    )  # fmt: skip
    done = house.room.submit(node, request, by=house.researcher, at=house.now())
    return [stop.rule for stop in done.stops["n.json"]], done.ended.outputs[0].sha256


def test_counts_in_json_pass_the_same_guard(house, node, tmp_path):
    house.sign()
    assert _json(house, node, '{"n": 60}')[0] == ["declaration"]
    assert _json(house, node, '{"n": 45}', n=Cohort(table="Patient"))[0] == ["declaration"]
    for text in ('{"female": {"n": 30}, "male": {"n": 30}}', '[{"gender": "male", "n": 30}]'):
        assert _json(house, node, text, n=ALL_BY_SEX)[0] == []
    assert _json(house, node, '{"n": [30, 30]}', n=ALL_BY_SEX)[0] == ["declaration"]
    rules, output = _json(house, node, '{"all": 60}', n=Cohort(table="Patient"))
    assert rules == []
    house.release(output, tmp_path)
    house.room.opt_out("p7", ConsentScope.ALL, by=house.custodian, at=house.now())
    again, _ = _json(house, node, '{"everybody": 60}', n=Cohort(table="Patient"))
    assert again == ["differencing"]


def test_a_count_under_another_name_is_a_count(house, node):
    house.sign()
    for name in ("x", "thing", "m"):
        done = house.submit(node, f"open('/out/n.csv', 'w').write('{name}\\n59\\n')")
        assert "declaration" in [stop.rule for stop in done.stops["n.csv"]], name


def test_each_column_of_counts_needs_its_own_people(house, node):
    house.sign()
    code = "open('/out/n.csv', 'w').write('gender,n,women\\nfemale,30,30\\nmale,30,0\\n')"
    women = Cohort(table="Patient", by=("gender",), where=(("gender", "=", "female"),))

    def stops(cohorts):
        request = JobSubmission(code=code, dataset="safe", tables=("Patient",),
                          outputs={"n.csv": OutputKind.CSV}, cohorts=cohorts)  # fmt: skip
        done = house.room.submit(node, request, by=house.researcher, at=house.now())
        return [stop.rule for stop in done.stops["n.csv"]]

    assert stops({"n.csv:n": ALL_BY_SEX, "n.csv:women": women}) == []
    assert stops({"n.csv:n": ALL_BY_SEX}) == ["declaration"]


def test_one_refusal_is_enough(house, node):
    house.sign()
    output = house.submit(node, BY_SEX, n=ALL_BY_SEX).ended.outputs[0].sha256
    state = house.room.vote(output, approve=False, by=house.first, at=house.now())
    assert state is OutputState.REJECTED
    with pytest.raises(ProjectError):
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
    house.room.opt_out("p7", ConsentScope.ALL, by=house.custodian, at=house.now())
    again = house.submit(node, total + "  # once more", n=everyone)
    assert "differencing" in [stop.rule for stop in again.stops["n.csv"]]


def test_no_job_runs_on_data_that_nobody_signed_for(house, node):
    with pytest.raises(ProjectError, match="de-identified"):
        house.submit(node, BY_SEX)
    with pytest.raises(ProjectError, match="risk report"):
        house.room.sign_risk("safe", "0" * 64, by=house.custodian, at=house.now())
    for key in (house.researcher, house.auditor):
        with pytest.raises(ActorError):
            house.room.sign_risk("safe", house.report.sha256, by=key, at=house.now())


def test_a_closed_or_expired_room_lets_no_one_work(house, node):
    house.sign()
    late = datetime(2027, 1, 2, tzinfo=UTC)
    request = JobSubmission(code="", dataset="safe", tables=("Patient",), outputs={})
    with pytest.raises(ProjectError, match="expired"):
        house.room.submit(node, request, by=house.researcher, at=late)
    house.room.close(by=house.custodian, at=house.now())
    with pytest.raises(ProjectError, match="not open"):
        house.room.submit(node, request, by=house.researcher, at=house.now())


def test_a_question_is_paid_for_before_it_is_answered(house):
    house.sign()
    from commonwatt.ledger import actor_id_of

    person = actor_id_of(house.researcher.public_key)
    house.room.grant(1.0, by=house.custodian, at=house.now())
    house.room.grant(0.6, person=person, by=house.custodian, at=house.now())

    def asked(dataset, gone):
        rows = pl.read_parquet(
            filtered_table(dataset.table("Patient"), gone, house.room.folder / "views")
        )
        return measures.count(rows.height).answer(0.5)

    house.room.set_preapproved_release(0.5, by=house.custodian, at=house.now())
    found = house.room.ask("safe", asked, 0.5, purpose="count", by=house.researcher, at=house.now())
    assert found.state is OutputState.RELEASED
    assert abs(found.answer.values[0] - 60) < 60
    with pytest.raises(PrivacyBudgetError, match="0.1 of epsilon left"):
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
    house.room.opt_out("p7", ConsentScope.ALL, by=house.custodian, at=house.now())
    house.submit(node, "print(open('/data/patient', 'rb').read())", n=ALL_BY_SEX)
    told = json.dumps([entry.text for entry in house.ledger.entries()])
    told += json.dumps(house.room.status(), default=str)
    safe = pl.read_parquet(house.room.store / "safe" / "Patient.parquet")
    people = [*(f'"p{i}"' for i in range(60)), *safe["patient_id"].to_list()]
    assert not any(person in told for person in people)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from(list(ConsentScope)), st.booleans()),
        max_size=25,
    ),
    st.sampled_from(list(ConsentScope)),
)
def test_after_any_history_no_use_sees_a_person_who_said_no(history, use):
    ledger = Ledger.open("sqlite://")
    prepare_tables(ledger)
    last = {}
    with open_folder() as folder:
        table = folder / "t.parquet"
        pl.DataFrame({"patient_id": list("abcdef"), "x": range(6)}).write_parquet(table)
        for person, scope, out in history:
            with ledger.transaction() as tx:
                record_opt_out(tx, "room", person, scope, out=out)
            last[person, scope] = out
            with ledger.reading() as tx:
                gone = excluded_people(tx, "room", use)
            said_no = {p for (p, s), no in last.items() if no and opt_out_reaches(s, use)}
            seen = set(pl.read_parquet(filtered_table(table, gone, folder / "views"))["patient_id"])
            assert seen == set("abcdef") - said_no


def test_scopes_reach_what_they_say():
    assert opt_out_reaches(consent.ConsentScope.ALL, ConsentScope.GENOMICS)
    assert opt_out_reaches(ConsentScope.GENOMICS, ConsentScope.GENOMICS)
    assert not opt_out_reaches(ConsentScope.AI_TRAINING, ConsentScope.RESEARCH)


def test_an_opt_out_reaches_the_next_job_and_the_next_copy(house, node):
    house.sign()
    house.room.opt_out("p7", ConsentScope.RESEARCH, by=house.custodian, at=house.now())
    house.room.opt_out("p8", ConsentScope.GENOMICS, by=house.custodian, at=house.now())
    count = "import polars as pl\nn = pl.read_parquet('/data/patient').height\n"
    count += "open('/out/n.csv', 'w').write(f'x\\n{n}\\n')"
    done = house.submit(node, count)
    assert done.ended.outputs[0].path.read_text() == "x\n59\n"
    copy, _ = house.room.deidentify("raw", "later", by=house.custodian, at=house.now())
    assert copy.rows["Patient"] == 59
