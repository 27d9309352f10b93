"""What the service asks of other servers: FHIR of the record system, and keys of its signer.

Only addresses that the institution file names are called; no redirect is followed, no proxy of
the environment is used, and an address that turns out to be this machine is refused unless the
file allows it. What comes back is bounded in size and time.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import quote, urlsplit

import httpx

from commonwatt.clinic.domain.guides import GuideFhirMapping
from commonwatt.clinic.domain.guides.fhir_mapping import TOKEN, fhir_prefetch_template_resource_type
from commonwatt.clinic.engines.gateway.hooks.fhir_facts import cds_fhir_bundle_next_page_url
from commonwatt.clinic.engines.gateway.hooks.requests import CdsRequest, FhirAccess
from commonwatt.clinic.engines.gateway.hooks.settings import FhirServer
from commonwatt.core.strict_json import parse_strict_json

LARGEST_ANSWER: Final = 8 << 20  # bytes
MOST_PAGES: Final = 5
KEY_TIMEOUT_S: Final = 3.0
FAILED: Final = object()
"""Stands for an answer that could not be had."""
_USER_TOKENS: Final[Mapping[str, str]] = {
    "userPractitionerId": "Practitioner",
    "userPractitionerRoleId": "PractitionerRole",
    "userPatientId": "Patient",
    "userRelatedPersonId": "RelatedPerson",
}


def filled_prefetch_template_or_empty(template: str, request: CdsRequest) -> str:
    """Return a template with its gaps filled; empty where the request lacks what a gap names."""
    kind, _, user_id = request.user.partition("/")
    known = {
        "context.userId": request.user,
        "context.patientId": request.patient_id,
        "context.encounterId": request.encounter_id,
    } | {name: user_id for name, of in _USER_TOKENS.items() if of == kind}
    if not all(known.get(token) for token in TOKEN.findall(template)):
        return ""
    return TOKEN.sub(lambda gap: quote(known[gap[1]], safe="/.-"), template)


async def fetch_fhir_documents_by_prefetch_key(
    server: FhirServer,
    access: FhirAccess,
    mapping: GuideFhirMapping,
    keys: frozenset[str],
    request: CdsRequest,
) -> dict[str, Any]:
    """Return what the record system's server answers, by prefetch key; what fails is left out."""
    addresses = {
        key: path
        for key in sorted(keys)
        if access.covers(fhir_prefetch_template_resource_type(mapping.prefetch[key]))
        and (path := filled_prefetch_template_or_empty(mapping.prefetch[key], request))
    }
    if not addresses or not await _is_allowed_cds_outbound_address(
        server.base, loopback=server.loopback
    ):
        return {}
    headers = {"authorization": f"Bearer {access.token}", "accept": "application/fhir+json"}
    async with _cds_fhir_http_client(server.timeout_s) as client:
        reads = [
            _fetch_bundle_of_all_pages_or_failed(client, server, path, headers)
            for path in addresses.values()
        ]
        try:
            answers = await asyncio.wait_for(asyncio.gather(*reads), server.timeout_s)
        except TimeoutError:
            return {}
    pairs = zip(addresses, answers, strict=True)
    return {key: answer for key, answer in pairs if answer is not FAILED}


async def fetch_cds_key_set_document_or_failed(address: str, *, loopback: bool) -> Any:
    """Return the document at the address of a key set; `FAILED` where it cannot be had."""
    if not await _is_allowed_cds_outbound_address(address, loopback=loopback):
        return FAILED
    async with _cds_fhir_http_client(KEY_TIMEOUT_S) as client:
        try:
            read = _fetch_cds_json_or_failed(client, address, {"accept": "application/json"})
            return await asyncio.wait_for(read, KEY_TIMEOUT_S)
        except TimeoutError:
            return FAILED


def _cds_fhir_http_client(timeout_s: float) -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=timeout_s, follow_redirects=False, trust_env=False)


async def _fetch_bundle_of_all_pages_or_failed(
    client: httpx.AsyncClient, server: FhirServer, path: str, headers: Mapping[str, str]
) -> Any:
    answer = await _fetch_cds_json_or_failed(client, f"{server.base}/{path}", headers)
    entries, page = _cds_fhir_bundle_entries_or_empty(answer), answer
    # With a count the further pages are what was not asked for.
    for _ in range(MOST_PAGES - 1):
        following = cds_fhir_bundle_next_page_url(_fields(page))
        # The token goes to the server that it is for, and to no other that a page names.
        if not following or "_count=" in path or not _is_below(following, server.base):
            break
        page = await _fetch_cds_json_or_failed(client, following, headers)
        if page is FAILED:
            return FAILED
        entries += _cds_fhir_bundle_entries_or_empty(page)
    # The last page's links: one more of them says that the answer is not whole.
    return answer if page is answer else {**_fields(page), "entry": entries}


def _is_below(address: str, base: str) -> bool:
    return address.startswith((f"{base}/", f"{base}?"))


def _fields(document: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}


def _cds_fhir_bundle_entries_or_empty(document: Any) -> list[Any]:
    entries = _fields(document).get("entry")
    return list(cast("list[Any]", entries)) if isinstance(entries, list) else []


async def _fetch_cds_json_or_failed(
    client: httpx.AsyncClient, url: str, headers: Mapping[str, str]
) -> Any:
    try:
        async with client.stream("GET", url, headers=dict(headers)) as answer:
            if answer.status_code != 200:
                return FAILED
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > LARGEST_ANSWER:
                    return FAILED
            return parse_strict_json(bytes(body))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError):
        return FAILED


async def _is_allowed_cds_outbound_address(address: str, *, loopback: bool) -> bool:
    """Return whether an address leads where the file allows: not to this machine, unless told."""
    parts = urlsplit(address)
    if loopback:
        return True
    loop = asyncio.get_running_loop()
    try:
        listed = await loop.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError:
        return False
    # A public name may be pointed at this machine by whoever runs it.
    hosts = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in listed]
    return not any(host.is_loopback or host.is_unspecified or host.is_link_local for host in hosts)
