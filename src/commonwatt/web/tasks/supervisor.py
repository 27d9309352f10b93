"""Runs that the console starts: their states, and how none is ever half shown.

A work is a row; its run is made by a child process that outlives the server. The child
holds a lock on a file as long as it lives, whatever happens to the server, so whoever
looks later knows by the lock alone whether somebody still works on it. A run appears
in the store whole or not at all; the row follows in one transaction with its entry in
the ledger. A work whose child is gone without a word is begun once more, then failed.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

import commonwatt.web.schema as schema
from commonwatt.core.errors import BugError, CommonwattError
from commonwatt.core.faults import logged_machine_fault_error
from commonwatt.core.files import save_text, try_lock_open_file
from commonwatt.core.log import (
    LOG_ENVIRONMENT,
    LogCode,
    LogEvent,
    log_bug,
    log_context,
    log_destination_or_blank,
    log_event,
)
from commonwatt.core.messages import LANGUAGES, Message
from commonwatt.governance.moves import MoveRequest, make_governed_move
from commonwatt.ledger.entries import EntryDraft, ledger_instant_text
from commonwatt.ledger.store import lock_chain_head
from commonwatt.processes.heartbeat import SILENT_S, seconds_since_process_heartbeat_or_none
from commonwatt.processes.identity import (
    parse_process_identity,
    signal_process_group_and_tell_if_sent,
)
from commonwatt.processes.loop import ProcessWatchLoop, log_process_loop_failure
from commonwatt.processes.spawn import ChildProcess, ProcessKind, start_process
from commonwatt.runs.titles import run_title_message
from commonwatt.web.entry_writer import console_entry_time_locking_chain_head
from commonwatt.web.errors import PageNotFoundError, TaskError
from commonwatt.web.settings import ENVIRONMENT
from commonwatt.web.tasks.kinds import KINDS, console_task_programme_title
from commonwatt.web.tasks.lifecycle import (
    MOST_ATTEMPTS,
    TASK_BIRTH,
    TASK_LIFECYCLE,
    TASK_MOVE,
    TaskFacts,
    TaskState,
)

if TYPE_CHECKING:
    from commonwatt.web.services import Services

MOST_WAITING: Final = 20
_LOOP: Final = LogCode("console-tasks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A work as its row tells it."""

    work_id: str
    kind: str
    title: str
    parameters: Mapping[str, str]
    account: str
    state: TaskState
    attempt: int
    run_id: str
    error: Mapping[str, str]
    made_at: str
    ended_at: str

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return TASK_LIFECYCLE.is_final_lifecycle_state(self.state)


def start_task(
    services: Services,
    kind: str,
    given_parameters: Mapping[str, str],
    account: str,
    *,
    now: datetime,
) -> str:
    """Put a run on the list and return the work's id.

    Raises:
        PageNotFoundError: There is no such kind.
        ParameterError: A parameter is out of bounds.
        WorkError: Too many works wait already.
    """
    if kind not in KINDS:
        raise PageNotFoundError(kind[:40], found=Message("no such kind of run"))
    parameters = KINDS[kind].checked_console_task_parameters(
        given_parameters, services.settings.store
    )
    work_id = secrets.token_hex(6)
    row = {
        "work_id": work_id,
        "kind": kind,
        "title": console_task_programme_title(services.settings.store, parameters["programme"]),
        "parameters": json.dumps(parameters),
        "account": account,
        "state": TaskState.WAITING.value,
        "attempt": 0,
        "run_id": "",
        "error": "{}",
        "made_at": ledger_instant_text(now),
        "ended_at": "",
    }
    with services.ledger.transaction() as tx:
        _check_task_queue_not_full(tx)
        body = {"kind": kind, "by": account, "parameters": parameters}
        _make_and_record_console_task_move(
            services, tx, work_id, None, TaskState.WAITING, 0, row, body, now
        )
    return work_id


def console_task_title_message(task: Task) -> Message:
    """Return what people call a work, with what a what-if changes."""
    return run_title_message(task.title, task.parameters)


