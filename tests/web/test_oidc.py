"""Sign-in with an organisation's provider, against a real one on this machine."""

import html
import re
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

import commonwatt.core.log as log
import commonwatt.web.auth.accounts as accounts
from commonwatt.cli import root
from commonwatt.core.errors import UsageError
from commonwatt.web.auth.admission import (
    AdmissionRules,
    VouchedIdentity,
    claim_at,
    claimed_names,
    email_domain_of,
)
from commonwatt.web.auth.oidc import CALLBACK_PATH, OidcProvider, _vouched_identity
from commonwatt.web.errors import SignInError
from commonwatt.web.roles import ConsoleRole
from commonwatt.web.serve import bind_console_socket, console_settings_for
from commonwatt.web.settings import ENVIRONMENT, Settings
from tests.web.console import HTML, running
from tests.web.provider import CLIENT, SECRET, Person
from tests.web.provider import Provider as RealProvider

GROUPS = ("planner", "treasurer", "viewer", "/staff/compute=operator,viewer")
VERIFIED = {"email": "ada.chan@Example.org", "email_verified": True}


@contextmanager
def _console_with_provider(tmp_path, **changes):
    provider = RealProvider()
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    with running(
        tmp_path / "runs",
        oidc_issuer=provider.issuer,
        oidc_client=CLIENT,
        oidc_secret_file=str(secret),
        **changes,
    ) as console:
        server = provider.open(console.address + CALLBACK_PATH)
        yield console, server
        provider.close()


@pytest.fixture
def there(tmp_path):
    """A console and the provider that it trusts, some of whose groups may come in."""
    with _console_with_provider(
        tmp_path, oidc_groups=GROUPS, oidc_domains=("example.org",), contact="it@example.org"
    ) as both:
        yield both


@contextmanager
def log_at(path):
    log.open_log(str(path))
    try:
        yield
    finally:
        log._OPEN.log = None


def _sign_in(browser, next_="/account", **headers):
    """Walk the way that a browser walks; return the last answer."""
    there = browser.get("/oidc/start", params={"next": next_})
    back = browser.get(there.headers["location"])
    return browser.get(back.headers["location"], headers=headers)


def _sign_out(browser, **headers):
    csrf = re.search(r'name="csrf" value="([^"]+)"', browser.get("/account").text).group(1)
    return browser.post("/sign-out", data={"csrf": csrf}, headers=headers)


def test_a_person_signs_in_and_has_the_roles_of_the_groups_that_the_provider_names(there):
    console, server = there
    server.login = Person("p-7", "ada.chan", ["planner", "treasurer", "emperor"])
    with console.stranger() as browser:
        done = _sign_in(browser)
        assert (done.status_code, done.headers["location"]) == (303, "/account")
        page = browser.get("/account").text
        assert "ada.chan" in page
        assert "See public accounts and debt paths" in page
        assert browser.get("/accounts").status_code == 403
    (account,) = accounts.list_console_accounts(console.desk)
    assert account.roles == {ConsoleRole.PLANNER, ConsoleRole.TREASURER}
    assert account.external
    assert account.by_rules


def test_who_is_in_no_group_any_more_keeps_nothing(there):
    console, server = there
    server.login = Person("p-7", "ada", ["planner", "viewer"])
    with console.stranger() as first, console.stranger() as second:
        _sign_in(first)
        assert first.get("/account").status_code == 200
        server.login = Person("p-7", "ada", ["viewer"])
        _sign_in(second)
        (account,) = accounts.list_console_accounts(console.desk)
        assert account.roles == {ConsoleRole.VIEWER}
        # The session that is open loses with the account.
        assert first.post("/works/study").status_code == 403
        server.login = Person("p-7", "ada", ["emperor"])
        assert _sign_in(second).status_code == 403
        (account,) = accounts.list_console_accounts(console.desk)
        assert account.roles == set()
        assert first.get("/treasury").status_code == 403


