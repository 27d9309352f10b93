"""The first tables: what may be spent of privacy, and what was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "budgets_1_from_0_1"
down_revision = None
branch_labels = ("budgets",)
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "sandbox_budgets",
        sa.Column("room", sa.String(80), nullable=False),
        sa.Column("person", sa.String(80), nullable=False),
        sa.Column("limit_micro", sa.BigInteger, nullable=False),
        sa.Column("spent_micro", sa.BigInteger, nullable=False),
        sa.CheckConstraint("spent_micro <= limit_micro", name="never_overspent"),
        sa.PrimaryKeyConstraint("room", "person"),
    )
    op.create_table(
        "sandbox_spends",
        sa.Column("number", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("room", sa.String(80), nullable=False),
        sa.Column("person", sa.String(80), nullable=False),
        sa.Column("cost_micro", sa.BigInteger, nullable=False),
        sa.Column("purpose", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("ix_sandbox_spends_room", "sandbox_spends", ["room"])
