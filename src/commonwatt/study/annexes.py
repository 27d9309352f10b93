"""The state of the example data project and of the example models, as sections of the report.

Both are imported only when a programme asks for them: they need more than the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import polars as pl

from commonwatt.core.errors import CommonwattError
from commonwatt.core.extras import missing_extra_error
from commonwatt.core.messages import Message
from commonwatt.report import ReportSection
from commonwatt.study.programme.reader import Programme
from commonwatt.study.programme.schema import ModelsPart, ProjectsPart

ReportProgress = Callable[[Message], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Annex:
    """A section that stands beside the money, and its tables.

    Args:
        section: What the report shows.
        tables: Its tables, by name.
        absent_because: Why this machine could not make it; the section then says the same.
    """

    section: ReportSection
    tables: dict[str, pl.DataFrame] = field(default_factory=dict[str, pl.DataFrame])
    absent_because: Message | None = None


def programme_project_and_model_annexes(
    programme: Programme, language: str, report_progress: ReportProgress
) -> Iterator[Annex]:
    """Yield the sections on data projects and models that the programme asks for."""
    for annex in _wanted_annexes(programme, language, report_progress):
        if annex.absent_because is not None:
            report_progress(annex.absent_because)
        yield annex


def _wanted_annexes(
    programme: Programme, language: str, report_progress: ReportProgress
) -> Iterator[Annex]:
    rooms, models = programme.file.rooms, programme.file.models
    if rooms is not None and rooms.example:
        report_progress(Message("Walking the example data project"))
        yield _study_example_project_annex(rooms, language)
    if models is not None and models.examples:
        report_progress(Message("Looking at the medical models"))
        yield _study_models_annex(models, programme.file.seed, language)


def _study_example_project_annex(part: ProjectsPart, language: str) -> Annex:
    """Return the example room; where this machine cannot hold one, a section that says so."""
    try:
        from commonwatt.sandbox.usecases.example import sandbox_example_section_and_tables

        # The day of the file and not of the clock, so that the same programme gives the same bytes
        # next year.
        now = datetime(part.on.year, part.on.month, part.on.day, tzinfo=UTC)
        section, tables = sandbox_example_section_and_tables(language, now=now)
    # A machine that cannot isolate a job still gets its report; the section says what is missing
    # and why.
    except (CommonwattError, ModuleNotFoundError, OSError) as error:
        return _programme_annex_with_absence_reason(
            _study_example_project_title(), "sandbox", error, language
        )
    return Annex(
        section=_study_section_with_lineage_links(section, next(iter(tables), "")), tables=tables
    )


def _study_models_annex(part: ModelsPart, seed: int, language: str) -> Annex:
    try:
        from commonwatt.clinic.usecases.section import clinic_models_section

        section = clinic_models_section(language=language, seed=seed, on=part.on)
    except (CommonwattError, ModuleNotFoundError, OSError) as error:
        return _programme_annex_with_absence_reason(
            Message("Medical models"), "clinic", error, language
        )
    tables = {figure.name.replace("-", "_"): figure.data for figure in section.figures}
    return Annex(
        section=_study_section_with_lineage_links(section, next(iter(tables), "")), tables=tables
    )


def _study_section_with_lineage_links(section: ReportSection, table: str) -> ReportSection:
    """Return the section with every figure that names no origin led to its table."""
    of = f"table.{table}"
    return replace(
        section,
        facts=[replace(fact, of=fact.of or of) for fact in section.facts],
        tables=[replace(shown, of=shown.of or of) for shown in section.tables],
        figures=[replace(figure, of=figure.of or of) for figure in section.figures],
    )


def _study_example_project_title() -> Message:
    return Message("Use data without seeing it: a data project")


def _programme_annex_with_absence_reason(
    title: Message, name: str, error: Exception, language: str
) -> Annex:
    if isinstance(error, ModuleNotFoundError):
        error = missing_extra_error(error)
    # Of a foreign error only the kind: its words may quote what it was reading.
    why = error.translate(language) if isinstance(error, CommonwattError) else type(error).__name__
    reason = Message("This section could not be made on this machine: {why}", {"why": why})
    section = ReportSection(
        name=name, title=title.translate(language), lede=reason.translate(language)
    )
    return Annex(section=section, absent_because=reason)
