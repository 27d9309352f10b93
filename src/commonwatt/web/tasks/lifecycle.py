"""Where a run that the console started stands, and how it moves.

The console signs every move with its own key. Which account may start or stop a run is
the table of actions, asked at the door.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from commonwatt.core.messages import Message
from commonwatt.governance.lifecycle import (
    Lifecycle,
    LifecycleMove,
    MovePrecondition,
    MoveRefusal,
)
from commonwatt.ledger.errors import ActorError
from commonwatt.ledger.roles import LedgerRole
from commonwatt.web.errors import TaskError

MOST_ATTEMPTS: Final = 2


class TaskState(StrEnum):
    """Where a task stands."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"


TASK_STATE_NAMES: Final[Mapping[TaskState, Message]] = {
    TaskState.WAITING: Message("waiting"),
    TaskState.RUNNING: Message("running"),
    TaskState.FINISHED: Message("finished"),
    TaskState.FAILED: Message("failed"),
    TaskState.STOPPED: Message("stopped"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What is asked of a task about to move.

    Args:
        attempt: How often it was begun.
    """

    attempt: int = 0


def _task_attempts_spent_refusal_or_none(facts: TaskFacts) -> MoveRefusal | None:
    if facts.attempt < MOST_ATTEMPTS:
        return None
    return MoveRefusal(found=Message("{count} attempts", {"count": str(facts.attempt)}))


ATTEMPTS_LEFT: Final = MovePrecondition[TaskFacts](
    name="attempts-left",
    sentence=Message("It was not begun as often as a run may be."),
    refusal=_task_attempts_spent_refusal_or_none,
)

TASK_BIRTH: Final = "work"
TASK_MOVE: Final = "work-moved"
"""The words of ledger entries, `console.work…`, which records in use hold."""

_CONSOLE: Final = frozenset({LedgerRole.REGISTRAR})

TASK_LIFECYCLE: Final = Lifecycle[TaskState, TaskFacts](
    name="console run",
    states=TaskState,
    moves=(
        LifecycleMove(origin=None, to=TaskState.WAITING, step=TASK_BIRTH, who=_CONSOLE),
        LifecycleMove(
            origin=TaskState.WAITING, to=TaskState.RUNNING, step=TASK_MOVE, who=_CONSOLE,
            needs=(ATTEMPTS_LEFT,),
        ),
        # Its process ended without a word: it is begun once more.
        LifecycleMove(
            origin=TaskState.RUNNING, to=TaskState.WAITING, step=TASK_MOVE, who=_CONSOLE,
            needs=(ATTEMPTS_LEFT,),
        ),
        *(
            LifecycleMove[TaskState, TaskFacts](
                origin=origin, to=to, step=TASK_MOVE, who=_CONSOLE
            )
            for origin, to in (
                (TaskState.WAITING, TaskState.STOPPED),
                (TaskState.RUNNING, TaskState.FINISHED),
                (TaskState.RUNNING, TaskState.FAILED),
                (TaskState.RUNNING, TaskState.STOPPED),
            )
        ),
    ),
    error=TaskError,
    role_error=ActorError,
    remedies=dict.fromkeys(
        (TaskState.FINISHED, TaskState.FAILED, TaskState.STOPPED),
        Message("This run is over; start another."),
    ),
)  # fmt: skip
