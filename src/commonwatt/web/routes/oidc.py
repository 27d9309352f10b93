"""The two steps of a sign-in with a provider: there, and back."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import FastAPI, Query, Request
from starlette.responses import RedirectResponse, Response

import commonwatt.web.auth.accounts as accounts
from commonwatt.core.messages import Message
from commonwatt.web.auth.access import AnyContext, local_path, set_session
from commonwatt.web.auth.oidc import CALLBACK_PATH, OidcProvider, PendingSignIn
from commonwatt.web.errors import PageNotFoundError

COOKIE: Final = "oidc"
Short = Annotated[str, Query(max_length=2000)]


def add_routes(app: FastAPI) -> None:
    """Add the two steps; the provider is asked only when somebody signs in with it."""
    app.state.provider = OidcProvider(app.state.services.settings)
    app.get("/oidc/start", tags=["accounts"], name="oidc_start")(start)
    app.get(CALLBACK_PATH, tags=["accounts"], name="oidc_back")(back)


def start(request: Request, context: AnyContext, next: Short = "/") -> Response:  # noqa: A002
    """Go to the provider."""
    url, pending = _provider(request, context).begin(local_path(next))
    answer = RedirectResponse(url, 303)
    answer.set_cookie(
        COOKIE,
        pending.as_text(),
        max_age=600,
        httponly=True,
        samesite="lax",
        secure=context.services.settings.secure,
        path=CALLBACK_PATH,
    )
    return answer


def back(request: Request, context: AnyContext, state: Short = "", code: Short = "") -> Response:
    """Come back from the provider and begin a session."""
    provider = _provider(request, context)
    pending = PendingSignIn.of_text(request.cookies.get(COOKIE, ""))
    who = provider.finish(pending, state, code)
    account = accounts.account_of_subject(
        context.services, who.subject, who.name, who.roles, now=context.now
    )
    session = accounts.begin_session(context.services, account, now=context.now, how="provider")
    answer = RedirectResponse(local_path(pending.next), 303)
    answer.delete_cookie(COOKIE, path=CALLBACK_PATH)
    set_session(answer, context.services.settings, session.secret)
    return answer


def _provider(request: Request, context: AnyContext) -> OidcProvider:
    if not context.services.settings.oidc_issuer:
        raise PageNotFoundError("oidc", found=Message("no provider set up"))
    return request.app.state.provider