def stop_and_kill_console_task(
    services: Services, task_id: str, account: str, *, now: datetime
) -> None:
    """Stop a work; nothing of it is kept.

    Raises:
        PageNotFoundError: There is no such work.
        WorkError: It is over already.
    """
    work = find_console_task(services, task_id)
    # Begun or ended between the look and the lock, it is looked at again: a stop that did nothing
    # would be answered as one that did.
    while not move_task_to_state_unless_stale(
        services, work, TaskState.STOPPED, now=now, by=account
    ):
        work = find_console_task(services, task_id)
    _kill_task_worker(services, task_id)


def find_console_task(services: Services, task_id: str) -> Task:
    """Return a work.

    Raises:
        PageNotFoundError: There is no such work.
    """
    table = schema.tasks
    with services.ledger.reading() as connection:
        query = sa.select(table).where(table.c.work_id == task_id)
        row = connection.execute(query).mappings().first()
    if row is None:
        raise PageNotFoundError(task_id[:20], found=Message("no such work"))
    return _console_task_from_row(row)


def list_newest_tasks(services: Services, limit: int = 50) -> list[Task]:
    """Return the works, newest first."""
    table = schema.tasks
    query = sa.select(table).order_by(table.c.made_at.desc(), table.c.work_id).limit(limit)
    with services.ledger.reading() as connection:
        return [_console_task_from_row(row) for row in connection.execute(query).mappings()]


def console_task_progress_messages(services: Services, task_id: str) -> list[Message]:
    """Return the sentences that a work has said so far."""
    path = console_tasks_folder(services) / f"{task_id}.said"
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # a last line may be half written
    return [Message(**json.loads(line)) for line in lines]


def task_load_samples(services: Services, task_id: str, since: int) -> list[list[float]]:
    """Return instant, processors in use and memory [MB] of a work, from row `since` on."""
    path = console_tasks_folder(services) / f"{task_id}.samples"
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines[since:]]


def move_task_to_state_unless_stale(
    services: Services, task: Task, to: TaskState, *, now: datetime, **outcome: Any
) -> bool:
    """Move a work, with its entry in one transaction; return whether it still stood there.

    Raises:
        WorkError: The table of moves has no such move.
    """
    values = {key: outcome[key] for key in ("run_id", "error") if key in outcome}
    values |= {"state": to.value}
    if TASK_LIFECYCLE.is_final_lifecycle_state(to):
        values["ended_at"] = ledger_instant_text(now)
    if to is TaskState.RUNNING:
        values["attempt"] = task.attempt + 1
    body = {"to": to.value, **{key: value for key, value in outcome.items() if value}}
    with services.ledger.transaction() as tx:
        lock_chain_head(tx)
        if _task_row_is_stale(tx, task):
            return False
        _make_and_record_console_task_move(
            services, tx, task.work_id, task.state, to, task.attempt, values, body, now
        )
    log_event(LogEvent.TASK_MOVED, task=task.work_id, to=to, attempt=task.attempt)
    return True


def _task_row_is_stale(tx: sa.Connection, task: Task) -> bool:
    """Return whether a work has moved since its row was read."""
    table = schema.tasks
    query = sa.select(table.c.state, table.c.attempt).where(table.c.work_id == task.work_id)
    row = tx.execute(query).first()
    return row is None or (row.state, row.attempt) != (task.state.value, task.attempt)


def _make_and_record_console_task_move(
    services: Services, tx: sa.Connection, work_id: str, origin: TaskState | None, to: TaskState,
    attempt: int, values: Mapping[str, Any], body: Mapping[str, Any], now: datetime,
) -> None:  # fmt: skip
    """Change or add the row of a work and put it on record, if the table has the move."""
    table, step = schema.tasks, TASK_MOVE if origin else TASK_BIRTH
    row = sa.insert(table) if origin is None else sa.update(table).where(table.c.work_id == work_id)
    entry = EntryDraft(kind=f"console.{step}", subject=f"work/{work_id}", body=body)
    request = MoveRequest[TaskState, TaskFacts](
        where=work_id, origin=origin, to=to, step=step, facts=TaskFacts(attempt=attempt),
        entries=[entry],
    )  # fmt: skip
    make_governed_move(
        services.ledger, tx, TASK_LIFECYCLE, request, by=services.entry_writer.key,
        at=console_entry_time_locking_chain_head(tx, now),
        save=lambda: tx.execute(row.values(values)),
    )  # fmt: skip


