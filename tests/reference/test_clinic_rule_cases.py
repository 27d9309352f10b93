"""Every rule of the shipped books has a case of its own: one fact flipped, another outcome."""

from dataclasses import replace
from datetime import date

import pytest

from commonwatt.clinic.domain.registry.records import REPORTERS, SEVERITIES
from commonwatt.clinic.domain.rules import classify_product, load_regulatory_rule_book
from commonwatt.clinic.domain.rules.cases import outcome_turns_on_rule_case, rule_effect

BOOK = load_regulatory_rule_book(site_folders=())
RULES = {rule.rule_id: rule for rule in BOOK.rules}
AI_ACT = "fundamental-rights"  # an event of the European AI Act alone


@pytest.mark.parametrize("name", RULES)
def test_the_outcome_turns_on_the_rule_and_on_one_fact_of_its_case(name):
    rule = RULES[name]
    assert rule.case, f"{name} has no case"
    assert outcome_turns_on_rule_case(BOOK, rule)
    # With another flip, to what the case states already, nothing turns.
    [(flipped, _)] = rule.case.flip.items()
    facts = BOOK.complete_product_facts(rule.case.facts).facts
    idle = replace(rule, case=replace(rule.case, flip={flipped: facts[flipped]}))
    assert not outcome_turns_on_rule_case(BOOK, idle)
    # Without the rule its case does not hold: the outcome is another, or rests on another rule.
    gone = replace(rule, status="proposed", valid_from=date(2200, 1, 1))
    ruling = classify_product(
        BOOK.with_rule_changed(gone), rule.case.facts, jurisdiction=rule.jurisdiction,
        on=rule.case.on,
    )  # fmt: skip
    assert not rule_effect(rule, ruling).decides


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
