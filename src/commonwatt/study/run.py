"""The main job: a programme in, one run in the store and one report out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from commonwatt import __version__
from commonwatt.core.errors import InputError
from commonwatt.core.messages import Message
from commonwatt.report import (
    Report,
    ReportPageOne,
    ReportSection,
    ReportStamp,
    ReportTable,
    render_report_html,
    report_sources_table,
)
from commonwatt.runs import (
    Run,
    RunDraft,
    RunInput,
    RunRecipe,
    RunStore,
    Stage,
    StageResult,
    StageStore,
)
from commonwatt.runs.titles import changed_title_message
from commonwatt.study.absent import (
    ALTERNATIVES,
    COST,
    FUNDING,
    PLACEMENT,
    AbsentPart,
    absent_parts_error,
    absent_study_parts,
)
from commonwatt.study.alternatives import (
    Comparison,
    alternatives_and_break_even_tables,
    alternatives_headline_by_figure_name,
    compare_programme_alternatives_or_none,
    study_debt_effect_tables,
)
from commonwatt.study.annexes import Annex, programme_project_and_model_annexes
from commonwatt.study.earlier import (
    QuotedFigures,
    StudyAnswer,
    earlier_study_answer_or_none,
    earlier_study_quoted_figures_or_none,
    save_study_answer,
    save_study_quoted_figures,
)
from commonwatt.study.errors import AbsentPartError
from commonwatt.study.figures import (
    FigureNode,
    study_figure_and_input_nodes,
    study_figure_origins_of_nodes,
)
from commonwatt.study.formulas.assembled import StudyBasis, study_basis_tables_and_stages
from commonwatt.study.formulas.cached import WrittenTable
from commonwatt.study.front import study_extent_messages, study_page_one_summary
from commonwatt.study.labels import localise_programme_labels_in_data, localise_study_table_labels
from commonwatt.study.measures import study_frame_checked_against_schema
from commonwatt.study.programme.reader import Programme, load_programme
from commonwatt.study.programme.without_effect import programme_keys_without_effect
from commonwatt.study.result import (
    StudyResult,
    compute_study,
    study_headline_value_by_figure_name,
    study_result_tables,
)
from commonwatt.study.sections.glossary import study_glossary_statements
from commonwatt.study.sections.stage import (
    ALTERNATIVES_SECTION_STAGE,
    COST_SECTION_STAGE,
    FLEET_SECTION_STAGE,
    FLEET_SECTION_TABLES,
    FUNDING_SECTION_STAGE,
    PLACEMENT_SECTION_STAGE,
    SectionStageInputs,
    cached_study_page_one,
    cached_study_section,
)
from commonwatt.study.sections.summaries import AlternativesSummary, FleetSummary
from commonwatt.study.stages.fleet import (
    fleet_metrics_of_stage_result,
)
from commonwatt.study.tables import BASIS
from commonwatt.study.what_if import (
    study_what_if_section,
    study_what_if_table_by_name,
    what_if_figure_rows_before_and_after,
)

REPORT = "report.html"
ReportProgress = Callable[[Message], None]
Tables = dict[str, pl.DataFrame]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRun:
    """What a study found.

    Args:
        run: The run as the store keeps it.
        folder: Where its tables and report lie.
        report: The HTML page.
        what_if: Figures before and after the changes, in a what-if.
        stages: Names of the stages that were computed, and of those reused.
        absent: The parts that could not be computed, and why.
    """

    run: Run
    folder: Path
    report: Path
    what_if: list[dict[str, Any]]
    stages: StageStore
    absent: list[AbsentPart]

    def absent_parts_error(self) -> AbsentPartError | None:
        """Return the error of what was asked for and is absent; None where nothing is."""
        return absent_parts_error(self.run.title, self.absent)


def run_study(
    programme: str | Path,
    store: RunStore,
    *,
    language: str = "en",
    what_if: Sequence[str] = (),
    report_progress: ReportProgress = lambda _: None,
) -> StudyRun:
    """Run a programme through every wing and keep the result.

    Args:
        programme: A programme file, or the name of a shipped one.
        store: Where the run is kept; stages that did not change are reused from there.
        language: Language of the report.
        what_if: Changes such as `sites.west.power_price=+50%`; the run is then that of
            the changed programme, with its figures before and after.
        report_progress: Called with a sentence before each step.

    Raises:
        ProgrammeError: The programme or a change holds faults; nothing is kept.
        TraceError: A job could never run; nothing is kept.
    """
    # Time of the processor: by the wall clock a busy machine would seem to compute more.
    began, stages = time.process_time(), StageStore(store.root)
    loaded = load_programme(programme, list(what_if))
    recipe = study_run_recipe(loaded, language)
    answer = earlier_study_answer_or_none(recipe.run_id, language, store, stages)
    if answer is not None:
        QuotedFigures(facts={}, warnings=answer.warnings).report_study_warnings(report_progress)
    else:
        written = load_programme(programme) if what_if else loaded
        answer = _compute_and_store_study_answer(
            _StudyOrder(loaded, written, language, recipe, began), store, stages, report_progress
        )
    folder = store.folder(answer.run.run_id)
    return StudyRun(
        run=answer.run,
        folder=folder,
        report=folder / REPORT,
        what_if=answer.what_if,
        stages=stages,
        absent=answer.absent,
    )


@dataclass(frozen=True, slots=True)
class _StudyOrder:
    """What is to be studied.

    Args:
        programme: The programme with the changes made.
        written: The programme as written.
        language: Language of the report.
        recipe: What decides the run, as far as is known before.
        began_cpu_s: The processor's time when it was asked for [s].
    """

    programme: Programme
    written: Programme
    language: str
    recipe: RunRecipe
    began_cpu_s: float


def _compute_and_store_study_answer(
    order: _StudyOrder, store: RunStore, stages: StageStore, report_progress: ReportProgress
) -> StudyAnswer:
    """Return the answer of a study whose run is not in the store, and put the run there."""
    programme, language = order.programme, order.language
    drawn = compute_study(programme, stages, report_progress)
    findings = _compute_study_findings(programme, drawn, stages, report_progress)
    warnings = findings.quoted_headline_figures_and_warnings().warnings
    rows: list[dict[str, Any]] = []
    if programme.changes:
        before = _quoted_figures_of_unchanged_programme(order.written, stages, report_progress)
        rows = what_if_figure_rows_before_and_after(before.facts, findings.facts)
        warnings = [*warnings, *before.warnings]
    else:
        save_study_quoted_figures(
            programme, findings.quoted_headline_figures_and_warnings(), stages, since=0
        )
    beside = list(programme_project_and_model_annexes(programme, stages, language, report_progress))
    report_progress(Message("Writing the report"))
    recipe = _study_run_recipe_with_absent_annexes(order.recipe, beside)
    absent = list(absent_study_parts(programme, drawn))
    whole = _StudyReport(programme, language, recipe, findings, rows, beside, stages, absent)
    answer = StudyAnswer(
        run=_write_and_complete_study_run(store, whole, order.began_cpu_s),
        what_if=rows,
        warnings=list(warnings),
        absent=[*absent, *(side.absent for side in beside if side.absent is not None)],
    )
    # What is missing today may be there the next time, and the run then has another id.
    if recipe == order.recipe:
        save_study_answer(answer, language, stages)
    return answer


@dataclass(frozen=True, slots=True)
class _StudyFindings:
    """What was computed of one programme."""

    result: StudyResult
    comparison: Comparison | None
    facts: dict[str, Any] = field(default_factory=dict[str, Any])

    def tables(self) -> dict[str, pl.DataFrame]:
        more = alternatives_and_break_even_tables(self.comparison) if self.comparison else {}
        effects = study_debt_effect_tables(self.result.base_case, self.comparison)
        return study_result_tables(self.result) | more | effects

    def quoted_headline_figures_and_warnings(self) -> QuotedFigures:
        return QuotedFigures(facts=self.facts, warnings=_study_warnings(self.result))


def _study_warnings(result: StudyResult) -> list[dict[str, Any]]:
    """Return text and values of what a reader must know of a study before its figures."""
    base = result.base_case
    return [
        *base.fleet.data["warnings"],
        *(
            {"text": message.text, "values": message.values}
            for message in programme_keys_without_effect(base.programme)
        ),
    ]


def _compute_study_findings(
    programme: Programme,
    drawn: StudyResult,
    stages: StageStore,
    report_progress: ReportProgress,
) -> _StudyFindings:
    for note in _study_warnings(drawn):
        report_progress(Message(note["text"], note["values"]))
    # The figures of the alternatives stand beside those of the programme; without its costs there
    # is nothing to set them against.
    compared = (
        compare_programme_alternatives_or_none(programme, stages, report_progress)
        if drawn.cost is not None
        else None
    )
    more = alternatives_headline_by_figure_name(compared) if compared else {}
    facts = study_headline_value_by_figure_name(drawn) | more
    return _StudyFindings(drawn, compared, facts)


def _quoted_figures_of_unchanged_programme(
    written: Programme, stages: StageStore, report_progress: ReportProgress
) -> QuotedFigures:
    """Return the quoted figures of the programme as written, most often of an earlier study."""
    if (earlier := earlier_study_quoted_figures_or_none(written, stages)) is not None:
        earlier.report_study_warnings(report_progress)
        return earlier
    since = len(stages.opened)
    drawn = compute_study(written, stages, report_progress)
    figures = _compute_study_findings(
        written, drawn, stages, report_progress
    ).quoted_headline_figures_and_warnings()
    save_study_quoted_figures(written, figures, stages, since=since)
    return figures


def study_run_recipe(programme: Programme, language: str) -> RunRecipe:
    """Return what decides a study's result."""
    return RunRecipe(
        kind="study-what-if" if programme.changes else "study",
        title=str(programme.file.title),
        seed=programme.file.seed,
        # The language decides, too: the report is part of what the run keeps.
        parameters={"language": language, "what_if": list(programme.changes)},
        inputs=[RunInput.from_path(file.path, file.name) for file in programme.inputs],
    )


