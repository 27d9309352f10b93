"""Use cases of the ledger: make one, enrol, show, prove, verify, export."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from commonwatt.core.errors import UsageError
from commonwatt.core.files import save_bytes
from commonwatt.core.messages import Message
from commonwatt.core.strict_json import parse_strict_json
from commonwatt.ledger import (
    Actor,
    ActorError,
    Checkpoint,
    EntryDraft,
    Key,
    Ledger,
    LedgerEntry,
    Person,
    actor_id_of,
    parse_ledger_checkpoint_note,
)
from commonwatt.ledger.actors import (
    check_person_can_be_enrolled,
    enrolment_draft,
    find_ledger_actor,
    revocation_draft,
)
from commonwatt.ledger.clock import Instant
from commonwatt.ledger.keys import (
    load_actor_public_key,
    public_key_pem,
    read_signing_key_password_or_none,
)
from commonwatt.ledger.permissions import (
    WritePermissions,
    parse_ledger_write_permissions,
    shipped_ledger_write_permissions,
)
from commonwatt.ledger.store import (
    entry_draft_content_digest_hex,
    permissions_draft,
    permitted_ledger_signer,
    witnesses_draft,
)
from commonwatt.ledger.verified import (
    ledger_witness_reports,
    loss_of_ledger_entries_accepted,
    verified_head,
)
from commonwatt.ledger.witness import WitnessReport, check_witness_folder_or_address

if TYPE_CHECKING:
    from commonwatt.ledger.verify import VerificationResult

T = TypeVar("T")


def with_ledger(ledger_location: str, use: Callable[[Ledger], T], *, create: bool = False) -> T:
    """Return what `use` makes of the ledger at `ledger_location`, and close it."""
    ledger = Ledger.open(ledger_location, create=create)
    try:
        return use(ledger)
    finally:
        ledger.engine.dispose()


def load_or_make_key_and_is_new(path: Path) -> tuple[Key, bool]:
    """Return the key in a file, and whether it was made just now because there was none."""
    if path.exists():
        return Key.load(path), False
    key = Key.generate()
    key.save(path)
    return key, True


def init_ledger_with_first_registrar(
    ledger_location: str, key_file: Path, person: Person, *, now: Instant
) -> dict[str, Any]:
    """Make a ledger and enrol its first registrar."""
    check_person_can_be_enrolled(person)  # before a key is made for nobody
    key, is_new = load_or_make_key_and_is_new(key_file)
    actor = with_ledger(
        ledger_location,
        lambda ledger: ledger.enrol_first_registrar(key, person, at=now),
        create=True,
    )
    return ledger_actor_dict(actor) | {"key_file": str(key_file), "key_made": is_new}


def make_signing_key_pair_files(key_file: Path, *, locked: bool = True) -> dict[str, Any]:
    """Make a pair of keys: the private one in a new file, the public one beside it.

    Args:
        key_file: New file of the private key; the public one lies at its name with `.pub`.
        locked: Whether a password locks it: of the environment, or as typed.

    Raises:
        ActorError: A password is wanted and there is none, or a file is there already.
    """
    password = read_signing_key_password_or_none(key_file, twice=True) if locked else None
    if locked and not password:
        raise ActorError(
            str(key_file),
            found=Message("no password"),
            wanted=Message("one in a terminal, a file or the environment"),
            remedy=Message(
                "Set COMMONWATT_KEY_PASSWORD_FILE to a file that holds it. For a key of a service"
                " without one: --no-password."
            ),
        )
    key, public_file = Key.generate(), key_file.with_name(f"{key_file.name}.pub")
    try:
        key.save(key_file, password)
    except FileExistsError:
        raise ActorError(
            str(key_file), found=Message("something there already"), wanted=Message("a new file")
        ) from None
    save_bytes(public_key_pem(key.public_key), public_file)
    return {
        "actor_id": actor_id_of(key.public_key),
        "public_key": key.public_key.hex(),
        "key_file": str(key_file),
        "public_key_file": str(public_file),
        "locked": locked,
    }


def enrol_ledger_actor(
    ledger_location: str, by_file: Path, key_file: Path, person: Person, *, now: Instant
) -> dict[str, Any]:
    """Enrol a person under the key in `key_file`, as the registrar whose key is in `by_file`."""
    check_person_can_be_enrolled(person)  # before a key is made for nobody
    registrar = Key.load(by_file)
    key, is_new = load_or_make_key_and_is_new(key_file)
    enrolled = _enrol_or_agree_to_actor_public_key(
        ledger_location, registrar, key.public_key, person, now
    )
    return enrolled | {"key_file": str(key_file), "key_made": is_new}


def enrol_actor_by_public_key_file(
    ledger_location: str, by_file: Path, public_file: Path, person: Person, *, now: Instant
) -> dict[str, Any]:
    """Enrol a person under the public key in a file; nobody but them holds the private one."""
    check_person_can_be_enrolled(person)
    public_key, registrar = load_actor_public_key(public_file), Key.load(by_file)
    enrolled = _enrol_or_agree_to_actor_public_key(
        ledger_location, registrar, public_key, person, now
    )
    return enrolled | {"key_file": str(public_file), "key_made": False}


def _enrol_or_agree_to_actor_public_key(
    ledger_location: str, by: Key, public_key: bytes, person: Person, now: Instant
) -> dict[str, Any]:
    drafts = [enrolment_draft(person, public_key)]
    agreed = _write_or_agree_to_own_entries(ledger_location, by, lambda _ledger: drafts, now)
    if agreed["waits_for_second"]:
        return asdict(person) | {"actor_id": actor_id_of(public_key)} | agreed
    return _ledger_actor_dict_by_id(ledger_location, actor_id_of(public_key)) | agreed


def revoke_ledger_actor(
    ledger_location: str, by_file: Path, actor_id: str, reason: str, *, now: Instant
) -> dict[str, Any]:
    """Revoke a key."""
    drafts = [revocation_draft(actor_id, reason)]
    agreed = _write_or_agree_to_own_entries(
        ledger_location, Key.load(by_file), lambda _ledger: drafts, now
    )
    return _ledger_actor_dict_by_id(ledger_location, actor_id) | agreed


def rotate_ledger_actor(
    ledger_location: str, by_file: Path, actor_id: str, public_file: Path, reason: str,
    *, now: Instant,
) -> dict[str, Any]:  # fmt: skip
    """Revoke a key and enrol another for the same person in the same role, as one act."""
    public_key = load_actor_public_key(public_file)

    def drafts_of_rotation(ledger: Ledger) -> list[EntryDraft]:
        with ledger.reading() as connection:
            person = find_ledger_actor(connection, actor_id).person
        return [revocation_draft(actor_id, reason), enrolment_draft(person, public_key)]

    agreed = _write_or_agree_to_own_entries(
        ledger_location, Key.load(by_file), drafts_of_rotation, now
    )
    of = actor_id if agreed["waits_for_second"] else actor_id_of(public_key)
    return _ledger_actor_dict_by_id(ledger_location, of) | agreed | {"replaces": actor_id}


def _ledger_actor_dict_by_id(ledger_location: str, actor_id: str) -> dict[str, Any]:
    def actor_dict_of(ledger: Ledger) -> dict[str, Any]:
        with ledger.reading() as connection:
            return ledger_actor_dict(find_ledger_actor(connection, actor_id))

    return with_ledger(ledger_location, actor_dict_of)


def _write_or_agree_to_own_entries(
    ledger_location: str, by: Key, drafts_of: Callable[[Ledger], list[EntryDraft]], now: Instant
) -> dict[str, Any]:
    """Write entries about the chain, or the agreement of the first of two of the committee."""

    def write_or_agree(ledger: Ledger) -> dict[str, Any]:
        drafts = drafts_of(ledger)
        with ledger.transaction() as tx:
            actor = permitted_ledger_signer(tx, by, None, drafts[0].kind)
            state = verified_head(tx).state
            committee = state.permissions.committee if state.permissions else frozenset[str]()
            waits = actor.person.role in committee and not all(
                state.has_consent_of_other_committee_member(
                    actor, entry_draft_content_digest_hex(draft)
                )
                for draft in drafts
            )
            if waits:
                for draft in drafts:
                    ledger.consent(tx, draft, by=by, at=now)
            else:
                ledger.append_own_entries(tx, drafts, by=by, at=now)
            return {"waits_for_second": waits}

    return with_ledger(ledger_location, write_or_agree)


def ledger_permissions_at(ledger_location: str) -> dict[str, Any]:
    """Return who may write what, as the chain says; empty in a chain that does not say so yet."""
    table = with_ledger(ledger_location, lambda ledger: ledger.permissions())
    return table.as_entry_body() if table else {"roles": {}, "committee": []}


def set_ledger_permissions(
    ledger_location: str, by_file: Path, table_file: Path | None, *, now: Instant
) -> dict[str, Any]:
    """Put a table of permissions in force: that of a JSON file, or that of this program.

    Raises:
        UsageError: The file holds no such table.
    """
    table = (
        _load_ledger_permissions_file(table_file)
        if table_file
        else shipped_ledger_write_permissions()
    )
    drafts = [permissions_draft(table)]
    agreed = _write_or_agree_to_own_entries(
        ledger_location, Key.load(by_file), lambda _ledger: drafts, now
    )
    return ledger_permissions_at(ledger_location) | agreed


def _load_ledger_permissions_file(path: Path) -> WritePermissions:
    try:
        return parse_ledger_write_permissions(parse_strict_json(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(
            str(path), wanted=Message('a JSON object with "roles" (lists by kind) and "committee"')
        ) from None


def correct_ledger_clock(
    ledger_location: str, by_file: Path, reason: str, *, now: Instant
) -> dict[str, Any]:
    """Put on record that the last entries bear a time that lies in the future."""
    key = Key.load(by_file)

    def correct(ledger: Ledger) -> dict[str, Any]:
        with ledger.transaction() as tx:
            return ledger_entry_dict(ledger.correct_clock(tx, reason=reason, by=key, at=now))

    return with_ledger(ledger_location, correct)


def ledger_size_and_witness_reports(ledger_location: str) -> dict[str, Any]:
    """Return what each witness knows of a ledger, which none of them contradicts."""

    def witness_rows_of(ledger: Ledger) -> dict[str, Any]:
        with ledger.reading() as connection:
            reports = ledger_witness_reports(connection)
            size = verified_head(connection).size
        return {"entries": size, "witnesses": [asdict(report) for report in reports]}

    return with_ledger(ledger_location, witness_rows_of)


def change_ledger_witnesses(
    ledger_location: str, by_file: Path, add: Sequence[str], remove: Sequence[str], reason: str,
    *, now: Instant,
) -> dict[str, Any]:  # fmt: skip
    """Name further folders and addresses that hold checkpoints, or fewer."""
    for name in add:
        check_witness_folder_or_address(name)

    def witness_drafts(ledger: Ledger) -> list[EntryDraft]:
        with ledger.reading() as connection:
            names = [*verified_head(connection).state.witnesses, *add]
        left = [name for name in dict.fromkeys(names) if name not in remove]
        return [witnesses_draft(left, reason)]

    agreed = _write_or_agree_to_own_entries(ledger_location, Key.load(by_file), witness_drafts, now)
    return ledger_size_and_witness_reports(ledger_location) | agreed


def accept_loss_of_ledger_entries(
    ledger_location: str, by_file: Path, reason: str, *, now: Instant
) -> dict[str, Any]:
    """Put on record that entries are lost, and go on from what is left.

    What was known here of the lost ones is laid aside. A witness elsewhere that knows more
    must be told so by whoever keeps it.
    """
    key = Key.load(by_file)

    def accept(ledger: Ledger) -> dict[str, Any]:
        with loss_of_ledger_entries_accepted(ledger.engine), ledger.transaction() as tx:
            head = verified_head(tx)
            full = f"{reason} (entries from {head.size:,} on are lost)"
            names = head.state.witnesses
            return ledger_entry_dict(ledger.set_witnesses(tx, names, reason=full, by=key, at=now))

    return with_ledger(ledger_location, accept)


def verify_ledger_at(ledger_location: str, pinned: Path | None) -> dict[str, Any]:
    """Prove that nothing was changed, removed or reordered."""
    from commonwatt.ledger.verify import verify_ledger as check

    # A checkpoint from outside is what a thief of keys and database together cannot rewrite.
    note = parse_ledger_checkpoint_note(pinned.read_text(encoding="utf-8")) if pinned else None

    def verify_with_witnesses(ledger: Ledger) -> tuple[VerificationResult, list[WitnessReport]]:
        whole = check(ledger, pinned=note)
        with ledger.reading() as connection:
            return whole, ledger_witness_reports(connection)

    done, witnesses = with_ledger(ledger_location, verify_with_witnesses)
    return {
        "whole": True,
        "entries": done.entries,
        "signatures": done.signatures,
        "actors": done.actors,
        "checkpoints": done.checkpoints,
        "root": done.root.hex(),
        "roles_checked": done.roles_checked,
        "witnesses": sum(report.reached for report in witnesses),
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


def ledger_inclusion_or_consistency_proof(
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


def sign_current_ledger_checkpoint(ledger_location: str, key_file: Path) -> Checkpoint:
    """Return the size and root of now, signed."""
    key = Key.load(key_file)
    return with_ledger(ledger_location, lambda ledger: ledger.checkpoint(by=key))


def export_ledger_folder(ledger_location: str, key_file: Path, folder: Path) -> Checkpoint:
    """Write the record, a checkpoint and a verifier into a new folder."""
    from commonwatt.ledger.export import export_ledger as write

    key = Key.load(key_file)
    return with_ledger(ledger_location, lambda ledger: write(ledger, folder, by=key))


def back_up_ledger_home_as_dict(
    home: Path, archive: Path, keys: Path | None, database: str, *, now: datetime
) -> dict[str, Any]:
    """Write a home into one archive, and its keys into another where one is named."""
    from commonwatt.ledger.backups.home import back_up_home

    return asdict(back_up_home(home, archive, keys=keys, database=database, at=now))


def restore_ledger_home_as_dict(
    archive: Path, home: Path, keys: Path | None, database: str, pinned: Sequence[Path]
) -> dict[str, Any]:
    """Put a backup back into an empty place, verified, all of it or nothing."""
    from commonwatt.ledger.backups.home import restore_home_with_verified_ledgers

    notes = [parse_ledger_checkpoint_note(path.read_text(encoding="utf-8")) for path in pinned]
    return restore_home_with_verified_ledgers(
        archive, home, keys=keys, database=database, checkpoints=notes
    )


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
