"""Rule tables, mechanical signals and the European adjustment."""

from pathlib import Path

import numpy as np
import pytest

from commonwatt.treasury.domain.errors import RuleError
from commonwatt.treasury.engines.rules.eu import (
    EuInputs,
    EuScenario,
    EuShocks,
    is_eu_rule_inputs_file,
    least_eu_adjustment,
    load_eu_inputs,
    project_eu_debt,
)
from commonwatt.treasury.engines.rules.signals import debt_indicator_signals
from commonwatt.treasury.io.rules import RULE_TABLES, load_fiscal_rules
from commonwatt.treasury.usecases.assess import AssessmentOptions, debt_assessment_result

EU = load_fiscal_rules("eu-2024")


def member(debt=0.78, spb=-0.011, shocks=None, **more):
    n = 20
    cells = {
        "name": "member",
        "year": 2024,
        "debt": debt,
        "structural_primary_balance": spb,
        "interest_rate": 0.022,
        "potential_growth": [0.011] * n,
        "inflation": [0.022] * n,
        "short_rate": [0.026] * n,
        "long_rate": [0.033] * n,
        "stock_flow": [0.0] * n,
        "ageing_cost": [0.27 + 0.001 * k for k in range(n)],
        "shocks": shocks,
    }
    return EuInputs.model_validate(cells | more)


@pytest.mark.parametrize("name", RULE_TABLES.names())
def test_every_threshold_has_a_meaning_a_source_and_where_it_was_read(name):
    table = load_fiscal_rules(name)
    assert table.adopted_on.year >= 2013
    for threshold in table.thresholds.values():
        assert threshold.meaning
        assert threshold.source
        assert threshold.read_in.startswith(("primary", "secondary"))
    assert all(table.absent.values())


def test_an_absent_threshold_is_said_and_not_guessed():
    signals = debt_indicator_signals(
        load_fiscal_rules("srdsf"), {}, group="advanced", capacity="strong"
    )
    by_indicator = {signal.indicator: signal.signal for signal in signals}
    assert by_indicator["near_term_stress_probability"] == "absent"
    assert by_indicator["medium_term_index"] == "no input"
    with pytest.raises(RuleError, match="no threshold"):
        load_fiscal_rules("srdsf").fiscal_threshold("near_term")


@pytest.mark.parametrize(
    ("debt", "group", "signal"),
    [
        (0.59, "advanced", "low"),
        (0.61, "advanced", "moderate"),
        (0.86, "advanced", "high"),
        (0.55, "emerging", "moderate"),
        (0.71, "emerging", "high"),
    ],
)
def test_mac_dsa_signals(debt, group, signal):
    signals = debt_indicator_signals(
        load_fiscal_rules("mac-dsa"), {"debt_gdp_share_max": debt}, group=group, capacity="weak"
    )
    assert signals[0].signal == signal


@pytest.mark.parametrize(
    ("value", "capacity", "signal"),
    [
        (0.34, "weak", "within"),
        (0.36, "weak", "breach"),
        (0.56, "medium", "breach"),
        (0.69, "strong", "within"),
    ],
)
def test_lic_dsf_signals(value, capacity, signal):
    table = load_fiscal_rules("lic-dsf")
    signals = debt_indicator_signals(
        table, {"pv_public_debt_gdp": value}, group="advanced", capacity=capacity
    )
    assert {debt_signal.indicator: debt_signal.signal for debt_signal in signals}[
        "pv_public_debt_gdp"
    ] == signal


@pytest.mark.parametrize(
    ("start", "fall", "signal"),
    [
        (1.1, 0.011, "within"),
        (1.1, 0.009, "breach"),
        (0.7, 0.006, "within"),
        (0.5, -0.02, "within"),
    ],
)
def test_the_debt_safeguard_depends_on_the_ratio(start, fall, signal):
    given = {"debt_gdp_share_start": start, "debt_fall_a_year": fall}
    signals = debt_indicator_signals(EU, given, group="advanced", capacity="strong")
    assert signals[-1].signal == signal


