"""Rules that say that a law turns on what is not on file, and declarations of unread facts."""

import json
import re
from datetime import date

import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.rules import (
    classify_product,
    load_regulatory_rule_book,
    rule_book_findings,
)

AXES = {
    "significance": "diagnose", "condition": "serious", "autonomy": "informs", "change": "locked",
    "technique": "deep", "offering": "product", "user": "clinician",
}  # fmt: skip
DAY = date(2026, 11, 30)
PLACE = """
name: Elsewhere
schemes:
  risk: {classes: [none, low, high], conflict: strictest, scope: "offering = product"}
sources:
  law: {title: Law, date: 2020-01-01, checked: unconfirmed, against: nowhere}
defaults: {source: law, status: in force, binding: true, from: 2020-01-01, article: "1",
           text: As it says., given: {risk: [low, high]}}
unread:
  - {facts: [harm, "purpose=conception"], article: "2", text: Not asked., zh: 不問}
rules:
  - {id: zz.low, scheme: risk, class: low, when: {all: []}}
  - {id: zz.none, scheme: risk, class: none, special: true, route: exempt,
     when: purpose = administration}
  - {id: zz.gap, scheme: risk, gap: true, when: ivd != none}
  - {id: zz.route, route: approval, obligations: [registration], when: {all: []}}
  - {id: zz.clock, clock: {event: death, days: 3}, when: {all: []}}
  - {id: zz.hospital, reports: user-facility, when: {all: []}}
"""


def book(folder, *changes):
    text = PLACE
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "zz.yaml").write_text(text, "utf-8")
    return load_regulatory_rule_book(site_folders=[folder])


def ruled(made, **facts):
    return classify_product(made, AXES | facts, jurisdiction="zz", on=DAY)


def test_a_gap_withholds_the_class_and_what_hangs_on_it_but_no_report(tmp_path):
    made = book(tmp_path)
    sound, gap = ruled(made), ruled(made, ivd="cancer")
    assert [(v.klass, v.reasons) for v in sound.verdicts] == [("low", ("zz.low",))]
    assert (sound.gaps, sound.gap_reasons, sound.route) == ((), {}, "approval")
    assert (gap.verdicts, gap.gaps, gap.route) == ((), ("risk",), "")
    assert gap.gap_reasons == {"risk": ("zz.gap",)}
    assert gap.obligations == {}
    assert [period.rule for period in gap.periods if period.event == "death"] == ["zz.clock"]
    assert gap.untimed == sound.untimed == {"user-facility": ("zz.hospital",)}
    assert "zz.gap" in gap.unconfirmed


def test_a_special_rule_still_decides_beside_a_gap(tmp_path):
    ruling = ruled(book(tmp_path), ivd="cancer", purpose="administration")
    assert [v.klass for v in ruling.verdicts] == ["none"]
    assert (ruling.gaps, ruling.gap_reasons, ruling.route) == ((), {}, "exempt")
    assert (ruling.periods, ruling.untimed) == ((), {})
    assert "zz.gap" not in [rule.rule_id for rule in ruling.rules]


@pytest.mark.parametrize("facts", [{}, {"ivd": "cancer"}, {"ivd": "other", "purpose": "wellness"},
                                   {"ivd": "cancer", "purpose": "administration"}])  # fmt: skip
def test_the_check_of_every_combination_knows_gaps_as_a_ruling_does(tmp_path, facts):
    made = book(tmp_path)
    cells = rule_book_findings(made, [DAY], jurisdictions=["zz"], others=facts).cells["class"]
    ruling = ruled(made, **facts)
    decided = ruling.verdicts[0].klass if ruling.verdicts else "silent"
    assert set(cells) == {decided, "outside"}


