"""Who decided what: an append-only record that cannot be changed unseen.

Entries are chained by hash, proved by Merkle trees (RFC 6962) and signed by a
person in a role. A state change of another wing and its entry are one
transaction, because both are written on the caller's connection.

>>> from datetime import UTC, datetime
>>> now = datetime(2026, 11, 22, 8, tzinfo=UTC)
>>> ledger = Ledger.open("sqlite://")            # or a path, or postgresql://…
>>> registrar = Key.from_seed(bytes(32))         # in life: Key.generate(), Key.load(path)
>>> root = ledger.enrol_first_registrar(
...     registrar,
...     Person(name="A. Chan", role="registrar", organisation="HA", device="card-1"),
...     at=now,
... )
>>> checker = Key.from_seed(bytes([1]) * 32)
>>> who = Person(name="B. Lee", role="output-checker", organisation="HA", device="card-2")
>>> with ledger.transaction() as tx:             # a sqlalchemy.Connection; commits or rolls back
...     actor = ledger.enrol(tx, who, checker.public_key, by=registrar, at=now)
...     # … the caller's own INSERTs and UPDATEs on `tx` …
...     vote = EntryDraft(kind="sandbox.vote", subject="output/7", body={"checks": 4})
...     may = frozenset({"output-checker"})
...     entries = ledger.append(tx, [vote], by=checker, at=now, roles=may)
>>> entries[0].index, ledger.head().size
(2, 3)
>>> ledger.inclusion(2).holds(), ledger.consistency(1).holds()
(True, True)

A caller's own tables belong in the same database: create them on
`ledger.engine` and write them on the connection that `transaction` gives.
Refusals are errors: `ActorError` (unknown, revoked, wrong role, false
signature), `ClockError` (time went back), `EntryError` (not of the form);
nothing is then half written, because the transaction is rolled back.
"""

from commonwatt.ledger.actors import Actor, Person
from commonwatt.ledger.checkpoints import (
    Checkpoint,
    is_checkpoint_signed_by,
    parse_ledger_checkpoint_note,
)
from commonwatt.ledger.entries import EntryDraft, LedgerEntry
from commonwatt.ledger.errors import (
    ActorError,
    ClockError,
    EntryError,
    LedgerError,
    TamperedError,
)
from commonwatt.ledger.keys import Key, Signer, actor_id_of
from commonwatt.ledger.store import ChainHead, ConsistencyProof, InclusionProof, Ledger

__all__ = [
    "Actor",
    "ActorError",
    "ChainHead",
    "Checkpoint",
    "ClockError",
    "ConsistencyProof",
    "EntryDraft",
    "EntryError",
    "InclusionProof",
    "Key",
    "Ledger",
    "LedgerEntry",
    "LedgerError",
    "Person",
    "Signer",
    "TamperedError",
    "actor_id_of",
    "is_checkpoint_signed_by",
    "parse_ledger_checkpoint_note",
]
