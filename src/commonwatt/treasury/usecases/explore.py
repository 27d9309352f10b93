"""A country's debt path under changes that a reader makes, fast enough for a slider.

Nothing here is a forecast of the change: it is added as it stands to every year.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from commonwatt.treasury.domain.country import Country
from commonwatt.treasury.domain.tables import Row
from commonwatt.treasury.engines.fan.summary import (
    debt_event_chance_rows,
    fan_gdp_share_quantile_rows,
)
from commonwatt.treasury.engines.projection import AccountingTreatment, project_country_debt
from commonwatt.treasury.usecases.countries import open_treasury_country
from commonwatt.treasury.usecases.fan import FanOptions, draw_country_debt_fan
from commonwatt.treasury.usecases.project import (
    balance_bridge_rows,
    debt_ceiling_headroom_row,
    projected_budget_year_rows,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountryChange:
    """What differs from the plan.

    Args:
        growth: Added to nominal growth of every year after the first [1/year].
        coupon: Added to the coupon of every bond that is still to be issued [1/year].
        spending: Spent on top of the plan each year, financed by bonds [bn].
        years: Years ahead.
        treatment: How the books are read.
        paths: Stochastic paths of the fan.
    """

    growth: float = 0.0
    coupon: float = 0.0
    spending: float = 0.0
    years: int = 10
    treatment: AccountingTreatment = field(default_factory=AccountingTreatment)
    paths: int = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedCountry:
    """A changed path beside the planned one.

    Args:
        country: What was changed.
        years: One row a year, with the planned debt ratio beside it.
        bridge: From the published balance of the first year to income less expense.
        fan: Quantiles of the debt ratio by year.
        chances: Chances of breaching ceiling and floor by year, and ever.
        ceiling: The legal ceiling beside the path; None where there is none.
    """

    country: Country
    years: list[Row]
    bridge: list[Row]
    fan: list[Row]
    chances: list[Row]
    ceiling: Mapping[str, Any] | None


def explore_country_debt_change(name: str, change: CountryChange) -> ChangedCountry:
    """Return a country's path with a change made to it.

    >>> planned = explore_country_debt_change("hongkong", CountryChange(years=5))
    >>> dearer = explore_country_debt_change("hongkong", CountryChange(years=5, coupon=0.01))
    >>> dearer.years[-1]["reserves_hkd_bn"] < planned.years[-1]["reserves_hkd_bn"]
    True
    """
    planned = open_treasury_country(name)
    country = changed_country(planned, change)
    span = range(country.first_year, country.first_year + change.years)
    # Spending on top is borrowed, as a programme's capital is: one road for both.
    need = {year: change.spending for year in span if change.spending}
    path = project_country_debt(
        country, years=change.years, treatment=change.treatment, extra_need=need
    )
    # Read as the changed path is: otherwise the gap between the two would be bookkeeping.
    before = project_country_debt(planned, years=change.years, treatment=change.treatment)
    fan = draw_country_debt_fan(path, None, FanOptions(paths=change.paths, years=change.years))
    return ChangedCountry(
        country=country,
        years=[
            row | {"planned_debt_gdp_share": year.debt_share}
            for row, year in zip(projected_budget_year_rows(path), before.years, strict=True)
        ],
        bridge=balance_bridge_rows(path, path.years[0].name),
        fan=fan_gdp_share_quantile_rows(fan.inputs.names, fan.paths.debt),
        chances=debt_event_chance_rows(fan.inputs, fan.paths),
        ceiling=debt_ceiling_headroom_row(path),
    )


def changed_country(country: Country, change: CountryChange) -> Country:
    """Return a country with other growth and other coupons to come."""
    return replace(
        country,
        growth=tuple(rate + change.growth for rate in country.growth),
        # Bonds that stand keep their coupon: only what is still to be issued gets dearer.
        mix=tuple(replace(part, coupon=part.coupon + change.coupon) for part in country.mix),
    )
