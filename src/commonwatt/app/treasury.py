"""Use cases of the treasury wing, shared by the command line, the study and the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from commonwatt.treasury.answers import (
    Row,
    bridge_rows,
    history_rows,
    published_rows,
    quarter_rows,
    refinancing_share,
    year_rows,
)
from commonwatt.treasury.country.file import SHIPPED, load_country
from commonwatt.treasury.country.model import Country
from commonwatt.treasury.country.weo import OUTLOOK_FROM, country_of, economy, load_weo
from commonwatt.treasury.hongkong import growth_for, reconcile, reserves_less_debt
from commonwatt.treasury.project import Projection, Treatment, project


def open_country(name: str, weo: Path | None = None) -> Country:
    """Return a shipped country, a country folder, or an economy of a WEO table.

    Args:
        name: A shipped name, a folder, or with `weo` an ISO 3166 code.
        weo: A WEO table.
    """
    if weo is None:
        return load_country(name)
    return country_of(economy(load_weo(weo), name.upper(), weo), OUTLOOK_FROM)


def project_answer(
    country: Country, *, years: int | None = None, treatment: Treatment | None = None
) -> dict[str, Any]:
    """Return the whole answer of `treasury project`."""
    projection = project(country, years=years, treatment=treatment)
    answer: dict[str, Any] = {
        "country": country.name,
        "currency": country.currency,
        "treatment": _treatment(projection.treatment),
        "years": year_rows(projection),
        "history": history_rows(country),
        "refinancing_share": refinancing_share(projection),
        "published_checks": published_rows(projection),
        "bridge": bridge_rows(projection, projection.years[0].name),
        "quarters": quarter_rows(projection) if country.reserves is not None else [],
        "ceiling": ceiling_row(projection),
    }
    if country.iso3 == "HKG" and country.published:
        answer |= hong_kong_rows(country)
    return answer


def _treatment(treatment: Treatment) -> dict[str, Any]:
    return {
        "bonds_as_income": treatment.bonds_as_income,
        "transfers_as_income": treatment.transfers_as_income,
        "debt_basis": treatment.basis.value,
        "programmes": list(treatment.programmes) or "all",
    }


def ceiling_row(projection: Projection) -> dict[str, Any] | None:
    """Return the legal ceiling beside the path, or None where there is no ceiling."""
    country, money = projection.country, projection.country.money
    if country.ceiling is None:
        return None
    last = projection.years[-1]
    return {
        money("ceiling"): country.ceiling,
        "fiscal_year": last.name,
        money("debt"): last.debt,
        money("headroom"): country.ceiling - last.debt,
        "growth_at_which_ceiling_is_this_ratio": growth_for(
            country.ceiling, last.debt_share, projection.years[0].gdp, len(projection.years) - 1
        )
        if len(projection.years) > 1
        else None,
        "first_breach": next((y.name for y in projection.years if y.debt > country.ceiling), None),
    }


def hong_kong_rows(country: Country) -> dict[str, Any]:
    """Return what Hong Kong's own figures say of each other."""
    found = reconcile(SHIPPED / "hongkong")
    return {
        "reconciliation": {
            "opening_on": found.opening_on,
            "opening_hkd_bn": found.opening,
            "proceeds_hkd_bn": found.proceeds,
            "repayment_hkd_bn": found.repayment,
            "rolled_forward_hkd_bn": found.rolled,
            "claimed_on": found.claimed_on,
            "claimed_hkd_bn": found.claimed,
            "gap_share": found.gap_share,
        },
        "reserves_less_debt_hkd_bn": reserves_less_debt(country),
    }


def tables(answer: Mapping[str, Any], names: Sequence[str]) -> dict[str, pl.DataFrame]:
    """Return the named lists of rows of an answer as tables."""
    found: dict[str, list[Row]] = {name: answer[name] for name in names if answer.get(name)}
    return {
        f"treasury_{name}": pl.DataFrame(rows, infer_schema_length=None)
        for name, rows in found.items()
    }
