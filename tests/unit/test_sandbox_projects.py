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
    STEP_ROLES,
    OutputState,
    ProjectRole,
)
from commonwatt.sandbox.engines.airlock.cohort import Cohort
from commonwatt.sandbox.engines.privacy import measures
from commonwatt.sandbox.io.store import opt_outs as consent
from commonwatt.sandbox.io.store.opt_outs import (
    ConsentScope,
    add_opt_out_or_withdrawal_row,
    does_opt_out_forbid_use,
    opted_out_tokens_for_use,
)
from commonwatt.sandbox.io.store.people_tables import path_of_table_without_people
from commonwatt.sandbox.usecases.projects.project import JobSubmission, prepare_project_tables
from tests.databases import empty, postgresql
from tests.sandbox_node import open_folder, proved_node
from tests.sandbox_project import ALL_BY_SEX, BY_SEX, SandboxProject


@pytest.fixture(scope="module")
def server():
    with postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def sandbox(request):
    """A sandbox on each database."""
    where = ""
    if request.param == "postgresql":
        where = request.getfixturevalue("server")
        empty(where)
    with open_folder() as folder:
        made = SandboxProject(folder, where=where)
        yield made
        made.ledger.engine.dispose()


@pytest.fixture(scope="module")
def node():
    with open_folder() as folder:
        yield proved_node(folder / "node")


def test_every_step_has_its_roles_and_an_auditor_has_none():
    assert all(roles and ProjectRole.AUDITOR not in roles for roles in STEP_ROLES.values())
    assert not STEP_ROLES["vote"] & STEP_ROLES["submit"]


def test_an_output_leaves_only_after_two_strangers_saw_its_bytes(sandbox, node, tmp_path):
    sandbox.sign()
    done = sandbox.submit(node, BY_SEX, n=ALL_BY_SEX)
    assert done.states == {"n.csv": OutputState.WAITING}, done.stops
    output = done.outcome.outputs[0].sha256
    assert sandbox.project.stored_output_bytes(output) == b"gender,n\nfemale,30\nmale,30\n"
    with pytest.raises(ProjectError, match="cannot follow"):
        sandbox.project.release(output, tmp_path, by=sandbox.custodian, at=sandbox.now())
    with pytest.raises(ProjectRoleError):
        sandbox.project.vote(output, approve=True, by=sandbox.researcher, at=sandbox.now())
    sandbox.project.vote(output, approve=True, by=sandbox.first, at=sandbox.now())
    with pytest.raises(ProjectRoleError, match="already"):
        sandbox.project.vote(output, approve=True, by=sandbox.first, at=sandbox.now())
    assert list(tmp_path.iterdir()) == []
    sandbox.project.vote(output, approve=True, by=sandbox.second, at=sandbox.now())
    left = sandbox.project.release(output, tmp_path, by=sandbox.custodian, at=sandbox.now())
    assert left.read_bytes() == sandbox.project.stored_output_bytes(output)
    again = sandbox.project.release(output, tmp_path, by=sandbox.custodian, at=sandbox.now())
    assert again == left
    kinds = [entry.kind for entry in sandbox.ledger.entries()]
    assert kinds.count("sandbox.release") == 1
    assert kinds.count("sandbox.vote") == 2


def test_changed_bytes_cannot_be_released(sandbox, node, tmp_path):
    sandbox.sign()
    output = sandbox.submit(node, BY_SEX, n=ALL_BY_SEX).outcome.outputs[0].sha256
    for checker in (sandbox.first, sandbox.second):
        sandbox.project.vote(output, approve=True, by=checker, at=sandbox.now())
    (sandbox.project.folder / "outputs" / output).write_bytes(b"gender,n\nfemale,31\n")
    with pytest.raises(ProjectError, match="other than those collected"):
        sandbox.project.release(output, tmp_path, by=sandbox.custodian, at=sandbox.now())


def _json(sandbox, node, text, **cohorts):
    request = JobSubmission(
        code=f"open('/out/n.json', 'w').write({text!r})", dataset="safe", tables=("Patient",),
        outputs={"n.json": OutputKind.JSON},
        cohorts={"n.json": cohorts["n"]} if cohorts else {},
    )  # fmt: skip
    done = sandbox.project.submit(node, request, by=sandbox.researcher, at=sandbox.now())
    return [stop.rule for stop in done.stops["n.json"]], done.outcome.outputs[0].sha256


