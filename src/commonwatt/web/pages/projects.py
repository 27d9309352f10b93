"""Data projects: what each is for, what waits in its airlock, and what would leave."""

from __future__ import annotations

from typing import Any

import commonwatt.sandbox.domain.measures as measures
from commonwatt.catalogue.measures import label_of
from commonwatt.core.messages import Message
from commonwatt.web.page_view import (
    ColumnHeading,
    PageView,
    TableListing,
    headings_of,
    headline_of,
)
from commonwatt.web.pages.states import listing
from commonwatt.web.parameters import Options, PageParameter, PageValues, ParameterKind
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction, check


def _project_choices(context: RequestContext) -> Options:
    from commonwatt.sandbox.usecases.overview import project_rows

    projects = [(row["room"], row["room"]) for row in project_rows(context.services.ledger)]
    return [("", Message("all projects")), *projects]


PROJECT = PageParameter(
    name="room",
    label=label_of(measures.PROJECT),
    meaning=Message("One data project; all of them where nothing is given."),
    kind=ParameterKind.CHOICE,
    options=_project_choices,
    longest=80,
)
OUTPUT = PageParameter(
    name="output",
    label=Message("Output"),
    meaning=Message("SHA-256 of an output to review."),
    longest=64,
)


def build(context: RequestContext, values: PageValues) -> PageView:
    """Return all projects, or one with its datasets, outputs, uses and alerts."""
    room, output = values.text(PROJECT.name), values.text(OUTPUT.name)
    if not room:
        return _all(context)
    if not output:
        return _one(context, room)
    check(context.visitor.roles, ConsoleAction.SEE_OUTPUTS)
    return _review(context, room, output)


def _listing(
    context: RequestContext,
    name: str,
    title: Message,
    rows: list[dict[str, Any]],
    headings: list[ColumnHeading],
) -> TableListing:
    """Return a table of states; its key follows the ledger, which grows with every change."""
    key = f"rooms/{name}/{context.path}/{context.services.ledger.head().size}"
    return listing(name, title, rows, headings, key=key)


def _all(context: RequestContext) -> PageView:
    from commonwatt.sandbox.usecases.overview import project_rows

    projects = project_rows(context.services.ledger)
    waiting = sum(row["in_airlock"] for row in projects)
    return PageView(
        lede=Message(
            "{rooms} data projects; {waiting} outputs wait in their airlocks. Data are used in a "
            "project and seen by nobody; what leaves was approved by two checkers.",
            {"rooms": str(len(projects)), "waiting": str(waiting)},
        ),
        tables=[
            _listing(
                context, "rooms", Message("Data projects"), projects, headings_of(measures.PROJECTS)
            )
        ],
        extra={"rooms": projects},
        notes=[
            Message(
                "A project is opened, filled and signed by its custodian from the command line, "
                "where the data are: commonwatt sandbox init --help"
            )
        ],
    )


def _one(context: RequestContext, room: str) -> PageView:
    from commonwatt.sandbox.usecases.overview import project_state

    project = project_state(
        context.services.ledger, context.services.settings.rooms, room, context.now
    )
    budget, activity = project["budget"], project["watch"]
    states = [row["state"] for row in project["outputs"]]
    language = context.language
    return PageView(
        lede=Message(
            "Project {room} is {state}, for {scope}, until {day}.",
            {
                "room": room,
                "state": project["state"],
                "scope": project["scope"],
                "day": project["expires_on"],
            },
        ),
        facts=[
            headline_of(
                measures.WAITING,
                states.count("waiting"),
                language,
                note=Message("two checkers, never the author"),
            ),
            headline_of(measures.APPROVED, states.count("approved"), language),
            headline_of(measures.STOPPED, states.count("stopped"), language),
            headline_of(
                measures.SPENT,
                budget["spent_epsilon"],
                language,
                note=Message("of {limit}", {"limit": f"{budget['limit_epsilon']:g}"}),
            ),
            headline_of(measures.ALERT_COUNT, len(activity["alerts"]), language),
        ],
        tables=_tables(context, project, activity),
        extra={
            "room": room,
            "outputs": project["outputs"],
            "may_see": context.can(ConsoleAction.SEE_OUTPUTS),
        },
    )


def _tables(
    context: RequestContext, project: dict[str, Any], activity: dict[str, Any]
) -> list[TableListing]:

    listed = [
        ("outputs", Message("Outputs"), project["outputs"], measures.PROJECT_OUTPUTS),
        ("datasets", Message("Datasets"), project["datasets"], measures.PROJECT_DATASETS),
        ("alerts", Message("What is unusual"), activity["alerts"], measures.ALERTS),
        ("steps", Message("Who did what"), activity["steps"], measures.STEPS),
    ]
    return [
        _listing(context, name, title, rows, headings_of(table))
        for name, title, rows, table in listed
    ]


def _review(context: RequestContext, room: str, output: str) -> PageView:
    from commonwatt.sandbox.usecases.overview import output_review

    review = output_review(context.services.ledger, context.services.settings.rooms, room, output)
    return PageView(
        lede=Message(
            "{name}, {bytes} bytes, {state}. These bytes and no others would leave.",
            {
                "name": review.row["name"],
                "bytes": f"{review.size:,}",
                "state": review.row["state"],
            },
        ),
        extra={
            "room": room,
            "review": review,
            "may_vote": context.can(ConsoleAction.VOTE_OUTPUT) and review.row["state"] == "waiting",
            "may_release": context.can(ConsoleAction.RELEASE_OUTPUT)
            and review.row["state"] in {"approved", "released"},
        },
        data={"output": output, "state": review.row["state"], "changes": review.changes},
    )


PAGE = Page(
    name="rooms",
    title=Message("Data projects"),
    action=ConsoleAction.SEE_PROJECTS,
    build=build,
    parameters=(PROJECT, OUTPUT),
    template="rooms.html",
    group="govern",
)
