"""One rule file into its place, schemes, facts and rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from commonwatt.clinic.domain.rules.facts import ProductFact, parse_product_facts
from commonwatt.clinic.domain.rules.files import RuleFileSection, read_rule_file
from commonwatt.clinic.domain.rules.predicate import (
    Comparator,
    OneOf,
    Predicate,
    rule_predicate_leaves,
)
from commonwatt.clinic.domain.rules.rule import (
    MANUFACTURER,
    OUTSIDE,
    RegulatoryRule,
    ReportingDeadline,
    RuleCase,
    RuleSource,
)
from commonwatt.clinic.domain.rules.unread import UnreadFacts, parse_unread_facts
from commonwatt.core.messages import Message

STATUSES: Final = ("in force", "adopted", "proposed")
CHECKED: Final = ("primary", "secondary", "unconfirmed")
ROUTES: Final = ("approval", "filing", "exempt", "prohibited")
KINDS: Final = ("law", "guidance", "institution")
RECORDED_ON: Final = date(2026, 11, 23)
CASE_DAY: Final = date(2028, 12, 1)  # on which every rule of the shipped books holds or has ended

_FILE_KEYS: Final = (
    "jurisdiction", "name", "zh", "kind", "replaces", "schemes", "facts", "sources", "base",
    "defaults", "unread", "rules",
)  # fmt: skip
_RULE_KEYS: Final = (
    "id", "source", "article", "text", "zh", "quote", "status", "binding", "from", "to",
    "recorded_on", "when", "given", "scheme", "class", "fallback", "route", "special", "gap",
    "obligations", "clock", "reports", "supersedes", "case",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationScheme:
    """An order of classes, the least strict first, and to what it applies."""

    name: str
    classes: tuple[str, ...]
    conflict: str
    scope: Predicate


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePlace:
    """Whose rules a file holds.

    Args:
        place: What the place is called on the command line: the name of its file.
        name: In English.
        name_zh: In Traditional Chinese; empty where the author gave none.
        kind: Law, guidance of a forum, or an institution's own rules.
        path: The file.
        replaces: Whether it takes the place of a file of the same name from another folder.
        schemes: Its orders of classes, in the order in which they are decided.
        facts: Facts that only this place speaks of.
        rules: Its rules.
        unread: Facts on which its law does not turn, with the reason.
    """

    place: str
    name: str
    name_zh: str
    kind: str
    path: Path
    replaces: bool
    schemes: tuple[ClassificationScheme, ...]
    facts: tuple[ProductFact, ...]
    rules: tuple[RegulatoryRule, ...]
    unread: tuple[UnreadFacts, ...] = ()


def load_rule_place(path: Path, shared_facts: Mapping[str, ProductFact]) -> RulePlace:
    """Return the place of which a file is the rule book.

    Args:
        path: The file; its name, without the ending, is the name of the place.
        shared_facts: Facts that every place speaks of.

    Raises:
        RulesError: The file cannot be read, or something in it is not of the form; file and
            line are named.
    """
    file = read_rule_file(path)
    file.check_keys(_FILE_KEYS)
    place = file.text("jurisdiction", path.stem)
    if place != path.stem:
        raise file.fault("jurisdiction", found=repr(place), wanted=repr(path.stem))
    facts = parse_product_facts(file.optional_section("facts"), axes=False)
    for fact in facts:
        if fact.name in shared_facts:
            raise file.fault("facts", fact.name, found=Message("a fact of every place"))
    declared = {**shared_facts, **{fact.name: fact for fact in facts}}
    schemes = _parse_classification_schemes(file, declared)
    return RulePlace(
        place=place,
        name=file.text("name", place),
        name_zh=file.text("zh", ""),
        kind=file.word("kind", KINDS, "law"),
        path=path,
        replaces=file.flag("replaces", default=False),
        schemes=schemes,
        facts=tuple(facts),
        rules=_parse_regulatory_rules(file, place, schemes, declared),
        unread=parse_unread_facts(file, declared),
    )


def _parse_classification_schemes(
    file: RuleFileSection, declared: Mapping[str, ProductFact]
) -> tuple[ClassificationScheme, ...]:
    schemes: list[ClassificationScheme] = []
    for name, section in file.sections("schemes").items():
        section.check_keys(("classes", "conflict", "scope"))
        scope = section.predicate("scope")
        _check_rule_predicate_facts(section, "scope", scope, declared)
        schemes.append(
            ClassificationScheme(
                name=name,
                classes=section.texts("classes"),
                conflict=section.word("conflict", ("strictest", "none"), "strictest"),
                scope=scope,
            )
        )
    return tuple(schemes)


def _parse_regulatory_rules(
    file: RuleFileSection,
    place: str,
    schemes: tuple[ClassificationScheme, ...],
    declared: Mapping[str, ProductFact],
) -> tuple[RegulatoryRule, ...]:
    sources = {name: _parse_rule_source(each) for name, each in file.sections("sources").items()}
    defaults = file.optional_section("defaults")
    base = file.optional_section("base")
    base_facts = base.fact_value_by_name() if base else {}
    if base:
        _check_rule_case_facts(base, base_facts, declared)
    rules: list[RegulatoryRule] = []
    for section in file.listed_sections("rules"):
        section.check_keys(_RULE_KEYS)
        entry = section.with_defaults(_defaults_of_rule(section, defaults))
        rule = _parse_regulatory_rule(entry, place, sources, base_facts)
        _check_regulatory_rule(entry, rule, schemes, declared)
        rules.append(rule)
    _check_rule_names_and_superseded_names(file, rules)
    return tuple(rules)


def _defaults_of_rule(section: RuleFileSection, defaults: RuleFileSection | None) -> dict[str, Any]:
    """Return what a rule takes from the defaults of its file.

    The classes under which duties hold are no default of a rule that gives a class, or says that
    there is none: it would ask for its own outcome.
    """
    entries = dict(defaults.entries) if defaults else {}
    if {"class", "gap"} & set(section.entries):
        entries.pop("given", None)
    return entries


def _parse_rule_source(section: RuleFileSection) -> RuleSource:
    # What a rule rests on is shown beside every ruling, so a spelling of its own would hide a rule
    # that nobody confirmed.
    section.check_keys(("title", "date", "checked", "against"))
    return RuleSource(
        title=section.text("title"),
        dated=section.day("date"),
        checked=section.word("checked", CHECKED),
        against=section.text("against"),
    )


def _parse_regulatory_rule(
    entry: RuleFileSection,
    place: str,
    sources: Mapping[str, RuleSource],
    base_facts: Mapping[str, str],
) -> RegulatoryRule:
    has = entry.entries
    return RegulatoryRule(
        rule_id=entry.text("id"),
        jurisdiction=place,
        text=entry.text("text"),
        source=sources[entry.word("source", tuple(sources))],
        article=entry.text("article"),
        status=entry.word("status", STATUSES),
        binding=entry.flag("binding"),
        valid_from=entry.day("from"),
        valid_to=entry.day("to") if has.get("to") is not None else None,
        # When the rule came into the book, which is not when it came into force: a court asks
        # what could have been known on a day.
        recorded_on=entry.day("recorded_on") if "recorded_on" in has else RECORDED_ON,
        when=entry.predicate("when"),
        scheme=entry.text("scheme", ""),
        klass=entry.text("class", ""),
        fallback=entry.flag("fallback", default=False),
        route=entry.word("route", ("", *ROUTES), ""),
        obligations=entry.texts("obligations", ()),
        clock=_parse_reporting_deadline(entry.optional_section("clock")),
        supersedes=entry.text("supersedes", ""),
        given=_parse_given_classes_by_scheme(entry.optional_section("given")),
        special=entry.flag("special", default=False),
        gap=entry.flag("gap", default=False),
        reports=entry.text("reports", ""),
        quote=entry.text("quote", ""),
        label_zh=entry.text("zh", ""),
        case=_parse_rule_case(entry.optional_section("case"), base_facts),
    )


def _parse_given_classes_by_scheme(section: RuleFileSection | None) -> dict[str, tuple[str, ...]]:
    if section is None:
        return {}
    return {scheme: section.texts(scheme) for scheme in section.entries}


def _parse_reporting_deadline(section: RuleFileSection | None) -> ReportingDeadline | None:
    if section is None:
        return None
    section.check_keys(("event", "days", "working", "by"))
    return ReportingDeadline(
        event=section.text("event"),
        days=section.number("days"),
        working=section.flag("working", default=False),
        reporter=section.text("by", MANUFACTURER),
    )


def _parse_rule_case(
    section: RuleFileSection | None, base_facts: Mapping[str, str]
) -> RuleCase | None:
    if section is None:
        return None
    section.check_keys(("with", "flip", "day"))
    own = section.optional_section("with")
    return RuleCase(
        facts={**base_facts, **(own.fact_value_by_name() if own else {})},
        flip=section.section("flip").fact_value_by_name(),
        on=section.day("day") if "day" in section.entries else CASE_DAY,
    )


def _check_regulatory_rule(
    entry: RuleFileSection,
    rule: RegulatoryRule,
    schemes: tuple[ClassificationScheme, ...],
    declared: Mapping[str, ProductFact],
) -> None:
    classes = {scheme.name: scheme.classes for scheme in schemes}
    order = [scheme.name for scheme in schemes]
    if rule.klass and rule.klass not in classes.get(rule.scheme, ()):
        wanted = Message("a name that is declared")
        raise entry.fault("class", found=repr(rule.klass), wanted=wanted)
    for scheme, allowed in rule.given.items():
        # A scheme is decided before those that stand after it, so that a class never hangs on
        # itself.
        later = bool(rule.klass) and scheme in order[order.index(rule.scheme) :]
        if scheme not in classes or later or not set(allowed) <= {*classes[scheme], OUTSIDE}:
            wanted = Message("classes of a scheme that is decided before")
            raise entry.fault("given", scheme, found=", ".join(allowed), wanted=wanted)
    if rule.gap and (rule.klass or rule.scheme not in classes):
        wanted = Message("a scheme that is declared, and no class")
        raise entry.fault("gap", found=repr(rule.klass or rule.scheme), wanted=wanted)
    reporter = declared.get("reporter")
    if rule.clock and reporter:
        _check_rule_word_is_allowed(entry, ("clock", "by"), rule.clock.reporter, reporter.values)
    if rule.reports and reporter:
        _check_rule_word_is_allowed(entry, ("reports",), rule.reports, reporter.values)
    # Checked when the file is read: a predicate over an unknown fact would raise in the middle of
    # one classification and never in the others.
    _check_rule_predicate_facts(entry, "when", rule.when, declared)
    if rule.case:
        _check_rule_case_facts(entry, {**rule.case.facts, **rule.case.flip}, declared)


def _check_rule_word_is_allowed(
    entry: RuleFileSection, keys: tuple[str, ...], word: str, allowed: tuple[str, ...]
) -> None:
    if word not in allowed:
        wanted = Message("one of {values}", {"values": ", ".join(allowed)})
        raise entry.fault(*keys, found=repr(word), wanted=wanted)


def _check_rule_case_facts(
    entry: RuleFileSection, facts: Mapping[str, str], declared: Mapping[str, ProductFact]
) -> None:
    for name, value in facts.items():
        fact = declared.get(name)
        if fact is None or (value not in fact.values and value not in fact.table):
            raise entry.fault(
                "case", found=f"{name} = {value}", wanted=Message("values of the fact")
            )


def _check_rule_predicate_facts(
    entry: RuleFileSection,
    key: str,
    predicate: Predicate,
    declared: Mapping[str, ProductFact],
) -> None:
    for leaf in rule_predicate_leaves(predicate):
        _check_predicate_leaf(entry, key, leaf, declared)


def _check_predicate_leaf(
    entry: RuleFileSection,
    key: str,
    leaf: OneOf | Comparator,
    declared: Mapping[str, ProductFact],
) -> None:
    fact = declared.get(leaf.fact)
    if fact is None:
        wanted = Message("a fact that rules speak of")
        raise entry.fault(key, found=repr(leaf.fact), wanted=wanted)
    if isinstance(leaf, Comparator):
        if not all(_is_number(value) for value in fact.values):
            raise entry.fault(key, found=repr(leaf.fact), wanted=Message("a fact of numbers"))
    elif not set(leaf.values) <= {*fact.values, *fact.table}:
        written = f"{leaf.fact}: {', '.join(leaf.values)}"
        raise entry.fault(key, found=written, wanted=Message("values of the fact"))


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)  # NaN stands in no order to anything
    except ValueError:
        return False


def _check_rule_names_and_superseded_names(
    file: RuleFileSection, rules: list[RegulatoryRule]
) -> None:
    names = [rule.rule_id for rule in rules]
    for number, rule in enumerate(rules):
        if rule.rule_id in names[:number]:
            raise file.fault("rules", number, "id", found=Message("two rules of one name"))
        if rule.supersedes and rule.supersedes not in names:
            raise file.fault(
                "rules", number, "supersedes",
                found=repr(rule.supersedes), wanted=Message("the name of a rule in the file"),
            )  # fmt: skip
