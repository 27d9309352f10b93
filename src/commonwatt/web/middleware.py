"""What stands before every request: known hosts, sizes, rates, and headers that protect.

The policy for contents lets a page load nothing but our own files, run no script that
stands in it, and be framed by nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


class RequestRates:
    """How many requests each visitor made in this minute, in this process.

    >>> rates = RequestRates(2, clock=lambda: 0.0)
    >>> (
    ...     [rates.exceeds_limit_with_request("a") for _ in range(3)],
    ...     rates.exceeds_limit_with_request("b"),
    ... )
    ([False, False, True], False)
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._minute, self._counts = -1, dict[str, int]()

    def exceeds_limit_with_request(self, visitor: str) -> bool:
        """Count a request and return whether it is one too many."""
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute, self._counts = minute, {}
        self._counts[visitor] = self._counts.get(visitor, 0) + 1
        return 0 < self._most < self._counts[visitor]


class RequestGuardMiddleware:
    """The middleware that refuses what no page should see, and adds the headers."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._rates = RequestRates(settings.requests_per_minute)
        self._hosts = _allowed_http_hosts(settings.address)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal_response(scope, headers)
        if refusal:
            await refusal(scope, receive, self._send_with_security_headers(scope, send))
            return
        await self._app(
            scope, _receive_with_body_limit(receive), self._send_with_security_headers(scope, send)
        )

    def _refusal_response(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        if headers.get("host", "").lower() not in self._hosts:
            return PlainTextResponse("This console does not answer to that name.\n", 421)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return PlainTextResponse("More was sent than a form can hold.\n", 413)
        if self._rates.exceeds_limit_with_request(_request_rate_key(scope, headers)):
            return PlainTextResponse(
                "Too many requests; wait a minute.\n", 429, {"retry-after": "60"}
            )
        return None

    def _send_with_security_headers(self, scope: Scope, send: Send) -> Send:
        async def send_security_headers(message: Message) -> None:
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


def _allowed_http_hosts(address: str) -> frozenset[str]:
    """Return the names that we answer to; any other is another site's trick."""
    parts = urlsplit(address)
    port = f":{parts.port}" if parts.port else ""
    names = {parts.netloc.lower()}
    if parts.hostname in LOOPBACK:
        names |= {f"{name}{port}" for name in LOOPBACK}
    return frozenset(names)


def _request_rate_key(scope: Scope, headers: Headers) -> str:
    """Return what a visitor is counted under: what it shows us, or where it comes from."""
    client = scope.get("client")
    return headers.get("cookie") or headers.get("authorization") or (client[0] if client else "")


def _receive_with_body_limit(receive: Receive) -> Receive:
    """Cut off a body that grows beyond any form without having said its length."""
    total = 0

    async def receive_limited_body() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        return {"type": "http.disconnect"} if total > MOST_BYTES else message

    return receive_limited_body
