"""The registry from outside: register, move, report an incident, write the dossier."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from commonwatt.clinic.domain.errors import StatusMoveError
from commonwatt.clinic.domain.registry.rulings import computed_ruling_body
from commonwatt.clinic.io.dossier import dossier_html
from commonwatt.clinic.io.fhir import fhir_bundle, fhir_faults
from commonwatt.clinic.io.pdf import dossier_pdf
from commonwatt.clinic.io.registry import DeploymentStatus, RegistryWriter
from commonwatt.clinic.usecases.queries import reporting_periods
from commonwatt.core.errors import IdentityError
from commonwatt.core.files import save_bytes
from commonwatt.core.messages import Message
from commonwatt.ledger import Key, actor_id_of
from commonwatt.ledger.actors import find_ledger_actor
from commonwatt.ledger.usecases import ledger_entry_dict, with_ledger

T = TypeVar("T")
COMPUTED_BY: Final = {
    "ruling": "commonwatt clinic model classify --record",
    "evidence": "commonwatt clinic model evidence --record",
    "examination": "commonwatt clinic sealed examine",
}
"""By which command a kind of record is computed that nobody may type."""


def with_registry_writer(ledger_location: str, use: Callable[[RegistryWriter], T]) -> T:
    """Return what `use` makes of the registry writer over the ledger at `ledger_location`."""
    return with_ledger(ledger_location, lambda ledger: use(RegistryWriter(ledger)))


def register_record_file(
    ledger_location: str, key_file: Path, kind: str, name: str, body_file: Path, *, now: datetime
) -> dict[str, Any]:
    """Put the record in a JSON file on file.

    Raises:
        StatusMoveError: The file is not a JSON object, the record is refused, or it is of a kind
            that is computed and never typed.
    """
    if kind in COMPUTED_BY:
        raise StatusMoveError(
            kind,
            found=Message("a record that is computed and never typed"),
            remedy=Message("Compute it: {command}", {"command": COMPUTED_BY[kind]}),
        )
    return record_in_registry(
        ledger_location, key_file, kind, name, _load_registry_record_body(body_file), now=now
    )


def record_in_registry(
    ledger_location: str,
    key_file: Path,
    kind: str,
    name: str,
    body: dict[str, Any],
    *,
    now: datetime,
) -> dict[str, Any]:
    """Put a record on file."""
    key = Key.load(key_file)

    def write_record_entry(writer: RegistryWriter) -> dict[str, Any]:
        with writer.transaction() as tx:
            return ledger_entry_dict(
                writer.write_registry_record(tx, kind, name, body, by=key, at=now)
            )

    return with_registry_writer(ledger_location, write_record_entry)


def record_computed_ruling(
    ledger_location: str, key_file: Path, name: str, use: str, place: str, *, now: datetime
) -> dict[str, Any]:
    """Compute the ruling on an intended use under the law of today, and put it on record.

    Raises:
        StatusMoveError: There is no such intended use, or the record is refused.
        RulesError: The place has no rules, or a fact of the intended use is missing or unknown.
    """
    key = Key.load(key_file)

    def write_ruling_entry(writer: RegistryWriter) -> dict[str, Any]:
        with writer.transaction() as tx:
            facts = writer.registry.registered_record(use, "intended-use").body["facts"]
            body = computed_ruling_body(use, facts, place, now.date())
            return ledger_entry_dict(
                writer.write_registry_record(tx, "ruling", name, body, by=key, at=now)
            )

    return with_registry_writer(ledger_location, write_ruling_entry)


def record_computed_evidence(
    ledger_location: str,
    key_file: Path,
    name: str,
    version: str,
    computed: Mapping[str, Any],
    *,
    design: str,
    guideline: str,
    now: datetime,
) -> dict[str, Any]:
    """Put evidence that was computed from a table on record.

    Args:
        ledger_location: Where the ledger lies.
        key_file: Key of who computed it.
        name: Name of the record.
        version: Which version it is on.
        computed: What `model_evidence_of_table` gave, with its estimates as rows.
        design: How the table was gained.
        guideline: The reporting guideline that it follows.
        now: The time of the entry.

    Raises:
        StatusMoveError: There is no such version, or the record is refused.
    """
    key = Key.load(key_file)

    def write_evidence_entry(writer: RegistryWriter) -> dict[str, Any]:
        with writer.transaction() as tx:
            person = find_ledger_actor(tx, actor_id_of(key.public_key)).person
            body = {
                "version": version,
                "design": design,
                "dataset_sha256": computed["dataset_sha256"],
                "estimates": computed["estimates"],
                "threshold": computed["threshold"],
                "evaluator": person.organisation,
                "guideline": guideline,
            }
            return ledger_entry_dict(
                writer.write_registry_record(tx, "evidence", name, body, by=key, at=now)
            )

    return with_registry_writer(ledger_location, write_evidence_entry)


def move_deployment(
    ledger_location: str, key_file: Path, deployment: str, to: str, reason: str, *, now: datetime
) -> dict[str, Any]:
    """Move a deployment."""
    key = Key.load(key_file)

    def write_move_entry(writer: RegistryWriter) -> dict[str, Any]:
        with writer.transaction() as tx:
            return ledger_entry_dict(
                writer.move_deployment(
                    tx, deployment, DeploymentStatus(to), by=key, at=now, reason=reason
                )
            )

    return with_registry_writer(ledger_location, write_move_entry)


def version_dossier_and_fhir(
    ledger_location: str, version: str, language: str
) -> tuple[str, dict[str, Any]]:
    """Return the dossier of a version as a page and as FHIR, which is checked.

    Raises:
        StatusMoveError: There is no such version.
        IdentityError: The FHIR bundle breaks a rule of R5, which is our fault.
    """

    def dossier_and_fhir_bundle(writer: RegistryWriter) -> tuple[str, dict[str, Any]]:
        owed = writer.registry.reporting_duties(reporting_periods())
        page = dossier_html(writer.registry, version, language=language, duties=owed)
        return page, fhir_bundle(writer.registry, version)

    page, bundle = with_registry_writer(ledger_location, dossier_and_fhir_bundle)
    faults = fhir_faults(bundle)
    if faults:
        raise IdentityError("FHIR", found="; ".join(faults[:3]))
    return page, bundle


def save_dossier_pdf(page: str, path: Path) -> None:
    """Write a page as PDF.

    Raises:
        MissingExtraError: WeasyPrint is not installed.
        EvidenceError: This machine has no font for some of the letters.
    """
    save_bytes(dossier_pdf(page), path)


def _load_registry_record_body(path: Path) -> dict[str, Any]:
    try:
        body: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        body = None
    if not isinstance(body, dict):
        raise StatusMoveError(str(path), wanted=Message("a JSON object"))
    return cast("dict[str, Any]", body)
