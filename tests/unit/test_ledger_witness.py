"""Witnesses hold checkpoints outside the database, and find a cut, a fork and an older copy."""

import shutil
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import commonwatt.ledger.verified as verified
from commonwatt.ledger import EntryDraft, Key, Ledger, LedgerError, Person, TamperedError
from commonwatt.ledger.usecases import (
    accept_loss_of_ledger_entries,
    change_ledger_witnesses,
    init_ledger_with_first_registrar,
    ledger_size_and_witness_reports,
    verify_ledger_at,
)
from commonwatt.ledger.witness import WITNESS_ENVIRONMENT, check_witness_folder_or_address

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
CHAN = Person(name="Chan", role="registrar", organisation="HA", device="d")


class Notes(BaseHTTPRequestHandler):
    """A witness as small as one can be: the newest note of each path."""

    notes: dict[str, bytes]

    def do_POST(self):
        self.notes[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def do_GET(self):
        note = self.notes.get(self.path)
        self.send_response(200 if note else 404)
        self.end_headers()
        self.wfile.write(note or b"")

    def log_message(self, *_):
        pass


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "witness")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1)).not_valid_after(today + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
                       critical=False)
        .sign(key, None)
    )  # fmt: skip
    cert, private = folder / "cert.pem", folder / "private.pem"
    cert.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert, private


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve a witness over TLS, whose certificate this machine trusts."""
    cert, private = _certificate(tmp_path)
    handler = type("HeldNotes", (Notes,), {"notes": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, private)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    yield f"https://127.0.0.1:{server.server_port}/notes"
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = tmp_path / "home"
    made.mkdir()
    init_ledger_with_first_registrar(str(made / "l.db"), made / "me.pem", CHAN, now=NOW)
    write(made, 3)
    return made


def write(home: Path, count: int) -> None:
    """Write entries one by one, each by a program of its own."""
    key = Key.load(home / "me.pem")
    for number in range(count):
        ledger = Ledger.open(home / "l.db", create=False)
        draft = EntryDraft(kind="demo", subject="x", body={"n": number})
        with ledger.transaction() as tx:
            ledger.append(tx, [draft], by=key, at=NOW)
        ledger.engine.dispose()


def read(home: Path) -> int:
    ledger = Ledger.open(home / "l.db", create=False)
    try:
        return len(list(ledger.entries()))
    finally:
        ledger.engine.dispose()


def forget_all(tmp_path: Path) -> None:
    """Be a reader who never saw the ledger."""
    shutil.rmtree(tmp_path / "state")


def copy_of(home: Path, name: str) -> Path:
    return Path(shutil.copyfile(home / "l.db", home / name))


def restore(home: Path, copy: Path) -> None:
    for path in home.glob("l.db*"):
        path.unlink()
    shutil.copyfile(copy, home / "l.db")


def test_each_write_pushes_a_checkpoint_without_being_told(home: Path):
    rows = ledger_size_and_witness_reports(str(home / "l.db"))
    assert rows["entries"] == 4
    [row] = rows["witnesses"]
    assert (row["size"], row["reached"]) == (4, True)


@pytest.mark.parametrize("fork", [0, 1, 2, 5])
def test_an_older_copy_is_found_at_the_next_opening_whether_it_goes_on_or_not(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fork: int
):
    older = copy_of(home, "older.db")
    assert read(home) == 4
    write(home, 2)
    restore(home, older)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("XDG_STATE_HOME", str(tmp_path / "attacker"))
        key = Key.load(home / "me.pem")
        ledger = Ledger.open(home / "l.db", create=False)
        for number in range(fork):
            draft = EntryDraft(kind="demo", subject="y", body={"n": number})
            with ledger.transaction() as tx:
                ledger.append(tx, [draft], by=key, at=NOW)
        ledger.engine.dispose()
    for _ in range(2):
        with pytest.raises(TamperedError):
            read(home)
        with pytest.raises(TamperedError):
            verify_ledger_at(str(home / "l.db"), None)


def test_the_same_copy_restored_in_place_and_one_elsewhere_are_sound(home: Path):
    same = copy_of(home, "same.db")
    assert read(home) == 4
    restore(home, same)
    assert read(home) == 4
    other = home / "drill"
    other.mkdir()
    shutil.copyfile(same, other / "l.db")
    shutil.copyfile(home / "me.pem", other / "me.pem")
    write(home, 2)
    write(other, 1)
    assert (read(home), read(other)) == (6, 5)


@pytest.mark.parametrize("where", ["folder", "address", "environment"])
def test_a_witness_elsewhere_finds_it_for_a_reader_who_never_saw_the_ledger(
    home: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch, where: str
):
    place = str(tmp_path / "far") if where != "address" else address
    if where == "environment":
        monkeypatch.setenv(WITNESS_ENVIRONMENT, place)
    else:
        by = home / "me.pem"
        rows = change_ledger_witnesses(str(home / "l.db"), by, [place], [], "x", now=NOW)
        assert [row["size"] for row in rows["witnesses"]] == [5, 5]
    write(home, 1)
    older = copy_of(home, "older.db")
    write(home, 1)
    forget_all(tmp_path)
    size = read(home)
    forget_all(tmp_path)
    restore(home, older)
    with pytest.raises(TamperedError, match=f"checkpoint of {size} entries") as caught:
        read(home)
    assert "accept-loss" in str(caught.value)


def test_a_witness_that_is_away_is_named_and_stops_nobody(home: Path, address: str):
    away = address.rsplit(":", 1)[0] + ":9/x"
    by = home / "me.pem"
    rows = change_ledger_witnesses(str(home / "l.db"), by, [away, address], [], "x", now=NOW)
    assert [row["reached"] for row in rows["witnesses"]] == [True, False, True]
    write(home, 1)
    assert read(home) == 6
    rows = change_ledger_witnesses(str(home / "l.db"), by, [], [away], "gone", now=NOW)
    assert [row["reached"] for row in rows["witnesses"]] == [True, True]


def test_a_note_that_nobody_enrolled_has_signed_is_no_checkpoint(home: Path, tmp_path: Path):
    newest = max((tmp_path / "state").rglob("*.note"))
    sound = newest.read_text()
    newest.write_text("junk")
    with pytest.raises(TamperedError, match="no checkpoint"):
        read(home)
    *body, signature = sound.rstrip("\n").split("\n")
    newest.write_text("\n".join([*body, signature[:-8] + "AAAAAAA=", ""]))
    with pytest.raises(TamperedError, match="nobody enrolled"):
        read(home)
    newest.write_text(sound)
    assert read(home) == 4


def test_an_open_ledger_is_held_to_its_witnesses_again_within_a_minute(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    far = tmp_path / "far"
    change_ledger_witnesses(str(home / "l.db"), home / "me.pem", [str(far)], [], "x", now=NOW)
    ledger = Ledger.open(home / "l.db", create=False)
    assert len(list(ledger.entries())) == 5
    # What another host wrote, and this database does not hold.
    [note] = far.rglob("*.note")
    note.with_name(f"{9:015d}.note").write_text(note.read_text().replace("\n5\n", "\n9\n"))
    assert len(list(ledger.entries())) == 5
    later = verified.time.monotonic() + 45
    monkeypatch.setattr(verified.time, "monotonic", lambda: later)
    with pytest.raises(TamperedError, match="checkpoint of 9 entries"):
        list(ledger.entries())
    ledger.engine.dispose()


def test_a_ledger_that_was_emptied_is_no_new_ledger(home: Path):
    restore(home, copy_of(home, "same.db"))
    assert read(home) == 4
    for path in home.glob("l.db*"):
        path.unlink()
    Ledger.open(home / "l.db").engine.dispose()
    with pytest.raises(TamperedError, match="another ledger"):
        read(home)
    # Who founds one there says that it is another.
    init_ledger_with_first_registrar(str(home / "l.db"), home / "me.pem", CHAN, now=NOW)
    assert read(home) == 1


def test_entries_that_are_lost_for_good_are_put_on_record_by_the_registrar_alone(home: Path):
    older = copy_of(home, "older.db")
    write(home, 2)
    restore(home, older)
    Key.generate().save(home / "other.pem")
    with pytest.raises(Exception, match="nobody enrolled"):
        accept_loss_of_ledger_entries(str(home / "l.db"), home / "other.pem", "disk died", now=NOW)
    with pytest.raises(TamperedError):
        read(home)
    entry = accept_loss_of_ledger_entries(str(home / "l.db"), home / "me.pem", "disk died", now=NOW)
    assert "entries from 4 on are lost" in entry["body"]["reason"]
    write(home, 1)
    assert read(home) == 6


@pytest.mark.parametrize(
    ("name", "right"),
    [("/mnt/x", True), ("https://w.example/x", True), ("http://127.0.0.1:80/", True),
     ("x/y", False), ("http://w.example/x", False), ("ftp://w.example", False)],
)  # fmt: skip
def test_a_witness_is_a_whole_path_or_a_safe_address(name: str, right: bool):
    if right:
        check_witness_folder_or_address(name)
        return
    with pytest.raises(LedgerError, match="witness"):
        check_witness_folder_or_address(name)
