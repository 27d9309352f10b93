"""Where the debt goes: `treasury project`, accounts, bridge and ceiling as rows."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from commonwatt.treasury.domain.accounts import balance_bridge_steps
from commonwatt.treasury.domain.country import Country, PublishedFigure
from commonwatt.treasury.domain.debt import gdp_growth_for_debt_share
from commonwatt.treasury.domain.tables import Row
from commonwatt.treasury.engines.comparison import debt_comparison_rows
from commonwatt.treasury.engines.projection import (
    AccountingTreatment,
    ProjectedYear,
    Projection,
    project_country_debt,
    quarterly_fiscal_reserves_bn,
)
from commonwatt.treasury.engines.reconciliation import reconcile_published_debt
from commonwatt.treasury.engines.track_record import forecast_track_record_row
from commonwatt.treasury.io.country.weo import load_weo_economies


def debt_projection_result(
    country: Country,
    *,
    years: int | None = None,
    treatment: AccountingTreatment | None = None,
    compare: Path | None = None,
) -> dict[str, Any]:
    """Return the whole answer of `treasury project`; `compare` is a WEO table."""
    projection = project_country_debt(country, years=years, treatment=treatment)
    answer: dict[str, Any] = {
        "country": country.name,
        "currency": country.currency,
        "treatment": accounting_treatment_row(projection.treatment),
        "years": projected_budget_year_rows(projection),
        "history": debt_history_rows(country),
        "refinancing_share": debt_refinancing_share(projection),
        "published_checks": published_budget_figure_rows(projection),
        "bridge": balance_bridge_rows(projection, projection.years[0].name),
        # Quarters follow the cash of the reserves, which not every country has.
        "quarters": quarterly_reserve_rows(projection) if country.reserves is not None else [],
        "ceiling": debt_ceiling_headroom_row(projection),
    }
    if compare is not None:
        answer["comparison"] = debt_comparison_rows(projection, load_weo_economies(compare))
    return answer | country_debt_publication_checks(country)


def accounting_treatment_row(treatment: AccountingTreatment) -> Row:
    """Return how the books are read, which every answer names."""
    return {
        "bonds_as_income": treatment.bonds_as_income,
        "transfers_as_income": treatment.transfers_as_income,
        "debt_basis": treatment.basis.value,
        # An empty list filters nothing, and would read as no programme at all.
        "programmes": list(treatment.programmes) or "all",
    }


def projected_budget_year_rows(projection: Projection) -> list[Row]:
    """Return one row a year."""
    return [_projected_budget_year_row(projection, year) for year in projection.years]


def _projected_budget_year_row(projection: Projection, year: ProjectedYear) -> Row:
    country, money = projection.country, projection.country.money_bn_column_name
    balances = year.balances
    amounts: dict[str, float | None] = {
        "gdp": year.gdp,
        "debt": year.debt,
        "gross_issuance": year.gross_issuance,
        "redemption": year.redemption,
        "interest": year.interest,
        "gross_financing_need": year.gross_financing_need,
        "primary_balance": year.primary_balance,
        "reserves": year.reserves,
        "reserves_less_debt": None if year.reserves is None else year.reserves - year.debt,
        "balance_published": balances.published,
        "balance_before_bonds": balances.before_bonds,
        "balance_before_bonds_and_transfers": balances.before_bonds_and_transfers,
        "balance_headline": projection.treatment.headline_balance_bn(balances),
    }
    row: Row = {"fiscal_year": year.name, "status": "projected"}
    row |= {money(name): value for name, value in amounts.items()}
    row["debt_gdp_share"] = year.debt_share
    row["gross_financing_need_gdp_share"] = year.gross_financing_need / year.gdp
    row["effective_interest_rate"] = year.interest / _debt_bn_before_year_issuance(year)
    row["gdp_vintage"] = country.gdp_vintage
    row["debt_basis"] = projection.treatment.basis.value
    return row | {f"change_{k}_share": v for k, v in asdict(year.decomposition).items()}


def _debt_bn_before_year_issuance(year: ProjectedYear) -> float:
    # Interest is paid on what stood when the year began; a country without debt pays none
    # on nothing, and its rate is then no number worth a fault.
    flows = year.gross_issuance - year.redemption
    return max(year.debt - flows, 1e-12)


def debt_history_rows(country: Country) -> list[Row]:
    """Return one row for each published past year."""
    money = country.money_bn_column_name
    return [
        {
            "fiscal_year": year.fiscal_year,
            "status": "published or derived",
            money("debt"): year.debt,
            money("gdp"): year.gdp,
            money("reserves"): year.reserves,
            money("reserves_less_debt"): _reserves_less_debt_bn_or_none(year.reserves, year.debt),
            "debt_gdp_share": year.debt / year.gdp if year.debt is not None and year.gdp else None,
            "source_id": year.source,
        }
        for year in country.history
    ]


def _reserves_less_debt_bn_or_none(reserves: float | None, debt: float | None) -> float | None:
    return None if reserves is None or debt is None else reserves - debt


def balance_bridge_rows(projection: Projection, fiscal_year: str) -> list[Row]:
    """Return the bridge of one year from the published balance to income less expense."""
    money = projection.country.money_bn_column_name
    return [
        {
            "fiscal_year": fiscal_year,
            "step": step.name,
            money("amount"): step.amount,
            money("level"): step.level,
        }
        for step in balance_bridge_steps(projection.ledger.budget_balances(fiscal_year))
    ]


def quarterly_reserve_rows(projection: Projection) -> list[Row]:
    """Return cash at the end of each quarter."""
    name = projection.country.money_bn_column_name("reserves")
    return [
        {"quarter": quarter, name: level}
        for quarter, level in quarterly_fiscal_reserves_bn(projection)
    ]


def debt_refinancing_share(projection: Projection) -> float:
    """Return redemptions over gross issuance of all years."""
    gross = math.fsum(year.gross_issuance for year in projection.years)
    return math.fsum(year.redemption for year in projection.years) / gross if gross else 0.0


def published_budget_figure_rows(projection: Projection) -> list[Row]:
    """Return each published figure beside the projection's, and whether it holds."""
    years = {row["fiscal_year"]: row for row in projected_budget_year_rows(projection)}
    checks = (
        _published_budget_figure_row(projection, years, f) for f in projection.country.published
    )
    return [check for check in checks if check is not None]


