"""The law of the cost on whole columns of draws, for where the compiler is not loaded yet.

Loading the compiler takes longer than some hundred thousand draws in arrays. Each line is that
of `engines.cost.model` for all draws at once: sums and products of arrays are those of single
numbers, and the powers are asked of the same C library, one number at a time, because NumPy's
own differ from it in the last digit. Both ways therefore give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.siting.domain.cost_inputs import CostInputs
from commonwatt.siting.engines.cost.model import HOURS

F64 = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
SCORE_CUT: Final = 6.0  # normal scores beyond are cut; 1 draw in 5e8
STEPS: Final = 2048
BLOCK: Final = 8192  # draws whose columns stay in the processor's cache
CostColumns = CostInputs  # of arrays of one length instead of numbers


def gpu_hour_costs_usd_in_arrays(inputs: F64) -> F64:
    """Return the cost of a useful GPU-hour for each row of inputs [USD], shape (rows,).

    Args:
        inputs: In the order of the cost law, shape (rows, inputs).

    Raises:
        ArithmeticError: A power is larger than a number can be; compiled code goes on with
            infinity.
        ValueError: A rate of -1 or less.
    """
    costs = np.empty(len(inputs))
    # Compiled code divides by nought in silence, and its callers look for that themselves.
    with np.errstate(all="ignore"):
        for start in range(0, len(inputs), BLOCK):
            block = np.ascontiguousarray(inputs[start : start + BLOCK].T)
            costs[start : start + BLOCK] = _gpu_hour_cost_totals_usd_of_parts(
                _gpu_hour_cost_parts_usd_by_draw(CostInputs(*block))
            )
    return costs


def cost_inputs_interpolated_at_normal_scores(
    scores: F32, table: F64, links: list[tuple[int, int, float]]
) -> F64:
    """Return the inputs at independent normal scores, shape (draws, inputs).

    Args:
        scores: The scores, shape (draws, inputs).
        table: Value of each input at each step of the score, shape (inputs, steps + 1).
        links: Input that gets a share, score that the share comes from, and the share.
    """
    columns = np.ascontiguousarray(scores.T)
    correlated = np.zeros((len(table), len(scores)))
    for row, col, weight in links:
        correlated[row] += weight * columns[col].astype(np.float64)
    inputs = np.empty_like(correlated)
    for steps, z, values in zip(table, correlated, inputs, strict=True):
        values[:] = _cost_input_at_scores(z, steps)
    return inputs.T


def _cost_input_at_scores(z: F64, steps: F64) -> F64 | np.float64:
    """Return one input at its normal scores, between two steps of its table, shape (draws,)."""
    # Most often a figure without a range: nothing is added to its one value.
    if (steps == steps[0]).all():
        return steps[0]
    place = (z + SCORE_CUT) * (STEPS / (2.0 * SCORE_CUT))
    np.minimum(np.maximum(place, 0.0, out=place), STEPS - 1e-9, out=place)
    step = place.astype(np.int64)
    low = steps.take(step)
    return low + (steps.take(step + 1) - low) * (place - step)


def _c_library_function_of_each_value(function: Callable[[float], float], values: F64) -> F64:
    """Return a function of the C library at each value, shape (rows,)."""
    # Rates and lives are often fixed: all draws then ask the same. By the bits, as nought has two.
    if len(values) and (values.view(np.int64) == values.view(np.int64)[0]).all():
        return np.full(len(values), function(float(values[0])))
    return np.fromiter(map(function, values.tolist()), np.float64, len(values))


def _capital_recovery_and_end_of_life_discount(r: F64, growth: F64, life: F64) -> tuple[F64, F64]:
    """Return `capital_recovery_factor`, and what 1 at the end of the life is worth at its start."""
    decay = -life * growth
    recovery = np.where(
        np.abs(r) < 1e-12, 1.0 / life, r / -_c_library_function_of_each_value(math.expm1, decay)
    )
    return recovery, _c_library_function_of_each_value(math.exp, decay)


def _site_yearly_asset_charges_usd(
    outlay: F64, salvage: F64 | float, r: F64, growth: F64, life: F64, tax: F64
) -> F64:
    recovery, at_end = _capital_recovery_and_end_of_life_discount(r, growth, life)
    depreciation = 1.0 / (life * recovery)
    grossed = outlay * (1.0 - tax * depreciation) / (1.0 - tax)
    return recovery * (grossed - salvage * at_end)


def _site_construction_interest_factors(growth_a_year: F64, months: F64) -> F64:
    growth = growth_a_year * (months / 12.0)
    return np.where(
        np.abs(growth) < 1e-9, 1.0, _c_library_function_of_each_value(math.expm1, growth) / growth
    )


def _useful_gpu_hours_per_year(inputs: CostColumns) -> F64:
    repairing_share = inputs.faults_per_gpu * inputs.repair_hours / HOURS
    return HOURS * inputs.utilisation_share * np.maximum(1.0 - repairing_share, 0.01)


def _gpu_hour_cost_parts_usd_by_draw(inputs: CostColumns) -> tuple[F64, ...]:
    """Return `levelised_cost_parts` of every draw, an array for each part in their order."""
    r: F64 = np.asarray(inputs.discount_rate)
    tax, growth = np.asarray(inputs.tax_share), _c_library_function_of_each_value(math.log1p, r)
    it_kw, pue = inputs.it_kw_per_gpu, inputs.pue_ratio
    it_usd = inputs.server_usd_per_gpu * inputs.hardware_price_ratio + inputs.network_usd_per_gpu
    shell_usd, land_usd = inputs.shell_usd_per_kw * it_kw, inputs.land_usd_per_kw * it_kw
    waiting = _c_library_function_of_each_value(math.exp, growth * inputs.delay_months / 12.0)
    paid_share = 1.0 - inputs.subsidy_share
    servers = it_usd * paid_share
    months = np.asarray(inputs.build_months)
    shell = shell_usd * paid_share * _site_construction_interest_factors(growth, months) * waiting
    land = land_usd * waiting * _c_library_function_of_each_value(math.exp, growth * months / 12.0)
    busy, idle = inputs.busy_draw_share, inputs.idle_draw_share
    mean_kw = it_kw * (idle + (busy - idle) * inputs.utilisation_share) * pue
    hours = _useful_gpu_hours_per_year(inputs)
    lives = np.asarray(inputs.hardware_life_years), np.asarray(inputs.shell_life_years)
    salvage = np.asarray(servers * inputs.salvage_share)
    return (
        _site_yearly_asset_charges_usd(np.asarray(servers), salvage, r, growth, lives[0], tax)
        / hours,
        _site_yearly_asset_charges_usd(np.asarray(shell), 0.0, r, growth, lives[1], tax) / hours,
        land * r / (1.0 - tax) / hours,
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


def _gpu_hour_cost_totals_usd_of_parts(parts: tuple[F64, ...]) -> F64:
    total = np.zeros(np.shape(parts[0]))
    for part in parts:
        total += part
    return total
