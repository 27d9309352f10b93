"""Where care writes what it does, before it does it: memory, or the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from commonwatt.core.messages import Message
from commonwatt.governance.moves import MoveRequest, make_governed_move
from commonwatt.ledger import EntryDraft, Ledger, Signer
from commonwatt.ledger.roles import LedgerRole
from commonwatt.ledger.store import lock_chain_head, verified_ledger_entries_by_connection
from commonwatt.operate.domain.care.cases import (
    APPROVE,
    MOVE,
    RELEASE,
    CareCase,
    JournalEntry,
    care_case_after_entry,
)
from commonwatt.operate.domain.care.errors import CareMoveError
from commonwatt.operate.domain.care.lifecycle import (
    CARE,
    CARE_LIFECYCLE,
    MOVE_STEP,
    OPERATOR,
    CareMoveFacts,
    CareStage,
)

_PREFIX = "operate.care."
_FLEET = "fleet"
_DECIDED_BY_PERSON = CareMoveFacts()


class Journal(Protocol):
    """Keeps entries for good, in order."""

    def write(
        self, entry: JournalEntry, *, seen: int, facts: CareMoveFacts = _DECIDED_BY_PERSON
    ) -> None:
        """Keep an entry, or raise and keep nothing.

        Args:
            entry: The entry.
            seen: The place up to which the writer has read; what it decided on is stale where
                the same node or the fleet has a later entry.
            facts: What a move rests on.

        Raises:
            CareMoveError: Somebody wrote meanwhile, or the table has no such move.
        """
        ...

    def entries_after(self, first_index: int) -> Iterable[tuple[int, JournalEntry]]:
        """Return the entries from place `first_index` on, each with the place after it."""
        ...


class MemoryJournal:
    """A journal for trials: forgotten with the process."""

    def __init__(self) -> None:
        self.entries: list[JournalEntry] = []

    def write(
        self, entry: JournalEntry, *, seen: int, facts: CareMoveFacts = _DECIDED_BY_PERSON
    ) -> None:
        """Keep an entry."""
        del facts  # nobody signs here, so whoever writes has asked the table in its own role
        if any(other.node in {entry.node, ""} for other in self.entries[seen:]):
            raise _stale_care_entry_error(entry)
        self.entries.append(entry)

    def entries_after(self, first_index: int) -> Iterable[tuple[int, JournalEntry]]:
        """Return the entries from place `first_index` on."""
        return list(enumerate(self.entries[first_index:], start=first_index + 1))


class LedgerJournal:
    """A journal in the ledger: one entry, signed and chained, in one transaction each.

    The ledger refuses a signer whose role may not make the move, whatever the caller
    says of itself.

    Args:
        ledger: The ledger.
        signer: Whoever answers: the key of care, or of an operator.
        clock: Returns the instant that the ledger notes.
    """

    def __init__(self, ledger: Ledger, signer: Signer, clock: Callable[[], datetime]) -> None:
        self._ledger, self._signer, self._clock = ledger, signer, clock

    def write(
        self, entry: JournalEntry, *, seen: int, facts: CareMoveFacts = _DECIDED_BY_PERSON
    ) -> None:
        """Keep an entry, if nobody was faster and the signer's role may.

        Raises:
            ActorError: The signer is not enrolled, or in a role that may not do this.
            CareMoveError: Somebody wrote meanwhile, or the table has no such move of this role.
        """
        subject = _care_ledger_subject_of_node(entry.node)
        body = dict(entry.body) | {"at_s": entry.at_s}
        draft = EntryDraft(kind=entry.kind, subject=subject, body=body)
        with self._ledger.transaction() as tx:
            # Care and operators write from several processes: what was true when one of them
            # decided is asked again under the lock in which it is written.
            lock_chain_head(tx)
            later = verified_ledger_entries_by_connection(tx, seen, kind=_PREFIX)
            if any(other.subject in {subject, _FLEET} for other in later):
                raise _stale_care_entry_error(entry)
            if entry.kind == MOVE:
                move = _care_move_request(tx, entry, draft, facts)
                make_governed_move(
                    self._ledger, tx, CARE_LIFECYCLE, move, by=self._signer, at=self._clock()
                )
            else:
                roles = roles_that_may_write_care_entry(entry.kind)
                self._ledger.append(tx, [draft], by=self._signer, at=self._clock(), roles=roles)

    def entries_after(self, first_index: int) -> Iterator[tuple[int, JournalEntry]]:
        """Return the entries of care from that index of the ledger on."""
        for entry in self._ledger.entries(first_index, kind=_PREFIX):
            node = "" if entry.subject == _FLEET else entry.subject.removeprefix("node/")
            at_s = float(entry.body["at_s"])
            yield (
                entry.index + 1,
                JournalEntry(at_s=at_s, kind=entry.kind, node=node, body=entry.body),
            )


def roles_that_may_write_care_entry(kind: str) -> frozenset[LedgerRole]:
    """Return the roles that may write an entry that moves no node."""
    return frozenset({OPERATOR}) if kind in (APPROVE, RELEASE) else frozenset({CARE, OPERATOR})


def _care_move_request(
    tx: sa.Connection, entry: JournalEntry, draft: EntryDraft, facts: CareMoveFacts
) -> MoveRequest[CareStage, CareMoveFacts]:
    """Return a move from where the ledger has the node, not from where the entry says."""
    origin = CareStage.IN_SERVICE
    for other in verified_ledger_entries_by_connection(tx, kind=MOVE, subject=draft.subject):
        origin = CareStage(other.body["to"])
    if origin != entry.body["from"]:
        raise _stale_care_entry_error(entry)
    return MoveRequest[CareStage, CareMoveFacts](
        where=f"node {entry.node}", origin=origin, to=CareStage(entry.body["to"]), step=MOVE_STEP,
        facts=facts, entries=[draft],
    )  # fmt: skip


def _care_ledger_subject_of_node(node: str) -> str:
    return f"node/{node}" if node else _FLEET


def _stale_care_entry_error(entry: JournalEntry) -> CareMoveError:
    return CareMoveError(
        f"node {entry.node}" if entry.node else _FLEET,
        found=Message("a decision that is out of date: somebody acted meanwhile"),
        remedy=Message("See where it stands: commonwatt operate care status"),
    )


class CaseBook:
    """The cases as they follow from a journal, whoever wrote into it."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.cases: dict[str, CareCase] = {}
        self.frozen = False
        self._seen = 0
        self.apply_new_journal_entries()

    def apply_new_journal_entries(self) -> int:
        """Take in what was written since, by whomever; return how many entries."""
        count = 0
        for place, entry in self.journal.entries_after(self._seen):
            self._seen = place
            self._apply_journal_entry(entry)
            count += 1
        return count

    def write_journal_entry(
        self,
        at_s: float,
        kind: str,
        node: str,
        body: Mapping[str, Any],
        facts: CareMoveFacts = _DECIDED_BY_PERSON,
    ) -> JournalEntry:
        """Write an entry and take it in; nothing changes where the journal refuses it.

        Raises:
            CareMoveError: Somebody wrote about the node meanwhile, or it may not move so.
        """
        entry = JournalEntry(at_s=at_s, kind=kind, node=node, body=body)
        self.journal.write(entry, seen=self._seen, facts=facts)
        self.apply_new_journal_entries()
        return entry

    def write_care_entry_unless_overtaken(
        self,
        at_s: float,
        kind: str,
        node: str,
        body: Mapping[str, Any],
        facts: CareMoveFacts = _DECIDED_BY_PERSON,
    ) -> JournalEntry | None:
        """Write an entry; None where somebody was faster, whose entries are taken in instead."""
        try:
            return self.write_journal_entry(at_s, kind, node, body, facts)
        except CareMoveError:
            # Where nothing new came in, it was refused for what it is, which must not pass in
            # silence.
            if not self.apply_new_journal_entries():
                raise
            return None

    def case_of_node(self, node: str, now_s: float) -> CareCase:
        """Return the case of a node; one that was never in care is in service."""
        return self.cases.get(node) or CareCase(node=node, since_s=now_s)

    def _apply_journal_entry(self, entry: JournalEntry) -> None:
        if not entry.node:
            self.frozen = entry.kind != RELEASE
            return
        case = care_case_after_entry(self.cases.get(entry.node), entry)
        self.cases[entry.node] = case
        if case.stage is CareStage.IN_SERVICE and case.held_move is None:
            del self.cases[entry.node]
