"""From what a page shows to HTML, in the reader's language."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import jinja2
from markupsafe import Markup

from commonwatt.catalogue.measures import measure_cell_text
from commonwatt.core.messages import Message, translate
from commonwatt.report.charts.points import ChartPoints, chart_points
from commonwatt.report.charts.specification import Chart, ChartForm
from commonwatt.report.charts.svg import chart_html
from commonwatt.web.cache import TableQuery
from commonwatt.web.instants import is_written_instant
from commonwatt.web.page_view import ColumnHeading, PageView, TableListing
from commonwatt.web.parameters import PageParameter, PageValues, ParameterKind
from commonwatt.web.registry import PAGES
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction
from commonwatt.web.static import static_file_address

if TYPE_CHECKING:
    import polars as pl

# Attributes whose value is an address of ours; a second slash would be another host.
_LINK: Final = re.compile(
    r'(\s(?:href|src|action|formaction|data-src|data-feed|data-uplot|data-echarts|hx-get|hx-post)=")/'
    r"(?!/)"
)
ROWS_SHOWN: Final = 12  # rows of a table on a page of several; its own page shows more
ZOOMED_FORMS: Final = frozenset({ChartForm.LINES, ChartForm.AREAS, ChartForm.LIVE})
GROUPS: Final[Mapping[str, Message]] = {
    "plan": Message("Plan"),
    "govern": Message("Govern"),
    "run": Message("Run"),
}


@cache
def _console_template_environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("commonwatt.web"),
        # Jinja escapes nothing of its own accord, and names of sites, jobs and people come from
        # files.
        autoescape=True,
        # A misspelt name fails in the tests of all pages; the default would print nothing in its
        # place.
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Templates ship with the package; no page looks at the disk to see whether one has changed.
        auto_reload=False,
    )
    tools: dict[str, Any] = {
        "asset": static_file_address,
        "groups": GROUPS,
        "pages_by_group": {
            group: [page for page in PAGES if page.group == group] for group in GROUPS
        },
        "Action": ConsoleAction,
        "Kind": ParameterKind,
        # For hidden fields: a form sent with GET replaces the query of its address, and the page's
        # choices would be lost.
        "page_values": parse_qsl,
    }
    made.globals.update(tools)  # pyright: ignore[reportUnknownMemberType]
    return made


def compile_console_templates() -> None:
    """Make every template ready, so that no page waits for it."""
    environment = _console_template_environment()
    for name in environment.list_templates():
        environment.get_template(name)


def render_console_template(
    context: RequestContext,
    template: str,
    theme: str = "",
    *,
    tools: Markup | None = None,
    **values: Any,
) -> str:
    """Return a template filled for who looks.

    Args:
        context: Who looks.
        template: Its name.
        theme: Which theme was chosen.
        tools: What stands in the place of who looks, on a page that is made for many.
        values: What the template shows.
    """
    if tools is None:
        # Its links are taken below the root with those of the page.
        head = _filled_console_template_html(context, "tools.html", theme=theme)
        tools = Markup(head)  # noqa: S704  from a template of ours
    html = _filled_console_template_html(context, template, theme=theme, tools=tools, **values)
    return _with_links_below_root(html, context.services.settings.root_path)


def page_tools_html(context: RequestContext, theme: str) -> str:
    """Return the head of a page that is for who looks alone: name, sign-out, way back."""
    html = _filled_console_template_html(context, "tools.html", theme=theme)
    return _with_links_below_root(html, context.services.settings.root_path)


def _filled_console_template_html(context: RequestContext, template: str, **values: Any) -> str:

    def translate_word(text: str) -> str:
        return translate(text, context.language)

    def translate_message(text: Message | str) -> str:
        return context.translate(text)

    return (
        _console_template_environment()
        .get_template(template)
        .render(context=context, t=translate_word, say=translate_message, **values)
    )


def _with_links_below_root(html: str, root_path: str) -> str:
    """Return a page whose links lead below the path at which people see the console.

    Done once, on the whole page, so that no template can forget it. Text of people cannot look
    like a link of ours, because quotes in it are escaped.

    >>> _with_links_below_root('<a href="/fleet">/fleet</a> <input value="/fleet">', "/compute")
    '<a href="/compute/fleet">/fleet</a> <input value="/fleet">'
    """
    return _LINK.sub(rf"\1{root_path}/", html) if root_path else html


def page_html(
    context: RequestContext,
    page: Page,
    values: PageValues,
    view: PageView,
    theme: str = "",
    *,
    tools: Markup | None = None,
) -> str:
    """Return the whole page; `tools` as `render_console_template` takes them."""
    parts = {
        listing.name: _listing_template_data(context, listing, TableQuery(count=ROWS_SHOWN))
        for listing in view.tables
    }
    return render_console_template(
        context,
        page.template,
        theme,
        tools=tools,
        page=page,
        values=values,
        view=view,
        charts=[_chart_template_data(context, view, chart) for chart in view.charts],
        listings=[parts[table.name] for table in view.tables if not table.folded],
        query=values.query_string(),
        permanent=permanent_page_path_and_query(page, values, view),
        options=_page_choices_by_parameter_name(context, page.parameters),
    )


def console_table_page_html(
    context: RequestContext,
    page: Page,
    values: PageValues,
    listing: TableListing,
    query: TableQuery,
    theme: str = "",
    *,
    tools: Markup | None = None,
) -> str:
    """Return the page of one table; `tools` as `render_console_template` takes them."""
    return render_console_template(
        context,
        "table.html",
        theme,
        tools=tools,
        page=page,
        values=values,
        query=values.query_string(),
        listing=_listing_template_data(context, listing, query),
    )


def permanent_page_path_and_query(page: Page, values: PageValues, view: PageView) -> str:
    """Return the address that will always show this: with the run that it shows."""
    query = values.query_string()
    if view.sources and "run" in values.given_text:
        # "The newest study" will be another one tomorrow; the link names the run that is shown now.
        query = values.query_string(run=view.sources[0])
    return f"/{page.name}" + (f"?{query}" if query else "")


def page_chart_json(context: RequestContext, view: PageView, chart: Chart) -> str:
    """Return a chart's data for scripts, reduced once."""
    key = _chart_cache_key(chart, view.table(chart.table), context.language)

    def make_chart_json() -> str:
        points = _chart_points_of_page(context, view, chart)
        return json.dumps(points.as_data(), ensure_ascii=False)

    return context.services.cache.cached_text(f"{key}/json", make_chart_json)


