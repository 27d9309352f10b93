"""Every page of the registry, as a browser without script sees it."""

import io
import json
import re
from html.parser import HTMLParser

import polars as pl
import pytest

from commonwatt.web.registry import PAGES
from commonwatt.web.roles import ACTION_ROLES, ConsoleRole
from tests.web.console import HTML

BY_NAME = {page.name: page for page in PAGES}
LARGEST = 100_000  # bytes of a first page with its styles, as they cross the wire


def _whoever_may(console, page):
    return console.visitor(min(ACTION_ROLES[page.action] - {ConsoleRole.REGISTRAR}))


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_a_page_is_whole_without_script(console, name, language):
    with _whoever_may(console, BY_NAME[name]) as visitor:
        answer = visitor.get(f"/{name}?lang={language}", headers=HTML)
    assert answer.status_code == 200, answer.text[:500]
    assert f'<html lang="{language}"' in answer.text
    for figure in re.findall(r'<figure class="card chart".*?</figure>', answer.text, re.S):
        assert "<svg" in figure
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|<style|\son[a-z]+=", answer.text)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_first_page_and_its_styles_are_small(console, name):
    with _whoever_may(console, BY_NAME[name]) as visitor:
        page = visitor.get(f"/{name}", headers=HTML)
        sizes = [len(page.content)]
        for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text):
            answer = visitor.get(address, headers={"accept-encoding": "gzip"})
            sizes.append(int(answer.headers["content-length"]))
    assert sum(sizes) <= LARGEST


@pytest.mark.parametrize("name", BY_NAME)
def test_every_chart_and_table_has_all_its_forms(console, name):
    with _whoever_may(console, BY_NAME[name]) as visitor:
        about = visitor.get(f"/{name}.json").json()
        for address in about["charts"].values():
            chart = visitor.get(address).json()
            assert chart["heading"]
            assert chart["series"]
        for forms in about["tables"].values():
            csv = pl.read_csv(io.BytesIO(visitor.get(forms["csv"]).content), infer_schema=False)
            parquet = pl.read_parquet(io.BytesIO(visitor.get(forms["parquet"]).content))
            rows = visitor.get(forms["json"]).json()
            assert csv.columns == parquet.columns
            assert csv.height == parquet.height == rows["rows"]
            assert len(rows["data"]) == min(rows["rows"], 1000)
            assert visitor.get(forms["json"].replace(".json", ""), headers=HTML).status_code == 200


@pytest.mark.parametrize("name", BY_NAME)
def test_a_permanent_link_shows_the_same(console, name):
    with _whoever_may(console, BY_NAME[name]) as visitor:
        first = visitor.get(f"/{name}.json").json()
        again = visitor.get(first["permanent"].replace(f"/{name}", f"/{name}.json", 1)).json()
    for same in ("lede", "facts", "runs"):
        assert first[same] == again[same]


def test_a_table_is_sorted_searched_and_paged(console):
    with console.visitor(ConsoleRole.VIEWER) as visitor:

        def rows(**ask):
            return visitor.get("/fleet/tables/jobs.json", params=ask).json()

        everything = pl.DataFrame(rows(count=1000)["data"])
        longest = rows(order="-queue_delay_s", count=5)["data"]
        assert [r["queue_delay_s"] for r in longest] == sorted(
            (r["queue_delay_s"] for r in longest), reverse=True
        )
        assert longest[0]["queue_delay_s"] >= everything["queue_delay_s"].max()
        later = rows(order="-queue_delay_s", first=3, count=2)["data"]
        assert later == longest[3:5]
        matches = rows(column="job_id", starts="49")
        assert {r["job_id"][:2] for r in matches["data"]} == {"49"}
        assert rows(column="job_id", starts="no such")["rows"] == 0


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/fleet?run=0000000000000000", 404),
        ("/fleet/tables/nothing", 404),
        ("/fleet/charts/nothing.json", 404),
        ("/fleet/tables/jobs.json?order=nothing", 422),
        ("/fleet/tables/jobs.json?column=gpus&starts=1", 422),
        ("/fleet/tables/jobs.json?first=-1", 422),
        ("/fleet?run=%00", 400),
        ("/nothing", 404),
    ],
)
def test_what_is_not_there_is_said(console, address, status):
    with console.visitor(ConsoleRole.VIEWER) as visitor:
        for headers in (HTML, {"accept": "application/json"}):
            assert visitor.get(address, headers=headers).status_code == status


