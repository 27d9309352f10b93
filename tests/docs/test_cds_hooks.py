"""The table of the specification's requirements names tests that are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "cds-hooks.md"
ROW = re.compile(r"^\| ([^|]+) \| (S|C|S, C) \| ([^|]+) \| `(test_\w+)` \|$", re.MULTILINE)


def _rows():
    table = PAGE.read_text("utf-8").split("## Where the facts")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    rows = [ROW.fullmatch(line) for line in lines]
    assert all(rows), lines[rows.index(None)]
    return [row.groups() for row in rows]


def _tests():
    trees = [ast.parse(path.read_text("utf-8")) for path in (ROOT / "tests").rglob("test_*.py")]
    return {node.name for tree in trees for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)}  # fmt: skip


def test_each_requirement_names_a_test_that_exists():
    rows = _rows()
    assert len(rows) > 60
    there = _tests()
    assert [test for *_, test in rows if test not in there] == []


def test_no_requirement_stands_twice():
    requirements = [(section, text) for section, _, text, _ in _rows()]
    assert len(set(requirements)) == len(requirements)


def test_every_test_of_the_simulator_stands_in_the_table_or_says_why_not():
    source = (ROOT / "tests" / "unit" / "test_clinic_ehr.py").read_text("utf-8")
    tests = set(re.findall(r"^def (test_\w+)", source, re.MULTILINE))
    beyond = {  # what we promise beyond the standard
        "test_both_releases_of_fhir_are_read",
        "test_a_server_that_is_slow_holds_up_a_call_for_so_long_and_no_longer",
        "test_pages_are_read_to_the_end_and_on_the_same_server_only",
        "test_data_of_another_patient_are_refused",
        "test_what_is_no_fhir_is_refused",
        "test_feedback_of_a_user_whom_nobody_knows_is_not_signed_by_anybody",
        "test_a_clinicians_own_token_still_signs",
        "test_options_are_answered_without_an_origin",
        "test_the_doctor_who_is_asked_first_answers_by_a_suggestion",
    }
    assert tests - {test for *_, test in _rows()} == beyond
