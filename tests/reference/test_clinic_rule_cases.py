"""Every rule of the shipped books has a case of its own: one fact flipped, another outcome."""

from dataclasses import replace

import pytest

from commonwatt.clinic.domain.registry.records import REPORTERS, SEVERITIES
from commonwatt.clinic.domain.rules import classify_product, load_rule_book

BOOK = load_rule_book(site_folders=())
RULES = {rule.rule_id: rule for rule in BOOK.rules}
AI_ACT = "fundamental-rights"  # an event of the European AI Act alone


def never_decides(rule):
    """A proposal, or a rule that was replaced before its day came."""
    return rule.status == "proposed" or (rule.valid_to and rule.valid_to <= rule.valid_from)


def effect(rule, ruling):
    """Return whether a rule has its say in a ruling, and what the ruling says there."""
    if rule.klass:
        verdict = next((v for v in ruling.verdicts if v.scheme == rule.scheme), None)
        return bool(verdict and rule.rule_id in verdict.reasons), verdict and verdict.klass
    if rule.route:
        return rule.rule_id in ruling.route_reasons, ruling.route
    if rule.obligations:
        duty = rule.obligations[0]
        return rule.rule_id in ruling.obligations.get(duty, ()), duty in ruling.obligations
    period = next((p for p in ruling.periods if p.event == rule.clock.event), None)
    return bool(period and period.rule == rule.rule_id), period and (
        period.days, period.working, period.reporter,
    )  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_the_outcome_turns_on_the_rule_and_on_one_fact_of_its_case(name):
    rule = RULES[name]
    case, book = rule.case, BOOK
    assert case, f"{name} has no case"
    assert len(case.flip) == 1
    if never_decides(rule):
        ruling = classify_product(book, case.facts, jurisdiction=rule.jurisdiction, on=case.on)
        assert effect(rule, ruling)[0] is False
        # As law, it would decide: a proposal is in the book so that its effect can be looked at.
        book = book.with_rule_changed(replace(rule, status="in force", valid_to=None))
    facts = dict(case.facts)
    decides, outcome = effect(
        rule, classify_product(book, facts, jurisdiction=rule.jurisdiction, on=case.on)
    )
    flipped, other = effect(
        rule,
        classify_product(book, facts | dict(case.flip), jurisdiction=rule.jurisdiction, on=case.on),
    )
    assert decides, f"{name} decides nothing in its case"
    assert not flipped, f"{name} still decides with {case.flip}"
    assert outcome != other
    # Without the rule the outcome of its case is another, or rests on another rule.
    gone = replace(rule, status="proposed")
    without, _ = effect(
        rule,
        classify_product(
            BOOK.with_rule_changed(gone), facts, jurisdiction=rule.jurisdiction, on=case.on
        ),
    )
    assert without is False


@pytest.mark.parametrize("name", RULES)
def test_each_rule_says_where_it_stands_since_when_and_in_whose_words(name):
    rule = RULES[name]
    assert rule.article
    assert rule.text
    assert rule.label_zh, f"{name} has no Chinese label"
    assert rule.source.title
    assert rule.source.against
    assert rule.source.dated <= rule.valid_from or rule.valid_to or rule.source.checked
    # Words in quotation marks were read somewhere, and a source from memory was read nowhere.
    if rule.quote:
        assert rule.source.checked in ("primary", "secondary")
        assert len(rule.quote) >= 5


def test_the_shipped_books_are_sound_and_sixteen_places_have_law():
    assert BOOK.faults == {}
    laws = [place for place in BOOK.places.values() if place.kind == "law"]
    assert len(laws) >= 16
    assert all(place.name_zh for place in BOOK.places.values())
    assert all(fact.meaning_zh for fact in (*BOOK.axes, *BOOK.other_facts))


