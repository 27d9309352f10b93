"""What was added: pre-approved releases, uses, models."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "projects_2_from_0_1"
down_revision = "projects_1_from_0_1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "sandbox_lanes",
        sa.Column("room", sa.String(80), nullable=False),
        sa.Column("largest_micro", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("room"),
    )
    op.create_table(
        "sandbox_models",
        sa.Column("room", sa.String(80), nullable=False),
        sa.Column("output", sa.String(64), nullable=False),
        sa.Column("dataset", sa.String(40), nullable=False),
        sa.Column("people", sa.Text, nullable=False),
        sa.Column("attack_auc", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("room", "output"),
    )
    op.create_table(
        "sandbox_uses",
        sa.Column("room", sa.String(80), nullable=False),
        sa.Column("use", sa.String(40), nullable=False),
        sa.Column("step", sa.String(20), nullable=False),
        sa.Column("actor", sa.String(16), nullable=False),
        sa.Column("dataset", sa.String(40), nullable=False),
        sa.Column("tables", sa.Text, nullable=False),
        sa.Column("people", sa.Integer, nullable=False),
        sa.Column("people_sha256", sa.String(64), nullable=False),
        sa.Column("at", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("room", "use"),
    )
