"""A request of CDS Hooks, read strictly: what is not of the form is named, with its place.

Source: HL7 CDS Hooks 2.0, HTTP request, use of JSON, FHIR resource access; the hook
`patient-view`, version 1.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import urlsplit

EXTENSION: Final = "org.commonwatt"
HOOK: Final = "patient-view"
PATIENT_PREFIX: Final = "Patient/"
"""Before the name of a patient that stands for an encounter; no encounter's id has a slash."""
LARGEST_REQUEST: Final = 4 << 20  # bytes; some hundred resources
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FHIR_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_USERS: Final = ("Practitioner", "PractitionerRole", "Patient", "RelatedPerson")
_LONGEST_TOKEN: Final = 16_384  # letters; a header of more is refused by most servers


class CdsRequestError(ValueError):
    """A request is not of the form; `where` and `wanted` say what to mend."""

    def __init__(self, where: str, wanted: str) -> None:
        self.where, self.wanted = where, wanted
        super().__init__(f"{where}: {wanted}")


class CdsMediaTypeError(CdsRequestError):
    """The body of a request is not said to be JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirAccess:
    """A token of the record system for its FHIR server, for this one call.

    Args:
        token: Never logged and never recorded.
        scopes: That it grants, in the words of SMART.
        patient: The only patient that it is for; empty where it does not say.
    """

    token: str = field(repr=False)
    scopes: tuple[str, ...]
    patient: str = ""

    def covers(self, resource_type: str) -> bool:
        """Return whether a type may be read and searched.

        >>> access = FhirAccess(token="t", scopes=("user/Patient.read", "patient/Observation.rs"))
        >>> [access.covers(name) for name in ("Patient", "Observation", "Condition")]
        [True, True, False]
        """
        return any(
            _scope_covers_fhir_read_and_search(scope, resource_type) for scope in self.scopes
        )


def _scope_covers_fhir_read_and_search(scope: str, resource_type: str) -> bool:
    parts = re.fullmatch(
        r"(?:patient|user|system)/(\*|[A-Za-z]+)\.(\*|read|c?r?u?d?s?)(?:\?.*)?", scope
    )
    if parts is None or parts[1] not in ("*", resource_type):
        return False
    return parts[2] in ("*", "read") or {"r", "s"} <= set(parts[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class CdsRequest:
    """A `patient-view` call.

    Args:
        hook_instance: Of this one call.
        user: Who is at the screen, as `Practitioner/…`.
        patient_id: Whose record is open.
        encounter_id: Empty where the record was opened outside an encounter.
        prefetch: What was sent along, by key; `None` under a key says that there are no data.
        fhir_server: Base address without a slash at its end; empty where none was given.
        access: To that server.
        extension: Our own members, for what the standard has no place for.
    """

    hook_instance: str
    user: str
    patient_id: str
    encounter_id: str
    prefetch: Mapping[str, Any]
    fhir_server: str
    access: FhirAccess | None
    extension: Mapping[str, Any]

    @property
    def encounter(self) -> str:
        """What the advice is bound to: the encounter, or else the patient."""
        return self.encounter_id or PATIENT_PREFIX + self.patient_id


def parse_cds_request(document: Any) -> CdsRequest:
    """Return the request that a record system sent.

    Raises:
        CdsRequestError: It is not of the form of the standard.
    """
    body = checked_cds_json_object(document, "body")
    check_no_empty_cds_members(body, "", unless=frozenset({"prefetch", "extension"}))
    if body.get("hook") != HOOK:
        raise CdsRequestError("hook", f"{HOOK}, the hook of this service")
    instance = body.get("hookInstance")
    if not isinstance(instance, str) or not _UUID.fullmatch(instance):
        raise CdsRequestError("hookInstance", "a UUID of 36 letters")
    context = checked_cds_json_object(body.get("context"), "context")
    patient_id = checked_cds_fhir_id(context.get("patientId"), "context.patientId")
    encounter = context.get("encounterId")
    server, access = _parse_fhir_server_and_access(body, patient_id)
    return CdsRequest(
        hook_instance=instance,
        user=_parse_fhir_user_reference(context.get("userId")),
        patient_id=patient_id,
        encounter_id=""
        if encounter is None
        else checked_cds_fhir_id(encounter, "context.encounterId"),
        prefetch=checked_cds_json_object(body.get("prefetch", {}), "prefetch"),
        fhir_server=server,
        access=access,
        extension=own_cds_extension_members(body),
    )


def own_cds_extension_members(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return our own members of a request; none where it has none.

    Raises:
        CdsRequestError: The extension is no object.
    """
    extension = checked_cds_json_object(body.get("extension", {}), "extension")
    return checked_cds_json_object(extension.get(EXTENSION, {}), f"extension.{EXTENSION}")


