"""The databases that store tests run on: SQLite always, PostgreSQL where it is installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from commonwatt.ledger.kept import ledger_state_folder_or_none


def _program(name: str) -> str | None:
    binaries = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(binaries[-1]) if binaries else shutil.which(name)


def _run(arguments: list[str], *, cwd: Path) -> None:
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, cwd=cwd, timeout=120)


def _as_postgres(*arguments: str) -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", "postgres", "--", *arguments] if os.geteuid() == 0 else [*arguments]


def empty(url: str) -> None:
    """Take every table out of a PostgreSQL of our own."""
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    forget_ledgers()


def forget_ledgers() -> None:
    """Remember no ledger of any place, where another is about to begin."""
    if (folder := ledger_state_folder_or_none()) is not None:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class PostgresServer:
    """A PostgreSQL of our own on a socket in a new folder."""

    folder: Path
    options: str

    @property
    def url(self) -> str:
        """Return where its first database is."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Return where a database of it is."""
        return f"postgresql://me@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start it; return when it takes connections."""
        self._control("-w", "-l", str(self.folder / "log"), "-o", self.options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: `fast` ends every session in order, `immediate` is a power cut."""
        # pg_ctl reads the process id of this one server from its own data folder
        self._control("-m", mode, "stop")

    def _control(self, *arguments: str) -> None:
        pg_ctl = _program("pg_ctl") or "pg_ctl"
        data = str(self.folder / "data")
        _run(_as_postgres(pg_ctl, "-D", data, *arguments), cwd=self.folder)


@contextmanager
def postgres_server(settings: str = "") -> Iterator[PostgresServer]:
    """Start a server with `settings` as its command line takes them; stop that one at the end."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    if not initdb or not pg_ctl:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is missing in CI: apt install postgresql")
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    data = folder / "data"
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    _run(_as_postgres(initdb, "-D", str(data), "-U", "me", "-A", "trust", "-N"), cwd=folder)
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off {settings}"
    server = PostgresServer(folder, options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgresql() -> Iterator[str]:
    """Start a PostgreSQL of our own and give its URL; stop that one at the end."""
    with postgres_server() as server:
        yield server.url