def test_the_least_step_meets_every_criterion_and_a_smaller_one_does_not():
    inputs = member(debt=1.1, spb=-0.02)
    adjustment = least_eu_adjustment(inputs, EU, 4)
    assert adjustment.step == max(adjustment.steps.values())
    path = project_eu_debt(inputs, EU, 4, adjustment.step, EuScenario.ADJUSTMENT)
    assert path.balance[4:].min() >= -0.03 - 1e-9
    assert (path.debt[0] - path.debt[4]) / 4 >= 0.01 - 1e-6
    less = project_eu_debt(inputs, EU, 4, adjustment.step - 1e-3, EuScenario.ADJUSTMENT)
    assert (less.debt[0] - less.debt[4]) / 4 < 0.01


def test_seven_years_ask_a_smaller_step_than_four():
    for debt, spb in ((1.1, -0.02), (0.78, -0.011), (0.5, -0.02)):
        inputs = member(debt, spb)
        assert least_eu_adjustment(inputs, EU, 7).step < least_eu_adjustment(inputs, EU, 4).step


def test_every_stress_test_is_worse_than_the_adjustment_itself():
    inputs = member(debt=1.0)
    calm = project_eu_debt(inputs, EU, 4, 0.005, EuScenario.ADJUSTMENT).debt[-1]
    for scenario in list(EuScenario)[1:]:
        assert project_eu_debt(inputs, EU, 4, 0.005, scenario).debt[-1] > calm


def test_without_adjustment_the_path_is_the_plain_debt_law():
    inputs = member(spb=0.0, ageing_cost=[0.27] * 20, output_gap=0.0)
    debt = project_eu_debt(inputs, EU, 4, 0.0, EuScenario.ADJUSTMENT).debt
    long, d = 0.022, 0.78
    for t in range(1, 15):
        long = 0.1 * 0.033 + 0.9 * long
        rate = 0.1 * 0.026 + 0.9 * long
        d = d * (1 + rate) / (1.011 * 1.022)
        assert debt[t] == pytest.approx(d, rel=1e-12)


def test_a_wider_stochastic_test_asks_more():
    steps = [
        least_eu_adjustment(
            member(
                0.9, shocks=EuShocks(sd=[s] * 4, correlation=np.eye(4).tolist(), probability=0.7)
            ),
            EU,
            4,
        ).steps["stochastic"]
        for s in (0.001, 0.02)
    ]
    assert steps[0] < steps[1]


def test_an_excessive_deficit_asks_at_least_half_a_point_a_year():
    inputs = member(debt=1.1, spb=-0.03, excessive_deficit=True)
    adjustment = least_eu_adjustment(inputs, EU, 7)
    path = project_eu_debt(inputs, EU, 7, adjustment.step, EuScenario.ADJUSTMENT)
    early = [s for s, b in zip(adjustment.taken, path.balance[1:], strict=False) if b < -0.03]
    assert all(step >= 0.005 - 1e-12 for step in early)
    assert adjustment.target >= inputs.structural_primary_balance + 7 * adjustment.step - 1e-12


MEMBER = """
name = "member"
year = 2024
debt = {debt}
structural_primary_balance = -0.011
interest_rate = 0.022
potential_growth = {n}
inflation = {n}
short_rate = {n}
long_rate = {n}
stock_flow = {n}
ageing_cost = {n}
"""


def test_a_member_state_is_assessed_for_four_and_seven_years(tmp_path: Path):
    path = tmp_path / "member.toml"
    path.write_text(MEMBER.format(debt=0.78, n=[0.02] * 20))
    assert is_eu_rule_inputs_file(path)
    assessment = debt_assessment_result(str(path), None, AssessmentOptions(rules="eu-2024"))
    assert [adjustment["years"] for adjustment in assessment["adjustments"]] == [4, 7]


def test_debt_in_percent_is_refused(tmp_path: Path):
    path = tmp_path / "member.toml"
    path.write_text(MEMBER.format(debt=78.0, n=[0.02] * 20))
    with pytest.raises(RuleError, match="debt: "):
        load_eu_inputs(path)
