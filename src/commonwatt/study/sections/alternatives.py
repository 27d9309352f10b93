"""What the report says of the alternatives side by side, and of what would change the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from commonwatt.catalogue.bands import BAND_90
from commonwatt.catalogue.measures import measure_cell_text
from commonwatt.catalogue.shared import GPU_HOUR_COST
from commonwatt.core.messages import Message, translate
from commonwatt.report import (
    ReportFact,
    ReportFigure,
    ReportSection,
    ReportTable,
    report_fact,
    report_panels_figure,
    report_table_of_criteria,
    report_table_of_rows,
)
from commonwatt.study.alternatives import DEBT_FIGURES
from commonwatt.study.charts import (
    cheapest_alternative_message_or_none,
    do_alternatives_cost_the_same,
    study_alternatives_panel_charts,
)
from commonwatt.study.measures import ALTERNATIVES, ALTERNATIVES_BREAK_EVEN, EFFECT_FIGURES
from commonwatt.study.sections.summaries import AlternativesSummary
from commonwatt.study.stages.sites import study_cost_input_label_text, study_input_four_digit_text

MOST_ROWS_SHOWN = 12
Row = dict[str, Any]


def study_alternatives_section(summary: AlternativesSummary, language: str) -> ReportSection:
    """Return the report's section on the alternatives."""
    rows, currency = summary.rows, summary.currency
    return ReportSection(
        name="alternatives",
        title=translate("Choose: the alternatives side by side", language),
        lede=_study_alternatives_section_lede(summary, language),
        facts=[_study_alternative_gpu_hour_cost_fact(row, language) for row in rows],
        figures=[_study_alternatives_figure(rows, currency, language)],
        tables=[
            _alternatives_criteria_report_table(summary, language),
            _study_alternatives_break_even_table(summary.break_even_rows, language),
        ],
        notes=[_study_alternatives_method_note(language)],
    )


def _study_alternatives_figure(rows: list[Row], currency: str, language: str) -> ReportFigure:
    frame = pl.DataFrame(rows)
    # Where nobody borrows, no row has a debt.
    columns = [name for name in frame.columns if name != "name" and name not in EFFECT_FIGURES]
    known = [name for name in columns if frame[name].null_count() == 0]
    return report_panels_figure(
        "alternatives-trade-offs",
        study_alternatives_panel_charts(known, currency=currency),
        ALTERNATIVES,
        frame,
        language,
        title=Message("Trade-offs"),
        finding=cheapest_alternative_message_or_none(frame, language),
        caption=Message(
            "Each panel is one criterion on its own scale; shorter is better in all "
            "but utilisation."
        ),
        columns=columns,
        currency=currency,
    )


def _study_alternatives_method_note(language: str) -> str:
    return Message(
        "The cost is that of a useful GPU-hour, sites weighted by the GPU time that they served, "
        "at the medians; the interval draws all inputs, shared ones once for all sites. Debt "
        "counts the capital alone, or with every year's running cost borrowed as well, so that "
        "renting and building can be compared. What would change the answer moves one input at a "
        "time; use and energy stay as measured."
    ).translate(language)


def _study_alternative_label_of_name(alternative_rows: list[Row], name: str) -> str:
    return next(row["alternative"] for row in alternative_rows if row["name"] == name)


def _study_alternatives_section_lede(summary: AlternativesSummary, language: str) -> str:
    by_name = {row["name"]: row for row in summary.rows}
    cost = {name: f"{row['cost_usd_per_gpu_hour']:.2f}" for name, row in by_name.items()}
    if do_alternatives_cost_the_same(by_name[summary.best], by_name[summary.second]):
        return Message(
            "“{best}” and “{second}” cost the same per useful GPU-hour, USD {low}, and no other "
            "costs less.",
            {
                "best": _study_alternative_label_of_name(summary.rows, summary.best),
                "second": _study_alternative_label_of_name(summary.rows, summary.second),
                "low": cost[summary.best],
            },
        ).translate(language)
    cheapest = Message(
        "Cheapest per useful GPU-hour is “{best}” at USD {low}, before “{second}” at USD {high}; "
        "it stays ahead in {share} of draws.",
        {
            "best": _study_alternative_label_of_name(summary.rows, summary.best),
            "low": cost[summary.best],
            "second": _study_alternative_label_of_name(summary.rows, summary.second),
            "high": cost[summary.second],
            "share": f"{summary.best_cheaper_share:.0%}",
        },
    )
    break_even = study_alternatives_break_even_sentence(summary.break_even_rows, language)
    return f"{cheapest.translate(language)} {break_even}"


