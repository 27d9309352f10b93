"""The console below a path of a host that it shares, behind proxies of either kind."""

import html
import re

import httpx
import pytest

from commonwatt.core.errors import UsageError
from commonwatt.web.app import console_app_on_services
from commonwatt.web.auth.access import session_cookie_name
from commonwatt.web.registry import PAGES
from commonwatt.web.roles import ConsoleRole
from commonwatt.web.serve import (
    bind_console_socket,
    console_first_path_segments,
    console_settings_for,
)
from commonwatt.web.settings import Settings
from tests.web.console import HTML, running
from tests.web.provider import Person
from tests.web.sample import sample_store
from tests.web.test_oidc import _console_with_provider, _sign_in, _sign_out

ROOT = "/public/compute"
SOME = ("fleet", "programme", "runs", "accounts")
OTHERS = ("sign-in", "account", "accounts", "nothing", "fleet/tables/jobs", "works/0123456789ab")


@pytest.fixture(scope="module")
def below(tmp_path_factory):
    root = tmp_path_factory.mktemp("below")
    sample_store(root)
    with running(root, root_path=ROOT) as console:
        yield console


@pytest.fixture(params=["kept", "taken off"])
def proxy(request, below):
    """Who asks: through a proxy that keeps the path, or one that takes it off."""
    with below.visitor(*ConsoleRole) as visitor:
        visitor.headers.update(HTML)
        if request.param == "taken off":
            visitor.base_url = f"http://127.0.0.1:{below.port}"
        yield visitor


def _addresses(page, *without):
    """Return every attribute of a page that is a path, but what a form sends."""
    attributes = re.findall(r'\s([a-z-]+)="(/[^"]*)"', page)
    return {html.unescape(path) for name, path in attributes if name not in {"value", *without}}


def test_every_link_of_every_page_leads_below_the_path(proxy):
    for name in [page.name for page in PAGES] + list(OTHERS):
        addresses = _addresses(proxy.get(f"/{name}").text)
        assert len(addresses) > 5
        assert {path for path in addresses if not path.startswith(f"{ROOT}/")} == set()


def test_every_link_leads_somewhere(below):
    with below.visitor(*ConsoleRole) as visitor:
        pages = [visitor.get(f"/{name}?lang=zh-Hant", headers=HTML).text for name in SOME]
        followed = {path.partition("?")[0] for page in pages for path in _addresses(page, "action")}
        assert len(followed) > 40
        for path in sorted(followed):
            answer = visitor.get(f"http://127.0.0.1:{below.port}{path}", headers=HTML)
            assert answer.status_code in {200, 303}, (path, answer.status_code)


def test_addresses_for_programs_lead_there_too(below):
    with below.visitor(*ConsoleRole) as program:
        data = program.get("/fleet.json").json()
        addresses = [
            data["permanent"],
            *data["charts"].values(),
            *(address for table in data["tables"].values() for address in table.values()),
        ]
        for address in addresses:
            assert address.startswith(f"{ROOT}/fleet")
            assert httpx.get(
                f"http://127.0.0.1:{below.port}{address}", cookies=program.cookies, timeout=60
            ).is_success
        assert program.get("/openapi.json").json()["servers"] == [{"url": ROOT}]


REDIRECTS = [
    ("/", "/programme"),
    ("/fleet/", "/fleet"),
    ("/fleet/?run=", "/fleet?run="),
    ("/preferences?theme=dark&back=/fleet", "/fleet"),
    ("/preferences?theme=dark&back=//evil.example", "/"),
]


@pytest.mark.parametrize(("path", "wanted"), REDIRECTS)
def test_redirects_lead_below_the_path(proxy, path, wanted):
    assert proxy.get(path).headers["location"] == ROOT + wanted


def test_who_is_not_signed_in_signs_in_and_comes_back(below):
    with below.stranger() as browser:
        sent = browser.get("/fleet?run=", headers=HTML).headers["location"]
        assert sent == f"{ROOT}/sign-in?next=%2Ffleet%3Frun%3D"
        page = browser.get(f"http://127.0.0.1:{below.port}{sent}").text
        assert 'name="next" value="/fleet?run="' in page


