"""Every request passes here first: who asks, in which language, may they, is it theirs.

Cookies are HttpOnly and SameSite; a form that changes something must carry the token
of its session and come from our own pages.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import cookie_parser

from commonwatt.core.messages import LANGUAGES, Message, message_language
from commonwatt.core.strict_json import parse_strict_json
from commonwatt.web.auth.accounts import (
    visitor_of_api_token_or_none,
    visitor_of_session_extending_it,
)
from commonwatt.web.errors import ForbiddenError, ParameterError, SignInError
from commonwatt.web.request_context import RequestContext, Visitor
from commonwatt.web.roles import ConsoleAction, check_roles_can_act

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.responses import Response

    from commonwatt.web.services import Services
    from commonwatt.web.settings import Settings

MOST_BYTES: Final = 256 * 1024  # of a form
THEMES: Final = ("light", "dark")
# Where the guard before all pages leaves whom it found to be asking.
VISITOR: Final = "commonwatt.visitor"


def console_services_of_request(request: Request) -> Services:
    """Return what the console works with."""
    return request.app.state.services


def session_cookie_name(settings: Settings) -> str:
    """Return the session cookie's name; ports of one machine share cookies, so it has ours."""
    port = urlsplit(settings.address).port
    if not settings.secure:
        return f"commonwatt-{port or 80}"
    # Under `__Host-` browsers take a cookie only over HTTPS and for this host alone (RFC 6265bis),
    # so a neighbouring host cannot plant one. It is sent to the whole host, which other programs
    # share where the console has only a path of it.
    return "__Secure-commonwatt" if settings.root_path else "__Host-commonwatt"


def console_cookie_path(settings: Settings) -> str:
    """Return the path that the console's cookies are for: its own, where it shares the host."""
    return settings.root_path or "/"


def set_session_cookie(response: Response, settings: Settings, secret: str) -> None:
    """Give the browser its session."""
    response.set_cookie(
        session_cookie_name(settings),
        secret,
        httponly=True,
        # Strict would sign out whoever follows a link from a mail; forms have their token besides.
        samesite="lax",
        secure=settings.secure,
        path=console_cookie_path(settings),
    )


def requested_language(request: Request) -> str:
    """Return the language of a request: in its address, chosen before, or the browser's."""
    chosen = request.query_params.get("lang") or request.cookies.get("language", "")
    if chosen in LANGUAGES:
        return chosen
    first = request.headers.get("accept-language", "").split(",")[0].split(";")[0].strip()
    return message_language(first or "en")


def requested_theme_or_blank(request: Request) -> str:
    """Return "light" or "dark" where it was chosen, else "": as the machine is set."""
    chosen = request.query_params.get("theme") or request.cookies.get("theme", "")
    return chosen if chosen in THEMES else ""


def request_context_of(request: Request) -> RequestContext:
    """Return who looks, signed in or not."""
    context = anonymous_request_context(request)
    visitor = _visitor_of_request(request, context.services, context.now)
    return replace(context, visitor=visitor) if visitor else context


def anonymous_request_context(request: Request) -> RequestContext:
    """Return a look of nobody's, for which nothing is read of the database."""
    return RequestContext(
        services=console_services_of_request(request),
        visitor=Visitor(),
        language=requested_language(request),
        now=datetime.now(UTC),
        path=_path_to_return_to_after_request(request),
    )


def require_signed_in_request_context(
    context: Annotated[RequestContext, Depends(request_context_of)],
) -> RequestContext:
    """Return who looks, and refuse nobody.

    Raises:
        SignInError: Nobody is signed in.
    """
    if not context.visitor.name:
        raise SignInError("sign-in", wanted=Message("somebody who is signed in"))
    return context


def require_console_action(action: ConsoleAction) -> Callable[..., RequestContext]:
    """Return a dependency that lets only those pass who may take `action`."""

    def check_console_action(
        context: Annotated[RequestContext, Depends(require_signed_in_request_context)],
    ) -> RequestContext:
        check_roles_can_act(context.visitor.roles, action)
        return context

    return check_console_action


AnyContext = Annotated[RequestContext, Depends(request_context_of)]
SignedInContext = Annotated[RequestContext, Depends(require_signed_in_request_context)]


async def posted_form_fields(request: Request) -> Mapping[str, str]:
    """Return the fields of a form, or of a JSON object, that came from our own pages.

    A list in JSON, and a field that is given more than once, is joined by commas.

    Raises:
        ForbiddenError: It came from another site, or lacks its session's token.
        ParameterError: It is no form and no object of texts, or too long.
    """
    check_same_site_request(request)
    fields = await _read_posted_fields(request)
    for name, text in fields.items():
        _check_field_is_utf8_without_nul(name, text)
    # This may skip the test below only because `_visitor_of_request` never falls back to the
    # cookie.
    if request.headers.get("authorization"):
        return fields  # a token is never sent by a browser of its own accord
    # It reads the database, which on the event loop would hold up every other request.
    context = await run_in_threadpool(request_context_of, request)
    # Before sign-in there is no session to have a token; the test of the site above then stands
    # alone.
    if context.visitor.session:
        given = fields.get("csrf", "") or request.headers.get("x-csrf", "")
        # Encoded, because `compare_digest` raises on texts beyond ASCII and anybody can send one.
        if not hmac.compare_digest(given.encode(), context.visitor.csrf.encode()):
            raise ForbiddenError("csrf", wanted=Message("the token of this session's forms"))
    return fields


