"""Failures of the machine, told apart from faults of ours.

A full disk, a device that fails, a lock that another process holds and a process
that cannot be started reach us as `OSError`, as an error of SQLite or PostgreSQL, or
as a sentence of a library in Rust. Here each becomes an error that names the place
and what to do, and leaves one line in the log; whatever is not known here stays
what it was, because a fault of ours must not be blamed on the machine.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from commonwatt.core.errors import CommonwattError, ProcessError, StorageError
from commonwatt.core.log import LogEvent, log_event
from commonwatt.core.messages import Message


class MachineFault(StrEnum):
    """What failed, as the log names it."""

    NO_SPACE = "no-space"
    DEVICE = "device-failed"
    READ_ONLY = "read-only"
    NOT_PERMITTED = "not-permitted"
    TOO_LARGE = "too-large"
    TOO_MANY_OPEN = "too-many-open"
    LOCKED = "locked"
    DAMAGED = "damaged"
    UNREACHABLE = "unreachable"
    BAD_PATH = "bad-path"
    NO_PROCESS = "no-process"


FAULT_MESSAGES: Final[dict[MachineFault, tuple[Message, Message]]] = {
    MachineFault.NO_SPACE: (
        Message("no space left to write"),
        Message("Free some space there and run it again; what was there before is unchanged."),
    ),
    MachineFault.DEVICE: (
        Message("a device that failed to read or write"),
        Message("Look into the log of the system, mend or replace the disk, and run it again."),
    ),
    MachineFault.READ_ONLY: (
        Message("a place that can only be read"),
        Message("Choose another folder, or let it be written."),
    ),
    MachineFault.NOT_PERMITTED: (
        Message("no permission"),
        Message("Give this user the right to it, or choose another folder."),
    ),
    MachineFault.TOO_LARGE: (
        Message("a file larger than this machine allows"),
        Message("Raise the limit (ulimit -f) or choose another file system, and run it again."),
    ),
    MachineFault.TOO_MANY_OPEN: (
        Message("too many open files"),
        Message("Raise the limit (ulimit -n), or end what holds them open, and run it again."),
    ),
    MachineFault.LOCKED: (
        Message("a lock that another process holds"),
        Message("Wait until the other process is done, or end it, and run it again."),
    ),
    MachineFault.DAMAGED: (
        Message("a database that is damaged"),
        Message("Restore it from a backup; nothing was written to it."),
    ),
    MachineFault.UNREACHABLE: (
        Message("a database that does not answer"),
        Message("See that it runs and can be reached, and run it again."),
    ),
    MachineFault.BAD_PATH: (
        Message("a path that cannot lead to a file"),
        Message("Choose another path."),
    ),
    MachineFault.NO_PROCESS: (
        Message("no room for another process or thread"),
        Message("Raise the limit (ulimit -u, memory), or end other programs, and run it again."),
    ),
}

_FAULT_OF_ERRNO: Final[dict[int, MachineFault]] = {
    errno.ENOSPC: MachineFault.NO_SPACE,
    errno.EDQUOT: MachineFault.NO_SPACE,
    errno.EIO: MachineFault.DEVICE,
    errno.ENXIO: MachineFault.DEVICE,
    errno.ENODEV: MachineFault.DEVICE,
    errno.EREMOTEIO: MachineFault.DEVICE,
    errno.ESTALE: MachineFault.DEVICE,
    errno.EROFS: MachineFault.READ_ONLY,
    errno.EACCES: MachineFault.NOT_PERMITTED,
    errno.EPERM: MachineFault.NOT_PERMITTED,
    errno.EFBIG: MachineFault.TOO_LARGE,
    errno.EMFILE: MachineFault.TOO_MANY_OPEN,
    errno.ENFILE: MachineFault.TOO_MANY_OPEN,
    errno.ENOLCK: MachineFault.LOCKED,
    errno.ETXTBSY: MachineFault.LOCKED,
    errno.EBUSY: MachineFault.LOCKED,
    errno.ENOTDIR: MachineFault.BAD_PATH,
    errno.ENAMETOOLONG: MachineFault.BAD_PATH,
    errno.ELOOP: MachineFault.BAD_PATH,
    errno.EAGAIN: MachineFault.NO_PROCESS,
    errno.ENOMEM: MachineFault.NO_PROCESS,
}
# The primary result code, which is the last byte of an extended one (sqlite.org/rescode.html).
_FAULT_OF_SQLITE_CODE: Final[dict[int, MachineFault]] = {
    3: MachineFault.NOT_PERMITTED,
    5: MachineFault.LOCKED,
    6: MachineFault.LOCKED,
    7: MachineFault.NO_PROCESS,
    8: MachineFault.READ_ONLY,
    10: MachineFault.DEVICE,
    11: MachineFault.DAMAGED,
    13: MachineFault.NO_SPACE,
    14: MachineFault.NOT_PERMITTED,
    26: MachineFault.DAMAGED,
}
# Classes and codes of PostgreSQL's appendix A; a connection that failed has no code at all.
_FAULT_OF_SQLSTATE: Final[dict[str, MachineFault]] = {
    "53100": MachineFault.NO_SPACE,
    "53200": MachineFault.NO_PROCESS,
    "55P03": MachineFault.LOCKED,
    "40P01": MachineFault.LOCKED,
    "58": MachineFault.DEVICE,
    "53": MachineFault.UNREACHABLE,
    "57": MachineFault.UNREACHABLE,
    "08": MachineFault.UNREACHABLE,
    "25006": MachineFault.READ_ONLY,
    # The server's administrator lets no session idle, or no transaction last, for so long.
    "25P03": MachineFault.UNREACHABLE,
    "25P04": MachineFault.UNREACHABLE,
}
_RUST_OS_ERROR: Final = re.compile(r"\(os error (\d+)\)")
_DEEPEST = 8


def machine_fault(error: BaseException) -> MachineFault | None:
    """Return which failure of the machine is behind an error; None where it is none.

    >>> machine_fault(OSError(errno.ENOSPC, "No space left on device"))
    <MachineFault.NO_SPACE: 'no-space'>
    >>> machine_fault(ValueError("a fault of ours")) is None
    True
    """
    faults = (_machine_fault_of_exception_or_none(cause) for cause in _error_and_its_causes(error))
    return next((fault for fault in faults if fault is not None), None)


def logged_machine_fault_error(error: BaseException, where: str = "") -> CommonwattError | None:
    """Return what a failure of the machine is told as, with one line in the log; else None.

    Args:
        error: What was caught.
        where: The place in the user's words; by default the file that the error names.
    """
    fault = logged_machine_fault(error)
    if fault is None:
        return None
    kind = ProcessError if fault is MachineFault.NO_PROCESS else StorageError
    sentence, remedy = FAULT_MESSAGES[fault]
    return kind(
        where or path_named_by_error_or_blank(error) or "storage", found=sentence, remedy=remedy
    )


def logged_machine_fault(error: BaseException) -> MachineFault | None:
    """Return what `machine_fault` does, with one line in the log where it is one."""
    fault = machine_fault(error)
    if fault is not None:
        log_event(LogEvent.MACHINE_FAULT, fault=fault, errno=_errno_of_error_or_zero(error))
    return fault


def path_named_by_error_or_blank(error: BaseException) -> str:
    """Return the file or the database that an error or its causes name; "" where none does."""
    names = (getattr(cause, "filename", None) for cause in _error_and_its_causes(error))
    return next((str(name) for name in names if name), "")


@contextmanager
def machine_faults_as_storage_errors(where: str | os.PathLike[str]) -> Generator[None]:
    """Turn a failure of the machine within the block into a `StorageError` about `where`.

    Raises:
        StorageError: The machine failed.
    """
    try:
        yield
    except CommonwattError:
        raise
    except Exception as error:
        # What the block reads may fail as well; its own name says more than that of the draft.
        place = path_named_by_error_or_blank(error)
        is_of_draft = not place or place.endswith(".draft") or ".draft/" in place
        fault_error = logged_machine_fault_error(error, os.fspath(where) if is_of_draft else place)
        if fault_error is None:
            raise
        raise fault_error from error


def _error_and_its_causes(error: BaseException) -> Iterator[BaseException]:
    """Give an error and what stands behind it, a database driver's own error included."""
    current: BaseException | None = error
    for _ in range(_DEEPEST):
        if current is None:
            return
        yield current
        # SQLAlchemy keeps the driver's error apart. What was merely being handled (`__context__`)
        # is left out: an error of ours while a disk's was handled is still ours.
        driver_error = getattr(current, "orig", None)
        current = driver_error if isinstance(driver_error, BaseException) else current.__cause__


