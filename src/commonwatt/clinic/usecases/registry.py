"""The registry from outside: register, move, report an incident, write the dossier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from commonwatt.clinic.domain.errors import StatusMoveError
from commonwatt.clinic.domain.registry.preconditions import refusing_rule_or_none_by_live_deployment
from commonwatt.clinic.domain.registry.rulings import computed_ruling_record_body
from commonwatt.clinic.domain.registry.state import ALARM, MONITOR_RUN
from commonwatt.clinic.domain.rules.book import RegulatoryRuleBook
from commonwatt.clinic.io.dossier import dossier_html
from commonwatt.clinic.io.fhir import (
    FhirRelease,
    clinic_fhir_bundle_faults,
    clinic_version_fhir_bundle,
)
from commonwatt.clinic.io.guides import GuideLibrary, load_clinic_guide_library
from commonwatt.clinic.io.pdf import clinic_dossier_pdf_bytes
from commonwatt.clinic.io.registry import DeploymentStatus, RegistryWriter
from commonwatt.clinic.usecases.queries import open_reporting_duties, person_description_by_actor_id
from commonwatt.core.errors import IdentityError, UsageError
from commonwatt.core.files import save_bytes
from commonwatt.core.hashes import file_sha256
from commonwatt.core.messages import Message
from commonwatt.core.strict_json import RepeatedNameError, parse_strict_json
from commonwatt.ledger import Key, actor_id_of
from commonwatt.ledger.actors import find_ledger_actor
from commonwatt.ledger.clock import Instant, ledger_instant_read_after_lock
from commonwatt.ledger.usecases import ledger_entry_dict, with_ledger

T = TypeVar("T")
COMPUTED_BY: Final = {
    "ruling": "commonwatt clinic model classify --record",
    "evidence": "commonwatt clinic model evidence --record",
    "examination": "commonwatt clinic sealed examine",
    "disclosure": "commonwatt clinic gate disclose",
    "advice": "commonwatt clinic gate ask",
}
"""By which command a kind of record is computed that nobody may type."""


def with_registry_writer(ledger_location: str, use: Callable[[RegistryWriter], T]) -> T:
    """Return what `use` makes of the registry writer over the ledger at `ledger_location`."""
    return with_ledger(ledger_location, lambda ledger: use(RegistryWriter(ledger)))


def record_clinic_registry_file(
    ledger_location: str,
    key_file: Path,
    kind: str,
    name: str,
    body_file: Path,
    *,
    now: Instant,
    guide_folders: Iterable[Path] = (),
    artefact: Path | None = None,
) -> dict[str, Any]:
    """Put the record in a JSON file on file.

    Args:
        ledger_location: Path or URL of the ledger.
        key_file: Of whoever answers for the record.
        kind: Of the record.
        name: Of the record.
        body_file: The JSON file.
        now: The instant, or the clock that is read once the ledger is locked.
        guide_folders: Of guides beside the shipped ones.
        artefact: What runs, of a version, for its digest.

    Raises:
        StatusMoveError: The file is not a JSON object, the record is refused, or it is of a kind
            that is computed and never typed.
        UsageError: Another kind of record than a version has no artefact, or its digest is typed.
    """
    if kind in COMPUTED_BY:
        raise StatusMoveError(
            kind,
            found=Message("a record that is computed and never typed"),
            remedy=Message("Compute it: {command}", {"command": COMPUTED_BY[kind]}),
        )
    body = _load_registry_record_body(body_file)
    if kind == "event" and body.get("code") in (ALARM, MONITOR_RUN):
        raise StatusMoveError(
            f"{kind}, code",
            found=Message("a record that is computed and never typed"),
            remedy=Message("Compute it: {command}", {"command": "commonwatt clinic monitor run"}),
        )
    if artefact is not None:
        body = _version_body_with_artefact_sha256(kind, body, artefact)
    guides = load_clinic_guide_library(guide_folders)
    return record_in_clinic_registry(
        ledger_location, key_file, kind, name, body, now=now, guides=guides
    )


def _version_body_with_artefact_sha256(
    kind: str, body: Mapping[str, Any], artefact: Path
) -> dict[str, Any]:
    """Return the record of a version with the digest of what runs."""
    if kind != "version":
        raise UsageError("--artefact", found=kind, wanted=Message("a version"))
    if "artefact_sha256" in body:
        raise UsageError(
            "--artefact",
            found=Message("a digest that is typed, too"),
            remedy=Message("Leave one of the two out."),
        )
    return {**body, "artefact_sha256": file_sha256(artefact)}


def record_in_clinic_registry(
    ledger_location: str,
    key_file: Path,
    kind: str,
    name: str,
    body: dict[str, Any],
    *,
    now: Instant,
    guides: GuideLibrary | None = None,
) -> dict[str, Any]:
    """Put a record on file; `guides` are those that it may name, the shipped ones by default."""
    key = Key.load(key_file)

    def write_record_entry(writer: RegistryWriter) -> dict[str, Any]:
        with writer.transaction() as tx:
            at = ledger_instant_read_after_lock(now)
            before = refusing_rule_or_none_by_live_deployment(writer.registry, at.date())
            entry = ledger_entry_dict(
                writer.write_registry_record(tx, kind, name, body, by=key, at=at)
            )
            # A decision reaches every place where its version is live, of which whoever signs it
            # may have one in mind.
            refused = refusing_rule_or_none_by_live_deployment(writer.registry, at.date())
            return entry | {
                "advises_no_more": {
                    deployment: rule
                    for deployment, rule in refused.items()
                    if rule is not None and before.get(deployment) is None
                }
            }

    return with_ledger(
        ledger_location, lambda ledger: write_record_entry(RegistryWriter(ledger, guides))
    )


def compute_and_record_ruling(
    ledger_location: str,
    key_file: Path,
    name: str,
    use: str,
    place: str,
    *,
    now: Instant,
    rules: RegulatoryRuleBook | None = None,
) -> dict[str, Any]:
    """Compute the ruling on an intended use under the law of today, and put it on record.

    The record carries the digest of the rules that gave it. A gate answers by the rules of its
    own process: a ruling by others it refuses.

    Args:
        ledger_location: Where the ledger lies.
        key_file: Key of who rules.
        name: Name of the record.
        use: The intended use, whose facts are ruled on.
        place: Whose law.
        now: The time of the entry, or the clock that is read once the ledger is locked.
        rules: By which it is computed; those of this process by default.

    Raises:
        StatusMoveError: There is no such intended use, or the record is refused.
        RulesError: The place has no rules, or a fact of the intended use is missing or unknown.
    """
    key = Key.load(key_file)

    def write_ruling_entry(writer: RegistryWriter) -> dict[str, Any]:
        with writer.transaction() as tx:
            facts = writer.registry.registered_record(use, "intended-use").body["facts"]
            at = ledger_instant_read_after_lock(now)
            body = computed_ruling_record_body(use, facts, place, at.date(), rules)
            return ledger_entry_dict(
                writer.write_registry_record(tx, "ruling", name, body, by=key, at=at)
            )

    return with_ledger(
        ledger_location,
        lambda ledger: write_ruling_entry(RegistryWriter(ledger, rules=rules)),
    )


def record_computed_evidence(
    ledger_location: str,
    key_file: Path,
    name: str,
    version: str,
    computed: Mapping[str, Any],
    *,
    design: str,
    guideline: str,
    now: Instant,
) -> dict[str, Any]:
    """Put evidence that was computed from a table on record.

    Args:
        ledger_location: Where the ledger lies.
        key_file: Key of who computed it.
        name: Name of the record.
        version: Which version it is on.
        computed: What `model_evidence_dict_and_estimates` gave, with its estimates as rows.
        design: How the table was gained.
        guideline: The reporting guideline that it follows.
        now: The time of the entry, or the clock that is read once the ledger is locked.

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
            # A committee must see on how much of the table the figures do not rest.
            if computed["missing"]:
                body["missing"] = computed["missing"]
            if computed.get("patients"):
                body["patients"] = computed["patients"]
            return ledger_entry_dict(
                writer.write_registry_record(
                    tx, "evidence", name, body, by=key, at=ledger_instant_read_after_lock(now)
                )
            )

    return with_registry_writer(ledger_location, write_evidence_entry)


