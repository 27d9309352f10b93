"""Rooms: what each is for, what waits in its airlock, and what would leave."""

from __future__ import annotations

from typing import Any

from commonwatt.core.messages import Message
from commonwatt.web.page_view import Fact, Heading, Listing, View
from commonwatt.web.pages.states import listing
from commonwatt.web.parameters import Kind, Options, Parameter, Values
from commonwatt.web.request_context import Look, Page
from commonwatt.web.roles import Action, check


def _rooms(look: Look) -> Options:
    from commonwatt.sandbox.usecases.overview import rooms

    every = [(row["room"], row["room"]) for row in rooms(look.desk.ledger)]
    return [("", Message("all rooms")), *every]


ROOM = Parameter(
    name="room",
    label=Message("Room"),
    meaning=Message("One room; all of them where nothing is given."),
    kind=Kind.CHOICE,
    options=_rooms,
    longest=80,
)
OUTPUT = Parameter(
    name="output",
    label=Message("Output"),
    meaning=Message("SHA-256 of an output to review."),
    longest=64,
)


def build(look: Look, values: Values) -> View:
    """Return all rooms, or one with its datasets, outputs, uses and alerts."""
    room, output = values.text(ROOM.name), values.text(OUTPUT.name)
    if not room:
        return _all(look)
    if not output:
        return _one(look, room)
    check(look.visitor.roles, Action.SEE_OUTPUTS)
    return _review(look, room, output)


def _listing(
    look: Look, name: str, title: Message, rows: list[dict[str, Any]], headings: list[Heading]
) -> Listing:
    """Return a table of states; its key follows the ledger, which grows with every change."""
    key = f"rooms/{name}/{look.path}/{look.desk.ledger.head().size}"
    return listing(name, title, rows, headings, key=key)


def _all(look: Look) -> View:
    from commonwatt.sandbox.usecases.overview import rooms

    every = rooms(look.desk.ledger)
    waiting = sum(row["in_airlock"] for row in every)
    return View(
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
                    Heading("room", Message("Room")),
                    Heading("state", Message("State")),
                    Heading("purpose", Message("Purpose")),
                    Heading("legal_basis", Message("Legal basis")),
                    Heading("scope", Message("Scope")),
                    Heading("expires_on", Message("Until")),
                    Heading("datasets", Message("Datasets")),
                    Heading("outputs", Message("Outputs")),
                    Heading("in_airlock", Message("In the airlock")),
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


def _one(look: Look, room: str) -> View:
    from commonwatt.sandbox.usecases.overview import room_state

    found = room_state(look.desk.ledger, look.desk.settings.rooms, room, look.now)
    budget, watch = found["budget"], found["watch"]
    states = [row["state"] for row in found["outputs"]]
    return View(
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
            Fact(
                label=Message("Waiting for votes"),
                value=str(states.count("waiting")),
                note=Message("two checkers, never the author"),
            ),
            Fact(label=Message("Approved, not yet released"), value=str(states.count("approved"))),
            Fact(label=Message("Stopped by the checks"), value=str(states.count("stopped"))),
            Fact(
                label=Message("Privacy budget spent"),
                value=f"ε {budget['spent_epsilon']:g}",
                note=Message("of {limit}", {"limit": f"{budget['limit_epsilon']:g}"}),
            ),
            Fact(label=Message("Alerts"), value=str(len(watch["alerts"]))),
        ],
        tables=_tables(look, found, watch),
        extra={"room": room, "outputs": found["outputs"], "may_see": look.can(Action.SEE_OUTPUTS)},
    )


def _tables(look: Look, found: dict[str, Any], watch: dict[str, Any]) -> list[Listing]:
    return [
        _listing(
            look,
            "outputs",
            Message("Outputs"),
            found["outputs"],
            [
                Heading("name", Message("Name")),
                Heading("kind", Message("Kind")),
                Heading("state", Message("State")),
                Heading("job", Message("Job")),
                Heading("author", Message("Author")),
                Heading("reasons", Message("Stopped by")),
                Heading("output", Message("SHA-256")),
            ],
        ),
        _listing(
            look,
            "datasets",
            Message("Datasets"),
            found["datasets"],
            [
                Heading("dataset", Message("Dataset")),
                Heading("state", Message("State")),
                Heading("source", Message("Made from")),
                Heading("risk_sha256", Message("Risk report")),
            ],
        ),
        _listing(
            look,
            "alerts",
            Message("What is unusual"),
            watch["alerts"],
            [
                Heading("at", Message("At")),
                Heading("rule", Message("Rule")),
                Heading("found", Message("Seen")),
                Heading("threshold", Message("Threshold")),
                Heading("why", Message("Why")),
            ],
        ),
        _listing(
            look,
            "steps",
            Message("Who did what"),
            watch["steps"],
            [
                Heading("at", Message("At")),
                Heading("role", Message("Role")),
                Heading("step", Message("Step")),
                Heading("of", Message("Of")),
                Heading("actor", Message("Actor")),
            ],
        ),
    ]


def _review(look: Look, room: str, output: str) -> View:
    from commonwatt.sandbox.usecases.overview import reviewed

    found = reviewed(look.desk.ledger, look.desk.settings.rooms, room, output)
    return View(
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
            "may_vote": look.can(Action.VOTE_OUTPUT) and found.row["state"] == "waiting",
            "may_release": look.can(Action.RELEASE_OUTPUT)
            and found.row["state"] in {"approved", "released"},
        },
        data={"output": output, "state": found.row["state"], "changes": found.changes},
    )


PAGE = Page(
    name="rooms",
    title=Message("Data rooms"),
    action=Action.SEE_ROOMS,
    build=build,
    parameters=(ROOM, OUTPUT),
    template="rooms.html",
    group="govern",
)
