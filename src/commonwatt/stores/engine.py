"""The database behind every store: a file by default, PostgreSQL by URL.

A writer takes SQLite's one write lock when its transaction begins, not half
way through it, so that two writers wait for each other and neither fails.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError, SQLAlchemyError
from sqlalchemy.pool import NullPool, StaticPool

from commonwatt.core.faults import (
    FAULT_MESSAGES,
    MachineFault,
    logged_machine_fault,
    path_named_by_error_or_blank,
)
from commonwatt.core.messages import Message
from commonwatt.stores.errors import StoreBusyError, StoreError

BUSY_TIMEOUT_S: Final = 30.0
"""How long a lock that another process holds is waited for."""

_CONNECTIONS: Final = 15
"""Most connections that a process has to a database server at once."""

_SERVER_POOL: Final[dict[str, Any]] = {
    # All of them are kept open, and none is opened for a moment above those that are kept: under a
    # crowd a server would fork, greet and bury a process for every few pages.
    "pool_size": _CONNECTIONS,
    "max_overflow": 0,
    # A few that are warm serve a quiet day; the others stay idle.
    "pool_use_lifo": True,
    # Asked whether it lives before it is used: a server that was restarted in the night would
    # otherwise fail the first work of the morning on each connection that lay idle.
    "pool_pre_ping": True,
}

_READ = "commonwatt_read"


def open_database_engine(where: str | Path, *, alone: bool = False) -> sa.Engine:
    """Return an engine for a path (SQLite) or a database URL.

    Args:
        where: A path (SQLite), `sqlite:///…` or `postgresql://…`.
        alone: On SQLite, let nobody else open the file while one of its connections lives.
    """
    return _engine_of_url(sa.make_url(_database_url_of_path_or_url(where)), alone=alone)


def _engine_of_url(url: sa.URL, *, alone: bool = False, pooled: bool = True) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        pool: dict[str, Any] = _SERVER_POOL if pooled else {"poolclass": NullPool}
        server = sa.create_engine(url.set(drivername="postgresql+psycopg"), **pool)
        _set_postgresql_lock_timeout(server)
        _name_database_in_driver_errors(server)
        return server
    # A database in memory lives with its connection; a pool of several would show each its own
    # empty one.
    memory = is_memory_database(url)
    options: dict[str, Any] = {"poolclass": StaticPool} if memory else {}
    if alone or not pooled:
        options = {"poolclass": NullPool}  # the lock is the connection's, and ends with it
    engine = sa.create_engine(
        url, connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_S}, **options
    )
    _prepare_sqlite_connections(engine, wal=not memory, alone=alone)
    _name_database_in_driver_errors(engine)
    return engine


def is_memory_database(url: sa.URL) -> bool:
    """Return whether a URL is of a SQLite that lives in memory."""
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def database_location_text_without_password(where: str | Path | sa.URL) -> str:
    """Return a place for people, without the password that a URL may hold."""
    url = where if isinstance(where, sa.URL) else sa.make_url(_database_url_of_path_or_url(where))
    if url.get_backend_name() == "sqlite" and url.database:
        return url.database
    # The driver is ours; who gave the URL named the server.
    return url.set(drivername=url.get_backend_name()).render_as_string()


def database_busy_deadline_monotonic_s() -> float:
    """Return until when whoever begins to wait now waits, by the monotonic clock."""
    return time.monotonic() + BUSY_TIMEOUT_S


@contextmanager
def database_faults_as_store_errors(where: str | Path | sa.URL) -> Generator[None]:
    """Turn what a driver raises into an error that names the database and says what to do.

    Raises:
        StoreBusyError: Another process held it for longer than is waited.
        StoreError: It cannot be opened or read.
    """
    try:
        yield
    except SQLAlchemyError as error:
        raise logged_database_error(
            error, database_location_text_without_password(where)
        ) from error


def logged_database_error(error: SQLAlchemyError, where: str = "") -> StoreError:
    """Return the error that a person is told when the database fails; the machine's are logged.

    Args:
        error: What SQLAlchemy raised.
        where: The database in the user's words; by default the one that failed.
    """
    where = where or path_named_by_error_or_blank(error) or "database"
    match logged_machine_fault(error):
        case MachineFault.LOCKED:
            return StoreBusyError(
                where,
                found=Message(
                    "held by another process for {seconds} seconds",
                    {"seconds": f"{BUSY_TIMEOUT_S:g}"},
                ),
                remedy=Message("Wait until that process has ended, then try again."),
            )
        case MachineFault() as fault:
            sentence, remedy = FAULT_MESSAGES[fault]
            return StoreError(where, found=sentence, wanted=_USABLE, remedy=remedy)
        case None:
            is_driven = isinstance(error, DatabaseError)
            cause = type(error.orig).__name__ if is_driven else type(error).__name__
            remedy = Message("Look whether the disk is full, the file damaged or the server down.")
            return StoreError(where, found=cause, wanted=_USABLE, remedy=remedy)


_USABLE: Final = Message("a database that can be opened, read and written")


def _database_url_of_path_or_url(where: str | Path) -> str:
    text = str(where)
    return text if "://" in text else f"sqlite:///{text}"


def _prepare_sqlite_connections(engine: sa.Engine, *, wal: bool, alone: bool) -> None:
    @event.listens_for(engine, "connect")
    def _set_sqlite_pragmas(connection: Any, _: object) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None  # we say BEGIN ourselves
        if alone:
            # Before the first look at the file: a connection that has read it in shared mode
            # stays in shared mode.
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        if wal:
            _set_sqlite_wal_mode(connection)
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


def _set_postgresql_lock_timeout(engine: sa.Engine) -> None:
    """Let a server give up on a lock when SQLite does; by itself it waits without an end."""

    @event.listens_for(engine, "connect")
    def _set_lock_timeout(connection: Any, _: object) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.execute(f"SET lock_timeout = {round(BUSY_TIMEOUT_S * 1000)}")
        # Otherwise the first transaction that is rolled back would take it back, too.
        connection.commit()


def _name_database_in_driver_errors(engine: sa.Engine) -> None:
    """Let every error of a driver say which database failed, as an `OSError` says which file."""
    location = database_location_text_without_password(engine.url)

    @event.listens_for(engine, "handle_error")
    def _name_database(context: sa.ExceptionContext) -> None:  # pyright: ignore[reportUnusedFunction]
        vars(context.original_exception)["filename"] = location


def _set_sqlite_wal_mode(connection: Any) -> None:
    # Two connections that both turn a new file to WAL would each wait for the other's read lock.
    # SQLite sees that and refuses one at once, whatever its timeout, so we wait in its place.
    deadline = database_busy_deadline_monotonic_s()
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= deadline:
                raise
            time.sleep(0.05)
        else:
            return


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


@contextmanager
def database_read_transaction_beside_pool(engine: sa.Engine) -> Generator[sa.Connection]:
    """Give a connection for queries to who holds one of the pool already.

    Of a pool that a crowd holds to the last connection, each of whom waits for another, nobody
    would get one. Not for a database in memory, which lives in its one connection.
    """
    beside = _engine_of_url(engine.url, pooled=False)
    with database_read_transaction(beside) as connection:
        yield connection


def is_database_read_transaction(connection: sa.Connection) -> bool:
    """Return whether a connection was given for queries alone, and sees one state."""
    return bool(connection.get_execution_options().get(_READ, False))
