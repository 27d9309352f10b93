"""The controller's store: job records, uses, intents and decisions, beside the ledger.

A decision, its intents and their ledger entries are one transaction: there is no action
without its entry, and no entry without the state that it rested on.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

import commonwatt.operate.io.schema as schema
from commonwatt.ledger import Ledger, Signer
from commonwatt.ledger.roles import LedgerRole
from commonwatt.ledger.store import read_chain_head
from commonwatt.operate.domain.actions import ClusterAction, Intent, IntentState
from commonwatt.operate.domain.cluster import JobPhase
from commonwatt.operate.domain.requests import (
    compact_cluster_json,
    job_request_from_json,
    job_request_json,
    parse_cluster_json_object,
)
from commonwatt.operate.domain.state import GpuUse, JobRecord, StateChanges
from commonwatt.stores.opening import create_or_check_store_tables
from commonwatt.stores.schemas import CONTROLLER

ROLE = frozenset({LedgerRole.CONTROLLER, LedgerRole.OPERATOR})


class ControllerStore:
    """Reads and writes one controller's database.

    Args:
        ledger: The ledger in the same database.
        signer: The key that answers for what is done.
    """

    def __init__(self, ledger: Ledger, signer: Signer) -> None:
        self.ledger, self.signer = ledger, signer
        create_or_check_store_tables(ledger.engine, CONTROLLER, schema.metadata.create_all)

    def job_records(self) -> dict[str, JobRecord]:
        """Return every job remembered, by name."""
        with self.ledger.reading() as tx:
            rows = tx.execute(sa.select(schema.jobs)).mappings().all()
        return {row["job_id"]: _job_record_of_row(row) for row in rows}

    def open_start_number_by_job(self) -> dict[str, int]:
        """Return the start whose use is open, by job."""
        where = schema.uses.c.until_s.is_(None)
        with self.ledger.reading() as tx:
            rows = tx.execute(sa.select(schema.uses).where(where)).mappings().all()
        return {row["job_id"]: row["starts"] for row in rows}

    def gpu_uses(self) -> list[GpuUse]:
        """Return every use, in order of its beginning."""
        # Two uses may begin in the same instant; the row number keeps their order the same in
        # SQLite and in PostgreSQL.
        order = (schema.uses.c.from_s, schema.uses.c.position)
        with self.ledger.reading() as tx:
            rows = tx.execute(sa.select(schema.uses).order_by(*order)).mappings().all()
        return [GpuUse(**{k: v for k, v in row.items() if k != "position"}) for row in rows]

    def intents(self, state: IntentState | None = None) -> list[tuple[Intent, IntentState]]:
        """Return the intents in a state, or all, in order."""
        query = sa.select(schema.intents).order_by(schema.intents.c.position)
        if state is not None:
            query = query.where(schema.intents.c.state == state.value)
        with self.ledger.reading() as tx:
            rows = tx.execute(query).mappings().all()
        return [(_cluster_intent_of_row(row), IntentState(row["state"])) for row in rows]

    def logged_decisions(self) -> Iterable[tuple[int, dict[str, Any], str]]:
        """Give tick, decision and captured state of every decision kept, in order."""
        query = sa.select(schema.decisions).order_by(schema.decisions.c.tick)
        with self.ledger.reading() as tx:
            for row in tx.execute(query).mappings():
                yield (
                    row["tick"],
                    parse_cluster_json_object(row["decision"]),
                    zlib.decompress(row["capture"]).decode(),
                )

    def last_capture_json_or_empty(self) -> str:
        """Return the state that the newest decision rested on; "" before the first."""
        table = schema.decisions
        newest = sa.select(table.c.capture).order_by(table.c.tick.desc()).limit(1)
        with self.ledger.reading() as tx:
            compressed = tx.execute(newest).scalar()
        return zlib.decompress(compressed).decode() if compressed else ""

    def last_tick_number(self) -> int:
        """Return the number of the last decision kept; 0 before the first."""
        with self.ledger.reading() as tx:
            return tx.execute(sa.select(sa.func.max(schema.decisions.c.tick))).scalar() or 0

    def write_changes_and_intents(
        self,
        at_s: float,
        changes: StateChanges,
        *,
        intents: Sequence[Intent] = (),
        decision: tuple[int, Mapping[str, Any], str] | None = None,
        most_captures: int = 100_000,
    ) -> list[Intent]:
        """Write one tick whole; return the intents with their numbers."""
        with self.ledger.transaction() as tx:
            _write_state_change_rows(tx, changes)
            if decision is not None:
                _write_scheduling_decision_row(tx, at_s, decision, most_captures)
            numbered = [_write_cluster_intent_row(tx, at_s, intent) for intent in intents]
            if numbered:
                self._append_ledger_entries(tx, numbered, at_s)
        return numbered

    def set_intent_states(self, settled: Sequence[tuple[Intent, IntentState, str]]) -> None:
        """Mark intents as done, refused or dropped, with what the backend answered."""
        with self.ledger.transaction() as tx:
            for intent, state, answer in settled:
                change = sa.update(schema.intents).values(state=state.value, answer=answer[:500])
                tx.execute(change.where(schema.intents.c.position == intent.position))

    def _append_ledger_entries(
        self, tx: sa.Connection, intents: Sequence[Intent], at_s: float
    ) -> None:
        drafts = [intent.ledger_entry_draft() for intent in intents]
        # The ledger refuses an instant before its last one, and two processes may append in
        # another order than their clocks say.
        at = max(datetime.fromtimestamp(at_s, UTC), _controller_last_entry_at(tx))
        self.ledger.append(tx, drafts, by=self.signer, at=at, roles=ROLE)


def _controller_last_entry_at(tx: sa.Connection) -> datetime:
    """Return the instant of the last entry: a person may have acted since the look."""
    text = read_chain_head(tx).at
    if not text:
        return datetime.fromtimestamp(0, UTC)
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def _write_state_change_rows(tx: sa.Connection, changes: StateChanges) -> None:
    for row in changes.job_records:
        values = _job_record_columns(row)
        gone = sa.delete(schema.jobs).where(schema.jobs.c.job_id == row.request.job_id)
        tx.execute(gone)
        tx.execute(sa.insert(schema.jobs), [values])
    if changes.opened_uses:
        tx.execute(sa.insert(schema.uses), [asdict(use) for use in changes.opened_uses])
    for (job_id, starts), until_s in changes.closed_uses.items():
        which = (schema.uses.c.job_id == job_id) & (schema.uses.c.starts == starts)
        still = schema.uses.c.until_s.is_(None)
        tx.execute(sa.update(schema.uses).where(which & still).values(until_s=until_s))


def _write_scheduling_decision_row(
    tx: sa.Connection, at_s: float, decision: tuple[int, Mapping[str, Any], str], most_captures: int
) -> None:
    tick, decision_by_name, captured = decision
    values: dict[str, Any] = {
        "tick": tick,
        "at_s": at_s,
        "decision": compact_cluster_json(decision_by_name),
    }
    # Level 1: a capture repeats itself so much that more effort saves little, and a tick waits
    # for it.
    values["capture"] = zlib.compress(captured.encode(), 1)
    tx.execute(sa.insert(schema.decisions), [values])
    # Only captures and decisions are trimmed; what was done stays in the ledger for ever.
    if tick > most_captures:
        tx.execute(
            sa.delete(schema.decisions).where(schema.decisions.c.tick <= tick - most_captures)
        )


def _write_cluster_intent_row(tx: sa.Connection, at_s: float, intent: Intent) -> Intent:
    values = {"at_s": at_s, "act": intent.action.value, "subject": intent.subject}
    values |= {
        "body": compact_cluster_json(intent.body),
        "state": IntentState.OPEN.value,
        "answer": "",
    }
    inserted = tx.execute(sa.insert(schema.intents).values(**values))
    assert inserted.inserted_primary_key is not None
    return replace(intent, position=inserted.inserted_primary_key[0])


def _job_record_columns(row: JobRecord) -> dict[str, Any]:
    names = [c.name for c in schema.jobs.columns if c.name not in ("job_id", "ask", "phase")]
    values: dict[str, Any] = {name: getattr(row, name) for name in names}
    # The environment may carry tokens; the backend holds it as long as the job lives, and the
    # database need not.
    request = job_request_json(replace(row.request, env={}))
    return values | {
        "job_id": row.request.job_id,
        "ask": compact_cluster_json(request),
        "phase": row.phase.value,
    }


def _job_record_of_row(row: sa.RowMapping) -> JobRecord:
    values = {k: v for k, v in row.items() if k not in ("job_id", "ask", "phase")}
    return JobRecord(
        request=job_request_from_json(parse_cluster_json_object(row["ask"])),
        phase=JobPhase(row["phase"]),
        **values,
    )


def _cluster_intent_of_row(row: sa.RowMapping) -> Intent:
    return Intent(
        action=ClusterAction(row["act"]),
        subject=row["subject"],
        body=parse_cluster_json_object(row["body"]),
        position=row["position"],
    )
