"""The addresses of every page: itself, its data, its tables and its charts."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request
from fastapi import Path as InPath
from markupsafe import Markup, escape
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
)

from commonwatt.core.messages import Message
from commonwatt.web.auth.access import SignedInContext, requested_theme_or_blank
from commonwatt.web.cache import TableQuery
from commonwatt.web.client import PageData, RowsData
from commonwatt.web.errors import ForbiddenError, PageNotFoundError, StillMadeError
from commonwatt.web.openapi import (
    HTML,
    Responses,
    openapi_content_responses,
    openapi_file_responses,
)
from commonwatt.web.page_view import PageView, TableListing
from commonwatt.web.parameters import PageValues, parse_page_values
from commonwatt.web.registry import PAGES
from commonwatt.web.render import (
    console_table_page_html,
    page_chart_json,
    page_html,
    page_tools_html,
    permanent_page_path_and_query,
    render_console_template,
)
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ACTION_ROLES, check_roles_can_act
from commonwatt.web.shared_pages import SharedPage, shared_page_of

_Answer = Callable[..., Response]
_WAITING_ID: Final = "page-waiting"  # as `waiting.html` calls it
_CSV_FORM, _PARQUET_FORM = "csv", "parquet"
NAME: Final = InPath(pattern=r"^[a-z][a-z0-9_-]*$", max_length=60)
First = Annotated[int, Query(ge=0, le=1_000_000_000, description="Rows passed over.")]
Count = Annotated[int, Query(ge=1, le=1000, description="Rows wanted.")]
Ordered = Annotated[
    str, Query(max_length=80, description="Column to sort by; `-` before it: greatest first.")
]
Searched = Annotated[str, Query(max_length=80, description="Column of text that is searched.")]
Starts = Annotated[str, Query(max_length=100, description="How its values must begin.")]


def add_routes(app: FastAPI) -> None:
    """Add the addresses of every page in the registry."""
    app.get("/", include_in_schema=False)(redirect_to_first_page)
    for page in PAGES:
        _add_page_routes(app, page)


def redirect_to_first_page(context: SignedInContext) -> RedirectResponse:
    """Go to the first page that who looks may see."""
    return RedirectResponse(f"/{first_permitted_page(context).name}", 303)


def first_permitted_page(context: RequestContext) -> Page:
    """Return the first page of the menu that who looks may see.

    Raises:
        ForbiddenError: There is none.
    """
    first_page = next((page for page in PAGES if context.can(page.action)), None)
    if first_page is None:
        raise ForbiddenError("/", wanted=Message("a role that may see a page"))
    return first_page


def _add_page_routes(app: FastAPI, page: Page) -> None:
    """Add a page, its JSON, its tables in every form, and its charts."""
    # Not part of OpenAPI, which lets names that begin with x- be added.
    may = {"x-roles": sorted(ACTION_ROLES[page.action])}
    parameters = [parameter.openapi_schema() for parameter in page.parameters]

    def add_page_route(
        path: str, answer: _Answer, name: str, summary: str, responses: Responses, model: Any = None
    ) -> None:
        app.get(
            f"/{page.name}{path}",
            name=f"{page.name}_{name}",
            operation_id=f"{page.name}_{name}",
            summary=summary,
            # The kinds of content stand in `responses`, but for JSON, whose form is the model's.
            response_class=_Json if model else Response,
            response_model=model,
            responses=responses,
            openapi_extra={"parameters": parameters, **may},
            tags=[page.name],
        )(answer)

    title, shown = page.title, openapi_content_responses(200, "The page", HTML)
    shown |= openapi_content_responses(202, "The page is being made; ask again", HTML)
    add_page_route("", _page_html_route(page), "html", f"{title}: the page", shown)
    add_page_route(".json", _page_json_route(page), "json", f"{title}: its data", {}, PageData)
    charts, tables = "/charts/{chart}.json", "/tables/{table}"
    add_page_route(
        charts, _page_chart_route(page), "chart", "A chart as it is drawn", {}, dict[str, Any]
    )
    for form, kind in ((_CSV_FORM, _Csv), (_PARQUET_FORM, _Parquet)):
        answer, files = _page_table_file_route(page, form), openapi_file_responses(kind.media_type)
        add_page_route(f"{tables}.{form}", answer, form, "A whole table", files)
    rows = _page_table_json_route(page)
    add_page_route(f"{tables}.json", rows, "rows", "Some rows of a table", {}, RowsData)
    add_page_route(tables, _page_table_html_route(page), "table", "A table to read", shown)


class _Json(JSONResponse):
    """JSON that is text already; FastAPI types an answer of this class only."""

    def render(self, content: str) -> bytes:
        """Return the text's bytes."""
        return content.encode()


