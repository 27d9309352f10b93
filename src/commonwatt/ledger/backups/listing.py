"""The list of backups that were made of a home; it stands in the home itself."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

BACKUPS: Final = "backups.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRecord:
    """One backup of a home.

    Args:
        backup_id: Stands in its archive, too, and in the archive of its keys.
        at: When it was begun.
        archive: Where it was written.
        keys: Where its keys were written; "" for nowhere.
    """

    backup_id: str
    at: str
    archive: str
    keys: str


def record_ledger_home_backup(home: Path, record: BackupRecord) -> None:
    """Put a backup on the list of its home, before its archive gets its name."""
    path = home / BACKUPS
    # Synced before the archive is there: a list may name a backup that never came to be, and must
    # not miss one that did.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a") as file:
        # Begun on a line of its own: a line that was cut must not spoil the next.
        file.write("\n" + json.dumps(asdict(record)) + "\n")
        file.flush()
        os.fsync(file.fileno())


def ledger_backup_records_of_home(home: Path) -> list[BackupRecord]:
    """Return the backups that were made of a home, the oldest first."""
    path = home / BACKUPS
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    # A line that was cut by a power failure is of a backup that never got its name.
    return [BackupRecord(**json.loads(line)) for line in lines if line.endswith("}")]


def ledger_backup_records_of_enclosing_homes(folder: Path) -> list[BackupRecord]:
    """Return the backups of every home that a folder lies in, the oldest first."""
    resolved = folder.resolve()
    records = [
        record
        for home in (resolved, *resolved.parents)
        for record in ledger_backup_records_of_home(home)
    ]
    return sorted(records, key=lambda record: record.at)
