"""Take a database from an older step to this program's, whole or not at all.

Every statement of a migration, and the new version's name, stand in one transaction: a
kill at any moment leaves the old tables or the new.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from commonwatt.core.files import file_draft, try_lock_open_file
from commonwatt.core.log import LogCode, LogEvent, log_event
from commonwatt.core.messages import Message
from commonwatt.core.notices import send_notice_to_collector
from commonwatt.stores.engine import (
    database_busy_deadline_monotonic_s,
    database_location_text_without_password,
    database_read_transaction,
    database_write_transaction,
    open_database_engine,
)
from commonwatt.stores.errors import StoreBusyError
from commonwatt.stores.versions import (
    StoreVersion,
    check_store_versions_known,
    lock_database_schema,
    record_recognised_store_revisions,
    store_versions_by_name,
)

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreMigration:
    """What was done to one store of a database."""

    store: str
    before: str
    after: str


def migrate_database(where: str | Path) -> list[StoreMigration]:
    """Migrate every store in a database, and return what was done; nothing where all are new.

    Raises:
        StoreBusyError: Another process uses the database.
        StoreVersionError: A store is newer than this program.
    """
    engine = open_database_engine(where)
    try:
        with database_read_transaction(engine) as connection:
            versions = store_versions_by_name(connection).values()
        check_store_versions_known(versions, database_location_text_without_password(engine.url))
        if not any(version.is_older for version in versions):
            with database_write_transaction(engine) as connection:
                record_recognised_store_revisions(connection)
            return []
        sqlite = engine.dialect.name == "sqlite"
        return (
            copy_and_migrate_sqlite_file(engine)
            if sqlite
            else _migrate_postgresql_stores_when_alone(engine)
        )
    finally:
        engine.dispose()


def copy_and_migrate_sqlite_file(engine: sa.Engine) -> list[StoreMigration]:
    """Migrate a SQLite file that nobody else has open, after a copy of it was laid beside.

    1. Take the file for this process alone; wait for, then refuse, whoever has it open.
    2. Copy it to `NAME.before-REVISION`, whole or not at all.
    3. Change tables and version in one transaction.

    Raises:
        StoreBusyError: Another process has the file open.
    """
    path = Path(str(engine.url.database))
    # Our own idle connections hold the file open as much as anybody's.
    engine.dispose()
    with _migration_turn_file_lock(path), _sole_sqlite_connection(path) as connection:
        with connection.begin():
            older = _older_store_versions(connection)
        if not older:
            return []
        copy = _pre_migration_copy_path(path, older[-1])
        _copy_sqlite_before_migration(connection, copy)
        with connection.begin():
            migrations = _migrate_stores(connection)
    for migration in migrations:
        log_event(
            LogEvent.STORE_MIGRATED, kind=LogCode(migration.store), to=LogCode(migration.after)
        )
    names = {"name": path.name, "copy": copy.name}
    send_notice_to_collector(
        Message("{name} was of an older version and is migrated; as it was: {copy}", names)
    )
    return migrations


def _migrate_postgresql_stores_when_alone(engine: sa.Engine) -> list[StoreMigration]:
    deadline = database_busy_deadline_monotonic_s()
    # The server lists a client for a moment after it has gone. Each look is a transaction of its
    # own, because one transaction sees one list.
    while _other_postgresql_session_count(engine) and time.monotonic() < deadline:
        time.sleep(0.1)
    with database_write_transaction(engine) as connection:
        lock_database_schema(connection)
        others = connection.execute(sa.text(_OTHER_SESSIONS)).scalar_one()
        if others:
            raise StoreBusyError(
                database_location_text_without_password(engine.url),
                found=Message("other sessions of this user: {count}", {"count": str(others)}),
                remedy=_STOP_OTHERS,
            )
        return _migrate_stores(connection)


def _other_postgresql_session_count(engine: sa.Engine) -> int:
    with database_read_transaction(engine) as connection:
        return connection.execute(sa.text(_OTHER_SESSIONS)).scalar_one()


_OTHER_SESSIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
"""
_STOP_OTHERS = Message(
    "An older version may still be running: stop console, controller, gate and every command "
    "that uses this database, then try again."
)


@contextmanager
def _migration_turn_file_lock(path: Path) -> Generator[None]:
    """Let one process after the other try to be alone with a file.

    Two that tried at once would each hold the shared lock that keeps the other from being alone.
    """
    deadline = database_busy_deadline_monotonic_s()
    # Beside the database and never on it: closing any descriptor of a file drops SQLite's own
    # locks on it. The file stays, since who waits on a removed one waits for nobody.
    with path.with_name(f".{path.name}.migrating").open("a") as turn:
        while not try_lock_open_file(turn.fileno()):
            if time.monotonic() >= deadline:
                raise _busy_sqlite_file_error(path)
            time.sleep(0.05)
        yield


@contextmanager
def _sole_sqlite_connection(path: Path) -> Generator[sa.Connection]:
    engine = open_database_engine(path, alone=True)
    try:
        with engine.connect() as connection:
            # In WAL mode each open connection holds a shared lock on the file, so that this
            # first transaction fails while any other process has it open, idle or not.
            with connection.begin():
                pass
            yield connection
    except OperationalError as error:
        if "locked" not in str(error.orig):
            raise
        raise _busy_sqlite_file_error(path) from error
    finally:
        engine.dispose()


def _busy_sqlite_file_error(path: Path) -> StoreBusyError:
    return StoreBusyError(
        str(path),
        found=Message("an older version's tables, and another process that has them open"),
        remedy=_STOP_OTHERS,
    )


def _migrate_stores(connection: sa.Connection) -> list[StoreMigration]:
    where = database_location_text_without_password(connection.engine.url)
    check_store_versions_known(store_versions_by_name(connection).values(), where)
    record_recognised_store_revisions(connection)
    older = _older_store_versions(connection)
    for version in older:
        _upgrade_store(connection, version)
    return [
        StoreMigration(
            store=version.schema.name, before=version.revision, after=version.schema.head
        )
        for version in older
    ]


def _upgrade_store(connection: sa.Connection, version: StoreVersion) -> None:
    from alembic import command

    command.upgrade(_alembic_config(connection, version.schema.version_table), version.schema.head)


def _alembic_config(connection: sa.Connection, version_table: str) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = version_table
    return config


def _older_store_versions(connection: sa.Connection) -> list[StoreVersion]:
    return [version for version in store_versions_by_name(connection).values() if version.is_older]


_BEFORE = ".before-"


def migration_copy_paths_of_database(engine: sa.Engine) -> list[Path]:
    """Return the copies that migrations left beside a database, by name; none of PostgreSQL.

    They hold what the database held, so whoever erases must erase them, too.
    """
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return []
    path = Path(engine.url.database)
    return sorted(
        each for each in path.parent.iterdir() if each.name.startswith(path.name + _BEFORE)
    )


def _pre_migration_copy_path(path: Path, version: StoreVersion) -> Path:
    return path.with_name(f"{path.name}{_BEFORE}{version.schema.head}")


def _copy_sqlite_before_migration(connection: sa.Connection, target: Path) -> None:
    raw: Any = connection.connection.driver_connection
    # A copy of a hospital's records must not be readable for one moment by whoever could not
    # read the original.
    with file_draft(target, mode=0o600) as draft, closing(sqlite3.connect(draft)) as copy:
        raw.backup(copy)
