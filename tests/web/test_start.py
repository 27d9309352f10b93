"""What a worker of the console begins with, and how several share those who wait at the door."""

import asyncio
import functools
import io
import json
import os
import pickle
import socket
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict

import pytest

import commonwatt.clinic.usecases.overview as overview
import commonwatt.web.explored as explored
from commonwatt.core.log import LOG_ENVIRONMENT
from commonwatt.treasury.usecases.explore import CountryChange
from commonwatt.web.event_loop import OneConnectionATurnSocket, SharedSocketEventLoop
from commonwatt.web.serve import bind_console_socket
from commonwatt.web.settings import ENVIRONMENT, Settings
from commonwatt.web.workers import console_app_of_worker
from tests.web.console import running
from tests.web.sample import sample_store

PEOPLE = 12


def _people_who_wait(stack, listener):
    return [
        stack.enter_context(socket.create_connection(listener.getsockname())) for _ in range(PEOPLE)
    ]


def test_a_socket_of_several_workers_gives_one_connection_a_turn():
    with ExitStack() as stack:
        listener = stack.enter_context(bind_console_socket("127.0.0.1", 0))
        _people_who_wait(stack, listener)
        shared = stack.enter_context(OneConnectionATurnSocket(fileno=listener.detach()))
        shared.setblocking(False)
        for _ in range(PEOPLE):
            stack.enter_context(shared.accept()[0])
            with pytest.raises(BlockingIOError):
                shared.accept()
        for _ in range(3):  # nobody waits
            with pytest.raises(BlockingIOError):
                shared.accept()
        late = stack.enter_context(socket.create_connection(shared.getsockname()))
        connection, address = shared.accept()
        stack.enter_context(connection)
        assert address == late.getsockname()


async def _connections_by_turn(listener):
    """Return how many connections each turn of the running loop took, until all are taken."""
    loop, turns, turn, everybody = asyncio.get_running_loop(), Counter(), 0, asyncio.Event()

    class Taken(asyncio.Protocol):
        def connection_made(self, transport):
            turns[turn] += 1
            transport.close()
            if turns.total() == PEOPLE:
                everybody.set()

    def begin_turn():
        nonlocal turn
        turn += 1
        loop.call_soon(begin_turn)

    begin_turn()
    server = await loop.create_server(Taken, sock=listener, backlog=2048)
    async with asyncio.timeout(60):
        await everybody.wait()
    server.close()
    return turns


@pytest.mark.parametrize(
    ("factory", "most"), [(SharedSocketEventLoop, 1), (asyncio.SelectorEventLoop, PEOPLE)]
)
def test_a_worker_leaves_those_who_wait_to_the_others(factory, most):
    with ExitStack() as stack:
        listener = stack.enter_context(bind_console_socket("127.0.0.1", 0))
        _people_who_wait(stack, listener)
        with asyncio.Runner(loop_factory=factory) as runner:
            turns = runner.run(_connections_by_turn(listener))
        assert (max(turns.values()), turns.total()) == (most, PEOPLE)


def test_a_server_leaves_the_descriptor_to_whoever_opened_the_socket():
    with bind_console_socket("127.0.0.1", 0) as listener:
        with asyncio.Runner(loop_factory=SharedSocketEventLoop) as runner:

            async def serve_and_close():
                loop = asyncio.get_running_loop()
                server = await loop.create_server(asyncio.Protocol, sock=listener)
                server.close()

            runner.run(serve_and_close())
        socket.create_connection(listener.getsockname()).close()  # it listens still


def _printed_by(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_collector_leaves_alone_what_workers_are_forked_with():
    code = (
        "import gc, commonwatt.web.preloaded;print(gc.isenabled(), gc.get_freeze_count() > 100_000)"
    )
    assert _printed_by(code) == "True True"


def test_the_program_for_workers_is_loaded_beside_what_the_command_loads_itself(tmp_path):
    code = (
        "import sys, commonwatt.web.workers as workers\n"
        "def begin(): print('fastapi' in sys.modules, 'sqlalchemy' in sys.modules); sys.exit()\n"
        "workers.load_program_for_workers = begin\n"
        f"sys.argv = ['commonwatt', 'serve', '--store', {str(tmp_path)!r}, '--workers', '2']\n"
        "from commonwatt.cli import main; main()"
    )
    assert _printed_by(code) == "False False"


def test_a_worker_knows_settings_that_the_process_it_is_forked_from_did_not(tmp_path, monkeypatch):
    settings = Settings.of(tmp_path, sample="")
    told = {ENVIRONMENT: settings.as_text(), LOG_ENVIRONMENT: str(tmp_path / "log.jsonl")}
    for name in told:
        monkeypatch.setenv(name, "another")
    # As it is sent to a worker; whatever a worker begins later is told the same.
    build = pickle.loads(pickle.dumps(functools.partial(console_app_of_worker, told)))
    monkeypatch.setattr("commonwatt.web.app.from_environment", Settings.from_environment)
    assert build() == settings
    assert {name: os.environ[name] for name in told} == told


def test_the_addresses_are_made_once_before_workers_are_forked(tmp_path):
    code = (
        "import commonwatt.web.preloaded; from commonwatt.web.app import console_routes;"
        "print(console_routes.cache_info().currsize)"
    )
    assert _printed_by(code) == "1"
    with running(tmp_path / "a") as first, running(tmp_path / "b") as second:
        # Each answers with what it works on itself.
        sample_store(tmp_path / "b")
        runs = []
        for console in (first, second):
            with console.stranger() as browser:
                runs.append(browser.get("/health").json()["runs"])
    assert runs == [0, 1]


def test_a_console_without_a_programme_of_its_own_loads_no_reader_of_programmes(tmp_path):
    code = (
        "import sys; from pathlib import Path;"
        "from commonwatt.web.tasks.kinds import console_task_programme_options as options;"
        f"print('harbour' in dict(options(Path({str(tmp_path)!r}))),"
        "'commonwatt.study.programme.reader' in sys.modules)"
    )
    assert _printed_by(code) == "True False"


class _Registry:
    def __init__(self, *events):
        self.by_kind = {"event": list(events)}


def test_rules_are_read_for_a_registry_with_events_alone(monkeypatch):
    reads = []
    monkeypatch.setattr(overview, "open_reporting_duties", lambda _: reads.append(1) or [])
    assert (overview.incident_reporting_duty_rows(_Registry()), reads) == ([], [])
    assert (overview.incident_reporting_duty_rows(_Registry("event/1")), reads) == ([], [1])


def test_a_path_that_is_made_beside_the_worker_gives_way_to_pages(monkeypatch):
    change, steps, written = CountryChange(years=5), [], io.StringIO()
    asked = json.dumps({"name": "finland", "change": asdict(change)})
    monkeypatch.setattr(sys, "stdin", io.StringIO(asked))
    monkeypatch.setattr(sys, "stdout", written)
    monkeypatch.setattr(explored.os, "nice", steps.append)
    monkeypatch.setattr(
        explored,
        "_explored_country_json_in_this_process",
        lambda name, _: steps.append(name) or "path",
    )
    explored.main()
    assert steps == [3, "finland"]
    assert written.getvalue() == "path"
