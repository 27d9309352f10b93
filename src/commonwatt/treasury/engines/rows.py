"""Projections as rows: names with currency and unit, in the order that people read."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from commonwatt.treasury.domain.accounts import bridge
from commonwatt.treasury.domain.country import Country, PublishedFigure
from commonwatt.treasury.engines.projection import ProjectedYear, Projection, quarterly_reserves

Row = dict[str, Any]


def year_rows(projection: Projection) -> list[Row]:
    """Return one row a year."""
    return [_year_row(projection, year) for year in projection.years]


def _year_row(projection: Projection, year: ProjectedYear) -> Row:
    country, money = projection.country, projection.country.money
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
        "balance_headline": projection.treatment.headline(balances),
    }
    row: Row = {"fiscal_year": year.name, "status": "projected"}
    row |= {money(name): value for name, value in amounts.items()}
    row["debt_gdp_share"] = year.debt_share
    row["gross_financing_need_gdp_share"] = year.gross_financing_need / year.gdp
    row["effective_interest_rate"] = year.interest / _before(year)
    row["gdp_vintage"] = country.gdp_vintage
    row["debt_basis"] = projection.treatment.basis.value
    return row | {f"change_{k}_share": v for k, v in asdict(year.decomposition).items()}


def _before(year: ProjectedYear) -> float:
    flows = year.gross_issuance - year.redemption
    return max(year.debt - flows, 1e-12)


def history_rows(country: Country) -> list[Row]:
    """Return one row for each published past year."""
    money = country.money
    return [
        {
            "fiscal_year": year.fiscal_year,
            "status": "published or derived",
            money("debt"): year.debt,
            money("gdp"): year.gdp,
            money("reserves"): year.reserves,
            money("reserves_less_debt"): _less(year.reserves, year.debt),
            "debt_gdp_share": year.debt / year.gdp if year.debt is not None and year.gdp else None,
            "source_id": year.source,
        }
        for year in country.history
    ]


def _less(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else left - right


def bridge_rows(projection: Projection, fiscal_year: str) -> list[Row]:
    """Return the bridge of one year from the published balance to income less expense."""
    money = projection.country.money
    return [
        {
            "fiscal_year": fiscal_year,
            "step": s.name,
            money("amount"): s.amount,
            money("level"): s.level,
        }
        for s in bridge(projection.ledger.balances(fiscal_year))
    ]


def quarter_rows(projection: Projection) -> list[Row]:
    """Return cash at the end of each quarter."""
    name = projection.country.money("reserves")
    return [{"quarter": quarter, name: level} for quarter, level in quarterly_reserves(projection)]


def refinancing_share(projection: Projection) -> float:
    """Return redemptions over gross issuance of all years."""
    gross = math.fsum(year.gross_issuance for year in projection.years)
    return math.fsum(year.redemption for year in projection.years) / gross if gross else 0.0


def published_rows(projection: Projection) -> list[Row]:
    """Return each published figure beside the projection's, and whether it holds."""
    found = {row["fiscal_year"]: row for row in year_rows(projection)}
    return [
        row for one in projection.country.published if (row := _published(projection, found, one))
    ]


def _published(projection: Projection, found: dict[str, Row], one: PublishedFigure) -> Row | None:
    if one.field == "refinancing_share":
        modelled = refinancing_share(projection)
    elif one.fiscal_year in found:
        modelled = found[one.fiscal_year][one.field]
    else:
        return None
    return {
        "fiscal_year": one.fiscal_year,
        "field": one.field,
        "published": one.value,
        "projected": modelled,
        "tolerance": one.tolerance,
        "holds": abs(modelled - one.value) <= one.tolerance,
        "source_id": one.source,
    }
