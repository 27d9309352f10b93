"""The ledger on both databases: order, refusals, proofs, one transaction."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, current_thread

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from commonwatt.ledger import (
    ActorError,
    ClockError,
    EntryDraft,
    EntryError,
    Key,
    Ledger,
    LedgerError,
    Person,
    TamperedError,
    is_checkpoint_signed_by,
    parse_ledger_checkpoint_note,
    schema,
)
from commonwatt.ledger.head import read_chain_head
from commonwatt.ledger.store import lock_chain_head
from commonwatt.ledger.verified import verified_head
from commonwatt.ledger.verify import verify_ledger
from tests.databases import empty, postgresql

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
ROOT, CLERK = Key.from_seed(bytes(32)), Key.from_seed(bytes([7]) * 32)


def person(role: str) -> Person:
    return Person(name="A. Chan", role=role, organisation="HA", device="card-1")


def draft(number: int = 0, kind: str = "demo.step") -> EntryDraft:
    return EntryDraft(kind=kind, subject=f"thing/{number}", body={"number": number, "字": "好"})


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    made = request.getfixturevalue("server")
    empty(made)
    return made


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    made = Ledger.open(url)
    made.enrol_first_registrar(ROOT, person("registrar"), at=NOW)
    with made.transaction() as tx:
        made.enrol(tx, person("auditor"), CLERK.public_key, by=ROOT, at=NOW)
    yield made
    made.engine.dispose()


def put(ledger: Ledger, count: int = 1, *, at: datetime = NOW, by: Key = CLERK) -> None:
    with ledger.transaction() as tx:
        ledger.append(tx, [draft(i) for i in range(count)], by=by, at=at)


def test_entries_come_back_in_order_as_they_were_written(ledger: Ledger):
    put(ledger, 3)
    entries = list(ledger.entries(2))
    assert [e.index for e in entries] == [2, 3, 4]
    assert [e.body for e in entries] == [{"number": i, "字": "好"} for i in range(3)]
    assert {e.at for e in entries} == {NOW}


def test_entries_are_found_by_kind_subject_and_all_below_them(ledger: Ledger):
    put(ledger, 3)
    assert len(list(ledger.entries(kind="ledger."))) == 2
    assert [e.index for e in ledger.entries(subject="thing/1")] == [3]
    assert len(list(ledger.entries(subject="thing/", limit=2))) == 2


def test_a_batch_a_second_batch_and_a_reopened_ledger_verify(ledger: Ledger, url: str):
    put(ledger, 600)
    put(ledger, 1, at=NOW + timedelta(seconds=1))
    again = Ledger.open(url, create=False)
    checked = verify_ledger(again)
    assert (checked.entries, checked.signatures, checked.actors) == (603, 4, 2)
    assert checked.root == again.inclusion(0).root
    again.engine.dispose()


def test_every_proof_holds_at_sizes_around_a_stored_node(ledger: Ledger):
    put(ledger, 300)
    for index in (0, 1, 255, 256, 301):
        assert ledger.inclusion(index).holds()
    for old in (0, 1, 2, 255, 256, 257, 302):
        assert ledger.consistency(old).holds()
        assert ledger.consistency(old, max(old, 256)).holds()


def test_a_state_change_and_its_entry_are_kept_or_lost_together(ledger: Ledger):
    table = sa.Table("state", sa.MetaData(), sa.Column("x", sa.Integer))
    table.create(ledger.engine)

    def change() -> None:
        with ledger.transaction() as tx:
            tx.execute(sa.insert(table).values(x=1))
            ledger.append(tx, [draft()], by=Key.generate(), at=NOW)

    with pytest.raises(ActorError):
        change()
    with ledger.reading() as connection:
        assert connection.execute(sa.select(table)).all() == []
    assert ledger.head().size == 2


def test_an_unknown_signer_is_refused(ledger: Ledger):
    with pytest.raises(ActorError, match="nobody enrolled"):
        put(ledger, by=Key.generate())


def test_a_revoked_signer_is_refused_by_the_entry_that_did_it(ledger: Ledger):
    clerk = next(a for a in ledger.actors() if a.person.role == "auditor")
    with ledger.transaction() as tx:
        ledger.revoke(tx, clerk.actor_id, reason="card lost", by=ROOT, at=NOW)
    with pytest.raises(ActorError, match="revoked in entry 2"):
        put(ledger)
    verify_ledger(ledger)


def test_a_wrong_role_is_refused_with_the_roles_that_may(ledger: Ledger):
    message = "found the role auditor, wanted one of the roles doctor"
    with pytest.raises(ActorError, match=message), ledger.transaction() as tx:
        ledger.append(tx, [draft()], by=CLERK, at=NOW, roles=frozenset({"doctor"}))


def test_only_a_registrar_enrols_and_revokes(ledger: Ledger):
    with pytest.raises(ActorError, match="role auditor"), ledger.transaction() as tx:
        ledger.enrol(tx, person("x"), Key.generate().public_key, by=CLERK, at=NOW)
    with pytest.raises(EntryError, match="own calls"), ledger.transaction() as tx:
        ledger.append(tx, [draft(kind="ledger.enrol")], by=ROOT, at=NOW)


def test_a_signature_that_is_not_the_keys_own_is_refused(ledger: Ledger):
    class Forger:
        public_key = CLERK.public_key

        def sign(self, message: bytes) -> bytes:
            return ROOT.sign(message)

    with pytest.raises(ActorError, match="does not belong"), ledger.transaction() as tx:
        ledger.append(tx, [draft()], by=Forger(), at=NOW)
    assert ledger.head().size == 2


def test_a_clock_that_goes_back_is_refused(ledger: Ledger):
    with pytest.raises(ClockError, match="not before 2026-11-22T08"):
        put(ledger, at=NOW - timedelta(seconds=1))


@pytest.mark.parametrize(
    "bad",
    [
        EntryDraft(kind="Demo", subject="a", body={}),
        EntryDraft(kind="demo", subject='a"b', body={}),
        EntryDraft(kind="demo", subject="a", body={"x": float("nan")}),
        EntryDraft(kind="demo", subject="a", body={"x": object()}),
        EntryDraft(kind="demo", subject="a", body={"x": "\ud800"}),
    ],
)
def test_a_draft_that_is_not_of_the_form_is_refused_and_nothing_is_kept(
    ledger: Ledger, bad: EntryDraft
):
    with pytest.raises(EntryError), ledger.transaction() as tx:
        ledger.append(tx, [draft(), bad], by=CLERK, at=NOW)
    assert ledger.head().size == 2


def test_an_instant_without_a_zone_is_refused(ledger: Ledger):
    with pytest.raises(EntryError, match="time zone"):
        put(ledger, at=datetime(2027, 1, 1))


@pytest.mark.parametrize("table", ["ledger_entries", "ledger_signatures", "ledger_nodes"])
@pytest.mark.parametrize("verb", ["DELETE FROM {}", "UPDATE {} SET {}"])
def test_the_database_refuses_to_change_what_was_written(ledger: Ledger, table: str, verb: str):
    put(ledger, 300)
    column = {"ledger_signatures": "last=last"}.get(table, "position=position")
    with pytest.raises(DBAPIError, match="append-only"), ledger.transaction() as tx:
        tx.exec_driver_sql(verb.format(table, column))


def test_a_checkpoint_is_signed_kept_and_pins_the_past(ledger: Ledger):
    put(ledger, 5)
    made = ledger.checkpoint(by=CLERK)
    assert is_checkpoint_signed_by(parse_ledger_checkpoint_note(made.note), CLERK.public_key)
    assert not is_checkpoint_signed_by(made, ROOT.public_key)
    put(ledger, 5)
    assert verify_ledger(ledger, pinned=made).checkpoints == 2
    other = parse_ledger_checkpoint_note(made.note.replace("\n7\n", "\n8\n"))
    with pytest.raises(TamperedError, match="another past"):
        verify_ledger(ledger, pinned=other)


def test_what_was_never_there_cannot_be_proved(ledger: Ledger):
    with pytest.raises(LedgerError, match="at most 2"):
        ledger.inclusion(2)
    with pytest.raises(LedgerError, match="at most 2"):
        ledger.consistency(1, 3)


def test_a_second_founding_is_refused(ledger: Ledger):
    with pytest.raises(LedgerError, match="entries already"):
        ledger.enrol_first_registrar(CLERK, person("registrar"), at=NOW)


def test_a_missing_ledger_is_not_made_unasked(tmp_path: Path):
    with pytest.raises(LedgerError, match="no ledger"):
        Ledger.open(tmp_path / "none.db", create=False)
    assert not (tmp_path / "none.db").exists()


def test_two_writers_wait_for_each_other(ledger: Ledger, url: str):
    other = Ledger.open(url)
    for turn in range(10):
        put(ledger if turn % 2 else other)
    assert verify_ledger(other).entries == 12
    other.engine.dispose()


GUARDED = {"ledger_entries": "text", "ledger_signatures": "signature", "ledger_nodes": "hash"}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger_entries SET text = replace(text, '\"number\":3', '\"number\":4')",
        "UPDATE ledger_entries SET kind = 'demo.other' WHERE position = 4",
        "UPDATE ledger_entries SET link = (SELECT link FROM ledger_entries WHERE position=2)"
        " WHERE position = 5",
        "UPDATE ledger_signatures SET actor_id = (SELECT actor_id FROM ledger_signatures"
        " WHERE last=0) WHERE last = 301",
        "UPDATE ledger_nodes SET hash = (SELECT link FROM ledger_entries WHERE position=2)",
        "DELETE FROM ledger_entries WHERE position = 301",
        "DELETE FROM ledger_signatures WHERE last = 301",
        "UPDATE ledger_head SET size = 3",
        "UPDATE ledger_actors SET revoked_in = 3",
        "UPDATE ledger_checkpoints SET size = 3",
    ],
)
def test_verification_finds_a_change_behind_the_guards(ledger: Ledger, change: str):
    put(ledger, 300)
    ledger.checkpoint(by=CLERK)
    with ledger.transaction() as tx:
        for table in (*GUARDED, "ledger_checkpoints"):
            _lift_guard(tx, table)
        tx.exec_driver_sql(change)
    with pytest.raises(TamperedError):
        verify_ledger(ledger)


def _lift_guard(tx: sa.Connection, table: str) -> None:
    if tx.dialect.name == "sqlite":
        tx.exec_driver_sql(f"DROP TRIGGER {table}_no_UPDATE")
        tx.exec_driver_sql(f"DROP TRIGGER {table}_no_DELETE")
    else:
        tx.exec_driver_sql(f"DROP TRIGGER {table}_guard ON {table}")


def test_the_tables_of_the_guards_are_those_that_are_written_once():
    guarded_tables = set(schema.metadata.tables) - {"ledger_head", "ledger_actors"}
    assert guarded_tables == set(GUARDED) | {"ledger_checkpoints"}


def test_an_append_asks_the_database_nine_things_and_the_time(ledger: Ledger):
    """Head, actors and enrolments once, three writes, and what was written read as by a reader."""
    statements: list[str] = []

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    put(ledger, 1)
    sa.event.listen(ledger.engine, "before_cursor_execute", note)
    with ledger.transaction() as tx:
        lock_chain_head(tx)
        ledger.append(tx, [draft(number) for number in range(8)], by=CLERK, at=NOW)
    asked = [each for each in statements if "clock_timestamp" not in each]
    assert len([each for each in asked if each != "BEGIN IMMEDIATE"]) == 9, statements
    assert sum("FOR UPDATE" in each or "FROM ledger_head" in each for each in asked) == 2


def test_a_head_that_was_locked_is_read_anew_after_an_append_and_in_the_next_transaction(
    ledger: Ledger, url: str
):
    other = Ledger.open(url)
    with ledger.transaction() as tx:
        before = lock_chain_head(tx)
        assert lock_chain_head(tx) == before
        ledger.append(tx, [draft()], by=CLERK, at=NOW)
        assert lock_chain_head(tx).size == before.size + 1
    put(other, 2)
    with ledger.transaction() as tx:
        assert lock_chain_head(tx).size == before.size + 3
        ledger.append(tx, [draft()], by=CLERK, at=NOW)
    with suppress(KeyError), ledger.transaction() as tx:
        ledger.append(tx, [draft()], by=CLERK, at=NOW)
        raise KeyError
    with ledger.transaction() as tx:
        assert lock_chain_head(tx).size == before.size + 4
    other.engine.dispose()


class _Pause:
    """Holds the first thread of its name that asks a database about a table, until it is let go."""

    def __init__(self, engine: sa.Engine, thread: str, table: str) -> None:
        self.reached, self.ended, self._thread, self._table = Event(), Event(), thread, table
        sa.event.listen(engine, "before_cursor_execute", self._wait)

    def _wait(self, connection: object, cursor: object, statement: str, *rest: object) -> None:
        if current_thread().name == self._thread and self._table in statement:
            self.reached.set()
            assert self.ended.wait(60)


def test_a_reader_waits_for_no_other_readers_queries(ledger: Ledger):
    put(ledger)
    list(ledger.entries())
    pause = _Pause(ledger.engine, "slow", "ledger_actors")
    with ThreadPoolExecutor(4) as threads:

        def read_slowly() -> int:
            current_thread().name = "slow"
            return len(list(ledger.entries()))

        slow = threads.submit(read_slowly)
        assert pause.reached.wait(60)
        try:
            # In the middle of what the other compares, and so before it has an answer.
            others = [threads.submit(lambda: len(list(ledger.entries()))) for _ in range(3)]
            assert {other.result(20) for other in others} == {3}
            assert not slow.done()
        finally:
            pause.ended.set()
        assert slow.result(60) == 3


def test_a_writer_that_waits_for_the_head_stops_not_the_one_who_holds_it(server: str):
    empty(server)
    ledger = Ledger.open(server)
    ledger.enrol_first_registrar(ROOT, person("registrar"), at=NOW)
    watch = sa.create_engine(server.replace("postgresql:", "postgresql+psycopg:"))
    with ThreadPoolExecutor(1) as threads:

        def enrol_second() -> None:
            with ledger.transaction() as tx:
                verified_head(tx)
                ledger.enrol(tx, person("auditor"), CLERK.public_key, by=ROOT, at=NOW)

        with ledger.transaction() as tx:
            lock_chain_head(tx)
            second = threads.submit(enrol_second)
            _wait_until_somebody_waits(watch)
            # Needs what the second thread must not hold while it waits for this one.
            ledger.enrol(tx, person("operator"), Key.generate().public_key, by=ROOT, at=NOW)
        second.result(60)
    assert ledger.head().size == 3
    ledger.engine.dispose()
    watch.dispose()


def _wait_until_somebody_waits(engine: sa.Engine) -> None:
    waits = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    while True:
        with engine.connect() as connection:
            if connection.execute(waits).scalar_one():
                return


def test_a_reader_of_an_older_state_needs_no_second_connection_of_a_crowded_pool(ledger: Ledger):
    put(ledger)
    list(ledger.entries())
    pool = ledger.engine.pool
    assert isinstance(pool, QueuePool)
    most = pool.size() + pool._max_overflow
    with ExitStack() as crowd:
        older = crowd.enter_context(ledger.reading())
        assert read_chain_head(older).size == 3
        put(ledger)
        for _ in range(most - 1):
            read_chain_head(crowd.enter_context(ledger.reading()))
        # By now the chain is longer than this reader's, and no connection is free to ask whether.
        assert verified_head(older).size == 3
