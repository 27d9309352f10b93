"""The planted faults themselves: each changes one thing, and what is named exists."""

import ast

import pytest

from tests.mutants.__main__ import check_equivalents_exist, planted_mutants
from tests.mutants.modules import ROOT, named_modules
from tests.mutants.operators import mutants_of_source, mutated_source
from tests.proofs import most_examples_reach

SOURCE = '''"""A page."""
STATES = {"open", "closed"}


def share(rows: int = 3) -> float:
    """Return it."""
    if not rows or rows < 2:
        raise ValueError(Message("too few, 1 at least"))
    log(rows)
    return -total(rows)[1:] / rows if rows != 5 else 0.5
'''


def test_each_kind_of_fault_is_planted_and_no_text_is_touched():
    mutants = mutants_of_source("m.py", SOURCE)
    assert [(m.kind, m.before, m.after) for m in mutants if m.line in (2, 5, 7, 9)] == [
        ("dropped element", "{'open', 'closed'}", "{'closed'}"),
        ("dropped element", "{'open', 'closed'}", "{'open'}"),
        ("constant", "3", "4"),
        ("boolean", "not rows or rows < 2", "not rows and rows < 2"),
        ("boolean", "not rows", "rows"),
        ("comparison", "rows < 2", "rows <= 2"),
        ("comparison", "rows < 2", "rows >= 2"),
        ("constant", "2", "3"),
        ("dropped statement", "log(rows)", "(dropped)"),
    ]
    kinds = {m.kind for m in mutants if m.line in (8, 10)}
    assert kinds == {
        "dropped raise", "returned None", "arithmetic", "comparison", "index", "constant", "boolean"
    }  # fmt: skip


def test_every_fault_is_a_module_of_its_own():
    texts = [mutated_source(SOURCE, n) for n in range(len(mutants_of_source("m.py", SOURCE)))]
    assert len({ast.unparse(ast.parse(SOURCE)), *texts}) == len(texts) + 1


@pytest.mark.parametrize("module", named_modules().values(), ids=lambda module: module.name)
def test_a_named_module_has_its_files_its_tests_and_forty_faults(module):
    assert all((ROOT / path.split("::")[0]).is_file() for path in module.tests)
    assert not any(path.startswith("tests/golden") for path in module.tests)
    planted = planted_mutants(module)
    assert len(planted) >= 40
    check_equivalents_exist(module, planted)


def test_a_law_that_is_drawn_in_vain_fails():
    with pytest.raises(AssertionError, match="1 of 4"), most_examples_reach(0.5) as examples:
        examples.drawn, examples.reached = 4, 1
    with pytest.raises(AssertionError, match="no example"), most_examples_reach(0.5):
        pass
    with most_examples_reach(0.5) as examples:
        examples.drawn, examples.reached = 4, 2
