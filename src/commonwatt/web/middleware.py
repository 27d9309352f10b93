"""What stands before every request: known hosts, sizes, rates, and headers that protect.

The policy for contents lets a page load nothing but our own files, run no script that
stands in it, and be framed by nobody.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as AsgiMessage

from commonwatt.core.errors import CommonwattError, UsageError
from commonwatt.core.log import LogEvent, log_event
from commonwatt.core.messages import Message
from commonwatt.web.errors import TooManyRequestsError
from commonwatt.web.rates import RequestRates
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
        account_of: Returns the account that a request's headers prove; "" for none.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, account_of: Callable[[Headers], str]
    ) -> None:
        self._app, self._settings, self._account_of = app, settings, account_of
        self._rates = RequestRates(settings.requests_per_minute, path=settings.state / "rates")
        self._hosts = _allowed_http_hosts(settings.address)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal_response(headers) or await self._rate_refusal(scope, headers)
        if refusal:
            log_event(LogEvent.CONSOLE_REQUEST_REFUSED, status=refusal.status_code)
            await refusal(scope, receive, self._send_with_security_headers(scope, send))
            return
        await self._app(
            scope, _receive_with_body_limit(receive), self._send_with_security_headers(scope, send)
        )

    def _refusal_response(self, headers: Headers) -> Response | None:
        if headers.get("host", "").lower() not in self._hosts:
            wanted = Message("the name that the console was started with")
            return _refusal_in_kind(headers, HTTPStatus.MISDIRECTED_REQUEST, "host", wanted)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            wanted = Message("at most 256 kB")
            return _refusal_in_kind(headers, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body", wanted)
        return None

    async def _rate_refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """Return what is answered to a visitor who asks too often.

        Who shows an account is counted by it, so that a hospital behind one address does
        not share one count; everybody else is counted by address, whatever they show.
        """
        if self._settings.requests_per_minute <= 0:
            return None
        account = ""
        if "cookie" in headers or "authorization" in headers:
            try:
                account = await run_in_threadpool(self._account_of, headers)
            except (CommonwattError, SQLAlchemyError, OSError):
                # Whoever cannot be looked up is counted by address; the page itself then says
                # that the database does not answer.
                account = ""
        if not self._rates.exceeds_limit_with_request(request_rate_key(scope, account)):
            return None
        most = {"most": str(self._settings.requests_per_minute)}
        wanted = Message("at most {most} requests a minute", most)
        return _refusal_in_kind(headers, HTTPStatus.TOO_MANY_REQUESTS, "requests", wanted)

    def _send_with_security_headers(self, scope: Scope, send: Send) -> Send:
        async def send_security_headers(message: AsgiMessage) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("cache-control", "no-store")
                if self._settings.secure:
                    headers.setdefault("strict-transport-security", "max-age=31536000")
            await send(message)

        return send_security_headers


def _refusal_in_kind(headers: Headers, status: HTTPStatus, where: str, wanted: Message) -> Response:
    """Return a refusal as JSON for a program, as a line of text for a browser."""
    # A page of ours would need language, session and database, which this spares.
    refusal = _REFUSALS.get(status, UsageError)(where, wanted=wanted)
    extra = {"retry-after": "60"} if status is HTTPStatus.TOO_MANY_REQUESTS else {}
    if "text/html" in headers.get("accept", ""):
        return PlainTextResponse(f"{refusal.translate('en')}\n", status, extra)
    return JSONResponse(refusal.as_dict(), status, extra)


_REFUSALS: Final[dict[HTTPStatus, type[CommonwattError]]] = {
    HTTPStatus.TOO_MANY_REQUESTS: TooManyRequestsError
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
    address = client[0] if client else ""
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return f"address/{address}"
    if version == 4:
        return f"address/{address}"
    # The last 64 bits are the visitor's own to choose (RFC 4291, 2.5.4), as often as they like.
    return f"address/{ipaddress.ip_network(f'{address}/64', strict=False)}"


def _receive_with_body_limit(receive: Receive) -> Receive:
    """Cut off a body that grows beyond any form without having said its length."""
    total = 0

    async def receive_limited_body() -> AsgiMessage:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        return {"type": "http.disconnect"} if total > MOST_BYTES else message

    return receive_limited_body
