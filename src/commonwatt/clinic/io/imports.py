"""Public records brought in: CHAI model cards, FDA's list of AI devices, adverse event reports.

What a card says in prose is read by word lists into suggested facts, which a
person confirms; what it says against itself, or leaves out, is listed.

Sources: Coalition for Health AI, Applied Model Card schema 0.2; US FDA,
Artificial Intelligence-Enabled Medical Devices; MAUDE.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast
from xml.etree import ElementTree

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.core.messages import Message

_AGE: Final = re.compile(r"(?:aged?|≥|>=)\s*(\d{1,3})(?:\s*(?:and older|and above|years))", re.I)
_CRITICAL: Final = (
    "dissection", "hemorrhage", "haemorrhage", "embolism", "occlusion", "pneumothorax",
    "aneurysm", "free gas", "free air", "stroke", "sepsis", "endotracheal", "midline shift",
    "fracture of the cervical", "cervical spine",
)  # fmt: skip
_DIAGNOSE: Final = ("diagnose", "detects and diagnoses", "autonomous", "replaces")
_DRIVE: Final = (
    "triage",
    "prioriti",
    "flagging",
    "notification",
    "detection",
    "quantif",
    "risk score",
)
_GENERATIVE: Final = ("language model", "generative", "llm", "large language", "slm")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """A model card: its fields by path, and the facts that it suggests."""

    name: str
    developer: str
    version: str
    fields: Mapping[str, str]
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCardFault:
    """Something that a card says against itself, or does not say."""

    rule: str
    fields: tuple[str, ...]
    found: str


def load_model_card(path: Path) -> ModelCard:
    """Return a CHAI applied model card.

    Raises:
        EvidenceError: The file is no such card.
    """
    return parse_model_card(path.read_bytes(), str(path))


def parse_model_card(data: bytes, where: str) -> ModelCard:
    """Return the card in `data`; a document type, which could pull in files, is refused.

    Raises:
        EvidenceError: It is no applied model card.
    """
    try:
        # The parser of the standard library expands entities, by which a card of a kilobyte fills
        # the memory, or pulls in a file of this machine.
        if b"<!DOCTYPE" in data.upper():
            raise ElementTree.ParseError
        root = ElementTree.fromstring(data)  # noqa: S314  no document type, so no entities
    except ElementTree.ParseError:
        raise EvidenceError(where, wanted=Message("an applied model card in XML")) from None
    fields = _model_card_text_by_path(root)
    if "BasicInfo/ModelName" not in fields:
        raise EvidenceError(where, wanted=Message("an applied model card in XML"))
    return ModelCard(
        name=fields["BasicInfo/ModelName"],
        developer=fields.get("BasicInfo/ModelDeveloper", ""),
        version=fields.get("ReleaseInfo/ReleaseVersion", ""),
        fields=fields,
        facts=product_facts_suggested_by_model_card(fields),
    )


def _model_card_text_by_path(root: ElementTree.Element) -> dict[str, str]:
    texts_of: dict[str, list[str]] = {}

    def collect_card_text(node: ElementTree.Element, path: str) -> None:
        for child in node:
            name = f"{path}/{child.tag.rpartition('}')[2]}".lstrip("/")
            if child.text and child.text.strip():
                texts_of.setdefault(name, []).append(" ".join(child.text.split()))
            collect_card_text(child, name)

    collect_card_text(root, "")
    return {name: "\n".join(texts) for name, texts in texts_of.items()}


def product_facts_suggested_by_model_card(card_fields: Mapping[str, str]) -> dict[str, str]:
    """Return the facts that the words of a card suggest; a person confirms them."""
    use = _model_card_text_of_fields(
        card_fields, "ModelName", "Summary", "IntendedUse", "PrimaryIntendedUsers"
    )
    significance = "inform"
    # Triage before diagnosis: a card that flags studies for a radiologist also uses the word
    # "detects".
    if _model_card_mentions_any_word(use, _DRIVE):
        significance = "drive"
    elif _model_card_mentions_any_word(use, _DIAGNOSE):
        significance = "diagnose"
    generative = _model_card_mentions_any_word(use, _GENERATIVE)
    return {
        "significance": significance,
        # Never "non-serious" from words alone: to be wrong there would lower the class.
        "condition": "critical" if _model_card_mentions_any_word(use, _CRITICAL) else "serious",
        "autonomy": "confirms" if generative else "informs",
        "change": "locked",
        "technique": "generative" if generative else "deep",
        "offering": "product",
        "user": "clinician",
        "input": "image" if re.search(r"\bCT\b|x-ray|image|radiolog", use, re.I) else "record",
    }


def model_card_faults(card: ModelCard, category: str) -> list[ModelCardFault]:
    """Return what is wrong with a card, given its recomputed IMDRF category."""
    checks = (
        _model_card_patient_age_conflict(card),
        _model_card_risk_fault(card, category),
        *_dismissive_model_card_statement_faults(card),
    )
    return [fault for fault in checks if fault]


def _model_card_patient_age_conflict(card: ModelCard) -> ModelCardFault | None:
    ages = {
        name: {int(age) for age in _AGE.findall(text)}
        for name, text in card.fields.items()
        if name.startswith("UsesAndDirections/")
    }
    stated = {name: values for name, values in ages.items() if values}
    distinct = set[int]().union(*stated.values())
    # One age said in many places is no contradiction.
    if len(distinct) < 2:
        return None
    statement = "; ".join(f"{name}: {', '.join(map(str, sorted(v)))}" for name, v in stated.items())
    return ModelCardFault(rule="card.ages-contradict", fields=tuple(stated), found=statement)


def _model_card_risk_fault(card: ModelCard, category: str) -> ModelCardFault | None:
    for name, text in card.fields.items():
        if "risk" in name.lower() and text.lower().startswith("low") and category in ("III", "IV"):
            statement = f"{text[:80]}; IMDRF category {category}"
            return ModelCardFault(rule="card.risk-understated", fields=(name,), found=statement)
    return None


def _dismissive_model_card_statement_faults(card: ModelCard) -> list[ModelCardFault]:
    faults: list[ModelCardFault] = []
    for name, text in card.fields.items():
        short = text.strip().rstrip(".").lower()
        if "consent" in name.lower() and short in ("n/a", "none", "na", "not applicable"):
            faults.append(
                ModelCardFault(rule="card.no-disclosure", fields=(name,), found=text[:80])
            )
        if "bias" in name.lower() and short in ("none", "n/a", "none known"):
            faults.append(
                ModelCardFault(rule="card.no-known-bias", fields=(name,), found=text[:80])
            )
    return faults


def _model_card_text_of_fields(fields: Mapping[str, str], *names: str) -> str:
    return " ".join(text for key, text in fields.items() if any(name in key for name in names))


def _model_card_mentions_any_word(card_text: str, words: Sequence[str]) -> bool:
    return any(word in card_text.lower() for word in words)


@dataclass(frozen=True, slots=True, kw_only=True)
class FdaDevice:
    """One authorisation of FDA's list; the class is that of its route."""

    submission_id: str
    device: str
    company: str
    panel: str
    product_code: str
    decided_on: str
    route: str
    klass: str


