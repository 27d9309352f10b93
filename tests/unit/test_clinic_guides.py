"""Guides as files: what is one, what is none, and what a bad one does to the others."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.guides import parse_department_guide
from commonwatt.clinic.engines.gateway import AdviceGate
from commonwatt.clinic.engines.gateway.gate import ALLOWED
from commonwatt.clinic.engines.gateway.institution import load_clinic_institution
from commonwatt.clinic.engines.gateway.service import EXTENSION, CdsHooksService
from commonwatt.clinic.io.guides import (
    FOLDER,
    load_clinic_guide_library,
    shipped_clinic_guide_library,
)
from commonwatt.clinic.io.registry import RegistryWriter
from commonwatt.core.errors import CommonwattError, InputError
from tests.clinic_factories import BODIES, GOOD, KEYS, NOW, move, put, with_live
from tests.clinic_institution import hospital
from tests.proofs import PROOFS
from tests.unit.test_clinic_hooks import Client

IMAGING = yaml.safe_load((FOLDER / "imaging.yaml").read_text(encoding="utf-8"))
TEXT = (FOLDER / "imaging.yaml").read_text(encoding="utf-8")


def nested(depth):
    sentence: Any = "modality = ct"
    for _ in range(depth):
        sentence = {"not": sentence}
    return sentence


def spelled(**changes):
    return yaml.safe_dump(IMAGING | changes, allow_unicode=True)


def fact(**changes):
    """The guide with one more fact, which is sound unless a change says otherwise."""
    entry = {"type": "number", "from": 0, "to": 9, "en": "x", "zh-Hant": "x"} | changes
    entry = {name: value for name, value in entry.items() if value is not None}
    return spelled(facts=IMAGING["facts"] | {"more": entry})


def against(when):
    more = {"id": "more", "when": when, "en": "x", "zh-Hant": "x"}
    return spelled(contraindications=[*IMAGING["contraindications"], more])


def worded(finding):
    words = {"en": finding, "zh-Hant": "{score}"}
    return spelled(wording=IMAGING["wording"] | {"finding": words})


FAULTS = {
    "no YAML": "a: [",
    "a list": "[]",
    "nothing": "",
    "a key twice": TEXT + "participation: again\n",
    "an alias": "a: &a [1]\nb: *a\n",
    "a tag of Python": "!!python/object/apply:os.system [id]",
    "a key too many": spelled(extra=1),
    "a key too few": yaml.safe_dump({k: v for k, v in IMAGING.items() if k != "notice"}),
    "no facts": spelled(facts={}),
    "free text": fact(type="text"),
    "no type": fact(type=None),
    "a range without end": fact(to=float("inf")),
    "a range turned round": fact(to=-1),
    "a bound of four hundred digits": fact(to=10**400),
    "a bound that is true": fact(to=True),
    "an unknown unit": fact(unit="bananas"),
    "a unit that is a number": fact(unit=1),
    "a fact too many fields": fact(extra=1),
    "words on a number": fact(words=["a"]),
    "a flag with a unit": fact(**{"type": "flag", "from": None, "to": None, "unit": "year"}),
    "a word that YAML took for no": fact(
        **{"type": "word", "from": None, "to": None, "words": [False]}
    ),
    "a word twice": fact(**{"type": "word", "from": None, "to": None, "words": ["a", "a"]}),
    "no words": fact(**{"type": "word", "from": None, "to": None, "words": []}),
    "a fact without Chinese": fact(**{"zh-Hant": None}),
    "a fact of a strange name": spelled(facts=IMAGING["facts"] | {"Name": {"type": "flag"}}),
    "a fact of nobody": against("colour = red"),
    "a word of nobody": against("quality = excellent"),
    "a word in an order": against("quality < 3"),
    "a number as a word": against("age_years = 18"),
    "a limit beyond the range": against("age_years > 200"),
    "a limit that is none": against("age_years > inf"),
    "no sentence": against("age_years"),
    "an id twice": spelled(
        contraindications=[*IMAGING["contraindications"], IMAGING["contraindications"][0]]
    ),
    "no score": worded("There is something."),
    "an unknown gap": worded("{score} {patient}"),
    "a way into an object": worded("{score.__class__}"),
    "a format": worded("{score:>9}"),
    "an open brace": worded("{score"),
    "longer than a card": worded("{score}" + "x" * 140),
    "the wording of older guides": spelled(wording={"en": "{score}", "zh-Hant": "{score}"}),
    "an override reason that is none": spelled(override_reasons=["a sentence, with signs"]),
    "a date": spelled(source="2026-01-01").replace("'2026-01-01'", "2026-01-01"),
}
SOUND = {
    "as shipped": TEXT,
    "spelled anew": spelled(),
    "with a fact more": fact(),
    "with a unit": fact(unit="h"),
    "with a flag": fact(**{"type": "flag", "from": None, "to": None}),
    "with a word": fact(**{"type": "word", "from": None, "to": None, "words": ["a", "b"]}),
    "with a contraindication more": against({"all": ["quality = good", "age_years >= 90"]}),
    "with other words": worded("{score} of {threshold}"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_is_no_guide_is_refused_by_its_place_and_by_no_other_error(fault):
    with pytest.raises(RulesError) as refused:
        parse_department_guide("mine", FAULTS[fault])
    assert "mine" in refused.value.where


@pytest.mark.parametrize("sound", SOUND)
def test_a_guide_of_the_form_is_read(sound):
    guide = parse_department_guide("mine", SOUND[sound])
    assert set(guide.facts) >= set(IMAGING["facts"])


def test_layout_is_no_content_and_every_other_letter_is():
    as_shipped = parse_department_guide("mine", TEXT).sha256
    assert parse_department_guide("mine", "# a comment\n" + spelled()).sha256 == as_shipped
    assert parse_department_guide("mine", fact()).sha256 != as_shipped


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=PROOFS.size(200, 2_000), deadline=None)
@given(st.sampled_from(sorted(IMAGING)), values)
def test_whatever_stands_in_a_guide_it_is_read_or_refused_and_nothing_else(field, value):
    text = yaml.safe_dump(IMAGING | {field: value}, allow_unicode=True)
    with suppress(RulesError):
        assert parse_department_guide("mine", text).guide_id == "mine"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "guides"
    made.mkdir()
    return made


def test_guides_of_ones_own_stand_beside_the_shipped_or_in_their_place(folder):
    (folder / "stroke.yaml").write_text(fact(), encoding="utf-8")
    (folder / "oncology.yaml").write_text(spelled(), encoding="utf-8")
    library = load_clinic_guide_library([folder])
    assert set(library.guides) == {*shipped_clinic_guide_library().guides, "stroke"}
    assert (
        library.guide("oncology").sha256 == shipped_clinic_guide_library().guide("imaging").sha256
    )
    assert library.faults == {}


def test_one_bad_file_is_named_and_takes_no_other_down_nor_falls_back(folder):
    (folder / "stroke.yaml").write_text("a: [")
    (folder / "imaging.yaml").write_text(fact(unit="bananas"), encoding="utf-8")
    (folder / "Big Name.yml").write_text(spelled(), encoding="utf-8")
    (folder / "bytes.yaml").write_bytes(b"\xff\xfe")
    (folder / "folder.yaml").mkdir()
    (folder / "notes.txt").write_text("no guide, and none that anybody would take for one")
    library = load_clinic_guide_library([folder])
    assert set(library.faults) == {"stroke", "imaging", "Big Name", "bytes", "folder"}
    assert set(library.guides) == set(shipped_clinic_guide_library().guides) - {"imaging"}
    with pytest.raises(RulesError, match="bananas"):
        library.guide("imaging")
    assert library.guide("oncology").guide_id == "oncology"


def test_one_name_in_two_folders_is_neither(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for place in (folder, other):
        (place / "stroke.yaml").write_text(spelled(), encoding="utf-8")
    assert set(load_clinic_guide_library([folder, other]).faults) == {"stroke"}
    with pytest.raises(InputError, match="a folder of guides"):
        load_clinic_guide_library([tmp_path / "none"])


def own_guides(made: Path, *lines: str) -> None:
    file = made / "qmh.toml"
    file.write_text("\n".join(lines) + "\n" + file.read_text())


def gate_of(tmp_path, guides):
    writer = RegistryWriter(hospital(tmp_path).ledger, guides)
    gate = AdviceGate(
        writer, "qmh", {f"deployment/{n}": lambda _: 0.4 for n in "xy"}, by=KEYS["gateway"],
        salt=b"s",
    )  # fmt: skip
    gate.record_patient_disclosure("deployment/x", "e", "en", by=KEYS["clinician"], at=NOW)
    return gate


def discovered(gate):
    service = CdsHooksService(gate, lambda: NOW, lambda name, token: None)
    answer = Client(service.cds_hooks_app()).get("/cds-services")
    assert answer.status_code == 200
    return answer.json()


def test_a_deployment_under_a_bad_guide_is_unavailable_by_discovery_and_others_answer(
    folder, tmp_path
):
    (folder / "stroke.yaml").write_text(spelled(), encoding="utf-8")
    gate = gate_of(tmp_path, load_clinic_guide_library([folder]))
    use = {"guide": "stroke"}
    put(gate.writer, "intended-use", "s", BODIES["intended-use"] | use)
    put(gate.writer, "ruling", "s", BODIES["ruling"] | {"intended_use": "intended-use/s"})
    version = {"version": "version/s"}
    put(gate.writer, "version", "s", BODIES["version"])
    put(gate.writer, "evidence", "s", BODIES["evidence"] | version)
    put(
        gate.writer,
        "determination",
        "s",
        BODIES["determination"] | version | {"ruling": "ruling/s"},
    )
    deployed = use | version | {"determination": "determination/s"}
    put(gate.writer, "deployment", "y", BODIES["deployment"] | deployed)
    move(gate.writer, "approved", "committee-chair", name="y")
    move(gate.writer, "live", "clinical-lead", name="y")
    assert [each["id"] for each in discovered(gate)["services"]] == ["x", "y"]
    assert "extension" not in discovered(gate)
    (folder / "stroke.yaml").write_text("a: [")
    gate.writer.guides = load_clinic_guide_library([folder])
    listed = discovered(gate)
    assert [each["id"] for each in listed["services"]] == ["x"]
    extension = listed["extension"][EXTENSION]
    assert [each["rule"] for each in extension["unavailable"]] == ["gate.guide-unavailable"]
    assert extension["guides"] == [{"guide": "stroke", "rule": "gate.guide-unavailable"}]
    assert gate.record_and_answer_advice_request("deployment/x", "e", GOOD, at=NOW).rule == ALLOWED
    refused = gate.record_and_answer_advice_request("deployment/y", "e", GOOD, at=NOW)
    assert (refused.rule, refused.detail) == ("gate.guide-unavailable", "stroke")


def test_another_content_of_the_approved_guide_is_another_guide(folder, tmp_path):
    gate = gate_of(tmp_path, shipped_clinic_guide_library())
    assert gate.record_and_answer_advice_request("deployment/x", "e", GOOD, at=NOW).rule == ALLOWED
    (folder / "imaging.yaml").write_text("# a comment\n" + TEXT, encoding="utf-8")
    gate.writer.guides = load_clinic_guide_library([folder])
    assert gate.record_and_answer_advice_request("deployment/x", "e", GOOD, at=NOW).rule == ALLOWED
    milder = TEXT.replace("age_years < 18", "age_years < 2")
    (folder / "imaging.yaml").write_text(milder, encoding="utf-8")
    gate.writer.guides = load_clinic_guide_library([folder])
    child = GOOD | {"age_years": "8"}
    assert (
        gate.record_and_answer_advice_request("deployment/x", "e", child, at=NOW).rule
        == "gate.guide-changed"
    )
    assert [each["rule"] for each in discovered(gate)["extension"][EXTENSION]["unavailable"]] == [
        "gate.guide-changed"
    ]


@pytest.mark.parametrize(
    ("indications", "sound"),
    [
        (["modality = xray", "body_region = chest"], True),
        ([{"any": ["modality = xray", "age_years >= 60"]}], True),
        ([], False),
        ("modality = xray", False),
        (["modality = xray", "colour = red"], False),
        (["modality = radiograph"], False),
        (["age_years = 18"], False),
        ([{"all": []}], False),
        ([7], False),
        ([nested(900)], False),
        (None, False),
    ],
)
def test_the_indications_of_a_product_are_read_when_they_are_registered(indications, sound):
    writer = with_live()
    body = {k: v for k, v in BODIES["intended-use"].items() if k != "indications"}
    body |= {} if indications is None else {"indications": indications}
    size = writer.ledger.head().size
    if sound:
        put(writer, "intended-use", "more", body)
        return
    with pytest.raises(CommonwattError, match="indications"):
        put(writer, "intended-use", "more", body)
    assert writer.ledger.head().size == size


def test_an_older_intended_use_without_indications_answers_nobody():
    from tests.clinic_histories import LEGAL, START, gate_of, tell, write

    def rule(history):
        from tests.clinic_factories import desk

        writer = desk()
        for step in history:
            write(writer, step)
        gate = gate_of(writer)
        tell(writer, gate)
        return gate.record_and_answer_advice_request("deployment/x", "e", GOOD, at=NOW).rule

    old = [
        (kind, name, {k: v for k, v in body.items() if k != "indications"})
        if kind == "intended-use"
        else (kind, name, body)
        for kind, name, body in LEGAL
    ]
    assert rule(LEGAL) == ALLOWED
    assert rule(old) == "gate.no-indications"
    for threshold in (None, "0.3", 1.5, -0.1, True):
        odd = [
            (kind, name, body | ({"threshold": threshold} if "threshold" in body else {}))
            for kind, name, body in [step for step in LEGAL if step[0] != "move"]
        ]
        assert rule([*odd, *START]) in ("gate.no-threshold", "gate.threshold-not-examined")


def test_the_institution_file_names_the_folders_and_bad_files_are_said_at_start(
    folder, tmp_path, capsys
):
    hospital(tmp_path).ledger.engine.dispose()
    own_guides(tmp_path, 'guides = ["guides"]')
    (folder / "stroke.yaml").write_text("a: [")
    assert set(load_clinic_institution(tmp_path / "qmh.toml").guides.faults) == {"stroke"}
    assert run_main(root, ["clinic", "gate", "guides", "--guides", "guides", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [each["guide"] for each in listed["unavailable"]] == ["stroke"]
    assert len(listed["guides"]) == 5
    assert run_main(root, ["clinic", "gate", "guides", "--guides", "guides"]) == 0
    assert "a number from 0 to 130 year" in capsys.readouterr().out


@pytest.mark.parametrize("named", ['guides = ["none"]', "guides = 3", "guides = [1]"])
def test_a_folder_that_is_not_there_opens_no_gate(folder, tmp_path, named):
    hospital(tmp_path).ledger.engine.dispose()
    own_guides(tmp_path, named)
    with pytest.raises(InputError):
        load_clinic_institution(tmp_path / "qmh.toml")


def test_a_record_under_a_guide_of_ones_own_is_registered_with_its_folder(folder, tmp_path):
    hospital(tmp_path).ledger.engine.dispose()
    (folder / "stroke.yaml").write_text(spelled(), encoding="utf-8")
    (tmp_path / "body.json").write_text(json.dumps(BODIES["intended-use"] | {"guide": "stroke"}))
    words = ["clinic", "model", "register", "intended-use", "s", "body.json"]
    words += ["--key", "manufacturer.pem"]
    assert run_main(root, words) == 66
    assert run_main(root, [*words, "--guides", "guides"]) == 0


@pytest.mark.parametrize(
    ("needs", "minutes", "sound"),
    [
        ('["deployment/x"]', "statement_minutes = 5", True),
        ("[]", "", True),
        ('["deployment/xx"]', "", False),
        ('["deployment/x"]', "statement_minutes = 0", False),
        ('["deployment/x"]', "statement_minutes = true", False),
        ('["deployment/x"]', "statement_minutes = 9999", False),
    ],
)
def test_a_pathway_whose_human_step_is_misspelt_opens_no_gate(tmp_path, needs, minutes, sound):
    hospital(tmp_path).ledger.engine.dispose()
    file = tmp_path / "qmh.toml"
    text = file.read_text().replace('needs_human = ["deployment/x"]', f"needs_human = {needs}")
    file.write_text(f"{text}{minutes}\n")
    if sound:
        assert load_clinic_institution(file).pathways["chest"].most_calls == 2
    else:
        with pytest.raises(InputError, match=r"pathways\.chest"):
            load_clinic_institution(file)
