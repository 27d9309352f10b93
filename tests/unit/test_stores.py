"""Every store opens at today's step, is brought there, or says why not."""

import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from commonwatt.ledger import Ledger
from commonwatt.ledger import schema as ledger_schema
from commonwatt.operate.io import schema as operate_schema
from commonwatt.runs import schema as runs_schema
from commonwatt.sandbox.engines.privacy import account
from commonwatt.sandbox.io.store import schema as sandbox_schema
from commonwatt.stores import migrate, schemas
from commonwatt.stores.engine import (
    database_read_transaction,
    database_write_transaction,
    open_database_engine,
)
from commonwatt.stores.errors import StoreBusyError, StoreVersionError
from commonwatt.stores.migrate import migrate_database
from commonwatt.stores.opening import (
    create_or_check_store_tables,
    store_versions_by_name_after_migrating,
)
from commonwatt.stores.versions import (
    alembic_version_table_of_store,
    record_store_revision,
    store_versions_by_name,
)
from commonwatt.web import schema as web_schema
from tests.databases import empty, postgresql

CREATE = {
    "ledger": ledger_schema.create_merkle_ledger_tables,
    "projects": sandbox_schema.metadata.create_all,
    "budgets": account.metadata.create_all,
    "controller": operate_schema.metadata.create_all,
    "console": web_schema.metadata.create_all,
    "runs": runs_schema.metadata.create_all,
}
BY_NAME = {schema.name: schema for schema in schemas.STORES}
OLDER = [
    (schema, step.revision)
    for schema in schemas.STORES
    for step in schema.steps
    if step.revision != schema.head
]


@pytest.fixture(scope="module")
def server():
    with postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request, tmp_path):
    if request.param == "sqlite":
        return tmp_path / "a.db"
    url = request.getfixturevalue("server")
    empty(url)
    return url


@contextmanager
def _engine(where):
    engine = open_database_engine(where)
    try:
        yield engine
    finally:
        engine.dispose()


def _shape(engine):
    """Return tables, columns, keys, indexes, checks and triggers, as the database tells them."""
    seen = sa.inspect(engine)
    tables = {
        name: {
            "columns": {
                each["name"]: (
                    str(each["type"]), each["nullable"], str(each["default"]),
                ) for each in seen.get_columns(name)
            },
            "key": seen.get_pk_constraint(name)["constrained_columns"],
            "foreign": sorted(
                (each["constrained_columns"], each["referred_table"])
                for each in seen.get_foreign_keys(name)
            ),
            "indexes": sorted(
                (str(each["name"]), each["column_names"]) for each in seen.get_indexes(name)
            ),
            "unique": sorted(each["column_names"] for each in seen.get_unique_constraints(name)),
            "checks": sorted(str(each["name"]) for each in seen.get_check_constraints(name)),
        }
        for name in seen.get_table_names()
    }  # fmt: skip
    with database_read_transaction(engine) as tx:
        guards = (
            "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' ORDER BY name"
            if engine.dialect.name == "sqlite"
            else "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
            " ORDER BY tgname"
        )
        return tables, [tuple(row) for row in tx.execute(sa.text(guards))]


def _walk_to(engine, schema, revision):
    """Take a store by the steps alone, from nothing to a revision."""
    from alembic import command

    with database_write_transaction(engine) as tx:
        command.upgrade(migrate._alembic_config(tx, schema.version_table), revision)


def _forget_versions(engine):
    """Make a database what it was before versions were kept."""
    with database_write_transaction(engine) as tx:
        for schema in schemas.STORES:
            if schema.name != "console":  # whose version was kept from its first day
                alembic_version_table_of_store(schema).drop(tx, checkfirst=True)


def _versions(engine):
    with database_read_transaction(engine) as tx:
        return {name: each.revision for name, each in store_versions_by_name(tx).items()}


def test_the_table_of_steps_is_what_the_files_say():
    config = Config()
    config.set_main_option("script_location", str(migrate._MIGRATIONS))
    files = ScriptDirectory.from_config(config)
    for schema in schemas.STORES:
        names = [step.revision for step in schema.steps]
        walked = [each.revision for each in files.walk_revisions(names[0], names[-1])]
        assert walked[::-1] == names
        assert files.get_revision(names[0]).branch_labels == {schema.name}
    assert {*files.get_heads()} == {schema.head for schema in schemas.STORES}
    assert len(files.get_bases()) == len(schemas.STORES)


@pytest.mark.parametrize("schema", schemas.STORES, ids=lambda schema: schema.name)
def test_the_steps_lead_to_the_tables_that_are_made_at_once(schema, where):
    with _engine(where) as engine:
        _walk_to(engine, schema, schema.head)
        walked = _shape(engine)
        assert _versions(engine) == {schema.name: schema.head}
    empty(where) if "://" in str(where) else where.unlink()
    with _engine(where) as engine:
        create_or_check_store_tables(engine, schema, CREATE[schema.name])
        assert _shape(engine) == walked
        assert _versions(engine) == {schema.name: schema.head}


