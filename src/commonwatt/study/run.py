"""The main job: a programme in, one run in the store and one report out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from commonwatt import __version__
from commonwatt.core.messages import Message
from commonwatt.report import Report, Section, Shown, render
from commonwatt.runs import Input, Recipe, Run, RunStore, Stages
from commonwatt.study.alternatives import (
    Contest,
    contest,
    contest_facts,
    contest_section,
    contest_tables,
)
from commonwatt.study.annexes import Side, sides
from commonwatt.study.figures import came, figures_of
from commonwatt.study.labels import localised, localised_table
from commonwatt.study.origins import Node
from commonwatt.study.programme.reader import Programme, load_programme
from commonwatt.study.result import Picture, picture, picture_facts, picture_tables
from commonwatt.study.stages.cost import cost_section
from commonwatt.study.stages.fleet import metrics_of
from commonwatt.study.stages.fleet_section import FleetSaid, fleet_section
from commonwatt.study.stages.funding import funding_section
from commonwatt.study.stages.placement import placement_section
from commonwatt.study.what_if import compared_facts, what_if_section, what_if_table

REPORT = "report.html"
Tell = Callable[[Message], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What a study found.

    Args:
        run: The run as the store keeps it.
        folder: Where its tables and report lie.
        report: The HTML page.
        what_if: Figures before and after the changes, in a what-if.
        stages: Names of the stages that were computed, and of those reused.
    """

    run: Run
    folder: Path
    report: Path
    what_if: list[dict[str, Any]]
    stages: Stages


def run_study(
    programme: str | Path,
    store: RunStore,
    *,
    language: str = "en",
    what_if: Sequence[str] = (),
    tell: Tell = lambda _: None,
) -> Study:
    """Run a programme through every wing and keep the result.

    Args:
        programme: A programme file, or the name of a shipped one.
        store: Where the run is kept; stages that did not change are reused from there.
        language: Language of the report.
        what_if: Changes such as `sites.west.power_price=+50%`; the run is then that of
            the changed programme, with its figures before and after.
        tell: Called with a sentence before each step.

    Raises:
        ProgrammeError: The programme or a change holds faults; nothing is kept.
        TraceError: A job could never run; nothing is kept.
    """
    began, stages = time.process_time(), Stages(store.root)
    changes = list(what_if)
    loaded = load_programme(programme, changes)
    drawn = picture(loaded, stages, tell)
    alike = not changes or "schedule" not in stages.computed
    if not alike:
        tell(Message("The change moves jobs; the alternatives are left out of this what-if"))
    found = _found(loaded, drawn, stages, tell, alike)
    rows = _compared(found, load_programme(programme), stages, tell, alike) if changes else []
    beside = [] if changes else list(sides(loaded, language, tell))
    tell(Message("Writing the report"))
    whole = _Whole(loaded, language, study_recipe(loaded, language), found, rows, beside)
    run = _kept(store, whole, began)
    folder = store.folder(run.run_id)
    return Study(run=run, folder=folder, report=folder / REPORT, what_if=rows, stages=stages)


@dataclass(frozen=True, slots=True)
class _Found:
    """What was computed of one programme."""

    picture: Picture
    contest: Contest | None
    facts: dict[str, Any] = field(default_factory=dict[str, Any])

    def tables(self) -> dict[str, pl.DataFrame]:
        more = contest_tables(self.contest) if self.contest else {}
        return picture_tables(self.picture) | more


def _found(
    programme: Programme, drawn: Picture, stages: Stages, tell: Tell, alternatives: bool
) -> _Found:
    for note in drawn.outline.fleet.data["warnings"]:
        tell(Message(note["text"], note["values"]))
    compared = contest(programme, stages, tell) if alternatives else None
    more = contest_facts(compared) if compared else {}
    return _Found(drawn, compared, picture_facts(drawn) | more)


def _compared(
    found: _Found, written: Programme, stages: Stages, tell: Tell, alternatives: bool
) -> list[dict[str, Any]]:
    """Return the figures of the programme as written beside those that were found."""
    before = _found(written, picture(written, stages, tell), stages, tell, alternatives)
    return compared_facts(before.facts, found.facts)


