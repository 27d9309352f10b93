"""Faults of a PostgreSQL server, drawn by a seed, over what every store does on one.

Each case is one fault at one statement of one piece of work. It must end with the tables as
they were or as the work makes them, never between; in one sentence that names the database,
and one line in the log; the same work done again must then succeed.

The full form: `python -m tests.server_faults 600`.
"""

from __future__ import annotations

import asyncio
import io
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import click
import httpx
import polars as pl
import psycopg
import sqlalchemy as sa
from fastapi import FastAPI
from psycopg.rows import scalar_row

import commonwatt.web.auth.accounts as accounts
from commonwatt.cli.frame import run_main
from commonwatt.cli.migrations import migrate_database_command_result
from commonwatt.core.log import LOG_ENVIRONMENT, logging_to_destination
from commonwatt.ledger import EntryDraft, Key, Ledger, Person, actor_id_of
from commonwatt.ledger.verify import verify_ledger
from commonwatt.operate.domain.actions import ClusterAction, Intent
from commonwatt.operate.domain.state import JobRecord, StateChanges
from commonwatt.operate.io.store import ControllerStore
from commonwatt.runs import RunRecipe, RunStore
from commonwatt.sandbox.engines.privacy import account
from commonwatt.web.app import console_app_on_services
from commonwatt.web.auth.access import session_cookie_name
from commonwatt.web.roles import ConsoleRole
from commonwatt.web.services import open_console_services
from commonwatt.web.settings import Settings
from tests.clinic_factories import BODIES, KEYS, desk, put
from tests.databases import PostgresServer, empty, postgres_server
from tests.log_lines import lines_of
from tests.operate_cases import request
from tests.sandbox_project import FACTS

BUSY_S = 0.3
"""How long the stores wait for a lock here."""
SETTINGS = "-c max_connections=24 -c deadlock_timeout=100ms"
STORE_EXIT_CODES = {12, 56, 58}
"""Of a machine, a store and a busy store; a fault of ours would be 10."""
# How its hashes fall depends on the ledger's size; verification compares them with the entries.
SCHEMA_LOCK = 0x0C0110A77
"""Of whoever makes tables, as `commonwatt.stores.versions` numbers it."""
UNCOUNTED = {"ledger_nodes"}
FRAME = pl.DataFrame({"n": [1, None, 3], "t": ["a", "b", None]})


@dataclass
class ServerStores:
    """Every store, open on one server."""

    server: PostgresServer
    folder: Path
    number: int = 0
    faultless: dict[str, FaultlessWork] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.registry = desk(self.server.url)
        self.ledger = self.registry.ledger
        self.controller = ControllerStore(self.ledger, KEYS["registrar"])
        with self.ledger.transaction() as tx:
            self._enrol(tx, "operator", operator := Key.from_seed(bytes([90]) * 32))
            self._enrol(tx, "data-custodian", custodian := Key.from_seed(bytes([91]) * 32))
            console = Key.generate()
            self._enrol(tx, "registrar", console)
        self.controller.signer = operator
        self.custodian = custodian
        console.save(self.folder / "keys" / "console.pem")
        settings = Settings.of(self.folder / "console", database=self.server.url)
        settings.state.mkdir(parents=True)
        (self.folder / "keys").rename(settings.state / "keys")
        self.console = open_console_services(settings, now=datetime.now(UTC))
        self.project = self._open_project()
        self.runs = RunStore(self.folder / "runs", self.server.url)
        with self.ledger.transaction() as tx:
            account.metadata.create_all(tx)
            for person in ("", "ann"):
                account.set_privacy_budget_epsilon_limit(tx, "heart", 1e6, person=person)

    def _enrol(self, tx: sa.Connection, role: str, key: Key) -> None:
        name = f"{role} {actor_id_of(key.public_key)}"
        who = Person(name=name, role=role, organisation="O", device="d")
        self.ledger.enrol(tx, who, key.public_key, by=KEYS["registrar"], at=datetime.now(UTC))

    def _open_project(self):
        from commonwatt.sandbox.usecases.projects.project import Project

        place, now = self.folder / "room", datetime.now(UTC)
        return Project.open(self.ledger, place, FACTS, by=self.custodian, at=now)

    @property
    def engines(self) -> list[sa.Engine]:
        """Return every engine that lives between the cases."""
        return [self.ledger.engine, self.console.database, self.runs._engine]

    def close(self) -> None:
        """Let every connection go."""
        for engine in self.engines:
            engine.dispose()


