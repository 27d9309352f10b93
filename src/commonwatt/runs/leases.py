"""Which drafts are being written, by whichever host: a row each, renewed by a thread.

Whether a writer lives is never asked of this host's processes, because a store may be
shared by containers and machines. A lease is gone only after two looks, each of them a
stale time apart, at a beat that did not move: a clock that jumps once, forwards or back,
makes every lease look old, and every living writer moves its beat before the second look.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

import commonwatt.runs.schema as schema
from commonwatt.stores.engine import database_read_transaction, database_write_transaction

HEARTBEAT_S: Final = 15.0
STALE_S: Final = 300.0
"""Twenty missed beats: a machine that sleeps for a minute keeps its run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftLease:
    """A lease as it stands, with the database's own clock beside it."""

    draft: str
    beat: int
    age_s: float
    suspected: bool
    suspected_for_s: float

    @property
    def is_draft_lease_renewal_overdue(self) -> bool:
        """Return whether it was not renewed for too long, by a clock that may have jumped."""
        return abs(self.age_s) > STALE_S

    @property
    def is_draft_lease_writer_gone(self) -> bool:
        """Return whether a look long enough ago saw the same beat, stale already."""
        return (
            self.is_draft_lease_renewal_overdue
            and self.suspected
            and abs(self.suspected_for_s) > STALE_S
        )


class DraftLeases:
    """The leases of one run store; those that it took are renewed until they are given back.

    Args:
        engine: The store's database.
        heartbeat_s: How often a lease is renewed [s].
    """

    def __init__(self, engine: sa.Engine, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._engine, self._heartbeat_s = engine, heartbeat_s
        self._held: set[str] = set()
        self._lock = threading.Lock()
        # Of the thread that renews; none while nothing is held.
        self._stop: threading.Event | None = None

    def take_run_draft_lease(self, draft: str) -> None:
        """Put a new draft on record as being written, and renew it from now on."""
        row = {
            "draft": draft,
            "beat": 0,
            "renewed_at_s": _run_database_epoch_s_sql_expression(self._engine),
        }
        with database_write_transaction(self._engine) as tx:
            tx.execute(sa.insert(schema.drafts).values(**row))
        with self._lock:
            self._held.add(draft)
            if self._stop is None:
                self._stop = threading.Event()
                threading.Thread(
                    target=self._renew_until, args=(self._stop,), name="commonwatt-leases",
                    daemon=True,
                ).start()  # fmt: skip

    def renew_draft_lease_and_tell_if_present(self, draft: str) -> bool:
        """Renew a lease; return whether it was still there to renew."""
        table = schema.drafts
        renewed = {
            "beat": table.c.beat + 1,
            "renewed_at_s": _run_database_epoch_s_sql_expression(self._engine),
            "suspect_beat": None,
            "suspect_at_s": None,
        }
        with database_write_transaction(self._engine) as tx:
            update = sa.update(table).where(table.c.draft == draft).values(**renewed)
            return tx.execute(update).rowcount == 1

    def release_run_draft_lease(self, draft: str) -> None:
        """Give a lease back."""
        with self._lock:
            self._held.discard(draft)
            if not self._held and self._stop is not None:
                self._stop.set()
                self._stop = None
        with database_write_transaction(self._engine) as tx:
            tx.execute(sa.delete(schema.drafts).where(schema.drafts.c.draft == draft))

    def leases(self) -> list[DraftLease]:
        """Return every lease of the store, whoever holds it."""
        table, clock = schema.drafts, _run_database_epoch_s_sql_expression(self._engine)
        query = sa.select(
            table.c.draft,
            table.c.beat,
            (clock - table.c.renewed_at_s).label("age_s"),
            sa.func.coalesce(table.c.suspect_beat, -1).label("suspect_beat"),
            (clock - sa.func.coalesce(table.c.suspect_at_s, clock)).label("suspected_for_s"),
        ).order_by(table.c.draft)
        with database_read_transaction(self._engine) as tx:
            rows = tx.execute(query).mappings().all()
        return [_draft_lease_of_row(row) for row in rows]

    def mark_run_draft_lease_suspect(self, lease: DraftLease) -> None:
        """Put on record that a stale lease was seen at this beat, for a later look."""
        table = schema.drafts
        mark = {
            "suspect_beat": lease.beat,
            "suspect_at_s": _run_database_epoch_s_sql_expression(self._engine),
        }
        update = sa.update(table).where(table.c.draft == lease.draft, table.c.beat == lease.beat)
        with database_write_transaction(self._engine) as tx:
            tx.execute(update.values(**mark))

    def end_draft_lease_and_tell_if_ended(self, lease: DraftLease) -> bool:
        """Take a gone writer's lease away; return whether it had not moved since it was read."""
        table = schema.drafts
        same = sa.delete(table).where(table.c.draft == lease.draft, table.c.beat == lease.beat)
        with database_write_transaction(self._engine) as tx:
            return tx.execute(same).rowcount == 1

    def _renew_until(self, stop: threading.Event) -> None:
        while not stop.wait(self._heartbeat_s):
            with self._lock:
                held = sorted(self._held)
            for draft in held:
                try:
                    self.renew_draft_lease_and_tell_if_present(draft)
                except SQLAlchemyError:
                    # A server that restarts or a lock held for long costs a beat and not the
                    # run; what matters is asked again when the run is completed.
                    continue


def _run_database_epoch_s_sql_expression(engine: sa.Engine) -> sa.ColumnElement[float]:
    """Return the seconds since 1970 by the database's own clock: hosts need not agree."""
    # now() of PostgreSQL stands still within a transaction, which may have waited for a lock.
    seconds = (
        "extract(epoch from clock_timestamp())::double precision"
        if engine.dialect.name == "postgresql"
        else "((julianday('now') - 2440587.5) * 86400.0)"
    )
    return sa.literal_column(seconds, sa.Float())


def _draft_lease_of_row(row: sa.RowMapping) -> DraftLease:
    values: dict[str, Any] = dict(row)
    return DraftLease(
        draft=values["draft"],
        beat=values["beat"],
        age_s=float(values["age_s"]),
        suspected=values["suspect_beat"] == values["beat"],
        suspected_for_s=float(values["suspected_for_s"]),
    )
