"""The first tables and their guards: entries, signatures, nodes, actors, head."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "ledger_1_from_0_1"
down_revision = None
branch_labels = ("ledger",)
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "ledger_actors",
        sa.Column("actor_id", sa.String(16), nullable=False),
        sa.Column("public_key", sa.LargeBinary(32), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.String(80), nullable=False),
        sa.Column("organisation", sa.Text, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("enrolled_in", sa.BigInteger, nullable=False),
        sa.Column("revoked_in", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("actor_id"),
    )
    op.create_table(
        "ledger_checkpoints",
        sa.Column("size", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("size"),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("position", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("actor_id", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(200), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("link", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_index("ix_ledger_entries_kind", "ledger_entries", ["kind"])
    op.create_index("ix_ledger_entries_subject", "ledger_entries", ["subject"])
    op.create_table(
        "ledger_head",
        sa.Column("one", sa.SmallInteger, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("link", sa.LargeBinary(32), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("one"),
    )
    op.create_table(
        "ledger_nodes",
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.Column("position", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("level", "position"),
    )
    op.create_table(
        "ledger_signatures",
        sa.Column("last", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("actor_id", sa.String(16), nullable=False),
        sa.Column("signature", sa.LargeBinary(64), nullable=False),
        sa.PrimaryKeyConstraint("last"),
    )
    dialect = op.get_bind().dialect.name
    for statement in _migration_write_once_trigger_sql_statements(dialect):
        op.execute(statement)


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


def _migration_write_once_trigger_sql_statements(dialect: str) -> list[str]:
    if dialect == "sqlite":
        verbs = ("UPDATE", "DELETE")
        return [_SQLITE_GUARD.format(table=t, verb=v) for t in _WRITTEN_ONCE for v in verbs]
    return [_POSTGRES_REFUSAL, *(_POSTGRES_GUARD.format(table=t) for t in _WRITTEN_ONCE)]
