"""The console for the measurements beside this file: the command itself, as a process of its own.

What is measured is what is served: `commonwatt serve` with the socket, the workers and the
settings that a user gets, but for the limit of requests, which one measuring address would
meet at once. Nothing of it is opened before the measurement but a database with one account.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import commonwatt.web.auth.accounts as accounts
from commonwatt.web.auth.access import session_cookie_name
from commonwatt.web.roles import ConsoleRole
from commonwatt.web.services import open_console_services
from commonwatt.web.settings import Settings


@dataclass(frozen=True)
class ServedConsole:
    """A console that answers.

    Args:
        address: Where.
        cookies: The sessions of somebody with every role, as headers.
        pid: Its first process; workers are its children.
    """

    address: str
    cookies: list[str]
    pid: int


@contextmanager
def served_console(
    store: Path, *, workers: int = 1, sessions: int = 1, database: str = ""
) -> Iterator[ServedConsole]:
    """Start `commonwatt serve` on a store; stop it at the end."""
    secrets = _sessions(store, sessions, database)
    words = ["--store", str(store), "--port", "0", "--sample", "", "--workers", str(workers)]
    words += ["--requests-per-minute", "0"]
    environment = os.environ | ({"COMMONWATT_DATABASE": database} if database else {})
    process = subprocess.Popen(
        [sys.executable, "-m", "commonwatt", "serve", *words],
        stdout=subprocess.PIPE, text=True, cwd=store.parent, env=environment,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        name = session_cookie_name(Settings.of(store, address=address))
        cookies = [f"{name}={secret}" for secret in secrets]
        yield ServedConsole(address, cookies, process.pid)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


def _sessions(store: Path, count: int, database: str) -> list[str]:
    settings = Settings.of(store, **({"database": database} if database else {}))
    now = datetime.now(UTC)
    services = open_console_services(settings, now=now)
    accounts.make_account(services, "bench", set(ConsoleRole), by="bench", now=now)
    begun = [accounts.begin_account_session(services, "bench", now=now) for _ in range(count)]
    services.database.dispose()
    return [session.secret for session in begun]


def process_tree(pid: int) -> list[int]:
    """Return a process and all that came of it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in process_tree(int(child)))]


def cpu_s(pid: int) -> float:
    """Return the processor time of a process and its children [s]."""
    return sum(_process_cpu_s(one) for one in process_tree(pid))


def _process_cpu_s(pid: int) -> float:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def private_mb(pid: int) -> float:
    """Return the memory that a process and its children hold for themselves [MB]."""
    total_kb = 0
    for one in process_tree(pid):
        rollup = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        total_kb += sum(int(line.split()[1]) for line in rollup if line.startswith("Private"))
    return total_kb / 1024


def load_text() -> str:
    """Return how busy the machine is, to be read beside every time."""
    return f"load average of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
