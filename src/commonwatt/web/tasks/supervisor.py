"""Runs that the console starts: their states, and how none is ever half shown.

A work is a row; its run is made by a child process that outlives the server. The child
holds a lock on a file as long as it lives, whatever happens to the server, so whoever
looks later knows by the lock alone whether somebody still works on it. A run appears
in the store whole or not at all; the row follows in one transaction with its entry in
the ledger. A work whose child is gone without a word is begun once more, then failed.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

import commonwatt.web.schema as schema
from commonwatt.core.messages import Message
from commonwatt.ledger.entries import instant_text
from commonwatt.web.errors import PageNotFoundError, WorkError
from commonwatt.web.settings import ENVIRONMENT
from commonwatt.web.tasks.kinds import KINDS

if TYPE_CHECKING:
    from commonwatt.web.services import Desk

MOST_ATTEMPTS: Final = 2
MOST_WAITING: Final = 20


class WorkState(StrEnum):
    """Where a work stands."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"


MOVES: Final[Mapping[WorkState, frozenset[WorkState]]] = {
    WorkState.WAITING: frozenset({WorkState.RUNNING, WorkState.STOPPED}),
    WorkState.RUNNING: frozenset(
        {WorkState.FINISHED, WorkState.FAILED, WorkState.STOPPED, WorkState.WAITING}
    ),
    WorkState.FINISHED: frozenset(),
    WorkState.FAILED: frozenset(),
    WorkState.STOPPED: frozenset(),
}

