"""Places from folders: what is found, what is at fault, and what a fault takes with it."""

import json
import os
import re
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.registry import rulings
from commonwatt.clinic.domain.registry.preconditions import (
    fault_of_deployment,
    regulatory_product_routes_by_place,
)
from commonwatt.clinic.domain.registry.rulings import rule_book_of_this_process
from commonwatt.clinic.domain.rules import classify_product, load_regulatory_rule_book
from commonwatt.clinic.domain.rules.book import (
    FOLDER,
    RULES_VARIABLE,
    clinic_rule_folders_of_environment,
)
from commonwatt.clinic.domain.rules.cases import outcome_turns_on_rule_case
from tests.clinic_factories import BODIES, BY, KEYS, NAMES, desk, put
from tests.clinic_institution import EARLY

DAY = date(2026, 11, 30)
AXES = {
    "significance": "diagnose", "condition": "critical", "autonomy": "informs",
    "change": "locked", "technique": "deep", "offering": "product", "user": "clinician",
}  # fmt: skip
PLACE = """
name: Elsewhere
schemes:
  risk: {classes: [low, high], scope: "offering = product"}
sources:
  law: {title: Law, date: 2020-01-01, checked: primary, against: the gazette}
defaults: {source: law, article: "1", status: in force, binding: true, from: 2020-01-01}
rules:
  - {id: RULE, text: Whatever diagnoses is of high risk., when: significance = diagnose,
     scheme: risk, class: high, route: filing}
"""


def place(name="zz", **changes):
    text = PLACE.replace("RULE", f"{name}.high")
    for old, new in changes.values():
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def ruled(book, jurisdiction):
    return classify_product(book, AXES, jurisdiction=jurisdiction, on=DAY)


def test_a_file_dropped_in_a_folder_is_a_place_and_no_other_place_changes(tmp_path):
    shipped = load_regulatory_rule_book(site_folders=())
    (tmp_path / "zz.yaml").write_text(place())
    (tmp_path / "notes.txt").write_text("no rules")
    book = load_regulatory_rule_book(site_folders=[tmp_path])
    assert set(book.places) - set(shipped.places) == {"zz"}
    assert (book.faults, "zz" in book.jurisdictions) == ({}, True)
    assert [(v.scheme, v.klass) for v in ruled(book, "zz").verdicts] == [("risk", "high")]
    for name in shipped.places:
        before, after = ruled(shipped, name), ruled(book, name)
        assert (before.verdicts, before.route, before.obligations) == (
            after.verdicts, after.route, after.obligations,
        )  # fmt: skip
    assert book.digest != shipped.digest


def test_a_folder_named_by_the_environment_is_read_where_none_is_given(tmp_path, monkeypatch):
    (tmp_path / "zz.yaml").write_text(place())
    assert "zz" not in load_regulatory_rule_book().places
    monkeypatch.setenv(RULES_VARIABLE, str(tmp_path))
    assert "zz" in load_regulatory_rule_book().places
    two = os.pathsep.join(["a", "", "b"])
    assert clinic_rule_folders_of_environment({RULES_VARIABLE: two}) == (Path("a"), Path("b"))


def test_an_institution_s_own_rules_are_such_a_file_that_says_what_it_replaces(tmp_path):
    own = place("house") + "kind: institution\n"
    (tmp_path / "house.yaml").write_text(own)
    silent = load_regulatory_rule_book(site_folders=[tmp_path])
    with pytest.raises(RulesError, match=r"second file of house.*`replaces: true`"):
        ruled(silent, "house")
    (tmp_path / "house.yaml").write_text(own + "replaces: true\n")
    book = load_regulatory_rule_book(site_folders=[tmp_path])
    assert (book.faults, ruled(book, "house").route) == ({}, "filing")
    assert book.jurisdictions == load_regulatory_rule_book(site_folders=()).jurisdictions
    # One that would replace and is at fault leaves neither: the shipped rules are set aside.
    (tmp_path / "house.yaml").write_text(own + "replaces: true\nrules2: []\n")
    with pytest.raises(RulesError, match="rules2"):
        ruled(load_regulatory_rule_book(site_folders=[tmp_path]), "house")


