"""Histories of a ledger, and attacks on them by people with the database and the files.

An attacker has a role and its key, every right on the database, the files beside it with its
older backups, and this program; not the state folder of whoever reads, and no other key.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from commonwatt.clinic.io.registry import RegistryWriter
from commonwatt.clinic.usecases.queries import (
    deployment_approver_dict,
    live_deployments_and_set_aside_entries,
)
from commonwatt.core.errors import CommonwattError
from commonwatt.ledger import EntryDraft, Key, Ledger, Person, independent
from commonwatt.ledger.entries import (
    checked_ledger_entry_body_json,
    ledger_entry_line,
    merkle_leaf_hash,
    parse_ledger_entry,
)
from commonwatt.ledger.keys import actor_id_of, entry_batch_message_to_sign
from commonwatt.ledger.permissions import shipped_ledger_write_permissions
from commonwatt.ledger.store import permissions_draft
from commonwatt.ledger.usecases import verify_ledger_at
from tests.clinic_factories import BODIES, BY, KEYS, NAMES, NOW, ROLES, person
from tests.clinic_histories import LEGAL, MOVER

INSTITUTION, DEPLOYMENT = "qmh", "deployment/x"
TABLES = ("ledger_entries", "ledger_signatures", "ledger_nodes", "ledger_checkpoints")


@dataclass
class Scene:
    """A ledger in a folder, older copies of it, and where reader and attacker remember it."""

    folder: Path
    chance: Random
    keys: dict[str, Key]
    steps: int = 0

    @property
    def database(self) -> Path:
        return self.folder / "home" / "ledger.db"

    @property
    def backups(self) -> list[Path]:
        return sorted((self.folder / "home" / "backups").glob("*.db"))

    def next_instant(self) -> datetime:
        self.steps += 1
        return NOW + timedelta(seconds=self.steps)

    @contextmanager
    def remembered_by(self, who: str):
        before = os.environ["XDG_STATE_HOME"]
        os.environ["XDG_STATE_HOME"] = str(self.folder / f"state-{who}")
        try:
            yield
        finally:
            os.environ["XDG_STATE_HOME"] = before

    @contextmanager
    def ledger(self):
        opened = Ledger.open(self.database, create=False)
        try:
            yield opened
        finally:
            opened.engine.dispose()


def play_history(folder: Path, chance: Random) -> Scene:
    """Return a scene after a drawn history of honest work, with at least one older backup."""
    scene = Scene(folder, chance, dict(KEYS))
    (folder / "home" / "backups").mkdir(parents=True)
    with scene.remembered_by("reader"):
        ledger = Ledger.open(scene.database)
        at = scene.next_instant()
        ledger.enrol_first_registrar(KEYS["registrar"], person("registrar"), at=at)
        with ledger.transaction() as tx:
            for role in ROLES[1:]:
                at, key = scene.next_instant(), KEYS[role]
                ledger.enrol(tx, person(role), key.public_key, by=KEYS["registrar"], at=at)
        back_up_at = chance.randrange(len(LEGAL))
        for number, (kind, name, body) in enumerate(LEGAL):
            if number == back_up_at:
                _back_up(scene)
            _write_clinic_step(scene, ledger, kind, name, body)
            if chance.random() < 0.4:
                honest_step(scene, ledger)
        ledger.engine.dispose()
        if chance.random() < 0.5:
            deciding_reads(scene)
    return scene


def _write_clinic_step(scene: Scene, ledger: Ledger, kind: str, name: str, body) -> None:
    if kind == "move":
        draft = EntryDraft(
            kind="clinic.move", subject=f"deployment/{name}", body={"to": body, "reason": "test"}
        )
        by = scene.keys[MOVER[body]]
    else:
        draft = EntryDraft(kind=f"clinic.{kind}", subject=f"{kind}/{name}", body=body)
        by = scene.keys[BY[kind]]
    with ledger.transaction() as tx:
        ledger.append(tx, [draft], by=by, at=scene.next_instant())


def _back_up(scene: Scene) -> None:
    target = scene.folder / "home" / "backups" / f"{scene.steps:04d}.db"
    with closing(sqlite3.connect(scene.database)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)


def honest_step(scene: Scene, ledger: Ledger) -> str:
    """Do one drawn honest thing; return what."""
    chance, root = scene.chance, scene.keys["registrar"]
    kind = chance.choice(HONEST)
    at = scene.next_instant()
    with ledger.transaction() as tx:
        if kind == "notes":
            count = chance.randrange(1, 300 if chance.random() < 0.1 else 6)
            drafts = [
                EntryDraft(kind=f"demo.{chance.choice('ab')}", subject=f"x/{n}", body={"n": n})
                for n in range(count)
            ]
            ledger.append(tx, drafts, by=scene.keys[chance.choice(ROLES)], at=at)
        elif kind == "enrol":
            name = f"N. {scene.steps}"
            other = Person(name=name, role="clinician", organisation="HA", device="d")
            ledger.enrol(tx, other, _drawn_key(chance).public_key, by=root, at=at)
        elif kind == "rotate":
            role = chance.choice(ROLES[1:])
            new = _drawn_key(chance)
            old = actor_id_of(scene.keys[role].public_key)
            ledger.rotate(tx, old, new.public_key, reason="yearly", by=root, at=at)
            scene.keys[role] = new
        elif kind == "revoke":
            name = f"R. {scene.steps}"
            other = Person(name=name, role="clinician", organisation="HA", device="d")
            key = _drawn_key(chance)
            ledger.enrol(tx, other, key.public_key, by=root, at=at)
            ledger.revoke(tx, actor_id_of(key.public_key), reason="left", by=root, at=at)
        elif kind == "committee":
            draft = permissions_draft(shipped_ledger_write_permissions())
            ledger.consent(tx, draft, by=scene.keys["committee-chair"], at=at)
            ledger.append_own_entries(tx, [draft], by=scene.keys["safety-officer"], at=at)
    if kind == "checkpoint":
        ledger.checkpoint(by=scene.keys[chance.choice(ROLES)])
    if kind == "backup":
        _back_up(scene)
    return kind


HONEST = ("notes", "enrol", "rotate", "revoke", "committee", "checkpoint", "backup")


def _drawn_key(chance: Random) -> Key:
    return Key.from_seed(chance.randbytes(32))


def deciding_reads(scene: Scene) -> str:
    """Ask what is live and who approved it; return the error, "" where both answered."""
    try:
        rows = live_deployments_and_set_aside_entries(
            str(scene.database), INSTITUTION, datetime.now(UTC)
        )["live"]
        deployment_approver_dict(str(scene.database), DEPLOYMENT)
    except CommonwattError as error:
        return f"{type(error).__name__}: {error}"
    return "" if rows else "nothing live"


def verifier(scene: Scene) -> str:
    """Run `ledger verify`; return the error, "" where it holds."""
    try:
        verify_ledger_at(str(scene.database), None)
    except CommonwattError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def independent_verifier(scene: Scene, checkpoint_key: Key) -> str:
    """Export the rows as they stand, by a hand that checks nothing; return what the verifier says.

    The reader's newest note is the checkpoint that it is given.
    """
    folder = scene.folder / "export"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with closing(sqlite3.connect(scene.database)) as db:
        texts = [row[0] for row in db.execute("SELECT text FROM ledger_entries ORDER BY position")]
        seals = db.execute(
            'SELECT "first", "last", actor_id, signature FROM ledger_signatures ORDER BY "last"'
        ).fetchall()
        origin = db.execute("SELECT origin FROM ledger_head").fetchone()[0]
    (folder / "entries.jsonl").write_text("".join(text + "\n" for text in texts))
    lines = [json.dumps([first, last, who, sign.hex()]) + "\n" for first, last, who, sign in seals]
    (folder / "signatures.jsonl").write_text("".join(lines))
    from commonwatt.ledger.checkpoints import sign_ledger_checkpoint
    from commonwatt.ledger.walk import MerkleAccumulator

    tree = MerkleAccumulator()
    for text in texts:
        tree.add_leaf(merkle_leaf_hash(text.encode()))
    note = sign_ledger_checkpoint(origin, tree.size, tree.merkle_root(), checkpoint_key).note
    (folder / "checkpoint.txt").write_text(note)
    pinned = sorted((scene.folder / "state-reader").rglob("*.note"))[-1]
    try:
        independent.verify_exported_ledger([str(folder), str(pinned)])
    except SystemExit as error:
        return str(error)
    return ""


# Attacks. Each returns False where this history offers no hold for it.


@contextmanager
def open_database(scene: Scene):
    with closing(sqlite3.connect(scene.database)) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")  # whoever owns the database owns its guards
        yield db
        db.commit()


def _rows(db: sqlite3.Connection, kinds: str = "%"):
    query = "SELECT position, text FROM ledger_entries WHERE kind LIKE ? ORDER BY position"
    return db.execute(query, (kinds,)).fetchall()


def append_raw(
    db: sqlite3.Connection, key: Key, kind: str, subject: str, body, at: str | None = None
) -> int:
    """Append an entry that chains and is signed, past every rule of the program."""
    origin, size, link, last = db.execute(
        "SELECT origin, size, link, at FROM ledger_head"
    ).fetchone()
    actor, at = actor_id_of(key.public_key), at or last
    text = ledger_entry_line(
        index=size, previous=link.hex(), at=at, actor_id=actor, kind=kind, subject=subject,
        body=checked_ledger_entry_body_json(EntryDraft(kind="demo", subject="x", body=body)),
    )  # fmt: skip
    new = merkle_leaf_hash(text.encode())
    row = (size, at, actor, kind, subject, text, new)
    db.execute("INSERT INTO ledger_entries VALUES (?,?,?,?,?,?,?)", row)
    signature = key.sign(entry_batch_message_to_sign(origin, size, size, new))
    db.execute(
        'INSERT INTO ledger_signatures ("last", "first", actor_id, signature) VALUES (?,?,?,?)',
        (size, size, actor, signature),
    )
    db.execute("UPDATE ledger_head SET size=?, link=?, at=?", (size + 1, new, at))
    return size


def edit_role_in_table(scene: Scene, role: str) -> bool:
    target = scene.chance.choice([other for other in ROLES if other != role])
    with open_database(scene) as db:
        db.execute("UPDATE ledger_actors SET role=? WHERE role=?", (target, role))
    return True


def edit_name_or_key_in_table(scene: Scene, role: str) -> bool:
    column, new = scene.chance.choice(
        [("name", "Somebody"), ("organisation", "M"), ("public_key", scene.chance.randbytes(32)),
         ("revoked_in", 3), ("device", "other"), ("enrolled_in", 1)]
    )  # fmt: skip
    with open_database(scene) as db:
        where = (new, actor_id_of(scene.keys[role].public_key))
        db.execute(f"UPDATE ledger_actors SET {column}=? WHERE actor_id=?", where)
    return True


def edit_enrolment(scene: Scene, role: str) -> bool:
    """Write another role into an enrolment, in the line, and as far along as it can be hashed."""
    target = scene.chance.choice([other for other in ROLES if other != role])
    with open_database(scene) as db:
        found = [(at, t) for at, t in _rows(db, "ledger.enrol") if f'"role":"{role}"' in t]
        position, text = scene.chance.choice(found)
        changed = text.replace(f'"role":"{role}"', f'"role":"{target}"')
        db.execute("UPDATE ledger_entries SET text=? WHERE position=?", (changed, position))
        db.execute("UPDATE ledger_actors SET role=? WHERE role=?", (target, role))
        if scene.chance.random() < 0.7:
            _chain_anew(db, position, scene.keys[role] if scene.chance.random() < 0.5 else None)
    return True


def _chain_anew(db: sqlite3.Connection, first: int, key: Key | None) -> None:
    """Hash all lines from `first` on again; sign the batches of `key` again where given."""
    link = b""
    for position, line in _rows(db):
        follows = position >= first and link
        text = line.replace(json.loads(line)["previous"], link.hex(), 1) if follows else line
        link = merkle_leaf_hash(text.encode())
        change = (text, link, position)
        db.execute("UPDATE ledger_entries SET text=?, link=? WHERE position=?", change)
    origin = db.execute("SELECT origin FROM ledger_head").fetchone()[0]
    db.execute("UPDATE ledger_head SET link=?", (link,))
    db.execute("DELETE FROM ledger_checkpoints")
    if key is None:
        return
    me = actor_id_of(key.public_key)
    seals = db.execute('SELECT "first", "last" FROM ledger_signatures WHERE actor_id=?', (me,))
    for start, last in seals.fetchall():
        query = "SELECT link FROM ledger_entries WHERE position=?"
        at = db.execute(query, (last,)).fetchone()[0]
        sign = key.sign(entry_batch_message_to_sign(origin, start, last, at))
        db.execute('UPDATE ledger_signatures SET signature=? WHERE "last"=?', (sign, last))


def enrol_own_key(scene: Scene, role: str) -> bool:
    if role == "registrar":
        return False
    key, target = _drawn_key(scene.chance), scene.chance.choice(["committee-chair", "registrar"])
    body = {"name": "Mine", "role": target, "organisation": "HA", "device": "d",
            "public_key": key.public_key.hex()}  # fmt: skip
    actor = actor_id_of(key.public_key)
    with open_database(scene) as db:
        index = append_raw(db, scene.keys[role], "ledger.enrol", f"actor/{actor}", body)
        row = (actor, key.public_key, "Mine", target, "HA", "d", index, None)
        db.execute("INSERT INTO ledger_actors VALUES (?,?,?,?,?,?,?,?)", row)
        if scene.chance.random() < 0.5:
            append_raw(db, key, "clinic.move", DEPLOYMENT, {"to": "retired", "reason": "x"})
    return True


def enrol_by_one_of_committee(scene: Scene, role: str) -> bool:
    """Agree with oneself: one person of the committee in place of two."""
    if role not in ("committee-chair", "safety-officer", "clinical-lead"):
        return False
    table = permissions_draft(shipped_ledger_write_permissions())
    body = dict(table.body) | {"roles": dict(table.body["roles"]) | {"clinic.": [role]}}
    draft = EntryDraft(kind=table.kind, subject=table.subject, body=body)
    from commonwatt.ledger.store import entry_draft_content_digest_hex

    agreed = {
        "entry": entry_draft_content_digest_hex(draft),
        "kind": draft.kind,
        "subject": draft.subject,
    }
    with open_database(scene) as db:
        append_raw(db, scene.keys[role], "ledger.consent", draft.subject, agreed)
        append_raw(db, scene.keys[role], draft.kind, draft.subject, body)
    return True


def take_permission(scene: Scene, role: str) -> bool:
    if role == "registrar":
        return False
    table = shipped_ledger_write_permissions().as_entry_body()
    table["roles"] |= {"clinic.": [role], "ledger.": [role]}
    with open_database(scene) as db:
        key = scene.keys[role]
        append_raw(db, key, "ledger.permissions", "ledger/permissions", table)
    return True


def write_what_one_may_not(scene: Scene, role: str) -> bool:
    drafts = [
        ("clinic.move", DEPLOYMENT, {"to": "approved", "reason": "x"}),
        ("clinic.move", DEPLOYMENT, {"to": "live", "reason": "x"}),
        ("clinic.determination", "determination/z", BODIES["determination"]),
        ("clinic.evidence", "evidence/z", BODIES["evidence"]),
        ("clinic.decision", "decision/z", {"advice": "advice/a", "outcome": "accepted"}),
        ("clinic.unheard-of", "x/z", {}),
    ]
    may = shipped_ledger_write_permissions()
    drawn = scene.chance.sample(drafts, len(drafts))
    kind, subject, body = next(
        draft for draft in drawn if role not in may.roles_that_may_write(draft[0], draft[2])
    )
    with open_database(scene) as db:
        append_raw(db, scene.keys[role], kind, subject, body)
    return True


def write_by_revoked_key(scene: Scene, role: str) -> bool:
    """Sign by a key that was rotated away."""
    if scene.keys[role].public_key == KEYS[role].public_key:
        return False
    with open_database(scene) as db:
        append_raw(db, KEYS[role], "demo.late", "x/late", {"n": 1})
    return True


def replay(scene: Scene, role: str) -> bool:
    """Put an old entry on record again: as it was, or made to fit the place."""
    with open_database(scene) as db:
        size, link = db.execute("SELECT size, link FROM ledger_head").fetchone()
        position, text = scene.chance.choice(_rows(db, "clinic.%"))
        entry = parse_ledger_entry(text, b"")
        last, signature = db.execute(
            'SELECT "last", signature FROM ledger_signatures WHERE "last" >= ? ORDER BY "last"',
            (position,),
        ).fetchone()
        if scene.chance.random() < 0.5:
            text = text.replace(f'"index":{position},', f'"index":{size},')
            text = text.replace(json.loads(text)["previous"], link.hex())
        new = merkle_leaf_hash(text.encode())
        at = json.loads(text)["at"]
        row = (size, at, entry.actor_id, entry.kind, entry.subject, text, new)
        db.execute("INSERT INTO ledger_entries VALUES (?,?,?,?,?,?,?)", row)
        db.execute(
            'INSERT INTO ledger_signatures ("last","first",actor_id,signature) VALUES (?,?,?,?)',
            (size, size, entry.actor_id, signature),
        )
        db.execute("UPDATE ledger_head SET size=?, link=?", (size + 1, new))
        del last
    return True


def _size_of(database: Path) -> int:
    with closing(sqlite3.connect(database)) as db:
        return db.execute("SELECT size FROM ledger_head").fetchone()[0]


def roll_back(scene: Scene, role: str) -> bool:
    """Lay an older copy in the place of the ledger."""
    size = _size_of(scene.database)
    shutil.copyfile(
        scene.chance.choice([copy for copy in scene.backups if _size_of(copy) < size]),
        scene.database,
    )
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (scene.folder / "home" / name).unlink(missing_ok=True)
    return True


def fork(scene: Scene, role: str) -> bool:
    """Go back to an older copy and write another future, at least as long, by own key."""
    size = _size_of(scene.database)
    roll_back(scene, role)
    known = scene.keys[role] if role == "registrar" else KEYS[role]
    with scene.remembered_by("attacker"), scene.ledger() as ledger:
        more = size - ledger.head().size + scene.chance.randrange(3)
        drafts = [
            EntryDraft(kind="demo.fork", subject=f"x/{n}", body={"n": n}) for n in range(more or 1)
        ]
        with suppress(CommonwattError), ledger.transaction() as tx:
            ledger.append(tx, drafts, by=known, at=datetime.now(UTC))
    return True


def cut_tail(scene: Scene, role: str) -> bool:
    """Remove the last batches so that what is left is a whole ledger."""
    with open_database(scene) as db:
        lasts = [row[0] for row in db.execute('SELECT "last" FROM ledger_signatures')]
        keep = sorted(lasts)[-1 - scene.chance.randrange(1, min(6, len(lasts) - 1))] + 1
        for table, column in (("entries", "position"), ("signatures", '"last"')):
            db.execute(f"DELETE FROM ledger_{table} WHERE {column} >= ?", (keep,))
        db.execute("DELETE FROM ledger_nodes WHERE (position + 1) * 256 > ?", (keep,))
        db.execute("DELETE FROM ledger_checkpoints WHERE size > ?", (keep,))
        db.execute("DELETE FROM ledger_actors WHERE enrolled_in >= ?", (keep,))
        db.execute("UPDATE ledger_actors SET revoked_in=NULL WHERE revoked_in >= ?", (keep,))
        query = "SELECT link, at FROM ledger_entries WHERE position=?"
        link, at = db.execute(query, (keep - 1,)).fetchone()
        db.execute("UPDATE ledger_head SET size=?, link=?, at=?", (keep, link, at))
    return True


def swap_key(scene: Scene, role: str) -> bool:
    """Put another key in the place of an enrolled one, and sign anew what that one signed."""
    victim = scene.chance.choice([other for other in ROLES if other != role])
    old, new = scene.keys[victim].public_key, _drawn_key(scene.chance)
    was, now = actor_id_of(old), actor_id_of(new.public_key)
    with open_database(scene) as db:
        first = None
        for position, text in _rows(db):
            if was in text or old.hex() in text:
                first = position if first is None else first
                changed = text.replace(was, now).replace(old.hex(), new.public_key.hex())
                db.execute("UPDATE ledger_entries SET text=? WHERE position=?", (changed, position))
        for table in ("entries", "signatures", "actors"):
            db.execute(f"UPDATE ledger_{table} SET actor_id=? WHERE actor_id=?", (now, was))
        db.execute("UPDATE ledger_actors SET public_key=? WHERE actor_id=?", (new.public_key, now))
        db.execute("UPDATE ledger_entries SET subject=? WHERE subject=?",
                   (f"actor/{now}", f"actor/{was}"))  # fmt: skip
        _chain_anew(db, first or 0, new)
    return True


def set_clock(scene: Scene, role: str) -> bool:
    """Date an entry back, or far ahead, or take a correction of the clock in one's own hands."""
    key = scene.keys[role]
    back = "2026-11-01T00:00:00.000000Z"
    ahead = f"{scene.chance.randrange(2027, 2100)}-01-01T00:00:00.000000Z"
    with open_database(scene) as db:
        way = scene.chance.randrange(3)
        if way == 0:
            append_raw(db, key, "demo.late", "x/late", {"n": 1}, back)
        elif way == 1:
            append_raw(db, key, "demo.late", "x/late", {"n": 1}, ahead)
        else:
            after = 0 if role == "registrar" else scene.chance.randrange(3)
            body = {"after": after, "reason": "x"}
            append_raw(db, key, "ledger.clock", "ledger/clock", body, back)
    return True