def _study_run_recipe_with_absent_annexes(recipe: RunRecipe, annexes: list[Annex]) -> RunRecipe:
    """Return the recipe with the annexes that this machine could not make.

    Without them in it, the same programme studied again after an extra was installed would
    be taken for the same run with other tables, which is refused.
    """
    absent = [side.section.name for side in annexes if side.absent is not None]
    if not absent:
        return recipe
    return replace(recipe, parameters={**recipe.parameters, "absent_sections": absent})


@dataclass(frozen=True, slots=True)
class _StudyReport:
    """Everything that a study keeps."""

    programme: Programme
    language: str
    recipe: RunRecipe
    findings: _StudyFindings
    what_if: list[dict[str, Any]]
    annexes: list[Annex]
    stages: StageStore
    absent: list[AbsentPart]

    @property
    def currency(self) -> str:
        """The money that is borrowed; empty where nobody borrows."""
        funding = self.findings.result.funding
        return funding.data["currency"] if funding is not None else ""

    def tables(self) -> dict[str, pl.DataFrame]:
        tables = self.findings.tables()
        for side in self.annexes:
            tables |= side.tables
        return tables | (study_what_if_table_by_name(self.what_if) if self.what_if else {})

    def basis(self) -> StudyBasis:
        return study_basis_tables_and_stages(self.findings.result, self.findings.comparison)

    def figures(self, written: Mapping[str, WrittenTable], basis: StudyBasis) -> list[FigureNode]:
        findings = self.findings
        return study_figure_and_input_nodes(
            self.programme,
            findings.result,
            findings.comparison,
            basis,
            written,
            self.stages,
        )

    def report(self, figures: list[FigureNode]) -> Report:
        file, language = self.programme.file, self.language
        named = changed_title_message(file.title.translate(language), self.programme.changes)
        title = Message("Programme: {title}", {"title": named.translate(language)})
        return Report(
            title=title.translate(language),
            language=language,
            summary=file.summary.translate(language),
            sections=self.sections(),
            birth=_programme_and_run_sources_table(self.programme, self.recipe, language),
            origins=study_figure_origins_of_nodes(
                figures, self.programme.programme_label_translation_by_english(language), language
            ),
            page_one=self.page_one(),
            glossary=study_glossary_statements(language),
            stamp=ReportStamp(
                day=_study_report_day_iso_text(), version=__version__, run_id=self.recipe.run_id
            ),
        )

    def page_one(self) -> ReportPageOne:
        findings = self.findings
        summary = study_page_one_summary(
            self.programme,
            findings.result,
            findings.comparison,
            self.absent,
            stages=self.stages,
            language=self.language,
        )
        return cached_study_page_one(self.stages, summary, self.language)

    def sections(self) -> list[ReportSection]:
        sections = [
            *_localised_study_report_sections(self),
            *(side.section for side in self.annexes),
        ]
        if not self.what_if:
            return sections
        first = study_what_if_section(list(self.programme.changes), self.what_if, self.language)
        return [first, *sections]