def study_alternatives_break_even_sentence(break_even_rows: list[Row], language: str) -> str:
    """Return which input would have to change for the answer to change, in a sentence."""
    nearest = break_even_rows[0] if break_even_rows else None
    # Points are sorted with the nearest first, so where the first has no crossing none has.
    if nearest is None or nearest["flips_at"] is None:
        return translate("No single input changes this answer, however far it moves.", language)
    values = {
        "input": study_cost_input_label_text(nearest["input"], language),
        "site": translate(nearest["site"], language),
        "from": study_input_four_digit_text(nearest["median"]),
        "to": study_input_four_digit_text(nearest["flips_at"]),
        "unit": nearest["unit"],
        "low": study_input_four_digit_text(nearest["p5"]),
        "high": study_input_four_digit_text(nearest["p95"]),
        "count": str(sum(row["within_range"] for row in break_even_rows)),
        "all": str(len(break_even_rows)),
    }
    if nearest["within_range"]:
        return Message(
            "{count} of {all} inputs change the answer alone within their own range; the nearest "
            "is “{input}” ({site}), if it goes from {from} to {to} {unit} (range {low} to {high}).",
            values,
        ).translate(language)
    return Message(
        "None of {all} inputs changes the answer alone within its own range; the nearest is "
        "“{input}” ({site}), which would have to go from {from} to {to} {unit}, outside its range "
        "of {low} to {high}.",
        values,
    ).translate(language)


def _study_alternative_gpu_hour_cost_fact(alternative_row: Row, language: str) -> ReportFact:
    bounds = [
        measure_cell_text(alternative_row[name], ALTERNATIVES.column(name), language)
        for name in ("cost_p5_usd_per_gpu_hour", "cost_p95_usd_per_gpu_hour")
    ]
    return report_fact(
        GPU_HOUR_COST,
        alternative_row["cost_usd_per_gpu_hour"],
        language,
        subject=alternative_row["alternative"],
        note=BAND_90.measure_interval_note(*bounds),
        of=f"alternative.{alternative_row['name']}.cost_usd_per_gpu_hour",
    )


_SLICE_CRITERIA = (
    "cost_usd_per_gpu_hour",
    "cost_p5_usd_per_gpu_hour",
    "cost_p95_usd_per_gpu_hour",
    "utilisation_share",
    "mean_queue_delay_h",
    "mean_rtt_ms",
    "carbon_g_per_gpu_hour",
)
_PROGRAMME_CRITERIA = ("capital_usd_mn", "running_usd_mn_a_year")


def _alternatives_criteria_report_table(summary: AlternativesSummary, language: str) -> ReportTable:
    groups: list[tuple[Message, Sequence[str]]] = [
        (summary.slice_extent, _SLICE_CRITERIA),
        (summary.programme_extent, _PROGRAMME_CRITERIA),
    ]
    # Who borrows is stated once for the programme, so one row tells for all.
    if "borrowing_bn" in summary.rows[0]:
        groups.append((summary.debt_extent, DEBT_FIGURES))
    return report_table_of_criteria(
        ALTERNATIVES,
        summary.rows,
        language,
        title=Message("Side by side"),
        choices=[row["alternative"] for row in summary.rows],
        groups=[(extent.translate(language), names) for extent, names in groups],
        origin=lambda row, name: f"alternative.{row['name']}.{name}",
        note=Message(
            "Gross debt, reserves and the net effect are planned changes of the capital alone; "
            "their percentiles are of the difference draw by draw."
        )
        if summary.currency
        else "",
        currency=summary.currency,
    )


def _study_alternatives_break_even_table(break_even_rows: list[Row], language: str) -> ReportTable:
    nearest = [
        row
        | {
            "input": study_cost_input_label_text(row["input"], language),
            "site": translate(row["site"], language),
        }
        for row in break_even_rows[:MOST_ROWS_SHOWN]
    ]
    note = Message(
        "The {shown} nearest of {all} inputs; the whole list is the table alternatives_break_even.",
        {"shown": str(len(nearest)), "all": str(len(break_even_rows))},
    )
    return report_table_of_rows(
        ALTERNATIVES_BREAK_EVEN,
        nearest,
        language,
        title=Message("What would change the answer"),
        columns=(
            "input",
            "site",
            "unit",
            "median",
            "p5",
            "p95",
            "flips_at",
            "change_share",
            "within_range",
        ),
        note=note,
    )
