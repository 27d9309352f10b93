"""Where the rows of a run store stand: SQLite in its folder, or a PostgreSQL that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa

import commonwatt.runs.schema as schema
from commonwatt.core.files import save_text
from commonwatt.core.messages import Message
from commonwatt.stores.engine import database_faults_as_store_errors, open_database_engine
from commonwatt.stores.errors import StoreError
from commonwatt.stores.opening import create_or_check_store_tables
from commonwatt.stores.schemas import RUNS

_DATABASE_FILE: Final = "database.url"


def run_database_path_or_url(root: Path, database: str | None = None) -> str | Path:
    """Return the path or URL of the rows of the store below `root`.

    Raises:
        StoreError: The folder names another database than the one given.
    """
    link = root / _DATABASE_FILE
    recorded = link.read_text(encoding="utf-8").strip() if link.is_file() else ""
    if database is None:
        return recorded or root / "runs.sqlite"
    # Half of a team that writes to another database would each see half of the runs.
    if recorded and recorded != _run_database_url_without_password(database):
        raise StoreError(
            str(link),
            found=recorded,
            wanted=_run_database_url_without_password(database),
            remedy=Message("Take the file away to move the store; its runs are listed anew."),
        )
    return database


def open_run_database(root: Path, database: str | None = None) -> sa.Engine:
    """Return the engine of the store below `root`, its tables made and of this version.

    Raises:
        StoreError: It cannot be opened, or is of another version.
    """
    where = run_database_path_or_url(root, database)
    with database_faults_as_store_errors(where):
        engine = open_database_engine(where)
        try:
            create_or_check_store_tables(engine, RUNS, schema.metadata.create_all)
        except Exception:
            engine.dispose()
            raise
    # Only a database that opened is remembered: a slip of the pen would lock the folder.
    if database is not None and not (root / _DATABASE_FILE).is_file():
        save_text(_run_database_url_without_password(database) + "\n", root / _DATABASE_FILE)
    return engine


def _run_database_url_without_password(database: str) -> str:
    # The folder is read by more people than the database; a password stands in PGPASSWORD or
    # in ~/.pgpass of whoever may.
    url = sa.make_url(database)
    bare = sa.URL.create(
        url.drivername,
        username=url.username,
        host=url.host,
        port=url.port,
        database=url.database,
        query=url.query,
    )
    return bare.render_as_string(hide_password=False)
