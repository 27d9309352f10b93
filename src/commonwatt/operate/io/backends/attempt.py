"""One attempt of a job as a process of its own, which outlives whoever started it.

The wrapper is a shell of a few lines rather than Python, because it starts in a
millisecond. Whoever makes the folder `claim` has the attempt: the wrapper when it
comes up, or the one who looks for it in vain and gives it up; never both.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonwatt.core.files import save_text

# $1 is the attempt's folder, the rest is the program.
WRAPPER: Final = """
home=$1; shift
cd "$home" && mkdir claim 2>/dev/null || exit 0
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
class AttemptStatus:
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


def launch_job_attempt(
    attempt: Path, places: str, argv: Sequence[str], env: Mapping[str, str]
) -> None:
    """Start an attempt, unless its folder is there already."""
    try:
        attempt.mkdir()
    except FileExistsError:
        return
    save_text(places, attempt / "places.json", synced=False)
    # a shell in between, which leaves at once: the wrapper is nobody's child
    subprocess.run(  # noqa: S603  # running what was asked for is its purpose
        ["/bin/sh", "-c", 'setsid /bin/sh -c "$0" step "$@" &', WRAPPER, str(attempt), *argv],
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )


def job_attempt_status(attempt: Path, now_s: float) -> AttemptStatus:
    """Return how an attempt stands."""
    process = attempt / "process"
    began = process if process.exists() else attempt
    started_s = began.stat().st_mtime
    alive = attempt_process_group(attempt) is not None or (
        began is attempt and not _is_attempt_given_up(attempt, now_s)
    )
    ended = _attempt_exit_code_and_end_s(
        attempt
    )  # asked last: what ended between two looks has ended
    if ended is not None:
        return AttemptStatus(False, ended[0], started_s, ended[1])
    return AttemptStatus(alive, None, started_s, 0.0 if alive else now_s)


def _is_attempt_given_up(attempt: Path, now_s: float) -> bool:
    """Return whether an attempt without a process will never have one."""
    if (attempt / "lost").exists():
        return True
    # A machine under load may need seconds from the folder to the shell; giving up sooner would
    # start the job elsewhere while it comes up here.
    if now_s - attempt.stat().st_mtime < _LAUNCH_S:
        return False
    try:
        (attempt / "claim").mkdir()
    except FileExistsError:
        return now_s - (attempt / "claim").stat().st_mtime > _LAUNCH_S
    return True


def signal_job_attempt(attempt: Path, number: signal.Signals) -> None:
    """Send a signal to every process of an attempt.

    One that has not come up yet is not told, but by SIGKILL it is kept from coming up.
    """
    if number == signal.SIGKILL and not _wait_for_attempt_wrapper(attempt):
        (attempt / "lost").touch()
        return
    # The group and not the process: a training script leaves workers behind that would go on
    # holding GPUs.
    group = attempt_process_group(attempt)
    if group is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, number)


def _wait_for_attempt_wrapper(attempt: Path) -> bool:
    """Return whether the wrapper has the attempt, waiting until it says who it is."""
    try:
        (attempt / "claim").mkdir()
    except FileExistsError:
        until = time.monotonic() + 1.0
        while not (attempt / "process").exists() and time.monotonic() < until:
            time.sleep(0.005)
        return True
    return False


def attempt_process_group(attempt: Path) -> int | None:
    """Return the process group of an attempt that lives, or None.

    A process number alone may have been given anew; with its start it is sure.
    """
    try:
        pid, start, _ = _process_id_start_and_state((attempt / "process").read_text())
        *now, state = _process_id_start_and_state(Path(f"/proc/{pid}/stat").read_text())
    except (OSError, ValueError, IndexError):
        return None
    # A zombie has ended and keeps nothing but its number, which is not yet given anew.
    return pid if now == [pid, start] and state != "Z" else None


def _process_id_start_and_state(stat: str) -> tuple[int, str, str]:
    """Return process id, start in clock ticks and state of a line as proc(5) has it."""
    # The name in brackets may itself hold blanks and brackets: proc(5) is read from the last
    # bracket on.
    first, _, rest = stat.partition("(")
    words = rest.rpartition(")")[2].split()
    return int(first), words[_STAT_START], words[0]


def _attempt_exit_code_and_end_s(attempt: Path) -> tuple[int, float] | None:
    try:
        code, at_s = (attempt / "exit").read_text().split()
    except OSError:
        return None
    return int(code), float(at_s)
