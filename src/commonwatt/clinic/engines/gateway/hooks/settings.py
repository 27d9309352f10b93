"""`[cds_hooks]` of an institution file: whom the service trusts, and which servers it may ask.

::

    [cds_hooks]
    base_url = "https://cds.qmh.example"     # as record systems call it; their tokens name it
    origins = ["https://ehr.example"]        # of browsers that may call; none by default

    [cds_hooks.clients."https://ehr.example/"]   # who signs, as the token's `iss`
    keys = "ehr-keys.json"                   # a JWK set in a file, or
    jku = "https://ehr.example/jwks"         # the only address that keys are fetched from
    algorithms = ["ES384", "RS384"]
    tenant = "…"                             # where one issuer signs for several hospitals

    [cds_hooks.fhir."https://ehr.example/fhir"]  # a server that may be read with a call's token
    timeout_s = 2.0
    loopback = false                         # whether it may be this very machine

Without `clients` nobody has to sign, and the service should listen on this machine alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

from commonwatt.core.errors import InputError
from commonwatt.core.messages import Message
from commonwatt.core.strict_json import parse_strict_json

ASYMMETRIC: Final = frozenset({
    "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA",
})  # fmt: skip
RECOMMENDED: Final = ("ES384", "RS384")
_LONGEST_WAIT_S: Final = 30.0
_ADDRESS: Final = Message(
    "an address with https, or one of this machine with http and loopback = true"
)
_FIELDS: Final = frozenset({"base_url", "origins", "clients", "fhir"})
_CLIENT: Final = frozenset({"keys", "jku", "algorithms", "tenant", "loopback"})
_SERVER: Final = frozenset({"timeout_s", "loopback"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CdsClient:
    """A record system that signs its calls.

    Args:
        issuer: Its `iss`.
        keys: Its JWK set, where it stands in a file.
        jku: From where its JWK set may be fetched; empty where it may not.
        loopback: Whether `jku` may be on this machine.
        algorithms: With which it may sign; never `none` and never a shared secret.
        tenant: Which its tokens must name; empty for any.
    """

    issuer: str
    keys: Mapping[str, Any] | None = None
    jku: str = ""
    loopback: bool = False
    algorithms: tuple[str, ...] = RECOMMENDED
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirServer:
    """A FHIR server that may be read.

    Args:
        base: Its address, without a slash at the end.
        timeout_s: How long a patient's call may wait for it [s].
        loopback: Whether it may be on this machine.
    """

    base: str
    timeout_s: float = 2.0
    loopback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CdsHooksSettings:
    """What an institution file says of its CDS Hooks service."""

    base_url: str = ""
    origins: tuple[str, ...] = ()
    clients: Mapping[str, CdsClient] = field(default_factory=dict[str, CdsClient])
    fhir: Mapping[str, FhirServer] = field(default_factory=dict[str, FhirServer])


def is_loopback_host(host: str) -> bool:
    """Return whether a host is this machine by its very name.

    >>> [is_loopback_host(h) for h in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "ehr.example")]
    [True, True, True, False, False]
    """
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def parse_cds_hooks_settings(section: Any, folder: Path, where: str) -> CdsHooksSettings:
    """Return what `[cds_hooks]` says.

    Args:
        section: As the file spells it.
        folder: Of the file, to which its own files are relative.
        where: For errors.

    Raises:
        InputError: A key is unknown, or a value at fault; its place is named.
    """
    table = _checked_cds_settings_table(section, _FIELDS, where)
    origins = table.get("origins", [])
    if not isinstance(origins, list) or not all(
        map(_is_cds_browser_origin, cast("list[Any]", origins))
    ):
        raise InputError(f"{where}.origins", wanted=Message("a list such as https://ehr.example"))
    base_url = table.get("base_url", "")
    if base_url and not _is_cds_https_or_loopback_address(base_url, loopback=True):
        raise InputError(f"{where}.base_url", found=repr(base_url), wanted=_ADDRESS)
    clients = {
        issuer: _parse_cds_client(issuer, entry, folder, f"{where}.clients.{issuer}")
        for issuer, entry in _checked_cds_settings_table(
            table.get("clients", {}), None, where
        ).items()
    }
    # A token names the address that it is for; without one, a token for another service would do.
    if clients and not base_url:
        raise InputError(f"{where}.base_url", wanted=Message("the address that clients call"))
    servers = [
        _parse_cds_fhir_server(base, entry, f"{where}.fhir.{base}")
        for base, entry in _checked_cds_settings_table(table.get("fhir", {}), None, where).items()
    ]
    return CdsHooksSettings(
        base_url=str(base_url).rstrip("/"),
        origins=tuple(cast("list[str]", origins)),
        clients=clients,
        fhir={server.base: server for server in servers},
    )


def _parse_cds_client(issuer: str, entry: Any, folder: Path, where: str) -> CdsClient:
    table = _checked_cds_settings_table(entry, _CLIENT, where)
    algorithms = table.get("algorithms", list(RECOMMENDED))
    if not isinstance(algorithms, list) or not set(cast("list[Any]", algorithms)) <= ASYMMETRIC:
        wanted = Message("a list of {values}", {"values": ", ".join(sorted(ASYMMETRIC))})
        raise InputError(f"{where}.algorithms", wanted=wanted)
    jku, tenant, loopback = (
        table.get("jku", ""),
        table.get("tenant", ""),
        _checked_cds_loopback_flag(table, where),
    )
    if jku and not _is_cds_https_or_loopback_address(jku, loopback=loopback):
        raise InputError(f"{where}.jku", found=repr(jku), wanted=_ADDRESS)
    if not isinstance(tenant, str) or not (jku or "keys" in table):
        raise InputError(where, wanted=Message("keys or jku"))
    keys = (
        _load_cds_client_public_key_set(folder, table["keys"], f"{where}.keys")
        if "keys" in table
        else None
    )
    return CdsClient(
        issuer=issuer, keys=keys, jku=jku, loopback=loopback,
        algorithms=tuple(cast("list[str]", algorithms)), tenant=tenant,
    )  # fmt: skip


def _parse_cds_fhir_server(base: str, entry: Any, where: str) -> FhirServer:
    table = _checked_cds_settings_table(entry, _SERVER, where)
    timeout_s, loopback = table.get("timeout_s", 2.0), _checked_cds_loopback_flag(table, where)
    if not _is_cds_https_or_loopback_address(base, loopback=loopback):
        raise InputError(where, wanted=_ADDRESS)
    # `True` is an int in Python and would pass for a second.
    plain = isinstance(timeout_s, int | float) and not isinstance(timeout_s, bool)
    if not plain or not 0 < timeout_s <= _LONGEST_WAIT_S:
        gaps = {"count": f"{_LONGEST_WAIT_S:g}"}
        wanted = Message("a number above 0 and up to {count}", gaps)
        raise InputError(f"{where}.timeout_s", wanted=wanted)
    return FhirServer(base=base.rstrip("/"), timeout_s=float(timeout_s), loopback=loopback)


def _load_cds_client_public_key_set(folder: Path, name: Any, where: str) -> Mapping[str, Any]:
    path = folder / str(name)
    try:
        document = parse_strict_json(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        document = None
    return checked_cds_client_public_key_set(document, where or str(path))


def checked_cds_client_public_key_set(document: Any, where: str) -> Mapping[str, Any]:
    """Return a JWK set of public keys, each with a `kid` of its own.

    Raises:
        InputError: It is none, or holds a private key or a shared secret.
    """
    fields = cast("dict[str, Any]", document) if isinstance(document, dict) else {}
    listed = cast("list[Any]", fields["keys"]) if isinstance(fields.get("keys"), list) else []
    keys = [cast("dict[str, Any]", key) for key in listed if isinstance(key, dict)]
    ids = {key["kid"] for key in keys if isinstance(key.get("kid"), str)}
    # Two keys of one id would leave it open which of them signed; a private one has no place here.
    public = all(key.get("kty") in ("EC", "RSA", "OKP") and "d" not in key for key in keys)
    if not keys or len(keys) < len(listed) or len(ids) < len(keys) or not public:
        wanted = Message("a JWK set of public keys, each with a kid of its own")
        raise InputError(where, wanted=wanted)
    return fields


def _checked_cds_settings_table(
    section: Any, allowed: frozenset[str] | None, where: str
) -> dict[str, Any]:  # fmt: skip
    if not isinstance(section, dict):
        raise InputError(where, wanted=Message("named values"))
    table = cast("dict[str, Any]", section)
    # A misspelt `origins` or `clients` would open or shut the service in silence.
    for name in sorted(set(table) - allowed) if allowed is not None else ():
        wanted = Message("one of {values}", {"values": ", ".join(sorted(allowed or ()))})
        raise InputError(f"{where}.{name}", wanted=wanted)
    return table


def _checked_cds_loopback_flag(table: Mapping[str, Any], where: str) -> bool:
    flag = table.get("loopback", False)
    if not isinstance(flag, bool):
        raise InputError(f"{where}.loopback", wanted=Message("true or false"))
    return flag


def _is_cds_browser_origin(origin: Any) -> bool:
    # Neither "*" nor "null": any page of any site, or any file on a disk, would be one.
    if not isinstance(origin, str):
        return False
    parts = urlsplit(origin)
    plain = parts.scheme in ("https", "http") and bool(parts.hostname) and "*" not in origin
    return plain and origin == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc


def _is_cds_https_or_loopback_address(address: Any, *, loopback: bool) -> bool:
    """Return whether an address is https, or http to this machine where that is allowed."""
    try:
        parts = urlsplit(address) if isinstance(address, str) else None
        host = (parts.hostname or "") if parts else ""
    except ValueError:
        return False
    if parts is None or not host or parts.query or parts.fragment or "@" in parts.netloc:
        return False
    if is_loopback_host(host):
        return loopback and parts.scheme in ("https", "http")
    return parts.scheme == "https"
