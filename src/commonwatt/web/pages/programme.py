"""The programme: the whole picture at a glance, each figure a door to its page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from commonwatt.catalogue.bands import BAND_90
from commonwatt.catalogue.measures import measure_cell_text, measure_value_text
from commonwatt.catalogue.shared import (
    GPU_HOUR_COST_P50,
    QUEUE_DELAY_MEAN,
    UTILISATION,
)
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.tables import USE
from commonwatt.report.charts.specification import Chart
from commonwatt.study.measures import (
    ALTERNATIVES,
    ALTERNATIVES_BREAK_EVEN,
    BORROWING,
    DEBT_GDP_WITH,
    DEBT_GDP_WITHOUT,
    PLANNED_EFFECTS,
)
from commonwatt.study.tables import PROGRAMME
from commonwatt.web.page_view import (
    HeadlineFact,
    PageView,
    TableListing,
    TableRows,
    console_column_headings_of,
    page_headline_fact_of_figure,
)
from commonwatt.web.pages.fans import (
    page_debt_fan_headings,
    page_fan_frame_with_share_columns,
)
from commonwatt.web.pages.headline import StudyExtent, study_extent
from commonwatt.web.pages.study import (
    RUN_OF_STUDY,
    borrowing_currency_of_page_run_or_blank,
    page_site_cost_headings,
    page_subject_of_run,
    page_without_study,
    study_page_content_key,
    study_run_of_page,
)
from commonwatt.web.parameters import PageValues
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.runs import Run


_ALTERNATIVES_SHOWN = (
    "alternative",
    "cost_usd_per_gpu_hour",
    "utilisation_share",
    "mean_queue_delay_h",
    "mean_rtt_ms",
    "carbon_g_per_gpu_hour",
)
_BORROWED_SHOWN = ("borrowing_bn", *(column.name for column in PLANNED_EFFECTS[3:]))


def build_programme_page(context: RequestContext, values: PageValues) -> PageView:
    """Return how busy, how dear, how much debt, and what each rests on."""
    run = study_run_of_page(context, values)
    if run is None:
        return page_without_study(context)
    query = values.query_string(run=run.run_id)
    return PageView(
        subject=page_subject_of_run(context, run),
        lede=_programme_page_lede(run.headline),
        facts=_programme_page_facts(context, run, query),
        charts=_programme_page_charts(context, run),
        tables=_programme_page_tables(context, run),
        notes=[
            Message(
                "Every figure leads to the page that explains it; the run at the foot names the "
                "inputs, with their hashes, and every table."
            ),
        ],
        sources=[run.run_id],
        data={"title": run.title, "headline": run.headline},
    )


def _programme_page_lede(head: dict[str, Any]) -> Message:
    # A programme need not cost its sites; the sentence then leaves them out.
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


def _programme_page_facts(context: RequestContext, run: Run, query: str) -> list[HeadlineFact]:
    head, extent = run.headline, study_extent(context, run)
    facts = [
        page_headline_fact_of_figure(
            UTILISATION,
            head["utilisation_share"],
            context.language,
            note=Message("first to last arrival"),
            extent=extent.use_extent_note,
            link=f"/fleet?{query}",
        ),
        page_headline_fact_of_figure(
            QUEUE_DELAY_MEAN,
            head["mean_queue_delay_s"],
            context.language,
            note=Message("first start minus submission"),
            extent=extent.use_extent_note,
            link=f"/fleet?{query}",
        ),
    ]
    costs: dict[str, float] = head.get("cost_usd_per_gpu_hour") or {}
    facts += [
        page_headline_fact_of_figure(
            GPU_HOUR_COST_P50,
            cost,
            context.language,
            subject=site,
            note=Message("levelised cost"),
            extent=extent.gpu_hour_cost_extent_note,
            link=f"/sites?{query}",
        )
        for site, cost in costs.items()
    ]
    return [*facts, *_programme_debt_facts(context, run, extent)]


def _programme_debt_facts(
    context: RequestContext, run: Run, extent: StudyExtent
) -> list[HeadlineFact]:
    head, currency = run.headline, borrowing_currency_of_page_run_or_blank(run)
    if not currency:
        return []
    # No link where it would only lead to a refusal.
    link = "/treasury" if context.can(ConsoleAction.SEE_TREASURY) else ""
    facts = [
        page_headline_fact_of_figure(
            BORROWING,
            head[f"capital_{currency.lower()}_bn"],
            context.language,
            extent=extent.capital_extent_note,
            link=link,
            currency=currency,
        )
    ]
    # In one order on every page: with the programme, then without it.
    levels = (
        ("debt_with_gdp_share", DEBT_GDP_WITH),
        ("debt_without_gdp_share", DEBT_GDP_WITHOUT),
    )
    facts += [
        page_headline_fact_of_figure(
            form,
            head[key],
            context.language,
            extent=extent.extent_note_of_headline_key(key),
            note=Message("planned path"),
            link=link,
        )
        for key, form in levels
    ]
    return [*facts, *_programme_debt_effect_facts(context, run, extent, link)]


def _programme_debt_effect_facts(
    context: RequestContext, run: Run, extent: StudyExtent, link: str
) -> list[HeadlineFact]:
    """Return what the programme changes of gross debt, of reserves and of both, as page one does.

    Gross debt alone would show about half of it: what is repaid from reserves is gone from the
    other side.
    """
    last = _last_year_debt_effect(context, run)
    facts: list[HeadlineFact] = []
    if last is None:
        return facts
    for column in PLANNED_EFFECTS[3:]:
        side = column.name.removesuffix("_gdp_share")
        bounds = [
            measure_cell_text(last[f"{side}_{level}_gdp_share"], column, context.language)
            for level in ("p5", "p95")
        ]
        facts.append(
            page_headline_fact_of_figure(
                column,
                last[column.name],
                context.language,
                note=BAND_90.measure_interval_note(*bounds),
                extent=extent.debt_extent_note,
                link=link,
            )
        )
    return facts


def _last_year_debt_effect(context: RequestContext, run: Run) -> dict[str, Any] | None:
    """Return what the programme as written changes by the last year; None for a run without it."""
    runs = context.services.runs
    if not runs.has(run, "funding_effect"):
        return None
    rows = runs.frame(run, "funding_effect").filter(variant=PROGRAMME)
    return rows.row(-1, named=True) if rows.height else None


def _programme_page_charts(context: RequestContext, run: Run) -> list[Chart]:
    # Late: charts load what reads tables, and most requests are answered from what was kept.
    from commonwatt.fleet.usecases.charts import fleet_gpu_use_by_site_chart
    from commonwatt.siting.usecases.charts import gpu_hour_cost_band_chart
    from commonwatt.study.charts import study_alternatives_cost_chart
    from commonwatt.treasury.usecases.charts import debt_with_and_without_need_chart

    has = context.services.runs.has
    sites = context.services.runs.frame(run, "fleet_sites")["site"].to_list()
    charts = [fleet_gpu_use_by_site_chart(sites)]
    if has(run, "cost_sites"):
        charts.append(gpu_hour_cost_band_chart())
    if has(run, "alternatives"):
        charts.append(study_alternatives_cost_chart())
    if has(run, "funding_fan_with"):
        charts.append(
            replace(
                debt_with_and_without_need_chart(suffix="_share"),
                caption=_fan_and_plan_message(context, run),
            )
        )
    return charts


def _fan_and_plan_message(context: RequestContext, run: Run) -> Message:
    """Return what is drawn, and why its median is not the planned figure that stands above it."""
    last = context.services.runs.frame(run, "funding_fan_with").row(-1, named=True)
    planned = run.headline["debt_with_gdp_share"]
    return Message(
        "Medians of the fans of gross debt, and the 90 % interval with the programme. In {year} "
        "the plan has {planned} and the median of the paths {median}: growth and interest vary "
        "on the paths, and the plan has one value of each.",
        {
            "year": last["fiscal_year"],
            "planned": measure_value_text(planned, DEBT_GDP_WITH, context.language),
            "median": measure_value_text(last["q50"], DEBT_GDP_WITH, context.language),
        },
    )


def _alternatives_table_listings(
    context: RequestContext, run: Run, extent: StudyExtent
) -> list[TableListing]:
    rows, currency = context.services.runs.rows, borrowing_currency_of_page_run_or_blank(run)
    shown = [*_ALTERNATIVES_SHOWN, *(_BORROWED_SHOWN if currency else ())]
    return [
        TableListing(
            name="alternatives",
            title=Message("The alternatives side by side"),
            rows=rows(run, "alternatives"),
            headings=console_column_headings_of(ALTERNATIVES, *shown, currency=currency),
            extent=extent.use_and_debt_extent_note if currency else extent.use_extent_note,
        ),
        TableListing(
            name="break-even",
            title=Message("Which input would have to change for the answer to change"),
            rows=rows(run, "alternatives_break_even"),
            headings=console_column_headings_of(
                ALTERNATIVES_BREAK_EVEN,
                "input",
                "site",
                "unit",
                "median",
                "flips_at",
                "change_share",
                "within_range",
                "source",
            ),
            note=Message("One input moves at a time; the nearest come first."),
            extent=extent.gpu_hour_cost_extent_note,
        ),
    ]


def _debt_fan_rows(context: RequestContext, run: Run) -> TableRows:
    def load_debt_fan() -> pl.DataFrame:
        from commonwatt.treasury.usecases.charts import debt_with_and_without_need_frame

        frame = context.services.runs.frame
        both = debt_with_and_without_need_frame(
            frame(run, "funding_fan_with"), frame(run, "funding_fan_without")
        )
        return page_fan_frame_with_share_columns(both)

    return TableRows(key=f"programme/fan/{run.run_id}", load=load_debt_fan)


def _programme_page_tables(context: RequestContext, run: Run) -> list[TableListing]:
    rows, has = context.services.runs.rows, context.services.runs.has
    extent = study_extent(context, run)
    tables = [
        TableListing(
            name="use",
            title=Message("Allocated GPUs over time"),
            rows=rows(run, "fleet_use"),
            headings=console_column_headings_of(USE, "day", "site", "allocated_gpus"),
            extent=extent.energy_extent_note,
            folded=True,
        )
    ]
    if has(run, "cost_sites"):
        tables.append(
            TableListing(
                name="cost",
                title=Message("Cost by site"),
                rows=rows(run, "cost_sites"),
                headings=page_site_cost_headings(),
                extent=extent.gpu_hour_cost_extent_note,
            )
        )
    if has(run, "alternatives"):
        tables += _alternatives_table_listings(context, run, extent)
    if has(run, "funding_fan_with"):
        tables.append(
            TableListing(
                name="debt",
                title=Message("The fan with the programme"),
                rows=_debt_fan_rows(context, run),
                headings=page_debt_fan_headings(),
                extent=extent.debt_extent_note,
                folded=True,
            )
        )
    return tables


PAGE = Page(
    name="programme",
    title=Message("Programme"),
    action=ConsoleAction.SEE_PLANS,
    build=build_programme_page,
    parameters=(RUN_OF_STUDY,),
    content_key=study_page_content_key,
)
