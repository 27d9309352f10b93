"""Three ways of one centre onto the public books.

On budget, building is capital expenditure and its finance is government debt. A
public corporation that sells at economically significant prices stays outside general
government: its debt is not the government's, the guarantee is contingent. A private
partner's asset is outside while the partner bears construction risk and either
availability or demand risk; the government then pays for availability.

Sources: Eurostat, European System of Accounts 2010, paragraphs 20.29 (market test:
sales cover at least half of production costs) and 20.276-20.290 (partnerships);
Eurostat, Manual on Government Deficit and Debt, chapter on guarantees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from commonwatt.treasury.engines.finance.construction import ConstructionDraw
from commonwatt.treasury.engines.finance.loan import DebtService
from commonwatt.treasury.engines.finance.operation import OperatingPeriod
from commonwatt.treasury.io.centre import Centre, FinancingRoute

MARKET_TEST = 0.5  # ESA 2010, 20.29: sales under half of production costs are no market output


@dataclass(frozen=True, slots=True, kw_only=True)
class BookYear:
    """What one year does to the government, in mn.

    Args:
        year: Calendar year in which it starts.
        deficit: Effect on the deficit; positive is a larger deficit.
        gross_debt: Stock on the government's books at the end of the year.
        guarantees: Stock of guaranteed debt.
        borrowing: Bonds or loans that the government itself raises.
        availability_payment: Paid to the partner.
    """

    year: int
    deficit: float
    gross_debt: float
    guarantees: float
    borrowing: float
    availability_payment: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CentreLife:
    """A centre's whole life, by period."""

    centre: Centre
    draws: tuple[ConstructionDraw, ...]
    operating: tuple[OperatingPeriod, ...]
    service: tuple[DebtService, ...]


def fiscal_market_test_sales_over_cost(life: CentreLife) -> float:
    """Return sales over production costs: running cost, refresh and loan interest."""
    sales = sum(o.revenue for o in life.operating)
    costs = sum(o.cost + o.refresh for o in life.operating) + sum(s.interest for s in life.service)
    built = sum(d.cost + d.interest + d.fee for d in life.draws)
    return sales / (costs + built)


def is_centre_loan_government_debt(life: CentreLife, route: FinancingRoute) -> bool:
    """Return whether the centre's debt is the government's under the statistical rules."""
    match route:
        case FinancingRoute.ON_BUDGET:
            return True
        case FinancingRoute.GUARANTEE:
            return fiscal_market_test_sales_over_cost(life) < MARKET_TEST
        case FinancingRoute.PPP:
            terms = life.centre.ppp
            # Construction risk, and at least one of availability and demand risk.
            one_of_two = terms.availability_risk_private or terms.demand_risk_private
            return not (terms.construction_risk_private and one_of_two)
        case _:
            assert_never(route)


def government_book_years(life: CentreLife, route: FinancingRoute) -> tuple[BookYear, ...]:
    """Return the years of a route; all of building and all of operation."""
    periods = life.centre.construction_period_count + life.centre.operating_period_count
    per_year = life.centre.periods_per_year
    inside = is_centre_loan_government_debt(life, route)
    payment = (
        ppp_availability_payment_cents_per_period(life) if route is FinancingRoute.PPP else 0.0
    )
    return tuple(
        _government_book_year(life, route, year, inside=inside, payment=payment)
        for year in range(periods // per_year)
    )


def _government_book_year(
    life: CentreLife, route: FinancingRoute, year: int, *, inside: bool, payment: float
) -> BookYear:
    per_year = life.centre.periods_per_year
    span = range(year * per_year, (year + 1) * per_year)
    builds = len(life.draws)
    draws = [life.draws[k] for k in span if k < builds]
    runs = [k - builds for k in span if k >= builds]
    operating = [life.operating[k] for k in runs]
    service = [life.service[k] for k in runs if k < len(life.service)]
    balance = _loan_balance_at_government_year_end(life, runs[-1] if runs else None, draws)
    paid = payment * len(runs)
    spent = sum(d.cost + d.interest + d.fee for d in draws)
    net = sum(o.revenue - o.cost - o.refresh for o in operating)
    interest = sum(s.interest for s in service)
    # With an availability contract the government keeps the charges and pays the partner.
    charges = net if route is FinancingRoute.PPP else 0.0
    deficit = spent - net + interest if inside else paid - charges
    return BookYear(
        year=life.centre.first_year + year,
        deficit=_finance_cents_to_mn(deficit),
        gross_debt=_finance_cents_to_mn(balance) if inside else 0.0,
        # A guarantee is a memorandum item beside the debt, wherever the centre is classified.
        guarantees=_finance_cents_to_mn(balance) if route is FinancingRoute.GUARANTEE else 0.0,
        borrowing=_finance_cents_to_mn(sum(d.debt for d in draws)) if inside else 0.0,
        availability_payment=_finance_cents_to_mn(paid),
    )


def _loan_balance_at_government_year_end(
    life: CentreLife, run: int | None, draws: list[ConstructionDraw]
) -> float:
    if run is None:
        return float(draws[-1].balance)
    if run < len(life.service):
        return life.service[run].balance
    return 0.0


def public_financing_need_bn_by_year(life: CentreLife, route: FinancingRoute) -> dict[int, float]:
    """Return what a route asks of the treasury each year, in bn, before any finance cost.

    On budget that is building and running less user charges; the government's own bonds
    finance it, so no loan of the centre's is counted. With a guarantee nothing is asked
    until it is called. A partner is paid for availability while the charges come in.
    """
    centre = life.centre
    per_year, builds = centre.periods_per_year, len(life.draws)
    payment = (
        ppp_availability_payment_cents_per_period(life) if route is FinancingRoute.PPP else 0.0
    )
    need: dict[int, float] = {}
    for year in range((builds + len(life.operating)) // per_year):
        span = range(year * per_year, (year + 1) * per_year)
        spent = sum(life.draws[k].cost for k in span if k < builds)
        runs = [life.operating[k - builds] for k in span if k >= builds]
        net = sum(o.revenue - o.cost - o.refresh for o in runs)
        costs = {
            FinancingRoute.ON_BUDGET: spent - net,
            FinancingRoute.GUARANTEE: 0.0,
            FinancingRoute.PPP: payment * len(runs) - net,
        }
        need[centre.first_year + year] = _finance_cents_to_mn(costs[route]) / 1000
    return need


def ppp_availability_payment_cents_per_period(life: CentreLife) -> float:
    """Return the level payment a period, in cents, that gives the partner its return.

    Value of the payments at the end of building, at the cost of capital, equals what
    was spent, compounded to that day.
    """
    centre = life.centre
    rate = centre.ppp.cost_of_capital / centre.periods_per_year
    builds, runs = len(life.draws), len(life.operating)
    # Half a period less for each draw: money is spent evenly, so on average in its middle.
    spent = sum(
        (d.cost + d.fee) * (1 + rate) ** (builds - k - 0.5) for k, d in enumerate(life.draws)
    )
    return spent * rate / (1 - (1 + rate) ** -runs)


def _finance_cents_to_mn(cents: float) -> float:
    return cents / 100_000_000
