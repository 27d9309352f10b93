"""A page that is made once for all with the same roles holds nothing of who asked for it."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

import commonwatt.web.auth.accounts as accounts
import commonwatt.web.public_study as public_study
from commonwatt.web.auth.access import session_cookie_name
from commonwatt.web.page_cache import SharedPages
from commonwatt.web.page_view import PageView
from commonwatt.web.pages.models import _clinic_registry_tables
from commonwatt.web.parameters import PageValues, parse_page_values
from commonwatt.web.registry import PAGES
from commonwatt.web.render import page_html
from commonwatt.web.request_context import RequestContext, Visitor
from commonwatt.web.roles import ConsoleRole, roles_can_act
from commonwatt.web.runs import RecentCache
from commonwatt.web.shared_pages import shared_page_of
from commonwatt.web.tasks.supervisor import start_task
from tests.web.console import HTML, running
from tests.web.sample import long_queue, sample_store, sample_what_if

SHARED = [page for page in PAGES if page.content_key]
ADDRESSES = [f"/{page.name}" for page in SHARED] + [
    "/fleet?job=job-0000001",
    "/fleet/tables/jobs?order=-queue_delay_s",
    "/programme/tables/alternatives",
    "/origins?figure=USD",
    "/sites?theme=dark",
]
ALL = frozenset(ConsoleRole)


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    root = tmp_path_factory.mktemp("shared")
    sample_store(root)
    sample_what_if(root, ["sites.west.power_price=+50%"], energy_cost_usd=1.0)
    with running(root) as made:
        yield made


def _session(console, name, roles=ALL):
    now = datetime.now(UTC)
    if name not in {account.name for account in accounts.list_console_accounts(console.desk)}:
        accounts.make_account(console.desk, name, roles, by="test", now=now)
    return accounts.begin_account_session(console.desk, name, now=now)


def _browser(console, session, **cookies):
    cookies |= {session_cookie_name(console.desk.settings): session.secret}
    return httpx.Client(base_url=console.address, cookies=cookies, headers=HTML, timeout=120)


def _context(console, visitor, language="en"):
    return RequestContext(
        services=console.desk, visitor=visitor, language=language, now=datetime.now(UTC)
    )


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_of_two_people_with_the_same_roles_neither_sees_anything_of_the_other(
    console, address, language
):
    sessions = [_session(console, name) for name in ("ada-lovelace", "wilhelmina")]
    pages = []
    for session in [*sessions, *sessions]:
        with _browser(console, session, language=language) as browser:
            pages.append(browser.get(address))
    for session, page in zip([*sessions, *sessions], pages, strict=True):
        (other,) = [each for each in sessions if each is not session]
        assert page.status_code == 200
        assert page.headers["cache-control"] == "no-store"
        # The head is the visitor's own: the name, and the token that signs out.
        assert f'href="/account">{session.visitor.name}</a>' in page.text
        assert f'name="csrf" value="{session.visitor.csrf}"' in page.text
        for secret in (other.visitor.name, other.visitor.csrf, other.secret, session.secret):
            assert secret not in page.text
    swapped = pages[0].text
    for own, other in (("name", "name"), ("csrf", "csrf")):
        swapped = swapped.replace(
            getattr(sessions[0].visitor, own), getattr(sessions[1].visitor, other)
        )
    assert swapped == pages[1].text
    assert pages[2].text == pages[0].text
    assert not re.search("(tools|csrf)-[0-9a-f]{32}", pages[1].text)


@pytest.mark.parametrize("page", SHARED, ids=lambda page: page.name)
def test_a_shared_page_is_what_would_be_made_for_that_visitor_alone(console, page):
    visitor = _session(console, "ada-lovelace").visitor
    for language in ("en", "zh-Hant"):
        context = replace(_context(console, visitor, language), path=f"/{page.name}")
        values = parse_page_values(page.parameters, {})
        alone = page_html(context, page, values, page.build(context, values), "dark")
        with _browser(
            console, _session(console, "wilhelmina"), language=language, theme="dark"
        ) as browser:
            answer = browser.get(f"/{page.name}")
        ours = alone.replace("ada-lovelace", "wilhelmina")
        start, end = ours.index('<div class="tools">'), ours.index("</header>")
        theirs = answer.text
        assert theirs[: theirs.index('<div class="tools">')] == ours[:start]
        assert theirs[theirs.index("</header>") :] == ours[end:]


@pytest.mark.parametrize("order", [1, -1])
def test_whoever_may_see_less_is_shown_less_whoever_came_first(console, order):
    few, all_ = frozenset({ConsoleRole.VIEWER}), ALL
    assert not roles_can_act(few, next(p.action for p in PAGES if p.name == "ledger"))
    texts = {}
    for name, roles in [("narrow", few), ("broad", all_)][::order]:
        with _browser(console, _session(console, f"{name}{order}", roles)) as browser:
            texts[name] = browser.get("/programme").text
    assert 'href="/ledger"' in texts["broad"]
    assert 'href="/ledger"' not in texts["narrow"]


def test_a_role_that_is_taken_back_is_gone_at_the_next_request(console):
    session = _session(console, "passing", frozenset({ConsoleRole.VIEWER}))
    with _browser(console, session) as browser:
        assert browser.get("/fleet").status_code == 200
        accounts.set_account_roles(
            console.desk, "passing", frozenset({ConsoleRole.REGISTRAR}), by="test",
            now=datetime.now(UTC),
        )  # fmt: skip
        assert browser.get("/fleet").status_code == 403


def test_a_pin_and_a_new_study_are_shown_at_once(tmp_path):
    first = sample_store(tmp_path)
    with running(tmp_path) as console, _browser(console, _session(console, "ada")) as browser:
        assert first.run_id in browser.get("/programme").text
        assert browser.get("/programme.json").json()["runs"] == [first.run_id]
        second = sample_store(tmp_path, fleet_queue=long_queue(50))
        newest = console.desk.runs.ids()[0]
        older = ({first.run_id, second.run_id} - {newest}).pop()
        for pinned, shown in ((older, older), (newest, newest), (older, older)):
            public_study.pin_public_study(console.desk, pinned, "ada", now=datetime.now(UTC))
            assert browser.get("/programme.json").json()["runs"] == [shown]
            text = browser.get("/programme").text
            assert f'From the run <a href="/runs?run={shown}"' in text
            assert "public study" in text


def test_what_is_under_way_is_never_kept(tmp_path):
    with running(tmp_path) as console, _browser(console, _session(console, "ada")) as browser:
        assert "Under way" not in browser.get("/programme").text
        start_task(console.desk, "study", {"programme": "harbour"}, "ada", now=datetime.now(UTC))
        assert "Under way" in browser.get("/programme").text


def test_a_page_that_moved_while_it_was_made_is_not_kept(console):
    visitor, moves = Visitor(name="ada", roles=ALL), iter("aabbbbb")
    made = []

    def build(context, values):
        made.append(context.visitor)
        return PageView(lede=f"{len(made)}")

    page = replace(SHARED[0], build=build, content_key=lambda context, values: next(moves))
    pages, values = SharedPages(), parse_page_values(SHARED[0].parameters, {})
    context = _context(console, visitor)
    still = shared_page_of(context, page, values)  # a
    assert pages.view(still).lede == "1"  # a again: kept
    assert pages.view(still).lede == "1"
    moved = replace(still, values=parse_page_values(page.parameters, {"run": "0"}))
    assert pages.view(moved).lede == "3"  # b: made for who asked, and once more
    assert pages.view(moved).lede == "5"
    assert {(each.name, each.session) for each in made} == {("anybody", "")}


def test_a_form_of_a_shared_page_carries_the_token_of_whoever_asks(console):
    page = next(page for page in PAGES if page.name == "models")

    def build(context, values):
        extra = {"versions": [], "deployments": ["ward-7"], "may_report": True, "disclosable": []}
        return PageView(lede="", extra=extra)

    page = replace(page, build=build)
    shared = shared_page_of(_context(console, Visitor(name="ada", roles=ALL)), page, PageValues({}))
    pages = SharedPages()
    view = pages.view(shared)

    def draw(tools):
        return page_html(shared.context, page, shared.values, view, tools=tools)

    for name, token in (("ada", "t-ada"), ("bob", "t-bob")):
        text = pages.text(shared, "", draw).filled(f"<b>{name}</b>", token).decode()
        assert text.count(f'name="csrf" value="{token}"') == 1
        assert text.count("t-") == 1
        assert f"<b>{name}</b>" in text
    assert shared.context.visitor.csrf not in text


def test_a_cache_of_a_bounded_size_lets_go_of_what_was_asked_for_longest_ago():
    cache, made = RecentCache(10, len), []

    def get(key, length):
        return cache.get(key, lambda: made.append(key) or "x" * length)

    for key, length in (("a", 4), ("b", 4), ("a", 4), ("c", 4), ("a", 4), ("b", 4)):
        assert get(key, length) == "x" * length
    assert made == ["a", "b", "c", "b"]
    # What is larger than all of it is handed out and not kept, and nothing else goes for it.
    assert get("huge", 11) == "x" * 11
    assert (list(cache._cached), cache._total) == (["a", "b"], 8)
    cache.forget("a")
    cache.forget("never there")
    assert (list(cache._cached), cache._total) == (["b"], 4)


def test_a_table_of_deployments_follows_them_while_the_ledger_stands_still():
    live, lapsed = [{"deployment": "ward-7", "status": status} for status in ("live", "lapsed")]
    keys = {
        tuple(table.rows.key for table in _clinic_registry_tables("9-ab", [row], [], [], []))
        for row in (live, lapsed, dict(live))
    }
    assert len(keys) == 2
    assert len({key[1:] for key in keys}) == 1