def edit_used_row(scene: Scene, role: str) -> bool:
    """Change what the deciding read rests on: a line, its hash, or what it is filed under."""
    with open_database(scene) as db:
        rows = [(at, t) for at, t in _rows(db, "clinic.%") if '"clinic.move"' in t
                or '"clinic.deployment"' in t]  # fmt: skip
        position, text = scene.chance.choice(rows)
        way = scene.chance.choice(["text", "text and link", "kind", "subject", "gone", "swap"])
        if way.startswith("text"):
            changed = text.replace('"threshold":0.3', '"threshold":0.9').replace(
                '"reason":"test"', '"reason":"best"'
            )
            db.execute("UPDATE ledger_entries SET text=? WHERE position=?", (changed, position))
            if way == "text and link":
                link = merkle_leaf_hash(changed.encode())
                db.execute("UPDATE ledger_entries SET link=? WHERE position=?", (link, position))
        elif way == "kind":
            db.execute("UPDATE ledger_entries SET kind='demo' WHERE position=?", (position,))
        elif way == "subject":
            db.execute("UPDATE ledger_entries SET subject='x/y' WHERE position=?", (position,))
        elif way == "gone":
            db.execute("DELETE FROM ledger_entries WHERE position=?", (position,))
        else:
            other = scene.chance.choice([at for at, _ in _rows(db) if at != position])
            db.execute("UPDATE ledger_entries SET position=-1 WHERE position=?", (position,))
            move = "UPDATE ledger_entries SET position=? WHERE position=?"
            db.execute(move, (position, other))
            db.execute(move, (other, -1))
    return True


