"""Scenario guides as data: facts, indications, contraindications, wording, notices."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from string import Formatter
from typing import Any, Final, cast

import yaml

from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.guides.facts import (
    GuideFact,
    GuideFactKind,
    checked_clinic_guide_text,
    parse_guide_fact,
)
from commonwatt.clinic.domain.guides.fhir_mapping import GuideFhirMapping, parse_guide_fhir_mapping
from commonwatt.clinic.domain.rules.predicate import (
    Comparator,
    OneOf,
    Predicate,
    parse_rule_predicate,
    rule_predicate_leaves,
)
from commonwatt.core.messages import Message

LANGUAGES: Final = ("en", "zh-Hant")
_FIELDS: Final = frozenset({
    "name", "source", "facts", "indications", "contraindications", "participation", "sign_off",
    "sign_off_classes", "wording", "notice", "override_reasons", "subgroups",
})  # fmt: skip
_WORDING: Final = frozenset({"finding", "no_finding"})
_GAPS: Final = frozenset({"score", "threshold"})
# A card of CDS Hooks has room for less than 140 letters; what is cut off is the sentence that sends
# the reader to a doctor.
LONGEST_ADVICE: Final = 139
_FHIR: Final = "fhir"
_DEEPEST: Final = 20
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contraindication:
    """Where the model may not be used, and what is said then."""

    name: str
    when: Predicate
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartmentGuide:
    """How a department bounds the use of a model.

    A doctor's signed decision is wanted on advice in the modes of `sign_off`, and of
    devices in the classes of `sign_off_classes`, whatever the mode.

    Args:
        guide_id: Its name, that of its file.
        sha256: Digest of its content; comments and layout are no content.
        names: By language.
        source: Where it comes from, or that it is an example.
        facts: What it asks of an encounter, by name.
        indications: Where a model may advise.
        contraindications: Where it may not.
        finding: What is shown from the threshold on, by language.
        no_finding: What is shown below it.
        notice: What a patient is told, by language.
        fhir: Where a record system has the facts; `None` where the guide does not say.
    """

    guide_id: str
    sha256: str
    names: Mapping[str, str]
    source: str
    facts: Mapping[str, GuideFact]
    indications: Predicate
    contraindications: tuple[Contraindication, ...]
    participation: str
    sign_off: frozenset[str]
    sign_off_classes: frozenset[str]
    finding: Mapping[str, str]
    no_finding: Mapping[str, str]
    notice: Mapping[str, str]
    override_reasons: tuple[str, ...]
    subgroups: tuple[str, ...]
    fhir: GuideFhirMapping | None = None

    def check_predicate_over_guide_facts(self, predicate: Predicate, where: str) -> None:
        """Refuse a predicate over what the guide does not declare.

        Raises:
            RulesError: A fact is unknown, a value not one that it may have, or a comparison
                can never or always hold.
        """
        for leaf in rule_predicate_leaves(predicate):
            fact = self.facts.get(leaf.fact)
            if fact is None:
                wanted = Message("one of {values}", {"values": ", ".join(self.facts)})
                raise RulesError(where, found=repr(leaf.fact), wanted=wanted)
            _check_predicate_leaf(leaf, fact, where)


def parse_department_guide(guide_id: str, text: str) -> DepartmentGuide:
    """Return the guide that a file spells.

    Raises:
        RulesError: It is not of the form; its place is named.
    """
    where = f"guide {guide_id}"
    try:
        file: Any = yaml.load(text, Loader=_OneKeyLoader)  # noqa: S506  a safe loader all the same
    except (yaml.YAMLError, ValueError, RecursionError):
        raise RulesError(where, wanted=Message("a file in YAML, every key once")) from None
    has_fhir = isinstance(file, dict) and _FHIR in cast("dict[Any, Any]", file)
    fields = _checked_clinic_guide_fields(file, _FIELDS | {_FHIR} if has_fhir else _FIELDS, where)
    declared = _checked_clinic_guide_fields(fields["facts"], None, f"{where}, facts")
    if not declared:
        raise RulesError(f"{where}, facts", wanted=Message("at least one fact"))
    wording = _checked_clinic_guide_fields(fields["wording"], _WORDING, f"{where}, wording")
    guide = DepartmentGuide(
        guide_id=guide_id,
        sha256=_clinic_guide_sha256(fields, where),
        names=_clinic_guide_text_by_language(fields["name"], f"{where}, name"),
        source=checked_clinic_guide_text(fields["source"], f"{where}, source"),
        facts={
            name: parse_guide_fact(name, entry, f"{where}, facts")
            for name, entry in declared.items()
        },
        indications=parse_guide_predicate(fields["indications"], f"{where}, indications"),
        contraindications=tuple(
            _parse_contraindication(entry, f"{where}, contraindications")
            for entry in _checked_clinic_guide_list(
                fields["contraindications"], f"{where}, contraindications"
            )
        ),
        participation=checked_clinic_guide_text(fields["participation"], f"{where}, participation"),
        sign_off=frozenset(_checked_clinic_guide_codes(fields["sign_off"], f"{where}, sign_off")),
        sign_off_classes=frozenset(
            _checked_clinic_guide_codes(fields["sign_off_classes"], f"{where}, sign_off_classes")
        ),
        finding=_advice_sentence_template_by_language(
            wording["finding"], f"{where}, wording.finding"
        ),
        no_finding=_advice_sentence_template_by_language(
            wording["no_finding"], f"{where}, wording.no_finding"
        ),
        notice=_clinic_guide_text_by_language(fields["notice"], f"{where}, notice"),
        override_reasons=_checked_clinic_guide_codes(
            fields["override_reasons"], f"{where}, override_reasons"
        ),
        subgroups=_checked_clinic_guide_codes(fields["subgroups"], f"{where}, subgroups"),
    )
    if has_fhir:
        mapping = parse_guide_fhir_mapping(fields[_FHIR], guide.facts, f"{where}, {_FHIR}")
        guide = replace(guide, fhir=mapping)
    guide.check_predicate_over_guide_facts(guide.indications, f"{where}, indications")
    for each in guide.contraindications:
        guide.check_predicate_over_guide_facts(
            each.when, f"{where}, contraindications, {each.name}"
        )
    names = [each.name for each in guide.contraindications]
    if len(set(names)) < len(names):
        raise RulesError(f"{where}, contraindications", wanted=Message("each id once"))
    return guide


def parse_guide_predicate(sentence: Any, where: str) -> Predicate:
    """Return the predicate that a guide or a product spells, if a person could follow it.

    Raises:
        RulesError: It is none, or nests deeper than anybody reads.
    """
    layer: list[Any] = [sentence]
    # Layer by layer and not by recursion, which a record that came by another way could exhaust.
    for _ in range(_DEEPEST):
        inner = [each for node in layer if isinstance(node, dict)
                 for each in cast("dict[Any, Any]", node).values()]  # fmt: skip
        inner += [each for node in layer if isinstance(node, list)
                  for each in cast("list[Any]", node)]  # fmt: skip
        if not inner:
            return parse_rule_predicate(sentence, where)
        layer = inner
    wanted = Message("all, any and not, at most {count} deep", {"count": str(_DEEPEST // 2)})
    raise RulesError(where, wanted=wanted)


class _OneKeyLoader(yaml.SafeLoader):
    """YAML whose keys stand once: the second of two would replace the first in silence.

    It has no aliases, with which a file of a kilobyte can spell a list of millions.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):  # pyright: ignore[reportUnknownMemberType]
            raise yaml.YAMLError
        return super().compose_node(parent, index)  # pyright: ignore[reportUnknownMemberType]

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys: list[str] = [
            repr(self.construct_object(key, deep=True))  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType]
            for key, _ in node.value
        ]
        if len(set(keys)) < len(keys):
            raise yaml.YAMLError
        return super().construct_mapping(node, deep=deep)


