"""The controller's tables, in its ledger's database: one transaction holds both."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

jobs = Table(
    "operate_jobs",
    metadata,
    Column("job_id", String(100), primary_key=True),
    Column("ask", Text, nullable=False),
    Column("phase", String(12), nullable=False),
    Column("starts", Integer, nullable=False),
    Column("first_start_s", Float, nullable=False),
    Column("last_start_s", Float, nullable=False),
    Column("ended_at_s", Float, nullable=False),
    Column("exit_code", Integer, nullable=True),
    Column("served_s", Float, nullable=False),
    Column("warned_at_s", Float, nullable=False),
    Column("offered_at_s", Float, nullable=False),
    Column("refusals", Integer, nullable=False),
)

uses = Table(
    "operate_uses",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("job_id", String(100), nullable=False),
    Column("starts", Integer, nullable=False),
    Column("node", String(100), nullable=False),
    Column("site", String(100), nullable=False),
    Column("gpu_type", String(100), nullable=False),
    Column("gpus", Integer, nullable=False),
    Column("gpu_milli", Integer, nullable=False),
    Column("from_s", Float, nullable=False),
    Column("until_s", Float, nullable=True),
    Index("operate_uses_of", "job_id", "starts"),
)

intents = Table(
    "operate_intents",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("at_s", Float, nullable=False),
    Column("act", String(12), nullable=False),
    Column("subject", String(120), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(8), nullable=False, index=True),
    Column("answer", Text, nullable=False),
)

decisions = Table(
    "operate_decisions",
    metadata,
    Column("tick", BigInteger, primary_key=True, autoincrement=False),
    Column("at_s", Float, nullable=False),
    Column("decision", Text, nullable=False),
    Column("capture", LargeBinary, nullable=False),
)
