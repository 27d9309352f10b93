"""Facts of a guide, read off FHIR resources that a record system sent or was asked for.

A resource counts as FHIR where it is valid as R4B (which is R4 for all that guides read) or as
R5. Whatever can be read in two ways is not read: two codes of different words, a number with a
comparator or in a unit that the guide does not list, a year of birth where the day decides. The
fact is then missing, and the gate says so.

Source: HL7 FHIR R4B (4.3.0) and R5 (5.0.0), Patient, Observation, Condition, Procedure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Final, cast

from commonwatt.clinic.domain.guides import FhirFactRule, FhirFactSource, GuideFact, GuideFactKind
from commonwatt.clinic.domain.guides.fhir_mapping import (
    GuideFhirMapping,
    fhir_prefetch_template_resource_type,
)
from commonwatt.clinic.io.fhir import FhirRelease
from commonwatt.core.extras import import_optional_module

MOST_RESOURCES: Final = 500  # of one prefetch key; more is no question about one patient
# Statuses under which a resource says nothing of the patient (yet, or any more).
_STATUSES: Final[Mapping[str, frozenset[str]]] = {
    "Observation": frozenset({"final", "amended", "corrected"}),
    "Procedure": frozenset({"completed", "in-progress"}),
}
_CONDITION_WITHDRAWN: Final = frozenset({"refuted", "entered-in-error"})
_CONDITION_ACTIVE: Final = frozenset({"active", "recurrence", "relapse"})
# R4 and R5 name some dates differently; the first that is there counts.
_DATES: Final = (
    "effectiveDateTime", "effectiveInstant", "effectivePeriod", "performedDateTime",
    "performedPeriod", "occurrenceDateTime", "occurrencePeriod", "recordedDate", "onsetDateTime",
    "started", "issued",
)  # fmt: skip
# By which element a resource names its patient.
_SUBJECTS: Final = ("subject", "patient")


class FhirAnswerError(ValueError):
    """What stands under a prefetch key is no FHIR, or is about somebody else."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        super().__init__(fault)


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirAnswer:
    """What a record system answered to one template.

    Args:
        resources: Of the patient in question; none where the system has no such data.
        complete: Whether no page and no error is outstanding.
    """

    resources: tuple[Mapping[str, Any], ...]
    complete: bool = True


def load_fhir_model_classes_of_mappings(mappings: Iterable[GuideFhirMapping]) -> None:
    """Load the models of all types that some guides ask for.

    Raises:
        MissingExtraError: The library of FHIR is not installed.
    """
    # Now, so that the first patient does not wait a second for it.
    for mapping in mappings:
        for template in mapping.prefetch.values():
            for release in FhirRelease:
                _fhir_model_class_or_none(release, fhir_prefetch_template_resource_type(template))


@cache  # of the few types that templates ask for
def _fhir_model_class_or_none(release: FhirRelease, resource_type: str) -> Any:
    if release is FhirRelease.R4B:
        models = import_optional_module("fhir.resources.R4B")
    else:
        models = import_optional_module("fhir.resources")
    try:
        return models.get_fhir_model_class(resource_type)
    except (LookupError, ValueError, ImportError):
        return None  # no type of this release


def parse_fhir_answer(answer: Any, template: str, patient_id: str) -> FhirAnswer | None:
    """Return what a record system answered, checked; `None` where it could not answer.

    Args:
        answer: A resource, a Bundle of type searchset, or `None` for no data.
        template: That asked for it.
        patient_id: Whose data it must be.

    Raises:
        FhirAnswerError: It is no FHIR of R4 or R5, of another type, or about another patient.
    """
    if answer is None:
        # CDS Hooks: null says that there are no data, for a search and a read alike.
        return FhirAnswer(resources=())
    document = _cds_fhir_object_or_empty(answer)
    match document.get("resourceType"):
        case "OperationOutcome":
            return None
        case "Bundle":
            listed, complete = _cds_bundle_resources_and_is_last_page(document)
        case _:
            listed, complete = [document], True
    wanted = fhir_prefetch_template_resource_type(template)
    # A count cuts off what was not asked for; an error is no answer, and a remark is none.
    complete = (complete or "_count=" in template) and not any(
        map(_is_cds_fhir_error_outcome, listed)
    )
    # A search may bring along what it includes; only what was asked for is read.
    resources = [each for each in listed if each.get("resourceType") == wanted]
    others = [each for each in listed if each.get("resourceType") != "OperationOutcome"]
    if others and not resources and complete:
        raise FhirAnswerError(f"a {wanted}")
    if len(resources) > MOST_RESOURCES:
        raise FhirAnswerError(f"at most {MOST_RESOURCES} resources")
    for each in resources:
        _check_fhir_resource_valid_and_of_patient(each, patient_id)
    return FhirAnswer(resources=tuple(resources), complete=complete)


