"""The ledger itself: append inside a transaction, read back, prove.

An append locks the head, so that entries have one order; it reads the clock
and the keys that it is given and touches nothing else.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

import commonwatt.ledger.actors as actors
import commonwatt.ledger.merkle as merkle
import commonwatt.ledger.schema as schema
import commonwatt.ledger.tiles as tiles
from commonwatt.core.faults import machine_fault
from commonwatt.core.messages import Message
from commonwatt.ledger.checkpoints import Checkpoint, sign_ledger_checkpoint
from commonwatt.ledger.clock import (
    Instant,
    check_ledger_instant_not_ahead,
    ledger_instant_read_after_lock,
)
from commonwatt.ledger.entries import (
    EntryDraft,
    LedgerEntry,
    checked_ledger_entry_body_json,
    ledger_entry_line,
    ledger_genesis_link,
    ledger_instant_text,
    merkle_leaf_hash,
)
from commonwatt.ledger.errors import ActorError, ClockError, EntryError, LedgerError
from commonwatt.ledger.head import (
    ChainHead,
    lock_chain_head,
    move_chain_head,
    read_chain_head,
)
from commonwatt.ledger.keys import (
    Signer,
    actor_id_of,
    actor_signature_holds,
    entry_batch_message_to_sign,
)
from commonwatt.ledger.permissions import (
    OWN_PREFIX,
    WritePermissions,
    shipped_ledger_write_permissions,
)
from commonwatt.ledger.reads import verified_ledger_entries_by_connection
from commonwatt.ledger.state import (
    CLOCK,
    CONSENT,
    PERMISSIONS,
    WITNESS,
    ChainState,
    WriteFault,
    entry_content_digest_hex,
)
from commonwatt.ledger.verified import (
    begin_memory_of_new_ledger_here,
    head_and_last_signer_if_written,
    ledger_memory_of_engine,
    push_checkpoint_and_list_unreachable_places,
    remember_head_and_push_checkpoint,
    verified_head,
    verified_head_after_writing,
)
from commonwatt.ledger.witness import check_witness_folder_or_address
from commonwatt.stores.engine import (
    database_read_transaction,
    database_write_transaction,
    logged_database_error,
    open_database_engine,
)
from commonwatt.stores.errors import StoreError
from commonwatt.stores.opening import create_or_check_store_tables
from commonwatt.stores.schemas import LEDGER

_COLUMNS = tuple(schema.entries.columns.keys())
_Row = tuple[int, str, str, str, str, str, bytes]  # in the order of the columns


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """That entry `index` is in the ledger of `size` entries with this `root`."""

    index: int
    size: int
    leaf: bytes
    path: list[bytes]
    root: bytes

    def holds(self) -> bool:
        """Return whether the proof is right by itself."""
        return merkle.inclusion_proof_holds(
            index=self.index, size=self.size, leaf=self.leaf, path=self.path, root=self.root
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencyProof:
    """That the ledger of `old` entries is how the ledger of `new` entries begins."""

    old: int
    new: int
    old_root: bytes
    new_root: bytes
    path: list[bytes]

    def holds(self) -> bool:
        """Return whether the proof is right by itself."""
        return merkle.consistency_proof_holds(
            old=self.old,
            new=self.new,
            old_root=self.old_root,
            new_root=self.new_root,
            path=self.path,
        )


class Ledger:
    """An append-only record behind one database; see `commonwatt.ledger` for its use."""

    def __init__(self, engine: sa.Engine, *, origin: str = "commonwatt") -> None:
        self.engine = engine

        def create_empty_ledger(connection: sa.Connection) -> None:
            schema.create_merkle_ledger_tables(connection)
            link = ledger_genesis_link(origin)
            first = {"one": 1, "origin": origin, "size": 0, "link": link, "at": ""}
            connection.execute(sa.insert(schema.head), [first])

        create_or_check_store_tables(engine, LEDGER, create_empty_ledger)

    @classmethod
    def open(cls, where: str | Path, *, origin: str = "commonwatt", create: bool = True) -> Ledger:
        """Return the ledger at a path or a database URL, made there if it is missing.

        Args:
            where: A path (SQLite), `sqlite:///…` or `postgresql://…`.
            origin: The name that its checkpoints bear; fixed when it is first made.
            create: Whether a missing ledger may be made.

        Raises:
            LedgerError: There is none and none may be made, or it cannot be opened.
            StoreError: Its tables are of another version, or a disk, a lock or a server is at
                fault.
        """
        engine = open_database_engine(where)
        try:
            if not create:
                _check_ledger_exists(engine, where)
            return cls(engine, origin=origin)
        except SQLAlchemyError as error:
            engine.dispose()
            if machine_fault(error) is not None:
                raise logged_database_error(
                    error, _ledger_location_without_password(where)
                ) from error
            raise LedgerError(
                _ledger_location_without_password(where),
                found=type(error).__name__,
                wanted=_READABLE,
            ) from None
        except StoreError:
            engine.dispose()
            raise

    @contextmanager
    def transaction(self) -> Generator[sa.Connection]:
        """Give a connection that writes a state change and its entry together or not at all.

        When it is committed, a signed checkpoint goes to the witnesses.
        """
        with database_write_transaction(self.engine) as connection:
            yield connection
            written = head_and_last_signer_if_written(connection)
        if written:
            remember_head_and_push_checkpoint(self.engine, *written)

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """Give a connection for queries, which waits for no writer."""
        return database_read_transaction(self.engine)

    def enrol_first_registrar(
        self,
        key: Signer,
        person: actors.Person,
        *,
        at: Instant,
        permissions: WritePermissions | None = None,
    ) -> actors.Actor:
        """Enrol the first registrar, who signs their own enrolment, into an empty ledger.

        Args:
            key: By which they sign.
            person: Who they are.
            at: When.
            permissions: Who may write what from now on; the shipped table by default.

        Raises:
            LedgerError: The ledger has entries already.
            ActorError: The person's role is not registrar.
        """
        actor = _unenrolled_ledger_actor(key.public_key, person)
        # The first entry is signed by the key that it enrols: trust in it comes from outside, from
        # whoever keeps that key's name.
        actors.check_actor_role(actor, frozenset({actors.REGISTRAR}), actors.ENROL)
        table = (permissions or shipped_ledger_write_permissions()).as_entry_body()
        draft = actors.enrolment_draft(person, key.public_key, table)
        with self.transaction() as tx:
            head = lock_chain_head(tx)
            if head.size:
                raise LedgerError(
                    "ledger", found=Message("entries already"), wanted=Message("an empty ledger")
                )
            begin_memory_of_new_ledger_here(self.engine, b"")
            [entry] = _append_signed_entries(tx, head, [draft], actor, key, at)
            begin_memory_of_new_ledger_here(self.engine, entry.link)
            return actors.find_ledger_actor(tx, actor.actor_id)

    def enrol(
        self,
        tx: sa.Connection,
        person: actors.Person,
        public_key: bytes,
        *,
        by: Signer,
        at: Instant,
    ) -> actors.Actor:
        """Put on record that `person` signs with `public_key`.

        Raises:
            ActorError: `by` may not enrol, the key is enrolled already, or somebody of that name
                is in force in that role.
            IdentifierError: Nobody may be called so.
            InputError: No rule knows the role.
        """
        _check_may_change_chain(tx, by, actors.ENROL)
        draft = actors.enrolment_draft(person, public_key)
        self.append_own_entries(tx, [draft], by=by, at=at)
        return actors.find_ledger_actor(tx, actor_id_of(public_key))

    def revoke(
        self, tx: sa.Connection, actor_id: str, *, reason: str, by: Signer, at: Instant
    ) -> None:
        """Put on record that `actor_id` may sign no more.

        Raises:
            ActorError: `by` may not revoke, or the actor is unknown or revoked already.
        """
        self.append_own_entries(tx, [actors.revocation_draft(actor_id, reason)], by=by, at=at)

    def rotate(
        self, tx: sa.Connection, actor_id: str, public_key: bytes, *, reason: str, by: Signer,
        at: Instant,
    ) -> actors.Actor:  # fmt: skip
        """Revoke a key and enrol another for the same person in the same role, as one act.

        Raises:
            ActorError: `by` may not enrol, the actor is unknown or revoked, or the new key is
                enrolled already.
        """
        person = actors.find_ledger_actor(tx, actor_id).person
        drafts = [
            actors.revocation_draft(actor_id, reason), actors.enrolment_draft(person, public_key)
        ]  # fmt: skip
        self.append_own_entries(tx, drafts, by=by, at=at)
        return actors.find_ledger_actor(tx, actor_id_of(public_key))

    def set_permissions(
        self, tx: sa.Connection, permissions: WritePermissions, *, by: Signer, at: Instant
    ) -> LedgerEntry:
        """Put on record who may write what from now on.

        Raises:
            ActorError: `by` may not say so.
        """
        return self.append_own_entries(tx, [permissions_draft(permissions)], by=by, at=at)[0]

    def set_witnesses(
        self, tx: sa.Connection, names: Sequence[str], *, reason: str, by: Signer, at: Instant
    ) -> LedgerEntry:
        """Put on record at which folders and addresses checkpoints of this ledger lie.

        Raises:
            ActorError: `by` may not say so.
            LedgerError: A name is neither a whole path nor a safe address.
        """
        for name in names:
            check_witness_folder_or_address(name)
        return self.append_own_entries(tx, [witnesses_draft(names, reason)], by=by, at=at)[0]

    def correct_clock(
        self, tx: sa.Connection, *, reason: str, by: Signer, at: Instant
    ) -> LedgerEntry:
        """Put on record that the last entries bear a time that lies in the future.

        Entries after it are held to its own time again. It follows the last entry whose time
        has come.

        Raises:
            ActorError: `by` may not say so.
            ClockError: No entry lies in the future.
        """
        lock_chain_head(tx)
        verified_head(tx, future_may_be_corrected=True)
        at = ledger_instant_read_after_lock(at)
        draft = clock_correction_draft(tx, ledger_instant_text(at), reason)
        return self.append_own_entries(tx, [draft], by=by, at=at)[0]

    def consent(
        self, tx: sa.Connection, draft: EntryDraft, *, by: Signer, at: Instant
    ) -> LedgerEntry:
        """Put on record that `by`, of the committee, agrees that another of it writes `draft`.

        Raises:
            ActorError: `by` is not of the committee.
        """
        body = {
            "entry": entry_draft_content_digest_hex(draft),
            "kind": draft.kind,
            "subject": draft.subject,
        }
        agreed = EntryDraft(kind=CONSENT, subject=draft.subject, body=body)
        return self.append_own_entries(tx, [agreed], by=by, at=at)[0]

    def append_own_entries(
        self, tx: sa.Connection, drafts: Sequence[EntryDraft], *, by: Signer, at: Instant
    ) -> list[LedgerEntry]:
        """Put entries about the chain itself on record: enrolments, permissions and the like.

        Raises:
            ActorError: `by` may not write one, or it contradicts who is enrolled.
        """
        head = lock_chain_head(tx)
        state = verified_head(tx).state.copy()
        actor = permitted_ledger_signer(tx, by, None, drafts[0].kind)
        for index, draft in enumerate(drafts, head.size):
            _check_own_draft(state, actor, draft)
            digest = entry_draft_content_digest_hex(draft)
            state.apply_own_entry(
                index, actor.actor_id, draft.kind, draft.subject, draft.body, digest
            )
        return _append_signed_entries(tx, head, drafts, actor, by, at)

    def append(
        self,
        tx: sa.Connection,
        drafts: Sequence[EntryDraft],
        *,
        by: Signer,
        at: Instant,
        roles: frozenset[str] | None = None,
    ) -> list[LedgerEntry]:
        """Put `drafts` on record in order, under one signature, in the caller's transaction.

        Args:
            tx: A connection of this ledger's database, from `transaction()`.
            drafts: What happened; none is written if one is refused.
            by: Whoever answers for them.
            at: When, or a clock that is read when the lock is held; not before the last entry,
                and not ahead of the time.
            roles: The roles that may do this, from the caller's table; `None` leaves it to the
                table in the chain, which is asked in any case.

        Raises:
            ActorError: The signer is unknown, revoked, in the wrong role, or signs falsely.
            ClockError: `at` is before the last entry, or more than five minutes ahead.
            EntryError: A draft cannot be written.
        """
        # Otherwise any wing with a table of roles of its own could enrol a registrar.
        reserved = next((draft for draft in drafts if draft.kind.startswith(OWN_PREFIX)), None)
        if reserved:
            raise EntryError(
                reserved.kind,
                wanted=Message("entries about the ledger itself through their own calls"),
            )
        if not drafts:
            return []
        head = lock_chain_head(tx)
        actor = permitted_ledger_signer(tx, by, roles, drafts[0].kind)
        state = verified_head(tx).state
        bodies = [checked_ledger_entry_body_json(draft) for draft in drafts]
        # A batch of a thousand has a few kinds; each is asked for once.
        permitted: set[tuple[str, str]] = set()
        for draft in drafts:
            kind_and_state = (draft.kind, str(draft.body.get("to")))
            if kind_and_state not in permitted:
                _check_may_write_draft(state, actor, draft)
                permitted.add(kind_and_state)
        return _append_signed_entries(tx, head, drafts, actor, by, at, bodies)

    def permissions(self) -> WritePermissions | None:
        """Return who may write what; None in a chain that does not say so yet."""
        with self.reading() as connection:
            return verified_head(connection).state.permissions

    def head(self) -> ChainHead:
        """Return the end of the chain."""
        with self.reading() as connection:
            return read_chain_head(connection)

    def actors(self) -> list[actors.Actor]:
        """Return everybody ever enrolled, in the order of enrolment."""
        with self.reading() as connection:
            enrolled = verified_head(connection).state.actors.values()
        return sorted(enrolled, key=lambda actor: actor.enrolled_in)

    def entries(
        self, first: int = 0, *, kind: str = "", subject: str = "", limit: int | None = None
    ) -> Iterator[LedgerEntry]:
        """Yield entries in order, from `first`, of a kind and a subject where given.

        A `kind` or `subject` that ends in a full stop or slash stands for all below it.
        """
        with self.reading() as connection:
            yield from verified_ledger_entries_by_connection(
                connection, first, kind=kind, subject=subject, limit=limit
            )

    def inclusion(self, index: int, size: int | None = None) -> InclusionProof:
        """Return the proof that entry `index` is among the first `size` entries.

        Raises:
            LedgerError: There is no such entry.
        """
        with self.reading() as connection:
            size = _checked_ledger_size_or_current(connection, size)
            if not 0 <= index < size:
                raise _ledger_range_error(f"entry {index:,}", size)
            nodes = tiles.StoredSubtreeHashes(connection)
            return InclusionProof(
                index=index,
                size=size,
                leaf=nodes.node(0, index),
                path=merkle.merkle_range_roots(nodes, merkle.inclusion_proof_ranges(index, size)),
                root=merkle.merkle_range_root(nodes, 0, size),
            )

    def consistency(self, old: int, new: int | None = None) -> ConsistencyProof:
        """Return the proof that the first `old` entries are how the first `new` begin.

        Raises:
            LedgerError: The ledger never had so many entries.
        """
        with self.reading() as connection:
            new = _checked_ledger_size_or_current(connection, new)
            if not 0 <= old <= new:
                raise _ledger_range_error(f"size {old:,}", new)
            nodes = tiles.StoredSubtreeHashes(connection)
            return ConsistencyProof(
                old=old,
                new=new,
                old_root=merkle.merkle_range_root(nodes, 0, old),
                new_root=merkle.merkle_range_root(nodes, 0, new),
                path=merkle.merkle_range_roots(nodes, merkle.consistency_proof_ranges(old, new)),
            )

    def checkpoint(self, *, by: Signer) -> Checkpoint:
        """Return the size and root of now, signed and stored, for outsiders to pin."""
        with self.transaction() as tx:
            lock_chain_head(tx)
            head = verified_head(tx)
            permitted_ledger_signer(tx, by, None, "checkpoint")
            checkpoint = sign_ledger_checkpoint(head.origin, head.size, head.merkle_root(), by)
            table = schema.checkpoints
            if not tx.execute(sa.select(table.c.size).where(table.c.size == head.size)).first():
                row = {"size": checkpoint.size, "root": checkpoint.root, "note": checkpoint.note}
                tx.execute(sa.insert(table), [row])
        push_checkpoint_and_list_unreachable_places(
            checkpoint, ledger_memory_of_engine(self.engine).witness_places(head)
        )
        return checkpoint


def permitted_ledger_signer(
    tx: sa.Connection, by: Signer, roles: frozenset[str] | None, step: str
) -> actors.Actor:
    """Return the actor who signs, if they may take `step`."""
    actor = actors.find_ledger_actor(tx, actor_id_of(by.public_key))
    actors.check_actor_active(actor)
    actors.check_actor_role(actor, roles, step)
    return actor


def permissions_draft(permissions: WritePermissions) -> EntryDraft:
    """Return the entry by which a table of permissions comes into force."""
    body = permissions.as_entry_body()
    return EntryDraft(kind=PERMISSIONS, subject="ledger/permissions", body=body)


def witnesses_draft(names: Sequence[str], reason: str) -> EntryDraft:
    """Return the entry that names where checkpoints lie."""
    body = {"witnesses": list(names), "reason": reason}
    return EntryDraft(kind=WITNESS, subject="ledger/witnesses", body=body)


def clock_correction_draft(tx: sa.Connection, instant: str, reason: str) -> EntryDraft:
    """Return the entry that goes on after the last entry whose time has come.

    Raises:
        ClockError: The time of every entry has come.
    """
    size, table = read_chain_head(tx).size, schema.entries
    query = sa.select(sa.func.max(table.c.position)).where(table.c.at <= instant)
    after = tx.execute(query).scalar()
    if after is None or after == size - 1:
        raise ClockError(
            "ledger upkeep clock",
            found=Message("no entry that lies in the future"),
            wanted=Message("an entry whose time has not come"),
        )
    return EntryDraft(kind=CLOCK, subject="ledger/clock", body={"after": after, "reason": reason})


def entry_draft_content_digest_hex(draft: EntryDraft) -> str:
    """Return the digest of what an entry will say, whoever writes it and whenever."""
    body = checked_ledger_entry_body_json(draft)
    return entry_content_digest_hex(
        f'"kind":"{draft.kind}","subject":"{draft.subject}","body":{body}}}'
    )


def _check_may_change_chain(tx: sa.Connection, by: Signer, step: str) -> None:
    """Raise unless `by` is a registrar, or of the committee, where a second must have agreed."""
    state = verified_head(tx).state
    committee = state.permissions.committee if state.permissions else frozenset[str]()
    actor = permitted_ledger_signer(tx, by, None, step)
    if actor.person.role not in committee:
        actors.check_actor_role(actor, frozenset({actors.REGISTRAR}), step)


def _check_own_draft(state: ChainState, actor: actors.Actor, draft: EntryDraft) -> None:
    """Raise unless `actor` may write an entry about the chain that makes sense in it."""
    _check_may_write_draft(state, actor, draft)
    subject_id = draft.subject.removeprefix("actor/")
    if draft.kind == actors.ENROL:
        if subject_id in state.actors:
            raise ActorError(f"actor {subject_id}", found=Message("this key enrolled already"))
        _check_actor_name_is_free_in_role(state, draft)
    if draft.kind == actors.REVOKE:
        known = state.actors.get(subject_id)
        if known is None:
            raise ActorError(f"actor {subject_id}", found=Message("nobody enrolled under this key"))
        actors.check_actor_active(known)


def _check_actor_name_is_free_in_role(state: ChainState, draft: EntryDraft) -> None:
    """Raise if somebody of that name signs in that role already.

    One person may have a role each under several keys; two in one role could not be told apart
    where a page shows who approved.
    """
    name, role = str(draft.body["name"]), draft.body["role"]
    for actor in state.actors.values():
        same = actors.person_name_normalised_for_comparison(
            actor.person.name
        ) == actors.person_name_normalised_for_comparison(name)
        if same and actor.person.role == role and actor.revoked_in is None:
            raise ActorError(
                "name",
                found=Message(
                    "{name}, enrolled as {role} already in entry {index}",
                    {"name": repr(name), "role": role, "index": f"{actor.enrolled_in:,}"},
                ),
                wanted=Message("a name that nobody in force has in that role"),
                remedy=Message(
                    "For a new key of the same person: commonwatt ledger rotate {actor_id}"
                    " --public-key FILE --by KEY.pem. For another person: a name that tells them"
                    " apart.",
                    {"actor_id": actor.actor_id},
                ),
            )


def _check_may_write_draft(state: ChainState, actor: actors.Actor, draft: EntryDraft) -> None:
    digest = entry_draft_content_digest_hex(draft) if draft.kind.startswith(OWN_PREFIX) else ""
    fault = state.write_fault(actor.actor_id, draft.kind, draft.body, digest)
    if fault is not None:
        raise _write_fault_error(actor, draft.kind, fault)


def _write_fault_error(actor: actors.Actor, kind: str, fault: WriteFault) -> ActorError:
    return ActorError(
        f"actor {actor.actor_id}, {kind}",
        found=fault.found,
        wanted=fault.wanted,
        remedy=Message(
            "Who may write what stands in the ledger; a registrar, or two of the committee, may"
            " change it: commonwatt ledger upkeep permissions."
        ),
    )


def _append_signed_entries(
    tx: sa.Connection,
    head: ChainHead,
    drafts: Sequence[EntryDraft],
    actor: actors.Actor,
    by: Signer,
    at: Instant,
    bodies: Sequence[str] = (),
) -> list[LedgerEntry]:
    at = ledger_instant_read_after_lock(at)
    bodies = bodies or [checked_ledger_entry_body_json(draft) for draft in drafts]
    instant = ledger_instant_text(at)
    check_ledger_instant_not_ahead(tx, at)
    if drafts[0].kind != CLOCK:
        _check_instant_not_before_chain_head(head, instant)
    rows: list[_Row] = []
    entries: list[LedgerEntry] = []
    link = head.link
    for index, (draft, body) in enumerate(zip(drafts, bodies, strict=True), head.size):
        text = ledger_entry_line(
            index=index,
            previous=link.hex(),
            at=instant,
            actor_id=actor.actor_id,
            kind=draft.kind,
            subject=draft.subject,
            body=body,
        )
        link = merkle_leaf_hash(text.encode())
        values = (index, instant, actor.actor_id, draft.kind, draft.subject, text, link)
        rows.append(values)
        entries.append(_ledger_entry_of_row(at, draft, values))
    _save_ledger_entry_rows(tx, head, rows, _batch_signature_row(head, rows, by))
    for index, draft in enumerate(drafts, head.size):
        if draft.kind in (actors.ENROL, actors.REVOKE):
            actors.apply_actor_draft_to_table(tx, index, draft)
    # Walked as any reader will: what would not verify is refused here, and not kept.
    verified_head_after_writing(tx, by)
    return entries


def _save_ledger_entry_rows(
    tx: sa.Connection, head: ChainHead, rows: list[_Row], signature: dict[str, Any]
) -> None:
    marks = ", ".join(["?" if tx.dialect.name == "sqlite" else "%s"] * len(_COLUMNS))
    # straight to the driver, which is half the time of a batch; names are our own
    tx.exec_driver_sql(
        f"INSERT INTO {schema.entries.name} ({', '.join(_COLUMNS)}) VALUES ({marks})",  # noqa: S608
        rows,
    )
    tx.execute(sa.insert(schema.signatures), [signature])
    size = head.size + len(rows)
    tiles.store_complete_merkle_nodes(tx, head.size, size)
    # The head is a row of its own, so that appending locks one row and reads no other.
    move_chain_head(tx, size=size, link=rows[-1][-1], at=rows[-1][1])


def _ledger_entry_of_row(at: datetime, draft: EntryDraft, row: _Row) -> LedgerEntry:
    return LedgerEntry(
        index=row[0],
        at=at,
        actor_id=row[2],
        kind=draft.kind,
        subject=draft.subject,
        body=draft.body,
        text=row[5],
        link=row[6],
    )


def _batch_signature_row(head: ChainHead, rows: list[_Row], by: Signer) -> dict[str, Any]:
    last, _, actor_id, *_, link = rows[-1]
    message = entry_batch_message_to_sign(head.origin, head.size, last, link)
    signature = by.sign(message)
    # Checked before it is stored: a faulty card would otherwise be found out only by a
    # verification, and its entries could not be taken back.
    if not actor_signature_holds(by.public_key, signature, message):
        raise ActorError(
            f"actor {actor_id}",
            found=Message("a signature that does not belong to the key"),
            wanted=Message("an Ed25519 signature over the entries"),
        )
    return {
        "first": head.size,
        "last": last,
        "actor_id": actor_id,
        "signature": signature,
    }


def _check_instant_not_before_chain_head(head: ChainHead, instant: str) -> None:
    if instant < head.at:
        raise ClockError(
            "at",
            found=instant,
            wanted=Message("an instant not before {last}", {"last": head.at}),
            remedy=Message(
                "Set this machine's clock, or wait until it has caught up. Where the last entry"
                " lies in the future, let the registrar correct it: commonwatt ledger upkeep clock"
                " --by KEY.pem --reason TEXT."
            ),
        )


def _checked_ledger_size_or_current(connection: sa.Connection, size: int | None) -> int:
    now = read_chain_head(connection).size
    if size is not None and not 0 <= size <= now:
        raise _ledger_range_error(f"size {size:,}", now)
    return now if size is None else size


def _ledger_range_error(where: str, size: int) -> LedgerError:
    return LedgerError(where, wanted=Message("at most {size}", {"size": f"{size:,}"}))


def _unenrolled_ledger_actor(public_key: bytes, person: actors.Person) -> actors.Actor:
    return actors.Actor(
        actor_id=actor_id_of(public_key),
        public_key=public_key,
        person=person,
        enrolled_in=0,
        revoked_in=None,
    )


def _check_ledger_exists(engine: sa.Engine, where: str | Path) -> None:
    path = engine.url.database
    sqlite = engine.dialect.name == "sqlite"
    if sqlite and not (path and Path(path).is_file()):
        raise LedgerError(
            _ledger_location_without_password(where), found=Message("no ledger"), wanted=_READABLE
        )
    # An inspector of the engine itself would begin as a writer does, and wait for every other.
    with database_read_transaction(engine) as connection:
        exists = sa.inspect(connection).has_table(schema.head.name)
    if not exists:
        raise LedgerError(
            _ledger_location_without_password(where), found=Message("no ledger"), wanted=_READABLE
        )


def _ledger_location_without_password(where: str | Path) -> str:
    """Return a place without the password that a URL may hold."""
    text = str(where)
    return sa.make_url(text).render_as_string() if "://" in text else text


_READABLE = Message("a path or URL of a ledger that can be opened")
