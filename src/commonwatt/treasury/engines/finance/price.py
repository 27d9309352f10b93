"""The price that a cover ratio needs, at each utilisation; solved, not searched for.

CFADS is linear in the price, p a_k - b_k, and so is its present value, so the price
for a loan life cover ratio L is p = (L D + PV(b)) / PV(a).
"""

from __future__ import annotations

from commonwatt.treasury.engines.finance.construction import drawdown
from commonwatt.treasury.engines.finance.loan import present_values
from commonwatt.treasury.engines.finance.operation import (
    gpu_hours,
    price_index,
    refresh_plan,
    running_cost,
)
from commonwatt.treasury.io.centre import Centre


def price_for_llcr(centre: Centre, target: float, utilisation: float) -> float:
    """Return the first-year price per GPU-hour at which LLCR is `target`.

    Args:
        centre: What is financed; its own price does not matter.
        target: Loan life cover ratio wanted.
        utilisation: Allocated over available GPU-hours [share].
    """
    debt = drawdown(centre)[-1].balance
    periods, rate = centre.loan_periods, centre.period_rate
    hours = gpu_hours(centre, utilisation)
    saved, _ = refresh_plan(centre)
    per_unit = [100 * hours * price_index(centre, k) for k in range(periods)]
    costs = [running_cost(centre, hours, k) + saved[k] for k in range(periods)]
    # Costs move with the hours that are sold, so that a low utilisation saves its energy.
    cost_value = present_values(costs, rate)[0]
    return (target * debt + cost_value) / present_values(per_unit, rate)[0]
