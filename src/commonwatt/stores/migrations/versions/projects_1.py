"""The first tables: projects, datasets, outputs, cells, votes, opt-outs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "projects_1_from_0_1"
down_revision = None
branch_labels = ("projects",)
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "sandbox_cells",
        sa.Column("room", sa.String(80), nullable=False),
        sa.Column("output", sa.String(64), nullable=False),
        sa.Column("cell", sa.Text, nullable=False),
        sa.Column("people", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("room", "output", "cell"),
    )
    op.create_table(
        "sandbox_datasets",
        sa.Column("room", sa.String(80), nullable=False),
        sa.Column("dataset", sa.String(40), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("risk_sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("room", "dataset"),
    )
    op.create_table(
        "sandbox_opt_outs",
        sa.Column("number", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("room", sa.String(80), nullable=False),
        sa.Column("person", sa.String(80), nullable=False),
        sa.Column("scope", sa.String(20), nullable=False),
        sa.Column("out", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("ix_sandbox_opt_outs_room", "sandbox_opt_outs", ["room"])
    op.create_table(
        "sandbox_outputs",
        sa.Column("room", sa.String(80), nullable=False),
        sa.Column("output", sa.String(64), nullable=False),
        sa.Column("job", sa.String(20), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("author", sa.String(16), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("stops", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("room", "output"),
    )
    op.create_table(
        "sandbox_rooms",
        sa.Column("room", sa.String(80), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("legal_basis", sa.Text, nullable=False),
        sa.Column("scope", sa.String(20), nullable=False),
        sa.Column("expires_on", sa.String(10), nullable=False),
        sa.PrimaryKeyConstraint("room"),
    )
    op.create_table(
        "sandbox_votes",
        sa.Column("room", sa.String(80), nullable=False),
        sa.Column("output", sa.String(64), nullable=False),
        sa.Column("checker", sa.String(16), nullable=False),
        sa.Column("approves", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("room", "output", "checker"),
    )