def test_two_people_of_one_name_have_two_accounts(there):
    console, server = there
    for subject in ("p-1", "p-2", "p-1"):
        server.login = Person(subject, "Lee Wai", ["viewer"])
        with console.stranger() as browser:
            _sign_in(browser)
    assert [account.name for account in accounts.list_console_accounts(console.desk)] == [
        "Lee-Wai",
        "Lee-Wai-2",
    ]


UNKNOWN = [
    ({}, None, "sent no claim roles"),
    ({}, [], "no group in the claim roles"),
    ({}, ["emperor", "Planner", "registrar"], "no group in the claim roles"),
    (VERIFIED | {"email_verified": False}, [], "has not verified"),
    ({"email": VERIFIED["email"]}, [], "has not verified"),
    (VERIFIED | {"email_verified": 1}, [], "has not verified"),
    (VERIFIED | {"email_verified": "yes"}, [], "has not verified"),
    (VERIFIED | {"email": "ada@evil.example"}, [], "the domain of the e-mail"),
    (VERIFIED | {"email": "ada@sub.example.org"}, [], "the domain of the e-mail"),
    (VERIFIED | {"email": "ada@example.org.evil.example"}, [], "the domain of the e-mail"),
    (VERIFIED | {"email": "ada@evil@example.org"}, [], "sent no e-mail address"),
    (VERIFIED | {"email": ["ada@example.org"]}, [], "sent no e-mail address"),
]


@pytest.mark.parametrize(("claims", "roles", "reason"), UNKNOWN)
def test_whom_no_rule_names_does_not_come_in_and_learns_why(there, tmp_path, claims, roles, reason):
    console, server = there
    server.login = Person("p-7", "ada.chan", roles, claims)
    with log_at(tmp_path / "log"), console.stranger() as browser:
        refused = _sign_in(browser)
        page = html.unescape(_sign_in(browser, **HTML).text)
        assert browser.get("/account").status_code == 401
    assert refused.status_code == 403
    assert refused.json()["error"] == "not-admitted"
    assert reason in refused.json()["found"]
    assert reason in page
    assert "Ask it@example.org" in page
    assert accounts.list_console_accounts(console.desk) == []
    written = (tmp_path / "log").read_text()
    for personal in ("ada", "p-7", "example.org", "evil"):
        assert personal not in refused.text.replace("it@example.org", "")
        assert personal not in written.replace(str(tmp_path), "")
    assert written.count("console-request-refused") == 2


def test_a_refusal_speaks_chinese(there):
    console, server = there
    server.login = Person("p-7", "ada.chan", [])
    with console.stranger() as browser:
        page = _sign_in(browser, **HTML, **{"accept-language": "zh-HK"}).text
    assert "您的機構認識您" in page
    assert "it@example.org" in page


KNOWN = [
    (VERIFIED, None, {ConsoleRole.VIEWER}),
    (VERIFIED | {"email_verified": "true"}, [], {ConsoleRole.VIEWER}),
    (VERIFIED, ["planner"], {ConsoleRole.VIEWER, ConsoleRole.PLANNER}),
    ({}, ["/staff/compute"], {ConsoleRole.VIEWER, ConsoleRole.OPERATOR}),
    ({}, "planner emperor", {ConsoleRole.PLANNER}),
    ({}, {"planner": {"of": "org"}}, {ConsoleRole.PLANNER}),
]


@pytest.mark.parametrize(("claims", "roles", "wanted"), KNOWN)
def test_whom_a_rule_names_comes_in_as_it_says(there, claims, roles, wanted):
    console, server = there
    server.login = Person("p-7", "ada.chan", roles, claims)
    with console.stranger() as browser:
        assert _sign_in(browser).status_code == 303
    (account,) = accounts.list_console_accounts(console.desk)
    assert account.roles == wanted


