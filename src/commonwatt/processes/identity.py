"""Which process is meant: its number and the instant of its start.

A number is given to another process once its own has ended and was reaped; the start,
which the kernel counts in clock ticks since boot (proc(5), field 22), tells the two apart.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_STAT_START: Final = 19  # starttime, counted from after the name: field 22 of proc(5)
_LOOK_EVERY_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process for ever: `pid`, and `start` in clock ticks since boot."""

    pid: int
    start: str

    def as_text(self) -> str:
        """Return the identity as a file keeps it.

        >>> parse_process_identity(ProcessIdentity(7, "123").as_text())
        ProcessIdentity(pid=7, start='123')
        """
        return f"{self.pid} {self.start}\n"


def parse_process_identity(text: str) -> ProcessIdentity | None:
    """Return the identity that a file keeps; None where it is cut short."""
    words = text.split()
    return ProcessIdentity(int(words[0]), words[1]) if len(words) == 2 else None


def process_identity(pid: int) -> ProcessIdentity | None:
    """Return who bears a number now; None where nobody does."""
    identity, _ = _process_identity_and_state_or_none(pid)
    return identity


def is_process_alive(identity: ProcessIdentity) -> bool:
    """Return whether that very process still runs; one that ended and was not reaped does not.

    >>> own = process_identity(os.getpid())
    >>> is_process_alive(own), is_process_alive(ProcessIdentity(own.pid, "1"))
    (True, False)
    """
    now, state = _process_identity_and_state_or_none(identity.pid)
    return now == identity and state not in {"Z", "X"}


def process_identity_and_state_in_stat_line(stat: str) -> tuple[ProcessIdentity, str]:
    """Return identity and state in a line as proc(5) has it.

    Raises:
        ValueError: The line is cut short.
    """
    # The name in brackets may itself hold blanks and brackets: proc(5) is read from the last
    # bracket on.
    first, _, rest = stat.partition("(")
    words = rest.rpartition(")")[2].split()
    if len(words) <= _STAT_START:
        raise ValueError("a line of proc(5) that is cut short")
    return ProcessIdentity(int(first), words[_STAT_START]), words[0]


def signal_process_group_and_tell_if_sent(
    identity: ProcessIdentity, number: signal.Signals
) -> bool:
    """Send a signal to the group that a process leads, if it is that process; return whether."""
    if not is_process_alive(identity):
        return False
    # The group and not the process: what it started in turn would go on holding what it holds.
    with suppress(ProcessLookupError):
        os.killpg(identity.pid, number)
        return True
    return False


def stop_process_group_and_tell_if_ended(identity: ProcessIdentity, *, grace_s: float) -> bool:
    """Ask a process and its group to end, and kill them after `grace_s`; return whether it ended.

    For a process that is not our child; a child is stopped by its `ChildProcess`.
    """
    if not signal_process_group_and_tell_if_sent(identity, signal.SIGTERM):
        return True
    until = time.monotonic() + grace_s
    while is_process_alive(identity):
        if time.monotonic() >= until:
            return signal_process_group_and_tell_if_sent(identity, signal.SIGKILL)
        time.sleep(_LOOK_EVERY_S)
    return True


def _process_identity_and_state_or_none(pid: int) -> tuple[ProcessIdentity | None, str]:
    try:
        return process_identity_and_state_in_stat_line(Path(f"/proc/{pid}/stat").read_text())
    except (OSError, ValueError):
        return None, ""
