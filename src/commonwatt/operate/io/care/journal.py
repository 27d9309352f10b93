"""Where care writes what it does, before it does it: memory, or the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from commonwatt.ledger import EntryDraft, Ledger, Signer
from commonwatt.operate.domain.care.cases import (
    APPROVE,
    MOVE,
    RELEASE,
    CareCase,
    JournalEntry,
    care_case_after_entry,
)
from commonwatt.operate.domain.care.lifecycle import (
    CARE,
    OPERATOR,
    CareStage,
    roles_that_may_move_node,
)

_PREFIX = "operate.care."
_FLEET = "fleet"


class Journal(Protocol):
    """Keeps entries for good, in order."""

    def write(self, entry: JournalEntry) -> None:
        """Keep an entry, or raise and keep nothing."""
        ...

    def entries_after(self, first_index: int) -> Iterable[tuple[int, JournalEntry]]:
        """Return the entries from place `first_index` on, each with the place after it."""
        ...


class MemoryJournal:
    """A journal for trials: forgotten with the process."""

    def __init__(self) -> None:
        self.entries: list[JournalEntry] = []

    def write(self, entry: JournalEntry) -> None:
        """Keep an entry."""
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

    def write(self, entry: JournalEntry) -> None:
        """Keep an entry.

        Raises:
            ActorError: The signer is not enrolled, or in a role that may not do this.
        """
        subject = f"node/{entry.node}" if entry.node else _FLEET
        body = dict(entry.body) | {"at_s": entry.at_s}
        draft = EntryDraft(kind=entry.kind, subject=subject, body=body)
        with self._ledger.transaction() as tx:
            self._ledger.append(
                tx,
                [draft],
                by=self._signer,
                at=self._clock(),
                roles=roles_that_may_write_entry(entry),
            )

    def entries_after(self, first_index: int) -> Iterator[tuple[int, JournalEntry]]:
        """Return the entries of care from that index of the ledger on."""
        for entry in self._ledger.entries(first_index, kind=_PREFIX):
            node = "" if entry.subject == _FLEET else entry.subject.removeprefix("node/")
            at_s = float(entry.body["at_s"])
            yield (
                entry.index + 1,
                JournalEntry(at_s=at_s, kind=entry.kind, node=node, body=entry.body),
            )


def roles_that_may_write_entry(entry: JournalEntry) -> frozenset[str]:
    """Return the roles that may write such an entry."""
    if entry.kind == MOVE:
        return roles_that_may_move_node(CareStage(entry.body["from"]), CareStage(entry.body["to"]))
    if entry.kind in (APPROVE, RELEASE):
        return frozenset({OPERATOR})
    return frozenset({CARE, OPERATOR})


class CaseBook:
    """The cases as they follow from a journal, whoever wrote into it."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.cases: dict[str, CareCase] = {}
        self.frozen = False
        self._seen = 0
        self.apply_new_journal_entries()

    def apply_new_journal_entries(self) -> None:
        """Take in what was written since, by whomever."""
        for place, entry in self.journal.entries_after(self._seen):
            self._seen = place
            self._apply_journal_entry(entry)

    def write_journal_entry(
        self, at_s: float, kind: str, node: str, body: Mapping[str, Any]
    ) -> JournalEntry:
        """Write an entry and take it in; nothing changes where the journal refuses it."""
        entry = JournalEntry(at_s=at_s, kind=kind, node=node, body=body)
        self.journal.write(entry)
        self.apply_new_journal_entries()
        return entry

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
