"""A centre's whole finance as one answer, and the need it puts to a sovereign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from commonwatt.treasury.domain.debt import check_accounting_identity
from commonwatt.treasury.domain.shocks import ShockModel
from commonwatt.treasury.engines.finance.books import (
    CentreLife,
    fiscal_market_test_sales_over_cost,
    government_book_years,
    is_centre_loan_government_debt,
    ppp_availability_payment_cents_per_period,
)
from commonwatt.treasury.engines.finance.calls import guarantee_calls
from commonwatt.treasury.engines.finance.construction import loan_and_equity_drawdown
from commonwatt.treasury.engines.finance.loan import (
    CoverRatios,
    debt_service_by_loan_period,
    debt_service_cover_ratios,
    debt_service_in_cents,
)
from commonwatt.treasury.engines.finance.operation import centre_operating_periods
from commonwatt.treasury.engines.finance.price import gpu_hour_price_for_loan_life_cover
from commonwatt.treasury.io.centre import CENTS_PER_MN, Centre, FinancingRoute

UTILISATIONS = (0.40, 0.50, 0.60, 0.70, 0.80, 0.85, 0.90)


def debt_financed_centre_life(
    centre: Centre, *, price: float | None = None, utilisation: float | None = None
) -> CentreLife:
    """Return a centre's whole life: building, operation and the loan."""
    draws = loan_and_equity_drawdown(centre)
    _check_debt_and_equity_equal_uses(centre, draws)
    operating = centre_operating_periods(centre, price=price, utilisation=utilisation)
    debt = draws[-1].balance
    service = debt_service_by_loan_period(centre, debt, [o.cfads for o in operating])
    check_accounting_identity("loan at maturity", service[-1].balance, 0.0)
    return CentreLife(centre=centre, draws=draws, operating=operating, service=service)


def _check_debt_and_equity_equal_uses(centre: Centre, draws: Sequence[Any]) -> None:
    for draw in draws:
        sources, uses = draw.debt + draw.equity, draw.cost + draw.interest + draw.fee
        # Whole cents, which agree exactly or not at all.
        if sources != uses:
            check_accounting_identity(
                f"{centre.name}, sources and uses", sources, uses, tolerance=0.0
            )


def centre_cover_ratios(life: CentreLife) -> CoverRatios:
    """Return the cover ratios of a life."""
    debt = life.draws[-1].balance
    return debt_service_cover_ratios(
        life.centre, debt, [o.cfads for o in life.operating], life.service
    )


def centre_debt_and_equity_need_bn_by_year(centre: Centre) -> dict[int, dict[str, float]]:
    """Return capital and finance by calendar year of building, in bn of the currency.

    Args:
        centre: What is built.

    Returns:
        For each year: `capital_bn` (cost before finance), `uses_bn` (with interest during
        construction and fee), `debt_bn` (drawn) and `equity_bn`.
    """
    per_year = centre.periods_per_year
    draws = loan_and_equity_drawdown(centre)
    need: dict[int, dict[str, float]] = {}
    for year in range(centre.construction.years):
        part = draws[year * per_year : (year + 1) * per_year]
        debt, equity = sum(d.debt for d in part), sum(d.equity for d in part)
        need[centre.first_year + year] = {
            "capital_bn": _finance_cents_to_bn(sum(d.cost for d in part)),
            "uses_bn": _finance_cents_to_bn(debt + equity),
            "debt_bn": _finance_cents_to_bn(debt),
            "equity_bn": _finance_cents_to_bn(equity),
        }
    return need


def _finance_cents_to_bn(cents: int) -> float:
    return cents / (1000 * CENTS_PER_MN)


def treasury_finance_answer(
    centre: Centre,
    model: ShockModel | None = None,
    *,
    target: float = 1.30,
    paths: int = 8192,
    seed: int = 1,
) -> dict[str, Any]:
    """Return the whole answer of `treasury finance`.

    Args:
        centre: What is financed.
        model: The sovereign's shocks; without them no calls are drawn.
        target: Loan life cover ratio of the price table.
        paths: Paths of the calls.
        seed: Seed of their chance.
    """
    life = debt_financed_centre_life(centre)
    ratios = centre_cover_ratios(life)
    answer: dict[str, Any] = {
        "centre": centre.name,
        "currency": centre.currency,
        "construction": _construction_drawdown_rows(life),
        "loan": _loan_debt_service_rows(life, ratios),
        "cover": _loan_cover_ratio_row(ratios),
        "capital_need": [
            {"year": year} | need
            for year, need in centre_debt_and_equity_need_bn_by_year(centre).items()
        ],
        "price": debt_cover_price_rows(centre, target),
        "cases": debt_cover_rows_by_downside_case(centre),
        "routes": [financing_route_row(life, route) for route in FinancingRoute],
    }
    if model is not None:
        answer["calls"] = asdict(guarantee_calls(life, model, paths=paths, seed=seed))
        answer["calls"] |= {"paths": paths, "seed": seed, "shocks": model.source}
    return answer


def _construction_drawdown_rows(life: CentreLife) -> list[dict[str, Any]]:
    return [
        {"period": k + 1}
        | {f"{name}_mn": cents / CENTS_PER_MN for name, cents in asdict(draw).items()}
        for k, draw in enumerate(life.draws)
    ]


