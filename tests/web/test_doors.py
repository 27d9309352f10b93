"""Who gets in, who may do what, and what never works."""

import itertools
import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

import commonwatt.web.auth.accounts as accounts
from commonwatt.ledger.verify import verify_ledger
from commonwatt.web import schema
from commonwatt.web.auth.access import session_cookie_name
from commonwatt.web.errors import ParameterError, SignInError, TooManyRequestsError
from commonwatt.web.registry import PAGES
from commonwatt.web.roles import (
    ACTION_NAMES,
    ACTION_ROLES,
    ROLE_NAMES,
    ConsoleAction,
    ConsoleRole,
    roles_can_act,
)
from tests.databases import postgresql
from tests.web.console import HTML, running

NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
PASSWORD = "correct horse battery"

# One request for each action that the frame itself serves; pages are added from the registry.
REQUESTS = {
    ConsoleAction.SEE_PLANS: [("GET", "/works"), ("GET", "/fleet/tables/jobs.csv")],
    ConsoleAction.START_RUN: [("POST", "/works/study")],
    ConsoleAction.STOP_RUN: [("POST", "/works/0123456789ab/stop")],
    ConsoleAction.MANAGE_ACCOUNTS: [
        ("GET", "/accounts"),
        ("POST", "/accounts"),
        ("POST", "/accounts/viewer/roles"),
        ("POST", "/accounts/viewer/link"),
        ("POST", "/accounts/viewer/close"),
    ],
}


def _requests():
    for page in PAGES:
        yield page.action, "GET", f"/{page.name}"
        yield page.action, "GET", f"/{page.name}.json"
        yield page.action, "GET", f"/{page.name}/tables/x.json"
        yield page.action, "GET", f"/{page.name}/charts/x.json"
    for action, every in REQUESTS.items():
        for method, address in every:
            yield action, method, address


FORBIDDEN = [
    (role, action, method, address)
    for role, (action, method, address) in itertools.product(ConsoleRole, _requests())
    if not roles_can_act({role}, action)
]


def test_every_role_and_every_action_stand_in_the_tables():
    assert set(ACTION_ROLES) == set(ConsoleAction) == set(ACTION_NAMES)
    assert set(ROLE_NAMES) == set(ConsoleRole)
    assert all(ACTION_ROLES.values())


@pytest.mark.parametrize("role", ConsoleRole)
def test_each_forbidden_pair_is_refused(console, role):
    with console.visitor(role) as visitor:
        for _, action, method, address in (row for row in FORBIDDEN if row[0] is role):
            answer = visitor.request(method, address)
            assert answer.status_code == 403, (role, action, address, answer.status_code)
            assert answer.json()["error"] == "forbidden"


@pytest.mark.parametrize("role", ConsoleRole)
def test_each_allowed_page_is_shown(console, role):
    with console.visitor(role) as visitor:
        for page in PAGES:
            if roles_can_act({role}, page.action):
                assert visitor.get(f"/{page.name}", headers=HTML).status_code == 200


def test_nobody_sees_anything_without_signing_in(console):
    with console.stranger() as stranger:
        for _, method, address in _requests():
            answer = stranger.request(method, address)
            assert answer.status_code == 401, address
        sent = stranger.get("/fleet?run=x", headers=HTML)
        assert sent.status_code == 303
        assert "/sign-in?next=%2Ffleet" in sent.headers["location"]
        assert stranger.get("/health").status_code == 200


def test_a_form_needs_the_token_of_its_session(console):
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        del visitor.headers["x-csrf"]
        for fields in ({}, {"csrf": "guessed"}):
            answer = visitor.post("/works/study", data=fields)
            assert answer.status_code == 403
            assert answer.json()["where"] == "csrf"


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}],
)
def test_a_form_of_another_site_is_refused(console, headers):
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        answer = visitor.post("/works/study", headers=headers)
        assert answer.status_code == 403
        answer = visitor.post("/sign-in", headers=headers, data={"name": "a", "password": "b"})
        assert answer.status_code == 403


def test_another_host_name_is_not_answered(console):
    with console.visitor(ConsoleRole.VIEWER) as visitor:
        assert visitor.get("/fleet", headers={"host": "evil.example"}).status_code == 421


def test_a_form_too_large_is_refused(console):
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        assert visitor.post("/works/study", content=b"x" * 300_000).status_code == 413