@dataclass(frozen=True)
class ServerWork:
    """A piece of work under faults.

    Args:
        act: Does it, for the first time under a number.
        prepare: Done before it, without a fault.
        database: Which database it works on.
    """

    act: Callable[[ServerStores, int], object]
    prepare: Callable[[ServerStores, int], object] = lambda stores, number: None
    database: str = "postgres"


def _append(stores: ServerStores, number: int) -> None:
    drafts = [
        EntryDraft(kind="demo.step", subject=f"thing/{number}", body={"n": n}) for n in range(3)
    ]
    with stores.ledger.transaction() as tx:
        stores.ledger.append(tx, drafts, by=KEYS["registrar"], at=datetime.now(UTC))


def _enrol(stores: ServerStores, number: int) -> None:
    with stores.ledger.transaction() as tx:
        stores._enrol(tx, "auditor", Key.from_seed(number.to_bytes(32, "big")))


def _checkpoint(stores: ServerStores, number: int) -> None:
    del number
    stores.ledger.checkpoint(by=KEYS["registrar"])


def _register(stores: ServerStores, number: int) -> None:
    put(stores.registry, "product", f"p{number}", BODIES["product"], datetime.now(UTC))


def _spend(stores: ServerStores, number: int) -> None:
    with stores.ledger.transaction() as tx:
        account.spend_privacy_budget(tx, "heart", "ann", 0.001, purpose=f"q{number}")


def _close_project(stores: ServerStores, number: int) -> None:
    del number
    stores.project.close(by=stores.custodian, at=datetime.now(UTC))


def _reopen_project(stores: ServerStores, number: int) -> None:
    del number
    if stores.project.status()["state"] == "closed":
        stores.project.reopen(by=stores.custodian, at=datetime.now(UTC))


def _control(stores: ServerStores, number: int) -> None:
    changes = StateChanges(job_records=[JobRecord(request=request(f"j{number}", "true"))])
    intents = [Intent(action=ClusterAction.SUBMIT, subject=f"j{number}", body={})]
    stores.controller.write_changes_and_intents(
        time.time(), changes, intents=intents, decision=(number, {"n": number}, "captured")
    )


def _make_account(stores: ServerStores, number: int) -> None:
    roles = (ConsoleRole.VIEWER, ConsoleRole.PLANNER)
    now = datetime.now(UTC)
    accounts.make_account(stores.console, f"u{number}", roles, by="test", now=now)


def _begin_session(stores: ServerStores, number: int) -> None:
    accounts.begin_account_session(stores.console, f"u{number}", now=datetime.now(UTC))


def _verify(stores: ServerStores, number: int) -> None:
    del number
    verify_ledger(stores.ledger)


def _empty_second(stores: ServerStores, number: int) -> None:
    del number
    empty(stores.server.url_of("second"))


def _open_second(stores: ServerStores, number: int) -> None:
    del number
    Ledger.open(stores.server.url_of("second")).engine.dispose()


def _run(stores: ServerStores, number: int) -> None:
    recipe = RunRecipe(kind="demo", title="Demo", seed=number, parameters={}, inputs=[])
    draft = stores.runs.draft(recipe)
    try:
        draft.add_table("t", FRAME)
        stores.runs.complete_run_draft(draft, headline={"n": 1})
    except BaseException:
        stores.runs.discard(draft)
        raise


