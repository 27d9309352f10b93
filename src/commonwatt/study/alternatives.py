"""The alternatives of a programme side by side, and what would change the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from commonwatt.core.messages import Message
from commonwatt.runs import StageResult, StageStore
from commonwatt.study.break_even import BreakEvenPoint
from commonwatt.study.comparison import (
    ALTERNATIVE_COST_STAGE,
    BREAK_EVEN_STAGE,
    AlternativeCostStageInputs,
    BreakEvenStageInputs,
    study_break_even_points_of_stage,
)
from commonwatt.study.measures import (
    ALTERNATIVES,
    ALTERNATIVES_BREAK_EVEN,
    EFFECT_FIGURES,
    FUNDING_EFFECT,
)
from commonwatt.study.programme.reader import Programme
from commonwatt.study.result import BaseCase, compute_programme_base_case
from commonwatt.study.stages.fleet import fleet_metrics_of_stage_result
from commonwatt.study.stages.sites import (
    study_cost_input_site_titles_text,
)
from commonwatt.study.tables import PROGRAMME

ALTERNATIVE_FIGURES = (
    "cost_usd_per_gpu_hour",
    "cost_p5_usd_per_gpu_hour",
    "cost_p95_usd_per_gpu_hour",
    "utilisation_share",
    "mean_queue_delay_h",
    "mean_rtt_ms",
    "carbon_g_per_gpu_hour",
    "capital_usd_mn",
    "running_usd_mn_a_year",
)
DEBT_FIGURES = (
    "borrowing_bn",
    "debt_gdp_share",
    "debt_running_borrowed_gdp_share",
    *EFFECT_FIGURES,
)
FIGURES = (*ALTERNATIVE_FIGURES, *DEBT_FIGURES)
Row = dict[str, Any]
ReportProgress = Callable[[Message], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One alternative, as far as it was computed."""

    name: str
    label: str
    base_case: BaseCase
    cost_stage: StageResult
    row: Row

    @property
    def gpu_hour_usd(self) -> float:
        """Cost of a useful GPU-hour at the medians of every input [USD]."""
        return self.cost_stage.data["at_medians"]

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


def compare_programme_alternatives_or_none(
    programme: Programme, stages: StageStore, report_progress: ReportProgress
) -> Comparison | None:
    """Return the alternatives of a programme side by side, or None where it has under two."""
    if len(programme.file.alternatives) < 2:
        return None
    report_progress(Message("Setting the alternatives side by side"))
    alternatives = [
        alternative
        for name in programme.file.alternatives
        if (
            alternative := _computed_alternative_or_none_if_uncosted(
                programme, name, stages, report_progress
            )
        )
    ]
    if len(alternatives) < 2:
        return None
    # By name where two cost the same, so that the answer does not hang on the order of the file.
    first, second = sorted(
        alternatives, key=lambda alternative: (alternative.gpu_hour_usd, alternative.name)
    )[:2]
    inputs = BreakEvenStageInputs(
        cheapest=tuple(first.base_case.sites or ()),
        other=tuple(second.base_case.sites or ()),
        measured=(
            first.base_case.fleet.value("measured"),
            second.base_case.fleet.value("measured"),
        ),
        seed=programme.file.seed,
        parts=stages.beside(),
    )
    stage = stages.get_or_compute(BREAK_EVEN_STAGE, inputs)
    return Comparison(
        alternatives=alternatives,
        break_even_stage=stage,
        break_even_rows=[
            _alternatives_break_even_row(crossing, programme)
            for crossing in study_break_even_points_of_stage(stage, inputs)
        ],
        best=first.name,
        second=second.name,
        best_cheaper_share=stage.data["cheaper_share"],
    )


def compute_alternative_base_case(
    programme: Programme, name: str, stages: StageStore, report_progress: ReportProgress
) -> BaseCase:
    """Return the run and the costs of one alternative.

    Raises:
        ProgrammeError: Its changes leave faults; the alternative is named.
        TraceError: A job could never run in it; likewise.
    """
    changed = programme.alternative(name)
    with programme.naming_alternative_in_errors(name):
        return compute_programme_base_case(changed, stages, report_progress, name)


def _computed_alternative_or_none_if_uncosted(
    programme: Programme, name: str, stages: StageStore, report_progress: ReportProgress
) -> Alternative | None:
    base_case = compute_alternative_base_case(programme, name, stages, report_progress)
    cost = alternative_cost_stage(base_case, programme.file.seed, stages)
    if cost is None:
        return None
    label = str(programme.file.alternatives[name].label)
    row = {"name": name, "alternative": label} | alternative_criteria_row(base_case, cost)
    return Alternative(name=name, label=label, base_case=base_case, cost_stage=cost, row=row)


