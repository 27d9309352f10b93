"""What a gate once got wrong, each as its user would meet it."""

import hashlib
import json
import subprocess
import sys

import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.engines.gateway import AdviceGate
from commonwatt.clinic.engines.gateway.service import EXTENSION, CdsHooksService
from tests.clinic_commands import register_by_commands
from tests.clinic_factories import BODIES, NOW
from tests.clinic_histories import LEGAL, write
from tests.clinic_institution import FACTS, KEYS, LINEAR, hospital
from tests.unit.test_clinic_hooks import Client

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


def enrol_everybody():
    organisation = ("--organisation", "HA")
    init = ("--key", "registrar.pem", "--name", "Wong", *organisation)
    assert run_main(root, ["ledger", "init", *init]) == 0
    for role in ("manufacturer", "regulatory-officer", "evaluator", "committee-chair",
                 "clinical-lead", "gateway", "clinician"):  # fmt: skip
        house = ("--organisation", "Example") if role == "manufacturer" else organisation
        person = ("--key", f"{role}.pem", "--name", role, "--role", role, *house)
        assert run_main(root, ["ledger", "enrol", "--by", "registrar.pem", *person]) == 0


def test_from_the_first_key_to_an_answer_that_is_allowed_by_commands_alone(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    enrol_everybody()
    (tmp_path / "model.json").write_text(LINEAR)
    digest = hashlib.sha256(LINEAR.encode()).hexdigest()
    register_by_commands(
        tmp_path, version={"artefact_sha256": digest}, deployment={"threshold": 0.45}
    )
    assert run("model", "approve", "deployment/x", "--key", "committee-chair.pem") == 0
    assert run("model", "deploy", "deployment/x", "--key", "clinical-lead.pem") == 0
    file = 'institution = "qmh"\n[models."deployment/x"]\nlinear = "model.json"\n'
    (tmp_path / "qmh.toml").write_text(file)
    assert ask() == 70
    assert "gate.not-disclosed" in capsys.readouterr().err
    assert disclose() == 0
    assert disclose("e2", "gateway.pem") == 0
    capsys.readouterr()
    # -1 + 0.02 a year on the logit.
    for encounter, age, score, finding in (("e1", 50, 0.5, True), ("e2", 20, 0.354, False)):
        assert ask("--json", facts=FACTS | {"age_years": f"{age}"}, encounter=encounter) == 0
        advice = json.loads(capsys.readouterr().out)
        assert (advice["finding"], advice["threshold"]) == (finding, 0.45)
        assert advice["score"] == pytest.approx(score, abs=1e-3)
        assert ("No finding" in advice["words"]["en"]) is not finding
    assert run_main(root, ["ledger", "verify"]) == 0


@pytest.mark.parametrize("role", ["manufacturer", "committee-chair", "monitor"])
def test_nobody_else_says_that_a_patient_was_told_and_of_no_other_hospitals_model(
    folder, capsys, role
):
    assert disclose(key=f"{role}.pem") != 0
    assert ask() == 70
    file = folder / "qmh.toml"
    file.write_text(file.read_text().replace('institution = "qmh"', 'institution = "pmh"'))
    capsys.readouterr()
    assert disclose() == 70
    assert "gate.wrong-institution" in capsys.readouterr().err


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
    writer = hospital(tmp_path)
    # As a program wrote it that did not look at the names of guides.
    for kind, name, body in LEGAL:
        changes = {"guide": "no-such-guide"} if kind in ("intended-use", "deployment") else {}
        write(writer, (kind, name, body if kind == "move" else body | changes), "old-")
    gate = AdviceGate(
        writer, "qmh", {f"deployment/{n}": lambda _: 0.4 for n in ("x", "old-x")},
        by=KEYS["gateway"], salt=b"s",
    )  # fmt: skip
    service = CdsHooksService(gate, lambda: NOW, lambda name, token: None)
    answer = Client(service.cds_hooks_app()).get("/cds-services")
    assert answer.status_code == 200
    assert [each["id"] for each in answer.json()["services"]] == ["x"]
    [unavailable] = answer.json()["extension"][EXTENSION]["unavailable"]
    assert (unavailable["id"], unavailable["rule"]) == ("old-x", "gate.guide-unavailable")


def test_an_agent_that_pings_is_answered(folder):
    words = [sys.executable, "-m", "commonwatt", "clinic", "gate", "serve", *GIVEN]
    ping = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}) + "\n"
    done = subprocess.run([*words, "--mcp", "chest", "--plan", "p"], cwd=folder, input=ping,
                          capture_output=True, text=True, timeout=60, check=True)  # fmt: skip
    assert json.loads(done.stdout)["result"] == {}


def test_a_product_for_radiographs_never_answers_for_another_modality(folder, capsys):
    disclose()
    assert ask(facts=FACTS | {"modality": "mri"}) == 70
    assert "gate.outside-indications" in capsys.readouterr().err
