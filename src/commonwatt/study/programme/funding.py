"""Whether what a programme says of its funding fits the country that borrows."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from commonwatt.core.messages import Message
from commonwatt.runs import InputFile
from commonwatt.siting.io.cells import load_site_cost_currency_table
from commonwatt.study.programme.faults import ProgrammeFault
from commonwatt.study.programme.schema import FundingPart

_HOME: Final = "USD"
# A currency may lose its worth over a programme's years, and not a factor of this in between.
_RATE_FACTOR: Final = 5.0


def programme_funding_faults(
    part: FundingPart, country_files: Sequence[InputFile]
) -> Iterator[ProgrammeFault]:
    """Yield where the years or the exchange rate do not fit the country.

    A country file that cannot be read is left to the reader of countries, which says why.

    Args:
        part: The funding.
        country_files: Every file of the country's folder.
    """
    country = _country_toml_document_or_empty(country_files)
    first_year, currency = country.get("first_year"), country.get("currency")
    if isinstance(first_year, int):
        yield from _funding_building_year_faults(part, first_year)
    if isinstance(currency, str):
        yield from _funding_exchange_rate_faults(part.currency_per_usd, currency)


def _country_toml_document_or_empty(country_files: Sequence[InputFile]) -> dict[str, Any]:
    file = next((each.path for each in country_files if each.path.name == "country.toml"), None)
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig")) if file else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError):
        return {}


def _funding_building_year_faults(part: FundingPart, first_year: int) -> Iterator[ProgrammeFault]:
    """Yield the fault of building before or after the debt path.

    What is borrowed in a year that the path does not have would be borrowed by nobody, and the
    programme would seem to cost nothing.
    """
    last_year = first_year + part.years - 1
    ends = part.first_year + part.build_years - 1
    if part.first_year < first_year:
        yield ProgrammeFault(
            where="funding.first_year",
            found=str(part.first_year),
            wanted=Message(
                "a year from {year}, in which the country's accounts begin",
                {"year": str(first_year)},
            ),
            remedy=Message("Write for example {example}.", {"example": str(first_year)}),
        )
    elif ends > last_year:
        years = ends - first_year + 1
        most = FundingPart.model_fields["years"].metadata
        longest = next(m.le for m in most if hasattr(m, "le"))
        yield ProgrammeFault(
            where="funding.first_year",
            found=Message("building until {year}", {"year": str(ends)}),
            wanted=Message(
                "building within the debt path, which ends with {year}", {"year": str(last_year)}
            ),
            remedy=Message("Write years = {years}, or build earlier.", {"years": str(years)})
            if years <= longest
            else Message(
                "Write for example {example}.",
                {"example": str(max(first_year, last_year - part.build_years + 1))},
            ),
        )


def _funding_exchange_rate_faults(per_usd: float, currency: str) -> Iterator[ProgrammeFault]:
    rates = load_site_cost_currency_table().per_usd
    years = [year for code, year in rates if code == currency]
    rate = 1.0 if currency == _HOME else rates[currency, max(years)] if years else None
    if rate is None:
        return
    # A dollar is a dollar; any other rate has its day.
    factor = 1.0 if currency == _HOME else _RATE_FACTOR
    if not rate / factor <= per_usd <= rate * factor:
        yield ProgrammeFault(
            where="funding.currency_per_usd",
            found=f"{per_usd:g}",
            wanted=Message(
                "{currency} for one USD, near {rate}", {"currency": currency, "rate": f"{rate:g}"}
            ),
            remedy=Message("Write for example {example}.", {"example": f"{rate:g}"}),
        )