def alternative_cost_stage(
    base_case: BaseCase, seed: int, stages: StageStore
) -> StageResult | None:
    """Return the cost of a GPU-hour over all sites, or None where a site has no cost."""
    if base_case.sites is None:
        return None
    return stages.get_or_compute(
        ALTERNATIVE_COST_STAGE,
        AlternativeCostStageInputs(
            sites=tuple(base_case.sites),
            measured=base_case.fleet.value("measured"),
            seed=seed,
            parts=stages.beside(),
        ),
    )


def alternative_criteria_row(base_case: BaseCase, cost: StageResult | None) -> Row:
    """Return the figures of an alternative, or of the programme; without cost those of its run."""
    figures = fleet_metrics_of_stage_result(base_case.fleet)
    costs = cost and {
        "cost_usd_per_gpu_hour": cost.data["at_medians"],
        "cost_p5_usd_per_gpu_hour": cost.data["p5"],
        "cost_p95_usd_per_gpu_hour": cost.data["p95"],
    }
    return {
        "gpus": figures.gpus,
        **(costs or {}),
        "utilisation_share": figures.utilisation_share,
        "mean_queue_delay_h": figures.all.mean_queue_delay_s / 3600,
        "mean_rtt_ms": base_case.fleet.data["mean_rtt_ms"],
        "carbon_g_per_gpu_hour": _study_window_carbon_g_per_gpu_hour(base_case),
        "capital_usd_mn": sum(row["capital_usd_mn"] for row in base_case.capital),
        "running_usd_mn_a_year": sum(row["running_usd_mn_a_year"] for row in base_case.capital),
    } | _alternative_debt_and_effect_row(base_case)


def _alternative_debt_and_effect_row(base_case: BaseCase) -> Row:
    """Return debt and both sides of its change; empty where nobody borrows."""
    if base_case.variant_stage is None or base_case.effect_stage is None:
        return {}
    return {**base_case.variant_stage.data, **base_case.effect_stage.data["last"]}


def _study_window_carbon_g_per_gpu_hour(base_case: BaseCase) -> float | None:
    """Return the carbon of a GPU-hour in the window, idle draw included [g].

    None where no GPU was held in the window: nought would call such an alternative clean.
    """
    rows = [row for row in base_case.fleet.data["measured"] if row["held_gpu_h"]]
    # Weighted by the time held: the mean of the sites' rates would count an idle site like a busy
    # one.
    grams = sum(row["carbon_g_per_gpu_hour"] * row["held_gpu_h"] for row in rows)
    return grams / sum(row["held_gpu_h"] for row in rows) if rows else None


def _alternatives_break_even_row(crossing: BreakEvenPoint, programme: Programme) -> Row:
    change = (
        None
        # From nought no change is a share of where it stood.
        if crossing.flips_at is None or not crossing.median
        else crossing.flips_at / crossing.median - 1
    )
    return {
        "input": crossing.input.name,
        "site": study_cost_input_site_titles_text(crossing.input.key, programme.file.sites),
        "unit": crossing.input.unit,
        "p5": crossing.low,
        "median": crossing.median,
        "p95": crossing.high,
        "flips_at": crossing.flips_at,
        "change_share": change,
        "within_range": crossing.is_break_even_within_input_range,
        "source": crossing.input.source,
        "confidence": crossing.input.confidence,
        "key": crossing.input.key.text,
    }


def alternatives_and_break_even_tables(comparison: Comparison) -> dict[str, pl.DataFrame]:
    """Return the tables of the alternatives."""
    # Nobody borrows in some programmes: the columns of debt are then there, and empty.
    empty = dict.fromkeys(DEBT_FIGURES)
    return {
        ALTERNATIVES.name: ALTERNATIVES.frame_from_rows(
            empty | row for row in comparison.alternative_rows
        ),
        ALTERNATIVES_BREAK_EVEN.name: ALTERNATIVES_BREAK_EVEN.frame_from_rows(
            comparison.break_even_rows
        ),
    }


def study_debt_effect_tables(
    base_case: BaseCase, comparison: Comparison | None
) -> dict[str, pl.DataFrame]:
    """Return what the programme and its alternatives do to debt and reserves, year by year."""
    cases = [(PROGRAMME, base_case)]
    cases += [(each.name, each.base_case) for each in comparison.alternatives] if comparison else []
    rows = [
        {"variant": name} | year
        for name, case in cases
        if case.effect_stage is not None
        for year in case.effect_stage.data["years"]
    ]
    return {FUNDING_EFFECT.name: FUNDING_EFFECT.frame_from_rows(rows)} if rows else {}


def alternatives_headline_by_figure_name(comparison: Comparison) -> Row:
    """Return the figures that people quote of the alternatives."""
    return {
        "alternative_cheapest": comparison.best,
        "alternative_cheaper_share": comparison.best_cheaper_share,
        "alternative_cost_usd_per_gpu_hour": {
            row["name"]: row["cost_usd_per_gpu_hour"] for row in comparison.alternative_rows
        },
    }
