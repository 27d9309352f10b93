"""Runs: what ran, from what, into which tables; and where new ones are started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commonwatt.core.messages import Message
from commonwatt.runs.measures import INPUTS, RESULT_DIGEST, RUN_KIND, RUNS, SEED, VERSION
from commonwatt.web.page_view import (
    ColumnHeading,
    PageView,
    TableListing,
    TableRows,
    headings_of,
    headline_of,
    plain_headings,
)
from commonwatt.web.pages.study import borrowing_currency
from commonwatt.web.parameters import PageParameter, PageValues
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction
from commonwatt.web.tasks.kinds import KINDS
from commonwatt.web.tasks.supervisor import TASK_STATE_NAMES, list_tasks

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.runs import Run

RUN = PageParameter(
    name="run",
    label=Message("Run"),
    meaning=Message("Id of a run; every run where nothing is given."),
    longest=16,
)


def build(context: RequestContext, values: PageValues) -> PageView:
    """Return one run with what went in and what came out, or the list of all."""
    run_id = values.text("run")
    return _one(context, context.services.runs.get(run_id)) if run_id else _all(context)


def _all(context: RequestContext) -> PageView:
    runs = context.services.runs.list_runs()
    newest = runs[0].run_id if runs else "none"
    started = context.can(ConsoleAction.START_RUN)
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
                rows=TableRows(key=f"runs/{len(runs)}-{newest}", load=lambda: _frame(runs)),
                headings=headings_of(RUNS),
            )
        ],
        extra={
            "runs": runs[:12],
            "works": list_tasks(context.services, 8),
            "states": TASK_STATE_NAMES,
            "kinds": KINDS if started else {},
        },
    )


def _one(context: RequestContext, run: Run) -> PageView:
    rows, language = context.services.runs.rows, context.language
    return PageView(
        lede=Message(
            "{title}, made on {day} from {inputs} files into {tables} tables.",
            {
                "title": run.title,
                "day": run.created_at[:10],
                "inputs": str(len(run.inputs)),
                "tables": str(len(run.tables)),
            },
        ),
        facts=[
            headline_of(RUN_KIND, run.kind, language),
            headline_of(SEED, str(run.seed), language),
            headline_of(VERSION, run.version, language),
            headline_of(RESULT_DIGEST, run.result_sha256[:12], language),
        ],
        tables=[
            TableListing(
                name="inputs",
                title=Message("What went in"),
                rows=TableRows(key=f"inputs/{run.run_id}", load=lambda: _inputs(run)),
                headings=headings_of(INPUTS, "name", "bytes", "sha256"),
            ),
            *(
                TableListing(
                    name=table["name"],
                    title=Message(table["name"]),
                    rows=rows(run, table["name"]),
                    headings=_headings(context, run, table["name"]),
                    folded=True,
                )
                for table in run.tables
            ),
        ],
        sources=[run.run_id],
        extra={
            "run": run,
            "report": (context.services.runs.folder(run.run_id) / "report.html").is_file(),
        },
        data={
            "headline": run.headline,
            "parameters": run.parameters,
            "inputs": run.inputs,
            "created_at": run.created_at,
        },
    )


def _headings(context: RequestContext, run: Run, table: str) -> list[ColumnHeading]:
    """Return the columns of a run's table as the catalogue calls them, else by their names."""
    from commonwatt.study.measures import declared_table

    declared = declared_table(table, borrowing_currency(run))
    names = context.services.runs.columns(run, table)
    if declared is None or [column.name for column in declared.columns] != list(names):
        return plain_headings(names)
    return headings_of(declared, currency=borrowing_currency(run))


def _frame(runs: list[Run]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(
        {
            "run": [run.run_id for run in runs],
            "title": [run.title for run in runs],
            "kind": [run.kind for run in runs],
            "made_at": [run.created_at for run in runs],
            "seed": [str(run.seed) for run in runs],
            "tables": [len(run.tables) for run in runs],
            "version": [run.version for run in runs],
        },
        schema_overrides={"tables": pl.Int64},
    )


def _inputs(run: Run) -> pl.DataFrame:
    import polars as pl

    schema = {"name": pl.String, "sha256": pl.String, "bytes": pl.Int64}
    return pl.DataFrame(run.inputs, schema=schema)


PAGE = Page(
    name="runs",
    title=Message("Runs"),
    action=ConsoleAction.SEE_PLANS,
    build=build,
    parameters=(RUN,),
    template="runs.html",
    group="run",
)
