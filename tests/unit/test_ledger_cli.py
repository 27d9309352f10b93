"""The commands of the ledger, from making one to checking it outside."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    assert run("init --key me.pem --name Chan --organisation HA") == 0
    who = "--key lee.pem --name Lee --role clinician --organisation HA --device card-9"
    assert run(f"enrol --by me.pem {who}") == 0
    return tmp_path


def run(words: str) -> int:
    return run_main(root, ["ledger", *words.split()])


def test_a_new_ledger_verifies_and_shows_who_enrolled_whom(folder, capsys):
    assert run("verify --json") == 0
    assert run("show") == 0
    out = capsys.readouterr().out
    assert '"entries": 2' in out
    assert "ledger.enrol" in out
    assert "Chan (registrar, HA)" in out


def test_a_role_that_no_rule_knows_is_refused_with_those_that_there_are(folder, capsys):
    capsys.readouterr()
    who = "--key ng.pem --name Ng --organisation HA --role"
    assert run(f"enrol --by me.pem {who} clinican") == 20
    message = capsys.readouterr().err
    assert "'clinican'" in message
    assert "clinician" in message
    assert not (folder / "ng.pem").exists()
    assert run(f"enrol --by me.pem {who} clinician") == 0


def test_the_key_file_is_for_its_owner_only(folder):
    assert (folder / "me.pem").stat().st_mode & 0o777 == 0o600


def test_an_entry_and_the_growth_of_the_ledger_are_proved(folder, capsys):
    assert run("prove 1 --json") == 0
    assert run("prove --since 1") == 0
    out = capsys.readouterr().out
    assert '"holds": true' in out
    assert "The proof holds: 1 hashes" in out
    assert run("prove") == 2


def test_a_kept_checkpoint_is_checked(folder, capsys):
    capsys.readouterr()
    assert run("checkpoint --key me.pem") == 0
    (folder / "kept.txt").write_text(capsys.readouterr().out)
    assert run("verify --checkpoint kept.txt") == 0
    (folder / "kept.txt").write_text("something else")
    assert run("verify --checkpoint kept.txt") == 61


def test_an_export_is_checked_by_its_own_verifier(folder):
    assert run("export record --key me.pem") == 0
    check = [sys.executable, "-I", "record/verify_ledger.py", "record"]
    assert subprocess.run(check, timeout=60, check=False, capture_output=True).returncode == 0
    assert run("export record --key me.pem") == 61


def test_a_clinician_may_not_enrol(folder, capsys):
    assert run("enrol --by lee.pem --key x.pem --name X --role clinician --organisation HA") == 63
    assert "found the role clinician, wanted one of the roles registrar" in capsys.readouterr().err


def test_an_error_is_said_in_chinese_and_as_json(folder, capsys):
    capsys.readouterr()
    assert run_main(root, ["ledger", "prove", "9", "--lang", "zh-Hant"]) == 61
    assert "最多 2" in capsys.readouterr().err
    assert run("verify --ledger none.db --json") == 61
    assert json.loads(capsys.readouterr().err)["error"] == "ledger-unusable"