_ROUTES: Final = {"K": ("510(k)", "II"), "D": ("De Novo", "II"), "P": ("PMA", "III")}


def load_fda_devices(path: Path) -> list[FdaDevice]:
    """Return FDA's list of AI-enabled devices.

    The list gives no intended use. The class is therefore read off the route:
    PMA is class III, De Novo and 510(k) class II, which a few 510(k) of class I
    would contradict.

    Raises:
        EvidenceError: The file is not that list.
    """
    try:
        rows = cast("list[dict[str, Any]]", json.loads(_fda_file_text(path)))
        return [_parse_fda_device(row) for row in rows]
    except (ValueError, KeyError, TypeError):
        raise EvidenceError(str(path), wanted=Message("FDA's list of AI devices")) from None


def _parse_fda_device(row: Mapping[str, Any]) -> FdaDevice:
    # FDA's numbers begin with the letter of the route; the list has no column for it.
    route, klass = _ROUTES[row["submission_id"][0]]
    return FdaDevice(
        submission_id=row["submission_id"],
        device=row["device"],
        company=row["company"],
        panel=row["panel"],
        product_code=row["code"],
        # openFDA's date is ISO; the list's own is American, and is taken only where the other is
        # missing.
        decided_on=str(row.get("decision_date_openfda") or row["date"]),
        route=route,
        klass=klass,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AdverseEvent:
    """One report: only what is needed to count and to see what is missing."""

    report: str
    device: str
    severity: str
    missing: tuple[str, ...]


_SEVERITY: Final = {"D": "death", "IN": "serious", "M": "other"}
_WATCHED: Final = ("date_of_event", "event_location", "reporter_occupation_code")


def load_device_adverse_events(path: Path) -> list[AdverseEvent]:
    """Return adverse event reports, each with the fields that it leaves empty.

    Raises:
        EvidenceError: The file holds no such reports.
    """
    try:
        return [
            AdverseEvent(
                report=row["mdr_report_key"],
                device=row["idnumber"],
                severity=_SEVERITY.get(row["event_type"], "other"),
                missing=tuple(name for name in _WATCHED if not row[name].strip()),
            )
            for row in csv.DictReader(io.StringIO(_fda_file_text(path)))
        ]
    except KeyError:
        raise EvidenceError(str(path), wanted=Message("adverse event reports")) from None


def _fda_file_text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise EvidenceError(str(path), found=type(error).__name__) from None