def test_a_fact_that_was_stated_and_not_read_is_named_with_its_reason_if_there_is_one(tmp_path):
    made = book(tmp_path)
    unread = ruled(made, harm="death", purpose="conception", drives="IIb", ivd="cancer").unread
    assert [(each.name, each.value, each.declared and each.declared.text) for each in unread] == [
        ("purpose", "conception", "Not asked."), ("harm", "death", "Not asked."),
        ("drives", "IIb", None),
    ]  # fmt: skip
    # A default that is stated says nothing, and facts of another place's law are none of this one.
    assert ruled(made, harm="unstated", practice="manipulation", product_code="MYN").unread == ()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("gap: true,", "gap: true, class: low,", "gap: found 'low'"),
        ("{id: zz.gap, scheme: risk,", "{id: zz.gap, scheme: other,", "gap: found 'other'"),
        ("{id: zz.gap, scheme: risk,", "{id: zz.gap,", "gap: found ''"),
        ("reports: user-facility", "reports: nobody", "reports: found 'nobody'"),
        ("facts: [harm,", "facts: [colour,", "found 'colour'"),
        ("purpose=conception", "purpose=fun", "found 'purpose=fun'"),
        ('article: "2", text: Not asked.', "text: Not asked.", "the part 'article'"),
        ("text: Not asked.", "txt: Not asked.", "found 'txt'"),
    ],
)
def test_a_gap_or_a_declaration_of_another_form_is_a_fault_of_its_file(tmp_path, old, new, words):
    fault = str(book(tmp_path, (old, new)).faults["zz"])
    assert words in fault
    assert re.search(r"zz\.yaml, line \d+", fault)
    assert book(tmp_path).faults == {}


def test_gaps_and_duties_without_a_period_are_under_the_digest(tmp_path):
    digest = book(tmp_path).digests_by_place["zz"]
    for change in (("gap: true,", "special: true,"),
                   ("reports: user-facility", "reports: importer")):  # fmt: skip
        assert book(tmp_path, change).digests_by_place["zz"] != digest
    # What the file says of facts that decide nothing changes no ruling on record.
    assert book(tmp_path, ("Not asked.", "Not asked here.")).digests_by_place["zz"] == digest


def test_the_command_names_the_gap_and_what_had_no_say(tmp_path, capsys):
    facts = [f"--fact={name}={value}" for name, value in AXES.items()]
    stated = ("--fact=ivd=cancer", "--fact=harm=death", "--fact=product_code=pib")
    words = ["clinic", "model", "classify", *facts, *stated, "--place", "uk", "--place", "il"]
    assert run_main(root, words) == 0
    said = capsys.readouterr().out
    assert "device: no rule gives a class" in said
    assert "uk.gap.ivd: In vitro diagnosis: no rule of this place on file covers it" in said
    assert "Stated, and read by no rule here: harm=death [Annex IX rule 10:" in said
    assert "The manufacturer must report, and no period is on file: il.law.report" in said
    assert run_main(root, [*words, "--lang", "zh-Hant"]) == 0
    said = capsys.readouterr().out
    assert "已述明而此地無規則採用" in said
    assert "期限未載" in said
    assert run_main(root, [*words, "--json"]) == 0
    british, israeli = json.loads(capsys.readouterr().out)["rulings"]
    assert british["gaps_because"] == {"device": ["uk.gap.ivd"]}
    assert [each["fact"] for each in british["unread"]] == ["harm"]
    assert israeli["report_untimed"] == {"manufacturer": ["il.law.report"]}


def test_a_place_that_has_a_gap_for_a_product_has_law_of_its_own():
    with pytest.raises(RulesError):
        load_regulatory_rule_book(site_folders=()).place("zz")
    from commonwatt.clinic.domain.registry.rulings import place_law_gives_product_route
    from commonwatt.clinic.domain.registry.state import RegistryRecord
    from tests.clinic_factories import NOW

    def law(place, **facts):
        use = RegistryRecord(name="intended-use/u", kind="intended-use", at=NOW, actor_id="a",
                             index=0, body={"facts": AXES | facts})  # fmt: skip
        return place_law_gives_product_route(use, place, DAY)

    assert law("uk", ivd="cancer")
    assert law("uk")
    assert not law("hk", offering="service")
