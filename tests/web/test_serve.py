"""`commonwatt serve` as a person starts it, and what a console costs before it is looked at."""

import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime

import httpx
import pytest
import uvicorn
from uvicorn.supervisors import Multiprocess

from commonwatt.core.errors import UsageError
from commonwatt.web.rates import RequestRates
from commonwatt.web.roles import ConsoleRole
from commonwatt.web.serve import (
    bind_console_socket,
    console_settings_for,
    prepare_console_and_return_link,
)
from commonwatt.web.settings import Settings
from commonwatt.web.tasks.supervisor import start_task
from commonwatt.web.workers import run_console_workers
from tests.web.console import running
from tests.web.sample import sample_store

HEAVY = ("polars", "numba", "scipy", "pyarrow", "highspy", "alembic", "argon2", "authlib")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_serve_prints_one_link_that_makes_the_first_account(tmp_path, workers):
    store = tmp_path / "runs"
    sample_store(store)
    arguments = ["serve", "--store", str(store), "--port", "0", "--workers", workers]
    process = subprocess.Popen(
        [sys.executable, "-m", "commonwatt", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        link = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/welcome/[\w-]+", link)
        with httpx.Client(timeout=120) as browser:
            fields = {"name": "ada", "password": "correct horse battery", "roles": "viewer"}
            assert browser.post(link, data=fields).status_code == 303
            address = link.split("/welcome")[0]
            assert browser.get(f"{address}/fleet").status_code == 200
            assert browser.post(link, data=fields).status_code in (401, 403)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
        process.stdout.close()
    assert process.returncode in (0, 130, -2)


def test_the_second_start_prints_the_plain_address(tmp_path):
    sample_store(tmp_path)
    settings = Settings.of(tmp_path, sample="")
    first = prepare_console_and_return_link(settings)
    assert "/welcome/" in first
    assert "/welcome/" in prepare_console_and_return_link(settings)  # nobody used the first link
    with running(tmp_path, address=settings.address) as console:
        console.session(ConsoleRole.REGISTRAR)
    assert prepare_console_and_return_link(settings) == settings.address


def test_the_server_is_light_until_something_heavy_is_asked():
    code = (
        "import sys, commonwatt.web.app, commonwatt.web.serve;"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_workers_are_forked_from_has_no_threads_that_a_fork_would_lose():
    code = (
        "import sys, threading, commonwatt.web.preloaded;"
        "print('polars' in sys.modules, threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False 1"


def test_help_answers_without_the_server():
    code = "import sys; from commonwatt.cli import root; print('fastapi' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_console_that_others_reach_needs_https(tmp_path):
    with bind_console_socket("127.0.0.1", 0) as sock:
        with pytest.raises(UsageError, match="https"):
            console_settings_for(tmp_path, sock, address="http://compute.example.org")
        secure = console_settings_for(tmp_path, sock, address="https://compute.example.org")
        assert secure.secure
        with pytest.raises(UsageError, match="free port"):
            bind_console_socket("127.0.0.1", sock.getsockname()[1])


def test_cookies_of_a_secure_console_are_for_https_only(tmp_path):
    with running(tmp_path / "runs", secure=True) as console:
        session = console.session(ConsoleRole.VIEWER)
        with console.stranger() as browser:
            browser.headers["cookie"] = f"__Host-commonwatt={session.secret}"
            page = browser.get("/account")
            assert page.status_code == 200
            assert page.headers["strict-transport-security"]
            theme = browser.get("/preferences?theme=dark").headers["set-cookie"].lower()
            assert "secure" in theme


def test_a_visitor_who_asks_too_often_waits(tmp_path):
    with running(tmp_path / "runs", requests_per_minute=5) as console:
        with console.visitor(ConsoleRole.VIEWER) as visitor:
            codes = [visitor.get("/health").status_code for _ in range(12)]
        assert codes[:4] == [200] * 4
        assert 429 in codes
        with console.visitor(ConsoleRole.PLANNER) as other:
            assert other.get("/health").status_code == 200


def test_a_new_minute_begins_anew():
    now = [0.0]
    rates = RequestRates(1, clock=lambda: now[0])
    assert [
        rates.count_request_and_tell_if_over_limit("a"),
        rates.count_request_and_tell_if_over_limit("a"),
    ] == [
        False,
        True,
    ]
    now[0] = 61.0
    assert not rates.count_request_and_tell_if_over_limit("a")


def test_an_empty_console_says_what_is_under_way(tmp_path):
    with running(tmp_path / "runs", works=0) as console:
        start_task(console.desk, "study", {}, "console", now=datetime.now(UTC))
        with console.visitor(ConsoleRole.VIEWER) as visitor:
            page = visitor.get("/fleet", headers={"accept": "text/html"}).text
    assert "There is no study yet" in page
    assert "Under way" in page


@pytest.mark.parametrize("gone", [True, False])
def test_a_worker_that_ended_first_keeps_no_other_from_being_ended(monkeypatch, gone):
    """Ctrl-C reaches supervisor and workers at once, in whatever order."""
    ended: list[str] = []

    class Worker:
        def __init__(self, name: str) -> None:
            self.name = name

        def terminate(self) -> None:
            ended.append(self.name)
            if gone and self.name == "first":
                raise ProcessLookupError

    def run(supervisor: Multiprocess) -> None:
        supervisor.processes = [Worker("first"), Worker("second")]
        supervisor.terminate_all()

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(Multiprocess, "run", run)
    monkeypatch.setattr("uvicorn.supervisors.multiprocess.SIGNALS", [])
    monkeypatch.setattr("uvicorn._subprocess.spawn", None)
    with bind_console_socket("127.0.0.1", 0) as sock:
        run_console_workers(uvicorn.Config("app:app", workers=2), sock)
    assert ended == ["first", "second"]
    assert handlers == {number: signal.getsignal(number) for number in handlers}
