"""Every page in a real browser: both languages, light and dark, with and without script."""

import io
import os
import re
import time
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from commonwatt.web.auth.access import session_cookie_name
from commonwatt.web.registry import PAGES
from commonwatt.web.roles import ConsoleRole
from tests.proofs import PROOFS
from tests.web.console import running
from tests.web.sample import long_queue, sample_store

IMAGES = Path(__file__).parents[2] / "docs" / "images" / "console"
RENEW = "COMMONWATT_SCREENSHOTS"  # set: the images of the docs are written anew
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
OTHERS = ("sign-in", "account", "accounts", "fleet/tables/jobs", "fleet?job=2400", "nothing")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def seen(console):
    """The cookie of somebody who may see everything."""
    return console.session(*ConsoleRole)


@pytest.fixture
def page_in(browser, console, seen):
    """Open a page and gather whatever the browser complains about."""
    contexts = []

    def open_(address, language="en", theme="light", *, script=True, width=1280, signed=True):
        context = browser.new_context(
            viewport={"width": width, "height": 860},
            java_script_enabled=script,
            reduced_motion="reduce",  # colours change at once, before axe reads them
        )
        contexts.append(context)
        url = console.address
        cookies = {"language": language, "theme": theme}
        if signed:
            cookies[session_cookie_name(console.desk.settings)] = seen.secret
        context.add_cookies([{"name": k, "value": v, "url": url} for k, v in cookies.items()])
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda m: m.type == "error" and page.complaints.append(m.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(f"{url}/{address}")
        return page

    yield open_
    for context in contexts:
        context.close()


def _walk_down(page):
    """Bring every chart to life by passing over it."""
    wanted = page.locator("figure.chart[data-src]").count()
    for i in range(wanted):
        figure = page.locator("figure.chart[data-src]").nth(i)
        figure.scroll_into_view_if_needed()
        page.wait_for_function(
            "i => 'drawn' in document.querySelectorAll('figure.chart[data-src]')[i].dataset", arg=i
        )
    page.evaluate("scrollTo(0, 0)")


def _findings(page):
    violations = Axe().run(page, options=RULES).response["violations"]
    return [
        (violation["id"], [node["target"] for node in violation["nodes"]][:3])
        for violation in violations
    ]


@pytest.mark.prove
@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh-Hant", "dark")])
def test_no_page_has_an_accessibility_finding_or_a_complaint(page_in, tmp_path, language, theme):
    """Every page in one language and theme, and in full in all; with the docs' pictures."""
    faults = {}
    folder = IMAGES if os.environ.get(RENEW) else tmp_path
    names = [page.name for page in PAGES]
    every = [*names, *OTHERS]
    # In the suite each page once: every other one in the other language and theme.
    for address in every if PROOFS.full else every[language == "en" :: 2]:
        page = page_in(address, language, theme, signed=address != "sign-in")
        _walk_down(page)
        # The docs' pictures are taken anew under `make prove`, and when they are to be renewed.
        if address in names and (PROOFS.full or os.environ.get(RENEW)):
            _picture(page, folder, f"{address}-{language}.webp")
        page_faults = _findings(page)
        if PROOFS.full:
            other = "dark" if theme == "light" else "light"
            page.evaluate("theme => { document.documentElement.dataset.theme = theme }", other)
            page_faults += _findings(page)
        page_faults += [c for c in page.complaints if "404" not in c or address != "nothing"]
        if page_faults:
            faults[address] = page_faults
        page.context.close()
    assert not faults


def _picture(page, folder, name):
    """Keep what a visitor sees first, small enough for the docs."""
    page.wait_for_timeout(150)
    folder.mkdir(parents=True, exist_ok=True)
    image = Image.open(io.BytesIO(page.screenshot()))
    image.save(folder / name, quality=80, method=6 if os.environ.get(RENEW) else 0)
    assert 5_000 < (folder / name).stat().st_size < 150_000
    assert (IMAGES / name).exists(), "renew the pictures of the docs"


def test_pages_fit_a_telephone(page_in):
    wide = {}
    for console_page in PAGES:
        page = page_in(console_page.name, width=390)
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if over > 0:
            wide[console_page.name] = over
        page.context.close()
    assert not wide


def test_a_page_can_be_walked_by_keyboard(page_in):
    page = page_in("fleet")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    for _ in range(4):
        page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_without_script_forms_and_tables_work(page_in):
    page = page_in("fleet/tables/jobs", script=False)
    page.get_by_role("link", name=re.compile("Queue delay")).click()
    page.get_by_role("link", name=re.compile("Queue delay")).click()
    assert "order=-queue_delay_s" in page.url
    page.get_by_role("link", name=re.compile("Later rows")).click()
    assert "first=50" in page.url
    page.get_by_label("begins with").fill("24")
    page.get_by_role("button", name="Find").click()
    assert page.locator("tbody tr td:first-child").first.inner_text().startswith("24")
    page.goto(page.url.split("/fleet")[0] + "/fleet")
    assert page.locator("figure.chart svg").count() >= 4


def test_with_script_a_table_changes_in_place(page_in):
    page = page_in("fleet/tables/jobs")
    page.evaluate("window.here = true")
    page.get_by_role("link", name=re.compile("Queue delay")).click()
    page.wait_for_selector("th[aria-sort='ascending']")
    assert page.evaluate("window.here")
    assert not page.complaints


def test_a_chart_draws_a_hundred_thousand_points(browser, tmp_path):
    root = tmp_path / "runs"
    sample_store(root, fleet_queue=long_queue(100_000))
    with running(root) as console:
        session = console.session(ConsoleRole.VIEWER)
        context = browser.new_context()
        name = session_cookie_name(console.desk.settings)
        context.add_cookies([{"name": name, "value": session.secret, "url": console.address}])
        page = context.new_page()
        page.goto(f"{console.address}/fleet#chart-queue")
        page.locator("#chart-queue").scroll_into_view_if_needed()
        page.wait_for_selector("#chart-queue canvas")
        context.close()


def test_a_live_chart_takes_little_of_the_browser(page_in, console):
    """At most 15 ms of script, style and layout for each second that it grows."""
    page = page_in("fleet")
    page.route("**/feed*", _growing())
    page.route("**/live", lambda route: route.fulfill(json=_LOAD))
    page.evaluate(_LIVE)
    page.wait_for_selector("#chart-load canvas")
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable")
    time.sleep(1)
    before, began = _task_s(client), time.monotonic()
    time.sleep(6)
    spent = (_task_s(client) - before) / (time.monotonic() - began) * 1000
    assert spent < 150, f"{spent:.1f} ms/s"  # the figure itself is bench/web_live.py's


_LIVE = """() => {
  document.querySelector('main').innerHTML = '<figure class="card chart" id="chart-load" ' +
    'data-src="/live"><figcaption></figcaption><div class="plot" data-feed="/feed"></div></figure>';
  return import(document.getElementById('console-script').src + '&again');
}"""


_LOAD = {
    "form": "live", "title": "Load", "caption": "Load", "unit": "", "x_label": "",
    "x": [], "series": [{"label": "a"}], "logarithmic": False,
}  # fmt: skip


def _growing():
    sent = {"rows": 0}

    def answer(route):
        rows = [[time.time() + i, 0.5 + i % 3] for i in range(1 if sent["rows"] else 600)]
        sent["rows"] += len(rows)
        route.fulfill(json={"rows": rows, "since": sent["rows"], "over": False})

    return answer


def _task_s(client):
    metrics = client.send("Performance.getMetrics")["metrics"]
    return {metric["name"]: metric["value"] for metric in metrics}["TaskDuration"]
