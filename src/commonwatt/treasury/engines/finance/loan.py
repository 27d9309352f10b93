"""Repaying the loan: an annuity, or sculpted so that every period is covered alike.

Source: Yescombe (2014), Principles of Project Finance, chapter 12, on sculpted
repayment and cover ratios.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from commonwatt.core.messages import Message
from commonwatt.treasury.domain.debt import check_accounting_identity
from commonwatt.treasury.domain.errors import CentreError
from commonwatt.treasury.io.centre import Centre, Repayment


@dataclass(frozen=True, slots=True)
class DebtService:
    """Debt service of one period, exact, in cents."""

    interest: float
    principal: float
    balance: float

    @property
    def total_payment(self) -> float:
        """Interest and principal."""
        return self.interest + self.principal


def loan_present_values(cash_flows: Sequence[float], rate: float) -> tuple[float, ...]:
    """Return the value at the start of each period of this and all later flows.

        V_k = (c_k + V_{k+1}) / (1 + r)

    >>> [round(v, 6) for v in loan_present_values([110.0, 121.0], 0.10)]
    [200.0, 110.0]
    """
    values: list[float] = []
    ahead = 0.0
    for flow in reversed(cash_flows):
        ahead = (flow + ahead) / (1 + rate)
        values.append(ahead)
    return tuple(reversed(values))


def debt_service_by_loan_period(
    centre: Centre, debt: int, cfads: Sequence[float]
) -> tuple[DebtService, ...]:
    """Return the debt service of each loan period; the balance ends at zero.

    Sculpted: service is CFADS over one ratio, DSCR = PV(CFADS) / D, which repays the
    debt exactly because the present value of the service is then the debt.

    Raises:
        CentreError: Sculpting is asked of cash that cannot repay the debt.
    """
    periods, rate = centre.loan_repayment_period_count, centre.loan_interest_rate_per_period
    if centre.loan.repayment is Repayment.ANNUITY:
        return _debt_service_schedule(
            debt, rate, [_level_debt_service_payment_cents(debt, rate, periods)] * periods
        )
    cash = list(cfads[:periods])
    worth = loan_present_values(cash, rate)[0]
    # One negative period is enough: a sculpted service would borrow in it.
    if worth <= 0 or min(cash) < 0:
        raise CentreError(
            centre.name,
            found=Message("cash available for debt service that is negative"),
            wanted=Message("cash that can be sculpted"),
            remedy=Message("Raise the price or the utilisation, or choose an annuity."),
        )
    return _debt_service_schedule(debt, rate, [debt * flow / worth for flow in cash])


def _level_debt_service_payment_cents(debt: float, rate: float, periods: int) -> float:
    # log1p and expm1 keep a rate near zero from dividing rounding by rounding.
    factor = -math.expm1(-periods * math.log1p(rate))
    return debt * rate / factor if factor > 0 else debt / periods


def _debt_service_schedule(
    debt: float, rate: float, debt_service: Sequence[float]
) -> tuple[DebtService, ...]:
    """Return the schedule; a balance is the value of the service still to come.

    Reckoned backwards, rounding shrinks from period to period instead of growing, and
    the last balance is zero by construction.
    """
    values = (*loan_present_values(debt_service, rate), 0.0)
    check_accounting_identity("value of debt service", values[0], float(debt))
    rows: list[DebtService] = []
    for total, before, balance in zip(debt_service, values, values[1:], strict=False):
        rows.append(DebtService(total - (before - balance), before - balance, balance))
    return tuple(rows)


def debt_service_in_cents(
    service: Sequence[DebtService], debt: int
) -> tuple[tuple[int, int, int], ...]:
    """Return (interest, principal, balance) as paid: whole cents, the last balance zero.

    Balances are rounded and principal is their difference, so rounding never adds up.
    """
    rows: list[tuple[int, int, int]] = []
    before = debt
    for k, period in enumerate(service):
        balance = 0 if k == len(service) - 1 else round(period.balance)
        rows.append((round(period.interest), before - balance, balance))
        before = balance
    return tuple(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverRatios:
    """Cover ratios of a loan.

    Args:
        dscr: CFADS over debt service, each loan period.
        llcr: Value of CFADS over the loan's life, over debt, at first repayment.
        plcr: The same over the project's life.
    """

    dscr: tuple[float, ...]
    llcr: float
    plcr: float


def debt_service_cover_ratios(
    centre: Centre, debt: int, cfads: Sequence[float], service: Sequence[DebtService]
) -> CoverRatios:
    """Return the cover ratios; values are discounted at the loan's rate."""
    loan = list(cfads[: centre.loan_repayment_period_count])
    ratios = tuple(
        # A period in which nothing is due is covered without bound, and is never the weakest.
        flow / period.total_payment if period.total_payment else float("inf")
        for flow, period in zip(loan, service, strict=True)
    )
    return CoverRatios(
        dscr=ratios,
        llcr=loan_present_values(loan, centre.loan_interest_rate_per_period)[0] / debt
        if debt
        else float("inf"),
        plcr=loan_present_values(cfads, centre.loan_interest_rate_per_period)[0] / debt
        if debt
        else float("inf"),
    )
