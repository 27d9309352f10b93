"""Actors, keys, entries and checkpoints, each law at its edge."""

import base64
import getpass
import hashlib
import stat
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from commonwatt.ledger import EntryDraft, Key, Ledger, Person
from commonwatt.ledger.actors import (
    Actor,
    actor_of_enrolment,
    check_actor_active,
    check_actor_role,
    enrolment_draft,
    find_ledger_actor,
    revocation_draft,
)
from commonwatt.ledger.checkpoints import (
    is_checkpoint_signed_by,
    parse_ledger_checkpoint_note,
    sign_ledger_checkpoint,
)
from commonwatt.ledger.entries import (
    LONGEST_NAME,
    checked_ledger_entry_body_json,
    ledger_entry_line,
    ledger_entry_line_prefix,
    ledger_genesis_link,
    ledger_instant_text,
    parse_ledger_entry,
)
from commonwatt.ledger.errors import ActorError, EntryError, LedgerError
from commonwatt.ledger.keys import (
    actor_id_of,
    actor_signature_holds,
    entry_batch_message_to_sign,
    load_actor_public_key,
    public_key_pem,
    read_signing_key_password_or_none,
)

AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
ROOT, CLERK = Key.from_seed(bytes(32)), Key.from_seed(bytes([7]) * 32)


def person(role, **changes):
    known = {"name": "A. Chan", "organisation": "HA", "device": "card-1"}
    return Person(role=role, **(known | changes))


def actor(role="auditor", revoked_in=None):
    return Actor(actor_id="a1", public_key=b"", person=person(role), enrolled_in=3,
                 revoked_in=revoked_in)  # fmt: skip


# RFC 8032, section 7.1, tests 1 and 2: seed, public key, message, signature.
RFC_8032 = [
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b4"
     "6bd25bf5f0595bbe24655141438e7a100b"),
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8"
     "c387b2eaeb4302aeeb00d291612bb0c00"),
]  # fmt: skip


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_a_signature_is_that_of_the_standard(seed, public, message, signature):
    key = Key.from_seed(bytes.fromhex(seed))
    message, signature = bytes.fromhex(message), bytes.fromhex(signature)
    assert key.public_key.hex() == public
    assert key.sign(message) == signature
    assert actor_signature_holds(key.public_key, signature, message) is True
    assert actor_signature_holds(key.public_key, signature, message + b"x") is False
    assert actor_signature_holds(key.public_key, signature[:-1], message) is False
    assert actor_signature_holds(key.public_key[:-1], signature, message) is False
    assert actor_id_of(key.public_key) == hashlib.sha256(key.public_key).hexdigest()[:16]


def test_two_new_keys_differ():
    assert Key.generate().public_key != Key.generate().public_key


@pytest.mark.parametrize("password", [None, b"secret"])
def test_a_key_is_saved_once_for_its_owner_alone_and_read_back(tmp_path, password):
    path = tmp_path / "key.pem"
    CLERK.save(path, password)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (b"ENCRYPTED" in path.read_bytes()) is bool(password)
    assert Key.load(path, password).public_key == CLERK.public_key
    with pytest.raises(ActorError, match="PEM"):
        Key.load(path, b"wrong")
    with pytest.raises(FileExistsError):
        ROOT.save(path)
    assert Key.load(path, password).public_key == CLERK.public_key


def test_a_file_that_holds_no_such_key_is_refused(tmp_path):
    text, other = tmp_path / "text.pem", tmp_path / "other.pem"
    text.write_text("x")
    other.write_bytes(generate_private_key(SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))  # fmt: skip
    for path in (text, other, tmp_path / "none.pem"):
        with pytest.raises(ActorError, match=path.name):
            Key.load(path)


def test_a_batch_is_signed_under_its_ledger_its_ends_and_its_link():
    assert entry_batch_message_to_sign("o", 3, 5, b"\x0a\xff") == (
        b"commonwatt ledger v1\no\n3\n5\n0aff\n"
    )