def test_every_store_lives_in_one_database(where):
    with _engine(where) as engine:
        for _ in range(2):
            for schema in schemas.STORES:
                create_or_check_store_tables(engine, schema, CREATE[schema.name])
        assert _versions(engine) == {schema.name: schema.head for schema in schemas.STORES}


@pytest.mark.parametrize(("schema", "revision"), OLDER, ids=lambda each: str(each)[:30])
@pytest.mark.parametrize("recorded", [True, False])
def test_an_older_file_is_migrated_and_its_copy_laid_beside(schema, revision, recorded, tmp_path):
    path = tmp_path / "a.db"
    with _engine(path) as engine:
        _walk_to(engine, schema, revision)
        if not recorded:
            _forget_versions(engine)
        before = _shape(engine)
    with _engine(path) as engine:
        versions = store_versions_by_name_after_migrating(engine)
        assert versions[schema.name].revision == schema.head
        assert _versions(engine) == {schema.name: schema.head}
        migrated = _shape(engine)
    copy = tmp_path / f"a.db.before-{schema.head}"
    assert copy.stat().st_mode & 0o777 == 0o600
    with _engine(copy) as engine:
        assert _shape(engine) == before
    assert not list(tmp_path.glob(".*.draft"))
    with _engine(tmp_path / "new.db") as engine:
        _walk_to(engine, schema, schema.head)
        assert _shape(engine) == migrated


@pytest.mark.parametrize("schema", schemas.STORES, ids=lambda schema: schema.name)
def test_tables_made_before_versions_are_recognised(schema, where):
    with _engine(where) as engine:
        _walk_to(engine, schema, schema.head)
        _forget_versions(engine)
        assert store_versions_by_name_after_migrating(engine)[schema.name].revision == schema.head
        assert _versions(engine) == {schema.name: schema.head}


def test_an_older_postgresql_waits_for_the_command(server):
    empty(server)
    with _engine(server) as engine:
        _walk_to(engine, schemas.PROJECTS, "projects_1_from_0_1")
    with pytest.raises(StoreVersionError, match="commonwatt ledger upkeep migrate") as refusal:
        Ledger.open(server)
    assert "projects" in str(refusal.value)
    (migration,) = migrate_database(server)
    assert (migration.store, migration.after) == ("projects", "projects_2_from_0_1")
    assert migrate_database(server) == []
    Ledger.open(server).engine.dispose()


def test_a_postgresql_that_is_in_use_is_not_migrated(server, monkeypatch):
    monkeypatch.setattr("commonwatt.stores.engine.BUSY_TIMEOUT_S", 0.1)
    empty(server)
    with _engine(server) as engine:
        _walk_to(engine, schemas.PROJECTS, "projects_1_from_0_1")
        with pytest.raises(StoreBusyError, match="other sessions"):
            migrate_database(server)
        assert _versions(engine)["projects"] == "projects_1_from_0_1"
    monkeypatch.undo()
    assert migrate_database(server)


