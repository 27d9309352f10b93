"""What stands before every request: known hosts, sizes, rates, and headers that protect.

The policy for contents lets a page load nothing but our own files, run no script that
stands in it, and be framed by nobody.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as AsgiMessage

from commonwatt.core.errors import CommonwattError, UsageError
from commonwatt.core.log import LogEvent, log_event
from commonwatt.core.messages import Message
from commonwatt.web.auth.access import VISITOR, requested_language
from commonwatt.web.errors import BodyTooLargeError, TooManyRequestsError
from commonwatt.web.rates import (
    RequestRates,
    client_address_behind_trusted_proxies,
    rate_limit_network_of_address,
)
from commonwatt.web.request_context import Visitor
from commonwatt.web.settings import Settings

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
MOST_BYTES: Final = 256 * 1024
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})


class RequestGuardMiddleware:
    """The middleware that refuses what no page should see, and adds the headers.

    Args:
        app: What answers.
        settings: How the console is set up.
        visitor_of: Returns whom the headers of a request prove; None for nobody.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, visitor_of: Callable[[Headers], Visitor | None]
    ) -> None:
        self._app, self._settings, self._visitor_of = app, settings, visitor_of
        self._rates = RequestRates(settings.requests_per_minute, path=settings.state / "rates")
        self._hosts = _allowed_http_hosts(settings.address)
        self._trusted = [ipaddress.ip_network(text) for text in settings.trusted_proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scope = self._scope_without_proxies(scope, headers)
        send = self._sender_adding_security_headers(scope, send)
        refusal = self._malformed_request_refusal_or_none(
            scope, headers
        ) or await self._rate_limit_refusal_after_counting_request(scope, headers)
        if refusal:
            log_event(LogEvent.CONSOLE_REQUEST_REFUSED, status=refusal.status_code)
            await refusal(scope, receive, send)
            return
        await self._app(scope, _receiver_with_body_limit(receive), send)

    def _scope_without_proxies(self, scope: Scope, headers: Headers) -> Scope:
        """Return a request as it would be if no proxy stood before the console."""
        peer, port = scope.get("client") or ("", 0)
        address = client_address_behind_trusted_proxies(
            peer, headers.getlist("x-forwarded-for"), self._trusted
        )
        path = _path_below_root(scope["path"], self._settings.root_path)
        return {**scope, "client": (address, port), "path": path}

    def _malformed_request_refusal_or_none(self, scope: Scope, headers: Headers) -> Response | None:
        if headers.get("host", "").lower() not in self._hosts:
            wanted = Message("the name that the console was started with")
            return _refusal_response_as_json_or_text(
                headers, HTTPStatus.MISDIRECTED_REQUEST, "host", wanted
            )
        if b"%00" in scope.get("raw_path", b"") or b"%00" in scope["query_string"]:
            # No name of ours has one, and PostgreSQL takes none in a text.
            wanted = Message("an address without NUL")
            return _refusal_response_as_json_or_text(
                headers, HTTPStatus.BAD_REQUEST, "address", wanted
            )
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            wanted = Message("at most 256 kB")
            return _refusal_response_as_json_or_text(
                headers, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body", wanted
            )
        return None

    async def _rate_limit_refusal_after_counting_request(
        self, scope: Scope, headers: Headers
    ) -> Response | None:
        """Return what is answered to a visitor who asks too often.

        Who shows an account is counted by it, so that a hospital behind one address does
        not share one count; everybody else is counted by address, whatever they show.
        """
        if self._settings.requests_per_minute <= 0:
            return None
        visitor: Visitor | None = None
        if "cookie" in headers or "authorization" in headers:
            try:
                visitor = await run_in_threadpool(self._visitor_of, headers)
            except (CommonwattError, SQLAlchemyError, OSError):
                # Whoever cannot be looked up is counted by address; the page itself then says
                # that the database does not answer.
                visitor = None
            else:
                # Whoever answers asks the same again; the database is read once a request.
                scope[VISITOR] = visitor
        key = request_rate_key(scope, visitor.name if visitor else "")
        if not self._rates.count_request_and_tell_if_over_limit(key):
            return None
        wait_s = self._rates.seconds_to_next_rate_limit_minute()
        error = TooManyRequestsError(
            "requests",
            found=Message("more requests in this minute than one visitor may make"),
            remedy=Message("Wait {seconds} s.", {"seconds": str(wait_s)}),
        )
        retry = {"retry-after": str(wait_s)}
        if "text/html" not in headers.get("accept", ""):
            return JSONResponse(error.as_dict(), 429, retry)
        # Bare text, because a page costs what the limit is there to save.
        text = error.translate(requested_language(Request(scope)))
        return PlainTextResponse(f"{text}\n", 429, retry)

    def _sender_adding_security_headers(self, scope: Scope, send: Send) -> Send:
        async def send_security_headers(message: AsgiMessage) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("cache-control", "no-store")
                if self._settings.secure:
                    headers.setdefault("strict-transport-security", "max-age=31536000")
                if "location" in headers:
                    slash = message["status"] == 307
                    location = headers["location"]
                    headers["location"] = self._redirect_location_below_root_path(
                        location, slash=slash
                    )
            await send(message)

        return send_security_headers

    def _redirect_location_below_root_path(self, location: str, *, slash: bool) -> str:
        """Return where to go on to, below the path at which people see the console."""
        if slash:
            # The router takes a slash off with an address of its own making, which knows neither
            # the scheme nor the path of a proxy. All other redirects are paths, or a provider's.
            parts = urlsplit(location)
            location = urlunsplit(("", "", parts.path, parts.query, ""))
        ours = location.startswith("/") and not location.startswith("//")
        return f"{self._settings.root_path}{location}" if ours else location


def _path_below_root(path: str, root_path: str) -> str:
    """Return a path as the console knows it, whether the proxy took the root off or left it on.

    >>> _path_below_root("/compute/fleet", "/compute"), _path_below_root("/fleet", "/compute")
    ('/fleet', '/fleet')
    >>> _path_below_root("/compute", "/compute"), _path_below_root("/computers", "/compute")
    ('/', '/computers')
    """
    if root_path and (path == root_path or path.startswith(f"{root_path}/")):
        return path[len(root_path) :] or "/"
    return path


def _refusal_response_as_json_or_text(
    headers: Headers, status: HTTPStatus, where: str, wanted: Message
) -> Response:
    """Return a refusal as JSON for a program, as a line of text for a browser."""
    # A page of ours would need language, session and database, which this spares.
    refusal = _REFUSALS.get(status, UsageError)(where, wanted=wanted)
    extra = {"retry-after": "60"} if status is HTTPStatus.TOO_MANY_REQUESTS else {}
    if "text/html" in headers.get("accept", ""):
        return PlainTextResponse(f"{refusal.translate('en')}\n", status, extra)
    return JSONResponse(refusal.as_dict(), status, extra)


_REFUSALS: Final[dict[HTTPStatus, type[CommonwattError]]] = {
    HTTPStatus.TOO_MANY_REQUESTS: TooManyRequestsError,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: BodyTooLargeError,
}


def _allowed_http_hosts(address: str) -> frozenset[str]:
    """Return the names that we answer to; any other is another site's trick."""
    parts = urlsplit(address)
    port = f":{parts.port}" if parts.port else ""
    names = {parts.netloc.lower()}
    if parts.hostname in LOOPBACK:
        names |= {f"{name}{port}" for name in LOOPBACK}
    return frozenset(names)


def request_rate_key(scope: Scope, account: str) -> str:
    """Return what a visitor is counted under: an account that was proved, or the address.

    >>> request_rate_key({"client": ("1.2.3.4", 1)}, "")
    'address/1.2.3.4'
    >>> request_rate_key({"client": ("2001:db8::1", 1)}, "")
    'address/2001:db8::/64'
    """
    if account:
        return f"account/{account}"
    client = scope.get("client")
    return f"address/{rate_limit_network_of_address(client[0] if client else '')}"


def _receiver_with_body_limit(receive: Receive) -> Receive:
    """Cut off a body that grows beyond any form without having said its length."""
    total = 0

    async def receive_limited_body() -> AsgiMessage:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > MOST_BYTES:
            raise BodyTooLargeError("body", wanted=Message("at most 256 kB"))
        return message

    return receive_limited_body
