"""No cell of a site, and no factor on one, takes an input of the cost where it cannot be."""

import numpy as np
import pytest

from commonwatt.core.errors import ProgrammeError
from commonwatt.siting.domain.cost_inputs import INPUTS
from commonwatt.study.programme.reader import load_programme
from commonwatt.study.stages.sites import (
    programme_costed_sites_or_none,
    programme_site_cost_cells_with_measured,
)
from tests.small_programme import small_programme

STATED = ("tariff_usd_per_kwh", "pue_ratio", "utilisation_share")
DRAWS = ("busy_draw_share", "idle_draw_share")
OTHERS = [spec for spec in INPUTS if spec.name not in (*STATED, *DRAWS)]
MEASURED = {
    "utilisation_share": 0.5, "kwh_per_gpu_hour": 0.5, "usd_per_kwh": 0.06, "held_gpu_h": 9.0,
}  # fmt: skip


def _with_cell(folder, name, cell):
    line = 'cost_cells = "cn-west"\n'
    return small_programme(folder, changes={line: f"{line}[sites.cells.{name}]\n{cell}\n"})


@pytest.mark.parametrize("cell", ["times = 5", "times = 0", "times = 0.5", "value = 0.9"])
@pytest.mark.parametrize("name", STATED)
def test_a_cell_that_contradicts_price_pue_or_measured_use_is_refused(tmp_path, name, cell):
    with pytest.raises(ProgrammeError, match=rf"sites\.1\.cells\.{name}: found a .* beside"):
        load_programme(_with_cell(tmp_path, name, cell))


@pytest.mark.parametrize("spec", OTHERS, ids=[spec.name for spec in OTHERS])
def test_a_factor_leaves_every_input_inside_its_bounds_and_its_median_inside_its_interval(
    tmp_path, spec
):
    accepted, refusals = 0, []
    for factor in (0, 0.001, 0.5, 0.9, 1.1, 2, 100, 1000, 1e9):
        try:
            programme = load_programme(_with_cell(tmp_path, spec.name, f"times = {factor}"))
        except ProgrammeError as error:
            refusals.append(str(error))
            continue
        accepted += 1
        site = programme.file.sites[1]
        value = programme_site_cost_cells_with_measured(site, MEASURED)[spec.name].value
        ends = value.cost_input_quantiles(np.array([0.05, 0.5, 0.95]))
        assert spec.low <= ends[0] <= ends[1] <= ends[2] <= spec.high
    assert accepted
    assert all(f"sites.1.cells.{spec.name}: " in refusal for refusal in refusals)
    assert all(f"sites.1.cells.{spec.name}: " in refusal for refusal in refusals)


@pytest.mark.parametrize(
    ("name", "cell"),
    [("busy_draw_share", "times = 50"), ("busy_draw_share", "times = 0"),
     ("idle_draw_share", "times = 50"), ("busy_draw_share", "times = 0.01")],
)  # fmt: skip
def test_a_factor_on_a_measured_draw_is_held_to_its_bounds_once_it_is_measured(
    tmp_path, name, cell
):
    programme = load_programme(_with_cell(tmp_path, name, cell))
    with pytest.raises(ProgrammeError, match=rf"small\.toml, sites\.1\.cells\.{name}: found idle"):
        programme_costed_sites_or_none(programme, [MEASURED, MEASURED])


@pytest.mark.parametrize(
    ("name", "cell"),
    [("busy_draw_share", "times = 1.05"), ("idle_draw_share", "times = 0.9"),
     ("idle_draw_share", "times = 0"), ("it_kw_per_gpu", "times = 1.2"),
     ("wage_usd_per_year", "value = 30000"), ("tax_share", "times = 0")],
)  # fmt: skip
def test_a_cell_that_can_be_is_taken(tmp_path, name, cell):
    programme = load_programme(_with_cell(tmp_path, name, cell))
    sites = programme_costed_sites_or_none(programme, [MEASURED, MEASURED])
    assert all(np.isfinite(site.gpu_hour_usd()) for site in sites)