def test_counts_in_json_pass_the_same_guard(sandbox, node, tmp_path):
    sandbox.sign()
    assert _json(sandbox, node, '{"n": 60}')[0] == ["declaration"]
    assert _json(sandbox, node, '{"n": 45}', n=Cohort(table="Patient"))[0] == ["declaration"]
    for text in ('{"female": {"n": 30}, "male": {"n": 30}}', '[{"gender": "male", "n": 30}]'):
        assert _json(sandbox, node, text, n=ALL_BY_SEX)[0] == []
    assert _json(sandbox, node, '{"n": [30, 30]}', n=ALL_BY_SEX)[0] == ["declaration"]
    rules, output = _json(sandbox, node, '{"all": 60}', n=Cohort(table="Patient"))
    assert rules == []
    sandbox.release(output, tmp_path)
    sandbox.project.opt_out("p7", ConsentScope.ALL, by=sandbox.custodian, at=sandbox.now())
    again, _ = _json(sandbox, node, '{"everybody": 60}', n=Cohort(table="Patient"))
    assert again == ["differencing"]


def test_a_count_under_another_name_is_a_count(sandbox, node):
    sandbox.sign()
    for name in ("x", "thing", "m"):
        done = sandbox.submit(node, f"open('/out/n.csv', 'w').write('{name}\\n59\\n')")
        assert "declaration" in [stop.rule for stop in done.stops["n.csv"]], name


def test_each_column_of_counts_needs_its_own_people(sandbox, node):
    sandbox.sign()
    code = "open('/out/n.csv', 'w').write('gender,n,women\\nfemale,30,30\\nmale,30,0\\n')"
    women = Cohort(table="Patient", by=("gender",), where=(("gender", "=", "female"),))

    def stops(cohorts):
        request = JobSubmission(code=code, dataset="safe", tables=("Patient",),
                          outputs={"n.csv": OutputKind.CSV}, cohorts=cohorts)  # fmt: skip
        done = sandbox.project.submit(node, request, by=sandbox.researcher, at=sandbox.now())
        return [stop.rule for stop in done.stops["n.csv"]]

    assert stops({"n.csv:n": ALL_BY_SEX, "n.csv:women": women}) == []
    assert stops({"n.csv:n": ALL_BY_SEX}) == ["declaration"]


def test_one_refusal_is_enough(sandbox, node):
    sandbox.sign()
    output = sandbox.submit(node, BY_SEX, n=ALL_BY_SEX).outcome.outputs[0].sha256
    state = sandbox.project.vote(output, approve=False, by=sandbox.first, at=sandbox.now())
    assert state is OutputState.REJECTED
    with pytest.raises(ProjectError):
        sandbox.project.vote(output, approve=True, by=sandbox.second, at=sandbox.now())


def test_counts_of_undeclared_or_other_people_are_stopped(sandbox, node):
    sandbox.sign()
    undeclared = sandbox.submit(node, BY_SEX)
    assert [stop.rule for stop in undeclared.stops["n.csv"]] == ["declaration"]
    false = BY_SEX.replace(".write_csv", ".with_columns(n=pl.col('n') + 20).write_csv")
    lied = sandbox.submit(node, false, n=ALL_BY_SEX)
    assert "declaration" in [stop.rule for stop in lied.stops["n.csv"]]


def test_the_same_people_but_one_cannot_be_released_beside_them(sandbox, node, tmp_path):
    """A released total, then one person opts out, then the total once more."""
    sandbox.sign()
    total = "import polars as pl\nopen('/out/n.csv','w').write('n\\n60\\n')"
    everyone = Cohort(table="Patient")
    output = sandbox.submit(node, total, n=everyone).outcome.outputs[0].sha256
    for checker in (sandbox.first, sandbox.second):
        sandbox.project.vote(output, approve=True, by=checker, at=sandbox.now())
    sandbox.project.release(output, tmp_path, by=sandbox.custodian, at=sandbox.now())
    sandbox.project.opt_out("p7", ConsentScope.ALL, by=sandbox.custodian, at=sandbox.now())
    again = sandbox.submit(node, total + "  # once more", n=everyone)
    assert "differencing" in [stop.rule for stop in again.stops["n.csv"]]


def test_no_job_runs_on_data_that_nobody_signed_for(sandbox, node):
    with pytest.raises(ProjectError, match="de-identified"):
        sandbox.submit(node, BY_SEX)
    with pytest.raises(ProjectError, match="risk report"):
        sandbox.project.sign_dataset_risk_report(
            "safe", "0" * 64, by=sandbox.custodian, at=sandbox.now()
        )
    for key in (sandbox.researcher, sandbox.auditor):
        with pytest.raises(ActorError):
            sandbox.project.sign_dataset_risk_report(
                "safe", sandbox.report.sha256, by=key, at=sandbox.now()
            )


def test_a_closed_or_expired_project_lets_no_one_work(sandbox, node):
    sandbox.sign()
    late = datetime(2027, 1, 2, tzinfo=UTC)
    request = JobSubmission(code="", dataset="safe", tables=("Patient",), outputs={})
    with pytest.raises(ProjectError, match="expired"):
        sandbox.project.submit(node, request, by=sandbox.researcher, at=late)
    sandbox.project.close(by=sandbox.custodian, at=sandbox.now())
    with pytest.raises(ProjectError, match="not open"):
        sandbox.project.submit(node, request, by=sandbox.researcher, at=sandbox.now())


