"""The alternatives of a programme side by side, and what would change the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    report_table_of_rows,
)
from commonwatt.runs import StageResult, StageStore
from commonwatt.study.break_even import BreakEvenPoint
from commonwatt.study.charts import study_alternatives_panel_chart
from commonwatt.study.comparison import (
    ALTERNATIVE_COST_STAGE,
    BREAK_EVEN_STAGE,
    AlternativeCostStageInputs,
    BreakEvenStageInputs,
    break_even_points_of_stage,
)
from commonwatt.study.measures import ALTERNATIVES, ALTERNATIVES_BREAK_EVEN
from commonwatt.study.mix import StudySiteMix, study_site_mix
from commonwatt.study.programme.reader import Programme
from commonwatt.study.result import BaseCase, compute_base_case
from commonwatt.study.stages.fleet import fleet_metrics_of_stage
from commonwatt.study.stages.funding import (
    programme_capital_need_bn_by_year,
    programme_planned_debt_gdp_share,
    study_need_with_running_cost_bn,
)
from commonwatt.study.stages.sites import (
    study_cost_input_site_titles,
    study_cost_input_text,
    study_input_four_digit_text,
)
from commonwatt.treasury.usecases.countries import open_treasury_country

MOST_ROWS_SHOWN = 12
Row = dict[str, Any]
ReportProgress = Callable[[Message], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One alternative, as far as it was computed."""

    name: str
    label: str
    base_case: BaseCase
    mix: StudySiteMix
    cost_stage: StageResult
    row: Row

    @property
    def stages(self) -> list[StageResult]:
        """The stages that its figures come from."""
        return [*self.base_case.stages, self.cost_stage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The alternatives side by side.

    Args:
        alternatives: One for each, in the order of the file.
        break_even_stage: Where the rows and the share come from.
        break_even_rows: What would change the cheaper of the two best, nearest first.
        best: Name of the cheapest.
        second: Name of the next.
        best_cheaper_share: Draws in which the cheapest of the medians is the cheaper.
    """

    alternatives: list[Alternative]
    break_even_stage: StageResult
    break_even_rows: list[Row]
    best: str
    second: str
    best_cheaper_share: float

    @property
    def stages(self) -> list[StageResult]:
        """The stages that its tables come from."""
        of_alternatives = [stage for each in self.alternatives for stage in each.stages]
        return [*of_alternatives, self.break_even_stage]

    @property
    def alternative_rows(self) -> list[Row]:
        """The figures of each alternative, in the order of the file."""
        return [alternative.row for alternative in self.alternatives]


def compare_alternatives(
    programme: Programme, stages: StageStore, report_progress: ReportProgress
) -> Comparison | None:
    """Return the alternatives of a programme side by side, or None where it has under two."""
    if len(programme.file.alternatives) < 2:
        return None
    report_progress(Message("Setting the alternatives side by side"))
    alternatives = [
        alternative
        for name in programme.file.alternatives
        if (alternative := _computed_alternative(programme, name, stages, report_progress))
    ]
    if len(alternatives) < 2:
        return None
    # By name where two cost the same, so that the answer does not hang on the order of the file.
    first, second = sorted(
        alternatives, key=lambda alternative: (alternative.mix.gpu_hour_usd(), alternative.name)
    )[:2]
    inputs = BreakEvenStageInputs(
        cheapest=tuple(first.base_case.sites or ()),
        other=tuple(second.base_case.sites or ()),
        measured=(
            first.base_case.fleet.value("measured"),
            second.base_case.fleet.value("measured"),
        ),
        seed=programme.file.seed,
    )
    stage = stages.get_or_compute(BREAK_EVEN_STAGE, inputs)
    return Comparison(
        alternatives=alternatives,
        break_even_stage=stage,
        break_even_rows=[
            _break_even_row(crossing, programme)
            for crossing in break_even_points_of_stage(stage, inputs)
        ],
        best=first.name,
        second=second.name,
        best_cheaper_share=stage.data["cheaper_share"],
    )


def _computed_alternative(
    programme: Programme, name: str, stages: StageStore, report_progress: ReportProgress
) -> Alternative | None:
    base_case = compute_base_case(programme.alternative(name), stages, report_progress, name)
    if base_case.sites is None:
        return None
    label, mix = str(programme.file.alternatives[name].label), study_site_mix(base_case.sites)
    cost = stages.get_or_compute(
        ALTERNATIVE_COST_STAGE,
        AlternativeCostStageInputs(
            sites=tuple(base_case.sites),
            measured=base_case.fleet.value("measured"),
            seed=programme.file.seed,
        ),
    )
    row = {"name": name, "alternative": label} | _alternative_figures_row(base_case, mix, cost)
    return Alternative(
        name=name, label=label, base_case=base_case, mix=mix, cost_stage=cost, row=row
    )


def _alternative_figures_row(base_case: BaseCase, mix: StudySiteMix, cost: StageResult) -> Row:
    figures = fleet_metrics_of_stage(base_case.fleet)
    return {
        "gpus": figures.gpus,
        "cost_usd_per_gpu_hour": mix.gpu_hour_usd(),
        "cost_p5_usd_per_gpu_hour": cost.data["p5"],
        "cost_p95_usd_per_gpu_hour": cost.data["p95"],
        "utilisation_share": figures.utilisation_share,
        "mean_queue_delay_h": figures.all.mean_queue_delay_s / 3600,
        "mean_rtt_ms": base_case.fleet.data["mean_rtt_ms"],
        "carbon_g_per_gpu_hour": _carbon_g_per_gpu_hour(base_case),
        "capital_usd_mn": sum(row["capital_usd_mn"] for row in base_case.capital),
        "running_usd_mn_a_year": sum(row["running_usd_mn_a_year"] for row in base_case.capital),
    } | _alternative_debt_figures(base_case)


def _carbon_g_per_gpu_hour(base_case: BaseCase) -> float:
    """Return the carbon of a GPU-hour in the window, idle draw included [g]."""
    rows = [row for row in base_case.fleet.data["measured"] if row["held_gpu_h"]]
    # Weighted by the time held: the mean of the sites' rates would count an idle site like a busy
    # one.
    grams = sum(row["carbon_g_per_gpu_hour"] * row["held_gpu_h"] for row in rows)
    return grams / max(sum(row["held_gpu_h"] for row in rows), 1e-12)


def _alternative_debt_figures(base_case: BaseCase) -> Row:
    """Return what it does to the public debt, where the programme says who borrows."""
    part = base_case.programme.file.funding
    if part is None:
        return {}
    need, country = (
        programme_capital_need_bn_by_year(base_case.capital, part),
        open_treasury_country(base_case.programme.country),
    )
    # Renting borrows almost nothing and pays more each year; only with the running cost borrowed,
    # too, do the two compare.
    running = study_need_with_running_cost_bn(need, base_case.capital, part)
    return {
        "borrowing_bn": sum(need.values()),
        "debt_gdp_share": programme_planned_debt_gdp_share(need, part, country),
        "debt_running_borrowed_gdp_share": programme_planned_debt_gdp_share(running, part, country),
    }


def _break_even_row(crossing: BreakEvenPoint, programme: Programme) -> Row:
    change = (
        None
        # From nought no change is a share of where it stood.
        if crossing.flips_at is None or not crossing.median
        else crossing.flips_at / crossing.median - 1
    )
    return {
        "input": crossing.input.name,
        "site": study_cost_input_site_titles(crossing.input.key, programme.file.sites),
        "unit": crossing.input.unit,
        "p5": crossing.low,
        "median": crossing.median,
        "p95": crossing.high,
        "flips_at": crossing.flips_at,
        "change_share": change,
        "within_range": crossing.is_within_range,
        "source": crossing.input.source,
        "confidence": crossing.input.confidence,
        "key": crossing.input.key,
    }


def alternatives_tables(comparison: Comparison) -> dict[str, pl.DataFrame]:
    """Return the tables of the alternatives."""
    # Nobody borrows in some programmes: the columns of debt are then there, and empty.
    empty = dict.fromkeys(_DEBT_FIGURES)
    return {
        ALTERNATIVES.name: ALTERNATIVES.frame_from_rows(
            empty | row for row in comparison.alternative_rows
        ),
        ALTERNATIVES_BREAK_EVEN.name: ALTERNATIVES_BREAK_EVEN.frame_from_rows(
            comparison.break_even_rows
        ),
    }


def alternatives_headline_figures(comparison: Comparison) -> Row:
    """Return the figures that people quote of the alternatives."""
    return {
        "alternative_cheapest": comparison.best,
        "alternative_cheaper_share": comparison.best_cheaper_share,
        "alternative_cost_usd_per_gpu_hour": {
            row["name"]: row["cost_usd_per_gpu_hour"] for row in comparison.alternative_rows
        },
    }


def study_alternatives_section(
    comparison: Comparison,
    rows: list[Row],
    break_even_rows: list[Row],
    currency: str,
    language: str,
) -> ReportSection:
    """Return the report's section on the alternatives.

    Args:
        comparison: The alternatives.
        rows: Their rows with labels in the reader's language.
        break_even_rows: The crossings, likewise.
        currency: Of the borrowing; empty where nobody borrows.
        language: The reader's language.
    """
    return ReportSection(
        name="alternatives",
        title=translate("Choose: the alternatives side by side", language),
        lede=_study_alternatives_lede(comparison, rows, break_even_rows, language),
        facts=[_study_alternative_cost_fact(row, language) for row in rows],
        figures=[
            ReportFigure(
                name="alternatives-trade-offs",
                title=translate("Trade-offs", language),
                caption=translate(
                    "Each panel is one criterion on its own scale; shorter is better in all "
                    "but utilisation.",
                    language,
                ),
                svg=study_alternatives_panel_chart(rows, language, currency=currency),
                data=pl.DataFrame(rows, infer_schema_length=None).drop("name"),
                of="table.alternatives",
                table=ALTERNATIVES,
                currency=currency,
            )
        ],
        tables=[
            _alternatives_report_table(rows, currency, language),
            _study_alternatives_break_even_table(break_even_rows, language),
        ],
        notes=[_study_alternatives_method_note(language)],
    )


def _study_alternatives_method_note(language: str) -> str:
    return Message(
        "The cost is that of a useful GPU-hour, sites weighted by the GPU time that they served, "
        "at the medians; the interval draws all inputs, shared ones once for all sites. Debt "
        "counts the capital alone, or with every year's running cost borrowed as well, so that "
        "renting and building can be compared. What would change the answer moves one input at a "
        "time; use and energy stay as measured."
    ).translate(language)


def _study_alternative_label(alternative_rows: list[Row], name: str) -> str:
    return next(row["alternative"] for row in alternative_rows if row["name"] == name)


def _study_alternatives_lede(
    comparison: Comparison, alternative_rows: list[Row], break_even_rows: list[Row], language: str
) -> str:
    cost = {row["name"]: f"{row['cost_usd_per_gpu_hour']:.2f}" for row in alternative_rows}
    cheapest = Message(
        "Cheapest per useful GPU-hour is “{best}” at USD {low}, before “{second}” at USD {high}; "
        "it stays ahead in {share} of draws.",
        {
            "best": _study_alternative_label(alternative_rows, comparison.best),
            "low": cost[comparison.best],
            "second": _study_alternative_label(alternative_rows, comparison.second),
            "high": cost[comparison.second],
            "share": f"{comparison.best_cheaper_share:.0%}",
        },
    )
    break_even = study_alternatives_break_even_sentence(break_even_rows, language)
    return f"{cheapest.translate(language)} {break_even}"


def study_alternatives_break_even_sentence(break_even_rows: list[Row], language: str) -> str:
    """Return which input would have to change for the answer to change, in a sentence."""
    nearest = break_even_rows[0] if break_even_rows else None
    # Points are sorted with the nearest first, so where the first has no crossing none has.
    if nearest is None or nearest["flips_at"] is None:
        return translate("No single input changes this answer, however far it moves.", language)
    values = {
        "input": study_cost_input_text(nearest["input"], language),
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
            "is {input} ({site}), if it goes from {from} to {to} {unit} (range {low} to {high}).",
            values,
        ).translate(language)
    return Message(
        "None of {all} inputs changes the answer alone within its own range; the nearest is "
        "{input} ({site}), which would have to go from {from} to {to} {unit}, outside its range "
        "of {low} to {high}.",
        values,
    ).translate(language)


def _study_alternative_cost_fact(alternative_row: Row, language: str) -> ReportFact:
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


_FIGURES = (
    "cost_usd_per_gpu_hour",
    "utilisation_share",
    "mean_queue_delay_h",
    "mean_rtt_ms",
    "carbon_g_per_gpu_hour",
    "capital_usd_mn",
    "running_usd_mn_a_year",
)
_DEBT_FIGURES = ("borrowing_bn", "debt_gdp_share", "debt_running_borrowed_gdp_share")
FIGURES = (*_FIGURES, *_DEBT_FIGURES)


def _alternatives_report_table(
    alternative_rows: list[Row], currency: str, language: str
) -> ReportTable:
    # Who borrows is stated once for the programme, so one row tells for all.
    shown = (*_FIGURES, *(_DEBT_FIGURES if "borrowing_bn" in alternative_rows[0] else ()))
    return report_table_of_rows(
        ALTERNATIVES,
        alternative_rows,
        language,
        title=Message("Side by side"),
        columns=("alternative", *shown),
        cells_of={
            name: [f"alternative.{row['name']}.{name}" for row in alternative_rows]
            for name in shown
        },
        currency=currency,
    )


def _study_alternatives_break_even_table(break_even_rows: list[Row], language: str) -> ReportTable:
    nearest = [
        row
        | {
            "input": study_cost_input_text(row["input"], language),
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
