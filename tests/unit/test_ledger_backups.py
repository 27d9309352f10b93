"""A backup is whole or not there, and what was restored is what was backed up."""

import json
import os
import sqlite3
import subprocess
import sys
import tarfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.ledger import EntryDraft, Key, Ledger, Person, parse_ledger_checkpoint_note
from commonwatt.ledger.backups.home import back_up_home, restore_home_with_verified_ledgers
from commonwatt.ledger.backups.listing import (
    BackupRecord,
    ledger_backup_records_of_home,
    record_ledger_home_backup,
)
from commonwatt.ledger.errors import BackupError, TamperedError
from commonwatt.ledger.verify import verify_ledger
from commonwatt.sandbox.engines.privacy import account
from commonwatt.sandbox.io.store.opt_outs import ConsentScope, add_opt_out_or_withdrawal_row
from commonwatt.sandbox.io.store.schema import opt_outs
from commonwatt.sandbox.usecases.projects.project import prepare_project_tables
from tests.databases import empty, postgresql

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
KEY = Key.from_seed(bytes(32))


def _person(role="registrar"):
    return Person(name="Chan", role=role, organisation="HA", device="test")


def _ledger(where):
    ledger = Ledger.open(where)
    ledger.enrol_first_registrar(KEY, _person(), at=NOW)
    return ledger


def _append(ledger, count=1):
    drafts = [EntryDraft(kind="demo.note", subject=f"n/{i}", body={"n": i}) for i in range(count)]
    at = NOW + timedelta(seconds=ledger.head().size)
    with ledger.transaction() as tx:
        ledger.append(tx, drafts, by=KEY, at=at)


def _home(folder: Path, where: str = "") -> Path:
    """Make a home with a ledger in use, a dataset, a run, an empty folder and four secrets."""
    home = folder / "home"
    (home / "rooms" / "heart" / "datasets" / "raw").mkdir(parents=True)
    (home / "rooms" / "heart").chmod(0o700)
    (home / "rooms" / "heart" / "datasets" / "raw" / "Patient.parquet").write_bytes(b"PAR1" * 99)
    (home / "rooms" / "heart" / "room.key").write_bytes(bytes(range(32)))
    (home / "runs" / "empty").mkdir(parents=True)
    (home / "runs" / "run.json").write_text("{}")
    KEY.save(home / "registrar.pem")
    KEY.save(home / "under-another-name.txt")
    (home / "site.txt").write_text("5e" * 32 + "\n")
    ledger = _ledger(where or home / "ledger.db")
    _append(ledger, 3)
    ledger.engine.dispose()
    return home


def _contents(home: Path) -> dict[str, bytes]:
    """Return what a home holds, databases as their dumps, but for the list of backups."""
    files = [path for path in sorted(home.rglob("*")) if path.is_file()]
    return {
        path.relative_to(home).as_posix(): _dump(path)
        if path.suffix == ".db"
        else path.read_bytes()
        for path in files
        if not path.name.endswith(("-wal", "-shm")) and path.name != "backups.jsonl"
    }


def _dump(path: Path) -> bytes:
    with sqlite3.connect(path) as connection:
        return "\n".join(connection.iterdump()).encode()


def _without_keys(contents):
    keys = {"rooms/heart/room.key", "registrar.pem", "under-another-name.txt", "site.txt"}
    return {name: data for name, data in contents.items() if name not in keys}


def test_what_was_damaged_is_restored_and_verifies(tmp_path):
    home = _home(tmp_path)
    before = _contents(home)
    back_up_home(home, tmp_path / "b.tar", keys=tmp_path / "k.tar", at=NOW)
    (home / "ledger.db").write_bytes(b"damaged")
    (home / "rooms" / "heart" / "datasets" / "raw" / "Patient.parquet").unlink()
    done = restore_home_with_verified_ledgers(
        tmp_path / "b.tar", tmp_path / "new", keys=tmp_path / "k.tar"
    )
    assert _contents(tmp_path / "new") == before
    assert done["keys_missing"] == []
    assert (tmp_path / "new" / "rooms" / "heart").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new" / "runs" / "empty").is_dir()
    restored = Ledger.open(tmp_path / "new" / "ledger.db", create=False)
    assert verify_ledger(restored).entries == done["ledgers"][0]["entries"] == 4
    _append(restored)  # and it goes on
    restored.engine.dispose()
    assert ledger_backup_records_of_home(tmp_path / "new") == ledger_backup_records_of_home(home)


