"""Where care writes what it does, before it does it: memory, or the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from commonwatt.ledger import Draft, Ledger, Signer
from commonwatt.operate.domain.care.cases import APPROVE, MOVE, RELEASE, Case, Entry, after
from commonwatt.operate.domain.care.lifecycle import CARE, OPERATOR, Stage, may_move

_PREFIX = "operate.care."
_FLEET = "fleet"


class Journal(Protocol):
    """Keeps entries for good, in order."""

    def write(self, entry: Entry) -> None:
        """Keep an entry, or raise and keep nothing."""
        ...

    def newer(self, seen: int) -> Iterable[tuple[int, Entry]]:
        """Return the entries from place `seen` on, each with the place after it."""
        ...


class MemoryJournal:
    """A journal for trials: forgotten with the process."""

    def __init__(self) -> None:
        self.kept: list[Entry] = []

    def write(self, entry: Entry) -> None:
        """Keep an entry."""
        self.kept.append(entry)

    def newer(self, seen: int) -> Iterable[tuple[int, Entry]]:
        """Return the entries from place `seen` on."""
        return list(enumerate(self.kept[seen:], start=seen + 1))


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

    def write(self, entry: Entry) -> None:
        """Keep an entry.

        Raises:
            ActorError: The signer is not enrolled, or in a role that may not do this.
        """
        subject = f"node/{entry.node}" if entry.node else _FLEET
        body = dict(entry.body) | {"at_s": entry.at_s}
        draft = Draft(kind=entry.kind, subject=subject, body=body)
        with self._ledger.transaction() as tx:
            self._ledger.append(
                tx, [draft], by=self._signer, at=self._clock(), roles=roles_of(entry)
            )

    def newer(self, seen: int) -> Iterator[tuple[int, Entry]]:
        """Return the entries of care from that index of the ledger on."""
        for kept in self._ledger.entries(seen, kind=_PREFIX):
            node = "" if kept.subject == _FLEET else kept.subject.removeprefix("node/")
            at_s = float(kept.body["at_s"])
            yield kept.index + 1, Entry(at_s=at_s, kind=kept.kind, node=node, body=kept.body)


def roles_of(entry: Entry) -> frozenset[str]:
    """Return the roles that may write such an entry."""
    if entry.kind == MOVE:
        return may_move(Stage(entry.body["from"]), Stage(entry.body["to"]))
    if entry.kind in (APPROVE, RELEASE):
        return frozenset({OPERATOR})
    return frozenset({CARE, OPERATOR})


class CaseBook:
    """The cases as they follow from a journal, whoever wrote into it."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.cases: dict[str, Case] = {}
        self.frozen = False
        self._seen = 0
        self.refresh()

    def refresh(self) -> None:
        """Take in what was written since, by whomever."""
        for place, entry in self.journal.newer(self._seen):
            self._seen = place
            self._take(entry)

    def write(self, at_s: float, kind: str, node: str, body: Mapping[str, Any]) -> Entry:
        """Write an entry and take it in; nothing changes where the journal refuses it."""
        entry = Entry(at_s=at_s, kind=kind, node=node, body=body)
        self.journal.write(entry)
        self.refresh()
        return entry

    def case(self, node: str, now_s: float) -> Case:
        """Return the case of a node; one that was never in care is in service."""
        return self.cases.get(node) or Case(node=node, since_s=now_s)

    def _take(self, entry: Entry) -> None:
        if not entry.node:
            self.frozen = entry.kind != RELEASE
            return
        case = after(self.cases.get(entry.node), entry)
        self.cases[entry.node] = case
        if case.stage is Stage.IN_SERVICE and case.held is None:
            del self.cases[entry.node]
