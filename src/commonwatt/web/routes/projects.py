"""Review what would leave a room: its bytes, a vote, the release."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi import Path as InPath
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response

from commonwatt.core.messages import Message
from commonwatt.web.auth.access import PostedFields, SignedInContext
from commonwatt.web.auth.signing_keys import signing_key
from commonwatt.web.errors import ParameterError
from commonwatt.web.request_context import RequestContext
from commonwatt.web.roles import ConsoleAction, ConsoleRole, check
from commonwatt.web.routes.account import body_of

ProjectName = Annotated[str, InPath(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]
Output = Annotated[str, InPath(pattern="^[0-9a-f]{64}$")]
_KINDS: Final = {"csv": "text/csv", "json": "application/json", "text": "text/plain"}
_PICTURE: Final = "image/png"


def add_routes(app: FastAPI) -> None:
    """Add what is done to an output."""
    known: dict[str, Any] = {"tags": ["rooms"]}
    base = "/rooms/{room}/outputs/{output}"
    app.get(f"{base}/bytes", response_class=Response, **known)(exact_bytes)
    fields = body_of(approve='"yes" or "no"')
    app.post(f"{base}/vote", openapi_extra=fields, **known)(vote)
    app.post(f"{base}/release", openapi_extra=body_of(), **known)(release)


def exact_bytes(context: SignedInContext, room: ProjectName, output: Output) -> Response:
    """Return the bytes that a checker reviews, never as a page of ours."""
    check(context.visitor.roles, ConsoleAction.SEE_OUTPUTS)
    from commonwatt.sandbox.usecases.overview import output_bytes, output_review

    row = output_review(context.services.ledger, context.services.settings.rooms, room, output).row
    data = output_bytes(context.services.ledger, context.services.settings.rooms, room, output)
    picture = row["kind"] == "png"
    kind = _PICTURE if picture else _KINDS.get(row["kind"], "application/octet-stream")
    how = "inline" if picture else "attachment"
    headers = {"content-disposition": f"{how}; filename*=UTF-8''{quote(row['name'])}"}
    return Response(data, 200, headers, kind)


def vote(
    request: Request,
    context: SignedInContext,
    room: ProjectName,
    output: Output,
    fields: PostedFields,
) -> Response:
    """Vote under the key of who is signed in."""
    check(context.visitor.roles, ConsoleAction.VOTE_OUTPUT)
    from commonwatt.sandbox.usecases.overview import vote as cast

    if fields.get("approve") not in {"yes", "no"}:
        raise ParameterError("approve", wanted=Message('"yes" or "no"'))
    key = signing_key(context, (ConsoleRole.CHECKER,))
    state = cast(
        context.services.ledger, context.services.settings.rooms, room, output,
        approve=fields["approve"] == "yes", by=key, at=context.now,
    )  # fmt: skip
    return _answer(request, room, output, state)


def release(
    context: SignedInContext, room: ProjectName, output: Output, fields: PostedFields
) -> Response:
    """Release an approved output and hand over its bytes."""
    del fields
    check(context.visitor.roles, ConsoleAction.RELEASE_OUTPUT)
    left = _released(context, room, output)
    return FileResponse(left, filename=left.name, media_type="application/octet-stream")


def _released(context: RequestContext, room: str, output: str) -> Path:
    from commonwatt.sandbox.usecases.overview import release as let_go

    key = signing_key(context, (ConsoleRole.CUSTODIAN,))
    to = context.services.settings.state / "released" / room
    ledger, folder = context.services.ledger, context.services.settings.rooms
    return let_go(ledger, folder, room, output, to, by=key, at=context.now)


def _answer(request: Request, room: str, output: str, state: str) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/rooms?room={quote(room)}&output={output}", 303)
    return JSONResponse({"room": room, "output": output, "state": state})
