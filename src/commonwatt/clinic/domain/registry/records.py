"""The fourteen records, their fields and who may make them, in one table.

Terms follow FHIR (Device, Encounter, AdverseEvent) and IMDRF where they have
one. An encounter is an opaque name; no value of a patient's record is ever a
field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, cast

from commonwatt.clinic.domain.errors import StatusMoveError
from commonwatt.clinic.domain.registry.lifecycle import DEPLOYMENT_LIFECYCLE, DeploymentStatus
from commonwatt.clinic.domain.registry.narrative import personal_data_in_narrative
from commonwatt.core.messages import Message
from commonwatt.ledger.roles import LedgerRole

# Lower case only: one artefact must not have two names that compare as different.
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
# Annex A counts its terms in up to three levels of two digits each.
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DEVICE_PROBLEM: Final = re.compile(r"A(\d\d){1,3}")
LONGEST_NARRATIVE: Final = 2_000


@dataclass(frozen=True, slots=True)
class RecordField:
    """One field: `kind` is a key of `_WANTED`."""

    name: str
    kind: str
    meaning: str
    codes: tuple[str, ...] = ()
    needed: bool = True


def _registry_reference_field(name: str, to: str, *, needed: bool = True) -> RecordField:
    return RecordField(name, "ref", f"The {to} that it belongs to.", (to,), needed)


MODES: Final = ("shadow", "advisory", "confirm", "supervised")
DESIGNS: Final = ("retrospective", "external", "prospective", "randomised", "third-party")
GUIDELINES: Final = ("TRIPOD+AI", "STARD-AI", "CONSORT-AI", "SPIRIT-AI", "DECIDE-AI", "none")
REPORTERS: Final = ("manufacturer", "importer", "user-facility", "professional")
VERDICTS: Final = ("alarm", "quiet", "too few", "no information")
SEVERITIES: Final = ("public-health-threat", "death", "serious", "other")

# Names and codes in this table are what the ledger holds; they may be added to and never renamed,
# because entries that exist were signed with them. The one that was renamed all the same, because
# it meant two things, is read by `old_words`.
FIELDS: Final[Mapping[str, tuple[RecordField, ...]]] = {
    "product": (
        RecordField("name", "text", "As it is sold."),
        RecordField("manufacturer", "text", "Who answers for it."),
        RecordField("code", "text", "Product code of a catalogue.", needed=False),
    ),
    "version": (
        _registry_reference_field("product", "product"),
        RecordField("artefact_sha256", "digest", "Digest of what runs."),
        RecordField("base_model", "text", "The model that it was made from.", needed=False),
        RecordField("prompt_sha256", "digest", "Digest of its prompt.", needed=False),
        _registry_reference_field("previous", "version", needed=False),
        RecordField("change", "map", "What differs from the previous version.", needed=False),
    ),
    "intended-use": (
        _registry_reference_field("product", "product"),
        RecordField("facts", "map", "The facts that rules speak of."),
        RecordField("guide", "text", "The scenario guide that it is used under."),
        RecordField("indications", "list", "Sentences over the guide's facts that must all hold."),
    ),
    "ruling": (
        _registry_reference_field("intended_use", "intended-use"),
        RecordField("jurisdiction", "text", "Whose law."),
        RecordField("rule_set_sha256", "digest", "Which rule set."),
        RecordField("classes", "map", "Class by scheme."),
        RecordField("route", "text", "Approval, filing or exempt."),
    ),
    "evidence": (
        _registry_reference_field("version", "version"),
        RecordField("design", "code", "How it was gained.", DESIGNS),
        RecordField("dataset_sha256", "digest", "On which data."),
        RecordField("estimates", "list", "Metric, subgroup, estimate and interval."),
        RecordField("threshold", "share", "Score from which the model advised.", needed=False),
        RecordField("missing", "map", "Cells that the table lacked, by column.", needed=False),
        RecordField("patients", "map", "Patients behind the rows, where intervals are by patient.",
                    needed=False),
        RecordField("report_sha256", "digest", "The report of a sealed examination on record.",
                    needed=False),
        RecordField("evaluator", "text", "Who computed it."),
        RecordField("guideline", "code", "The reporting guideline that it follows.", GUIDELINES),
    ),
    # Each answer that a sealed set gave; how often it may is counted here, because whoever is bound
    # by a limit must not be the one who counts.
    "examination": (
        RecordField("seal_sha256", "digest", "Digest of the seal over the items."),
        RecordField("items_root", "digest", "Root of the salted items."),
        RecordField("items_sketch", "list", "Keyed marks by which the items are known again.",
                    needed=False),
        RecordField("artefact_sha256", "digest", "Digest of what was examined."),
        RecordField("report_sha256", "digest", "Digest of the signed report."),
    ),
    "determination": (
        _registry_reference_field("version", "version"),
        _registry_reference_field("ruling", "ruling"),
        RecordField("outcome", "code", "What was decided.", ("approved", "refused", "withdrawn")),
        RecordField("conditions", "conditions", "Under which conditions."),
        RecordField("plan", "map", "The predetermined change-control plan.", needed=False),
        RecordField("valid_until", "day", "Last day on which it holds; without end if left out.",
                    needed=False),
    ),
    # That a condition is met is for the committee that set it to say, and the condition stands in
    # its own words: a number would mean another one if the list were read in another order.
    "fulfilment": (
        _registry_reference_field("determination", "determination"),
        RecordField("condition", "text", "The condition that is met, word for word."),
        RecordField("document_sha256", "digest", "Digest of what shows it.", needed=False),
    ),
    "deployment": (
        _registry_reference_field("version", "version"),
        _registry_reference_field("determination", "determination"),
        RecordField("institution", "text", "The hospital where it works."),
        RecordField("place", "text", "Whose law holds there."),
        RecordField("mode", "code", "How far it may go.", MODES),
        RecordField("threshold", "share", "Score from which it advises."),
        RecordField("guide", "text", "The scenario guide."),
        RecordField("guide_sha256", "digest", "Digest of the guide as it was registered.",
                    needed=False),
        RecordField("monitor", "map", "Band, error and subgroups of its monitor."),
    ),
    # Whether a patient was told is a record of its own, kept by deployment and encounter:
    # regulators ask for it patient by patient, and a note in the advice could be written after it.
    "disclosure": (
        _registry_reference_field("deployment", "deployment"),
        RecordField("encounter", "text", "Opaque name of the encounter."),
        RecordField("language", "code", "In which language.",
                    ("en", "zh-Hant", "zh-Hans", "other")),
    ),
    "advice": (
        _registry_reference_field("deployment", "deployment"),
        RecordField("encounter", "text", "Opaque name of the encounter."),
        RecordField("score", "share", "What the model said."),
        RecordField("shown", "flag", "Whether anybody was shown it."),
        RecordField("own_estimate", "share", "The doctor's own, given before.", needed=False),
        RecordField("sampled", "flag", "Whether the lot fell on asking the doctor first.",
                    needed=False),
        RecordField("sign_off", "flag", "Whether a signed decision is wanted.", needed=False),
        RecordField("asker", "code", "Who asked.", ("clinician", "agent"), needed=False),
        RecordField("threshold", "share", "The approved threshold that was used.", needed=False),
        RecordField("finding", "flag", "Whether the score reached it.", needed=False),
        RecordField("shown_to", "text", "Actor id of the clinician whom it was shown.",
                    needed=False),
    ),
    "decision": (
        _registry_reference_field("advice", "advice"),
        RecordField("outcome", "code", "What the doctor did.",
                    ("accepted", "overridden", "modified", "not-seen")),
        RecordField("reason", "word", "Why, as a code of the guide.", needed=False),
        RecordField("own_estimate", "share", "The doctor's own estimate.", needed=False),
        RecordField("asked_before", "flag", "Whether it was asked before the advice."),
        RecordField("acted_at", "instant", "When the doctor acted, as the record system says.",
                    needed=False),
    ),
    # The label comes days or months after the advice and from another system, so it cannot be a
    # field of the advice.
    "outcome": (
        _registry_reference_field("advice", "advice"),
        RecordField("label", "flag", "Whether the event came."),
        # The first stands: whoever may write another one could otherwise choose, case by case and
        # after the scores, what the model is measured by.
        _registry_reference_field("corrects", "outcome", needed=False),
        RecordField("reason", "narrative", "Why the outcome is corrected, without a person.",
                    needed=False),
    ),
    "event": (
        _registry_reference_field("deployment", "deployment"),
        RecordField("type", "code", "What it is.", ("signal", "incident", "action")),
        RecordField("severity", "code", "How grave.", SEVERITIES),
        RecordField("jurisdiction", "text", "Whose clock runs.", needed=False),
        RecordField("reporter", "code", "Who reports; everybody who must, where it is not given.",
                    REPORTERS, needed=False),
        RecordField("code", "text", "What happened, as a code."),
        # Duties run from the day on which somebody of the institution knew, and not from the hour
        # in which somebody else typed it; entries from before it was asked have the entry's own.
        RecordField("aware_at", "instant", "When the institution became aware.", needed=False),
        RecordField("narrative", "narrative", "What happened, in words, without a person.",
                    needed=False),
        RecordField("device_problem", "device-problem", "IMDRF annex A code of what failed.",
                    needed=False),
        RecordField("report_number", "text", "Number of the report to the authority.",
                    needed=False),
        _registry_reference_field("closes", "event", needed=False),
        RecordField("stream", "text", "The group of patients whose monitor rang.", needed=False),
        RecordField("plan_sha256", "digest", "Plan of the monitor that ran.", needed=False),
        RecordField("state_sha256", "digest", "What the monitor had counted.", needed=False),
        RecordField("through", "day", "Last day that the monitor counted.", needed=False),
        RecordField("verdict", "code", "What the monitor said of all patients.", VERDICTS,
                    needed=False),
    ),
}  # fmt: skip

# A sentence of each kind and no word put into one: the article hangs on the kind in English, and
# the kind has a word of its own in Chinese.
KIND_ON_RECORD: Final[Mapping[str, Message]] = {
    "product": Message("a product on record"),
    "version": Message("a version on record"),
    "intended-use": Message("an intended use on record"),
    "ruling": Message("a ruling on record"),
    "evidence": Message("evidence on record"),
    "examination": Message("an examination on record"),
    "determination": Message("a determination on record"),
    "fulfilment": Message("a fulfilled condition on record"),
    "deployment": Message("a deployment on record"),
    "disclosure": Message("a disclosure on record"),
    "advice": Message("a piece of advice on record"),
    "decision": Message("a clinician's decision on record"),
    "outcome": Message("an outcome on record"),
    "event": Message("an event on record"),
}
"""What is wanted where a name stands for no record of the kind."""

_R: Final = LedgerRole
EVIDENCE_MAKERS: Final = frozenset({_R.MANUFACTURER, _R.EVALUATOR})
RECORD_ROLES: Final[Mapping[str, frozenset[LedgerRole]]] = {
    "product": frozenset({_R.MANUFACTURER}),
    "version": frozenset({_R.MANUFACTURER}),
    "intended-use": frozenset({_R.MANUFACTURER}),
    "ruling": frozenset({_R.REGULATORY_OFFICER}),
    # A maker may put its own evidence on record; that of design "third-party" is held to another
    # organisation where it is written, which this table cannot see.
    "evidence": EVIDENCE_MAKERS,
    "examination": frozenset({_R.EVALUATOR}),
    "determination": frozenset({_R.COMMITTEE_CHAIR}),
    "fulfilment": frozenset({_R.COMMITTEE_CHAIR}),
    "deployment": DEPLOYMENT_LIFECYCLE.roles_of_move(None, DeploymentStatus.PROPOSED, "deployment"),
    "disclosure": frozenset({_R.CLINICIAN, _R.GATEWAY}),
    "advice": frozenset({_R.GATEWAY}),
    "decision": frozenset({_R.CLINICIAN}),
    "outcome": frozenset({_R.CLINICIAN, _R.GATEWAY}),
    # A monitor is an actor with a key like everybody: what it signals must be as provable as what
    # people report.
    "event": frozenset({_R.MONITOR, _R.SAFETY_OFFICER, _R.CLINICIAN, _R.CLINICAL_LEAD}),
}

# Whoever may see an incident may report it; that the authority was told is said by whoever answers
# for telling it.
INCIDENT_CLOSERS: Final = frozenset({_R.SAFETY_OFFICER})
# An alarm is answered by whoever answers for the deployment, or for safety; that is all that a
# clinical lead may put on record as an event.
ALARM_ANSWERERS: Final = frozenset({_R.CLINICAL_LEAD, _R.SAFETY_OFFICER})
EVENT_REPORTERS: Final = RECORD_ROLES["event"] - {_R.CLINICAL_LEAD}
# A correction is a person's judgement on another entry, and no feed of a record system.
OUTCOME_CORRECTORS: Final = frozenset({_R.CLINICIAN})
# What a monitor has counted is said by the monitor: from anybody else it would put other counts in
# the place of its own.
MONITOR_RUNNERS: Final = frozenset({_R.MONITOR})


def check_registry_record(kind: str, body: Mapping[str, Any]) -> None:
    """Refuse a record that is not of the form.

    Raises:
        StatusMoveError: The kind or a field is unknown, missing, or has a value it may not have.

    >>> check_registry_record("outcome", {"advice": "advice/1", "label": True})
    """
    if kind not in FIELDS:
        raise StatusMoveError(kind, wanted=_allowed_registry_names_message(tuple(FIELDS)))
    fields = {field.name: field for field in FIELDS[kind]}
    # An unknown field is refused rather than passed over: a misspelt "threshold" would leave the
    # field that is checked at its old value.
    for name in body:
        if name not in fields:
            raise StatusMoveError(
                f"{kind}, {name}", wanted=_allowed_registry_names_message(tuple(fields))
            )
    for field in fields.values():
        if field.name in body:
            _check_registry_field(kind, field, body[field.name])
        elif field.needed:
            raise StatusMoveError(f"{kind}, {field.name}", wanted=Message("a value"))


def registry_record_read_fault(kind: str, body: Any) -> Message | None:
    """Return why an entry cannot be read as a record, whoever wrote it; None where it can.

    Looser than the desk: what was taken once, before a field or a rule was added, is read for
    ever. What is read must have its members, of the type that every reader takes them for.
    """
    if kind not in FIELDS:
        return Message("{name} is no kind of record", {"name": kind})
    if not isinstance(body, Mapping):
        return Message("named values are missing")
    members = cast("Mapping[str, Any]", body)
    for field in FIELDS[kind]:
        if (kind, field.name) in _REFUSED_BY_THE_GATE:
            continue
        if field.name not in members:
            if field.needed and (kind, field.name) not in _ADDED_LATER:
                return Message("{name} is missing", {"name": field.name})
        elif not _READ_AS[field.kind](members[field.name]):
            return Message("{name} is no {kind}", {"name": field.name, "kind": field.kind})
    return None


def _check_registry_field(kind: str, field: RecordField, value: Any) -> None:
    wanted = _WANTED[field.kind]
    if not wanted[0](value):
        met = personal_data_in_narrative(value) if _is_narrative_text(field, value) else None
        raise StatusMoveError(f"{kind}, {field.name}", found=met or "", wanted=wanted[1])
    if field.kind == "code" and value not in field.codes:
        raise StatusMoveError(
            f"{kind}, {field.name}",
            found=repr(value),
            wanted=_allowed_registry_names_message(field.codes),
        )
    if field.kind == "ref" and not value.startswith(f"{field.codes[0]}/"):
        raise StatusMoveError(
            f"{kind}, {field.name}",
            wanted=_allowed_registry_names_message((f"{field.codes[0]}/…",)),
        )


def _is_narrative_text(field: RecordField, value: Any) -> bool:
    return field.kind == "narrative" and isinstance(value, str)


def _allowed_registry_names_message(allowed_names: tuple[str, ...]) -> Message:
    return Message("one of {values}", {"values": ", ".join(allowed_names)})


def _is_registry_text(field_value: Any) -> bool:
    # Long enough for a sentence, too short for a letter about a patient.
    return isinstance(field_value, str) and 0 < len(field_value) <= 500


def is_registry_share(field_value: Any) -> bool:
    """Return whether a value is a number from 0 to 1."""
    # `True` is an int in Python and would pass for a share of one. NaN fails the comparison.
    return (
        isinstance(field_value, int | float)
        and not isinstance(field_value, bool)
        and 0 <= field_value <= 1
    )


def _is_registry_flag(field_value: Any) -> bool:
    return isinstance(field_value, bool)


def _is_registry_instant(field_value: Any) -> bool:
    try:
        instant = datetime.fromisoformat(field_value)
    except (TypeError, ValueError):
        return False
    # Without its offset nobody could say when a clock ends.
    return instant.tzinfo is not None


def _is_registry_day(field_value: Any) -> bool:
    try:
        day = date.fromisoformat(field_value)
    except (TypeError, ValueError):
        return False
    # One spelling, which sorts as days do.
    return day.isoformat() == field_value


def is_day_that_had_begun(day: Any, at: datetime) -> bool:
    """Return whether a value is a day that had begun somewhere on earth at an instant.

    >>> is_day_that_had_begun("2026-11-30", datetime.fromisoformat("2026-11-29T12:00:00+00:00"))
    True
    """
    # Up to 14 hours earlier than in Greenwich.
    return _is_registry_day(day) and date.fromisoformat(day) <= (at + timedelta(hours=14)).date()


def _is_registry_word(field_value: Any) -> bool:
    return isinstance(field_value, str) and bool(_WORD.fullmatch(field_value))


def _is_device_problem_code(field_value: Any) -> bool:
    return isinstance(field_value, str) and bool(_DEVICE_PROBLEM.fullmatch(field_value))


def _is_registry_narrative(field_value: Any) -> bool:
    if not isinstance(field_value, str) or not 0 < len(field_value) <= LONGEST_NARRATIVE:
        return False
    return personal_data_in_narrative(field_value) is None


def is_registry_sha256(field_value: Any) -> bool:
    """Return whether a value is a SHA-256 in the one spelling that the record has."""
    return isinstance(field_value, str) and bool(_DIGEST.fullmatch(field_value))


def _is_registry_list(field_value: Any) -> bool:
    return isinstance(field_value, list)


def _is_list_of_approval_conditions(field_value: Any) -> bool:
    return isinstance(field_value, list) and all(
        _has_form_of_approval_condition(each) for each in cast("list[Any]", field_value)
    )


def _has_form_of_approval_condition(condition: Any) -> bool:
    if not isinstance(condition, Mapping):
        return _is_registry_text(condition)
    named = cast("Mapping[str, Any]", condition)
    is_closed = {"condition"} <= named.keys() <= {"condition", "by"}
    return (
        is_closed
        and _is_registry_text(named["condition"])
        and ("by" not in named or _is_registry_day(named["by"]))
    )


def _is_registry_map(field_value: Any) -> bool:
    return isinstance(field_value, dict)


_WANTED: Final[Mapping[str, tuple[Callable[[Any], bool], Message]]] = {
    "text": (_is_registry_text, Message("a text of 1 to 500 letters")),
    "code": (_is_registry_text, Message("a code")),
    "ref": (_is_registry_text, Message("the name of a record")),
    "share": (is_registry_share, Message("a share between 0 and 1")),
    "flag": (_is_registry_flag, Message("true or false")),
    "digest": (
        is_registry_sha256,
        Message("a SHA-256 of 64 hexadecimal digits"),
    ),
    "instant": (_is_registry_instant, Message("a date and time with its offset from UTC")),
    "day": (_is_registry_day, Message("a day, as YYYY-MM-DD")),
    "device-problem": (
        _is_device_problem_code,
        Message("a device problem code of IMDRF annex A, such as A1102"),
    ),
    "narrative": (
        _is_registry_narrative,
        Message("1 to 2,000 letters on what happened, without names, numbers or dates of a person"),
    ),
    "word": (_is_registry_word, Message("a code of letters, digits, full stops and hyphens")),
    "list": (_is_registry_list, Message("a list")),
    "conditions": (
        _is_list_of_approval_conditions,
        Message('a list of texts, or of objects with "condition" and, as YYYY-MM-DD, "by"'),
    ),
    "map": (_is_registry_map, Message("named values")),
}
# Of records that were written before these were asked for.
_ADDED_LATER: Final = frozenset({("deployment", "place"), ("intended-use", "indications")})
# Whatever stands there, the record counts, and the gate says by which rule it refuses.
_REFUSED_BY_THE_GATE: Final = frozenset({("deployment", "threshold"), ("evidence", "threshold")})


def _is_number(value: Any) -> bool:
    # Of any size: what is no share is refused by its own rule where it is used.
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_registry_read_text(value: Any) -> bool:
    return isinstance(value, str)


_READ_AS: Final[Mapping[str, Callable[[Any], bool]]] = dict.fromkeys(
    _WANTED, _is_registry_read_text
) | {
    "share": _is_number,
    "flag": _is_registry_flag,
    "day": _is_registry_day,
    "instant": _is_registry_instant,
    "list": _is_registry_list,
    "conditions": _is_registry_list,
    "map": _is_registry_map,
}
