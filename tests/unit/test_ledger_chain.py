"""Roles, permissions, reads and time as the chain has them, on both databases."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

import commonwatt.ledger.clock as clock
import commonwatt.ledger.reads as reads
from commonwatt.clinic.domain.registry.lifecycle import DEPLOYMENT_LIFECYCLE
from commonwatt.clinic.domain.registry.records import RECORD_ROLES
from commonwatt.ledger import (
    ActorError,
    ClockError,
    EntryDraft,
    EntryError,
    Key,
    Ledger,
    Person,
    TamperedError,
    actor_id_of,
)
from commonwatt.ledger.actors import find_ledger_actor
from commonwatt.ledger.clock import utc_now
from commonwatt.ledger.permissions import (
    ROLES_OF_KIND,
    WritePermissions,
    parse_ledger_write_permissions,
    shipped_ledger_write_permissions,
)
from commonwatt.ledger.store import permissions_draft
from commonwatt.ledger.usecases import enrol_ledger_actor
from commonwatt.ledger.verify import verify_ledger
from commonwatt.operate.domain.care.cases import APPROVE, MOVE, RELEASE
from commonwatt.operate.io.care.journal import roles_that_may_write_care_entry
from commonwatt.sandbox.domain.lifecycle import STEP_ROLES
from tests.databases import empty, postgresql

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
ROLES = ("registrar", "manufacturer", "committee-chair", "safety-officer", "clinician")
KEYS = {role: Key.from_seed(bytes([n]) * 32) for n, role in enumerate(ROLES)}
NEW = Key.from_seed(bytes([99]) * 32)


def person(role: str, name: str = "") -> Person:
    return Person(name=name or role.title(), role=role, organisation="HA", device="card")


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
    made.enrol_first_registrar(KEYS["registrar"], person("registrar"), at=NOW)
    with made.transaction() as tx:
        for role in ROLES[1:]:
            public = KEYS[role].public_key
            made.enrol(tx, person(role), public, by=KEYS["registrar"], at=NOW)
    yield made
    made.engine.dispose()


def put(ledger: Ledger, *drafts: EntryDraft, by: str, at=NOW) -> list[int]:
    with ledger.transaction() as tx:
        return [entry.index for entry in ledger.append(tx, drafts, by=KEYS[by], at=at)]


def demo(number: int, kind: str = "demo.step") -> EntryDraft:
    return EntryDraft(kind=kind, subject=f"thing/{number}", body={"n": number})


PRODUCT = EntryDraft(kind="clinic.product", subject="product/p", body={"name": "p"})


def moved(to: str) -> EntryDraft:
    return EntryDraft(kind="clinic.move", subject="deployment/x", body={"to": to})


def by_hand(ledger: Ledger, statement: str) -> None:
    """Run a statement as whoever owns the database, who can drop its guards."""
    with ledger.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            names = connection.exec_driver_sql(
                "SELECT name FROM sqlite_master WHERE type='trigger'"
            ).all()
            for (name,) in names:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            connection.exec_driver_sql("SET session_replication_role = replica")
        connection.exec_driver_sql(statement)
        if connection.dialect.name != "sqlite":
            connection.exec_driver_sql("SET session_replication_role = DEFAULT")


# The table of the chain and the tables of the wings.


def test_the_shipped_table_says_what_the_tables_of_the_wings_say():
    table = shipped_ledger_write_permissions()
    for kind, roles in RECORD_ROLES.items():
        assert table.roles_that_may_write(f"clinic.{kind}", {}) == roles, kind
    by_state: dict[str, set[str]] = {}
    for row in DEPLOYMENT_LIFECYCLE.moves:
        if row.step != "deployment":
            by_state.setdefault(row.to.value, set()).update(role.value for role in row.who)
    assert len(by_state) == 4
    for state, roles in by_state.items():
        assert table.roles_that_may_write("clinic.move", {"to": state}) == roles, state
    for step, roles in STEP_ROLES.items():
        assert table.roles_that_may_write(f"sandbox.{step}", {}) == roles, step
    for kind in (APPROVE, RELEASE, MOVE):
        roles = roles_that_may_write_care_entry(kind)
        assert table.roles_that_may_write(kind, {}) == roles, kind
    assert set(STEP_ROLES) == {k.removeprefix("sandbox.") for k in ROLES_OF_KIND if "sandbox" in k}


def test_a_kind_that_no_rule_names_may_be_written_by_nobody(ledger: Ledger):
    assert put(ledger, demo(1), by="clinician")
    for role in ROLES:
        with pytest.raises(ActorError, match=f"found the role {role}, wanted one of the roles –"):
            put(ledger, demo(1, kind="clinik.step"), by=role)


@pytest.mark.parametrize(
    ("role", "draft", "right"),
    [
        ("manufacturer", PRODUCT, True), ("committee-chair", PRODUCT, False),
        ("registrar", PRODUCT, False), ("committee-chair", moved("approved"), True),
        ("manufacturer", moved("approved"), False), ("safety-officer", moved("approved"), False),
        ("safety-officer", moved("paused"), True), ("committee-chair", moved("paused"), False),
        ("committee-chair", moved("anything"), False),
    ],
)  # fmt: skip
def test_the_table_in_the_chain_decides_whatever_the_caller_says(ledger, role, draft, right):
    if right:
        assert put(ledger, draft, by=role)
        assert verify_ledger(ledger).entries == 6
        return
    size = ledger.head().size
    with pytest.raises(ActorError, match=f"found the role {role}"):
        put(ledger, draft, by=role)
    assert ledger.head().size == size


def test_the_registrar_changes_the_table_and_nobody_else(ledger: Ledger):
    mine = WritePermissions({"clinic.": frozenset({"clinician"})}, frozenset())
    for role in ROLES[1:]:
        with pytest.raises(ActorError), ledger.transaction() as tx:
            ledger.set_permissions(tx, mine, by=KEYS[role], at=NOW)
    with ledger.transaction() as tx:
        ledger.set_permissions(tx, mine, by=KEYS["registrar"], at=NOW)
    assert ledger.permissions() == mine
    assert put(ledger, PRODUCT, by="clinician")
    with pytest.raises(ActorError):
        put(ledger, PRODUCT, by="manufacturer")
    # What was written under the old table stays right.
    assert verify_ledger(ledger).roles_checked


@pytest.mark.parametrize("body", [{}, {"roles": {"a": "b"}, "committee": []}, {"roles": []}])
def test_a_table_that_is_none_is_refused(body):
    assert parse_ledger_write_permissions(
        {"roles": {"a": ["b"]}, "committee": ["c"]}
    ).committee == {"c"}
    with pytest.raises((KeyError, ValueError, AttributeError)):
        parse_ledger_write_permissions(body)


# Two of the committee.


def enrolment(role="clinician", name="New"):
    from commonwatt.ledger.actors import enrolment_draft

    return enrolment_draft(person(role, name), NEW.public_key)


def test_two_of_the_committee_may_enrol_and_one_may_not(ledger: Ledger):
    draft = enrolment()
    chair, officer = KEYS["committee-chair"], KEYS["safety-officer"]
    with pytest.raises(ActorError, match="committee-chair"), ledger.transaction() as tx:
        ledger.append_own_entries(tx, [draft], by=chair, at=NOW)
    with ledger.transaction() as tx:
        ledger.consent(tx, draft, by=chair, at=NOW)
    # The same person twice is one.
    with pytest.raises(ActorError, match="committee-chair"), ledger.transaction() as tx:
        ledger.append_own_entries(tx, [draft], by=chair, at=NOW)
    # What was agreed on is this person in this role, and no other.
    with pytest.raises(ActorError), ledger.transaction() as tx:
        ledger.append_own_entries(tx, [enrolment("committee-chair")], by=officer, at=NOW)
    with pytest.raises(ActorError), ledger.transaction() as tx:
        ledger.consent(tx, draft, by=KEYS["manufacturer"], at=NOW)
    with ledger.transaction() as tx:
        ledger.append_own_entries(tx, [draft], by=officer, at=NOW)
    assert verify_ledger(ledger).actors == 6


def test_an_agreement_counts_once_and_only_while_its_giver_is_enrolled(ledger: Ledger):
    chair, officer = KEYS["committee-chair"], KEYS["safety-officer"]
    draft = permissions_draft(shipped_ledger_write_permissions())
    with ledger.transaction() as tx:
        ledger.consent(tx, draft, by=chair, at=NOW)
        ledger.append_own_entries(tx, [draft], by=officer, at=NOW)
    with pytest.raises(ActorError), ledger.transaction() as tx:
        ledger.append_own_entries(tx, [draft], by=officer, at=NOW)
    with ledger.transaction() as tx:
        ledger.consent(tx, draft, by=chair, at=NOW)
        gone = actor_id_of(chair.public_key)
        ledger.revoke(tx, gone, reason="left", by=KEYS["registrar"], at=NOW)
    with pytest.raises(ActorError), ledger.transaction() as tx:
        ledger.append_own_entries(tx, [draft], by=officer, at=NOW)
    verify_ledger(ledger)


def test_entries_about_the_chain_go_by_their_own_calls(ledger: Ledger):
    for kind in ("ledger.enrol", "ledger.permissions", "ledger.clock", "ledger.new"):
        with pytest.raises(EntryError, match="own calls"):
            put(ledger, demo(1, kind=kind), by="registrar")


# Names and keys.


@pytest.mark.parametrize(
    ("name", "role", "is_free"),
    [("Clinician", "clinician", False), ("ＣＬＩＮＩＣＩＡＮ", "clinician", False),
     ("clinician", "clinician", False), ("Clinician", "manufacturer", True),
     ("Clinician 2", "clinician", True)],
)  # fmt: skip
def test_a_name_stands_once_in_a_role(ledger: Ledger, name: str, role: str, is_free: bool):
    def enrol_again() -> None:
        with ledger.transaction() as tx:
            public, root = NEW.public_key, KEYS["registrar"]
            ledger.enrol(tx, person(role, name), public, by=root, at=NOW)

    if is_free:
        enrol_again()
        assert len(ledger.actors()) == 6
        return
    with pytest.raises(ActorError, match="already in entry 4") as caught:
        enrol_again()
    assert "rotate" in str(caught.value.remedy)


def test_a_key_is_rotated_as_one_act_and_the_old_one_signs_no_more(ledger: Ledger):
    old = actor_id_of(KEYS["clinician"].public_key)
    with ledger.transaction() as tx:
        actor = ledger.rotate(
            tx, old, NEW.public_key, reason="yearly", by=KEYS["registrar"], at=NOW
        )
    assert actor.person == person("clinician")
    with pytest.raises(ActorError, match="revoked in entry 5"):
        put(ledger, demo(1), by="clinician")
    with ledger.transaction() as tx:
        ledger.append(tx, [demo(1)], by=NEW, at=NOW)
    with pytest.raises(ActorError), ledger.transaction() as tx:
        ledger.rotate(
            tx, actor.actor_id, Key.generate().public_key, reason="x", by=KEYS["clinician"], at=NOW
        )
    assert verify_ledger(ledger).actors == 6


# Reads.

EDITS = {
    "a role in the table": "UPDATE ledger_actors SET role='committee-chair' "
    "WHERE role='manufacturer'",
    "a name in the table": "UPDATE ledger_actors SET name='X' WHERE role='committee-chair'",
    "a line": "UPDATE ledger_entries SET text=replace(text, '\"n\":2', '\"n\":9') "
    "WHERE kind='demo.step'",
    "a kind": "UPDATE ledger_entries SET kind='demo.other' WHERE position=6",
    "a subject": "UPDATE ledger_entries SET subject='thing/7' WHERE position=6",
    "a row": "DELETE FROM ledger_entries WHERE position=6",
    "an enrolment": "UPDATE ledger_entries SET text=replace(text, 'manufacturer', 'clinician') "
    "WHERE position=1",
}


@pytest.mark.parametrize("edit", [*EDITS, ""])
@pytest.mark.parametrize("fresh", [True, False], ids=["next program", "same program"])
def test_an_edit_is_an_error_at_the_very_next_read(ledger, url, edit, fresh):
    put(ledger, demo(1), demo(2), demo(3), by="clinician")
    put(ledger, demo(4, kind="demo.last"), by="clinician")
    wanted = [1, 2, 3]
    assert [entry.body["n"] for entry in ledger.entries(kind="demo.step")] == wanted
    if edit:
        by_hand(ledger, EDITS[edit])
    if fresh:
        ledger.engine.dispose()
        ledger = Ledger.open(url, create=False)
    asks = [
        lambda: list(ledger.entries(kind="demo.step")),
        lambda: list(ledger.entries(kind="demo.")),
        lambda: list(ledger.entries(0)),
        lambda: list(ledger.entries(0, limit=8)),
    ]
    for ask in asks:
        if edit:
            with pytest.raises(TamperedError):
                ask()
        else:
            assert ask()
    ledger.engine.dispose()


@pytest.mark.parametrize("held", [3, 10_000])
def test_reads_of_every_shape_agree_with_the_plain_list(ledger, monkeypatch, held):
    monkeypatch.setattr(reads, "MOST_HELD", held)
    put(ledger, *(demo(n % 7, kind=f"demo.{'ab'[n % 2]}") for n in range(600)), by="clinician")
    plain = list(ledger.entries())
    assert [entry.index for entry in plain] == list(range(605))
    for kind in ("", "demo.a", "demo.", "none"):
        for subject in ("", "thing/3", "thing/"):
            for first in (0, 4, 300, 604, 605):
                for limit in (None, 2):
                    wanted = [
                        entry for entry in plain
                        if entry.index >= first
                        and (entry.kind == kind or entry.kind.startswith(kind[:-1] + ".")
                             if kind.endswith(".") else not kind or entry.kind == kind)
                        and (entry.subject.startswith(subject) if subject.endswith("/")
                             else not subject or entry.subject == subject)
                    ][:limit]  # fmt: skip
                    got = ledger.entries(first, kind=kind, subject=subject, limit=limit)
                    assert list(got) == wanted


def test_a_long_ledger_proves_the_rows_that_it_gives(ledger, monkeypatch):
    put(ledger, *(demo(n) for n in range(600)), by="clinician")
    monkeypatch.setattr(reads, "MOST_HELD", 3)
    assert len(list(ledger.entries(subject="thing/5"))) == 1
    by_hand(
        ledger,
        "UPDATE ledger_entries SET text=replace(text, '\"n\":5}', '\"n\":6}') WHERE position=10",
    )
    with pytest.raises(TamperedError, match="entry 10"):
        list(ledger.entries(subject="thing/5"))
    assert len(list(ledger.entries(subject="thing/9"))) == 1


def test_what_a_transaction_wrote_and_took_back_is_not_missed_later(ledger: Ledger):
    class StopError(Exception):
        pass

    def write_and_stop() -> None:
        with ledger.transaction() as tx:
            ledger.append(tx, [demo(1)], by=KEYS["clinician"], at=NOW)
            assert find_ledger_actor(tx, actor_id_of(KEYS["clinician"].public_key))
            raise StopError

    for _ in range(3):
        with pytest.raises(StopError):
            write_and_stop()
        assert len(list(ledger.entries())) == 5
    put(ledger, demo(2), by="clinician")
    assert len(list(ledger.entries())) == 6


def test_a_reader_of_an_older_moment_is_no_cut_tail(ledger: Ledger):
    with ledger.reading() as before:
        assert len(list(reads.verified_ledger_entries_by_connection(before))) == 5
        put(ledger, demo(1), by="clinician")
        assert len(list(ledger.entries())) == 6
        assert len(list(reads.verified_ledger_entries_by_connection(before))) == 5
    with ledger.reading() as late:
        late.execute(sa.text("SELECT 1 FROM ledger_head")).all()
        put(ledger, demo(2), by="clinician")
        list(ledger.entries())
        assert len(list(reads.verified_ledger_entries_by_connection(late))) == 6


# Time.


def test_eight_who_enrol_at_once_all_succeed(ledger: Ledger, url: str, tmp_path: Path):
    (tmp_path / "keys").mkdir()
    KEYS["registrar"].save(tmp_path / "keys" / "me.pem")

    def enrol(number: int) -> str:
        who = person("clinician", f"Nurse {number}")
        by, key = tmp_path / "keys" / "me.pem", tmp_path / "keys" / f"{number}.pem"
        return enrol_ledger_actor(url, by, key, who, now=utc_now)["actor_id"]

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(enrol, range(8)))
    assert len(set(made)) == 8
    assert verify_ledger(ledger).actors == 13


@pytest.mark.slow
def test_eight_commands_at_once_all_succeed(tmp_path: Path):
    run = [sys.executable, "-m", "commonwatt", "ledger"]
    first = [*run, "init", "--key", "me.pem", "--name", "Chan", "--organisation", "HA"]
    subprocess.run(first, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    started = [
        subprocess.Popen(
            [*run, "enrol", "--by", "me.pem", "--key", f"{n}.pem", "--name", f"N{n}", "--role",
             "clinician", "--organisation", "HA"],
            cwd=tmp_path, stderr=subprocess.PIPE,
        )
        for n in range(8)
    ]  # fmt: skip
    ends = [(process.communicate(timeout=240)[1], process.returncode) for process in started]
    assert [code for _, code in ends] == [0] * 8, ends


@pytest.mark.parametrize(("minutes", "right"), [(-600, True), (4, True), (6, False)])
def test_a_clock_that_runs_ahead_is_refused(ledger: Ledger, minutes: int, right: bool):
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    if right:
        assert put(ledger, demo(1), by="clinician", at=at)
        return
    with pytest.raises(ClockError, match="at most 5 minutes after"):
        put(ledger, demo(1), by="clinician", at=at)


def test_an_entry_of_a_far_future_stops_the_ledger_until_a_registrar_corrects_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    put(ledger, demo(1), by="clinician", at=datetime.now(UTC) - timedelta(seconds=1))
    with monkeypatch.context() as patch:
        patch.setattr(clock, "ledger_reference_instant", lambda _: datetime(2099, 1, 1, tzinfo=UTC))
        patch.setattr(
            clock, "ledger_reference_instant_for_reader", lambda _: datetime(2099, 1, 1, tzinfo=UTC)
        )
        put(ledger, demo(2), by="clinician", at=datetime(2099, 1, 1, tzinfo=UTC))
    for ask in (lambda: list(ledger.entries()), lambda: verify_ledger(ledger),
                lambda: put(ledger, demo(3), by="clinician", at=utc_now)):  # fmt: skip
        with pytest.raises(ClockError) as caught:
            ask()
        assert "commonwatt ledger upkeep clock" in str(caught.value)
    for role in ROLES[1:]:
        with pytest.raises(ActorError), ledger.transaction() as tx:
            ledger.correct_clock(tx, reason="x", by=KEYS[role], at=utc_now)
    with ledger.transaction() as tx:
        entry = ledger.correct_clock(tx, reason="wrong", by=KEYS["registrar"], at=utc_now)
    assert entry.body == {"after": 5, "reason": "wrong"}
    put(ledger, demo(3), by="clinician", at=utc_now)
    assert verify_ledger(ledger).entries == len(list(ledger.entries())) == 9
    nothing = "no entry that lies in the future"
    with pytest.raises(ClockError, match=nothing), ledger.transaction() as tx:
        ledger.correct_clock(tx, reason="again", by=KEYS["registrar"], at=utc_now)


# A chain of a version that did not yet say who may.


def test_an_older_chain_is_read_and_takes_the_table_when_a_registrar_says_so(tmp_path: Path):
    from commonwatt.ledger import store

    ledger = Ledger.open(tmp_path / "old.db")
    draft = store.actors.enrolment_draft
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store.actors, "enrolment_draft", lambda who, key, *_: draft(who, key))
        ledger.enrol_first_registrar(KEYS["registrar"], person("registrar"), at=NOW)
    with ledger.transaction() as tx:
        public, root = KEYS["clinician"].public_key, KEYS["registrar"]
        ledger.enrol(tx, person("clinician"), public, by=root, at=NOW)
    put(ledger, demo(1, kind="anything"), by="clinician")
    assert not verify_ledger(ledger).roles_checked
    with pytest.raises(ActorError), ledger.transaction() as tx:
        ledger.enrol(tx, person("monitor"), NEW.public_key, by=KEYS["clinician"], at=NOW)
    with ledger.transaction() as tx:
        ledger.set_permissions(tx, shipped_ledger_write_permissions(), by=KEYS["registrar"], at=NOW)
    with pytest.raises(ActorError):
        put(ledger, demo(1, kind="anything"), by="clinician")
    assert verify_ledger(ledger).roles_checked
    ledger.engine.dispose()


def test_a_kept_head_is_used_only_under_its_seal(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    ledger = Ledger.open(tmp_path / "l.db")
    ledger.enrol_first_registrar(KEYS["registrar"], person("registrar"), at=NOW)
    ledger.engine.dispose()
    [kept] = (tmp_path / "state").rglob("head.json")
    sound = kept.read_text()
    with closing(sqlite3.connect(tmp_path / "l.db")) as db:
        db.execute("DROP TRIGGER ledger_entries_no_UPDATE")
        db.execute("UPDATE ledger_entries SET text=replace(text, 'Registrar', 'Somebody')")
        db.commit()
    for text in (sound, sound.replace("commonwatt", "commonwatt "), "", "{}"):
        kept.write_text(text)
        again = Ledger.open(tmp_path / "l.db", create=False)
        with pytest.raises(TamperedError):
            again.actors()
        again.engine.dispose()
    assert (tmp_path / "state" / "commonwatt" / "ledgers" / "secret").stat().st_mode & 0o77 == 0