def test_every_heading_names_a_column_of_its_table(console):
    with console.visitor(
        ConsoleRole.VIEWER, ConsoleRole.REGULATOR, ConsoleRole.CUSTODIAN
    ) as visitor:
        for page in PAGES:
            about = visitor.get(f"/{page.name}.json")
            assert about.status_code == 200, (page.name, about.text[:300])
            assert json.dumps(about.json(), allow_nan=False)


def test_static_files_are_ours_only(console):
    with console.stranger() as stranger:
        for name in ("../app.py", "..%2fapp.py", "vendor/README.md", "nothing.css"):
            assert stranger.get(f"/static/{name}").status_code == 404
        css = stranger.get("/static/console.css")
        assert "immutable" in css.headers["cache-control"]


def test_a_figure_of_the_report_is_found_in_three_clicks(console):
    with console.visitor(ConsoleRole.VIEWER) as visitor:
        page = visitor.get("/programme", headers=HTML).text
        (first,) = set(re.findall(r'href="(/origins\?run=[0-9a-f]+)"', page))
        every = visitor.get(first, headers=HTML).text
        assert "figure=" in every
        figure_query = "figure=2.02+USD%2FGPU-hour"
        figure_page = visitor.get(f"{first}&{figure_query}").text
        assert "Formula" in figure_page
        assert "SELECT" in figure_page  # the expression that was evaluated
        # From the list of inputs on: the permanent link of the page leads to the figure itself.
        inputs = figure_page[figure_page.index('id="from"') :]
        second = re.search(r'href="(/origins\?[^"]*figure=[^"]+)"', inputs).group(1)
        source = visitor.get(second.replace("&amp;", "&"), headers=HTML).text
        assert "Used by" in source
        about = visitor.get(f"{first.replace('/origins', '/origins.json')}&{figure_query}").json()
        assert about["data"]["figure"]["inputs"]


# Elements that a name given by `aria-label` alone says nothing of, unless they have a role.
_NAMELESS = {"ul", "ol", "li", "p", "div", "span", "dl", "dt", "dd"}


class _LooseMarkup(HTMLParser):
    """What is allowed in a page and yet read differently by different readers."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and not given.get("type"):
            self.faults.append(f"an input without a type, line {self.getpos()[0]}")
        if tag in _NAMELESS and "aria-label" in given and "role" not in given:
            self.faults.append(f"a {tag} with a name and no role, line {self.getpos()[0]}")


@pytest.mark.parametrize(
    ("html", "count"),
    [
        ('<input name="a">', 1),
        ('<input name="a" type="text">', 0),
        ('<ul aria-label="Files"></ul>', 1),
        ('<div role="group" aria-label="Files"><ul></ul></div>', 0),
    ],
)
def test_loose_markup_is_seen(html, count):
    assert len(_LooseMarkup(html).faults) == count


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_no_page_has_loose_markup(console, language):
    own = ("sign-in", "account", "accounts", "welcome/none", "nothing-here")
    with console.visitor(*ConsoleRole) as visitor, console.stranger() as stranger:
        answers = [
            client.get(f"/{name}?lang={language}", headers=HTML)
            for client in (visitor, stranger)
            for name in (*BY_NAME, *own, "fleet/tables/jobs")
        ]
    faults = {str(answer.url): _LooseMarkup(answer.text).faults for answer in answers}
    assert {address: loose for address, loose in faults.items() if loose} == {}
    assert len([answer for answer in answers if answer.status_code == 200]) > len(BY_NAME)