def test_no_key_is_in_the_archive_and_each_is_named(tmp_path):
    home = _home(tmp_path)
    done = back_up_home(home, tmp_path / "b.tar", at=NOW)
    data = (tmp_path / "b.tar").read_bytes()
    assert bytes(range(32)) not in data
    assert b"PRIVATE KEY" not in data
    assert b"5e" * 32 not in data
    names = ["registrar.pem", "rooms/heart/room.key", "site.txt", "under-another-name.txt"]
    assert sorted(done.keys) == names
    restored = restore_home_with_verified_ledgers(tmp_path / "b.tar", tmp_path / "new")
    assert sorted(restored["keys_missing"]) == names
    assert _contents(tmp_path / "new") == _without_keys(_contents(home))


def test_the_archives_are_for_their_owner_alone_and_hold_different_things(tmp_path):
    home = _home(tmp_path)
    back_up_home(home, tmp_path / "b.tar", keys=tmp_path / "k.tar", at=NOW)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("b.tar", "k.tar")] == [0o600] * 2
    with tarfile.open(tmp_path / "b.tar") as rest, tarfile.open(tmp_path / "k.tar") as keys:
        assert set(rest.getnames()) & set(keys.getnames()) == {"manifest.json"}
    assert {path.name for path in tmp_path.iterdir()} == {"home", "b.tar", "k.tar"}


def test_a_ledger_that_is_written_meanwhile_is_backed_up_as_of_one_moment(tmp_path):
    home = _home(tmp_path)
    stop, begun = threading.Event(), threading.Event()

    def write():
        ledger = Ledger.open(home / "ledger.db", create=False)
        while not stop.is_set():
            _append(ledger, 5)
            begun.set()
        ledger.engine.dispose()

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait()
    try:
        done = back_up_home(home, tmp_path / "b.tar", at=NOW)
    finally:
        stop.set()
        writer.join()
    restored = restore_home_with_verified_ledgers(tmp_path / "b.tar", tmp_path / "new")
    # a batch is there whole or not at all: the first registrar, three, and fives
    assert (done.ledgers[0].entries - 4) % 5 == 0
    assert restored["ledgers"][0]["root"] == done.ledgers[0].root


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    back_up_home(_home(folder), folder / "b.tar", at=NOW)
    with tarfile.open(folder / "b.tar") as tar:
        members = [m for m in tar.getmembers() if m.size and m.name != "manifest.json"]
    # the bytes between members are padding, which holds nothing
    places = [range(m.offset_data, m.offset_data + m.size) for m in members]
    return folder / "b.tar", places


@settings(max_examples=40, deadline=None)
@given(
    share=st.floats(0, 1, exclude_max=True), member=st.integers(0, 99),
    flip=st.integers(1, 255), cut=st.booleans(),
)  # fmt: skip
def test_no_changed_or_missing_byte_is_restored(
    archive, tmp_path_factory, share, member, flip, cut
):
    path, places = archive
    folder = tmp_path_factory.mktemp("damaged")
    data = bytearray(path.read_bytes())
    within = places[member % len(places)]
    place = within[int(share * len(within))]
    if cut:
        data = data[:place]
    else:
        data[place] ^= flip
    (folder / "c.tar").write_bytes(data)
    with pytest.raises((BackupError, TamperedError)):
        restore_home_with_verified_ledgers(folder / "c.tar", folder / "new")
    assert [path.name for path in folder.iterdir()] == ["c.tar"]


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "home/../../out", "home/extra"])
def test_a_member_that_no_backup_writes_is_refused(name, tmp_path):
    home = _home(tmp_path)
    back_up_home(home, tmp_path / "b.tar", at=NOW)
    with tarfile.open(tmp_path / "b.tar") as old, tarfile.open(tmp_path / "c.tar", "w") as new:
        info = tarfile.TarInfo(name)
        new.addfile(info)
        for member in old.getmembers():
            new.addfile(member, old.extractfile(member))
    with pytest.raises(BackupError):
        restore_home_with_verified_ledgers(tmp_path / "c.tar", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "out").exists()


def test_a_manifest_written_anew_over_a_changed_ledger_is_seen_by_the_chain(tmp_path):
    home = _home(tmp_path)
    with sqlite3.connect(home / "ledger.db") as connection:
        connection.execute("DROP TRIGGER ledger_entries_no_UPDATE")
        connection.execute("UPDATE ledger_entries SET kind = 'other' WHERE position = 2")
    with pytest.raises(TamperedError):
        back_up_home(home, tmp_path / "b.tar", at=NOW)
    assert not (tmp_path / "b.tar").exists()