def test_an_enrolled_person_is_found_as_enrolled_and_revoked_where_the_entry_says():
    ledger = Ledger.open("sqlite://")
    ledger.enrol_first_registrar(ROOT, person("registrar"), at=AT)
    clerk = person("auditor", name="B. Lee", device="card-2")
    with ledger.transaction() as tx:
        ledger.enrol(tx, clerk, CLERK.public_key, by=ROOT, at=AT)
        known = find_ledger_actor(tx, actor_id_of(CLERK.public_key))
        assert known == Actor(
            actor_id=actor_id_of(CLERK.public_key), public_key=CLERK.public_key, person=clerk,
            enrolled_in=1, revoked_in=None,
        )  # fmt: skip
        check_actor_active(known)
    with ledger.transaction() as tx:
        ledger.revoke(tx, actor_id_of(CLERK.public_key), reason="left", by=ROOT, at=AT)
        known = find_ledger_actor(tx, actor_id_of(CLERK.public_key))
        assert (known.enrolled_in, known.revoked_in) == (1, 2)
        with pytest.raises(ActorError, match="revoked in entry 2"):
            check_actor_active(known)
        root = find_ledger_actor(tx, actor_id_of(ROOT.public_key))
        assert (root.enrolled_in, root.revoked_in, root.person.role) == (0, None, "registrar")
        with pytest.raises(ActorError, match="nobody enrolled"):
            find_ledger_actor(tx, "0" * 16)
    ledger.engine.dispose()


def test_enrolment_and_revocation_name_the_key_and_not_the_person():
    name = f"actor/{actor_id_of(CLERK.public_key)}"
    enrolled = enrolment_draft(person("auditor"), CLERK.public_key)
    assert (enrolled.kind, enrolled.subject) == ("ledger.enrol", name)
    assert enrolled.body == {
        "name": "A. Chan", "role": "auditor", "organisation": "HA", "device": "card-1",
        "public_key": CLERK.public_key.hex(),
    }  # fmt: skip
    gone = revocation_draft("a1", "left")
    assert (gone.kind, gone.subject, gone.body) == ("ledger.revoke", "actor/a1", {"reason": "left"})


@pytest.mark.parametrize(
    ("roles", "sound"),
    [(None, True), (frozenset({"auditor"}), True), (frozenset({"auditor", "x"}), True),
     (frozenset({"b", "a"}), False), (frozenset(), False)],
)  # fmt: skip
def test_a_step_is_for_the_roles_that_it_names_and_none_named_lets_nobody(roles, sound):
    if sound:
        check_actor_role(actor(), roles, "vote")
        return
    with pytest.raises(ActorError, match=r"actor a1, vote.* the role auditor") as caught:
        check_actor_role(actor(), roles, "vote")
    assert f"one of the roles {', '.join(sorted(roles))}" in str(caught.value)


def test_a_key_revoked_in_the_first_entry_of_all_is_revoked_too():
    with pytest.raises(ActorError, match="revoked in entry 0"):
        check_actor_active(actor(revoked_in=0))


@pytest.mark.parametrize(
    ("kind", "subject", "body", "field"),
    [
        ("demo.step", "thing/1", {"b": 1}, ""),
        ("k" * LONGEST_NAME, "s" * LONGEST_NAME, {}, ""),
        ("k" * (LONGEST_NAME + 1), "thing/1", {}, "kind"),
        ("demo.step", "s" * (LONGEST_NAME + 1), {}, "subject"),
        ("Demo", "thing/1", {}, "kind"), ("demo.", "thing/1", {}, "kind"),
        ("demo.step\n", "thing/1", {}, "kind"), ("", "thing/1", {}, "kind"),
        ("demo.step", 'thing"', {}, "subject"), ("demo.step", "", {}, "subject"),
        ("demo.step", "thing/1", {"n": float("nan")}, "body"),
        ("demo.step", "thing/1", {"n": {1}}, "body"),
        ("demo.step", "thing/1", {"n": "\ud800"}, "body"),
    ],
)  # fmt: skip
def test_an_entry_is_plain_json_under_plain_names(kind, subject, body, field):
    draft = EntryDraft(kind=kind, subject=subject, body=body)
    if not field:
        assert isinstance(checked_ledger_entry_body_json(draft), str)
        return
    with pytest.raises(EntryError, match=field):
        checked_ledger_entry_body_json(draft)


