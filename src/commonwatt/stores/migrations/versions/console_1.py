"""The first tables: accounts, grants, sessions, tokens, links, attempts, works."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = ("console",)
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "web_accounts",
        sa.Column("name", sa.String(60), primary_key=True),
        sa.Column("password", sa.String(200), nullable=False),
        sa.Column("subject", sa.String(300), nullable=True, unique=True),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("made_at", sa.String(27), nullable=False),
    )
    op.create_table(
        "web_grants",
        sa.Column("account", sa.String(60), sa.ForeignKey("web_accounts.name"), primary_key=True),
        sa.Column("role", sa.String(40), primary_key=True),
        sa.Column("actor_id", sa.String(16), nullable=False),
    )
    op.create_table(
        "web_sessions",
        sa.Column("digest", sa.String(64), primary_key=True),
        _migration_account_key_column(),
        sa.Column("csrf", sa.String(64), nullable=False),
        sa.Column("made_at", sa.String(27), nullable=False),
        sa.Column("seen_at", sa.String(27), nullable=False),
        sa.Column("ends_at", sa.String(27), nullable=False),
    )
    op.create_table(
        "web_tokens",
        sa.Column("digest", sa.String(64), primary_key=True),
        _migration_account_key_column(),
        sa.Column("label", sa.String(60), nullable=False),
        sa.Column("made_at", sa.String(27), nullable=False),
        sa.Column("ends_at", sa.String(27), nullable=False),
    )
    op.create_table(
        "web_links",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(60), nullable=False),
        sa.Column("ends_at", sa.String(27), nullable=False),
    )
    op.create_table(
        "web_attempts",
        sa.Column("key", sa.String(130), primary_key=True),
        sa.Column("window", sa.Integer, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
    )
    op.create_table(
        "web_works",
        sa.Column("work_id", sa.String(12), primary_key=True),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("account", sa.String(60), nullable=False),
        sa.Column("state", sa.String(20), nullable=False, index=True),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("run_id", sa.String(16), nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("made_at", sa.String(27), nullable=False, index=True),
        sa.Column("ended_at", sa.String(27), nullable=False),
    )


def downgrade() -> None:
    """Drop the tables, those that name others first."""
    for name in ("works", "attempts", "links", "tokens", "sessions", "grants", "accounts"):
        op.drop_table(f"web_{name}")


def _migration_account_key_column() -> sa.Column[str]:
    return sa.Column("account", sa.String(60), sa.ForeignKey("web_accounts.name"), nullable=False)
