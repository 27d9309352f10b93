"""The twelve records, their fields and who may make them, in one table.

Terms follow FHIR (Device, Encounter, AdverseEvent) and IMDRF where they have
one. An encounter is an opaque name; no value of a patient's record is ever a
field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from commonwatt.clinic.domain.errors import StatusMoveError
from commonwatt.core.messages import Message

# Lower case only: one artefact must not have two names that compare as different.
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RecordField:
    """One field: `kind` is text, code, share, flag, digest, list, map, or ref."""

    name: str
    kind: str
    meaning: str
    codes: tuple[str, ...] = ()
    needed: bool = True


def _ref(name: str, to: str, *, needed: bool = True) -> RecordField:
    return RecordField(name, "ref", f"The {to} that it belongs to.", (to,), needed)


MODES: Final = ("shadow", "advisory", "confirm", "supervised")
DESIGNS: Final = ("retrospective", "external", "prospective", "randomised", "third-party")
GUIDELINES: Final = ("TRIPOD+AI", "STARD-AI", "CONSORT-AI", "SPIRIT-AI", "DECIDE-AI", "none")
SEVERITIES: Final = ("public-health-threat", "death", "serious", "other")

# Names and codes in this table are what the ledger holds; they may be added to and never renamed,
# because entries that exist were signed with them.
FIELDS: Final[Mapping[str, tuple[RecordField, ...]]] = {
    "product": (
        RecordField("name", "text", "As it is sold."),
        RecordField("manufacturer", "text", "Who answers for it."),
        RecordField("code", "text", "Product code of a catalogue.", needed=False),
    ),
    "version": (
        _ref("product", "product"),
        RecordField("artefact_sha256", "digest", "Digest of what runs."),
        RecordField("base_model", "text", "The model that it was made from.", needed=False),
        RecordField("prompt_sha256", "digest", "Digest of its prompt.", needed=False),
        _ref("previous", "version", needed=False),
        RecordField("change", "map", "What differs from the previous version.", needed=False),
    ),
    "intended-use": (
        _ref("product", "product"),
        RecordField("facts", "map", "The facts that rules speak of."),
        RecordField("guide", "text", "The scenario guide that it is used under."),
    ),
    "ruling": (
        _ref("intended_use", "intended-use"),
        RecordField("jurisdiction", "text", "Whose law."),
        RecordField("rule_set_sha256", "digest", "Which rule set."),
        RecordField("classes", "map", "Class by scheme."),
        RecordField("route", "text", "Approval, filing or exempt."),
    ),
    "evidence": (
        _ref("version", "version"),
        RecordField("design", "code", "How it was gained.", DESIGNS),
        RecordField("dataset_sha256", "digest", "On which data."),
        RecordField("estimates", "list", "Metric, subgroup, estimate and interval."),
        RecordField("evaluator", "text", "Who computed it."),
        RecordField("guideline", "code", "The reporting guideline that it follows.", GUIDELINES),
    ),
    "determination": (
        _ref("version", "version"),
        _ref("ruling", "ruling"),
        RecordField("outcome", "code", "What was decided.", ("approved", "refused", "withdrawn")),
        RecordField("conditions", "list", "Under which conditions."),
        RecordField("plan", "map", "The predetermined change-control plan.", needed=False),
    ),
    "deployment": (
        _ref("version", "version"),
        _ref("determination", "determination"),
        RecordField("site", "text", "Where."),
        RecordField("mode", "code", "How far it may go.", MODES),
        RecordField("threshold", "share", "Score from which it advises."),
        RecordField("guide", "text", "The scenario guide."),
        RecordField("monitor", "map", "Band, error and subgroups of its monitor."),
    ),
    # Whether a patient was told is a record of its own, kept by deployment and encounter:
    # regulators ask for it patient by patient, and a note in the advice could be written after it.
    "disclosure": (
        _ref("deployment", "deployment"),
        RecordField("encounter", "text", "Opaque name of the encounter."),
        RecordField("language", "code", "In which language.",
                    ("en", "zh-Hant", "zh-Hans", "other")),
    ),
    "advice": (
        _ref("deployment", "deployment"),
        RecordField("encounter", "text", "Opaque name of the encounter."),
        RecordField("score", "share", "What the model said."),
        RecordField("shown", "flag", "Whether anybody was shown it."),
        RecordField("own_estimate", "share", "The doctor's own, given before.", needed=False),
        RecordField("sampled", "flag", "Whether the lot fell on asking the doctor first.",
                    needed=False),
        RecordField("sign_off", "flag", "Whether a signed decision is wanted.", needed=False),
        RecordField("asker", "code", "Who asked.", ("clinician", "agent"), needed=False),
    ),
    "decision": (
        _ref("advice", "advice"),
        RecordField("outcome", "code", "What the doctor did.",
                    ("accepted", "overridden", "modified", "not-seen")),
        RecordField("reason", "text", "Why, as a code of the guide.", needed=False),
        RecordField("own_estimate", "share", "The doctor's own estimate.", needed=False),
        RecordField("asked_before", "flag", "Whether it was asked before the advice."),
    ),
    # The label comes days or months after the advice and from another system, so it cannot be a
    # field of the advice.
    "outcome": (
        _ref("advice", "advice"),
        RecordField("label", "flag", "Whether the event came."),
    ),
    "event": (
        _ref("deployment", "deployment"),
        RecordField("type", "code", "What it is.", ("signal", "incident", "action")),
        RecordField("severity", "code", "How grave.", SEVERITIES),
        RecordField("jurisdiction", "text", "Whose clock runs.", needed=False),
        RecordField("code", "text", "What happened, as a code."),
    ),
}  # fmt: skip

EVIDENCE_MAKERS: Final = frozenset({"manufacturer", "evaluator"})
RECORD_ROLES: Final[Mapping[str, frozenset[str]]] = {
    "product": frozenset({"manufacturer"}),
    "version": frozenset({"manufacturer"}),
    "intended-use": frozenset({"manufacturer"}),
    "ruling": frozenset({"regulatory-officer"}),
    # A maker may put its own evidence on record; that of design "third-party" is held to another
    # organisation where it is written, which this table cannot see.
    "evidence": EVIDENCE_MAKERS,
    "determination": frozenset({"committee-chair"}),
    "deployment": frozenset({"clinical-lead"}),
    "disclosure": frozenset({"clinician", "gateway"}),
    "advice": frozenset({"gateway"}),
    "decision": frozenset({"clinician"}),
    "outcome": frozenset({"clinician", "gateway"}),
    # A monitor is an actor with a key like everybody: what it signals must be as provable as what
    # people report.
    "event": frozenset({"monitor", "safety-officer", "clinician"}),
}


def check_record(kind: str, body: Mapping[str, Any]) -> None:
    """Refuse a record that is not of the form.

    Raises:
        StatusMoveError: The kind or a field is unknown, missing, or has a value it may not have.

    >>> check_record("outcome", {"advice": "advice/1", "label": True})
    """
    if kind not in FIELDS:
        raise StatusMoveError(kind, wanted=_one_of(tuple(FIELDS)))
    fields = {field.name: field for field in FIELDS[kind]}
    # An unknown field is refused rather than passed over: a misspelt "threshold" would leave the
    # field that is checked at its old value.
    for name in body:
        if name not in fields:
            raise StatusMoveError(f"{kind}, {name}", wanted=_one_of(tuple(fields)))
    for field in fields.values():
        if field.name in body:
            _check_value(kind, field, body[field.name])
        elif field.needed:
            raise StatusMoveError(f"{kind}, {field.name}", wanted=Message("a value"))


def _check_value(kind: str, field: RecordField, value: Any) -> None:
    wanted = _WANTED[field.kind]
    if not wanted[0](value):
        raise StatusMoveError(f"{kind}, {field.name}", wanted=wanted[1])
    if field.kind == "code" and value not in field.codes:
        raise StatusMoveError(
            f"{kind}, {field.name}", found=repr(value), wanted=_one_of(field.codes)
        )
    if field.kind == "ref" and not value.startswith(f"{field.codes[0]}/"):
        raise StatusMoveError(f"{kind}, {field.name}", wanted=_one_of((f"{field.codes[0]}/…",)))


def _one_of(values: tuple[str, ...]) -> Message:
    return Message("one of {values}", {"values": ", ".join(values)})


def _is_text(value: Any) -> bool:
    # Long enough for a sentence, too short for a letter about a patient.
    return isinstance(value, str) and 0 < len(value) <= 500


def _is_share(value: Any) -> bool:
    # `True` is an int in Python and would pass for a share of one. NaN fails the comparison.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and bool(_DIGEST.fullmatch(value))


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


_WANTED: Final[Mapping[str, tuple[Callable[[Any], bool], Message]]] = {
    "text": (_is_text, Message("a text of 1 to 500 letters")),
    "code": (_is_text, Message("a code")),
    "ref": (_is_text, Message("the name of a record")),
    "share": (_is_share, Message("a share between 0 and 1")),
    "flag": (_is_flag, Message("true or false")),
    "digest": (
        _is_digest,
        Message("a SHA-256 of 64 hexadecimal digits"),
    ),
    "list": (_is_list, Message("a list")),
    "map": (_is_map, Message("named values")),
}
