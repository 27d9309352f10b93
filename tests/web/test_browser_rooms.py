"""The pages of rooms and of the ledger in a browser, with an output that waits in the airlock."""

import pytest

from commonwatt.web.auth.access import session_cookie_name
from commonwatt.web.roles import ConsoleRole
from tests.web.test_browser import _findings, _walk_down
from tests.web.test_desks import output, place

__all__ = ["output", "place"]  # fixtures of other modules, used below

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("language", "theme"), [("en", "dark"), ("zh-Hant", "light")])
def test_the_airlock_has_no_accessibility_finding(browser, place, output, language, theme):
    console, _ = place
    session = console.session(*ConsoleRole)
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    cookies = {session_cookie_name(console.desk.settings): session.secret}
    cookies |= {"language": language, "theme": theme}
    context.add_cookies(
        [{"name": k, "value": v, "url": console.address} for k, v in cookies.items()]
    )
    faults = {}
    for address in ("rooms", f"rooms?room=heart&output={output}", "ledger", "ledger?entry=3"):
        page = context.new_page()
        complaints = []
        page.on("console", lambda m, to=complaints: m.type == "error" and to.append(m.text))
        page.goto(f"{console.address}/{address}")
        _walk_down(page)
        if page_faults := _findings(page) + complaints:
            faults[address] = page_faults
        page.close()
    context.close()
    assert not faults