def test_a_rollback_is_seen_against_a_checkpoint_kept_elsewhere(tmp_path):
    home = _home(tmp_path)
    ledger = Ledger.open(home / "ledger.db", create=False)
    early = ledger.checkpoint(by=KEY)
    back_up_home(home, tmp_path / "b.tar", at=NOW)
    _append(ledger, 2)
    late = ledger.checkpoint(by=KEY)
    ledger.engine.dispose()
    with pytest.raises(BackupError, match="4 entries, where the checkpoint knows of 6"):
        restore_home_with_verified_ledgers(tmp_path / "b.tar", tmp_path / "new", checkpoints=[late])
    assert not (tmp_path / "new").exists()
    done = restore_home_with_verified_ledgers(
        tmp_path / "b.tar", tmp_path / "new", checkpoints=[early]
    )
    assert done["ledgers"][0]["entries"] == early.size


def test_a_checkpoint_of_another_ledger_holds_for_nothing(tmp_path):
    home = _home(tmp_path)
    back_up_home(home, tmp_path / "b.tar", at=NOW)
    other = Ledger.open(tmp_path / "other.db", origin="elsewhere")
    other.enrol_first_registrar(KEY, _person(), at=NOW)
    note = parse_ledger_checkpoint_note(other.checkpoint(by=KEY).note)
    other.engine.dispose()
    with pytest.raises(BackupError, match="no ledger of this checkpoint"):
        restore_home_with_verified_ledgers(tmp_path / "b.tar", tmp_path / "new", checkpoints=[note])


def test_nothing_is_written_over(tmp_path):
    home = _home(tmp_path)
    back_up_home(home, tmp_path / "b.tar", keys=tmp_path / "k.tar", at=NOW)
    before = (tmp_path / "b.tar").read_bytes()
    with pytest.raises(BackupError):
        back_up_home(home, tmp_path / "b.tar", at=NOW)
    with pytest.raises(BackupError):
        back_up_home(home, tmp_path / "c.tar", keys=tmp_path / "k.tar", at=NOW)
    assert (tmp_path / "b.tar").read_bytes() == before
    assert not (tmp_path / "c.tar").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("x")
    with pytest.raises(BackupError):
        restore_home_with_verified_ledgers(tmp_path / "b.tar", tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]
    (tmp_path / "bare").mkdir()
    restore_home_with_verified_ledgers(
        tmp_path / "b.tar", tmp_path / "bare"
    )  # an empty folder is none


def test_a_place_in_the_home_is_refused(tmp_path):
    home = _home(tmp_path)
    for archive, keys in ((home / "b.tar", None), (tmp_path / "b.tar", home / "k.tar")):
        with pytest.raises(BackupError, match="outside the home"):
            back_up_home(home, archive, keys=keys, at=NOW)
    with pytest.raises(BackupError, match="another file"):
        back_up_home(home, tmp_path / "b.tar", keys=tmp_path / "b.tar", at=NOW)
    assert ledger_backup_records_of_home(home) == []


def test_keys_of_another_backup_are_refused(tmp_path):
    home = _home(tmp_path)
    back_up_home(home, tmp_path / "b.tar", keys=tmp_path / "k.tar", at=NOW)
    back_up_home(home, tmp_path / "c.tar", keys=tmp_path / "l.tar", at=NOW)
    with pytest.raises(BackupError, match="keys of another backup"):
        restore_home_with_verified_ledgers(
            tmp_path / "b.tar", tmp_path / "new", keys=tmp_path / "l.tar"
        )
    restore_home_with_verified_ledgers(
        tmp_path / "c.tar", tmp_path / "new", keys=tmp_path / "l.tar"
    )


def test_what_cannot_be_copied_is_named(tmp_path):
    home = _home(tmp_path)
    os.mkfifo(home / "pipe")
    (home / "runs" / "latest").symlink_to(home / "runs")
    (home / "runs" / ".draft-x").mkdir()
    (home / "runs" / ".run.draft").mkdir()
    done = back_up_home(home, tmp_path / "b.tar", at=NOW)
    assert done.left_out == {
        "pipe": "socket or pipe", "runs/latest": "link", "runs/.draft-x": "draft",
        "runs/.run.draft": "draft",
    }  # fmt: skip
    assert (
        restore_home_with_verified_ledgers(tmp_path / "b.tar", tmp_path / "new")["left_out"]
        == done.left_out
    )


