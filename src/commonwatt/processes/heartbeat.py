"""A sign of life: a file that a process touches while it gets on.

A lock tells whether a process lives; it does not tell whether it moves. A file whose time
stands still beside a lock that is held is a process that hangs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

BEAT_S = 1.0
SILENT_S = 60.0
"""From when on a process that lives is called silent; a loaded machine skips some beats."""


@contextmanager
def heartbeat(path: Path, every_s: float = BEAT_S) -> Generator[None]:
    """Touch `path` every `every_s` within the block."""
    over = Event()
    thread = Thread(
        target=_touch_heartbeat_file_until,
        args=(path, over, every_s),
        name="heartbeat",
        daemon=True,
    )
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def seconds_since_process_heartbeat_or_none(path: Path) -> float | None:
    """Return for how long there was no beat [s]; None where there never was one."""
    try:
        # A clock that was set back gives a beat in the future, which is no silence.
        return max(time.time() - path.stat().st_mtime, 0.0)
    except OSError:
        return None


def _touch_heartbeat_file_until(path: Path, over: Event, every_s: float) -> None:
    while True:
        # A full disk is no reason to stop the work that this thread only reports on.
        with suppress(OSError):
            path.touch()
            os.utime(path)
        if over.wait(every_s):
            return