def _localised_study_report_sections(study_report: _StudyReport) -> list[ReportSection]:
    """Return the sections of the picture and of the alternatives, labels in the language.

    A part that could not be computed stands in its place, with the reason.
    """
    language, stages = study_report.language, study_report.stages
    words = study_report.programme.programme_label_translation_by_english(language)
    drawn, comparison = study_report.findings.result, study_report.findings.comparison
    absent = {part.part: part for part in study_report.absent}

    def section_or_absent_part_section(
        part: str, stage: Stage[SectionStageInputs[Any]], shown: object
    ) -> ReportSection:
        if shown is None:
            return absent[part].section(language)
        return cached_study_section(stages, stage, shown, language)

    def localised(answer: StageResult | None) -> object:
        return answer and localise_programme_labels_in_data(answer.data, words)

    summary = comparison and _localised_alternatives_summary(study_report, comparison, words)
    sections = [
        cached_study_section(
            stages,
            FLEET_SECTION_STAGE,
            _fleet_section_summary_and_localised_tables(study_report, words),
            language,
        ),
        section_or_absent_part_section(COST, COST_SECTION_STAGE, localised(drawn.cost)),
        section_or_absent_part_section(
            PLACEMENT, PLACEMENT_SECTION_STAGE, localised(drawn.placement)
        ),
        section_or_absent_part_section(ALTERNATIVES, ALTERNATIVES_SECTION_STAGE, summary),
        section_or_absent_part_section(FUNDING, FUNDING_SECTION_STAGE, localised(drawn.funding)),
    ]
    left_out = [part for name, part in absent.items() if name.startswith(f"{ALTERNATIVES}.")]
    return [
        replace(section, notes=[*section.notes, *_absent_alternative_notes(left_out, language)])
        if section.name == ALTERNATIVES
        else section
        for section in sections
    ]


