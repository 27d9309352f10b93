"""The rule book: every rule with its source, and the facts that rules speak of.

A rule says what it rests on: `primary` (the text itself), `secondary` (a page
that reports it) or `unconfirmed` (named from general knowledge, to be looked
up before anybody relies on it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Final, cast

import yaml

from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.rules.digest import rule_set_sha256
from commonwatt.clinic.domain.rules.predicate import (
    Comparator,
    OneOf,
    Predicate,
    parse_rule_predicate,
    rule_predicate_leaves,
)
from commonwatt.clinic.domain.rules.rule import RegulatoryRule, ReportingDeadline, RuleSource
from commonwatt.core.messages import Message
from commonwatt.core.shipped import DATA

FOLDER: Final = DATA / "clinic" / "rules"
JURISDICTIONS: Final = ("hk", "imdrf", "eu", "us", "cn", "uk", "sg")
INSTITUTION: Final = "house"  # institution rules: not law, and never silent
RULE_PLACES: Final = (*JURISDICTIONS, INSTITUTION)
STATUSES: Final = ("in force", "adopted", "proposed")
CHECKED: Final = ("primary", "secondary", "unconfirmed")
ROUTES: Final = ("approval", "filing", "exempt", "prohibited")
RECORDED_ON: Final = date(2026, 11, 23)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationScheme:
    """An order of classes, the least strict first, and to what it applies."""

    name: str
    classes: tuple[str, ...]
    conflict: str
    scope: Predicate


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFact:
    """A fact, its values and what it means; an axis has no default."""

    name: str
    values: tuple[str, ...]
    default: str
    meaning: str


# No slots: the digest is cached on the object, because every ruling cites it and spelling every
# rule takes longer than to classify.
@dataclass(frozen=True, kw_only=True)
class RegulatoryRuleBook:
    """Every rule, scheme and fact."""

    rules: tuple[RegulatoryRule, ...]
    schemes: Mapping[str, tuple[ClassificationScheme, ...]]
    axes: tuple[ProductFact, ...]
    other_facts: tuple[ProductFact, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the rules, the name by which a ruling cites them."""
        return rule_set_sha256(self.rules)

    def rule(self, rule_id: str) -> RegulatoryRule:
        """Return one rule.

        Raises:
            RulesError: There is none of that name.
        """
        for rule in self.rules:
            if rule.rule_id == rule_id:
                return rule
        raise RulesError(rule_id, wanted=Message("the name of a rule in the book"))

    def rules_in_force(self, jurisdiction: str, on: date) -> list[RegulatoryRule]:
        """Return the rules of a place that hold on a day."""
        return [r for r in self.rules if r.jurisdiction == jurisdiction and r.in_force(on)]

    def with_rule_date_moved(self, rule_id: str, valid_from: date) -> RegulatoryRuleBook:
        """Return the book with the date of one rule moved."""
        moved = replace(self.rule(rule_id), valid_from=valid_from)
        rules = tuple(moved if r.rule_id == rule_id else r for r in self.rules)
        return replace(self, rules=rules)

    def complete_product_facts(self, facts: Mapping[str, str]) -> dict[str, str]:
        """Return every fact, with defaults for those that are not axes.

        Raises:
            RulesError: An axis is missing, or a fact or value is unknown.
        """
        completed = {fact.name: fact.default for fact in self.other_facts} | dict(facts)
        declared = {fact.name: fact for fact in (*self.axes, *self.other_facts)}
        for name in (*declared, *facts):
            _check_product_fact(name, completed.get(name), declared.get(name))
        return completed


def _check_product_fact(name: str, value: str | None, fact: ProductFact | None) -> None:
    # Raise rather than ignore: a fact under a misspelt name would leave the real one at its
    # default, and the product in another class.
    if fact is None:
        raise RulesError(f"fact {name}", wanted=Message("a fact that rules speak of"))
    if value not in fact.values:
        raise RulesError(
            f"fact {name}",
            found=repr(value),
            wanted=Message("one of {values}", {"values": ", ".join(fact.values)}),
        )


def load_rule_book(folder: Path = FOLDER) -> RegulatoryRuleBook:
    """Return the rule book in a folder.

    Raises:
        RulesError: A file is missing or a rule in it is not of the form.

    >>> book = load_rule_book()
    >>> len(book.rules) >= 120, len({rule.jurisdiction for rule in book.rules})
    (True, 8)
    """
    facts = _load_rule_yaml(folder / "facts.yaml")
    axes = tuple(_parse_product_fact(name, entry) for name, entry in facts["axes"].items())
    others = tuple(_parse_product_fact(name, entry) for name, entry in facts["others"].items())
    files = {name: _load_rule_yaml(folder / f"{name}.yaml") for name in RULE_PLACES}
    rules = tuple(
        rule for name, file in files.items() for rule in _parse_regulatory_rules(name, file)
    )
    schemes = {name: _parse_classification_schemes(name, file) for name, file in files.items()}
    book = RegulatoryRuleBook(rules=rules, schemes=schemes, axes=axes, other_facts=others)
    _check_rule_book(book)
    return book


