"""Sign-in with an organisation's OpenID Connect provider, by the code flow with PKCE.

The provider says who somebody is and, where it names roles that we know, what they may
do; what it does not name they may not. Nothing is taken from the browser but the code.

Source: OpenID Connect Core 1.0, sections 3.1.2 and 3.1.3.7; RFC 7636.
"""

from __future__ import annotations

import json
import secrets
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from commonwatt.core.messages import Message
from commonwatt.web.errors import SignInError
from commonwatt.web.roles import ConsoleRole

if TYPE_CHECKING:
    from commonwatt.web.settings import Settings

CALLBACK_PATH: Final = "/oidc/back"
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
    """

    state: str
    nonce: str
    verifier: str
    next: str

    def as_text(self) -> str:
        """Return it for the cookie of this browser."""
        return json.dumps([self.state, self.nonce, self.verifier, self.next])

    @classmethod
    def of_text(cls, text: str) -> PendingSignIn:
        """Return what a cookie holds.

        Raises:
            SignInError: It holds none.
        """
        try:
            # Too few or too many parts is a ValueError as well, so anything else in the cookie ends
            # below.
            state, nonce, verifier, next_ = map(str, json.loads(text))
        except ValueError:
            raise SignInError("oidc", found=Message("a sign-in that nobody began here")) from None
        return cls(state=state, nonce=nonce, verifier=verifier, next=next_)


@dataclass(frozen=True, slots=True, kw_only=True)
class VouchedIdentity:
    """Whom the provider vouches for."""

    subject: str
    name: str
    roles: frozenset[ConsoleRole]


class OidcProvider:
    """One OpenID Connect provider, as it describes itself."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._about: Mapping[str, Any] = {}
        # The monotonic clock may begin near zero, so "ten minutes ago" has to be longer ago than
        # any time.
        self._asked_at = float("-inf")

    def begin_sign_in(self, next_: str) -> tuple[str, PendingSignIn]:
        """Return the provider's address to go to, and what to remember until then."""
        pending = PendingSignIn(
            # Against an answer that somebody else's browser was sent (RFC 6749, section 10.12).
            state=secrets.token_urlsafe(24),
            # Against a token that was issued for another sign-in and is shown again.
            nonce=secrets.token_urlsafe(24),
            # 64 letters; RFC 7636 wants 43 to 128.
            verifier=secrets.token_urlsafe(48),
            next=next_,
        )
        with self._oauth_client() as client:
            url, _ = client.create_authorization_url(
                self._discovery_document()["authorization_endpoint"],
                state=pending.state,
                nonce=pending.nonce,
                code_verifier=pending.verifier,
            )
        return str(url), pending

    def finish_sign_in(self, pending: PendingSignIn, state: str, code: str) -> VouchedIdentity:
        """Return whom the provider vouches for, by the code that it sent back.

        Raises:
            SignInError: The answer is not ours, or its token does not hold.
        """
        if not secrets.compare_digest(state.encode(), pending.state.encode()):
            raise SignInError("oidc", found=Message("an answer to another sign-in"))
        token = self._fetch_id_token(code, pending.verifier)
        claims = self._verified_token_claims(token, pending.nonce)
        known = {role.value: role for role in ConsoleRole}
        role_claim: Any = claims.get(self._settings.oidc_roles_claim) or []
        # Providers send a list or one text with spaces; both are in use.
        listed = isinstance(role_claim, list)
        named = [
            str(role)
            for role in (cast("list[object]", role_claim) if listed else str(role_claim).split())
        ]
        # A provider's list is for all its applications; what is no role of ours gives nothing.
        roles = frozenset(known[name] for name in named if name in known)
        name = claims.get("preferred_username") or claims.get("email") or claims["sub"]
        return VouchedIdentity(
            # Only both together name a person: `sub` is unique within one issuer.
            subject=f"{claims['iss']} {claims['sub']}",
            name=str(name),
            roles=roles or frozenset({ConsoleRole.VIEWER}),
        )

    def _fetch_id_token(self, code: str, verifier: str) -> str:
        """Return the identity token that the provider gives for the code."""
        try:
            with self._oauth_client() as client:
                answer: Any = client.fetch_token(
                    self._discovery_document()["token_endpoint"], code=code, code_verifier=verifier
                )
            return str(answer["id_token"])
        except Exception as error:  # the library has errors of several families
            # Only the kind of fault is said: the library's text may quote the token or the code.
            raise _oidc_sign_in_error(type(error).__name__) from None

    def _verified_token_claims(self, token: str, nonce: str) -> dict[str, Any]:
        """Return the token's claims, whose signature, issuer, audience and times hold."""
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        # Fetched at each sign-in, so that a key that the provider has replaced is known at once.
        key_set = self._get_provider_json(self._discovery_document()["jwks_uri"])
        keys = KeySet.import_key_set(key_set)  # pyright: ignore[reportArgumentType]
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
            token_claims = jwt.decode(token, keys, algorithms=list(ALGORITHMS))
            rules.validate(token_claims.claims)
        except (JoseError, ValueError) as error:
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
            self._about, self._asked_at = about, time.monotonic()
        return self._about

    def _get_provider_json(self, url: str) -> Mapping[str, Any]:
        import httpx

        try:
            answer = httpx.get(url, timeout=_TIMEOUT_S)
            answer.raise_for_status()
            return answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise _oidc_sign_in_error(type(error).__name__) from None

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
            scope="openid profile email",
            code_challenge_method="S256",
            timeout=_TIMEOUT_S,
        )


def _read_oidc_client_secret(path: str) -> str:
    return Path(path).read_text(encoding="utf-8").strip() if path else ""


def _oidc_sign_in_error(why: str) -> SignInError:
    return SignInError(
        "oidc",
        found=Message("an answer of the provider that does not hold: {why}", {"why": why}),
        remedy=Message("Try again, or tell whoever keeps the console."),
    )
