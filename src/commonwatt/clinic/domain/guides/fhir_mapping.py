"""Where a record system has the facts of a guide: prefetch templates, and paths to facts.

It is part of the guide, so that the committee that approves the guide approves it, too: a code
that stands for another word is another guide.

::

    fhir:
      prefetch:
        patient: "Patient/{{context.patientId}}"
        pressure: "Observation?patient={{context.patientId}}&code=http://loinc.org|8480-6&_count=1"
      facts:
        age_years: {from: patient, age: birthDate}
        systolic_mmhg: {from: pressure, observation: ["http://loinc.org|8480-6"],
                        units: {"mm[Hg]": ""}}

Sources: HL7 CDS Hooks 2.0, prefetch templates and their tokens; FHIR R4 and R5, search.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, cast

from commonwatt.catalogue.errors import UnitError
from commonwatt.catalogue.units import parse_quantity
from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.guides.facts import GuideFact, GuideFactKind
from commonwatt.core.messages import Message

PREFETCH_TOKENS: Final = frozenset({
    "context.userId", "context.patientId", "context.encounterId", "userPractitionerId",
    "userPractitionerRoleId", "userPatientId", "userRelatedPersonId",
})  # fmt: skip
"""What may be a gap of a template of `patient-view`."""
TOKEN: Final = re.compile(r"\{\{([^{}]*)\}\}")
_KEY: Final = re.compile(r"[a-z][a-zA-Z0-9_-]{0,39}")
_TEMPLATE: Final = re.compile(
    r"(?P<type>[A-Z][A-Za-z]{2,39})(?:/(?P<read>\{\{[^{}]+\}\})|\?(?P<search>[^?#\s]+))"
)
# Neither chaining nor modifiers but `:in`: CDS Hooks recommends this subset, and many record
# systems fill nothing else.
_PARAMETER: Final = re.compile(r"(_[a-z]+|[a-z][a-z-]*)(:in)?=[^=&]+")
_PATH: Final = re.compile(r"[a-z][A-Za-z]*(\.[a-z][A-Za-z]*){0,5}")
_CODING: Final = re.compile(r"[^|\s]{1,200}\|[^|\s]{1,60}")
_MOST_DAYS: Final = 36_525
_WANTED_TEMPLATE: Final = Message(
    "a FHIR read such as {read}, or a search such as {search}",
    {"read": "Patient/{{context.patientId}}",
     "search": "Observation?patient={{context.patientId}}&code=http://loinc.org|8480-6"},
)  # fmt: skip


class FhirFactRule(StrEnum):
    """How a fact is read off the resources of a prefetch key."""

    AGE = "age"
    CODED = "coded"
    OBSERVATION = "observation"
    PRESENT = "present"


_FIELDS_OF_RULE: Final[Mapping[FhirFactRule, frozenset[str]]] = {
    FhirFactRule.AGE: frozenset(),
    FhirFactRule.CODED: frozenset({"words", "other"}),
    FhirFactRule.OBSERVATION: frozenset({"words", "units", "within_days"}),
    FhirFactRule.PRESENT: frozenset({"within_days", "otherwise"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirFactSource:
    """Where one fact stands.

    Args:
        prefetch_key: In which answer.
        rule: How it is read off it.
        path: Of a date of birth, or of codes; elements apart by dots.
        codes: As `system|code`: which observations count, or what must be present; empty takes
            any that is present.
        words: The guide's word for a code.
        other: The word for a code that has none; empty leaves the fact missing.
        units: The guide's unit for a UCUM code; a unit that is not listed is not read.
        within_days: How old it may be at most [days]; `None` does not ask.
        otherwise: What the fact is where the answer is complete and nothing matches.
    """

    prefetch_key: str
    rule: FhirFactRule
    path: str = ""
    codes: frozenset[str] = frozenset()
    words: Mapping[str, str] = field(default_factory=dict[str, str])
    other: str = ""
    units: Mapping[str, str] = field(default_factory=dict[str, str])
    within_days: int | None = None
    otherwise: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideFhirMapping:
    """Prefetch templates of a guide, by key, and where each fact stands."""

    prefetch: Mapping[str, str]
    facts: Mapping[str, FhirFactSource]


def fhir_prefetch_template_resource_type(template: str) -> str:
    """Return the type of the resource that a template asks for.

    >>> fhir_prefetch_template_resource_type("Observation?patient={{context.patientId}}")
    'Observation'
    """
    return re.split(r"[/?]", template, maxsplit=1)[0]


def parse_guide_fhir_mapping(
    section: Any, facts: Mapping[str, GuideFact], where: str
) -> GuideFhirMapping:
    """Return the mapping that a guide spells.

    Raises:
        RulesError: It is not of the form, or over a fact that the guide has not.
    """
    fields = _checked_clinic_guide_mapping_table(section, where)
    _check_clinic_guide_mapping_fields_allowed(fields, frozenset({"prefetch", "facts"}), where)
    templates = _checked_clinic_guide_mapping_table(fields.get("prefetch"), f"{where}, prefetch")
    for key, template in templates.items():
        _check_fhir_prefetch_template(key, template, f"{where}, prefetch, {key}")
    sources = _checked_clinic_guide_mapping_table(fields.get("facts"), f"{where}, facts")
    parsed: dict[str, FhirFactSource] = {}
    for name, entry in sources.items():
        at = f"{where}, facts, {name}"
        if name not in facts:
            wanted = Message("one of {values}", {"values": ", ".join(facts)})
            raise RulesError(at, found=repr(name), wanted=wanted)
        parsed[name] = _parse_fact_source(
            _checked_clinic_guide_mapping_table(entry, at), facts[name], templates, at
        )
    unused = sorted(set(templates) - {source.prefetch_key for source in parsed.values()})
    # A service asks for the least that it needs of a patient.
    if unused:
        raise RulesError(
            f"{where}, prefetch, {unused[0]}", wanted=Message("a template that some fact is from")
        )
    return GuideFhirMapping(prefetch=templates, facts=parsed)


def _check_fhir_prefetch_template(key: str, template: Any, where: str) -> None:
    if not _KEY.fullmatch(key):
        raise RulesError(
            where, found=repr(key), wanted=Message("a name of letters, digits, - and _")
        )
    parts = _TEMPLATE.fullmatch(template) if isinstance(template, str) else None
    parameters = (parts["search"] or "a=b").split("&") if parts else []
    sound = bool(parts) and all(_PARAMETER.fullmatch(each) for each in parameters)
    if not sound or not set(TOKEN.findall(template)) <= PREFETCH_TOKENS:
        raise RulesError(where, found=repr(template), wanted=_WANTED_TEMPLATE)
    # The data of everybody would be asked for, and then stand for one.
    if not TOKEN.search(template):
        raise RulesError(where, found=repr(template), wanted=_WANTED_TEMPLATE)


def _parse_fact_source(
    entry: Mapping[str, Any], fact: GuideFact, templates: Mapping[str, str], where: str
) -> FhirFactSource:
    rules = [rule for rule in FhirFactRule if rule.value in entry]
    if len(rules) != 1 or entry.get("from") not in templates:
        gaps = {"values": ", ".join(templates), "rules": ", ".join(FhirFactRule)}
        raise RulesError(
            where, wanted=Message("from (one of {values}) and exactly one of {rules}", gaps)
        )
    [rule] = rules
    _check_clinic_guide_mapping_fields_allowed(
        entry, _FIELDS_OF_RULE[rule] | {"from", rule.value}, where
    )
    source = FhirFactSource(
        prefetch_key=str(entry["from"]),
        rule=rule,
        path=_checked_guide_fhir_path(entry[rule.value], where) if rule in _BY_PATH else "",
        codes=frozenset()
        if rule in _BY_PATH
        else _guide_fhir_codings_or_empty_for_any(entry[rule.value], f"{where}, {rule}"),
        words=_guide_word_by_fhir_code(entry.get("words", {}), fact, f"{where}, words"),
        other=_known_word(entry.get("other", ""), fact, f"{where}, other"),
        units=_guide_unit_by_fhir_unit_code(entry.get("units", {}), fact, f"{where}, units"),
        within_days=_days(entry.get("within_days"), f"{where}, within_days"),
        otherwise=_known_word(entry.get("otherwise", ""), fact, f"{where}, otherwise"),
    )  # fmt: skip
    _check_source_fits_fact(source, fact, templates[source.prefetch_key], where)
    return source


_BY_PATH: Final = frozenset({FhirFactRule.AGE, FhirFactRule.CODED})


def _check_source_fits_fact(
    source: FhirFactSource, fact: GuideFact, template: str, where: str
) -> None:
    kind = fact.kind
    fits = {
        FhirFactRule.AGE: kind is GuideFactKind.NUMBER and fact.unit in ("year", "years", "a"),
        FhirFactRule.CODED: kind is not GuideFactKind.NUMBER and bool(source.words),
        FhirFactRule.OBSERVATION: bool(source.codes)
        and fhir_prefetch_template_resource_type(template) == "Observation"
        and (bool(source.units) == (kind is GuideFactKind.NUMBER))
        and (bool(source.words) or kind is not GuideFactKind.WORD),
        FhirFactRule.PRESENT: kind is GuideFactKind.FLAG,
    }
    if not fits[source.rule]:
        raise RulesError(
            where,
            wanted=Message(
                "age for a number of years, coded with words, observation with units for a number"
                " and words for a word, present for a flag"
            ),
        )
    # What a count cut off may be the very thing that is said not to be there.
    if source.rule is FhirFactRule.PRESENT and "_count=" in template:
        raise RulesError(
            where, found=repr(template), wanted=Message("a template without _count for present")
        )


def _checked_guide_fhir_path(path: Any, where: str) -> str:
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise RulesError(where, found=repr(path), wanted=Message("elements of FHIR, apart by dots"))
    return path


def _guide_fhir_codings_or_empty_for_any(codes: Any, where: str) -> frozenset[str]:
    if codes == "any":
        return frozenset()
    listed = cast("list[Any]", codes) if isinstance(codes, list) else []
    sound = [code for code in listed if isinstance(code, str) and _CODING.fullmatch(code)]
    if not listed or len(sound) < len(listed):
        raise RulesError(where, wanted=Message("a list of system|code"))
    return frozenset(sound)


def _guide_word_by_fhir_code(words: Any, fact: GuideFact, where: str) -> dict[str, str]:
    table = _checked_clinic_guide_mapping_table(words, where)
    for code, word in table.items():
        # A plain code (a gender, a status) has no system of its own.
        if "|" in code and not _CODING.fullmatch(code):
            raise RulesError(where, found=repr(code), wanted=Message("a list of system|code"))
        _known_word(word, fact, f"{where}, {code}")
    return dict(table)


def _known_word(word: Any, fact: GuideFact, where: str) -> str:
    if word != "" and (not isinstance(word, str) or word not in fact.words):
        raise RulesError(where, found=repr(word), wanted=fact.wanted())
    return str(word)


def _guide_unit_by_fhir_unit_code(units: Any, fact: GuideFact, where: str) -> dict[str, str]:
    table = _checked_clinic_guide_mapping_table(units, where)
    for code, unit in table.items():
        if not isinstance(unit, str) or not _clinic_guide_unit_converts_into(unit, fact.unit):
            wanted = Message("the name of a unit that becomes {unit}", {"unit": fact.unit or '""'})
            raise RulesError(f"{where}, {code}", found=repr(unit), wanted=wanted)
    return dict(table)


def _clinic_guide_unit_converts_into(unit: str, into: str) -> bool:
    # A unit that cannot be read would make the fact missing for every patient, in silence.
    try:
        return unit == into or (
            bool(unit and into) and bool(parse_quantity(f"300 {unit}", to=into))
        )
    except UnitError:
        return False


def _days(days: Any, where: str) -> int | None:
    if days is None:
        return None
    # `True` is an int in Python and would pass for one day.
    if type(days) is not int or not 0 < days <= _MOST_DAYS:
        gaps = {"count": str(_MOST_DAYS)}
        raise RulesError(where, wanted=Message("a whole number from 1 to {count}", gaps))
    return days


def _checked_clinic_guide_mapping_table(section: Any, where: str) -> dict[str, Any]:
    table = cast("dict[Any, Any]", section) if isinstance(section, dict) else None
    if table is None or not all(isinstance(key, str) for key in table):
        raise RulesError(where, wanted=Message("named values"))
    return cast("dict[str, Any]", table)


def _check_clinic_guide_mapping_fields_allowed(
    entry: Mapping[str, Any], allowed: frozenset[str], where: str
) -> None:  # fmt: skip
    for name in sorted(set(entry) - allowed):
        wanted = Message("the fields {values}", {"values": ", ".join(sorted(allowed))})
        raise RulesError(f"{where}, {name}", wanted=wanted)
