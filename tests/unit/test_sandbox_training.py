"""Models inside a project: what the job may see, what is kept back, whom an opt-out reaches."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.ledger import Ledger, actor_id_of
from commonwatt.sandbox.domain.errors import AirlockError, ProjectError
from commonwatt.sandbox.domain.job import OutputKind
from commonwatt.sandbox.engines.airlock.cohort import Cohort
from commonwatt.sandbox.engines.airlock.training import (
    ProjectTrainingDeclaration,
    TrainingFeature,
    is_person_held_out_of_training,
)
from commonwatt.sandbox.engines.privacy import measures
from commonwatt.sandbox.io.store import opt_outs as consent
from commonwatt.sandbox.io.store import records
from commonwatt.sandbox.io.store.opt_outs import ConsentScope, does_opt_out_forbid_use
from commonwatt.sandbox.io.store.people_tables import people_in_tables
from commonwatt.sandbox.io.store.schema import uses
from commonwatt.sandbox.usecases.projects.project import JobSubmission, prepare_project_tables
from tests.sandbox_node import open_folder, proved_node
from tests.sandbox_project import SandboxProject

TRAINING = ProjectTrainingDeclaration(
    table="Patient",
    features=(
        TrainingFeature(name="birth_band", column="birth_band"),
        TrainingFeature(name="gender=male", column="gender", equals="male"),
    ),
    outcome=Cohort(table="Patient", where=(("gender", "=", "male"),)),
)
HONEST = """
import polars as pl
from sklearn.tree import DecisionTreeClassifier
import job_tools
names = ["birth_band", "gender=male"]
t = pl.read_parquet("/data/train")
model = DecisionTreeClassifier(min_samples_leaf=20).fit(t.select(names), t["outcome"])
job_tools.write_model("/out/m.json", model, names)
seen = pl.read_parquet("/data/patient").height
open("/out/seen.csv", "w").write(f"month\\n{seen}\\n{t.height}\\n")
"""

PLAIN = """
import json
import polars as pl
size = pl.read_parquet("/data/train").height
seen = pl.read_parquet("/data/patient").height
model = {"format": "commonwatt-model-1", "features": ["birth_band", "gender=male"],
         "link": "logit", "centre": [0.0, 0.0], "spread": [1.0, 1.0],
         "body": {"kind": "linear", "start": 0.0, "weights": [0.0, 0.001]}}