FAULTS = {
    "not yaml": ("name: Elsewhere", "name: [", 3),
    "a key twice": ("name: Elsewhere", "name: Elsewhere\nname: There", 3),
    "an unknown key": ("name: Elsewhere", "nam: Elsewhere", 2),
    "another place": ("name: Elsewhere", "jurisdiction: yy", 2),
    "no such kind": ("name: Elsewhere", "kind: rumour", 2),
    "an undeclared class": ("class: high", "class: higher", 10),
    "an undeclared fact": ("when: significance", "when: colour", 9),
    "no predicate": ("significance = diagnose", "significance diagnose", 9),
    "no text": ("text: Whatever diagnoses is of high risk., ", "", 9),
    "a misspelt part": ("route: filing", "rout: filing", 10),
    "no date": ("from: 2020-01-01", "from: once", 9),
    "no source": ("source: law", "source: hearsay", 9),
    "no order of classes": ("classes: [low, high]", "classes: low", 4),
    "a class twice": ("classes: [low, high]", "classes: [high, high]", 4),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_file_is_named_with_its_line_and_remedy_and_takes_no_other_with_it(
    fault, tmp_path
):
    old, new, line = FAULTS[fault]
    (tmp_path / "zz.yaml").write_text(place(fault=(old, new)))
    (tmp_path / "yy.yaml").write_text(place("yy"))
    book = load_regulatory_rule_book(site_folders=[tmp_path])
    assert list(book.faults) == ["zz"]
    with pytest.raises(RulesError) as refused:
        ruled(book, "zz")
    named = re.search(r"zz\.yaml, line (\d+)", str(refused.value))
    assert named, refused.value
    # A part that stands in the defaults is sought in the rule that takes it.
    assert abs(int(named[1]) - line) <= 1
    assert "Mend the line, or take the file out of the folder." in str(refused.value)
    # Its sound twin, and every shipped place, still answer.
    assert ruled(book, "yy").route == "filing"
    assert {*load_regulatory_rule_book(site_folders=()).places, "yy"} == set(book.places)


def test_a_folder_that_is_not_there_and_bytes_that_are_no_text_are_refused(tmp_path):
    with pytest.raises(RulesError, match="a folder of rule files"):
        load_regulatory_rule_book(site_folders=[tmp_path / "none"])
    (tmp_path / "zz.yaml").write_bytes(b"\xff\xfe\x00name")
    assert "zz.yaml" in str(load_regulatory_rule_book(site_folders=[tmp_path]).faults["zz"])


def test_two_files_may_not_share_the_name_of_a_rule_or_of_a_fact(tmp_path):
    (tmp_path / "zz.yaml").write_text(place())
    (tmp_path / "zzz.yaml").write_text(place())
    fault = load_regulatory_rule_book(site_folders=[tmp_path]).faults["zzz"]
    assert "another file has: zz.high" in str(fault)


def test_a_place_may_speak_of_facts_of_its_own(tmp_path):
    facts = """
facts:
  zz_licensed: {values: ["no", "yes"], default: "no", meaning: Whether it has a licence.}
"""
    changes = {"when": ("when: significance = diagnose", "when: zz_licensed = yes")}
    (tmp_path / "zz.yaml").write_text(place(**changes) + facts)
    book = load_regulatory_rule_book(site_folders=[tmp_path])
    assert ruled(book, "zz").assumed == ("zz_licensed",)
    licensed = classify_product(book, AXES | {"zz_licensed": "yes"}, jurisdiction="zz", on=DAY)
    assert licensed.route == "filing"
    taken = facts.replace("zz_licensed", "input")
    (tmp_path / "zz.yaml").write_text(place() + taken)
    assert "a fact of every place" in str(
        load_regulatory_rule_book(site_folders=[tmp_path]).faults["zz"]
    )


def test_the_class_in_the_united_states_is_that_of_the_product_code(tmp_path):
    def given_code(code, book=None, **more):
        return classify_product(
            book or load_regulatory_rule_book(site_folders=()),
            AXES | {"product_code": code} | more, jurisdiction="us", on=DAY,
        )  # fmt: skip

    cad = given_code("MYN")
    assert [v.klass for v in cad.verdicts] == ["II"]
    assert (cad.facts["fda_class"], cad.facts["fda_regulation"]) == ("II", "892.2070")
    with pytest.raises(RulesError, match=r"'ZZZ'.*one of the \d+ keys of fda_product_codes\.csv"):
        given_code("ZZZ")
    with pytest.raises(RulesError, match="fact fda_class: found 'III', wanted II"):
        given_code("MYN", fda_class="III")
    # A site adds what FDA has classified since, in a file of the same name.
    rows = "product_code,device_class,regulation_number\nZZZ,III,\nMYN,III,892.2070\n"
    (tmp_path / "fda_product_codes.csv").write_text(rows)
    book = load_regulatory_rule_book(site_folders=[tmp_path])
    assert [given_code(code, book).verdicts[0].klass for code in ("ZZZ", "MYN", "LLZ")] == [
        "III", "III", "II",
    ]  # fmt: skip
    assert book.digest != load_regulatory_rule_book(site_folders=()).digest
    # One that cannot be read is a fault, and no code is answered by the rows it was to replace.
    (tmp_path / "fda_product_codes.csv").write_text("code\nZZZ\n")
    faulty = load_regulatory_rule_book(site_folders=[tmp_path])
    assert list(faulty.faults) == ["fda_product_codes.csv"]
    with pytest.raises(RulesError, match="the columns"):
        given_code("LLZ", faulty)
    assert ruled(faulty, "hk").route == "approval"


LINES = (FOLDER / "sg.yaml").read_text("utf-8").splitlines()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(LINES) - 1), st.sampled_from(["", "- x", "zz: [", "  odd: 1", "\t", "}"]))
def test_a_line_spoilt_anywhere_is_a_fault_or_a_sound_book_and_never_a_crash(
    tmp_path_factory, number, spoilt
):
    folder = tmp_path_factory.mktemp("rules")
    spoilt_lines = [*LINES[:number], spoilt, *LINES[number + 1 :], "replaces: true"]
    (folder / "sg.yaml").write_text("\n".join(spoilt_lines), "utf-8")
    book = load_regulatory_rule_book(site_folders=[folder])
    assert ruled(book, "hk").route == "approval"
    if "sg" in book.faults:
        assert re.search(r"sg\.yaml, line \d+", str(book.faults["sg"]))
        with pytest.raises(RulesError):
            ruled(book, "sg")
    else:
        assert ruled(book, "sg").rules


