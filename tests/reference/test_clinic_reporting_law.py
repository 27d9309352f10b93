"""Reporting periods over every place, class and reporter: as the words say, and graver sooner."""

import itertools
import re
from datetime import UTC, date, datetime

import pytest

from commonwatt.clinic.domain.registry.records import SEVERITIES
from commonwatt.clinic.domain.registry.rulings import product_class_by_scheme_in_place
from commonwatt.clinic.domain.registry.state import incident_report_due_at
from commonwatt.clinic.domain.rules import classify_product, load_regulatory_rule_book
from commonwatt.clinic.domain.rules.classify import (
    reporting_period_of_rule,
    shortest_reporting_periods_across_graver_events,
)
from commonwatt.clinic.domain.rules.predicate import rule_predicate_leaves
from commonwatt.clinic.domain.rules.rule import GRAVEST_FIRST, OUTSIDE, UNDECIDED

BOOK = load_regulatory_rule_book(site_folders=())
DAY = date(2026, 11, 30)
CLOCKS = [rule for rule in BOOK.rules if rule.clock]
BASE = {
    "significance": "drive", "condition": "serious", "autonomy": "informs", "change": "locked",
    "technique": "deep", "offering": "product", "user": "clinician",
}  # fmt: skip
SINCE = datetime(2026, 11, 30, tzinfo=UTC)


def ruled(place, **facts):
    return classify_product(BOOK, BASE | facts, jurisdiction=place, on=DAY)


def due(period):
    return incident_report_due_at(SINCE, period.days, working=period.working)


def classes_of_place(place):
    """Return every way in which the schemes of a place may be decided, outside or silent."""
    schemes = BOOK.schemes[place]
    ways = [(*each.classes, OUTSIDE, UNDECIDED) for each in schemes]
    for chosen in itertools.product(*ways):
        yield {s.name: k for s, k in zip(schemes, chosen, strict=True) if k != OUTSIDE}


def test_the_order_of_severities_is_that_of_the_record():
    assert GRAVEST_FIRST == SEVERITIES


@pytest.mark.parametrize("place", BOOK.places)
def test_a_graver_event_has_no_fewer_duties_and_no_later_date(place):
    known = [reporting_period_of_rule(rule) for rule in BOOK.places[place].rules if rule.clock]
    ways = list(classes_of_place(place))
    assert ways
    for classes in ways:
        running = [period for period in known if period.runs_under_product_classes(classes)]
        by_event = {}
        for period in shortest_reporting_periods_across_graver_events(running):
            by_event.setdefault(period.event, {})[period.reporter] = due(period)
        for graver, lesser in itertools.pairwise(GRAVEST_FIRST):
            for reporter, date_due in by_event.get(lesser, {}).items():
                assert by_event.get(graver, {})[reporter] <= date_due, (classes, graver, reporter)


@pytest.mark.parametrize("place", BOOK.places)
@pytest.mark.parametrize("reporter", ["manufacturer", "importer", "user-facility", "professional"])
def test_what_classify_lists_keeps_to_it_for_every_product(place, reporter):
    for facts in (
        {}, {"ivd": "cancer"}, {"anticipated": "yes"}, {"in_house": "yes"}, {"drives": "IIb"},
        {"significance": "inform"}, {"offering": "service"}, {"processing": "stores"},
    ):  # fmt: skip
        periods = {p.event: due(p) for p in ruled(place, reporter=reporter, **facts).periods}
        for graver, lesser in itertools.pairwise(GRAVEST_FIRST):
            if lesser in periods:
                assert periods[graver] <= periods[lesser], (facts, graver)


HOURS_A_DAY = 24
FIGURES = re.compile(r"(?<!rule )(\d+|two) ?(calendar days|work days|days|hours|days of)")
LABELS = re.compile(r"(\d+) ?(個曆日|個工作日|日|小時)")


@pytest.mark.parametrize("rule", CLOCKS, ids=lambda rule: rule.rule_id)
def test_the_words_beside_a_clock_and_its_figures_agree(rule):
    clock = rule.clock
    for words, pattern in ((rule.text, FIGURES), (rule.label_zh, LABELS)):
        figures = pattern.findall(words)
        assert figures, words
        for number, unit in figures:
            count = 2 if number == "two" else int(number)
            assert count / (HOURS_A_DAY if unit in ("hours", "小時") else 1) == clock.days, words
            assert (unit in ("work days", "個工作日")) == clock.working, words


