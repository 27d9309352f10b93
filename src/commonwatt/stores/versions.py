"""Where the stores in a database stand: as it names them, or as its tables tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from commonwatt import __version__
from commonwatt.core.messages import Message
from commonwatt.stores.errors import StoreVersionError
from commonwatt.stores.schemas import (
    STORES,
    StoreSchema,
    program_version_of_schema_revision_or_blank,
)

_CREATING: Final = 0x0C0_11_0A77
"""The number of a lock in PostgreSQL that stands for making or changing tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreVersion:
    """Where one store in a database stands.

    Args:
        schema: Which store.
        revision: Its step: as recorded, or as recognised by its tables.
        recorded: Whether the database itself names the step.
    """

    schema: StoreSchema
    revision: str
    recorded: bool

    @property
    def is_older(self) -> bool:
        """Return whether tables must change before this program may use them."""
        return self.schema.knows_revision(self.revision) and self.revision != self.schema.head


def store_versions_by_name(connection: sa.Connection) -> dict[str, StoreVersion]:
    """Return the stores that have tables in a database, by name."""
    tables = frozenset(sa.inspect(connection).get_table_names())
    recorded = _recorded_revision_by_store_name(connection, tables)
    versions: dict[str, StoreVersion] = {}
    for schema in STORES:
        revision = recorded.get(
            schema.name, ""
        ) or schema.recognised_revision_blank_or_question_mark(tables)
        if revision:
            versions[schema.name] = StoreVersion(
                schema=schema, revision=revision, recorded=schema.name in recorded
            )
    return versions


def check_store_versions_known(versions: Iterable[StoreVersion], where: str) -> None:
    """Raise if a store stands at a step that is not this program's.

    Raises:
        StoreVersionError: It is newer, or its tables are of no released version.
    """
    for version in versions:
        if version.schema.knows_revision(version.revision):
            continue
        needed = program_version_of_schema_revision_or_blank(version.revision)
        name = {"store": version.schema.name}
        raise StoreVersionError(
            where,
            found=Message("tables of a newer version: {store}", name)
            if version.recorded
            else Message("tables of no released version: {store}", name),
            wanted=Message("Commonwatt {version} or newer", {"version": needed})
            if needed
            else Message("a newer Commonwatt than {version}", {"version": __version__})
            if version.recorded
            else Message("every table of a released version"),
            remedy=Message("Install that version, or restore the copy made before the change."),
        )


def lock_database_schema(connection: sa.Connection) -> None:
    """Keep everybody else from making or changing tables until this transaction ends."""
    # SQLite's one write lock was taken with the transaction already.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_CREATING})")


def record_recognised_store_revisions(connection: sa.Connection) -> None:
    """Let a database name the steps that were recognised by its tables."""
    lock_database_schema(connection)
    for version in store_versions_by_name(connection).values():
        if not version.recorded:
            record_store_revision(connection, version.schema, version.revision)


def record_store_revision(
    connection: sa.Connection, schema: StoreSchema, revision: str = ""
) -> None:
    """Let a database name the step that a store stands at; by default this program's."""
    table = alembic_version_table_of_store(schema)
    table.create(connection, checkfirst=True)
    connection.execute(sa.delete(table))
    connection.execute(sa.insert(table).values(version_num=revision or schema.head))


def _recorded_revision_by_store_name(
    connection: sa.Connection, tables: frozenset[str]
) -> dict[str, str]:
    queries = [
        sa.select(sa.literal(schema.name), alembic_version_table_of_store(schema).c.version_num)
        for schema in STORES
        if schema.version_table in tables
    ]
    if not queries:
        return {}
    rows = connection.execute(sa.union_all(*queries))
    return {name: revision for name, revision in rows}  # noqa: C416  (rows are no pairs to a checker)


def alembic_version_table_of_store(schema: StoreSchema) -> sa.Table:
    """Return the table as Alembic makes it, which reads and writes it, too."""
    return sa.Table(
        schema.version_table,
        sa.MetaData(),
        sa.Column("version_num", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("version_num", name=f"{schema.version_table}_pkc"),
    )