def encounter_or_patient_id_of_cds_context(body: Mapping[str, Any]) -> str:
    """Return what a request's context is about: its encounter, or else its patient.

    Raises:
        CdsRequestError: It names neither.
    """
    context = checked_cds_json_object(body.get("context"), "context")
    if "encounterId" in context:
        return checked_cds_fhir_id(context["encounterId"], "context.encounterId")
    return PATIENT_PREFIX + checked_cds_fhir_id(context.get("patientId"), "context.patientId")


def checked_cds_json_object(value: Any, where: str) -> Mapping[str, Any]:
    """Return an object of JSON.

    Raises:
        CdsRequestError: It is none.
    """
    if not isinstance(value, dict):
        raise CdsRequestError(where, "an object of JSON")
    return cast("Mapping[str, Any]", value)


def checked_cds_fhir_id(value: Any, where: str) -> str:
    """Return an id of FHIR.

    Raises:
        CdsRequestError: It is none; it would become part of an address.
    """
    if not isinstance(value, str) or not _FHIR_ID.fullmatch(value):
        raise CdsRequestError(where, "a FHIR id: 1 to 64 letters, digits, dots and dashes")
    return value


def check_no_empty_cds_members(
    body: Mapping[str, Any], where: str, *, unless: frozenset[str] = frozenset()
) -> None:
    """Refuse null, "", [] and {}: what has no value is left out.

    Raises:
        CdsRequestError: A member is empty; its place is named.
    """
    for name, member in body.items():
        if name in unless:
            continue
        at = f"{where}{name}"
        if member is None or (isinstance(member, str | list | dict) and not member):
            raise CdsRequestError(at, "a value, or no such member")
        if isinstance(member, dict):
            check_no_empty_cds_members(cast("Mapping[str, Any]", member), f"{at}.")


def _parse_fhir_user_reference(user: Any) -> str:
    kind, _, name = user.partition("/") if isinstance(user, str) else ("", "", "")
    if kind not in _USERS or not _FHIR_ID.fullmatch(name):
        raise CdsRequestError("context.userId", f"one of {', '.join(_USERS)}, a slash and an id")
    return f"{kind}/{name}"


def _parse_fhir_server_and_access(
    body: Mapping[str, Any], patient_id: str
) -> tuple[str, FhirAccess | None]:  # fmt: skip
    server = body.get("fhirServer")
    if server is not None:
        server = _parse_fhir_server_address(server)
    if "fhirAuthorization" not in body:
        return server or "", None
    if not server:
        raise CdsRequestError("fhirServer", "the address that fhirAuthorization is for")
    grant = checked_cds_json_object(body["fhirAuthorization"], "fhirAuthorization")
    where = "fhirAuthorization."
    token, lifetime_s = grant.get("access_token"), grant.get("expires_in")
    # A token goes into a header; a line break in it would begin another one.
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise CdsRequestError(f"{where}access_token", "a token")
    if len(token) > _LONGEST_TOKEN:
        raise CdsRequestError(f"{where}access_token", f"at most {_LONGEST_TOKEN} letters")
    if grant.get("token_type") != "Bearer":
        raise CdsRequestError(f"{where}token_type", "Bearer")
    if not isinstance(lifetime_s, int) or isinstance(lifetime_s, bool):
        raise CdsRequestError(f"{where}expires_in", "a whole number of seconds")
    for name in ("scope", "subject"):
        if not isinstance(grant.get(name), str):
            raise CdsRequestError(f"{where}{name}", "a text")
    patient = grant.get("patient", "")
    if patient and patient != patient_id:
        raise CdsRequestError(f"{where}patient", "the patient of the context")
    # A token that has run out opens nothing; the call may still be answered from its prefetch.
    if lifetime_s <= 0:
        return server, None
    return server, FhirAccess(token=token, scopes=tuple(grant["scope"].split()), patient=patient)


def _parse_fhir_server_address(server: Any) -> str:
    parts = urlsplit(server) if isinstance(server, str) else None
    if parts is None or parts.scheme not in ("https", "http") or not parts.hostname:
        raise CdsRequestError("fhirServer", "an address such as https://example.org/fhir")
    return str(server).rstrip("/")
