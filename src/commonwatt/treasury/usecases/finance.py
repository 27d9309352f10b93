"""Who pays for a compute centre: `treasury finance`, and what it does to a sovereign's debt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonwatt.core.messages import Message
from commonwatt.treasury.domain.country import Country
from commonwatt.treasury.domain.errors import CentreError
from commonwatt.treasury.engines.fan.shipped import load_country_shock_model, load_market_shocks
from commonwatt.treasury.engines.fan.summary import (
    debt_event_chance_rows,
    fan_gdp_share_quantile_rows,
)
from commonwatt.treasury.engines.finance.books import public_financing_need_bn_by_year
from commonwatt.treasury.engines.finance.finance_answer import (
    debt_financed_centre_life,
    treasury_finance_answer,
)
from commonwatt.treasury.engines.projection import project_country_debt
from commonwatt.treasury.io.centre import (
    FinancingRoute,
    find_debt_financed_centre_file,
    load_debt_financed_centre,
)
from commonwatt.treasury.usecases.countries import open_treasury_country
from commonwatt.treasury.usecases.fan import FanOptions, FanResult, draw_country_debt_fan


def centre_finance_result(
    centre_name: str | Path,
    *,
    target: float = 1.30,
    country: str = "HKG",
    paths: int = 8192,
    seed: int = 1,
) -> dict[str, Any]:
    """Return the whole answer of `treasury finance`.

    Args:
        centre_name: The name of a shipped centre, or the path of a finance file.
        target: Loan life cover ratio of the price table.
        country: Whose shocks move demand, by ISO 3166 code.
        paths: Paths of the guarantee calls.
        seed: Seed of their chance.
    """
    centre = load_debt_financed_centre(find_debt_financed_centre_file(centre_name))
    # A centre's money is in one currency, so that no exchange rate takes part.
    model = load_country_shock_model(country, load_market_shocks("own", ("own", "", "", "")))
    return treasury_finance_answer(centre, model, target=target, paths=paths, seed=seed)


def centre_sovereign_debt_result(
    centre_name: str | Path, sovereign: str, route: str, options: FanOptions
) -> dict[str, Any]:
    """Return what a centre does to a sovereign's debt path by one route, fan included.

    Args:
        centre_name: The name of a shipped centre, or the path of a finance file.
        sovereign: Who pays; its currency must be the centre's.
        route: "on-budget", "guarantee" or "ppp".
        options: The fans; both paths draw the same chance.

    Raises:
        CentreError: The currencies differ.
    """
    path, country = find_debt_financed_centre_file(centre_name), open_treasury_country(sovereign)
    centre = load_debt_financed_centre(path)
    # No exchange rate of a stated day is at hand, and a silent one would be a wrong number.
    if centre.currency != country.currency:
        raise CentreError(
            path.name,
            found=Message("amounts in {currency}", {"currency": centre.currency}),
            wanted=Message("amounts in {currency}", {"currency": country.currency}),
        )
    need = public_financing_need_bn_by_year(
        debt_financed_centre_life(centre), FinancingRoute(route)
    )
    return {"route": route} | funding_need_result(country, need, options)


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingPaths:
    """The debt of a country with and without a funding need, planned and drawn.

    Args:
        need: Capital need in bn of the currency, by the calendar year in which the fiscal
            year starts; financed by bonds of the country's mix.
        without_need: The fan around the planned path, which stands in it.
        with_need: The same with the need borrowed; both draw the same chance, so that their
            difference is the programme alone.
    """

    need: Mapping[int, float]
    without_need: FanResult
    with_need: FanResult


def debt_paths_with_funding_need(
    country: Country, need: Mapping[int, float], options: FanOptions
) -> FundingPaths:
    """Return the debt path with and without a funding need, each with its fan."""
    return FundingPaths(
        need=need,
        without_need=draw_country_debt_fan(
            project_country_debt(country, years=options.years), None, options
        ),
        with_need=draw_country_debt_fan(
            project_country_debt(country, years=options.years, extra_need=need), None, options
        ),
    )


def funding_need_result(
    country: Country, need: Mapping[int, float], options: FanOptions
) -> dict[str, Any]:
    """Return the debt path with and without a funding need as rows; see `FundingPaths`."""
    return country_debt_rows_with_and_without_need(
        debt_paths_with_funding_need(country, need, options)
    )


def country_debt_rows_with_and_without_need(paths: FundingPaths) -> dict[str, Any]:
    """Return what the paths say by year: debt, its ratio, quantiles and chances."""
    fan_without, fan_with = paths.without_need, paths.with_need
    path_without, path_with = fan_without.projection, fan_with.projection
    country, need = path_with.country, paths.need
    money = country.money_bn_column_name
    return {
        "country": country.name,
        "currency": country.currency,
        "debt_basis": path_with.treatment.basis.value,
        "gdp_vintage": country.gdp_vintage,
        "years": [
            {
                "fiscal_year": before.name,
                money("need"): need.get(before.year, 0.0),
                money("debt_without"): before.debt,
                money("debt_with"): after.debt,
                "debt_without_gdp_share": before.debt_share,
                "debt_with_gdp_share": after.debt_share,
            }
            for before, after in zip(path_without.years, path_with.years, strict=True)
        ],
        "fan_without": fan_gdp_share_quantile_rows(
            fan_without.inputs.names, fan_without.paths.debt
        ),
        "fan_with": fan_gdp_share_quantile_rows(fan_with.inputs.names, fan_with.paths.debt),
        "chances_without": debt_event_chance_rows(fan_without.inputs, fan_without.paths),
        "chances_with": debt_event_chance_rows(fan_with.inputs, fan_with.paths),
    }
