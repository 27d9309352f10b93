"""What a live chart takes of the browser, for each second that it grows.

Six hundred points of two lines, one new point a second, in Debian's Chromium. Told
are the milliseconds of the page's main thread in tasks, scripts, styles and layout,
beside the same page without the chart. The limit is 15 ms of script, styles and layout.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Page, sync_playwright

from commonwatt.web.auth.access import session_cookie_name
from commonwatt.web.roles import ConsoleRole
from tests.web.console import running
from tests.web.sample import sample_store

SECONDS = 20
WANTED = ("TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration", "ProcessTime")
DATA = {
    "form": "live", "title": "Load", "caption": "Load", "unit": "", "x_label": "", "x": [],
    "series": [{"label": "processors"}, {"label": "memory"}], "logarithmic": False,
}  # fmt: skip
CHART = """() => {
  document.querySelector('main').innerHTML = '<figure class="card chart" id="chart-load" ' +
    'data-src="/live"><figcaption></figcaption><div class="plot" data-feed="/feed"></div></figure>';
  return import(document.getElementById('console-script').src + '&again');
}"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        root = Path(name) / "runs"
        sample_store(root)
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        with running(root) as console:
            session = console.session(ConsoleRole.VIEWER)
            context = browser.new_context()
            cookie = {"name": session_cookie_name(console.desk.settings), "value": session.secret}
            context.add_cookies([cookie | {"url": console.address}])
            print(
                f"{'':10}" + "".join(f"{metric.removesuffix('Duration'):>14}" for metric in WANTED)
            )
            for chart in (False, True):
                page = context.new_page()
                page.route("**/feed*", growing())
                page.route("**/live", lambda route: route.fulfill(json=DATA))
                page.goto(
                    f"{console.address}/fleet/tables/jobs"
                    if not chart
                    else f"{console.address}/fleet"
                )
                if chart:
                    page.evaluate(CHART)
                    page.wait_for_selector("#chart-load canvas")
                tell("chart" if chart else "without", page)
                page.close()
        browser.close()


def tell(name: str, page: Page) -> None:
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable")
    page.wait_for_timeout(2000)
    before, began = metrics(client), time.monotonic()
    page.wait_for_timeout(SECONDS * 1000)
    after, spent = metrics(client), time.monotonic() - began
    each = [(after.get(metric, 0) - before.get(metric, 0)) / spent * 1000 for metric in WANTED]
    print(f"{name:10}" + "".join(f"{value:9.2f} ms/s" for value in each))


def metrics(client) -> dict[str, float]:
    return {
        metric["name"]: metric["value"]
        for metric in client.send("Performance.getMetrics")["metrics"]
    }


def growing():
    sent = {"rows": 0}

    def answer(route) -> None:
        first = sent["rows"] == 0
        rows = [
            [time.time() + i - 600 * first, 0.5 + i % 3, i % 7] for i in range(600 if first else 1)
        ]
        sent["rows"] += len(rows)
        route.fulfill(json={"rows": rows, "since": sent["rows"], "over": False})

    return answer


if __name__ == "__main__":
    main()
