"""Every fact of a product in every place: read by a rule, declared with a reason, or a gap.

A fact that somebody states and that no rule reads must not vanish into the class of another law.
"""

import itertools
from datetime import date

import numpy as np
import pytest

from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.rules import classify_product, load_regulatory_rule_book
from commonwatt.clinic.domain.rules.check import NO_CLASS, class_indices_and_rule_masks_of_place
from commonwatt.clinic.domain.rules.parse import CASE_DAY
from commonwatt.clinic.domain.rules.unread import is_fact_value_read_by_predicates

BOOK = load_regulatory_rule_book(site_folders=())
DAY = date(2026, 11, 30)
FACTS = (*BOOK.axes, *BOOK.other_facts)
CLASSED = [place for place in BOOK.places if BOOK.schemes[place]]
BASE = {
    "significance": "diagnose", "condition": "serious", "autonomy": "informs", "change": "locked",
    "technique": "deep", "offering": "product", "user": "clinician",
}  # fmt: skip


def ruled(place, on=DAY, **facts):
    return classify_product(BOOK, BASE | facts, jurisdiction=place, on=on)


def class_in(place, **facts):
    """Return the class under the first scheme that gives one; "gap" where the book has no rule."""
    ruling = ruled(place, **facts)
    return "gap" if ruling.gap_reasons else ruling.verdicts[0].klass


def predicates(place):
    rules = [rule for rule in place.rules if rule.status != "proposed"]
    return [*(s.scope for s in place.schemes), *(rule.when for rule in rules)]


def speaks_of(place, fact):
    """Return whether a place may be told a fact at all, and reads it by a rule and not a clock."""
    timed = any(rule.clock or rule.reports for rule in place.rules)
    return fact.law_of in ("", place.place) and not (timed and fact.name == "reporter")


@pytest.mark.parametrize("name", BOOK.places)
def test_each_value_of_each_fact_is_read_in_a_place_or_declared_with_the_reason(name):
    place = BOOK.places[name]
    asked = predicates(place)
    for fact in FACTS:
        if not speaks_of(place, fact):
            continue
        for value in fact.values:
            if value == fact.default:
                continue
            read = is_fact_value_read_by_predicates(fact, value, asked)
            declared = any(each.covers_unread_fact_value(fact.name, value) for each in place.unread)
            # Exactly one of the two: a declaration that a rule has overtaken says what is not so.
            assert read != declared, f"{name}: {fact.name} = {value}, read {read}"


@pytest.mark.parametrize("name", BOOK.places)
def test_a_declaration_names_its_article_and_reason_in_both_languages(name):
    for each in BOOK.places[name].unread:
        assert each.article
        assert each.text
        assert each.label_zh


@pytest.mark.parametrize("place", BOOK.places)
def test_whoever_states_a_fact_that_had_no_say_is_told(place):
    for fact in BOOK.other_facts:
        for value in fact.values:
            stated = value != fact.default and fact.law_of in ("", place)
            # On a day on which every rule of the books holds or has ended.
            ruling = ruled(place, on=CASE_DAY, **{fact.name: value})
            named = [(each.name, each.value) for each in ruling.unread]
            declared = any(
                each.covers_unread_fact_value(fact.name, value)
                for each in BOOK.places[place].unread
            )
            assert named == [(fact.name, value)] * (stated and declared), (fact.name, value)
            assert all(each.declared for each in ruling.unread)
    assert ruled(place).unread == ()


def test_a_fact_that_only_a_rule_of_later_reads_is_named_until_then_without_a_reason():
    early, late = (ruled("eu", on=on, public_body="yes").unread for on in (DAY, CASE_DAY))
    assert [(each.name, each.declared) for each in early] == [("public_body", None)]
    assert late == ()