def _absent_alternative_notes(parts: list[AbsentPart], language: str) -> list[str]:
    """Return a note for each single alternative that could not be computed."""
    return [f"{part.part.partition('.')[2]}: {part.sentence(language)}" for part in parts]


def _fleet_section_summary_and_localised_tables(
    study_report: _StudyReport, words: dict[str, str]
) -> tuple[FleetSummary, Tables]:
    drawn = study_report.findings.result
    fleet, figures = drawn.base_case.fleet, fleet_metrics_of_stage_result(drawn.base_case.fleet)
    summary = FleetSummary(
        policy=fleet.data["policy"],
        figures=figures,
        notes=[
            *fleet.data["notes"][study_report.language],
            *(
                message.translate(study_report.language)
                for message in programme_keys_without_effect(study_report.programme)
            ),
        ],
        extent=study_extent_messages(study_report.programme, fleet, [figures.gpus], "").arrivals,
    )
    tables = study_result_tables(drawn)
    return summary, {
        name: localise_study_table_labels(tables[name], words) for name in FLEET_SECTION_TABLES
    }


def _localised_alternatives_summary(
    study_report: _StudyReport, comparison: Comparison, words: dict[str, str]
) -> AlternativesSummary:
    result, programme = study_report.findings.result, study_report.programme
    extents = study_extent_messages(
        programme,
        result.base_case.fleet,
        [row["gpus"] for row in comparison.alternative_rows],
        result.funding.data["years"][-1]["fiscal_year"] if result.funding is not None else "",
    )
    return AlternativesSummary(
        rows=localise_programme_labels_in_data(comparison.alternative_rows, words),
        break_even_rows=localise_programme_labels_in_data(comparison.break_even_rows, words),
        best=comparison.best,
        second=comparison.second,
        best_cheaper_share=comparison.best_cheaper_share,
        currency=study_report.currency,
        slice_extent=extents.arrivals,
        programme_extent=extents.whole,
        debt_extent=extents.debt,
    )


