"""What time it is, by a clock that the writer does not set: the database server's or the disk's.

An entry may not run ahead of it. A program whose own clock was set forward would otherwise
date an approval into the future, and every later entry would have to follow it there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from commonwatt.core.messages import Message
from commonwatt.ledger.entries import ledger_instant_text
from commonwatt.ledger.errors import ClockError
from commonwatt.stores.engine import is_memory_database

MOST_AHEAD: Final = timedelta(minutes=5)
Clock = Callable[[], datetime]
Instant = datetime | Clock


def utc_now() -> datetime:
    """Return the time of this machine, in UTC."""
    return datetime.now(UTC)


def ledger_instant_read_after_lock(at: Instant) -> datetime:
    """Return the instant of an entry; a clock is read now, when the lock is held."""
    # Read before the lock, the times of eight writers come in another order than their entries.
    return at if isinstance(at, datetime) else at()


def ledger_reference_instant(connection: sa.Connection) -> datetime:
    """Return the time by the database server, or by the file system that holds the database."""
    if connection.dialect.name == "postgresql":
        return connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
    if is_memory_database(connection.engine.url):
        return utc_now()
    return _instant_by_touching_ledger_database_file(Path(str(connection.engine.url.database)))


def ledger_reference_instant_for_reader(connection: sa.Connection) -> datetime:
    """Return the time for a reader, who may not write beside the database."""
    if connection.dialect.name == "postgresql":
        return ledger_reference_instant(connection)
    return utc_now()


def check_last_ledger_instant_not_ahead(connection: sa.Connection, at: str, index: int) -> None:
    """Refuse a chain whose last entry lies in the future: nothing after it could be dated.

    Args:
        connection: Sees the chain.
        at: Instant of its last entry.
        index: Of that entry.

    Raises:
        ClockError: It lies more than five minutes ahead.
    """
    latest = ledger_reference_instant_for_reader(connection) + MOST_AHEAD
    if at > ledger_instant_text(latest):
        raise ClockError(
            f"entry {index:,}",
            found=at,
            wanted=Message("an instant that has come"),
            remedy=Message(
                "If this machine's clock is right, let the registrar correct the entry:"
                " commonwatt ledger upkeep clock --by KEY.pem --reason TEXT."
            ),
        )


def check_ledger_instant_not_ahead(connection: sa.Connection, at: datetime) -> None:
    """Refuse an instant more than five minutes ahead of the reference.

    Raises:
        ClockError: It is.
    """
    now = ledger_reference_instant(connection)
    if at > now + MOST_AHEAD:
        raise ClockError(
            "at",
            found=at.isoformat(timespec="seconds"),
            wanted=Message(
                "an instant at most {minutes} minutes after {now}",
                {
                    "minutes": f"{MOST_AHEAD.seconds // 60}",
                    "now": now.isoformat(timespec="seconds"),
                },
            ),
            remedy=Message(
                "Set this machine's clock. Where the last entry itself lies in the future, let the"
                " registrar correct it: commonwatt ledger upkeep clock --by KEY.pem --reason TEXT."
            ),
        )


def _instant_by_touching_ledger_database_file(database: Path) -> datetime:
    # The file is about to be written in any case; a file of our own would stand in the way of a
    # backup that lists the folder meanwhile.
    try:
        os.utime(database)
        return datetime.fromtimestamp(database.stat().st_mtime, UTC)
    except OSError:
        return utc_now()  # whether it can be written to at all, the database will say
