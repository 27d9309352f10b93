"""The console's own hand in the ledger, and the keys of those who act through it.

The console keeps one key as registrar and one for each role that it granted to an
account, so that a vote or a release is signed by that person in that role. A change
of state and its entry are written on one connection: both are kept or neither.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from commonwatt.core.messages import Message
from commonwatt.ledger import EntryDraft, Key, Ledger, LedgerEntry, LedgerError, Person, actor_id_of
from commonwatt.ledger.store import lock_chain_head
from commonwatt.stores.engine import database_location_text_without_password

ORGANISATION: Final = "this console"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryWriter:
    """Writes entries for the console and holds the keys of its accounts.

    Args:
        ledger: The record.
        key: The console's own key, a registrar's.
        folder: Where keys lie, readable by their owner only.
    """

    ledger: Ledger
    key: Key
    folder: Path

    def record(
        self,
        tx: sa.Connection,
        kind: str,
        subject: str,
        body: Mapping[str, Any],
        *,
        at: datetime,
    ) -> LedgerEntry:
        """Put on record, in the caller's transaction, what happened at the console."""
        # Two requests may reach the lock in the other order than they came, and the ledger refuses
        # to go back in time.
        at = console_entry_time_locking_chain_head(tx, at)
        draft = EntryDraft(kind=f"console.{kind}", subject=subject, body=body)
        return self.ledger.append(tx, [draft], by=self.key, at=at)[0]

    def enrol(self, tx: sa.Connection, account: str, role: str, *, at: datetime) -> str:
        """Enrol an account in a role under a new key; return the key's actor."""
        key = Key.generate()
        actor_id = actor_id_of(key.public_key)
        # Saved before it is enrolled: a file that nobody knows does no harm, an enrolled key that
        # was lost could never sign.
        key.save(self._console_account_key_path(actor_id))
        person = Person(name=account, role=role, organisation=ORGANISATION, device="console")
        at = console_entry_time_locking_chain_head(tx, at)
        self.ledger.enrol(tx, person, key.public_key, by=self.key, at=at)
        return actor_id

    def revoke(self, tx: sa.Connection, actor_id: str, reason: str, *, at: datetime) -> None:
        """Revoke an account's key for a role."""
        at = console_entry_time_locking_chain_head(tx, at)
        self.ledger.revoke(tx, actor_id, reason=reason, by=self.key, at=at)

    def load_signing_key_of_actor(self, actor_id: str) -> Key:
        """Return the key under which an account acts in a role."""
        return Key.load(self._console_account_key_path(actor_id))

    def _console_account_key_path(self, actor_id: str) -> Path:
        return self.folder / f"{actor_id}.pem"


def open_console_entry_writer(ledger: Ledger, folder: Path, *, now: datetime) -> EntryWriter:
    """Return the console's clerk; found the ledger with its key where it is empty.

    Raises:
        LedgerError: The ledger was founded by others and does not know our key.
    """
    # Whoever can read the folder can sign in the names of all accounts.
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "console.pem"
    key = Key.load(path) if path.exists() else _create_and_save_console_key(path)
    known = {actor.actor_id: actor for actor in ledger.actors()}
    if not known:
        person = Person(
            name="console", role="registrar", organisation=ORGANISATION, device="console"
        )
        ledger.enrol_first_registrar(key, person, at=now)
    # Refused at the start: later it would fail in the middle of somebody's change, entry by entry.
    elif actor_id_of(key.public_key) not in known:
        raise LedgerError(
            "ledger",
            found=Message("others as registrars, and not this console"),
            remedy=Message(
                "Enrol the console's key with that of a registrar, in place of KEY.pem: "
                "commonwatt ledger enrol --ledger {ledger} --by KEY.pem --key {path} "
                "--name console --role registrar --organisation {organisation}",
                {
                    "ledger": shlex.quote(
                        database_location_text_without_password(ledger.engine.url)
                    ),
                    "path": shlex.quote(str(path)),
                    "organisation": shlex.quote(ORGANISATION),
                },
            ),
        )
    return EntryWriter(ledger=ledger, key=key, folder=folder)


def console_entry_time_locking_chain_head(tx: sa.Connection, at: datetime) -> datetime:
    """Return `at`, or the last entry's instant where another request was quicker."""
    last = lock_chain_head(tx).at
    return max(at, datetime.strptime(last, "%Y-%m-%dT%H:%M:%S.%f%z")) if last else at


def _create_and_save_console_key(path: Path) -> Key:
    key = Key.generate()
    key.save(path)
    return key
