"""The two steps of a sign-in with a provider: there, and back."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request
from starlette.responses import RedirectResponse, Response

import commonwatt.web.auth.accounts as accounts
from commonwatt.core.messages import Message
from commonwatt.web.auth.access import AnyContext, local_redirect_path, set_session_cookie
from commonwatt.web.auth.oidc import CALLBACK_PATH, OidcProvider, PendingSignIn
from commonwatt.web.errors import PageNotFoundError
from commonwatt.web.openapi import content_responses, redirect_responses

COOKIE: Final = "oidc"
Short = Annotated[str, Query(max_length=2000)]


def add_routes(app: FastAPI) -> None:
    """Add the two steps; the provider is asked only when somebody signs in with it."""
    # A console whose provider is away still starts and lets people in by password.
    app.state.provider = OidcProvider(app.state.services.settings)
    known: dict[str, Any] = {
        "tags": ["accounts"], "status_code": 303, "response_class": RedirectResponse,
    }  # fmt: skip
    app.get(
        "/oidc/start", name="oidc_start", responses=redirect_responses("To the provider"), **known
    )(start_oidc_sign_in)
    app.get(
        CALLBACK_PATH,
        name="oidc_back",
        responses=redirect_responses("To where the visitor wanted to go")
        | content_responses(401, "The provider's answer does not hold"),
        **known,
    )(finish_oidc_sign_in)


def start_oidc_sign_in(request: Request, context: AnyContext, next: Short = "/") -> Response:  # noqa: A002
    """Go to the provider."""
    url, pending = _oidc_provider(request, context).begin_sign_in(local_redirect_path(next))
    answer = RedirectResponse(url, 303)
    answer.set_cookie(
        COOKIE,
        pending.as_text(),
        max_age=600,
        httponly=True,
        # Strict would keep the cookie back, because the browser returns from another site.
        samesite="lax",
        secure=context.services.settings.secure,
        # No other request carries the pending sign-in about.
        path=CALLBACK_PATH,
    )
    return answer


def finish_oidc_sign_in(
    request: Request, context: AnyContext, state: Short = "", code: Short = ""
) -> Response:
    """Come back from the provider and begin a session."""
    provider = _oidc_provider(request, context)
    pending = PendingSignIn.of_text(request.cookies.get(COOKIE, ""))
    who = provider.finish_sign_in(pending, state, code)
    account = accounts.account_of_oidc_subject(
        context.services, who.subject, who.name, who.roles, now=context.now
    )
    session = accounts.begin_account_session(
        context.services, account, now=context.now, how="provider"
    )
    answer = RedirectResponse(local_redirect_path(pending.next), 303)
    answer.delete_cookie(COOKIE, path=CALLBACK_PATH)
    set_session_cookie(answer, context.services.settings, session.secret)
    return answer


def _oidc_provider(request: Request, context: AnyContext) -> OidcProvider:
    if not context.services.settings.oidc_issuer:
        raise PageNotFoundError("oidc", found=Message("no provider set up"))
    return request.app.state.provider
