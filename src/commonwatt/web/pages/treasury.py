"""Treasury: where the public debt goes, how sure that is, and what would move it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from commonwatt.catalogue.measures import measure_value_text
from commonwatt.catalogue.shared import DEBT_GDP, FISCAL_YEAR
from commonwatt.core.messages import Message
from commonwatt.report.charts.specification import Chart, ChartForm, ChartSeries
from commonwatt.treasury.domain.measures import (
    CEILING,
    CEILING_CHANCE_EVER,
    DEBT,
    FIRST_BREACH,
    RESERVES,
)
from commonwatt.treasury.domain.tables import BRIDGE, CHANCES, CHANGED_YEARS
from commonwatt.web.explored import console_explored_country_json
from commonwatt.web.page_view import (
    HeadlineFact,
    PageView,
    TableListing,
    TableRows,
    console_column_heading_of,
    console_column_headings_of,
    page_headline_fact_of_figure,
)
from commonwatt.web.pages.fans import (
    page_debt_fan_headings,
    page_fan_frame_with_share_columns,
)
from commonwatt.web.parameters import Options, PageParameter, PageValues, ParameterKind
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.treasury.usecases.explore import ChangedCountry, CountryChange


def _treasury_page_country_options(context: RequestContext) -> Options:
    del context
    from commonwatt.treasury.usecases.countries import shipped_country_names

    return [(name, name) for name in shipped_country_names()]


def _page_form_accounting_treatment_options(context: RequestContext) -> Options:
    del context
    return [
        ("published", Message("As published: bond proceeds are income")),
        ("economic", Message("Without bond proceeds and transfers")),
    ]


COUNTRY = PageParameter(
    name="country", label=Message("Country"), meaning=Message("Whose debt is projected."),
    default="hongkong", kind=ParameterKind.CHOICE, options=_treasury_page_country_options,
    closed=True,
)  # fmt: skip
YEARS = PageParameter(
    name="years", label=Message("Years ahead"), meaning=Message("How far the path goes."),
    default="10", kind=ParameterKind.SLIDER, minimum=5, maximum=30, step=1,
)  # fmt: skip
GROWTH = PageParameter(
    name="growth", label=Message("Growth, points more"),
    meaning=Message("Added to the nominal growth of every year after the first."),
    default="0", kind=ParameterKind.SLIDER, minimum=-4, maximum=4, step=0.25, unit="%",
)  # fmt: skip
COUPON = PageParameter(
    name="coupon", label=Message("Coupons, points more"),
    meaning=Message("Added to the coupon of every bond that is still to be issued."),
    default="0", kind=ParameterKind.SLIDER, minimum=-3, maximum=6, step=0.25, unit="%",
)  # fmt: skip
SPENDING = PageParameter(
    name="spending", label=Message("Spending on top, bn a year"),
    meaning=Message("Spent every year on top of the plan, and borrowed."),
    default="0", kind=ParameterKind.SLIDER, minimum=0, maximum=100, step=5, unit="bn",
)  # fmt: skip
TREATMENT = PageParameter(
    name="balance", label=Message("Balance"),
    meaning=Message("Which balance the path headlines; the debt is the same under both."),
    default="published", kind=ParameterKind.CHOICE, options=_page_form_accounting_treatment_options,
    closed=True,
)  # fmt: skip


def build_treasury_page(context: RequestContext, values: PageValues) -> PageView:
    """Return debt path, fan, bridge and decomposition under the reader's changes."""
    changed_country, language = _explored_country_debt(context, values), context.language
    last, first = changed_country.years[-1], changed_country.years[0]
    return PageView(
        lede=_treasury_page_lede(changed_country),
        facts=[
            page_headline_fact_of_figure(
                DEBT_GDP,
                first["debt_gdp_share"],
                language,
                subject=first["fiscal_year"],
            ),
            page_headline_fact_of_figure(
                DEBT_GDP,
                last["debt_gdp_share"],
                language,
                subject=last["fiscal_year"],
                note=Message(
                    "planned {share}",
                    {"share": measure_value_text(last["planned_debt_gdp_share"], DEBT_GDP)},
                ),
            ),
            *_treasury_page_debt_ceiling_facts(changed_country, language),
        ],
        charts=_treasury_page_charts(changed_country),
        tables=_treasury_page_tables(changed_country, values),
        notes=[
            Message(
                "Debt is gross, on the cash basis, over the GDP vintage that the JSON names. Bond "
                "proceeds and transfers between public pockets are never income; the bridge shows "
                "what they add to the published balance."
            ),
            Message(
                "The fan holds {paths} paths: quick, and a point or so rough at its edges. The "
                "command draws as many as you like: commonwatt treasury fan {country}",
                {"paths": "2,000", "country": values.text(COUNTRY.name)},
            ),
        ],
        data={
            "years": changed_country.years,
            "bridge": changed_country.bridge,
            "chances": changed_country.chances,
        },
    )


