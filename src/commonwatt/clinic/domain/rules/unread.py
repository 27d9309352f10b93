"""Facts that are stated and that no rule of a place reads: named with the reason, never dropped.

A ruling answers for the facts that its rules read. What somebody stated beside them had no say,
and whoever relies on the class must see that: the file of a place declares on which facts its
law does not turn and why, and what it does not declare is named all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from commonwatt.clinic.domain.rules.facts import ProductFact
from commonwatt.clinic.domain.rules.files import RuleFileSection
from commonwatt.clinic.domain.rules.predicate import Comparator, OneOf, Predicate
from commonwatt.clinic.domain.rules.predicate import rule_predicate_leaves as leaves_of
from commonwatt.core.messages import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadFacts:
    """Facts on which the law of a place does not turn.

    Args:
        names: A fact, or `fact=value` for one value of it.
        article: Of the law that says on what a class turns instead.
        text: Why no rule reads them.
        label_zh: The same in Traditional Chinese.
    """

    names: tuple[str, ...]
    article: str
    text: str
    label_zh: str

    def covers_unread_fact_value(self, name: str, value: str) -> bool:
        """Return whether the declaration covers a fact with that value."""
        return name in self.names or f"{name}={value}" in self.names


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadFact:
    """A fact that was stated and had no say; `declared` is None where the file gives no reason."""

    name: str
    value: str
    declared: UnreadFacts | None


def parse_unread_facts(
    file: RuleFileSection, declared: Mapping[str, ProductFact]
) -> tuple[UnreadFacts, ...]:
    """Return what a rule file declares of facts that its rules do not read.

    Raises:
        RulesError: One is no fact of the place, or no value of it.
    """
    if "unread" not in file.entries:
        return ()
    return tuple(
        _parse_unread_declaration(section, declared) for section in file.listed_sections("unread")
    )


def _parse_unread_declaration(
    section: RuleFileSection, declared: Mapping[str, ProductFact]
) -> UnreadFacts:
    section.check_keys(("facts", "article", "text", "zh"))
    names = section.texts("facts")
    for each in names:
        name, _, value = each.partition("=")
        if name not in declared or (value and value not in declared[name].values):
            wanted = Message("a fact that rules speak of")
            raise section.fault("facts", found=repr(each), wanted=wanted)
    return UnreadFacts(
        names=names,
        article=section.text("article"),
        text=section.text("text"),
        label_zh=section.text("zh", ""),
    )


def is_fact_value_read_by_predicates(
    fact: ProductFact, value: str, predicates: Iterable[Predicate]
) -> bool:
    """Return whether some predicate tells a value of a fact from what it has where none is stated.

    An axis has no default: it is read where any predicate speaks of it.

    Args:
        fact: The fact.
        value: What was stated.
        predicates: Of the rules and schemes of a place.
    """
    leaves = (leaf for each in predicates for leaf in leaves_of(each) if leaf.fact == fact.name)
    return any(
        not fact.default or _leaf_tells_value_from_default(leaf, value, fact.default)
        for leaf in leaves
    )


def _leaf_tells_value_from_default(leaf: OneOf | Comparator, value: str, default: str) -> bool:
    return leaf.holds({leaf.fact: value}) != leaf.holds({leaf.fact: default})


def unread_stated_facts(
    facts: Iterable[ProductFact],
    stated: Mapping[str, str],
    *,
    place: str,
    predicates: Iterable[Predicate],
    declarations: Iterable[UnreadFacts],
) -> tuple[UnreadFact, ...]:
    """Return the facts that were stated and that no rule of a place reads.

    Args:
        facts: Those with a default; an axis is stated by everybody and means nothing by itself.
        stated: Facts as they were stated.
        place: Whose rules; a fact of another place's law is none of theirs.
        predicates: Of its rules and schemes.
        declarations: What its file says of facts that it does not read.
    """
    of_rules, declared = tuple(predicates), tuple(declarations)
    return tuple(
        UnreadFact(
            name=fact.name,
            value=stated[fact.name],
            declared=next(
                (
                    each
                    for each in declared
                    if each.covers_unread_fact_value(fact.name, stated[fact.name])
                ),
                None,
            ),
        )
        for fact in facts
        if stated.get(fact.name, fact.default) != fact.default
        and fact.law_of in ("", place)
        and not is_fact_value_read_by_predicates(fact, stated[fact.name], of_rules)
    )
