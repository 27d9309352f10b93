"""A version's record as HL7 FHIR R5 and R4B, and a check of whatever claims to be such a bundle.

FHIR has a place for the product (DeviceDefinition), the version (Device) and what went
wrong (AdverseEvent, about a Group, because no patient is on record here). The check is
a table of what a release requires of these four, read off their definitions; it is not a full
validator, and says nothing of profiles. R4B is what most hospitals run.

Sources: HL7 FHIR Release 5 (5.0.0) and R4B (4.3.0), Bundle, Device, DeviceDefinition,
AdverseEvent, Group.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final, cast

from commonwatt.clinic.domain.registry.preconditions import refusing_rule_or_none_by_live_deployment
from commonwatt.clinic.domain.registry.state import Registry, RegistryRecord
from commonwatt.clinic.io.dossier import dossier_records_by_kind

# FHIR's type `id`; our names hold slashes and underscores, which it forbids.
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_INSTANT: Final = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?)?)?")
BASE: Final = "urn:commonwatt:"


class FhirRelease(StrEnum):
    """A release of FHIR that a dossier is written in."""

    R4B = "R4B"
    R5 = "R5"


def clinic_version_fhir_bundle(
    registry: Registry, version: str, release: FhirRelease = FhirRelease.R5, *, on: date
) -> dict[str, Any]:
    """Return a FHIR collection for a version, as it is in use on a day.

    Raises:
        StatusMoveError: There is no such version.
    """
    records = dossier_records_by_kind(registry, version)
    product, this = records["product"][0], records["version"][0]
    incidents = [r for r in records["event"] if r.body["type"] == "incident"]
    institutions = {r.name: r.body["institution"] for r in records["deployment"]}
    # Live and refused by the gate is in nobody's use.
    refused = refusing_rule_or_none_by_live_deployment(registry, on, institutions)
    device = _fhir_device(this, product, in_use=None in refused.values())
    resources = [_fhir_device_definition(product), device]
    # R5 wants a subject for every adverse event. No patient is on record, so the subject is the
    # institution's patients as a group, which names nobody.
    resources += [
        _fhir_group_of_institution_patients(institution)
        for institution in sorted({institutions[r.body["deployment"]] for r in incidents})
    ]
    resources += [
        _fhir_adverse_event(r, this, institutions[r.body["deployment"]]) for r in incidents
    ]
    if release is FhirRelease.R4B:
        resources = [_clinic_fhir_resource_as_r4b(each) for each in resources]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": f"{BASE}{_clinic_fhir_resource_path(each)}", "resource": each}
            for each in resources
        ],
    }


def _fhir_device_definition(product: RegistryRecord) -> dict[str, Any]:
    name = {"name": product.body["name"], "type": "registered-name"}
    definition = {
        "resourceType": "DeviceDefinition",
        "id": clinic_fhir_resource_id(product.name),
        "deviceName": [name],
    }
    code = product.body.get("code")
    return definition | ({"identifier": [{"value": code}]} if code else {})


def _fhir_device(
    version: RegistryRecord, product: RegistryRecord, *, in_use: bool
) -> dict[str, Any]:
    return {
        "resourceType": "Device",
        "id": clinic_fhir_resource_id(version.name),
        "identifier": [{"system": "urn:sha256", "value": version.body["artefact_sha256"]}],
        "definition": {
            "reference": {"reference": f"DeviceDefinition/{clinic_fhir_resource_id(product.name)}"}
        },
        # FHIR's word for whether it may be used; it has none for a shadow deployment.
        "status": "active" if in_use else "inactive",
        "manufacturer": product.body["manufacturer"],
        "name": [{"value": product.body["name"], "type": "registered-name"}],
        "version": [{"value": version.name.removeprefix("version/")}],
    }


def _fhir_group_of_institution_patients(institution: str) -> dict[str, Any]:
    description = f"Patients of {institution}; the record names no patient."
    return {
        "resourceType": "Group",
        "id": clinic_fhir_resource_id(f"patients/{institution}"),
        "type": "person",
        "membership": "definitional",
        "description": description,
    }


def _fhir_adverse_event(
    record: RegistryRecord, version: RegistryRecord, institution: str
) -> dict[str, Any]:
    return {
        "resourceType": "AdverseEvent",
        "id": clinic_fhir_resource_id(record.name),
        "status": "completed",
        "actuality": "actual",
        "code": {"text": record.body["code"]},
        "subject": {"reference": f"Group/{clinic_fhir_resource_id(f'patients/{institution}')}"},
        "recordedDate": record.at.isoformat(),
        "seriousness": {"text": record.body["severity"]},
        "suspectEntity": [
            {"instanceReference": {"reference": f"Device/{clinic_fhir_resource_id(version.name)}"}}
        ],
    }


def _clinic_fhir_resource_as_r4b(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return one of these resources as R4B spells it, with the same id and the same meaning."""
    fields = dict(resource)
    match fields["resourceType"]:
        case "DeviceDefinition":
            fields["deviceName"] = [_fhir_device_name_as_r4b(each) for each in fields["deviceName"]]
        case "Device":
            fields["deviceName"] = [
                {"name": each["value"], "type": _R4B_NAMES[each["type"]]}
                for each in fields.pop("name")
            ]
            fields["definition"] = fields["definition"]["reference"]
        case "Group":
            # A group without members: what R5 calls definitional.
            fields["actual"] = fields.pop("membership") == "enumerated"
            fields["name"] = fields.pop("description")
        case _:
            del fields["status"]
            fields["event"] = fields.pop("code")
            fields["suspectEntity"] = [
                {"instance": each["instanceReference"]} for each in fields["suspectEntity"]
            ]
    return fields


