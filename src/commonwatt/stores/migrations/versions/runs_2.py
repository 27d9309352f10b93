"""What was added: leases of drafts, and an order of runs that needs no manifest."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "runs_2_from_0_1"
down_revision = "runs_1_from_0_1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the index."""
    op.create_table(
        "run_drafts",
        sa.Column("draft", sa.String(80), primary_key=True),
        sa.Column("beat", sa.BigInteger, nullable=False),
        sa.Column("renewed_at_s", sa.Float, nullable=False),
        sa.Column("suspect_beat", sa.BigInteger, nullable=True),
        sa.Column("suspect_at_s", sa.Float, nullable=True),
    )
    op.create_index("ix_runs_created_at", "runs", ["created_at"])