STATE_NAMES: Final[Mapping[WorkState, Message]] = {
    WorkState.WAITING: Message("waiting"),
    WorkState.RUNNING: Message("running"),
    WorkState.FINISHED: Message("finished"),
    WorkState.FAILED: Message("failed"),
    WorkState.STOPPED: Message("stopped"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A work as its row tells it."""

    work_id: str
    kind: str
    title: str
    parameters: Mapping[str, str]
    account: str
    state: WorkState
    attempt: int
    run_id: str
    error: Mapping[str, str]
    made_at: str
    ended_at: str

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return not MOVES[self.state]


def start_work(
    desk: Desk, kind: str, given: Mapping[str, str], account: str, *, now: datetime
) -> str:
    """Put a run on the list and return the work's id.

    Raises:
        PageNotFoundError: There is no such kind.
        ParameterError: A parameter is out of bounds.
        WorkError: Too many works wait already.
    """
    if kind not in KINDS:
        raise PageNotFoundError(kind[:40], found=Message("no such kind of run"))
    parameters = KINDS[kind].check(given)
    work_id = secrets.token_hex(6)
    row = {
        "work_id": work_id,
        "kind": kind,
        "title": parameters.get("programme", kind).capitalize(),
        "parameters": json.dumps(parameters),
        "account": account,
        "state": WorkState.WAITING.value,
        "attempt": 0,
        "run_id": "",
        "error": "{}",
        "made_at": instant_text(now),
        "ended_at": "",
    }
    with desk.ledger.transaction() as tx:
        _check_room(tx)
        tx.execute(sa.insert(schema.works).values(row))
        body = {"kind": kind, "by": account, "parameters": parameters}
        desk.clerk.record(tx, "work", f"work/{work_id}", body, at=now)
    return work_id


def stop_work(desk: Desk, work_id: str, account: str, *, now: datetime) -> None:
    """Stop a work; nothing of it is kept.

    Raises:
        PageNotFoundError: There is no such work.
        WorkError: It is over already.
    """
    work = find_work(desk, work_id)
    if work.over:
        raise WorkError(work_id, found=Message("a run that is over"))
    move(desk, work, WorkState.STOPPED, now=now, by=account)
    _kill(desk, work_id)


def find_work(desk: Desk, work_id: str) -> Work:
    """Return a work.

    Raises:
        PageNotFoundError: There is no such work.
    """
    table = schema.works
    with desk.ledger.reading() as connection:
        query = sa.select(table).where(table.c.work_id == work_id)
        row = connection.execute(query).mappings().first()
    if row is None:
        raise PageNotFoundError(work_id[:20], found=Message("no such work"))
    return _work(row)


def list_works(desk: Desk, limit: int = 50) -> list[Work]:
    """Return the works, newest first."""
    table = schema.works
    query = sa.select(table).order_by(table.c.made_at.desc(), table.c.work_id).limit(limit)
    with desk.ledger.reading() as connection:
        return [_work(row) for row in connection.execute(query).mappings()]


def said_by(desk: Desk, work_id: str) -> list[Message]:
    """Return the sentences that a work has said so far."""
    path = folder_of(desk) / f"{work_id}.said"
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # a last line may be half written
    return [Message(**json.loads(line)) for line in lines]


def samples_of(desk: Desk, work_id: str, since: int) -> list[list[float]]:
    """Return instant, processors in use and memory [MB] of a work, from row `since` on."""
    path = folder_of(desk) / f"{work_id}.samples"
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines[since:]]


def move(desk: Desk, work: Work, to: WorkState, *, now: datetime, **told: Any) -> bool:
    """Move a work, with its entry in one transaction; return whether it still stood there.

    Raises:
        WorkError: The table of moves has no such move.
    """
    if to not in MOVES[work.state]:
        raise WorkError(work.work_id, found=Message("a run that is over"))
    table = schema.works
    values = {key: told[key] for key in ("run_id", "error") if key in told}
    values |= {"state": to.value}
    if not MOVES[to]:
        values["ended_at"] = instant_text(now)
    if to is WorkState.RUNNING:
        values["attempt"] = work.attempt + 1
    this = (table.c.work_id == work.work_id) & (table.c.state == work.state.value)
    this &= table.c.attempt == work.attempt
    with desk.ledger.transaction() as tx:
        if not tx.execute(sa.update(table).where(this).values(values)).rowcount:
            return False
        body = {"to": to.value, **{key: value for key, value in told.items() if value}}
        desk.clerk.record(tx, "work-moved", f"work/{work.work_id}", body, at=now)
    return True


def folder_of(desk: Desk) -> Path:
    """Return where works keep their locks and what they say."""
    folder = desk.settings.state / "works"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Foreman:
    """Begins what waits and sees to what is left behind; one at a time on a machine.

    Every worker process of a server has one; the lock on `foreman.lock` decides which
    of them works, and another takes over within a second where that one dies.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._folder = folder_of(desk)
        self._over = Event()
        self._children: list[subprocess.Popen[bytes]] = []
        self._thread = Thread(target=self._loop, name="foreman", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Cease to watch; children go on."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _loop(self) -> None:
        with (self._folder / "foreman.lock").open("w") as file:
            while not self._over.wait(0.5):
                if locked(file.fileno()):
                    break
            while not self._over.wait(0.5):
                try:
                    self.look(datetime.now(UTC))
                except OperationalError:  # the database is away for a moment
                    continue

    def look(self, now: datetime) -> None:
        """See to works that were left behind, then begin what waits."""
        self._children = [child for child in self._children if child.poll() is None]
        running = self._in_state(WorkState.RUNNING)
        left = [work for work in running if not self._is_held(work.work_id)]
        for work in left:
            self._left_behind(work, now)
        free = self._desk.settings.works - (len(running) - len(left))
        for work in self._in_state(WorkState.WAITING)[: max(0, free)]:
            self._begin(work, now)

    def _in_state(self, state: WorkState) -> list[Work]:
        table = schema.works
        query = sa.select(table).where(table.c.state == state.value).order_by(table.c.made_at)
        with self._desk.ledger.reading() as connection:
            return [_work(row) for row in connection.execute(query).mappings()]

    def _is_held(self, work_id: str) -> bool:
        """Return whether a living process holds the lock of a work."""
        with self._lock_path(work_id).open("a") as file:
            return not locked(file.fileno())

    def _left_behind(self, work: Work, now: datetime) -> None:
        if work.attempt < MOST_ATTEMPTS:
            move(self._desk, work, WorkState.WAITING, now=now, why="its process was ended")
            return
        gone = WorkError(work.title, found=Message("its process was ended twice"))
        error = json.dumps(gone.as_dict())
        move(self._desk, work, WorkState.FAILED, now=now, error=error)

    def _begin(self, work: Work, now: datetime) -> None:
        """Start the child with the lock already held, so that it is never seen as gone."""
        with self._lock_path(work.work_id).open("a") as file:
            if not locked(file.fileno()):
                return
            if not move(self._desk, work, WorkState.RUNNING, now=now):
                return
            child = self._spawn(work.work_id, file.fileno())
            self._children.append(child)
            pid = self._folder / f"{work.work_id}.pid"
            pid.write_text(str(child.pid))

    def _spawn(self, work_id: str, lock: int) -> subprocess.Popen[bytes]:
        environment = dict(os.environ) | {ENVIRONMENT: self._desk.settings.as_text()}
        with (self._folder / f"{work_id}.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603  nothing in it comes from a visitor
                [sys.executable, "-m", "commonwatt.web.tasks.worker", work_id],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                start_new_session=True,
            )

    def _lock_path(self, work_id: str) -> Path:
        return self._folder / f"{work_id}.lock"


def locked(file: int) -> bool:
    """Take a file's lock if it is free; return whether it is ours now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _kill(desk: Desk, work_id: str) -> None:
    """End the child of a work; its lock says that the number is still its own."""
    folder = folder_of(desk)
    pid = folder / f"{work_id}.pid"
    if not pid.exists():
        return
    with (folder / f"{work_id}.lock").open("a") as file:
        if not locked(file.fileno()):
            os.killpg(int(pid.read_text()), signal.SIGTERM)


def _check_room(tx: sa.Connection) -> None:
    table = schema.works
    waiting = sa.select(sa.func.count()).where(table.c.state == WorkState.WAITING.value)
    if tx.execute(waiting).scalar_one() >= MOST_WAITING:
        raise WorkError(
            "works",
            found=Message("{count} runs that wait already", {"count": str(MOST_WAITING)}),
            remedy=Message("Wait until some of them are done."),
        )


def _work(row: sa.RowMapping) -> Work:
    plain: dict[str, Any] = dict(row)
    plain["state"] = WorkState(row["state"])
    for name in ("parameters", "error"):
        plain[name] = json.loads(plain[name])
    return Work(**plain)


def wait_until_over(desk: Desk, work_id: str, seconds: float) -> Work:
    """Return a work once it is over, or as it stands after `seconds`; for programs and tests."""
    until = time.monotonic() + seconds
    while True:
        work = find_work(desk, work_id)
        if work.over or time.monotonic() > until:
            return work
        time.sleep(0.2)
