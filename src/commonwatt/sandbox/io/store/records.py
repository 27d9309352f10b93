"""The rows of a project: found, added and changed on the caller's connection.

Every function takes the connection of a transaction that the caller opened, so
that a row and the ledger entry that explains it are kept together or not.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

import commonwatt.sandbox.io.store.opt_outs as consent
import commonwatt.sandbox.io.store.schema as schema
from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import ProjectError
from commonwatt.sandbox.domain.lifecycle import DatasetState, OutputState, ProjectState


@dataclass(frozen=True, slots=True, kw_only=True)
class DataUse:
    """One use of people's rows: a job, a query, synthetic data."""

    name: str
    step: str
    actor: str
    dataset: str
    tables: tuple[str, ...]
    people: frozenset[str]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRecord:
    """What is kept of one output: its state, why it was stopped, whom its cells count."""

    sha256: str
    name: str
    kind: str
    job: str
    author: str
    state: OutputState
    stops: tuple[tuple[str, str], ...] = ()


def add_sandbox_project_row(tx: sa.Connection, row: Mapping[str, str]) -> None:
    """Add a project; raise if there is one of that name.

    Raises:
        ProjectError: There is.
    """
    if _data_project_row_or_none(tx, row["room"]) is not None:
        raise ProjectError(row["room"], found=Message("a project of that name already"))
    tx.execute(schema.projects.insert().values(dict(row)))


def data_project_row(tx: sa.Connection, project: str) -> sa.Row[Any]:
    """Return a project's row.

    Raises:
        ProjectError: There is no such project.
    """
    row = _data_project_row_or_none(tx, project)
    if row is None:
        raise ProjectError(project, found=Message("no such project"))
    return row


def set_project_state_in_row(tx: sa.Connection, project: str, state: ProjectState) -> None:
    """Change a project's state."""
    condition = schema.projects.c.room == project
    tx.execute(schema.projects.update().where(condition).values(state=state.value))


def consent_scope(tx: sa.Connection, project: str) -> consent.ConsentScope:
    """Return what a project does, for opt-outs."""
    return consent.ConsentScope(data_project_row(tx, project).scope)


def add_sandbox_dataset_row(
    tx: sa.Connection,
    project: str,
    dataset: str,
    state: DatasetState,
    *,
    source: str,
    risk: str = "",
) -> None:
    """Add a dataset of a project."""
    row = {"room": project, "dataset": dataset, "state": state.value,
           "source": source, "risk_sha256": risk}  # fmt: skip
    tx.execute(schema.datasets.insert().values(row))


def project_dataset_row(tx: sa.Connection, project: str, dataset: str) -> sa.Row[Any]:
    """Return a dataset's row.

    Raises:
        ProjectError: The project has no such dataset.
    """
    table = schema.datasets
    query = sa.select(table).where(table.c.room == project, table.c.dataset == dataset)
    row = tx.execute(query).first()
    if row is None:
        raise ProjectError(dataset, found=Message("no such dataset in this project"))
    return row


def set_project_dataset_state(
    tx: sa.Connection, project: str, dataset: str, state: DatasetState
) -> None:
    """Change a dataset's state."""
    table = schema.datasets
    conditions = (table.c.room == project, table.c.dataset == dataset)
    tx.execute(table.update().where(*conditions).values(state=state.value))


def add_project_output_row(
    tx: sa.Connection, project: str, record: OutputRecord, cells: Mapping[str, Iterable[str]]
) -> None:
    """Add an output and its cells; the same bytes offered again keep their state."""
    # The same bytes are the same output: offering a rejected file again must not bring it back
    # before the checkers.
    if project_output_row_or_none(tx, project, record.sha256) is not None:
        return
    row = {
        "room": project, "output": record.sha256, "job": record.job, "name": record.name,
        "kind": record.kind, "author": record.author, "state": record.state.value,
        "stops": json.dumps([{"rule": rule, "why": why} for rule, why in record.stops]),
    }  # fmt: skip
    tx.execute(schema.outputs.insert().values(row))
    # Tokens of people stay in the database, because differencing compares sets of people and no
    # rounding of counts can stand for them.
    rows = [
        {
            "room": project,
            "output": record.sha256,
            "cell": cell,
            "people": json.dumps(sorted(people)),
        }
        for cell, people in cells.items()
    ]
    if rows:
        tx.execute(schema.cells.insert(), rows)