def test_a_file_that_unfolds_by_references_is_refused_before_it_unfolds(tmp_path):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join(['*' + a] * 9)}]" for a, b in pairwise("abcdefghi")]
    (tmp_path / "zz.yaml").write_text("\n".join(lines))
    fault = load_regulatory_rule_book(site_folders=[tmp_path]).faults["zz"]
    assert "a part that another one refers to" in str(fault)


def test_facts_of_every_place_are_not_the_site_s_to_change(tmp_path):
    (tmp_path / "facts.yaml").write_text("others: {}")
    (tmp_path / "zz.yaml").write_text(place())
    book = load_regulatory_rule_book(site_folders=[tmp_path])
    assert "under `facts` in its own file" in str(book.faults["facts.yaml"])
    assert ruled(book, "zz").route == "filing"


def test_a_case_that_does_not_turn_on_its_rule_is_named(tmp_path):
    base = "base: {" + ", ".join(f"{name}: {value}" for name, value in AXES.items()) + "}\n"
    flips = {
        "significance: inform": True, "user: patient": False,
        "significance: diagnose": False,
    }  # fmt: skip
    for flip, holds in flips.items():
        changes = {"case": ("route: filing}", f"route: filing, case: {{flip: {{{flip}}}}}}}")}
        (tmp_path / "zz.yaml").write_text(base + place(**changes))
        book = load_regulatory_rule_book(site_folders=[tmp_path])
        assert outcome_turns_on_rule_case(book, book.rule("zz.high")) is holds
    (tmp_path / "zz.yaml").write_text(base + place())
    book = load_regulatory_rule_book(site_folders=[tmp_path])
    assert not outcome_turns_on_rule_case(book, book.rule("zz.high"))


