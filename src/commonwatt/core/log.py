"""The log: one JSON line an event, to stderr or to a file that rotates.

A line holds ids, counts, codes and durations, and nothing else: a field that is not
in `LOG_FIELDS`, and a value that is free text, are refused where they are logged. So
no value of a record, no name of a person and no sentence can come into a log,
whatever is handled at the time. A traceback is kept as its places in our code,
without the sentence of the exception, because that may quote a value.

A log that cannot be written never stops the work: the line goes to stderr instead.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import re
import secrets
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, Final

from commonwatt.core.identifiers import OPERATOR_NAME

LOG_ENVIRONMENT: Final = "COMMONWATT_LOG"
LOG_TO_STDERR: Final = "-"
MOST_LOG_BYTES: Final = 10_000_000
OLD_LOG_FILES: Final = 4
_DEEPEST_CAUSE: Final = 4
_APPENDING: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class LogEvent(StrEnum):
    """What can be logged; the word is the line's `event`."""

    COMMAND_STARTED = "command-started"
    COMMAND_ENDED = "command-ended"
    BUG = "bug"
    MACHINE_FAULT = "machine-fault"
    LOG_LINES_LOST = "log-lines-lost"
    LOOP_FAILED = "loop-failed"
    PROCESS_STARTED = "process-started"
    PROCESS_NOT_STARTED = "process-not-started"
    PROCESS_STOPPED = "process-stopped"
    PROCESS_SILENT = "process-silent"
    CONSOLE_STARTED = "console-started"
    CONSOLE_REQUEST_REFUSED = "console-request-refused"
    TASK_MOVED = "task-moved"
    CONTROLLER_STARTED = "controller-started"
    CONTROLLER_ENDED = "controller-ended"
    CONTROLLER_ACTED = "controller-acted"
    GATE_OPENED = "gate-opened"
    GATE_ANSWERED = "gate-answered"
    ISOLATED_JOB_STARTED = "isolated-job-started"
    ISOLATED_JOB_ENDED = "isolated-job-ended"
    RUN_COMPLETED = "run-completed"
    STORE_MIGRATED = "store-migrated"


LOG_WARNINGS: Final = frozenset(
    {
        LogEvent.LOG_LINES_LOST,
        LogEvent.PROCESS_SILENT,
        LogEvent.CONSOLE_REQUEST_REFUSED,
        LogEvent.STORE_MIGRATED,
    }
)
LOG_ERRORS: Final = frozenset(
    {
        LogEvent.BUG,
        LogEvent.MACHINE_FAULT,
        LogEvent.LOOP_FAILED,
        LogEvent.PROCESS_NOT_STARTED,
    }
)


class LogCode(str):
    """A word that stands in our source, such as the words of a command; never one that came in."""

    __slots__ = ()


LogValue = str | int | float | bool | Enum | type[BaseException] | list[str]


class FieldKind(StrEnum):
    """What a field of the log may hold."""

    MADE_ID = "made-id"
    """An id that we drew or hashed: hexadecimal digits."""
    NAME_ID = "name-id"
    """The name that an operator gave a job or a node, of letters, digits and . _ - only."""
    COUNT = "count"
    CODE = "code"
    SECONDS = "seconds"
    FRAMES = "frames"


LOG_FIELDS: Final[Mapping[str, FieldKind]] = {
    "run": FieldKind.MADE_ID,
    "task": FieldKind.MADE_ID,
    "actor": FieldKind.MADE_ID,
    "incident": FieldKind.MADE_ID,
    "job": FieldKind.NAME_ID,
    "node": FieldKind.NAME_ID,
    "acts": FieldKind.COUNT,
    "attempt": FieldKind.COUNT,
    "count": FieldKind.COUNT,
    "errno": FieldKind.COUNT,
    "exit_code": FieldKind.COUNT,
    "process": FieldKind.COUNT,
    "refused": FieldKind.COUNT,
    "status": FieldKind.COUNT,
    "ticks": FieldKind.COUNT,
    "action": FieldKind.CODE,
    "command": FieldKind.CODE,
    "ending": FieldKind.CODE,
    "error": FieldKind.CODE,
    "fault": FieldKind.CODE,
    "kind": FieldKind.CODE,
    "loop": FieldKind.CODE,
    "to": FieldKind.CODE,
    "silent_s": FieldKind.SECONDS,
    "wall_s": FieldKind.SECONDS,
    "frames": FieldKind.FRAMES,
}
"""Every field that a line may have, beside instant, level, event and process."""

_MADE_ID: Final = re.compile(r"[0-9a-f]{8,64}")
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*([ .-][A-Za-z0-9_]+){0,5}")