def _is_cds_fhir_error_outcome(resource: Mapping[str, Any]) -> bool:
    if resource.get("resourceType") != "OperationOutcome":
        return False
    severities = {
        str(issue.get("severity")) for issue in _cds_fhir_objects_or_empty(resource.get("issue"))
    }
    return bool(severities & {"error", "fatal"}) or not severities


def _cds_bundle_resources_and_is_last_page(
    bundle: Mapping[str, Any],
) -> tuple[list[Mapping[str, Any]], bool]:
    if bundle.get("type") != "searchset":
        raise FhirAnswerError("a Bundle of type searchset")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise FhirAnswerError("a Bundle of type searchset")
    listed = [
        _cds_fhir_object_or_empty(_cds_fhir_object_or_empty(entry).get("resource"))
        for entry in cast("list[Any]", entries)
    ]
    if not all(listed):
        raise FhirAnswerError("a resource in each entry")
    return listed, cds_fhir_bundle_next_page_url(bundle) is None


def cds_fhir_bundle_next_page_url(bundle: Mapping[str, Any]) -> str | None:
    """Return the address of a bundle's next page; `None` on the last."""
    links = bundle.get("link")
    for link in cast("list[Any]", links) if isinstance(links, list) else []:
        if _cds_fhir_object_or_empty(link).get("relation") == "next":
            return str(_cds_fhir_object_or_empty(link).get("url", ""))
    return None


def _check_fhir_resource_valid_and_of_patient(resource: Mapping[str, Any], patient_id: str) -> None:
    kind = str(resource["resourceType"])
    for release in FhirRelease:
        model = _fhir_model_class_or_none(release, kind)
        try:
            if model is not None:
                model.model_validate(dict(resource))
                break
        # Pydantic's error and those of the library's own validators.
        except (ValueError, TypeError, AssertionError):
            continue
    else:
        raise FhirAnswerError(f"a {kind} that is valid as FHIR R4 or R5")
    # Another patient's data under this patient's name is the worst that a mixed-up cache can do.
    if kind == "Patient":
        of = str(resource.get("id", patient_id))
    else:
        references = [
            _cds_fhir_object_or_empty(resource.get(name)).get("reference") for name in _SUBJECTS
        ]
        named = [str(each) for each in references if each]
        of = named[0].rpartition("Patient/")[2] if named else patient_id
    if of.partition("/_history/")[0] != patient_id:
        raise FhirAnswerError("data of the patient of the context")


def facts_of_fhir_answers(
    mapping: GuideFhirMapping,
    facts: Mapping[str, GuideFact],
    answers: Mapping[str, FhirAnswer],
    at: datetime,
) -> dict[str, str]:
    """Return the facts that stand in some answers, spelled as the guide is asked.

    Args:
        mapping: Of the guide.
        facts: As the guide declares them.
        answers: By prefetch key; a key that is not there was not answered.
        at: The instant, for ages.
    """
    read: dict[str, str] = {}
    for name, source in mapping.facts.items():
        answer = answers.get(source.prefetch_key)
        text = _fact_text_or_empty(source, facts[name], answer, at) if answer else ""
        if text:
            read[name] = text
    return read


def _fact_text_or_empty(
    source: FhirFactSource, fact: GuideFact, answer: FhirAnswer, at: datetime
) -> str:
    match source.rule:
        case FhirFactRule.AGE:
            return _age_in_years_text_or_empty(source, answer.resources, at)
        case FhirFactRule.CODED:
            return _fact_word_of_codings_or_empty(source, answer.resources)
        case FhirFactRule.OBSERVATION:
            return _latest_observed_text_or_empty(source, fact, answer.resources, at)
        case FhirFactRule.PRESENT:
            return _resource_presence_text_or_empty(source, answer, at)


