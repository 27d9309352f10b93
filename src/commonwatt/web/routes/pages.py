"""The addresses of every page: itself, its data, its tables and its charts."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import FastAPI, Query, Request
from fastapi import Path as InPath
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from commonwatt.core.messages import Message
from commonwatt.web.auth.access import SignedInContext, requested_theme
from commonwatt.web.cache import TableQuery
from commonwatt.web.errors import ForbiddenError, PageNotFoundError
from commonwatt.web.page_view import PageView, TableListing
from commonwatt.web.parameters import PageValues, parse_page_values
from commonwatt.web.registry import PAGES
from commonwatt.web.render import chart_json, page_html, permanent_address, table_html
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ACTION_ROLES, check_roles_can_act

if TYPE_CHECKING:
    import polars as pl

_Answer = Callable[..., Response]
NAME: Final = InPath(pattern=r"^[a-z][a-z0-9_-]*$", max_length=60)
First = Annotated[int, Query(ge=0, le=1_000_000_000, description="Rows passed over.")]
Count = Annotated[int, Query(ge=1, le=1000, description="Rows wanted.")]
Ordered = Annotated[
    str, Query(max_length=80, description="Column to sort by; `-` before it: greatest first.")
]
Searched = Annotated[str, Query(max_length=80, description="Column of text that is searched.")]
Starts = Annotated[str, Query(max_length=100, description="How its values must begin.")]
FAULTS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "Nobody is signed in"},
    403: {"description": "No role of who asks may see this"},
    404: {"description": "No such page, table, chart or run"},
    422: {"description": "A parameter is out of bounds"},
}


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
    common: dict[str, Any] = {"tags": [page.name], "responses": FAULTS}
    parameters = [parameter.openapi_schema() for parameter in page.parameters]

    def add_page_route(
        path: str, answer: _Answer, name: str, summary: str, kind: type[Response]
    ) -> None:
        app.get(
            f"/{page.name}{path}",
            name=f"{page.name}_{name}",
            operation_id=f"{page.name}_{name}",
            summary=summary,
            response_class=kind,
            openapi_extra={"parameters": parameters, **may},
            **common,
        )(answer)

    add_page_route("", _page_html_route(page), "html", f"{page.title}: the page", HTMLResponse)
    add_page_route(".json", _page_json_route(page), "json", f"{page.title}: its data", _Json)
    add_page_route(
        "/charts/{chart}.json", _page_chart_route(page), "chart", "A chart as it is drawn", _Json
    )
    add_page_route(
        "/tables/{table}.csv", _page_table_file_route(page, "csv"), "csv", "A whole table", _Csv
    )
    add_page_route(
        "/tables/{table}.parquet",
        _page_table_file_route(page, "parquet"),
        "parquet",
        "A whole table",
        _Parquet,
    )
    add_page_route(
        "/tables/{table}.json", _page_table_json_route(page), "rows", "Some rows of a table", _Json
    )
    add_page_route(
        "/tables/{table}", _page_table_html_route(page), "table", "A table to read", HTMLResponse
    )


class _Json(Response):
    media_type = "application/json"


class _Csv(Response):
    media_type = "text/csv"


class _Parquet(Response):
    media_type = "application/vnd.apache.parquet"


def _page_values_and_view(
    request: Request, page: Page, context: RequestContext
) -> tuple[PageValues, PageView]:
    # Before anything is read, so that a refusal is the same whatever was asked for.
    check_roles_can_act(context.visitor.roles, page.action)
    values = parse_page_values(page.parameters, request.query_params)
    return values, page.build(context, values)


def _page_html_route(page: Page) -> Callable[..., Response]:
    def answer_page_html(request: Request, context: SignedInContext) -> Response:
        values, view = _page_values_and_view(request, page, context)
        return HTMLResponse(page_html(context, page, values, view, requested_theme(request)))

    return answer_page_html


def _page_json_route(page: Page) -> Callable[..., Response]:
    def answer_page_json(request: Request, context: SignedInContext) -> Response:
        values, view = _page_values_and_view(request, page, context)
        return _json_response(page_data(context, page, values, view))

    return answer_page_json


def page_data(
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
        "permanent": root_path + permanent_address(page, values, view),
        "parameters": dict(values.given_text),
        "lede": context.translate(view.lede),
        "facts": [
            {
                "label": context.translate(fact.label),
                "value": fact.value,
                "note": context.translate(fact.note or ""),
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
        _, view = _page_values_and_view(request, page, context)
        page_chart = view.chart(chart)
        if page_chart is None:
            raise PageNotFoundError(f"{page.name}/{chart}", found=Message("no such chart"))
        return _Json(chart_json(context, view, page_chart))

    return answer_page_chart


def _page_values_and_listing(
    request: Request, page: Page, context: RequestContext, table: str
) -> tuple[PageValues, TableListing]:
    values, view = _page_values_and_view(request, page, context)
    page_table = view.table(table)
    if page_table is None:
        raise PageNotFoundError(f"{page.name}/{table}", found=Message("no such table"))
    return values, page_table


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
        values, listing = _page_values_and_listing(request, page, context, table)
        ask = TableQuery(first=first, count=count, order=order, column=column, starts=starts)
        return HTMLResponse(
            table_html(context, page, values, listing, ask, requested_theme(request))
        )

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
        _, listing = _page_values_and_listing(request, page, context, table)
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
        _, listing = _page_values_and_listing(request, page, context, table)
        return _table_file_response(context, page, listing, form)

    return answer_table_file


def _table_file_response(
    context: RequestContext, page: Page, listing: TableListing, form: str
) -> Response:
    """Return a whole table as a file; a run's own file is sent as it lies there."""
    name = f"{page.name}-{listing.name}.{form}"
    kind = {"csv": _Csv, "parquet": _Parquet}[form].media_type
    parts = listing.rows.key.split("/")
    # Keys of this form are made by `RunCatalogue.rows` alone, so id and table come from a manifest
    # and not from the address.
    if parts[0] == "run" and len(parts) == 3:
        path = context.services.runs.folder(parts[1]) / "tables" / f"{parts[2]}.{form}"
        if path.is_file():
            return FileResponse(path, media_type=kind, filename=name)
    frame = context.services.cache.load_frame(listing.rows)
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(_download_bytes_of_table(frame, form), 200, headers, kind)


def _download_bytes_of_table(frame: pl.DataFrame, form: str) -> bytes:
    if form == "csv":
        return frame.write_csv().encode()
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _json_response(data: dict[str, Any]) -> Response:
    # `allow_nan=False` makes a NaN our error here; it would be the reader's when parsed.
    return _Json(json.dumps(data, ensure_ascii=False, allow_nan=False, default=str))
