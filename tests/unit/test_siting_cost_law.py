"""The levelised cost part by part: figures worked by hand, and the sum of a cash flow in plain."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.siting.domain.cells import site_cells
from commonwatt.siting.domain.cost_inputs import INPUTS, CostInputs
from commonwatt.siting.engines.cost import chance
from commonwatt.siting.engines.cost.arrays import gpu_hour_costs_usd_in_arrays
from commonwatt.siting.engines.cost.model import (
    capital_recovery_factor,
    construction_interest_factor,
    cost_usd_per_effective_pflop_hour,
    gpu_hour_cost_usd_from_cash_flow,
    levelised_compute_cost_usd_per_gpu_hour,
    levelised_cost_parts,
    levelised_usd_per_gpu_hour_by_part,
    site_yearly_asset_charge_usd,
    undiscounted_gpu_hour_cost_usd,
    useful_gpu_hours_per_year,
)
from commonwatt.siting.io.cells import load_cost_cells

near = pytest.approx
# Half the hours, no faults, no rate, no tax: every part is an amount over 4,380 hours.
PLAIN = CostInputs(
    utilisation_share=0.5, server_usd_per_gpu=30_000.0, hardware_price_ratio=1.5,
    network_usd_per_gpu=5_000.0, it_kw_per_gpu=2.0, busy_draw_share=0.9, idle_draw_share=0.3,
    shell_usd_per_kw=10_000.0, land_usd_per_kw=500.0, build_months=24.0, delay_months=12.0,
    shell_life_years=20.0, hardware_life_years=5.0, salvage_share=0.1, discount_rate=0.0,
    tariff_usd_per_kwh=0.1, demand_charge_usd_per_kw=120.0, pue_ratio=1.25, staff_per_mw=4.0,
    wage_usd_per_year=100_000.0, it_upkeep_share=0.04, shell_upkeep_share=0.02,
    uplink_usd_per_gpu=219.0, faults_per_gpu=0.0, part_share=0.2, repair_hours=43.8,
    subsidy_share=0.2, tax_share=0.0, holding_share=0.01,
)  # fmt: skip
HOURS = 4380.0
FAULTY = PLAIN._replace(faults_per_gpu=2.0)  # 87.6 hours of 8,760: a hundredth


def test_every_part_is_the_amount_worked_by_hand():
    parts = levelised_usd_per_gpu_hour_by_part(PLAIN)
    expected = {
        # (30,000 × 1.5 + 5,000) × 0.8 = 40,000 over five years, less a tenth of it.
        "servers": 40_000 * 0.9 / 5,
        "shell": 20_000 * 0.8 / 20,
        "land": 0.0,  # keeps its value, and its yield is nothing at a rate of nothing
        # 2 kW × (0.3 + 0.6 × 0.5) × 1.25 = 1.5 kW; and 2.5 kW at the peak.
        "energy": 8760 * 1.5 * 0.1 + 2.5 * 120,
        "staff": 0.004 * 2 * 100_000,
        "upkeep": 50_000 * 0.04 + 20_000 * 0.02,
        "network": 219.0,
        "spares": 0.0,
        "holding": (50_000 + 20_000 + 1_000) * 0.01,
    }
    assert parts == near({name: amount / HOURS for name, amount in expected.items()})
    assert levelised_compute_cost_usd_per_gpu_hour(PLAIN) == near(sum(expected.values()) / HOURS)


def test_faults_cost_parts_and_hours():
    parts, plain = (
        levelised_usd_per_gpu_hour_by_part(FAULTY),
        levelised_usd_per_gpu_hour_by_part(PLAIN),
    )
    assert useful_gpu_hours_per_year(PLAIN) == near(4380)
    assert useful_gpu_hours_per_year(FAULTY) == near(4380 * 0.99)
    # Two parts a year, a fifth of a server at the price of the site each.
    assert parts["spares"] == near(2 * 0.2 * 45_000 / (4380 * 0.99))
    assert parts["staff"] == near(plain["staff"] / 0.99)
    # A hundredth of the year is left however often it fails.
    for faults in (198.0, 199.0, 250.0, 1e6):
        hours = useful_gpu_hours_per_year(PLAIN._replace(faults_per_gpu=faults))
        assert hours == near(4380 * max(0.01, 1 - faults / 200))


RATED = PLAIN._replace(discount_rate=0.1, tax_share=0.25)


def test_capital_is_paid_back_with_its_interest_and_its_tax():
    parts = levelised_usd_per_gpu_hour_by_part(RATED)
    # Five payments of 1/3.790787 repay 1 at a tenth; a fifth is deducted from profit each year.
    annuity = sum(1.1**-year for year in range(1, 6))
    gross = 40_000 * (1 - 0.25 * annuity / 5) / 0.75
    assert parts["servers"] == near((gross - 4_000 * 1.1**-5) / annuity / HOURS)
    long = sum(1.1**-year for year in range(1, 21))
    # Two years of building at even pace, and one of waiting.
    built = (1.1**2 - 1) / math.log(1.21) * 1.1
    gross = 16_000 * built * (1 - 0.25 * long / 20) / 0.75
    assert parts["shell"] == near(gross / long / HOURS)
    # Land is paid before ground is broken, three years before the first hour, and earns its yield.
    assert parts["land"] == near(1_000 * 1.1**3 * 0.1 / 0.75 / HOURS)
    untaxed = levelised_usd_per_gpu_hour_by_part(RATED._replace(tax_share=0.0))
    for name in ("energy", "staff", "upkeep", "network", "spares", "holding"):
        assert parts[name] == untaxed[name]


@pytest.mark.parametrize("rate", [0.0, 1e-9, 0.03, 0.2])
@pytest.mark.parametrize("life", [1.0, 5.0, 40.0])
def test_a_recovery_factor_repays_one_over_the_life(rate, life):
    payments = sum((1 + rate) ** -year for year in range(1, int(life) + 1))
    assert capital_recovery_factor(rate, life) == near(1 / payments, rel=1e-9)
    charge = site_yearly_asset_charge_usd(100.0, 20.0, rate, life, 0.0)
    assert charge * payments == near(100 - 20 * (1 + rate) ** -life)
    # After tax the charge still repays the outlay, when a share of it is deducted every year.
    taxed = site_yearly_asset_charge_usd(100.0, 20.0, rate, life, 0.3)
    flow = taxed * 0.7 + 0.3 * 100 / life
    assert flow * payments + 20 * 0.7 * (1 + rate) ** -life == near(100)


def test_a_rate_too_small_to_count_is_none():
    assert capital_recovery_factor(0.9e-12, 4.0) == 0.25
    assert capital_recovery_factor(-0.9e-12, 4.0) == 0.25
    assert capital_recovery_factor(0.02, 4.0) > capital_recovery_factor(0.0, 4.0)
    assert capital_recovery_factor(-0.02, 4.0) < 0.25
    assert construction_interest_factor(0.1, 0.0) == 1.0
    assert construction_interest_factor(0.1, 12.0) == near(0.1 / math.log(1.1))


# Nothing, or enough that a plain (1 + r) ** n - 1 keeps its digits.
rates = st.one_of(st.just(0.0), st.floats(1e-3, 0.3))


def inputs_between(draw):
    shares = {spec.name: draw(st.floats(0.01, 0.99)) for spec in INPUTS}
    values = {spec.name: spec.low + shares[spec.name] * (spec.high - spec.low) for spec in INPUTS}
    life = draw(st.integers(1, 6))
    # The walk through the years takes whole lives only.
    return CostInputs(**values | {
        "hardware_life_years": float(life),
        "shell_life_years": float(life * draw(st.integers(2, 6))),
        "repair_hours": draw(st.floats(0, 40)), "faults_per_gpu": draw(st.floats(0, 3)),
        "discount_rate": draw(rates),
    })  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_annuity_is_the_price_at_which_the_cash_flow_after_tax_is_nothing(data):
    x = inputs_between(data.draw)
    price, hours = (
        levelised_compute_cost_usd_per_gpu_hour(x),
        8760 * x.utilisation_share * (1 - x.faults_per_gpu * x.repair_hours / 8760),
    )
    parts = levelised_usd_per_gpu_hour_by_part(x)
    assert useful_gpu_hours_per_year(x) == near(max(hours, 87.6 * x.utilisation_share))
    expenses = sum(v for k, v in parts.items() if k not in ("servers", "shell", "land")) * hours
    r, tax = x.discount_rate, x.tax_share
    years, life = int(x.shell_life_years), int(x.hardware_life_years)
    servers = (x.server_usd_per_gpu * x.hardware_price_ratio + x.network_usd_per_gpu) * (
        1 - x.subsidy_share
    )
    months = x.build_months
    built = ((1 + r) ** (months / 12) - 1) / (math.log1p(r) * months / 12) if r else 1.0
    wait = (1 + r) ** (x.delay_months / 12)
    shell = x.shell_usd_per_kw * x.it_kw_per_gpu * (1 - x.subsidy_share) * built * wait
    land = x.land_usd_per_kw * x.it_kw_per_gpu * wait * (1 + r) ** (months / 12)
    value = -shell - land + land * (1 + r) ** -years
    for year in range(1, years + 1):
        profit = price * hours - expenses - servers / life - shell / years
        value += (price * hours - expenses - tax * profit) * (1 + r) ** -year
    for start in range(0, years, life):
        value -= servers * (1 + r) ** -start
        value += servers * x.salvage_share * (1 - tax) * (1 + r) ** -(start + life)
    scale = servers + shell + land + price * hours * years
    assert abs(value) <= 1e-8 * scale
    assert gpu_hour_cost_usd_from_cash_flow(x) == near(price, rel=1e-6)


def test_work_is_paid_for_by_what_it_achieves_of_the_peak():
    assert cost_usd_per_effective_pflop_hour(3.0, 2.0, 0.5) == 3.0
    assert cost_usd_per_effective_pflop_hour(3.0, 2.0, 0.25) == 6.0


def test_without_rate_and_tax_the_cost_is_money_over_hours():
    assert undiscounted_gpu_hour_cost_usd(RATED) == near(
        levelised_compute_cost_usd_per_gpu_hour(PLAIN)
    )
    assert gpu_hour_cost_usd_from_cash_flow(PLAIN._replace(build_months=0.0)) == near(
        levelised_compute_cost_usd_per_gpu_hour(PLAIN._replace(build_months=0.0))
    )
    # Whole numbers are read as the figures that they are.
    whole = PLAIN._replace(it_kw_per_gpu=2, demand_charge_usd_per_kw=120)
    assert levelised_compute_cost_usd_per_gpu_hour(
        whole
    ) == levelised_compute_cost_usd_per_gpu_hour(PLAIN)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 40))
def test_the_law_in_arrays_and_in_plain_python_is_that_of_the_compiled_law_to_the_last_bit(
    data, count
):
    rows = np.array([inputs_between(data.draw) for _ in range(count)])
    compiled = np.empty(count)
    chance._fill_gpu_hour_costs_of_inputs(rows, compiled)
    assert gpu_hour_costs_usd_in_arrays(rows).tobytes() == compiled.tobytes()
    plain = [levelised_cost_parts.py_func(CostInputs(*row)) for row in rows.tolist()]
    assert [sum(parts) for parts in plain] == compiled.tolist()


@pytest.mark.parametrize("site", ["us-virginia", "cn-west", "hong-kong"])
def test_draws_in_arrays_are_the_compiled_draws_to_the_last_bit(site, monkeypatch):
    cells = site_cells(load_cost_cells(), site)
    drawn = []
    for loaded in (True, False):
        monkeypatch.setattr(chance, "is_numba_compiler_loaded", lambda loaded=loaded: loaded)
        drawn.append(chance.draw_gpu_hour_costs(cells, draws=20_000, seed=5).cost.tobytes())
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    "impossible",
    [{"utilisation_share": 0.0}, {"discount_rate": -1.0}, {"hardware_life_years": 0.0},
     {"discount_rate": 1e300, "delay_months": 1e300}],
)  # fmt: skip
def test_where_python_stops_the_compiled_law_goes_on(impossible, monkeypatch):
    usual = site_cells(load_cost_cells(), "cn-west").median_cost_inputs()
    rows = np.array([usual._replace(**impossible)] * 20)
    compiled = np.empty(len(rows))
    chance._fill_gpu_hour_costs_of_inputs(rows, compiled)
    monkeypatch.setattr(chance, "is_numba_compiler_loaded", lambda: False)
    for count in (1, len(rows)):
        costs = chance.gpu_hour_costs_usd_of_input_rows(rows[:count])
        np.testing.assert_array_equal(costs, compiled[:count])