def test_a_claim_within_a_claim_and_one_that_is_asked_for_apart_are_found(tmp_path):
    with _console_with_provider(
        tmp_path, oidc_groups=("staff=planner",), oidc_roles_claim="realm_access.roles"
    ) as (console, server):
        nested = {"realm_access": {"roles": ["staff"]}}
        server.login = Person("p-1", "ada", None, nested)
        with console.stranger() as browser:
            assert _sign_in(browser).status_code == 303
        server.about = {"userinfo_endpoint": f"{server.issuer}/userinfo"}
    with _console_with_provider(
        tmp_path, oidc_groups=("staff=planner",), oidc_roles_claim="realm_access.roles"
    ) as (console, server):
        server.about = {"userinfo_endpoint": f"{server.issuer}/userinfo"}
        server.login = Person("p-2", "bo", None, {}, nested)
        with console.stranger() as browser:
            assert _sign_in(browser).status_code == 303
        server.login = Person("p-3", "cy", None, {}, nested | {"sub": "p-2"})
        with console.stranger() as browser:
            assert _sign_in(browser).status_code == 401


APART = [
    # token, userinfo, whether that lets somebody of example.org in
    (VERIFIED, {}, True),
    ({}, VERIFIED, True),
    ({"email": VERIFIED["email"]}, VERIFIED, True),
    ({"email": VERIFIED["email"]}, {"email_verified": True}, False),
    ({"email": VERIFIED["email"]}, VERIFIED | {"email": "ada@evil.example"}, False),
    ({"email": "ada@evil.example"}, {"email_verified": True}, False),
    (VERIFIED | {"email_verified": False}, VERIFIED, False),
]


@pytest.mark.parametrize(("token", "userinfo", "wanted"), APART)
def test_an_address_and_the_word_on_it_come_from_one_place(token, userinfo, wanted):
    identity = _vouched_identity({"iss": "i", "sub": "s"} | token, userinfo, "roles")
    rules = AdmissionRules.of(Settings.of(Path(), oidc_domains=("example.org",)))
    assert bool(rules.roles_of(identity)) == wanted


@pytest.mark.parametrize(
    "about", [{"token_endpoint": None}, {"jwks_uri": 7}, {"authorization_endpoint": None}]
)
def test_a_provider_that_says_half_of_itself_is_refused(there, about):
    console, server = there
    server.about = about
    with console.stranger() as browser:
        assert browser.get("/oidc/start").status_code == 401


def test_keys_that_are_none_let_nobody_in(there):
    console, server = there
    server.login = Person("p-1", "ada", ["viewer"])
    with console.stranger() as browser:
        for keys in ({"keys": "x"}, {"keys": [{"kty": "RSA"}]}, {}, {"keys": []}):
            server.keys = keys
            assert _sign_in(browser).status_code == 401
        server.keys = None
        assert _sign_in(browser).status_code == 303


def test_without_a_rule_only_the_invited_come_in_with_the_roles_of_their_account(tmp_path):
    now = datetime.now(UTC)
    with _console_with_provider(tmp_path) as (console, server):
        server.login = Person("p-1", "ada", ["planner"], VERIFIED)
        with console.stranger() as browser:
            refused = _sign_in(browser)
        assert refused.status_code == 403
        assert "invitation only" in refused.json()["found"]
        roles = {ConsoleRole.VIEWER, ConsoleRole.CLINICIAN}
        accounts.make_account(console.desk, "dr-chan", roles, by="test", now=now)
        link = accounts.make_welcome_link_secret(console.desk, "dr-chan", now=now)
        with console.stranger() as browser:
            page = browser.get(f"/welcome/{link}", headers=HTML).text
            start = browser.get(html.unescape(re.search(r'"(/oidc/start[^"]+)"', page).group(1)))
            back = browser.get(start.headers["location"])
            assert browser.get(back.headers["location"]).status_code == 303
            assert "dr-chan" in browser.get("/account").text
        # From then on without a link, and the provider's groups take nothing away.
        with console.stranger() as browser:
            assert _sign_in(browser).status_code == 303
        (account,) = accounts.list_console_accounts(console.desk)
        assert account.roles == roles
        assert not account.by_rules
        # The link is used up, and was for one person.
        server.login = Person("p-2", "bo")
        with console.stranger() as browser:
            assert browser.get(f"/oidc/start?invitation={link}").status_code == 401
            assert _sign_in(browser).status_code == 403


