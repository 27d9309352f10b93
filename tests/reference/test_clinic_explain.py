"""Explanations against their definitions: additive, exact and sampled."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.clinic.engines.explain import (
    exact_shapley_values,
    explain_linear_model_case,
    permutation_importance,
    sampled_shapley_values,
)
from commonwatt.clinic.engines.explain.additive import check_explanation_sum
from commonwatt.core.errors import IdentityError
from commonwatt.core.seeds import named_random_stream

numbers = st.floats(-3, 3, allow_nan=False)


def crossed(rows):
    """A model whose columns act on each other."""
    return 1 / (1 + np.exp(-(rows[:, 0] * rows[:, 1] + np.sin(rows[:, 2]) - rows[:, 3])))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=6), numbers)
def test_the_parts_of_a_linear_model_are_its_exact_shapley_values(columns, intercept):
    weights, means, case = (np.array(column) for column in zip(*columns, strict=True))
    explanation = explain_linear_model_case(intercept, weights, means, case)
    exact = exact_shapley_values(lambda rows: intercept + rows @ weights, means[None], case)
    np.testing.assert_allclose(explanation.contributions, exact.values, atol=1e-9)
    assert explanation.logit == pytest.approx(exact.score)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_sampled_values_lie_about_the_exact_ones_as_their_errors_say(seed):
    chance = named_random_stream(seed, "shapley-test")
    background, case = chance.normal(size=(12, 4)), chance.normal(size=4)
    exact = exact_shapley_values(crossed, background, case)
    sampled = sampled_shapley_values(crossed, background, case, chance, rounds=30)
    assert sampled.base == pytest.approx(exact.base)
    assert sampled.score == pytest.approx(exact.score)
    assert float(sampled.values.sum()) == pytest.approx(float(exact.values.sum()))
    away = np.abs(sampled.values - exact.values) / np.maximum(sampled.errors, 1e-12)
    assert away.max() < 6


def test_errors_of_sampled_values_are_neither_too_small_nor_idle():
    away = []
    for seed in range(60):
        chance = named_random_stream(seed, "shapley-error")
        background, case = chance.normal(size=(10, 4)), chance.normal(size=4)
        exact = exact_shapley_values(crossed, background, case)
        sampled = sampled_shapley_values(crossed, background, case, chance, rounds=8)
        away += list((sampled.values - exact.values) / sampled.errors)
    assert float(np.mean(np.abs(away) < 1.96)) >= 0.93


def test_a_column_that_is_not_read_is_worth_nothing_and_adds_nothing():
    chance = named_random_stream(1, "idle")
    rows = chance.normal(size=(400, 5))
    label = (chance.random(400) < crossed(rows)).astype(np.int8)
    importance = permutation_importance(crossed, rows, label, list("abcde"), chance, rounds=30)
    idle = importance.filter(importance["column"] == "e")
    assert idle["auc_lost"].item() == 0.0
    assert importance["auc_lost"][0] > 0.05
    assert sampled_shapley_values(crossed, rows[:20], rows[0], chance).values[4] == 0.0


def test_parts_that_do_not_add_up_are_a_bug_and_are_withheld():
    with pytest.raises(IdentityError):
        check_explanation_sum(0.0, np.array([1.0]), 1.1)


def test_what_cannot_be_explained_is_refused():
    with pytest.raises(EvidenceError, match="at most 12 columns"):
        exact_shapley_values(crossed, np.zeros((1, 13)), np.zeros(13))
    with pytest.raises(EvidenceError, match="at least one row"):
        sampled_shapley_values(crossed, np.zeros((0, 4)), np.zeros(4), named_random_stream(1, "x"))
    with pytest.raises(EvidenceError, match="events and non-events"):
        permutation_importance(
            crossed,
            np.zeros((3, 4)),
            np.zeros(3, np.int8),
            list("abcd"),
            named_random_stream(1, "x"),
        )


MODULE = "def score(facts):\n    return min(1.0, float(facts['age']) * float(facts['crp']) / 100)\n"


def run(*words):
    return run_main(root, ["clinic", "model", "explain", *words])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "explained_model.py").write_text(MODULE)
    weights = {"intercept": -2, "weights": {"age": 0.3, "crp": 0.1}}
    (tmp_path / "model.json").write_text(json.dumps(weights))
    rows = [f"{i % 7 + 1},{i % 11 + 1},{int(i % 7 + i % 3 > 5)},x" for i in range(200)]
    (tmp_path / "t.csv").write_text("\n".join(["age,crp,label,word", *rows]))
    return tmp_path


def test_a_model_is_explained_for_all_and_for_one_without_telling_a_value(folder, capsys):
    assert run("t.csv", "--linear", "model.json", "--json") == 0
    worth = json.loads(capsys.readouterr().out)["columns"]
    assert worth[0]["column"] == "age"
    assert run("t.csv", "--linear", "model.json", "--row", "6", "--json") == 0
    explanation = json.loads(capsys.readouterr().out)
    added = sum(column["adds"] for column in explanation["columns"])
    assert explanation["base"] + added == pytest.approx(explanation["whole"])
    words = ("t.csv", "--python", "explained_model:score", "--column", "age", "--column", "crp")
    assert run(*words, "--row", "6", "--lang", "zh-Hant") == 0
    assert "沙普利" in capsys.readouterr().out
    assert run(*words) == 0
    assert "AUC lost" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--linear", "model.json", "--row", "999"), 68),
        (("--linear", "model.json", "--label", "none"), 68),
        (("--python", "explained_model:score", "--column", "word"), 68),
        (("--python", "explained_model:score"), 2),
        ((), 2),
    ],
)
def test_what_is_asked_wrongly_is_said_so(folder, words, code):
    assert run("t.csv", *words) == code


# The forms in which a hospital hands a table in, and what each makes of the same rows.
FORMS = {
    "commas": lambda rows: "\n".join(rows).encode(),
    "semicolons": lambda rows: "\n".join(rows).replace(",", ";").encode("utf-8-sig"),
    "tabs in UTF-16": lambda rows: "\r\n".join(rows).replace(",", "\t").encode("utf-16"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_table_is_explained_and_rows_with_a_gap_are_told(folder, capsys, form):
    rows = (folder / "t.csv").read_text().split("\n")
    assert run("t.csv", "--linear", "model.json", "--json") == 0
    whole = json.loads(capsys.readouterr().out)
    assert whole["read"] == {"rows": 200, "rows_left_out": 0, "missing": {}}
    rows = [*rows, "n/a,3,1,x", "4,,YES,x", "5,5,NA,x"]
    (folder / "u.csv").write_bytes(FORMS[form](rows))
    assert run("u.csv", "--linear", "model.json", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    missing = {"age": 1, "crp": 1, "label": 1}
    assert again["read"] == {"rows": 203, "rows_left_out": 3, "missing": missing}
    assert again["columns"] == whole["columns"]
    assert run("u.csv", "--linear", "model.json") == 0
    told = capsys.readouterr().out
    assert "Rows left out for a gap: 3 of 203" in told
    assert "Missing in the column crp: 1" in told


def test_a_row_is_known_by_its_place_in_the_table_and_never_by_that_among_whole_rows(
    folder, capsys
):
    header, *rows = (folder / "t.csv").read_text().split("\n")
    assert run("t.csv", "--linear", "model.json", "--row", "6", "--json") == 0
    whole = json.loads(capsys.readouterr().out)
    (folder / "u.csv").write_text("\n".join([header, "3,,1,x", *rows]))
    assert run("u.csv", "--linear", "model.json", "--row", "7", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["row"], again["whole"]) == (7, whole["whole"])
    assert run("u.csv", "--linear", "model.json", "--row", "0") == 68
    assert "a row with a gap" in capsys.readouterr().err


def test_what_is_no_number_is_named_by_row_and_column_and_not_quoted(folder, capsys):
    rows = (folder / "t.csv").read_text().split("\n")
    (folder / "u.csv").write_text("\n".join([*rows[:3], "secret,1,1,x", *rows[3:]]))
    assert run("u.csv", "--linear", "model.json") == 68
    refused = capsys.readouterr().err
    assert "row 3, age" in refused
    assert "secret" not in refused
