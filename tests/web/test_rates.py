"""Requests are counted by account or address, by all processes of a server together."""

import subprocess
import sys
import threading
import time
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.web.middleware import request_rate_key
from commonwatt.web.rates import RequestRates
from commonwatt.web.roles import ConsoleRole
from tests.web.console import running

HERE = Path(__file__).parents[2]
COUNT = """
import sys
from pathlib import Path
from commonwatt.web.rates import RequestRates
rates = RequestRates(50, clock=lambda: 0.0, path=Path(sys.argv[1]))
print([rates.exceeds_limit_with_request("a") for _ in range(40)].count(True))
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
        refused.extend(rates.exceeds_limit_with_request("a") for _ in range(40))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused.count(True) == 4 * 40 - 50
