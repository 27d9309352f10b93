"""Report an incident of a model, record that a patient was told, take the dossier along."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from commonwatt.core.identifiers import LONGEST_IDENTIFIER, SPELLINGS, IdentifierKind
from commonwatt.core.messages import Message
from commonwatt.web.auth.access import PostedFields, SignedInContext
from commonwatt.web.auth.signing_keys import visitor_signing_key
from commonwatt.web.errors import ParameterError
from commonwatt.web.openapi import (
    DisclosureData,
    IncidentDutiesData,
    openapi_form_request_body,
    openapi_redirect_responses,
)
from commonwatt.web.roles import ConsoleAction, ConsoleRole, check_roles_can_act

# A code and no sentence: free text about an incident soon holds a name or a date of birth, and the
# ledger never forgets.
_CODE = re.compile(r"[a-z][a-z0-9-]{0,59}")
# The pattern also keeps quotes and line breaks out of the header that names the file.
_VERSION: Final = "version/"
VersionName = Annotated[
    str,
    Query(
        pattern=f"^{_VERSION}{SPELLINGS[IdentifierKind.ARTEFACT].pattern.pattern}$",
        max_length=len(_VERSION) + LONGEST_IDENTIFIER,
    ),
]


def add_routes(app: FastAPI) -> None:
    """Add what is done about models."""
    known: dict[str, Any] = {"tags": ["models"]}
    app.get("/models/dossier", response_class=HTMLResponse, **known)(model_dossier)
    fields = openapi_form_request_body(
        "deployment",
        "severity",
        "jurisdiction",
        "code",
        deployment="Name of the deployment",
        severity="public-health-threat, death, serious or other",
        jurisdiction="Whose clock runs, such as hk",
        code="What happened, as a code; never a value of a person",
    )
    app.post(
        "/models/incidents",
        status_code=201,
        response_model=IncidentDutiesData,
        responses=openapi_redirect_responses("To the page of models"),
        openapi_extra=fields,
        **known,
    )(report_model_incident)
    _add_disclosure_route(app, known)


def _add_disclosure_route(app: FastAPI, known: dict[str, Any]) -> None:
    fields = openapi_form_request_body(
        "deployment",
        "encounter",
        "language",
        deployment="Name of the deployment",
        encounter="The hospital's name of the encounter; it never reaches the record",
        language="en, zh-Hant, zh-Hans or other",
    )
    app.post(
        "/models/disclosures",
        status_code=201,
        response_model=DisclosureData,
        responses=openapi_redirect_responses("To the page of models"),
        openapi_extra=fields,
        **known,
    )(record_model_disclosure)


def model_dossier(context: SignedInContext, version: VersionName) -> Response:
    """Return everything on record about a version, as a file of its own."""
    check_roles_can_act(context.visitor.roles, ConsoleAction.SEE_MODELS)
    from commonwatt.clinic.usecases.overview import version_dossier_html as written

    text = written(context.services.ledger, version, context.language, on=context.now.date())
    name = version.removeprefix(_VERSION)
    # Saved and not shown: it has styles of its own, which the console's policy for contents
    # forbids.
    headers = {"content-disposition": f'attachment; filename="{name}.html"'}
    return HTMLResponse(text, 200, headers)


def report_model_incident(
    request: Request, context: SignedInContext, fields: PostedFields
) -> Response:
    """Put an incident on record under the key of who is signed in."""
    check_roles_can_act(context.visitor.roles, ConsoleAction.REPORT_INCIDENT)
    from commonwatt.clinic.usecases.overview import report_model_incident

    code = fields.get("code", "")
    if not _CODE.fullmatch(code):
        raise ParameterError("code", wanted=Message("small letters, digits and -"))
    owed = report_model_incident(
        context.services.ledger,
        fields.get("deployment", ""),
        severity=fields.get("severity", ""),
        jurisdiction=fields.get("jurisdiction", ""),
        code=code,
        # The clinician's own key and not the console's: who reports is answerable for the report.
        by=visitor_signing_key(context, (ConsoleRole.CLINICIAN,)),
        at=context.now,
    )
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/models", 303)
    return JSONResponse({"duties": owed}, 201)


def record_model_disclosure(
    request: Request, context: SignedInContext, fields: PostedFields
) -> Response:
    """Put on record that a patient was told of a model, under the key of who is signed in."""
    check_roles_can_act(context.visitor.roles, ConsoleAction.TELL_PATIENT)
    from commonwatt.clinic.usecases.gateway import record_patient_told_on_open_ledger

    settings = context.services.settings
    if not settings.institution:
        raise ParameterError(
            "--institution", wanted=Message("a console that was started for an institution")
        )
    receipt = record_patient_told_on_open_ledger(
        context.services.ledger,
        Path(settings.institution),
        Path(settings.institution_secret),
        fields.get("deployment", ""),
        fields.get("encounter", ""),
        fields.get("language", ""),
        by=visitor_signing_key(context, (ConsoleRole.CLINICIAN,)),
        at=context.now,
    )
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/models", 303)
    return JSONResponse(receipt, 201)