def log_event(event: LogEvent, **fields: LogValue) -> None:
    """Write one line, if a log is open.

    Raises:
        ValueError: A field is not in `LOG_FIELDS`.
        TypeError: A value is not of its field's kind; the value is not repeated.
    """
    # Checked whether or not a log is open: a fault of this kind must show in the first test that
    # passes the line, not at the hospital that turns the log on.
    checked = {name: _checked_log_value(name, value) for name, value in fields.items()}
    opened = _OPEN.log
    if opened is not None:
        opened.write_event_to_file_or_stderr(event, {**_LOG_CONTEXT.get(), **checked})


@contextmanager
def log_context(**fields: LogValue) -> Generator[None]:
    """Add fields to every line within the block, of this thread or coroutine."""
    checked = {name: _checked_log_value(name, value) for name, value in fields.items()}
    token = _LOG_CONTEXT.set({**_LOG_CONTEXT.get(), **checked})
    try:
        yield
    finally:
        _LOG_CONTEXT.reset(token)


@contextmanager
def logging_to_destination(destination: str) -> Generator[None]:
    """Log to `destination` within the block: a file, "-" for stderr, "" for what was before."""
    before = _OPEN.log
    if destination:
        open_log(destination)
    try:
        yield
    finally:
        _OPEN.log = before


def open_log(destination: str) -> None:
    """Log to `destination` from now on: a file, or "-" for stderr."""
    _OPEN.log = _StructuredLog(destination)


def open_log_with_default_file(default: Path) -> None:
    """Log where the user asked; where nobody asked, into the file `default`.

    For what is left running for months: a server without a log cannot be asked what it did.
    """
    if _OPEN.log is None:
        open_log(os.environ.get(LOG_ENVIRONMENT) or str(default))


def log_destination_or_blank() -> str:
    """Return where the log goes, for a process that is started; "" where there is none."""
    return _OPEN.log.destination if _OPEN.log is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BugReport:
    """Where the traceback of a bug is kept: `file` ("" for stderr), and its `incident`."""

    file: str
    incident: str


def log_bug(error: BaseException) -> BugReport:
    """Keep the traceback of a bug in the log and return where; without a log, in a file of its own.

    A bug comes when nobody expects it, so it is kept whether or not a log was asked for.
    """
    incident = secrets.token_hex(4)
    opened = _OPEN.log or _StructuredLog(str(_bug_log_file_path()))
    fields = {"incident": incident, "error": type(error), "frames": traceback_frame_lines(error)}
    checked = {name: _checked_log_value(name, value) for name, value in fields.items()}
    is_in_file = opened.write_event_to_file_or_stderr(
        LogEvent.BUG, {**_LOG_CONTEXT.get(), **checked}
    )
    return BugReport(file=opened.destination if is_in_file else "", incident=incident)


def traceback_frame_lines(error: BaseException) -> list[str]:
    """Return a traceback as places in code, outermost first, each cause after its effect.

    No exception's own sentence is among them: it may quote a value of a record.
    """
    frames: list[str] = []
    current: BaseException | None = error
    for _ in range(_DEEPEST_CAUSE):
        if current is None:
            break
        frames.append(type(current).__name__)
        for frame in traceback.extract_tb(current.__traceback__):
            frames.append(
                f"{_source_path_from_package_root(frame.filename)}:{frame.lineno} {frame.name}"
            )
        current = current.__cause__ or current.__context__
    return frames


def _source_path_from_package_root(path: str) -> str:
    """Return a code file from its package on: the folders above may bear a person's name."""
    parts = Path(path).parts
    for root in ("site-packages", "src"):
        if root in parts:
            return "/".join(parts[len(parts) - parts[::-1].index(root) :])
    return parts[-1] if parts else ""


def _bug_log_file_path() -> Path:
    """Return where bugs are kept without a log: the folder of state, as XDG names it."""
    home = os.environ.get("HOME")
    state = os.environ.get("XDG_STATE_HOME") or (f"{home}/.local/state" if home else "")
    return Path(state or tempfile.gettempdir()) / "commonwatt" / "bugs.jsonl"


def _checked_log_value(name: str, value: object) -> Any:
    """Return a value as it is written, or raise; the value itself is in no message."""
    kind = LOG_FIELDS.get(name)
    if kind is None:
        raise ValueError("a log line has no such field; LOG_FIELDS names all")
    written = _LOG_VALUE_OF_KIND[kind](value)
    if written is None:
        raise TypeError(f"the log's field {name} holds a {kind.value} only")
    return written


def _loggable_generated_id(value: object) -> str | None:
    return value if isinstance(value, str) and _MADE_ID.fullmatch(value) else None


def _loggable_name_id(value: object) -> str | None:
    return value if isinstance(value, str) and OPERATOR_NAME.fits(value) else None


