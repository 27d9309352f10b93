"""Report an incident of a model, and take its dossier along."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from commonwatt.core.messages import Message
from commonwatt.web.auth.access import Posted, SignedIn
from commonwatt.web.auth.signing_keys import hand_of
from commonwatt.web.errors import ParameterError
from commonwatt.web.roles import Action, Role, check
from commonwatt.web.routes.account import body_of

_CODE = re.compile(r"[a-z][a-z0-9-]{0,59}")
VersionName = Annotated[str, Query(pattern=r"^version/[A-Za-z0-9._:@+-]+$", max_length=120)]


def add_routes(app: FastAPI) -> None:
    """Add what is done about models."""
    known: dict[str, Any] = {"tags": ["models"]}
    app.get("/models/dossier", response_class=HTMLResponse, **known)(dossier)
    fields = body_of(
        deployment="Name of the deployment",
        severity="public-health-threat, death, serious or other",
        jurisdiction="Whose clock runs, such as hk",
        code="What happened, as a code; never a value of a person",
    )
    app.post("/models/incidents", openapi_extra=fields, **known)(incident)


def dossier(look: SignedIn, version: VersionName) -> Response:
    """Return everything on record about a version, as a file of its own."""
    check(look.visitor.roles, Action.SEE_MODELS)
    from commonwatt.clinic.usecases.overview import dossier as written

    text = written(look.desk.ledger, version, look.language)
    name = version.removeprefix("version/")
    headers = {"content-disposition": f'attachment; filename="{name}.html"'}
    return HTMLResponse(text, 200, headers)


def incident(request: Request, look: SignedIn, fields: Posted) -> Response:
    """Put an incident on record under the key of who is signed in."""
    check(look.visitor.roles, Action.REPORT_INCIDENT)
    from commonwatt.clinic.usecases.overview import report_incident

    code = fields.get("code", "")
    if not _CODE.fullmatch(code):
        raise ParameterError("code", wanted=Message("small letters, digits and -"))
    owed = report_incident(
        look.desk.ledger,
        fields.get("deployment", ""),
        severity=fields.get("severity", ""),
        jurisdiction=fields.get("jurisdiction", ""),
        code=code,
        by=hand_of(look, (Role.CLINICIAN,)),
        at=look.now,
    )
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/models", 303)
    return JSONResponse({"duties": owed}, 201)
