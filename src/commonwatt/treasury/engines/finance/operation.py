"""Operating: user charges, costs, the refresh reserve, and the cash left for debt.

CFADS, the cash flow available for debt service, is what users pay less running cost
less what is saved for the next refresh; the reserve pays the refresh itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from commonwatt.treasury.domain.debt import check_accounting_identity
from commonwatt.treasury.io.centre import CENTS_PER_MN, Centre

HOURS_A_YEAR = 8_760


@dataclass(frozen=True, slots=True)
class OperatingPeriod:
    """One period of operation, in cents (floats: nothing is paid yet)."""

    hours: float
    revenue: float
    cost: float
    reserve_contribution: float
    refresh: float
    reserve: float

    @property
    def cfads(self) -> float:
        """Cash flow available for debt service."""
        return self.revenue - self.cost - self.reserve_contribution


def centre_operating_periods(
    centre: Centre, *, utilisation: float | None = None, price: float | None = None
) -> tuple[OperatingPeriod, ...]:
    """Return every operating period.

    Args:
        centre: What is run.
        utilisation: In place of the centre's own [share].
        price: In place of the centre's own, per allocated GPU-hour.
    """
    used = centre.operation.utilisation if utilisation is None else utilisation
    charge = centre.operation.price if price is None else price
    saved, refresh = centre_renewal_saved_spent_cents_by_period(centre)
    rows: list[OperatingPeriod] = []
    reserve = 0.0
    for k in range(centre.operating_period_count):
        reserve += saved[k] - refresh[k]
        hours = financed_centre_gpu_hours_sold_in_period(centre, used)
        # Prices are in the currency and the books in cents.
        revenue = hours * charge * financed_centre_price_index(centre, k) * 100
        cost = financed_centre_running_cost_cents(centre, hours, k)
        rows.append(OperatingPeriod(hours, revenue, cost, saved[k], refresh[k], reserve))
    check_accounting_identity("refresh reserve", sum(saved), sum(refresh))
    return tuple(rows)


def financed_centre_gpu_hours_sold_in_period(centre: Centre, utilisation: float) -> float:
    """Return the GPU-hours sold in a period."""
    return centre.operation.gpus * HOURS_A_YEAR / centre.periods_per_year * utilisation


def financed_centre_price_index(centre: Centre, period: int) -> float:
    """Return the price of a period over that of the first year; it moves once a year."""
    return (1 + centre.operation.price_growth) ** (period // centre.periods_per_year)


def financed_centre_running_cost_cents(centre: Centre, hours: float, period: int) -> float:
    """Return the running cost of a period in cents."""
    operation = centre.operation
    fixed = operation.fixed_cost_mn * CENTS_PER_MN / centre.periods_per_year
    index = (1 + operation.inflation) ** (period // centre.periods_per_year)
    return (fixed + 100 * operation.variable_cost * hours) * index


def centre_renewal_saved_spent_cents_by_period(centre: Centre) -> tuple[list[float], list[float]]:
    """Return what is saved and what is spent on renewal in each period, in cents.

    Each renewal is saved for in equal parts over the periods since the one before it;
    none is planned at the very end of operation.
    """
    periods = centre.operating_period_count
    saved, spent = [0.0] * periods, [0.0] * periods
    if centre.refresh is None:
        return saved, spent
    step = centre.refresh.every_years * centre.periods_per_year
    # Hardware that is renewed on the last day serves nobody: the range leaves it out.
    for due in range(step, periods, step):
        years = due // centre.periods_per_year
        cost = centre.refresh.cost_mn * CENTS_PER_MN * (1 + centre.refresh.cost_growth) ** years
        spent[due] = cost
        for k in range(due - step + 1, due + 1):
            saved[k] = cost / step
    return saved, spent