json.dump(model, open("/out/m.json", "w"))
open("/out/seen.csv", "w").write(f"month\\n{seen}\\n{size}\\n")
"""


@pytest.fixture(scope="module")
def node():
    with open_folder() as folder:
        yield proved_node(folder / "node")


@pytest.fixture
def sandbox():
    with open_folder() as folder:
        made = SandboxProject(folder, people=300)
        made.sign()
        yield made


def _train(sandbox, node, code=HONEST, training=TRAINING):
    request = JobSubmission(
        code=code, dataset="safe", tables=("Patient",), training=training,
        outputs={"m.json": OutputKind.MODEL, "seen.csv": OutputKind.CSV},
    )  # fmt: skip
    done = sandbox.project.submit(node, request, by=sandbox.researcher, at=sandbox.now())
    assert "m.json" in done.stops, done.outcome.log.decode()
    paths = {output.name: output.path for output in done.outcome.outputs}
    digests = {output.name: output.sha256 for output in done.outcome.outputs}
    return done.stops["m.json"], digests["m.json"], paths


def test_a_model_trained_inside_is_attacked_and_may_leave(sandbox, node, tmp_path):
    stops, output, paths = _train(sandbox, node)
    assert stops == []
    seen, trained = map(int, paths["seen.csv"].read_text().split()[1:])
    assert seen == trained
    assert 140 < seen < 220  # three in five of 300; the rest is kept back from every table
    model = sandbox.project.status()["models"][0]
    assert model["trained_on_people"] == trained
    assert model["opted_out_since"] == 0
    assert 0.35 < model["attack_auc"] < 0.6
    left = sandbox.release(output, tmp_path)
    assert json.loads(left.read_bytes())["format"] == "commonwatt-model-1"


def test_the_same_people_are_kept_back_from_every_job(sandbox, node):
    first, second = (_train(sandbox, node, PLAIN + f"# {i}")[2] for i in range(2))
    assert first["seen.csv"].read_text() == second["seen.csv"].read_text()
    assert [is_person_held_out_of_training(bytes(32), "d", str(i), 0.2) for i in range(99)] == [
        is_person_held_out_of_training(bytes(32), "d", str(i), 0.2)
        and is_person_held_out_of_training(bytes(32), "d", str(i), 0.5)
        for i in range(99)
    ]


def test_a_model_without_declared_training_or_of_other_features_stays(sandbox, node):
    request = JobSubmission(
        code="open('/out/m.json', 'w').write(MODEL)".replace("MODEL", repr(_linear(["x"]))),
        dataset="safe", tables=("Patient",), outputs={"m.json": OutputKind.MODEL},
    )  # fmt: skip
    done = sandbox.project.submit(node, request, by=sandbox.researcher, at=sandbox.now())
    assert [stop.rule for stop in done.stops["m.json"]] == ["declaration"]
    code = f"open('/out/m.json', 'w').write({_linear(['x'])!r})"
    assert [stop.rule for stop in _train(sandbox, node, code)[0]] == ["declaration"]


def _linear(features):
    size = len(features)
    return json.dumps(
        {"format": "commonwatt-model-1", "features": features, "link": "logit",
         "centre": [0.0] * size, "spread": [1.0] * size,
         "body": {"kind": "linear", "start": 0.0, "weights": [0.0] * size}}
    )  # fmt: skip


def test_a_model_of_a_person_who_opted_out_is_known_at_once_and_stays(sandbox, node, tmp_path):
    _, output, _ = _train(sandbox, node)
    reached = []
    for person in range(12):
        sandbox.project.opt_out(
            f"p{person}", ConsentScope.AI_TRAINING, by=sandbox.custodian, at=sandbox.now()
        )
        reached.append(sandbox.project.status()["models"][0]["opted_out_since"])
    assert reached == sorted(reached)
    assert reached[-1] >= 3  # of twelve, those who were in the training
    for checker in (sandbox.first, sandbox.second):
        sandbox.project.vote(output, approve=True, by=checker, at=sandbox.now())
    with pytest.raises(ProjectError, match="opted out since"):
        sandbox.project.release(output, tmp_path, by=sandbox.custodian, at=sandbox.now())
    assert list(tmp_path.iterdir()) == []
    _train(sandbox, node, PLAIN)
    later = next(m for m in sandbox.project.status()["models"] if m["output"] != output)
    assert later["opted_out_since"] == 0


def test_who_opts_out_while_a_job_runs_stops_what_it_leaves(sandbox, node):
    class Slow:
        environment = node.environment

        def run(self, job, *, to):
            ended = node.run(job, to=to)
            sandbox.project.opt_out("p1", ConsentScope.ALL, by=sandbox.custodian, at=sandbox.now())
            return ended

    stops, output, _ = _train(sandbox, Slow(), PLAIN)
    assert "opt-out" in [stop.rule for stop in stops]
    with pytest.raises(ProjectError):
        sandbox.project.vote(output, approve=True, by=sandbox.first, at=sandbox.now())


def test_training_on_columns_that_do_not_exist_is_refused(sandbox, node):
    for feature in (
        TrainingFeature(name="x", column="none"),
        TrainingFeature(name="gender", column="gender"),
    ):
        wrong = ProjectTrainingDeclaration(
            table="Patient", features=(feature,), outcome="birth_band"
        )
        with pytest.raises(AirlockError):
            _train(sandbox, node, training=wrong)
    with pytest.raises(AirlockError, match="share"):
        ProjectTrainingDeclaration(table="Patient", features=(), outcome="x", held_out=0.0)
    same = (TrainingFeature(name="x", column="a"), TrainingFeature(name="x", column="b"))
    with pytest.raises(AirlockError, match="name of its own"):
        ProjectTrainingDeclaration(table="Patient", features=same, outcome="x")


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from(list(ConsentScope)), st.booleans()),
        max_size=20,
    ),
    st.sampled_from(list(ConsentScope)),
    st.sets(st.sampled_from("abcdef")),
)
def test_after_any_history_the_model_record_names_who_opted_out(history, scope, trained):
    ledger = Ledger.open("sqlite://")
    prepare_project_tables(ledger)
    row = {"room": "r", "state": "open", "purpose": "", "legal_basis": "", "scope": scope.value,
           "expires_on": "2099-01-01"}  # fmt: skip
    last = {}
    with ledger.transaction() as tx:
        records.add_sandbox_project_row(tx, row)
        records.add_trained_model_row(tx, "r", "m", "safe", trained, 0.5)
    for person, consent_scope, out in history:
        with ledger.transaction() as tx:
            consent.add_opt_out_or_withdrawal_row(tx, "r", person, consent_scope, out=out)
        last[person, consent_scope] = out
        no = {p for (p, s), gone in last.items() if gone and does_opt_out_forbid_use(s, scope)}
        with ledger.reading() as tx:
            model_row = records.trained_model_row_or_none(tx, "r", "m")
        assert model_row["opted_out_since"] == len(no & trained)


def test_an_opt_out_reaches_the_next_question_training_set_and_model_record(sandbox, node):
    _train(sandbox, node, PLAIN)
    everyone = people_in_tables([sandbox.project.store / "safe" / "Patient.parquet"])
    me = actor_id_of(sandbox.researcher.public_key)
    for person in ("", me):
        sandbox.project.set_privacy_budget(
            1.0, person=person, by=sandbox.custodian, at=sandbox.now()
        )
    seen = []

    def measure(dataset, gone):
        seen.append(len(people_in_tables([dataset.table_path("Patient")]) - gone))
        return measures.noisy_count_query(seen[-1]).answer(0.1)

    sandbox.project.opt_out("p5", ConsentScope.ALL, by=sandbox.custodian, at=sandbox.now())
    sandbox.project.query(
        "safe",
        measure,
        0.1,
        tables=("Patient",),
        purpose="n",
        by=sandbox.researcher,
        at=sandbox.now(),
    )
    assert seen == [len(everyone) - 1]
    with sandbox.ledger.reading() as tx:
        question_uses = [
            use for use in records.project_table_rows(tx, "harbour", uses) if use["step"] == "ask"
        ]
    assert [use["people"] for use in question_uses] == seen
