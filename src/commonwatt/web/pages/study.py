"""What the pages about a study share: which run they show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commonwatt.catalogue.measures import TableColumn
from commonwatt.catalogue.shared import (
    GPU_HOUR_COST_P5,
    GPU_HOUR_COST_P50,
    GPU_HOUR_COST_P95,
    SITE,
    UTILISATION,
)
from commonwatt.core.messages import Message
from commonwatt.web.page_view import ColumnHeading, PageView, heading_of
from commonwatt.web.parameters import Options, PageParameter, PageValues, ParameterKind
from commonwatt.web.request_context import RequestContext

if TYPE_CHECKING:
    from commonwatt.runs import Run

KINDS = ("study", "study-what-if")  # the newest of the first is shown where none is named
_CHOICES = 30


def _studies(look: RequestContext) -> Options:
    newest: Options = [("", Message("the newest study"))]
    runs = [run for run in look.desk.runs.list_runs() if run.kind in KINDS][:_CHOICES]
    return [*newest, *((run.run_id, f"{run.title} · {run.created_at[:16]}") for run in runs)]


RUN_OF_STUDY = PageParameter(
    name="run",
    label=Message("Study"),
    meaning=Message("Id of the study's run; the newest study where nothing is given."),
    kind=ParameterKind.CHOICE,
    options=_studies,
    longest=16,
)


def study_of(context: RequestContext, values: PageValues) -> Run | None:
    """Return the study that a page is asked for, or None where there is none yet.

    Raises:
        RunNotFoundError: A run is named that is not there.
    """
    return context.desk.runs.find(values.text(RUN_OF_STUDY.name), *KINDS)


def borrowing_currency(run: Run) -> str:
    """Return the money that a study's borrowing is counted in; empty where nobody borrows."""
    capital = next((key for key in run.headline if key.startswith("capital_")), "")
    return capital.removeprefix("capital_").removesuffix("_bn").upper()


def cost_headings(*more: TableColumn) -> list[ColumnHeading]:
    """Return the columns of cost by site that pages show, and `more` after them."""
    columns = (
        TableColumn.of(SITE),
        TableColumn.of(GPU_HOUR_COST_P5, "p5_usd_per_gpu_hour"),
        TableColumn.of(GPU_HOUR_COST_P50, "p50_usd_per_gpu_hour"),
        TableColumn.of(GPU_HOUR_COST_P95, "p95_usd_per_gpu_hour"),
        TableColumn.of(UTILISATION, "utilisation_share"),
        *more,
    )
    return [heading_of(column) for column in columns]


def page_without_study(context: RequestContext) -> PageView:
    """Return the page of a store without a study, and what is under way to make one."""
    from commonwatt.web.tasks.supervisor import list_tasks

    return PageView(
        extra={"under_way": [work for work in list_tasks(context.desk, 5) if not work.over]},
        lede=Message(
            "There is no study yet. Start one on the page of runs, or with the command: "
            "commonwatt study harbour"
        ),
    )
