"""A record that cannot be changed unseen: enrol two people, write an entry, prove it.

python examples/record_of_decisions.py
"""

from datetime import UTC, datetime

from commonwatt.ledger import EntryDraft, Key, Ledger, Person

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)

ledger = Ledger.open("sqlite://")  # or a path, or a database's address
registrar, checker = Key.generate(), Key.generate()
ledger.enrol_first_registrar(
    registrar, Person(name="A. Chan", role="registrar", organisation="HA", device="card-1"), at=NOW
)
who = Person(name="B. Lee", role="output-checker", organisation="HA", device="card-2")
with ledger.transaction() as transaction:
    ledger.enrol(transaction, who, checker.public_key, by=registrar, at=NOW)
    vote = EntryDraft(kind="sandbox.vote", subject="output/7", body={"checks": 4})
    (entry, *_) = ledger.append(
        transaction, [vote], by=checker, at=NOW, roles=frozenset({"output-checker"})
    )
print(f"entry {entry.index} of {ledger.head().size}")
print(f"it is in the record: {ledger.inclusion(entry.index).holds()}")
print(f"the record only grew: {ledger.consistency(1).holds()}")
