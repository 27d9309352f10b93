"""Appends, verification, proofs and tamperings of the ledger, in CPU time of one process.

python bench/ledger_speed.py [entries] [tamperings]
"""

import hashlib
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from commonwatt.ledger import EntryDraft, Key, Ledger, Person, independent
from commonwatt.ledger.export import export_ledger
from commonwatt.ledger.verify import verify_ledger
from tests import tampering

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
KEY = Key.from_seed(bytes(32))
BATCH = 1_000


def hash_limit(count: int) -> float:
    """Two SHA-256 an entry (its leaf, its parent): what no ledger can beat in this language."""
    began, data, pair = time.process_time(), b"x" * 300, b"y" * 65
    for _ in range(count):
        hashlib.sha256(data).digest()
        hashlib.sha256(pair).digest()
    return time.process_time() - began


def fill(ledger: Ledger, count: int) -> float:
    ledger.enrol_first_registrar(
        KEY, Person(name="A", role="registrar", organisation="HA", device="c"), at=NOW
    )
    began = time.process_time()
    for start in range(0, count, BATCH):
        drafts = [
            EntryDraft(
                kind="demo.advice",
                subject=f"deployment/{i % 97}",
                body={"score": i / count, "n": i},
            )
            for i in range(start, min(start + BATCH, count))
        ]
        with ledger.transaction() as tx:
            ledger.append(tx, drafts, by=KEY, at=NOW)
    return time.process_time() - began


def single(ledger: Ledger, count: int) -> float:
    began = time.perf_counter()
    for i in range(count):
        with ledger.transaction() as tx:
            ledger.append(tx, [EntryDraft(kind="demo", subject="x", body={"n": i})], by=KEY, at=NOW)
    return (time.perf_counter() - began) / count


def show(what: str, value: str) -> None:
    print(f"{what:<58} {value:>20}")


def main(count: int, tamperings: int) -> None:
    folder = Path(tempfile.mkdtemp())
    ledger = Ledger.open(folder / "ledger.db")
    limit = hash_limit(count)
    cpu_s = fill(ledger, count)
    show(f"append {count:,} in batches of {BATCH:,}", f"{count / cpu_s:,.0f} /CPU-s")
    show("  ratio to hashing alone", f"{cpu_s / limit:.1f} x")
    began = time.process_time()
    verify_ledger(ledger)
    cpu_s = time.process_time() - began
    show("verify in the database", f"{cpu_s:.2f} CPU-s")
    show("  ratio to hashing alone", f"{cpu_s / limit:.1f} x")
    began = time.perf_counter()
    for index in range(100):
        assert ledger.inclusion(index * count // 100).holds()
    show("inclusion proof, made and checked", f"{(time.perf_counter() - began) * 10:.2f} ms")
    export_ledger(ledger, folder / "export", by=KEY)
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, folder / "export" / "verify_ledger.py", folder / "export"], check=True
    )
    show("verify an export with the standard library alone", f"{time.perf_counter() - began:.2f} s")
    show("one append, committed to disk", f"{single(ledger, 300) * 1000:.2f} ms")
    tamper(folder, tamperings)


def tamper(folder: Path, count: int) -> None:
    ledger = Ledger.open("sqlite://")
    fill(ledger, 20)
    single(ledger, 5)
    export_ledger(ledger, folder / "small", by=KEY)
    record, chance, caught = tampering.read(folder / "small"), Random(6), 0
    spoilt = folder / "spoilt"
    spoilt.mkdir()
    for _ in range(count):
        tampering.write(tampering.tamper(record, chance), spoilt)
        try:
            independent.verify_exported_ledger([str(spoilt)])
        except SystemExit:
            caught += 1
    show("random tamperings found by the independent verifier", f"{caught:,} of {count:,}")


if __name__ == "__main__":
    given = [int(a) for a in sys.argv[1:]]
    main(*(given + [1_000_000, 10_000][len(given) :]))
