"""The case that a rule carries: facts under which it decides, and one fact that flips it.

Whoever writes a rule writes down what turns on it; a rule that decides nothing in its own case
is not the rule that was meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from commonwatt.clinic.domain.rules.book import RegulatoryRuleBook
from commonwatt.clinic.domain.rules.classify import ProductRuling, classify_product
from commonwatt.clinic.domain.rules.rule import RegulatoryRule


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEffect:
    """Whether a rule has its say in a ruling, and what the ruling says there."""

    decides: bool
    outcome: Any


def rule_never_decides(rule: RegulatoryRule) -> bool:
    """Return whether a rule is a proposal, or was replaced before its day came."""
    replaced = rule.valid_to is not None and rule.valid_to <= rule.valid_from
    return rule.status == "proposed" or replaced


def rule_effect(rule: RegulatoryRule, ruling: ProductRuling) -> RuleEffect:
    """Return what a rule does in a ruling: by its class, else its route, duty or period."""
    if rule.gap:
        reasons = ruling.gap_reasons.get(rule.scheme, ())
        return RuleEffect(decides=rule.rule_id in reasons, outcome=rule.scheme in ruling.gaps)
    if rule.klass:
        verdict = next((v for v in ruling.verdicts if v.scheme == rule.scheme), None)
        reasons = verdict.reasons if verdict else ()
        return RuleEffect(decides=rule.rule_id in reasons, outcome=verdict and verdict.klass)
    if rule.route:
        return RuleEffect(
            decides=rule.rule_id in ruling.route_reasons, outcome=ruling.route or None
        )
    if rule.obligations:
        duty = rule.obligations[0]
        rules = ruling.obligations.get(duty, ())
        return RuleEffect(decides=rule.rule_id in rules, outcome=bool(rules))
    clock = rule.clock
    period = next((p for p in ruling.periods if clock and p.event == clock.event), None)
    return RuleEffect(
        decides=period is not None and period.rule == rule.rule_id,
        outcome=period and (period.days, period.working, period.reporter),
    )


def outcome_turns_on_rule_case(rule_book: RegulatoryRuleBook, rule: RegulatoryRule) -> bool:
    """Return whether the outcome turns on the rule and on the one fact of its case.

    A proposal is asked as if it were law, because its effect is what it is in the book for.

    Raises:
        RulesError: The case leaves out an axis.
    """
    case = rule.case
    if case is None or len(case.flip) != 1:
        return False
    book = rule_book
    if rule_never_decides(rule):
        if _effect_of_case(rule_book, rule, case.facts, case.on).decides:
            return False
        book = book.with_rule_changed(replace(rule, status="in force", valid_to=None))
    stated = _effect_of_case(book, rule, case.facts, case.on)
    flipped = _effect_of_case(book, rule, {**case.facts, **case.flip}, case.on)
    return stated.decides and not flipped.decides and stated.outcome != flipped.outcome


def _effect_of_case(
    rule_book: RegulatoryRuleBook, rule: RegulatoryRule, facts: Mapping[str, str], on: date
) -> RuleEffect:
    ruling = classify_product(rule_book, facts, jurisdiction=rule.jurisdiction, on=on)
    return rule_effect(rule, ruling)
