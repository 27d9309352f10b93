"""Who borrows for a first programme, and what its alternatives are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.siting.io.cells import load_site_cost_currency_table
from commonwatt.study.starting.start import (
    RENTED,
    ProgrammeStart,
    StartedFile,
    StartedPool,
    path_relative_to_programme_folder,
)
from commonwatt.treasury.domain.country import Country
from commonwatt.treasury.engines.fan.shipped import check_country_shocks_shipped
from commonwatt.treasury.io.country.folder import shipped_country_names


def started_funding_toml_table(
    file: StartedFile, start: ProgrammeStart, country: Country
) -> dict[str, Any]:
    """Return the table of who borrows.

    Raises:
        UsageError: No rate is known for the country's currency.
        CountryError: No shocks are known for it.
    """
    # Asked here and not when the study draws the path: what is written runs.
    check_country_shocks_shipped(country.shocks_of or country.iso3)
    rate, source = _started_currency_per_usd_and_source(start, country)
    if country.shocks_of:
        file.note_value_of_other_place("funding.country", country.shocks_of)
    file.note_assumed_value_of_started_file(
        "funding.scale",
        Message("the slice is the whole programme; larger where it stands for more."),
    )
    file.note_assumed_value_of_started_file("funding.build_years", Message("put in your own plan."))
    return {
        "country": _started_country_name_or_relative_folder(start),
        "currency_per_usd": rate,
        "scale": 1.0,
        # The first year of the country's own plan, and not today's: the file means the same
        # whenever it is written.
        "first_year": country.first_year,
        "build_years": 3,
        "source": file.text(
            Message("assumption: scale and years; rate: {source}", {"source": file.text(source)})
        ),
    }


def _started_country_name_or_relative_folder(start: ProgrammeStart) -> str:
    if start.country in shipped_country_names():
        return start.country
    path = Path(start.country)
    beside = path_relative_to_programme_folder(path if path.is_dir() else path.parent, start.path)
    # A bare word is a shipped country wherever it stands.
    return beside if "/" in beside else f"./{beside}"


def _started_currency_per_usd_and_source(
    start: ProgrammeStart, country: Country
) -> tuple[float, Message]:
    """Return units of the currency for a US dollar, and where that comes from."""
    if start.currency_per_usd is not None:
        # An option of the command line takes inf and nan for numbers.
        if not math.isfinite(start.currency_per_usd):
            raise UsageError(
                "--currency-per-usd",
                found=str(start.currency_per_usd),
                wanted=Message("a finite number above 0"),
            )
        return start.currency_per_usd, Message("stated with --currency-per-usd")
    if country.currency == "USD":
        return 1.0, Message("none, the amounts are in US dollars")
    known = load_site_cost_currency_table().per_usd
    years = [year for currency, year in known if currency == country.currency]
    if not years:
        raise UsageError(
            "--currency-per-usd",
            found=Message("no exchange rate of {currency}", {"currency": country.currency}),
            wanted=Message(
                "units of {currency} for a US dollar, such as --currency-per-usd 130",
                {"currency": country.currency},
            ),
        )
    year = max(years)
    source = Message("Federal Reserve H.10, mean of {year} in the library", {"year": str(year)})
    return round(known[country.currency, year], 4), source


def started_alternative_toml_table_by_name(
    site: str, pools: Sequence[StartedPool]
) -> dict[str, Any]:
    """Return the two ways: to build the hall, or to rent as many GPUs."""
    changes: list[str] = []
    for number, pool in enumerate(pools):
        changes += [
            f"sites.{site}.pools.{number}.nodes=0",
            f"sites.{RENTED}.pools.{number}.nodes={pool.nodes}",
        ]
    return {
        "build": {"label": {"en": "Build", "zh-Hant": "自建"}},
        "rent": {"label": {"en": "Rent", "zh-Hant": "租用"}, "change": changes},
    }
