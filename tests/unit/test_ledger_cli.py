"""The commands of the ledger, from making one to checking it outside."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
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


KEY_LOCK = "COMMONWATT_KEY_PASSWORD"


def test_people_keep_their_own_keys_and_the_registrar_sees_public_ones_alone(
    folder, capsys, monkeypatch
):
    monkeypatch.setenv(KEY_LOCK, "geheim")
    assert run("key ng.pem --json") == 0
    capsys.readouterr()
    assert b"ENCRYPTED" in (folder / "ng.pem").read_bytes()
    assert b"PRIVATE" not in (folder / "ng.pem.pub").read_bytes()
    assert run("key ng.pem") == 63
    (folder / "ng.pem").rename(folder / "elsewhere.pem")
    who = "--name Ng --role clinician --organisation HA"
    assert run(f"enrol --by me.pem --public-key ng.pem.pub {who}") == 0
    assert run(f"enrol --by me.pem --public-key lee.pem {who}2") == 63  # a private key is no public
    assert run(f"enrol --by me.pem --public-key ng.pem.pub --key x.pem {who}") == 2
    assert run(f"enrol --by me.pem {who}") == 2
    assert run("checkpoint --key elsewhere.pem") == 0
    capsys.readouterr()
    for wrong in ("falsch", ""):
        monkeypatch.setenv(KEY_LOCK, wrong)
        assert run("checkpoint --key elsewhere.pem") == 63
        message = capsys.readouterr().err
        assert KEY_LOCK in message
        assert "geheim" not in message
    monkeypatch.delenv(KEY_LOCK)
    (folder / "word.txt").write_text("geheim\n")
    monkeypatch.setenv(f"{KEY_LOCK}_FILE", str(folder / "word.txt"))
    assert run("checkpoint --key elsewhere.pem") == 0
    monkeypatch.setenv(f"{KEY_LOCK}_FILE", str(folder / "none.txt"))
    assert run("checkpoint --key elsewhere.pem") == 63


def test_a_new_key_wants_a_password_unless_told_otherwise(folder, capsys):
    assert run("key service.pem") == 63
    assert not (folder / "service.pem").exists()
    assert run("key service.pem --no-password") == 0
    assert (folder / "service.pem").stat().st_mode & 0o777 == 0o600


def test_a_key_is_rotated_and_revoked_by_command(folder, capsys):
    assert run("key new.pem --no-password --json") == 0
    capsys.readouterr()
    assert run("show --json") == 0
    listing = json.loads(capsys.readouterr().out)
    lee = next(actor for actor in listing["actors"] if actor["name"] == "Lee")["actor_id"]
    change = f"rotate {lee} --public-key new.pem.pub --reason yearly"
    assert run(f"{change} --by lee.pem") == 63
    assert run(f"{change} --by me.pem") == 0
    assert "in place of" in capsys.readouterr().out
    assert run(f"revoke {lee} --by me.pem --reason again") == 63
    assert run("show --json") == 0
    new = json.loads(capsys.readouterr().out)["actors"][-1]
    assert (new["name"], new["device"], new["revoked_in"]) == ("Lee", "card-9", None)
    assert run(f"revoke {new['actor_id']} --by me.pem --reason left") == 0
    assert run("checkpoint --key new.pem") == 63
    assert run("verify") == 0


def test_two_of_the_committee_do_together_what_neither_may_alone(folder, capsys):
    for role in ("committee-chair", "safety-officer"):
        who = f"--key {role}.pem --name {role} --role {role} --organisation HA"
        assert run(f"enrol --by me.pem {who}") == 0
    assert run("key ng.pem --no-password") == 0
    enrol = "enrol --public-key ng.pem.pub --name Ng --role gateway --organisation HA"
    capsys.readouterr()
    for _ in range(2):
        assert run(f"{enrol} --by committee-chair.pem") == 0
        assert "not in force yet" in capsys.readouterr().out
        assert run("checkpoint --key ng.pem") == 63
    assert run(f"{enrol} --by safety-officer.pem") == 0
    assert run("checkpoint --key ng.pem") == 0
    assert run("verify") == 0


def test_the_table_of_permissions_is_shown_and_changed(folder, capsys):
    capsys.readouterr()
    assert run("upkeep permissions --json") == 0
    table = json.loads(capsys.readouterr().out)
    assert table["roles"]["clinic.move>approved"] == ["committee-chair"]
    table["roles"]["ward.note"] = ["clinician"]
    (folder / "table.json").write_text(json.dumps(table))
    assert run("upkeep permissions --set table.json") == 2
    assert run("upkeep permissions --set table.json --by lee.pem") == 63
    assert run("upkeep permissions --set table.json --by me.pem") == 0
    assert "ward.note: clinician" in capsys.readouterr().out
    (folder / "table.json").write_text("[]")
    assert run("upkeep permissions --set table.json --by me.pem") == 2
    assert run("upkeep permissions --shipped --by me.pem") == 0
    assert run("verify") == 0


def test_witnesses_are_shown_and_named(folder, capsys):
    assert run("witness") == 0
    assert "knows 2 entries" in capsys.readouterr().out
    far = folder / "far"
    assert run(f"witness --add {far}") == 2
    assert run(f"witness --add {far} --by me.pem --reason outside") == 0
    assert f"{far}" in capsys.readouterr().out
    assert run("witness --add far --by me.pem --reason outside") == 61
    assert len(list(far.rglob("*.note"))) == 1
    assert run("upkeep clock --by me.pem --reason none") == 64


def test_a_role_edited_in_the_database_is_an_error_at_every_next_command(folder, capsys):
    with closing(sqlite3.connect(folder / "ledger.db")) as db:
        db.execute("UPDATE ledger_actors SET role='committee-chair' WHERE role='clinician'")
        db.commit()
    for words in ("verify", "show", "checkpoint --key lee.pem", "upkeep permissions", "witness"):
        assert run(words) == 62, words
    assert run_main(root, ["clinic", "model", "live", "qmh"]) == 62
