"""Export the record, with the means to check it.

The folder holds the lines as they were hashed, the signatures, a fresh
checkpoint and a verifier that needs nothing but Python.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

import sqlalchemy as sa

import commonwatt.ledger.schema as schema
from commonwatt.core.files import folder_draft
from commonwatt.core.messages import Message
from commonwatt.ledger.checkpoints import Checkpoint
from commonwatt.ledger.errors import LedgerError
from commonwatt.ledger.keys import Signer
from commonwatt.ledger.store import Ledger

VERIFIER: Final = Path(__file__).with_name("independent.py")
_PAGE = 20_000


def export_ledger(ledger: Ledger, folder: Path, *, by: Signer) -> Checkpoint:
    """Write entries, signatures, checkpoint and verifier into a new `folder`.

    Args:
        ledger: The ledger.
        folder: It must not exist yet.
        by: Whoever signs the checkpoint.

    Raises:
        LedgerError: The folder exists already.
    """
    if folder.exists():
        raise LedgerError(
            str(folder), found=Message("something there already"), wanted=Message("a new folder")
        )
    checkpoint = ledger.checkpoint(by=by)
    # A folder of this name is always a whole record; half an export would verify as a cut one.
    with folder_draft(folder) as draft:
        with ledger.reading() as connection:
            _write_ledger_entry_lines(connection, draft / "entries.jsonl", checkpoint.size)
            _write_ledger_signature_lines(connection, draft / "signatures.jsonl", checkpoint.size)
        (draft / "checkpoint.txt").write_text(checkpoint.note, encoding="utf-8", newline="\n")
        # The verifier travels with the record: whoever checks it in ten years may not have this
        # program.
        shutil.copyfile(VERIFIER, draft / "verify_ledger.py")
    return checkpoint


def _write_ledger_entry_lines(connection: sa.Connection, path: Path, size: int) -> None:
    table = schema.entries
    query = sa.select(table.c.text).where(table.c.position < size).order_by(table.c.position)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for text in connection.execute(query).yield_per(_PAGE).scalars():
            file.write(text + "\n")


def _write_ledger_signature_lines(connection: sa.Connection, path: Path, size: int) -> None:
    table = schema.signatures
    query = sa.select(table).where(table.c.last < size).order_by(table.c.last)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in connection.execute(query):
            line = [row.first, row.last, row.actor_id, bytes(row.signature).hex()]
            file.write(json.dumps(line) + "\n")