def test_an_event_that_a_rule_times_is_one_that_can_be_recorded():
    events = {rule.clock.event for rule in BOOK.rules if rule.clock}
    assert events - {AI_ACT} <= set(SEVERITIES)
    [reporter] = [fact for fact in BOOK.other_facts if fact.name == "reporter"]
    assert set(reporter.values) == set(REPORTERS)


def test_what_is_no_device_has_no_duty_of_a_device():
    base = RULES["cn.n47.iii"].case.facts
    record = classify_product(
        BOOK, base | {"input": "record"}, jurisdiction="cn", on=RULES["cn.n47.iii"].case.on
    )
    assert [v.klass for v in record.verdicts] == ["not-a-device"]
    assert (record.route, list(record.obligations), record.periods) == (
        "exempt", ["data-protection"], (),
    )  # fmt: skip
    for read in ("laboratory", "vital-signs", "image", "signal"):
        ruling = classify_product(
            BOOK, base | {"input": read}, jurisdiction="cn", on=RULES["cn.n47.iii"].case.on
        )
        assert [v.klass for v in ruling.verdicts] == ["III"]
        assert {"registration", "data-governance"} <= set(ruling.obligations)


@pytest.mark.parametrize("place", [p for p in BOOK.places if BOOK.schemes[p]])
def test_nowhere_has_what_is_no_device_a_duty_period_or_route_of_a_device(place):
    if "not-a-device" not in BOOK.schemes[place][0].classes:
        return
    on = RULES["cn.n47.iii"].case.on
    base = RULES["cn.n47.iii"].case.facts
    device = classify_product(BOOK, base, jurisdiction=place, on=on)
    nothing = classify_product(
        BOOK, base | {"purpose": "administration"}, jurisdiction=place, on=on
    )
    assert device.verdicts[0].klass != "not-a-device"
    assert device.route in ("approval", "filing")
    assert nothing.verdicts[0].klass == "not-a-device"
    assert nothing.route == "exempt"
    assert nothing.periods == ()
    # What is left is owed by everybody who uses AI on people, device or not.
    allowed = {"data-protection", "ai-literacy", "human-oversight"}
    assert set(nothing.obligations) <= allowed


def test_an_in_house_device_in_europe_needs_no_notified_body_and_is_not_high_risk():
    case = RULES["eu.aia.art6-1"].case
    sold = classify_product(BOOK, case.facts, jurisdiction="eu", on=case.on)
    own = classify_product(BOOK, case.facts | {"in_house": "yes"}, jurisdiction="eu", on=case.on)
    classes = [{v.scheme: v.klass for v in ruling.verdicts} for ruling in (sold, own)]
    assert [c["ai-act"] for c in classes] == ["high-risk", "not-high-risk"]
    assert classes[0]["device"] == classes[1]["device"]
    assert (sold.route, own.route) == ("approval", "exempt")
    assert "notified-body" in sold.obligations
    assert "notified-body" not in own.obligations
    # A use of Annex III stays high-risk, whoever made it.
    triage = own.facts | {"annex3": "emergency-triage"}
    ruling = classify_product(BOOK, triage, jurisdiction="eu", on=case.on)
    assert {v.scheme: v.klass for v in ruling.verdicts}["ai-act"] == "high-risk"


def test_the_exemption_of_singapore_reaches_classes_a_and_b_of_public_makers_only():
    case = RULES["sg.exempt.public"].case
    routes = {}
    for klass, condition in (("B", "serious"), ("C", "critical")):
        facts = case.facts | {"condition": condition, "significance": "drive"}
        ruling = classify_product(BOOK, facts, jurisdiction="sg", on=case.on)
        assert [v.klass for v in ruling.verdicts] == [klass]
        routes[klass] = ruling.route, "registration" in ruling.obligations
    assert routes == {"B": ("exempt", False), "C": ("approval", True)}
    private = case.facts | {"public_body": "no"}
    assert classify_product(BOOK, private, jurisdiction="sg", on=case.on).route == "approval"
