"""Sites: what a GPU-hour costs where, what drives it, and which load goes where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from commonwatt.catalogue.bands import BAND_90
from commonwatt.catalogue.measures import TableColumn, measure_cell_text
from commonwatt.catalogue.shared import (
    GPU_HOUR_COST_P5,
    GPU_HOUR_COST_P50,
    GPU_HOUR_COST_P95,
    INPUT,
    UNIT,
)
from commonwatt.catalogue.units import format_unit
from commonwatt.core.messages import Message
from commonwatt.report.charts.specification import Chart
from commonwatt.siting.domain.cost_inputs import INPUTS, RENT_INPUT, cost_input_label
from commonwatt.siting.domain.tables import (
    COST_CELLS,
    COST_PARTS,
    COST_SITES,
    COST_TORNADO,
    PLACE_HOURLY,
    PLACE_SITES,
)
from commonwatt.web.page_view import (
    HeadlineFact,
    PageView,
    TableListing,
    TableRows,
    console_column_heading_of,
    console_column_headings_of,
    page_headline_fact_of_figure,
)
from commonwatt.web.pages.headline import StudyExtent, study_extent
from commonwatt.web.pages.study import (
    RUN_OF_STUDY,
    page_subject_of_run,
    page_without_study,
    study_page_content_key,
    study_run_of_page,
)
from commonwatt.web.parameters import Options, PageParameter, PageValues, ParameterKind
from commonwatt.web.public_study import public_study
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.runs import Run

_SHOWN = 12  # inputs of a tornado


# The unit of the model's values. The unit that a source writes stands in a column of its own, and
# is another wherever the value was converted.
_INPUT_UNITS: Final = {spec.name: spec.unit for spec in (*INPUTS, RENT_INPUT)}
_NAMED_INPUT: Final = (
    console_column_heading_of(TableColumn.of(INPUT, "label")),
    console_column_heading_of(TableColumn.of(UNIT)),
)


def _page_form_site_options(context: RequestContext) -> Options:
    run = public_study(context.services)
    if run is None or not context.services.runs.has(run, "cost_sites"):
        return []
    names = (
        context.services.runs.frame(run, "cost_sites")["site"].unique(maintain_order=True).to_list()
    )
    return [("", Message("the first")), *((name, name) for name in names)]


TORNADO_SITE = PageParameter(
    name="site",
    label=Message("Site of the tornado"),
    meaning=Message("Whose cost is taken apart input by input."),
    kind=ParameterKind.CHOICE,
    options=_page_form_site_options,
)


def build_sites_page(context: RequestContext, values: PageValues) -> PageView:
    """Return cost, its parts and drivers, and the placement of a study."""
    run = study_run_of_page(context, values)
    if run is None or not context.services.runs.has(run, "cost_sites"):
        return page_without_study(context)
    costs = context.services.runs.frame(run, "cost_sites")
    site = _page_site_or_first_costed(costs, values.text(TORNADO_SITE.name))
    extent = study_extent(context, run)
    return PageView(
        subject=page_subject_of_run(context, run),
        lede=_sites_page_lede(costs),
        facts=_console_site_cost_facts(costs, context.language, extent),
        charts=_site_cost_charts(context, run, site),
        tables=_site_cost_tables(context, run, site, extent),
        notes=[
            Message(
                "Levelised cost: discounted lifetime cost over discounted useful GPU-hours, at the "
                "utilisation that the simulation found. Each input has a source, a date and a "
                "spread, in the table of inputs."
            )
        ],
        sources=[run.run_id],
    )


def _page_site_or_first_costed(costs: pl.DataFrame, site: str) -> str:
    names = costs["site"].to_list()
    # The choices are those of the newest study; another run in the address may lack the site.
    return site if site in names else names[0]


def _sites_page_lede(costs: pl.DataFrame) -> Message:
    rows = costs.sort("p50_usd_per_gpu_hour").to_dicts()
    low, high = rows[0], rows[-1]
    # Strict on purpose: the order is called certain only where the whole spreads lie apart.
    sure = low["p95_usd_per_gpu_hour"] < high["p5_usd_per_gpu_hour"]
    gaps = {
        "cheap": low["site"],
        "low": f"{low['p50_usd_per_gpu_hour']:.2f}",
        "dear": high["site"],
        "high": f"{high['p50_usd_per_gpu_hour']:.2f}",
    }
    if sure:
        return Message(
            "{cheap} is the cheapest at USD {low} a GPU-hour, {dear} the dearest at {high}; their "
            "spreads do not meet.",
            gaps,
        )
    return Message(
        "{cheap} is the cheapest at USD {low} a GPU-hour, {dear} the dearest at {high}; their "
        "spreads overlap, so the order is not certain.",
        gaps,
    )


def _console_site_cost_facts(
    costs: pl.DataFrame, language: str, extent: StudyExtent
) -> list[HeadlineFact]:
    return [
        page_headline_fact_of_figure(
            GPU_HOUR_COST_P50,
            row["p50_usd_per_gpu_hour"],
            language,
            subject=row["site"],
            extent=extent.gpu_hour_cost_extent_note,
            note=BAND_90.measure_interval_note(
                measure_cell_text(row["p5_usd_per_gpu_hour"], GPU_HOUR_COST_P5, language),
                measure_cell_text(row["p95_usd_per_gpu_hour"], GPU_HOUR_COST_P95, language),
            ),
        )
        for row in costs.to_dicts()
    ]


def _site_cost_charts(context: RequestContext, run: Run, site: str) -> list[Chart]:
    # Late: charts load what reads tables, and most requests are answered from what was kept.
    from commonwatt.siting.usecases import charts

    runs = context.services.runs
    parts = runs.frame(run, "cost_parts")["part"].unique(maintain_order=True).to_list()
    drawn = [charts.gpu_hour_cost_stack_chart(parts), charts.siting_cost_tornado_chart(site)]
    if runs.has(run, "place_hourly"):
        pools = runs.frame(run, "place_sites")["pool"].to_list()
        drawn.append(charts.siting_placement_load_chart(pools))
    return drawn


def _site_tornado_rows(context: RequestContext, run: Run, site: str) -> TableRows:
    """Return the widest inputs of one site."""

    def load_site_tornado() -> pl.DataFrame:
        import polars as pl

        return (
            context.services.runs.frame(run, "cost_tornado")
            .filter(pl.col("site") == site)
            .sort("swing_usd_per_gpu_hour", descending=True)
            .head(_SHOWN)
            .pipe(lambda frame: _cost_inputs_with_label_and_unit(frame, context.language))
        )

    # With the language: an input is called by its label and not by its name in the model.
    key = f"sites/tornado/{run.run_id}/{site}/{context.language}"
    return TableRows(key=key, load=load_site_tornado)


def _cost_input_rows(context: RequestContext, run: Run) -> TableRows:
    """Return every input, called by its label, with the unit that its values are in."""

    def load_cost_inputs() -> pl.DataFrame:
        return _cost_inputs_with_label_and_unit(
            context.services.runs.frame(run, "cost_cells"), context.language
        )

    return TableRows(key=f"sites/inputs/{run.run_id}/{context.language}", load=load_cost_inputs)


def _cost_inputs_with_label_and_unit(frame: pl.DataFrame, language: str) -> pl.DataFrame:
    import polars as pl

    names = frame["input"].to_list()
    return frame.with_columns(
        pl.Series(
            "label",
            [_cost_input_label_message(name).translate(language) for name in names],
            pl.String,
        ),
        pl.Series("unit", [_cost_input_unit_text(name, language) for name in names], pl.String),
    )


def _cost_input_label_message(name: str) -> Message:
    # A run of an earlier version may hold an input that the model has no more.
    return cost_input_label(name) if name in _INPUT_UNITS else Message(name)


def _cost_input_unit_text(name: str, language: str) -> str:
    unit = _INPUT_UNITS.get(name, "")
    # As a unit a share is a bare ratio, which tells a reader less than the word.
    if unit == "share":
        return Message("share of one").translate(language)
    return format_unit(unit, language) if unit else ""


def _site_cost_tables(
    context: RequestContext, run: Run, site: str, extent: StudyExtent
) -> list[TableListing]:
    rows, has = context.services.runs.rows, context.services.runs.has
    tables = [
        TableListing(
            name="costs",
            title=Message("Cost by site"),
            extent=extent.gpu_hour_cost_extent_note,
            rows=rows(run, "cost_sites"),
            headings=console_column_headings_of(
                COST_SITES,
                "site",
                "p5_usd_per_gpu_hour",
                "p50_usd_per_gpu_hour",
                "p95_usd_per_gpu_hour",
                "p50_usd_per_effective_pflop_hour",
                "utilisation_share",
                "cells_not_official",
                "cells",
            ),
        ),
        TableListing(
            name="tornado",
            title=Message("What drives the cost at {site}", {"site": site}),
            extent=extent.gpu_hour_cost_extent_note,
            rows=_site_tornado_rows(context, run, site),
            headings=[
                *_NAMED_INPUT,
                *console_column_headings_of(
                    COST_TORNADO,
                    "at_p5",
                    "at_p95",
                    "cost_at_p5_usd_per_gpu_hour",
                    "cost_at_p95_usd_per_gpu_hour",
                ),
            ],
            folded=True,
        ),
        TableListing(
            name="parts",
            title=Message("Parts of the cost"),
            extent=extent.gpu_hour_cost_extent_note,
            rows=rows(run, "cost_parts"),
            headings=console_column_headings_of(COST_PARTS, "site", "part", "usd_per_gpu_hour"),
            folded=True,
        ),
        TableListing(
            name="inputs",
            title=Message("Every input with its source"),
            rows=_cost_input_rows(context, run),
            headings=[
                *console_column_headings_of(COST_CELLS, "site"),
                *_NAMED_INPUT,
                *console_column_headings_of(
                    COST_CELLS,
                    "p5",
                    "median",
                    "p95",
                    "source",
                    "source_unit",
                    "dated",
                    "confidence",
                ),
            ],
            note=Message("Values stand in the unit beside them, whatever unit the source writes."),
        ),
    ]
    if has(run, "place_hourly"):
        tables += _placement_table_listings(context, run, extent)
    return tables


def _placement_table_listings(
    context: RequestContext, run: Run, extent: StudyExtent
) -> list[TableListing]:
    rows = context.services.runs.rows
    return [
        TableListing(
            name="placement",
            title=Message("Where to build"),
            extent=extent.placement_extent_note,
            rows=rows(run, "place_sites"),
            headings=console_column_headings_of(
                PLACE_SITES,
                "pool",
                "h100_equivalents",
                "mean_use_share",
                "running_usd",
                "carbon_t",
                "last_gpu_saves_usd",
                "last_gpu_costs_usd",
            ),
            note=Message(
                "Where the last GPU saves as much as it costs, the size is right; the optimum is "
                "proved by the gap of the solver."
            ),
        ),
        TableListing(
            name="hourly",
            title=Message("Load by hour"),
            extent=extent.placement_extent_note,
            rows=rows(run, "place_hourly"),
            headings=console_column_headings_of(PLACE_HOURLY),
            folded=True,
        ),
    ]


PAGE = Page(
    name="sites",
    title=Message("Sites"),
    action=ConsoleAction.SEE_PLANS,
    build=build_sites_page,
    parameters=(RUN_OF_STUDY, TORNADO_SITE),
    content_key=study_page_content_key,
)