# The shipped law of Hong Kong with another sentence in one rule: the same classes, other rules.
def own_hong_kong(folder):
    text = (FOLDER / "hk.yaml").read_text(encoding="utf-8")
    folder.mkdir()
    changed = "replaces: true\n" + re.sub(r"(?m)^name: .*$", "name: Hong Kong, our reading", text)
    (folder / "hk.yaml").write_text(changed, encoding="utf-8")
    return folder


def record_ruling(folder, *words):
    for kind in ("product", "version", "intended-use"):
        (folder / "body.json").write_text(json.dumps(BODIES[kind]))
        register = ("register", kind, NAMES[kind], "body.json", "--key", f"{BY[kind]}.pem")
        assert run_main(root, ["clinic", "model", *register]) == 0
    ruling = ("--record", "r", "--use", "intended-use/u", "--place", "hk")
    key = ("--key", "regulatory-officer.pem")
    return run_main(root, ["clinic", "model", "classify", *ruling, *key, *words])


@pytest.fixture
def clinic(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writer = desk(f"sqlite:///{tmp_path}/ledger.db", EARLY)
    for role, key in KEYS.items():
        key.save(tmp_path / f"{role}.pem")
    yield writer
    writer.ledger.engine.dispose()


@pytest.fixture
def forgotten():
    """Let a test change the rules of this process."""
    caches = (
        rule_book_of_this_process,
        rulings._product_ruling,
        regulatory_product_routes_by_place,
    )

    def forget():
        for cache in caches:
            cache.cache_clear()

    yield forget
    forget()


def test_a_ruling_by_rules_given_by_hand_carries_their_digest_and_no_gate_without_them_takes_it(
    clinic, tmp_path, monkeypatch, capsys, forgotten
):
    own = own_hong_kong(tmp_path / "own")
    digest = load_regulatory_rule_book(site_folders=[own]).digests_by_place["hk"]
    assert digest != load_regulatory_rule_book().digests_by_place["hk"]
    assert record_ruling(tmp_path, "--rules", str(own)) == 0
    body = clinic.refresh_registry().records["ruling/r"].body
    assert body["rule_set_sha256"] == digest
    put(clinic, "evidence", "e", BODIES["evidence"], datetime.now(UTC))
    approve = ("register", "determination", "d", "body.json", "--key", "committee-chair.pem")
    (tmp_path / "body.json").write_text(json.dumps(BODIES["determination"]))
    capsys.readouterr()
    assert run_main(root, ["clinic", "model", *approve]) == 67
    refused = capsys.readouterr().err
    assert digest[:16] in refused
    assert "COMMONWATT_CLINIC_RULES" in refused
    # Where the process holds them, the ruling stands.
    monkeypatch.setenv(RULES_VARIABLE, str(own))
    forgotten()
    assert run_main(root, ["clinic", "model", *approve]) == 0
    # A gate that lost them refuses by a rule of its own.
    put(clinic, "deployment", "x", BODIES["deployment"], datetime.now(UTC))
    assert (
        fault_of_deployment(clinic.registry, clinic.registry.records["deployment/x"], DAY) is None
    )
    monkeypatch.delenv(RULES_VARIABLE)
    forgotten()
    fault = fault_of_deployment(clinic.registry, clinic.registry.records["deployment/x"], DAY)
    assert (fault.rule, fault.where) == ("gate.rules-not-held", "ruling/r")


def test_a_ruling_by_a_folder_of_the_site_carries_the_same_digest(
    clinic, tmp_path, monkeypatch, forgotten
):
    own = own_hong_kong(tmp_path / "own")
    monkeypatch.setenv(RULES_VARIABLE, str(own))
    forgotten()
    assert record_ruling(tmp_path) == 0
    body = clinic.refresh_registry().records["ruling/r"].body
    assert (
        body["rule_set_sha256"]
        == load_regulatory_rule_book(site_folders=[own]).digests_by_place["hk"]
    )