# What a person states of the law's own turning points, and what comes out: in each place a class
# of the law that fits, or a gap. Never the class that the product has without the fact.
STATED = {
    "in vitro diagnosis of cancer": (
        {"ivd": "cancer"}, {"eu": "C", "ch": "C", "us": "III", "imdrf": "III", "house": "III"},
    ),
    "contraception": (
        {"purpose": "contraception", "significance": "inform", "condition": "non-serious",
         "user": "patient"},
        {"eu": "IIb", "ch": "IIb", "uk": "IIb", "au": "IIb", "hk": "III", "sg": "C", "jp": "III",
         "br": "III", "in": "C", "sa": "C", "cn": "II", "us": "III", "imdrf": "I", "house": "I"},
    ),
    "software that drives a device of class IIb": (
        {"drives": "IIb", "significance": "inform", "condition": "non-serious"},
        {"eu": "IIb", "ch": "IIb", "uk": "IIb", "au": "IIb", "hk": "III", "sg": "C", "jp": "III",
         "br": "III", "in": "C", "sa": "C", "us": "III", "house": "I"},
    ),
    "alarms of intensive care": (
        {"significance": "inform", "condition": "critical", "processing": "monitors",
         "vital": "yes", "input": "signal"},
        {"eu": "IIb", "ch": "IIb", "uk": "IIb", "au": "IIb", "hk": "III", "sg": "C", "jp": "III",
         "kr": "3", "br": "III", "in": "C", "sa": "C", "ca": "III", "tw": "2", "cn": "II",
         "us": "III", "imdrf": "II", "house": "II"},
    ),
    "a measure on which life hangs": (
        {"condition": "critical", "processing": "measures", "harm": "death"},
        {"eu": "III", "ch": "III", "uk": "IIb", "au": "III", "hk": "III", "sg": "C", "jp": "III",
         "kr": "3", "br": "IV", "in": "C", "sa": "D", "ca": "III", "tw": "2", "cn": "III",
         "us": "III", "imdrf": "IV", "house": "IV"},
    ),
    "a forecast of low pressure, vital and deadly": (
        {"significance": "drive", "condition": "critical", "processing": "monitors",
         "vital": "yes", "harm": "death"},
        {"eu": "III", "ch": "III", "uk": "IIb", "au": "IIb", "hk": "III", "sg": "C", "jp": "III",
         "kr": "3", "br": "IV", "in": "C", "sa": "D", "ca": "III", "tw": "2", "cn": "III",
         "us": "III", "imdrf": "III", "house": "III"},
    ),
    "a self-test of fertility": (
        {"ivd": "self-test", "purpose": "conception", "significance": "inform",
         "condition": "non-serious", "user": "patient"},
        {"eu": "B", "ch": "B", "us": "III", "imdrf": "I", "house": "I"},
    ),
    "an infection that is not serious": (
        {"ivd": "infectious", "condition": "non-serious"},
        {"eu": "B", "ch": "B", "us": "III", "imdrf": "II", "house": "II"},
    ),
    "the same, of which an error may kill": (
        {"ivd": "infectious", "condition": "non-serious", "harm": "death"},
        {"eu": "C", "ch": "C", "us": "III", "imdrf": "II", "house": "II"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STATED)
def test_a_fact_on_which_the_law_turns_decides_or_is_said_to_be_a_gap(case):
    facts, expected = STATED[case]
    assert {place: class_in(place, **facts) for place in CLASSED} == {
        place: expected.get(place, "gap") for place in CLASSED
    }


@pytest.mark.parametrize("place", CLASSED)
def test_a_gap_gives_neither_class_nor_route_of_another_law_and_keeps_every_clock(place):
    stated = ({"ivd": "cancer"}, {"purpose": "contraception"}, {"drives": "IIb"})
    for facts in stated:
        ruling = ruled(place, **facts)
        if not ruling.gap_reasons:
            continue
        [(scheme, reasons)] = ruling.gap_reasons.items()
        assert scheme in ruling.gaps
        assert not any(verdict.scheme == scheme for verdict in ruling.verdicts)
        assert ruling.route == ""
        # The reason is a rule with its article and source, shown like every other.
        assert set(reasons) <= {rule.rule_id for rule in ruling.rules}
        # Whose class nobody knows is released from no report.
        due = {(each.event, each.reporter) for each in ruled(place).periods}
        assert due <= {(each.event, each.reporter) for each in ruling.periods}


def test_what_is_no_device_is_none_beside_a_gap():
    for place in CLASSED:
        kept = class_in(place, processing="stores", ivd="other", input="record")
        if "not-a-device" in BOOK.schemes[place][0].classes and place not in ("eu", "ch"):
            assert kept == "not-a-device", place
    # Sound twin: the same product that analyses is a question of the law on in vitro diagnosis.
    assert class_in("au", ivd="other", input="record") == "gap"


GRAVER = {
    "significance": ("inform", "drive", "diagnose"),
    "condition": ("non-serious", "serious", "critical"),
    "autonomy": ("informs", "acts"),
    "vital": ("no", "yes"),
    "harm": ("minor", "serious", "death"),
    "closed_loop": ("no", "yes"),
    "drives": ("I", "IIa", "IIb", "III"),
}
BESIDE = {
    "harm": ("unstated",), "drives": ("none",), "processing": ("analyses", "measures", "monitors"),
    "purpose": ("medical", "contraception"), "user": ("clinician", "patient"),
    "input": ("image", "record"), "reviewable": ("no", "yes"),
}  # fmt: skip


def grid_of_values():
    """Return the values of each fact of the grid, and its columns of every combination."""
    names = dict.fromkeys([*GRAVER, *BESIDE])
    values = {name: (*GRAVER.get(name, ()), *BESIDE.get(name, ())) for name in names}
    shape = tuple(len(each) for each in values.values())
    cells = np.indices(shape).reshape(len(shape), -1)
    columns = {
        name: np.array(each)[row] for (name, each), row in zip(values.items(), cells, strict=True)
    }
    fixed = {fact.name: fact.default for fact in BOOK.other_facts} | BASE
    spare = {name: value for name, value in fixed.items() if name not in columns}
    return values, columns | {name: np.full(cells.shape[1], each) for name, each in spare.items()}


VALUES, COLUMNS = grid_of_values()


@pytest.mark.parametrize("place", CLASSED)
def test_a_graver_fact_never_lowers_the_class(place):
    rules = BOOK.rules_in_force(place, DAY)
    masks = {rule.rule_id: rule.when.mask(COLUMNS) for rule in rules}
    classes, _ = class_indices_and_rule_masks_of_place(BOOK.schemes[place], rules, masks, COLUMNS)
    # A gap is no lower class: it is said, and nobody goes on by it.
    cells = classes[BOOK.schemes[place][0].name].astype(int)
    cells = np.where(cells == NO_CLASS, 99, cells).reshape([len(v) for v in VALUES.values()])
    for axis, name in enumerate(VALUES):
        for lesser, graver in itertools.pairwise(GRAVER.get(name, ())):
            before = np.take(cells, VALUES[name].index(lesser), axis)
            after = np.take(cells, VALUES[name].index(graver), axis)
            assert (after >= before).all(), f"{place}: {name}, {lesser} to {graver}"


def test_emotions_at_work_are_prohibited_save_for_medical_or_safety_reasons():
    later = date(2028, 1, 1)
    for purpose, on, klass in [
        ("medical", DAY, "not-high-risk"), ("medical", later, "high-risk"),
        ("administration", DAY, "prohibited"), ("administration", later, "prohibited"),
    ]:  # fmt: skip
        ruling = ruled("eu", on=on, practice="emotion-at-work", purpose=purpose)
        assert {v.scheme: v.klass for v in ruling.verdicts}["ai-act"] == klass
    # No other practice has that exception.
    assert ruled("eu", practice="manipulation", purpose="medical").route == "prohibited"


@pytest.mark.parametrize(
    ("code", "regulation"),
    [("PYT", "884.5370"), ("PWE", "882.5801"), ("SAP", "882.5801"), ("QFT", "882.5803"),
     ("QJI", "862.1356"), ("pyt", "884.5370"), ("Pib", "886.1100"), ("qas", "892.2080")],
)  # fmt: skip
def test_a_product_code_is_taken_in_capitals_and_in_small_letters(code, regulation):
    ruling = ruled("us", product_code=code)
    assert ruling.verdicts[0].klass == "II"
    assert ruling.facts["product_code"] == code.upper()
    assert ruling.facts["fda_regulation"] == regulation


@pytest.mark.parametrize("code", ["zzz", "OZP", "", "P1B", "none "])
def test_a_code_that_is_not_in_the_table_is_refused_however_it_is_written(code):
    with pytest.raises(RulesError, match="product_code"):
        ruled("us", product_code=code)
    with pytest.raises(RulesError, match="found 'III', wanted II"):
        ruled("us", product_code="pib", fda_class="III")
    assert ruled("us", product_code="none").verdicts[0].klass == "III"
