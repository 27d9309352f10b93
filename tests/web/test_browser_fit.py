"""Every console page on three screens: nothing wider than the screen, no text cut or covered."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import TimeoutError as BrowserTimeoutError

from commonwatt.web.auth.access import session_cookie_name
from commonwatt.web.registry import PAGES
from commonwatt.web.roles import ConsoleRole
from commonwatt.web.tasks.supervisor import start_task
from tests.proofs import PROOFS
from tests.web.console import running
from tests.web.sample import sample_store, sample_what_if
from tests.web.test_browser import RULES

pytestmark = pytest.mark.slow

WIDTHS = (1280, 768, 390)
LONGEST_NAME = "w" * 60  # as long as an account's name may be, with no place to break
LANGUAGES = ("en", "zh-Hant")
ADDRESSES = (
    *(page.name for page in PAGES),
    "account",
    "accounts",
    "fleet/tables/jobs",
    "fleet?job=2400",
    "nothing",
)

# A box is cut where its contents are wider than it and it neither scrolls nor lets them show. What
# only screen readers read is one pixel wide on purpose. SVG has its own measure, with its charts.
MEASURE = """() => {
  const faults = [];
  const shown = (e) => e.checkVisibility({opacityProperty: true, visibilityProperty: true});
  const name = (e) =>
    `${e.tagName.toLowerCase()}.${e.className} ${e.textContent.trim().slice(0, 40)}`;
  const over = document.documentElement.scrollWidth - innerWidth;
  if (over > 0) faults.push(`page is ${over} px too wide`);
  for (const e of document.body.querySelectorAll("*")) {
    if (e.closest("svg, .hidden, .skip, .plot") || !shown(e)) continue;
    const style = getComputedStyle(e);
    if (e.matches("input:not([type=hidden]), select, textarea, button")) {
      const box = e.getBoundingClientRect();
      if (box.left < -0.5 || box.right > innerWidth + 0.5) faults.push(`off screen: ${name(e)}`);
      if (e.matches("button") && e.scrollWidth > e.clientWidth + 1) faults.push(`cut: ${name(e)}`);
    }
    const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!text || e.closest("select, textarea")) continue;
    const hides = (v) => v === "hidden" || v === "clip";
    const wide = hides(style.overflowX) && e.scrollWidth > e.clientWidth + 1;
    const high = hides(style.overflowY) && e.scrollHeight > e.clientHeight + 1;
    if (wide || high) faults.push(`cut: ${name(e)}`);
    if (e.closest(".scroll")) continue;
    // Its own words alone: a child has its turn, and one for screen readers is clipped where it is.
    const boxes = [...e.childNodes].filter((n) => n.nodeType === 3).flatMap((n) => {
      const range = document.createRange(); range.selectNode(n); return [...range.getClientRects()];
    });
    if (boxes.some((b) => b.width && (b.left < -0.5 || b.right > innerWidth + 0.5))) {
      faults.push(`off screen: ${name(e)}`);
    }
  }
  return [...new Set(faults)].slice(0, 6);
}"""

# Text is covered where another box lies upon its middle. The head of the page sticks to the top, so
# that each text is brought to the middle of the screen first.
COVERED = """() => {
  const faults = [];
  for (const e of document.querySelectorAll("main *, header *")) {
    if (e.closest("svg, .hidden, .skip, .plot, select, details:not([open])")) continue;
    if (!e.checkVisibility()) continue;
    const own = [...e.childNodes].find((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own) continue;
    e.scrollIntoView({block: "center", inline: "center"});
    const range = document.createRange(); range.selectNode(own);
    const box = range.getClientRects()[0];
    if (!box || box.width < 2) continue;
    const x = box.left + box.width / 2, y = box.top + box.height / 2;
    // A wide table scrolls within its own box; what lies beyond the box's edge is not covered.
    if (e.closest(".scroll") && (x < 0 || x > innerWidth)) continue;
    const at = document.elementFromPoint(x, y);
    if (!at || !(e.contains(at) || at.contains(e))) {
      faults.push(`${e.tagName} ${e.textContent.trim().slice(0, 40)} under ${at && at.tagName}`);
    }
  }
  scrollTo(0, 0);
  return faults.slice(0, 6);
}"""


@pytest.fixture
def page_in(browser, console):
    """Open pages as somebody who may see everything, in one context a language."""
    session = console.session(*ConsoleRole)
    contexts = []

    def open_context(language="en", *, script=True, width=390):
        context = browser.new_context(
            viewport={"width": width, "height": 844},
            java_script_enabled=script,
            reduced_motion="reduce",
        )
        contexts.append(context)
        # The first opening of Treasury compiles its engine; beside other loads that takes a while.
        context.set_default_timeout(240_000)
        cookies = {"language": language, session_cookie_name(console.desk.settings): session.secret}
        context.add_cookies(
            [{"name": k, "value": v, "url": console.address} for k, v in cookies.items()]
        )
        return context.new_page()

    yield open_context
    for context in contexts:
        context.close()


def _wait_until_charts_follow(page):
    """Let a live chart take the new width; where the page stays too wide, the measure says so."""
    with suppress(BrowserTimeoutError):
        page.wait_for_function(
            "() => document.documentElement.scrollWidth <= innerWidth", timeout=5000
        )


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_is_wider_than_its_screen_and_no_text_is_cut_or_covered(page_in, console, language):
    # Whoever shares this console may have made long names or not: here they stand in any order.
    console.session(ConsoleRole.CUSTODIAN, ConsoleRole.REGULATOR, ConsoleRole.VIEWER)
    console.session_of(LONGEST_NAME)
    page, faults = page_in(language), {}
    for address in ADDRESSES:
        page.goto(f"{console.address}/{address}")
        # The suite looks at wide screens in one language; all of them are for the full proofs.
        for width in WIDTHS if PROOFS.full or language == "en" else (390,):
            page.set_viewport_size({"width": width, "height": 844})
            _wait_until_charts_follow(page)
            page_faults = page.evaluate(MEASURE)
            if width == 390:
                page_faults += page.evaluate(COVERED)
            if page_faults:
                faults[f"{address} at {width}"] = page_faults
    assert not faults


def test_the_measure_sees_what_is_cut_covered_and_too_wide(page_in, console):
    """The twin of the test above: each fault that it looks for, made on purpose, is seen."""
    page = page_in()
    page.goto(f"{console.address}/fleet")
    assert page.evaluate(MEASURE) == []
    assert page.evaluate(COVERED) == []
    page.evaluate(
        """() => {
          const style = new CSSStyleSheet();
          style.replaceSync("h1 { width: 30px; overflow: hidden; white-space: nowrap }"
            + ".lede { width: 600px; white-space: nowrap }"
            + "#lid { position: fixed; inset: 0; z-index: 99 }");
          document.adoptedStyleSheets.push(style);
        }"""
    )
    seen = " | ".join(page.evaluate(MEASURE))
    assert "page is" in seen
    assert "cut: h1" in seen
    assert "off screen: p.lede" in seen
    page.evaluate(
        """() => { const lid = document.createElement("b"); lid.id = "lid";
                   document.body.append(lid); }"""
    )
    assert page.evaluate(COVERED)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_on_a_phone_the_menu_is_folded_and_opens_by_keyboard_and_without_script(
    page_in, console, script
):
    page = page_in(script=script)
    page.goto(f"{console.address}/fleet")
    menu = page.locator("nav.menu")
    link = menu.get_by_role("link", name="Sites")
    assert not link.is_visible()
    # What the page is about stands on the first screen.
    assert page.locator("h1").bounding_box()["y"] < 200
    summary = menu.locator("summary")
    summary.focus()
    page.keyboard.press("Enter")
    assert link.is_visible()
    link.click()
    assert page.url.endswith("/sites")


def test_on_a_wide_screen_the_menu_stands_open(page_in, console):
    page = page_in(width=1280)
    page.goto(f"{console.address}/fleet")
    assert page.locator("nav.menu").get_by_role("link", name="Sites").is_visible()


def test_a_live_axis_stands_in_the_zone_of_the_page_and_not_of_the_browser(browser, tmp_path):
    sample_store(tmp_path)
    at = datetime(2026, 11, 29, 20, 15, tzinfo=UTC).timestamp()
    rows = [[at + i * 60, 0.5] for i in range(20)]
    with running(tmp_path, time_zone="Asia/Hong_Kong") as console:
        session = console.session(*ConsoleRole)
        context = browser.new_context(timezone_id="America/New_York", reduced_motion="reduce")
        name = session_cookie_name(console.desk.settings)
        context.add_cookies([{"name": name, "value": session.secret, "url": console.address}])
        page = context.new_page()
        # What the axis draws is on a canvas; its words are heard on their way there.
        page.add_init_script(
            """const draw = CanvasRenderingContext2D.prototype.fillText; window.drawn = [];
               CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
                 window.drawn.push(text); return draw.call(this, text, ...at); };"""
        )
        work = start_task(console.desk, "explain", {"job": "2400"}, "ada", now=datetime.now(UTC))
        page.route(
            "**/feed*",
            lambda route: route.fulfill(json={"rows": rows, "since": len(rows), "over": True}),
        )
        page.goto(f"{console.address}/works/{work}")
        page.wait_for_function("() => window.drawn.some((text) => /\\d:\\d\\d/.test(text))")
        drawn = " ".join(page.evaluate("window.drawn"))
        context.close()
    # 20:15 UTC is 04:15 of the next day in Hong Kong and 15:15 in New York.
    assert "4:20am" in drawn
    assert "3:20pm" not in drawn


def _axe_findings(page):
    violations = Axe().run(page, options=RULES).response["violations"]
    return [(each["id"], [node["target"] for node in each["nodes"]][:3]) for each in violations]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_form_with_errors_is_whole_by_keyboard_and_for_a_screen_reader(
    page_in, console, language
):
    page = page_in(language, width=1280)
    page.goto(f"{console.address}/programmes")
    page.locator("#h-name").focus()
    page.keyboard.type("mine")
    page.keyboard.press("Tab")  # the file
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "h-text"
    page.keyboard.type("title = 'x'\nseed = -1\n")
    page.keyboard.press("Tab")  # what is attached
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#faults")
    # What was typed is there to be mended, the faults are announced, and each box leads to them.
    assert "seed = -1" in page.locator("#h-text").input_value()
    assert page.locator("#faults").get_attribute("role") == "alert"
    assert "seed" in page.locator("#faults").inner_text()
    for box in ("#h-name", "#h-text"):
        assert page.locator(box).get_attribute("aria-invalid") == "true"
        assert "faults" in page.locator(box).get_attribute("aria-describedby").split()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate(MEASURE) == []
    assert page.evaluate(COVERED) == []
    assert _axe_findings(page) == []
    page.emulate_media(color_scheme="dark")
    assert _axe_findings(page) == []


def test_new_pages_have_no_accessibility_finding(browser, tmp_path):
    run = sample_store(tmp_path)
    changed = sample_what_if(tmp_path, ["sites.west.power_price=+50%"], energy_cost_usd=13_674.8)
    # No name is so long that it makes a page wider than a phone.
    long = sample_what_if(tmp_path, [f"sites.{'w' * 200}.power_price=+50%"], energy_cost_usd=1.0)
    with running(tmp_path, time_zone="Asia/Hong_Kong") as console:
        session = console.session(*ConsoleRole)
        context = browser.new_context(reduced_motion="reduce")
        name = session_cookie_name(console.desk.settings)
        context.add_cookies([{"name": name, "value": session.secret, "url": console.address}])
        page, faults = context.new_page(), {}
        addresses = ["comparison", "programmes", "runs", f"programme?run={changed.run_id}"]
        addresses += [f"runs?run={run.run_id}", f"comparison?run={long.run_id}"]
        for address in addresses:
            page.goto(f"{console.address}/{address}")
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 844})
                _wait_until_charts_follow(page)
                if found := page.evaluate(MEASURE) + _axe_findings(page):
                    faults[address, width] = found
        context.close()
    assert not faults