def record_incident_report_and_close(
    ledger_location: str, key_file: Path, event: str, report_number: str, *, now: Instant
) -> dict[str, Any]:
    """Put on record that an incident was reported to the authority, which closes its duty.

    Raises:
        StatusMoveError: There is no such incident, or a report on it is on record already.
        ActorError: The signer is no safety officer.
    """
    key = Key.load(key_file)

    def write_report_entry(writer: RegistryWriter) -> dict[str, Any]:
        with writer.transaction() as tx:
            incident = writer.registry.registered_record(event, "event")
            body = {
                "deployment": incident.body["deployment"], "type": "action",
                "severity": incident.body["severity"], "code": "report-sent", "closes": event,
                "report_number": report_number,
            }  # fmt: skip
            name = f"{event.removeprefix('event/')}-report"
            return ledger_entry_dict(
                writer.write_registry_record(
                    tx, "event", name, body, by=key, at=ledger_instant_read_after_lock(now)
                )
            )

    return with_registry_writer(ledger_location, write_report_entry)


def answer_monitor_alarm(
    ledger_location: str, key_file: Path, event: str, code: str, narrative: str, *, now: Instant
) -> dict[str, Any]:
    """Put on record what was done about an alarm, after which it waits for nobody.

    Raises:
        StatusMoveError: There is no such alarm, it is answered already, or the words may not be.
        ActorError: The signer answers neither for the deployment nor for safety.
    """
    key = Key.load(key_file)

    def write_answer_entry(writer: RegistryWriter) -> dict[str, Any]:
        with writer.transaction() as tx:
            alarm = writer.registry.registered_record(event, "event")
            if alarm.body["type"] != "signal":
                raise StatusMoveError(event, wanted=Message("an alarm"))
            body = {
                "deployment": alarm.body["deployment"], "type": "action",
                "severity": alarm.body["severity"], "code": code, "closes": event,
                "narrative": narrative,
            }  # fmt: skip
            name = f"{event.removeprefix('event/')}-answer"
            return ledger_entry_dict(
                writer.write_registry_record(
                    tx, "event", name, body, by=key, at=ledger_instant_read_after_lock(now)
                )
            )

    return with_registry_writer(ledger_location, write_answer_entry)


