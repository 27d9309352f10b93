"""The one door through which records and moves come in.

Each call checks the form, the references, the table of moves and the role, and
writes one entry; the caller's connection decides whether it is kept.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from commonwatt.clinic.domain.errors import MoveError
from commonwatt.clinic.domain.registry.lifecycle import MAY_MOVE, Status, check_move
from commonwatt.clinic.domain.registry.preconditions import (
    NEEDED_FOR,
    check_preconditions,
    fault_of_approval,
    fault_of_deployment,
)
from commonwatt.clinic.domain.registry.records import FIELDS, MAY_RECORD, check_record
from commonwatt.clinic.domain.registry.state import MOVE, PREFIX, Record, Registry
from commonwatt.core.messages import Message
from commonwatt.ledger import Draft, Entry, Ledger, Signer, actor_id_of
from commonwatt.ledger.actors import find
from commonwatt.ledger.store import entries_on, lock_head


class Desk:
    """The clinic's door to one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.registry = Registry()
        self.refresh()

    def refresh(self) -> Registry:
        """Take in what was written since, by whomever."""
        self.registry.apply(self.ledger.entries(self.registry.seen))
        return self.registry

    @contextmanager
    def transaction(self) -> Generator[sa.Connection]:
        """Give a connection on which checks see the newest state, and all is kept or nothing."""
        with self.ledger.transaction() as tx:
            size = lock_head(tx).size
            if size > self.registry.seen:
                self.registry.apply(entries_on(tx, self.registry.seen))
            try:
                yield tx
            except BaseException:
                if self.registry.seen > size:
                    self.registry = _fold(tx, size)  # what was written now is taken back
                raise

    def record(
        self,
        tx: sa.Connection,
        kind: str,
        name: str,
        body: Mapping[str, Any],
        *,
        by: Signer,
        at: datetime,
        also: Sequence[Draft] = (),
    ) -> Entry:
        """Put a record on file under a new name, and `also` under the same signature.

        Raises:
            MoveError: It is not of the form, names what is not on record, or may not be.
            ActorError: The signer is unknown, revoked, or in the wrong role.
        """
        check_record(kind, body)
        subject = f"{kind}/{name}"
        if subject in self.registry.records:
            raise MoveError(subject, found=Message("a record of this name already"))
        self._check_references(kind, body)
        index, actor_id = self.registry.seen, actor_id_of(by.public_key)
        self._check_sense(
            Record(name=subject, kind=kind, body=body, at=at, actor_id=actor_id, index=index)
        )
        if kind == "evidence" and body["design"] == "third-party":
            self._check_independent(tx, body["version"], by)
        draft = Draft(kind=PREFIX + kind, subject=subject, body=body)
        return self._write(tx, draft, by, at, MAY_RECORD[kind], also)

    def move(
        self,
        tx: sa.Connection,
        deployment: str,
        to: Status,
        *,
        by: Signer,
        at: datetime,
        reason: str,
    ) -> Entry:
        """Move a deployment.

        Raises:
            MoveError: The table has no such move, or a precondition of it does not hold.
            ActorError: The signer's role may not make it.
        """
        self._check_move(deployment, to)
        draft = Draft(kind=MOVE, subject=deployment, body={"to": str(to), "reason": reason})
        return self._write(tx, draft, by, at, MAY_MOVE[to])

    def roll_back(
        self, tx: sa.Connection, bad: str, good: str, *, by: Signer, at: datetime, reason: str
    ) -> None:
        """Pause one deployment and bring an approved or paused one back to life, as one act."""
        self.move(tx, bad, Status.PAUSED, by=by, at=at, reason=reason)
        self.move(tx, good, Status.LIVE, by=by, at=at, reason=reason)

    def answer_alarm(
        self, tx: sa.Connection, deployment: str, name: str, *, by: Signer, at: datetime
    ) -> None:
        """Put an alarm on record and signal, pause or roll back as the approved plan says.

        A monitor may bring nothing to life but the fallback that was named when the
        deployment was approved.

        Raises:
            MoveError: The plan names no fallback, or a move is not in the table.
        """
        plan = self.registry.get(deployment, "deployment").body["monitor"]
        signal = {"deployment": deployment, "type": "signal", "severity": "other"}
        self.record(tx, "event", name, signal | {"code": "calibration-alarm"}, by=by, at=at)
        action = plan.get("on_alarm", "signal")
        if action in ("pause", "roll-back"):
            self.move(tx, deployment, Status.PAUSED, by=by, at=at, reason=f"event/{name}")
        if action == "roll-back":
            self._revive(tx, str(plan.get("fallback", "")), f"event/{name}", by=by, at=at)

    def _revive(
        self, tx: sa.Connection, fallback: str, reason: str, *, by: Signer, at: datetime
    ) -> None:
        self._check_move(fallback, Status.LIVE)
        body = {"to": str(Status.LIVE), "reason": reason}
        draft = Draft(kind=MOVE, subject=fallback, body=body)
        self._write(tx, draft, by, at, MAY_MOVE[Status.LIVE] | {"monitor"})

    def _write(
        self,
        tx: sa.Connection,
        draft: Draft,
        by: Signer,
        at: datetime,
        roles: frozenset[str],
        also: Sequence[Draft] = (),
    ) -> Entry:
        entries = self.ledger.append(tx, [draft, *also], by=by, at=at, roles=roles)
        if entries[0].index == self.registry.seen:
            self.registry.apply(entries)
        return entries[0]

    def _check_references(self, kind: str, body: Mapping[str, Any]) -> None:
        for field in FIELDS[kind]:
            if field.kind == "ref" and field.name in body:
                self.registry.get(body[field.name], field.codes[0])

    def _check_move(self, deployment: str, to: Status) -> None:
        record = self.registry.get(deployment, "deployment")
        check_move(self.registry.moves[deployment][-1].status, to)
        if to in NEEDED_FOR:
            check_preconditions(fault_of_deployment(self.registry, record))

    def _check_sense(self, record: Record) -> None:
        """Refuse what makes no sense beside what is on record."""
        body = record.body
        match record.kind:
            case "determination" if body["outcome"] == "approved":
                check_preconditions(fault_of_approval(self.registry, record))
            case "deployment":
                check_preconditions(fault_of_deployment(self.registry, record))
            case "decision" if body["advice"] in self.registry.decision_of:
                raise MoveError(body["advice"], found=Message("a decision on it already"))
            case "advice":
                self._check_may_advise(body["deployment"])
            case _:
                pass

    def _check_may_advise(self, deployment: str) -> None:
        if self.registry.status(deployment) is not Status.LIVE:
            raise MoveError(deployment, wanted=Message("a live deployment"))
        record = self.registry.get(deployment, "deployment")
        check_preconditions(fault_of_deployment(self.registry, record))

    def _check_independent(self, tx: sa.Connection, version: str, by: Signer) -> None:
        """Refuse a third party of the same organisation as whoever made the version."""
        maker = find(tx, self.registry.get(version, "version").actor_id).person
        signer = find(tx, actor_id_of(by.public_key)).person
        if maker.organisation == signer.organisation or signer.role != "evaluator":
            raise MoveError(version, wanted=Message("an evaluator of another organisation"))


def _fold(tx: sa.Connection, size: int) -> Registry:
    registry = Registry()
    registry.apply(entries_on(tx, limit=size))
    return registry
