"""Open a store: make its tables where there are none, bring them up to date where they may be.

Every command asks where its database stands; the answer costs two small queries and
imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import sqlalchemy as sa

from commonwatt import __version__
from commonwatt.core.messages import Message
from commonwatt.stores.engine import (
    database_location_text_without_password,
    database_read_transaction,
    database_write_transaction,
)
from commonwatt.stores.errors import StoreVersionError
from commonwatt.stores.migrate import copy_and_migrate_sqlite_file
from commonwatt.stores.schemas import StoreSchema
from commonwatt.stores.versions import (
    StoreVersion,
    check_store_versions_known,
    lock_database_schema,
    record_recognised_store_revisions,
    record_store_revision,
    store_versions_by_name,
)


def create_or_check_store_tables(
    engine: sa.Engine, schema: StoreSchema, create: Callable[[sa.Connection], object]
) -> None:
    """Make the tables of a store where there are none; check what stands there otherwise.

    Args:
        engine: The database.
        schema: Which store is wanted.
        create: What makes today's tables in the transaction that it is given.

    Raises:
        StoreVersionError: A store in the database is of another version and may not be
            migrated here and now.
        StoreBusyError: It must be migrated, and another process has it open.
    """
    versions = store_versions_by_name_after_migrating(engine)
    if schema.name in versions:
        return
    with database_write_transaction(engine) as connection:
        lock_database_schema(connection)
        # Asked again under the lock: of two who open a new database at once, one makes the tables.
        if schema.name not in store_versions_by_name(connection):
            create(connection)
            record_store_revision(connection, schema)


def store_versions_by_name_after_migrating(engine: sa.Engine) -> Mapping[str, StoreVersion]:
    """Return the stores in a database by name, each of them at this program's step.

    All stores of the database are asked, not only the caller's: whoever opens a ledger reads
    the projects beside it without opening them.

    Raises:
        StoreVersionError: One is newer than this program, of no known version, or older where
            migration waits for a command.
        StoreBusyError: One is older, and another process has the database open.
    """
    with database_read_transaction(engine) as connection:
        versions = store_versions_by_name(connection)
    check_store_versions_known(
        versions.values(), database_location_text_without_password(engine.url)
    )
    if any(version.is_older for version in versions.values()):
        return _migrate_and_return_store_versions_by_name(engine)
    if not all(version.recorded for version in versions.values()):
        with database_write_transaction(engine) as connection:
            record_recognised_store_revisions(connection)
    return versions


def _migrate_and_return_store_versions_by_name(engine: sa.Engine) -> Mapping[str, StoreVersion]:
    if engine.dialect.name != "sqlite":
        # Several hosts use one server. Who starts the new program first on one of them has not
        # decided for the others, which still run the old one.
        with database_read_transaction(engine) as connection:
            versions = store_versions_by_name(connection)
        raise _older_store_error(
            versions.values(), database_location_text_without_password(engine.url)
        )
    copy_and_migrate_sqlite_file(engine)
    with database_read_transaction(engine) as connection:
        return store_versions_by_name(connection)


def _older_store_error(versions: Iterable[StoreVersion], where: str) -> StoreVersionError:
    """Return the refusal of a database whose migration waits for a command."""
    names = ", ".join(version.schema.name for version in versions if version.is_older)
    return StoreVersionError(
        where,
        found=Message("tables of an older version: {stores}", {"stores": names}),
        wanted=Message("tables of version {version}", {"version": __version__}),
        remedy=Message(
            "Stop every process that uses this database, back it up, then run: "
            "commonwatt ledger upkeep migrate --ledger URL (for a run store: commonwatt runs "
            "migrate)."
        ),
    )