def test_an_invited_person_has_the_account_alone(there):
    console, server = there
    now = datetime.now(UTC)
    server.login = Person("p-1", "ada")
    accounts.make_account(console.desk, "shared", {ConsoleRole.VIEWER}, by="test", now=now)
    first = accounts.make_welcome_link_secret(console.desk, "shared", now=now)
    accounts.use_welcome_link(console.desk, first, "shared", "correct horse", (), now=now)
    token = accounts.make_api_token(console.desk, "shared", "script", now=now)
    link = accounts.make_welcome_link_secret(console.desk, "shared", now=now)
    with console.stranger() as browser:
        start = f"/oidc/start?invitation={link}"
        led = browser.get(start, headers={"sec-fetch-site": "cross-site"})
        assert led.status_code == 403
        back = browser.get(browser.get(start).headers["location"])
        assert browser.get(back.headers["location"]).status_code == 303
    assert accounts.visitor_of_api_token_or_none(console.desk, token, now=now) is None
    with pytest.raises(SignInError):
        accounts.sign_in(console.desk, "shared", "correct horse", "here", now=now)


def _open_with(browser, link):
    start = browser.get("/oidc/start", params={"invitation": link})
    back = browser.get(start.headers["location"])
    return browser.get(back.headers["location"])


def test_the_link_of_the_first_account_binds_nobody(there):
    console, server = there
    server.login = Person("p-1", "ada", ["viewer"])
    link = accounts.make_welcome_link_secret(console.desk, "", now=datetime.now(UTC))
    with console.stranger() as browser:
        assert _open_with(browser, link).status_code == 401
    assert accounts.list_console_accounts(console.desk) == []


def test_one_person_has_one_account(there):
    console, server = there
    now = datetime.now(UTC)
    server.login = Person("p-1", "ada", ["viewer"])
    accounts.make_account(console.desk, "keeper", {ConsoleRole.REGISTRAR}, by="test", now=now)
    for name in ("bo", "cy"):
        accounts.make_account(console.desk, name, {ConsoleRole.PLANNER}, by="test", now=now)
    with console.stranger() as before, console.stranger() as browser:
        assert _sign_in(before).status_code == 303
        link = accounts.make_welcome_link_secret(console.desk, "bo", now=now)
        assert _open_with(browser, link).status_code == 303
        # The account that a rule had made is closed in favour of the one of the invitation.
        assert before.get("/account").status_code == 401
        made = {account.name: account for account in accounts.list_console_accounts(console.desk)}
        assert made["ada"].closed
        assert made["bo"].external
        link = accounts.make_welcome_link_secret(console.desk, "cy", now=now)
        refused = _open_with(browser, link)
        assert refused.status_code == 401
        assert "another account" in refused.json()["found"]
        # The link was not used up by that.
        assert accounts.account_of_welcome_link_blank_if_first(console.desk, link, now=now) == "cy"
        assert _sign_in(browser).status_code == 303
        assert "<h1>bo</h1>" in browser.get("/account").text


def test_a_closed_account_does_not_come_in_by_its_group(there):
    console, server = there
    now = datetime.now(UTC)
    server.login = Person("p-1", "ada", ["viewer"])
    with console.stranger() as browser:
        _sign_in(browser)
        accounts.make_account(console.desk, "keeper", {ConsoleRole.REGISTRAR}, by="test", now=now)
        accounts.close_account(console.desk, "ada", by="keeper", now=now)
        assert _sign_in(browser).status_code == 401


