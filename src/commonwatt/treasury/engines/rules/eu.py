"""The European adjustment: the least yearly step of the structural primary balance.

A linear adjustment of N years lowers output by the multiplier and lets the gap close;
after it ageing costs reach the balance for ten years. The step is the least at which
debt falls, or is prudent, under the adjustment itself and under three stress tests,
which a stochastic test and the two safeguards may raise. Each criterion is monotone in
the step, so bisection finds its least step; the debt safeguard under the deficit procedure
is not, and is asked once more of the step that the others set. The step is constant, and
what the deficit procedure asks beyond it comes on top, as in the Commission's own sheets.

Sources: Regulation (EU) 2024/1263, Articles 6, 7, 8 and 10; European Commission, Debt
Sustainability Monitor 2023, Annex A3. What "falls" means is our reading: the ratio ten
years after the adjustment is under the ratio at its end, or under the reference value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from commonwatt.core.seeds import named_random_stream
from commonwatt.treasury.domain.errors import RuleError
from commonwatt.treasury.domain.shocks import F64
from commonwatt.treasury.engines.rules.signals import required_yearly_debt_fall
from commonwatt.treasury.io.country.folder import read_treasury_toml, validate_treasury_document
from commonwatt.treasury.io.rules import RuleTable

Share = Annotated[float, Field(ge=-1, le=1)]
Ratio = Annotated[float, Field(ge=0, le=4)]
DECLINE_YEARS = 10  # years after the adjustment over which debt must fall
STOCHASTIC_YEARS = 5
PATHS = 2_000
PRECISION = 1e-6
PRIMARY_YEARS = 3  # in which the procedure looks at the primary balance
BOUNDS = (-0.05, 0.10)


class EuScenario(StrEnum):
    """The adjustment itself and the three deterministic stress tests."""

    ADJUSTMENT = "adjustment"
    LOWER_SPB = "lower-spb"
    ADVERSE_R_G = "adverse-r-g"
    FINANCIAL_STRESS = "financial-stress"


class EuShocks(BaseModel):
    """Yearly shocks of the stochastic test: growth, primary balance, short and long rate."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    sd: list[Annotated[float, Field(ge=0, le=0.5)]] = Field(min_length=4, max_length=4)
    correlation: list[list[Share]]
    probability: Annotated[float, Field(gt=0, lt=1)]


class EuInputs(BaseModel):
    """A member state's inputs; every list starts with the year before the adjustment.

    Args:
        name: ISO 3166 code or name.
        year: Year before the adjustment.
        debt: Debt over GDP in that year.
        structural_primary_balance: Over GDP in that year, before the cost of ageing.
        output_gap: In that year, share of potential.
        output_gap_first: In the first year of adjustment, were there none; two thirds of
            the gap before it by default.
        interest_rate: Implicit rate on long-term debt.
        elasticity: Semi-elasticity of the budget to the output gap.
        short_share: Short-term debt over all debt.
        maturing_share: Long-term debt that matures each year.
        potential_growth: Real [1/year].
        inflation: GDP deflator [1/year].
        short_rate: Market rate [1/year].
        long_rate: Market rate [1/year].
        stock_flow: Stock-flow adjustment over GDP.
        ageing_cost: Over GDP.
        revenue: Tax and property income effect over GDP.
        excessive_deficit: The country is under the excessive deficit procedure.
        shocks: For the stochastic test; without them it is skipped.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    year: int
    debt: Ratio
    structural_primary_balance: Share
    output_gap: Share = 0.0
    output_gap_first: Share | None = None
    interest_rate: Share
    elasticity: Ratio = 0.5
    short_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    maturing_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    potential_growth: list[Share]
    inflation: list[Share]
    short_rate: list[Share]
    long_rate: list[Share]
    stock_flow: list[Share]
    ageing_cost: list[Share]
    revenue: list[Share] = Field(default_factory=list[float])
    excessive_deficit: bool = False
    shocks: EuShocks | None = None

    @model_validator(mode="after")
    def _check_eu_series_length(self) -> EuInputs:
        for name in ("potential_growth", "inflation", "short_rate", "long_rate", "stock_flow"):
            if len(getattr(self, name)) < 7 + DECLINE_YEARS + 1:
                raise ValueError(f"{name} must hold at least {7 + DECLINE_YEARS + 1} years")
        return self


@dataclass(frozen=True, slots=True)
class EuPath:
    """A projected path, one value a year from the year before the adjustment."""

    debt: F64
    balance: F64
    structural_balance: F64
    interest: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class EuAdjustment:
    """The least yearly step for an adjustment period, and what binds it.

    Args:
        years: Adjustment period.
        step: Yearly improvement of the structural primary balance, share of GDP.
        binding: The criterion that sets it.
        steps: Least step of each criterion.
        taken: The steps of each year, raised where the deficit procedure asks for more.
        target: Structural primary balance at the end.
    """

    years: int
    step: float
    binding: str
    steps: dict[str, float]
    taken: tuple[float, ...]
    target: float


def load_eu_inputs(path: Path) -> EuInputs:
    """Return a member state's inputs from a TOML file.

    Raises:
        RuleError: The file is missing or holds bad values.
    """
    return validate_treasury_document(
        path.name, EuInputs, read_treasury_toml(path, RuleError), RuleError
    )


def is_eu_rule_inputs_file(path: Path) -> bool:
    """Return whether a file spells a member state's inputs."""
    if path.suffix != ".toml" or not path.is_file():
        return False
    return "structural_primary_balance" in path.read_text(encoding="utf-8")