def test_a_refused_name_is_shown_no_longer_than_a_name_may_be():
    assert LONGEST_NAME == 200
    draft = EntryDraft(kind="k" * 900, subject="x", body={})
    with pytest.raises(EntryError) as caught:
        checked_ledger_entry_body_json(draft)
    assert "k" * 200 in str(caught.value)
    assert "k" * 201 not in str(caught.value)


def test_a_body_is_canonical_whatever_the_order_it_was_written_in():
    for body in ({"b": 1, "a": ["字", None]}, {"a": ["字", None], "b": 1}):
        draft = EntryDraft(kind="demo", subject="x", body=body)
        assert checked_ledger_entry_body_json(draft) == '{"a":["字",null],"b":1}'


def test_a_line_is_read_back_as_it_was_written():
    line = ledger_entry_line(
        index=4, previous="00ff", at="2026-11-22T08:00:00.000001Z", actor_id="a1",
        kind="demo.step", subject="thing/1", body='{"n":1}',
    )  # fmt: skip
    assert line == (
        '{"index":4,"previous":"00ff","at":"2026-11-22T08:00:00.000001Z","actor":"a1",'
        '"kind":"demo.step","subject":"thing/1","body":{"n":1}}'
    )
    assert line.startswith(ledger_entry_line_prefix(
        4, "00ff", "2026-11-22T08:00:00.000001Z", "a1", "demo.step", "thing/1"))  # fmt: skip
    entry = parse_ledger_entry(line, b"\x01")
    assert (entry.index, entry.at) == (4, AT + timedelta(microseconds=1))
    assert (entry.actor_id, entry.kind, entry.subject) == ("a1", "demo.step", "thing/1")
    assert (entry.body, entry.text, entry.link) == ({"n": 1}, line, b"\x01")


def test_an_instant_is_told_in_utc_and_needs_a_zone():
    east = datetime(2026, 11, 22, 16, 0, 0, 5, tzinfo=timezone(timedelta(hours=8)))
    assert ledger_instant_text(east) == "2026-11-22T08:00:00.000005Z"
    with pytest.raises(EntryError, match="time zone"):
        ledger_instant_text(east.replace(tzinfo=None))


def test_the_first_entry_follows_the_name_of_its_ledger():
    assert ledger_genesis_link("o") == hashlib.sha256(b"commonwatt ledger v1\no\n").digest()


# C2SP signed-note: base64(SHA-256(name || 0x0A || 0x01 || key)[:4] || signature).
def test_a_checkpoint_is_a_signed_note():
    made = sign_ledger_checkpoint("log.example/x", 7, b"r" * 32, CLERK)
    body = f"log.example/x\n7\n{base64.b64encode(b'r' * 32).decode()}\n"
    text, _, last = made.note.partition("\n\n")
    assert text + "\n" == body
    assert last.startswith("\u2014 log.example/x ")
    signature = base64.b64decode(last.split(" ")[2])
    key_id = hashlib.sha256(b"log.example/x\n\x01" + CLERK.public_key).digest()[:4]
    assert signature[:4] == key_id
    assert actor_signature_holds(CLERK.public_key, signature[4:], body.encode())
    read = parse_ledger_checkpoint_note(made.note)
    assert read == made
    assert is_checkpoint_signed_by(read, CLERK.public_key) is True
    assert is_checkpoint_signed_by(read, ROOT.public_key) is False


