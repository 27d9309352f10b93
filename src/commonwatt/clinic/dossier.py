"""The dossier of a version: everything on record about it, for a reader or for a machine.

`dossier_html` writes one page; `fhir_bundle` writes HL7 FHIR R5 resources for
what FHIR has a place for (Device, DeviceDefinition, AdverseEvent).
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from typing import Any

from commonwatt.clinic.registry.state import Record, Registry
from commonwatt.core.messages import translate

_HEADINGS = {
    "product": "Product",
    "version": "Version",
    "intended-use": "Intended use",
    "ruling": "Rulings",
    "evidence": "Evidence on record",
    "determination": "Determinations",
    "deployment": "Deployments",
    "event": "Events",
}


def dossier_records(registry: Registry, version: str) -> dict[str, list[Record]]:
    """Return the records that belong to a version, by kind, in the order of the ledger.

    Raises:
        MoveError: There is no such version.
    """
    this = registry.get(version, "version")
    product = this.body["product"]
    uses = {
        n
        for n in registry.by_kind["intended-use"]
        if registry.records[n].body["product"] == product
    }
    placed = {
        n for n in registry.by_kind["deployment"] if registry.records[n].body["version"] == version
    }
    chosen: dict[str, Callable[[Record], bool]] = {
        "product": lambda r: r.name == product,
        "version": lambda r: r.name == version,
        "intended-use": lambda r: r.name in uses,
        "ruling": lambda r: r.body["intended_use"] in uses,
        "evidence": lambda r: r.body["version"] == version,
        "determination": lambda r: r.body["version"] == version,
        "deployment": lambda r: r.name in placed,
        "event": lambda r: r.body["deployment"] in placed,
    }
    return {
        kind: [r for r in _of_kind(registry, kind) if belongs(r)]
        for kind, belongs in chosen.items()
    }


def dossier_html(registry: Registry, version: str, *, language: str) -> str:
    """Return the dossier as one page in the reader's language."""
    title = f"{translate('Dossier', language)}: {html.escape(version)}"
    parts = [
        _block(kind, found, language) for kind, found in dossier_records(registry, version).items()
    ]
    lang = "zh-Hant" if language == "zh-Hant" else "en"
    return (
        f'<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:16px/1.5 system-ui,'Noto Sans TC',sans-serif;max-width:60rem;"
        "margin:2rem auto;padding:0 1rem}th{text-align:left;vertical-align:top;"
        "padding-right:1rem;font-weight:normal;color:#555}</style>"
        f"<h1>{title}</h1>{''.join(parts)}</html>\n"
    )


def fhir_bundle(registry: Registry, version: str) -> dict[str, Any]:
    """Return a FHIR R5 collection for a version."""
    found = dossier_records(registry, version)
    product, this = found["product"][0], found["version"][0]
    definition = {
        "resourceType": "DeviceDefinition",
        "id": _fhir_id(product.name),
        "description": product.body["name"],
        "deviceName": [{"name": product.body["name"], "type": "registered-name"}],
    }
    device = {
        "resourceType": "Device",
        "id": _fhir_id(this.name),
        "manufacturer": product.body["manufacturer"],
        "version": [{"value": this.name.removeprefix("version/")}],
        "identifier": [{"system": "urn:sha256", "value": this.body["artefact_sha256"]}],
        "definition": {"reference": {"reference": f"DeviceDefinition/{_fhir_id(product.name)}"}},
    }
    events = [_adverse_event(r) for r in found["event"] if r.body["type"] == "incident"]
    resources = [definition, device, *events]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": resource} for resource in resources],
    }


def _adverse_event(record: Record) -> dict[str, Any]:
    return {
        "resourceType": "AdverseEvent",
        "id": _fhir_id(record.name),
        "status": "completed",
        "actuality": "actual",
        "recordedDate": record.at.isoformat(),
        "code": {"text": record.body["code"]},
        "seriousness": {"text": record.body["severity"]},
    }


def _fhir_id(name: str) -> str:
    """Return a name of letters, digits, dots and dashes, at most 64 of them."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "-" for c in name)[:64]


def _of_kind(registry: Registry, kind: str) -> Iterable[Record]:
    return (registry.records[name] for name in registry.by_kind[kind])


def _block(kind: str, records: list[Record], language: str) -> str:
    heading = f"<h2>{html.escape(translate(_HEADINGS[kind], language))}</h2>"
    if not records:
        return f"{heading}<p>{html.escape(translate('Nothing on record.', language))}</p>"
    return heading + "".join(_one(record, language) for record in records)


def _one(record: Record, language: str) -> str:
    entry = f"{translate('entry', language)} {record.index:,}, {record.at.isoformat()}"
    rows = "".join(
        f"<tr><th>{html.escape(str(name))}</th><td>{html.escape(str(value))}</td></tr>"
        for name, value in record.body.items()
    )
    caption = f"{html.escape(record.name)} ({html.escape(entry)})"
    return f"<h3>{caption}</h3><table>{rows}</table>"