def _chart_points_of_page(context: RequestContext, view: PageView, chart: Chart) -> ChartPoints:
    listing = view.table(chart.table)
    frame = context.services.cache.load_frame(listing.rows) if listing else empty_page_chart_frame()
    return chart_points(chart, frame, context.language)


def _chart_template_data(context: RequestContext, view: PageView, chart: Chart) -> dict[str, Any]:
    key = _chart_cache_key(chart, view.table(chart.table), context.language)

    def draw_chart() -> str:
        points = _chart_points_of_page(context, view, chart)
        words = {"heading": points.heading, "caption": points.caption, "svg": chart_html(points)}
        return json.dumps(words, ensure_ascii=False)

    drawn = json.loads(context.services.cache.cached_text(f"{key}/drawn", draw_chart))
    return {
        "chart": chart,
        "heading": drawn["heading"],
        "caption": drawn["caption"],
        "svg": Markup(drawn["svg"]),  # noqa: S704  every text in it is escaped where it is drawn
        # Long series can be zoomed into with a script; everything else is whole as it is drawn.
        "is_zoomed": chart.form in ZOOMED_FORMS and not (chart.dots or chart.logarithmic),
    }


def _chart_cache_key(chart: Chart, listing: TableListing | None, language: str) -> str:
    # Title and series belong to the key: two choices on one page may draw the same rows in
    # different ways.
    spec = hashlib.sha256(repr(chart).encode()).hexdigest()[:16]
    # The language, because labels are part of the drawing.
    return f"{listing.rows.key if listing else 'live'}/{spec}/{language}"


def empty_page_chart_frame() -> pl.DataFrame:
    """Return the table of a chart that has none, such as a live one."""
    import polars as pl

    return pl.DataFrame()


def _listing_template_data(
    context: RequestContext, listing: TableListing, ask: TableQuery
) -> dict[str, Any]:
    shown = context.services.cache.table_page(listing.rows, ask)
    # Columns of text stand to the left and can be searched; numbers stand to the right, digit
    # under digit.
    text = [
        heading.column
        for heading in listing.headings
        if str(shown.frame[heading.column].dtype) == "String"
    ]
    columns = [
        _listing_column_attributes_and_texts(context, shown.frame[heading.column], heading, text)
        for heading in listing.headings
    ]
    return {
        "listing": listing,
        "rows": list(zip(*columns, strict=True)),
        "text": text,
        "units": {
            heading.column: heading.heading_unit_text_or_blank(context.language)
            for heading in listing.headings
        },
        "height": shown.height,
        "ask": ask,
    }


def _listing_column_attributes_and_texts(
    context: RequestContext, column: pl.Series, heading: ColumnHeading, text: list[str]
) -> list[tuple[Markup, str]]:
    """Return the cells of a column: what stands in the tag of each, and its text."""
    attribute = Markup(' class="text"') if heading.column in text else Markup("")
    values = column.to_list()
    # What cannot be looked up is written one by one, and so are floats: −0 and 0 are equal.
    if column.dtype.is_nested() or column.dtype.is_float():
        return [(attribute, _listing_cell_text(context, value, heading)) for value in values]
    # Names, states and counts come again and again in a column; each is written once.
    texts = {value: _listing_cell_text(context, value, heading) for value in set(values)}
    return [(attribute, texts[value]) for value in values]


def _listing_cell_text(context: RequestContext, value: Any, heading: ColumnHeading) -> str:
    # Files hold instants in UTC, as programs want them; a page names them in the zone of the
    # server.
    if isinstance(value, str) and is_written_instant(value):
        return context.instant(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return context.instant(value)
    if heading.of is None:
        return console_cell_text(value, heading.column)
    return measure_cell_text(value, heading.of, context.language, currency=heading.currency)


def _page_choices_by_parameter_name(
    context: RequestContext, parameters: tuple[PageParameter, ...]
) -> dict[str, list[tuple[str, str]]]:
    return {
        parameter.name: [
            (value, context.translate(label)) for value, label in parameter.options(context)
        ]
        for parameter in parameters
        if parameter.options
    }


def console_cell_text(value: Any, column: str = "") -> str:
    """Return a cell as people read it.

    >>> (
    ...     console_cell_text(0.934, "utilisation_share"),
    ...     console_cell_text(17747.3, "s"),
    ...     console_cell_text(None),
    ... )
    ('93.4%', '17,747', '–')
    """
    if value is None:
        return "–"
    # Asked before int: bool is a kind of int in Python, and True would be written as 1.
    if isinstance(value, bool):
        return "✓" if value else "–"
    # Asked before date, of which it is a kind: its hour would be dropped.
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return _console_number_text(value, column)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _console_number_text(value: float, column: str) -> str:
    if column.endswith(("_share", "_probability")):
        return f"{value:.1%}"
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"
