"""Sign-ins are counted by failure: by name against guesses, by address against guessers."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

import commonwatt.web.auth.accounts as accounts
from commonwatt.web import schema
from commonwatt.web.auth.attempts import (
    SignInKeys,
    check_sign_in_failures_below_limit,
    record_failure_and_tell_if_too_many,
)
from commonwatt.web.errors import SignInError, TooManyRequestsError
from commonwatt.web.roles import ConsoleRole
from tests.databases import empty, postgresql
from tests.web.console import HTML, running

NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
PASSWORD = "correct horse battery"
WRONG = "wrong horse battery"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch):
    """Hashes are slow on purpose, and what they cost is not tested here."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(accounts, "_console_argon2_password_hasher", lambda: hasher)
    accounts._password_hash_for_unknown_account.cache_clear()
    yield
    accounts._password_hash_for_unknown_account.cache_clear()


@pytest.fixture(scope="module")
def server():
    with postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def office(request, tmp_path):
    """A console with twelve accounts, all of one office, on each database."""
    changes = {}
    if request.param == "postgresql":
        changes["database"] = request.getfixturevalue("server")
        empty(changes["database"])
    with running(tmp_path / "runs", **changes) as made:
        yield _with_accounts(made)


def _with_accounts(console):
    hashed = accounts._console_argon2_password_hasher().hash(PASSWORD)
    for i in range(12):
        accounts.make_account(console.desk, f"p-{i}", {ConsoleRole.VIEWER}, by="test", now=NOW)
    with console.desk.ledger.transaction() as tx:
        tx.execute(sa.update(schema.accounts).values(password=hashed))
    return console


def _outcome(console, name, password, address, now=NOW):
    try:
        accounts.sign_in(console.desk, name, password, address, now=now)
    except TooManyRequestsError:
        return 429
    except SignInError:
        return 401
    return 200


def test_good_sign_ins_are_never_too_many(office):
    names = [f"p-{i % 12}" for i in range(25)]
    assert [_outcome(office, name, PASSWORD, "192.0.2.1") for name in names] == [200] * 25


