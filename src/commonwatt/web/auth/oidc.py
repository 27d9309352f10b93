"""Sign-in with an organisation's OpenID Connect provider, by the code flow with PKCE.

The provider says who somebody is; `admission` decides whether they may come in, and as what.
Nothing is taken from the browser but the code. At sign-out the provider is told, so that the
next person at the same desk does not come in as the last.

Source: OpenID Connect Core 1.0, sections 3.1.2, 3.1.3.7 and 5.3; RFC 7636; OpenID Connect
RP-Initiated Logout 1.0, section 2.
"""

from __future__ import annotations

import json
import secrets
import time
import warnings
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlencode

from commonwatt.core.messages import Message
from commonwatt.web.auth.admission import (
    VouchedIdentity,
    claim_at,
    claimed_names,
    email_domain_of,
)
from commonwatt.web.errors import SignInError

if TYPE_CHECKING:
    from commonwatt.web.settings import Settings

CALLBACK_PATH: Final = "/oidc/back"
SIGNED_OUT_PATH: Final = "/sign-in"
# A list of ours and not the token's word for it (RFC 8725, section 3.1): neither "none" nor HS256,
# for which the client's secret would be the key.
ALGORITHMS: Final = ("RS256", "ES256", "EdDSA", "PS256")
# Clocks of two organisations differ by seconds; a minute forgives that and little more.
_LEEWAY_S: Final = 60
_TIMEOUT_S: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingSignIn:
    """A sign-in that has gone to the provider and not come back yet.

    Args:
        state: Must come back unchanged.
        nonce: Must stand in the provider's token.
        verifier: Of PKCE; shown to the provider with the code.
        next: Where the visitor wanted to go.
        invitation: Secret of the one-time link that they hold; "" for none.
        prompted_at: Since when the provider must have asked the person anew [s since 1970]; 0
            where it may remember them.
    """

    state: str
    nonce: str
    verifier: str
    next: str
    invitation: str = ""
    prompted_at: int = 0

    def as_text(self) -> str:
        """Return it for the cookie of this browser."""
        return json.dumps(list(astuple(self)))

    @classmethod
    def pending_sign_in_of_cookie_text(cls, text: str) -> PendingSignIn:
        """Return what a cookie holds.

        Raises:
            SignInError: It holds none.
        """
        try:
            # Too few or too many parts is a ValueError as well, so anything else in the cookie ends
            # below.
            state, nonce, verifier, next_, invitation, prompted_at = map(str, json.loads(text))
            return cls(
                state=state,
                nonce=nonce,
                verifier=verifier,
                next=next_,
                invitation=invitation,
                prompted_at=int(prompted_at),
            )
        except (ValueError, TypeError):
            raise SignInError(
                "oidc",
                found=Message("a sign-in that nobody began in this browser"),
                remedy=Message("Begin again from the page of sign-in."),
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSignIn:
    """A sign-in that the provider has vouched for: who, and its token, to sign out with."""

    identity: VouchedIdentity
    id_token: str


class OidcProvider:
    """One OpenID Connect provider, as it describes itself."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._about: Mapping[str, Any] = {}
        # The monotonic clock may begin near zero, so "ten minutes ago" has to be longer ago than
        # any time.
        self._asked_at = float("-inf")

    def provider_url_and_pending_sign_in(
        self, next_: str, *, invitation: str = "", force_login: bool = False
    ) -> tuple[str, PendingSignIn]:
        """Return the provider's address to go to, and what to remember until then.

        Args:
            next_: Where to go on to.
            invitation: Secret of a one-time link; "" for none.
            force_login: Whether the provider must ask who it is, though it may remember somebody.
        """
        pending = PendingSignIn(
            # Against an answer that somebody else's browser was sent (RFC 6749, section 10.12).
            state=secrets.token_urlsafe(24),
            # Against a token that was issued for another sign-in and is shown again.
            nonce=secrets.token_urlsafe(24),
            # 64 letters; RFC 7636 wants 43 to 128.
            verifier=secrets.token_urlsafe(48),
            next=next_,
            invitation=invitation,
            prompted_at=int(time.time()) if force_login else 0,
        )
        prompt = {"prompt": "login"} if force_login else {}
        with self._oauth_client() as client:
            url, _ = client.create_authorization_url(
                self._discovery_document()["authorization_endpoint"],
                state=pending.state,
                nonce=pending.nonce,
                code_verifier=pending.verifier,
                **prompt,
            )
        return str(url), pending

    def finish_sign_in(self, pending: PendingSignIn, state: str, code: str) -> OidcSignIn:
        """Return whom the provider vouches for, by the code that it sent back.

        Raises:
            SignInError: The answer is not ours, or its token does not hold.
        """
        if not secrets.compare_digest(state.encode(), pending.state.encode()):
            raise SignInError("oidc", found=Message("an answer to another sign-in"))
        answer = self._fetch_tokens(code, pending.verifier)
        claims = self._verified_token_claims(str(answer["id_token"]), pending.nonce)
        _check_forced_oidc_login_is_fresh(claims, pending.prompted_at)
        more = self._userinfo_claims_missing_from_token(claims, str(answer.get("access_token", "")))
        identity = _vouched_identity(claims, more, self._settings.oidc_roles_claim)
        return OidcSignIn(identity=identity, id_token=str(answer["id_token"]))

    def provider_sign_out_url_or_blank(self, id_token: str) -> str:
        """Return where the provider is told that somebody has signed out; "" where it has none.

        Raises:
            SignInError: The provider does not answer.
        """
        endpoint = str(self._discovery_document().get("end_session_endpoint") or "")
        if not endpoint.startswith(("https://", "http://")):
            return ""
        parameters = {
            "client_id": self._settings.oidc_client,
            "post_logout_redirect_uri": self._settings.address + SIGNED_OUT_PATH,
        }
        # By the token the provider knows whose session ends, and asks nobody whether to.
        hint = {"id_token_hint": id_token} if id_token else {}
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(hint | parameters)}"

    def _fetch_tokens(self, code: str, verifier: str) -> Mapping[str, Any]:
        """Return the tokens that the provider gives for the code."""
        try:
            with self._oauth_client() as client:
                answer: Any = client.fetch_token(
                    self._discovery_document()["token_endpoint"], code=code, code_verifier=verifier
                )
            return dict(answer) | {"id_token": str(answer["id_token"])}
        except Exception as error:  # the library has errors of several families
            # Only the kind of fault is said: the library's text may quote the token or the code.
            raise _oidc_sign_in_error(type(error).__name__) from None

    def _userinfo_claims_missing_from_token(
        self, claims: Mapping[str, Any], access_token: str
    ) -> Mapping[str, Any]:
        """Return the claims that the provider keeps out of its token; none where it holds all.

        Many send groups and e-mail addresses only where they are asked for them with the access
        token (OpenID Connect Core 1.0, section 5.4).
        """
        endpoint = self._discovery_document().get("userinfo_endpoint")
        complete = "email_verified" in claims and (
            claim_at(claims, self._settings.oidc_roles_claim) is not None
        )
        if complete or not endpoint or not access_token:
            return {}
        more = self._get_provider_json(
            str(endpoint), {"authorization": f"Bearer {access_token}", "accept": "application/json"}
        )
        # Section 5.3.2: an answer about somebody else must not be used.
        if more.get("sub") != claims["sub"]:
            raise _oidc_sign_in_error("sub")
        return more

    def _verified_token_claims(self, token: str, nonce: str) -> dict[str, Any]:
        """Return the token's claims, whose signature, issuer, audience and times hold."""
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        # Fetched at each sign-in, so that a key that the provider has replaced is known at once.
        key_set = self._get_provider_json(self._discovery_document()["jwks_uri"])
        rules = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": self._discovery_document()["issuer"]},
            aud={"essential": True, "value": self._settings.oidc_client},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            keys = KeySet.import_key_set(key_set)  # pyright: ignore[reportArgumentType]
            token_claims = jwt.decode(token, keys, algorithms=list(ALGORITHMS))
            rules.validate(token_claims.claims)
        # What the provider calls its keys may be none.
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise _oidc_sign_in_error(type(error).__name__) from None
        return dict(token_claims.claims)

    def _discovery_document(self) -> Mapping[str, Any]:
        """Return what the provider says of itself, asked at most every ten minutes."""
        if time.monotonic() - self._asked_at > 600:
            issuer = self._settings.oidc_issuer.rstrip("/")
            about = self._get_provider_json(f"{issuer}/.well-known/openid-configuration")
            # OpenID Connect Discovery 1.0, section 4.3: it must be the issuer that was asked. A
            # slash at the end is forgiven, as people type it either way.
            if str(about.get("issuer", "")).rstrip("/") != issuer:
                raise _oidc_sign_in_error("issuer")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if not isinstance(about.get(name), str):
                    raise _oidc_sign_in_error(name)
            self._about, self._asked_at = about, time.monotonic()
        return self._about

    def _get_provider_json(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        import httpx

        try:
            answer = httpx.get(url, headers=headers, timeout=_TIMEOUT_S)
            answer.raise_for_status()
            document = answer.json()
        # What a provider says of itself leads here, too: an address in it may be none.
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise _oidc_sign_in_error(type(error).__name__) from None
        if not isinstance(document, dict):
            raise _oidc_sign_in_error("JSON")
        return cast("dict[str, Any]", document)

    def _oauth_client(self) -> Any:
        with warnings.catch_warnings():
            # the library asks for a successor of httpx that FastAPI's own tools do not use yet
            warnings.simplefilter("ignore")
            from authlib.integrations.httpx_client import OAuth2Client
        return OAuth2Client(
            client_id=self._settings.oidc_client,
            # Read at each sign-in, so that a new secret needs no restart.
            client_secret=_read_oidc_client_secret(self._settings.oidc_secret_file),
            redirect_uri=self._settings.address + CALLBACK_PATH,
            scope=self._settings.oidc_scope,
            code_challenge_method="S256",
            timeout=_TIMEOUT_S,
        )


def _read_oidc_client_secret(path: str) -> str:
    return Path(path).read_text(encoding="utf-8").strip() if path else ""


def _vouched_identity(
    claims: Mapping[str, Any], more: Mapping[str, Any], roles_claim: str
) -> VouchedIdentity:
    """Return who a person is, by the claims of the token and, where it lacks them, by more."""
    # Address and word on it from one place: the one says nothing of the other's.
    email = claims if "email_verified" in claims else more if "email" in more else claims
    groups = claim_at(claims, roles_claim)
    name = claims.get("preferred_username") or more.get("preferred_username")
    return VouchedIdentity(
        # Only both together name a person: `sub` is unique within one issuer.
        subject=f"{claims['iss']} {claims['sub']}",
        name=str(name or email.get("email") or claims["sub"]),
        groups=claimed_names(groups if groups is not None else claim_at(more, roles_claim)),
        email_domain=email_domain_of(email.get("email")),
        email_verified=_oidc_claim_is_true(email.get("email_verified")),
    )


def _oidc_claim_is_true(claim: Any) -> bool:
    # A few providers write the word. Nothing else is taken for it, and 1 is equal to True.
    return claim is True or claim == "true"


def _check_forced_oidc_login_is_fresh(claims: Mapping[str, Any], prompted_at: int) -> None:
    """Refuse an answer in which the provider remembered somebody whom it was to ask.

    Raises:
        SignInError: It says that it asked them before they signed out here.
    """
    at = claims.get("auth_time")
    # Few providers send it without being asked; where it is there it is believed.
    if prompted_at and isinstance(at, int | float) and at < prompted_at - _LEEWAY_S:
        raise SignInError(
            "oidc",
            found=Message("a provider that let the last person in again without asking"),
            remedy=Message("Sign out at your organisation first, or close the browser."),
        )


def _oidc_sign_in_error(why: str) -> SignInError:
    return SignInError(
        "oidc",
        found=Message("an answer of the provider that does not hold: {why}", {"why": why}),
        remedy=Message("Try again, or tell whoever keeps the accounts of this console."),
    )
