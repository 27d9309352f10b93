"""What a checker is told of the checks is what the checks are."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import commonwatt.sandbox.engines.airlock as airlock
from commonwatt.sandbox.domain.checks import (
    CHECK_SENTENCES,
    CHECKS_OF_KIND,
    CheckOutcome,
    airlock_output_checks_in_order,
)
from commonwatt.sandbox.domain.job import OutputKind


def _rules_of_the_engines():
    """Return the names of all rules, as the engines and the project write them."""
    package = Path(airlock.__file__).parents[2]
    rules = set()
    for path in [*(package / "engines" / "airlock").glob("*.py"),
                 package / "usecases" / "projects" / "project.py"]:  # fmt: skip
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = getattr(getattr(node, "func", None), "id", "")
            if named in {"StopReason", "_stop_reason"} and isinstance(node.args[0], ast.Constant):
                rules.add(node.args[0].value)
    return rules


def test_every_rule_of_the_engines_has_its_sentence_and_no_other_has_one():
    rules = _rules_of_the_engines()
    assert len(rules) > 10
    assert rules == set(CHECK_SENTENCES)
    assert {rule for every in CHECKS_OF_KIND.values() for rule in every} == rules


@pytest.mark.parametrize("kind", OutputKind)
def test_without_a_stop_every_check_of_a_kind_has_passed(kind):
    checks = airlock_output_checks_in_order(kind, [])
    assert [check.rule for check in checks] == list(CHECKS_OF_KIND[kind])
    assert {check.outcome for check in checks} == {CheckOutcome.PASSED}


@given(st.sampled_from(list(OutputKind)), st.data())
def test_a_check_that_stopped_it_never_counts_as_passed(kind, data):
    rules = data.draw(st.lists(st.sampled_from(CHECKS_OF_KIND[kind]), min_size=1, unique=True))
    stops = [(rule, f"why {rule}") for rule in rules]
    checks = {check.rule: check for check in airlock_output_checks_in_order(kind, stops)}
    for rule in rules:
        assert checks[rule].outcome is CheckOutcome.STOPPED
        assert checks[rule].reasons == (f"why {rule}",)
    passed = {rule for rule, check in checks.items() if check.outcome is CheckOutcome.PASSED}
    assert not passed & set(rules)
    # A file that could not be read was not found free of anything.
    if {"size", "shape"} & set(rules) and "opt-out" not in rules:
        assert passed <= {"size", "shape", "opt-out"}


def test_a_rule_of_an_older_version_is_shown_and_not_lost():
    (last,) = airlock_output_checks_in_order(OutputKind.PNG, [("older rule", "why")])[-1:]
    assert (last.rule, last.outcome, last.reasons) == ("older rule", CheckOutcome.STOPPED, ("why",))