def project_output_row_or_none(tx: sa.Connection, project: str, output: str) -> sa.Row[Any] | None:
    """Return an output's row, or None."""
    table = schema.outputs
    query = sa.select(table).where(table.c.room == project, table.c.output == output)
    return tx.execute(query).first()


def project_output_row(tx: sa.Connection, project: str, output: str) -> sa.Row[Any]:
    """Return an output's row.

    Raises:
        ProjectError: The project has no such output.
    """
    row = project_output_row_or_none(tx, project, output)
    if row is None:
        raise ProjectError(output[:12], found=Message("no such output in this project"))
    return row


def set_project_output_state(
    tx: sa.Connection, project: str, output: str, state: OutputState
) -> None:
    """Change an output's state."""
    table = schema.outputs
    conditions = (table.c.room == project, table.c.output == output)
    tx.execute(table.update().where(*conditions).values(state=state.value))


def output_approval_by_checker(tx: sa.Connection, project: str, output: str) -> dict[str, bool]:
    """Return who voted how on an output."""
    table = schema.votes
    query = sa.select(table).where(table.c.room == project, table.c.output == output)
    return {row.checker: row.approves for row in tx.execute(query)}


def add_output_checker_vote(
    tx: sa.Connection, project: str, output: str, checker: str, *, approves: bool
) -> None:
    """Add a vote."""
    row = {"room": project, "output": output, "checker": checker, "approves": approves}
    tx.execute(schema.votes.insert().values(row))


def output_people_tokens_by_cell(
    tx: sa.Connection, project: str, output: str
) -> dict[str, list[str]]:
    """Return the people whom each cell of an output counts."""
    table = schema.cells
    query = sa.select(table).where(table.c.room == project, table.c.output == output)
    return {row.cell: json.loads(row.people) for row in tx.execute(query)}


def released_people_tokens_by_cell(tx: sa.Connection, project: str) -> dict[str, list[str]]:
    """Return the people behind every cell that ever left the project."""
    out, cell = schema.outputs, schema.cells
    query = (
        sa.select(cell.c.output, cell.c.cell, cell.c.people)
        .join(out, (out.c.room == cell.c.room) & (out.c.output == cell.c.output))
        .where(cell.c.room == project, out.c.state == OutputState.RELEASED.value)
        .order_by(cell.c.output, cell.c.cell)
    )
    return {f"{row.output}/{row.cell}": json.loads(row.people) for row in tx.execute(query)}


def add_project_data_use_row(tx: sa.Connection, project: str, use: DataUse) -> None:
    """Put on record who used which people's rows when."""
    # A digest and not a list: an auditor who has a list can compare it, and nobody can read one
    # out of the record.
    digest = hashlib.sha256("\n".join(sorted(use.people)).encode()).hexdigest()
    row = {
        "room": project, "use": use.name, "step": use.step, "actor": use.actor,
        "dataset": use.dataset, "tables": json.dumps(sorted(use.tables)),
        "people": len(use.people), "people_sha256": digest, "at": use.at.isoformat(),
    }  # fmt: skip
    tx.execute(schema.uses.insert().values(row))


def add_trained_model_row(
    tx: sa.Connection, project: str, output: str, dataset: str, people: Iterable[str], auc: float
) -> None:
    """Put on record whom a model was trained on, once."""
    table = schema.models
    existing = sa.select(table.c.output).where(table.c.room == project, table.c.output == output)
    if tx.execute(existing).first() is None:
        row = {"room": project, "output": output, "dataset": dataset,
               "people": json.dumps(sorted(people)), "attack_auc": auc}  # fmt: skip
        tx.execute(table.insert().values(row))


