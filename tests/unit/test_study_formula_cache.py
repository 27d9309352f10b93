"""Values of formulas are read back only where query, tables and engine are what they were."""

import hashlib
import io
from dataclasses import replace

import polars as pl
import pytest

from commonwatt.core.errors import IdentityError
from commonwatt.runs import RunStore, StageStore
from commonwatt.study.formulas import cached
from commonwatt.study.formulas.cached import WrittenTable, cached_formula_value_by_figure_name
from commonwatt.study.formulas.declared import FORMULAS
from commonwatt.study.formulas.evaluate import (
    FormulaUse,
    check_figure_value_equals_formula,
    is_study_figure_value_equal_within_rounding,
    study_figure_formula_uses,
    study_figure_formula_value,
)
from commonwatt.study.usecases import run_study
from tests.small_programme import small_programme

NODES = next(f for f in FORMULAS.values() if f.name == "fleet.gpus")
JOBS = next(f for f in FORMULAS.values() if f.name == "fleet.jobs")


def written(name, **columns):
    """Return a table with the digest of its Parquet file, as a draft of a run has it."""
    frame, file = pl.DataFrame(columns), io.BytesIO()
    frame.write_parquet(file, compression="zstd", statistics=False)
    return WrittenTable(name=name, sha256=hashlib.sha256(file.getvalue()).hexdigest(), frame=frame)


def tables(gpus=(8, 8), jobs=(1.0, 2.0)):
    runs = ["programme"] * 2
    return {
        "basis_nodes": written("basis_nodes", run=runs, gpus=list(gpus)),
        "basis_jobs": written("basis_jobs", run=runs, submit_s=list(jobs), job=[0, 1]),
    }


def uses(*formulas):
    return [
        FormulaUse(formula=f, bound={"run": "programme", "variant": "programme"}) for f in formulas
    ]


def evaluated(store, *formulas, over=None):
    """Return the values, and how many times a formula was evaluated for them."""
    stages = StageStore(store)
    values = cached_formula_value_by_figure_name(uses(*formulas), over or tables(), stages)
    return values, len(stages.computed)


def test_formulas_over_the_same_tables_are_evaluated_once(tmp_path):
    first, computed = evaluated(tmp_path, NODES, JOBS)
    assert first == {"fleet.gpus": 16.0, "fleet.jobs": 2.0}
    assert computed == 2
    assert evaluated(tmp_path, NODES, JOBS) == (first, 0)


def test_a_table_of_other_bytes_is_evaluated_anew_and_the_other_read_back(tmp_path):
    evaluated(tmp_path, NODES, JOBS)
    values, computed = evaluated(tmp_path, NODES, JOBS, over=tables(gpus=(8, 4)))
    assert (values["fleet.gpus"], computed) == (12.0, 1)


def test_another_query_over_the_same_tables_is_evaluated_anew(tmp_path):
    evaluated(tmp_path, NODES)
    halved = replace(NODES, sql=NODES.sql.replace("SUM(gpus)", "SUM(gpus) / 2"))
    assert halved.sql != NODES.sql
    assert evaluated(tmp_path, halved) == ({"fleet.gpus": 8.0}, 1)
    elsewhere = [replace(use, bound={"run": "other"}) for use in uses(NODES)]
    assert cached_formula_value_by_figure_name(elsewhere, tables(), StageStore(tmp_path)) == {
        "fleet.gpus": None
    }


def test_another_version_of_the_engine_evaluates_anew(tmp_path, monkeypatch):
    evaluated(tmp_path, NODES)
    monkeypatch.setattr(cached.pl, "__version__", "0.0.1")
    assert evaluated(tmp_path, NODES)[1] == 1


@pytest.mark.parametrize("value", [0.1 + 0.2, float("inf"), -1 / 3, 5e-324, 1.7976931348623157e308])
def test_every_bit_of_a_value_comes_back(tmp_path, value):
    over = {"basis_nodes": written("basis_nodes", run=["programme"], gpus=[value])}
    first, again = (evaluated(tmp_path, NODES, over=over)[0]["fleet.gpus"] for _ in range(2))
    assert (first.hex(), again.hex()) == (value.hex(), value.hex())


def test_a_value_that_was_read_back_is_still_held_against_the_figure(tmp_path):
    for _ in range(2):
        by_formula = evaluated(tmp_path, NODES)[0]["fleet.gpus"]
        check_figure_value_equals_formula("fleet.gpus", 16.0, by_formula)
        with pytest.raises(IdentityError):
            check_figure_value_equals_formula("fleet.gpus", 15.0, by_formula)


def test_a_law_of_costs_that_figures_share_gives_each_what_its_whole_query_gives(tmp_path):
    store = RunStore(tmp_path / "runs")
    run = run_study(small_programme(tmp_path), store).run
    over = store.tables(run)
    uses = list(study_figure_formula_uses(over))
    laws = {}
    for use in uses:
        whole, shared = (study_figure_formula_value(use, over, each) for each in (None, laws))
        assert is_study_figure_value_equal_within_rounding(whole, shared), use.name
    # As many laws as variants have figures of cost, and more figures than laws rest on them.
    assert len(laws) == len({use.cost_law_sql_or_empty for use in uses} - {""}) == 4
    assert sum(bool(use.cost_law_sql_or_empty) for use in uses) > 2 * len(laws)
    # Another variant has another law, and other tables have other values.
    moved = over | {"basis_inputs": over["basis_inputs"].with_columns(value=pl.col("value") * 1.5)}
    capital = next(use for use in uses if use.name == "funding.home.capital_usd_mn")
    assert study_figure_formula_value(capital, moved, {}) != study_figure_formula_value(
        capital, over, laws
    )
