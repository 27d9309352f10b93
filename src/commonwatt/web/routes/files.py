"""Styles, scripts and the health of the server."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI, Request
from starlette.responses import Response

from commonwatt import __version__
from commonwatt.core.messages import Message
from commonwatt.web.auth.access import console_services_of_request
from commonwatt.web.errors import PageNotFoundError
from commonwatt.web.openapi import HealthData
from commonwatt.web.static import static_asset


def add_routes(app: FastAPI) -> None:
    """Add the addresses of files and health."""
    # Open to strangers, as the page of sign-in needs its styles.
    app.get("/static/{name:path}", include_in_schema=False)(static_file)
    app.get(
        "/health",
        tags=["server"],
        summary="Whether store and database answer",
        response_model=HealthData,
    )(console_health)


def static_file(request: Request, name: str) -> Response:
    """Return a style or script; its address names its content, so it may be kept for ever."""
    asset_file = static_asset(name)
    if asset_file is None:
        raise PageNotFoundError(name[:100], found=Message("no such file"))
    packed = "gzip" in request.headers.get("accept-encoding", "")
    headers = {
        "cache-control": "public, max-age=31536000, immutable",
        # Or a proxy would hand the packed bytes to a client that cannot unpack them.
        "vary": "accept-encoding",
        "etag": f'"{asset_file.tag}"',
    }
    if packed:
        headers["content-encoding"] = "gzip"
    return Response(
        asset_file.packed if packed else asset_file.plain, 200, headers, asset_file.kind
    )


def console_health(request: Request) -> dict[str, Any]:
    """Return that store and database answer, for whoever watches the server."""
    services = console_services_of_request(request)
    with services.ledger.reading() as connection:
        # A pooled connection may be dead; only a query shows that the database answers.
        connection.execute(sa.text("SELECT 1"))
    # Asked without signing in, so it tells a count and no names.
    return {"status": "ok", "version": __version__, "runs": len(services.runs.ids())}