def _load_rule_yaml(path: Path) -> dict[str, Any]:
    try:
        loaded: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506
    except (OSError, yaml.YAMLError) as error:
        raise RulesError(str(path), found=type(error).__name__) from None
    return cast("dict[str, Any]", loaded)


# The C loader reads the same subset (no objects) ten times as fast.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _parse_product_fact(name: str, entry: Mapping[str, Any]) -> ProductFact:
    values = tuple(str(value) for value in entry["values"])
    default = str(entry.get("default", ""))
    return ProductFact(name=name, values=values, default=default, meaning=entry["meaning"])


def _parse_classification_schemes(
    jurisdiction: str, rule_file: Mapping[str, Any]
) -> tuple[ClassificationScheme, ...]:
    return tuple(
        ClassificationScheme(
            name=scheme,
            classes=tuple(entry["classes"]),
            conflict=entry["conflict"],
            scope=parse_rule_predicate(entry["scope"], f"{jurisdiction}.yaml, {scheme}"),
        )
        for scheme, entry in rule_file["schemes"].items()
    )


def _parse_regulatory_rules(
    jurisdiction: str, rule_file: Mapping[str, Any]
) -> list[RegulatoryRule]:
    sources = {key: _parse_rule_source(key, entry) for key, entry in rule_file["sources"].items()}
    return [
        _parse_regulatory_rule(jurisdiction, rule_file["defaults"] | entry, sources)
        for entry in rule_file["rules"]
    ]


def _parse_rule_source(key: str, entry: Mapping[str, Any]) -> RuleSource:
    # What a rule rests on is shown beside every ruling, so a spelling of its own would hide a rule
    # that nobody confirmed.
    if entry["checked"] not in CHECKED:
        raise RulesError(f"source {key}", found=repr(entry["checked"]))
    return RuleSource(
        title=entry["title"],
        dated=entry["date"],
        checked=entry["checked"],
        against=entry["against"],
    )


def _parse_regulatory_rule(
    jurisdiction: str, entry: Mapping[str, Any], sources: Mapping[str, RuleSource]
) -> RegulatoryRule:
    where = f"{jurisdiction}.yaml, {entry.get('id', '?')}"
    try:
        return RegulatoryRule(
            rule_id=entry["id"],
            jurisdiction=jurisdiction,
            text=entry["text"],
            source=sources[entry["source"]],
            article=entry["article"],
            status=entry["status"],
            binding=entry["binding"],
            valid_from=entry["from"],
            valid_to=entry.get("to"),
            # When the rule came into the book, which is not when it came into force: a court asks
            # what could have been known on a day.
            recorded_on=entry.get("recorded_on", RECORDED_ON),
            when=parse_rule_predicate(entry["when"], where),
            scheme=entry.get("scheme", ""),
            klass=entry.get("class", ""),
            fallback=entry.get("fallback", False),
            route=entry.get("route", ""),
            obligations=tuple(entry.get("obligations", ())),
            clock=_parse_reporting_deadline(entry.get("clock")),
            supersedes=entry.get("supersedes", ""),
        )
    except KeyError as missing:
        raise RulesError(where, wanted=Message("the part {name}", {"name": str(missing)})) from None


def _parse_reporting_deadline(entry: Mapping[str, Any] | None) -> ReportingDeadline | None:
    if entry is None:
        return None
    return ReportingDeadline(
        event=entry["event"], days=entry["days"], working=entry.get("working", False)
    )


def _check_rule_book(book: RegulatoryRuleBook) -> None:
    names = [rule.rule_id for rule in book.rules]
    if len(set(names)) != len(names):
        raise RulesError("rules", found=Message("two rules of one name"))
    declared = {fact.name: fact for fact in (*book.axes, *book.other_facts)}
    for rule in book.rules:
        _check_regulatory_rule(rule, book, names)
        # Checked when the book is read: a predicate over an unknown fact would raise in the middle
        # of one classification and never in the others.
        for leaf in rule_predicate_leaves(rule.when):
            _check_rule_predicate_leaf(rule.rule_id, leaf, declared)


def _check_regulatory_rule(
    rule: RegulatoryRule, book: RegulatoryRuleBook, names: Sequence[str]
) -> None:
    classes = {scheme.name: scheme.classes for scheme in book.schemes[rule.jurisdiction]}
    faults = {
        "class": bool(rule.klass) and rule.klass not in classes.get(rule.scheme, ()),
        "route": bool(rule.route) and rule.route not in ROUTES,
        "status": rule.status not in STATUSES,
        "supersedes": bool(rule.supersedes) and rule.supersedes not in names,
    }
    for part, wrong in faults.items():
        if wrong:
            raise RulesError(f"{rule.rule_id}, {part}", wanted=Message("a name that is declared"))


def _check_rule_predicate_leaf(
    where: str, leaf: OneOf | Comparator, declared: Mapping[str, ProductFact]
) -> None:
    if leaf.fact not in declared:
        raise RulesError(f"{where}, {leaf.fact}", wanted=Message("a fact that rules speak of"))
    if isinstance(leaf, OneOf) and not set(leaf.values) <= set(declared[leaf.fact].values):
        raise RulesError(
            f"{where}, {leaf.fact}",
            found=", ".join(leaf.values),
            wanted=Message("values of the fact"),
        )
