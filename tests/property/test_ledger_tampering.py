"""An exported ledger convinces a stranger, and no change of it does."""

import runpy
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.ledger import EntryDraft, Key, Ledger, LedgerError, Person, independent
from commonwatt.ledger.export import export_ledger
from commonwatt.ledger.keys import actor_signature_holds
from tests import tampering
from tests.proofs import PROOFS

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
ROOT, CLERK = Key.from_seed(bytes(32)), Key.from_seed(bytes([7]) * 32)


def small_export(folder: Path) -> Path:
    ledger = Ledger.open("sqlite://")
    ledger.enrol_first_registrar(
        ROOT, Person(name="A", role="registrar", organisation="HA", device="c"), at=NOW
    )
    who = Person(name="B", role="auditor", organisation="HA", device="d")
    with ledger.transaction() as tx:
        ledger.enrol(tx, who, CLERK.public_key, by=ROOT, at=NOW)
        for turn in range(4):
            drafts = [
                EntryDraft(kind="demo", subject=f"x/{i}", body={"n": i, "字": "好"})
                for i in range(5)
            ]
            ledger.append(tx, drafts, by=CLERK, at=NOW + timedelta(seconds=turn))
    export_ledger(ledger, folder / "export", by=ROOT)
    with pytest.raises(LedgerError, match="something there already"):
        export_ledger(ledger, folder / "export", by=ROOT)
    ledger.engine.dispose()
    return folder / "export"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_export(tmp_path_factory.mktemp("ledger"))


def test_the_shipped_verifier_runs_with_pythons_own_library_alone(exported: Path):
    program = [sys.executable, "-I", "-S", str(exported / "verify_ledger.py"), str(exported)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("Whole: 22 entries, 6 signatures, root ")


def test_the_verifier_shares_no_code_with_the_writer(exported: Path):
    text = (exported / "verify_ledger.py").read_text()
    assert len(text.splitlines()) <= 200
    assert "import commonwatt" not in text
    assert "from commonwatt" not in text


@pytest.mark.slow
@pytest.mark.prove
def test_random_tamperings_are_all_found(exported: Path, tmp_path: Path):
    whole, chance = tampering.read(exported), Random(6)
    for _ in range(PROOFS.size(200, 1_000)):
        tampering.write(tampering.tamper(whole, chance), tmp_path)
        with pytest.raises(SystemExit, match="NOT WHOLE"):
            independent.verify_exported_ledger([str(tmp_path)])


def test_a_pinned_checkpoint_finds_a_past_rewritten_by_key_holders(exported: Path, tmp_path: Path):
    pinned = tmp_path / "pinned.txt"
    pinned.write_bytes((exported / "checkpoint.txt").read_bytes())
    ledger = Ledger.open("sqlite://")
    ledger.enrol_first_registrar(
        ROOT, Person(name="A", role="registrar", organisation="HA", device="c"), at=NOW
    )
    export_ledger(ledger, tmp_path / "other", by=ROOT)
    independent.verify_exported_ledger([str(tmp_path / "other")])
    with pytest.raises(SystemExit, match="more or fewer"):
        independent.verify_exported_ledger([str(tmp_path / "other"), str(pinned)])
    ledger.engine.dispose()


def test_another_first_key_than_the_readers_is_found(exported: Path):
    note = str(exported / "checkpoint.txt")
    independent.verify_exported_ledger([str(exported), note, ROOT.public_key.hex()])
    with pytest.raises(SystemExit, match="another key than yours"):
        independent.verify_exported_ledger([str(exported), note, CLERK.public_key.hex()])


def test_the_verifier_says_how_it_is_used(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["verify_ledger.py"])
    with pytest.raises(SystemExit, match="FOLDER"):
        runpy.run_path(independent.__file__, run_name="__main__")


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=40), st.integers(0, 511))
def test_both_ed25519_checks_agree_on_true_and_on_spoilt_signatures(seed, message, bit):
    key = Key.from_seed(seed)
    signature = key.sign(message)
    assert independent.signature_holds(key.public_key, signature, message)
    spoilt = bytearray(signature)
    spoilt[bit // 8] ^= 1 << bit % 8
    for check in (actor_signature_holds, independent.signature_holds):
        assert not check(key.public_key, bytes(spoilt), message)
        assert not check(key.public_key, signature, message + b"x")


def test_a_signature_with_the_group_order_added_is_refused():
    """RFC 8032, section 8.4: otherwise a second signature could be made without the key."""
    signature = ROOT.sign(b"x")
    s = int.from_bytes(signature[32:], "little") + independent.L
    assert not independent.signature_holds(
        ROOT.public_key, signature[:32] + s.to_bytes(32, "little"), b"x"
    )


def test_ed25519_passes_the_first_vectors_of_rfc_8032():
    key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    signature = (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb88215"
        "90a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert independent.signature_holds(bytes.fromhex(key), bytes.fromhex(signature), b"")
