"""A thread that does one step again and again, and survives whatever a step meets."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import IO, Final

from commonwatt.core.errors import CommonwattError, ProcessError
from commonwatt.core.faults import (
    FAULT_MESSAGES,
    MachineFault,
    logged_machine_fault_error,
    machine_fault,
)
from commonwatt.core.files import try_lock_open_file
from commonwatt.core.log import LogCode, LogEvent, log_bug, log_event

_MOST_WAIT_S: Final = 30.0


class ProcessWatchLoop:
    """Does `step` every `every_s` in a thread of its own, on one process of those that may.

    A step that fails is logged once a streak of failures and tried again, after longer
    and longer waits; the thread ends when it is told to and never before.

    Args:
        name: Its word in the log.
        step: What is done.
        every_s: Wait between two steps [s].
        lock: File whose lock decides which process's loop works; another takes over
            when that one dies.
    """

    def __init__(
        self, name: LogCode, step: Callable[[], None], *, every_s: float, lock: Path
    ) -> None:
        self._name, self._step, self._every_s, self._lock = name, step, every_s, lock
        self._over = Event()
        self._failures = 0
        self._thread = Thread(target=self._run_process_loop_until_stopped, name=name, daemon=True)

    def start(self) -> None:
        """Begin.

        Raises:
            ProcessError: The machine has no room for another thread.
        """
        try:
            self._thread.start()
        except RuntimeError as error:
            log_event(LogEvent.PROCESS_NOT_STARTED, loop=self._name)
            sentence, remedy = FAULT_MESSAGES[MachineFault.NO_PROCESS]
            raise ProcessError(self._name, found=sentence, remedy=remedy) from error

    def stop(self, timeout_s: float = 5.0) -> None:
        """Cease after the step that is under way."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    @property
    def is_alive(self) -> bool:
        """Whether it still works, or waits for its turn."""
        return self._thread.is_alive()

    def _run_process_loop_until_stopped(self) -> None:
        file: IO[bytes] | None = None
        try:
            while not self._over.wait(self._process_loop_wait_s()):
                try:
                    if file is None:
                        file = self._locked_process_loop_file_or_none()
                    if file is not None:
                        self._step()
                    self._failures = 0
                except Exception as error:
                    self._log_process_loop_first_failure(error)
        finally:
            if file is not None:
                with suppress(OSError):
                    file.close()

    def _locked_process_loop_file_or_none(self) -> IO[bytes] | None:
        file = self._lock.open("ab")
        if try_lock_open_file(file.fileno()):
            return file
        file.close()
        return None

    def _process_loop_wait_s(self) -> float:
        return min(self._every_s * 2 ** min(self._failures, 16), _MOST_WAIT_S)

    def _log_process_loop_first_failure(self, error: Exception) -> None:
        self._failures += 1
        # A database that is away for an hour is one line, and not thousands.
        if self._failures == 1:
            log_process_loop_failure(self._name, error)


def log_process_loop_failure(loop: LogCode, error: Exception) -> None:
    """Leave one line about a step that failed: of the machine, of a kind we know, or a bug."""
    if machine_fault(error) is not None:
        logged_machine_fault_error(error)
    elif isinstance(error, CommonwattError):
        log_event(LogEvent.LOOP_FAILED, loop=loop, error=type(error))
    else:
        log_bug(error)