def mark_console_task_failed(
    services: Services, task: Task, error: CommonwattError, *, now: datetime
) -> None:
    """Mark a work as failed, with the reason in every language."""
    error_json = error.as_dict() | {language: error.translate(language) for language in LANGUAGES}
    move_task_to_state_unless_stale(
        services, task, TaskState.FAILED, now=now, error=json.dumps(error_json)
    )


def logged_task_failure_error(error: Exception, title: str) -> CommonwattError:
    """Return why a work failed: what it says itself, the machine, or a fault of ours.

    Args:
        error: What ended it.
        title: What people call the work; the class of an error tells them nothing.
    """
    if isinstance(error, CommonwattError):
        return error
    if (machine_error := logged_machine_fault_error(error)) is not None:
        return machine_error
    incident = log_bug(error).incident
    return BugError(
        title,
        found=Message("a fault of Commonwatt"),
        remedy=Message(
            "Its traceback is in the log of the console as incident {incident}.",
            {"incident": incident},
        ),
    )


def console_tasks_folder(services: Services) -> Path:
    """Return where works keep their locks and what they say."""
    folder = services.settings.state / "works"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class TaskSupervisor:
    """Begins what waits and sees to what is left behind; one at a time on a machine.

    Every worker process of a server has one; the lock on `foreman.lock` decides which
    of them works, and another takes over within a second where that one dies. One work
    that cannot be seen to, or whose process cannot be started, holds up no other.
    """

    def __init__(self, services: Services) -> None:
        self._desk = services
        self._folder = console_tasks_folder(services)
        self._children: list[ChildProcess] = []
        self._silent: set[str] = set()
        self._loop = ProcessWatchLoop(
            _LOOP,
            lambda: self.supervise_once(datetime.now(UTC)),
            every_s=0.5,
            lock=self._folder / "foreman.lock",
        )

    def start(self) -> None:
        """Begin to watch."""
        self._loop.start()

    def stop(self) -> None:
        """Cease to watch; children go on."""
        self._loop.stop()
        for child in self._children:
            child.release()  # it outlives us on purpose, and its lock says whether it lives

    @property
    def is_alive(self) -> bool:
        """Whether it watches, or waits for its turn."""
        return self._loop.is_alive

    def supervise_once(self, now: datetime) -> None:
        """See to works that were left behind, then begin what waits."""
        self._children = [child for child in self._children if child.poll() is None]
        running = self._tasks_in_state(TaskState.RUNNING)
        left = [work for work in running if not self._is_console_task_lock_held(work.work_id)]
        self._apply_action_to_each_task(left, lambda work: self._retry_or_fail_task(work, now))
        self._log_silent_tasks(running)
        free = self._desk.settings.works - (len(running) - len(left))
        waiting = self._tasks_in_state(TaskState.WAITING)[: max(0, free)]
        self._apply_action_to_each_task(
            waiting, lambda work: self._move_task_to_running_and_spawn_worker(work, now)
        )

    def _apply_action_to_each_task(
        self, works: Iterable[Task], action: Callable[[Task], None]
    ) -> None:
        for work in works:
            with log_context(task=work.work_id):
                try:
                    action(work)
                except Exception as error:  # whatever it is, the next work is not to blame
                    log_process_loop_failure(_LOOP, error)

    def _log_silent_tasks(self, running: Iterable[Task]) -> None:
        """Leave one line about each work that lives and does not move."""
        for work in running:
            silent_s = (
                seconds_since_process_heartbeat_or_none(self._folder / f"{work.work_id}.beat")
                or 0.0
            )
            if silent_s > SILENT_S and work.work_id not in self._silent:
                log_event(LogEvent.PROCESS_SILENT, task=work.work_id, silent_s=silent_s)
                self._silent.add(work.work_id)

    def _tasks_in_state(self, state: TaskState) -> list[Task]:
        table = schema.tasks
        query = sa.select(table).where(table.c.state == state.value).order_by(table.c.made_at)
        with self._desk.ledger.reading() as connection:
            return [_console_task_from_row(row) for row in connection.execute(query).mappings()]

    def _is_console_task_lock_held(self, work_id: str) -> bool:
        """Return whether a living process holds the lock of a work."""
        with self._task_lock_path(work_id).open("a") as file:
            return not try_lock_open_file(file.fileno())

    def _retry_or_fail_task(self, work: Task, now: datetime) -> None:
        if work.attempt < MOST_ATTEMPTS:
            move_task_to_state_unless_stale(
                self._desk, work, TaskState.WAITING, now=now, why="its process was ended"
            )
            return
        gone = TaskError(
            work.title,
            found=Message("its process was ended twice"),
            remedy=Message(
                "Start it again; where it ends once more, ask whoever keeps the server whether its "
                "memory suffices."
            ),
        )
        mark_console_task_failed(self._desk, work, gone, now=now)

    def _move_task_to_running_and_spawn_worker(self, work: Task, now: datetime) -> None:
        """Start the child with the lock already held, so that it is never seen as gone."""
        with self._task_lock_path(work.work_id).open("a") as file:
            if not try_lock_open_file(file.fileno()):
                return
            if not move_task_to_state_unless_stale(self._desk, work, TaskState.RUNNING, now=now):
                return
            try:
                self._spawn_task_worker(work.work_id, file.fileno())
            except Exception as error:
                # On record as running already, so that a kill just now would be seen; what never
                # ran has failed, and is not left to look as if it did.
                begun = replace(work, state=TaskState.RUNNING, attempt=work.attempt + 1)
                failure = logged_task_failure_error(error, work.title)
                mark_console_task_failed(self._desk, begun, failure, now=now)

    def _spawn_task_worker(self, work_id: str, lock: int) -> None:
        environment = dict(os.environ) | {
            ENVIRONMENT: self._desk.settings.as_text(),
            LOG_ENVIRONMENT: log_destination_or_blank(),
        }
        with (self._folder / f"{work_id}.log").open("ab") as output:
            child = start_process(
                self._task_worker_argv(work_id),
                ProcessKind.CONSOLE_TASK,
                env=environment,
                stdout=output,
                stderr=output,
                pass_fds=(lock,),
            )
        try:
            save_text(child.identity.as_text(), self._folder / f"{work_id}.pid")
        except CommonwattError:
            # Nobody could stop it any more.
            child.kill()
            raise
        self._children.append(child)

    def _task_worker_argv(self, work_id: str) -> list[str]:
        return [sys.executable, "-m", "commonwatt.web.tasks.worker", work_id]

    def _task_lock_path(self, work_id: str) -> Path:
        return self._folder / f"{work_id}.lock"


