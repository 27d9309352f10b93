"""The gate on the command line: one question, a served institution, an agent's session, lots."""

import asyncio
import http.client
import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from unittest import mock

import pytest
from mcp import Client, StdioServerParameters

import commonwatt.ledger.people as people
from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.engines.gateway.institution import (
    encounter_pseudonym_salt,
    load_or_make_clinic_institution_secret,
)
from commonwatt.clinic.engines.gateway.service import EXTENSION
from commonwatt.clinic.io.registry import RegistryWriter
from commonwatt.ledger import Key, Ledger, Person
from tests.clinic_factories import put
from tests.clinic_institution import EARLY, FACTS, KEYS, TOKEN, hospital

GIVEN = ("--institution", "qmh.toml", "--key", "gateway.pem")
WORDS = tuple(word for name, value in FACTS.items() for word in ("--fact", f"{name}={value}"))


def run(*words: str) -> int:
    return run_main(root, ["clinic", *words])


def opaque(secret, encounter):
    import hashlib

    return hashlib.sha256(encounter_pseudonym_salt(secret) + encounter.encode()).hexdigest()[:20]


def disclose(folder, *encounters):
    secret = load_or_make_clinic_institution_secret(folder / "institution.secret")
    made = RegistryWriter(Ledger.open(folder / "ledger.db"))
    for encounter in encounters:
        body = {"deployment": "deployment/x", "encounter": opaque(secret, encounter)}
        put(made, "disclosure", f"d-{encounter}", body | {"language": "en"}, EARLY)
    made.ledger.engine.dispose()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hospital(tmp_path).ledger.engine.dispose()
    disclose(tmp_path, "e1")
    return tmp_path


@pytest.mark.parametrize(("role", "opens"), [("clinician", True), ("clinican", False)])
def test_a_pathway_for_a_role_that_nobody_can_have_opens_no_gate(folder, capsys, role, opens):
    file = folder / "qmh.toml"
    file.write_text(file.read_text().replace('roles = ["clinician"]', f'roles = ["{role}"]'))
    exit_code = run("gate", "ask", "deployment/x", "e1", *GIVEN, *WORDS)
    assert exit_code == (0 if opens else 20)
    if not opens:
        message = capsys.readouterr().err
        assert "qmh.toml, pathways.chest.roles: found 'clinican'" in message
        assert "clinician" in message


def test_a_pathway_for_a_role_that_an_older_chain_holds_opens(folder):
    file = folder / "qmh.toml"
    file.write_text(file.read_text().replace('roles = ["clinician"]', 'roles = ["radiographer"]'))
    ask = ("gate", "ask", "deployment/x", "e1", *GIVEN, *WORDS)
    assert run(*ask) == 20
    person = Person(name="Ng", role="radiographer", organisation="HA", device="d")
    ledger = Ledger.open(folder / "ledger.db")
    with mock.patch.object(people, "check_known_ledger_role"), ledger.transaction() as tx:
        key = Key.generate().public_key
        ledger.enrol(tx, person, key, by=KEYS["registrar"], at=datetime.now(UTC))
    ledger.engine.dispose()
    assert run(*ask) == 0


def test_advice_is_given_and_a_refusal_names_its_rule_in_the_readers_language(folder, capsys):
    assert run("gate", "ask", "deployment/x", "e1", *GIVEN, *WORDS) == 0
    assert "Suspected finding: score 0.50" in capsys.readouterr().out
    assert run("gate", "ask", "deployment/x", "e2", *GIVEN, *WORDS, "--lang", "zh-Hant") == 70
    stderr = capsys.readouterr().err
    assert "gate.not-disclosed" in stderr
    assert "你可要求不使用" in stderr
    assert run("gate", "ask", "deployment/x", "e1", *GIVEN, "--fact", "modality=ct") == 70
    assert "gate.missing-fact (age_years, metal_in_view" in capsys.readouterr().err


def test_weights_that_are_not_those_on_record_do_not_run(folder, capsys):
    (folder / "model.json").write_text('{"intercept": 9, "weights": {}}')
    assert run("gate", "ask", "deployment/x", "e1", *GIVEN, *WORDS) == 70
    assert "gate.wrong-artefact" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ('colour = "red"', "colour"),
        ("sample_share = 2", "sample_share"),
        ("[models.x]\nlinear = 3", "models.x"),
        ('[models.x]\npython = "no.such:thing"', "models.x"),
        ('[models.x]\nurl = "file:///etc/passwd"', "models.x"),
        ("[clinicians.a]\nkey = 1", "clinicians.a"),
        ("[pathways.a]\nroles = 1", "pathways.a"),
        ('pathways = "x"', "pathways"),
        ("= 1", "qmh.toml"),
    ],
)
def test_an_institution_file_at_fault_names_the_place(folder, capsys, line, place):
    (folder / "qmh.toml").write_text('institution = "qmh"\n' + line)
    assert run("gate", "ask", "deployment/x", "e1", *GIVEN) == 20
    assert place in capsys.readouterr().err


