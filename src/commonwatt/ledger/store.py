"""The ledger itself: append inside a transaction, read back, prove.

An append locks the head, so that entries have one order; it reads the clock
and the keys that it is given and touches nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
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
from commonwatt.ledger.entries import (
    EntryDraft,
    LedgerEntry,
    checked_entry_body,
    genesis_link,
    ledger_entry_line,
    ledger_instant_text,
    merkle_leaf_hash,
    parse_ledger_entry,
)
from commonwatt.ledger.errors import ActorError, ClockError, EntryError, LedgerError
from commonwatt.ledger.keys import Signer, actor_id_of, actor_signature_holds, entry_batch_message
from commonwatt.stores.engine import (
    database_error_of_fault,
    database_read_transaction,
    database_write_transaction,
    open_database_engine,
)
from commonwatt.stores.errors import StoreError
from commonwatt.stores.opening import prepare_store
from commonwatt.stores.schemas import LEDGER

_RESERVED = frozenset({actors.ENROL, actors.REVOKE})
_PAGE = 10_000
_COLUMNS = tuple(schema.entries.columns.keys())
_Row = tuple[int, str, str, str, str, str, bytes]  # in the order of the columns


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """The end of the chain: how many entries, the last link and the last instant."""

    origin: str
    size: int
    link: bytes
    at: str


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
            link = genesis_link(origin)
            first = {"one": 1, "origin": origin, "size": 0, "link": link, "at": ""}
            connection.execute(sa.insert(schema.head), [first])

        prepare_store(engine, LEDGER, create_empty_ledger)

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
                raise database_error_of_fault(
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

    def transaction(self) -> AbstractContextManager[sa.Connection]:
        """Give a connection that writes a state change and its entry together or not at all."""
        return database_write_transaction(self.engine)

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """Give a connection for queries, which waits for no writer."""
        return database_read_transaction(self.engine)

    def enrol_first_registrar(
        self, key: Signer, person: actors.Person, *, at: datetime
    ) -> actors.Actor:
        """Enrol the first registrar, who signs their own enrolment, into an empty ledger.

        Raises:
            LedgerError: The ledger has entries already.
            ActorError: The person's role is not registrar.
        """
        actor = _unenrolled_ledger_actor(key.public_key, person)
        # The first entry is signed by the key that it enrols: trust in it comes from outside, from
        # whoever keeps that key's name.
        actors.check_actor_role(actor, frozenset({actors.REGISTRAR}), actors.ENROL)
        with self.transaction() as tx:
            head = lock_chain_head(tx)
            if head.size:
                raise LedgerError(
                    "ledger", found=Message("entries already"), wanted=Message("an empty ledger")
                )
            _append_signed_entries(
                tx, head, [actors.enrolment_draft(person, key.public_key)], actor, key, at
            )
            return actors.find_ledger_actor(tx, actor.actor_id)

    def enrol(
        self,
        tx: sa.Connection,
        person: actors.Person,
        public_key: bytes,
        *,
        by: Signer,
        at: datetime,
    ) -> actors.Actor:
        """Put on record that `person` signs with `public_key`.

        Raises:
            ActorError: `by` is no registrar, or the key is enrolled already.
            IdentifierError: Nobody may be called so.
            InputError: No rule knows the role.
        """
        head = lock_chain_head(tx)
        registrar = permitted_ledger_signer(tx, by, frozenset({actors.REGISTRAR}), actors.ENROL)
        actor_id = actor_id_of(public_key)
        same_key = sa.select(schema.actors.c.actor_id).where(schema.actors.c.actor_id == actor_id)
        if tx.execute(same_key).first():
            raise ActorError(f"actor {actor_id}", found=Message("this key enrolled already"))
        _append_signed_entries(
            tx, head, [actors.enrolment_draft(person, public_key)], registrar, by, at
        )
        return actors.find_ledger_actor(tx, actor_id)

    def revoke(
        self, tx: sa.Connection, actor_id: str, *, reason: str, by: Signer, at: datetime
    ) -> None:
        """Put on record that `actor_id` may sign no more.

        Raises:
            ActorError: `by` is no registrar, or the actor is unknown or revoked already.
        """
        head = lock_chain_head(tx)
        registrar = permitted_ledger_signer(tx, by, frozenset({actors.REGISTRAR}), actors.REVOKE)
        actors.check_actor_active(actors.find_ledger_actor(tx, actor_id))
        _append_signed_entries(
            tx, head, [actors.revocation_draft(actor_id, reason)], registrar, by, at
        )

    def append(
        self,
        tx: sa.Connection,
        drafts: Sequence[EntryDraft],
        *,
        by: Signer,
        at: datetime,
        roles: frozenset[str] | None = None,
    ) -> list[LedgerEntry]:
        """Put `drafts` on record in order, under one signature, in the caller's transaction.

        Args:
            tx: A connection of this ledger's database, from `transaction()`.
            drafts: What happened; none is written if one is refused.
            by: Whoever answers for them.
            at: When; not before the last entry.
            roles: The roles that may do this, from the caller's table; `None` lets every role.

        Raises:
            ActorError: The signer is unknown, revoked, in the wrong role, or signs falsely.
            ClockError: `at` is before the last entry.
            EntryError: A draft cannot be written.
        """
        # Otherwise any wing with a table of roles of its own could enrol a registrar.
        reserved = next((draft for draft in drafts if draft.kind in _RESERVED), None)
        if reserved:
            raise EntryError(
                reserved.kind, wanted=Message("enrolment and revocation through their own calls")
            )
        if not drafts:
            return []
        head = lock_chain_head(tx)
        actor = permitted_ledger_signer(tx, by, roles, drafts[0].kind)
        return _append_signed_entries(tx, head, drafts, actor, by, at)

    def head(self) -> ChainHead:
        """Return the end of the chain."""
        with self.reading() as connection:
            return read_chain_head(connection)

    def actors(self) -> list[actors.Actor]:
        """Return everybody ever enrolled, in the order of enrolment."""
        query = sa.select(schema.actors).order_by(schema.actors.c.enrolled_in)
        with self.reading() as connection:
            return [actors.ledger_actor_of_row(row) for row in connection.execute(query).mappings()]

    def entries(
        self, first: int = 0, *, kind: str = "", subject: str = "", limit: int | None = None
    ) -> Iterator[LedgerEntry]:
        """Yield entries in order, from `first`, of a kind and a subject where given.

        A `kind` or `subject` that ends in a full stop or slash stands for all below it.
        """
        with self.reading() as connection:
            yield from ledger_entries_on(connection, first, kind=kind, subject=subject, limit=limit)

    def inclusion(self, index: int, size: int | None = None) -> InclusionProof:
        """Return the proof that entry `index` is among the first `size` entries.

        Raises:
            LedgerError: There is no such entry.
        """
        with self.reading() as connection:
            size = _checked_ledger_size(connection, size)
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
            new = _checked_ledger_size(connection, new)
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
            head = lock_chain_head(tx)
            permitted_ledger_signer(tx, by, None, "checkpoint")
            root = merkle.merkle_range_root(tiles.StoredSubtreeHashes(tx), 0, head.size)
            checkpoint = sign_ledger_checkpoint(head.origin, head.size, root, by)
            table = schema.checkpoints
            if not tx.execute(sa.select(table.c.size).where(table.c.size == head.size)).first():
                row = {"size": checkpoint.size, "root": checkpoint.root, "note": checkpoint.note}
                tx.execute(sa.insert(table), [row])
            return checkpoint


def ledger_entries_on(
    connection: sa.Connection,
    first: int = 0,
    *,
    kind: str = "",
    subject: str = "",
    limit: int | None = None,
) -> Iterator[LedgerEntry]:
    """Yield entries as one connection sees them; see `Ledger.entries`."""
    query = sa.select(schema.entries.c.text, schema.entries.c.link)
    query = query.where(schema.entries.c.position >= first, *_ledger_entry_filters(kind, subject))
    query = query.order_by(schema.entries.c.position).limit(limit)
    for text, link in connection.execute(query).yield_per(_PAGE):
        yield parse_ledger_entry(text, bytes(link))


def lock_chain_head(tx: sa.Connection) -> ChainHead:
    """Return the end of the chain and keep other writers from moving it."""
    # PostgreSQL's row lock; on SQLite the transaction has taken the one write lock already. Two
    # writers must never compute their link from the same head.
    row = tx.execute(sa.select(schema.head).with_for_update()).mappings().one()
    return _chain_head_of_row(row)


def permitted_ledger_signer(
    tx: sa.Connection, by: Signer, roles: frozenset[str] | None, step: str
) -> actors.Actor:
    """Return the actor who signs, if they may take `step`."""
    actor = actors.find_ledger_actor(tx, actor_id_of(by.public_key))
    actors.check_actor_active(actor)
    actors.check_actor_role(actor, roles, step)
    return actor


def _append_signed_entries(
    tx: sa.Connection,
    head: ChainHead,
    drafts: Sequence[EntryDraft],
    actor: actors.Actor,
    by: Signer,
    at: datetime,
) -> list[LedgerEntry]:
    instant = ledger_instant_text(at)
    _check_chain_clock(head, instant)
    rows: list[_Row] = []
    entries: list[LedgerEntry] = []
    link = head.link
    for index, draft in enumerate(drafts, head.size):
        text = ledger_entry_line(
            index=index,
            previous=link.hex(),
            at=instant,
            actor_id=actor.actor_id,
            kind=draft.kind,
            subject=draft.subject,
            body=checked_entry_body(draft),
        )
        link = merkle_leaf_hash(text.encode())
        values = (index, instant, actor.actor_id, draft.kind, draft.subject, text, link)
        rows.append(values)
        entries.append(_ledger_entry_of_row(at, draft, values))
    _save_ledger_entry_rows(tx, head, rows, _batch_signature_row(head, rows, by))
    for index, draft in enumerate(drafts, head.size):
        if draft.kind in _RESERVED:
            actors.save_ledger_actor(tx, index, draft)
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
    end = {"size": size, "link": rows[-1][-1], "at": rows[-1][1]}
    tx.execute(sa.update(schema.head).values(**end))


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
    message = entry_batch_message(head.origin, head.size, last, link)
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


def _check_chain_clock(head: ChainHead, instant: str) -> None:
    if instant < head.at:
        raise ClockError(
            "at",
            found=instant,
            wanted=Message("an instant not before {last}", {"last": head.at}),
            remedy=Message("Set this machine's clock, or wait until it has caught up."),
        )


def read_chain_head(connection: sa.Connection) -> ChainHead:
    """Return the end of the chain as `connection` sees it."""
    return _chain_head_of_row(connection.execute(sa.select(schema.head)).mappings().one())


def _chain_head_of_row(row: Any) -> ChainHead:
    return ChainHead(origin=row["origin"], size=row["size"], link=bytes(row["link"]), at=row["at"])


def _checked_ledger_size(connection: sa.Connection, size: int | None) -> int:
    now = read_chain_head(connection).size
    if size is not None and not 0 <= size <= now:
        raise _ledger_range_error(f"size {size:,}", now)
    return now if size is None else size


def _ledger_range_error(where: str, size: int) -> LedgerError:
    return LedgerError(where, wanted=Message("at most {size}", {"size": f"{size:,}"}))


def _ledger_entry_filters(kind: str, subject: str) -> list[sa.ColumnElement[bool]]:
    pairs = ((schema.entries.c.kind, kind, "."), (schema.entries.c.subject, subject, "/"))
    return [
        _ledger_entry_name_condition(column, name, mark) for column, name, mark in pairs if name
    ]


def _ledger_entry_name_condition(
    column: sa.Column[Any], name: str, mark: str
) -> sa.ColumnElement[bool]:
    return column.startswith(name, autoescape=True) if name.endswith(mark) else column == name


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
