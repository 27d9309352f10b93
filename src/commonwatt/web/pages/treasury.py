"""Treasury: where the public debt goes, how sure that is, and what would move it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commonwatt.core.messages import Message
from commonwatt.web.page_view import Chart, Fact, Form, Heading, Listing, Rows, Series, View
from commonwatt.web.pages.fans import BANDS, as_shares, headings
from commonwatt.web.parameters import Kind, Options, Parameter, Values
from commonwatt.web.request_context import Look, Page
from commonwatt.web.roles import Action

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.treasury.usecases.explore import Explored


def _countries(look: Look) -> Options:
    del look
    from commonwatt.treasury.usecases.explore import shipped_countries

    return [(name, name) for name in shipped_countries()]


def _treatments(look: Look) -> Options:
    del look
    return [
        ("published", Message("As published: bond proceeds are income")),
        ("economic", Message("Without bond proceeds and transfers")),
    ]


COUNTRY = Parameter(
    name="country", label=Message("Country"), meaning=Message("Whose debt is projected."),
    default="hongkong", kind=Kind.CHOICE, options=_countries,
)  # fmt: skip
YEARS = Parameter(
    name="years", label=Message("Years ahead"), meaning=Message("How far the path goes."),
    default="10", kind=Kind.SLIDER, minimum=5, maximum=30, step=1,
)  # fmt: skip
GROWTH = Parameter(
    name="growth", label=Message("Growth, points more"),
    meaning=Message("Added to the nominal growth of every year after the first."),
    default="0", kind=Kind.SLIDER, minimum=-4, maximum=4, step=0.25, unit="%",
)  # fmt: skip
COUPON = Parameter(
    name="coupon", label=Message("Coupons, points more"),
    meaning=Message("Added to the coupon of every bond that is still to be issued."),
    default="0", kind=Kind.SLIDER, minimum=-3, maximum=6, step=0.25, unit="%",
)  # fmt: skip
SPENDING = Parameter(
    name="spending", label=Message("Spending on top, bn a year"),
    meaning=Message("Spent every year on top of the plan, and borrowed."),
    default="0", kind=Kind.SLIDER, minimum=0, maximum=100, step=5, unit="bn",
)  # fmt: skip
TREATMENT = Parameter(
    name="balance", label=Message("Balance"),
    meaning=Message("Which balance the path headlines; the debt is the same under both."),
    default="published", kind=Kind.CHOICE, options=_treatments,
)  # fmt: skip


def build(look: Look, values: Values) -> View:
    """Return debt path, fan, bridge and decomposition under the reader's changes."""
    del look
    found = _explored(values)
    last, first = found.years[-1], found.years[0]
    return View(
        lede=_lede(found),
        facts=[
            Fact(label=Message("Debt over GDP, first year"), value=_share(first["debt_gdp_share"])),
            Fact(
                label=Message("Debt over GDP, last year"),
                value=_share(last["debt_gdp_share"]),
                note=Message("planned {share}", {"share": _share(last["planned_debt_gdp_share"])}),
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


def _explored(values: Values) -> Explored:
    from commonwatt.treasury.engines.projection import Treatment
    from commonwatt.treasury.usecases.explore import Change, explore

    published = values.text(TREATMENT.name) == "published"
    change = Change(
        growth=values.number(GROWTH.name) / 100,
        coupon=values.number(COUPON.name) / 100,
        spending=values.number(SPENDING.name),
        years=int(values.number(YEARS.name)),
        treatment=Treatment(bonds_as_income=published, transfers_as_income=published),
    )
    return explore(values.text(COUNTRY.name), change)


def _share(value: float) -> str:
    return f"{value:.1%}"


def _lede(found: Explored) -> Message:
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


def _ceiling_facts(found: Explored) -> list[Fact]:
    if found.ceiling is None:
        return []
    return [
        Fact(
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
        Fact(
            label=Message("Passed on the central path"),
            value=found.ceiling["first_breach"] or "–",
        ),
    ]


def _charts(found: Explored) -> list[Chart]:
    money = found.country.money
    year = Message("Fiscal year")
    charts = [
        Chart(
            name="fan",
            title=Message("Debt over GDP"),
            caption=Message(
                "The median, the middle half and nine tenths of the paths. The planned path is "
                "dashed."
            ),
            form=Form.FAN,
            table="fan",
            x="fiscal_year",
            x_label=year,
            series=BANDS,
            line=Series("planned_debt_gdp_share", Message("planned")),
            unit="%",
        ),
        Chart(
            name="parts",
            title=Message("What moves the ratio"),
            caption=Message(
                "Each year's change of debt over GDP, by what made it; the parts add up to the "
                "change."
            ),
            form=Form.COLUMNS,
            table="years",
            x="fiscal_year",
            x_label=year,
            series=[
                Series("change_interest_share", Message("Interest")),
                Series("change_growth_share", Message("Growth")),
                Series("change_primary_balance_share", Message("Primary balance")),
                Series("change_exchange_rate_share", Message("Exchange rate")),
                Series("change_stock_flow_share", Message("Stock-flow adjustment")),
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
            form=Form.BARS,
            table="bridge",
            x="step",
            x_label=f"bn {found.country.currency}",
            series=[Series(money("level"), Message("Balance so far"))],
            unit=f"bn {found.country.currency}",
        ),
    ]
    if found.country.reserves is not None:
        charts.append(_reserves(found, year))
    return charts


def _reserves(found: Explored, year: Message) -> Chart:
    money = found.country.money
    return Chart(
        name="reserves",
        title=Message("Debt and reserves"),
        caption=Message("What is owed beside what is held, on the central path."),
        form=Form.POINTS,
        table="years",
        x="fiscal_year",
        x_label=year,
        series=[
            Series(money("debt"), Message("Debt")),
            Series(money("reserves"), Message("Reserves")),
        ],
        unit=f"bn {found.country.currency}",
    )


def _rows(name: str, rows: list[dict[str, Any]], values: Values) -> Rows:
    def load() -> pl.DataFrame:
        import polars as pl

        return pl.DataFrame(rows, infer_schema_length=None)

    return Rows(key=f"treasury/{name}/{values.query()}", load=load, size=len(rows))


def _fan_rows(found: Explored, values: Values) -> Rows:
    planned = [year["planned_debt_gdp_share"] for year in found.years]

    def load() -> pl.DataFrame:
        import polars as pl

        return as_shares(pl.DataFrame(found.fan)).with_columns(
            planned_debt_gdp_share=pl.Series(planned)
        )

    return Rows(key=f"treasury/fan/{values.query()}", load=load, size=len(planned))


def _tables(found: Explored, values: Values) -> list[Listing]:
    money, unit = found.country.money, f"bn {found.country.currency}"
    return [
        Listing(
            name="years",
            title=Message("Year by year"),
            rows=_rows("years", found.years, values),
            headings=[
                Heading("fiscal_year", Message("Fiscal year")),
                Heading(money("debt"), Message("Debt"), unit),
                Heading("debt_gdp_share", Message("Debt over GDP")),
                Heading(money("gross_issuance"), Message("Issued"), unit),
                Heading(money("redemption"), Message("Redeemed"), unit),
                Heading(money("interest"), Message("Interest"), unit),
                Heading(money("reserves"), Message("Reserves"), unit),
                Heading(money("balance_headline"), Message("Balance"), unit),
            ],
        ),
        Listing(
            name="fan",
            title=Message("The fan"),
            rows=_fan_rows(found, values),
            headings=[*headings(), Heading("planned_debt_gdp_share", Message("planned"))],
        ),
        Listing(
            name="bridge",
            title=Message("The bridge"),
            rows=_rows("bridge", found.bridge, values),
            headings=[
                Heading("step", Message("Step")),
                Heading(money("amount"), Message("Amount"), unit),
                Heading(money("level"), Message("Balance so far"), unit),
            ],
        ),
        Listing(
            name="chances",
            title=Message("Chances"),
            rows=_rows("chances", found.chances, values),
            headings=[
                Heading("fiscal_year", Message("Fiscal year")),
                Heading("debt_over_ceiling_probability", Message("Debt over the ceiling")),
                Heading("reserves_under_floor_probability", Message("Reserves under the floor")),
                Heading("guarantee_call_probability", Message("A guarantee is called")),
            ],
        ),
    ]


PAGE = Page(
    name="treasury",
    title=Message("Treasury"),
    action=Action.SEE_TREASURY,
    build=build,
    parameters=(COUNTRY, YEARS, GROWTH, COUPON, SPENDING, TREATMENT),
)
