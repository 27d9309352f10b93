"""What a person should be told beside an answer: it changes no result and must not pass unseen.

A log line is read by whoever keeps a log; a notice is for whoever called. Whoever faces that
person collects notices within a block, and where nobody does they are dropped: a library that
printed by itself would spoil its caller's output.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from commonwatt.core.messages import Message

_SINK: Final[ContextVar[Callable[[Message], object] | None]] = ContextVar("notices", default=None)


def send_notice_to_collector(message: Message) -> None:
    """Tell whoever collects notices."""
    if (sink := _SINK.get()) is not None:
        sink(message)


@contextmanager
def notices_sent_to_sink(sink: Callable[[Message], object]) -> Generator[None]:
    """Hand every notice within the block to `sink`.

    >>> with notices_sent_to_sink(lambda message: print(message.translate("en"))):
    ...     send_notice_to_collector(Message("The database {name} was migrated.", {"name": "runs"}))
    The database runs was migrated.
    """
    token = _SINK.set(sink)
    try:
        yield
    finally:
        _SINK.reset(token)
