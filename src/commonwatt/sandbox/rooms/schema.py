"""The tables of rooms, beside the ledger's in one database."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

rooms = sa.Table(
    "sandbox_rooms",
    metadata,
    sa.Column("room", sa.String(80), primary_key=True),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("legal_basis", sa.Text, nullable=False),
    sa.Column("scope", sa.String(20), nullable=False),
    sa.Column("expires_on", sa.String(10), nullable=False),
)

datasets = sa.Table(
    "sandbox_datasets",
    metadata,
    sa.Column("room", sa.String(80), primary_key=True),
    sa.Column("dataset", sa.String(40), primary_key=True),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("source", sa.String(40), nullable=False),
    sa.Column("risk_sha256", sa.String(64), nullable=False),
)

outputs = sa.Table(
    "sandbox_outputs",
    metadata,
    sa.Column("room", sa.String(80), primary_key=True),
    sa.Column("output", sa.String(64), primary_key=True),
    sa.Column("job", sa.String(20), nullable=False),
    sa.Column("name", sa.String(60), nullable=False),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("author", sa.String(16), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("stops", sa.Text, nullable=False),
)

cells = sa.Table(
    "sandbox_cells",
    metadata,
    sa.Column("room", sa.String(80), primary_key=True),
    sa.Column("output", sa.String(64), primary_key=True),
    sa.Column("cell", sa.Text, primary_key=True),
    sa.Column("people", sa.Text, nullable=False),
)

votes = sa.Table(
    "sandbox_votes",
    metadata,
    sa.Column("room", sa.String(80), primary_key=True),
    sa.Column("output", sa.String(64), primary_key=True),
    sa.Column("checker", sa.String(16), primary_key=True),
    sa.Column("approves", sa.Boolean, nullable=False),
)

opt_outs = sa.Table(
    "sandbox_opt_outs",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("room", sa.String(80), nullable=False, index=True),
    sa.Column("person", sa.String(80), nullable=False),
    sa.Column("scope", sa.String(20), nullable=False),
    sa.Column("out", sa.Boolean, nullable=False),
)
