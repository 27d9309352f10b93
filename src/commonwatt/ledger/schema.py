"""The tables of the ledger, the same on SQLite and PostgreSQL.

The database itself refuses to change or delete what was written, so that an
honest mistake stops there; the proofs catch whoever goes around it.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, SmallInteger, String, Table, Text

metadata = MetaData()

entries = Table(
    "ledger_entries",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("at", String(27), nullable=False),
    Column("actor_id", String(16), nullable=False),
    Column("kind", String(200), nullable=False, index=True),
    Column("subject", String(200), nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("link", LargeBinary(32), nullable=False),
)

signatures = Table(
    "ledger_signatures",
    metadata,
    Column("last", BigInteger, primary_key=True, autoincrement=False),
    Column("first", BigInteger, nullable=False),
    Column("actor_id", String(16), nullable=False),
    Column("signature", LargeBinary(64), nullable=False),
)

nodes = Table(
    "ledger_nodes",
    metadata,
    Column("level", SmallInteger, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
)

actors = Table(
    "ledger_actors",
    metadata,
    Column("actor_id", String(16), primary_key=True),
    Column("public_key", LargeBinary(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("role", String(80), nullable=False),
    Column("organisation", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("enrolled_in", BigInteger, nullable=False),
    Column("revoked_in", BigInteger, nullable=True),
)

checkpoints = Table(
    "ledger_checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("note", Text, nullable=False),
)

head = Table(
    "ledger_head",
    metadata,
    Column("one", SmallInteger, primary_key=True),
    Column("origin", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("link", LargeBinary(32), nullable=False),
    Column("at", String(27), nullable=False),
)

_WRITTEN_ONCE = ("ledger_entries", "ledger_signatures", "ledger_nodes", "ledger_checkpoints")

_SQLITE_GUARD = """
CREATE TRIGGER IF NOT EXISTS {table}_no_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
"""
_POSTGRES_REFUSAL = """
CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger AS $$
BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$ LANGUAGE plpgsql
"""
_POSTGRES_GUARD = """
CREATE OR REPLACE TRIGGER {table}_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()
"""


def create_merkle_ledger_tables(connection: sa.Connection) -> None:
    """Create the tables and their guards where they are missing."""
    metadata.create_all(connection)
    for statement in _ledger_guard_statements(connection.dialect.name):
        connection.exec_driver_sql(statement)


def _ledger_guard_statements(dialect: str) -> list[str]:
    if dialect == "sqlite":
        verbs = ("UPDATE", "DELETE")
        return [_SQLITE_GUARD.format(table=t, verb=v) for t in _WRITTEN_ONCE for v in verbs]
    return [_POSTGRES_REFUSAL, *(_POSTGRES_GUARD.format(table=t) for t in _WRITTEN_ONCE)]
