"""Models at the airlock: read as numbers, attacked with people who were kept back."""

import json

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from commonwatt.sandbox.domain.job import OutputKind
from commonwatt.sandbox.engines.airlock.checks import output_stop_reasons
from commonwatt.sandbox.engines.airlock.membership import (
    linear_model_degrees_of_freedom_stop_reasons,
    membership_attack_stop_reasons,
    small_tree_leaf_stop_reasons,
    strongest_membership_attack_on_model,
)
from commonwatt.sandbox.engines.airlock.models import OutputModelError, parse_output_model
from commonwatt.sandbox.engines.airlock.review import OutputProvenance, assess_output
from commonwatt.sandbox.engines.airlock.training import (
    ProjectTrainingDeclaration,
    TrainingFeature,
    TrainingRows,
)
from commonwatt.sandbox.engines.attacks.models import (
    FEATURES,
    honest_airlock_models,
    hostile_airlock_models,
    made_up_training_people_rows,
)
from commonwatt.sandbox.engines.isolation.collect import CollectedOutput
from commonwatt.sandbox.engines.isolation.inside.job_tools import write_model
from commonwatt.sandbox.io.imports.dataset import Dataset

HOSTILE = list(hostile_airlock_models())
PEOPLE = made_up_training_people_rows(7, 500)
X, Y = PEOPLE.x[PEOPLE.is_member], PEOPLE.y[PEOPLE.is_member]


def _stops(data, rows, folder):
    path = folder / "model"
    path.write_bytes(data)
    output = CollectedOutput(
        name="m", kind=OutputKind.MODEL, sha256="", size_bytes=len(data), path=path
    )
    if stops := output_stop_reasons(output):
        return stops
    model = parse_output_model(data)
    return [
        *membership_attack_stop_reasons(strongest_membership_attack_on_model(model, rows)),
        *small_tree_leaf_stop_reasons(model, rows),
        *linear_model_degrees_of_freedom_stop_reasons(model, rows),
    ]


@pytest.mark.parametrize("offered", HOSTILE, ids=lambda hostile: hostile.name.replace(" ", "-"))
def test_a_model_that_carries_people_is_stopped_and_told_why(offered, tmp_path):
    stops = _stops(offered.data, offered.rows, tmp_path)
    assert stops
    reasons = " ".join(str(stop.why) for stop in stops)
    assert "CHAN" not in reasons
    assert "A123456" not in reasons


def test_honest_models_pass(tmp_path):
    stopped = [
        (model.name, [stop.rule for stop in _stops(model.data, model.rows, tmp_path)])
        for model in honest_airlock_models(20)
    ]
    assert sum(bool(rules) for _, rules in stopped) <= 1, stopped


ESTIMATORS = {
    "logistic": LogisticRegression(max_iter=2000),
    "linear": LinearRegression(),
    "tree": DecisionTreeClassifier(min_samples_leaf=30, random_state=0),
    "forest": RandomForestClassifier(8, min_samples_leaf=30, random_state=0),
    "forest of numbers": RandomForestRegressor(8, min_samples_leaf=30, random_state=0),
    "boosted trees": GradientBoostingClassifier(
        n_estimators=8, min_samples_leaf=30, random_state=0),
    "network": MLPClassifier((6,), max_iter=400, random_state=0, alpha=0.1),
    "network of numbers": MLPRegressor(
        hidden_layer_sizes=(6,), max_iter=400, random_state=0, alpha=0.1),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_model_says_outside_what_it_said_inside(name, tmp_path):
    scaler = StandardScaler().fit(X)
    estimator = ESTIMATORS[name].fit(scaler.transform(X), Y)
    write_model(str(tmp_path / "m.json"), estimator, FEATURES, scaler=scaler)
    model = parse_output_model((tmp_path / "m.json").read_bytes())
    scaled = scaler.transform(PEOPLE.x)
    asks = getattr(estimator, "predict_proba", None)
    wanted = asks(scaled)[:, 1] if asks else estimator.predict(scaled)
    predictions = model.predict(PEOPLE.x)
    assert np.quantile(np.abs(predictions - wanted), 0.99) < 1e-3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "estimator",
    [RandomForestClassifier(12, random_state=0),
     GradientBoostingClassifier(n_estimators=20, max_depth=6, learning_rate=0.5, random_state=0),
     MLPClassifier((60,), solver="lbfgs", max_iter=2000, random_state=0, alpha=0.0)],
    ids=lambda classifier: type(classifier).__name__,
)  # fmt: skip
def test_a_model_that_memorised_its_rows_is_told_by_its_own_people(estimator, tmp_path):
    """The leaves are not looked at, so that the attack on memory stands alone."""
    scaler = StandardScaler().fit(X)
    write_model(
        str(tmp_path / "m.json"), estimator.fit(scaler.transform(X), Y), FEATURES, scaler=scaler
    )
    attack = strongest_membership_attack_on_model(
        parse_output_model((tmp_path / "m.json").read_bytes()), PEOPLE
    )
    assert attack.auc > 0.7
    assert membership_attack_stop_reasons(attack)


