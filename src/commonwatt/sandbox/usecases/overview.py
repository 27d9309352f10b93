"""Data projects as the console shows them: each one, its airlock queue, what would leave.

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
from commonwatt.sandbox.domain.lifecycle import OutputState, RecallReason
from commonwatt.sandbox.engines.privacy import account
from commonwatt.sandbox.usecases.projects.activity import project_activity_report_by_part
from commonwatt.sandbox.usecases.projects.project import Project, prepare_project_tables

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


def data_project_rows(ledger: Ledger) -> list[dict[str, Any]]:
    """Return every project with how many datasets and waiting outputs it has."""
    _prepare_missing_project_tables(ledger)
    waiting = (OutputState.WAITING.value, OutputState.APPROVED.value)
    with ledger.reading() as tx:
        rows = tx.execute(sa.select(schema.projects).order_by(schema.projects.c.room)).mappings()
        return [
            dict(row)
            | {
                "datasets": _project_table_row_count_in_states(tx, schema.datasets, row["room"]),
                "outputs": _project_table_row_count_in_states(tx, schema.outputs, row["room"]),
                "in_airlock": _project_table_row_count_in_states(
                    tx, schema.outputs, row["room"], waiting
                ),
            }
            for row in rows
        ]


def data_project_state_budget_and_activity(
    ledger: Ledger, folder: Path, project: str, now: datetime
) -> dict[str, Any]:
    """Return a project's state, its budget and the auditor's view of it.

    Raises:
        ProjectError: There is no such project.
    """
    state = _opened_data_project(ledger, folder, project).status()
    with ledger.reading() as tx:
        try:
            balance = account.privacy_budget_balance(tx, project)
            budget = {"limit_epsilon": balance.limit, "spent_epsilon": balance.spent}
        # No budget granted is a state of a new project and no error of the person who looks at
        # it.
        except PrivacyBudgetError:
            budget = {"limit_epsilon": 0.0, "spent_epsilon": 0.0}
    # Names for the console only; rows and ledger know people by the digest of their key.
    people = {actor.actor_id: actor.person.name for actor in ledger.actors()}
    for output in state["outputs"]:
        output["author"] = people.get(output["author"], output["author"])
        output["reasons"] = "; ".join(stop["rule"] for stop in json.loads(output.pop("stops")))
    return state | {
        "budget": budget,
        "watch": project_activity_report_by_part(ledger, folder / project, project, now),
    }


def output_review_against_released(
    ledger: Ledger, folder: Path, name: str, output: str
) -> OutputReview:
    """Return exactly what would leave, and how it differs from what left before.

    Raises:
        ProjectError: There is no such output, or its bytes are not those collected.
    """
    project = _opened_data_project(ledger, folder, name)
    data = project.stored_output_bytes(output)
    rows = project.status()["outputs"]
    row = next(candidate for candidate in rows if candidate["output"] == output)
    text = _reviewed_project_output_text(row, data)
    before = next(
        (
            candidate
            # The latest release under the same name is what a checker compares with, as a change
            # in a few cells is where a difference attack would show.
            for candidate in reversed(rows)
            if candidate["name"] == row["name"]
            and candidate["state"] == OutputState.RELEASED.value
            and candidate["output"] != output
        ),
        None,
    )
    changes: list[str] = []
    if before is not None and text:
        old = _reviewed_project_output_text(before, project.stored_output_bytes(before["output"]))
        changes = _airlock_output_diff_lines(old, text, before["output"], output)
    stops = [(stop["rule"], stop["why"]) for stop in json.loads(row["stops"])]
    return OutputReview(
        row=row, stops=stops, text=text, changes=changes, size=len(data),
        whole=len(data) <= _MOST_SHOWN,
    )  # fmt: skip


def project_output_bytes(ledger: Ledger, folder: Path, project: str, output: str) -> bytes:
    """Return the exact bytes of an output; see `Project.bytes_of`."""
    return _opened_data_project(ledger, folder, project).stored_output_bytes(output)


def vote_on_output(
    ledger: Ledger, folder: Path, project: str, output: str, *,
    approve: bool, by: Signer, at: datetime,
) -> str:  # fmt: skip
    """Vote on an output and return its state; see `Project.vote`."""
    opened = _opened_data_project(ledger, folder, project)
    return opened.vote(output, approve=approve, by=by, at=at).value


def recall_output(
    ledger: Ledger, folder: Path, project: str, output: str, reason: RecallReason, *,
    by: Signer, at: datetime,
) -> str:  # fmt: skip
    """Take an approved output back and return its state; see `Project.recall_output`."""
    opened = _opened_data_project(ledger, folder, project)
    return opened.recall_output(output, reason, by=by, at=at).value


def release_output(
    ledger: Ledger, folder: Path, project: str, output: str, to: Path, *, by: Signer, at: datetime
) -> Path:
    """Release an approved output into a folder; see `Project.release`."""
    return _opened_data_project(ledger, folder, project).release(output, to, by=by, at=at)


def _opened_data_project(ledger: Ledger, folder: Path, project: str) -> Project:
    """Return a project; on a new database nobody may have looked at any page of projects yet."""
    _prepare_missing_project_tables(ledger)
    return Project(ledger, folder / project, project)


def _prepare_missing_project_tables(ledger: Ledger) -> None:
    """Make the tables of projects where they are missing; a mere look takes no lock."""
    # A person who only looks must not wait behind a running release, so the lock is taken once in
    # the life of a database.
    with ledger.reading() as connection:
        tables = set(sa.inspect(connection).get_table_names())
    if not tables.issuperset({*schema.metadata.tables, *account.metadata.tables}):
        prepare_project_tables(ledger)


def _project_table_row_count_in_states(
    tx: sa.Connection, table: sa.Table, project: str, states: tuple[str, ...] = ()
) -> int:
    query = sa.select(sa.func.count()).select_from(table).where(table.c.room == project)
    if states:
        query = query.where(table.c.state.in_(states))
    return tx.execute(query).scalar_one()


def _reviewed_project_output_text(row: dict[str, Any], data: bytes) -> str:
    if row["kind"] not in _TEXT:
        return ""
    # A cut may fall within a character of several bytes; the page says that the text is not
    # whole.
    return data[:_MOST_SHOWN].decode("utf-8", "replace")


def _airlock_output_diff_lines(old: str, new: str, before: str, after: str) -> list[str]:
    return list(
        difflib.unified_diff(
            old.splitlines(), new.splitlines(), before[:12], after[:12], lineterm="", n=2
        )
    )