def _age_in_years_text_or_empty(
    source: FhirFactSource, resources: Sequence[Mapping[str, Any]], at: datetime
) -> str:
    births: set[str] = {
        str(birth) for each in resources for birth in cds_fhir_elements_at_path(each, source.path)
    }
    span = _first_and_last_day_of_fhir_date(births.pop()) if len(births) == 1 else None
    if span is None:
        return ""
    ages = {_full_years_of_age(born, at.date()) for born in span}
    # A year of birth alone leaves two ages open, and a limit may lie between them.
    return str(ages.pop()) if len(ages) == 1 and min(ages, default=-1) >= 0 else ""


def _full_years_of_age(born: date, day: date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def _first_and_last_day_of_fhir_date(text: str) -> tuple[date, date] | None:
    """Return the first and the last day that a date of FHIR may mean.

    >>> _first_and_last_day_of_fhir_date("2000-02")
    (datetime.date(2000, 2, 1), datetime.date(2000, 2, 29))
    """
    try:
        match text.count("-"):
            case 0:
                return date(int(text), 1, 1), date(int(text), 12, 31)
            case 1:
                first = date.fromisoformat(f"{text}-01")
                following = (first + timedelta(days=31)).replace(day=1)
                return first, following - timedelta(days=1)
            case _:
                return (day := date.fromisoformat(text[:10])), day
    except (ValueError, OverflowError):
        return None


def _fact_word_of_codings_or_empty(
    source: FhirFactSource, resources: Sequence[Mapping[str, Any]]
) -> str:
    codings = [
        coding
        for each in resources
        for element in cds_fhir_elements_at_path(each, source.path)
        for coding in _cds_fhir_system_and_code_texts(element)
    ]
    words = {source.words[coding] for coding in codings if coding in source.words}
    if len(words) == 1:
        return words.pop()
    return source.other if codings and not words else ""


def _latest_observed_text_or_empty(
    source: FhirFactSource, fact: GuideFact, resources: Sequence[Mapping[str, Any]], at: datetime
) -> str:
    dated: list[tuple[datetime, str]] = []
    for each in resources:
        when = _cds_fhir_resource_end_instant(each)
        # What is dated tomorrow was typed wrongly, and would hide what is true today.
        if when is not None and when > at + _CLOCKS_APART:
            continue
        if not _counts(each) or not _is_within_days_of_fact_source(source, when, at):
            continue
        # A panel such as blood pressure holds its figures in components.
        for part in (each, *_cds_fhir_objects_or_empty(each.get("component"))):
            if source.codes & set(_cds_fhir_system_and_code_texts(part.get("code"))):
                dated.append((when or _LONG_AGO, _observed_fact_text_or_empty(source, fact, part)))
    latest = max((when for when, _ in dated), default=_LONG_AGO)
    texts = {text for when, text in dated if when == latest}
    return texts.pop() if len(texts) == 1 else ""


# Zones are up to 14 hours apart, and a date without a time is read as its first instant in UTC.
_CLOCKS_APART: Final = timedelta(hours=14)
_LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)


def _observed_fact_text_or_empty(
    source: FhirFactSource, fact: GuideFact, part: Mapping[str, Any]
) -> str:
    if fact.kind is GuideFactKind.NUMBER:
        if _is_cds_fhir_plain_number(part.get("valueInteger")):
            return str(part["valueInteger"]) if source.units else ""
        quantity = _cds_fhir_object_or_empty(part.get("valueQuantity"))
        unit = source.units.get(str(quantity.get("code", quantity.get("unit", ""))))
        # "<0.1" is no number, and a unit that the guide does not list may be another scale.
        if (
            unit is None
            or "comparator" in quantity
            or not _is_cds_fhir_plain_number(quantity.get("value"))
        ):
            return ""
        return f"{quantity['value']!r} {unit}".strip()
    if isinstance(part.get("valueBoolean"), bool):
        return (
            _clinic_guide_flag_text(part["valueBoolean"]) if fact.kind is GuideFactKind.FLAG else ""
        )
    codings = _cds_fhir_system_and_code_texts(part.get("valueCodeableConcept"))
    words: set[str] = {source.words[coding] for coding in codings if coding in source.words}
    return words.pop() if len(words) == 1 else ""