def test_a_list_with_a_cut_line_still_names_the_others(tmp_path):
    first = BackupRecord(backup_id="a", at="2026-01-01", archive="/a", keys="")
    record_ledger_home_backup(tmp_path, first)
    with (tmp_path / "backups.jsonl").open("a") as file:
        file.write('\n{"backup_id": "b", "at": "20')
    second = BackupRecord(backup_id="c", at="2026-01-02", archive="/c", keys="/k")
    record_ledger_home_backup(tmp_path, second)
    assert ledger_backup_records_of_home(tmp_path) == [first, second]


def test_the_commands_back_up_restore_and_refuse(tmp_path, capsys):
    home = _home(tmp_path)
    back = ["ledger", "upkeep", "backup", str(home), "--to", str(tmp_path / "b.tar")]
    assert run_main(root, [*back, "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert run_main(root, [*back]) == 79
    restore = [
        "ledger",
        "upkeep",
        "restore",
        str(tmp_path / "b.tar"),
        "--to",
        str(tmp_path / "new"),
    ]
    assert run_main(root, restore) == 0
    out = capsys.readouterr().out
    assert done["ledgers"][0]["root"] in out
    assert "registrar.pem" in out
    assert run_main(root, [*restore, "--lang", "zh-Hant"]) == 79


KILLED = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from commonwatt.ledger.backups import archive, home
real = {name: getattr(os, name) for name in ("replace", "fsync")}
left = int(sys.argv[3])
def dying(name):
    def call(*a, **k):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)
        return real[name](*a, **k)
    return call
for name in real:
    setattr(os, name, dying(name))
here = Path(sys.argv[1])
if sys.argv[2] == "backup":
    home.back_up_home(here / "home", here / "b.tar", keys=here / "k.tar", at=datetime.now(UTC))
else:
    home.restore_home_with_verified_ledgers(here / "b.tar", here / "new")
"""


@pytest.mark.parametrize("what", ["backup", "restore"])
def test_a_kill_leaves_a_whole_backup_or_none(what, tmp_path):
    home = _home(tmp_path)
    if what == "restore":
        back_up_home(home, tmp_path / "b.tar", at=NOW)
    for left in range(3, 30, 5):
        program = [sys.executable, "-c", KILLED, str(tmp_path), what, str(left)]
        done = subprocess.run(program, check=False)
        if done.returncode == 0:
            break
        assert done.returncode == -9
        if what == "backup":
            if (tmp_path / "b.tar").exists():
                break
            (tmp_path / "k.tar").unlink(missing_ok=True)
        elif (tmp_path / "new").exists():
            break
    if what == "backup":
        restore_home_with_verified_ledgers(tmp_path / "b.tar", tmp_path / "new")
    assert _contents(tmp_path / "new") == _without_keys(_contents(home))


OVERSPEND = "UPDATE sandbox_budgets SET spent_micro = limit_micro + 1"


def _write_project_rows(url):
    ledger = Ledger.open(url)
    prepare_project_tables(ledger)
    with ledger.transaction() as tx:
        add_opt_out_or_withdrawal_row(tx, "heart", "token", ConsentScope.ALL, out=True)
        account.set_privacy_budget_epsilon_limit(tx, "heart", 1.0)
    ledger.engine.dispose()


def test_a_home_on_postgresql_is_restored_to_an_empty_one(tmp_path):
    with postgresql() as url:
        home = _home(tmp_path, url)
        _write_project_rows(url)
        back_up_home(home, tmp_path / "b.tar", database=url, at=NOW)
        engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        with pytest.raises(BackupError, match="tables already"):
            restore_home_with_verified_ledgers(tmp_path / "b.tar", tmp_path / "new", database=url)
        assert not (tmp_path / "new").exists()
        empty(url)
        with pytest.raises(BackupError, match="--database"):
            restore_home_with_verified_ledgers(tmp_path / "b.tar", tmp_path / "new")
        done = restore_home_with_verified_ledgers(
            tmp_path / "b.tar", tmp_path / "new", database=url
        )
        ledger = Ledger.open(url, create=False)
        assert verify_ledger(ledger).root.hex() == done["ledgers"][0]["root"]
        _append(ledger)
        for refused in ("UPDATE ledger_entries SET kind = 'x'", OVERSPEND):
            with pytest.raises(sa.exc.DBAPIError), engine.begin() as connection:
                connection.exec_driver_sql(refused)
        _write_project_rows(url)  # the next row's number is not one that is taken
        with engine.connect() as connection:
            assert connection.execute(sa.select(opt_outs.c.number)).scalars().all() == [1, 2]
        ledger.engine.dispose()
        engine.dispose()
