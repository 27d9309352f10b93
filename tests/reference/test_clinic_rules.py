"""The arrays of the exhaustive check against one ruling at a time."""

import itertools
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.rules import (
    classify_product,
    load_regulatory_rule_book,
    product_class_cells_changed_by_rule_date,
    rule_book_findings,
)
from commonwatt.clinic.domain.rules.check import product_fact_combination_columns
from commonwatt.clinic.domain.rules.predicate import parse_rule_predicate

BOOK = load_regulatory_rule_book(site_folders=())
JURISDICTIONS = BOOK.jurisdictions
INSTITUTION = "house"
DAYS = (date(2025, 1, 1), date(2026, 11, 22), date(2028, 8, 3))
FOUND = rule_book_findings(BOOK, DAYS)
CELLS = {
    key: frame["class"].to_list()
    for key, frame in FOUND.cells.partition_by("jurisdiction", "on", "scheme", as_dict=True).items()
}
COMBINATIONS = list(itertools.product(*(axis.values for axis in BOOK.axes)))


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(range(1296)), st.sampled_from(JURISDICTIONS), st.sampled_from(DAYS))
def test_a_cell_of_the_check_is_the_class_of_its_ruling(number, place, day):
    facts = dict(zip((a.name for a in BOOK.axes), COMBINATIONS[number], strict=True))
    ruling = classify_product(BOOK, facts, jurisdiction=place, on=day)
    given_ = {v.scheme: v.klass for v in ruling.verdicts} | dict.fromkeys(ruling.gaps, "silent")
    for scheme in BOOK.schemes[place]:
        cell = CELLS[place, day, scheme.name][number]
        assert cell == given_.get(scheme.name, "outside")


def test_there_are_1296_combinations_and_every_one_is_checked_in_each_place_on_each_day():
    assert len(COMBINATIONS) == 1296
    assert {len(values) for values in CELLS.values()} == {1296}
    # Israel registers devices and has no classes of its own.
    classed = [place for place in JURISDICTIONS if BOOK.place(place).schemes]
    assert set(JURISDICTIONS) - set(classed) == {"il"}
    assert {(place, day) for place, day, _ in CELLS} == set(itertools.product(classed, DAYS))


def test_the_moved_date_of_the_ai_act_changes_the_cells_that_it_should_and_no_others():
    assert product_class_cells_changed_by_rule_date(
        BOOK, "eu.aia.art6-1", date(2027, 8, 2), DAYS
    ).is_empty()
    between = [date(2027, 8, 1), date(2027, 8, 2), date(2028, 8, 1), date(2028, 8, 2)]
    changed = product_class_cells_changed_by_rule_date(
        BOOK, "eu.aia.art6-1", date(2027, 8, 2), between
    )
    columns = product_fact_combination_columns(BOOK)
    product = (columns["offering"] == "product") & (columns["technique"] != "rules")
    for day in between[1:3]:
        here = changed.filter(on=day)
        assert here["combination"].to_list() == product.nonzero()[0].tolist()
        assert here.select("scheme", "before", "after").unique().rows() == [
            ("ai-act", "not-high-risk", "high-risk")
        ]
    assert changed["on"].unique().sort().to_list() == between[1:3]


def test_every_contradiction_names_both_sources_and_what_they_were_checked_against():
    assert FOUND.contradictions.height > 0
    for row in FOUND.contradictions.iter_rows(named=True):
        for rule, cited in ((row["rule"], row["source"]), (row["other_rule"], row["other_source"])):
            source = BOOK.rule(rule).source
            assert source.title in cited
            assert source.checked in cited


def test_gaps_are_listed_with_what_they_share():
    assert (
        FOUND.gaps["combinations"].sum()
        == FOUND.cells.filter(FOUND.cells["class"] == "silent").height
    )
    assert "technique = rules" in FOUND.gaps["shared"][0]


