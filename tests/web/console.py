"""A console on a free port of the loopback address, and people who are signed in to it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import uvicorn

import commonwatt.web.auth.accounts as accounts
from commonwatt.web.app import console_app_on_services
from commonwatt.web.auth.access import session_cookie_name
from commonwatt.web.roles import ConsoleRole
from commonwatt.web.services import Services, open_console_services
from commonwatt.web.settings import Settings

HTML = {"accept": "text/html"}


@dataclass
class Console:
    """A running console."""

    desk: Services
    port: int

    @property
    def address(self) -> str:
        return self.desk.settings.address

    def session(self, *roles: ConsoleRole) -> accounts.ConsoleSession:
        """Return a session of an account that has exactly these roles."""
        return self.session_of("-".join(sorted(roles)) if len(roles) < len(ConsoleRole) else "ada",
                               *roles)  # fmt: skip

    def session_of(self, name: str, *roles: ConsoleRole) -> accounts.ConsoleSession:
        """Return a session of the account of this name, made with these roles where none is."""
        now = datetime.now(UTC)
        if name not in {account.name for account in accounts.list_console_accounts(self.desk)}:
            accounts.make_account(self.desk, name, roles, by="test", now=now)
        return accounts.begin_account_session(self.desk, name, now=now)

    def visitor(self, *roles: ConsoleRole) -> httpx.Client:
        """Return a browser without pages, signed in with these roles."""
        session = self.session(*roles)
        cookies = {session_cookie_name(self.desk.settings): session.secret}
        headers = {"x-csrf": session.visitor.csrf}
        return httpx.Client(base_url=self.address, cookies=cookies, headers=headers, timeout=60)

    def stranger(self) -> httpx.Client:
        """Return a browser that nobody is signed in with."""
        return httpx.Client(base_url=self.address, timeout=60)


@contextmanager
def running(store: Path, root_path: str = "", **changes: object) -> Iterator[Console]:
    """Run a console on a store until the block ends, below a path of its host if given."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{sock.getsockname()[1]}{root_path}"
        with _running_at(sock, store, {"address": address} | changes) as made:
            yield made


@contextmanager
def _running_at(sock: socket.socket, store: Path, changes: dict) -> Iterator[Console]:
    port = sock.getsockname()[1]
    settings = Settings.of(store, requests_per_minute=0)
    # No test waits for a page that says to wait, however slow the machine is.
    settings = replace(settings, patience_s=600)
    settings = replace(settings, **changes)
    desk = open_console_services(settings, now=datetime.now(UTC))
    server = uvicorn.Server(
        uvicorn.Config(
            console_app_on_services(desk), log_level="error", access_log=False, proxy_headers=False
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and time.monotonic() < until:
        time.sleep(0.02)
    try:
        yield Console(desk=desk, port=port)
    finally:
        server.should_exit = True
        thread.join(20)


@contextmanager
def served_by_command(folder: Path, *words: str, link: bool = False) -> Iterator[str]:
    """Start `commonwatt serve` in `folder` as a person does; yield its address, or its link."""
    process = subprocess.Popen(
        [sys.executable, "-m", "commonwatt", "serve", "--port", "0", *words],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        printed = process.stdout.readline().strip()
        yield printed if link else printed.split("/welcome")[0]
    finally:
        # Its own group: workers, and whatever they have begun, end with it.
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
        process.stdout.close()


def everybody() -> Iterable[ConsoleRole]:
    return tuple(ConsoleRole)
