"""Rooms: what each is for, what waits in its airlock, and what would leave."""

from __future__ import annotations

from typing import Any

from commonwatt.core.messages import Message
from commonwatt.web.page_view import ColumnHeading, HeadlineFact, PageView, TableListing
from commonwatt.web.pages.states import listing
from commonwatt.web.parameters import Options, PageParameter, PageValues, ParameterKind
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction, check


def _rooms(look: RequestContext) -> Options:
    from commonwatt.sandbox.usecases.overview import project_rows

    every = [(row["room"], row["room"]) for row in project_rows(look.desk.ledger)]
    return [("", Message("all rooms")), *every]


PROJECT = PageParameter(
    name="room",
    label=Message("Room"),
    meaning=Message("One room; all of them where nothing is given."),
    kind=ParameterKind.CHOICE,
    options=_rooms,
    longest=80,
)
OUTPUT = PageParameter(
    name="output",
    label=Message("Output"),
    meaning=Message("SHA-256 of an output to review."),
    longest=64,
)


def build(context: RequestContext, values: PageValues) -> PageView:
    """Return all rooms, or one with its datasets, outputs, uses and alerts."""
    room, output = values.text(PROJECT.name), values.text(OUTPUT.name)
    if not room:
        return _all(context)
    if not output:
        return _one(context, room)
    check(context.visitor.roles, ConsoleAction.SEE_OUTPUTS)
    return _review(context, room, output)


def _listing(
    look: RequestContext,
    name: str,
    title: Message,
    rows: list[dict[str, Any]],
    headings: list[ColumnHeading],
) -> TableListing:
    """Return a table of states; its key follows the ledger, which grows with every change."""
    key = f"rooms/{name}/{look.path}/{look.desk.ledger.head().size}"
    return listing(name, title, rows, headings, key=key)


def _all(look: RequestContext) -> PageView:
    from commonwatt.sandbox.usecases.overview import project_rows

    every = project_rows(look.desk.ledger)
    waiting = sum(row["in_airlock"] for row in every)
    return PageView(
        lede=Message(
            "{rooms} data rooms; {waiting} outputs wait in their airlocks. Data are used in a "
            "room and seen by nobody; what leaves was approved by two checkers.",
            {"rooms": str(len(every)), "waiting": str(waiting)},
        ),
        tables=[
            _listing(
                look,
                "rooms",
                Message("Rooms"),
                every,
                [
                    ColumnHeading("room", Message("Room")),
                    ColumnHeading("state", Message("State")),
                    ColumnHeading("purpose", Message("Purpose")),
                    ColumnHeading("legal_basis", Message("Legal basis")),
                    ColumnHeading("scope", Message("Scope")),
                    ColumnHeading("expires_on", Message("Until")),
                    ColumnHeading("datasets", Message("Datasets")),
                    ColumnHeading("outputs", Message("Outputs")),
                    ColumnHeading("in_airlock", Message("In the airlock")),
                ],
            )
        ],
        extra={"rooms": every},
        notes=[
            Message(
                "A room is opened, filled and signed by its custodian from the command line, "
                "where the data are: commonwatt sandbox init --help"
            )
        ],
    )


def _one(look: RequestContext, room: str) -> PageView:
    from commonwatt.sandbox.usecases.overview import project_state

    found = project_state(look.desk.ledger, look.desk.settings.rooms, room, look.now)
    budget, watch = found["budget"], found["watch"]
    states = [row["state"] for row in found["outputs"]]
    return PageView(
        lede=Message(
            "Room {room} is {state}, for {scope}, until {day}.",
            {
                "room": room,
                "state": found["state"],
                "scope": found["scope"],
                "day": found["expires_on"],
            },
        ),
        facts=[
            HeadlineFact(
                label=Message("Waiting for votes"),
                value=str(states.count("waiting")),
                note=Message("two checkers, never the author"),
            ),
            HeadlineFact(
                label=Message("Approved, not yet released"), value=str(states.count("approved"))
            ),
            HeadlineFact(
                label=Message("Stopped by the checks"), value=str(states.count("stopped"))
            ),
            HeadlineFact(
                label=Message("Privacy budget spent"),
                value=f"ε {budget['spent_epsilon']:g}",
                note=Message("of {limit}", {"limit": f"{budget['limit_epsilon']:g}"}),
            ),
            HeadlineFact(label=Message("Alerts"), value=str(len(watch["alerts"]))),
        ],
        tables=_tables(look, found, watch),
        extra={
            "room": room,
            "outputs": found["outputs"],
            "may_see": look.can(ConsoleAction.SEE_OUTPUTS),
        },
    )


def _tables(
    look: RequestContext, found: dict[str, Any], watch: dict[str, Any]
) -> list[TableListing]:
    return [
        _listing(
            look,
            "outputs",
            Message("Outputs"),
            found["outputs"],
            [
                ColumnHeading("name", Message("Name")),
                ColumnHeading("kind", Message("Kind")),
                ColumnHeading("state", Message("State")),
                ColumnHeading("job", Message("Job")),
                ColumnHeading("author", Message("Author")),
                ColumnHeading("reasons", Message("Stopped by")),
                ColumnHeading("output", Message("SHA-256")),
            ],
        ),
        _listing(
            look,
            "datasets",
            Message("Datasets"),
            found["datasets"],
            [
                ColumnHeading("dataset", Message("Dataset")),
                ColumnHeading("state", Message("State")),
                ColumnHeading("source", Message("Made from")),
                ColumnHeading("risk_sha256", Message("Risk report")),
            ],
        ),
        _listing(
            look,
            "alerts",
            Message("What is unusual"),
            watch["alerts"],
            [
                ColumnHeading("at", Message("At")),
                ColumnHeading("rule", Message("Rule")),
                ColumnHeading("found", Message("Seen")),
                ColumnHeading("threshold", Message("Threshold")),
                ColumnHeading("why", Message("Why")),
            ],
        ),
        _listing(
            look,
            "steps",
            Message("Who did what"),
            watch["steps"],
            [
                ColumnHeading("at", Message("At")),
                ColumnHeading("role", Message("Role")),
                ColumnHeading("step", Message("Step")),
                ColumnHeading("of", Message("Of")),
                ColumnHeading("actor", Message("Actor")),
            ],
        ),
    ]


def _review(look: RequestContext, room: str, output: str) -> PageView:
    from commonwatt.sandbox.usecases.overview import output_review

    found = output_review(look.desk.ledger, look.desk.settings.rooms, room, output)
    return PageView(
        lede=Message(
            "{name}, {bytes} bytes, {state}. These bytes and no others would leave.",
            {
                "name": found.row["name"],
                "bytes": f"{found.size:,}",
                "state": found.row["state"],
            },
        ),
        extra={
            "room": room,
            "review": found,
            "may_vote": look.can(ConsoleAction.VOTE_OUTPUT) and found.row["state"] == "waiting",
            "may_release": look.can(ConsoleAction.RELEASE_OUTPUT)
            and found.row["state"] in {"approved", "released"},
        },
        data={"output": output, "state": found.row["state"], "changes": found.changes},
    )


PAGE = Page(
    name="rooms",
    title=Message("Data rooms"),
    action=ConsoleAction.SEE_PROJECTS,
    build=build,
    parameters=(PROJECT, OUTPUT),
    template="rooms.html",
    group="govern",
)
