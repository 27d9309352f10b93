"""A small programme beside a large debt: what it adds is known to the digits of that debt."""

import polars as pl
import pytest

from commonwatt.core.errors import IdentityError
from commonwatt.runs import RunStore
from commonwatt.study.check import study_run_fault_messages
from commonwatt.study.formulas.evaluate import (
    check_figure_value_equals_formula,
    study_figure_formula_uses,
    study_figure_formula_value,
    study_figure_rounding_tolerance,
)
from commonwatt.study.usecases import run_study
from tests.small_programme import small_programme

HALL, RENT = "nodes = 2\n", "nodes = 0\n"
NOTHING_BUILT = {RENT: "nodes = 3\n", HALL: RENT, 'name = "b"\nsites = ["home"]': 'name = "b"'}


def _studied(folder, changes):
    study = run_study(small_programme(folder, changes=changes), RunStore(folder / "runs"))
    return study.folder


@pytest.mark.parametrize(
    "changes",
    [NOTHING_BUILT, {"scale = 100": "scale = 0.005"},
     {"scale = 100": "scale = 1"}],
    ids=["all-rented", "tiny", "small"],
)  # fmt: skip
def test_a_sound_programme_whose_effect_is_nearly_nothing_is_kept_and_checked(tmp_path, changes):
    assert study_run_fault_messages(_studied(tmp_path, changes)) == []


def test_a_difference_is_held_to_the_digits_of_what_is_subtracted_and_to_no_fewer(tmp_path):
    folder = _studied(tmp_path, {"scale = 100": "scale = 0.005"})
    tables = {path.stem: pl.read_parquet(path) for path in (folder / "tables").glob("*.parquet")}
    uses = {use.name: use for use in study_figure_formula_uses(tables)}
    debt_bn = tables["basis_accounts"]["debt_bn"].max()
    use = uses["funding.gross_debt_effect_bn"]
    rounding = study_figure_rounding_tolerance(use, tables)
    assert rounding == pytest.approx(1e-13 * debt_bn, rel=0.5)
    value = study_figure_formula_value(use, tables)
    assert value > 100 * rounding
    check_figure_value_equals_formula(use.name, value, value + 0.9 * rounding, rounding=rounding)
    with pytest.raises(IdentityError):
        check_figure_value_equals_formula(
            use.name, value, value + 3 * rounding + 1e-9 * value, rounding=rounding
        )
    # What subtracts nothing is held as tightly as before.
    assert study_figure_rounding_tolerance(uses["fleet.utilisation_share"], tables) == 1e-13
