"""The main job: a programme in, one run in the store and one report out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from commonwatt import __version__
from commonwatt.app.fleet.inputs import Inputs
from commonwatt.app.fleet.section import fleet_section, fleet_tables
from commonwatt.app.fleet.simulation import FleetRun, run_fleet
from commonwatt.app.report import Report, Section, Shown, render
from commonwatt.app.study.joints import joints
from commonwatt.core.errors import ProgrammeError, UsageError
from commonwatt.core.messages import Message
from commonwatt.fleet.policies import Policy, parse_policy
from commonwatt.fleet.policies.place import in_slices
from commonwatt.fleet.traces import check_fits, read_traces
from commonwatt.runs import Input, Recipe, Run, RunStore
from commonwatt.scenario.programme import Programme, load_programme

REPORT = "report.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What a study found.

    Args:
        run: The run as the store keeps it.
        folder: Where its tables and report lie.
        report: The HTML page.
    """

    run: Run
    folder: Path
    report: Path


def run_study(
    programme: str | Path,
    store: RunStore,
    *,
    language: str = "en",
    tell: Callable[[Message], None] = lambda _: None,
) -> Study:
    """Run a programme through every wing and keep the result.

    Args:
        programme: A programme file, or the name of a shipped one.
        store: Where the run is kept.
        language: Language of the report.
        tell: Called with a sentence before each step.

    Raises:
        ProgrammeError: The programme holds faults; nothing is kept.
        TraceError: A job could never run; nothing is kept.
    """
    began = time.process_time()
    loaded = load_programme(programme)
    recipe = study_recipe(loaded, language)
    runs = simulate_programme(loaded, tell)
    tables = fleet_tables(loaded, runs, runs[0].inputs.workload.tenant_names)
    sections = [fleet_section(runs[0], tables, language)]
    figures = headline(runs[0])
    for joint in joints(loaded, runs[0], tell):
        tables |= joint.tables
        sections.append(joint.section(language))
        figures |= joint.headline
    tell(Message("Writing the report"))
    found = _Found(loaded, language, recipe, tables, sections, figures)
    return _kept(store, found, runs[0], began)


def study_recipe(programme: Programme, language: str) -> Recipe:
    """Return what decides a study's result."""
    return Recipe(
        kind="study",
        title=programme.file.title,
        seed=programme.file.seed,
        parameters={"language": language},
        inputs=[Input.of(path) for path in programme.inputs],
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """Everything that a study keeps."""

    programme: Programme
    language: str
    recipe: Recipe
    tables: dict[str, pl.DataFrame]
    sections: list[Section]
    headline: dict[str, Any]

    def report(self) -> Report:
        said = Message("Programme: {title}", {"title": self.programme.file.title})
        return Report(
            title=said.say(self.language),
            language=self.language,
            summary=self.programme.file.summary,
            sections=self.sections,
            birth=_birth(self.programme, self.recipe, self.language),
        )


def simulate_programme(programme: Programme, tell: Callable[[Message], None]) -> list[FleetRun]:
    """Return one run for each policy of the programme, its own first."""
    file, policies = programme.file, policies_of(programme)
    read = read_traces([programme.trace], format=file.demand.format, mapping=programme.mapping)
    fleet = programme.fleet()
    workload = in_slices(programme.at_home(read.workload), fleet)
    check_fits(workload, fleet, where=programme.trace.name)
    inputs = Inputs(
        workload=workload, fleet=fleet, reads=read.reads, files=programme.inputs, pool="all"
    )
    quotas = programme.quotas(workload.tenant_names)
    runs: list[FleetRun] = []
    for policy in policies:
        tell(Message("Simulating {policy}", {"policy": policy.name}))
        runs.append(run_fleet(inputs, policy, seed=file.seed, quotas=quotas))
    return runs


def policies_of(programme: Programme) -> list[Policy]:
    """Return the policy of a programme, then those that it is compared with.

    Raises:
        ProgrammeError: A name is unknown.
    """
    found: list[Policy] = []
    for i, part in enumerate(programme.policies()):
        where = "policy" if i == 0 else f"compare.{i - 1}"
        try:
            found.append(parse_policy(part.order, part.place, part.backfill, part.preemption))
        except UsageError as error:
            key = error.where.removeprefix("--")
            raise ProgrammeError(
                f"{programme.path.name}, {where}.{key}", found=error.found, wanted=error.wanted
            ) from None
    return found


def _kept(store: RunStore, found: _Found, main: FleetRun, began: float) -> Study:
    draft = store.draft(found.recipe)
    try:
        for name, table in found.tables.items():
            draft.add_table(name, table)
        draft.add_text(REPORT, render(found.report()))
        measured = {
            "cpu_s": time.process_time() - began,
            "engine_jobs_per_cpu_s": len(main.result) / max(main.engine_cpu_s, 1e-9),
        }
        run = store.seal(draft, headline=found.headline, measured=measured)
    except BaseException:
        store.discard(draft)
        raise
    folder = store.folder(run.run_id)
    return Study(run=run, folder=folder, report=folder / REPORT)


def headline(main: FleetRun) -> dict[str, Any]:
    """Return the figures that people quote of a study."""
    figures = main.metrics
    return {
        "jobs": figures.all.jobs,
        "jobs_finished": figures.all.jobs_finished,
        "gpus": figures.gpus,
        "utilisation_share": figures.utilisation_share,
        "makespan_utilisation_share": figures.makespan_utilisation_share,
        "mean_queue_delay_s": figures.all.mean_queue_delay_s,
        "p95_queue_delay_s": figures.all.p95_queue_delay_s,
        "energy_kwh": figures.energy_kwh,
        "energy_cost_usd": figures.cost_usd,
        "carbon_kg": figures.carbon_kg,
    }


def _birth(programme: Programme, recipe: Recipe, language: str) -> Shown:
    rows = [["run", recipe.run_id], ["version", __version__], ["seed", str(recipe.seed)]]
    rows += [[one.name, f"sha256 {one.sha256}"] for one in recipe.inputs]
    rows += [[gpu.name, gpu.source] for gpu in programme.gpu_types]
    rows += [[site.label or site.name, site.source] for site in programme.file.sites]
    return Shown(
        title=Message("Where these figures come from").say(language),
        headings=[Message("What").say(language), Message("Source").say(language)],
        rows=rows,
    )
