"""Connections that our servers keep answer at once: what the commands really listen on."""

import re
import socket
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest

import commonwatt
from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.core.sockets import listening_tcp_socket
from tests.clinic_institution import hospital

SOURCE = Path(commonwatt.__file__).parent


def accepted_without_delay(listener):
    """Return whether a connection to `listener` has TCP_NODELAY, as the event loop takes it."""
    with socket.socket(listener.family) as client:
        client.connect(listener.getsockname()[:2])
        taken, _ = listener.accept()
        with taken:
            # asyncio asks for the protocol before it sets the option itself.
            assert taken.proto == socket.IPPROTO_TCP
            return taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


@contextmanager
def uvicorn_that_only_looks(module, judged):
    """Let a command start its server, which looks at its sockets and ends."""

    def look(*_, sockets=None):
        judged.extend(accepted_without_delay(listener) for listener in sockets)

    class Workers:
        def __init__(self, _, sockets):
            look(sockets=sockets)

        def run(self):
            pass

    with mock.patch("uvicorn.Server.run", look), mock.patch(module, Workers):
        yield


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_connection_that_is_accepted_sends_at_once(host):
    with listening_tcp_socket(host, 0, backlog=8) as listener:
        assert accepted_without_delay(listener)
        with pytest.raises(OSError, match="in use"):
            listening_tcp_socket(host, listener.getsockname()[1], backlog=8)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_console_that_the_command_serves_sends_at_once(tmp_path, monkeypatch, workers):
    monkeypatch.chdir(tmp_path)
    judged = []
    with uvicorn_that_only_looks("uvicorn.supervisors.Multiprocess", judged):
        run_main(root, ["serve", "--port", "0", "--sample", "", "--workers", workers])
    assert judged == [True]


def test_the_gate_that_the_command_serves_sends_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hospital(tmp_path).ledger.engine.dispose()
    judged = []
    with uvicorn_that_only_looks("uvicorn.supervisors.Multiprocess", judged):
        given = ("--institution", "qmh.toml", "--key", "gateway.pem", "--port", "0")
        run_main(root, ["clinic", "gate", "serve", *given])
    assert judged == [True]


def test_no_server_of_ours_makes_its_socket_elsewhere():
    makers = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        # Programs that attack an isolated job make sockets in which nothing is served.
        if "sandbox" not in path.parts and re.search(r"socket\.socket\(", path.read_text("utf-8"))
    }
    assert makers == {"core/sockets.py"}