def trained_model_rows(tx: sa.Connection, project: str) -> list[dict[str, Any]]:
    """Return every model of a project, with how many of its people opted out since.

    Opt-outs are looked up now and not copied, so the answer holds from the moment
    an opt-out is on record.
    """
    excluded = consent.opted_out_tokens_for_use(tx, project, consent_scope(tx, project))
    table = schema.models
    rows = tx.execute(sa.select(table).where(table.c.room == project).order_by(table.c.output))
    # Looked up now: an opt-out that was copied into a column could be on record a moment before
    # the copy is.
    return [_trained_model_facts(row, excluded) for row in rows]


def trained_model_row_or_none(
    tx: sa.Connection, project: str, output: str
) -> dict[str, Any] | None:
    """Return one model as `trained_model_rows` does, or None if the output is none."""
    return next(
        (model for model in trained_model_rows(tx, project) if model["output"] == output), None
    )


def largest_preapproved_micro_epsilon(tx: sa.Connection, project: str) -> int:
    """Return the most that one answer may cost to leave unseen, in millionths; 0 if closed."""
    table = schema.preapproved_releases
    row = tx.execute(sa.select(table.c.largest_micro).where(table.c.room == project)).first()
    return int(row.largest_micro) if row else 0


def set_largest_preapproved_micro_epsilon(
    tx: sa.Connection, project: str, largest_micro: int
) -> None:
    """Set up to which cost answers are released unseen; 0 for none."""
    table = schema.preapproved_releases
    # Delete and insert in the caller's transaction stand for an upsert, which SQLite and
    # PostgreSQL spell differently.
    tx.execute(table.delete().where(table.c.room == project))
    tx.execute(table.insert().values(room=project, largest_micro=largest_micro))


ERASED: Final = "erased-"
"""How the stand-in of an erased person begins."""


def replace_person_in_sets_and_count(tx: sa.Connection, project: str, token: str) -> int:
    """Put a stand-in for an erased person into every set of people; return how many sets.

    The stand-in is random and leads to nobody, the key or not.
    """
    # Taken out instead, the sets would be equal to those without the person, and two releases that
    # differ in exactly them would pass the differencing check.
    stand_in = ERASED + secrets.token_hex(12)
    return sum(
        _replace_person_in_table_and_count(tx, table, project, token, stand_in)
        for table in (schema.cells, schema.models)
    )


def _replace_person_in_table_and_count(
    tx: sa.Connection, table: sa.Table, project: str, token: str, stand_in: str
) -> int:
    keys = list(table.primary_key.columns)
    query = sa.select(*keys, table.c.people)
    rows = tx.execute(query.where(table.c.room == project, table.c.people.contains(token))).all()
    for *key, text in rows:
        people = sorted(stand_in if p == token else p for p in json.loads(text))
        where = [column == value for column, value in zip(keys, key, strict=True)]
        tx.execute(table.update().where(*where).values(people=json.dumps(people)))
    return len(rows)


def project_table_rows(tx: sa.Connection, project: str, table: sa.Table) -> list[dict[str, Any]]:
    """Return a project's rows of a table, in the order of its key."""
    query = sa.select(table).where(table.c.room == project).order_by(*table.primary_key)
    # Ordered by the key, so that a status is the same on both databases.
    return [dict(row) for row in tx.execute(query).mappings()]


def _data_project_row_or_none(tx: sa.Connection, project: str) -> sa.Row[Any] | None:
    return tx.execute(sa.select(schema.projects).where(schema.projects.c.room == project)).first()


def _trained_model_facts(row: sa.Row[Any], excluded: frozenset[str]) -> dict[str, Any]:
    people: list[str] = json.loads(row.people)
    return {
        "output": row.output, "dataset": row.dataset, "trained_on_people": len(people),
        "attack_auc": row.attack_auc,
        # Whoever was erased is out of everything for good; no opt-out names their stand-in, which
        # would lead from it to their token.
        "opted_out_since": sum(p in excluded or p.startswith(ERASED) for p in people),
    }  # fmt: skip
