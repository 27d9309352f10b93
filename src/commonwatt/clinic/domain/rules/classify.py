"""Class, route and duties of one product in one place on one day, with reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from commonwatt.clinic.domain.rules.book import RegulatoryRuleBook
from commonwatt.clinic.domain.rules.facts import ProductFact
from commonwatt.clinic.domain.rules.parse import ROUTES, ClassificationScheme
from commonwatt.clinic.domain.rules.predicate import Predicate, rule_predicate_leaves
from commonwatt.clinic.domain.rules.rule import (
    GRAVEST_FIRST,
    OUTSIDE,
    UNDECIDED,
    RegulatoryRule,
)
from commonwatt.clinic.domain.rules.unread import UnreadFact, unread_stated_facts

_WEEK, _WORKING_WEEK = 7, 5  # days
REPORTER = "reporter"  # the fact that says who reports


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemeClass:
    """The class under one scheme.

    `reasons` name the rules that give it, or that say why there is none; `against` those that
    give another class.
    """

    scheme: str
    klass: str
    reasons: tuple[str, ...]
    against: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportingPeriod:
    """How soon an event must be reported, by whom and by which rule.

    Args:
        event: What happened.
        reporter: Whose duty it is.
        days: The period [days], of the calendar unless `working`.
        working: Whether only working days count.
        rule: The rule that says so.
        given: Classes under which it runs, by scheme; none where it runs under every class.
    """

    event: str
    reporter: str
    days: float
    working: bool
    rule: str
    given: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def runs_under_product_classes(self, class_of_scheme: Mapping[str, str]) -> bool:
        """Return whether the period runs for a product of these classes, by scheme.

        It runs for one whose class the book does not give: silence is no release from a duty.
        """
        return all(
            class_of_scheme.get(scheme, OUTSIDE) in (*allowed, UNDECIDED)
            for scheme, allowed in self.given.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductRuling:
    """What the rules of a place say; `gaps` name the schemes that apply and give no class.

    Args:
        gap_reasons: By scheme, the rules that say why there is no class.
        periods: One an event, for the reporter that the facts name.
        assumed: Facts that nobody stated and on which a rule of the place turns.
        unread: Facts that were stated and that no rule of the place reads.
        untimed: By reporter, the rules by which events must be reported and that give no period.
    """

    jurisdiction: str
    on: date
    facts: Mapping[str, str]
    verdicts: tuple[SchemeClass, ...]
    gaps: tuple[str, ...]
    route: str
    route_reasons: tuple[str, ...]
    obligations: Mapping[str, tuple[str, ...]]
    periods: tuple[ReportingPeriod, ...]
    assumed: tuple[str, ...]
    unconfirmed: tuple[str, ...]
    digest: str
    gap_reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    unread: tuple[UnreadFact, ...] = ()
    untimed: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    rules: tuple[RegulatoryRule, ...] = field(default=(), repr=False)


def classify_product(
    rule_book: RegulatoryRuleBook, given_facts: Mapping[str, str], *, jurisdiction: str, on: date
) -> ProductRuling:
    """Return what the rules of `jurisdiction` say of these facts on that day.

    The strictest class wins where the scheme says so, as MDR Annex VIII 3.5 does;
    elsewhere a contradiction leaves the strictest standing, too, and is named in
    `against`. Duties, route and periods hold under the classes that their rules ask for: what
    is no device has no duty of a device. The route that asks most (prohibited, approval,
    filing) wins over an exemption, except one by name, or by a rule that gave the class.

    Raises:
        RulesError: A fact is missing or unknown, or there is no such place.
    """
    place = rule_book.place(jurisdiction)
    completed = rule_book.complete_product_facts(given_facts)
    facts = completed.facts
    in_force = [rule for rule in place.rules if rule.in_force(on)]
    holding = [rule for rule in in_force if rule.when.holds(facts)]
    by_scheme = _classes_of_schemes(place.schemes, holding, facts)
    decided = {verdict.scheme: verdict.klass for verdict in by_scheme}
    given = tuple(rule for rule in holding if rule.given_classes_are_allowed(decided))
    rules = _without_rules_that_a_special_one_replaces(given)
    verdicts = tuple(verdict for verdict in by_scheme if verdict.klass)
    route, reasons = product_route_and_rule_ids(rules, verdicts)
    turning = _names_of_facts_rules_turn_on(place.schemes, in_force)
    return ProductRuling(
        jurisdiction=jurisdiction,
        on=on,
        facts=facts,
        verdicts=verdicts,
        gaps=tuple(verdict.scheme for verdict in by_scheme if not verdict.klass),
        route=route,
        route_reasons=reasons,
        obligations=_rule_ids_by_obligation(rules),
        periods=shortest_reporting_periods_of_rules(rules, facts.get(REPORTER)),
        assumed=tuple(name for name in completed.assumed if name in turning),
        unconfirmed=tuple(r.rule_id for r in rules if r.source.checked == "unconfirmed"),
        digest=rule_book.digest,
        gap_reasons={v.scheme: v.reasons for v in by_scheme if not v.klass and v.reasons},
        unread=unread_stated_facts(
            _facts_only_predicates_read(rule_book.other_facts, in_force),
            given_facts,
            place=jurisdiction,
            predicates=_predicates_of_place(place.schemes, in_force),
            declarations=place.unread,
        ),
        untimed=_untimed_rule_ids_by_reporter(rules),
        rules=rules,
    )


def _classes_of_schemes(
    schemes: Iterable[ClassificationScheme],
    holding: list[RegulatoryRule],
    facts: Mapping[str, str],
) -> list[SchemeClass]:
    """Return the class under each scheme that applies; an earlier one may decide a later one."""
    by_scheme: list[SchemeClass] = []
    decided: dict[str, str] = {}
    for scheme in schemes:
        if scheme.scope.holds(facts):
            voting = [rule for rule in holding if rule.given_classes_are_allowed(decided)]
            verdict = _scheme_class_by_rules(scheme, voting)
            by_scheme.append(verdict)
            decided[scheme.name] = verdict.klass
    return by_scheme


def _scheme_class_by_rules(
    scheme: ClassificationScheme, rules: Iterable[RegulatoryRule]
) -> SchemeClass:
    voting = [rule for rule in rules if rule.scheme == scheme.name and rule.klass]
    # A fallback is what a law says "otherwise"; it votes only where no firm rule does.
    firm = [rule for rule in voting if not rule.fallback] or voting
    # A rule by name of a special case, such as software that is no device at all, takes the place
    # of the general ones.
    special = [rule for rule in firm if rule.special]
    gap = tuple(rule.rule_id for rule in rules if rule.gap and rule.scheme == scheme.name)
    if gap and not special:
        # The class of another law, or of the general rules, would be an answer to a question that
        # nobody asked.
        return SchemeClass(scheme=scheme.name, klass=UNDECIDED, reasons=gap, against=())
    # MDR Annex VIII 3.5 and its kin: where several rules apply, the strictest one does.
    klass = max((rule.klass for rule in special or firm), key=scheme.classes.index, default="")
    return SchemeClass(
        scheme=scheme.name,
        klass=klass,
        reasons=tuple(rule.rule_id for rule in special or firm if rule.klass == klass),
        against=tuple(rule.rule_id for rule in special or firm if rule.klass != klass),
    )


def _without_rules_that_a_special_one_replaces(
    rules: tuple[RegulatoryRule, ...],
) -> tuple[RegulatoryRule, ...]:
    """Return the rules without those whose class a rule of a special case took the place of."""
    special = {rule.scheme for rule in rules if rule.special and rule.klass}
    return tuple(
        rule
        for rule in rules
        if rule.special or not ((rule.klass or rule.gap) and rule.scheme in special)
    )


def product_route_and_rule_ids(
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
    prohibited = [rule for rule in routing if rule.route == "prohibited"]
    # An exemption by name, of in-house devices or of a ministry's order, is written against the
    # general rule and therefore beats it; nothing beats a prohibition.
    special = [rule for rule in routing if rule.special and rule.route != "prohibited"]
    if special and not prohibited:
        routing = special
    exempt = [rule for rule in routing if rule.route == "exempt"]
    decided = {name for verdict in verdicts for name in verdict.reasons}
    by_class = [rule for rule in exempt if rule.rule_id in decided]
    # An exemption counts only from a rule that also decided the class; a general one must not beat
    # an approval that the class calls for.
    route = min((r.route for r in routing), key=order.index, default="")
    if by_class and not prohibited:
        route = "exempt"
    assert route in (*ROUTES, "")
    return route, tuple(rule.rule_id for rule in routing if rule.route == route)


def shortest_reporting_periods_of_rules(
    rules: Iterable[RegulatoryRule], reporter: str | None
) -> tuple[ReportingPeriod, ...]:
    """Return the shortest period of each event and reporter, in the order of the rules.

    A graver event is a lesser one, too, and is due no later than that.

    Args:
        rules: Those that hold.
        reporter: Who reports; everybody where it is None.
    """
    periods = (reporting_period_of_rule(rule) for rule in rules)
    return shortest_reporting_periods_across_graver_events(
        period for period in periods if period and reporter in (None, period.reporter)
    )


def reporting_period_of_rule(rule: RegulatoryRule) -> ReportingPeriod | None:
    """Return the period of a rule, if it has one."""
    clock = rule.clock
    if clock is None:
        return None
    return ReportingPeriod(
        event=clock.event,
        reporter=clock.reporter,
        days=clock.days,
        working=clock.working,
        rule=rule.rule_id,
        given=rule.given,
    )


def shortest_reporting_periods(
    periods: Iterable[ReportingPeriod],
) -> tuple[ReportingPeriod, ...]:
    """Return the period that ends first for each event and reporter, in order."""
    shortest: dict[tuple[str, str], ReportingPeriod] = {}
    for period in periods:
        before = shortest.setdefault((period.event, period.reporter), period)
        if _least_calendar_days(period) < _least_calendar_days(before):
            shortest[period.event, period.reporter] = period
    return tuple(shortest.values())


def shortest_reporting_periods_across_graver_events(
    periods: Iterable[ReportingPeriod],
) -> tuple[ReportingPeriod, ...]:
    """Return the period that ends first for each reporter and event, or lesser event.

    Where a law has no clock of its own for a threat to public health, that of death runs, where
    it has none for death that of serious harm, and so on: no law asks for less, or for it later,
    because more happened.
    """
    shortest = {(each.event, each.reporter): each for each in shortest_reporting_periods(periods)}
    for reporter in dict.fromkeys(reporter for _, reporter in shortest):
        lesser: ReportingPeriod | None = None
        for event in reversed(GRAVEST_FIRST):
            own = shortest.get((event, reporter))
            if lesser and (own is None or _least_calendar_days(lesser) < _least_calendar_days(own)):
                own = shortest[event, reporter] = replace(lesser, event=event)
            lesser = own or lesser
    return tuple(shortest.values())


def _least_calendar_days(period: ReportingPeriod) -> float:
    # Only to tell which of two periods ends first; what is shown and recorded keeps its unit.
    return period.days * _WEEK / _WORKING_WEEK if period.working else period.days


def _names_of_facts_rules_turn_on(
    schemes: Iterable[ClassificationScheme], rules: Iterable[RegulatoryRule]
) -> set[str]:
    named: set[str] = set()
    for predicate in _predicates_of_place(schemes, rules):
        named |= {leaf.fact for leaf in rule_predicate_leaves(predicate)}
    if any(rule.clock for rule in rules):
        named.add(REPORTER)
    return named


def _facts_only_predicates_read(
    facts: Iterable[ProductFact], rules: Iterable[RegulatoryRule]
) -> list[ProductFact]:
    """Return the facts that only predicates could read: who reports is read by every clock."""
    timed = any(rule.clock or rule.reports for rule in rules)
    return [fact for fact in facts if not (timed and fact.name == REPORTER)]


def _predicates_of_place(
    schemes: Iterable[ClassificationScheme], rules: Iterable[RegulatoryRule]
) -> tuple[Predicate, ...]:
    return (*(scheme.scope for scheme in schemes), *(rule.when for rule in rules))


def _untimed_rule_ids_by_reporter(rules: Iterable[RegulatoryRule]) -> dict[str, tuple[str, ...]]:
    by_reporter: dict[str, tuple[str, ...]] = {}
    for rule in rules:
        if rule.reports:
            by_reporter[rule.reports] = (*by_reporter.get(rule.reports, ()), rule.rule_id)
    return by_reporter


def _rule_ids_by_obligation(rules: tuple[RegulatoryRule, ...]) -> dict[str, tuple[str, ...]]:
    rules_of_duty: dict[str, list[str]] = {}
    for rule in rules:
        for duty in rule.obligations:
            rules_of_duty.setdefault(duty, []).append(rule.rule_id)
    return {duty: tuple(names) for duty, names in sorted(rules_of_duty.items())}
