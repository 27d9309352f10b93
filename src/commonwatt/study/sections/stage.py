"""The sections of a study's report as stages: the same figures are drawn once, and then read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import polars as pl

from commonwatt.core.messages import translations_sha256
from commonwatt.report import ReportPageOne, ReportSection
from commonwatt.runs import Stage, StageResult, StageStore
from commonwatt.study.sections.summaries import (
    AlternativesSummary,
    FleetSummary,
    PageOneSummary,
)

Shown = TypeVar("Shown")
Answer = dict[str, Any]
FLEET_SECTION_TABLES = (
    "fleet_use", "fleet_queue", "fleet_tenants", "fleet_sites", "fleet_policies",
)  # fmt: skip
"""Tables that the section on the fleet draws; the jobs themselves are none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionStageInputs(Generic[Shown]):
    """What decides a section.

    Args:
        shown: Every figure that it shows, labels in the reader's language.
        language: The reader's language.
        translations: Digest of the words of that language, which are no part of the code.
    """

    shown: Shown
    language: str
    translations: str


def cached_study_section(
    stages: StageStore, stage: Stage[SectionStageInputs[Shown]], shown: Shown, language: str
) -> ReportSection:
    """Return a section of the report, drawn only where it has not been drawn of these figures."""
    return ReportSection.from_data(_cached_study_report_part_data(stages, stage, shown, language))


def cached_study_page_one(
    stages: StageStore, summary: PageOneSummary, language: str
) -> ReportPageOne:
    """Return page one, drawn only where it has not been drawn of these figures."""
    return ReportPageOne.from_data(
        _cached_study_report_part_data(stages, PAGE_ONE_STAGE, summary, language)
    )


def _cached_study_report_part_data(
    stages: StageStore, stage: Stage[SectionStageInputs[Shown]], shown: Shown, language: str
) -> Mapping[str, Any]:
    inputs = SectionStageInputs(
        shown=shown, language=language, translations=translations_sha256(language)
    )
    return stages.get_or_compute(stage, inputs).data


def _study_report_section_stage(
    name: str, draw: Callable[[Shown, str], ReportSection | ReportPageOne]
) -> Stage[SectionStageInputs[Shown]]:
    def compute(inputs: SectionStageInputs[Shown]) -> StageResult:
        return StageResult(data=draw(inputs.shown, inputs.language).as_data())

    return Stage(name=name, compute=compute)


# The imports stand inside: charts take half a second to load, and most sections are read.


def _study_fleet_section_of_shown(
    shown: tuple[FleetSummary, Mapping[str, pl.DataFrame]], language: str
) -> ReportSection:
    from commonwatt.study.sections.fleet import study_fleet_section

    return study_fleet_section(*shown, language)


def _study_cost_section_of_answer(answer: Answer, language: str) -> ReportSection:
    from commonwatt.study.sections.cost import study_cost_section

    return study_cost_section(answer, language)


def _study_placement_section_of_answer(answer: Answer, language: str) -> ReportSection:
    from commonwatt.study.sections.placement import study_placement_section

    return study_placement_section(answer, language)


def _study_alternatives_section_of_summary(
    summary: AlternativesSummary, language: str
) -> ReportSection:
    from commonwatt.study.sections.alternatives import study_alternatives_section

    return study_alternatives_section(summary, language)


def _study_funding_section_of_answer(answer: Answer, language: str) -> ReportSection:
    from commonwatt.study.sections.funding import study_funding_section

    return study_funding_section(answer, language)


def _study_page_one_of_summary(summary: PageOneSummary, language: str) -> ReportPageOne:
    from commonwatt.study.sections.page_one import study_report_page_one

    return study_report_page_one(summary, language)


PAGE_ONE_STAGE = _study_report_section_stage("page-one-section", _study_page_one_of_summary)
FLEET_SECTION_STAGE = _study_report_section_stage("fleet-section", _study_fleet_section_of_shown)
COST_SECTION_STAGE = _study_report_section_stage("cost-section", _study_cost_section_of_answer)
PLACEMENT_SECTION_STAGE = _study_report_section_stage(
    "placement-section", _study_placement_section_of_answer
)
ALTERNATIVES_SECTION_STAGE = _study_report_section_stage(
    "alternatives-section", _study_alternatives_section_of_summary
)
FUNDING_SECTION_STAGE = _study_report_section_stage(
    "funding-section", _study_funding_section_of_answer
)
