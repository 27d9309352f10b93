"""The programme: the whole picture at a glance, each figure a door to its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commonwatt.core.messages import Message
from commonwatt.web.page_view import Chart, Fact, Form, Heading, Listing, Rows, Series, View
from commonwatt.web.pages.fans import BANDS, as_shares, headings
from commonwatt.web.pages.study import RUN_OF_STUDY, no_study, study_of
from commonwatt.web.parameters import Values
from commonwatt.web.request_context import Look, Page
from commonwatt.web.roles import Action

if TYPE_CHECKING:
    from commonwatt.runs import Run


def build(look: Look, values: Values) -> View:
    """Return how busy, how dear, how much debt, and what each rests on."""
    run = study_of(look, values)
    if run is None:
        return no_study(look)
    query = values.query(run=run.run_id)
    return View(
        lede=_lede(run.headline),
        facts=_facts(look, run, query),
        charts=_charts(look, run),
        tables=_tables(look, run),
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


def _facts(look: Look, run: Run, query: str) -> list[Fact]:
    head = run.headline
    facts = [
        Fact(
            label=Message("Utilisation"),
            value=f"{head['utilisation_share']:.1%}",
            note=Message("first to last arrival"),
            link=f"/fleet?{query}",
        ),
        Fact(
            label=Message("Queue delay, mean"),
            value=f"{head['mean_queue_delay_s'] / 3600:.1f} h",
            note=Message("first start minus submission"),
            link=f"/fleet?{query}",
        ),
    ]
    costs: dict[str, float] = head.get("cost_usd_per_gpu_hour") or {}
    facts += [
        Fact(
            label=Message("GPU-hour at {site}", {"site": site}),
            value=f"USD {cost:.2f}",
            note=Message("levelised over the life of the machines"),
            link=f"/sites?{query}",
        )
        for site, cost in costs.items()
    ]
    return [*facts, *_debt_facts(look, head)]


def _debt_facts(look: Look, head: dict[str, Any]) -> list[Fact]:
    if "debt_with_gdp_share" not in head:
        return []
    capital = next((key for key in head if key.startswith("capital_")), "")
    unit = capital.removeprefix("capital_").removesuffix("_bn").upper()
    link = "/treasury" if look.can(Action.SEE_TREASURY) else ""
    added = head["debt_with_gdp_share"] - head["debt_without_gdp_share"]
    return [
        Fact(label=Message("To be borrowed"), value=f"{unit} {head[capital]:.2f} bn", link=link),
        Fact(
            label=Message("Debt over GDP, last year"),
            value=f"{head['debt_with_gdp_share']:.2%}",
            note=Message("{points} points from the programme", {"points": f"{added * 100:+.2f}"}),
            link=link,
        ),
    ]


def _charts(look: Look, run: Run) -> list[Chart]:
    has = look.desk.runs.has
    charts = [_use(look, run)]
    if has(run, "cost_sites"):
        charts.append(_cost())
    if has(run, "alternatives"):
        charts.append(_alternatives())
    if has(run, "funding_fan_with"):
        charts.append(_debt())
    return charts


def _use(look: Look, run: Run) -> Chart:
    sites = look.desk.runs.frame(run, "fleet_sites")["site"].to_list()
    return Chart(
        name="use",
        title=Message("Allocated GPUs by site"),
        caption=Message("Mean of each bin, stacked."),
        form=Form.AREAS,
        table="use",
        x="day",
        x_label=Message("Days from the first submission"),
        series=[Series("allocated_gpus", site, where=("site", site)) for site in sites],
        unit="GPU",
    )


def _cost() -> Chart:
    return Chart(
        name="cost",
        title=Message("What a GPU-hour costs"),
        caption=Message(
            "A bar from the 5th to the 95th percentile of all inputs, a dot at the median."
        ),
        form=Form.RANGES,
        table="cost",
        x="site",
        x_label="USD / GPU-h",
        series=[
            Series(
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
        form=Form.RANGES,
        table="alternatives",
        x="alternative",
        x_label="USD / GPU-h",
        series=[
            Series(
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
        form=Form.FAN,
        table="debt",
        x="fiscal_year",
        x_label=Message("Fiscal year"),
        series=BANDS,
        unit="%",
    )


def _alternative_tables(look: Look, run: Run) -> list[Listing]:
    rows = look.desk.runs.rows
    return [
        Listing(
            name="alternatives",
            title=Message("The alternatives side by side"),
            rows=rows(run, "alternatives"),
            headings=[
                Heading("alternative", Message("Alternative")),
                Heading("cost_usd_per_gpu_hour", Message("GPU-hour"), "USD"),
                Heading("utilisation_share", Message("Utilisation")),
                Heading("mean_queue_delay_h", Message("Queue delay, mean"), "h"),
                Heading("mean_rtt_ms", Message("Round trip, mean"), "ms"),
                Heading("carbon_g_per_gpu_hour", Message("Carbon"), "g CO₂e / GPU-h"),
                Heading("borrowing_bn", Message("To be borrowed"), "bn"),
                Heading("debt_gdp_share", Message("Debt over GDP, last year")),
            ],
        ),
        Listing(
            name="break-even",
            title=Message("Which input would have to change for the answer to change"),
            rows=rows(run, "alternatives_break_even"),
            headings=[
                Heading("input", Message("Input")),
                Heading("site", Message("Site")),
                Heading("median", Message("Median")),
                Heading("flips_at", Message("Answer changes at")),
                Heading("change_share", Message("A change of")),
                Heading("within_range", Message("Within its own range")),
                Heading("source", Message("Source")),
            ],
            note=Message("One input moves at a time; the nearest come first."),
        ),
    ]


def _fan_rows(look: Look, run: Run) -> Rows:
    return Rows(
        key=f"programme/fan/{run.run_id}",
        load=lambda: as_shares(look.desk.runs.frame(run, "funding_fan_with")),
    )


def _tables(look: Look, run: Run) -> list[Listing]:
    rows, has = look.desk.runs.rows, look.desk.runs.has
    found = [
        Listing(
            name="use",
            title=Message("Allocated GPUs over time"),
            rows=rows(run, "fleet_use"),
            headings=[
                Heading("day", Message("Day")),
                Heading("site", Message("Site")),
                Heading("allocated_gpus", Message("Allocated GPUs")),
            ],
            folded=True,
        )
    ]
    if has(run, "cost_sites"):
        found.append(
            Listing(
                name="cost",
                title=Message("Cost by site"),
                rows=rows(run, "cost_sites"),
                headings=[
                    Heading("site", Message("Site")),
                    Heading("p5_usd_per_gpu_hour", Message("5th percentile"), "USD"),
                    Heading("p50_usd_per_gpu_hour", Message("Median"), "USD"),
                    Heading("p95_usd_per_gpu_hour", Message("95th percentile"), "USD"),
                    Heading("utilisation_share", Message("Utilisation")),
                ],
            )
        )
    if has(run, "alternatives"):
        found += _alternative_tables(look, run)
    if has(run, "funding_fan_with"):
        found.append(
            Listing(
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
    action=Action.SEE_PLANS,
    build=build,
    parameters=(RUN_OF_STUDY,),
)
