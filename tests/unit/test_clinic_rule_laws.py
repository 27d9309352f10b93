"""A rule book of a few rules, so that every class, route, gap and clash is worked by hand."""

import copy
import re
from datetime import date

import pytest
import yaml

from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.rules import classify_product, load_regulatory_rule_book
from commonwatt.clinic.domain.rules.check import (
    product_fact_combination_columns,
    rule_book_findings,
)
from commonwatt.clinic.domain.rules.parse import RECORDED_ON
from commonwatt.clinic.domain.rules.predicate import parse_rule_predicate, rule_predicate_leaves

DAY = date(2026, 1, 1)
FACTS = {
    "axes": {
        "offering": {"values": ["product", "service"], "meaning": "m"},
        "risk": {"values": ["low", "mid", "high"], "meaning": "m"},
    },
    "others": {"age": {"values": ["10", "30"], "default": "30", "meaning": "m"}},
}
DEFAULTS = {
    "text": "t", "source": "law", "article": "1", "status": "in force", "binding": True,
    "from": date(2020, 1, 1), "scheme": "device",
}  # fmt: skip


def rule(name, when, **more):
    return {"id": name, "when": when, **more}


HIGH, LOW, MID = "risk = high", "risk = low", "risk = mid"
HK = {
    "schemes": {
        "device": {"classes": ["A", "B", "C"], "conflict": "strictest",
                   "scope": "offering = product"},
        "other": {"classes": ["X"], "conflict": "strictest", "scope": {"all": []}},
    },
    "sources": {
        "law": {"title": "Law", "date": date(2020, 1, 1), "checked": "primary", "against": "w"},
        "page": {"title": "Page", "date": date(2020, 1, 1), "checked": "unconfirmed",
                 "against": "w"},
    },
    "defaults": DEFAULTS,
    "rules": [
        rule("low", {"any": [LOW, MID]}, **{"class": "A", "route": "exempt"}),
        rule("mid", MID, **{"class": "B", "route": "approval", "obligations": ["report", "log"]}),
        rule("rest", {"all": []}, **{"class": "C", "fallback": True, "route": "filing",
                                     "obligations": ["report"]}),
        rule("young", {"all": ["age < 18", LOW]}, route="prohibited", source="page"),
        rule("clock", HIGH, clock={"event": "harm", "days": 10}),
    ],
}  # fmt: skip


def book(folder, **changes):
    """Return the book in a folder, with some parts of the place replaced."""
    place = copy.deepcopy(HK) | {k: v for k, v in changes.items() if k != "facts"}
    texts = {"hk": place, "facts": changes.get("facts", FACTS)}
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(text), "utf-8")
    return load_regulatory_rule_book(folder, ())


def sound(folder, **changes):
    """Return the book, in which no file is at fault."""
    made = book(folder, **changes)
    assert made.faults == {}
    return made


def ruled(made, risk, offering="product", on=DAY, **facts):
    given = {"risk": risk, "offering": offering} | facts
    return classify_product(made, given, jurisdiction="hk", on=on)


def test_the_strictest_firm_rule_gives_the_class_and_a_fallback_only_where_none_does(tmp_path):
    made = book(tmp_path)
    for risk, klass, reasons, against in [
        ("low", "A", ("low",), ()), ("mid", "B", ("mid",), ("low",)), ("high", "C", ("rest",), ()),
    ]:  # fmt: skip
        ruling = ruled(made, risk)
        [verdict] = ruling.verdicts
        assert (verdict.scheme, verdict.klass) == ("device", klass)
        assert (verdict.reasons, verdict.against) == (reasons, against)
        assert ruling.gaps == ("other",)
    outside = ruled(made, "low", "service")
    assert (outside.verdicts, outside.gaps) == ((), ("other",))


def test_the_route_is_that_of_the_rules_that_did_not_lose(tmp_path):
    made = book(tmp_path)
    # Its own class exempts, although a general rule asks for filing.
    assert (ruled(made, "low").route, ruled(made, "low").route_reasons) == ("exempt", ("low",))
    # The rule of class A lost to that of B, and exempts nothing.
    assert (ruled(made, "mid").route, ruled(made, "mid").route_reasons) == ("approval", ("mid",))
    assert ruled(made, "high").route == "filing"
    # Where no class was decided an exemption is one rule among others, and the strictest wins.
    service = ruled(made, "low", "service")
    assert (service.route, service.route_reasons) == ("filing", ("rest",))
    assert ruled(made, "low", "service", age="10").route == "prohibited"
    only = book(tmp_path, rules=[rule("x", HIGH, route="exempt")])
    assert (ruled(only, "high").route, ruled(only, "low").route) == ("exempt", "")


