"""The cost model: closed forms, cells, drivers and the shape of its findings."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.catalogue.errors import UnitError
from commonwatt.siting.domain.cells import CellConfidence, site_cells, sites_of_cost_cells
from commonwatt.siting.domain.cost_inputs import INPUTS, NAMES, CostInputs
from commonwatt.siting.domain.errors import CellsError
from commonwatt.siting.engines.cost.chance import (
    BY_NAME,
    cost_sobol_indices,
    draw_gpu_hour_costs,
    reference_gpu_hour_costs_usd_of_scores,
    site_gpu_hour_costs_usd_by_draw,
)
from commonwatt.siting.engines.cost.drivers import (
    break_even_tariff_usd_per_kwh,
    break_even_utilisation,
    cost_tornado,
    site_cost_ratio_matrix,
)
from commonwatt.siting.engines.cost.model import (
    capital_recovery_factor,
    construction_interest_factor,
    gpu_hour_cost_usd_from_cash_flow,
    levelised_compute_cost_usd_per_gpu_hour,
    levelised_cost_parts,
    levelised_usd_per_gpu_hour_by_part,
    site_yearly_asset_charge_usd,
    total_gpu_hour_cost_usd,
    undiscounted_gpu_hour_cost_usd,
)
from commonwatt.siting.io.cells import DATA, load_cost_cells, load_site_cost_currency_table

CELLS = load_cost_cells()
COLUMN = CELLS + load_cost_cells(DATA / "column_cells.csv")


def medians(site, cells=CELLS):
    return site_cells(cells, site).median_cost_inputs()


def with_whole_lives(inputs, life=5.0, shell=20.0):
    return inputs._replace(hardware_life_years=life, shell_life_years=shell)


def test_named_inputs_stand_in_the_order_of_their_table():
    assert CostInputs._fields == NAMES


@given(st.lists(st.floats(0.0, 1.0), min_size=len(INPUTS), max_size=len(INPUTS)))
@settings(max_examples=40, deadline=None)
def test_the_law_reads_a_row_of_draws_as_it_reads_names(shares):
    values = [low_to_high(spec, share) for spec, share in zip(INPUTS, shares, strict=True)]
    row = np.array([values]).view(BY_NAME).reshape(-1)
    assert total_gpu_hour_cost_usd(
        levelised_cost_parts(row[0])
    ) == levelised_compute_cost_usd_per_gpu_hour(CostInputs(*values))


def low_to_high(spec, share):
    return spec.low + share * (spec.high - spec.low)


@pytest.mark.parametrize("site", sites_of_cost_cells(CELLS))
def test_annuity_and_cash_flow_agree(site):
    x = with_whole_lives(medians(site))
    assert math.isclose(
        levelised_compute_cost_usd_per_gpu_hour(x),
        gpu_hour_cost_usd_from_cash_flow(x),
        rel_tol=1e-9,
    )


def test_without_rate_and_tax_the_annuity_is_cost_over_hours():
    x = with_whole_lives(medians("us-virginia"))
    x = x._replace(discount_rate=0, tax_share=0, land_usd_per_kw=0)
    assert math.isclose(
        levelised_compute_cost_usd_per_gpu_hour(x), undiscounted_gpu_hour_cost_usd(x), rel_tol=1e-9
    )
    assert math.isclose(
        gpu_hour_cost_usd_from_cash_flow(x), undiscounted_gpu_hour_cost_usd(x), rel_tol=1e-9
    )


def test_the_annuity_of_a_long_life_is_the_rate():
    assert math.isclose(capital_recovery_factor(0.07, 1e6), 0.07, rel_tol=1e-12)
    assert math.isclose(capital_recovery_factor(1e-13, 7.0), 1 / 7, rel_tol=1e-9)


def test_interest_while_building_is_the_integral_of_growth():
    even = np.mean([1.08 ** ((i + 0.5) / 10_000 * 2) for i in range(10_000)])
    assert math.isclose(construction_interest_factor(0.08, 24.0), even, rel_tol=1e-8)


def test_salvage_lowers_the_charge_by_its_own_annuity():
    bare, sold = (
        site_yearly_asset_charge_usd(100, 0, 0.08, 5, 0.25),
        site_yearly_asset_charge_usd(100, 10, 0.08, 5, 0.25),
    )
    assert math.isclose(bare - sold, 10 * 1.08**-5 * capital_recovery_factor(0.08, 5), rel_tol=1e-9)


def test_parts_add_up_to_the_cost():
    x = medians("hong-kong")
    assert math.isclose(
        math.fsum(levelised_usd_per_gpu_hour_by_part(x).values()),
        levelised_compute_cost_usd_per_gpu_hour(x),
        rel_tol=1e-12,
    )


def test_the_fast_draws_follow_the_slow_ones():
    scores = np.random.default_rng(3).standard_normal((400, len(INPUTS))).astype(np.float32)
    cells = site_cells(CELLS, "cn-west")
    np.testing.assert_allclose(
        site_gpu_hour_costs_usd_by_draw(cells, scores),
        reference_gpu_hour_costs_usd_of_scores(cells, scores),
        rtol=2e-4,
    )


def test_the_same_seed_draws_the_same_costs():
    cells = site_cells(CELLS, "us-texas")
    first_draw, two = (
        draw_gpu_hour_costs(cells, draws=30_000, seed=7),
        draw_gpu_hour_costs(cells, draws=30_000, seed=7),
    )
    assert first_draw.cost.tobytes() == two.cost.tobytes()
    assert draw_gpu_hour_costs(cells, draws=30_000, seed=8).p50 != first_draw.p50


def test_sobol_shares_of_a_nearly_additive_cost_add_up():
    indices = cost_sobol_indices(site_cells(CELLS, "us-virginia"), draws=20_000, seed=1)
    assert 0.9 < indices.first.sum() <= 1.02
    assert (indices.total >= indices.first - 0.02).all()


def test_use_is_the_first_driver_in_western_china():
    bars = cost_tornado(site_cells(CELLS, "cn-west"))
    assert bars[0].input == "utilisation_share"
    names = [bar.input for bar in bars]
    assert names.index("tariff_usd_per_kwh") > 5


def test_the_columns_own_inputs_make_the_us_about_three_times_dearer():
    us = draw_gpu_hour_costs(site_cells(COLUMN, "us-virginia"), draws=20_000, seed=1)
    cn = draw_gpu_hour_costs(site_cells(COLUMN, "cn-west"), draws=20_000, seed=1)
    assert 2.2 < us.p50 / cn.p50 < 3.2
    assert us.p5 > cn.p95


def test_audited_inputs_turn_the_sign_and_equal_terms_turn_it_back():
    us, cn = medians("us-virginia"), medians("cn-west")
    cn = cn._replace(utilisation_share=0.35, hardware_price_ratio=1.0)
    assert levelised_compute_cost_usd_per_gpu_hour(
        cn
    ) > 1.3 * levelised_compute_cost_usd_per_gpu_hour(us)
    cn = cn._replace(utilisation_share=us.utilisation_share)
    assert (
        0.78
        < levelised_compute_cost_usd_per_gpu_hour(cn) / levelised_compute_cost_usd_per_gpu_hour(us)
        < 0.95
    )


def test_break_even_points_cost_the_same():
    us, cn = medians("us-virginia"), medians("cn-west")
    even = cn._replace(utilisation_share=break_even_utilisation(cn, us))
    assert math.isclose(
        levelised_compute_cost_usd_per_gpu_hour(even),
        levelised_compute_cost_usd_per_gpu_hour(us),
        rel_tol=1e-9,
    )
    own = us._replace(tariff_usd_per_kwh=break_even_tariff_usd_per_kwh(us, 3.1))
    assert math.isclose(levelised_compute_cost_usd_per_gpu_hour(own), 3.1, rel_tol=1e-9)


def test_the_break_even_map_is_one_where_sites_are_alike():
    us = medians("us-virginia")
    table = site_cost_ratio_matrix(us, us, np.array([us.utilisation_share]), np.array([1.0]))
    assert math.isclose(table[0, 0], 1.0, rel_tol=1e-12)


def test_every_cell_carries_source_date_and_confidence():
    assert all(each.source and each.dated and each.confidence in CellConfidence for each in CELLS)
    assert {"cn-west", "cn-east", "hong-kong", "us-virginia", "us-texas", "us-iowa"} <= set(
        sites_of_cost_cells(CELLS)
    )


def test_money_is_converted_by_rate_and_then_by_prices():
    money = load_site_cost_currency_table()
    usd = money.site_cost_in_usd(7.195712, "CNY", 2024, price_year=2025)
    assert math.isclose(usd, money.us_prices[2025] / money.us_prices[2024])


def test_the_prices_of_a_year_that_a_unit_names_go_before_the_year_of_the_row(tmp_path):
    rows = "x,tariff_usd_per_kwh,fixed,,0.1,,{unit},{year},s,2024,press,"
    by_row = load_cost_cells(bad_library(tmp_path, rows.format(unit="USD/kWh", year=2020)))
    by_unit = load_cost_cells(
        bad_library(tmp_path, rows.format(unit="USD/kWh (2020 prices)", year=2024))
    )
    assert by_unit[0].value == by_row[0].value


def bad_library(tmp_path: Path, row: str) -> Path:
    path = tmp_path / "cells.csv"
    head = "site,input,shape,low,mode,high,unit,year,source,dated,confidence,note\n"
    path.write_text(head + row + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("row", "error", "word"),
    [
        ("x,pue_ratio,fixed,,1.2,,USD/kWh,2024,s,2024,press,", UnitError, "USD/kWh"),
        ("x,pue_ratio,fixed,,1.2,,PUE,,s,2024,press,", CellsError, "year"),
        ("x,pue_ratio,fixed,,0.7,,PUE,2024,s,2024,press,", CellsError, "1 to 4"),
        ("x,pue_ratio,triangular,1.4,1.2,1.3,PUE,2024,s,2024,press,", CellsError, "order"),
        ("x,pue_ratio,fixed,,1.2,,PUE,2024,,2024,press,", CellsError, "source"),
        ("x,pue_ratio,fixed,,1.2,,PUE,2024,s,2024,hearsay,", CellsError, "hearsay"),
        ("x,tariff_usd_per_kwh,fixed,,1,,CNY/kWh,1990,s,2024,press,", UnitError, "1990"),
        ("x,tariff_usd_per_kwh,fixed,,1,,furlong,2020,s,2024,press,", UnitError, "furlong"),
    ],
)
def test_a_bad_cell_is_named_with_its_row(tmp_path, row, error, word):
    with pytest.raises(error, match=word):
        load_cost_cells(bad_library(tmp_path, row))


def test_a_site_without_an_input_is_refused():
    with pytest.raises(CellsError, match="no cell for"):
        site_cells([], "nowhere")