def _loan_debt_service_rows(life: CentreLife, ratios: CoverRatios) -> list[dict[str, Any]]:
    paid = debt_service_in_cents(life.service, life.draws[-1].balance)
    return [
        {
            "period": k + 1,
            "revenue_mn": op.revenue / CENTS_PER_MN,
            "running_cost_mn": op.cost / CENTS_PER_MN,
            "refresh_reserve_mn": op.reserve / CENTS_PER_MN,
            "cfads_mn": op.cfads / CENTS_PER_MN,
            "interest_mn": interest / CENTS_PER_MN,
            "principal_mn": principal / CENTS_PER_MN,
            "balance_mn": balance / CENTS_PER_MN,
            "dscr": ratio,
        }
        for k, (op, (interest, principal, balance), ratio) in enumerate(
            # Operation outlives the loan, whose last payment ends the table.
            zip(life.operating, paid, ratios.dscr, strict=False)
        )
    ]


def _loan_cover_ratio_row(ratios: CoverRatios) -> dict[str, float]:
    return {
        "dscr_min": min(ratios.dscr),
        "dscr_mean": sum(ratios.dscr) / len(ratios.dscr),
        "llcr": ratios.llcr,
        "plcr": ratios.plcr,
    }


def debt_cover_price_rows(centre: Centre, target: float) -> list[dict[str, float]]:
    """Return the price that the target cover needs at each utilisation."""
    used = sorted({*UTILISATIONS, centre.operation.utilisation})
    base = gpu_hour_price_for_loan_life_cover(centre, target, 0.85)
    rows: list[dict[str, float]] = []
    for utilisation in used:
        price = gpu_hour_price_for_loan_life_cover(centre, target, utilisation)
        rows.append(
            {
                "utilisation_share": utilisation,
                "llcr": target,
                f"price_{centre.currency.lower()}_per_gpu_hour": price,
                "over_price_at_85_share": price / base - 1,
            }
        )
    return rows


CASES: dict[str, dict[str, float]] = {
    "base": {},
    "utilisation 20 points lower": {"utilisation": -0.20},
    "price falls 5 points a year faster": {"price_growth": -0.05},
    "construction a fifth dearer": {"cost": 0.20},
    "construction a year longer": {"delay": 1},
    "interest 2 points higher": {"rate": 0.02},
    "all of them at once": {
        "utilisation": -0.20,
        "price_growth": -0.05,
        "cost": 0.20,
        "delay": 1,
        "rate": 0.02,
    },
}


def debt_cover_rows_by_downside_case(centre: Centre) -> list[dict[str, Any]]:
    """Return cover in the base case and in downside cases.

    The loan's repayment is fixed by the base case where it is sculpted, scaled to the
    case's debt, so that a worse case shows as a worse ratio rather than a later loan.
    """
    base = debt_financed_centre_life(centre)
    return [_debt_cover_in_downside_case_row(base, name, change) for name, change in CASES.items()]


def _debt_cover_in_downside_case_row(
    base: CentreLife, case_name: str, change: dict[str, float]
) -> dict[str, Any]:
    changed = debt_financed_centre_in_downside_case(base.centre, change)
    draws = loan_and_equity_drawdown(changed)
    debt = draws[-1].balance
    cash = [o.cfads for o in centre_operating_periods(changed)]
    # Lenders fix the profile at signing: it does not bend to a worse case.
    principal = [s.principal / base.draws[-1].balance * debt for s in base.service]
    rows: list[float] = []
    balance = float(debt)
    for part in principal:
        rows.append(balance * changed.loan_interest_rate_per_period + part)
        balance -= part
    ratios = [flow / due for flow, due in zip(cash, rows, strict=False)]
    short = sum(max(due - flow, 0.0) for flow, due in zip(cash, rows, strict=False))
    return {
        "case": case_name,
        "debt_mn": debt / CENTS_PER_MN,
        "dscr_min": min(ratios),
        "dscr_mean": sum(ratios) / len(ratios),
        "shortfall_mn": short / CENTS_PER_MN,
    }


def debt_financed_centre_in_downside_case(centre: Centre, change: dict[str, float]) -> Centre:
    """Return the centre of a downside case."""
    operation, building, loan = centre.operation, centre.construction, centre.loan
    # A centre that sells nothing has no price; one per cent stands for an empty house.
    used = max(0.01, operation.utilisation + change.get("utilisation", 0.0))
    growth = operation.price_growth + change.get("price_growth", 0.0)
    # Not validated again: a case may leave the bounds that keep a reader's slips out.
    return centre.model_copy(
        update={
            "operation": operation.model_copy(update={"utilisation": used, "price_growth": growth}),
            "construction": building.model_copy(
                update={
                    "cost_mn": building.cost_mn * (1 + change.get("cost", 0.0)),
                    "years": building.years + int(change.get("delay", 0)),
                }
            ),
            "loan": loan.model_copy(update={"rate": loan.rate + change.get("rate", 0.0)}),
        }
    )


def financing_route_row(life: CentreLife, route: FinancingRoute) -> dict[str, Any]:
    """Return what one route does to the public books."""
    years = government_book_years(life, route)
    return {
        "route": route.value,
        "inside_general_government": is_centre_loan_government_debt(life, route),
        "sales_over_production_costs_share": fiscal_market_test_sales_over_cost(life),
        "availability_payment_mn_a_period": ppp_availability_payment_cents_per_period(life)
        / CENTS_PER_MN
        if route is FinancingRoute.PPP
        else None,
        "peak_gross_debt_mn": max(y.gross_debt for y in years),
        "peak_guarantees_mn": max(y.guarantees for y in years),
        "total_deficit_mn": sum(y.deficit for y in years),
        "years": [asdict(y) for y in years],
    }
