"""Whether a run store is whole: every listed run is there, complete and unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

import commonwatt.runs.schema as schema
from commonwatt.core.hashes import file_sha256
from commonwatt.core.messages import Message
from commonwatt.runs.database import run_database_path_or_url
from commonwatt.runs.store import MANIFEST
from commonwatt.stores.engine import database_read_transaction, open_database_engine


def run_store_fault_messages(root: Path) -> list[Message]:
    """Return what is wrong with the store below `root`; nothing where it is whole.

    1. The database passes SQLite's own check, where it is one.
    2. Each listed run has its folder, and its manifest bears its id.
    3. Each table and page of each run has the digest that the manifest names.
    4. No folder that looks like a run is missing from the list.
    """
    verdict, listed = _run_database_integrity_verdict_and_run_ids(root)
    faults = (
        [] if verdict == "ok" else [Message("The database is damaged: {said}", {"said": verdict})]
    )
    for run_id in sorted(listed):
        faults += _stored_run_fault_messages(root, run_id)
    run_ids = {folder.name for folder in root.iterdir() if _is_stored_run_folder(folder)}
    faults += [
        Message("Run {run} lies there and is not listed.", {"run": name})
        for name in sorted(run_ids - listed)
    ]
    return faults


def is_stored_run_whole(root: Path, run_id: str) -> bool:
    """Return whether a run is there, each of its tables and pages as it was written."""
    try:
        return not any(_stored_run_fault_messages(root, run_id))
    # A manifest that cannot be read is no run that can be handed on.
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _run_database_integrity_verdict_and_run_ids(root: Path) -> tuple[str, set[str]]:
    engine = open_database_engine(run_database_path_or_url(root))
    try:
        with database_read_transaction(engine) as connection:
            sqlite = connection.dialect.name == "sqlite"
            verdict = connection.exec_driver_sql("PRAGMA integrity_check") if sqlite else None
            text = str(verdict.scalar_one()) if verdict is not None else "ok"
            listed = {run_id for (run_id,) in connection.execute(sa.select(schema.runs.c.run_id))}
    finally:
        engine.dispose()
    return text, listed


def _stored_run_fault_messages(root: Path, run_id: str) -> Iterator[Message]:
    path = root / run_id / MANIFEST
    if not path.is_file():
        yield Message("Run {run} is listed and has no manifest.", {"run": run_id})
        return
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    # A folder that was renamed or copied over another would have every digest right.
    if manifest["run_id"] != run_id:
        yield Message("Run {run} bears the name of another.", {"run": run_id})
    for table in manifest["tables"]:
        file = root / run_id / "tables" / f"{table['name']}.parquet"
        if not file.is_file() or file_sha256(file) != table["parquet_sha256"]:
            yield Message(
                "Run {run}: table {table} is missing or was changed.",
                {"run": run_id, "table": table["name"]},
            )
    # Runs that were made before pages had digests list none.
    for page in manifest.get("texts", []):
        file = root / run_id / page["name"]
        if not file.is_file() or file_sha256(file) != page["sha256"]:
            yield Message("Page {page} is missing or was changed.", {"page": page["name"]})


def _is_stored_run_folder(folder: Path) -> bool:
    return not folder.name.startswith(".") and (folder / MANIFEST).is_file()
