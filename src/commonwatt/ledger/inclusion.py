"""Whether rows are what a verified head stands for, by the Merkle tree over its entries.

Links of the tile of 256 entries around each row are hashed up to the root with the stored
nodes of all other tiles; an edited row, link or node gives another root.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

import commonwatt.ledger.merkle as merkle
import commonwatt.ledger.schema as schema
import commonwatt.ledger.tiles as tiles
from commonwatt.core.messages import Message
from commonwatt.ledger.entries import ledger_entry_line_prefix, merkle_leaf_hash
from commonwatt.ledger.errors import TamperedError
from commonwatt.ledger.walk import MerkleAccumulator, VerifiedHead


def check_rows_included(
    connection: sa.Connection, head: VerifiedHead, rows: Iterable[Sequence[Any]]
) -> None:
    """Raise unless each row is an entry of the chain that ends in `head`.

    Raises:
        TamperedError: A row, a link or a node was changed.
    """
    links = {int(row[0]): checked_ledger_link_of_row(row) for row in rows}
    complete = head.size >> tiles.STEP
    nodes = _complete_merkle_tile_hashes(connection, complete)
    for tile in sorted({position >> tiles.STEP for position in links}):
        first = tile << tiles.STEP
        stored = _ledger_links_from(connection, first, min(first + tiles.WIDTH, head.size))
        for place, link in enumerate(stored, first):
            if links.get(place, link) != link:
                raise edited_row_error(place)
        if tile < complete:
            nodes[tile] = merkle.complete_merkle_subtree_root(stored)
    tree = MerkleAccumulator()
    for node in nodes:
        tree.add_leaf(node)
    rest = MerkleAccumulator()
    for link in _ledger_links_from(connection, complete << tiles.STEP, head.size):
        rest.add_leaf(link)
    if tuple(tree.peaks + rest.peaks) != head.peaks or max(links, default=-1) >= head.size:
        raise edited_row_error(min(links, default=0))


def stored_merkle_root_at_size(connection: sa.Connection, size: int) -> bytes:
    """Return the root over the first `size` entries as they are stored."""
    return merkle.merkle_range_root(tiles.StoredSubtreeHashes(connection), 0, size)


def checked_ledger_link_of_row(row: Sequence[Any]) -> bytes:
    """Return the hash of the line in a row, whose columns must say what the line says.

    Raises:
        TamperedError: They do not.
    """
    position, at, actor_id, kind, subject, text, stored = row
    previous = text[text.find('"previous":"') + 12 :][:64]
    begins = ledger_entry_line_prefix(position, previous, at, actor_id, kind, subject)
    link = merkle_leaf_hash(text.encode())
    if link != stored or not text.startswith(begins):
        raise edited_row_error(position)
    return link


def edited_row_error(position: int) -> TamperedError:
    """Return the error of a row that is not what was verified."""
    return TamperedError(
        f"entry {position:,}",
        found=Message("a row that was changed after it was verified"),
        remedy=Message("Restore the ledger from a copy that agrees with a kept checkpoint."),
    )


def _complete_merkle_tile_hashes(connection: sa.Connection, complete: int) -> list[bytes]:
    table = schema.nodes
    query = sa.select(table.c.hash).where(table.c.level == tiles.STEP)
    query = query.where(table.c.position < complete).order_by(table.c.position)
    hashes = [bytes(node) for node in connection.execute(query).scalars()]
    if len(hashes) != complete:
        raise TamperedError("ledger_nodes", found=Message("nodes that do not follow from entries"))
    return hashes


def _ledger_links_from(connection: sa.Connection, first: int, end: int) -> list[bytes]:
    at = schema.entries.c.position
    query = sa.select(schema.entries.c.link).where(at >= first, at < end).order_by(at)
    links = [bytes(link) for link in connection.execute(query).scalars()]
    if len(links) != end - first:
        raise edited_row_error(first)
    return links
