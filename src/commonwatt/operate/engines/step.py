"""One attempt of a job as a process of its own, which outlives whoever started it.

The wrapper is a shell of a few lines rather than Python, because it starts in a
millisecond. Making the attempt's folder claims it: started twice, it runs once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# $1 is the attempt's folder, $2 what places.json is to hold, the rest is the program.
WRAPPER: Final = """
home=$1; places=$2; shift 2
mkdir "$home" 2>/dev/null || exit 0
cd "$home" || exit 0
printf %s "$places" > places.new && mv places.new places.json
read -r line < /proc/$$/stat; echo "$line" > process.new && mv process.new process
trap : TERM
"$@" > out 2> err < /dev/null & program=$!
wait $program; code=$?
while kill -0 $program 2>/dev/null; do wait $program; code=$?; done
echo "$code $(date +%s.%N)" > exit.new && mv exit.new exit
"""
_STAT_START: Final = 19  # starttime, counted from after the name: field 22 of proc(5)
_LAUNCH_S: Final = 10.0  # how long an attempt may take from its folder to its process


@dataclass(frozen=True, slots=True)
class StepSeen:
    """One attempt as its files and the process table tell.

    Args:
        alive: Its wrapper is there, or may still appear.
        exit_code: What the program returned; None before its end.
        started_at_s: When it started [s since 1970].
        ended_at_s: When it ended [s since 1970]; 0 before.
    """

    alive: bool
    exit_code: int | None
    started_at_s: float
    ended_at_s: float


def launch(
    attempt: Path, places: str, argv: Sequence[str], env: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start an attempt unless its folder is there already."""
    return subprocess.Popen(  # noqa: S603  # running what was asked for is its purpose
        ["/bin/sh", "-c", WRAPPER, "step", str(attempt), places, *argv],
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def look(attempt: Path, now_s: float) -> StepSeen:
    """Return how an attempt stands."""
    ended = _exit_of(attempt)
    started_s = attempt.stat().st_mtime if ended is None else 0.0
    process = attempt / "process"
    if process.exists():
        started_s = process.stat().st_mtime
    if ended is not None:
        return StepSeen(False, ended[0], started_s, ended[1])
    young = not process.exists() and now_s - started_s < _LAUNCH_S
    if young or group_of(attempt) is not None:
        return StepSeen(True, None, started_s, 0.0)
    ended = _exit_of(attempt)  # it may have ended between the two looks
    if ended is not None:
        return StepSeen(False, ended[0], started_s, ended[1])
    return StepSeen(False, None, started_s, now_s)


def tell(attempt: Path, number: signal.Signals) -> None:
    """Send a signal to every process of an attempt."""
    group = group_of(attempt)
    if group is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, number)


def group_of(attempt: Path) -> int | None:
    """Return the process group of an attempt that lives, or None.

    A process number alone may have been given anew; with its start it is sure.
    """
    try:
        pid, start = _identity((attempt / "process").read_text())
        now = _identity(Path(f"/proc/{pid}/stat").read_text())
    except (OSError, ValueError, IndexError):
        return None
    return pid if now == (pid, start) else None


def _identity(stat: str) -> tuple[int, str]:
    first, _, rest = stat.partition("(")
    return int(first), rest.rpartition(")")[2].split()[_STAT_START]


def _exit_of(attempt: Path) -> tuple[int, float] | None:
    try:
        code, at_s = (attempt / "exit").read_text().split()
    except OSError:
        return None
    return int(code), float(at_s)