def _explored_country_debt(context: RequestContext, values: PageValues) -> ChangedCountry:
    key = f"country/{values.text(COUNTRY.name)}/{values.query_string()}"
    return context.long_result(key, lambda: _load_or_explore_country(context, key, values))


def _treasury_page_content_key(context: RequestContext, values: PageValues) -> str:
    # Waited for here, by each who asks for as long as they have patience: the page itself is
    # made by one while the others wait for that one.
    _explored_country_debt(context, values)
    return "country"  # a shipped country changes with the program, and a change is in the address


def _load_or_explore_country(
    context: RequestContext, key: str, values: PageValues
) -> ChangedCountry:
    """Return a country's debt; without a change of the reader's, as it was explored before.

    The plan itself is what everybody opens first. From its file it is there at once, in a
    process that has never drawn a path and loads nothing for it.
    """
    from commonwatt.treasury.usecases.countries import open_treasury_country, shipped_country_names
    from commonwatt.treasury.usecases.explore import (
        ChangedCountry,
        changed_country,
        explore_country_debt_change,
    )

    name, change = values.text(COUNTRY.name), _country_change_of_page_values(values)
    is_planned = not any(values.number(slider.name) for slider in (GROWTH, COUPON, SPENDING))
    if not is_planned or name not in shipped_country_names():
        return explore_country_debt_change(name, change)

    text = context.services.cache.cached_text(
        key, lambda: console_explored_country_json(name, change)
    )
    explored = json.loads(text)
    return ChangedCountry(country=changed_country(open_treasury_country(name), change), **explored)


def _country_change_of_page_values(values: PageValues) -> CountryChange:
    from commonwatt.treasury.engines.projection import AccountingTreatment
    from commonwatt.treasury.usecases.explore import CountryChange

    published = values.text(TREATMENT.name) == "published"
    return CountryChange(
        # Sliders speak in points, the engines in shares.
        growth=values.number(GROWTH.name) / 100,
        coupon=values.number(COUPON.name) / 100,
        spending=values.number(SPENDING.name),
        years=int(values.number(YEARS.name)),
        # A published balance counts both as income, though neither makes the public richer.
        treatment=AccountingTreatment(bonds_as_income=published, transfers_as_income=published),
    )


def _share_as_page_percent_text(value: float) -> str:
    return f"{value:.1%}"


def _treasury_page_lede(explored: ChangedCountry) -> Message:
    first, last = explored.years[0], explored.years[-1]
    return Message(
        "Debt goes from {first} of GDP in {from} to {last} in {to}; in nine paths of ten it then "
        "stands between {low} and {high}.",
        {
            "first": _share_as_page_percent_text(first["debt_gdp_share"]),
            "from": first["fiscal_year"],
            "last": _share_as_page_percent_text(last["debt_gdp_share"]),
            "to": last["fiscal_year"],
            "low": _share_as_page_percent_text(explored.fan[-1]["q05"]),
            "high": _share_as_page_percent_text(explored.fan[-1]["q95"]),
        },
    )


def _treasury_page_debt_ceiling_facts(
    explored: ChangedCountry, language: str
) -> list[HeadlineFact]:
    if explored.ceiling is None:
        return []
    ceiling = measure_value_text(
        explored.country.ceiling, CEILING, language, currency=explored.country.currency
    )
    return [
        page_headline_fact_of_figure(
            CEILING_CHANCE_EVER,
            explored.chances[-1]["debt_over_ceiling_probability"],
            language,
            note=Message("ceiling {amount}", {"amount": ceiling}),
        ),
        page_headline_fact_of_figure(FIRST_BREACH, explored.ceiling["first_breach"], language),
    ]


