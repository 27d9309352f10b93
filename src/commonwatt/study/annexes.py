"""The state of the example data project and of the example models, as sections of the report.

Both are stages: computed where nothing is cached of them, and imported only then, because they
need more than the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import polars as pl

from commonwatt.core.errors import CommonwattError
from commonwatt.core.extras import missing_extra_error
from commonwatt.core.messages import Message, translations_sha256
from commonwatt.report import ReportSection
from commonwatt.runs import Stage, StageResult, StageStore
from commonwatt.runs.inputs import StatesInputs
from commonwatt.study.absent import AbsentPart
from commonwatt.study.programme.reader import Programme
from commonwatt.study.programme.schema import ROOT

ReportProgress = Callable[[Message], None]
EXAMPLE_PROJECT, EXAMPLE_MODELS = "example-project", "example-models"


@dataclass(frozen=True, slots=True, kw_only=True)
class Annex:
    """A section that stands beside the money, and its tables.

    Args:
        section: What the report shows.
        tables: Its tables, by name.
        absent: What of it this machine could not make; the section then says the same.
    """

    section: ReportSection
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict[str, pl.DataFrame])
    absent: AbsentPart | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnexStageInputs(StatesInputs):
    """What decides an annex, beside the code and the shipped data.

    Args:
        on: The day of the file and not of the clock, so that the same programme gives the same
            tables next year.
        seed: The programme's seed.
        language: The reader's language.
        translations: Digest of the words of that language.
        part: The part of the programme file that asks for it.
    """

    on: date
    seed: int
    language: str
    translations: str
    part: str

    def stated_run_inputs(self) -> Iterator[tuple[str, str]]:
        """Yield the day that the programme states."""
        yield f"{ROOT}.{self.part}.on", self.on.isoformat()


def programme_project_and_model_annexes(
    programme: Programme, stages: StageStore, language: str, report_progress: ReportProgress
) -> Iterator[Annex]:
    """Yield the sections on data projects and models that the programme asks for."""
    words = translations_sha256(language)
    rooms, models = programme.file.rooms, programme.file.models
    wanted: list[tuple[Stage[AnnexStageInputs], str, date, Message]] = []
    if rooms is not None and rooms.example:
        progress = Message("Walking the example data project")
        wanted.append((PROJECT_STAGE, "rooms", rooms.on, progress))
    if models is not None and models.examples:
        progress = Message("Looking at the medical models")
        wanted.append((MODELS_STAGE, "models", models.on, progress))
    for stage, part, on, progress in wanted:
        inputs = AnnexStageInputs(
            on=on, seed=programme.file.seed, language=language, translations=words, part=part
        )
        result = stages.get_or_compute(stage, inputs, partial(report_progress, progress))
        yield _study_annex_of_stage_result(result, part)


def _study_annex_of_stage_result(stage: StageResult, part: str) -> Annex:
    absent = stage.data["absent"]
    section = ReportSection.from_data(stage.data["section"])
    return Annex(
        section=_study_section_with_lineage_links(section, next(iter(stage.tables), "")),
        tables=stage.tables,
        absent=absent
        and AbsentPart(
            part=part,
            title=Message("{title}", {"title": section.title}),
            reason=Message(**absent["reason"]),
            remedy=Message(**absent["remedy"]),
            is_asked_for=True,
        ),
    )


def _example_project_stage_result(inputs: AnnexStageInputs) -> StageResult:
    """Return the example project; where this machine cannot hold one, a section that says so."""
    try:
        from commonwatt.sandbox.usecases.example import example_project_report

        now = datetime(inputs.on.year, inputs.on.month, inputs.on.day, tzinfo=UTC)
        made = example_project_report(inputs.language, now=now)
    # A machine that cannot isolate a job still gets its report; the section says what is missing
    # and why.
    except (CommonwattError, ModuleNotFoundError, OSError) as error:
        title = Message("Use data without seeing it: a data project")
        return _absent_annex_stage_result(title, "sandbox", error, inputs.language)
    reason = Message("No job was run: this machine cannot isolate one. {why}")
    return StageResult(
        data={
            "section": made.section.as_data(),
            "absent": made.no_job
            and _absent_annex_reason_and_remedy_data(reason, made.no_job, inputs.language),
        },
        tables=made.tables,
        is_partial=made.no_job is not None,
    )


def _example_models_stage_result(inputs: AnnexStageInputs) -> StageResult:
    try:
        from commonwatt.clinic.usecases.section import clinic_models_section_and_tables

        section, tables = clinic_models_section_and_tables(
            language=inputs.language, seed=inputs.seed, on=inputs.on
        )
    except (CommonwattError, ModuleNotFoundError, OSError) as error:
        return _absent_annex_stage_result(
            Message("Medical models"), "clinic", error, inputs.language
        )
    return StageResult(data={"section": section.as_data(), "absent": None}, tables=tables)


PROJECT_STAGE = Stage(name=EXAMPLE_PROJECT, compute=_example_project_stage_result)
MODELS_STAGE = Stage(name=EXAMPLE_MODELS, compute=_example_models_stage_result)


def _absent_annex_stage_result(
    title: Message, name: str, error: Exception, language: str
) -> StageResult:
    if isinstance(error, ModuleNotFoundError):
        error = missing_extra_error(error)
    reason = Message("This section could not be made on this machine: {why}")
    absence = _absent_annex_reason_and_remedy_data(reason, error, language)
    section = ReportSection(
        name=name,
        title=title.translate(language),
        lede=" ".join(Message(**absence[key]).translate(language) for key in ("reason", "remedy")),
    )
    # Not kept: what is missing today may be installed tomorrow.
    return StageResult(data={"section": section.as_data(), "absent": absence}, is_partial=True)


def _absent_annex_reason_and_remedy_data(
    reason: Message, error: Exception, language: str
) -> dict[str, Any]:
    """Return reason and remedy of what is absent, as plain values."""
    remedy = Message("Study the programme on another machine, or leave it out.")
    # Of a foreign error only the kind: its words may quote what it was reading.
    why = type(error).__name__
    if isinstance(error, CommonwattError):
        cause = CommonwattError(error.where, found=error.found, wanted=error.wanted)
        why = cause.translate(language)
        if error.remedy:
            remedy = error.remedy if isinstance(error.remedy, Message) else Message(error.remedy)
    return {
        "reason": asdict(Message(reason.text, {"why": why})),
        "remedy": asdict(remedy),
    }


def _study_section_with_lineage_links(section: ReportSection, table: str) -> ReportSection:
    """Return the section with every figure that names no origin led to its table."""
    of = f"table.{table}"
    return replace(
        section,
        facts=[replace(fact, of=fact.of or of) for fact in section.facts],
        tables=[replace(shown, of=shown.of or of) for shown in section.tables],
    )
