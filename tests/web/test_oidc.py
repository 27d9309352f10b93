"""Sign-in with an organisation's provider, against a real one on this machine."""

import pytest

import commonwatt.web.auth.accounts as accounts
from commonwatt.web.auth.oidc import CALLBACK_PATH, OidcProvider
from commonwatt.web.roles import ConsoleRole
from tests.web.console import running
from tests.web.provider import CLIENT, SECRET, Person
from tests.web.provider import Provider as RealProvider


@pytest.fixture
def there(tmp_path):
    """A console and the provider that it trusts."""
    provider = RealProvider()
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    with running(
        tmp_path / "runs",
        oidc_issuer=provider.issuer,
        oidc_client=CLIENT,
        oidc_secret_file=str(secret),
    ) as console:
        server = provider.open(console.address + CALLBACK_PATH)
        yield console, server
        provider.close()


def _sign_in(browser, next_="/account"):
    """Walk the way that a browser walks; return the last answer."""
    there = browser.get("/oidc/start", params={"next": next_})
    back = browser.get(there.headers["location"])
    return browser.get(back.headers["location"])


def test_a_person_signs_in_and_has_the_roles_that_the_provider_names(there):
    console, server = there
    server.login = Person("p-7", "ada.chan", ["planner", "treasurer", "emperor"])
    with console.stranger() as browser:
        done = _sign_in(browser)
        assert (done.status_code, done.headers["location"]) == (303, "/account")
        assert "ada.chan" in browser.get("/account").text
        assert browser.get("/treasury").status_code == 200
        assert browser.get("/accounts").status_code == 403
    (account,) = accounts.list_console_accounts(console.desk)
    assert account.roles == {ConsoleRole.PLANNER, ConsoleRole.TREASURER}
    assert account.external


def test_what_the_provider_takes_away_is_gone_at_the_next_sign_in(there):
    console, server = there
    for roles, wanted in ((["planner"], {ConsoleRole.PLANNER}), ([], {ConsoleRole.VIEWER})):
        server.login = Person("p-7", "ada", roles)
        with console.stranger() as browser:
            _sign_in(browser)
        (account,) = accounts.list_console_accounts(console.desk)
        assert account.roles == wanted


def test_two_people_of_one_name_have_two_accounts(there):
    console, server = there
    for subject in ("p-1", "p-2", "p-1"):
        server.login = Person(subject, "Lee Wai")
        with console.stranger() as browser:
            _sign_in(browser)
    assert [account.name for account in accounts.list_console_accounts(console.desk)] == [
        "Lee-Wai",
        "Lee-Wai-2",
    ]


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
    console, _ = there
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
    url, pending = mine.begin_sign_in("/")
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
