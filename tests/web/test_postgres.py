"""The console on a PostgreSQL of its own: fresh, away, and back again."""

import threading
from collections import Counter
from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

import commonwatt.web.auth.accounts as accounts
from commonwatt.core.faults import MachineFault, machine_fault
from commonwatt.web.roles import ConsoleRole
from tests.databases import empty, postgres_server
from tests.web.console import running
from tests.web.sample import sample_store

OUTPUT = f"/rooms/x/outputs/{'0' * 64}"
# What a fresh console is asked first, and what it may answer; none of these ever made a table.
FIRST = [
    ("GET", f"{OUTPUT}/bytes", {}),
    ("POST", f"{OUTPUT}/vote", {"approve": "yes"}),
    ("POST", f"{OUTPUT}/release", {}),
    ("POST", f"{OUTPUT}/recall", {"reason": "error-found"}),
    ("POST", "/models/incidents", {"deployment": "d", "severity": "other", "jurisdiction": "hk",
                                   "code": "wrong-side"}),
    ("GET", "/models/dossier?version=version/x", {}),
    ("GET", "/rooms.json", {}),
    ("GET", "/models.json", {}),
    ("GET", "/ledger.json", {}),
    ("GET", "/works", {}),
    ("GET", "/account", {}),
]  # fmt: skip


@pytest.fixture(scope="module")
def server():
    with postgres_server() as made:
        yield made


def _token(console):
    console.session(*ConsoleRole)
    secret = accounts.make_api_token(console.desk, "ada", "test", now=datetime.now(UTC))
    return {"authorization": f"Bearer {secret}"}


@pytest.mark.parametrize(("method", "path", "fields"), FIRST)
def test_a_fresh_database_answers_whatever_is_asked_first(server, tmp_path, method, path, fields):
    empty(server.url)
    places = {"rooms": tmp_path / "rooms", "operate": tmp_path / "operate"}
    served = running(tmp_path / "runs", database=server.url, **places)
    with served as console, console.stranger() as http:
        body = {"json": fields} if method == "POST" else {}
        answer = http.request(method, path, headers=_token(console), **body)
    assert answer.status_code < 500, answer.text
    assert "relation" not in answer.text


def test_a_server_that_is_killed_under_load_is_503_and_when_to_ask_again(server, tmp_path):
    empty(server.url)
    sample_store(tmp_path / "runs")
    codes, faults, over = Counter(), [], threading.Event()
    with running(tmp_path / "runs", database=server.url) as console:
        headers = _token(console)

        def ask(accept):
            with console.stranger() as http:
                while not over.is_set():
                    try:
                        answer = http.get("/fleet", headers=headers | {"accept": accept})
                    except httpx.HTTPError as error:
                        faults.append(repr(error))
                        continue
                    codes[answer.status_code, answer.headers.get("retry-after", "")] += 1

        people = [threading.Thread(target=ask, args=(accept,))
                  for accept in ("text/html", "application/json") * 4]  # fmt: skip
        for person in people:
            person.start()
        try:
            for _ in range(3):
                _wait_for_more(codes, (200, ""))
                server.stop("immediate")
                _wait_for_more(codes, (503, "5"))
                server.start()
            _wait_for_more(codes, (200, ""))
        finally:
            over.set()
            for person in people:
                person.join()
    # A kept connection is not cut by a fault of the neighbour's either.
    assert faults == []
    assert set(codes) == {(200, ""), (503, "5")}


def _wait_for_more(codes, answer):
    before = codes[answer]
    until = threading.Event()
    for _ in range(600):
        if codes[answer] >= before + 10:
            return
        until.wait(0.1)
    raise AssertionError(f"no more of {answer} within a minute: {codes}")


def test_a_pool_whose_connections_are_all_in_use_is_no_fault_of_ours():
    assert machine_fault(PoolTimeoutError("QueuePool limit")) is MachineFault.UNREACHABLE
    assert machine_fault(TimeoutError("of somebody else")) is None
