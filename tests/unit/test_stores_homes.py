"""Homes that older versions left open today, and say the same as on the day they were made.

Each folder under `fixtures/homes` was written by the program as it stood at that time: a
ledger with a data project, a store of runs, a controller, a console, and the programmes
that were shipped. Nothing in them was touched since.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.ledger import Ledger
from commonwatt.ledger.usecases import verify_ledger_at
from commonwatt.operate.usecases.home import open_controller_home, open_controller_store
from commonwatt.runs import RunStore
from commonwatt.runs.check import run_store_fault_messages
from commonwatt.stores import migrate, schemas
from commonwatt.stores.engine import (
    database_read_transaction,
    database_write_transaction,
    open_database_engine,
)
from commonwatt.stores.errors import StoreBusyError, StoreVersionError
from commonwatt.stores.migrate import migrate_database
from commonwatt.stores.versions import store_versions_by_name
from commonwatt.study.programme.reader import load_programme
from commonwatt.web.auth.accounts import list_console_accounts
from commonwatt.web.services import open_console_services
from commonwatt.web.settings import Settings
from tests.databases import postgresql

HOMES = sorted((Path(__file__).parents[1] / "fixtures" / "homes").iterdir())
PROGRAMMES = [programme for home in HOMES for programme in sorted(home.glob("*.toml"))]


@pytest.fixture(params=HOMES, ids=lambda home: home.name)
def home(request, tmp_path):
    with tarfile.open(request.param / "home.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    shutil.copy(request.param / "facts.json", tmp_path)
    return tmp_path


def _facts(home):
    return json.loads((home / "facts.json").read_text())


def _versions(path):
    engine = open_database_engine(path)
    try:
        with database_read_transaction(engine) as tx:
            return store_versions_by_name(tx)
    finally:
        engine.dispose()


def _chain(where, entries):
    """Return the digest of the first entries, as they stand, and the last link."""
    ledger = Ledger.open(where)
    try:
        texts = [entry.text for entry in ledger.entries(limit=entries)]
        links = [entry.link.hex() for entry in ledger.entries(limit=entries)]
        return hashlib.sha256("\n".join(texts).encode()).hexdigest(), links[-1] if links else ""
    finally:
        ledger.engine.dispose()


def test_five_homes_are_kept():
    assert len(HOMES) == 5
    for home in HOMES:
        assert sum(file.stat().st_size for file in home.iterdir()) < 300_000


def test_every_chain_verifies_byte_for_byte(home):
    ledgers = _facts(home)["ledgers"]
    assert ledgers["ledger.db"]["entries"] >= 8
    for name, facts in ledgers.items():
        verified = verify_ledger_at(str(home / name), None)
        assert verified["entries"] == facts["entries"]
        if facts["entries"]:
            assert _chain(home / name, facts["entries"]) == (facts["text_sha256"], facts["link"])


def test_old_words_stay_in_the_chain(home):
    ledger = Ledger.open(home / "ledger.db")
    subjects = {entry.subject for entry in ledger.entries() if entry.kind.startswith("sandbox.")}
    ledger.engine.dispose()
    assert subjects
    assert all(subject.startswith(("room/heart", "project/heart")) for subject in subjects)


def test_every_database_stands_at_todays_steps(home):
    for name in _facts(home)["ledgers"]:
        Ledger.open(home / name).engine.dispose()
    for name in _facts(home)["runs"]:
        RunStore((home / name).parent)
    for name in (*_facts(home)["ledgers"], *_facts(home)["runs"]):
        versions = _versions(home / name)
        assert versions
        assert all(each.recorded for each in versions.values())
        assert not any(each.is_older for each in versions.values())


def test_a_project_answers_and_goes_on(home, monkeypatch, capsys):
    monkeypatch.chdir(home)
    assert run_main(root, ["sandbox", "status", "heart", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["datasets"]
    facts = _facts(home)["ledgers"]["ledger.db"]
    assert (
        run_main(root, ["sandbox", "budget", "heart", "--grant", "4", "--key", "custodian.pem"])
        == 0
    )
    assert run_main(root, ["sandbox", "activity", "heart", "--json"]) == 0
    assert run_main(root, ["ledger", "verify"]) == 0
    assert _chain(home / "ledger.db", facts["entries"]) == (facts["text_sha256"], facts["link"])


def test_runs_are_listed_and_shown(home):
    for name, run_ids in _facts(home)["runs"].items():
        store = RunStore((home / name).parent)
        assert sorted(store.ids()) == run_ids
        assert run_store_fault_messages(store.root) == []
        for run_id in run_ids:
            assert store.get(run_id[:8]).run_id == run_id
            assert store.table(run_id, "t").height == 1


def test_a_controller_and_a_console_open(home):
    if not (home / "cluster").exists():
        pytest.skip("no controller yet at that time")
    with open_controller_store(open_controller_home(home / "cluster")) as store:
        assert store.job_records() == {}
        assert store.last_tick_number() == 0
    settings = Settings.of(
        home / "console" / "runs", address="http://127.0.0.1:1", secure=False, sample=""
    )
    services = open_console_services(settings, now=datetime.now(UTC))
    assert list_console_accounts(services) == []
    services.database.dispose()


def test_a_copy_of_what_was_changed_lies_beside(home):
    before = (home / "runs" / "runs.sqlite").read_bytes()
    RunStore(home / "runs")
    copy = home / "runs" / f"runs.sqlite.before-{schemas.RUNS.head}"
    with sqlite3.connect(copy) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        assert len(connection.execute("SELECT * FROM runs").fetchall()) == 3
    connection.close()
    assert "run_drafts" not in tables
    assert "runs_version" not in tables
    assert before[:16] == copy.read_bytes()[:16]


def test_the_oldest_home_moves_to_postgresql_and_waits_for_the_command(tmp_path, monkeypatch):
    with tarfile.open(HOMES[0] / "home.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    facts = json.loads((HOMES[0] / "facts.json").read_text())["ledgers"]["ledger.db"]
    monkeypatch.chdir(tmp_path)
    with postgresql() as url:
        _copy_older_tables(tmp_path / "ledger.db", url)
        with pytest.raises(StoreVersionError, match="commonwatt ledger upkeep migrate"):
            Ledger.open(url)
        assert run_main(root, ["ledger", "verify", "--ledger", url]) == StoreVersionError.exit_code
        assert run_main(root, ["ledger", "upkeep", "migrate", "--ledger", url]) == 0
        assert run_main(root, ["ledger", "verify", "--ledger", url]) == 0
        assert _chain(url, facts["entries"]) == (facts["text_sha256"], facts["link"])
        assert run_main(root, ["sandbox", "status", "heart", "--ledger", url]) == 0
        assert migrate_database(url) == []


def _copy_older_tables(path, url):
    """Lay the rows of an older file into a PostgreSQL of the same older tables, unversioned."""
    older = sa.create_engine(f"sqlite:///{path}")
    tables = sa.MetaData()
    tables.reflect(older)
    steps = [
        (schemas.LEDGER, schemas.LEDGER.head),
        (schemas.PROJECTS, "projects_1_from_0_1"),
        (schemas.BUDGETS, schemas.BUDGETS.head),
    ]
    newer = open_database_engine(url)
    with older.connect() as source, database_write_transaction(newer) as target:
        for schema, revision in steps:
            command.upgrade(migrate._alembic_config(target, schema.version_table), revision)
            target.exec_driver_sql(f"DROP TABLE {schema.version_table}")
        made = sa.MetaData()
        made.reflect(target)
        assert set(made.tables) == set(tables.tables)
        for table in tables.sorted_tables:
            rows = [dict(row) for row in source.execute(sa.select(table)).mappings()]
            if rows:
                target.execute(sa.insert(made.tables[table.name]), rows)
    older.dispose()
    newer.dispose()


@pytest.mark.parametrize(
    "programme", PROGRAMMES, ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_a_programme_of_that_time_is_read(programme, tmp_path):
    copy = shutil.copy(programme, tmp_path)
    loaded = load_programme(Path(copy))
    assert loaded.file.title.english
    assert loaded.sites
    assert os.path.basename(copy) in {each.name for each in loaded.inputs}


def test_a_command_that_migrates_says_so_once_and_in_the_language_of_the_call(
    home, monkeypatch, capsys
):
    monkeypatch.chdir(home)
    older = any(version.is_older for version in _versions(home / "ledger.db").values())
    assert run_main(root, ["ledger", "verify", "--json", "--lang", "zh-Hant"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)
    copies = [path.name for path in home.glob("ledger.db.before-*")]
    assert ("已遷移" in err) is bool(copies) is older
    assert all(name in err for name in copies)
    assert run_main(root, ["ledger", "verify", "--lang", "zh-Hant"]) == 0
    assert "已遷移" not in capsys.readouterr().err


def test_some_home_kept_holds_an_older_ledger(tmp_path):
    """Or the test above would say nothing."""
    older = []
    for each in HOMES:
        with tarfile.open(each / "home.tar.gz") as archive:
            archive.extractall(tmp_path / each.name, filter="data")
        versions = _versions(tmp_path / each.name / "ledger.db")
        older.append(any(version.is_older for version in versions.values()))
    assert any(older)


def test_a_lock_that_is_held_is_no_fault_of_ours(home, monkeypatch, capsys):
    monkeypatch.chdir(home)
    assert run_main(root, ["ledger", "verify"]) == 0
    monkeypatch.setattr("commonwatt.stores.engine.BUSY_TIMEOUT_S", 0.1)
    grant = ["sandbox", "budget", "heart", "--grant", "4", "--key", "custodian.pem"]
    holder = sqlite3.connect("ledger.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert run_main(root, grant) == StoreBusyError.exit_code
    err = capsys.readouterr().err
    assert "fault of Commonwatt" not in err
    assert "ledger.db" in err
    holder.close()
    assert run_main(root, grant) == 0
