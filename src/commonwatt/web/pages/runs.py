"""Runs: what ran, from what, into which tables; and where new ones are started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commonwatt.core.messages import Message
from commonwatt.web.page_view import Fact, Heading, Listing, Rows, View
from commonwatt.web.parameters import Parameter, Values
from commonwatt.web.request_context import Look, Page
from commonwatt.web.roles import Action
from commonwatt.web.tasks.kinds import KINDS
from commonwatt.web.tasks.supervisor import STATE_NAMES, list_works

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.runs import Run

RUN = Parameter(
    name="run",
    label=Message("Run"),
    meaning=Message("Id of a run; every run where nothing is given."),
    longest=16,
)


def build(look: Look, values: Values) -> View:
    """Return one run with what went in and what came out, or the list of all."""
    run_id = values.text("run")
    return _one(look, look.desk.runs.get(run_id)) if run_id else _all(look)


def _all(look: Look) -> View:
    runs = look.desk.runs.every()
    newest = runs[0].run_id if runs else "none"
    started = look.can(Action.START_RUN)
    return View(
        lede=Message(
            "Runs in the store: {count}. A run never changes: the same inputs, seed and "
            "version give the same bytes.",
            {"count": f"{len(runs):,}"},
        ),
        tables=[
            Listing(
                name="runs",
                title=Message("Runs"),
                rows=Rows(key=f"runs/{len(runs)}-{newest}", load=lambda: _frame(runs)),
                headings=[
                    Heading("run", Message("Run")),
                    Heading("title", Message("Title")),
                    Heading("kind", Message("Kind")),
                    Heading("made_at", Message("Made")),
                    Heading("seed", Message("Seed")),
                    Heading("tables", Message("Tables")),
                    Heading("version", Message("Version")),
                ],
            )
        ],
        extra={
            "runs": runs[:12],
            "works": list_works(look.desk, 8),
            "states": STATE_NAMES,
            "kinds": KINDS if started else {},
        },
    )


def _one(look: Look, run: Run) -> View:
    rows = look.desk.runs.rows
    return View(
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
            Fact(label=Message("Kind"), value=run.kind),
            Fact(label=Message("Seed"), value=str(run.seed)),
            Fact(label=Message("Version"), value=run.version),
            Fact(
                label=Message("Result"),
                value=run.result_sha256[:12],
                note=Message("digest of every table"),
            ),
        ],
        tables=[
            Listing(
                name="inputs",
                title=Message("What went in"),
                rows=Rows(key=f"inputs/{run.run_id}", load=lambda: _inputs(run)),
                headings=[
                    Heading("name", Message("File")),
                    Heading("bytes", Message("Bytes")),
                    Heading("sha256", Message("SHA-256")),
                ],
            ),
            *(
                Listing(
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


def _headings(look: Look, run: Run, table: str) -> list[Heading]:
    """Return the columns of a run's table under their own names."""
    return [Heading(name, Message(name)) for name in look.desk.runs.columns(run, table)]


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
    action=Action.SEE_PLANS,
    build=build,
    parameters=(RUN,),
    template="runs.html",
    group="run",
)