def test_the_doctor_is_asked_first_where_the_lot_falls_and_the_lots_can_be_drawn_again(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    hospital(tmp_path, share=0.5).ledger.engine.dispose()
    names = [f"e{i}" for i in range(12)]
    disclose(tmp_path, *names)
    own_first = []
    for name in names:
        if run("gate", "ask", "deployment/x", name, *GIVEN, *WORDS) == 70:
            own_first.append(name)
            assert "gate.own-estimate-first" in capsys.readouterr().err
            assert run("gate", "ask", "deployment/x", name, *GIVEN, *WORDS, "--own", "0.3") == 0
    assert 0 < len(own_first) < 12
    capsys.readouterr()
    assert run("gate", "lottery", "qmh", "--secret", "institution.secret", "--json") == 0
    lottery = json.loads(capsys.readouterr().out)
    assert (lottery["lots"], lottery["drawn"]) == (12, len(own_first))
    assert lottery["shown_first"] == lottery["marked_wrongly"] == []
    (tmp_path / "other").write_text("00" * 32)
    assert run("gate", "lottery", "qmh", "--secret", "other") == 0
    assert "12 under a secret that was not disclosed" in capsys.readouterr().out


@contextmanager
def serving(folder):
    words = [sys.executable, "-m", "commonwatt", "clinic", "gate", "serve", *GIVEN, "--port", "0"]
    process = subprocess.Popen(words, cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        port = int(re.search(r"127\.0\.0\.1:(\d+)/", process.stderr.readline())[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        yield connection, process
        connection.close()
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture
def served(folder):
    with serving(folder) as (connection, _):
        yield connection


def test_an_answer_that_was_given_is_on_record_even_if_the_gate_dies_at_once(folder):
    from commonwatt.ledger.verify import verify_ledger

    with serving(folder) as (connection, process):
        _, answer = post(connection, "/cds-services/x", {"facts": FACTS})
        process.kill()
        process.wait(timeout=20)
    ledger = Ledger.open(folder / "ledger.db")
    last = list(ledger.entries())[-1]
    verify_ledger(ledger)
    ledger.engine.dispose()
    assert last.subject == answer["extension"][EXTENSION]["advice"]


def post(connection, path, extension, **headers):
    context = {"userId": "Practitioner/lee", "patientId": "p1", "encounterId": "e1"}
    body = {"hook": "patient-view", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
            "context": context, "extension": {EXTENSION: extension}}  # fmt: skip
    typed = {"content-type": "application/json"} | headers
    connection.request("POST", path, json.dumps(body), typed)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_a_served_institution_advises_takes_feedback_with_a_token_and_answers_on_loopback(
    served, folder
):
    status, answer = post(served, "/cds-services/x", {"facts": FACTS})
    verdict = answer["extension"][EXTENSION]
    assert (status, verdict["rule"]) == (200, "gate.allowed")
    decided = {"clinician": "dr-lee", "advice": verdict["advice"], "outcome": "accepted"}
    path = "/cds-services/x/feedback"
    assert post(served, path, decided)[0] == 403
    assert post(served, path, decided, authorization="Bearer wrong")[0] == 403
    assert post(served, path, decided, authorization=f"Bearer {TOKEN}")[0] == 200
    ledger = Ledger.open(folder / "ledger.db")
    kinds = [entry.kind for entry in ledger.entries()][-2:]
    ledger.engine.dispose()
    assert kinds == ["clinic.advice", "clinic.decision"]


def test_a_port_that_is_taken_is_said_so(served, folder):
    assert run("gate", "serve", *GIVEN, "--port", str(served.port)) == 2


def session(folder, *steps, plan="p1"):
    """Let the official client start the command, as an agent does, and make calls."""
    words = ["-m", "commonwatt", "clinic", "gate", "serve", *GIVEN, "--mcp", "chest"]
    server = StdioServerParameters(
        command=sys.executable, args=[*words, "--plan", plan], cwd=folder, env=dict(os.environ)
    )

    async def conversation():
        async with Client(server) as client:
            return [
                (await client.call_tool("deployment/x", arguments(signed_by_command(step, plan))))
                .structured_content["rule"]
                for step in steps
            ]  # fmt: skip

    return asyncio.run(conversation())


def signed_by_command(step, plan):
    """The statement that `gate sign` prints."""
    words = ["-m", "commonwatt", "clinic", "gate", "sign", "deployment/x", "e1", "--plan", plan]
    words += ["--step", str(step), "--answer", "yes", "--key", "clinician.pem", *WORDS, "--json"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=60,
                          check=True)  # fmt: skip
    return json.loads(done.stdout)


def arguments(statement):
    return {"encounter": "e1", "facts": FACTS, "statement": statement}


def test_an_agent_is_served_on_stdin_and_a_new_session_of_its_plan_goes_on_where_it_stopped(folder):
    assert session(folder, 0) == ["gate.allowed"]
    assert session(folder, 1, 2) == ["gate.allowed", "agent.budget-spent"]


def test_an_agents_session_needs_its_plan_and_a_pathway_of_the_institution(folder):
    assert run("gate", "serve", *GIVEN, "--mcp", "chest") == 2
    assert run("gate", "serve", *GIVEN, "--mcp", "none", "--plan", "p") == 20