def test_cookies_are_for_the_path_alone(below):
    with below.stranger() as browser:
        assert f"Path={ROOT}" in browser.get("/preferences?theme=dark").headers["set-cookie"]
    with below.visitor(ConsoleRole.VIEWER) as visitor:
        answer = visitor.post("/sign-out", data={"csrf": visitor.headers["x-csrf"]})
        assert answer.headers["location"] == f"{ROOT}/sign-in"
        assert f"Path={ROOT}" in answer.headers["set-cookie"]
    secure = Settings.of(below.desk.settings.store, address=f"https://a.example{ROOT}", secure=True)
    # The prefix __Host- asks for the path of the whole host, which others share.
    assert session_cookie_name(secure).startswith("__Secure-")


def test_a_provider_leads_back_below_the_path(tmp_path):
    with _console_with_provider(tmp_path, root_path=ROOT, oidc_groups=("viewer",)) as (
        console,
        server,
    ):
        server.login = Person("p-1", "ada", ["viewer"])
        with console.stranger() as browser:
            done = _sign_in(browser)
            assert (done.status_code, done.headers["location"]) == (303, f"{ROOT}/account")
            assert "ada" in browser.get("/account").text
            assert {cookie.path for cookie in browser.cookies.jar} == {ROOT, f"{ROOT}/sign-out"}
            assert _sign_out(browser).headers["location"] == f"{ROOT}/sign-in"


def test_a_path_that_only_begins_alike_is_another(below):
    with httpx.Client(base_url=f"http://127.0.0.1:{below.port}") as browser:
        assert browser.get(f"{ROOT}/health").status_code == 200
        assert browser.get(f"{ROOT}rs/health").status_code == 404
        assert browser.get(ROOT, headers=HTML).headers["location"].startswith(f"{ROOT}/sign-in")


SOUND = [
    ("https://example.org", "https://example.org", ""),
    ("https://example.org/", "https://example.org", ""),
    ("https://Example.org:443/compute/", "https://example.org/compute", "/compute"),
    ("https://example.org:8443/a/b.c/", "https://example.org:8443/a/b.c", "/a/b.c"),
    ("http://127.0.0.1:80/compute", "http://127.0.0.1/compute", "/compute"),
    ("http://[::1]:8800/compute", "http://[::1]:8800/compute", "/compute"),
    ("https://example.org/fleets", "https://example.org/fleets", "/fleets"),
]
UNSOUND = [
    "example.org/compute",
    "ftp://example.org/compute",
    "https:///compute",
    "https://example.org:99999/compute",
    "https://example.org/compute?x=1",
    "https://example.org/compute#x",
    "https://ada:secret@example.org/compute",
    "https://example.org/a/../b",
    "https://example.org/a//b",
    "https://example.org/a b",
    'https://example.org/a"b',
    "https://example.org/a;b",
    "https://example.org/%63ompute",
    "https://example.org/fleet",
    "https://example.org/static/x",
    "http://example.org/compute",
]


@pytest.mark.parametrize(("given", "address", "root_path"), SOUND)
def test_a_sound_address_is_taken(tmp_path, given, address, root_path):
    with bind_console_socket("127.0.0.1", 0) as sock:
        settings = console_settings_for(tmp_path, sock, address=given)
    assert (settings.address, settings.root_path) == (address, root_path)


@pytest.mark.parametrize("given", UNSOUND)
def test_an_address_that_cannot_be_served_is_refused_in_words(tmp_path, given):
    with bind_console_socket("127.0.0.1", 0) as sock, pytest.raises(UsageError) as refusal:
        console_settings_for(tmp_path, sock, address=given)
    assert refusal.value.where == "--address"
    assert str(refusal.value.wanted)


def test_every_first_part_of_a_path_is_known(below):
    app = console_app_on_services(below.desk)
    parts = {path.split("/")[1].partition(".")[0] for path in app.openapi()["paths"]}
    parts |= {"static", "openapi"}
    assert parts - {""} <= {name.partition(".")[0] for name in console_first_path_segments()}
