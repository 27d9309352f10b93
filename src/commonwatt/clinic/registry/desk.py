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

from commonwatt.clinic.errors import MoveError
from commonwatt.clinic.registry.lifecycle import MAY_MOVE, Status, check_move
from commonwatt.clinic.registry.plan import change_of, check_change, plan_of
from commonwatt.clinic.registry.records import FIELDS, MAY_RECORD, check_record
from commonwatt.clinic.registry.state import MOVE, PREFIX, Record, Registry
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
        self._check_sense(kind, body)
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
            MoveError: The table has no such move.
            ActorError: The signer's role may not make it.
        """
        self.registry.get(deployment, "deployment")
        check_move(self.registry.moves[deployment][-1].status, to)
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
        self.registry.get(fallback, "deployment")
        check_move(self.registry.moves[fallback][-1].status, Status.LIVE)
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

    def _check_sense(self, kind: str, body: Mapping[str, Any]) -> None:
        if kind == "deployment":
            self._check_deployable(body)
        if kind == "decision" and body["advice"] in self.registry.decision_of:
            raise MoveError(body["advice"], found=Message("a decision on it already"))
        if kind == "advice":
            status = self.registry.status(body["deployment"])
            if status is not Status.LIVE:
                raise MoveError(body["deployment"], wanted=Message("a live deployment"))

    def _check_independent(self, tx: sa.Connection, version: str, by: Signer) -> None:
        """Refuse a third party of the same organisation as whoever made the version."""
        maker = find(tx, self.registry.get(version, "version").actor_id).person
        signer = find(tx, actor_id_of(by.public_key)).person
        if maker.organisation == signer.organisation or signer.role != "evaluator":
            raise MoveError(version, wanted=Message("an evaluator of another organisation"))

    def _check_deployable(self, body: Mapping[str, Any]) -> None:
        determination = self.registry.get(body["determination"], "determination")
        if determination.body["outcome"] != "approved" or self._withdrawn(determination):
            raise MoveError(body["determination"], wanted=Message("an approval in force"))
        self._check_covered(self.registry.get(body["version"], "version"), determination)

    def _withdrawn(self, determination: Record) -> bool:
        later = (self.registry.records[n] for n in self.registry.by_kind["determination"])
        return any(
            r.index > determination.index
            and r.body["version"] == determination.body["version"]
            and r.body["outcome"] != "approved"
            for r in later
        )

    def _check_covered(self, version: Record, determination: Record) -> None:
        if version.name == determination.body["version"]:
            return
        if version.body.get("previous") != determination.body["version"]:
            raise MoveError(version.name, wanted=Message("a version made from the approved one"))
        plan = plan_of(determination.body.get("plan", {}))
        check_change(change_of(version.body.get("change", {})), plan)


def _fold(tx: sa.Connection, size: int) -> Registry:
    registry = Registry()
    registry.apply(entries_on(tx, limit=size))
    return registry
