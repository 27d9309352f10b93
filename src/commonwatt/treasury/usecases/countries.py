"""Who can be projected, and how a country is opened: shipped, from a folder, from a WEO table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.treasury.domain.country import Country
from commonwatt.treasury.domain.errors import checked_treasury_share
from commonwatt.treasury.domain.tables import Row
from commonwatt.treasury.io.country.folder import load_country, shipped_country_names
from commonwatt.treasury.io.country.weo import (
    OUTLOOK_FROM,
    country_from_economy,
    load_weo_economies,
    weo_economy,
)

__all__ = [
    "country_with_exchange_rate_changes",
    "open_treasury_country",
    "projectable_debt_countries",
    "shipped_country_names",
]


def projectable_debt_countries(weo: Path | None = None) -> dict[str, Any]:
    """Return who can be projected: every shipped country, and every economy of a WEO table.

    >>> [row["country"] for row in projectable_debt_countries()["countries"]]
    ['finland', 'hongkong']
    """
    rows: list[Row] = [
        _debt_country_identity_row(name, load_country(name)) for name in shipped_country_names()
    ]
    if weo is not None:
        table = load_weo_economies(weo)
        rows += [
            _debt_country_identity_row(code, country_from_economy(table[code], OUTLOOK_FROM))
            for code in table
        ]
    return {"countries": rows}


def _debt_country_identity_row(name: str, country: Country) -> Row:
    return {
        "country": name,
        "name": country.name,
        "iso3": country.iso3,
        "currency": country.currency,
        "first_year": country.fiscal_year_name(country.first_year),
        "gdp_vintage": country.gdp_vintage,
    }


def open_treasury_country(name: str, weo: Path | None = None) -> Country:
    """Return a shipped country, a country folder, or an economy of a WEO table.

    Args:
        name: A shipped name, a folder, or with `weo` an ISO 3166 code.
        weo: A WEO table.
    """
    if weo is None:
        return load_country(name)
    return country_from_economy(
        weo_economy(load_weo_economies(weo), name.upper(), weo), OUTLOOK_FROM
    )


def country_with_exchange_rate_changes(country: Country, changes: Sequence[str]) -> Country:
    """Return the country with yearly changes of exchange rates, as `CUR=CHANGE`.

    Raises:
        UsageError: A change cannot be read, or is no share.

    >>> country = open_treasury_country("hongkong")
    >>> country_with_exchange_rate_changes(country, ["EUR=0.03"]).fx_change
    {'EUR': 0.03}
    """
    # What the folder says stays for every currency that is not named here.
    fx_change = dict(country.fx_change)
    for text in changes:
        currency, _, change = text.partition("=")
        try:
            number = float(change)
        except ValueError:
            wanted = Message("a change such as EUR=0.03")
            raise UsageError(f"--fx {text}", wanted=wanted) from None
        fx_change[currency.strip().upper()] = checked_treasury_share(
            f"--fx {text}", number, UsageError
        )
    return replace(country, fx_change=fx_change)