def test_good_sign_ins_at_the_same_moment_are_not_too_many(office):
    outcomes = []

    def come_in(name):
        outcomes.append(_outcome(office, name, PASSWORD, "192.0.2.1"))

    threads = [threading.Thread(target=come_in, args=(f"p-{i}",)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [200] * 12


def test_failures_from_one_address_are_limited_and_a_success_between_them_clears_nothing(office):
    outcomes = []
    for i in range(12):
        outcomes.append(_outcome(office, f"nobody-{i}", WRONG, "192.0.2.1"))
        # The attacker has an account of their own.
        _outcome(office, "p-0", PASSWORD, "192.0.2.1")
    assert outcomes == [401] * 10 + [429] * 2
    assert _outcome(office, "p-1", PASSWORD, "192.0.2.1") == 429
    assert _outcome(office, "p-1", PASSWORD, "192.0.2.2") == 200
    assert _outcome(office, "p-1", PASSWORD, "192.0.2.1", NOW + timedelta(minutes=16)) == 200


def test_failures_on_one_name_are_limited_from_all_addresses_until_its_owner_signs_in(office):
    outcomes = [_outcome(office, "p-0", WRONG, f"192.0.2.{i}") for i in range(9)]
    assert outcomes == [401] * 9
    assert _outcome(office, "p-0", PASSWORD, "198.51.100.1") == 200
    outcomes = [_outcome(office, "p-0", WRONG, f"192.0.2.{i}") for i in range(100, 112)]
    assert outcomes == [401] * 10 + [429] * 2
    assert _outcome(office, "p-0", PASSWORD, "198.51.100.1") == 429
    assert _outcome(office, "p-1", PASSWORD, "198.51.100.1") == 200


def test_addresses_of_one_network_of_six_are_one(office):
    outcomes = [_outcome(office, f"nobody-{i}", WRONG, f"2001:db8::{i:x}:1") for i in range(12)]
    assert outcomes == [401] * 10 + [429] * 2
    mapped = [_outcome(office, f"nobody-{i}", WRONG, f"::ffff:192.0.2.{i}") for i in range(12)]
    assert mapped == [401] * 12


def test_guesses_that_are_sent_at_once_learn_no_more_than_those_sent_in_turn(office):
    """The right one is among the last to finish, and is refused as the wrong ones are."""
    desk, keys = office.desk, SignInKeys.of("p-0", "192.0.2.1")
    seen = []

    def matches(services, name, password):
        if password == PASSWORD:
            # All ten others fail between the two looks of this one.
            for _ in range(10):
                with services.ledger.transaction() as tx:
                    record_failure_and_tell_if_too_many(tx, services, keys, NOW)
        seen.append(password)
        return password == PASSWORD

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "_password_belongs_to_account", matches)
        assert _outcome(office, "p-0", PASSWORD, "192.0.2.1") == 429
        assert _outcome(office, "p-0", WRONG, "192.0.2.1") == 429
    assert seen == [PASSWORD]  # the second was not even hashed
    with pytest.raises(TooManyRequestsError):
        check_sign_in_failures_below_limit(desk, keys, NOW)


def test_workers_that_fail_at_once_all_count(office):
    keys = SignInKeys.of("p-0", "192.0.2.1")

    def fail():
        with office.desk.ledger.transaction() as tx:
            record_failure_and_tell_if_too_many(tx, office.desk, keys, NOW)

    threads = [threading.Thread(target=fail) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with office.desk.ledger.reading() as connection:
        counts = connection.execute(sa.select(schema.attempts.c.count)).scalars().all()
    assert counts == [8, 8]


def test_what_people_type_is_not_in_the_database(office):
    _outcome(office, "my secret password", WRONG, "192.0.2.77")
    with office.desk.ledger.reading() as connection:
        rows = str(connection.execute(sa.select(schema.attempts)).all())
    assert rows != "[]"
    assert "secret" not in rows
    assert "192.0.2.77" not in rows


def test_a_name_that_nobody_can_have_is_a_wrong_name(office):
    sent = {"content-type": "application/json"}
    names = ["\x00", "a\x00b", "é" * 61, "a" * 5000, "' or 1=1 --", "p-0\n", "\ud800"]
    with office.stranger() as browser:
        for name in names:
            fields = {"name": name, "password": WRONG}
            answer = browser.post("/sign-in", content=json.dumps(fields), headers=sent)
            # What no database takes as text is no name at all.
            is_text = "\x00" not in name and name != "\ud800"
            assert answer.status_code == (401 if is_text else 422), answer.text
            if is_text:
                # By another door of the office, as ten failures close this one.
                assert _outcome(office, name, PASSWORD, "192.0.2.9") == 401


def test_brackets_without_end_are_no_form(office):
    with office.stranger() as browser:
        sent = {"content-type": "application/json"}
        for body in (b"[" * 200_000, b'{"name":' * 20_000, b"\xff", b"null"):
            assert browser.post("/sign-in", content=body, headers=sent).status_code == 422


def test_who_failed_too_often_is_told_when_to_come_again(office):
    fields = {"name": "p-3", "password": WRONG}
    with office.stranger() as browser:
        for headers in ({}, HTML):
            # Twice as often as needed, as the quarter of an hour may turn in between.
            for _ in range(22):
                answer = browser.post("/sign-in", data=fields, headers=headers)
                if answer.status_code == 429:
                    break
            assert answer.status_code == 429
            assert 1 <= int(answer.headers["retry-after"]) <= 900
            assert "min." in answer.text
    kinds = [entry.kind for entry in office.desk.ledger.entries()]
    # Once for name and address together, whatever is sent after it.
    assert 1 <= kinds.count("console.attempts") <= 2