def test_one_signature_among_several_is_enough_and_a_changed_text_has_none():
    made = sign_ledger_checkpoint("o", 7, b"r" * 32, CLERK)
    other = sign_ledger_checkpoint("o", 7, b"r" * 32, ROOT)
    both = made.note + other.note.partition("\n\n")[2] + "\u2014 o not*base64\n"
    for key in (CLERK, ROOT):
        assert is_checkpoint_signed_by(parse_ledger_checkpoint_note(both), key.public_key)
    changed = parse_ledger_checkpoint_note(made.note.replace("o\n7\n", "o\n8\n"))
    assert changed.size == 8
    assert not is_checkpoint_signed_by(changed, CLERK.public_key)
    # The signature decides, under the id of its own key only.
    relabelled = made.note.replace("\n\u2014 o ", "\n\u2014 p ").replace("o\n7", "p\n7")
    assert not is_checkpoint_signed_by(parse_ledger_checkpoint_note(relabelled), CLERK.public_key)
    [line] = made.note.partition("\n\n")[2].splitlines()
    signature = base64.b64decode(line.split(" ")[2])
    forged = base64.b64encode(b"0000" + signature[4:]).decode()
    note = made.note.replace(line.split(" ")[2], forged)
    assert not is_checkpoint_signed_by(parse_ledger_checkpoint_note(note), CLERK.public_key)


@pytest.mark.parametrize("note", ["", "o\n7\n\nx", "o\nseven\ncg==\n\nx", "o\n7\nc*g==\n\nx"])
def test_what_is_not_a_checkpoint_is_refused(note):
    with pytest.raises(LedgerError, match="three lines"):
        parse_ledger_checkpoint_note(note)
    assert parse_ledger_checkpoint_note("o\n7\ncg==\n\nx").root == b"r"


@pytest.mark.parametrize("form", ["pem", "digits", "private", "junk", "short", "none"])
def test_a_public_key_is_read_in_two_forms_and_nothing_else_is_one(tmp_path, form):
    path = tmp_path / "key.pub"
    private = tmp_path / "private.pem"
    CLERK.save(private)
    forms = {
        "pem": public_key_pem(CLERK.public_key), "digits": f"{CLERK.public_key.hex()}\n".encode(),
        "private": private.read_bytes(), "junk": b"\xff", "short": b"abcd",
    }  # fmt: skip
    if form != "none":
        path.write_bytes(forms[form])
    if form in ("pem", "digits"):
        assert load_actor_public_key(path) == CLERK.public_key
        return
    with pytest.raises(ActorError, match=r"key.pub.* an Ed25519 public key"):
        load_actor_public_key(path)


@pytest.mark.parametrize("typed", [["a", "a"], ["a", "b"]])
def test_a_person_in_a_terminal_is_asked_and_for_a_new_key_twice(tmp_path, monkeypatch, typed):
    for name in ("COMMONWATT_KEY_PASSWORD", "COMMONWATT_KEY_PASSWORD_FILE"):
        monkeypatch.delenv(name, raising=False)
    path, answers = tmp_path / "key.pem", iter(typed)
    assert read_signing_key_password_or_none(path) is None  # nobody to ask
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(getpass, "getpass", lambda _: next(answers))
    if typed[0] != typed[1]:
        with pytest.raises(ActorError, match="differ"):
            read_signing_key_password_or_none(path, twice=True)
        return
    CLERK.save(path, read_signing_key_password_or_none(path, twice=True))
    monkeypatch.setattr(getpass, "getpass", lambda _: "a")
    assert Key.load(path).public_key == CLERK.public_key


def test_an_enrolment_under_a_key_that_is_not_its_own_is_none():
    sound = enrolment_draft(person("auditor"), CLERK.public_key)
    assert actor_of_enrolment(4, sound.subject, sound.body).enrolled_in == 4
    with pytest.raises(ValueError):  # noqa: PT011 - the walk says where
        actor_of_enrolment(4, f"actor/{actor_id_of(ROOT.public_key)}", sound.body)