def _kill_task_worker(services: Services, work_id: str) -> None:
    """End the child of a work, and nobody who bears its number by now."""
    pid = console_tasks_folder(services) / f"{work_id}.pid"
    identity = parse_process_identity(pid.read_text()) if pid.exists() else None
    if identity is not None:
        signal_process_group_and_tell_if_sent(identity, signal.SIGTERM)


def _check_task_queue_not_full(tx: sa.Connection) -> None:
    table = schema.tasks
    waiting = sa.select(sa.func.count()).where(table.c.state == TaskState.WAITING.value)
    if tx.execute(waiting).scalar_one() >= MOST_WAITING:
        raise TaskError(
            "works",
            found=Message("{count} runs that wait already", {"count": str(MOST_WAITING)}),
            remedy=Message("Wait until some of them are done."),
        )


def _console_task_from_row(row: sa.RowMapping) -> Task:
    plain: dict[str, Any] = dict(row)
    plain["state"] = TaskState(row["state"])
    for name in ("parameters", "error"):
        plain[name] = json.loads(plain[name])
    return Task(**plain)


def console_task_when_over_or_timeout(services: Services, task_id: str, seconds: float) -> Task:
    """Return a work once it is over, or as it stands after `seconds`; for programs and tests."""
    until = time.monotonic() + seconds
    while True:
        work = find_console_task(services, task_id)
        if work.over or time.monotonic() > until:
            return work
        time.sleep(0.2)