def _older_second(stores: ServerStores, number: int) -> None:
    """Let the second database hold a store of runs as it was a step before."""
    _empty_second(stores, number)
    url = stores.server.url_of("second")
    RunStore(stores.folder / f"second-{number}", url)._engine.dispose()
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE run_drafts")
        connection.execute("DROP INDEX ix_runs_created_at")
        connection.execute("UPDATE runs_version SET version_num = 'runs_1_from_0_1'")


def _migrate_second(stores: ServerStores, number: int) -> None:
    del number
    migrate_database_command_result(stores.server.url_of("second"))


WORKS: dict[str, ServerWork] = {
    "append": ServerWork(_append),
    "enrol": ServerWork(_enrol),
    "checkpoint": ServerWork(_checkpoint, _append),
    "register": ServerWork(_register),
    "spend": ServerWork(_spend),
    "close project": ServerWork(_close_project, _reopen_project),
    "control": ServerWork(_control),
    "account": ServerWork(_make_account),
    "session": ServerWork(_begin_session, _make_account),
    "verify": ServerWork(_verify),
    "run": ServerWork(_run),
    "migrate": ServerWork(_migrate_second, _older_second, "second"),
    "open": ServerWork(_open_second, _empty_second, "second"),
}


def database_digests(url: str) -> dict[str, str]:
    """Return a digest of each table's rows."""
    with psycopg.connect(url) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        queries = [
            f"SELECT '{name}', count(*) || md5(string_agg(t::text, '|' ORDER BY t::text))"
            f" FROM {name} t"
            for (name,) in names
            if name not in UNCOUNTED
        ]
        if not queries:
            return {}
        rows = connection.execute(" UNION ALL ".join(queries))
        return {name: digest or "" for name, digest in rows}


@dataclass
class StatementHook:
    """Does something before the `nth` statement of the work, its commits among them."""

    nth: int
    fault: Callable[[int], None]
    met: int = 0

    def __call__(self, connection: sa.Connection) -> None:
        """Count a statement, and do it if this is the one."""
        self.met += 1
        if self.met == self.nth:
            self.fault(connection.connection.dbapi_connection.info.backend_pid)


@contextmanager
def hooked(hook: StatementHook) -> Iterator[None]:
    """Let every statement of every engine meet the hook."""

    def statement(connection, *_: object) -> None:
        hook(connection)

    def commit(connection) -> None:
        hook(connection)

    sa.event.listen(sa.Engine, "before_cursor_execute", statement)
    sa.event.listen(sa.Engine, "commit", commit)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", statement)
        sa.event.remove(sa.Engine, "commit", commit)


def _terminate(url: str, pid: int) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


@contextmanager
def _nothing(*_: object) -> Iterator[None]:
    yield