def _treasury_page_charts(explored: ChangedCountry) -> list[Chart]:
    # Late: charts load what reads tables, and most requests are answered from what was kept.
    from commonwatt.treasury.usecases import charts

    drawn = [
        replace(
            charts.debt_fan_chart(DEBT_GDP, DEBT_GDP.label, suffix="_share"),
            line=ChartSeries("planned_debt_gdp_share", Message("planned")),
            caption=Message(
                "The median, the middle half and nine tenths of the paths. The planned path is "
                "dashed."
            ),
        ),
        charts.debt_decomposition_chart(DEBT_GDP.label),
        charts.balance_bridge_chart(explored.country.currency),
    ]
    if explored.country.reserves is not None:
        drawn.append(_debt_and_reserves_page_chart(explored, FISCAL_YEAR.label))
    return drawn


def _debt_and_reserves_page_chart(explored: ChangedCountry, year: Message) -> Chart:
    money = explored.country.money_bn_column_name
    return Chart(
        name="reserves",
        title=Message("Debt and reserves"),
        caption=Message("What is owed beside what is held, on the central path."),
        form=ChartForm.POINTS,
        table="years",
        x="fiscal_year",
        x_label=year,
        series=[
            ChartSeries(money("debt"), DEBT.label),
            ChartSeries(money("reserves"), RESERVES.label),
        ],
        measure=DEBT,
        currency=explored.country.currency,
    )


def _treasury_table_rows(name: str, rows: list[dict[str, Any]], values: PageValues) -> TableRows:
    def load_treasury_table() -> pl.DataFrame:
        import polars as pl

        return pl.DataFrame(rows, infer_schema_length=None)

    # All rows follow from the page's parameters, so their query names the content.
    return TableRows(
        key=f"treasury/{name}/{values.query_string()}", load=load_treasury_table, size=len(rows)
    )


def _debt_fan_rows(explored: ChangedCountry, values: PageValues) -> TableRows:
    planned = [year["planned_debt_gdp_share"] for year in explored.years]

    def load_debt_fan() -> pl.DataFrame:
        import polars as pl

        return page_fan_frame_with_share_columns(pl.DataFrame(explored.fan)).with_columns(
            planned_debt_gdp_share=pl.Series(planned)
        )

    return TableRows(
        key=f"treasury/fan/{values.query_string()}", load=load_debt_fan, size=len(planned)
    )


def _treasury_page_tables(explored: ChangedCountry, values: PageValues) -> list[TableListing]:
    money, currency = explored.country.money_bn_column_name, explored.country.currency
    amounts = ("gross_issuance", "redemption", "interest", "reserves", "balance_headline")
    years = ("fiscal_year", money("debt"), "debt_gdp_share", *(money(name) for name in amounts))
    chances = ("debt_over_ceiling", "reserves_under_floor", "guarantee_call")
    return [
        TableListing(
            name="years",
            title=Message("Year by year"),
            rows=_treasury_table_rows("years", explored.years, values),
            headings=console_column_headings_of(
                CHANGED_YEARS.in_currency(currency), *years, currency=currency
            ),
        ),
        TableListing(
            name="fan",
            title=Message("The fan"),
            rows=_debt_fan_rows(explored, values),
            headings=[
                *page_debt_fan_headings(),
                console_column_heading_of(CHANGED_YEARS.column("planned_debt_gdp_share")),
            ],
        ),
        TableListing(
            name="bridge",
            title=Message("The bridge"),
            rows=_treasury_table_rows("bridge", explored.bridge, values),
            headings=console_column_headings_of(
                BRIDGE.in_currency(currency),
                "step",
                money("amount"),
                money("level"),
                currency=currency,
            ),
        ),
        TableListing(
            name="chances",
            title=Message("Chances"),
            rows=_treasury_table_rows("chances", explored.chances, values),
            headings=console_column_headings_of(
                CHANCES, "fiscal_year", *(f"{event}_probability" for event in chances)
            ),
        ),
    ]


PAGE = Page(
    name="treasury",
    title=Message("Treasury"),
    action=ConsoleAction.SEE_TREASURY,
    build=build_treasury_page,
    parameters=(COUNTRY, YEARS, GROWTH, COUPON, SPENDING, TREATMENT),
    content_key=_treasury_page_content_key,
)
