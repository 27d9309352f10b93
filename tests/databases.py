"""The databases that store tests run on: SQLite always, PostgreSQL where it is installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa


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


@contextmanager
def postgresql() -> Iterator[str]:
    """Start a PostgreSQL of our own on a socket in a new folder; stop that one at the end."""
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
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    start = ("-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
    _run(_as_postgres(pg_ctl, *start), cwd=folder)
    try:
        yield f"postgresql://me@/postgres?host={folder}"
    finally:
        # pg_ctl reads the process id of this one server from its own data folder
        _run(_as_postgres(pg_ctl, "-D", str(data), "-m", "immediate", "stop"), cwd=folder)
        shutil.rmtree(folder, ignore_errors=True)
