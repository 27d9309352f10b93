"""What the console's description for programs says beyond what FastAPI finds by itself.

Every status and every kind of content that an address really sends stands in it: who
generates a client from it, or tests with it, meets nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from commonwatt.web.auth.access import posted_form_fields, require_signed_in_request_context

HTML: Final = "text/html"
JSON: Final = "application/json"
TEXT: Final = "text/plain"
FORM: Final = "application/x-www-form-urlencoded"
BYTES: Final = "application/octet-stream"

Responses = dict[int | str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorData:
    """Why something was refused, in English.

    Args:
        error: Which kind of error; scripts may match on it.
        where: What was wrong.
        found: What was there.
        wanted: What is accepted there.
        remedy: What to do.
    """

    error: str
    where: str = ""
    found: str = ""
    wanted: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthData:
    """That store and database answer, the program's version, and how many runs there are."""

    status: Literal["ok"]
    version: str
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadData:
    """What a run takes: instants and processors in use, the next row, whether it is over."""

    rows: list[list[float]]
    since: int
    over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputStateData:
    """An output of a data project, and how it stands after what was done."""

    room: str
    output: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeActionData:
    """What was done to which node."""

    act: Literal["drain", "resume"]
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicStudyData:
    """Which study is pinned, and which one the console opens with."""

    pinned: str
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedProgrammeData:
    """The key of a programme that was handed in, under which it is started or was deleted."""

    programme: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentDutiesData:
    """Who must be told of an incident by when."""

    duties: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureData:
    """That a patient was told of a model, and the words of the notice."""

    disclosure: str
    deployment: str
    language: str
    notice: str


ERRORS: Final[Mapping[HTTPStatus, str]] = {
    HTTPStatus.BAD_REQUEST: "What was sent cannot be read",
    HTTPStatus.UNAUTHORIZED: "Nobody is signed in, or what was shown does not hold",
    HTTPStatus.FORBIDDEN: "No role of who asks may do this, or it came from another site",
    HTTPStatus.NOT_FOUND: "No such page, table, chart, run or record",
    HTTPStatus.CONFLICT: "It does not fit how things stand",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "More was sent than a form can hold",
    HTTPStatus.MISDIRECTED_REQUEST: "The console does not answer to that name",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A parameter or a field is out of bounds",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests or attempts; wait as `Retry-After` says",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A fault of Commonwatt, on record in its log",
    HTTPStatus.SERVICE_UNAVAILABLE: "The machine or the database failed; try again later",
}
# Of any address: refused before it is looked at, or while it is answered.
_ALWAYS: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.MISDIRECTED_REQUEST,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
# Refused by the server or by the guard, where a browser is given one line and no page of ours.
_BEFORE_PAGES: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.MISDIRECTED_REQUEST,
    HTTPStatus.TOO_MANY_REQUESTS,
)
_RETRIED: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_RETRY_AFTER: Final = {
    "description": "Seconds after which it may be tried again",
    "required": True,
    "schema": {"type": "integer", "minimum": 1},
}
_SIGNED_IN: Final[list[dict[str, list[str]]]] = [{"token": []}, {"session": []}]
_SCHEMES: Final = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of one's own account, made on the page of that account.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "commonwatt",
        "description": "The session of a browser; the cookie's name ends in the console's port. "
        "What changes something needs the session's token besides, as `csrf` or `x-csrf`.",
    },
}


def openapi_content_responses(
    status: int, description: str, *kinds: str, schema: Mapping[str, Any] | None = None
) -> Responses:
    """Return what OpenAPI says of an answer of one of these kinds of content."""
    content = {
        kind: {
            "schema": dict(schema)
            if schema and kind == JSON
            else _openapi_schema_of_media_type(kind)
        }
        for kind in kinds
    }
    return {status: {"description": description} | ({"content": content} if content else {})}


def openapi_json_model_responses(status: int, description: str, model: type | Any) -> Responses:
    """Return what OpenAPI says of an answer in JSON of that type."""
    return {status: {"description": description, "model": model}}


def openapi_redirect_responses(where: str) -> Responses:
    """Return what OpenAPI says of an answer that sends a browser on."""
    location = {"description": where, "required": True, "schema": {"type": "string"}}
    return {303: {"description": where, "headers": {"location": location}}}


def openapi_file_responses(*kinds: str) -> Responses:
    """Return what OpenAPI says of a file, of which a client may ask for a part (RFC 9110, 14)."""
    return {
        **openapi_content_responses(200, "The file", *kinds),
        **openapi_content_responses(206, "A part of the file", *kinds, "multipart/byteranges"),
        **openapi_content_responses(416, "No such part of the file", TEXT),
    }


