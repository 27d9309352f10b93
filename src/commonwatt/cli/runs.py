"""`commonwatt runs`: what was run, from what, into which tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from commonwatt.cli.databases import DATABASE_LOCATION
from commonwatt.cli.frame import CommandResult, LazyGroup, command, option
from commonwatt.cli.options import run_argument, store_option
from commonwatt.cli.terminal_text import (
    figure_sentence,
    indented,
    labelled_terminal_text,
    terminal_figures_text,
    terminal_table_text,
)
from commonwatt.core.errors import InputError
from commonwatt.core.messages import Message, translate

if TYPE_CHECKING:
    from commonwatt.runs import FigureLineage, Run, RunStore

runs = LazyGroup(
    name="runs",
    help="List and show what was run, and trace a figure to its sources.",
    example=(
        "commonwatt runs list\n"
        "commonwatt runs show latest\n"
        "commonwatt runs trace latest cost.home.usd_per_gpu_hour"
    ),
)


@command(runs, "list", example="commonwatt runs list --json")
@store_option
def runs_list_command(store: Path) -> CommandResult:
    """List the runs of this store, newest first."""
    from commonwatt.runs import RunStore

    runs_listed = RunStore(store).list()
    return CommandResult(
        data={"store": fspath(store), "runs": [_run_list_command_row(run) for run in runs_listed]},
        text=lambda language: _run_list_terminal_text(runs_listed, language),
    )


@command(
    runs,
    "migrate",
    example="commonwatt runs migrate\n"
    "commonwatt runs migrate --database postgresql://me@db/commonwatt",
)
@store_option
@option(
    "--database",
    type=DATABASE_LOCATION,
    envvar="COMMONWATT_RUNS_DATABASE",
    help="PostgreSQL that holds the rows from now on, for several hosts: its URL, or @FILE that "
    "holds it (or COMMONWATT_RUNS_DATABASE).",
)
def runs_migrate_command(store: Path, database: str | None) -> CommandResult:
    """Bring the database of this store up to this version, or to a PostgreSQL."""
    from commonwatt.cli.migrations import migrate_database_command_result
    from commonwatt.runs import RunStore
    from commonwatt.runs.database import run_database_path_or_url

    answer = migrate_database_command_result(run_database_path_or_url(store, database))
    # Opened once, so that the folder remembers its database and every run in it is listed there.
    RunStore(store, database)
    return answer


@command(runs, "check", example="commonwatt runs check\ncommonwatt runs check latest")
@store_option
@click.argument("run", metavar="[RUN]", required=False)
def runs_check_command(store: Path, run: str | None) -> CommandResult:
    """Prove that every listed run is unchanged; of one study, that each figure follows.

    With RUN, each figure is evaluated anew over the tables of that run.
    """
    from commonwatt.runs import RunStore
    from commonwatt.runs.check import run_store_fault_messages
    from commonwatt.runs.measures import RUNS_LISTED

    opened = RunStore(store)
    if run is not None:
        # A different question: this evaluates figures over tables, the other compares bytes with
        # their digests.
        return _check_study_command_result(opened, run)
    listed = len(opened.ids())
    faults = run_store_fault_messages(store)
    if faults:
        # The data's fault and not a bug: it is not ours that somebody changed a file.
        raise InputError(str(store), found=faults[0])
    return CommandResult(
        data={"store": fspath(store), "runs": listed, "whole": True},
        text=lambda language: figure_sentence(
            Message("{count} runs are whole."), language, {"count": (RUNS_LISTED, listed)}
        ),
    )


def _check_study_command_result(store: RunStore, prefix: str) -> CommandResult:
    from commonwatt.runs.measures import FIGURES_CHECKED
    from commonwatt.study.check import study_run_fault_messages

    run = store.get(prefix)
    count = sum(1 for figure in run.figures if figure.get("expression"))
    faults = study_run_fault_messages(store.folder(run.run_id))
    # No figures is no proof: a run without any would otherwise be called whole.
    if not count:
        faults = [
            Message("Run {run} has no figures to check; it is no study.", {"run": run.run_id})
        ]
    if faults:
        raise InputError(run.run_id, found=faults[0])
    return CommandResult(
        data={"run_id": run.run_id, "figures": count, "whole": True},
        text=lambda language: figure_sentence(
            Message("{count} figures of run {run} follow from its tables.", {"run": run.run_id}),
            language,
            {"count": (FIGURES_CHECKED, count)},
        ),
    )


@command(runs, "show", example="commonwatt runs show latest")
@store_option
@run_argument
def show_run(store: Path, run: str) -> CommandResult:
    """Show one run: what went in, what came out, and where it lies."""
    from commonwatt.runs import RunStore

    opened = RunStore(store)
    run_shown = opened.get(run)
    folder = opened.folder(run_shown.run_id)
    return CommandResult(
        data=_show_run_command_data(run_shown) | {"folder": fspath(folder)},
        text=lambda language: _show_run_terminal_text(run_shown, folder, language),
        tables=opened.tables_on_demand(run_shown),
    )


@command(
    runs,
    "trace",
    example=(
        "commonwatt runs trace latest cost.home.usd_per_gpu_hour\ncommonwatt runs trace latest 2.21"
    ),
)
@store_option
@run_argument
@click.argument("figure", metavar="FIGURE")
def runs_trace_command(store: Path, run: str, figure: str) -> CommandResult:
    """Trace a figure of a run to its formula, its inputs, their sources, and the run.

    FIGURE is its name, the end of it, words of its label, or its value as the report shows it.
    """
    from commonwatt.runs import RunStore, figure_lineage

    run_traced = RunStore(store).get(run)
    origin = figure_lineage(run_traced, figure)
    return CommandResult(
        data={
            "run_id": run_traced.run_id,
            "title": run_traced.title,
            "created_at": run_traced.created_at,
            "version": run_traced.version,
            "source_digest": run_traced.source_digest,
            "seed": run_traced.seed,
            "inputs": run_traced.inputs,
            "figure": origin.as_dict(),
        },
        text=lambda language: _figure_lineage_terminal_text(run_traced, origin, language),
    )


def _figure_lineage_terminal_text(run: Run, origin: FigureLineage, language: str) -> str:
    """Return a tree: every figure once in full, and by its name where it comes again."""
    from commonwatt.core.messages import Message

    sentence = Message(
        "Run {run_id} of {title}, {created_at}, seed {seed}",
        {
            "run_id": run.run_id,
            "title": run.title,
            "created_at": run.created_at,
            "seed": f"{run.seed}",
        },
    )
    return "\n".join(
        [*_figure_lineage_terminal_lines(origin, 0, set(), language), sentence.translate(language)]
    )


def _figure_lineage_terminal_lines(
    figure: FigureLineage, depth: int, named_before: set[str], language: str
) -> list[str]:
    from commonwatt.catalogue.shared import SOURCE

    head = " = ".join(text for text in (figure.name, figure.shown) if text)
    # A figure may go into many others; written out each time, the tree of a study would be endless
    # to read.
    if figure.name in named_before:
        return [indented(f"{head} ↑", depth)]
    named_before.add(figure.name)
    lines = [indented(head, depth)]
    if figure.formula:
        lines.append(indented(f"= {translate(figure.formula, language)}", depth + 1))
    # Below the sentence, the expression that was evaluated: the sentence is for people, this one
    # gave the figure.
    lines += [indented(line, depth + 2) for line in figure.expression.splitlines()]
    source = "; ".join(text for text in (figure.source, figure.dated, figure.confidence) if text)
    if source:
        lines.append(indented(labelled_terminal_text(SOURCE, source, language), depth + 1))
    return lines + [
        line
        for below in figure.inputs
        for line in _figure_lineage_terminal_lines(below, depth + 1, named_before, language)
    ]


def _run_list_command_row(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "kind": run.kind,
        "title": run.title,
        "created_at": run.created_at,
    }


def _show_run_command_data(run: Run) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(run)


def _run_list_terminal_text(stored_runs: list[Run], language: str) -> str:
    from commonwatt.runs.measures import RUNS
    from commonwatt.runs.titles import run_title_message

    if not stored_runs:
        return translate("No runs yet. Make one with: commonwatt study harbour", language)
    columns = [RUNS.column(name) for name in ("run", "made_at", "kind", "title")]
    titles = {
        run.run_id: run_title_message(run.title, run.parameters).translate(language)
        for run in stored_runs
    }
    rows = [
        {
            "run": run.run_id,
            "made_at": run.created_at,
            "kind": run.kind,
            "title": titles[run.run_id],
        }
        for run in stored_runs
    ]
    return terminal_table_text(columns, rows, language)


def _show_run_terminal_text(run: Run, folder: Path, language: str) -> str:
    from commonwatt.runs.measures import (
        HEADLINE,
        INPUTS,
        RESULT_DIGEST,
        SEED,
        TABLES,
        VERSION,
    )
    from commonwatt.runs.titles import run_title_message

    inputs = [file | {"sha256": file["sha256"][:16]} for file in run.inputs]
    tables = [table | {"sha256": table["parquet_sha256"][:16]} for table in run.tables]
    # A seed is a name, and thousands in it are not parted.
    ending = ((SEED, f"{run.seed}"), (VERSION, run.version), (RESULT_DIGEST, run.result_sha256))
    return "\n".join(
        [
            f"{run_title_message(run.title, run.parameters).translate(language)} ({run.kind})",
            indented(f"{run.run_id}  {run.created_at}  {folder}"),
            translate("Inputs", language),
            indented(terminal_table_text(INPUTS.columns, inputs, language)),
            translate("Tables", language),
            indented(terminal_table_text(TABLES.columns, tables, language)),
            translate("Headline", language),
            indented(
                terminal_table_text(
                    HEADLINE.columns, _headline_name_value_terminal_rows(run.headline), language
                )
            ),
            terminal_figures_text(ending, language),
        ]
    )


def _headline_name_value_terminal_rows(headline: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a row for each figure, those by site or by alternative one by one."""
    for name, value in headline.items():
        if isinstance(value, Mapping):
            figures = cast("Mapping[str, object]", value)
            yield from ({"name": f"{name}.{part}", "value": each} for part, each in figures.items())
        else:
            yield {"name": name, "value": value}
