"""Everything that the console works with, opened once a process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from commonwatt.web.background import BackgroundResults
from commonwatt.web.cache import TableCache
from commonwatt.web.page_cache import SharedPages
from commonwatt.web.runs import ConsoleRuns, RecentCache
from commonwatt.web.settings import Settings

if TYPE_CHECKING:
    import sqlalchemy as sa

    from commonwatt.clinic.domain.registry.state import Registry
    from commonwatt.ledger import Ledger
    from commonwatt.web.entry_writer import EntryWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What pages and doors share.

    Args:
        settings: How the console is set up.
        ledger: The record; its database holds the console's tables, too.
        runs: The run store.
        cache: What was derived from runs.
        shared_pages: Pages that were made once for all with the same roles.
        background: Results that take longer than a page may.
        registries: The clinic's registry as the ledger stood at a head, by that head.
        entry_writer: Signs the console's own entries.
    """

    settings: Settings
    ledger: Ledger
    runs: ConsoleRuns
    cache: TableCache
    shared_pages: SharedPages
    background: BackgroundResults
    registries: RecentCache[Registry]
    entry_writer: EntryWriter

    @property
    def database(self) -> sa.Engine:
        """The database."""
        return self.ledger.engine


def open_console_services(settings: Settings, *, now: datetime) -> Services:
    """Open store and database, made where they are missing."""
    from commonwatt.ledger import Ledger
    from commonwatt.runs import RunStore
    from commonwatt.stores.opening import create_or_check_store_tables
    from commonwatt.stores.schemas import CONSOLE
    from commonwatt.web.entry_writer import open_console_entry_writer
    from commonwatt.web.schema import metadata

    settings.state.mkdir(parents=True, exist_ok=True)
    ledger = Ledger.open(settings.database)
    create_or_check_store_tables(ledger.engine, CONSOLE, metadata.create_all)
    return Services(
        settings=settings,
        ledger=ledger,
        runs=ConsoleRuns(RunStore(settings.store)),
        cache=TableCache(settings.state / "kept"),
        shared_pages=SharedPages(),
        background=BackgroundResults(64),
        registries=RecentCache(2),
        entry_writer=open_console_entry_writer(ledger, settings.state / "keys", now=now),
    )
