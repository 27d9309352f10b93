"""The siting wing's part of a report: cost by site with bands and drivers, and the placement.

`siting_cost_section_body` and `siting_placement_section_body` are the parts that every report
shares; a page of `siting` and the study put their own title and opening words on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from commonwatt.catalogue.measures import measure_cell_text
from commonwatt.catalogue.shared import GPU_HOUR_COST
from commonwatt.core.messages import Message, translate
from commonwatt.report import (
    Report,
    ReportFact,
    ReportFigure,
    ReportSection,
    ReportTable,
    render_report_html,
)
from commonwatt.report.shown import (
    report_fact,
    report_figure,
    report_sources_table,
    report_table_of_rows,
)
from commonwatt.siting.domain.cost_inputs import cost_input_label
from commonwatt.siting.domain.tables import (
    CONTEST,
    COST_SITES,
    PARTS,
    PLACE_CLASSES,
    PLACE_SITES,
    SITES,
    TORNADO,
)
from commonwatt.siting.usecases.charts import (
    gpu_hour_cost_band_chart,
    gpu_hour_cost_stack_chart,
    siting_cost_tornado_chart,
    siting_placement_load_chart,
)

Row = Mapping[str, Any]
_BORROWED = ("cells_borrowed", "borrowed_from")


def siting_cost_section(answer: Mapping[str, Any], language: str) -> ReportSection:
    """Return cost by site, from the answer of `cost_answer`."""
    # One sentence stands for every site, so it gives the count of the site with most.
    marked = str(max(row["cells_not_official"] for row in answer["sites"]))
    lede = Message(
        "Levelised cost per useful GPU-hour in USD of {year}, with its 90 percent interval.",
        {"year": str(answer["price_year"])},
    )
    note = Message(
        "{marked} of {cells} inputs are estimates, press figures or remembered; "
        "their sources are in the table of cells.",
        {"marked": marked, "cells": str(answer["sites"][0]["cells"])},
    )
    return replace(
        siting_cost_section_body(answer, language),
        name="siting-cost",
        title=translate("What a GPU-hour costs", language),
        lede=lede.translate(language),
        notes=[note.translate(language)],
    )


def siting_cost_section_body(answer: Mapping[str, Any], language: str) -> ReportSection:
    """Return facts, figures and table of a cost answer, without opening words."""
    return ReportSection(
        name="cost",
        title="",
        lede="",
        facts=[_site_gpu_hour_cost_fact(row, language) for row in answer["sites"]],
        figures=_site_cost_band_and_part_figures(answer, language),
        tables=[_siting_cost_table(answer["sites"], language)],
    )


def _site_gpu_hour_cost_fact(site_cost_row: Row, language: str) -> ReportFact:
    low, high = (
        measure_cell_text(site_cost_row[f"{part}_usd_per_gpu_hour"], GPU_HOUR_COST)
        for part in ("p5", "p95")
    )
    return report_fact(
        SITES.column("p50_usd_per_gpu_hour"),
        site_cost_row["p50_usd_per_gpu_hour"],
        language,
        subject=site_cost_row["site"],
        note=Message("90 % interval {low} to {high}", {"low": low, "high": high}),
        of=_site_gpu_hour_cost_figure_name(site_cost_row),
    )


def _site_gpu_hour_cost_figure_name(site_cost_row: Row) -> str:
    # Sites of a study have names of their own, because two may be costed as one site of the
    # library.
    return f"cost.{site_cost_row.get('name', site_cost_row['site'])}.usd_per_gpu_hour"


def _site_cost_band_and_part_figures(
    answer: Mapping[str, Any], language: str
) -> list[ReportFigure]:
    # One tornado, of the site that the others are compared with.
    first = answer["sites"][0]["site"]
    bars = [row for row in answer["tornado"] if row["site"] == first]
    sites, parts = pl.DataFrame(answer["sites"]), pl.DataFrame(answer["parts"])
    parts_in_order = parts["part"].unique(maintain_order=True).to_list()
    return [
        report_figure(
            "cost-bands", gpu_hour_cost_band_chart(), SITES, sites, language, of="table.cost_sites"
        ),
        report_figure(
            "cost-stack", gpu_hour_cost_stack_chart(parts_in_order), PARTS, parts, language,
            of="table.cost_parts",
        ),
        _site_cost_tornado_figure(first, bars, language),
    ]  # fmt: skip


def _site_cost_tornado_figure(site: str, bars: list[Row], language: str) -> ReportFigure:
    return report_figure(
        "cost-tornado",
        siting_cost_tornado_chart(site),
        TORNADO,
        pl.DataFrame(bars),
        language,
        listed=_cost_swing_rows_with_labels(bars, language),
        of="table.cost_tornado",
    )


def _cost_swing_rows_with_labels(cost_swing_rows: list[Row], language: str) -> list[Row]:
    return [
        {**row, "input": cost_input_label(row["input"]).translate(language)}
        for row in cost_swing_rows
    ]


def _siting_cost_table(site_cost_rows: list[Row], language: str) -> ReportTable:
    # Only a study knows where its sites lie, and so whose cells they borrow.
    borrowed = [name for name in _BORROWED if name in site_cost_rows[0]]
    return report_table_of_rows(
        COST_SITES if borrowed else SITES,
        site_cost_rows,
        language,
        title=Message("Cost by site"),
        columns=[
            "site",
            "utilisation_share",
            "p5_usd_per_gpu_hour",
            "p50_usd_per_gpu_hour",
            "p95_usd_per_gpu_hour",
            "p50_usd_per_effective_pflop_hour",
            "cells_not_official",
            "cells",
            *borrowed,
        ],
        note=Message("Effective PFLOP-hour: dense BF16 at 40 % of peak."),
        of="table.cost_sites",
        cells_of={
            "p50_usd_per_gpu_hour": [_site_gpu_hour_cost_figure_name(row) for row in site_cost_rows]
        },
    )


def site_comparison_report_section(answer: Mapping[str, Any], language: str) -> ReportSection:
    """Return two sites set against each other, from the answer of `contest_answer`."""
    return ReportSection(
        name="siting-contest",
        title=f"{answer['other']} / {answer['one']}",
        lede=translate(
            "Cost of a useful GPU-hour in USD, median with its 90 percent interval.", language
        ),
        figures=[
            report_figure(
                "contest-drivers",
                siting_cost_tornado_chart(answer["other"]),
                TORNADO,
                pl.DataFrame(answer["tornado"]),
                language,
                listed=_cost_swing_rows_with_labels(answer["tornado"], language),
            )
        ],
        tables=[
            report_table_of_rows(
                CONTEST,
                [
                    row | {"contest": translate(row["contest"], language)}
                    for row in answer["contest"]
                ],
                language,
                title=Message("Two sites, case by case"),
                note=Message(
                    "The first site is {first}, the second {second}.",
                    {"first": answer["one"], "second": answer["other"]},
                ),
            )
        ],
    )


def siting_placement_section(answer: Mapping[str, Any], language: str) -> ReportSection:
    """Return the placement, from the answer of `place_answer`."""
    lede = Message(
        "Cost {cost} USD over {hours} hours, proved to {gap} percent of the best; "
        "{carbon} t of CO2.",
        {
            "cost": f"{answer['cost_usd']:,.0f}",
            "hours": f"{answer['hours']:,}",
            "gap": f"{100 * answer['gap_share']:.3g}",
            "carbon": f"{answer['carbon_t']:,.1f}",
        },
    )
    return replace(
        siting_placement_section_body(answer, language),
        name="siting-place",
        title=translate("Where to build and what runs where", language),
        lede=lede.translate(language),
    )


def siting_placement_section_body(answer: Mapping[str, Any], language: str) -> ReportSection:
    """Return facts, figure and tables of a placement, without opening words."""
    limits: list[Message] = answer["limits"]
    return ReportSection(
        name="placement",
        title="",
        lede="",
        facts=[_placement_pool_fact(row, language) for row in answer["sites"]],
        figures=[_placement_load_figure(answer, language)],
        tables=[
            _siting_placement_pool_table(answer["sites"], language),
            _siting_placement_class_table(answer, language),
        ],
        notes=[limit.translate(language) for limit in limits],
    )


def _placement_pool_fact(pool_row: Row, language: str) -> ReportFact:
    share = measure_cell_text(pool_row["mean_use_share"], PLACE_SITES.column("mean_use_share"))
    return report_fact(
        PLACE_SITES.column("h100_equivalents"),
        pool_row["h100_equivalents"],
        language,
        subject=pool_row["pool"],
        note=Message("used {share} % of the time", {"share": share}),
        of="table.place_sites",
    )


def _placement_load_figure(answer: Mapping[str, Any], language: str) -> ReportFigure:
    hours = pl.DataFrame(answer["hourly"])
    pools = hours["pool"].unique(maintain_order=True).to_list()
    return report_figure(
        "placement-hours",
        siting_placement_load_chart(pools),
        PLACE_SITES,
        hours,
        language,
        # A year of hours is no table to read; the sizes behind them are.
        listed=answer["sites"],
        of="table.place_hourly",
    )


def _siting_placement_pool_table(pool_rows: list[Row], language: str) -> ReportTable:
    return report_table_of_rows(
        PLACE_SITES,
        pool_rows,
        language,
        title=Message("Sites and sizes"),
        columns=[
            "pool",
            "h100_equivalents",
            "mean_use_share",
            "size_usd",
            "running_usd",
            "carbon_t",
        ],
    )


def _siting_placement_class_table(answer: Mapping[str, Any], language: str) -> ReportTable:
    return report_table_of_rows(
        PLACE_CLASSES, answer["classes"], language, title=Message("Who runs where")
    )


def siting_report_html_page(
    section: ReportSection, answer: Mapping[str, Any], language: str
) -> str:
    """Return one section as an HTML page with its seed and definitions."""
    settings = (
        "case", "seed", "draws", "price_year", "precision", "achieved_share", "year", "hours",
        "gap_share",
    )  # fmt: skip
    birth = report_sources_table(
        [(name, str(answer[name])) for name in settings if name in answer],
        language,
        title=Message("How this page came about"),
    )
    report = Report(
        title=section.title, language=language, summary=section.lede, sections=[section],
        birth=birth,
    )  # fmt: skip
    return render_report_html(report)
