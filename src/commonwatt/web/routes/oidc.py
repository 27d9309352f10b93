"""The two steps of a sign-in with a provider, there and back, and what sign-out tells it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

import commonwatt.web.auth.accounts as accounts
from commonwatt.core.messages import Message
from commonwatt.web.auth.access import (
    AnyContext,
    check_same_site_request,
    console_services_of_request,
    local_redirect_path_or_root,
    requested_theme_or_blank,
    set_session_cookie,
)
from commonwatt.web.auth.admission import AdmissionRules
from commonwatt.web.auth.oidc import CALLBACK_PATH, OidcProvider, PendingSignIn
from commonwatt.web.errors import PageNotFoundError, SignInError
from commonwatt.web.openapi import openapi_content_responses, openapi_redirect_responses
from commonwatt.web.render import render_console_template
from commonwatt.web.request_context import RequestContext
from commonwatt.web.settings import Settings

COOKIE: Final = "oidc"
# The provider's token of who is signed in, to sign out with. It stays in the browser: it names a
# person, and the console's database and backups need not.
TOKEN_COOKIE: Final = "oidc-token"  # noqa: S105
# That somebody has signed out in this browser, so that the provider is to ask who comes next.
SIGNED_OUT_COOKIE: Final = "oidc-signed-out"
# No other request carries them about.
_COOKIE_PATHS: Final = {
    COOKIE: CALLBACK_PATH,
    TOKEN_COOKIE: "/sign-out",
    SIGNED_OUT_COOKIE: "/oidc",
}
_PENDING_S: Final = 600
# Browsers drop a cookie of more than 4,096 bytes with its name (RFC 6265, section 6.1).
_LONGEST_TOKEN: Final = 3800
_MONTH_S: Final = 30 * 86_400
# The errors of RFC 6749, section 4.1.2.1, and OpenID Connect Core 1.0, section 3.1.2.6, that a
# person can do something about. Others are only said to be one, as anybody can write the address.
_REFUSALS: Final = {
    "access_denied": Message("the provider refused, or somebody pressed Cancel there"),
    "login_required": Message("the provider wants a new sign-in"),
    "temporarily_unavailable": Message("the provider is too busy for now"),
    "invalid_scope": Message("the provider does not know what it is asked for; see --oidc-scope"),
}
Short = Annotated[str, Query(max_length=2000)]
Secret = Annotated[str, Query(max_length=100)]


def set_oidc_provider_and_admission_rules(app: FastAPI, settings: Settings) -> None:
    """Read who may come in by the provider, which is asked only when somebody signs in with it."""
    # A console whose provider is away still starts and lets people in by password.
    app.state.provider = OidcProvider(settings)
    # Read here, so that a rule that names nobody stops the start and not somebody's sign-in.
    app.state.admission = AdmissionRules.of(settings)


def add_routes(app: FastAPI) -> None:
    """Add the two steps of a sign-in with a provider."""
    known: dict[str, Any] = {
        "tags": ["accounts"], "status_code": 303, "response_class": RedirectResponse,
    }  # fmt: skip
    app.get(
        "/oidc/start",
        name="oidc_start",
        responses=openapi_redirect_responses("To the provider"),
        **known,
    )(start_oidc_sign_in)
    app.get(
        CALLBACK_PATH,
        name="oidc_back",
        responses=openapi_redirect_responses("To where the visitor wanted to go")
        | openapi_content_responses(401, "The provider's answer does not hold"),
        **known,
    )(finish_oidc_sign_in)


def start_oidc_sign_in(
    request: Request,
    context: AnyContext,
    next: Short = "/",  # noqa: A002
    invitation: Secret = "",
) -> Response:
    """Go to the provider."""
    provider = _oidc_provider(request, context)
    if invitation:
        # A link on another site would bind whoever follows it to an account of its author's.
        check_same_site_request(request)
        # Before the way there and back, which would end in the same refusal.
        accounts.account_of_welcome_link_blank_if_first(
            context.services, invitation, now=context.now
        )
    url, pending = provider.provider_url_and_pending_sign_in(
        local_redirect_path_or_root(next),
        invitation=invitation,
        force_login=SIGNED_OUT_COOKIE in request.cookies,
    )
    answer = RedirectResponse(url, 303)
    _set_oidc_cookie(answer, context, COOKIE, pending.as_text(), _PENDING_S)
    if SIGNED_OUT_COOKIE not in request.cookies:
        # Until it has ended well: who is refused may want to come back as somebody else, and the
        # provider would send the same person again.
        _set_oidc_cookie(answer, context, SIGNED_OUT_COOKIE, "1", _PENDING_S)
    return answer


def finish_oidc_sign_in(
    request: Request,
    context: AnyContext,
    state: Short = "",
    code: Short = "",
    error: Short = "",
) -> Response:
    """Come back from the provider and begin a session."""
    provider = _oidc_provider(request, context)
    pending = PendingSignIn.pending_sign_in_of_cookie_text(request.cookies.get(COOKIE, ""))
    if error:
        raise SignInError(
            "oidc",
            found=_REFUSALS.get(error, Message("a refusal of the provider")),
            remedy=Message("Try again, or tell whoever keeps the accounts of this console."),
        )
    done = provider.finish_sign_in(pending, state, code)
    if pending.invitation:
        account = accounts.bind_invited_account_to_oidc_identity(
            context.services, pending.invitation, done.identity, now=context.now
        )
    else:
        rules: AdmissionRules = request.app.state.admission
        account = accounts.admit_oidc_identity_returning_account_name(
            context.services, done.identity, rules, now=context.now
        )
    session = accounts.begin_account_session(
        context.services, account, now=context.now, how="provider"
    )
    answer = RedirectResponse(local_redirect_path_or_root(pending.next), 303)
    _set_oidc_cookie(answer, context, COOKIE, "", 0)
    _set_oidc_cookie(answer, context, SIGNED_OUT_COOKIE, "", 0)
    token = done.id_token if len(done.id_token) <= _LONGEST_TOKEN else "-"
    _set_oidc_cookie(answer, context, TOKEN_COOKIE, token, None)
    set_session_cookie(answer, context.services.settings, session.secret)
    return answer


def provider_sign_out_response(request: Request, context: RequestContext) -> Response | None:
    """Return what tells the provider that somebody has signed out; None where none let them in."""
    settings = console_services_of_request(request).settings
    token = request.cookies.get(TOKEN_COOKIE, "")
    if not settings.oidc_issuer or not token:
        return None
    try:
        hint = "" if token == "-" else token  # noqa: S105 - a mark, and no token
        url = request.app.state.provider.provider_sign_out_url_or_blank(hint)
        unreachable = False
    except SignInError:
        # The session here has ended; a provider that is away must not make that look undone.
        url, unreachable = "", True
    if url and "text/html" not in request.headers.get("accept", ""):
        answer: Response = RedirectResponse(url, 303)
    elif url or unreachable:
        # A page that leads on, because browsers hold a form's redirects to the policy for forms,
        # and that names this host alone.
        text = render_console_template(
            context, "signed_out.html", requested_theme_or_blank(request), url=url
        )
        answer = HTMLResponse(text)
    else:
        answer = RedirectResponse("/sign-in", 303)
    _set_oidc_cookie(answer, context, TOKEN_COOKIE, "", 0)
    # Also where the provider is told: it may ask the person first, who may say no.
    _set_oidc_cookie(answer, context, SIGNED_OUT_COOKIE, "1", _MONTH_S)
    return answer


def delete_provider_token_cookie(answer: Response, context: RequestContext) -> None:
    """Forget who a provider let in, where somebody has signed in without it since."""
    _set_oidc_cookie(answer, context, TOKEN_COOKIE, "", 0)


def _set_oidc_cookie(
    answer: Response, context: RequestContext, name: str, value: str, max_age: int | None
) -> None:
    settings = context.services.settings
    answer.set_cookie(
        name,
        value,
        max_age=max_age,
        httponly=True,
        # Strict would keep the cookie back, because the browser returns from another site.
        samesite="lax",
        secure=settings.secure,
        path=settings.root_path + _COOKIE_PATHS[name],
    )


def _oidc_provider(request: Request, context: AnyContext) -> OidcProvider:
    if not context.services.settings.oidc_issuer:
        raise PageNotFoundError("oidc", found=Message("no provider set up"))
    return request.app.state.provider
