"""What a gate once got wrong, each as its user would meet it."""

import json
import subprocess
import sys

import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from tests.clinic_factories import BODIES, NAMES
from tests.clinic_institution import FACTS, hospital, put_in_old_words

GIVEN = ("--institution", "qmh.toml", "--key", "gateway.pem")


def run(*words: str) -> int:
    return run_main(root, ["clinic", *words])


def fact_words(facts):
    return [word for name, value in facts.items() for word in ("--fact", f"{name}={value}")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hospital(tmp_path).ledger.engine.dispose()
    return tmp_path


def disclose(encounter="e1", key="clinician.pem"):
    return run("gate", "disclose", "deployment/x", encounter, "--language", "zh-Hant",
               "--institution", "qmh.toml", "--key", key)  # fmt: skip


def ask(*words, facts=FACTS, encounter="e1"):
    return run("gate", "ask", "deployment/x", encounter, *GIVEN, *fact_words(facts), *words)


def test_a_patient_is_told_by_a_command_and_the_gate_answers_after_it(folder, capsys):
    assert ask() == 70
    assert "gate.not-disclosed" in capsys.readouterr().err
    assert disclose() == 0
    assert "電腦模型" in capsys.readouterr().out
    assert ask() == 0


def test_below_the_approved_threshold_there_is_no_finding(folder, capsys):
    assert disclose() == 0
    capsys.readouterr()
    # -1 + 0.02 years on the logit: 0.32 at 12 years more than 0.30, so 18 years score 0.35.
    (folder / "model.json").write_text((folder / "model.json").read_text())
    assert ask("--json") == 0
    above = json.loads(capsys.readouterr().out)
    assert (above["finding"], above["threshold"], above["score"]) == (True, 0.3, 0.5)
    assert "Suspected finding" in above["words"]["en"]


@pytest.mark.parametrize("age", ["inf", "nan", "-1", "1e400", "131", "old", "50 kg", "4e3 months"])
def test_a_number_beyond_its_range_or_none_at_all_is_refused_by_name(folder, capsys, age):
    disclose()
    assert ask(facts=FACTS | {"age_years": age}) == 70
    assert "gate.invalid-fact (age_years)" in capsys.readouterr().err


def test_a_word_that_the_guide_has_not_and_a_fact_that_it_has_not_are_refused(folder, capsys):
    disclose()
    assert ask(facts=FACTS | {"quality": "excellent"}) == 70
    assert "gate.invalid-fact (quality)" in capsys.readouterr().err
    assert ask(facts=FACTS | {"colour": "red"}) == 70
    assert "gate.invalid-fact" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["intended-use", "deployment"])
def test_an_unknown_guide_is_refused_when_it_is_registered(folder, capsys, kind):
    (folder / "body.json").write_text(json.dumps(BODIES[kind] | {"guide": "no-such-guide"}))
    key = {"intended-use": "manufacturer.pem", "deployment": "clinical-lead.pem"}[kind]
    assert run("model", "register", kind, "y", "body.json", "--key", key) != 0
    message = capsys.readouterr().err
    assert "no-such-guide" in message
    assert "imaging" in message
    (folder / "body.json").write_text(json.dumps(BODIES[kind]))
    assert run("model", "register", kind, "y", "body.json", "--key", key) == 0


def test_an_older_deployment_under_an_unknown_guide_leaves_the_others_their_gate(tmp_path, capsys):
    from tests.clinic_factories import move

    writer = hospital(tmp_path)
    put_in_old_words(writer, "old", BODIES["deployment"] | {"guide": "no-such-guide"})
    move(writer, "approved", "committee-chair", name="old")
    move(writer, "live", "clinical-lead", name="old")
    writer.ledger.engine.dispose()
    from commonwatt.clinic.engines.gateway import AdviceGate
    from commonwatt.clinic.engines.gateway.service import EXTENSION, CdsHooksService
    from tests.clinic_factories import NOW
    from tests.clinic_institution import KEYS
    from tests.unit.test_clinic_hooks import Client

    gate = AdviceGate(
        writer, "qmh", {f"deployment/{n}": lambda _: 0.4 for n in ("x", "old")},
        by=KEYS["gateway"], salt=b"s",
    )  # fmt: skip
    service = CdsHooksService(gate, lambda: NOW, lambda name, token: None)
    answer = Client(service.cds_hooks_app()).get("/cds-services")
    assert answer.status_code == 200
    assert [each["id"] for each in answer.json()["services"]] == ["x"]
    [unavailable] = answer.json()["extension"][EXTENSION]["unavailable"]
    assert (unavailable["id"], unavailable["rule"]) == ("old", "gate.guide-unavailable")


def test_an_agent_that_pings_is_answered(folder):
    words = [sys.executable, "-m", "commonwatt", "clinic", "gate", "serve", *GIVEN]
    ping = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}) + "\n"
    done = subprocess.run([*words, "--mcp", "chest", "--plan", "p"], cwd=folder, input=ping,
                          capture_output=True, text=True, timeout=60, check=True)  # fmt: skip
    assert json.loads(done.stdout)["result"] == {}


def test_a_product_for_radiographs_never_answers_for_another_modality(folder, capsys):
    assert NAMES["intended-use"] == "u"
    disclose()
    assert ask(facts=FACTS | {"modality": "mri"}) == 70
    assert "gate.outside-indications" in capsys.readouterr().err
