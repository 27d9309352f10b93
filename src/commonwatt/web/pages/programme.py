"""The programme: the whole picture at a glance, each figure a door to its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
)
from commonwatt.web.pages.fans import BANDS, headings, with_share_columns
from commonwatt.web.pages.study import RUN_OF_STUDY, page_without_study, study_of
from commonwatt.web.parameters import PageValues
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction

if TYPE_CHECKING:
    from commonwatt.runs import Run


def build(context: RequestContext, values: PageValues) -> PageView:
    """Return how busy, how dear, how much debt, and what each rests on."""
    run = study_of(context, values)
    if run is None:
        return page_without_study(context)
    query = values.query(run=run.run_id)
    return PageView(
        lede=_lede(run.headline),
        facts=_facts(context, run, query),
        charts=_charts(context, run),
        tables=_tables(context, run),
        notes=[
            Message(
                "Every figure leads to the page that explains it; the run at the foot names the "
                "inputs, with their hashes, and every table."
            )
        ],
        sources=[run.run_id],
        data={"title": run.title, "headline": run.headline},
    )


def _lede(head: dict[str, Any]) -> Message:
    costs: dict[str, float] = head.get("cost_usd_per_gpu_hour") or {}
    cheapest = min(costs, key=lambda site: costs[site], default="")
    gaps = {
        "gpus": f"{head['gpus']:,}",
        "share": f"{head['utilisation_share']:.0%}",
        "site": cheapest,
        "low": f"{costs.get(cheapest, 0.0):.2f}",
        "high": f"{max(costs.values(), default=0.0):.2f}",
    }
    if not costs:
        return Message("{gpus} GPUs are {share} busy.", gaps)
    return Message(
        "{gpus} GPUs are {share} busy. A GPU-hour costs USD {low} at the cheapest site, {site}, "
        "and {high} at the dearest.",
        gaps,
    )


def _facts(look: RequestContext, run: Run, query: str) -> list[HeadlineFact]:
    head = run.headline
    facts = [
        HeadlineFact(
            label=Message("Utilisation"),
            value=f"{head['utilisation_share']:.1%}",
            note=Message("first to last arrival"),
            link=f"/fleet?{query}",
        ),
        HeadlineFact(
            label=Message("Queue delay, mean"),
            value=f"{head['mean_queue_delay_s'] / 3600:.1f} h",
            note=Message("first start minus submission"),
            link=f"/fleet?{query}",
        ),
    ]
    costs: dict[str, float] = head.get("cost_usd_per_gpu_hour") or {}
    facts += [
        HeadlineFact(
            label=Message("GPU-hour at {site}", {"site": site}),
            value=f"USD {cost:.2f}",
            note=Message("levelised over the life of the machines"),
            link=f"/sites?{query}",
        )
        for site, cost in costs.items()
    ]
    return [*facts, *_debt_facts(look, head)]


def _debt_facts(look: RequestContext, head: dict[str, Any]) -> list[HeadlineFact]:
    if "debt_with_gdp_share" not in head:
        return []
    capital = next((key for key in head if key.startswith("capital_")), "")
    unit = capital.removeprefix("capital_").removesuffix("_bn").upper()
    link = "/treasury" if look.can(ConsoleAction.SEE_TREASURY) else ""
    added = head["debt_with_gdp_share"] - head["debt_without_gdp_share"]
    return [
        HeadlineFact(
            label=Message("To be borrowed"), value=f"{unit} {head[capital]:.2f} bn", link=link
        ),
        HeadlineFact(
            label=Message("Debt over GDP, last year"),
            value=f"{head['debt_with_gdp_share']:.2%}",
            note=Message("{points} points from the programme", {"points": f"{added * 100:+.2f}"}),
            link=link,
        ),
    ]


def _charts(look: RequestContext, run: Run) -> list[Chart]:
    has = look.desk.runs.has
    charts = [_use(look, run)]
    if has(run, "cost_sites"):
        charts.append(_cost())
    if has(run, "alternatives"):
        charts.append(_alternatives())
    if has(run, "funding_fan_with"):
        charts.append(_debt())
    return charts


def _use(look: RequestContext, run: Run) -> Chart:
    sites = look.desk.runs.frame(run, "fleet_sites")["site"].to_list()
    return Chart(
        name="use",
        title=Message("Allocated GPUs by site"),
        caption=Message("Mean of each bin, stacked."),
        form=ChartForm.AREAS,
        table="use",
        x="day",
        x_label=Message("Days from the first submission"),
        series=[ChartSeries("allocated_gpus", site, where=("site", site)) for site in sites],
        unit="GPU",
    )


def _cost() -> Chart:
    return Chart(
        name="cost",
        title=Message("What a GPU-hour costs"),
        caption=Message(
            "A bar from the 5th to the 95th percentile of all inputs, a dot at the median."
        ),
        form=ChartForm.RANGES,
        table="cost",
        x="site",
        x_label="USD / GPU-h",
        series=[
            ChartSeries(
                "p50_usd_per_gpu_hour", Message("Median"),
                low="p5_usd_per_gpu_hour", high="p95_usd_per_gpu_hour",
            )
        ],
        unit="USD",
    )  # fmt: skip


def _alternatives() -> Chart:
    return Chart(
        name="alternatives",
        title=Message("Other ways to build it"),
        caption=Message(
            "What a GPU-hour costs under each alternative: a bar from the 5th to the 95th "
            "percentile of all inputs, a dot at the medians."
        ),
        form=ChartForm.RANGES,
        table="alternatives",
        x="alternative",
        x_label="USD / GPU-h",
        series=[
            ChartSeries(
                "cost_usd_per_gpu_hour", Message("At the medians"),
                low="cost_p5_usd_per_gpu_hour", high="cost_p95_usd_per_gpu_hour",
            )
        ],
        unit="USD",
    )  # fmt: skip


def _debt() -> Chart:
    return Chart(
        name="debt",
        title=Message("Public debt over GDP, with the programme"),
        caption=Message("The median, the middle half and nine tenths of the paths."),
        form=ChartForm.FAN,
        table="debt",
        x="fiscal_year",
        x_label=Message("Fiscal year"),
        series=BANDS,
        unit="%",
    )


def _alternative_tables(look: RequestContext, run: Run) -> list[TableListing]:
    rows = look.desk.runs.rows
    return [
        TableListing(
            name="alternatives",
            title=Message("The alternatives side by side"),
            rows=rows(run, "alternatives"),
            headings=[
                ColumnHeading("alternative", Message("Alternative")),
                ColumnHeading("cost_usd_per_gpu_hour", Message("GPU-hour"), "USD"),
                ColumnHeading("utilisation_share", Message("Utilisation")),
                ColumnHeading("mean_queue_delay_h", Message("Queue delay, mean"), "h"),
                ColumnHeading("mean_rtt_ms", Message("Round trip, mean"), "ms"),
                ColumnHeading("carbon_g_per_gpu_hour", Message("Carbon"), "g CO₂e / GPU-h"),
                ColumnHeading("borrowing_bn", Message("To be borrowed"), "bn"),
                ColumnHeading("debt_gdp_share", Message("Debt over GDP, last year")),
            ],
        ),
        TableListing(
            name="break-even",
            title=Message("Which input would have to change for the answer to change"),
            rows=rows(run, "alternatives_break_even"),
            headings=[
                ColumnHeading("input", Message("Input")),
                ColumnHeading("site", Message("Site")),
                ColumnHeading("median", Message("Median")),
                ColumnHeading("flips_at", Message("Answer changes at")),
                ColumnHeading("change_share", Message("A change of")),
                ColumnHeading("within_range", Message("Within its own range")),
                ColumnHeading("source", Message("Source")),
            ],
            note=Message("One input moves at a time; the nearest come first."),
        ),
    ]


def _fan_rows(look: RequestContext, run: Run) -> TableRows:
    return TableRows(
        key=f"programme/fan/{run.run_id}",
        load=lambda: with_share_columns(look.desk.runs.frame(run, "funding_fan_with")),
    )


def _tables(look: RequestContext, run: Run) -> list[TableListing]:
    rows, has = look.desk.runs.rows, look.desk.runs.has
    found = [
        TableListing(
            name="use",
            title=Message("Allocated GPUs over time"),
            rows=rows(run, "fleet_use"),
            headings=[
                ColumnHeading("day", Message("Day")),
                ColumnHeading("site", Message("Site")),
                ColumnHeading("allocated_gpus", Message("Allocated GPUs")),
            ],
            folded=True,
        )
    ]
    if has(run, "cost_sites"):
        found.append(
            TableListing(
                name="cost",
                title=Message("Cost by site"),
                rows=rows(run, "cost_sites"),
                headings=[
                    ColumnHeading("site", Message("Site")),
                    ColumnHeading("p5_usd_per_gpu_hour", Message("5th percentile"), "USD"),
                    ColumnHeading("p50_usd_per_gpu_hour", Message("Median"), "USD"),
                    ColumnHeading("p95_usd_per_gpu_hour", Message("95th percentile"), "USD"),
                    ColumnHeading("utilisation_share", Message("Utilisation")),
                ],
            )
        )
    if has(run, "alternatives"):
        found += _alternative_tables(look, run)
    if has(run, "funding_fan_with"):
        found.append(
            TableListing(
                name="debt",
                title=Message("The fan with the programme"),
                rows=_fan_rows(look, run),
                headings=headings(),
                folded=True,
            )
        )
    return found


PAGE = Page(
    name="programme",
    title=Message("Programme"),
    action=ConsoleAction.SEE_PLANS,
    build=build,
    parameters=(RUN_OF_STUDY,),
)
