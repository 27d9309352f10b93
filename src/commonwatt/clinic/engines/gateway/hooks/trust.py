"""Whether a call is signed by a record system that the institution file names.

Each call carries a JSON web token of its own: signed by a key of the client, for this very
address, not run out, and used once. Which of these fails is not told: it would help whoever
tries.

Source: HL7 CDS Hooks 2.0, trusting CDS clients; RFC 7515, 7517, 7519.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, cast

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from commonwatt.clinic.engines.gateway.hooks.outbound import (
    FAILED,
    fetch_cds_key_set_document_or_failed,
)
from commonwatt.clinic.engines.gateway.hooks.settings import (
    CdsClient,
    CdsHooksSettings,
    checked_cds_client_public_key_set,
)
from commonwatt.core.errors import InputError
from commonwatt.core.strict_json import parse_strict_json

LEEWAY_S: Final = 30
"""How far two clocks may be apart [s]."""
LONGEST_TOKEN_S: Final = 3600
"""How long a token may hold; a used one is remembered for as long [s]."""
LONGEST_TOKEN: Final = 16_384
_KEYS_HOLD_S: Final = 600.0
_KEYS_REST_S: Final = 30.0
_MOST_KEYS: Final = 64


class UntrustedCallError(Exception):
    """A call is not signed as it must be; `fault` is for tests, and not for the caller."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        super().__init__(fault)