def _fhir_device_name_as_r4b(name: Mapping[str, str]) -> dict[str, str]:
    return {"name": name["name"], "type": _R4B_NAMES[name["type"]]}


# R4B has no registered name; the manufacturer registers it, and calls it so.
_R4B_NAMES: Final[Mapping[str, str]] = {
    "registered-name": "manufacturer-name",
    "user-friendly-name": "user-friendly-name",
    "patient-reported-name": "patient-reported-name",
}


def clinic_fhir_resource_id(name: str) -> str:
    """Return a name of letters, digits, dots and dashes, at most 64 of them.

    A name that had to be changed keeps a digest of what it was, so that two stay two.

    >>> clinic_fhir_resource_id("v1.2"), clinic_fhir_resource_id("event/e_1")
    ('v1.2', 'event-e-1-237b7cf3')
    """
    legal = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "-" for c in name)
    if legal == name and len(name) <= 64:
        return name
    return f"{legal[:55]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _clinic_fhir_resource_path(resource: Mapping[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


@dataclass(frozen=True, slots=True)
class _FhirElementRule:
    """One element: its path, how often it must stand there, and what it may be."""

    path: str
    least: int
    fits: Callable[[Any], bool]


def _clinic_fhir_code_predicate(*codes: str) -> Callable[[Any], bool]:
    return lambda value: value in codes


def _is_nonblank_clinic_fhir_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_clinic_fhir_instant(value: Any) -> bool:
    return isinstance(value, str) and bool(_INSTANT.fullmatch(value))


def _is_clinic_fhir_object(value: Any) -> bool:
    return isinstance(value, dict) and bool(cast("dict[str, Any]", value))


_NAMES: Final = _clinic_fhir_code_predicate(
    "registered-name", "user-friendly-name", "patient-reported-name"
)
_R4B_NAME_TYPES: Final = _clinic_fhir_code_predicate(
    "udi-label-name", "user-friendly-name", "patient-reported-name", "manufacturer-name",
    "model-name", "other",
)  # fmt: skip
_R4B_RULES: Final[Mapping[str, tuple[_FhirElementRule, ...]]] = {
    "DeviceDefinition": (
        _FhirElementRule("deviceName.name", 1, _is_nonblank_clinic_fhir_text),
        _FhirElementRule("deviceName.type", 1, _R4B_NAME_TYPES),
        _FhirElementRule("identifier.value", 0, _is_nonblank_clinic_fhir_text),
    ),
    "Device": (
        _FhirElementRule("identifier.value", 1, _is_nonblank_clinic_fhir_text),
        _FhirElementRule(
            "status", 0,
            _clinic_fhir_code_predicate("active", "inactive", "entered-in-error", "unknown"),
        ),
        _FhirElementRule("manufacturer", 0, _is_nonblank_clinic_fhir_text),
        _FhirElementRule("deviceName.name", 1, _is_nonblank_clinic_fhir_text),
        _FhirElementRule("deviceName.type", 1, _R4B_NAME_TYPES),
        _FhirElementRule("version.value", 1, _is_nonblank_clinic_fhir_text),
        _FhirElementRule("definition.reference", 0, _is_nonblank_clinic_fhir_text),
    ),
    "Group": (
        _FhirElementRule(
            "type", 1, _clinic_fhir_code_predicate(
                "person", "animal", "practitioner", "device", "medication", "substance"
            )
        ),
        _FhirElementRule("actual", 1, lambda value: isinstance(value, bool)),
    ),
    "AdverseEvent": (
        _FhirElementRule("actuality", 1, _clinic_fhir_code_predicate("actual", "potential")),
        _FhirElementRule("subject", 1, _is_clinic_fhir_object),
        _FhirElementRule("subject.reference", 1, _is_nonblank_clinic_fhir_text),
        _FhirElementRule("recordedDate", 0, _is_clinic_fhir_instant),
        _FhirElementRule("event.text", 0, _is_nonblank_clinic_fhir_text),
        _FhirElementRule("suspectEntity.instance", 0, _is_clinic_fhir_object),
        _FhirElementRule("suspectEntity.instance.reference", 0, _is_nonblank_clinic_fhir_text),
    ),
}  # fmt: skip
_R5_RULES: Final[Mapping[str, tuple[_FhirElementRule, ...]]] = {
    "DeviceDefinition": (
        _FhirElementRule("deviceName.name", 1, _is_nonblank_clinic_fhir_text),
        _FhirElementRule("deviceName.type", 1, _NAMES),
        _FhirElementRule("identifier.value", 0, _is_nonblank_clinic_fhir_text),
    ),
    "Device": (
        _FhirElementRule("identifier.value", 1, _is_nonblank_clinic_fhir_text),
        _FhirElementRule(
            "status", 0, _clinic_fhir_code_predicate("active", "inactive", "entered-in-error")
        ),
        _FhirElementRule("manufacturer", 0, _is_nonblank_clinic_fhir_text),
        _FhirElementRule("name.value", 0, _is_nonblank_clinic_fhir_text),
        _FhirElementRule("name.type", 0, _NAMES),
        _FhirElementRule("version.value", 1, _is_nonblank_clinic_fhir_text),
        _FhirElementRule("definition.reference.reference", 0, _is_nonblank_clinic_fhir_text),
    ),
    "Group": (
        _FhirElementRule(
            "type",
            1,
            _clinic_fhir_code_predicate(
                "person",
                "animal",
                "practitioner",
                "device",
                "careteam",
                "healthcareservice",
                "location",
                "organization",
                "relatedperson",
                "specimen",
            ),
        ),
        _FhirElementRule(
            "membership", 1, _clinic_fhir_code_predicate("definitional", "enumerated")
        ),
    ),
    "AdverseEvent": (
        _FhirElementRule(
            "status",
            1,
            _clinic_fhir_code_predicate("in-progress", "completed", "entered-in-error", "unknown"),
        ),
        _FhirElementRule("actuality", 1, _clinic_fhir_code_predicate("actual", "potential")),
        _FhirElementRule("subject", 1, _is_clinic_fhir_object),
        _FhirElementRule("subject.reference", 1, _is_nonblank_clinic_fhir_text),
        _FhirElementRule("recordedDate", 0, _is_clinic_fhir_instant),
        _FhirElementRule("code.text", 0, _is_nonblank_clinic_fhir_text),
        _FhirElementRule(
            "suspectEntity.instanceReference.reference", 0, _is_nonblank_clinic_fhir_text
        ),
    ),
}


