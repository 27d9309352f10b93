"""The first tables: jobs, uses, intents, decisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "controller_1_from_0_1"
down_revision = None
branch_labels = ("controller",)
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "operate_decisions",
        sa.Column("tick", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("at_s", sa.Float, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("capture", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tick"),
    )
    op.create_table(
        "operate_intents",
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("at_s", sa.Float, nullable=False),
        sa.Column("act", sa.String(12), nullable=False),
        sa.Column("subject", sa.String(120), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_index("ix_operate_intents_state", "operate_intents", ["state"])
    op.create_table(
        "operate_jobs",
        sa.Column("job_id", sa.String(100), nullable=False),
        sa.Column("ask", sa.Text, nullable=False),
        sa.Column("phase", sa.String(12), nullable=False),
        sa.Column("starts", sa.Integer, nullable=False),
        sa.Column("first_start_s", sa.Float, nullable=False),
        sa.Column("last_start_s", sa.Float, nullable=False),
        sa.Column("ended_at_s", sa.Float, nullable=False),
        sa.Column("exit_code", sa.Integer, nullable=True),
        sa.Column("served_s", sa.Float, nullable=False),
        sa.Column("warned_at_s", sa.Float, nullable=False),
        sa.Column("offered_at_s", sa.Float, nullable=False),
        sa.Column("refusals", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_table(
        "operate_uses",
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("job_id", sa.String(100), nullable=False),
        sa.Column("starts", sa.Integer, nullable=False),
        sa.Column("node", sa.String(100), nullable=False),
        sa.Column("site", sa.String(100), nullable=False),
        sa.Column("gpu_type", sa.String(100), nullable=False),
        sa.Column("gpus", sa.Integer, nullable=False),
        sa.Column("gpu_milli", sa.Integer, nullable=False),
        sa.Column("from_s", sa.Float, nullable=False),
        sa.Column("until_s", sa.Float, nullable=True),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_index("operate_uses_of", "operate_uses", ["job_id", "starts"])
