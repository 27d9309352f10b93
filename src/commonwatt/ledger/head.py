"""The end of the chain as the database tells it; what of it is true, `verified` finds out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from weakref import ref

import sqlalchemy as sa

import commonwatt.ledger.schema as schema


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """The end of the chain: how many entries, the last link and the last instant."""

    origin: str
    size: int
    link: bytes
    at: str


_HEAD: Final = sa.select(schema.head)
_LOCKED_HEAD: Final = _HEAD.with_for_update()
_LOCKED: Final = "commonwatt_ledger_locked"


def read_chain_head(connection: sa.Connection) -> ChainHead:
    """Return the end of the chain as `connection` sees it."""
    return _chain_head_of_row(connection.execute(_HEAD).one())


def lock_chain_head(tx: sa.Connection) -> ChainHead:
    """Return the end of the chain and keep other writers from moving it."""
    holder, head = tx.info.get(_LOCKED, (None, None))
    # From the first lock to its end nobody else writes the row, so that it is read once; a
    # connection of the pool serves many transactions, and each has its own lock.
    if holder is not None and head is not None and holder() is tx.get_transaction():
        return head
    # PostgreSQL's row lock; on SQLite the transaction has taken the one write lock already. Two
    # writers must never compute their link from the same head.
    head = _chain_head_of_row(tx.execute(_LOCKED_HEAD).one())
    tx.info[_LOCKED] = ref(tx.get_transaction()), head
    return head


def move_chain_head(tx: sa.Connection, *, size: int, link: bytes, at: str) -> None:
    """Let the chain end with an entry that was just written; the head is read anew after it."""
    tx.execute(sa.update(schema.head), {"size": size, "link": link, "at": at})
    tx.info.pop(_LOCKED, None)


def _chain_head_of_row(row: Any) -> ChainHead:
    return ChainHead(origin=row.origin, size=row.size, link=bytes(row.link), at=row.at)