@contextmanager
def _lock_held(url: str, touched: set[str], draw: random.Random) -> Iterator[None]:
    """Hold a lock that the work needs in a session that waits for nobody."""
    with psycopg.connect(url) as other:
        there = set(database_digests(url))
        # A table stands for whoever alters it, a row for another writer, and the advisory lock for
        # whoever makes tables; verification changes nothing, and reads the ledger.
        tables = sorted(touched & there) or sorted({"ledger_entries", "ledger_actors"} & there)
        locks = [f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE" for table in tables]
        if "ledger_entries" in touched & there:
            locks.append("SELECT FROM ledger_head FOR UPDATE")
        other.execute(draw.choice(locks or [f"SELECT pg_advisory_lock({SCHEMA_LOCK})"]))
        yield


@contextmanager
def _connections_refused(stores: ServerStores) -> Iterator[None]:
    """Fill the server with sessions, and let ours go first."""
    stores.close()
    others: list[psycopg.Connection] = []
    try:
        for _ in range(100):
            others.append(psycopg.connect(stores.server.url))
    except psycopg.OperationalError:
        yield
    finally:
        for other in others:
            other.close()
        _wait_for_free_sessions(stores.server.url)


def _wait_for_free_sessions(url: str) -> None:
    """Return when the server has noticed that those who left are gone."""
    for _ in range(1000):
        try:
            with psycopg.connect(url, row_factory=scalar_row) as connection:
                query = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'client%'"
                if (connection.execute(query).fetchone() or 0) <= 4:
                    return
        except psycopg.OperationalError:
            pass
        time.sleep(0.01)
    raise AssertionError("The server did not notice that its sessions ended.")


def _drop_idle(stores: ServerStores) -> None:
    """End every session that lies idle in a pool."""
    with psycopg.connect(stores.server.url, autocommit=True) as other:
        query = (
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        other.execute(query)


def _restart(server: PostgresServer, mode: str) -> None:
    server.stop(mode)
    server.start()


FAULTS = ("terminate", "lock", "refuse", "idle", "restart")


def check_server_fault(stores: ServerStores, seed: int, fault: str = "") -> str:
    """Do one case; return what it was, or raise where it did not end as it should."""
    draw = random.Random(seed)
    fault = fault or draw.choices(FAULTS, (12, 6, 3, 3, 0))[0]
    name = draw.choice([*WORKS])
    work, case = WORKS[name], f"{seed}: {fault}, {name}"
    faultless = _without_fault(stores, name)
    touched = faultless.touched
    number = _next_number(stores, work)
    url = stores.server.url_of(work.database)
    before, hook, around = database_digests(url), StatementHook(0, lambda pid: None), _nothing()
    nth = draw.randint(1, faultless.statements)
    match fault:
        case "terminate":
            hook = StatementHook(nth, lambda pid: _terminate(url, pid))
        case "restart":
            mode = draw.choice(("fast", "immediate"))
            hook = StatementHook(nth, lambda _: _restart(stores.server, mode))
        case "lock":
            around = _lock_held(url, touched, draw)
        case "refuse":
            around = _connections_refused(stores)
        case _:
            _drop_idle(stores)
    with around, hooked(hook):
        exit_code, sentences, lines = _run_as_command(stores, lambda: work.act(stores, number))
    changed = _changed_tables(before, database_digests(url))
    if exit_code:
        assert exit_code in STORE_EXIT_CODES, (case, sentences)
        assert len(sentences) == 1, (case, sentences)
        assert sentences[0].startswith(f"commonwatt: postgresql://me@/{work.database}"), sentences
        # Whoever migrates waits until nobody else is there: a refusal, and nothing that failed.
        refused = fault == "lock" and name == "migrate" and exit_code == 58
        assert len(lines) == 1 or (refused and not lines), (case, lines)
        assert changed in (set(), touched), (case, changed, touched)
    else:
        assert fault != "refuse", case
        assert changed == touched, (case, changed, touched)
        assert not lines, (case, lines)
    if fault == "idle":
        assert not exit_code, (case, sentences)
    number = _next_number(stores, work)
    again, sentences, _ = _run_as_command(stores, lambda: work.act(stores, number))
    assert again == 0, (case, sentences)
    verify_ledger(stores.ledger)
    runs = RunStore(stores.folder / "runs", stores.server.url)
    assert all(runs.table(run, "t").equals(FRAME) for run in runs.ids())
    runs._engine.dispose()
    return f"{fault}, {name}: {'failed' if exit_code else 'whole'}"


def check_console_fault(stores: ServerStores, seed: int, fault: str) -> str:
    """Ask the console for a page under one fault; it answers 503 without a place, and then 200."""
    draw, log = random.Random(seed), stores.folder / "log"
    app = console_app_on_services(stores.console)
    name = f"visitor-{_next_number(stores, WORKS['verify'])}"
    now, url = datetime.now(UTC), stores.server.url
    accounts.make_account(stores.console, name, [ConsoleRole.REGISTRAR], by="test", now=now)
    session = accounts.begin_account_session(stores.console, name, now=now)
    cookies = {session_cookie_name(stores.console.settings): session.secret}
    hook, around = StatementHook(0, lambda pid: None), _nothing()
    with hooked(hook):
        assert _accounts_page(app, cookies).status_code == 200
    match fault:
        case "lock":
            around = _lock_held(url, {"web_grants", "web_sessions"}, draw)
            hook = StatementHook(0, hook.fault)
        case "refuse":
            around = _connections_refused(stores)
        case _:
            hook = StatementHook(draw.randint(1, hook.met), lambda pid: _terminate(url, pid))
    log.unlink(missing_ok=True)
    with logging_to_destination(str(log)), around, hooked(hook):
        response = _accounts_page(app, cookies)
    case, error = (seed, fault, response.status_code), response.json()
    assert (response.status_code, error["error"]) == (503, "storage-failed"), case
    assert error["where"] == "console", case
    errors = [line for line in lines_of(log) if line["level"] == "error"]
    assert len(errors) == 1, (case, errors)
    assert _accounts_page(app, cookies).status_code == 200, case
    return f"{fault}, console: failed"


def _accounts_page(app: FastAPI, cookies: dict[str, str]) -> httpx.Response:
    """Return the answer to a program that asks for the page of accounts."""

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:8800", cookies=cookies
        ) as client:
            return await client.get("/accounts")

    return asyncio.run(get())


def _next_number(stores: ServerStores, work: ServerWork) -> int:
    stores.number += 1
    work.prepare(stores, stores.number)
    return stores.number


@dataclass(frozen=True)
class FaultlessWork:
    """What a piece of work does where nothing fails: tables that it changes, statements."""

    touched: set[str]
    statements: int


def _without_fault(stores: ServerStores, name: str) -> FaultlessWork:
    if name not in stores.faultless:
        work = WORKS[name]
        number, url = _next_number(stores, work), stores.server.url_of(work.database)
        before, count = database_digests(url), StatementHook(0, lambda pid: None)
        with hooked(count):
            work.act(stores, number)
        touched = _changed_tables(before, database_digests(url))
        stores.faultless[name] = FaultlessWork(touched, count.met)
    return stores.faultless[name]


def _changed_tables(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {table for table in before | after if before.get(table) != after.get(table)}


def _run_as_command(
    stores: ServerStores, act: Callable[[], object]
) -> tuple[int, list[str], list[dict]]:
    """Do something as a command does it: exit code, what was said, errors in the log."""
    log, words = stores.folder / "log", io.StringIO()
    log.unlink(missing_ok=True)
    command = click.Command("act", callback=lambda: act() and None)
    with mock.patch.dict("os.environ", {LOG_ENVIRONMENT: str(log)}), redirect_stderr(words):
        exit_code = run_main(command, [])
    errors = [line for line in lines_of(log) if line["level"] == "error"]
    return exit_code, words.getvalue().splitlines(), errors


@contextmanager
def server_stores() -> Iterator[ServerStores]:
    """Give every store on a server of its own."""
    with ExitStack() as stack:
        stack.enter_context(mock.patch("commonwatt.stores.engine.BUSY_TIMEOUT_S", BUSY_S))
        server = stack.enter_context(postgres_server(SETTINGS))
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE second")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stores = ServerStores(server, folder)
        stack.callback(stores.close)
        yield stores


def main(count: int) -> None:
    """Do `count` cases, one in forty a restart, and print how each kind ended."""
    with server_stores() as stores:
        outcomes = Counter(
            check_server_fault(stores, seed, "restart" if seed % 40 == 0 else "")
            for seed in range(count)
        )
    for outcome, number in sorted(outcomes.items()):
        sys.stdout.write(f"{outcome:36} {number:6}\n")
    sys.stdout.write(f"{'in all':36} {sum(outcomes.values()):6}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600)
