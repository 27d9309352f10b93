"""Questions to the registry on the command line."""

import json
from datetime import timedelta

import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.domain.registry.rulings import computed_ruling_record_body
from commonwatt.clinic.domain.rules.book import load_regulatory_rule_book
from commonwatt.clinic.engines.gateway import AdviceGate
from commonwatt.clinic.engines.gateway.lottery import EncounterLottery
from tests.clinic_factories import BODIES, KEYS, move, put
from tests.clinic_factories import FACTS as PRODUCT_FACTS
from tests.clinic_institution import EARLY, FACTS, disclose, hospital

HOUR = timedelta(hours=1)


def run(*words: str) -> int:
    return run_main(root, ["clinic", *words])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A day on the ward: 40 lots with outcomes, one refusal, one incident, then a pause."""
    monkeypatch.chdir(tmp_path)
    made = hospital(tmp_path)
    scores = {"deployment/x": lambda facts: float(facts["age_years"]) / 100}
    lot = EncounterLottery(secret=b"s" * 32, share=1.0)
    gate = AdviceGate(made, "qmh", scores, by=KEYS["gateway"], salt=b"s", sample=lot)
    for i in range(40):
        disclose(made, gate, f"e{i}")
    for i in range(40):
        facts = FACTS | {"age_years": str(20 + i * 2 % 60)}
        own = 0.2 + (i * 7 % 60) / 100
        verdict = gate.record_and_answer_advice_request(
            "deployment/x", f"e{i}", facts, at=EARLY + HOUR, own_estimate=own
        )
        put(made, "outcome", f"o{i}", {"advice": verdict.advice, "label": i % 3 == 0}, EARLY + HOUR)
        decided = {"advice": verdict.advice, "asked_before": True, "own_estimate": own}
        decided["outcome"] = "overridden" if i % 2 else "accepted"
        put(made, "decision", f"c{i}", decided, EARLY + HOUR)
    gate.record_and_answer_advice_request(
        "deployment/x", "untold", FACTS, at=EARLY + HOUR, own_estimate=0.1
    )
    event = {"deployment": "deployment/x", "type": "incident", "severity": "death"}
    put(made, "event", "i1", event | {"jurisdiction": "cn", "code": "missed"}, EARLY + 2 * HOUR)
    move(made, "paused", "safety-officer", EARLY + 3 * HOUR)
    made.ledger.engine.dispose()
    return tmp_path


def asked(capsys, *words):
    assert run(*words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_what_was_live_is_told_for_then_and_for_now(folder, capsys):
    [then] = asked(capsys, "model", "live", "qmh", "--at", "2020-01-01T02:00:00+0000")["live"]
    assert (then["deployment"], then["threshold"]) == ("deployment/x", 0.3)
    assert asked(capsys, "model", "live", "qmh") == {"live": [], "set_aside": []}


def test_who_approved_the_threshold_is_a_person_with_role_and_entry(folder, capsys):
    approver = asked(capsys, "model", "approver", "deployment/x")
    assert (approver["threshold"], approver["role"]) == (0.3, "committee-chair")
    assert run("model", "approver", "deployment/x", "--lang", "zh-Hant") == 0
    assert "批准" in capsys.readouterr().out
    assert run("model", "approver", "deployment/none") == 67


def test_which_rule_set_gave_the_class_is_named_by_its_digest(folder, capsys):
    [ruling] = asked(capsys, "rules", "rulings", "product/p", "--place", "hk")["rulings"]
    assert (ruling["classes"], ruling["rule_set_sha256"]) == (
        {"device": "II"},
        load_regulatory_rule_book().digests_by_place["hk"],
    )
    assert asked(capsys, "rules", "rulings", "product/p", "--place", "eu")["rulings"] == []


def test_encounters_that_lacked_disclosure_are_told_apart_by_what_happened(folder, capsys):
    encounters = asked(capsys, "gate", "undisclosed", "deployment/x")
    assert (encounters["advised"], len(encounters["refused"])) == ([], 1)
    assert run("gate", "undisclosed", "deployment/x") == 0
    assert "0 advised on without disclosure, 1 refused" in capsys.readouterr().out


def test_advice_of_a_high_class_waits_for_a_signed_decision(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made = hospital(tmp_path)
    gate = AdviceGate(made, "qmh", {"deployment/x": lambda _: 0.4}, by=KEYS["gateway"], salt=b"s")
    disclose(made, gate, "e")
    assert not gate.record_and_answer_advice_request(
        "deployment/x", "e", FACTS, at=EARLY
    ).sign_off  # class II, advisory
    critical = BODIES["intended-use"] | {"facts": PRODUCT_FACTS | {"condition": "critical"}}
    put(made, "intended-use", "high", critical, EARLY)
    body = computed_ruling_record_body("intended-use/high", critical["facts"], "hk", EARLY.date())
    put(made, "ruling", "high", body, EARLY)
    body = made.registry.records["determination/d"].body | {"ruling": "ruling/high"}
    put(made, "determination", "high", dict(body), EARLY)
    body = made.registry.records["deployment/x"].body | {"determination": "determination/high"}
    put(made, "deployment", "high", dict(body), EARLY)
    move(made, "approved", "committee-chair", EARLY, name="high")
    move(made, "live", "clinical-lead", EARLY, name="high")
    disclosure = {
        "deployment": "deployment/high",
        "encounter": gate.encounter_pseudonym("e"),
        "language": "en",
    }
    put(made, "disclosure", "high", disclosure, EARLY)
    gate.models = {"deployment/high": lambda _: 0.4}
    verdict = gate.record_and_answer_advice_request("deployment/high", "e", FACTS, at=EARLY)
    assert verdict.sign_off
    assert asked(capsys, "gate", "unsigned", "deployment/high")["unsigned"] == [
        {"advice": verdict.advice}
    ]
    decided = {"advice": verdict.advice, "outcome": "accepted", "asked_before": False}
    put(made, "decision", "signed", decided, EARLY)
    made.ledger.engine.dispose()
    assert asked(capsys, "gate", "unsigned", "deployment/high")["unsigned"] == []


def test_overrides_fare_by_outcome_and_the_lots_show_what_both_voices_knew(folder, capsys):
    overrides = asked(capsys, "gate", "overrides", "deployment/x")
    assert sum(overrides["decisions"]["overridden"].values()) == 20
    assert overrides["voices"]["rows"] == 40
    assert run("gate", "overrides", "deployment/x", "--lang", "zh-Hant") == 0
    assert "不採納" in capsys.readouterr().out


def test_whether_the_advice_was_seen_first_is_on_record(folder, capsys):
    from commonwatt.ledger import Ledger

    ledger = Ledger.open(folder / "ledger.db")
    name = next(iter(ledger.entries(kind="clinic.advice"))).subject
    ledger.engine.dispose()
    assert asked(capsys, "gate", "seen", name)["seen_first"] is False
    assert run("gate", "seen", "advice/none") == 67


def test_who_must_be_told_by_when_follows_the_rule_book(folder, capsys):
    duties = asked(capsys, "incident", "duties")["duties"]
    # The maker and the hospital have a duty each.
    assert [(duty["rule"], duty["reporter"], duty["severity"]) for duty in duties] == [
        ("cn.ae.death", "manufacturer", "death"),
        ("cn.ae.user.death", "user-facility", "death"),
    ]


def test_what_is_live_and_may_not_advise_says_by_which_rule(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made = hospital(tmp_path)
    made.ledger.engine.dispose()
    [row] = asked(capsys, "model", "live", "qmh")["live"]
    assert row["refused_by"] is None
    withdrawn = BODIES["determination"] | {"outcome": "withdrawn"}
    (tmp_path / "w.json").write_text(json.dumps(withdrawn))
    register = ("model", "register", "determination", "w", "w.json", "--key", "committee-chair.pem")
    assert run(*register) == 0
    told = capsys.readouterr().out
    assert "deployment/x is live and advises no more: gate.approval-withdrawn" in told
    [row] = asked(capsys, "model", "live", "qmh")["live"]
    assert row["refused_by"] == "gate.approval-withdrawn"
    assert run("model", "live", "qmh", "--lang", "zh-Hant") == 0
    assert "gate.approval-withdrawn" in capsys.readouterr().out
    [then] = asked(capsys, "model", "live", "qmh", "--at", "2025-01-01T00:00:00+0000")["live"]
    assert then["refused_by"] is None