def test_the_provider_is_told_at_sign_out_and_the_next_person_comes_in_as_themselves(there):
    console, server = there
    server.about = {"end_session_endpoint": f"{server.issuer}/logout?tenant=1"}
    server.at_desk = server.login = Person("p-1", "ada", ["viewer"])
    with console.stranger() as browser:
        _sign_in(browser)
        done = _sign_out(browser)
        assert done.status_code == 303
        sent = parse_qs(urlsplit(done.headers["location"]).query)
        assert sent["post_logout_redirect_uri"] == [f"{console.address}/sign-in"]
        assert sent["id_token_hint"][0].count(".") == 2
        assert sent["tenant"] == ["1"]
        back = browser.get(done.headers["location"])
        assert browser.get(back.headers["location"]).status_code == 200
        assert len(server.ended) == 1
        assert browser.get("/account").status_code == 401
        server.at_desk = Person("p-2", "bo", ["viewer"])
        _sign_in(browser)
        assert "<h1>bo</h1>" in browser.get("/account").text
        # A browser is led on by a page: the policy for forms names this host alone.
        page = _sign_out(browser, **HTML)
        assert page.status_code == 200
        assert 'http-equiv="refresh"' in page.text
        assert f"{server.issuer}/logout?tenant=1&amp;id_token_hint=" in page.text


def test_where_the_provider_cannot_be_told_it_must_ask_who_comes_next(there):
    console, server = there
    server.at_desk = server.login = Person("p-1", "ada", ["viewer"])
    with console.stranger() as browser:
        _sign_in(browser)
        assert "prompt" not in server.asked[-1]
        done = _sign_out(browser)
        assert done.headers["location"] == "/sign-in"
        server.at_desk = Person("p-2", "bo", ["viewer"])
        _sign_in(browser)
        assert server.asked[-1]["prompt"] == "login"
        assert "<h1>bo</h1>" in browser.get("/account").text
        # Who has come in well is not asked again.
        browser.get("/oidc/start")
        browser.get(browser.get("/oidc/start").headers["location"])


def test_a_provider_that_remembers_all_the_same_is_not_believed(there):
    console, server = there
    server.login = Person("p-1", "ada", ["viewer"], {"auth_time": 1_700_000_000})
    with console.stranger() as browser:
        assert _sign_in(browser).status_code == 303
        _sign_out(browser)
        refused = _sign_in(browser)
    assert refused.status_code == 401
    assert "without asking" in refused.json()["found"]


def test_whoever_was_refused_may_come_back_as_somebody_else(there):
    console, server = there
    server.login = Person("p-1", "ada", [])
    server.at_desk = Person("p-2", "bo", ["viewer"])
    with console.stranger() as browser:
        assert _sign_in(browser).status_code == 403
        assert _sign_in(browser).status_code == 303


def test_a_session_ends_although_the_provider_is_away(there):
    console, server = there
    server.login = Person("p-1", "ada", ["viewer"])
    with console.stranger() as browser:
        _sign_in(browser)
        server.about = {"issuer": "http://127.0.0.1:9/elsewhere"}
        console_provider = OidcProvider(console.desk.settings)
        with pytest.raises(Exception, match="issuer"):
            console_provider.provider_sign_out_url_or_blank("")


def test_who_comes_by_password_is_not_signed_out_at_a_provider(there):
    console, server = there
    now = datetime.now(UTC)
    server.about = {"end_session_endpoint": f"{server.issuer}/logout"}
    server.login = Person("p-1", "ada", ["viewer"])
    accounts.make_account(console.desk, "bo", {ConsoleRole.VIEWER}, by="test", now=now)
    link = accounts.make_welcome_link_secret(console.desk, "bo", now=now)
    with console.stranger() as browser:
        _sign_in(browser)
        browser.cookies.delete(f"commonwatt-{console.port}")  # the session here has lapsed
        browser.post(f"/welcome/{link}", data={"password": "correct horse battery"})
        assert _sign_out(browser).headers["location"] == "/sign-in"


@pytest.mark.parametrize(
    ("error", "words"),
    [("access_denied", "pressed Cancel"), ("a<b>", "a refusal of the provider")],
)
def test_a_refusal_of_the_provider_is_said_and_not_repeated(there, error, words):
    console, _ = there
    with console.stranger() as browser:
        browser.get("/oidc/start")
        answer = browser.get(
            CALLBACK_PATH,
            params={"error": error, "state": "s", "error_description": "p-7 ada"},
            headers=HTML,
        )
    assert answer.status_code == 401
    assert words in answer.text
    assert "ada" not in answer.text
    assert error == "access_denied" or error not in html.unescape(answer.text)


