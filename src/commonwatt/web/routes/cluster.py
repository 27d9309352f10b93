"""Take a node of the live cluster out of use, or back into it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from commonwatt.core.identifiers import OPERATOR_NAME
from commonwatt.core.messages import Message
from commonwatt.web.auth.access import PostedFields, SignedInContext
from commonwatt.web.errors import ParameterError
from commonwatt.web.openapi import (
    NodeActionData,
    openapi_form_request_body,
    openapi_redirect_responses,
)
from commonwatt.web.request_context import RequestContext
from commonwatt.web.roles import ConsoleAction, check_roles_can_act


def add_routes(app: FastAPI) -> None:
    """Add what is done to nodes."""
    fields = openapi_form_request_body(
        "act",
        "node",
        act="drain or resume",
        node="Name of the node",
        reason="Why, for the record",
    )
    known: dict[str, Any] = {"tags": ["cluster"], "openapi_extra": fields}
    app.post(
        "/cluster/nodes",
        response_model=NodeActionData,
        responses=openapi_redirect_responses("To the page of the cluster"),
        **known,
    )(drain_or_resume_node)


def drain_or_resume_node(
    request: Request, context: SignedInContext, fields: PostedFields
) -> Response:
    """Drain a node or let it take jobs again."""
    check_roles_can_act(context.visitor.roles, ConsoleAction.DRAIN_NODE)
    what, node, reason = (fields.get(name, "") for name in ("act", "node", "reason"))
    if what not in {"drain", "resume"}:
        raise ParameterError("act", wanted=Message("drain or resume"))
    # The name goes on to the cluster's own commands: no space, no line break, no dash at its start.
    if not OPERATOR_NAME.fits(node):
        raise ParameterError("node", wanted=Message("the name of a node"))
    _record_and_drain_or_resume_node(context, what, node, reason[:100])
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/cluster", 303)
    return JSONResponse({"act": what, "node": node})


def _record_and_drain_or_resume_node(
    context: RequestContext, node_action: str, node: str, reason: str
) -> None:
    """Do it in the controller's name, and put on record here who asked for it."""
    from commonwatt.operate.usecases.overview import drain_cluster_node, resume_cluster_node

    # The controller signs its entry with its own key; without the name nobody would see there who
    # asked.
    reason_on_record = f"{reason or node_action}, by {context.visitor.name}"
    # Before it is done: where the backend then refuses, it is still on record who asked.
    with context.services.ledger.transaction() as tx:
        body = {"node": node, "by": context.visitor.name}
        context.services.entry_writer.record(tx, node_action, f"node/{node}", body, at=context.now)
    (drain_cluster_node if node_action == "drain" else resume_cluster_node)(
        context.services.settings.operate, node, reason_on_record
    )
