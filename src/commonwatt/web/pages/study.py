"""What the pages about a study share: which run they show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commonwatt.core.messages import Message
from commonwatt.web.page_view import View
from commonwatt.web.parameters import Kind, Options, Parameter, Values
from commonwatt.web.request_context import Look

if TYPE_CHECKING:
    from commonwatt.runs import Run

KINDS = ("study", "study-what-if")  # the newest of the first is shown where none is named
_CHOICES = 30


def _studies(look: Look) -> Options:
    newest: Options = [("", Message("the newest study"))]
    runs = [run for run in look.desk.runs.every() if run.kind in KINDS][:_CHOICES]
    return [*newest, *((run.run_id, f"{run.title} · {run.created_at[:16]}") for run in runs)]


RUN_OF_STUDY = Parameter(
    name="run",
    label=Message("Study"),
    meaning=Message("Id of the study's run; the newest study where nothing is given."),
    kind=Kind.CHOICE,
    options=_studies,
    longest=16,
)


def study_of(look: Look, values: Values) -> Run | None:
    """Return the study that a page is asked for, or None where there is none yet.

    Raises:
        RunNotFoundError: A run is named that is not there.
    """
    return look.desk.runs.find(values.text(RUN_OF_STUDY.name), *KINDS)


def no_study(look: Look) -> View:
    """Return the page of a store without a study, and what is under way to make one."""
    from commonwatt.web.tasks.supervisor import list_works

    return View(
        extra={"under_way": [work for work in list_works(look.desk, 5) if not work.over]},
        lede=Message(
            "There is no study yet. Start one on the page of runs, or with the command: "
            "commonwatt study harbour"
        ),
    )
