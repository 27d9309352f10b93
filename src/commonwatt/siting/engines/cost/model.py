"""The levelised cost of compute (LCOC): what a useful GPU-hour costs over its life.

Discounted lifetime cost over discounted useful GPU-hours, in real money. With
costs and hours that repeat each year this is an annuity, and each asset can be
priced over its own life::

    LCOC = (sum of yearly charges) / (8760 * availability * utilisation)
    charge of an asset = crf(r, L) * I * (1 - tax * D) / (1 - tax) - salvage
    crf(r, L) = r / (1 - (1 + r) ** -L),  D = (1 - (1 + r) ** -L) / (r L)

The charge is the revenue before tax that pays an outlay `I` back at rate `r`
when straight-line depreciation is deducted. `gpu_hour_cost_usd_from_cash_flow` below is the slow
reference that walks through every year instead.

Source: IEA and NEA (2020), Projected Costs of Generating Electricity, levelised
cost method; Short, Packey and Holt (1995), NREL/TP-462-5173, revenue requirements.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Final, NamedTuple

import numpy as np

from commonwatt.core.jit import njit, plain_python_kernels_if_small_work
from commonwatt.siting.domain.cost_inputs import CostInputs

HOURS: Final = 8760.0


class CostParts(NamedTuple):
    """What a useful GPU-hour consists of [USD/GPU-hour]; the first three are capital."""

    servers: float
    shell: float
    land: float
    energy: float
    staff: float
    upkeep: float
    network: float
    spares: float
    holding: float


PARTS: Final = CostParts._fields


@njit()
def capital_recovery_factor(r: float, life: float) -> float:
    """Return the yearly payment that repays 1 over `life` years at rate `r`.

        r / (1 - (1 + r) ** -life), and 1 / life in the limit r = 0

    >>> round(capital_recovery_factor(0.08, 5.0), 6), capital_recovery_factor(0.0, 4.0)
    (0.250456, 0.25)
    """
    if abs(r) < 1e-12:
        return 1.0 / life
    # expm1 and log1p, because 1 - (1 + r) ** -life loses its digits at a small rate.
    return r / -math.expm1(-life * math.log1p(r))


@njit()
def site_yearly_asset_charge_usd(
    outlay: float, salvage: float, r: float, life: float, tax: float
) -> float:
    """Return the yearly revenue before tax that pays for an asset [USD/year].

    Args:
        outlay: Price when it enters service, grants deducted [USD].
        salvage: What it fetches at the end of its life, taxed in full [USD].
        r: Real cost of capital, after tax [1/year].
        life: Years in service.
        tax: Tax on profit [share].

    >>> round(site_yearly_asset_charge_usd(100.0, 0.0, 0.0, 4.0, 0.25), 6)
    25.0
    """
    recovery = capital_recovery_factor(r, life)
    # Straight line over the whole life: tax codes that allow faster write-offs lower the cost,
    # and a site's cells would have to name them.
    depreciation = 1.0 / (life * recovery)
    grossed = outlay * (1.0 - tax * depreciation) / (1.0 - tax)
    return recovery * (grossed - salvage * math.exp(-life * math.log1p(r)))


@njit()
def construction_interest_factor(r: float, months: float) -> float:
    """Return the value at completion of 1 spent evenly over the building time.

    >>> construction_interest_factor(0.0, 24.0), round(construction_interest_factor(0.1, 24.0), 4)
    (1.0, 1.1017)
    """
    years = months / 12.0
    growth = math.log1p(r) * years
    # (e^g - 1) / g is 1 in the limit; below 1e-9 the quotient would be noise.
    if abs(growth) < 1e-9:
        return 1.0
    return math.expm1(growth) / growth


@njit()
def useful_gpu_hours_per_year(inputs: CostInputs) -> float:
    """Return the hours of a year in which a GPU does useful work.

    A GPU under repair is not there to be used, so faults lower the hours that the use is
    taken of. A hundredth of the year is left in any case: a draw from the far tails of
    faults and repair times would otherwise divide by zero or by less.
    """
    repairing_share = inputs.faults_per_gpu * inputs.repair_hours / HOURS
    return HOURS * inputs.utilisation_share * max(1.0 - repairing_share, 0.01)


@njit()
def levelised_cost_parts(inputs: CostInputs) -> CostParts:
    """Return the cost per useful GPU-hour by part [USD/GPU-hour].

    Servers and shell are annuities over their own lives; land keeps its value, so it costs
    its yield alone, grossed up for tax because that yield is profit. Everything else is a
    yearly expense, deducted from profit in its year and therefore free of tax here.

    Source: Short, Packey and Holt (1995), NREL/TP-462-5173, revenue requirements, with
        each asset over its own life; IEA and NEA (2020) for the sum over useful output.
    """
    r, tax = inputs.discount_rate, inputs.tax_share
    it_kw, pue = inputs.it_kw_per_gpu, inputs.pue_ratio
    it_usd = inputs.server_usd_per_gpu * inputs.hardware_price_ratio + inputs.network_usd_per_gpu
    shell_usd, land_usd = inputs.shell_usd_per_kw * it_kw, inputs.land_usd_per_kw * it_kw
    # A finished shell that waits for its grid connection earns nothing and costs its interest.
    waiting = math.exp(math.log1p(r) * inputs.delay_months / 12.0)
    paid_share = 1.0 - inputs.subsidy_share
    servers = it_usd * paid_share
    shell = shell_usd * paid_share * construction_interest_factor(r, inputs.build_months) * waiting
    # Land is paid before ground is broken, the shell evenly while it is built.
    land = land_usd * waiting * math.exp(math.log1p(r) * inputs.build_months / 12.0)
    busy, idle = inputs.busy_draw_share, inputs.idle_draw_share
    mean_kw = it_kw * (idle + (busy - idle) * inputs.utilisation_share) * pue
    hours = useful_gpu_hours_per_year(inputs)
    return CostParts(
        site_yearly_asset_charge_usd(
            servers, servers * inputs.salvage_share, r, inputs.hardware_life_years, tax
        )
        / hours,
        site_yearly_asset_charge_usd(shell, 0.0, r, inputs.shell_life_years, tax) / hours,
        land * r / (1.0 - tax) / hours,
        # The demand charge is on what may be drawn, whatever the use: utilities meter the peak.
        (
            HOURS * mean_kw * inputs.tariff_usd_per_kwh
            + it_kw * pue * inputs.demand_charge_usd_per_kw
        )
        / hours,
        inputs.staff_per_mw / 1000.0 * it_kw * inputs.wage_usd_per_year / hours,
        (it_usd * inputs.it_upkeep_share + shell_usd * inputs.shell_upkeep_share) / hours,
        inputs.uplink_usd_per_gpu / hours,
        inputs.faults_per_gpu
        * inputs.part_share
        * inputs.server_usd_per_gpu
        * inputs.hardware_price_ratio
        / hours,
        (it_usd + shell_usd + land_usd) * inputs.holding_share / hours,
    )


@njit()
def total_gpu_hour_cost_usd(parts: CostParts) -> float:
    """Return the sum of the parts, added in their order so that its bytes stay the same."""
    total = 0.0
    for part in parts:
        total += part
    return total


def levelised_compute_cost_usd_per_gpu_hour(inputs: CostInputs) -> float:
    """Return the levelised cost of one useful GPU-hour [USD/GPU-hour]."""
    parts = _single_cost_parts(inputs)
    with plain_python_kernels_if_small_work(is_small=True):
        return total_gpu_hour_cost_usd(parts)


def levelised_usd_per_gpu_hour_by_part(inputs: CostInputs) -> dict[str, float]:
    """Return the cost of one useful GPU-hour by part [USD/GPU-hour]."""
    return _single_cost_parts(inputs)._asdict()


def _single_cost_parts(inputs: CostInputs) -> CostParts:
    """Return the parts of one set of inputs, for which no compiler is worth loading."""
    floats = _cost_inputs_as_floats(inputs)
    # Where Python stops, at a division by nought or a power that is too large, compiled code goes
    # on with infinity.
    with suppress(ArithmeticError, ValueError), plain_python_kernels_if_small_work(is_small=True):
        return levelised_cost_parts(floats)
    return levelised_cost_parts(floats)


def _cost_inputs_as_floats(inputs: CostInputs) -> CostInputs:
    """Return the inputs as floats; a whole number among them would compile the law anew."""
    return CostInputs(*map(float, inputs))


def cost_usd_per_effective_pflop_hour(
    cost: float, peak_pflops: float, achieved_share: float
) -> float:
    """Return the cost of one effective PFLOP-hour [USD].

    Args:
        cost: Levelised cost of a GPU-hour [USD/GPU-hour].
        peak_pflops: Peak of the GPU at a named precision [PFLOP/s].
        achieved_share: Share of the peak that the work reaches.

    >>> round(cost_usd_per_effective_pflop_hour(2.0, 0.989, 0.4), 3)
    5.056
    """
    return cost / (peak_pflops * achieved_share)


def undiscounted_gpu_hour_cost_usd(inputs: CostInputs) -> float:
    """Return total cost over total hours, without discounting or tax.

    The annuity model agrees with it where rate and tax are zero.
    """
    return levelised_compute_cost_usd_per_gpu_hour(
        inputs._replace(discount_rate=0.0, tax_share=0.0)
    )


def gpu_hour_cost_usd_from_cash_flow(inputs: CostInputs) -> float:
    """Return the levelised cost by walking through every year: the slow reference.

    The shell's life must be a whole number of whole hardware lives. Finds the
    price at which the discounted cash flow after tax is zero.
    """
    r, tax = inputs.discount_rate, inputs.tax_share
    years, cycle = int(inputs.shell_life_years), int(inputs.hardware_life_years)
    servers, shell, land = _server_shell_land_outlays_usd(inputs)
    hours = useful_gpu_hours_per_year(inputs)
    expenses = float(np.array(levelised_cost_parts(inputs)[3:]).sum()) * hours
    flow = [0.0] * (years + 1)
    flow[0] -= shell + land
    flow[years] += land
    for year in range(1, years + 1):
        writeoff = servers / cycle + shell / years
        flow[year] += tax * writeoff - (1 - tax) * expenses
    for start in range(0, years, cycle):
        flow[start] -= servers
        flow[start + cycle] += servers * inputs.salvage_share * (1 - tax)
    # Exact sums, so that what the reference shows against the annuity is no rounding of its own.
    value = math.fsum(cash / (1 + r) ** year for year, cash in enumerate(flow))
    sold = math.fsum(hours / (1 + r) ** year for year in range(1, years + 1))
    return -value / (sold * (1 - tax))


def _server_shell_land_outlays_usd(inputs: CostInputs) -> tuple[float, float, float]:
    """Return what is paid for servers, shell and land, valued at completion [USD]."""
    r, months = inputs.discount_rate, inputs.build_months
    paid_share = 1 - inputs.subsidy_share
    wait = (1 + r) ** (inputs.delay_months / 12)
    built = 1.0 if r == 0 or months == 0 else ((1 + r) ** (months / 12) - 1) / (
        math.log(1 + r) * months / 12
    )  # fmt: skip
    servers = (
        inputs.server_usd_per_gpu * inputs.hardware_price_ratio + inputs.network_usd_per_gpu
    ) * paid_share
    shell = inputs.shell_usd_per_kw * inputs.it_kw_per_gpu * paid_share * built * wait
    land = inputs.land_usd_per_kw * inputs.it_kw_per_gpu * wait * (1 + r) ** (months / 12)
    return servers, shell, land