def study_recipe(programme: Programme, language: str) -> Recipe:
    """Return what decides a study's result."""
    return Recipe(
        kind="study-what-if" if programme.changes else "study",
        title=str(programme.file.title),
        seed=programme.file.seed,
        parameters={"language": language, "what_if": list(programme.changes)},
        inputs=[Input.of(path) for path in programme.inputs],
    )


@dataclass(frozen=True, slots=True)
class _Whole:
    """Everything that a study keeps."""

    programme: Programme
    language: str
    recipe: Recipe
    found: _Found
    what_if: list[dict[str, Any]]
    beside: list[Side]

    def tables(self) -> dict[str, pl.DataFrame]:
        tables = self.found.tables()
        for side in self.beside:
            tables |= side.tables
        return tables | (what_if_table(self.what_if) if self.what_if else {})

    def figures(self, tables: dict[str, pl.DataFrame]) -> list[Node]:
        return figures_of(self.programme, self.found.picture, self.found.contest, tables)

    def report(self, figures: list[Node]) -> Report:
        file, language = self.programme.file, self.language
        said = Message("Programme: {title}", {"title": file.title.say(language)})
        return Report(
            title=said.say(language),
            language=language,
            summary=file.summary.say(language),
            sections=self.sections(),
            birth=_birth(self.programme, self.recipe, language),
            origins=came(figures, self.programme.words(language), language),
        )

    def sections(self) -> list[Section]:
        sections = [*_sections(self), *(side.section for side in self.beside)]
        if not self.what_if:
            return sections
        first = what_if_section(list(self.programme.changes), self.what_if, self.language)
        return [first, *sections]


def _sections(whole: _Whole) -> list[Section]:
    """Return the sections of the picture and of the alternatives, labels in the language."""
    language, words = whole.language, whole.programme.words(whole.language)
    drawn, tables = whole.found.picture, picture_tables(whole.found.picture)
    fleet = drawn.outline.fleet
    said = FleetSaid(
        policy=fleet.data["policy"], figures=metrics_of(fleet), notes=fleet.data["notes"][language]
    )
    spoken = {name: localised_table(frame, words) for name, frame in tables.items()}
    sections = [fleet_section(said, spoken, language)]
    if drawn.cost is not None:
        sections.append(cost_section(localised(drawn.cost.data, words), language))
    if drawn.place is not None:
        sections.append(placement_section(localised(drawn.place.data, words), language))
    if whole.found.contest is not None:
        sections.append(_contest_section(whole, whole.found.contest, words))
    if drawn.funding is not None:
        sections.append(funding_section(localised(drawn.funding.data, words), language))
    return sections


def _contest_section(whole: _Whole, found: Contest, words: dict[str, str]) -> Section:
    paid = whole.found.picture.funding
    rows, breaks = localised(found.rows, words), localised(found.crossings, words)
    currency = paid.data["currency"] if paid is not None else ""
    return contest_section(found, rows, breaks, currency, whole.language)


def _kept(store: RunStore, whole: _Whole, began: float) -> Run:
    draft, tables = store.draft(whole.recipe), whole.tables()
    try:
        for name, table in tables.items():
            draft.add_table(name, table)
        figures = whole.figures(tables)
        draft.add_text(REPORT, render(whole.report(figures)))
        measured = {"cpu_s": time.process_time() - began}
        return store.seal(
            draft,
            headline=whole.found.facts,
            measured=measured,
            figures=[one.as_dict() for one in figures],
        )
    except BaseException:
        store.discard(draft)
        raise


def _birth(programme: Programme, recipe: Recipe, language: str) -> Shown:
    rows = [["run", recipe.run_id], ["version", __version__], ["seed", str(recipe.seed)]]
    rows += [["what-if", change] for change in programme.changes]
    rows += [[one.name, f"sha256 {one.sha256}"] for one in recipe.inputs]
    rows += [[gpu.name, gpu.source] for gpu in programme.gpu_types]
    rows += [[site.title.say(language), site.source] for site in programme.file.sites]
    return Shown(
        title=Message("Where these figures come from").say(language),
        headings=[Message("What").say(language), Message("Source").say(language)],
        rows=rows,
    )
