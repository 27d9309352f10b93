"""Everything that the console works with, opened once a process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from commonwatt.web.cache import Kept
from commonwatt.web.runs import Runs
from commonwatt.web.settings import Settings

if TYPE_CHECKING:
    import sqlalchemy as sa

    from commonwatt.ledger import Ledger
    from commonwatt.web.entry_writer import Clerk


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What pages and doors share.

    Args:
        settings: How the console is set up.
        ledger: The record; its database holds the console's tables, too.
        runs: The run store.
        kept: What was derived from runs.
        clerk: Signs the console's own entries.
    """

    settings: Settings
    ledger: Ledger
    runs: Runs
    kept: Kept
    clerk: Clerk

    @property
    def engine(self) -> sa.Engine:
        """The database."""
        return self.ledger.engine


def open_desk(settings: Settings, *, now: datetime) -> Desk:
    """Open store and database, made where they are missing, and bring the schema up to date."""
    from commonwatt.ledger import Ledger
    from commonwatt.runs import RunStore
    from commonwatt.web.database import upgrade
    from commonwatt.web.entry_writer import open_clerk

    settings.state.mkdir(parents=True, exist_ok=True)
    ledger = Ledger.open(settings.database)
    upgrade(ledger.engine)
    return Desk(
        settings=settings,
        ledger=ledger,
        runs=Runs(RunStore(settings.store)),
        kept=Kept(settings.state / "kept"),
        clerk=open_clerk(ledger, settings.state / "keys", now=now),
    )
