"""Verified reads: nothing of the chain is believed that was not verified, and not twice.

For each engine the last verified head is remembered, and in the user's folder of state the
last one of the place; what was written since is walked, and what was cut, forked or laid there
from an older copy does not continue it. Once a transaction, too, the enrolments and the table
that indexes them are compared with what was verified.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from weakref import ReferenceType, WeakKeyDictionary, ref

import sqlalchemy as sa

import commonwatt.ledger.schema as schema
from commonwatt.core.messages import Message
from commonwatt.ledger.checkpoints import Checkpoint, sign_ledger_checkpoint
from commonwatt.ledger.clock import check_last_ledger_instant_not_ahead
from commonwatt.ledger.entries import merkle_leaf_hash, parse_ledger_entry
from commonwatt.ledger.errors import TamperedError
from commonwatt.ledger.head import ChainHead, lock_chain_head, read_chain_head
from commonwatt.ledger.inclusion import check_rows_included, edited_row_error
from commonwatt.ledger.kept import KeptState, kept_ledger_state_or_none
from commonwatt.ledger.keys import Signer
from commonwatt.ledger.people import ledger_actor_row
from commonwatt.ledger.permissions import OWN_PREFIX
from commonwatt.ledger.state import ChainState, entry_content_digest_hex
from commonwatt.ledger.walk import (
    ChainWalk,
    KindFold,
    VerifiedHead,
    head_of_empty_ledger,
    walk_chain,
)
from commonwatt.ledger.witness import (
    WitnessFolder,
    WitnessPlace,
    WitnessReport,
    checked_witness_reports,
    named_witness_places,
    witness_names_of_environment,
)
from commonwatt.stores.engine import (
    database_read_transaction_beside_pool,
    is_database_read_transaction,
    is_memory_database,
)

_SEEN: Final = "commonwatt_ledger_seen"
_ACTORS: Final = sa.select(schema.actors)
# By the kinds that there are: an index serves that, and no comparison by a beginning.
_ENTRIES_OF_KINDS: Final = (
    sa.select(schema.entries.c.kind, schema.entries.c.text)
    .where(
        schema.entries.c.kind.in_(sa.bindparam("kinds", type_=sa.String(), expanding=True)),
        schema.entries.c.position < sa.bindparam("size", type_=sa.BigInteger()),
    )
    .order_by(schema.entries.c.position)
)
_HEADS_REMEMBERED: Final = 64
_WITNESS_PERIOD_S: Final = 30.0
_KEEP_PERIOD_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class _SeenInTransaction:
    """What one transaction has verified.

    Args:
        transaction: Of SQLAlchemy; a connection of the pool serves many. Held weakly: it holds
            the connection that this is stored with.
        head: How far.
        signer: Who signed the entries that it wrote; None if it wrote none.
    """

    transaction: ReferenceType[Any]
    head: VerifiedHead
    signer: Signer | None = None


@dataclass(slots=True)
class LedgerMemory:
    """What this process knows of the ledger behind one engine.

    Args:
        kept: What lies in the user's folder of state; None in memory.
    """

    kept: KeptState | None
    lock: threading.RLock = field(default_factory=threading.RLock)
    heads: list[VerifiedHead] = field(default_factory=list[VerifiedHead])
    kept_at_s: float = 0.0
    witnesses_at_s: float = 0.0

    def remember(self, head: VerifiedHead) -> None:
        """Take a head of what is committed; the newest are remembered."""
        with self.lock:
            if not self.heads or head.size > self.heads[-1].size:
                self.heads.append(head)
                del self.heads[:-_HEADS_REMEMBERED]

    def newest_head_if_it_ends(self, stored: ChainHead) -> VerifiedHead | None:
        """Return the newest head that was verified, if the chain ends there; None otherwise."""
        with self.lock:
            newest = self.heads[-1] if self.heads else None
        if newest is None:
            return None
        ends = (newest.origin, newest.size, newest.link, newest.at)
        return newest if ends == (stored.origin, stored.size, stored.link, stored.at) else None

    def keep(self) -> None:
        """Keep the newest head for the next program, at most once in a few seconds."""
        with self.lock:
            if self.kept is None or not self.heads or not self.heads[-1].size:
                return
            if time.monotonic() - self.kept_at_s < _KEEP_PERIOD_S and self.kept_at_s:
                return
            self.kept_at_s = time.monotonic()
            self.kept.save_head(self.heads[-1])

    def witnesses_are_due(self) -> bool:
        """Return whether the witnesses were not asked yet, or half a minute ago."""
        since_s = time.monotonic() - self.witnesses_at_s
        return not self.witnesses_at_s or since_s >= _WITNESS_PERIOD_S

    def witness_places(self, head: VerifiedHead) -> list[WitnessPlace]:
        """Return where checkpoints of this ledger lie: here, and wherever chain or machine say."""
        names = [*head.state.witnesses, *witness_names_of_environment()]
        own: list[WitnessPlace] = [WitnessFolder(self.kept.witness_folder)] if self.kept else []
        return own + named_witness_places(names, head.first_link)


_MEMORIES: WeakKeyDictionary[sa.Engine, LedgerMemory] = WeakKeyDictionary()
_MEMORIES_LOCK: Final = threading.Lock()


def ledger_memory_of_engine(engine: sa.Engine) -> LedgerMemory:
    """Return what this process knows of the ledger behind an engine."""
    with _MEMORIES_LOCK:
        memory = _MEMORIES.get(engine)
        if memory is None:
            memory = _MEMORIES[engine] = LedgerMemory(kept_ledger_state_or_none(engine))
        return memory


def verified_head(
    connection: sa.Connection, *, future_may_be_corrected: bool = False
) -> VerifiedHead:
    """Return the head of the chain as `connection` sees it, verified.

    Costs what was written since the last time, and once a transaction the enrolments.

    Args:
        connection: Sees the chain.
        future_may_be_corrected: Whether the last entry may lie in the future, because the
            caller is about to correct that.

    Raises:
        ClockError: The last entry lies in the future.
        TamperedError: Something was changed, removed or put in another order; an older copy was
            restored; or the table of actors does not follow from the chain.
    """
    memory = ledger_memory_of_engine(connection.engine)
    # Before this process's own lock is taken: whoever waits for the row while holding it would stop
    # the very writer that has the row, who asks for that lock next.
    # A writer's transaction sees what others commit between two of its queries, unless it
    # holds the lock; it will want it anyway.
    is_reader = is_database_read_transaction(connection)
    stored = read_chain_head(connection) if is_reader else lock_chain_head(connection)
    seen = _verified_head_seen_in_transaction(connection)
    if seen is not None:
        head = _continued_head(connection, seen.head, stored)
        connection.info[_SEEN] = replace(seen, head=head)
        if seen.signer is None:
            memory.remember(head)
        return head
    head = memory.newest_head_if_it_ends(stored)
    if head is None:
        with memory.lock:
            # One walks what was written since, and the others find it walked.
            head = memory.newest_head_if_it_ends(stored)
            if head is None:
                base = _newest_known_head_within_stored(connection, memory, stored)
                head = _continued_head(connection, base, stored)
                _check_head(connection, memory, head, future_may_be_corrected)
                return _head_seen_in(connection, memory, head)
    # Every reader compares for itself what it believes, and none waits for another's queries: a
    # crowd that comes to a database server would else be served one by one.
    _check_head(connection, memory, head, future_may_be_corrected)
    return _head_seen_in(connection, memory, head)


def _check_head(
    connection: sa.Connection, memory: LedgerMemory, head: VerifiedHead, may_lie_ahead: bool
) -> None:
    """Raise unless what a transaction believes besides the chain follows from its head."""
    if head.size and not may_lie_ahead:
        check_last_ledger_instant_not_ahead(connection, head.at, head.size - 1)
    _check_actor_table_follows_head(connection, head)
    _check_own_entries(connection, head)
    _check_witnesses_now_and_then(connection, memory, head)


def _head_seen_in(
    connection: sa.Connection, memory: LedgerMemory, head: VerifiedHead
) -> VerifiedHead:
    """Return a head that was checked, remembered by the process and by the transaction."""
    memory.remember(head)
    memory.keep()
    # What begins a transaction is committed; what it writes itself is remembered apart.
    connection.info[_SEEN] = _SeenInTransaction(_weak_reference_to_transaction(connection), head)
    return head


def verified_head_after_writing(connection: sa.Connection, signer: Signer) -> VerifiedHead:
    """Return the head after entries were written in this transaction, which are not kept yet."""
    seen = _verified_head_seen_in_transaction(connection)
    before = seen.head if seen else head_of_empty_ledger(read_chain_head(connection).origin)
    connection.info[_SEEN] = _SeenInTransaction(
        _weak_reference_to_transaction(connection), before, signer
    )
    return verified_head(connection)


def head_and_last_signer_if_written(
    connection: sa.Connection,
) -> tuple[VerifiedHead, Signer] | None:
    """Return the head and the last signer if this transaction wrote entries."""
    seen = _verified_head_seen_in_transaction(connection)
    return (seen.head, seen.signer) if seen and seen.signer is not None else None


def remember_head_and_push_checkpoint(
    engine: sa.Engine, head: VerifiedHead, signer: Signer
) -> None:
    """Take a head whose transaction was committed, and push its checkpoint to the witnesses."""
    memory = ledger_memory_of_engine(engine)
    with memory.lock:
        memory.remember(head)
        if memory.kept is not None and not memory.kept.first_link_hex_last_seen_here():
            memory.kept.begin(head.first_link)
        memory.keep()
        places = memory.witness_places(head)
    if places:
        root = head.merkle_root()
        push_checkpoint_and_list_unreachable_places(
            sign_ledger_checkpoint(head.origin, head.size, root, signer), places
        )


def push_checkpoint_and_list_unreachable_places(
    checkpoint: Checkpoint, places: list[WitnessPlace]
) -> list[str]:
    """Hand a checkpoint to each place; return those that could not be reached."""
    away: list[str] = []
    for place in places:
        try:
            place.push(checkpoint)
        except OSError:
            # The entry is on record already. A witness that is away is behind, and
            # `ledger witness` says so; the next write hands over a newer checkpoint.
            away.append(place.name)
    return away


def begin_memory_of_new_ledger_here(engine: sa.Engine, first_link: bytes) -> None:
    """Let what is remembered of this place begin with a new ledger."""
    memory = ledger_memory_of_engine(engine)
    with memory.lock:
        memory.heads.clear()
        if memory.kept is not None:
            memory.kept.begin(first_link)


@contextmanager
def loss_of_ledger_entries_accepted(engine: sa.Engine) -> Generator[None]:
    """Let a ledger be what it is now, however much more was known of it here.

    What was remembered is laid aside and not removed: it is what shows which entries are gone.
    It is taken back where the block fails.
    """
    memory = ledger_memory_of_engine(engine)
    aside = memory.kept.set_aside() if memory.kept else None
    memory.heads.clear()
    try:
        yield
    except BaseException:
        if memory.kept and aside:
            memory.kept.put_back(aside)
        raise


def ledger_witness_reports(connection: sa.Connection) -> list[WitnessReport]:
    """Return what each witness says of the ledger behind a connection.

    Raises:
        TamperedError: One contradicts it.
    """
    head = verified_head(connection)
    places = ledger_memory_of_engine(connection.engine).witness_places(head)
    return checked_witness_reports(
        connection, head, places, ledger_database_holds_as_many_entries_now
    )


def _verified_head_seen_in_transaction(connection: sa.Connection) -> _SeenInTransaction | None:
    seen, transaction = connection.info.get(_SEEN), connection.get_transaction()
    if isinstance(seen, _SeenInTransaction) and transaction is not None:
        return seen if seen.transaction() is transaction else None
    return None


def _weak_reference_to_transaction(connection: sa.Connection) -> ReferenceType[Any]:
    return ref(connection.get_transaction())


def _newest_known_head_within_stored(
    connection: sa.Connection, memory: LedgerMemory, stored: ChainHead
) -> VerifiedHead:
    """Return the newest head known before that the chain must continue."""
    if (
        not memory.heads
        and (sealed := _kept_verified_head_or_none(connection, memory, stored)) is not None
    ):
        memory.remember(sealed)
    if not memory.heads:
        return head_of_empty_ledger(stored.origin)
    newest = memory.heads[-1]
    if newest.size > stored.size and not ledger_database_holds_as_many_entries_now(
        connection, newest.size
    ):
        raise _shorter_chain_error(stored.size, newest.size)
    fitting = [head for head in memory.heads if head.size <= stored.size]
    return fitting[-1] if fitting else head_of_empty_ledger(stored.origin)


def _kept_verified_head_or_none(
    connection: sa.Connection, memory: LedgerMemory, stored: ChainHead
) -> VerifiedHead | None:
    """Return the head that the last program kept, its state folded anew."""
    if memory.kept is None:
        return None
    _check_same_ledger_here(connection, memory.kept)
    head = memory.kept.load_head()
    if head is None:
        return None
    if head.size > stored.size:
        if ledger_database_holds_as_many_entries_now(connection, head.size):
            return None
        raise _shorter_chain_error(stored.size, head.size)
    return replace(head, state=_chain_state_folded_from_own_entries(connection, head))


def _check_same_ledger_here(connection: sa.Connection, last_seen: KeptState) -> None:
    """Raise if another ledger stands where one was seen before."""
    known = last_seen.first_link_hex_last_seen_here()
    table = schema.entries
    first = connection.execute(sa.select(table.c.link).where(table.c.position == 0)).scalar()
    if known and (first is None or bytes(first).hex() != known):
        raise TamperedError(
            "ledger",
            found=Message("another ledger than the one that was here"),
            remedy=Message(
                "Restore the ledger that was here. If it was replaced on purpose, remove what is"
                " remembered of it: {folder}",
                {"folder": str(last_seen.folder)},
            ),
        )


def _continued_head(
    connection: sa.Connection, base: VerifiedHead, stored: ChainHead
) -> VerifiedHead:
    """Return `base`, or the head after a walk over what was written since."""
    if stored.size == base.size:
        head = base
    else:
        walk = ChainWalk(
            start=base,
            instant_of=lambda index: _checked_entry_instant_text(connection, base, index),
        )
        walk_chain(connection, walk)
        head = walk.verified_head()
    ends = (head.origin, head.size, head.link, head.at)
    if (stored.origin, stored.size, stored.link, stored.at) != ends:
        raise TamperedError(
            f"entry {head.size:,}",
            found=Message("a chain that ends elsewhere than its head says"),
            remedy=Message("Restore the ledger from a copy that agrees with a kept checkpoint."),
        )
    return head


def _checked_entry_instant_text(connection: sa.Connection, base: VerifiedHead, index: int) -> str:
    table = schema.entries
    row = connection.execute(sa.select(table).where(table.c.position == index)).first()
    if row is None:
        raise ValueError
    if index < base.size:
        check_rows_included(connection, base, [row])
    return str(row.at)


def ledger_database_holds_as_many_entries_now(connection: sa.Connection, size: int) -> bool:
    """Return whether the database holds `size` entries, though this transaction sees fewer.

    Another process may have written, and told a witness, after this transaction began.
    """
    if is_memory_database(connection.engine.url):
        return False
    with database_read_transaction_beside_pool(connection.engine) as fresh:
        return read_chain_head(fresh).size >= size


def _chain_state_folded_from_own_entries(
    connection: sa.Connection, head: VerifiedHead
) -> ChainState:
    """Return the state at a kept head, from the entries that speak of the chain itself."""
    state = ChainState()
    for entry in _checked_own_entries(connection, head):
        digest = entry_content_digest_hex(entry.text)
        state.apply_own_entry(
            entry.index, entry.actor_id, entry.kind, entry.subject, entry.body, digest
        )
    return state


def _check_own_entries(connection: sa.Connection, head: VerifiedHead) -> None:
    _checked_entry_lines_about_the_chain(connection, head)


def _checked_own_entries(connection: sa.Connection, head: VerifiedHead) -> list[Any]:
    return [
        parse_ledger_entry(text, b"")
        for text in _checked_entry_lines_about_the_chain(connection, head)
    ]


def _checked_entry_lines_about_the_chain(
    connection: sa.Connection, head: VerifiedHead
) -> list[str]:
    """Return the lines about the chain itself, which must be those that were verified."""
    wanted = {k: fold for k, fold in head.kinds.items() if k.startswith(OWN_PREFIX)}
    folds: dict[str, KindFold] = {}
    texts: list[str] = []
    asked_for = {"kinds": list(wanted), "size": head.size}
    for kind, text in connection.execute(_ENTRIES_OF_KINDS, asked_for):
        link = merkle_leaf_hash(text.encode())
        folds[kind] = folds.get(kind, KindFold()).with_link(link)
        texts.append(text)
    if folds != wanted:
        raise TamperedError(
            "ledger_entries",
            found=Message("enrolments that were changed after they were verified"),
            remedy=Message("Restore the ledger from a copy that agrees with a kept checkpoint."),
        )
    return texts


def _check_actor_table_follows_head(connection: sa.Connection, head: VerifiedHead) -> None:
    """Raise unless the table of actors says what the enrolments say."""
    rows = connection.execute(_ACTORS).mappings()
    in_table = {row["actor_id"]: dict(row) for row in rows}
    for row in in_table.values():
        row["public_key"] = bytes(row["public_key"])
    if in_table != {name: ledger_actor_row(actor) for name, actor in head.state.actors.items()}:
        raise actors_do_not_follow_error()


def actors_do_not_follow_error() -> TamperedError:
    """Return the error of a table of actors that was edited."""
    return TamperedError(
        "ledger_actors",
        found=Message("actors who do not follow from entries"),
        remedy=Message("Restore the ledger from a copy that agrees with a kept checkpoint."),
    )


def _check_witnesses_now_and_then(
    connection: sa.Connection, memory: LedgerMemory, head: VerifiedHead
) -> None:
    """Ask the witnesses when a ledger is opened, and every half minute while it is open."""
    if not head.size or not memory.witnesses_are_due():
        return
    with memory.lock:
        # Of a crowd one asks them, and the others find them asked.
        if not memory.witnesses_are_due():
            return
        now_s = time.monotonic()
        # An older snapshot than what this process wrote meanwhile is behind its own notes.
        if memory.heads and memory.heads[-1].size > head.size:
            return
        places = memory.witness_places(head)
        checked_witness_reports(connection, head, places, ledger_database_holds_as_many_entries_now)
        memory.witnesses_at_s = now_s


def _shorter_chain_error(here: int, known: int) -> TamperedError:
    return TamperedError(
        "ledger",
        found=Message(
            "{here} entries, where {known} were verified before",
            {"here": f"{here:,}", "known": f"{known:,}"},
        ),
        remedy=Message(
            "The tail was cut, or an older copy restored: restore one that holds all of them. If"
            " entries are lost for good, let the registrar put that on record: commonwatt ledger"
            " witness --accept-loss --by KEY.pem --reason TEXT."
        ),
    )


__all__ = [
    "LedgerMemory",
    "actors_do_not_follow_error",
    "begin_memory_of_new_ledger_here",
    "edited_row_error",
    "head_and_last_signer_if_written",
    "ledger_memory_of_engine",
    "ledger_witness_reports",
    "loss_of_ledger_entries_accepted",
    "push_checkpoint_and_list_unreachable_places",
    "remember_head_and_push_checkpoint",
    "verified_head",
    "verified_head_after_writing",
]