def test_an_attacker_who_learns_catches_a_model_that_lies_about_its_members():
    """It gives members the wrong answer, so that none of them seems to fit."""
    memory = {tuple(row): 1 - y for row, y in zip(X, Y, strict=True)}

    class Liar:
        def predict(self, x):
            return np.array([memory.get(tuple(row), 0.5) for row in x])

    attack = strongest_membership_attack_on_model(Liar(), PEOPLE)
    assert attack.auc > 0.9


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"format": "pickle"}, "shape"), ({"link": "softmax"}, "shape"), ({"more": 1}, "keys"),
        ({"centre": [0.0]}, "shape"), ({"spread": [0.0] * 4}, "spread"),
        ({"features": []}, "features"), ({"centre": [0.1234567, 0, 0, 0]}, "digits"),
        ({"body": {"kind": "linear", "start": 1e99, "weights": [0.0] * 4}}, "numbers"),
        ({"body": {"kind": "code"}}, "kind"),
        ({"body": {"kind": "trees", "start": 0, "scale": 1, "trees": []}}, "trees"),
        ({"body": {"kind": "network", "activation": "exec", "layers": []}}, "activation"),
        ({"body": {"kind": "network", "activation": "relu", "layers": []}}, "layers"),
        ({"body": {"kind": "trees", "start": 0, "scale": 1, "trees": [{
            "feature": [0], "threshold": [1.0], "left": [0], "right": [0], "value": [1.0]}]}},
         "tree"),
    ],
)  # fmt: skip
def test_what_is_not_of_the_form_is_refused_with_the_part(change, part):
    whole = {"format": "commonwatt-model-1", "features": list(FEATURES), "link": "logit",
             "centre": [0.0] * 4, "spread": [1.0] * 4,
             "body": {"kind": "linear", "start": 0.0, "weights": [0.1] * 4}}  # fmt: skip
    parse_output_model(json.dumps(whole).encode())
    with pytest.raises(OutputModelError, match=part):
        parse_output_model(json.dumps(whole | change).encode())


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ('"start": 0.0', '"start": "0.19500203"', "numbers"),
        ('"start": 0.0', '"start": true', "numbers"),
        ("[0.1,", '["0.1950020312345678",', "numbers"),
        ("[0.1,", "[null,", "numbers"),
        ('"start": 0.0', '"start": 1.0000000000000000000195002031234563', "digits"),
        ('"start": 0.0', '"start": 0.0e19500203', "digits"),
        ('"link":', '"link": "CHAN Tai Man A123456(3)", "link":', "keys"),
        ('"link":', '"link": \t  ', "blanks"),
    ],
)
def test_a_number_has_no_second_spelling_that_could_carry_a_record(old, new, part):
    """What is refused by value must not pass as text, as endless digits, twice or as blanks."""
    text = json.dumps({
        "format": "commonwatt-model-1", "features": list(FEATURES), "link": "logit",
        "centre": [0.0] * 4, "spread": [1.0] * 4,
        "body": {"kind": "linear", "start": 0.0, "weights": [0.1] * 4},
    })  # fmt: skip
    parse_output_model(text.encode())
    changed = text.replace(old, new, 1)
    assert changed != text
    with pytest.raises(OutputModelError, match=part):
        parse_output_model(changed.encode())


@pytest.mark.parametrize("data", [b"[]", b"1", b'{"format": 1}', b'{"body": null}'])
def test_anything_else_in_json_is_refused(data):
    with pytest.raises(OutputModelError):
        parse_output_model(data)


def test_too_few_rows_are_a_reason_to_stop():
    few = made_up_training_people_rows(5, 40)
    model = parse_output_model(next(honest_airlock_models(1)).data)
    assert membership_attack_stop_reasons(strongest_membership_attack_on_model(model, few))


def test_an_estimator_without_a_form_is_refused_inside():
    with pytest.raises(TypeError, match="no form"):
        write_model("unused", object(), FEATURES)


def test_rows_are_those_of_the_arrays():
    rows = TrainingRows(x=X[:3], y=Y[:3], is_member=np.array([True, False, True]))
    assert int(rows.is_member.sum()) == 2


def test_a_model_is_asked_only_with_the_declared_rows_and_remembers_whom_it_saw(tmp_path):
    """Three hundred people, of whom a hundred were kept back and one opted out."""
    chance = np.random.default_rng(3)
    age, bp = chance.normal(60, 10, 300), chance.normal(130, 15, 300)
    died = (chance.random(300) < 0.3).astype(int)
    people = [f"p{i:03}" for i in range(300)]
    columns = {"patient_id": people, "age": age, "bp": bp, "died": died}
    pl.DataFrame(columns).write_parquet(tmp_path / "rows.parquet")
    dataset = Dataset(
        name="d", form="table", folder=tmp_path, files={"rows.parquet": ""}, rows={"rows": 300},
        quarantined={},
    )  # fmt: skip
    model = LogisticRegression().fit(np.stack([age, bp], axis=1)[:199], died[:199])
    path = tmp_path / "model.json"
    write_model(path, model, ["age", "bp"])
    output = CollectedOutput(
        name="m", kind=OutputKind.MODEL, sha256="", size_bytes=path.stat().st_size, path=path
    )

    def assessed(training):
        provenance = OutputProvenance(
            dataset=dataset, training=training, held_out=frozenset(people[200:]),
            opted_out=frozenset({"p199"}),
        )  # fmt: skip
        return assess_output(output, provenance, {})

    def declared(*names):
        features = tuple(TrainingFeature(name=name, column=name) for name in names)
        return ProjectTrainingDeclaration(table="rows", features=features, outcome="died")

    right = assessed(declared("age", "bp"))
    assert right.stops == []
    assert right.trained_on == frozenset(people[:199])
    assert right.attack_auc is not None
    assert 0.4 < right.attack_auc < 0.65
    for training, words in (
        (None, "no declared training"),
        (declared("bp", "age"), "other inputs"),
    ):
        wrong = assessed(training)
        assert [stop.rule for stop in wrong.stops] == ["declaration"]
        assert words in str(wrong.stops[0].why)
        assert (wrong.trained_on, wrong.attack_auc) == (frozenset(), None)