class _Csv(Response):
    media_type = "text/csv"


class _Parquet(Response):
    media_type = "application/vnd.apache.parquet"


@dataclass(frozen=True, slots=True)
class _AskedPage:
    """What a request is shown of a page.

    Args:
        values: The page's parameters.
        view: What it shows.
        shared: The page as all with the same roles see it; None where it is made for one.
    """

    values: PageValues
    view: PageView
    shared: SharedPage | None


def _asked_page(request: Request, page: Page, context: RequestContext) -> _AskedPage:
    # Before anything is read, so that a refusal is the same whatever was asked for.
    check_roles_can_act(context.visitor.roles, page.action)
    values = parse_page_values(page.parameters, request.query_params)
    shared = shared_page_of(context, page, values)
    if shared is not None:
        view = context.services.shared_pages.view(shared)
        if not view.fleeting:
            return _AskedPage(values, view, shared)
    return _AskedPage(values, page.build(context, values), None)


def _drawn_page_response(
    request: Request,
    context: RequestContext,
    requested: _AskedPage,
    part: str,
    draw: Callable[[RequestContext, str, Markup | None], str],
) -> Response:
    """Return a page as HTML: drawn once for all with the same roles, where it may be.

    Args:
        request: Who asks.
        context: Who looks.
        requested: What is shown.
        part: Names the table and the rows, where it is a page of one.
        draw: Draws the page for a look, in a theme, with what stands at its head.
    """
    theme = requested_theme_or_blank(request)
    shared = requested.shared
    if shared is None:
        return HTMLResponse(draw(context, theme, None))
    text = context.services.shared_pages.text(
        shared, f"{theme}/{part}", lambda tools: draw(shared.context, theme, tools)
    )
    csrf = str(escape(context.visitor.csrf))
    return HTMLResponse(text.filled(page_tools_html(context, theme), csrf))


def _page_html_route(page: Page) -> Callable[..., Response]:
    def answer_page_html(request: Request, context: SignedInContext) -> Response:
        context = _context_with_page_patience(context)
        try:
            requested = _asked_page(request, page, context)
        except StillMadeError:
            return _waiting_page_response(request, page, context)
        if request.headers.get("hx-target") == _WAITING_ID:
            # The waiting page asked: it is loaded anew, whole, with the scripts of this page.
            return Response(headers={"hx-refresh": "true"}, media_type=HTML)

        def draw(look: RequestContext, theme: str, tools: Markup | None) -> str:
            return page_html(look, page, requested.values, requested.view, theme, tools=tools)

        return _drawn_page_response(request, context, requested, "", draw)

    return answer_page_html


def _context_with_page_patience(context: RequestContext) -> RequestContext:
    return replace(context, patience_s=context.services.settings.patience_s)


def _waiting_page_response(request: Request, page: Page, context: RequestContext) -> Response:
    """Return the page that says that its contents are being made, and asks for them again."""
    theme = requested_theme_or_blank(request)
    return HTMLResponse(render_console_template(context, "waiting.html", theme, page=page), 202)


def _page_json_route(page: Page) -> Callable[..., Response]:
    def answer_page_json(request: Request, context: SignedInContext) -> Response:
        requested = _asked_page(request, page, context)
        return _page_json_response(page_json_data(context, page, requested.values, requested.view))

    return answer_page_json


def page_json_data(
    context: RequestContext, page: Page, values: PageValues, view: PageView
) -> dict[str, Any]:
    """Return a page's data: its figures, and where its charts and tables are."""
    query = values.query_string()
    ask = f"?{query}" if query else ""
    # As a browser resolves them, who shows the host's root with this.
    root_path = context.services.settings.root_path
    base = f"{root_path}/{page.name}"
    return {
        "page": page.name,
        "title": context.translate(page.title),
        "permanent": root_path + permanent_page_path_and_query(page, values, view),
        "parameters": dict(values.given_text),
        "lede": context.translate(view.lede),
        "facts": [
            {
                "label": context.translate(fact.label),
                "value": fact.value,
                "note": context.translate(fact.note or ""),
                "extent": context.translate(fact.extent or ""),
            }
            for fact in view.facts
        ],
        "charts": {chart.name: f"{base}/charts/{chart.name}.json{ask}" for chart in view.charts},
        "tables": {
            table.name: {
                form: f"{base}/tables/{table.name}.{form}{ask}"
                for form in ("csv", "parquet", "json")
            }
            for table in view.tables
        },
        "notes": [context.translate(note) for note in view.notes],
        "runs": list(view.sources),
        # `view.extra` stays out: it holds objects for the template and may say more than the page.
        "data": dict(view.data),
    }


