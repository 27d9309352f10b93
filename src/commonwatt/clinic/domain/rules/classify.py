"""Class, route and duties of one product in one place on one day, with reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from commonwatt.clinic.domain.rules.book import (
    ROUTES,
    ClassificationScheme,
    RegulatoryRule,
    RegulatoryRuleBook,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemeClass:
    """The class under one scheme.

    `reasons` name the rules that give it; `against` those that give another class.
    """

    scheme: str
    klass: str
    reasons: tuple[str, ...]
    against: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductRuling:
    """What the rules of a place say; `gaps` name the schemes that apply and give no class."""

    jurisdiction: str
    on: date
    facts: Mapping[str, str]
    verdicts: tuple[SchemeClass, ...]
    gaps: tuple[str, ...]
    route: str
    route_reasons: tuple[str, ...]
    obligations: Mapping[str, tuple[str, ...]]
    clocks: Mapping[str, float]
    unconfirmed: tuple[str, ...]
    digest: str
    rules: tuple[RegulatoryRule, ...] = field(default=(), repr=False)


def classify_product(
    rule_book: RegulatoryRuleBook, given_facts: Mapping[str, str], *, jurisdiction: str, on: date
) -> ProductRuling:
    """Return what the rules of `jurisdiction` say of these facts on that day.

    The strictest class wins where the scheme says so, as MDR Annex VIII 3.5 does;
    elsewhere a contradiction leaves the strictest standing, too, and is named in
    `against`. The route that asks most (prohibited, approval, filing) wins over
    an exemption only if no rule exempts by name of the same class.

    Raises:
        RulesError: A fact is missing or unknown.
    """
    facts = rule_book.complete_product_facts(given_facts)
    rules = tuple(
        rule for rule in rule_book.rules_in_force(jurisdiction, on) if rule.when.holds(facts)
    )
    by_scheme = [
        _scheme_class_by_rules(s, rules)
        for s in rule_book.schemes[jurisdiction]
        if s.scope.holds(facts)
    ]
    verdicts = tuple(verdict for verdict in by_scheme if verdict.klass)
    route, reasons = product_route_and_rules(rules, verdicts)
    return ProductRuling(
        jurisdiction=jurisdiction,
        on=on,
        facts=facts,
        verdicts=verdicts,
        gaps=tuple(verdict.scheme for verdict in by_scheme if not verdict.klass),
        route=route,
        route_reasons=reasons,
        obligations=_rules_by_obligation(rules),
        clocks={r.clock.event: r.clock.days for r in rules if r.clock},
        unconfirmed=tuple(r.rule_id for r in rules if r.source.checked == "unconfirmed"),
        digest=rule_book.digest,
        rules=rules,
    )


def _scheme_class_by_rules(
    scheme: ClassificationScheme, rules: tuple[RegulatoryRule, ...]
) -> SchemeClass:
    voting = [rule for rule in rules if rule.scheme == scheme.name and rule.klass]
    # A fallback is what a law says "otherwise"; it votes only where no firm rule does.
    firm = [rule for rule in voting if not rule.fallback] or voting
    # MDR Annex VIII 3.5 and its kin: where several rules apply, the strictest one does.
    klass = max((rule.klass for rule in firm), key=scheme.classes.index, default="")
    return SchemeClass(
        scheme=scheme.name,
        klass=klass,
        reasons=tuple(rule.rule_id for rule in firm if rule.klass == klass),
        against=tuple(rule.rule_id for rule in firm if rule.klass != klass),
    )


def product_route_and_rules(
    rules: tuple[RegulatoryRule, ...], verdicts: tuple[SchemeClass, ...]
) -> tuple[str, tuple[str, ...]]:
    """Return the route and the rules that give it; empty where no rule gives one.

    A rule that gave the class that lost has no say in the route either.
    """
    # Otherwise a rule for class I, outvoted by class II, would still exempt the product from
    # approval.
    lost = {name for verdict in verdicts for name in verdict.against}
    routing = [rule for rule in rules if rule.route and rule.rule_id not in lost]
    order = ("prohibited", "approval", "filing", "exempt")
    exempt = [rule for rule in routing if rule.route == "exempt"]
    decided = {name for verdict in verdicts for name in verdict.reasons}
    by_class = [rule for rule in exempt if rule.rule_id in decided]
    # An exemption counts only from a rule that also decided the class; a general one must not beat
    # an approval that the class calls for.
    route = "exempt" if by_class else min((r.route for r in routing), key=order.index, default="")
    assert route in (*ROUTES, "")
    return route, tuple(rule.rule_id for rule in routing if rule.route == route)


def _rules_by_obligation(rules: tuple[RegulatoryRule, ...]) -> dict[str, tuple[str, ...]]:
    rules_of_duty: dict[str, list[str]] = {}
    for rule in rules:
        for duty in rule.obligations:
            rules_of_duty.setdefault(duty, []).append(rule.rule_id)
    return {duty: tuple(names) for duty, names in sorted(rules_of_duty.items())}
