"""Use cases of the ledger: make one, enrol, show, prove, verify, export."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, cast

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.ledger import (
    Actor,
    Checkpoint,
    Key,
    Ledger,
    LedgerEntry,
    Person,
    parse_checkpoint_note,
)
from commonwatt.ledger.actors import check_person_can_be_enrolled

T = TypeVar("T")


def with_ledger(ledger_location: str, use: Callable[[Ledger], T], *, create: bool = False) -> T:
    """Return what `use` makes of the ledger at `ledger_location`, and close it."""
    ledger = Ledger.open(ledger_location, create=create)
    try:
        return use(ledger)
    finally:
        ledger.engine.dispose()


def load_or_make_signing_key(path: Path) -> tuple[Key, bool]:
    """Return the key in a file, and whether it was made just now because there was none."""
    if path.exists():
        return Key.load(path), False
    key = Key.generate()
    key.save(path)
    return key, True


def init_ledger(
    ledger_location: str, key_file: Path, person: Person, *, now: datetime
) -> dict[str, Any]:
    """Make a ledger and enrol its first registrar."""
    check_person_can_be_enrolled(person)  # before a key is made for nobody
    key, is_new = load_or_make_signing_key(key_file)
    actor = with_ledger(
        ledger_location,
        lambda ledger: ledger.enrol_first_registrar(key, person, at=now),
        create=True,
    )
    return ledger_actor_dict(actor) | {"key_file": str(key_file), "key_made": is_new}


def enrol_ledger_actor(
    ledger_location: str, by_file: Path, key_file: Path, person: Person, *, now: datetime
) -> dict[str, Any]:
    """Enrol a person under the key in `key_file`, as the registrar whose key is in `by_file`."""
    check_person_can_be_enrolled(person)  # before a key is made for nobody
    registrar = Key.load(by_file)
    key, is_new = load_or_make_signing_key(key_file)

    def enrol_person(ledger: Ledger) -> Actor:
        with ledger.transaction() as tx:
            return ledger.enrol(tx, person, key.public_key, by=registrar, at=now)

    return ledger_actor_dict(with_ledger(ledger_location, enrol_person)) | {
        "key_file": str(key_file),
        "key_made": is_new,
    }


def verify_ledger_at(ledger_location: str, pinned: Path | None) -> dict[str, Any]:
    """Prove that nothing was changed, removed or reordered."""
    from commonwatt.ledger.verify import verify_ledger as check

    # A checkpoint from outside is what a thief of keys and database together cannot rewrite.
    note = parse_checkpoint_note(pinned.read_text(encoding="utf-8")) if pinned else None
    done = with_ledger(ledger_location, lambda ledger: check(ledger, pinned=note))
    return {
        "whole": True,
        "entries": done.entries,
        "signatures": done.signatures,
        "actors": done.actors,
        "checkpoints": done.checkpoints,
        "root": done.root.hex(),
        "pinned": str(pinned) if pinned else None,
    }


def ledger_entries_and_actors(
    ledger_location: str, first: int, kind: str, subject: str, limit: int
) -> dict[str, Any]:
    """Return entries and who stands behind them."""

    def entries_and_actors_of(ledger: Ledger) -> dict[str, Any]:
        entries = ledger.entries(first, kind=kind, subject=subject, limit=limit)
        return {
            "size": ledger.head().size,
            "entries": [ledger_entry_dict(entry) for entry in entries],
            "actors": [ledger_actor_dict(actor) for actor in ledger.actors()],
        }

    return with_ledger(ledger_location, entries_and_actors_of)


def merkle_proof_of_ledger_entry(
    ledger_location: str, index: int | None, since: int | None
) -> dict[str, Any]:
    """Return the proof that an entry is in, or that the ledger of `since` entries only grew.

    Raises:
        UsageError: Neither or both are asked for.
    """
    if (index is None) == (since is None):
        raise UsageError("ledger prove", wanted=Message("either an entry's number or --since"))

    def inclusion_or_consistency_proof(ledger: Ledger) -> Any:
        if index is not None:
            return ledger.inclusion(index)
        return ledger.consistency(since or 0)

    proof = with_ledger(ledger_location, inclusion_or_consistency_proof)
    return {"holds": proof.holds()} | {
        k: _ledger_proof_with_hex_hashes(v) for k, v in asdict(proof).items()
    }


def sign_current_checkpoint(ledger_location: str, key_file: Path) -> Checkpoint:
    """Return the size and root of now, signed."""
    key = Key.load(key_file)
    return with_ledger(ledger_location, lambda ledger: ledger.checkpoint(by=key))


def export_ledger_folder(ledger_location: str, key_file: Path, folder: Path) -> Checkpoint:
    """Write the record, a checkpoint and a verifier into a new folder."""
    from commonwatt.ledger.export import export_ledger as write

    key = Key.load(key_file)
    return with_ledger(ledger_location, lambda ledger: write(ledger, folder, by=key))


def back_up_home_at(
    home: Path, archive: Path, keys: Path | None, database: str, *, now: datetime
) -> dict[str, Any]:
    """Write a home into one archive, and its keys into another where one is named."""
    from commonwatt.ledger.backups.home import back_up_home

    return asdict(back_up_home(home, archive, keys=keys, database=database, at=now))


def restore_home_at(
    archive: Path, home: Path, keys: Path | None, database: str, pinned: Sequence[Path]
) -> dict[str, Any]:
    """Put a backup back into an empty place, verified, all of it or nothing."""
    from commonwatt.ledger.backups.home import restore_home

    notes = [parse_checkpoint_note(path.read_text(encoding="utf-8")) for path in pinned]
    return restore_home(archive, home, keys=keys, database=database, checkpoints=notes)


def ledger_actor_dict(actor: Actor) -> dict[str, Any]:
    """Return an actor as plain values."""
    return {
        "actor_id": actor.actor_id,
        "public_key": actor.public_key.hex(),
        **asdict(actor.person),
        "enrolled_in": actor.enrolled_in,
        "revoked_in": actor.revoked_in,
    }


def ledger_entry_dict(entry: LedgerEntry) -> dict[str, Any]:
    """Return an entry as plain values."""
    return {
        "index": entry.index,
        "at": entry.at.isoformat(),
        "actor_id": entry.actor_id,
        "kind": entry.kind,
        "subject": entry.subject,
        "body": dict(entry.body),
        "link": entry.link.hex(),
    }


def ledger_checkpoint_dict(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return a checkpoint as plain values."""
    root = base64.b64encode(checkpoint.root).decode()
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": root,
        "note": checkpoint.note,
    }


def _ledger_proof_with_hex_hashes(proof_member: Any) -> Any:
    if isinstance(proof_member, bytes):
        return proof_member.hex()
    if isinstance(proof_member, list):
        return [_ledger_proof_with_hex_hashes(member) for member in cast("list[Any]", proof_member)]
    return proof_member
