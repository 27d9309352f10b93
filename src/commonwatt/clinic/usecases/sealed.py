"""Third-party evaluation from outside: seal, examine, reveal, confirm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.clinic.domain.registry.state import RegistryRecord
from commonwatt.clinic.engines.evidence.sealed import (
    Scorer,
    SealedCase,
    SealTerms,
    SignedStatement,
    check_report_belongs_to_seal,
    examine_model_on_sealed_cases,
    is_revealed_case_in_sealed_set,
    load_revealed_case,
    load_sealed_cases,
    load_signed_model_evidence_statement,
    reveal_sealed_case,
    seal_evidence_cases,
    sealed_set_marks_share_most_items,
    sealed_set_similarity_marks,
)
from commonwatt.clinic.engines.gateway.institution import (
    load_or_make_clinic_institution_secret,
    read_clinic_institution_secret,
)
from commonwatt.clinic.engines.gateway.models import (
    HttpModel,
    load_logistic_model,
    load_medical_model_function,
)
from commonwatt.clinic.io.registry import RegistryWriter
from commonwatt.clinic.usecases.registry import with_registry_writer
from commonwatt.core.errors import UsageError
from commonwatt.core.hashes import file_sha256
from commonwatt.core.messages import Message
from commonwatt.ledger import Key, actor_id_of
from commonwatt.ledger.actors import find_ledger_actor

_HERE = ("127.0.0.1", "::1", "localhost")


def seal_of_cases_file(
    items: Path, secret: Path, key_file: Path, terms: SealTerms
) -> SignedStatement:
    """Return the seal over the items in a file.

    Raises:
        EvidenceError: The items are not of the form.
    """
    return seal_evidence_cases(
        load_sealed_cases(items),
        load_or_make_clinic_institution_secret(secret),
        terms,
        by=Key.load(key_file),
    )


def examine_sealed_model_and_record_report(
    ledger_location: str,
    items: Path,
    secret: Path,
    key_file: Path,
    sealed: Path,
    model: tuple[Scorer, str],
    *,
    version: str = "",
    now: datetime,
) -> SignedStatement:
    """Return the signed report on a model, after it was put on record that it was given.

    How often the set has answered is counted from the ledger, in the transaction that writes
    the next answer, so that two at once cannot both be the last; the evidence on a version is
    written in the same one, so that a report which is refused uses up no answer.

    Args:
        ledger_location: Where the ledger lies that counts the examinations.
        items: The evaluator's private file.
        secret: The file that salted them.
        key_file: The evaluator's key.
        sealed: The seal.
        model: What is examined, and its digest.
        version: For which the report is put on record as evidence, too; empty for none.
        now: The instant whose day is signed.

    Raises:
        EvidenceError: Items and seal do not belong together, the set has answered often enough,
            or the version on record is another artefact.
        StatusMoveError: The version is unknown, or the evaluator belongs to its maker.
        ActorError: The evaluator is not enrolled as one.
    """
    private: list[SealedCase] = load_sealed_cases(items)
    salt = read_clinic_institution_secret(secret)
    seal_statement, key = load_signed_model_evidence_statement(sealed), Key.load(key_file)
    root = str(seal_statement.body.get("root", ""))
    sketch = sealed_set_similarity_marks(private, key)

    def write_examination(writer: RegistryWriter) -> SignedStatement:
        with writer.transaction() as tx:
            earlier = [
                str(each.body["report_sha256"])
                for each in map(
                    writer.registry.records.__getitem__, _names_of_examinations_on_record(writer)
                )
                if _is_of_same_items(each, root, sketch)
            ]
            report = examine_model_on_sealed_cases(
                private,
                salt,
                seal_statement,
                model[0],
                artefact_sha256=model[1],
                earlier=earlier,
                on=now.date(),
                by=key,
            )
            body = {
                "seal_sha256": seal_statement.evidence_statement_sha256(),
                "items_root": root,
                "items_sketch": sketch,
                "artefact_sha256": model[1],
                "report_sha256": report.evidence_statement_sha256(),
            }
            name = f"{root[:12]}-{len(earlier) + 1}"
            writer.write_registry_record(tx, "examination", name, body, by=key, at=now)
            if version:
                _write_third_party_evidence(writer, tx, version, report, key, now)
        # Only now: a report whose entry was not written must not leave this function.
        return report

    return with_registry_writer(ledger_location, write_examination)


def _names_of_examinations_on_record(writer: RegistryWriter) -> Sequence[str]:
    return writer.registry.by_kind["examination"]


def _is_of_same_items(examination: RegistryRecord, root: str, sketch: Sequence[str]) -> bool:
    """Return whether an earlier answer was given on these items, whatever salt and seal it had."""
    # By the items and not by the seal: the same items under a new seal are no fresh set.
    if examination.body["items_root"] == root:
        return True
    return sealed_set_marks_share_most_items(examination.body.get("items_sketch", ()), sketch)


def _write_third_party_evidence(
    writer: RegistryWriter,
    tx: sa.Connection,
    version: str,
    report: SignedStatement,
    key: Key,
    now: datetime,
) -> None:
    """Put a report on record as third-party evidence, named by its content."""
    on_record = writer.registry.registered_record(version, "version").body["artefact_sha256"]
    # A report on another file than the version on record would lend its figures to weights that
    # nobody examined.
    if on_record != report.body["artefact_sha256"]:
        raise EvidenceError(version, wanted=Message("the artefact that was examined"))
    evaluator = find_ledger_actor(tx, actor_id_of(key.public_key)).person.organisation
    body = _third_party_evidence_body(report, version, evaluator)
    # So the same report cannot be put on record twice under two names.
    name = f"third-party-{report.evidence_statement_sha256()[:12]}"
    writer.write_registry_record(tx, "evidence", name, body, by=key, at=now)


def load_vendor_scorer_and_sha256(
    linear: Path | None, python: str, url: str, artefact: Path | None
) -> tuple[Scorer, str]:
    """Return what the vendor handed over, and its digest.

    A server must answer on this machine, because an item that is sent elsewhere is seen
    there. For a function or a server the vendor's file is named for its digest.

    Raises:
        UsageError: Not exactly one model is given, or its server stands elsewhere.
    """
    if sum((bool(linear), bool(python), bool(url))) != 1:
        wanted = Message("exactly one of --linear, --python and --url")
        raise UsageError("clinic examine", wanted=wanted)
    if linear:
        return load_logistic_model(linear), file_sha256(linear)
    if artefact is None:
        raise UsageError("--artefact", wanted=Message("the file that the vendor handed over"))
    if python:
        return load_medical_model_function(python, "--python"), file_sha256(artefact)
    # Whatever is sent to another machine is seen there, and the items would be sealed no more.
    if urlsplit(url).hostname not in _HERE:
        raise UsageError("--url", wanted=Message("a server on this machine"))
    return HttpModel(url=url), file_sha256(artefact)


def _third_party_evidence_body(
    report: SignedStatement, version: str, evaluator: str
) -> dict[str, Any]:
    body = {
        "version": version,
        "design": "third-party",
        "dataset_sha256": report.body["root"],
        "report_sha256": report.evidence_statement_sha256(),
        "estimates": report.body["estimates"],
        "evaluator": evaluator,
        "guideline": "none",
    }
    # A report from before it named the threshold has none, and the gate lets no deployment through
    # on it.
    return body | ({"threshold": report.body["threshold"]} if "threshold" in report.body else {})


def revealed_sealed_case(items: Path, secret: Path, number: int) -> Any:
    """Return one item with its proof.

    Raises:
        EvidenceError: There is no such item.
    """
    return reveal_sealed_case(
        load_sealed_cases(items), read_clinic_institution_secret(secret), number
    )


def checked_sealed_report_dict(
    report: Path, sealed: Path, revealed_files: Sequence[Path]
) -> dict[str, Any]:
    """Return what a report says, after signature, seal and opened items were checked.

    Raises:
        EvidenceError: Something does not hold.
    """
    statement, seal_statement = (
        load_signed_model_evidence_statement(report),
        load_signed_model_evidence_statement(sealed),
    )
    check_report_belongs_to_seal(statement, seal_statement)
    for path in revealed_files:
        if not is_revealed_case_in_sealed_set(load_revealed_case(path), seal_statement):
            raise EvidenceError(str(path), found=Message("not an item of the sealed set"))
    return {"holds": True, "opened": len(revealed_files), "evaluator": statement.public_key} | dict(
        asdict(statement)["body"]
    )