def _loggable_count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _loggable_code(value: object) -> str | None:
    """Return a code: a member of an enum, a word of our source, or an error's own code."""
    if isinstance(value, Enum | LogCode):
        text = str(value.value if isinstance(value, Enum) else value)
        return text if _CODE.fullmatch(text) else None
    if isinstance(value, type) and issubclass(value, BaseException):
        # The code is that of the exit codes where the error has one.
        return str(getattr(value, "code", value.__name__))
    return None


def _loggable_duration_s(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return round(value, 6)


def _loggable_stack_frames(value: object) -> list[str] | None:
    return value if isinstance(value, list) else None  # pyright: ignore[reportUnknownVariableType]


_LOG_VALUE_OF_KIND: Final[Mapping[FieldKind, Callable[[object], Any]]] = {
    FieldKind.MADE_ID: _loggable_generated_id,
    FieldKind.NAME_ID: _loggable_name_id,
    FieldKind.COUNT: _loggable_count,
    FieldKind.CODE: _loggable_code,
    FieldKind.SECONDS: _loggable_duration_s,
    FieldKind.FRAMES: _loggable_stack_frames,
}
_LOG_CONTEXT: ContextVar[dict[str, Any]] = ContextVar("commonwatt_log", default={})  # noqa: B039


class _StructuredLog:
    """An open log."""

    def __init__(self, destination: str) -> None:
        self.destination = destination
        self._file = None if destination == LOG_TO_STDERR else RotatingLogFile(Path(destination))
        self._lost_lines = 0

    def write_event_to_file_or_stderr(self, event: LogEvent, fields: Mapping[str, Any]) -> bool:
        """Write a line; return whether it is in the log's file."""
        level = "error" if event in LOG_ERRORS else "warning" if event in LOG_WARNINGS else "info"
        at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        facts = {"event": event.value, "level": level, "at": at, "pid": os.getpid()}
        return self._write_log_line_and_tell_if_filed(
            json.dumps({**fields, **facts}, sort_keys=True)
        )

    def _write_log_line_and_tell_if_filed(self, line: str) -> bool:
        if self._file is None:
            _write_line_to_stderr(line)
            return False
        try:
            self._file.append_line(line)
        except OSError:
            self._lost_lines += 1
            _write_line_to_stderr(line)
            return False
        if self._lost_lines:
            count, self._lost_lines = self._lost_lines, 0
            self.write_event_to_file_or_stderr(LogEvent.LOG_LINES_LOST, {"count": count})
        return True


def _write_line_to_stderr(line: str) -> None:
    # A stderr that nobody reads is no reason to stop; there is nowhere left to say so.
    with suppress(OSError, ValueError):
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


class RotatingLogFile:
    """A file of lines that several processes append to, and that starts anew when it is long.

    Args:
        path: The file; older ones stand beside it as `path.1` (the newest) and up.
        most_bytes: Length from which it is put aside.
        old_files: How many are kept beside it.
    """

    def __init__(
        self, path: Path, most_bytes: int = MOST_LOG_BYTES, old_files: int = OLD_LOG_FILES
    ) -> None:
        self.path, self._most_bytes, self._old_files = path, most_bytes, old_files
        self._thread_lock = threading.Lock()

    def append_line(self, line: str) -> None:
        """Append a line, whole, after the lines of all other processes.

        Raises:
            OSError: It cannot be written.
        """
        data = line.encode() + b"\n"
        with self._thread_lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Opened for each line: the file may have been put aside by another process, or by
            # logrotate, and a line into the old one would be out of sight.
            while True:
                fd = os.open(self.path, _APPENDING, 0o600)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX)
                    if not _is_open_log_file_at_path(fd, self.path):
                        continue
                    length = os.fstat(fd).st_size
                    if length and length + len(data) > self._most_bytes:
                        self._rotate_log_files()
                        continue
                    _write_whole_log_line_or_undo(fd, data)
                    return
                finally:
                    os.close(fd)

    def _rotate_log_files(self) -> None:
        for number in range(self._old_files - 1, 0, -1):
            with suppress(FileNotFoundError):
                os.replace(f"{self.path}.{number}", f"{self.path}.{number + 1}")
        os.replace(self.path, f"{self.path}.1")


def _write_whole_log_line_or_undo(fd: int, data: bytes) -> None:
    before = os.fstat(fd).st_size
    written = os.write(fd, data)
    if written < len(data):
        # A disk that filled up in the midst: half a line would spoil the next one, too.
        os.ftruncate(fd, before)
        raise OSError(28, "No space left on device")


def _is_open_log_file_at_path(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


class _OpenLog:
    """What this process logs to."""

    def __init__(self) -> None:
        self.log: _StructuredLog | None = None


# The one state that a module holds: a log belongs to the process, and every call that logs would
# else have to carry it through all rooms.
_OPEN: Final = _OpenLog()
