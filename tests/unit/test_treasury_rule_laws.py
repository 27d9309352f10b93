"""The European adjustment against a plain recalculation, and every signal at its threshold.

The plain path is written year by year from Regulation (EU) 2024/1263 and the Debt Sustainability
Monitor 2023, Annex A3, with the figures of the texts and without the table.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.treasury.domain.errors import RuleError
from commonwatt.treasury.engines.rules.eu import (
    BOUNDS,
    EuInputs,
    EuPath,
    EuScenario,
    EuShocks,
    _deficit_procedure_end_year_of_plan,
    _is_debt_fall_likely,
    _least_eu_adjustment_step_or_upper_bound,
    is_eu_rule_inputs_file,
    least_eu_adjustment,
    load_eu_inputs,
    project_eu_debt,
)
from commonwatt.treasury.engines.rules.signals import (
    debt_indicator_signals,
    required_yearly_debt_fall,
)
from commonwatt.treasury.io.rules import RULE_TABLES, RuleTable, load_fiscal_rules

EU = load_fiscal_rules("eu-2024")
N = 20
near = pytest.approx


def member(**cells):
    plain = {
        "name": "member", "year": 2024, "debt": 0.78, "structural_primary_balance": -0.011,
        "interest_rate": 0.022, "potential_growth": [0.011] * N, "inflation": [0.022] * N,
        "short_rate": [0.026] * N, "long_rate": [0.033] * N, "stock_flow": [0.0] * N,
        "ageing_cost": [0.27] * N,
    }  # fmt: skip
    return EuInputs.model_validate(plain | cells)


def plain_path(m, years, step, scenario):
    """Return debt, balance and structural balance, year by year."""
    count = years + 11
    spb = [m.structural_primary_balance]
    gap, debt, long = [m.output_gap], [m.debt], m.interest_rate
    interest = [m.debt * m.interest_rate]
    balance, structural = [], []
    revenue = m.revenue or [0]

    def net(t):
        return m.ageing_cost[min(t, len(m.ageing_cost) - 1)] - revenue[min(t, len(revenue) - 1)]

    for t in range(count):
        steps = step * min(t, years)
        shock = 0.0
        if scenario == "lower-spb" and t > years:
            # Half a point, phased in over two years of a period of four, three of one of seven.
            shock = 0.005 * min(1, (t - years) / {4: 2, 5: 2, 7: 3}[years])
        spb = m.structural_primary_balance + steps - shock
        ageing = net(t) - net(years) if t > years else 0.0
        if t == 0:
            primary = spb + m.elasticity * gap[0]
        else:
            if t == 1 and m.output_gap_first is not None:
                gap.append(m.output_gap_first - 0.75 * step)
            elif t <= years:
                gap.append(gap[-1] * 2 / 3 - 0.75 * step)
            else:
                gap.append({1: 2 / 3, 2: 1 / 3}.get(t - years, 0.0) * gap[years])
            primary = spb - ageing + m.elasticity * gap[t]
            late = t > years
            adverse = 0.005 if scenario == "adverse-r-g" and late else 0.0
            real = (1 + m.potential_growth[t]) * (1 + gap[t]) / (1 + gap[t - 1]) - 1 - adverse
            growth = (1 + real) * (1 + m.inflation[t]) - 1
            extra = adverse
            if scenario == "financial-stress" and t == years + 1:
                extra = 0.01 + 0.06 * max(0, debt[years] - 0.9)
            long_rate = m.long_rate[min(t, len(m.long_rate) - 1)] + extra
            short_rate = m.short_rate[min(t, len(m.short_rate) - 1)] + extra
            long = m.maturing_share * long_rate + (1 - m.maturing_share) * long
            rate = m.short_share * short_rate + (1 - m.short_share) * long
            interest.append(debt[-1] * rate / (1 + growth))
            debt.append(debt[-1] * (1 + rate) / (1 + growth) - primary + m.stock_flow[t])
        balance.append(primary - interest[t])
        structural.append(spb - ageing - interest[t])
    return debt, balance, structural, interest


small = st.floats(-0.03, 0.03)
rates = st.lists(st.floats(0.0, 0.06), min_size=N, max_size=N)


@st.composite
def members(draw):
    return member(
        debt=draw(st.floats(0.2, 1.6)), structural_primary_balance=draw(small),
        output_gap=draw(small), output_gap_first=draw(st.one_of(st.none(), small)),
        interest_rate=draw(st.floats(0, 0.05)), elasticity=draw(st.floats(0, 1)),
        short_share=draw(st.floats(0, 1)), maturing_share=draw(st.floats(0, 1)),
        potential_growth=draw(rates), inflation=draw(rates), short_rate=draw(rates),
        long_rate=draw(rates), stock_flow=draw(rates),
        ageing_cost=draw(st.lists(st.floats(0.2, 0.3), min_size=1, max_size=N)),
        revenue=draw(st.lists(st.floats(0, 0.02), max_size=3)),
    )  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(
    members(), st.sampled_from([4, 5, 7]), st.floats(-0.01, 0.02),
    st.sampled_from(list(EuScenario)),
)  # fmt: skip
def test_a_path_is_that_of_the_regulation_year_by_year(m, years, step, scenario):
    path = project_eu_debt(m, EU, years, step, scenario)
    debt, balance, structural, interest = plain_path(m, years, step, scenario.value)
    assert len(path.debt) == years + 11
    assert path.debt.tolist() == near(debt, abs=1e-12)
    assert path.balance.tolist() == near(balance, abs=1e-12)
    assert path.structural_balance.tolist() == near(structural, abs=1e-12)
    assert path.interest.tolist() == near(interest, abs=1e-12)


@pytest.mark.parametrize("holds_from", [-0.2, -0.05, -0.0499, 0.0, 0.0371, 0.1, 0.11])
def test_the_least_step_is_found_to_a_millionth_within_its_bounds(holds_from):
    step = _least_eu_adjustment_step_or_upper_bound(lambda s: s >= holds_from)
    assert BOUNDS == (-0.05, 0.10)
    if holds_from <= BOUNDS[0]:
        assert step == BOUNDS[0]
    elif holds_from > BOUNDS[1]:
        assert step == BOUNDS[1]
    else:
        assert 0 <= step - holds_from <= 1.0e-6


def least_plainly(holds, precision=2e-6):
    """Return the least step on a fine grid, by halving an interval in which it lies."""
    low, high = BOUNDS
    if holds(low):
        return low
    while high - low > precision:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


@pytest.mark.parametrize("years", [4, 7])
@pytest.mark.parametrize(("debt", "spb"), [(1.2, -0.03), (0.95, -0.02), (0.75, -0.01), (0.5, 0.0)])
def test_each_criterion_asks_the_least_step_at_which_it_holds_of_the_plain_path(years, debt, spb):
    m = member(debt=debt, structural_primary_balance=spb,
               ageing_cost=[0.27 + 0.001 * k for k in range(N)])  # fmt: skip
    adjustment = least_eu_adjustment(m, EU, years)
    for scenario in EuScenario:

        def falls(step, scenario=scenario):
            path = plain_path(m, years, step, scenario.value)[0]
            return path[-1] < path[years] or path[-1] <= 0.6

        expected = least_plainly(falls)
        assert adjustment.steps[f"debt falls: {scenario.value}"] == near(expected, abs=4e-6)
    deficit = least_plainly(lambda s: min(plain_path(m, years, s, "")[1][years:]) >= -0.03)
    assert adjustment.steps["deficit under 3 %"] == near(deficit, abs=4e-6)
    least_fall = 0.01 if debt > 0.9 else 0.005 if debt > 0.6 else 0.0

    def safe(step):
        path = plain_path(m, years, step, "")[0]
        return (path[0] - path[years]) / years >= least_fall or path[years] <= 0.6

    assert adjustment.steps["debt safeguard"] == near(least_plainly(safe), abs=4e-6)
    # Article 8: where the structural balance stands below -1.5 % a step of 0.4 or 0.25 points.
    margin = plain_path(m, years, 0.0, "")[2][1] >= -0.015
    resilience = BOUNDS[0] if margin else 0.004 if years == 4 else 0.0025
    assert adjustment.steps["deficit resilience"] == resilience
    assert adjustment.step == max(adjustment.steps.values())
    assert adjustment.steps[adjustment.binding] == adjustment.step
    assert (adjustment.years, adjustment.taken) == (years, (adjustment.step,) * years)
    assert adjustment.target == near(spb + years * adjustment.step)
    assert "stochastic" not in adjustment.steps


def test_the_margin_of_resilience_is_met_at_the_margin_itself():
    # No debt, so the structural balance is the structural primary balance.
    for spb, expected in [(-0.015, BOUNDS[0]), (-0.0151, 0.004)]:
        m = member(debt=0.0, structural_primary_balance=spb)
        assert least_eu_adjustment(m, EU, 4).steps["deficit resilience"] == expected


@pytest.mark.parametrize("years", [4, 7])
def test_the_deficit_procedure_asks_half_a_point_and_after_three_years_the_interest_too(years):
    m = member(debt=1.1, structural_primary_balance=-0.06, interest_rate=0.01,
               excessive_deficit=True)  # fmt: skip
    path = project_eu_debt(m, EU, years, 0.001, EuScenario.ADJUSTMENT)
    taken = np.diff(path.structural_balance + path.interest)[:years]
    excessive = True
    for k in range(years):
        if k >= 3:
            # Interest of the path before the step is raised: the steps before it are taken.
            expected = 0.005 + path.interest[k + 1] - path.interest[k]
            assert taken[k] == near(expected, abs=2e-4)
            assert taken[k] > 0.0051
        elif excessive:
            assert taken[k] == near(0.005)
    assert path.balance[1 : years + 1].max() < -0.03
    # Without the procedure the steps are as asked for, and a larger step is never lowered.
    free = project_eu_debt(m.model_copy(update={"excessive_deficit": False}), EU, years, 0.001,
                           EuScenario.ADJUSTMENT)  # fmt: skip
    assert np.diff(free.structural_balance + free.interest)[:years].tolist() == near(
        [0.001] * years
    )
    large = project_eu_debt(m, EU, years, 0.02, EuScenario.ADJUSTMENT)
    assert np.diff(large.structural_balance + large.interest)[:years].tolist() == near(
        [0.02] * years
    )


def test_the_procedure_asks_nothing_once_the_deficit_is_at_its_reference():
    # No debt and no gap: the balance is the structural primary balance, -4 % and rising.
    m = member(debt=0.0, structural_primary_balance=-0.04, elasticity=0.0,
               excessive_deficit=True)  # fmt: skip
    path = project_eu_debt(m, EU, 7, 0.0, EuScenario.ADJUSTMENT)
    taken = np.diff(path.structural_balance + path.interest)[:7]
    assert taken[:2].tolist() == near([0.005, 0.005])
    adjustment = least_eu_adjustment(m, EU, 7)
    assert adjustment.target == near(-0.04 + sum(adjustment.taken))
    assert sum(adjustment.taken) >= 7 * adjustment.step - 1e-12


@pytest.mark.parametrize(
    ("balance", "end"),
    [([-0.05, -0.031, -0.03, -0.02, -0.01], 2), ([0.0, -0.02, -0.05, 0.0, 0.0], 1),
     ([0.0, -0.05, -0.05, -0.05, -0.03], 4), ([0.0, -0.05, -0.05, -0.05, -0.031], 4),
     ([0.0, -0.05, -0.05, -0.03, -0.05], 3)],
)  # fmt: skip
def test_the_procedure_ends_in_the_first_year_within_the_reference(balance, end):
    nothing = np.zeros(5)
    path = EuPath(nothing, np.array(balance), nothing, nothing)
    assert _deficit_procedure_end_year_of_plan(EU, path, 4) == end


@pytest.mark.parametrize(
    ("debt", "spb", "ageing", "years"),
    [
        (0.88, -0.0189, 0.001, 7), (0.9958, -0.0056, 0.0005, 7), (0.8535, -0.0239, 0.001, 4),
        (0.773, -0.0064, 0.002, 4), (0.7, -0.02, 0.0005, 7), (1.0, -0.02, 0.0005, 7),
    ],
)  # fmt: skip
def test_the_safeguard_counts_from_the_end_of_the_procedure_and_holds_of_the_step_named(
    debt, spb, ageing, years
):
    m = member(debt=debt, structural_primary_balance=spb, interest_rate=0.03,
               ageing_cost=[0.27 + ageing * k for k in range(N)],
               excessive_deficit=True)  # fmt: skip
    adjustment = least_eu_adjustment(m, EU, years)
    path = project_eu_debt(m, EU, years, adjustment.step, EuScenario.ADJUSTMENT)
    first = next((t for t in range(1, years + 1) if path.balance[t] >= -0.03), years)
    if first < years - 1:
        least_fall = 0.01 if debt > 0.9 else 0.005
        fall = (path.debt[first] - path.debt[years]) / (years - first)
        assert fall >= least_fall - 1e-6 or path.debt[years] <= 0.6


def test_some_of_those_procedures_ended_early_enough_to_ask_anything():
    m = member(debt=0.88, structural_primary_balance=-0.0189, interest_rate=0.03,
               ageing_cost=[0.27 + 0.001 * k for k in range(N)],
               excessive_deficit=True)  # fmt: skip
    adjustment = least_eu_adjustment(m, EU, 7)
    path = project_eu_debt(m, EU, 7, adjustment.step, EuScenario.ADJUSTMENT)
    assert any(balance >= -0.03 for balance in path.balance[1:6])


def test_a_procedure_that_never_ends_leaves_no_year_over_which_debt_could_fall():
    late = member(excessive_deficit=True, debt=1.1, structural_primary_balance=-0.2)
    assert least_eu_adjustment(late, EU, 4).steps["debt safeguard"] == BOUNDS[0]


def calm_shocks(sd=(0.0, 0.0, 0.0, 0.0), probability=0.7):
    return EuShocks(sd=list(sd), correlation=np.eye(4).tolist(), probability=probability)


def likely(m, draws, step=0.0, years=4):
    return _is_debt_fall_likely(m, EU, years, draws, step)


@pytest.mark.parametrize(("bad", "expected"), [(2, True), (3, True), (4, False)])
def test_debt_falls_likely_enough_in_the_share_of_paths_that_the_rule_names(bad, expected):
    m = member(debt=1.0, structural_primary_balance=0.03, shocks=calm_shocks())
    draws = np.zeros((5, 10, 4))
    draws[:, :bad, 1] = -0.2  # a fifth of GDP of deficit each year
    assert likely(m, draws) is expected


def test_a_shock_to_long_rates_stays_and_one_to_short_rates_is_gone_in_a_year():
    """One path, whose debt is recalculated beside: the test parts where it ends under its start."""
    cells = {"debt": 1.0, "short_share": 0.25, "maturing_share": 0.2, "stock_flow": [0.002] * N,
             "shocks": calm_shocks()}  # fmt: skip
    for kind, size in [(0, -0.02), (1, -0.015), (2, 0.08), (3, 0.04), (2, -0.08), (0, 0.02)]:

        def end(spb, kind=kind, size=size):
            m = member(structural_primary_balance=spb, **cells)
            debt, balance, _, interest = plain_path(m, 4, 0.0, "")
            primary = [b + i for b, i in zip(balance, interest, strict=True)]
            d = debt[4]
            for k, t in enumerate(range(5, 10)):
                growth = interest[t] and (debt[t] + primary[t] - 0.002) / debt[t - 1]
                cost = growth
                if kind == 3:
                    cost += (k + 1) * 0.2 * 0.75 * size
                if kind == 2:
                    cost += 0.25 * size
                d = d * cost / (1 + (size if kind == 0 else 0))
                d -= (size if kind == 1 else 0) + primary[t] - 0.002
            return d - debt[4]

        draws = np.zeros((5, 1, 4))
        draws[:, :, kind] = size
        low, high = -0.1, 0.1
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (low, middle) if end(middle) < 0 else (middle, high)
        for spb, expected in [(high + 1e-5, True), (low - 1e-5, False)]:
            m = member(structural_primary_balance=spb, **cells)
            assert likely(m, draws) is expected, (kind, size)


def test_a_debt_under_its_reference_is_prudent_whatever_it_does():
    rising = {"structural_primary_balance": -0.02, "shocks": calm_shocks()}
    assert likely(member(debt=0.2, **rising), np.zeros((5, 1, 4)))
    assert not likely(member(debt=0.8, **rising), np.zeros((5, 1, 4)))


def test_the_stochastic_test_follows_its_seed_and_asks_more_of_a_higher_chance():
    steps = {
        (seed, chance): least_eu_adjustment(
            member(debt=0.9, shocks=calm_shocks([0.01] * 4, chance)), EU, 4, seed=seed
        ).steps["stochastic"]
        for seed in (1, 2) for chance in (0.5, 0.9)
    }  # fmt: skip
    assert steps[1, 0.5] < steps[1, 0.9]
    assert steps[1, 0.9] != steps[2, 0.9]
    assert steps[1, 0.9] == near(steps[2, 0.9], abs=1e-3)


@pytest.mark.parametrize("short", ["potential_growth", "inflation", "short_rate", "long_rate",
                                   "stock_flow"])  # fmt: skip
def test_a_series_reaches_ten_years_beyond_the_longest_adjustment(short):
    member(**{short: [0.02] * 18})
    with pytest.raises(ValueError, match=f"{short} must hold at least 18"):
        member(**{short: [0.02] * 17})


def test_only_a_toml_file_with_a_structural_balance_is_a_member_state_s(tmp_path):
    for name, text, expected in [("a.toml", "structural_primary_balance = 1", True),
                                 ("b.toml", "x = 1", False),
                                 ("c.csv", "structural_primary_balance", False)]:  # fmt: skip
        (tmp_path / name).write_text(text)
        assert is_eu_rule_inputs_file(tmp_path / name) is expected
    assert not is_eu_rule_inputs_file(tmp_path / "none.toml")
    (tmp_path / "d.toml").mkdir()
    assert not is_eu_rule_inputs_file(tmp_path / "d.toml")
    with pytest.raises(RuleError):
        load_eu_inputs(tmp_path / "b.toml")


def signals(rules, group="advanced", capacity="strong", **indicators):
    rows = debt_indicator_signals(
        load_fiscal_rules(rules), indicators, group=group, capacity=capacity
    )
    return {row.indicator: row for row in rows}


def zone_cases(low, high):
    up = math.nextafter
    return [(low, "low"), (up(low, 2 * high), "moderate"), (high, "moderate"),
            (up(high, 2 * high), "high")]  # fmt: skip


# IMF (2013), Staff Guidance Note for Public Debt Sustainability Analysis in Market-Access
# Countries: benchmarks of 85 and 70 % of GDP for debt, 20 and 15 for gross financing needs.
@pytest.mark.parametrize(
    ("group", "name", "low", "high"),
    [("advanced", "debt", 0.6, 0.85), ("emerging", "debt", 0.5, 0.7),
     ("advanced", "gfn", 0.15, 0.2), ("emerging", "gfn", 0.1, 0.15)],
)  # fmt: skip
def test_market_access_signals_part_at_their_benchmarks(group, name, low, high):
    indicator = f"{name}_gdp_share_max"
    for level, signal in zone_cases(low, high):
        rows = signals("mac-dsa", group=group, **{indicator: level})
        assert list(rows) == ["debt_gdp_share_max", "gfn_gdp_share_max"]
        row = rows.pop(indicator)
        assert (row.signal, row.value, row.thresholds) == (signal, level, (low, high))
        assert row.note == load_fiscal_rules("mac-dsa").thresholds[f"{name}_{group}"].source
        [other] = rows.values()
        assert (other.signal, other.value) == ("no input", None)


# IMF and World Bank (2018), Guidance Note on the Debt Sustainability Framework for Low Income
# Countries: thresholds by debt-carrying capacity.
LIC = {
    "pv_external_debt_gdp": (0.30, 0.40, 0.55), "debt_service_exports": (0.10, 0.15, 0.21),
    "debt_service_revenue": (0.14, 0.18, 0.23), "pv_public_debt_gdp": (0.35, 0.55, 0.70),
}  # fmt: skip


@pytest.mark.parametrize("name", LIC)
def test_low_income_signals_part_at_the_threshold_of_the_capacity(name):
    for capacity, limit in zip(("weak", "medium", "strong"), LIC[name], strict=True):
        for level, signal in [(limit, "within"), (math.nextafter(limit, 2), "breach")]:
            rows = signals("lic-dsf", capacity=capacity, **{name: level})
            assert (rows[name].signal, rows[name].thresholds) == (signal, (limit,))
            assert rows["pv_external_debt_exports"].signal == "absent"
            assert set(rows) == {*LIC, "pv_external_debt_exports"}
    assert signals("lic-dsf")[name].signal == "no input"


# IMF (2022), Staff Guidance Note on the SRDSF: thresholds of the medium-term indices.
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("debt_fanchart_index", 1.13, 2.08), ("gfn_financeability_index", 7.6, 17.9),
     ("medium_term_index", 0.257, 0.395)],
)  # fmt: skip
def test_sovereign_risk_signals_part_at_their_two_thresholds(name, low, high):
    for level, signal in zone_cases(low, high):
        row = signals("srdsf", **{name: level})[name]
        assert (row.signal, row.thresholds) == (signal, (low, high))
    absent = [row for row in signals("srdsf").values() if row.signal == "absent"]
    assert {row.indicator for row in absent} == set(load_fiscal_rules("srdsf").absent)
    assert all(row.note and row.value is None and row.thresholds == () for row in absent)


@pytest.mark.parametrize(
    ("name", "limit"), [("debt_gdp_share_end", 0.6), ("deficit_gdp_share_max", 0.03)]
)
def test_european_reference_values_are_met_at_the_value_itself(name, limit):
    for level, signal in [(limit, "within"), (math.nextafter(limit, 2), "breach")]:
        rows = signals("eu-2024", **{name: level})
        assert rows[name].signal == signal
        assert list(rows) == ["debt_gdp_share_end", "deficit_gdp_share_max", "debt_rise_a_year"]


@pytest.mark.parametrize(
    ("debt", "fall"), [(0.0, 0.0), (0.6, 0.0), (0.601, 0.005), (0.9, 0.005), (0.901, 0.01)]
)
def test_the_safeguard_asks_a_point_above_ninety_and_half_above_sixty(debt, fall):
    assert required_yearly_debt_fall(EU, debt) == fall
    for given_fall in (fall, fall - 1e-6):
        row = signals("eu-2024", debt_gdp_share_start=debt, debt_fall_a_year=given_fall)
        row = row["debt_rise_a_year"]
        if fall == 0:
            assert (row.signal, row.value, row.thresholds) == ("within", None, ())
            assert "no fall is asked" in row.note
        else:
            assert row.signal == ("within" if given_fall == fall else "breach")
            assert (row.value, row.thresholds) == (-given_fall, (-fall,))
    unstated = signals("eu-2024", debt_gdp_share_start=debt)["debt_rise_a_year"]
    assert unstated.signal == ("within" if fall == 0 else "no input")
    assert signals("eu-2024", debt_fall_a_year=0.0)["debt_rise_a_year"].signal == "within"
    assert signals("eu-2024", debt_fall_a_year=-0.1)["debt_rise_a_year"].signal == "breach"


def test_a_table_without_mechanical_signals_and_an_unknown_one_are_refused():
    other = RuleTable(name="x", title="", adopted_on=None, thresholds={}, absent={})
    with pytest.raises(RuleError, match="mechanical signals"):
        debt_indicator_signals(other, {}, group="advanced", capacity="weak")
    with pytest.raises(RuleError, match="no threshold"):
        EU.fiscal_threshold("nothing")
    with pytest.raises(RuleError, match=RULE_TABLES.names()[0]):
        load_fiscal_rules("nothing")
    assert EU.fiscal_threshold("debt_reference") == 0.6