def test_a_ruling_names_its_duties_clocks_and_what_nobody_confirmed(tmp_path):
    made = book(tmp_path)
    mid = ruled(made, "mid")
    assert mid.obligations == {"log": ("mid",), "report": ("mid", "rest")}
    assert list(mid.obligations) == ["log", "report"]
    [period] = ruled(made, "high").periods
    assert (mid.periods, period.event, period.days, period.rule) == ((), "harm", 10, "clock")
    assert (period.working, period.reporter) == (False, "manufacturer")
    assert ruled(made, "low").unconfirmed == ()
    young = ruled(made, "low", age="10")
    assert young.unconfirmed == ("young",)
    assert [each.rule_id for each in young.rules] == ["low", "rest", "young"]
    assert (young.facts["age"], mid.facts["age"]) == ("10", "30")
    assert (mid.jurisdiction, mid.on, mid.digest) == ("hk", DAY, made.digest)


@pytest.mark.parametrize(
    ("on", "holds"),
    [(date(2019, 12, 31), False), (date(2020, 1, 1), True), (date(2026, 12, 31), True),
     (date(2027, 1, 1), False)],
)  # fmt: skip
@pytest.mark.parametrize("status", ["in force", "adopted", "proposed"])
def test_a_rule_holds_from_its_first_day_to_the_day_before_its_end(tmp_path, on, holds, status):
    made = book(tmp_path, rules=[rule("x", HIGH, to=date(2027, 1, 1), status=status)])
    holds = holds and status != "proposed"
    assert made.rule("x").in_force(on) is holds
    assert [each.rule_id for each in made.rules_in_force("hk", on)] == ["x"] * holds
    with pytest.raises(RulesError, match="place eu.*one of hk"):
        made.rules_in_force("eu", on)


def test_a_rule_is_read_with_the_defaults_of_its_place(tmp_path):
    made = book(tmp_path)
    low, rest, clock = (made.rule(name) for name in ("low", "rest", "clock"))
    assert (low.fallback, rest.fallback) == (False, True)
    assert (low.recorded_on, low.supersedes, low.obligations) == (RECORDED_ON, "", ())
    assert (low.clock, clock.klass, clock.route) == (None, "", "")
    assert (clock.clock.event, clock.clock.days, clock.clock.working) == ("harm", 10, False)
    assert (low.source.title, low.source.checked, low.source.against) == ("Law", "primary", "w")
    own = rule("x", HIGH, recorded_on=DAY, supersedes="y", scheme="", text="u",
               clock={"event": "e", "days": 2, "working": True})  # fmt: skip
    read = book(tmp_path, rules=[own, rule("y", HIGH)]).rule("x")
    assert (read.recorded_on, read.supersedes, read.scheme, read.text) == (DAY, "y", "", "u")
    assert read.clock.working is True
    with pytest.raises(RulesError, match="name of a rule"):
        made.rule("none")


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        ({"class": "D"}, {"class": "A"}, "class: found 'D'"),
        ({"class": "X"}, {"class": "X", "scheme": "other"}, "class: found 'X'"),
        ({"class": "A", "scheme": "none"}, {"scheme": "none"}, "class: found 'A'"),
        ({"route": "by-pass"}, {"route": "filing"}, "route: found 'by-pass'"),
        ({"status": "rumoured"}, {"status": "adopted"}, "status: found 'rumoured'"),
        ({"supersedes": "none"}, {"supersedes": "y"}, "supersedes: found 'none'"),
        ({"when": "colour = red"}, {"when": HIGH}, "colour.*a fact that rules"),
        ({"when": "colour < 3"}, {"when": "age < 3"}, "when: found 'colour'"),
        ({"when": "risk < 3"}, {"when": "age < 3"}, "a fact of numbers"),
        ({"when": "risk in low, none"}, {"when": "risk in low, mid"}, "low, none"),
        ({"when": {"not": "risk = none"}}, {"when": {"not": "risk = low"}}, "risk: none"),
        ({"given": {"device": ["Z"]}}, {"given": {"device": ["A"]}}, "device: found Z"),
        ({"class": "X", "scheme": "other", "given": {"other": ["X"]}},
         {"class": "X", "scheme": "other", "given": {"device": ["A"]}}, "decided before"),
        ({"case": {"flip": {"risk": "none"}}}, {"case": {"flip": {"risk": "low"}}}, "risk = none"),
        ({"clock": {"event": "e", "days": 0}}, {"clock": {"event": "e", "days": 0.5}},
         "above zero"),
        ({"clock": {"event": "e", "day": 1}}, {"clock": {"event": "e", "days": 1}}, "'day'"),
        ({"obligation": ["log"]}, {"obligations": ["log"]}, "found 'obligation'"),
        ({"obligations": "log"}, {"obligations": ["log"]}, "a list of texts"),
        ({"from": "soon"}, {"from": DAY}, "YYYY-MM-DD"),
        ({"when": "risk is low"}, {"when": "risk != low"}, "fact, sign and value"),
        ({"when": "age < old"}, {"when": "age < 18"}, "a number"),
        ({"source": "none"}, {"source": "page"}, "source: found 'none', wanted one of law, page"),
        ({"id": "y"}, {"id": "z"}, "two rules of one name"),
    ],
)  # fmt: skip
def test_a_book_with_an_undeclared_name_is_refused_where_it_is_read(tmp_path, wrong, right, words):
    def rules(changes):
        return [rule("x", HIGH) | changes, rule("y", LOW)]

    assert len(sound(tmp_path, rules=rules(right)).rules) == 2
    faulty = book(tmp_path, rules=rules(wrong))
    with pytest.raises(RulesError, match=words) as refused:
        ruled(faulty, "low")
    # File, line and remedy, whatever is wrong.
    assert re.search(r"hk\.yaml, line \d+.*Mend the line, or take the file", str(refused.value))