def _clinic_guide_flag_text(flag: bool) -> str:
    return "yes" if flag else "no"


def _is_cds_fhir_plain_number(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool)


def _resource_presence_text_or_empty(
    source: FhirFactSource, answer: FhirAnswer, at: datetime
) -> str:
    undated = False
    for each in answer.resources:
        codes = set(_cds_fhir_system_and_code_texts(each.get("code")))
        if not _counts(each) or (source.codes and not source.codes & codes):
            continue
        when = _cds_fhir_resource_end_instant(each)
        if _is_within_days_of_fact_source(source, when, at):
            return "yes"
        undated |= when is None
    # That nothing is there is said only of a whole answer, and not where a date is wanting.
    return source.otherwise if answer.complete and not undated else ""


def _counts(resource: Mapping[str, Any]) -> bool:
    """Return whether a resource says that something is so, and not that it was an error."""
    kind, status = str(resource.get("resourceType")), str(resource.get("status", ""))
    if kind == "Condition":
        verified = {
            c.rpartition("|")[2]
            for c in _cds_fhir_system_and_code_texts(resource.get("verificationStatus"))
        }
        clinical = {
            c.rpartition("|")[2]
            for c in _cds_fhir_system_and_code_texts(resource.get("clinicalStatus"))
        }
        return not verified & _CONDITION_WITHDRAWN and (
            not clinical or bool(clinical & _CONDITION_ACTIVE)
        )
    return kind not in _STATUSES or status in _STATUSES[kind]


def _is_within_days_of_fact_source(
    source: FhirFactSource, when: datetime | None, at: datetime
) -> bool:
    if source.within_days is None:
        return True
    return when is not None and at - timedelta(days=source.within_days) <= when


def _cds_fhir_resource_end_instant(resource: Mapping[str, Any]) -> datetime | None:
    for name in _DATES:
        if name in resource:
            period = _cds_fhir_object_or_empty(resource[name])
            # The end of a period where there is one: what goes on is as recent as it can be.
            text = str(period.get("end", period.get("start", ""))) if period else resource[name]
            return _instant(str(text))
    return None


def _instant(text: str) -> datetime | None:
    if len(text) <= 10:
        span = _first_and_last_day_of_fhir_date(text)
        return datetime(span[1].year, span[1].month, span[1].day, tzinfo=UTC) if span else None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def cds_fhir_elements_at_path(resource: Any, path: str) -> Iterator[Any]:
    """Yield what stands at a path of a resource; a list stands for each of its members.

    >>> study = {"series": [{"modality": {"code": "CT"}}, {"modality": {"code": "SR"}}]}
    >>> list(cds_fhir_elements_at_path(study, "series.modality.code"))
    ['CT', 'SR']
    """
    here, _, below = path.partition(".")
    for member in cast("list[Any]", resource) if isinstance(resource, list) else [resource]:
        if here in _cds_fhir_object_or_empty(member):
            child = _cds_fhir_object_or_empty(member)[here]
            if below:
                yield from cds_fhir_elements_at_path(child, below)
            else:
                yield from cast("list[Any]", child) if isinstance(child, list) else [child]


def _cds_fhir_system_and_code_texts(element: Any) -> list[str]:
    """Return `system|code` of a code, Coding, CodeableConcept or CodeableReference."""
    if isinstance(element, str):
        return [element]
    if isinstance(element, list):
        return [
            coding
            for each in cast("list[Any]", element)
            for coding in _cds_fhir_system_and_code_texts(each)
        ]
    fields = _cds_fhir_object_or_empty(element)
    if "concept" in fields:  # R5 has a CodeableReference in many places
        return _cds_fhir_system_and_code_texts(fields["concept"])
    if "coding" in fields:
        return _cds_fhir_system_and_code_texts(fields["coding"])
    return [f"{fields.get('system', '')}|{fields['code']}"] if "code" in fields else []


def _cds_fhir_objects_or_empty(value: Any) -> list[Mapping[str, Any]]:
    members = cast("list[Any]", value) if isinstance(value, list) else []
    return [_cds_fhir_object_or_empty(each) for each in members]


def _cds_fhir_object_or_empty(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