def replace_ledger(scene: Scene, role: str) -> bool:
    """Lay a ledger of one's own in its place, in which one is everybody."""
    scene.database.unlink()
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (scene.folder / "home" / name).unlink(missing_ok=True)
    own = Scene(scene.folder, scene.chance, {r: _drawn_key(scene.chance) for r in ROLES})
    with scene.remembered_by("attacker"):
        ledger = Ledger.open(scene.database)
        at = own.next_instant()
        ledger.enrol_first_registrar(own.keys["registrar"], person("registrar"), at=at)
        with ledger.transaction() as tx:
            for other in ROLES[1:]:
                public, root = own.keys[other].public_key, own.keys["registrar"]
                ledger.enrol(tx, person(other), public, by=root, at=own.next_instant())
        for kind, name, body in LEGAL:
            _write_clinic_step(own, ledger, kind, name, body)
        ledger.engine.dispose()
    return True


Attack = Callable[[Scene, str], bool]
ATTACKS: tuple[Attack, ...] = (
    edit_role_in_table, edit_name_or_key_in_table, edit_enrolment, enrol_own_key,
    enrol_by_one_of_committee, take_permission, write_what_one_may_not, write_by_revoked_key,
    replay, roll_back, fork, cut_tail, swap_key, set_clock, edit_used_row, replace_ledger,
)  # fmt: skip


def go_on_honestly(scene: Scene) -> None:
    """Do what honest people do later: write more, from a new process."""
    assert NAMES
    with scene.remembered_by("reader"), scene.ledger() as ledger:
        for _ in range(scene.chance.randrange(4)):
            honest_step(scene, ledger)


def registry_of(scene: Scene) -> RegistryWriter:
    """Return the registry as another deciding read sees it."""
    return RegistryWriter(Ledger.open(scene.database, create=False))
