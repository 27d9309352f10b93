"""The end of the chain as the database tells it; what of it is true, `verified` finds out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

import commonwatt.ledger.schema as schema


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """The end of the chain: how many entries, the last link and the last instant."""

    origin: str
    size: int
    link: bytes
    at: str


def read_chain_head(connection: sa.Connection) -> ChainHead:
    """Return the end of the chain as `connection` sees it."""
    return _chain_head_of_row(connection.execute(sa.select(schema.head)).mappings().one())


def lock_chain_head(tx: sa.Connection) -> ChainHead:
    """Return the end of the chain and keep other writers from moving it."""
    # PostgreSQL's row lock; on SQLite the transaction has taken the one write lock already. Two
    # writers must never compute their link from the same head.
    row = tx.execute(sa.select(schema.head).with_for_update()).mappings().one()
    return _chain_head_of_row(row)


def _chain_head_of_row(row: Any) -> ChainHead:
    return ChainHead(origin=row["origin"], size=row["size"], link=bytes(row["link"]), at=row["at"])
