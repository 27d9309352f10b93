"""Treasury: where the public debt goes, how sure that is, and what would move it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commonwatt.catalogue.measures import TableColumn, written
from commonwatt.catalogue.shared import DEBT_GDP, FISCAL_YEAR
from commonwatt.core.messages import Message
from commonwatt.web.page_view import (
    Chart,
    ChartForm,
    ChartSeries,
    ColumnHeading,
    HeadlineFact,
    PageView,
    TableListing,
    TableRows,
    heading_of,
    headline_of,
)
from commonwatt.web.pages.fans import BANDS, headings, with_share_columns
from commonwatt.web.parameters import Options, PageParameter, PageValues, ParameterKind
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.treasury.usecases.explore import ChangedCountry


def _countries(look: RequestContext) -> Options:
    del look
    from commonwatt.treasury.usecases.countries import shipped_countries

    return [(name, name) for name in shipped_countries()]


def _treatments(look: RequestContext) -> Options:
    del look
    return [
        ("published", Message("As published: bond proceeds are income")),
        ("economic", Message("Without bond proceeds and transfers")),
    ]


COUNTRY = PageParameter(
    name="country", label=Message("Country"), meaning=Message("Whose debt is projected."),
    default="hongkong", kind=ParameterKind.CHOICE, options=_countries,
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
    default="published", kind=ParameterKind.CHOICE, options=_treatments,
)  # fmt: skip


def build(context: RequestContext, values: PageValues) -> PageView:
    """Return debt path, fan, bridge and decomposition under the reader's changes."""
    found, language = _explored(values), context.language
    last, first = found.years[-1], found.years[0]
    return PageView(
        lede=_lede(found),
        facts=[
            headline_of(
                DEBT_GDP,
                first["debt_gdp_share"],
                language,
                subject=first["fiscal_year"],
            ),
            headline_of(
                DEBT_GDP,
                last["debt_gdp_share"],
                language,
                subject=last["fiscal_year"],
                note=Message(
                    "planned {share}", {"share": written(last["planned_debt_gdp_share"], DEBT_GDP)}
                ),
            ),
            *_ceiling_facts(found),
        ],
        charts=_charts(found),
        tables=_tables(found, values),
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
        data={"years": found.years, "bridge": found.bridge, "chances": found.chances},
    )


def _explored(values: PageValues) -> ChangedCountry:
    from commonwatt.treasury.engines.projection import AccountingTreatment
    from commonwatt.treasury.usecases.explore import CountryChange, explore

    published = values.text(TREATMENT.name) == "published"
    change = CountryChange(
        growth=values.number(GROWTH.name) / 100,
        coupon=values.number(COUPON.name) / 100,
        spending=values.number(SPENDING.name),
        years=int(values.number(YEARS.name)),
        treatment=AccountingTreatment(bonds_as_income=published, transfers_as_income=published),
    )
    return explore(values.text(COUNTRY.name), change)


def _share(value: float) -> str:
    return f"{value:.1%}"


def _lede(found: ChangedCountry) -> Message:
    first, last = found.years[0], found.years[-1]
    return Message(
        "Debt goes from {first} of GDP in {from} to {last} in {to}; in nine paths of ten it then "
        "stands between {low} and {high}.",
        {
            "first": _share(first["debt_gdp_share"]),
            "from": first["fiscal_year"],
            "last": _share(last["debt_gdp_share"]),
            "to": last["fiscal_year"],
            "low": _share(found.fan[-1]["q05"]),
            "high": _share(found.fan[-1]["q95"]),
        },
    )


def _ceiling_facts(found: ChangedCountry) -> list[HeadlineFact]:
    if found.ceiling is None:
        return []
    return [
        HeadlineFact(
            label=Message("Chance of passing the ceiling, ever"),
            value=f"{found.chances[-1]['debt_over_ceiling_probability']:.0%}",
            note=Message(
                "ceiling {amount} bn {currency}",
                {
                    "amount": f"{found.country.ceiling:,.0f}",
                    "currency": found.country.currency,
                },
            ),
        ),
        HeadlineFact(
            label=Message("Passed on the central path"),
            value=found.ceiling["first_breach"] or "–",
        ),
    ]


