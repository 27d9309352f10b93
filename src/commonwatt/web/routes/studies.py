"""Pin the study that the console opens with, and unpin it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi import Path as InPath
from starlette.responses import JSONResponse, RedirectResponse, Response

from commonwatt.web.auth.access import PostedFields, SignedInContext
from commonwatt.web.openapi import (
    PublicStudyData,
    openapi_form_request_body,
    openapi_redirect_responses,
)
from commonwatt.web.public_study import (
    pin_public_study,
    pinned_study_id_or_blank,
    public_study,
    unpin_public_study,
)
from commonwatt.web.request_context import RequestContext
from commonwatt.web.roles import ConsoleAction, check_roles_can_act

StudyRunId = Annotated[str, InPath(pattern="^[0-9a-f]{16}$")]


def add_routes(app: FastAPI) -> None:
    """Add the addresses of the public study."""
    known: dict[str, Any] = {
        "tags": ["runs"],
        "openapi_extra": openapi_form_request_body(),
        "response_model": PublicStudyData,
        "responses": openapi_redirect_responses("To the page of the run"),
    }
    app.post("/runs/{run_id}/pin", **known)(pin_study)
    app.post("/runs/{run_id}/unpin", **known)(unpin_study)


def pin_study(
    request: Request, context: SignedInContext, run_id: StudyRunId, fields: PostedFields
) -> Response:
    """Make a study the one that the console opens with."""
    del fields
    check_roles_can_act(context.visitor.roles, ConsoleAction.PIN_STUDY)
    pin_public_study(context.services, run_id, context.visitor.name, now=context.now)
    return _public_study_response(request, context, run_id)


def unpin_study(
    request: Request, context: SignedInContext, run_id: StudyRunId, fields: PostedFields
) -> Response:
    """Let the console open with the newest study again."""
    del fields
    check_roles_can_act(context.visitor.roles, ConsoleAction.PIN_STUDY)
    unpin_public_study(context.services, run_id, context.visitor.name, now=context.now)
    return _public_study_response(request, context, run_id)


def _public_study_response(request: Request, context: RequestContext, run_id: str) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/runs?run={run_id}", 303)
    shown = public_study(context.services)
    pinned = pinned_study_id_or_blank(context.services)
    return JSONResponse({"pinned": pinned, "shown": shown.run_id if shown else ""})