class CallerTrust:
    """Checks the tokens of one service.

    Args:
        settings: Whom to trust; without clients every call is let through.
        clock: Returns the instant of now.
    """

    def __init__(self, settings: CdsHooksSettings, clock: Callable[[], datetime]) -> None:
        self._settings, self._clock = settings, clock
        self._used: dict[tuple[str, str], float] = {}
        self._fetched: dict[str, tuple[float, Mapping[str, Any]]] = {}
        self._tried_at: dict[str, float] = {}
        # What was used before this start is not remembered. A token from before it is refused, so
        # that a restart lets no used one in again.
        self._started_s = math.floor(clock().timestamp())
        self._fetching = asyncio.Lock()
        self._key_sets: dict[str, KeySet] = {}

    @property
    def wants_token(self) -> bool:
        """Whether calls must be signed."""
        return bool(self._settings.clients)

    async def client_that_signed_call(self, authorization: str, path: str) -> CdsClient | None:
        """Return who signed a call; `None` where nobody has to.

        Args:
            authorization: The header.
            path: Of the endpoint, below the base address.

        Raises:
            UntrustedCallError: There is no token, or it does not hold.
        """
        if not self.wants_token:
            return None
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not 0 < len(token) <= LONGEST_TOKEN:
            raise UntrustedCallError("no bearer token")
        header, unverified = _unverified_cds_jwt_part(token, 0), _unverified_cds_jwt_part(token, 1)
        client = self._settings.clients.get(str(unverified.get("iss")))
        if client is None:
            raise UntrustedCallError("iss")
        self._check_header(header, client)
        claims = await self._verified_cds_jwt_claims(token, header, client)
        self._check_jwt_claims_and_single_use(claims, client, f"{self._settings.base_url}{path}")
        return client

    def _check_header(self, header: Mapping[str, Any], client: CdsClient) -> None:
        # The list comes from the file and never from the token: "none" and shared secrets are in
        # no list.
        if header.get("alg") not in client.algorithms:
            raise UntrustedCallError("alg")
        if header.get("typ") != "JWT":
            raise UntrustedCallError("typ")
        if not isinstance(header.get("kid"), str) or not header["kid"]:
            raise UntrustedCallError("kid")
        if "jku" in header and header["jku"] != client.jku:
            raise UntrustedCallError("jku")
        if "jku" not in header and client.keys is None:
            raise UntrustedCallError("jku")
        # Extensions that must be understood (RFC 7515, 4.1.11), of which none is.
        if "crit" in header:
            raise UntrustedCallError("crit")

    async def _verified_cds_jwt_claims(
        self, token: str, header: Mapping[str, Any], client: CdsClient
    ) -> Mapping[str, Any]:
        document = await self._cds_client_key_set_document(
            client, str(header["kid"]), from_address="jku" in header
        )
        keys = [key for key in document["keys"] if key.get("kid") == header["kid"]]
        if not keys:
            raise UntrustedCallError("kid")
        try:
            key_set = self._cached_imported_cds_jwk_set(keys)
            return jwt.decode(token, key_set, algorithms=list(client.algorithms)).claims
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise UntrustedCallError(type(error).__name__) from None

    def _cached_imported_cds_jwk_set(self, keys: list[dict[str, Any]]) -> KeySet:
        # Read once: it takes as long as to check a signature.
        name = json.dumps(keys, sort_keys=True)
        if name not in self._key_sets:
            self._key_sets[name] = KeySet.import_key_set({"keys": keys})  # pyright: ignore[reportArgumentType]
        while len(self._key_sets) > _MOST_KEYS:
            self._key_sets.pop(next(iter(self._key_sets)))
        return self._key_sets[name]

    async def _cds_client_key_set_document(
        self, client: CdsClient, kid: str, *, from_address: bool
    ) -> Any:
        if not from_address:
            return client.keys
        # One at a time: calls that come together at the start wait for the same set.
        async with self._fetching:
            now = time.monotonic()
            fetched_at, document = self._fetched.get(client.jku, (-math.inf, {"keys": []}))
            known = any(key.get("kid") == kid for key in document["keys"])
            old = now - fetched_at >= _KEYS_HOLD_S
            rested = now - self._tried_at.get(client.jku, -math.inf) >= _KEYS_REST_S
            # A new key is fetched at once, and a name that is none not more often than twice a
            # minute.
            if (old or not known) and rested:
                self._tried_at[client.jku] = now
                answer = await fetch_cds_key_set_document_or_failed(
                    client.jku, loopback=client.loopback
                )
                try:
                    document = checked_cds_client_public_key_set(
                        None if answer is FAILED else answer, client.jku
                    )
                    self._fetched[client.jku] = (now, document)
                    old = False
                except InputError:
                    pass
            # A key that was withdrawn at its place must not be trusted for ever.
            if old:
                raise UntrustedCallError("jku")
            return document

    def _check_jwt_claims_and_single_use(
        self, claims: Mapping[str, Any], client: CdsClient, address: str
    ) -> None:
        now_s = self._clock().timestamp()
        if claims.get("iss") != client.issuer:
            raise UntrustedCallError("iss")
        audience = claims.get("aud")
        audiences = cast("list[Any]", audience) if isinstance(audience, list) else [audience]
        if address not in audiences:
            raise UntrustedCallError("aud")
        expires_s, issued_s = _number(claims, "exp"), _number(claims, "iat")
        if expires_s + LEEWAY_S <= now_s or expires_s - issued_s > LONGEST_TOKEN_S:
            raise UntrustedCallError("exp")
        if not self._started_s <= issued_s <= now_s + LEEWAY_S:
            raise UntrustedCallError("iat")
        if "nbf" in claims and _number(claims, "nbf") > now_s + LEEWAY_S:
            raise UntrustedCallError("nbf")
        if client.tenant and claims.get("tenant") != client.tenant:
            raise UntrustedCallError("tenant")
        self._check_and_record_single_cds_token_use(
            client.issuer, claims.get("jti"), expires_s, now_s
        )

    def _check_and_record_single_cds_token_use(
        self, issuer: str, jti: Any, expires_s: float, now_s: float
    ) -> None:
        if not isinstance(jti, str) or not 0 < len(jti) <= 200:
            raise UntrustedCallError("jti")
        if (issuer, jti) in self._used:
            raise UntrustedCallError("replay")
        self._used[issuer, jti] = expires_s + LEEWAY_S
        # Now and then, and not at each call: all of them are looked at.
        if len(self._used) % 256 == 0:
            self._used = {key: until for key, until in self._used.items() if until > now_s}


def _unverified_cds_jwt_part(token: str, part: int) -> Mapping[str, Any]:
    """Return the header or the claims of a token, of which nothing is verified yet."""
    try:
        text = token.split(".")[part]
        document = parse_strict_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, IndexError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise UntrustedCallError("no web token")
    return cast("Mapping[str, Any]", document)


def _number(claims: Mapping[str, Any], name: str) -> float:
    number = claims.get(name)
    if not isinstance(number, int | float) or isinstance(number, bool):
        raise UntrustedCallError(name)
    # NaN is before and after no time, and would pass every comparison. A whole number may be too
    # long to be a float.
    if not abs(number) < 1e12:
        raise UntrustedCallError(name)
    return float(number)
