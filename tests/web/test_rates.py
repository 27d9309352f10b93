"""Requests are counted by account or address, by all processes of a server together."""

import ipaddress
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.web.middleware import request_rate_key
from commonwatt.web.rates import RequestRates, client_address_behind_trusted_proxies
from commonwatt.web.roles import ConsoleRole
from tests.web.console import running

HERE = Path(__file__).parents[2]
COUNT = """
import sys
from pathlib import Path
from commonwatt.web.rates import RequestRates
rates = RequestRates(50, clock=lambda: 0.0, path=Path(sys.argv[1]))
print([rates.count_request_and_tell_if_over_limit("a") for _ in range(40)].count(True))
"""


def _allowed_since(began_s, most_a_minute):
    """Return how many requests may have passed: a busy machine may see the minute turn."""
    return most_a_minute * int(1 + time.monotonic() // 60 - began_s // 60)


def test_what_a_caller_invents_gives_no_second_count(tmp_path):
    with running(tmp_path / "runs", requests_per_minute=5) as console, console.stranger() as caller:
        began_s = time.monotonic()
        codes = [
            caller.get("/health", headers=headers).status_code
            for i in range(10)
            for headers in ({"cookie": f"x={i}"}, {"authorization": f"Bearer cw_{i}"})
        ]
        assert 5 <= codes.count(200) <= _allowed_since(began_s, 5)
        assert codes.count(200) + codes.count(429) == 20
        # An account that was proved has a count of its own, behind the same address.
        with console.visitor(ConsoleRole.VIEWER) as visitor:
            began_s = time.monotonic()
            codes = [visitor.get("/health").status_code for _ in range(6)]
            assert codes[:5] == [200] * 5
            assert codes.count(200) <= _allowed_since(began_s, 5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_an_address_of_a_network_of_its_own_is_counted_as_the_network(host, other):
    first, second = (f"2001:db8::{value >> 48:x}:{value & 0xFFFF:x}" for value in (host, other))
    keys = {request_rate_key({"client": (address, 1)}, "") for address in (first, second)}
    assert len(keys) == 1
    assert request_rate_key({"client": ("2001:db8:1::1", 1)}, "") not in keys


def test_processes_share_one_count(tmp_path):
    path = tmp_path / "rates"
    workers = [
        subprocess.Popen([sys.executable, "-c", COUNT, str(path)], stdout=subprocess.PIPE,
                         env={"PYTHONPATH": str(HERE / "src")})
        for _ in range(3)
    ]  # fmt: skip
    refused = sum(int(worker.communicate()[0]) for worker in workers)
    assert refused == 3 * 40 - 50


def test_threads_share_one_count():
    rates, refused = RequestRates(50, clock=lambda: 0.0), []

    def ask():
        refused.extend(rates.count_request_and_tell_if_over_limit("a") for _ in range(40))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused.count(True) == 4 * 40 - 50


def test_who_asks_too_often_is_told_when_to_come_again_in_their_language(tmp_path):
    with running(tmp_path / "runs", requests_per_minute=1) as console, console.stranger() as caller:
        page = {"accept": "text/html", "accept-language": "zh-HK"}
        for headers, words in (({}, "one visitor"), (page, "上限")):
            answers = [caller.get("/health", headers=headers) for _ in range(3)]
            refused = answers[-1]
            assert refused.status_code == 429
            assert 1 <= int(refused.headers["retry-after"]) <= 60
            assert words in refused.text
        assert caller.get("/health").json()["error"] == "too-many-requests"


CHAINS = [
    # peer, header lines, trusted, whom it is
    ("1.2.3.4", ["6.6.6.6"], [], "1.2.3.4"),
    ("127.0.0.1", ["6.6.6.6"], [], "127.0.0.1"),
    ("127.0.0.1", ["6.6.6.6"], ["127.0.0.1"], "6.6.6.6"),
    ("127.0.0.1", ["6.6.6.6, 5.5.5.5"], ["127.0.0.1"], "5.5.5.5"),
    ("127.0.0.1", ["6.6.6.6", "5.5.5.5"], ["127.0.0.1"], "5.5.5.5"),
    ("127.0.0.1", ["6.6.6.6, 5.5.5.5, 10.0.0.7"], ["127.0.0.1", "10.0.0.0/8"], "5.5.5.5"),
    ("1.2.3.4", ["6.6.6.6"], ["127.0.0.1"], "1.2.3.4"),
    ("127.0.0.1", [], ["127.0.0.1"], "127.0.0.1"),
    ("127.0.0.1", [""], ["127.0.0.1"], "127.0.0.1"),
    ("127.0.0.1", ["unknown"], ["127.0.0.1"], "127.0.0.1"),
    ("127.0.0.1", ["6.6.6.6, unknown"], ["127.0.0.1"], "127.0.0.1"),
    ("127.0.0.1", ["127.0.0.1, 127.0.0.1"], ["127.0.0.1"], "127.0.0.1"),
    ("127.0.0.1", ["6.6.6.6:4711"], ["127.0.0.1"], "6.6.6.6"),
    ("127.0.0.1", ["[2001:db8::1]:4711"], ["127.0.0.1"], "2001:db8::1"),
    ("127.0.0.1", ["2001:db8::1"], ["127.0.0.1"], "2001:db8::1"),
    ("::ffff:127.0.0.1", ["6.6.6.6"], ["127.0.0.1"], "6.6.6.6"),
    ("::1", ["6.6.6.6"], ["127.0.0.1", "::1"], "6.6.6.6"),
    ("", ["6.6.6.6"], ["127.0.0.1"], ""),
]


@pytest.mark.parametrize(("peer", "forwarded", "trusted", "wanted"), CHAINS)
def test_only_a_proxy_that_was_named_says_who_asks(peer, forwarded, trusted, wanted):
    networks = [ipaddress.ip_network(text) for text in trusted]
    assert client_address_behind_trusted_proxies(peer, forwarded, networks) == wanted


def test_a_caller_behind_no_named_proxy_does_not_choose_an_address(tmp_path):
    def codes(**changes):
        store = tmp_path / f"runs-{len(changes)}"
        with (
            running(store, requests_per_minute=5, **changes) as console,
            console.stranger() as caller,
        ):
            began_s = time.monotonic()
            answers = [
                caller.get("/health", headers={"x-forwarded-for": f"6.6.6.{i}"}) for i in range(12)
            ]
            most = _allowed_since(began_s, 5)
        return [answer.status_code for answer in answers], most

    alone, most = codes()
    assert 5 <= alone.count(200) <= most
    behind, _ = codes(trusted_proxies=("127.0.0.1",))
    assert behind == [200] * 12


def test_an_account_is_counted_once_whatever_address_it_comes_from(tmp_path):
    with (
        running(tmp_path / "r", requests_per_minute=5, trusted_proxies=("127.0.0.1",)) as console,
        console.visitor(ConsoleRole.VIEWER) as visitor,
    ):
        began_s = time.monotonic()
        codes = [
            visitor.get("/health", headers={"x-forwarded-for": f"6.6.6.{i}"}).status_code
            for i in range(12)
        ]
        assert 5 <= codes.count(200) <= _allowed_since(began_s, 5)
        assert visitor.get("/account", headers={"x-forwarded-for": "6.6.6.1"}).status_code == 429


def test_the_session_is_read_once_a_request(tmp_path):
    statements = []

    def note(connection, cursor, statement, *rest):
        statements.append(statement)

    with (
        running(tmp_path / "r", requests_per_minute=1000) as console,
        console.visitor(ConsoleRole.VIEWER) as visitor,
    ):
        visitor.get("/account")
        sa.event.listen(console.desk.database, "before_cursor_execute", note)
        assert visitor.get("/account").status_code == 200
        sa.event.remove(console.desk.database, "before_cursor_execute", note)
    assert sum("FROM web_sessions" in statement for statement in statements) == 1