def test_what_a_rule_rests_on_has_one_of_three_spellings(tmp_path):
    for checked in ("primary", "secondary", "unconfirmed"):
        law = HK["sources"]["law"] | {"checked": checked}
        sound(tmp_path, sources={"law": law, "page": dict(law)})
    faulty = book(tmp_path, sources=HK["sources"] | {"law": law | {"checked": "rumour"}})
    assert "'rumour'" in str(faulty.faults["hk"])


def test_a_missing_part_of_a_rule_is_named(tmp_path):
    short = {key: value for key, value in DEFAULTS.items() if key != "article"}
    fault = book(tmp_path, defaults=short, rules=[rule("x", HIGH)]).faults["hk"]
    assert re.search(r"hk\.yaml, line \d+, rules.*the part 'article'", str(fault))


def test_a_duty_follows_the_class_and_an_exemption_by_name_beats_the_general_route(tmp_path):
    rules = [
        rule("low", LOW, **{"class": "A"}), rule("mid", MID, **{"class": "B"}),
        rule("general", {"all": []}, route="approval", obligations=["register"],
             given={"device": ["B", "C"]}),
        rule("named", "age = 10", route="exempt", special=True),
    ]  # fmt: skip
    made = sound(tmp_path, rules=rules)
    low, mid, high = (ruled(made, risk) for risk in ("low", "mid", "high"))
    assert (low.route, low.obligations) == ("", {})
    assert (mid.route, list(mid.obligations)) == ("approval", ["register"])
    # No class, no duty of a class.
    assert (high.route, high.obligations, high.gaps) == ("", {}, ("device", "other"))
    young = ruled(made, "mid", age="10")
    assert (young.route, young.route_reasons) == ("exempt", ("named",))
    # The arrays of the check know the classes, too: duties are none of theirs, routes are.
    assert rule_book_findings(made, [DAY]).unruled_services["unruled"].to_list() == [1]


def test_a_rule_of_a_special_case_takes_the_place_of_the_strictest(tmp_path):
    rules = [
        rule("strict", {"all": []}, **{"class": "C", "route": "approval"}),
        rule("named", LOW, **{"class": "A", "special": True, "route": "exempt"}),
    ]
    made = sound(tmp_path, rules=rules)
    [verdict] = ruled(made, "low").verdicts
    assert (verdict.klass, verdict.reasons, verdict.against) == ("A", ("named",), ())
    assert (ruled(made, "low").route, ruled(made, "mid").route) == ("exempt", "approval")
    cells = rule_book_findings(made, [DAY]).cells.filter(scheme="device")["class"].to_list()
    assert cells[:3] == ["A", "C", "C"]