def test_every_answer_carries_the_headers_that_protect(console):
    with console.visitor(ConsoleRole.VIEWER) as visitor:
        for address in ("/fleet", "/nothing", "/health", "/fleet/tables/jobs.csv"):
            headers = visitor.get(address).headers
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"


def test_the_cookie_cannot_be_read_by_scripts(console):
    link = accounts.make_welcome_link_secret(console.desk, "viewer", now=datetime.now(UTC))
    console.session(ConsoleRole.VIEWER)
    with console.stranger() as stranger:
        answer = stranger.post(f"/welcome/{link}", data={"password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert answer.status_code == 303
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_a_link_works_once(console):
    console.session(ConsoleRole.OPERATOR)
    link = accounts.make_welcome_link_secret(console.desk, "operator", now=datetime.now(UTC))
    with console.stranger() as stranger:
        assert stranger.get(f"/welcome/{link}", headers=HTML).status_code == 200
        assert stranger.post(f"/welcome/{link}", data={"password": "short"}).status_code == 422
        assert stranger.post(f"/welcome/{link}", data={"password": PASSWORD}).status_code == 303
        stranger.cookies.clear()
        assert stranger.post(f"/welcome/{link}", data={"password": PASSWORD}).status_code == 401


def test_a_token_has_the_roles_of_its_account_and_can_be_taken_back(console):
    with console.visitor(ConsoleRole.REGULATOR) as visitor, console.stranger() as program:
        page = visitor.post("/account/tokens", data={"label": "script"}).text
        secret = re.search(r"cw_[\w-]+", page).group()
        program.headers["authorization"] = f"Bearer {secret}"
        assert program.get("/fleet.json").status_code == 200
        assert program.post("/works/study").status_code == 403
        digest = accounts.console_secret_sha256_hex(secret)
        assert visitor.post(f"/account/tokens/{digest}/drop").status_code == 303
        assert program.get("/fleet.json").status_code == 401


@pytest.mark.parametrize(
    ("roles", "granted"),
    [
        ("viewer, planner", {ConsoleRole.VIEWER, ConsoleRole.PLANNER}),
        ("planner,", {ConsoleRole.PLANNER}),
        ("viewer,planer", None),
        ("Planner", None),
        ("manufacturer", None),
    ],
)
def test_an_account_gets_the_roles_that_it_can_have_and_no_form_is_obeyed_by_half(
    console, roles, granted
):
    def roles_of(name):
        every = accounts.list_console_accounts(console.desk)
        return next((account.roles for account in every if account.name == name), None)

    spelt = re.sub(r"\W+", "-", roles)
    made, changed = f"made-{spelt}", f"changed-{spelt}"
    now = datetime.now(UTC)
    accounts.make_account(console.desk, changed, {ConsoleRole.CLINICIAN}, by="test", now=now)
    with console.visitor(ConsoleRole.REGISTRAR) as visitor:
        answers = [
            visitor.post("/accounts", data={"name": made, "roles": roles}),
            visitor.post(f"/accounts/{changed}/roles", data={"roles": roles}),
        ]
    if granted is None:
        for answer in answers:
            assert answer.status_code == 422
            assert answer.json()["where"] == "roles"
            assert "one of the roles clinician" in answer.json()["wanted"]
    assert roles_of(made) == granted
    assert roles_of(changed) == (granted or {ConsoleRole.CLINICIAN})
    accounts.close_account(console.desk, changed, by="test", now=now)
    if granted:
        accounts.close_account(console.desk, made, by="test", now=now)


def test_a_role_taken_back_ends_at_once(console):
    console.session(ConsoleRole.REGISTRAR)  # a console never loses its last one
    with console.visitor(ConsoleRole.TREASURER) as visitor:
        assert visitor.get("/treasury.json").status_code == 200
        now = datetime.now(UTC)
        accounts.set_account_roles(
            console.desk, "treasurer", {ConsoleRole.CLINICIAN}, by="test", now=now
        )
        assert visitor.get("/treasury.json").status_code == 403
        accounts.set_account_roles(
            console.desk, "treasurer", {ConsoleRole.TREASURER}, by="test", now=now
        )


def test_a_page_behind_preferences_is_never_another_sites(console):
    with console.stranger() as stranger:
        for back in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:1"):
            answer = stranger.get("/preferences", params={"theme": "dark", "back": back})
            assert answer.headers["location"] == "/"


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request, tmp_path):
    """A console of its own without accounts, on each database."""
    if request.param == "sqlite":
        with running(tmp_path / "runs", attempts=4) as made:
            yield made
    else:
        with postgresql() as url, running(tmp_path / "runs", database=url, attempts=4) as made:
            yield made


def test_the_first_account_keeps_the_accounts_and_everything_is_in_the_ledger(fresh):
    desk = fresh.desk
    link = accounts.make_welcome_link_secret(desk, "", now=datetime.now(UTC) - timedelta(hours=25))
    with fresh.stranger() as first:
        fields = {"name": "ada", "password": PASSWORD, "roles": "viewer"}
        assert first.post(f"/welcome/{link}", data=fields).status_code == 401
        link = accounts.make_welcome_link_secret(desk, "", now=datetime.now(UTC))
        assert first.post(f"/welcome/{link}", data=fields).status_code == 303
        assert first.get("/accounts", headers=HTML).status_code == 200
        assert first.get("/rooms", headers=HTML).status_code in (403, 404)
    with desk.ledger.reading() as connection:
        password_hash = connection.execute(sa.select(schema.accounts.c.password)).scalar_one()
        assert password_hash.startswith("$argon2id$")
        assert link not in str(connection.execute(sa.select(schema.links)).all())
    kinds = [entry.kind for entry in desk.ledger.entries()]
    for kind in ("console.account", "console.grant", "console.password", "console.sign-in"):
        assert kind in kinds
    assert verify_ledger(desk.ledger).entries == len(kinds)


def test_wrong_passwords_are_counted_and_say_nothing(fresh):
    desk, now = fresh.desk, datetime.now(UTC)
    link = accounts.make_welcome_link_secret(desk, "", now=now)
    accounts.use_welcome_link(desk, link, "ada", PASSWORD, {ConsoleRole.VIEWER}, now=now)
    assert accounts.sign_in(desk, "ada", PASSWORD, "here", now=now).visitor.name == "ada"
    for name in ("ada", "nobody"):
        with pytest.raises(SignInError, match="do not belong together"):
            accounts.sign_in(desk, name, "wrong password", name, now=now)
    for _ in range(3):
        with pytest.raises(SignInError):
            accounts.sign_in(desk, "ada", "wrong password", "there", now=now)
    with pytest.raises(TooManyRequestsError):
        accounts.sign_in(desk, "ada", PASSWORD, "elsewhere", now=now)
    later = now + timedelta(minutes=16)
    assert accounts.sign_in(desk, "ada", PASSWORD, "elsewhere", now=later)


def test_a_session_ends_and_an_account_closes(fresh):
    desk = fresh.desk
    accounts.make_account(desk, "keeper", {ConsoleRole.REGISTRAR}, by="test", now=NOW)
    accounts.make_account(desk, "bo", {ConsoleRole.VIEWER}, by="test", now=NOW)
    session = accounts.begin_account_session(desk, "bo", now=NOW)
    assert accounts.visitor_of_session_extending_it(desk, session.secret, now=NOW).roles == {
        ConsoleRole.VIEWER
    }
    late = NOW + timedelta(hours=13)
    assert accounts.visitor_of_session_extending_it(desk, session.secret, now=late) is None
    accounts.close_account(desk, "bo", by="keeper", now=NOW)
    assert accounts.visitor_of_session_extending_it(desk, session.secret, now=NOW) is None
    with pytest.raises(ParameterError, match="keeps the accounts"):
        accounts.close_account(desk, "keeper", by="keeper", now=NOW)
    assert not {account.name: account.closed for account in accounts.list_console_accounts(desk)}[
        "keeper"
    ]


def test_a_refused_change_leaves_no_trace(fresh):
    desk = fresh.desk
    accounts.make_account(desk, "keeper", {ConsoleRole.REGISTRAR}, by="test", now=NOW)
    before = desk.ledger.head()
    with pytest.raises(ParameterError):
        accounts.set_account_roles(desk, "keeper", {ConsoleRole.VIEWER}, by="keeper", now=NOW)
    with pytest.raises(ParameterError):
        accounts.make_account(desk, "keeper", set(), by="keeper", now=NOW)
    assert desk.ledger.head() == before
    assert accounts.list_console_accounts(desk)[0].roles == {ConsoleRole.REGISTRAR}


def test_cookies_of_two_consoles_on_one_machine_differ(console, tmp_path):
    with running(tmp_path / "runs") as other:
        assert session_cookie_name(other.desk.settings) != session_cookie_name(
            console.desk.settings
        )
