"""From what a page shows to HTML, in the reader's language."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import jinja2
from markupsafe import Markup

from commonwatt.core.messages import Message, translate
from commonwatt.web.cache import Ask
from commonwatt.web.chart_data import drawn
from commonwatt.web.page_view import Chart, Listing, View
from commonwatt.web.parameters import Kind, Parameter, Values
from commonwatt.web.registry import PAGES
from commonwatt.web.request_context import Look, Page
from commonwatt.web.roles import Action
from commonwatt.web.static import address_of
from commonwatt.web.svg import draw

if TYPE_CHECKING:
    import polars as pl

SHOWN: Final = 12  # rows of a table on a page of several; its own page shows more
GROUPS: Final[Mapping[str, Message]] = {
    "plan": Message("Plan"),
    "govern": Message("Govern"),
    "run": Message("Run"),
}


@cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("commonwatt.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    tools: dict[str, Any] = {
        "asset": address_of,
        "groups": GROUPS,
        "pages": PAGES,
        "Action": Action,
        "Kind": Kind,
        "page_values": parse_qsl,
    }
    made.globals.update(tools)  # pyright: ignore[reportUnknownMemberType]
    return made


def html(look: Look, template: str, theme: str = "", **values: Any) -> str:
    """Return a template filled for who looks."""

    def word(text: str) -> str:
        return translate(text, look.language)

    def say(text: Message | str) -> str:
        return look.say(text)

    return (
        _environment()
        .get_template(template)
        .render(look=look, t=word, say=say, theme=theme, **values)
    )


def page_html(look: Look, page: Page, values: Values, view: View, theme: str = "") -> str:
    """Return the whole page."""
    parts = {listing.name: _listing(look, listing, Ask(count=SHOWN)) for listing in view.tables}
    return html(
        look,
        page.template,
        theme,
        page=page,
        values=values,
        view=view,
        charts=[_chart(look, view, chart) for chart in view.charts],
        listings=[parts[one.name] for one in view.tables if not one.folded],
        query=values.query(),
        permanent=permanent(page, values, view),
        options=_options(look, page.parameters),
    )


def table_html(
    look: Look, page: Page, values: Values, listing: Listing, ask: Ask, theme: str = ""
) -> str:
    """Return the page of one table."""
    return html(
        look,
        "table.html",
        theme,
        page=page,
        values=values,
        query=values.query(),
        listing=_listing(look, listing, ask),
    )


def permanent(page: Page, values: Values, view: View) -> str:
    """Return the address that will always show this: with the run that it shows."""
    query = values.query()
    if view.sources and "run" in values.given:
        query = values.query(run=view.sources[0])
    return f"/{page.name}" + (f"?{query}" if query else "")


def chart_json(look: Look, view: View, chart: Chart) -> str:
    """Return a chart's data for scripts, reduced once."""
    listing = view.table(chart.table)
    key = _chart_key(chart, listing, look.language)

    def make() -> str:
        frame = look.desk.kept.frame(listing.rows) if listing else no_frame()
        return json.dumps(drawn(chart, frame, look.language), ensure_ascii=False)

    return look.desk.kept.text(f"{key}/json", make)


def _chart(look: Look, view: View, chart: Chart) -> dict[str, Any]:
    key = _chart_key(chart, view.table(chart.table), look.language)
    data = chart_json(look, view, chart)
    svg = look.desk.kept.text(f"{key}/svg", lambda: draw(json.loads(data)))
    return {
        "chart": chart,
        "svg": Markup(svg),  # noqa: S704  every text in it is escaped where it is drawn
        "legend": [look.say(one.label) for one in chart.series],
        "line": look.say(chart.line.label) if chart.line else "",
    }


def _chart_key(chart: Chart, listing: Listing | None, language: str) -> str:
    spec = hashlib.sha256(repr(chart).encode()).hexdigest()[:16]
    return f"{listing.rows.key if listing else 'live'}/{spec}/{language}"


def no_frame() -> pl.DataFrame:
    """Return the table of a chart that has none, such as a live one."""
    import polars as pl

    return pl.DataFrame()


def _listing(look: Look, listing: Listing, ask: Ask) -> dict[str, Any]:
    shown = look.desk.kept.page(listing.rows, ask)
    names = [heading.column for heading in listing.headings]
    kinds = dict(zip(shown.frame.columns, shown.frame.dtypes, strict=True))
    return {
        "listing": listing,
        "rows": [
            [cell_text(value, name) for value, name in zip(row, names, strict=True)]
            for row in shown.frame.select(names).iter_rows()
        ],
        "text": [name for name in names if str(kinds[name]) == "String"],
        "height": shown.height,
        "ask": ask,
    }


def _options(look: Look, parameters: tuple[Parameter, ...]) -> dict[str, list[tuple[str, str]]]:
    return {
        one.name: [(value, look.say(label)) for value, label in one.options(look)]
        for one in parameters
        if one.options
    }


def cell_text(value: Any, column: str = "") -> str:
    """Return a cell as people read it.

    >>> cell_text(0.934, "utilisation_share"), cell_text(17747.3, "s"), cell_text(None)
    ('93.4%', '17,747', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "✓" if value else "–"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return _number_text(value, column)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _number_text(value: float, column: str) -> str:
    if column.endswith(("_share", "_probability")):
        return f"{value:.1%}"
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"