def test_the_categories_of_imdrf_n12_come_out_as_published():
    published = {
        ("diagnose", "critical"): "IV", ("diagnose", "serious"): "III",
        ("diagnose", "non-serious"): "II",
        ("drive", "critical"): "III", ("drive", "serious"): "II", ("drive", "non-serious"): "I",
        ("inform", "critical"): "II", ("inform", "serious"): "I", ("inform", "non-serious"): "I",
    }  # fmt: skip
    rest = {"autonomy": "informs", "change": "locked", "technique": "deep", "offering": "product",
            "user": "clinician"}  # fmt: skip
    for (significance, condition), category in published.items():
        facts = rest | {"significance": significance, "condition": condition}
        ruling = classify_product(BOOK, facts, jurisdiction="imdrf", on=DAYS[1])
        assert [v.klass for v in ruling.verdicts] == [category]


def test_every_rule_says_what_it_rests_on():
    assert len(BOOK.rules) >= 120
    for rule in BOOK.rules:
        assert rule.source.against
        assert rule.text
        assert rule.source.checked in ("primary", "secondary", "unconfirmed")


def test_a_proposed_rule_decides_nothing():
    proposed = [rule for rule in BOOK.rules if rule.status == "proposed"]
    assert proposed
    assert not any(rule.in_force(date(2100, 1, 1)) for rule in proposed)


def test_a_service_that_acts_alone_is_prohibited_in_internet_care_in_china():
    facts = dict(zip((a.name for a in BOOK.axes), COMBINATIONS[0], strict=True))
    ruling = classify_product(
        BOOK, facts | {"offering": "service", "autonomy": "acts"}, jurisdiction="cn", on=DAYS[1]
    )
    assert (ruling.route, ruling.route_reasons) == ("prohibited", ("cn.net.replace",))


def test_the_digest_changes_with_any_rule():
    assert BOOK.with_rule_date_moved("eu.aia.art6-1", date(2027, 8, 2)).digest != BOOK.digest


@pytest.mark.parametrize(
    "written", ["a is b", {"all": "a = b"}, {"none": []}, {"all": [], "any": []}, 7, "a >= b"]
)
def test_what_is_no_predicate_is_refused(written):
    with pytest.raises(RulesError, match="wanted"):
        parse_rule_predicate(written, "here")


@pytest.mark.parametrize("given", [{"significance": "treat"}, {"colour": "red"}, {}])
def test_facts_that_are_missing_or_unknown_are_refused_by_name(given):
    with pytest.raises(RulesError, match="fact"):
        classify_product(BOOK, given, jurisdiction="hk", on=DAYS[0])


numbers = st.integers(-5, 5).map(str)


@given(st.lists(numbers, min_size=1, max_size=20), st.sampled_from(["<", "<=", ">", ">="]), numbers)
def test_a_comparison_holds_of_one_as_of_many(values, sign, limit):
    import numpy as np

    predicate = parse_rule_predicate({"not": {"any": [f"x {sign} {limit}", "x in 3, 4"]}}, "here")
    mask = predicate.mask({"x": np.array(values)})
    assert mask.tolist() == [predicate.holds({"x": value}) for value in values]


def test_the_house_gives_every_service_and_product_a_class_and_a_route():
    findings = rule_book_findings(BOOK, [date(2026, 11, 22)], jurisdictions=[INSTITUTION])
    assert findings.gaps.is_empty()
    assert findings.unruled_services["unruled"].to_list() == [0]
    assert set(findings.cells["class"]) == {"I", "II", "III", "IV"}
    for values in COMBINATIONS[::7]:
        facts = {axis.name: value for axis, value in zip(BOOK.axes, values, strict=True)}
        ruling = classify_product(BOOK, facts, jurisdiction=INSTITUTION, on=date(2026, 11, 22))
        (verdict,) = ruling.verdicts
        wanted = {"I": {"exempt"}, "II": {"filing"}}.get(verdict.klass, {"approval", "prohibited"})
        assert ruling.route in wanted, facts
