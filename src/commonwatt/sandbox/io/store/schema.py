"""The tables of projects, beside the ledger's in one database."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

# Names of tables and columns are older than today's word for a project; they are kept, because
# databases in use have them.
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

# People of a cell stand as one JSON text: they are read whole or not at all, and never queried
# one by one.
cells = sa.Table(
    "sandbox_cells",
    metadata,
    sa.Column("room", sa.String(80), primary_key=True),
    sa.Column("output", sa.String(64), primary_key=True),
    sa.Column("cell", sa.Text, primary_key=True),
    sa.Column("people", sa.Text, nullable=False),
)

# The key is output and checker, so that the database itself refuses a second vote.
votes = sa.Table(
    "sandbox_votes",
    metadata,
    sa.Column("room", sa.String(80), primary_key=True),
    sa.Column("output", sa.String(64), primary_key=True),
    sa.Column("checker", sa.String(16), primary_key=True),
    sa.Column("approves", sa.Boolean, nullable=False),
)

# A history and not a state: the last row of a person and scope counts, and taking an opt-out back
# is a row, too.
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
"""Projects whose noisy answers leave unseen, and the most epsilon of one such answer."""

# Kept when a project is deleted: counts and digests of people, no token.
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
