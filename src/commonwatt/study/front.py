"""From a study's findings to what page one needs to know of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from commonwatt.core.messages import Message
from commonwatt.runs import StageResult, StageStore
from commonwatt.siting.domain.cells import PRICE_YEAR
from commonwatt.study.absent import (
    AbsentPart,
    absent_part_titles_with_shared_sentence,
    absent_parts_that_leave_answer_unwhole,
)
from commonwatt.study.alternatives import (
    Alternative,
    Comparison,
    alternative_cost_stage,
    alternative_criteria_row,
)
from commonwatt.study.doubt import USE
from commonwatt.study.formulas.extents import (
    EXTENT_TEXT,
    FigureExtent,
    study_day_count_text,
    study_gpu_count_or_range_text,
)
from commonwatt.study.labels import localise_programme_labels_in_data
from commonwatt.study.programme.reader import Programme
from commonwatt.study.result import BaseCase, StudyResult
from commonwatt.study.sections.summaries import PageOneSummary
from commonwatt.study.stages.sites import StudyInputKey, study_cost_input_site_titles_text
from commonwatt.study.tables import PROGRAMME

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class _Choices:
    """The columns of page one: the alternatives, the cheapest first, or the programme alone."""

    rows: list[dict[str, Any]]
    above: str
    first: BaseCase
    cost: StageResult | None


def study_page_one_summary(
    programme: Programme,
    result: StudyResult,
    comparison: Comparison | None,
    absent: Sequence[AbsentPart],
    *,
    stages: StageStore,
    language: str,
) -> PageOneSummary:
    """Return what page one needs to know, labels in the reader's language.

    Args:
        programme: The programme.
        result: What its stages computed.
        comparison: Its alternatives; None where it has none.
        absent: The parts that could not be computed.
        stages: The stages cached from before.
        language: The reader's language.
    """
    words = programme.programme_label_translation_by_english(language)
    choices = (
        _choices_of_alternatives_by_cost(comparison)
        if comparison is not None
        else _choices_of_programme_alone(programme, result, stages)
    )
    doubt = choices.cost.data["doubt"] if choices.cost is not None else None
    effect, funding = choices.first.effect_stage, programme.file.funding
    return PageOneSummary(
        title=programme.file.title.translate(language),
        changes=list(programme.changes),
        rows=localise_programme_labels_in_data(choices.rows, words),
        above=choices.above,
        all_count=len(choices.rows),
        best_cheaper_share=comparison.best_cheaper_share if comparison else None,
        break_even_rows=localise_programme_labels_in_data(
            comparison.break_even_rows if comparison else [], words
        ),
        doubt=doubt,
        doubt_site=localise_programme_labels_in_data(
            study_cost_input_site_titles_text(
                StudyInputKey.from_text(doubt["key"]), programme.file.sites
            ),
            words,
        )
        # Of the use of every site there is no one owner.
        if doubt and doubt["key"] != USE
        else "",
        effect_rows=[{"variant": PROGRAMME} | row for row in effect.data["years"]]
        if effect is not None
        else [],
        days=_fleet_stage_arrival_window_days(choices.first.fleet),
        scale=funding.scale if funding is not None else 1.0,
        currency=result.funding.data["currency"] if result.funding is not None else "",
        absent=absent_part_titles_with_shared_sentence(
            absent_parts_that_leave_answer_unwhole(absent), language
        ),
    )


def _choices_of_alternatives_by_cost(comparison: Comparison) -> _Choices:
    def alternative_cost_and_name_sort_key(alternative: Alternative) -> tuple[float, str]:
        return alternative.gpu_hour_usd, alternative.name

    ordered = sorted(comparison.alternatives, key=alternative_cost_and_name_sort_key)
    return _Choices(
        [each.row for each in ordered],
        "alternative",
        ordered[0].base_case,
        ordered[0].cost_stage,
    )


def _choices_of_programme_alone(
    programme: Programme, result: StudyResult, stages: StageStore
) -> _Choices:
    base_case, funding = result.base_case, result.funding
    cost = alternative_cost_stage(base_case, programme.file.seed, stages)
    row = {
        "name": PROGRAMME,
        "alternative": str(programme.file.title),
    } | alternative_criteria_row(base_case, cost)
    if funding is not None:
        row["borrowing_bn"] = funding.data["total_bn"]
    return _Choices([row], "", base_case, cost)


def _fleet_stage_arrival_window_days(fleet: StageResult) -> float:
    submit_s = fleet.tables["basis_jobs"]["submit_s"]
    return (submit_s.max() - submit_s.min()) / DAY_S  # type: ignore[operator]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyExtents:
    """What the figures of a section are of: its scale and its period.

    Args:
        arrivals: Use and waits of the slice.
        whole: Capital of the whole programme.
        debt: Debt and reserves at the end of the path; nothing where nobody borrows.
    """

    arrivals: Message
    whole: Message
    debt: Message


def study_extent_messages(
    programme: Programme, fleet: StageResult, gpus: Sequence[float], last_year: str
) -> StudyExtents:
    """Return what the figures of some alternatives are of, or of the programme alone.

    Args:
        programme: The programme, which says how much larger it is than its slice.
        fleet: The run, which has the window of arrivals.
        gpus: GPUs simulated, of each alternative.
        last_year: Last fiscal year of the path; empty where nobody borrows.
    """
    scale = programme.file.funding.scale if programme.file.funding is not None else 1.0
    whole = study_gpu_count_or_range_text([count * scale for count in gpus])
    return StudyExtents(
        arrivals=Message(
            EXTENT_TEXT[FigureExtent.SLICE_WINDOW].text,
            {
                "gpus": study_gpu_count_or_range_text(gpus),
                "days": study_day_count_text(_fleet_stage_arrival_window_days(fleet)),
            },
        ),
        whole=Message(
            EXTENT_TEXT[FigureExtent.PROGRAMME_BUILDING].text,
            {"whole": whole, "prices": str(PRICE_YEAR)},
        ),
        debt=Message(
            EXTENT_TEXT[FigureExtent.PROGRAMME_LAST_YEAR].text,
            {"whole": whole, "year": last_year},
        ),
    )
