"""Sign-in, sign-out, one-time links, preferences, tokens and the page of accounts."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Request
from fastapi import Path as InPath
from starlette.responses import HTMLResponse, RedirectResponse, Response

import commonwatt.web.auth.accounts as accounts
from commonwatt.core.messages import LANGUAGES, Message
from commonwatt.web.auth.access import (
    THEMES,
    AnyContext,
    PostedFields,
    SignedInContext,
    console_cookie_path,
    local_redirect_path_or_root,
    requested_theme_or_blank,
    require_console_action,
    session_cookie_name,
    set_session_cookie,
)
from commonwatt.web.errors import ParameterError
from commonwatt.web.openapi import (
    HTML,
    Responses,
    openapi_content_responses,
    openapi_form_request_body,
    openapi_redirect_responses,
)
from commonwatt.web.render import render_console_template
from commonwatt.web.request_context import RequestContext, Visitor
from commonwatt.web.roles import ACTION_NAMES, ACTION_ROLES, ROLE_NAMES, ConsoleAction, ConsoleRole
from commonwatt.web.routes.oidc import delete_provider_token_cookie, provider_sign_out_response

AccountManagerContext = Annotated[
    RequestContext, Depends(require_console_action(ConsoleAction.MANAGE_ACCOUNTS))
]
Name = Annotated[str, InPath(max_length=60)]
Secret = Annotated[str, InPath(max_length=100)]
# As wide as the column of roles: whoever posts a book reads its beginning again and no more.
_LONGEST_SHOWN_ROLE: Final = 40


_PAGE: Final = openapi_content_responses(200, "The page", HTML)
_SIGNED_IN: Final = openapi_redirect_responses("To where the visitor wanted to go")
_DONE: Final = openapi_redirect_responses("To the page that shows it done")


def add_routes(app: FastAPI) -> None:
    """Add the addresses of accounts."""
    _add_sign_in_routes(app)
    own: dict[str, Any] = {"tags": ["accounts"]}
    app.get("/preferences", **_redirect_route_options(_DONE), **own)(set_preferences)
    app.get("/account", response_class=HTMLResponse, **own)(account_page)
    label = openapi_form_request_body(label="What it is for")
    app.post(
        "/account/tokens", response_class=HTMLResponse, responses=_PAGE, openapi_extra=label, **own
    )(make_token)
    app.post(
        "/account/tokens/{digest}/drop",
        openapi_extra=openapi_form_request_body(),
        **_redirect_route_options(_DONE),
        **own,
    )(drop_token)
    app.get("/accounts", response_class=HTMLResponse, **own)(accounts_page)
    fields = openapi_form_request_body(
        "name", name="Of the new account", roles="Its roles, joined by commas"
    )
    app.post("/accounts", response_class=HTMLResponse, openapi_extra=fields, **own)(make_account)
    roles = openapi_form_request_body(roles="All its roles")
    app.post(
        "/accounts/{name}/roles", openapi_extra=roles, **_redirect_route_options(_DONE), **own
    )(set_roles)
    app.post(
        "/accounts/{name}/link",
        response_class=HTMLResponse,
        openapi_extra=openapi_form_request_body(),
        **own,
    )(make_link)
    app.post(
        "/accounts/{name}/close",
        openapi_extra=openapi_form_request_body(),
        **_redirect_route_options(_DONE),
        **own,
    )(close_account)


def _add_sign_in_routes(app: FastAPI) -> None:
    known: dict[str, Any] = {"tags": ["accounts"]}
    app.get("/sign-in", name="sign_in", response_class=HTMLResponse, **known)(sign_in_page)
    fields = openapi_form_request_body("name", "password", name="Account", password="Its password")  # noqa: S106
    app.post("/sign-in", openapi_extra=fields, **_redirect_route_options(_SIGNED_IN), **known)(
        sign_in
    )
    app.post(
        "/sign-out",
        openapi_extra=openapi_form_request_body(),
        **_redirect_route_options(_SIGNED_IN),
        **known,
    )(sign_out)
    app.get(
        "/welcome/{secret}",
        response_class=HTMLResponse,
        responses=openapi_content_responses(401, "No such link"),
        **known,
    )(welcome_page)
    texts = {"name": "Of the first account", "password": "The new one"}
    fields = openapi_form_request_body("password", **texts)
    app.post(
        "/welcome/{secret}", openapi_extra=fields, **_redirect_route_options(_SIGNED_IN), **known
    )(use_welcome_link)


def _redirect_route_options(responses: Responses) -> dict[str, Any]:
    """Return what FastAPI needs to know of an address that always sends a browser on."""
    return {"status_code": 303, "response_class": RedirectResponse, "responses": responses}


def sign_in_page(request: Request, context: AnyContext, next: str = "/") -> Response:  # noqa: A002
    """Return the form for name and password."""
    return _template_response(
        request, context, "sign_in.html", next=local_redirect_path_or_root(next)
    )


def sign_in(request: Request, context: AnyContext, fields: PostedFields) -> Response:
    """Begin a session and go on to where the visitor wanted to go."""
    address = request.client.host if request.client else ""
    session = accounts.sign_in(
        context.services,
        fields.get("name", ""),
        fields.get("password", ""),
        address,
        now=context.now,
    )
    # 303, as after every form: the browser fetches the next page with GET, and a reload does not
    # send the form again (RFC 9110, section 15.4.4).
    answer = RedirectResponse(local_redirect_path_or_root(fields.get("next", "/")), 303)
    set_session_cookie(answer, context.services.settings, session.secret)
    delete_provider_token_cookie(answer, context)
    return answer


def sign_out(request: Request, context: SignedInContext, fields: PostedFields) -> Response:
    """End the session, and that of the provider that let the visitor in."""
    del fields
    settings = context.services.settings
    accounts.end_visitor_session(context.services, context.visitor, now=context.now)
    signed_out = replace(context, visitor=Visitor(), path="/sign-in")
    answer = provider_sign_out_response(request, signed_out) or RedirectResponse("/sign-in", 303)
    # With what it was set with: browsers leave a `__Host-` cookie alone otherwise.
    answer.delete_cookie(
        session_cookie_name(settings), path=console_cookie_path(settings), secure=settings.secure
    )
    return answer


def welcome_page(request: Request, context: AnyContext, secret: Secret) -> Response:
    """Return the form behind a one-time link."""
    account = accounts.account_of_welcome_link_blank_if_first(
        context.services, secret, now=context.now
    )
    return _template_response(
        request, context, "welcome.html", secret=secret, account=account, roles=ROLE_NAMES
    )


def use_welcome_link(context: AnyContext, secret: Secret, fields: PostedFields) -> Response:
    """Use a one-time link and sign in."""
    account = accounts.account_of_welcome_link_blank_if_first(
        context.services, secret, now=context.now
    )
    # The link's own account goes first: only the very first link leaves a name to be chosen.
    name = account or fields.get("name", "")
    password = fields.get("password", "")
    accounts.use_welcome_link(
        context.services, secret, name, password, _posted_console_roles(fields), now=context.now
    )
    session = accounts.begin_account_session(context.services, name, now=context.now, how="link")
    answer = RedirectResponse("/", 303)
    set_session_cookie(answer, context.services.settings, session.secret)
    delete_provider_token_cookie(answer, context)
    return answer


def set_preferences(
    context: AnyContext, language: str = "", theme: str = "", back: str = "/"
) -> Response:
    """Keep language or theme in this browser and go back."""
    answer = RedirectResponse(local_redirect_path_or_root(back), 303)
    # "auto" is no theme: with it the page follows the machine again.
    chosen = {"language": language in LANGUAGES, "theme": theme in {*THEMES, "auto"}}
    for name, value in (("language", language), ("theme", theme)):
        if chosen[name]:
            # It is a GET that sets these: they concern one browser only, and a link then works
            # without script.
            answer.set_cookie(
                name,
                value,
                max_age=31_536_000,
                httponly=True,
                samesite="lax",
                secure=context.services.settings.secure,
                path=console_cookie_path(context.services.settings),
            )
    return answer


def account_page(request: Request, context: SignedInContext) -> Response:
    """Return who is signed in, what they may do, and their tokens."""
    return _account_page_response(request, context, "")


def make_token(request: Request, context: SignedInContext, fields: PostedFields) -> Response:
    """Make a token and show it, once."""
    label = fields.get("label", "") or "token"
    secret = accounts.make_api_token(context.services, context.visitor.name, label, now=context.now)
    return _account_page_response(request, context, secret)


def drop_token(context: SignedInContext, digest: Secret, fields: PostedFields) -> Response:
    """Take a token back."""
    del fields
    accounts.drop_api_token(context.services, context.visitor.name, digest, now=context.now)
    return RedirectResponse("/account", 303)


def accounts_page(request: Request, context: AccountManagerContext) -> Response:
    """Return every account with its roles."""
    return _accounts_page_response(request, context)


def make_account(
    request: Request, context: AccountManagerContext, fields: PostedFields
) -> Response:
    """Make an account and show the one-time link for its owner."""
    name = fields.get("name", "")
    # An account without a role could sign in and would then find no page that it may see.
    roles = _posted_console_roles(fields) or {ConsoleRole.VIEWER}
    accounts.make_account(context.services, name, roles, by=context.visitor.name, now=context.now)
    return _accounts_page_response(
        request,
        context,
        name,
        accounts.make_welcome_link_secret(context.services, name, now=context.now),
    )


def set_roles(context: AccountManagerContext, name: Name, fields: PostedFields) -> Response:
    """Give an account exactly these roles."""
    accounts.set_account_roles(
        context.services,
        name,
        _posted_console_roles(fields),
        by=context.visitor.name,
        now=context.now,
    )
    return RedirectResponse("/accounts", 303)


def make_link(
    request: Request, context: AccountManagerContext, name: Name, fields: PostedFields
) -> Response:
    """Show a new one-time link for an account."""
    del fields
    # A link signs its holder in, so one for a closed account would open it again.
    accounts.check_open_console_account_exists(context.services, name)
    return _accounts_page_response(
        request,
        context,
        name,
        accounts.make_welcome_link_secret(context.services, name, now=context.now),
    )


def close_account(context: AccountManagerContext, name: Name, fields: PostedFields) -> Response:
    """Close an account."""
    del fields
    accounts.close_account(context.services, name, by=context.visitor.name, now=context.now)
    return RedirectResponse("/accounts", 303)


def _account_page_response(request: Request, context: RequestContext, secret: str) -> Response:
    return _template_response(
        request,
        context,
        "account.html",
        secret=secret,
        tokens=accounts.api_token_rows_of_account(context.services, context.visitor.name),
        roles=ROLE_NAMES,
        actions=ACTION_NAMES,
    )


def _accounts_page_response(
    request: Request, context: RequestContext, name: str = "", secret: str = ""
) -> Response:
    link = f"{context.services.settings.address}/welcome/{secret}" if secret else ""
    return _template_response(
        request,
        context,
        "accounts.html",
        accounts=accounts.list_console_accounts(context.services),
        roles=ROLE_NAMES,
        actions=ACTION_NAMES,
        may=ACTION_ROLES,
        name=name,
        link=link,
    )


def _posted_console_roles(fields: PostedFields) -> frozenset[ConsoleRole]:
    """Return the roles of a form.

    Raises:
        ParameterError: No account may have one of them; to leave it out would grant less than was
            meant, in silence, or take away what was held.
    """
    known = {role.value: role for role in ConsoleRole}
    role_names = {name.strip() for name in fields.get("roles", "").split(",")} - {""}
    unknown = sorted(role_names - set(known))
    if unknown:
        raise ParameterError(
            "roles",
            found=repr(unknown[0][:_LONGEST_SHOWN_ROLE]),
            wanted=Message("one of the roles {roles}", {"roles": ", ".join(sorted(known))}),
        )
    return frozenset(known[name] for name in role_names)


def _template_response(
    request: Request, context: RequestContext, template: str, **values: Any
) -> Response:
    return HTMLResponse(
        render_console_template(context, template, requested_theme_or_blank(request), **values)
    )