WORDS_OF_REPORTER = {
    "user-facility": re.compile(r"hospital|institution|facility"),
    "professional": re.compile(r"professional"),
    "importer": re.compile(r"importer"),
}


@pytest.mark.parametrize("rule", CLOCKS, ids=lambda rule: rule.rule_id)
def test_a_clock_runs_for_whom_and_for_what_its_words_name(rule):
    text, label = rule.text.lower(), rule.label_zh
    for reporter, words in WORDS_OF_REPORTER.items():
        assert bool(words.search(text)) >= (rule.clock.reporter == reporter), text
    # What is said to hang on foresight does, and the reverse.
    said = bool(re.search(r"anticipated|unexpected|foresee|foreseen", text))
    facts = {leaf.fact for leaf in rule_predicate_leaves(rule.when)}
    assert said == ("anticipated" in facts), text
    assert said or not re.search("預見|預期", label), label
    if "death" in text and "could" not in text and "might" not in text and "may lead" not in text:
        assert rule.clock.event == "death", text
    # A rule for what was actual does not say that it is for what was possible, too.
    assert not (rule.clock.event == "serious" and re.search(r"actual or possible", text))


def periods_of(place, reporter="manufacturer", **facts):
    return {p.event: p for p in ruled(place, reporter=reporter, **facts).periods}


def test_a_hospital_in_china_reports_what_could_have_led_to_death_within_20_days():
    hospital = periods_of("cn", "user-facility")
    assert (hospital["other"].days, hospital["other"].rule) == (20, "cn.ae.user.possible")
    assert (hospital["serious"].days, hospital["death"].days) == (20, 7)


def test_in_vitro_diagnosis_in_europe_reports_by_article_82_and_devices_by_article_87():
    diagnostic = periods_of("eu", ivd="cancer")
    assert {event: (p.days, p.rule) for event, p in diagnostic.items() if event in SEVERITIES} == {
        "public-health-threat": (2, "eu.ivdr.art82.threat"),
        "death": (10, "eu.ivdr.art82.death"),
        "serious": (10, "eu.ivdr.art82.deterioration"),
        "other": (15, "eu.ivdr.art82.serious"),
    }
    foreseen = periods_of("eu", ivd="cancer", anticipated="yes")["serious"]
    assert (foreseen.days, foreseen.rule) == (15, "eu.ivdr.art82.anticipated")
    assert periods_of("eu")["death"].rule == "eu.mdr.art87.death"


@pytest.mark.parametrize(
    ("place", "days", "rule"),
    [("ca", 10, "ca.s60.death"), ("jp", 15, "jp.report.death"), ("kr", 7, "kr.report.death"),
     ("tw", 15, "tw.sae6.death"), ("in", 15, "in.report.death")],
)  # fmt: skip
def test_a_threat_to_public_health_is_due_like_death_where_a_law_has_no_clock_for_it(
    place, days, rule
):
    threat = periods_of(place)["public-health-threat"]
    assert (threat.days, threat.rule) == (days, rule)
    # Sound twin: a law that has one keeps its own.
    assert periods_of("hk")["public-health-threat"].rule == "hk.ae.threat"


@pytest.mark.parametrize(
    ("place", "reporter", "rule"),
    [("au", "user-facility", "au.facility"), ("il", "manufacturer", "il.law.report"),
     ("jp", "user-facility", "jp.hospital")],
)  # fmt: skip
def test_who_reports_without_a_period_on_file_is_named(place, reporter, rule):
    assert ruled(place).untimed == {reporter: (rule,)}
    # What is no device has no duty of a device.
    assert ruled(place, purpose="administration").untimed == {}
    assert ruled("eu").untimed == {}


def test_the_classes_of_a_product_are_told_for_any_place_with_its_gaps():
    assert product_class_by_scheme_in_place(BASE | {"ivd": "cancer"}, "uk", DAY) == {
        "device": UNDECIDED
    }
    assert product_class_by_scheme_in_place(BASE | {"ivd": "cancer"}, "eu", DAY) == {
        "ivd": "C", "ai-act": "not-high-risk",
    }  # fmt: skip
    assert product_class_by_scheme_in_place(BASE, "hk", DAY) == {"device": "II"}
    assert product_class_by_scheme_in_place(BASE | {"offering": "service"}, "hk", DAY) == {}
    for facts, place in (({}, "hk"), (BASE, "zz"), (BASE | {"ivd": 3}, "hk")):
        assert product_class_by_scheme_in_place(facts, place, DAY) is None
