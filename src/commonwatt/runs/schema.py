"""The tables of the run store, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Integer, MetaData, String, Table, Text

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("run_id", String(16), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("title", Text, nullable=False),
    Column("created_at", String(32), nullable=False, index=True),
    Column("version", String(40), nullable=False),
    Column("source_digest", String(64), nullable=False),
    # 64 bits: a programme's seed goes up to 2**63 - 1, which PostgreSQL's Integer cannot hold.
    Column("seed", BigInteger, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("headline", Text, nullable=False),
    Column("result_sha256", String(64), nullable=False),
)

inputs = Table(
    "inputs",
    metadata,
    Column("run_id", String(16), ForeignKey("runs.run_id"), primary_key=True),
    # By position and not by name: two inputs may have one name in two folders.
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

tables = Table(
    "tables",
    metadata,
    Column("run_id", String(16), ForeignKey("runs.run_id"), primary_key=True),
    Column("name", String(80), primary_key=True),
    Column("rows", BigInteger, nullable=False),
    Column("parquet_sha256", String(64), nullable=False),
)

drafts = Table(
    "run_drafts",
    metadata,
    Column("draft", String(80), primary_key=True),
    Column("beat", BigInteger, nullable=False),
    Column("renewed_at_s", Float, nullable=False),
    Column("suspect_beat", BigInteger, nullable=True),
    Column("suspect_at_s", Float, nullable=True),
)
"""Leases of the drafts that are being written, each renewed by its writer."""
