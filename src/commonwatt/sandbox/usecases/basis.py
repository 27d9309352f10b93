"""What a checker's decision rests on: purpose, code, cohort, checks, and the votes so far.

States, digests and counts; nothing here returns a row of data or a value of a person.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

import commonwatt.sandbox.io.store.records as records
import commonwatt.sandbox.io.store.schema as schema
from commonwatt.core.messages import Message
from commonwatt.ledger import Ledger
from commonwatt.ledger.store import verified_ledger_entries_by_connection
from commonwatt.sandbox.domain.checks import OutputCheck, airlock_output_checks_in_order
from commonwatt.sandbox.domain.job import OutputKind
from commonwatt.sandbox.domain.lifecycle import (
    VOTE_NEEDS,
    VOTES_NEEDED,
    OutputFacts,
    OutputState,
)
from commonwatt.sandbox.usecases.projects.project import Project

_JOB_STEP: Final = "submit"


@dataclass(frozen=True, slots=True)
class CastVote:
    """A vote that was cast: by whom, how, and whether it is the reader's own."""

    checker: str
    approves: bool
    own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputBasis:
    """What is known of an output beside its bytes.

    Args:
        purpose: What the project is for.
        legal_basis: On what law it stands.
        scope: For what use its people agreed.
        expires_on: The project's last day.
        job: Number of the job, or of the request, that left it.
        code_sha256: Digest of the job's code; empty for a noisy answer, which runs none.
        epsilon: Cost of a noisy answer; empty for a job.
        dataset: What was read.
        tables: Tables of it.
        people: People whose rows it could reach.
        cells: Cells of it that count people.
        smallest_cell: People in the smallest of them; None without cells.
        checks: Every check, and how it ended; none for a noisy answer, whose noise protects.
        approvals: Votes for it so far.
        votes_needed: Votes that it needs.
        votes: Votes that the reader may see: their own, and every one once it is decided.
        cannot_vote: Why the reader may not vote; None where they may.
    """

    purpose: str
    legal_basis: str
    scope: str
    expires_on: str
    job: str
    code_sha256: str
    epsilon: str
    dataset: str
    tables: Sequence[str]
    people: int
    cells: int
    smallest_cell: int | None
    checks: Sequence[OutputCheck]
    approvals: int
    votes_needed: int
    votes: Sequence[CastVote]
    cannot_vote: Message | None


def output_decision_basis(
    ledger: Ledger, folder: Path, name: str, output: str, *, checker: str, at: datetime
) -> OutputBasis:
    """Return what a decision about an output rests on.

    Args:
        ledger: The record.
        folder: Folder of all projects.
        name: The project.
        output: The output, by the SHA-256 of its bytes.
        checker: Actor under which the reader would vote; empty for who is no checker.
        at: Now.

    Raises:
        ProjectError: There is no such project or output.
    """
    project = Project(ledger, folder / name, name)
    people = {actor.actor_id: actor.person.name for actor in ledger.actors()}
    with ledger.reading() as tx:
        facts = records.data_project_row(tx, name)
        row = records.project_output_row(tx, name, output)
        use = _data_use_row_or_none(tx, name, row.job)
        cells = [
            len(each) for each in records.output_people_tokens_by_cell(tx, name, output).values()
        ]
        votes = records.output_approval_by_checker(tx, name, output)
        step = use["step"] if use else _JOB_STEP
        body = _job_start_ledger_entry_body(tx, name, step, row.job)
        standing = OutputFacts(
            project=project.project_standing(tx, at),
            author=row.author,
            checker=checker,
            voters=frozenset(votes),
        )
    stops = [(stop["rule"], stop["why"]) for stop in json.loads(row.stops)]
    return OutputBasis(
        purpose=facts.purpose,
        legal_basis=facts.legal_basis,
        scope=facts.scope,
        expires_on=facts.expires_on,
        job=row.job,
        code_sha256=str(body.get("code", "")),
        epsilon=str(body.get("epsilon", "")),
        dataset=use["dataset"] if use else str(body.get("dataset", "")),
        tables=json.loads(use["tables"]) if use else [],
        people=use["people"] if use else 0,
        cells=len(cells),
        smallest_cell=min(cells, default=None),
        checks=airlock_output_checks_in_order(OutputKind(row.kind), stops)
        if step == _JOB_STEP
        else [],
        approvals=sum(votes.values()),
        votes_needed=VOTES_NEEDED,
        votes=_output_votes_visible_to_checker(votes, people, checker, OutputState(row.state)),
        cannot_vote=_output_vote_refusal_message_or_none(standing, OutputState(row.state)),
    )


def _data_use_row_or_none(tx: sa.Connection, project: str, job: str) -> dict[str, Any] | None:
    table = schema.uses
    query = sa.select(table).where(table.c.room == project, table.c.use == job)
    row = tx.execute(query).mappings().first()
    return dict(row) if row else None


def _job_start_ledger_entry_body(
    tx: sa.Connection, project: str, step: str, job: str
) -> dict[str, Any]:
    """Return what was put on record as the job began."""
    part = "job" if step == _JOB_STEP else step
    subject = f"room/{project}/{part}/{job}"
    # The first entry says on what it runs; the second, how it ended.
    entries = verified_ledger_entries_by_connection(
        tx, kind=f"sandbox.{step}", subject=subject, limit=1
    )
    bodies: list[dict[str, Any]] = [dict(entry.body) for entry in entries]
    return bodies[0] if bodies else {}


def _output_votes_visible_to_checker(
    votes: dict[str, bool], people: dict[str, str], checker: str, state: OutputState
) -> list[CastVote]:
    # A vote is cast blind to who else has voted how; only once nothing hangs on it are all shown.
    decided = state is not OutputState.WAITING
    return [
        CastVote(people.get(actor, actor), approves, actor == checker)
        for actor, approves in sorted(votes.items())
        if decided or actor == checker
    ]


def _output_vote_refusal_message_or_none(facts: OutputFacts, state: OutputState) -> Message | None:
    if state is OutputState.STOPPED:
        return Message("A check stopped it; no vote overrules a check.")
    if state is not OutputState.WAITING:
        return Message("It is decided: {state}.", {"state": state.value})
    if not facts.checker:
        return Message("Only an output checker votes.")
    for need in VOTE_NEEDS:
        if need.refusal(facts) is not None:
            return _VOTE_REFUSALS.get(need.name, need.sentence)
    return None


_VOTE_REFUSALS: Final = {
    "project-open": Message("The project is closed; nobody votes in it."),
    "project-in-term": Message("The project has expired; nobody votes in it."),
    "not-author": Message("It is your own output; somebody else has to check it."),
    "first-vote": Message("You have voted on it; a vote is cast once."),
}