def least_eu_adjustment(
    inputs: EuInputs, table: RuleTable, years: int, *, seed: int = 1
) -> EuAdjustment:
    """Return the least step for an adjustment period of `years`.

    Args:
        inputs: The member state.
        table: The thresholds.
        years: Four, or seven where the period is extended.
        seed: Seed of the stochastic test.
    """
    tests = {f"debt falls: {s.value}": s for s in EuScenario}
    steps = {
        name: _least_eu_adjustment_step_or_upper_bound(
            partial(_does_debt_fall_or_stay_within_reference, inputs, table, years, s)
        )
        for name, s in tests.items()
    }
    steps["deficit under 3 %"] = _least_eu_adjustment_step_or_upper_bound(
        partial(_is_deficit_within_reference, inputs, table, years)
    )
    safeguard = partial(_is_debt_safeguard_met, inputs, table, years)
    steps["debt safeguard"] = _least_eu_adjustment_step_or_upper_bound(safeguard)
    steps["deficit resilience"] = _deficit_resilience_step_gdp_share(inputs, table, years)
    if inputs.shocks is not None:
        draws = _eu_debt_shock_draws(inputs.shocks, seed)
        steps["stochastic"] = _least_eu_adjustment_step_or_upper_bound(
            partial(_is_debt_fall_likely, inputs, table, years, draws)
        )
    # A step so small that the excessive deficit never ends meets the safeguard, because no year is
    # left over which debt must fall; at the larger step of another criterion it may be broken.
    if not safeguard(max(steps.values())):
        steps["debt safeguard"] = _least_eu_adjustment_step_or_upper_bound(
            safeguard, low=max(steps.values())
        )
    binding = max(steps, key=lambda name: steps[name])
    step = steps[binding]
    taken = np.full(years, step)
    if inputs.excessive_deficit:
        taken = _excessive_deficit_steps(inputs, table, taken)
    return EuAdjustment(
        years=years,
        step=step,
        binding=binding,
        steps=steps,
        taken=tuple(float(step) for step in taken),
        target=inputs.structural_primary_balance + float(taken.sum()),
    )


def _least_eu_adjustment_step_or_upper_bound(
    criterion_holds: Callable[[float], bool], *, low: float = BOUNDS[0]
) -> float:
    """Return the least step from `low` within the bounds at which a monotone criterion holds."""
    high = BOUNDS[1]
    # At a bound the bound is the answer: the caller sees that it binds nothing, or that no step
    # within reason is enough.
    if criterion_holds(low):
        return low
    if not criterion_holds(high):
        return high
    while high - low > PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if criterion_holds(middle) else (middle, high)
    return high


def project_eu_debt(
    inputs: EuInputs, table: RuleTable, years: int, step: float, scenario: EuScenario
) -> EuPath:
    """Return the path under an adjustment of `years` equal steps.

    Under the excessive deficit procedure a year's step is raised to the least that the
    procedure asks while the deficit is above its reference.
    """
    steps = np.full(years, step)
    if inputs.excessive_deficit:
        steps = _excessive_deficit_steps(inputs, table, steps)
    return _eu_debt_path_of_steps(inputs, table, steps, scenario)


def _excessive_deficit_steps(inputs: EuInputs, table: RuleTable, steps: F64) -> F64:
    """Return steps of at least half a point while the deficit is excessive.

    In the first three years the half point is of the structural primary balance, then of
    the structural balance, which interest burdens as well.
    """
    steps = steps.copy()
    for k in range(len(steps)):
        path = _eu_debt_path_of_steps(inputs, table, steps, EuScenario.ADJUSTMENT)
        if path.balance[k + 1] >= -table.fiscal_threshold("deficit_reference"):
            break
        burden = float(path.interest[k + 1] - path.interest[k]) if k >= PRIMARY_YEARS else 0.0
        steps[k] = max(steps[k], table.fiscal_threshold("excessive_deficit_step") + burden)
    return steps


