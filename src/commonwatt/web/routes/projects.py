"""Review what would leave a room: its bytes, a vote, the release."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi import Path as InPath
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response

from commonwatt.core.identifiers import LONGEST_IDENTIFIER, SPELLINGS, IdentifierKind
from commonwatt.core.messages import Message
from commonwatt.web.auth.access import PostedFields, SignedInContext
from commonwatt.web.auth.signing_keys import visitor_signing_key
from commonwatt.web.errors import ParameterError
from commonwatt.web.openapi import (
    BYTES,
    OutputStateData,
    openapi_content_responses,
    openapi_file_responses,
    openapi_form_request_body,
    openapi_redirect_responses,
)
from commonwatt.web.request_context import RequestContext
from commonwatt.web.roles import ConsoleAction, ConsoleRole, check_roles_can_act

ProjectName = Annotated[
    str,
    InPath(
        pattern=SPELLINGS[IdentifierKind.PROJECT].anchored_pattern,
        max_length=LONGEST_IDENTIFIER,
    ),
]
Output = Annotated[str, InPath(pattern="^[0-9a-f]{64}$")]
# HTML and SVG are not among them: markup from a project must never run under the console's address.
_KINDS: Final = {"csv": "text/csv", "json": "application/json", "text": "text/plain"}
_PICTURE: Final = "image/png"


def add_routes(app: FastAPI) -> None:
    """Add what is done to an output."""
    known: dict[str, Any] = {"tags": ["rooms"]}
    base = "/rooms/{room}/outputs/{output}"
    kinds = (*_KINDS.values(), _PICTURE, BYTES)
    app.get(
        f"{base}/bytes",
        response_class=Response,
        # Text of a project is JSON as its programs wrote it, of whatever form.
        responses=openapi_content_responses(200, "The bytes", *kinds, schema={})
        | openapi_content_responses(409, "There is no such output"),
        **known,
    )(output_bytes_response)
    stated: dict[str, Any] = known | {
        "response_model": OutputStateData,
        "responses": openapi_redirect_responses("To the page of the project"),
    }
    fields = openapi_form_request_body("approve", approve='"yes" or "no"')
    app.post(f"{base}/vote", openapi_extra=fields, **stated)(vote_on_output)
    app.post(
        f"{base}/release",
        response_class=FileResponse,
        responses=openapi_file_responses(BYTES),
        openapi_extra=openapi_form_request_body(),
        **known,
    )(release_output)
    reasons = openapi_form_request_body(
        "reason", reason="Why, as `sandbox project recall --because` lists it"
    )
    app.post(f"{base}/recall", openapi_extra=reasons, **stated)(recall_output)


def output_bytes_response(context: SignedInContext, room: ProjectName, output: Output) -> Response:
    """Return the bytes that a checker reviews, never as a page of ours."""
    check_roles_can_act(context.visitor.roles, ConsoleAction.SEE_OUTPUTS)
    from commonwatt.sandbox.usecases.overview import (
        output_review_against_released,
        project_output_bytes,
    )

    row = output_review_against_released(
        context.services.ledger, context.services.settings.rooms, room, output
    ).row
    data = project_output_bytes(
        context.services.ledger, context.services.settings.rooms, room, output
    )
    picture = row["kind"] == "png"
    kind = _PICTURE if picture else _KINDS.get(row["kind"], "application/octet-stream")
    # A picture is shown where the vote is cast; a bitmap cannot carry a script.
    how = "inline" if picture else "attachment"
    # `filename*` is how RFC 6266 writes names beyond ASCII; quoted, a name cannot end the header.
    headers = {"content-disposition": f"{how}; filename*=UTF-8''{quote(row['name'])}"}
    return Response(data, 200, headers, kind)


def vote_on_output(
    request: Request,
    context: SignedInContext,
    room: ProjectName,
    output: Output,
    fields: PostedFields,
) -> Response:
    """Vote under the key of who is signed in."""
    check_roles_can_act(context.visitor.roles, ConsoleAction.VOTE_OUTPUT)
    from commonwatt.sandbox.usecases.overview import vote_on_output as cast

    # An absent field is no vote: read as a "no" it would stop an output by mistake.
    if fields.get("approve") not in {"yes", "no"}:
        raise ParameterError("approve", wanted=Message('"yes" or "no"'))
    key = visitor_signing_key(context, (ConsoleRole.CHECKER,))
    state = cast(
        context.services.ledger, context.services.settings.rooms, room, output,
        approve=fields["approve"] == "yes", by=key, at=context.now,
    )  # fmt: skip
    return _output_state_response(request, room, output, state)


def release_output(
    context: SignedInContext, room: ProjectName, output: Output, fields: PostedFields
) -> Response:
    """Release an approved output and hand over its bytes."""
    del fields
    check_roles_can_act(context.visitor.roles, ConsoleAction.RELEASE_OUTPUT)
    left = _release_output_and_return_path(context, room, output)
    return FileResponse(left, filename=left.name, media_type="application/octet-stream")


def recall_output(
    request: Request,
    context: SignedInContext,
    room: ProjectName,
    output: Output,
    fields: PostedFields,
) -> Response:
    """Take an approved output back before it leaves."""
    check_roles_can_act(context.visitor.roles, ConsoleAction.RECALL_OUTPUT)
    from commonwatt.sandbox.domain.lifecycle import RecallReason
    from commonwatt.sandbox.usecases.overview import recall_output as take_back

    reasons = {reason.value: reason for reason in RecallReason}
    if fields.get("reason") not in reasons:
        wanted = Message("one of {values}", {"values": ", ".join(reasons)})
        raise ParameterError("reason", wanted=wanted)
    key = visitor_signing_key(context, (ConsoleRole.CUSTODIAN, ConsoleRole.CHECKER))
    state = take_back(
        context.services.ledger, context.services.settings.rooms, room, output,
        reasons[fields["reason"]], by=key, at=context.now,
    )  # fmt: skip
    return _output_state_response(request, room, output, state)


def _release_output_and_return_path(context: RequestContext, room: str, output: str) -> Path:
    from commonwatt.sandbox.usecases.overview import release_output as let_go

    key = visitor_signing_key(context, (ConsoleRole.CUSTODIAN,))
    to = context.services.settings.state / "released" / room
    ledger, folder = context.services.ledger, context.services.settings.rooms
    return let_go(ledger, folder, room, output, to, by=key, at=context.now)


def _output_state_response(request: Request, room: str, output: str, state: str) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/rooms?room={quote(room)}&output={output}", 303)
    return JSONResponse({"room": room, "output": output, "state": state})
