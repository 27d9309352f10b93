"""Data rooms as a desk shows them: every room, its airlock queue, what would leave.

Nothing here returns a record: states, counts, and the bytes of outputs that the
checks let through to a checker's eye.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

import commonwatt.sandbox.io.store.schema as schema
from commonwatt.ledger import Ledger, Signer
from commonwatt.sandbox.domain.errors import PrivacyBudgetError
from commonwatt.sandbox.domain.lifecycle import OutputState
from commonwatt.sandbox.engines.privacy import account
from commonwatt.sandbox.usecases.projects.activity import activity_report
from commonwatt.sandbox.usecases.projects.project import Project, prepare_tables

_TEXT: Final = frozenset({"csv", "json", "text"})
_MOST_SHOWN: Final = 100_000  # bytes of an output that a page shows


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputReview:
    """One output as a checker sees it.

    Args:
        row: Its state, name, kind, job and author.
        stops: Why the checks stopped it, as rule and reason.
        text: Its text, or empty for pictures and models.
        changes: How it differs from the last released output of its name, line by line.
        size: Bytes.
        whole: Whether `text` is all of it.
    """

    row: dict[str, Any]
    stops: list[tuple[str, str]]
    text: str
    changes: list[str]
    size: int
    whole: bool


def project_rows(ledger: Ledger) -> list[dict[str, Any]]:
    """Return every room with how many datasets and waiting outputs it has."""
    _ready(ledger)
    waiting = (OutputState.WAITING.value, OutputState.APPROVED.value)
    with ledger.reading() as tx:
        found = tx.execute(sa.select(schema.projects).order_by(schema.projects.c.room)).mappings()
        return [
            dict(row)
            | {
                "datasets": _count(tx, schema.datasets, row["room"]),
                "outputs": _count(tx, schema.outputs, row["room"]),
                "in_airlock": _count(tx, schema.outputs, row["room"], waiting),
            }
            for row in found
        ]


def project_state(ledger: Ledger, folder: Path, name: str, now: datetime) -> dict[str, Any]:
    """Return a room's state, its budget and the auditor's view of it.

    Raises:
        RoomError: There is no such room.
    """
    _ready(ledger)
    state = Project(ledger, folder / name, name).status()
    with ledger.reading() as tx:
        try:
            found = account.balance(tx, name)
            budget = {"limit_epsilon": found.limit, "spent_epsilon": found.spent}
        except PrivacyBudgetError:
            budget = {"limit_epsilon": 0.0, "spent_epsilon": 0.0}
    people = {one.actor_id: one.person.name for one in ledger.actors()}
    for one in state["outputs"]:
        one["author"] = people.get(one["author"], one["author"])
        one["reasons"] = "; ".join(stop["rule"] for stop in json.loads(one.pop("stops")))
    return state | {"budget": budget, "watch": activity_report(ledger, folder / name, name, now)}


def output_review(ledger: Ledger, folder: Path, name: str, output: str) -> OutputReview:
    """Return exactly what would leave, and how it differs from what left before.

    Raises:
        RoomError: There is no such output, or its bytes are not those collected.
    """
    _ready(ledger)
    room = Project(ledger, folder / name, name)
    data = room.bytes_of(output)
    rows = room.status()["outputs"]
    row = next(one for one in rows if one["output"] == output)
    shown = _text(row, data)
    before = next(
        (
            one
            for one in reversed(rows)
            if one["name"] == row["name"]
            and one["state"] == OutputState.RELEASED.value
            and one["output"] != output
        ),
        None,
    )
    changes: list[str] = []
    if before is not None and shown:
        old = _text(before, room.bytes_of(before["output"]))
        changes = _changes(old, shown, before["output"], output)
    stops = [(stop["rule"], stop["why"]) for stop in json.loads(row["stops"])]
    return OutputReview(
        row=row, stops=stops, text=shown, changes=changes, size=len(data),
        whole=len(data) <= _MOST_SHOWN,
    )  # fmt: skip


def output_bytes(ledger: Ledger, folder: Path, name: str, output: str) -> bytes:
    """Return the exact bytes of an output; see `Room.bytes_of`."""
    return Project(ledger, folder / name, name).bytes_of(output)


def vote(
    ledger: Ledger, folder: Path, name: str, output: str, *,
    approve: bool, by: Signer, at: datetime,
) -> str:  # fmt: skip
    """Vote on an output and return its state; see `Room.vote`."""
    return Project(ledger, folder / name, name).vote(output, approve=approve, by=by, at=at).value


def release(
    ledger: Ledger, folder: Path, name: str, output: str, to: Path, *, by: Signer, at: datetime
) -> Path:
    """Release an approved output into a folder; see `Room.release`."""
    return Project(ledger, folder / name, name).release(output, to, by=by, at=at)


def _ready(ledger: Ledger) -> None:
    """Make the tables of rooms where they are missing; a mere look takes no lock."""
    if not sa.inspect(ledger.engine).has_table(schema.projects.name):
        prepare_tables(ledger)


def _count(tx: sa.Connection, table: sa.Table, room: str, states: tuple[str, ...] = ()) -> int:
    query = sa.select(sa.func.count()).select_from(table).where(table.c.room == room)
    if states:
        query = query.where(table.c.state.in_(states))
    return tx.execute(query).scalar_one()


def _text(row: dict[str, Any], data: bytes) -> str:
    if row["kind"] not in _TEXT:
        return ""
    return data[:_MOST_SHOWN].decode("utf-8", "replace")


def _changes(old: str, new: str, before: str, after: str) -> list[str]:
    return list(
        difflib.unified_diff(
            old.splitlines(), new.splitlines(), before[:12], after[:12], lineterm="", n=2
        )
    )
