"""Building: the S-curve, the drawdown, and the interest that the drawdown itself costs.

Source: Yescombe (2014), Principles of Project Finance, chapters 11 and 12, on
drawdown pro rata and interest during construction.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from commonwatt.core.special import regularised_incomplete_beta
from commonwatt.treasury.domain.debt import check_accounting_identity
from commonwatt.treasury.io.centre import CENTS_PER_MN, Centre


@dataclass(frozen=True, slots=True)
class ConstructionDraw:
    """One period of building, in cents; debt and equity pay for cost, interest and fee."""

    cost: int
    interest: int
    fee: int
    debt: int
    equity: int
    balance: int


def financed_construction_s_curve_shares(periods: int, steepness: float) -> tuple[float, ...]:
    """Return the share of cost that falls in each period: a symmetric beta law.

    >>> [round(share, 4) for share in financed_construction_s_curve_shares(4, 2.0)]
    [0.1562, 0.3438, 0.3438, 0.1562]
    """
    ends = [
        regularised_incomplete_beta(steepness, steepness, k / periods) for k in range(periods + 1)
    ]
    return tuple(b - a for a, b in pairwise(ends))


def loan_and_equity_drawdown(centre: Centre) -> tuple[ConstructionDraw, ...]:
    """Return the drawdown: debt pays its share of every use, equity the rest.

    Money is drawn evenly within a period, so a period's interest is on the opening
    balance and half of the period's own draw, which pays part of that interest:

        i_t = r (B + d_t / 2),  d_t = s (c_t + f_t + i_t)
        =>  i_t = r (B + s (c_t + f_t) / 2) / (1 - r s / 2)

    The fee is a share φ of the whole loan and is paid first; the loan is linear in the
    fee, D(f) = D(0) + b f, so f = φ D(0) / (1 - φ b).
    """
    costs = _financed_construction_cost_cents(centre)
    fee = _debt_arrangement_fee_cents(centre, [float(cost) for cost in costs])
    draws: list[ConstructionDraw] = []
    balance = 0
    for k, cost in enumerate(costs):
        # Whole cents from here on: what is drawn is paid, and sources must equal uses to the cent.
        paid = round(fee) if k == 0 else 0
        interest = round(
            _construction_debt_interest_cents(centre, float(balance), float(cost + paid))
        )
        uses = cost + paid + interest
        debt = round(centre.loan.share * uses)
        balance += debt
        draws.append(ConstructionDraw(cost, interest, paid, debt, uses - debt, balance))
    total = sum(draw.cost for draw in draws)
    check_accounting_identity("cost of construction", total, sum(costs))
    return tuple(draws)


def _financed_construction_cost_cents(centre: Centre) -> list[int]:
    whole = round(centre.construction.cost_mn * CENTS_PER_MN)
    shares = financed_construction_s_curve_shares(
        centre.construction_period_count, centre.construction.steepness
    )
    # Ends are rounded, and parts are their differences, so that rounding cannot add up.
    ends, done = [0], 0.0
    for share in shares:
        done += share
        ends.append(round(whole * done))
    ends[-1] = whole
    return [b - a for a, b in pairwise(ends)]


def _construction_debt_interest_cents(centre: Centre, loan_balance: float, uses: float) -> float:
    r, s = centre.loan_interest_rate_per_period, centre.loan.share
    return (
        r * (loan_balance + s * uses / 2) / (1 - r * s / 2)
    )  # solved, see `loan_and_equity_drawdown`


def _debt_arrangement_fee_cents(centre: Centre, construction_costs: list[float]) -> float:
    whole = sum(
        construction_costs
    )  # a fee as large as the cost itself, so that the slope keeps its digits
    without = _debt_at_completion_cents(centre, construction_costs, 0.0)
    slope = (_debt_at_completion_cents(centre, construction_costs, whole) - without) / whole
    return centre.loan.fee * without / (1 - centre.loan.fee * slope)


def _debt_at_completion_cents(centre: Centre, construction_costs: list[float], fee: float) -> float:
    balance = 0.0
    for k, cost in enumerate(construction_costs):
        uses = cost + (fee if k == 0 else 0.0)
        balance += centre.loan.share * (
            uses + _construction_debt_interest_cents(centre, balance, uses)
        )
    return balance