def _charts(found: ChangedCountry) -> list[Chart]:
    money = found.country.money
    year = FISCAL_YEAR.label
    charts = [
        Chart(
            name="fan",
            title=Message("Debt over GDP"),
            caption=Message(
                "The median, the middle half and nine tenths of the paths. The planned path is "
                "dashed."
            ),
            form=ChartForm.FAN,
            table="fan",
            x="fiscal_year",
            x_label=year,
            series=BANDS,
            line=ChartSeries("planned_debt_gdp_share", Message("planned")),
            measure=DEBT_GDP,
        ),
        Chart(
            name="parts",
            title=Message("What moves the ratio"),
            caption=Message(
                "Each year's change of debt over GDP, by what made it; the parts add up to the "
                "change."
            ),
            form=ChartForm.COLUMNS,
            table="years",
            x="fiscal_year",
            x_label=year,
            series=[
                ChartSeries("change_interest_share", Message("Interest")),
                ChartSeries("change_growth_share", Message("Growth")),
                ChartSeries("change_primary_balance_share", Message("Primary balance")),
                ChartSeries("change_exchange_rate_share", Message("Exchange rate")),
                ChartSeries("change_stock_flow_share", Message("Stock-flow adjustment")),
            ],
            unit="%",
        ),
        Chart(
            name="bridge",
            title=Message("From the published balance to income less expense"),
            caption=Message(
                "The first year. The published balance counts borrowed money and money from "
                "other public pockets as income."
            ),
            form=ChartForm.BARS,
            table="bridge",
            x="step",
            x_label=f"bn {found.country.currency}",
            series=[ChartSeries(money("level"), Message("Balance so far"))],
            unit=f"bn {found.country.currency}",
        ),
    ]
    if found.country.reserves is not None:
        charts.append(_reserves(found, year))
    return charts


def _reserves(found: ChangedCountry, year: Message) -> Chart:
    money = found.country.money
    return Chart(
        name="reserves",
        title=Message("Debt and reserves"),
        caption=Message("What is owed beside what is held, on the central path."),
        form=ChartForm.POINTS,
        table="years",
        x="fiscal_year",
        x_label=year,
        series=[
            ChartSeries(money("debt"), Message("Debt")),
            ChartSeries(money("reserves"), Message("Reserves")),
        ],
        unit=f"bn {found.country.currency}",
    )


def _rows(name: str, rows: list[dict[str, Any]], values: PageValues) -> TableRows:
    def load() -> pl.DataFrame:
        import polars as pl

        return pl.DataFrame(rows, infer_schema_length=None)

    return TableRows(key=f"treasury/{name}/{values.query()}", load=load, size=len(rows))


def _fan_rows(found: ChangedCountry, values: PageValues) -> TableRows:
    planned = [year["planned_debt_gdp_share"] for year in found.years]

    def load() -> pl.DataFrame:
        import polars as pl

        return with_share_columns(pl.DataFrame(found.fan)).with_columns(
            planned_debt_gdp_share=pl.Series(planned)
        )

    return TableRows(key=f"treasury/fan/{values.query()}", load=load, size=len(planned))


def _tables(found: ChangedCountry, values: PageValues) -> list[TableListing]:
    money, unit = found.country.money, f"bn {found.country.currency}"
    return [
        TableListing(
            name="years",
            title=Message("Year by year"),
            rows=_rows("years", found.years, values),
            headings=[
                heading_of(TableColumn.of(FISCAL_YEAR)),
                ColumnHeading(money("debt"), Message("Debt"), unit),
                heading_of(TableColumn.of(DEBT_GDP, "debt_gdp_share")),
                ColumnHeading(money("gross_issuance"), Message("Issued"), unit),
                ColumnHeading(money("redemption"), Message("Redeemed"), unit),
                ColumnHeading(money("interest"), Message("Interest"), unit),
                ColumnHeading(money("reserves"), Message("Reserves"), unit),
                ColumnHeading(money("balance_headline"), Message("Balance"), unit),
            ],
        ),
        TableListing(
            name="fan",
            title=Message("The fan"),
            rows=_fan_rows(found, values),
            headings=[*headings(), ColumnHeading("planned_debt_gdp_share", Message("planned"))],
        ),
        TableListing(
            name="bridge",
            title=Message("The bridge"),
            rows=_rows("bridge", found.bridge, values),
            headings=[
                ColumnHeading("step", Message("Step")),
                ColumnHeading(money("amount"), Message("Amount"), unit),
                ColumnHeading(money("level"), Message("Balance so far"), unit),
            ],
        ),
        TableListing(
            name="chances",
            title=Message("Chances"),
            rows=_rows("chances", found.chances, values),
            headings=[
                heading_of(TableColumn.of(FISCAL_YEAR)),
                ColumnHeading("debt_over_ceiling_probability", Message("Debt over the ceiling")),
                ColumnHeading(
                    "reserves_under_floor_probability", Message("Reserves under the floor")
                ),
                ColumnHeading("guarantee_call_probability", Message("A guarantee is called")),
            ],
        ),
    ]


PAGE = Page(
    name="treasury",
    title=Message("Treasury"),
    action=ConsoleAction.SEE_TREASURY,
    build=build,
    parameters=(COUNTRY, YEARS, GROWTH, COUPON, SPENDING, TREATMENT),
)