PostedFields = Annotated[Mapping[str, str], Depends(posted_form_fields)]


def check_same_site_request(request: Request) -> None:
    """Refuse a form that another site sent.

    Raises:
        ForbiddenError: The browser says that the form stood on another site.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    # Browsers set both headers themselves and no page can forge them; "none" is an address that was
    # typed.
    strange = site is not None and site not in {"same-origin", "none"}
    # A sandboxed frame sends "null", which has no host and so is refused as well.
    if origin and urlsplit(origin).netloc != request.headers.get("host"):
        strange = True
    if strange:
        raise ForbiddenError("origin", wanted=Message("a form of this console"))


def local_redirect_path_or_root(requested_path: str) -> str:
    """Return a path of ours to go on to; anything else leads to the first page.

    >>> local_redirect_path_or_root("/fleet?run=1"), local_redirect_path_or_root("//evil.example"), local_redirect_path_or_root("https://evil")
    ('/fleet?run=1', '/', '/')
    """
    # Browsers read a backslash as a slash: /\evil.example would lead away from here.
    parts = urlsplit(requested_path.replace("\\", "/"))
    plain = (
        # Browsers drop tabs and line breaks from an address, so "/<tab>/evil.example" would become
        # another site's.
        requested_path.isprintable()
        and requested_path.startswith("/")
        and not requested_path.startswith("//")
    )
    return requested_path if plain and not parts.scheme and not parts.netloc else "/"


def _check_field_is_utf8_without_nul(name: str, text: str) -> None:
    """Refuse what no database takes: half of a surrogate pair, which JSON can spell, and NUL."""
    try:
        writable = "\0" not in f"{name}{text}".encode().decode()
    except UnicodeEncodeError:
        writable = False
    if not writable:
        # Shown as it can be written: the name may be what cannot.
        where = name[:40].encode("ascii", "backslashreplace").decode()
        raise ParameterError(where, wanted=Message("a text in UTF-8 without NUL"))


async def _read_posted_fields(request: Request) -> dict[str, str]:
    if len(await request.body()) > MOST_BYTES:
        raise ParameterError("body", wanted=Message("at most 256 kB"))
    if request.headers.get("content-type", "").startswith("application/json"):
        return _fields_from_json_body(await request.body())
    parameters: dict[str, str] = {}
    # No form here sends a file; one that came would be spooled to disk before anybody looked at it.
    form = await request.form(max_files=0, max_fields=200)
    for name, value in form.multi_items():
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else str(value)
    return parameters


def _fields_from_json_body(body: bytes) -> dict[str, str]:
    try:
        given: Any = parse_strict_json(body or b"{}")
    # Brackets within brackets by the thousand are no object either.
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise ParameterError("body", wanted=Message("a JSON object"))
    members: dict[Any, Any] = given  # pyright: ignore[reportUnknownVariableType]
    fields = {
        str(name): _console_json_field_text(str(name), value) for name, value in members.items()
    }
    try:
        "".join([*fields, *fields.values()]).encode()
    except UnicodeEncodeError:
        # JSON can name half of a pair (RFC 8259, section 8.2), which no database takes as text.
        raise ParameterError("body", wanted=Message("a text in UTF-8 without NUL")) from None
    return fields


def _console_json_field_text(name: str, value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_console_json_scalar_text(name, part) for part in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return _console_json_scalar_text(name, value)


def _console_json_scalar_text(name: str, value: Any) -> str:
    if isinstance(value, list | dict | bool):
        # Its spelling in Python, such as "False", would be taken for what somebody wrote.
        raise ParameterError(name[:40], wanted=Message("a text, a number, or a list of them"))
    return "" if value is None else str(value)


def _path_to_return_to_after_request(request: Request) -> str:
    # What was posted has no page of its own to come back to.
    if request.method != "GET":
        return "/"
    # Nor has a provider's answer, whose code and state would stand in links of the page.
    if request.url.path.startswith("/oidc/"):
        return "/sign-in"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def visitor_of_headers(services: Services, headers: Headers) -> Visitor | None:
    """Return whom the headers of a request prove, or None for nobody."""
    cookies = cookie_parser(headers.get("cookie", ""))
    return _visitor_of_credentials(services, headers, cookies, datetime.now(UTC))


def _visitor_of_request(request: Request, services: Services, now: datetime) -> Visitor | None:
    if VISITOR in request.scope:
        return request.scope[VISITOR]
    return _visitor_of_credentials(services, request.headers, request.cookies, now)


def _visitor_of_credentials(
    services: Services, headers: Headers, cookies: Mapping[str, str], now: datetime
) -> Visitor | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    # A token that does not hold is not mended by a cookie: with this header a form needs no token
    # of its session.
    if kind:
        return (
            visitor_of_api_token_or_none(services, token, now=now)
            if kind.lower() == "bearer"
            else None
        )
    secret = cookies.get(session_cookie_name(services.settings), "")
    return visitor_of_session_extending_it(services, secret, now=now) if secret else None