@pytest.mark.parametrize(
    "spoil",
    [
        {"aud": ["another"]},
        {"iss": "http://evil.example"},
        {"exp": 1},
        {"nonce": "another"},
    ],
)
def test_a_token_that_does_not_hold_lets_nobody_in(there, spoil):
    console, server = there
    server.login = Person("p-1", "Ada Chan", ["viewer"])
    server.spoil = spoil
    if "nonce" in spoil:
        codes = server.codes
        server.codes = _Spoilt(codes)
    with console.stranger() as browser:
        assert _sign_in(browser).status_code == 401
    assert accounts.list_console_accounts(console.desk) == []


class _Spoilt(dict):
    """Codes whose nonce is that of another sign-in."""

    def __setitem__(self, key, code):
        code.nonce = "another"
        super().__setitem__(key, code)


def test_a_token_signed_with_another_key_lets_nobody_in(there):
    console, server = there
    with console.stranger() as browser:
        start = browser.get("/oidc/start")
        back = browser.get(start.headers["location"])
        shown = server.key
        server.key = type(shown).generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        server.key.as_dict = shown.as_dict  # signs with the new one, shows the old one
        assert browser.get(back.headers["location"]).status_code == 401


def test_an_answer_to_another_sign_in_is_refused(there):
    console, server = there
    server.login = Person("p-1", "Ada Chan", ["viewer"])
    with console.stranger() as browser, console.stranger() as other:
        start = browser.get("/oidc/start")
        back = browser.get(start.headers["location"])
        assert other.get(back.headers["location"]).status_code == 401
        other.get("/oidc/start")
        assert other.get(back.headers["location"]).status_code == 401
        assert browser.get(f"{CALLBACK_PATH}?state=guess&code=guess").status_code == 401


def test_a_code_is_worth_nothing_without_its_verifier(there):
    console, _ = there
    mine = OidcProvider(console.desk.settings)
    url, pending = mine.provider_url_and_pending_sign_in("/")
    with console.stranger() as browser:
        back = browser.get(url).headers["location"]
    code = dict(part.split("=") for part in back.split("?")[1].split("&"))["code"]
    stolen = type(pending)(state=pending.state, nonce=pending.nonce, verifier="x" * 64, next="/")
    with pytest.raises(Exception, match="does not hold"):
        mine.finish_sign_in(stolen, pending.state, code)


def test_a_provider_that_is_away_is_said(there):
    console, _ = there
    with (
        running(
            console.desk.settings.store.parent / "other",
            oidc_issuer="http://127.0.0.1:9",
            oidc_client=CLIENT,
        ) as lonely,
        lonely.stranger() as browser,
    ):
        assert browser.get("/oidc/start").status_code == 401


def test_without_a_provider_there_is_no_such_door(console):
    with console.stranger() as browser:
        assert browser.get("/oidc/start").status_code == 404


RULES = [
    ({"oidc_groups": ("staff",)}, "one of the roles"),
    ({"oidc_groups": ("staff=",)}, "one of the roles"),
    ({"oidc_groups": ("staff=king",)}, "one of the roles"),
    ({"oidc_groups": ("staff=viewer,",)}, "one of the roles"),
    ({"oidc_groups": ("=viewer",)}, "GROUP=ROLE"),
    ({"oidc_groups": ("",)}, "GROUP=ROLE"),
    ({"oidc_domains": ("",)}, "e-mail domain"),
    ({"oidc_domains": ("org",)}, "e-mail domain"),
    ({"oidc_domains": ("*.example.org",)}, "e-mail domain"),
    ({"oidc_domains": ("example.org=",)}, "one of the roles"),
    ({"oidc_domains": ("ada@b@example.org",)}, "e-mail domain"),
    ({"oidc_domains": ("exa mple.org",)}, "e-mail domain"),
]


@pytest.mark.parametrize(("changes", "wanted"), RULES)
def test_a_rule_that_names_nobody_stops_the_start(tmp_path, changes, wanted):
    with pytest.raises(UsageError, match=wanted):
        AdmissionRules.of(Settings.of(tmp_path, **changes))