def test_who_reports_is_a_fact_and_working_days_stay_working_days(tmp_path):
    who = {"values": ["manufacturer", "user-facility"], "default": "manufacturer", "meaning": "m"}
    facts = copy.deepcopy(FACTS)
    facts["others"]["reporter"] = who
    rules = [
        rule("maker", HIGH, clock={"event": "harm", "days": 30}),
        rule("hospital", HIGH,
             clock={"event": "harm", "days": 10, "working": True, "by": "user-facility"}),
        rule("sooner", HIGH,
             clock={"event": "harm", "days": 12, "by": "user-facility"}),
    ]  # fmt: skip
    made = sound(tmp_path, rules=rules, facts=facts)
    [maker] = ruled(made, "high").periods
    assert (maker.days, maker.working, maker.rule) == (30, False, "maker")
    # Ten working days are two weeks at least, so that twelve days of the calendar end first.
    [hospital] = ruled(made, "high", reporter="user-facility").periods
    assert (hospital.days, hospital.working, hospital.rule) == (12, False, "sooner")
    [alone] = ruled(sound(tmp_path, rules=rules[:2], facts=facts), "high",
                    reporter="user-facility").periods  # fmt: skip
    assert (alone.days, alone.working, alone.rule) == (10, True, "hospital")
    unknown = [rule("x", HIGH, clock={"event": "e", "days": 1, "by": "nobody"})]
    assert "'nobody'" in str(book(tmp_path, rules=unknown, facts=facts).faults["hk"])


def test_what_nobody_stated_is_named_where_a_rule_turns_on_it(tmp_path):
    made = sound(tmp_path)
    assert ruled(made, "low").assumed == ("age",)
    assert ruled(made, "low", age="30").assumed == ()
    assert ruled(sound(tmp_path, rules=HK["rules"][:3]), "low").assumed == ()


def test_the_check_of_every_combination_finds_gaps_clashes_and_unruled_services(tmp_path):
    made = book(tmp_path, rules=[each for each in HK["rules"] if each["id"] != "rest"])
    grid = product_fact_combination_columns(made)
    assert list(zip(grid["offering"].tolist(), grid["risk"].tolist(), strict=True)) == [
        (offering, risk) for offering in ("product", "service") for risk in ("low", "mid", "high")
    ]  # fmt: skip
    assert set(grid["age"].tolist()) == {"30"}
    assert set(product_fact_combination_columns(made, {"age": "10"})["age"].tolist()) == {"10"}
    findings = rule_book_findings(made, [DAY], jurisdictions=["hk"])
    device = findings.cells.filter(scheme="device")
    assert device["class"].to_list() == ["A", "B", "silent", "outside", "outside", "outside"]
    assert device["combination"].to_list() == list(range(6))
    assert set(findings.cells.filter(scheme="other")["class"]) == {"silent"}
    gaps = {row["scheme"]: row for row in findings.gaps.iter_rows(named=True)}
    assert gaps["device"]["combinations"] == 1
    assert gaps["device"]["shared"] == "offering = product; risk = high; age = 30"
    assert (gaps["other"]["combinations"], gaps["other"]["shared"]) == (6, "age = 30")
    [clash] = findings.contradictions.iter_rows(named=True)
    assert clash == {
        "jurisdiction": "hk", "on": DAY, "scheme": "device", "combinations": 2, "rule": "low",
        "class": "A", "source": "Law, 1 (primary)", "other_rule": "mid", "other_class": "B",
        "other_source": "Law, 1 (primary)",
    }  # fmt: skip
    [services] = findings.unruled_services.iter_rows(named=True)
    # A service of low or middle risk has a route, one of high risk has a clock and nothing else.
    assert (services["services"], services["unruled"]) == (3, 1)


@pytest.mark.parametrize(
    ("classes", "clashes"),
    [(("A", "A"), 0), (("A", "B"), 1), (("B", "A"), 1)],
)
@pytest.mark.parametrize(("conditions", "meet"), [((LOW, {"any": [LOW, MID]}), True),
                                                  ((LOW, MID), False)])  # fmt: skip
