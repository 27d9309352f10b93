"""Runs: what ran, from what, into which tables; and where new ones are started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from commonwatt.core.messages import Message
from commonwatt.runs.measures import INPUTS, RESULT_DIGEST, RUN_KIND, RUNS, SEED, VERSION
from commonwatt.runs.titles import run_title_message
from commonwatt.web.page_view import (
    ColumnHeading,
    PageView,
    TableListing,
    TableRows,
    console_column_headings_of,
    console_headings_of_names,
    page_headline_fact_of_figure,
)
from commonwatt.web.pages.study import borrowing_currency_of_page_run_or_blank, page_subject_of_run
from commonwatt.web.parameters import PageParameter, PageValues
from commonwatt.web.public_study import STUDY, pinned_study_id_or_blank
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction
from commonwatt.web.tasks.kinds import KINDS
from commonwatt.web.tasks.lifecycle import TASK_STATE_NAMES
from commonwatt.web.tasks.supervisor import console_task_title_message, list_newest_tasks

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.runs import Run

RUN_KIND_NAMES: Final[Mapping[str, Message]] = {
    "study": Message("study"),
    "study-what-if": Message("what-if"),
    "fleet-compare": Message("comparison of policies"),
    "fleet-explain": Message("why a job waited"),
}
"""What people call the kinds of run that the console starts; others go by their own name."""

RUN = PageParameter(
    name="run",
    label=Message("Run"),
    meaning=Message("Id of a run; every run where nothing is given."),
    longest=16,
)


def build_runs_page(context: RequestContext, values: PageValues) -> PageView:
    """Return one run with what went in and what came out, or the list of all."""
    run_id = values.text("run")
    return (
        _one_run_page(context, context.services.runs.get(run_id))
        if run_id
        else _all_runs_page(context)
    )


def _all_runs_page(context: RequestContext) -> PageView:
    runs = context.services.runs.list_runs()
    newest = runs[0].run_id if runs else "none"
    started = context.can(ConsoleAction.START_RUN)
    works = list_newest_tasks(context.services, 8)
    pinned = pinned_study_id_or_blank(context.services)
    return PageView(
        lede=Message(
            "Runs in the store: {count}. A run never changes: the same inputs, seed and "
            "version give the same bytes.",
            {"count": f"{len(runs):,}"},
        ),
        tables=[
            TableListing(
                name="runs",
                title=Message("Runs"),
                rows=TableRows(
                    # With the language: titles say in words what was changed.
                    key=f"runs/{len(runs)}-{newest}/{context.language}",
                    load=lambda: _runs_page_frame(context, runs),
                ),
                headings=console_column_headings_of(RUNS),
            )
        ],
        extra={
            "runs": [(run, page_subject_of_run(context, run, pinned)) for run in runs[:12]],
            "run_kinds": RUN_KIND_NAMES,
            "titles": {work.work_id: console_task_title_message(work) for work in works},
            "works": works,
            "states": TASK_STATE_NAMES,
            # Without a form for whoever may not start a run; the route refuses them in any case.
            "kinds": KINDS if started else {},
        },
    )


def _one_run_page(context: RequestContext, run: Run) -> PageView:
    rows, language = context.services.runs.rows, context.language
    return PageView(
        lede=Message(
            "{title}, made on {day} from {inputs} files into {tables} tables.",
            {
                "title": context.translate(run_title_message(run.title, run.parameters)),
                "day": context.day(run.created_at),
                "inputs": str(len(run.inputs)),
                "tables": str(len(run.tables)),
            },
        ),
        facts=[
            page_headline_fact_of_figure(RUN_KIND, run.kind, language),
            page_headline_fact_of_figure(SEED, str(run.seed), language),
            page_headline_fact_of_figure(VERSION, run.version, language),
            page_headline_fact_of_figure(RESULT_DIGEST, run.result_sha256[:12], language),
        ],
        tables=[
            TableListing(
                name="inputs",
                title=Message("What went in"),
                rows=TableRows(
                    key=f"inputs/{run.run_id}", load=lambda: _run_page_inputs_frame(run)
                ),
                headings=console_column_headings_of(INPUTS, "name", "bytes", "sha256"),
            ),
            *(
                TableListing(
                    name=table["name"],
                    title=Message(table["name"]),
                    rows=rows(run, table["name"]),
                    headings=_run_table_headings(context, run, table["name"]),
                    # A study has dozens of tables: listed by name here, each opens on its own page.
                    folded=True,
                )
                for table in run.tables
            ),
        ],
        sources=[run.run_id],
        extra={
            "run": run,
            "may_pin": run.kind == STUDY and context.can(ConsoleAction.PIN_STUDY),
            "pinned": run.run_id == pinned_study_id_or_blank(context.services),
            "changed": run.kind == "study-what-if",
            "report": (context.services.runs.folder(run.run_id) / "report.html").is_file(),
        },
        data={
            "headline": run.headline,
            "parameters": run.parameters,
            "inputs": run.inputs,
            "created_at": run.created_at,
        },
    )


def _run_table_headings(context: RequestContext, run: Run, table: str) -> list[ColumnHeading]:
    """Return the columns of a run's table as the catalogue calls them, else by their names."""
    from commonwatt.study.measures import declared_study_table_schema_or_none

    declared = declared_study_table_schema_or_none(
        table, borrowing_currency_of_page_run_or_blank(run)
    )
    names = context.services.runs.columns(run, table)
    # A run of an earlier version may lack a column that is declared today; its own names are then
    # the truth.
    if declared is None or [column.name for column in declared.columns] != list(names):
        return console_headings_of_names(names)
    return console_column_headings_of(
        declared, currency=borrowing_currency_of_page_run_or_blank(run)
    )


def _runs_page_frame(context: RequestContext, runs: list[Run]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(
        {
            "run": [run.run_id for run in runs],
            "title": [
                context.translate(run_title_message(run.title, run.parameters)) for run in runs
            ],
            "kind": [run.kind for run in runs],
            "made_at": [run.created_at for run in runs],
            # As text: a seed is a name, and 20261130 must not be shown as 20,261,130.
            "seed": [str(run.seed) for run in runs],
            "tables": [len(run.tables) for run in runs],
            "version": [run.version for run in runs],
        },
        schema_overrides={"tables": pl.Int64},
    )


def _run_page_inputs_frame(run: Run) -> pl.DataFrame:
    import polars as pl

    schema = {"name": pl.String, "sha256": pl.String, "bytes": pl.Int64}
    return pl.DataFrame(run.inputs, schema=schema)


PAGE = Page(
    name="runs",
    title=Message("Runs"),
    action=ConsoleAction.SEE_PLANS,
    build=build_runs_page,
    parameters=(RUN,),
    template="runs.html",
    group="run",
)