def openapi_form_request_body(*required: str, **fields: str) -> dict[str, Any]:
    """Return what OpenAPI says of a form with these fields and their meaning.

    Args:
        required: Fields without which it is refused.
        fields: Each with what it means.
    """
    needed = {"required": list(required)} if required else {}
    # People send forms, programs JSON; `posted_form_fields` reads either. What is required is
    # written, and "" is as good as nothing.
    kinds = {
        kind: {
            name: (written if name in required else plain) | {"description": meaning}
            for name, meaning in fields.items()
        }
        for kind, plain, written in (
            (FORM, _TEXT, _WRITTEN),
            (JSON, _JSON_FIELD, _WRITTEN_JSON),
        )
    }
    content = {
        kind: {"schema": {"type": "object", "properties": properties} | needed}
        for kind, properties in kinds.items()
    }
    return {"requestBody": {"required": bool(required), "content": content}}


_TEXT: Final[dict[str, Any]] = {"type": "string"}
_WRITTEN: Final[dict[str, Any]] = {"type": "string", "minLength": 1}
_LISTED: Final = {
    "type": "array",
    "items": {"anyOf": [_TEXT, {"type": "number"}, {"type": "null"}]},
}
_JSON_FIELD: Final[dict[str, Any]] = {
    "anyOf": [_TEXT, {"type": "number"}, {"type": "null"}, _LISTED]
}
_WRITTEN_JSON: Final[dict[str, Any]] = {"anyOf": [_WRITTEN, {"type": "number"}, _LISTED]}


def console_openapi_schema_builder(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """Return what makes the description of `app`, once, when it is first asked for."""

    def console_openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _console_openapi_schema(app)
        return app.openapi_schema

    return console_openapi


def _console_openapi_schema(app: FastAPI) -> dict[str, Any]:
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    schema = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=routes,
        # Where people see the console, which is below a path where a proxy puts it there.
        servers=app.servers,
    )
    components = schema.setdefault("components", {})
    components.setdefault("schemas", {})["ErrorData"] = _error_data_json_schema()
    components["securitySchemes"] = _SCHEMES
    for route in routes:
        if route.include_in_schema:
            for method in route.methods or ():
                _add_shared_responses_to_openapi_operation(
                    schema["paths"][route.path_format][method.lower()], route
                )
    # FastAPI's own form of a fault, which the console never sends.
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    return schema


def _add_shared_responses_to_openapi_operation(operation: dict[str, Any], route: APIRoute) -> None:
    """Add what every address shares: refusals, and who must be signed in."""
    responses = operation["responses"]
    callables = set(_dependency_callables(route.dependant))
    refusals = {*_ALWAYS}
    if require_signed_in_request_context in callables:
        operation["security"] = _SIGNED_IN
        refusals |= {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    if posted_form_fields in callables:
        refusals |= {HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED}
    if "GET" in (route.methods or ()) and require_signed_in_request_context in callables:
        responses.setdefault("303", openapi_redirect_responses("To the page of sign-in")[303])
    # What an address says of a refusal of its own is the meaning; its form is everybody's.
    own = {HTTPStatus(int(code)): responses[code]["description"] for code in responses}
    for status in sorted(refusals | (own.keys() & ERRORS.keys())):
        responses[str(status.value)] = _openapi_error_response(
            status, own.get(status, ERRORS[status])
        )


def _dependency_callables(dependant: Dependant) -> Iterable[Any]:
    for dependency in dependant.dependencies:
        yield dependency.call
        yield from _dependency_callables(dependency)


def _openapi_error_response(status: HTTPStatus, meaning: str) -> dict[str, Any]:
    content = {
        JSON: {"schema": {"$ref": "#/components/schemas/ErrorData"}},
        HTML: {"schema": _openapi_schema_of_media_type(HTML)},
    }
    if status in _BEFORE_PAGES:
        content[TEXT] = {"schema": _openapi_schema_of_media_type(TEXT)}
    headers = {"headers": {"retry-after": _RETRY_AFTER}} if status in _RETRIED else {}
    return {"description": meaning, "content": content} | headers


def _error_data_json_schema() -> dict[str, Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(ErrorData).json_schema()


def _openapi_schema_of_media_type(kind: str) -> dict[str, Any]:
    if kind == JSON:
        return {"type": "object"}
    if kind.startswith(("text/", "multipart/")):
        return {"type": "string"}
    return {"type": "string", "format": "binary"}
