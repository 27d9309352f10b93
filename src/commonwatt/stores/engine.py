"""The database behind a ledger: a file by default, PostgreSQL by URL.

A writer takes SQLite's one write lock when its transaction begins, not half
way through it, so that two writers wait for each other and neither fails.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import StaticPool

_READ = "commonwatt_read"


def open_database_engine(where: str | Path) -> sa.Engine:
    """Return an engine for a path (SQLite) or a database URL."""
    url = sa.make_url(_database_url(where))
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url.set(drivername="postgresql+psycopg"))
    # A database in memory lives with its connection; a pool of several would show each its own
    # empty one.
    memory = url.database in (None, "", ":memory:")
    options: dict[str, Any] = {"poolclass": StaticPool} if memory else {}
    engine = sa.create_engine(
        url, connect_args={"check_same_thread": False, "timeout": 30}, **options
    )
    _prepare_sqlite_connections(engine, wal=not memory)
    return engine


def _database_url(where: str | Path) -> str:
    text = str(where)
    return text if "://" in text else f"sqlite:///{text}"


def _prepare_sqlite_connections(engine: sa.Engine, *, wal: bool) -> None:
    @event.listens_for(engine, "connect")
    def _set_sqlite_pragmas(connection: Any, _: object) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None  # we say BEGIN ourselves
        if wal:
            connection.execute("PRAGMA journal_mode=WAL")
        # An answer that was given must be on record after a power cut; NORMAL would lose the last
        # commits in WAL mode.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin_sqlite_transaction(connection: sa.Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        reads = connection.get_execution_options().get(_READ, False)
        # A deferred transaction takes the lock at its first write, and fails there if another
        # writer came between.
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextmanager
def database_write_transaction(engine: sa.Engine) -> Generator[sa.Connection]:
    """Give a connection in a transaction that is kept whole or not at all."""
    with engine.begin() as connection:
        yield connection


@contextmanager
def database_read_transaction(engine: sa.Engine) -> Generator[sa.Connection]:
    """Give a connection that sees one state of the database and changes nothing."""
    options: dict[str, Any] = {_READ: True}
    if engine.dialect.name == "postgresql":
        # A verification reads several tables; it must see them all as of one moment.
        options["isolation_level"] = "REPEATABLE READ"
    with engine.connect().execution_options(**options) as connection:
        yield connection
        connection.rollback()