def _machine_fault_of_exception_or_none(error: BaseException) -> MachineFault | None:
    if isinstance(error, OSError) and error.errno is not None:
        return _FAULT_OF_ERRNO.get(error.errno)
    is_thread_refused = isinstance(error, RuntimeError) and str(error) == "can't start new thread"
    if is_thread_refused or isinstance(error, MemoryError):
        return MachineFault.NO_PROCESS
    return _fault_of_library_error(error)


def _fault_of_library_error(error: BaseException) -> MachineFault | None:
    # By name: core imports no database, and a library that is not loaded has raised nothing.
    match type(error).__module__.partition(".")[0]:
        case "sqlite3":
            return _FAULT_OF_SQLITE_CODE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        case "psycopg":
            return _fault_of_postgresql_error(error)
        case "sqlalchemy":
            # Every connection of the pool is in use, and has been for as long as is waited.
            return MachineFault.UNREACHABLE if type(error).__name__ == "TimeoutError" else None
        case "polars" | "builtins":
            number = _RUST_OS_ERROR.search(str(error))
            return _FAULT_OF_ERRNO.get(int(number[1])) if number else None
        case _:
            return None


def _fault_of_postgresql_error(error: BaseException) -> MachineFault | None:
    code: str | None = getattr(error, "sqlstate", None)
    if code is None:
        is_connection_lost = type(error).__name__ in {"OperationalError", "ConnectionTimeout"}
        return MachineFault.UNREACHABLE if is_connection_lost else None
    return _FAULT_OF_SQLSTATE.get(code) or _FAULT_OF_SQLSTATE.get(code[:2])


def _errno_of_error_or_zero(error: BaseException) -> int:
    numbers = (getattr(cause, "errno", None) for cause in _error_and_its_causes(error))
    return next((number for number in numbers if isinstance(number, int)), 0)
