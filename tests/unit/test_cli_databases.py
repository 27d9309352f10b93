"""Where a database is, on the command line: no password need stand in the process list."""

import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.ledger import Ledger

SECRET = "s3cret-of-the-ledger"
URL = f"postgresql://console:{SECRET}@127.0.0.1:9/none"
# Every command that opens a database by its place, and how it is told the place.
COMMANDS = {
    "ledger": (["ledger", "verify"], "--ledger", "COMMONWATT_LEDGER"),
    "clinic": (["clinic", "model", "approver", "deployment/x"], "--ledger", "COMMONWATT_LEDGER"),
    "sandbox": (["sandbox", "status", "heart"], "--ledger", "COMMONWATT_LEDGER"),
    "serve": (["serve", "--port", "0", "--sample", ""], "--database", "COMMONWATT_DATABASE"),
    "runs": (["runs", "migrate"], "--database", "COMMONWATT_RUNS_DATABASE"),
    "backup": (["ledger", "upkeep", "backup", ".", "--to", "../a.tar"], "--database",
               "COMMONWATT_LEDGER_DATABASE"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    return home


@pytest.mark.parametrize("command", COMMANDS)
def test_a_url_comes_from_an_option_a_variable_or_a_file(folder, capsys, monkeypatch, command):
    words, option, variable = COMMANDS[command]
    (folder / "url").write_text(f"\ufeff{URL}\n", encoding="utf-8")
    codes, notices = set(), {}
    for given, environment in {
        (option, URL): {}, (option, "@url"): {}, (): {variable: URL}, ("",): {variable: "@url"},
    }.items():  # fmt: skip
        with monkeypatch.context() as context:
            for name, value in environment.items():
                context.setenv(name, value)
            codes.add(run_main(root, [*words, *filter(None, given)]))
        error = capsys.readouterr().err
        assert SECRET not in error
        notices[given] = "Everybody on this machine" in error
    # Each way leads to the same server, which is not there.
    assert len(codes) == 1
    assert codes.isdisjoint({0, 2, 10})
    assert notices == {given: given == (option, URL) for given in notices}


@pytest.mark.parametrize("written", ["", "\n\n", "a.db\nb.db\n", "x" * 5000, None, b"\xff\xfe"])
def test_a_file_that_holds_no_one_place_is_refused(folder, capsys, written):
    if isinstance(written, bytes):
        (folder / "url").write_bytes(written)
    elif written is not None:
        (folder / "url").write_text(written, encoding="utf-8")
    assert run_main(root, ["ledger", "verify", "--ledger", "@url"]) == 2
    error = capsys.readouterr().err
    assert "--ledger" in error
    assert "one line" in error


@pytest.mark.parametrize("written", ["ledger.db", "ledger.db\n", "\r\n sqlite:///ledger.db \r\n"])
def test_a_file_that_holds_a_path_opens_it(folder, written):
    Ledger.open(folder / "ledger.db").engine.dispose()
    (folder / "url").write_text(written, encoding="utf-8")
    assert run_main(root, ["ledger", "verify", "--ledger", "@url"]) == 0


def test_a_path_without_a_password_gives_no_notice(folder, capsys):
    Ledger.open(folder / "ledger.db").engine.dispose()
    assert run_main(root, ["ledger", "verify", "--ledger", "sqlite:///ledger.db"]) == 0
    assert "Everybody" not in capsys.readouterr().err
