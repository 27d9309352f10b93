"""Tree nodes kept in the database: one for every 256 below it.

A proof over a million entries then reads a few hundred rows, and an append
writes one extra row in 256.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

import commonwatt.ledger.merkle as merkle
import commonwatt.ledger.schema as schema

STEP: Final = 8
WIDTH: Final = 1 << STEP


class StoredSubtreeHashes:
    """The nodes of the ledger behind one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def node(self, level: int, position: int) -> bytes:
        """Return the root of one complete subtree, from the nearest stored row below it."""
        base = level - level % STEP
        count = 1 << (level - base)
        first = position * count
        return merkle.complete_merkle_subtree_root(
            self._stored_merkle_hashes_of_level(base, first, count)
        )

    def subtree_hash_from_below(self, level: int, position: int) -> bytes:
        """Return a node that is about to be stored, from the row of nodes beneath it."""
        return merkle.complete_merkle_subtree_root(
            self._stored_merkle_hashes_of_level(level - STEP, position * WIDTH, WIDTH)
        )

    def _stored_merkle_hashes_of_level(self, level: int, first: int, count: int) -> list[bytes]:
        if level == 0:
            at, hashes = schema.entries.c.position, sa.select(schema.entries.c.link)
        else:
            at = schema.nodes.c.position
            hashes = sa.select(schema.nodes.c.hash).where(schema.nodes.c.level == level)
        within = hashes.where(at >= first, at < first + count).order_by(at)
        return [bytes(value) for value in self._connection.execute(within).scalars()]


def store_complete_merkle_nodes(connection: sa.Connection, old: int, new: int) -> None:
    """Write the nodes that became complete when the ledger grew from `old` to `new` entries."""
    stored = StoredSubtreeHashes(connection)
    level = STEP
    # Only complete nodes are stored: an incomplete one would change with every append, and an
    # append-only table cannot hold it.
    while new >> level > old >> level:
        rows = [
            {"level": level, "position": p, "hash": stored.subtree_hash_from_below(level, p)}
            for p in range(old >> level, new >> level)
        ]
        connection.execute(sa.insert(schema.nodes), rows)
        level += STEP
