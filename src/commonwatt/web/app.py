"""The console as an ASGI application: its doors, its pages and their files."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from commonwatt import __version__
from commonwatt.core.errors import (
    BugError,
    CommonwattError,
    InputError,
    ProcessError,
    RunNotFoundError,
    StorageError,
    UsageError,
)
from commonwatt.core.faults import logged_machine_fault_error
from commonwatt.core.log import LogEvent, log_bug, log_event, open_log_with_default_file
from commonwatt.core.messages import Message
from commonwatt.stores.errors import StoreError
from commonwatt.web.auth.access import (
    anonymous_request_context,
    request_context_of,
    requested_theme_or_blank,
    visitor_of_headers,
)
from commonwatt.web.errors import (
    BodyTooLargeError,
    ForbiddenError,
    NotAdmittedError,
    PageNotFoundError,
    SignInError,
    StillMadeError,
    TooManyRequestsError,
)
from commonwatt.web.middleware import HEADERS, RequestGuardMiddleware
from commonwatt.web.openapi import console_openapi_schema_builder
from commonwatt.web.render import render_console_template
from commonwatt.web.routes import (
    account,
    cluster,
    files,
    models,
    oidc,
    pages,
    programmes,
    studies,
)
from commonwatt.web.routes import (
    projects as rooms,
)
from commonwatt.web.routes import (
    tasks as works,
)
from commonwatt.web.services import Services, open_console_services
from commonwatt.web.settings import Settings
from commonwatt.web.tasks.supervisor import TaskSupervisor

# The first row that fits decides, so a kind stands before the one that it inherits from and the
# last row takes the rest.
STATUS: Final[tuple[tuple[type[CommonwattError], HTTPStatus], ...]] = (
    (SignInError, HTTPStatus.UNAUTHORIZED),
    (ForbiddenError, HTTPStatus.FORBIDDEN),
    (NotAdmittedError, HTTPStatus.FORBIDDEN),
    (PageNotFoundError, HTTPStatus.NOT_FOUND),
    (RunNotFoundError, HTTPStatus.NOT_FOUND),
    (TooManyRequestsError, HTTPStatus.TOO_MANY_REQUESTS),
    (BodyTooLargeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (UsageError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (BugError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (StorageError, HTTPStatus.SERVICE_UNAVAILABLE),
    (StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
    (StillMadeError, HTTPStatus.SERVICE_UNAVAILABLE),
    (ProcessError, HTTPStatus.SERVICE_UNAVAILABLE),
    (CommonwattError, HTTPStatus.CONFLICT),
)
# How long to wait before the next try [s]: a database that is started again is there by then.
RETRY_AFTER_S: Final = {HTTPStatus.SERVICE_UNAVAILABLE: 5, HTTPStatus.TOO_MANY_REQUESTS: 60}
# Of a crowd that comes to a new study all but one wait for what the first of them makes. In
# the forty threads that are usual they would hold up whoever comes for another page.
MOST_THREADS: Final = 200
DESCRIPTION: Final = (
    "Every page of the console has its data as JSON, each table as CSV, Parquet and JSON. "
    "Programs sign in with a token: `Authorization: Bearer cw_…`."
)


def build_console_app(settings: Settings) -> FastAPI:
    """Return the application for `settings`, with store and database open."""
    return console_app_on_services(open_console_services(settings, now=datetime.now(UTC)))


def console_app_on_services(services: Services) -> FastAPI:
    """Return the application that works on `services`."""
    app = FastAPI(
        title="Commonwatt console",
        version=__version__,
        description=DESCRIPTION,
        # FastAPI's own pages about the API load scripts from elsewhere and hold one inline; the
        # policy for contents forbids both.
        docs_url=None,
        redoc_url=None,
        servers=[{"url": services.settings.root_path}] if services.settings.root_path else None,
        lifespan=_lifespan_running_task_supervisor(services),
    )
    app.state.services = services
    app.openapi = console_openapi_schema_builder(app)
    oidc.set_oidc_provider_and_admission_rules(app, services.settings)
    app.router.routes.extend(console_routes())
    app.add_middleware(
        RequestGuardMiddleware,
        settings=services.settings,
        visitor_of=functools.partial(visitor_of_headers, services),
    )
    app.add_exception_handler(CommonwattError, _commonwatt_error_response)
    app.add_exception_handler(HTTPException, _http_error_response)
    # FastAPI's own answer to a fault has none of the parts that our errors have.
    app.add_exception_handler(RequestValidationError, _invalid_request_response)
    # Apart from `Exception`, after whose handler Starlette raises the error anew: the server would
    # write a traceback for each request and cut the visitor's connection.
    app.add_exception_handler(SQLAlchemyError, _machine_fault_response)
    app.add_exception_handler(OSError, _machine_fault_response)
    app.add_exception_handler(Exception, _bug_error_response)
    return app


@functools.cache
def console_routes() -> tuple[BaseRoute, ...]:
    """Return the console's addresses, the same for every console of a process.

    They are made once, before workers are forked: reading a hundred functions and their types
    takes FastAPI a quarter of a second.
    """
    routed = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    for part in (files, account, oidc, works, programmes, studies, rooms, models, cluster, pages):
        part.add_routes(routed)
    return tuple(routed.routes)


def from_environment() -> FastAPI:
    """Return the application of a worker process."""
    settings = Settings.from_environment()
    open_log_with_default_file(settings.log_file)
    log_event(LogEvent.CONSOLE_STARTED)
    return build_console_app(settings)


def http_status_of_error(error: CommonwattError) -> HTTPStatus:
    """Return the HTTP status that says what kind of error this is."""
    kinds = type(error).__mro__
    return next(status for kind, status in STATUS if kind in kinds)


def _lifespan_running_task_supervisor(services: Services) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        del app
        # Each worker process starts one; a lock file decides which of them works, so a dead worker
        # leaves its place to another.
        foreman = TaskSupervisor(services)
        foreman.start()
        limiter = current_default_thread_limiter()
        limiter.total_tokens = max(limiter.total_tokens, MOST_THREADS)
        yield
        foreman.stop()
        services.database.dispose()

    return lifespan


def request_wants_html(request: Request) -> bool:
    """Return whether a person's browser asks, rather than a program."""
    accepts = request.headers.get("accept", "")
    # A browser that follows a link to a file says that it takes HTML, too; who asked for CSV must
    # not save an error page as data.
    return "text/html" in accepts and not request.url.path.endswith((".json", ".csv", ".parquet"))