def test_a_question_is_paid_for_before_it_is_answered(sandbox):
    sandbox.sign()
    from commonwatt.ledger import actor_id_of

    person = actor_id_of(sandbox.researcher.public_key)
    sandbox.project.set_privacy_budget(1.0, by=sandbox.custodian, at=sandbox.now())
    sandbox.project.set_privacy_budget(0.6, person=person, by=sandbox.custodian, at=sandbox.now())

    def asked(dataset, gone):
        table = dataset.table_path("Patient")
        rows = pl.read_parquet(
            path_of_table_without_people(table, gone, sandbox.project.folder / "views")
        )
        return measures.noisy_count_query(rows.height).answer(0.5)

    sandbox.project.set_preapproved_release(0.5, by=sandbox.custodian, at=sandbox.now())
    query_outcome = sandbox.project.query(
        "safe", asked, 0.5, purpose="count", by=sandbox.researcher, at=sandbox.now()
    )
    assert query_outcome.state is OutputState.RELEASED
    assert abs(query_outcome.answer.values[0] - 60) < 60
    with pytest.raises(PrivacyBudgetError, match="0.1 of epsilon left"):
        sandbox.project.query(
            "safe", asked, 0.5, purpose="count", by=sandbox.researcher, at=sandbox.now()
        )


def test_what_is_deleted_is_gone_and_on_record(sandbox):
    sandbox.project.delete_dataset("raw", by=sandbox.custodian, at=sandbox.now())
    assert not (sandbox.project.store / "raw").exists()
    begun, done = list(sandbox.ledger.entries())[-2:]
    assert (begun.kind, done.kind) == ("sandbox.delete", "sandbox.delete")
    assert begun.body["files"]["Patient.parquet"] in done.body["wiped-sha256"]
    assert done.body["left"] == 0
    assert done.body["overwritten-bytes"] > 0


def test_no_person_of_the_data_stands_in_the_ledger_or_the_status(sandbox, node):
    sandbox.sign()
    sandbox.project.opt_out("p7", ConsentScope.ALL, by=sandbox.custodian, at=sandbox.now())
    sandbox.submit(node, "print(open('/data/patient', 'rb').read())", n=ALL_BY_SEX)
    record_text = json.dumps([entry.text for entry in sandbox.ledger.entries()])
    record_text += json.dumps(sandbox.project.status(), default=str)
    safe = pl.read_parquet(sandbox.project.store / "safe" / "Patient.parquet")
    people = [*(f'"p{i}"' for i in range(60)), *safe["patient_id"].to_list()]
    assert not any(person in record_text for person in people)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from(list(ConsentScope)), st.booleans()),
        max_size=25,
    ),
    st.sampled_from(list(ConsentScope)),
)
def test_after_any_history_no_use_sees_a_person_who_opted_out(history, use):
    ledger = Ledger.open("sqlite://")
    prepare_project_tables(ledger)
    last = {}
    with open_folder() as folder:
        table = folder / "t.parquet"
        pl.DataFrame({"patient_id": list("abcdef"), "x": range(6)}).write_parquet(table)
        for person, scope, out in history:
            with ledger.transaction() as tx:
                add_opt_out_or_withdrawal_row(tx, "heart", person, scope, out=out)
            last[person, scope] = out
            with ledger.reading() as tx:
                gone = opted_out_tokens_for_use(tx, "heart", use)
            said_no = {p for (p, s), no in last.items() if no and does_opt_out_forbid_use(s, use)}
            seen = set(
                pl.read_parquet(path_of_table_without_people(table, gone, folder / "views"))[
                    "patient_id"
                ]
            )
            assert seen == set("abcdef") - said_no


def test_scopes_reach_what_they_say():
    assert does_opt_out_forbid_use(consent.ConsentScope.ALL, ConsentScope.GENOMICS)
    assert does_opt_out_forbid_use(ConsentScope.GENOMICS, ConsentScope.GENOMICS)
    assert not does_opt_out_forbid_use(ConsentScope.AI_TRAINING, ConsentScope.RESEARCH)


def test_an_opt_out_reaches_the_next_job_and_the_next_copy(sandbox, node):
    sandbox.sign()
    sandbox.project.opt_out("p7", ConsentScope.RESEARCH, by=sandbox.custodian, at=sandbox.now())
    sandbox.project.opt_out("p8", ConsentScope.GENOMICS, by=sandbox.custodian, at=sandbox.now())
    count = "import polars as pl\nn = pl.read_parquet('/data/patient').height\n"
    count += "open('/out/n.csv', 'w').write(f'x\\n{n}\\n')"
    done = sandbox.submit(node, count)
    assert done.outcome.outputs[0].path.read_text() == "x\n59\n"
    copy, _ = sandbox.project.deidentify("raw", "later", by=sandbox.custodian, at=sandbox.now())
    assert copy.rows["Patient"] == 59