def test_rules_contradict_where_both_hold_and_their_classes_differ(
    tmp_path, classes, clashes, conditions, meet
):
    rules = [rule(f"r{n}", when, **{"class": klass})
             for n, (when, klass) in enumerate(zip(conditions, classes, strict=True))]  # fmt: skip
    rules.append(rule("else", {"all": []}, **{"class": "C", "fallback": True}))
    findings = rule_book_findings(sound(tmp_path, rules=rules), [DAY], jurisdictions=["hk"])
    assert findings.contradictions.height == (clashes if meet else 0)


@pytest.mark.parametrize("order", [1, -1])
def test_a_strict_fallback_never_overrules_a_firm_rule_in_the_check(tmp_path, order):
    rules = [rule("firm", LOW, **{"class": "A"}),
             rule("otherwise", {"all": []}, **{"class": "C", "fallback": True}),
             rule("milder", MID, **{"class": "B", "fallback": True})][::order]  # fmt: skip
    cells = rule_book_findings(book(tmp_path, rules=rules), [DAY], jurisdictions=["hk"]).cells
    assert cells.filter(scheme="device")["class"].to_list()[:3] == ["A", "C", "C"]


@pytest.mark.parametrize(
    ("rules", "unruled"),
    [
        ([{"route": "filing"}], 0), ([{"class": "A"}], 0), ([{"class": "X", "scheme": "other"}], 3),
        ([{"obligations": ["log"]}], 3), ([], 3),
    ],
)  # fmt: skip
def test_a_service_is_ruled_by_a_route_or_by_a_class_of_devices(tmp_path, rules, unruled):
    entries = [rule(f"r{n}", {"all": []}) | more for n, more in enumerate(rules)]
    findings = rule_book_findings(book(tmp_path, rules=entries), [DAY], jurisdictions=["hk"])
    assert findings.unruled_services["unruled"].to_list() == [unruled]


@pytest.mark.parametrize(
    ("given_facts", "words"),
    [
        ({"risk": "low"}, "offering"), ({"risk": "low", "offering": "gift"}, "'gift'"),
        ({"risk": "low", "offering": "product", "colour": "red"}, "fact colour"),
        ({"risk": "low", "offering": "product", "age": "40"}, "one of 10, 30"),
    ],
)  # fmt: skip
def test_facts_are_complete_and_declared(tmp_path, given_facts, words):
    made = book(tmp_path)
    complete = made.complete_product_facts({"risk": "low", "offering": "product"})
    assert complete.facts == {"risk": "low", "offering": "product", "age": "30"}
    assert complete.assumed == ("age",)
    with pytest.raises(RulesError, match=words):
        made.complete_product_facts(given_facts)


@pytest.mark.parametrize(
    ("written", "low", "mid", "ten"),
    [
        ("risk = low", True, False, True), ("risk != low", False, True, False),
        ("risk in low, mid", True, True, True), ("risk not in low, high", False, True, False),
        ("age < 30", False, False, True), ("age <= 10", False, False, True),
        ("age > 10", True, True, False), ("age >= 30", True, True, False),
        ({"all": []}, True, True, True), ({"any": []}, False, False, False),
        ({"not": "risk = low"}, False, True, False),
        ({"all": ["risk = low", "age > 10"]}, True, False, False),
        ({"any": ["risk = mid", "age = 10"]}, False, True, True),
    ],
)  # fmt: skip
def test_a_predicate_holds_of_one_as_of_a_grid(written, low, mid, ten):
    import numpy as np

    predicate = parse_rule_predicate(written, "here")
    rows = [{"risk": "low", "age": "30"}, {"risk": "mid", "age": "30"},
            {"risk": "low", "age": "10"}]  # fmt: skip
    assert [predicate.holds(row) for row in rows] == [low, mid, ten]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    assert predicate.mask(columns).tolist() == [low, mid, ten]


def test_the_leaves_of_a_predicate_are_all_of_them():
    written = {"all": ["a = x", {"any": ["b < 3", {"not": "c in y, z"}]}]}
    leaves = rule_predicate_leaves(parse_rule_predicate(written, "here"))
    assert [leaf.fact for leaf in leaves] == ["a", "b", "c"]
    assert leaves[2].values == ("y", "z")
    with pytest.raises(KeyError):
        parse_rule_predicate("a != x", "here").holds({})