def _page_chart_route(page: Page) -> Callable[..., Response]:
    def answer_page_chart(
        request: Request, context: SignedInContext, chart: Annotated[str, NAME]
    ) -> Response:
        view = _asked_page(request, page, context).view
        page_chart = view.chart(chart)
        if page_chart is None:
            raise PageNotFoundError(f"{page.name}/{chart}", found=Message("no such chart"))
        return _Json(page_chart_json(context, view, page_chart))

    return answer_page_chart


def _asked_page_and_listing(
    request: Request, page: Page, context: RequestContext, table: str
) -> tuple[_AskedPage, TableListing]:
    requested = _asked_page(request, page, context)
    page_table = requested.view.table(table)
    if page_table is None:
        raise PageNotFoundError(f"{page.name}/{table}", found=Message("no such table"))
    return requested, page_table


def _page_table_html_route(page: Page) -> Callable[..., Response]:
    def answer_table_html(
        request: Request,
        context: SignedInContext,
        table: Annotated[str, NAME],
        first: First = 0,
        count: Count = 50,
        order: Ordered = "",
        column: Searched = "",
        starts: Starts = "",
    ) -> Response:
        context = _context_with_page_patience(context)
        try:
            requested, listing = _asked_page_and_listing(request, page, context, table)
        except StillMadeError:
            return _waiting_page_response(request, page, context)
        ask = TableQuery(first=first, count=count, order=order, column=column, starts=starts)

        def draw(look: RequestContext, theme: str, tools: Markup | None) -> str:
            return console_table_page_html(
                look, page, requested.values, listing, ask, theme, tools=tools
            )

        return _drawn_page_response(request, context, requested, repr((table, ask)), draw)

    return answer_table_html


def _page_table_json_route(page: Page) -> Callable[..., Response]:
    def answer_table_json(
        request: Request,
        context: SignedInContext,
        table: Annotated[str, NAME],
        first: First = 0,
        count: Count = 1000,
        order: Ordered = "",
        column: Searched = "",
        starts: Starts = "",
    ) -> Response:
        _, listing = _asked_page_and_listing(request, page, context, table)
        ask = TableQuery(first=first, count=count, order=order, column=column, starts=starts)
        shown = context.services.cache.table_page(listing.rows, ask)
        # Spliced as text: Polars writes rows as JSON itself, and writes NaN as null where Python
        # would not.
        head = json.dumps({"table": table, "rows": shown.height, "first": first})
        return _Json(f'{head[:-1]}, "data": {shown.frame.write_json()}}}')

    return answer_table_json


def _page_table_file_route(page: Page, form: str) -> Callable[..., Response]:
    def answer_table_file(
        request: Request, context: SignedInContext, table: Annotated[str, NAME]
    ) -> Response:
        _, listing = _asked_page_and_listing(request, page, context, table)
        return _table_file_response(context, page, listing, form)

    return answer_table_file


def _table_file_response(
    context: RequestContext, page: Page, listing: TableListing, form: str
) -> Response:
    """Return a whole table as a file; a run's own Parquet is sent as it lies there."""
    name = f"{page.name}-{listing.name}.{form}"
    if form == _CSV_FORM:
        csv = context.services.cache.spreadsheet_csv_file_or_bytes(listing.rows)
        if isinstance(csv, bytes):
            return _downloaded_bytes_response(csv, _Csv.media_type, name)
        return FileResponse(csv, media_type=_Csv.media_type, filename=name)
    parts = listing.rows.key.split("/")
    # Keys of this form are made by `RunCatalogue.rows` alone, so id and table come from a manifest
    # and not from the address.
    if parts[0] == "run" and len(parts) == 3:
        path = context.services.runs.folder(parts[1]) / "tables" / f"{parts[2]}.{form}"
        if path.is_file():
            return FileResponse(path, media_type=_Parquet.media_type, filename=name)
    buffer = io.BytesIO()
    context.services.cache.load_frame(listing.rows).write_parquet(buffer)
    return _downloaded_bytes_response(buffer.getvalue(), _Parquet.media_type, name)


def _downloaded_bytes_response(content: bytes, media_type: str, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, 200, headers, media_type)


def _page_json_response(data: dict[str, Any]) -> Response:
    # `allow_nan=False` makes a NaN our error here; it would be the reader's when parsed.
    return _Json(json.dumps(data, ensure_ascii=False, allow_nan=False, default=str))