def _eu_debt_path_of_steps(
    inputs: EuInputs, table: RuleTable, steps: F64, scenario: EuScenario
) -> EuPath:
    """Return the path under given steps.

    gap_t = (2/3) gap_{t-1} - m Δspb while adjusting, then closes in three years
    pb_t = spb_t - ageing + revenue + ε gap_t
    d_t = d_{t-1} (1 + i_t) / (1 + g_t) - pb_t + sf_t
    """
    years = len(steps)
    count = years + DECLINE_YEARS + 1
    spb = _structural_primary_balances(inputs, table, steps, scenario, count)
    gap = _output_gap_path(inputs, table.fiscal_threshold("fiscal_multiplier") * steps, count)
    growth = _nominal_gdp_growth_path(inputs, table, years, gap, scenario, count)
    structural = spb - _net_ageing_cost_path(inputs, years, count)
    primary = structural + inputs.elasticity * gap
    short_rates, long_rates = _market_interest_rate_paths(inputs, table, years, scenario, count)
    debt, interest = np.zeros(count), np.zeros(count)
    debt[0], long = inputs.debt, inputs.interest_rate
    interest[0] = inputs.debt * inputs.interest_rate
    short_share, rolled = inputs.short_share, inputs.maturing_share
    for t in range(1, count):
        extra = _financial_stress_rate_shock(table, years, scenario, t, debt)
        # Only the part of long-term debt that matures is refinanced at the year's market rate.
        long = rolled * (long_rates[t] + extra) + (1 - rolled) * long
        implicit = short_share * (short_rates[t] + extra) + (1 - short_share) * long
        interest[t] = implicit * debt[t - 1] / (1 + growth[t])
        debt[t] = debt[t - 1] / (1 + growth[t]) + interest[t] - primary[t] + inputs.stock_flow[t]
    return EuPath(debt, primary - interest, structural - interest, interest)