def _commonwatt_error_response(request: Request, error: Exception) -> Response:
    assert isinstance(error, CommonwattError)
    status = http_status_of_error(error)
    if isinstance(error, NotAdmittedError):
        # That somebody was refused, and nothing of who: whoever keeps the console sees a rule that
        # lets nobody in.
        log_event(LogEvent.CONSOLE_REQUEST_REFUSED, status=status.value)
    headers = (
        {"retry-after": str(error.retry_after_s)} if isinstance(error, TooManyRequestsError) else {}
    )
    if not request_wants_html(request):
        answer = JSONResponse(error.as_dict(), status)
        _response_with_retry_after_header(answer).headers.update(headers)
        return answer
    # Only what was read can be asked for again after signing in; the fields of a posted form are
    # gone by then.
    # A link or a provider's answer that does not hold is said: signing in would not mend it.
    door = request.url.path.startswith(("/oidc/", "/welcome/"))
    if isinstance(error, SignInError) and request.method == "GET" and not door:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?{urlencode({'next': path})}", 303)
    answer = _error_page_response(request, error, status)
    answer.headers.update(headers)
    return answer


def _http_error_response(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        # Cut, because an address may be thousands of letters long and stands in a sentence here.
        refusal: CommonwattError = PageNotFoundError(
            request.url.path[:100], found=Message("no such page")
        )
    else:
        refusal = CommonwattError(request.url.path[:100], found=str(error.detail))
    headers = {name.lower(): header for name, header in (error.headers or {}).items()}
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["allow"] = ", ".join(_http_methods_allowed_at_request_path(request))
    if request_wants_html(request):
        answer = _error_page_response(request, refusal, HTTPStatus(error.status_code))
        answer.headers.update(headers)
        return answer
    return JSONResponse(refusal.as_dict(), error.status_code, headers)


def _http_methods_allowed_at_request_path(request: Request) -> list[str]:
    """Return the methods that an address has; RFC 9110 asks every 405 for all of them."""
    # Starlette knows those of the first route alone, and ours have a route a method.
    return sorted(
        {
            method
            for route in request.app.routes
            if isinstance(route, Route) and route.path_regex.match(request.url.path)
            for method in route.methods or ()
        }
    )


def _invalid_request_response(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # The fault also holds the value that was sent. It is left out: a path may carry the secret of a
    # one-time link.
    where = ".".join(str(part) for part in error.errors()[0]["loc"])
    usage_error = UsageError(where, wanted=str(error.errors()[0]["msg"]))
    return _commonwatt_error_response(request, usage_error)


def _machine_fault_response(request: Request, error: Exception) -> Response:
    """Say that the machine or the database failed; what is a fault of ours is raised on."""
    # A visitor learns of a full disk that it is one, and not where: paths are the server's own.
    fault_error = logged_machine_fault_error(error, "console")
    if fault_error is None:
        raise error
    return _commonwatt_error_response(request, fault_error)


def _bug_error_response(request: Request, error: Exception) -> Response:
    """Say what failed; what happened is in the server's log, not on the page."""
    bug = logged_machine_fault_error(error, "console") or _bug_error(request, error)
    answer = _commonwatt_error_response(request, bug)
    # Starlette answers an unforeseen error outside all middleware, so the headers that protect must
    # be set here.
    answer.headers.update(HEADERS)
    return answer


def _bug_error(request: Request, error: Exception) -> BugError:
    return BugError(
        request.url.path[:100],
        found=Message(
            "{kind}; this is a fault of Commonwatt, not yours", {"kind": type(error).__name__}
        ),
        remedy=Message(
            "Its traceback is in the log of the console as incident {incident}.",
            {"incident": log_bug(error).incident},
        ),
    )


def _error_page_response(request: Request, error: CommonwattError, status: HTTPStatus) -> Response:
    try:
        context = request_context_of(request)
    except (CommonwattError, SQLAlchemyError, OSError):
        # What failed may be the very database that knows who asks: the page is a stranger's then.
        context = anonymous_request_context(request)
    text = render_console_template(
        context, "error.html", requested_theme_or_blank(request), error=error, status=status
    )
    return _response_with_retry_after_header(Response(text, status, media_type="text/html"))


def _response_with_retry_after_header(answer: Response) -> Response:
    """Return an answer that says when to ask again, where that may help (RFC 9110, 10.2.3)."""
    if seconds := RETRY_AFTER_S.get(HTTPStatus(answer.status_code)):
        answer.headers["retry-after"] = str(seconds)
    return answer