def _clinic_guide_sha256(fields: Mapping[str, Any], where: str) -> str:
    try:
        text = json.dumps(fields, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        # A date, a set or a number that is none: nothing of it has a place in a guide.
        raise RulesError(where, wanted=Message("texts, numbers and lists only")) from None
    return hashlib.sha256(text.encode()).hexdigest()


def _checked_clinic_guide_fields(
    entry: Any, wanted: frozenset[str] | None, where: str
) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise RulesError(where, wanted=Message("named values"))
    fields = cast("dict[Any, Any]", entry)
    # Neither more nor fewer: a misspelt `contraindications` would bound nothing, in silence.
    for field in sorted(map(str, set(fields) ^ wanted)) if wanted is not None else ():
        expected = Message("the fields {values}", {"values": ", ".join(sorted(wanted or ()))})
        raise RulesError(f"{where}, {field}", wanted=expected)
    return cast("dict[str, Any]", fields)


def _checked_clinic_guide_list(entry: Any, where: str) -> list[Any]:
    if not isinstance(entry, list):
        raise RulesError(where, wanted=Message("a list"))
    return cast("list[Any]", entry)


def _checked_clinic_guide_codes(entry: Any, where: str) -> tuple[str, ...]:
    codes = _checked_clinic_guide_list(entry, where)
    for code in codes:
        if not isinstance(code, str) or not _CODE.fullmatch(code):
            raise RulesError(where, found=repr(code), wanted=Message("a code"))
    return tuple(codes)


def _clinic_guide_text_by_language(entry: Any, where: str) -> dict[str, str]:
    fields = _checked_clinic_guide_fields(entry, frozenset(LANGUAGES), where)
    return {language: checked_clinic_guide_text(fields[language], f"{where}, {language}")
            for language in LANGUAGES}  # fmt: skip


def _advice_sentence_template_by_language(entry: Any, where: str) -> dict[str, str]:
    """Return what is shown with a score, in which score and threshold are gaps."""
    words = _clinic_guide_text_by_language(entry, where)
    for language, text in words.items():
        try:
            parts = list(Formatter().parse(text))
        except ValueError:
            parts = [("", "?", "", None)]
        gaps = {name for _, name, _, _ in parts if name is not None}
        plain = all(not form and turn is None for _, _, form, turn in parts)
        if "score" not in gaps or gaps - _GAPS or not plain:
            wanted = Message("a sentence with {gap}", {"gap": "{score}, {threshold}"})
            raise RulesError(f"{where}, {language}", found=repr(text), wanted=wanted)
        if len(text.format(score="0.1234", threshold="0.1234")) > LONGEST_ADVICE:
            gaps_of = {"count": str(LONGEST_ADVICE)}
            wanted = Message("a text of at most {count} letters", gaps_of)
            raise RulesError(f"{where}, {language}", wanted=wanted)
    return words


def _parse_contraindication(entry: Any, where: str) -> Contraindication:
    fields = _checked_clinic_guide_fields(entry, frozenset({"id", "when", *LANGUAGES}), where)
    [name] = _checked_clinic_guide_codes([fields["id"]], where)
    where = f"{where}, {name}"
    words = {language: checked_clinic_guide_text(fields[language], where) for language in LANGUAGES}
    return Contraindication(
        name=name, when=parse_guide_predicate(fields["when"], where), words=words
    )


def _check_predicate_leaf(leaf: OneOf | Comparator, fact: GuideFact, where: str) -> None:
    number = fact.kind is GuideFactKind.NUMBER
    if isinstance(leaf, Comparator):
        if not number:
            raise RulesError(
                where, found=repr(leaf.fact), wanted=Message("<, <=, > and >= on numbers only")
            )
        # A limit beyond the range never holds, or always does: somebody meant another number.
        if not fact.low <= leaf.limit <= fact.high:
            raise RulesError(where, found=f"{leaf.limit:g}", wanted=fact.wanted())
        return
    if number:
        # "age_years = 18" would compare texts, and 18.0 is another one.
        wanted = Message("<, <=, > or >= on a number")
        raise RulesError(where, found=repr(leaf.fact), wanted=wanted)
    for word in leaf.values:
        if word not in fact.words:
            raise RulesError(where, found=repr(word), wanted=fact.wanted())
