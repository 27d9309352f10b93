"""Medical models as the console shows them: deployments, alarms, and reporting duties."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final

from commonwatt.clinic.domain.registry.state import MONITOR_RUN, Registry, RegistryRecord
from commonwatt.clinic.io.dossier import dossier_html
from commonwatt.clinic.io.registry import RegistryWriter
from commonwatt.clinic.usecases.queries import (
    open_reporting_duties,
    person_description_by_actor_id,
    replay_clinic_registry,
    reporting_duty_dict,
)
from commonwatt.clinic.usecases.rules import check_place_has_rules
from commonwatt.ledger import Ledger, Signer

_KINDS: Final = (
    "product", "version", "intended-use", "ruling", "determination", "evidence", "deployment",
    "move", "event", "fulfilment",
)  # fmt: skip


def load_clinic_registry_without_advice(ledger: Ledger) -> Registry:
    """Return the registry without advice, decisions and outcomes, which are many."""
    return replay_clinic_registry(ledger, _KINDS)


def clinic_deployment_rows(registry: Registry, now: datetime) -> list[dict[str, Any]]:
    """Return one row a deployment: where, how, since when, and how far it may go next."""
    return [
        _registry_deployment_row(registry, name, now) for name in registry.by_kind["deployment"]
    ]


def _registry_deployment_row(registry: Registry, name: str, now: datetime) -> dict[str, Any]:
    body, moves = registry.records[name].body, registry.moves[name]
    status = registry.deployment_status(name, now)
    version = registry.records.get(body["version"])
    return {
        "deployment": name,
        "product": version.body.get("product", "") if version else "",
        "version": body["version"],
        "institution": body["institution"],
        "mode": body["mode"],
        "threshold": body["threshold"],
        "status": status.value if status else "",
        "since": moves[-1].at.isoformat(timespec="minutes"),
        "alarms": sum(
            _is_signal_event_of_deployment(event, name)
            for event in _registry_records_of_kind(registry, "event")
        ),
    }


def _registry_records_of_kind(registry: Registry, kind: str) -> list[RegistryRecord]:
    return [registry.records[name] for name in registry.by_kind[kind]]


def _is_signal_event_of_deployment(event: RegistryRecord, deployment: str) -> bool:
    return event.body["type"] == "signal" and event.body["deployment"] == deployment


def clinic_safety_event_rows(registry: Registry) -> list[dict[str, Any]]:
    """Return signals, incidents and actions, the newest first."""
    return [
        {
            "at": event.at.isoformat(timespec="minutes"),
            "event": event.name,
            "type": event.body["type"],
            "severity": event.body["severity"],
            "deployment": event.body["deployment"],
            "code": event.body["code"],
        }
        for event in reversed(_registry_records_of_kind(registry, "event"))
        # One a day from each monitor: the record of its counting, which is no news.
        if event.body["code"] != MONITOR_RUN
    ]


def product_class_ruling_rows(registry: Registry) -> list[dict[str, Any]]:
    """Return which class each intended use was given, where and by which rule set."""
    return [
        {
            "intended_use": ruling.body["intended_use"],
            "jurisdiction": ruling.body["jurisdiction"],
            "classes": ", ".join(f"{k}: {v}" for k, v in dict(ruling.body["classes"]).items()),
            "route": ruling.body["route"],
            "rule_set": str(ruling.body["rule_set_sha256"])[:16],
            "at": ruling.at.isoformat(timespec="minutes"),
        }
        for ruling in _registry_records_of_kind(registry, "ruling")
    ]


def incident_reporting_duty_rows(registry: Registry) -> list[dict[str, Any]]:
    """Return who must be told of incidents by when, soonest first."""
    # Every rule set is read for the periods, which takes longer than a page may: not for a
    # registry without an event, where nobody owes a report.
    if not registry.by_kind["event"]:
        return []
    return [reporting_duty_dict(duty) for duty in open_reporting_duties(registry)]


def report_model_incident(
    ledger: Ledger,
    deployment: str,
    *,
    severity: str,
    jurisdiction: str,
    code: str,
    by: Signer,
    at: datetime,
) -> list[dict[str, Any]]:
    """Put an incident on record and return who must be told of it by when.

    Raises:
        RulesError: There is no such place, or its file is at fault.
        StatusMoveError: The deployment is not on record, or a field is not of the form.
        ActorError: The signer may not report.
    """
    # Before it is on record for ever: under a misspelt place no clock would run.
    check_place_has_rules(jurisdiction)
    body = {
        "deployment": deployment, "type": "incident", "severity": severity,
        "jurisdiction": jurisdiction, "code": code,
    }  # fmt: skip
    writer = RegistryWriter(ledger)
    with writer.transaction() as tx:
        number = len(writer.registry.by_kind["event"]) + 1
        entry = writer.write_registry_record(tx, "event", f"incident-{number}", body, by=by, at=at)
    return [
        duty
        for duty in incident_reporting_duty_rows(writer.registry)
        if duty["event"] == entry.subject
    ]


def version_dossier_html(ledger: Ledger, version: str, language: str, *, on: date) -> str:
    """Return everything on record about a version, as one page."""
    return dossier_html(
        RegistryWriter(ledger).registry,
        version,
        language=language,
        people=person_description_by_actor_id(ledger),
        on=on,
    )