_RULES: Final = {FhirRelease.R4B: _R4B_RULES, FhirRelease.R5: _R5_RULES}


def clinic_fhir_bundle_faults(bundle: Any, release: FhirRelease = FhirRelease.R5) -> list[str]:
    """Return everything that a release forbids in a bundle, each with its place; empty if nothing.

    >>> clinic_fhir_bundle_faults({"resourceType": "Bundle", "type": "collection", "entry": []})
    []
    """
    document = _clinic_fhir_object_or_empty(bundle)
    if document.get("resourceType") != "Bundle" or document.get("type") != "collection":
        return ["Bundle.type: not a collection"]
    listed: Any = document.get("entry", [])
    listed_entries = cast("list[Any]", listed) if isinstance(listed, list) else [None]
    entries = [_clinic_fhir_object_or_empty(each) for each in listed_entries]
    resources = [_clinic_fhir_object_or_empty(entry.get("resource")) for entry in entries]
    faults = [f"entry {i}: no resource" for i, each in enumerate(resources) if not each]
    paths = {
        _clinic_fhir_resource_path(each)
        for each in resources
        if "resourceType" in each and "id" in each
    }
    # References resolve by this address; two alike would resolve to either.
    if len({str(entry.get("fullUrl")) for entry in entries}) < len(entries):
        faults.append("Bundle.entry.fullUrl: not one of its own for each")
    for each in filter(None, resources):
        faults += [
            f"{each.get('resourceType')}: {fault}"
            for fault in _clinic_fhir_resource_faults(each, paths, _RULES[release])
        ]
    return faults


def _clinic_fhir_object_or_empty(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _clinic_fhir_resource_faults(
    resource: Mapping[str, Any],
    paths: set[str],
    rules_by_type: Mapping[str, tuple[_FhirElementRule, ...]],
) -> Iterator[str]:
    rules = rules_by_type.get(str(resource.get("resourceType")))
    if rules is None:
        yield "of a kind that is not exported"
        return
    if not _ID.fullmatch(str(resource.get("id", ""))):
        yield "id: not 1 to 64 letters, digits, dots and dashes"
    for rule in rules:
        values = list(_clinic_fhir_values_at(resource, rule.path.split(".")))
        if len(values) < rule.least:
            yield f"{rule.path}: missing"
        if not all(rule.fits(value) for value in values):
            yield f"{rule.path}: not of the form"
    for reference in _clinic_fhir_references(resource):
        if reference not in paths:
            yield f"reference {reference}: not in the bundle"


def _clinic_fhir_values_at(value: Any, path: list[str]) -> Iterator[Any]:
    """Yield what stands at a path; a list stands for each of its members."""
    if isinstance(value, list):
        for member in cast("list[Any]", value):
            yield from _clinic_fhir_values_at(member, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _clinic_fhir_values_at(cast("dict[str, Any]", value)[path[0]], path[1:])


def _clinic_fhir_references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for member in cast("list[Any]", value):
            yield from _clinic_fhir_references(member)
    elif isinstance(value, dict):
        for name, member in cast("dict[str, Any]", value).items():
            if name == "reference" and isinstance(member, str):
                yield member
            else:
                yield from _clinic_fhir_references(member)
