"""Model cards, FDA's list and adverse events, on the public records themselves."""

from collections import Counter
from datetime import date

import pytest

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.clinic.domain.rules import classify_product, load_regulatory_rule_book
from commonwatt.clinic.io.imports import (
    load_device_adverse_events,
    load_fda_devices,
    load_model_card,
    model_card_faults,
    parse_model_card,
)
from tests.shared_data import shared_data

BOOK = load_regulatory_rule_book()


def category(card):
    ruling = classify_product(BOOK, card.facts, jurisdiction="imdrf", on=date(2026, 11, 22))
    return ruling.verdicts[0].klass


def card(use="x", population="y", risk="Low", ethics="N/A"):
    return parse_model_card(
        f"""<AppliedModelCard><BasicInfo><ModelName>Stroke triage</ModelName></BasicInfo>
        <UsesAndDirections><IntendedUseAndWorkflow>{use}</IntendedUseAndWorkflow>
        <TargetedPatientPopulation>{population}</TargetedPatientPopulation></UsesAndDirections>
        <Warnings><ClinicalRiskLevel>{risk}</ClinicalRiskLevel></Warnings>
        <Trust><ConsentOrDisclosure>{ethics}</ConsentOrDisclosure></Trust></AppliedModelCard>""".encode(),
        "here",
    )


def test_a_card_that_contradicts_itself_is_caught_field_by_field():
    made = card("adults aged 30 and older", "adults aged 18 and older")
    faults = {fault.rule: fault for fault in model_card_faults(made, category(made))}
    assert set(faults) == {"card.ages-contradict", "card.risk-understated", "card.no-disclosure"}
    assert "30" in faults["card.ages-contradict"].found
    assert len(faults["card.ages-contradict"].fields) == 2


def test_a_card_that_agrees_with_itself_passes():
    made = card("adults aged 18 and older", "≥ 18 years", risk="High", ethics="Patients are told")
    assert model_card_faults(made, category(made)) == []


@pytest.mark.parametrize("data", [b"", b"<a/>", b"{}", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"])
def test_what_is_no_card_is_refused(data):
    with pytest.raises(EvidenceError, match="model card"):
        parse_model_card(data, "here")


@pytest.mark.shared_data
def test_eighteen_cards_load_and_exactly_one_contradicts_itself_on_age():
    paths = sorted(shared_data("surveillance", "chai_model_cards").glob("*.xml"))
    cards = [load_model_card(path) for path in paths]
    broken_rules = {c.version: [f.rule for f in model_card_faults(c, category(c))] for c in cards}
    assert len(cards) == 18
    contradicting = [
        version for version, rules in broken_rules.items() if "card.ages-contradict" in rules
    ]
    assert contradicting == ["CAC-01"]
    understated = sum("card.risk-understated" in rules for rules in broken_rules.values())
    undisclosed = sum("card.no-disclosure" in rules for rules in broken_rules.values())
    assert understated >= 8
    assert undisclosed == 17


@pytest.mark.shared_data
def test_fdas_list_loads_whole_with_its_routes():
    devices = load_fda_devices(next(shared_data("surveillance", "fda_ai_devices").glob("*.gz")))
    assert len(devices) == 1357
    assert Counter(d.route for d in devices) == {"510(k)": 1304, "De Novo": 37, "PMA": 16}
    assert Counter(d.panel for d in devices)["Radiology"] == 1039
    assert {d.klass for d in devices if d.route == "PMA"} == {"III"}


@pytest.mark.shared_data
def test_adverse_events_load_whole_and_show_what_they_leave_out():
    folder = shared_data("surveillance", "fda_ai_adverse_events")
    events = load_device_adverse_events(folder / "adverse_events_943.csv.gz")
    assert len(events) == 943
    assert Counter(e.severity for e in events) == {"other": 857, "serious": 84, "death": 2}
    missing = Counter(name for event in events for name in event.missing)
    assert missing["date_of_event"] / 943 == pytest.approx(0.316, abs=0.001)


def test_files_of_another_kind_are_refused(tmp_path):
    (tmp_path / "a").write_text("[1]")
    with pytest.raises(EvidenceError, match="FDA's list"):
        load_fda_devices(tmp_path / "a")
    (tmp_path / "b").write_text("x\n1\n")
    with pytest.raises(EvidenceError, match="adverse event"):
        load_device_adverse_events(tmp_path / "b")
    with pytest.raises(EvidenceError, match="FileNotFoundError"):
        load_device_adverse_events(tmp_path / "none")


@pytest.mark.shared_data
def test_public_records_are_imported_from_the_command_line(capsys):
    import json

    from commonwatt.cli import root
    from commonwatt.cli.frame import run_main

    folder = shared_data("surveillance")
    files = [*sorted((folder / "chai_model_cards").glob("*.xml"))]
    files += [next((folder / "fda_ai_devices").glob("*.gz"))]
    files += [folder / "fda_ai_adverse_events" / "adverse_events_943.csv.gz"]
    words = ["clinic", "model", "import", *map(str, files), "--on", "2026-11-22"]
    assert run_main(root, [*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len({row["file"] for row in answer["cards"]}) == 18
    assert answer["devices"][0]["devices"] == 1357
    assert answer["events"][0]["reports"] == 943
    assert run_main(root, [*words, "--lang", "zh-Hant"]) == 0
    assert "card.ages-contradict" in capsys.readouterr().out
    assert run_main(root, ["clinic", "model", "import", str(folder / "README.md")]) == 68
