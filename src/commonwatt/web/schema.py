"""The console's own tables, beside the ledger's in one database.

Passwords, sessions, tokens and links are kept as digests only. Instants are text in
UTC, as in the ledger, so that they sort as they stand.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

accounts = sa.Table(
    "web_accounts",
    metadata,
    sa.Column("name", sa.String(60), primary_key=True),
    sa.Column("password", sa.String(200), nullable=False),
    # NULL for who has a password: SQL lets many NULLs stand in a unique column, but not many empty
    # texts.
    sa.Column("subject", sa.String(300), nullable=True, unique=True),
    sa.Column("closed", sa.Boolean, nullable=False),
    # 27 letters: an instant in UTC to the microsecond, such as 2026-11-23T04:00:00.000000Z.
    sa.Column("made_at", sa.String(27), nullable=False),
)

grants = sa.Table(
    "web_grants",
    metadata,
    sa.Column("account", sa.String(60), sa.ForeignKey("web_accounts.name"), primary_key=True),
    sa.Column("role", sa.String(40), primary_key=True),
    sa.Column("actor_id", sa.String(16), nullable=False),
)

sessions = sa.Table(
    "web_sessions",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("account", sa.String(60), sa.ForeignKey("web_accounts.name"), nullable=False),
    # As it is and no digest, because every form of the session has to show it.
    sa.Column("csrf", sa.String(64), nullable=False),
    sa.Column("made_at", sa.String(27), nullable=False),
    sa.Column("seen_at", sa.String(27), nullable=False),
    sa.Column("ends_at", sa.String(27), nullable=False),
)

tokens = sa.Table(
    "web_tokens",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("account", sa.String(60), sa.ForeignKey("web_accounts.name"), nullable=False),
    sa.Column("label", sa.String(60), nullable=False),
    sa.Column("made_at", sa.String(27), nullable=False),
    sa.Column("ends_at", sa.String(27), nullable=False),
)

links = sa.Table(
    "web_links",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    # No foreign key: the very first link is made before there is any account, and its account is
    # "".
    sa.Column("account", sa.String(60), nullable=False),
    sa.Column("ends_at", sa.String(27), nullable=False),
)

attempts = sa.Table(
    "web_attempts",
    metadata,
    sa.Column("key", sa.String(130), primary_key=True),
    # Counted in the database and not in memory, so that several worker processes share one count.
    sa.Column("window", sa.Integer, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
)

tasks = sa.Table(
    # The table and its columns keep the names of the first migration; a rename would be a step for
    # every database.
    "web_works",
    metadata,
    sa.Column("work_id", sa.String(12), primary_key=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("parameters", sa.Text, nullable=False),
    sa.Column("account", sa.String(60), nullable=False),
    sa.Column("state", sa.String(20), nullable=False, index=True),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("run_id", sa.String(16), nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("made_at", sa.String(27), nullable=False, index=True),
    sa.Column("ended_at", sa.String(27), nullable=False),
)
