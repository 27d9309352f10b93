"""The price that a cover ratio needs, at each utilisation; solved, not searched for.

CFADS is linear in the price, p a_k - b_k, and so is its present value, so the price
for a loan life cover ratio L is p = (L D + PV(b)) / PV(a).
"""

from __future__ import annotations

from commonwatt.treasury.engines.finance.construction import loan_and_equity_drawdown
from commonwatt.treasury.engines.finance.loan import loan_present_values
from commonwatt.treasury.engines.finance.operation import (
    centre_renewal_saved_spent_cents_by_period,
    financed_centre_gpu_hours_sold_in_period,
    financed_centre_price_index,
    financed_centre_running_cost_cents,
)
from commonwatt.treasury.io.centre import Centre


def gpu_hour_price_for_loan_life_cover(centre: Centre, target: float, utilisation: float) -> float:
    """Return the first-year price per GPU-hour at which LLCR is `target`.

    Args:
        centre: What is financed; its own price does not matter.
        target: Loan life cover ratio wanted.
        utilisation: Allocated over available GPU-hours [share].
    """
    debt = loan_and_equity_drawdown(centre)[-1].balance
    periods, rate = centre.loan_repayment_period_count, centre.loan_interest_rate_per_period
    hours = financed_centre_gpu_hours_sold_in_period(centre, utilisation)
    saved, _ = centre_renewal_saved_spent_cents_by_period(centre)
    per_unit = [100 * hours * financed_centre_price_index(centre, k) for k in range(periods)]
    costs = [
        financed_centre_running_cost_cents(centre, hours, k) + saved[k] for k in range(periods)
    ]
    # Costs move with the hours that are sold, so that a low utilisation saves its energy.
    cost_value = loan_present_values(costs, rate)[0]
    return (target * debt + cost_value) / loan_present_values(per_unit, rate)[0]