def test_a_file_that_another_has_open_is_not_migrated(tmp_path, monkeypatch):
    monkeypatch.setattr("commonwatt.stores.engine.BUSY_TIMEOUT_S", 0.1)
    path = tmp_path / "a.db"
    with _engine(path) as engine:
        _walk_to(engine, schemas.PROJECTS, "projects_1_from_0_1")
    holder = subprocess.Popen(
        [sys.executable, "-c",
         "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
         "c.execute('SELECT count(*) FROM sandbox_rooms').fetchall();"
         "print(flush=True); sys.stdin.read()", str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with holder:
        holder.stdout.readline()  # idle now, as an older console between two requests
        with _engine(path) as engine, pytest.raises(StoreBusyError, match="stop console"):
            store_versions_by_name_after_migrating(engine)
        holder.stdin.close()
    with _engine(path) as engine:
        assert (
            store_versions_by_name_after_migrating(engine)["projects"].revision
            == schemas.PROJECTS.head
        )


def test_two_that_open_an_older_file_at_once_migrate_it_once(tmp_path):
    path = tmp_path / "a.db"
    with _engine(path) as engine:
        _walk_to(engine, schemas.PROJECTS, "projects_1_from_0_1")
    failures = []

    def open_older():
        try:
            with _engine(path) as engine:
                store_versions_by_name_after_migrating(engine)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=open_older) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with _engine(path) as engine:
        assert _versions(engine) == {"projects": schemas.PROJECTS.head}


@pytest.mark.parametrize("schema", schemas.STORES, ids=lambda schema: schema.name)
@pytest.mark.parametrize(
    ("revision", "needs"),
    [("x_9_from_9_4", "Commonwatt 9.4 or newer"), ("9999", "a newer Commonwatt than")],
)
def test_a_newer_database_is_refused_and_untouched(schema, revision, needs, where):
    with _engine(where) as engine:
        create_or_check_store_tables(engine, schema, CREATE[schema.name])
        with database_write_transaction(engine) as tx:
            record_store_revision(tx, schema, revision)
        before = _shape(engine)
        with pytest.raises(StoreVersionError, match=needs) as refusal:
            create_or_check_store_tables(engine, schema, CREATE[schema.name])
        assert schema.name in str(refusal.value)
        with pytest.raises(StoreVersionError):
            store_versions_by_name_after_migrating(engine)
        assert _shape(engine) == before
    with pytest.raises(StoreVersionError, match=needs):
        migrate_database(where)


def test_half_of_a_step_is_no_version(where):
    with _engine(where) as engine:
        _walk_to(engine, schemas.PROJECTS, "projects_1_from_0_1")
        _forget_versions(engine)
        with database_write_transaction(engine) as tx:
            tx.exec_driver_sql("DROP TABLE sandbox_votes")
        with pytest.raises(StoreVersionError, match="no released version: projects"):
            store_versions_by_name_after_migrating(engine)


def test_a_table_of_somebody_else_is_no_store(where):
    with _engine(where) as engine:
        with database_write_transaction(engine) as tx:
            tx.exec_driver_sql("CREATE TABLE elsewhere (a INTEGER)")
        assert store_versions_by_name_after_migrating(engine) == {}


def test_a_refusal_hides_the_password(server):
    empty(server)
    with _engine(server) as engine:
        _walk_to(engine, schemas.PROJECTS, "projects_1_from_0_1")
    with pytest.raises(StoreVersionError) as refusal:
        Ledger.open(server.replace("me@", "me:secret@"))
    assert "secret" not in str(refusal.value)


KILLER = """
import os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
import alembic.command, alembic.config, psycopg
from commonwatt.stores.migrate import migrate_database

count, last = 0, 0

def next_statement(*_):
    global count
    count += 1
    if count > last:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(Engine, "before_cursor_execute", next_statement)
event.listen(Engine, "commit", next_statement)

for line in sys.stdin:
    last = int(line)
    child = os.fork()
    if child == 0:
        migrate_database(sys.argv[1])
        print(count, flush=True)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print("killed", flush=True)
"""


@contextmanager
def _killer(where):
    """Give what migrates in a process that is killed before statement `last` + 1.

    It returns the statements that a whole migration took, and "killed" otherwise.
    """
    child = subprocess.Popen(
        [sys.executable, "-c", KILLER, str(where)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    with child:

        def migrate_and_kill(last):
            child.stdin.write(f"{last}\n")
            child.stdin.flush()
            return child.stdout.readline().strip()

        yield migrate_and_kill
        child.stdin.close()


def _old_home(where):
    with _engine(where) as engine:
        Ledger(engine)
        _walk_to(engine, schemas.PROJECTS, "projects_1_from_0_1")
        _walk_to(engine, schemas.RUNS, "runs_1_from_0_1")
        _forget_versions(engine)
        with database_write_transaction(engine) as tx:
            tx.exec_driver_sql(
                "INSERT INTO sandbox_rooms VALUES ('heart', 'open', '', '', 'any', '2030-01-01')"
            )
        return _schema_text(engine)


def _rows(engine):
    with database_read_transaction(engine) as tx:
        return [tuple(row) for row in tx.execute(sa.text("SELECT * FROM sandbox_rooms"))]


@pytest.mark.slow
def test_a_kill_at_any_statement_leaves_old_or_new(where):
    old = _old_home(where)
    endings = {"old": 0, "new": 0}
    with _killer(where) as migrate_and_kill:
        statements = int(migrate_and_kill(10**9))
        with _engine(where) as engine:
            new, rows = _schema_text(engine), _rows(engine)
        assert new != old
        _clear(where)
        _old_home(where)
        for last in range(statements):
            assert migrate_and_kill(last) == "killed"
            with _engine(where) as engine:
                shape = _schema_text(engine)
                assert shape in (old, new), last
                assert _rows(engine) == rows
            endings["old" if shape == old else "new"] += 1
            if shape == new:
                _clear(where)
                _old_home(where)
    migrate_database(where)  # whatever so many kills left does not stand in the way
    with _engine(where) as engine:
        assert _schema_text(engine) == new
        assert _rows(engine) == rows
    assert endings["old"] > 20
    assert sum(endings.values()) == statements


def _schema_text(engine):
    """Return all that the database keeps of its tables, in one look: it is asked at each kill."""
    schema_query = (
        "SELECT name, sql FROM sqlite_master ORDER BY name"
        if engine.dialect.name == "sqlite"
        else "SELECT table_name, column_name || data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' UNION ALL"
        " SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2"
    )
    with database_read_transaction(engine) as tx:
        return [tuple(row) for row in tx.execute(sa.text(schema_query))]


def _clear(where):
    if "://" in str(where):
        empty(where)
    else:
        for file in where.parent.iterdir():
            file.unlink()


def test_a_server_is_not_connected_to_anew_for_each_crowd(server):
    """What was opened for one crowd serves the next: opening costs a server a process."""
    opened: list[object] = []
    with _engine(server) as engine:
        sa.event.listen(engine, "connect", lambda connection, _: opened.append(connection))
        for _ in range(3):
            with ExitStack() as crowd:
                for _ in range(12):
                    connection = crowd.enter_context(database_read_transaction(engine))
                    connection.execute(sa.text("SELECT 1"))
    assert len(opened) == 12