@pytest.mark.parametrize(
    ("changes", "group", "domain", "roles"),
    [
        ({"oidc_groups": ("viewer",)}, "viewer", "", "viewer"),
        (
            {"oidc_groups": ("Domain Users = viewer , planner",)},
            "Domain Users",
            "",
            "planner viewer",
        ),
        ({"oidc_groups": ("cn=it,dc=ha,dc=org=operator",)}, "cn=it,dc=ha,dc=org", "", "operator"),
        ({"oidc_groups": ("a=viewer", "a=planner")}, "a", "", "planner viewer"),
        ({"oidc_domains": ("@Example.org",)}, "", "example.org", "viewer"),
        ({"oidc_domains": ("example.org=planner",)}, "", "example.org", "planner"),
    ],
)
def test_a_sound_rule_is_read(tmp_path, changes, group, domain, roles):
    rules = AdmissionRules.of(Settings.of(tmp_path, **changes))
    identity = VouchedIdentity(
        subject="i s",
        name="a",
        groups=frozenset({group}),
        email_domain=domain,
        email_verified=True,
    )
    assert " ".join(sorted(rules.roles_of(identity))) == roles


_NAMES = st.sampled_from(["a", "b", "a.b", "b.c", "c"])
_CLAIMS = st.recursive(
    st.lists(st.text(max_size=3), max_size=2),
    lambda inner: st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=8,
)


def _pdf_page_object_numbers(claims, path=""):
    """Yield every claim with the path that leads to it, slowly and plainly."""
    for name, claim in claims.items():
        yield f"{path}{name}", claim
        if isinstance(claim, dict):
            yield from _pdf_page_object_numbers(claim, f"{path}{name}.")


@given(st.dictionaries(_NAMES, _CLAIMS, max_size=3), st.text("abc.", max_size=7))
def test_a_claim_is_found_exactly_where_a_path_leads(claims, other):
    by_path = {}
    for path, claim in _pdf_page_object_numbers(claims):
        by_path.setdefault(path, []).append(claim)
    for path, leaves in by_path.items():
        assert claim_at(claims, path) in leaves
    if other not in by_path:
        assert claim_at(claims, other) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=6),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=5,
    )
)
def test_any_claim_is_read_without_a_fault_and_names_texts_only(claim):
    names = claimed_names(claim)
    assert names is None if claim is None else all(isinstance(name, str) for name in names)
    domain = email_domain_of(claim)
    assert domain == "" or claim.lower().endswith(f"@{domain}")


def test_rules_come_from_the_environment_too(tmp_path, monkeypatch):
    monkeypatch.setenv("COMMONWATT_OIDC_GROUPS", "Domain Users=viewer; cn=it,dc=org=operator;")
    monkeypatch.setenv("COMMONWATT_OIDC_DOMAINS", "example.org")
    monkeypatch.setenv("COMMONWATT_OIDC_ROLES_CLAIM", "realm_access.roles")
    monkeypatch.setenv("COMMONWATT_TRUSTED_PROXIES", "127.0.0.1 10.0.0.0/8")
    command = root.get_command(click.Context(root), "serve")
    given = command.make_context("serve", ["--oidc-issuer", "https://login.example"]).params
    with bind_console_socket("127.0.0.1", 0) as sock:
        given |= {"store": tmp_path, "sock": sock}
        for name in ("host", "port", "workers", "language", "as_json"):
            given.pop(name, None)
        known = {field.name for field in fields(Settings)} | {"sock"}
        settings = console_settings_for(**{k: v for k, v in given.items() if k in known})
    assert settings.trusted_proxies == ("127.0.0.1", "10.0.0.0/8")
    assert settings.oidc_roles_claim == "realm_access.roles"
    rules = AdmissionRules.of(settings)
    assert set(rules.groups) == {"Domain Users", "cn=it,dc=org"}
    assert set(rules.domains) == {"example.org"}
    # A worker is told the same.
    assert Settings.from_environment({ENVIRONMENT: settings.as_text()}) == settings
