"""Runs: what ran, from what, into which tables; and where new ones are started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commonwatt.core.messages import Message
from commonwatt.web.page_view import ColumnHeading, HeadlineFact, PageView, TableListing, TableRows
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
    return _one(context, context.desk.runs.get(run_id)) if run_id else _all(context)


def _all(look: RequestContext) -> PageView:
    runs = look.desk.runs.list_runs()
    newest = runs[0].run_id if runs else "none"
    started = look.can(ConsoleAction.START_RUN)
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
                headings=[
                    ColumnHeading("run", Message("Run")),
                    ColumnHeading("title", Message("Title")),
                    ColumnHeading("kind", Message("Kind")),
                    ColumnHeading("made_at", Message("Made")),
                    ColumnHeading("seed", Message("Seed")),
                    ColumnHeading("tables", Message("Tables")),
                    ColumnHeading("version", Message("Version")),
                ],
            )
        ],
        extra={
            "runs": runs[:12],
            "works": list_tasks(look.desk, 8),
            "states": TASK_STATE_NAMES,
            "kinds": KINDS if started else {},
        },
    )


def _one(look: RequestContext, run: Run) -> PageView:
    rows = look.desk.runs.rows
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
            HeadlineFact(label=Message("Kind"), value=run.kind),
            HeadlineFact(label=Message("Seed"), value=str(run.seed)),
            HeadlineFact(label=Message("Version"), value=run.version),
            HeadlineFact(
                label=Message("Result"),
                value=run.result_sha256[:12],
                note=Message("digest of every table"),
            ),
        ],
        tables=[
            TableListing(
                name="inputs",
                title=Message("What went in"),
                rows=TableRows(key=f"inputs/{run.run_id}", load=lambda: _inputs(run)),
                headings=[
                    ColumnHeading("name", Message("File")),
                    ColumnHeading("bytes", Message("Bytes")),
                    ColumnHeading("sha256", Message("SHA-256")),
                ],
            ),
            *(
                TableListing(
                    name=one["name"],
                    title=Message(one["name"]),
                    rows=rows(run, one["name"]),
                    headings=_headings(look, run, one["name"]),
                    folded=True,
                )
                for one in run.tables
            ),
        ],
        sources=[run.run_id],
        extra={
            "run": run,
            "report": (look.desk.runs.folder(run.run_id) / "report.html").is_file(),
        },
        data={
            "headline": run.headline,
            "parameters": run.parameters,
            "inputs": run.inputs,
            "created_at": run.created_at,
        },
    )


def _headings(look: RequestContext, run: Run, table: str) -> list[ColumnHeading]:
    """Return the columns of a run's table under their own names."""
    return [ColumnHeading(name, Message(name)) for name in look.desk.runs.columns(run, table)]


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
