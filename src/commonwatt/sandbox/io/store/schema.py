"""The tables of rooms, beside the ledger's in one database."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

projects = sa.Table(
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

preapproved_releases = sa.Table(
    "sandbox_lanes",
    metadata,
    sa.Column("room", sa.String(80), primary_key=True),
    sa.Column("largest_micro", sa.BigInteger, nullable=False),
)
"""Rooms whose noisy answers leave unseen, and the most epsilon of one such answer."""

uses = sa.Table(
    "sandbox_uses",
    metadata,
    sa.Column("room", sa.String(80), primary_key=True),
    sa.Column("use", sa.String(40), primary_key=True),
    sa.Column("step", sa.String(20), nullable=False),
    sa.Column("actor", sa.String(16), nullable=False),
    sa.Column("dataset", sa.String(40), nullable=False),
    sa.Column("tables", sa.Text, nullable=False),
    sa.Column("people", sa.Integer, nullable=False),
    sa.Column("people_sha256", sa.String(64), nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
)
"""Who ran what on which people when; the people stand here as a count and a digest."""

models = sa.Table(
    "sandbox_models",
    metadata,
    sa.Column("room", sa.String(80), primary_key=True),
    sa.Column("output", sa.String(64), primary_key=True),
    sa.Column("dataset", sa.String(40), nullable=False),
    sa.Column("people", sa.Text, nullable=False),
    sa.Column("attack_auc", sa.Float, nullable=False),
)
"""Models that a job left, with the tokens of the people whom each was trained on."""