def _published_budget_figure_row(
    projection: Projection, years: dict[str, Row], figure: PublishedFigure
) -> Row | None:
    if figure.field == "refinancing_share":
        projected = debt_refinancing_share(projection)
    # A figure of a year beyond the horizon is neither met nor missed.
    elif figure.fiscal_year in years:
        projected = years[figure.fiscal_year][figure.field]
    else:
        return None
    return {
        "fiscal_year": figure.fiscal_year,
        "field": figure.field,
        "published": figure.value,
        "projected": projected,
        "tolerance": figure.tolerance,
        "holds": abs(projected - figure.value) <= figure.tolerance,
        "source_id": figure.source,
    }


def debt_ceiling_headroom_row(projection: Projection) -> dict[str, Any] | None:
    """Return the legal ceiling beside the path, or None where there is no ceiling."""
    country, money = projection.country, projection.country.money_bn_column_name
    if country.ceiling is None:
        return None
    last = projection.years[-1]
    return {
        money("ceiling"): country.ceiling,
        "fiscal_year": last.name,
        money("debt"): last.debt,
        money("headroom"): country.ceiling - last.debt,
        # Growth takes a year to grow over: with one year its root would divide by zero.
        "growth_at_which_ceiling_is_this_ratio": gdp_growth_for_debt_share(
            country.ceiling, last.debt_share, projection.years[0].gdp, len(projection.years) - 1
        )
        if len(projection.years) > 1
        else None,
        "first_breach": next(
            (year.name for year in projection.years if year.debt > country.ceiling), None
        ),
    }


def country_debt_publication_checks(country: Country) -> dict[str, Any]:
    """Return what a country's own publications say of each other, as far as it has any."""
    money = country.money_bn_column_name
    rows: dict[str, Any] = {}
    reconciliation = reconcile_published_debt(country.stocks, country.cash_windows)
    if reconciliation is not None:
        rows["reconciliation"] = {
            "opening_on": reconciliation.opening.on.isoformat(),
            money("opening"): reconciliation.opening.debt,
            money("proceeds"): reconciliation.proceeds,
            money("repayment"): reconciliation.repayment,
            money("rolled_forward"): reconciliation.rolled_forward_debt_bn,
            "claimed_on": reconciliation.claimed.on.isoformat(),
            money("claimed"): reconciliation.claimed.debt,
            "gap_share": reconciliation.debt_gap_share,
        }
    levels = {
        year.fiscal_year: year.reserves - year.debt
        for year in country.history
        if year.reserves is not None and year.debt is not None
    }
    if levels:
        rows[money("reserves_less_debt")] = levels
    if country.vintages:
        rows["track_record"] = forecast_track_record_row(country.vintages)
        rows["vintages"] = [
            {
                "budget": vintage.budget,
                "target": vintage.target,
                money("forecast_reserves"): vintage.forecast,
                money("outturn"): vintage.outturn,
                "error_share": vintage.forecast_error_share,
                "source_id": vintage.source,
            }
            for vintage in country.vintages
        ]
    return rows
