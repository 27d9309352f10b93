"""A model from registration to incident, on the command line."""

import hashlib
import json

import pytest

from commonwatt.cli import root
from commonwatt.cli.clinic_options import DESIGNS, GUIDELINES
from commonwatt.cli.frame import run_main
from commonwatt.clinic.domain.registry import records
from tests.clinic_commands import COMPUTED, enrol_by_commands, register_by_commands
from tests.clinic_factories import BODIES, BY


def run(*words: str) -> int:
    return run_main(root, ["clinic", *words])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    enrol_by_commands()
    register_by_commands(tmp_path)
    return tmp_path


def test_a_model_is_registered_approved_deployed_stopped_and_its_incident_reported(folder, capsys):
    assert run("model", "approve", "deployment/x", "--key", "clinical-lead.pem") == 63
    assert run("model", "approve", "deployment/x", "--key", "committee-chair.pem") == 0
    assert run("model", "deploy", "deployment/x", "--key", "clinical-lead.pem") == 0
    capsys.readouterr()
    assert run("model", "live", "qmh", "--json") == 0
    assert json.loads(capsys.readouterr().out)["live"][0]["version"] == "version/v1"
    given = (
        "--severity",
        "death",
        "--place",
        "cn",
        "--code",
        "missed",
        "--key",
        "safety-officer.pem",
    )
    assert run("incident", "report", "deployment/x", "e1", *given) == 0
    assert "cn.ae.death" in capsys.readouterr().out
    assert (
        run("model", "pause", "deployment/x", "--key", "safety-officer.pem", "--reason", "alarm")
        == 0
    )
    assert run("model", "live", "qmh") == 0
    assert "Nothing on record." in capsys.readouterr().out
    assert run("incident", "duties") == 0
    assert run("model", "dossier", "version/v1", "--out", "d", "--lang", "zh-Hant") == 0
    assert "裁定" in (folder / "d" / "dossier.html").read_text()
    assert run_main(root, ["ledger", "verify"]) == 0


def test_what_is_refused_says_why_and_keeps_nothing(folder, capsys):
    (folder / "body.json").write_text("[]")
    assert run("model", "register", "product", "q", "body.json", "--key", "manufacturer.pem") == 67
    assert run("model", "deploy", "deployment/x", "--key", "clinical-lead.pem") == 67
    assert "one of the moves approved, retired" in capsys.readouterr().err
    assert run("model", "dossier", "version/none") == 67


@pytest.mark.parametrize("kind", COMPUTED)
def test_what_is_computed_is_not_typed(folder, kind, capsys):
    (folder / "body.json").write_text(json.dumps(BODIES[kind]))
    assert run("model", "register", kind, "typed", "body.json", "--key", f"{BY[kind]}.pem") == 67
    assert f"{kind}: a record that is computed and never typed" in capsys.readouterr().err


@pytest.mark.parametrize("kind", COMPUTED)
def test_a_record_that_is_computed_wants_all_that_names_it(folder, kind, capsys):
    words = [*COMPUTED[kind], "--key", f"{BY[kind]}.pem"]
    for option in {"ruling": ["--use", "--place", "--key"],
                   "evidence": ["--version", "--design", "--key"]}[kind]:  # fmt: skip
        at = words.index(option)
        assert run(*words[:at], *words[at + 2 :]) == 2
        assert f"commonwatt: {option}: " in capsys.readouterr().err
        # And without the record, whatever says more of it is refused, too.
        at = words.index("--record")
        if option != "--place":
            assert run(*words[:at], *words[at + 2 :]) == 2
            assert "does nothing without --record" in capsys.readouterr().err


def test_the_designs_and_guidelines_of_the_command_are_those_of_the_record():
    assert {*DESIGNS, "third-party"} == set(records.DESIGNS)
    assert records.GUIDELINES == GUIDELINES


def test_the_digest_of_what_runs_is_computed_from_the_file(folder, capsys):
    (folder / "model.bin").write_bytes(b"weights")
    (folder / "body.json").write_text('{"product": "product/p"}')
    words = ["body.json", "--artefact", "model.bin", "--key", "manufacturer.pem", "--json"]
    capsys.readouterr()
    assert run("model", "register", "version", "v9", *words) == 0
    body = json.loads(capsys.readouterr().out)["body"]
    assert body["artefact_sha256"] == hashlib.sha256(b"weights").hexdigest()
    (folder / "body.json").write_text(json.dumps(BODIES["version"]))
    assert run("model", "register", "version", "v10", *words) == 2
    assert "a digest that is typed, too" in capsys.readouterr().err
    (folder / "body.json").write_text(json.dumps(BODIES["product"]))
    assert run("model", "register", "product", "p9", *words) == 2
    assert json.loads(capsys.readouterr().err)["where"] == "--artefact"


def test_what_the_table_lacked_is_said_and_stands_in_the_record(folder, capsys):
    rows = [f"0.{i % 9 + 1},{i % 2}" for i in range(60)]
    (folder / "t.csv").write_text("\n".join(["score,label", *rows, "0.4,NA", "0.3,", ""]))
    words = ["model", "evidence", "t.csv", "--threshold", "0.3"]
    capsys.readouterr()
    assert run(*words) == 0
    assert "Missing in the column label: 2" in capsys.readouterr().out
    record = ["--record", "part", "--version", "version/v1", "--design", "external"]
    assert run(*words, *record, "--key", "evaluator.pem", "--json") == 0
    assert json.loads(capsys.readouterr().out)["entry"]["body"]["missing"] == {"label": 2}
