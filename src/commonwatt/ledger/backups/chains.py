"""The ledgers in copies of databases: verified as they lie there, and never written to."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

import commonwatt.ledger.schema as schema
from commonwatt.core.messages import Message
from commonwatt.ledger.checkpoints import Checkpoint
from commonwatt.ledger.errors import BackupError
from commonwatt.ledger.store import read_chain_head
from commonwatt.ledger.verify import verify_ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFacts:
    """How far a ledger goes.

    Args:
        path: Of its database in the archive.
        origin: The name that its checkpoints bear.
        entries: How many it holds.
        root: Over all of them, in hexadecimal digits.
        at: Instant of the last.
    """

    path: str
    origin: str
    entries: int
    root: str
    at: str


class _CopiedChain:
    """The ledger in a SQLite file, opened without the right to change it."""

    def __init__(self, path: Path) -> None:
        # Not by `Ledger.open`, which makes what is missing: an old backup must verify as it is, and
        # a verification must not change a byte of what it verifies.
        uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        self.engine = sa.create_engine(
            "sqlite://", creator=lambda: sqlite3.connect(uri, uri=True), poolclass=NullPool
        )

    @contextmanager
    def reading(self) -> Generator[sa.Connection]:
        """Give a connection that sees the one state of the file."""
        with self.engine.connect() as connection:
            yield connection


def verified_backup_chain_facts_or_none(
    database: Path, path: str, *, pinned: Sequence[Checkpoint] = ()
) -> ChainFacts | None:
    """Return how far the ledger in a copied database goes, verified; None if there is none.

    Raises:
        TamperedError: The chain does not hold, or is not how that of a checkpoint begins.
        BackupError: A checkpoint goes further than the copy.
    """
    chain = _CopiedChain(database)
    try:
        with chain.reading() as connection:
            if not sa.inspect(connection).has_table(schema.head.name):
                return None
            head = read_chain_head(connection)
        own = [checkpoint for checkpoint in pinned if checkpoint.origin == head.origin]
        for checkpoint in own:
            _check_backup_not_behind_checkpoint(path, head.size, checkpoint)
        result = verify_ledger(chain)
        for checkpoint in own:
            verify_ledger(chain, pinned=checkpoint)
    finally:
        chain.engine.dispose()
    return ChainFacts(
        path=path, origin=head.origin, entries=result.entries, root=result.root.hex(), at=head.at
    )


def check_chains_match_backup_manifest(
    facts: Sequence[ChainFacts], manifest: Mapping[str, Any]
) -> None:
    """Raise unless the ledgers are those that the manifest names.

    Raises:
        BackupError: One differs.
    """
    recorded = {row["path"]: (row["entries"], row["root"]) for row in manifest["ledgers"]}
    if recorded != {chain.path: (chain.entries, chain.root) for chain in facts}:
        raise BackupError("ledger", found=Message("other entries than the backup was made of"))


def _check_backup_not_behind_checkpoint(path: str, entries: int, checkpoint: Checkpoint) -> None:
    if checkpoint.size > entries:
        raise BackupError(
            path,
            found=Message(
                "{entries} entries, where the checkpoint knows of {known}",
                {"entries": f"{entries:,}", "known": f"{checkpoint.size:,}"},
            ),
            remedy=Message(
                "Take a later backup. If there is none, restore without the checkpoint and put on"
                " record which entries are lost."
            ),
        )