def _structural_primary_balances(
    inputs: EuInputs, table: RuleTable, steps: F64, scenario: EuScenario, count: int
) -> F64:
    years = len(steps)
    ahead = np.arange(count)
    done = np.concatenate([[0.0], np.cumsum(steps)])[np.minimum(ahead, years)]
    path = inputs.structural_primary_balance + done
    if scenario is EuScenario.LOWER_SPB:
        phased = np.clip((ahead - years) / (years // 2), 0, 1)
        # For good: a balance that came back after the shock would test nothing.
        path = path - table.fiscal_threshold("lower_spb_shock") * phased
    return path


def _output_gap_path(inputs: EuInputs, fiscal_impulse: F64, count: int) -> F64:
    gap, years = np.zeros(count), len(fiscal_impulse)
    # Two thirds of the gap stay from year to year; afterwards it closes in three equal parts.
    gap[0], first = inputs.output_gap, inputs.output_gap_first
    for t in range(1, count):
        if t == 1 and first is not None:
            gap[t] = first - fiscal_impulse[0]
        elif t <= years:
            gap[t] = 2 / 3 * gap[t - 1] - fiscal_impulse[t - 1]
        else:
            gap[t] = max(0.0, 1 - (t - years) / 3) * gap[years]
    return gap


def _nominal_gdp_growth_path(
    inputs: EuInputs, table: RuleTable, years: int, gap: F64, scenario: EuScenario, count: int
) -> F64:
    potential = np.array(inputs.potential_growth[:count])
    real = np.zeros(count)
    real[1:] = (1 + potential[1:]) * (1 + gap[1:]) / (1 + gap[:-1]) - 1
    if scenario is EuScenario.ADVERSE_R_G:
        real[years + 1 :] -= table.fiscal_threshold("adverse_r_g_shock")
    return (1 + real) * (1 + np.array(inputs.inflation[:count])) - 1


def _net_ageing_cost_path(inputs: EuInputs, years: int, count: int) -> F64:
    net = _fiscal_series_with_last_repeated(
        inputs.ageing_cost, count
    ) - _fiscal_series_with_last_repeated(inputs.revenue or [0.0], count)
    # The cost of ageing during the adjustment is within its steps: only what is added after
    # its end reaches the balance.
    after = np.arange(count) > years
    return np.where(after, net - net[years], 0.0)


def _fiscal_series_with_last_repeated(fiscal_series: list[float], count: int) -> F64:
    """Return the first `count` values, the last repeated where there are fewer."""
    return np.array((fiscal_series + [fiscal_series[-1]] * count)[:count], np.float64)


def _market_interest_rate_paths(
    inputs: EuInputs, table: RuleTable, years: int, scenario: EuScenario, count: int
) -> tuple[F64, F64]:
    short, long = (
        _fiscal_series_with_last_repeated(inputs.short_rate, count),
        _fiscal_series_with_last_repeated(inputs.long_rate, count),
    )
    if scenario is EuScenario.ADVERSE_R_G:
        shock = np.where(np.arange(count) > years, table.fiscal_threshold("adverse_r_g_shock"), 0.0)
        return short + shock, long + shock
    return short, long


def _financial_stress_rate_shock(
    table: RuleTable, years: int, scenario: EuScenario, t: int, debt: F64
) -> float:
    # One year, the first after the adjustment: a stress, not another level of rates.
    if scenario is not EuScenario.FINANCIAL_STRESS or t != years + 1:
        return 0.0
    over = max(0.0, float(debt[years]) - table.fiscal_threshold("debt_safeguard_border"))
    return (
        table.fiscal_threshold("financial_stress_shock")
        + table.fiscal_threshold("financial_stress_slope") * over
    )


def _does_debt_fall_or_stay_within_reference(
    inputs: EuInputs, table: RuleTable, years: int, scenario: EuScenario, step: float
) -> bool:
    debt = _eu_debt_path_of_steps(inputs, table, np.full(years, step), scenario).debt
    return bool(debt[-1] < debt[years] or debt[-1] <= table.fiscal_threshold("debt_reference"))


def _is_deficit_within_reference(
    inputs: EuInputs, table: RuleTable, years: int, step: float
) -> bool:
    path = _eu_debt_path_of_steps(inputs, table, np.full(years, step), EuScenario.ADJUSTMENT)
    return bool(path.balance[years:].min() >= -table.fiscal_threshold("deficit_reference"))


def _is_debt_safeguard_met(inputs: EuInputs, table: RuleTable, years: int, step: float) -> bool:
    """Return whether debt falls enough, from the end of an excessive deficit if any."""
    path = project_eu_debt(inputs, table, years, step, EuScenario.ADJUSTMENT)
    first = (
        _deficit_procedure_end_year_of_plan(table, path, years) if inputs.excessive_deficit else 0
    )
    if first >= years - 1:
        return True
    fall = (path.debt[first] - path.debt[years]) / (years - first)
    prudent = path.debt[years] <= table.fiscal_threshold("debt_reference")
    return bool(fall >= required_yearly_debt_fall(table, inputs.debt) or prudent)


def _deficit_procedure_end_year_of_plan(table: RuleTable, path: EuPath, years: int) -> int:
    good = path.balance[1 : years + 1] >= -table.fiscal_threshold("deficit_reference")
    return int(np.argmax(good)) + 1 if good.any() else years


def _deficit_resilience_step_gdp_share(inputs: EuInputs, table: RuleTable, years: int) -> float:
    """Return the yearly step that Article 8 asks for; zero where the margin is reached."""
    path = project_eu_debt(inputs, table, years, 0.0, EuScenario.ADJUSTMENT)
    if path.structural_balance[1] >= -table.fiscal_threshold("resilience_margin"):
        return BOUNDS[0]
    return table.fiscal_threshold("resilience_step_4" if years <= 4 else "resilience_step_7")


def _eu_debt_shock_draws(shocks: EuShocks, seed: int) -> F64:
    root = np.linalg.cholesky(np.array(shocks.correlation))
    normal = named_random_stream(seed, "eu stochastic test").standard_normal(
        (STOCHASTIC_YEARS, PATHS, 4)
    )
    return (normal @ root.T) * np.array(shocks.sd)


def _is_debt_fall_likely(
    inputs: EuInputs, table: RuleTable, years: int, draws: F64, step: float
) -> bool:
    """Return whether debt is under its ratio at the end of adjustment often enough."""
    base = _eu_debt_path_of_steps(inputs, table, np.full(years, step), EuScenario.ADJUSTMENT)
    debt = np.full(draws.shape[1], base.debt[years])
    rate = np.zeros(draws.shape[1])
    for k in range(STOCHASTIC_YEARS):
        t = years + 1 + k
        growth, primary, short, long = draws[k].T
        # A shock to long rates stays in the debt that it refinanced; one to short rates is
        # gone when that debt is rolled over.
        rate = rate + inputs.maturing_share * long * (1 - inputs.short_share)
        cost = rate + inputs.short_share * short
        ratio = (
            base.debt[t] + _primary_balance_less_stock_flow_gdp_share(base, inputs, t)
        ) / base.debt[t - 1]
        debt = debt * (ratio + cost) / (1 + growth) - primary
        debt = debt - _primary_balance_less_stock_flow_gdp_share(base, inputs, t)
    assert inputs.shocks is not None
    end = table.fiscal_threshold("debt_reference")
    good = (debt < base.debt[years]) | (debt <= end)
    return bool(good.mean() >= inputs.shocks.probability)


def _primary_balance_less_stock_flow_gdp_share(base: EuPath, inputs: EuInputs, t: int) -> float:
    """Return what the primary balance less stock-flow takes off the ratio in year t."""
    primary = float(base.balance[t] + base.interest[t])
    return primary - inputs.stock_flow[t]