def move_deployment(
    ledger_location: str, key_file: Path, deployment: str, to: str, reason: str, *, now: Instant
) -> dict[str, Any]:
    """Move a deployment."""
    key = Key.load(key_file)

    def write_move_entry(writer: RegistryWriter) -> dict[str, Any]:
        with writer.transaction() as tx:
            return ledger_entry_dict(
                writer.move_deployment(
                    tx,
                    deployment,
                    DeploymentStatus(to),
                    by=key,
                    at=ledger_instant_read_after_lock(now),
                    reason=reason,
                )
            )

    return with_registry_writer(ledger_location, write_move_entry)


def version_dossier_html_and_fhir_bundles(
    ledger_location: str, version: str, language: str, *, on: date
) -> tuple[str, dict[FhirRelease, dict[str, Any]]]:
    """Return the dossier of a version as a page and as FHIR by release, which is checked.

    Raises:
        StatusMoveError: There is no such version.
        IdentityError: A FHIR bundle breaks a rule of its release, which is our fault.
    """

    def dossier_and_fhir_bundles(
        writer: RegistryWriter,
    ) -> tuple[str, dict[FhirRelease, dict[str, Any]]]:
        owed = open_reporting_duties(writer.registry)
        page = dossier_html(
            writer.registry,
            version,
            language=language,
            people=person_description_by_actor_id(writer.ledger),
            on=on,
            duties=owed,
        )
        bundles = {
            each: clinic_version_fhir_bundle(writer.registry, version, each, on=on)
            for each in FhirRelease
        }
        return page, bundles

    page, bundles = with_registry_writer(ledger_location, dossier_and_fhir_bundles)
    for release, bundle in bundles.items():
        faults = clinic_fhir_bundle_faults(bundle, release)
        if faults:
            raise IdentityError(f"FHIR {release}", found="; ".join(faults[:3]))
    return page, bundles


def save_clinic_dossier_pdf(page: str, path: Path) -> None:
    """Write a page as PDF.

    Raises:
        MissingExtraError: WeasyPrint is not installed.
        EvidenceError: This machine has no font for some of the letters.
    """
    save_bytes(clinic_dossier_pdf_bytes(page), path)


def _load_registry_record_body(path: Path) -> dict[str, Any]:
    try:
        body: Any = parse_strict_json(path.read_text(encoding="utf-8-sig"))
    except RepeatedNameError as error:
        raise StatusMoveError(
            str(path), found=Message("{name} twice in one object", {"name": error.name})
        ) from None
    except (OSError, ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise StatusMoveError(str(path), wanted=Message("a JSON object"))
    return cast("dict[str, Any]", body)