def _write_and_complete_study_run(
    store: RunStore, study_report: _StudyReport, began_cpu_s: float
) -> Run:
    draft = store.draft(study_report.recipe)
    try:
        # Tables first: a figure is evaluated over what is written, and over nothing else.
        basis = study_report.basis()
        written = _write_study_tables(draft, study_report, basis)
        figures = study_report.figures(written, basis)
        draft.add_run_text_file(REPORT, render_report_html(study_report.report(figures)))
        measured = {"cpu_s": time.process_time() - began_cpu_s}
        return store.complete_run_draft(
            draft,
            headline=study_report.findings.facts,
            measured=measured,
            figures=[figure.as_dict() for figure in figures],
        )
    # Ctrl-C as well: a draft that stays would take its room until the store is opened again.
    except BaseException:
        store.discard(draft)
        raise


def _study_report_day_iso_text() -> str:
    """Return the day that a report bears: that of the run, as its manifest has it, too.

    SOURCE_DATE_EPOCH is taken where it is set, as every tool does whose output must be the same
    bytes on another day (reproducible-builds.org).
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return datetime.now(UTC).date().isoformat()
    try:
        return datetime.fromtimestamp(int(epoch), UTC).date().isoformat()
    # Another day than the one that was asked for would be a wrong one.
    except (ValueError, OverflowError, OSError):
        raise InputError(
            "SOURCE_DATE_EPOCH",
            found=epoch[:40],
            wanted=Message("seconds since 1970, as a whole number"),
        ) from None


def _write_study_tables(
    draft: RunDraft, study_report: _StudyReport, basis: StudyBasis
) -> dict[str, WrittenTable]:
    currency = study_report.currency
    shown = {
        name: study_frame_checked_against_schema(name, table, currency)
        for name, table in study_report.tables().items()
    }
    beneath = {
        name: BASIS[name].in_currency(currency).frame_checked_against_schema(table)
        for name, table in basis.tables.items()
    }
    for name, frame in (shown | beneath).items():
        # Parquet alone of the basis: nobody reads these rows, and some of these tables are among
        # the largest of the run.
        draft.add_table(name, frame, as_csv=name not in beneath)
    digests = draft.parquet_sha256_by_table
    return {
        name: WrittenTable(name=name, sha256=digests[name], frame=frame)
        for name, frame in (shown | beneath).items()
    }


def _programme_and_run_sources_table(
    programme: Programme, recipe: RunRecipe, language: str
) -> ReportTable:
    rows = [("run", recipe.run_id), ("version", __version__), ("seed", str(recipe.seed))]
    rows += [("what-if", change) for change in programme.changes]
    rows += [(input_file.name, f"sha256 {input_file.sha256}") for input_file in recipe.inputs]
    rows += [(gpu.name, gpu.source) for gpu in programme.gpu_types]
    rows += [(site.title.translate(language), site.source) for site in programme.file.sites]
    return report_sources_table(rows, language)
