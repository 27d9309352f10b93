"""What the pages about a study share: which run they show."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from commonwatt.core.messages import Message
from commonwatt.runs.titles import run_recipe_change_texts, run_title_message
from commonwatt.siting.domain.tables import COST_SITES
from commonwatt.web.page_view import (
    ColumnHeading,
    PageSubject,
    PageView,
    console_column_headings_of,
)
from commonwatt.web.parameters import Options, PageParameter, PageValues, ParameterKind
from commonwatt.web.public_study import pinned_study_id_or_blank, public_study
from commonwatt.web.request_context import RequestContext

if TYPE_CHECKING:
    from commonwatt.runs import Run

KINDS = ("study", "study-what-if")  # the newest of the first is shown where none is named
_CHOICES = 30


def _study_run_options(context: RequestContext) -> Options:
    first = Message("the newest study")
    if pinned := pinned_study_id_or_blank(context.services):
        # A pin whose run is gone pins nothing; the newest study is then shown.
        shown = public_study(context.services)
        if shown is not None and shown.run_id == pinned:
            title = context.translate(run_title_message(shown.title, shown.parameters))
            first = Message("the public study, {title}", {"title": title})
    newest: Options = [("", first)]
    runs = [run for run in context.services.runs.list_runs() if run.kind in KINDS][:_CHOICES]
    return [*newest, *((run.run_id, run_choice_text(context, run)) for run in runs)]


RUN_OF_STUDY = PageParameter(
    name="run",
    label=Message("Study"),
    meaning=Message(
        "Id of the study's run; the public study where nothing is given, else the newest one."
    ),
    kind=ParameterKind.CHOICE,
    options=_study_run_options,
    longest=16,
)


def run_choice_text(context: RequestContext, run: Run) -> str:
    """Return a run as a choice of a form: what it is called, and when it was made."""
    title = context.translate(run_title_message(run.title, run.parameters))
    own = own_programme_file_name_or_blank(run)
    return f"{title}{f' ({own})' if own else ''} · {context.instant(run.created_at)}"


def study_run_of_page(context: RequestContext, values: PageValues) -> Run | None:
    """Return the study that a page is asked for, or None where there is none yet.

    Raises:
        RunNotFoundError: A run is named that is not there.
    """
    run_id = values.text(RUN_OF_STUDY.name)
    if not run_id:
        return public_study(context.services)
    return context.services.runs.find_run_or_newest_of_kind(run_id, *KINDS)


def study_page_content_key(context: RequestContext, values: PageValues) -> str:
    """Return what a page about a study is made of: the pin, and which runs there are.

    Runs are sealed, so that their ids stand for all that is in them; the list of them is part
    of the page's form.
    """
    del values
    digest = hashlib.sha256(" ".join(context.services.runs.ids()).encode()).hexdigest()
    return f"{pinned_study_id_or_blank(context.services)}/{digest}"


def page_subject_of_run(
    context: RequestContext, run: Run, pinned: str | None = None
) -> PageSubject:
    """Return what a page about a study says it is about.

    Args:
        context: Who looks.
        run: The study.
        pinned: Id of the pinned study, where a list has asked for it already.
    """
    public = pinned_study_id_or_blank(context.services) if pinned is None else pinned
    return PageSubject(
        title=run_title_message(run.title, run.parameters),
        what_if=run.run_id if run_recipe_change_texts(run.parameters) else "",
        public=run.run_id == public,
        own=own_programme_file_name_or_blank(run),
    )


def own_programme_file_name_or_blank(run: Run) -> str:
    """Return the file of a study's programme where it is none of the shipped ones."""
    from commonwatt.study.programme.shipped import shipped_programme_names

    if run.kind not in KINDS or not run.inputs:
        return ""
    # The programme is the first input of every study.
    name: str = run.inputs[0]["name"]
    return "" if name.removesuffix(".toml") in shipped_programme_names() else name


def borrowing_currency_of_page_run_or_blank(run: Run) -> str:
    """Return the money that a study's borrowing is counted in; empty where nobody borrows."""
    # The currency stands in the name of the headline's key, such as capital_hkd_bn.
    capital = next((key for key in run.headline if key.startswith("capital_")), "")
    return capital.removeprefix("capital_").removesuffix("_bn").upper()


def page_site_cost_headings() -> list[ColumnHeading]:
    """Return the columns of cost by site that a summary shows."""
    return console_column_headings_of(
        COST_SITES,
        "site",
        "p5_usd_per_gpu_hour",
        "p50_usd_per_gpu_hour",
        "p95_usd_per_gpu_hour",
        "utilisation_share",
    )


def page_without_study(context: RequestContext) -> PageView:
    """Return the page of a store without a study, and what is under way to make one."""
    from commonwatt.web.tasks.supervisor import console_task_title_message, list_newest_tasks

    return PageView(
        fleeting=True,
        extra={
            # A new console is still making its sample; an empty page without this would read as a
            # fault.
            "under_way": [
                (work, console_task_title_message(work))
                for work in list_newest_tasks(context.services, 5)
                if not work.over
            ]
        },
        lede=Message(
            "There is no study yet. Start one on the page of runs, or with the command: "
            "commonwatt study harbour"
        ),
    )
