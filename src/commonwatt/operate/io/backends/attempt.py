"""One attempt of a job as a process of its own, which outlives whoever started it.

The wrapper is a shell of a few lines rather than Python, because it starts in a
millisecond. Whoever makes the folder `claim` has the attempt: the wrapper when it
comes up, or the one who looks for it in vain and gives it up; never both.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonwatt.core.errors import CommonwattError
from commonwatt.core.faults import machine_faults_as_storage_errors
from commonwatt.core.files import save_text
from commonwatt.core.messages import Message
from commonwatt.operate.domain.errors import BackendError
from commonwatt.processes.identity import (
    ProcessIdentity,
    is_process_alive,
    process_identity_and_state_in_stat_line,
    signal_process_group_and_tell_if_sent,
)
from commonwatt.processes.spawn import ProcessKind, run_process

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
# Apart from our pipes, too: whoever waits for their end would else wait for the job.
_APART: Final = 'setsid /bin/sh -c "$0" step "$@" < /dev/null > /dev/null 2>&1 &'
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
    """Start an attempt, unless its folder is there already.

    Raises:
        BackendError: It cannot be started; the attempt is given up, and the job is held.
    """
    try:
        with machine_faults_as_storage_errors(attempt):
            attempt.mkdir()
    except FileExistsError:
        return
    except CommonwattError as error:
        raise _attempt_start_error(attempt, error) from error
    try:
        save_text(places, attempt / "places.json", synced=False)
        # A shell in between, which leaves at once: the wrapper is nobody's child.
        shell = run_process(
            ["/bin/sh", "-c", _APART, WRAPPER, str(attempt), *argv],
            ProcessKind.CLUSTER_JOB,
            env={**os.environ, **env},
            timeout_s=_LAUNCH_S,
        )
        if shell.exit_code:
            raise BackendError(
                attempt.parent.name,
                found=Message("a shell that could not start it"),
                wanted=Message("a program that can be started"),
            )
    except CommonwattError as error:
        # Given up as whoever looks for it in vain would: nothing may come up afterwards. Where
        # even that cannot be written, the look gives it up once it is late.
        with suppress(OSError):
            signal_job_attempt(attempt, signal.SIGKILL)
        raise _attempt_start_error(attempt, error) from error


def _attempt_start_error(attempt: Path, error: CommonwattError) -> BackendError:
    return BackendError(attempt.parent.name, found=error.found, remedy=error.remedy)


def job_attempt_status(attempt: Path, now_s: float) -> AttemptStatus:
    """Return how an attempt stands."""
    process = attempt / "process"
    began = process if process.exists() else attempt
    started_s = began.stat().st_mtime
    alive = job_attempt_process_group_id_or_none(attempt) is not None or (
        began is attempt and not _is_attempt_given_up_claiming_if_so(attempt, now_s)
    )
    ended = _attempt_exit_code_and_end_s(
        attempt
    )  # asked last: what ended between two looks has ended
    if ended is not None:
        return AttemptStatus(False, ended[0], started_s, ended[1])
    return AttemptStatus(alive, None, started_s, 0.0 if alive else now_s)


def _is_attempt_given_up_claiming_if_so(attempt: Path, now_s: float) -> bool:
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
    if number == signal.SIGKILL and not _does_wrapper_hold_attempt_else_claim_it(attempt):
        (attempt / "lost").touch()
        return
    # The group and not the process: a training script leaves workers behind that would go on
    # holding GPUs.
    identity = _attempt_process_identity(attempt)
    if identity is not None:
        signal_process_group_and_tell_if_sent(identity, number)


def _does_wrapper_hold_attempt_else_claim_it(attempt: Path) -> bool:
    """Return whether the wrapper has the attempt, waiting until it says who it is."""
    try:
        (attempt / "claim").mkdir()
    except FileExistsError:
        until = time.monotonic() + 1.0
        while not (attempt / "process").exists() and time.monotonic() < until:
            time.sleep(0.005)
        return True
    return False


def job_attempt_process_group_id_or_none(attempt: Path) -> int | None:
    """Return the process group of an attempt that lives, or None."""
    identity = _attempt_process_identity(attempt)
    return identity.pid if identity is not None and is_process_alive(identity) else None


def _attempt_process_identity(attempt: Path) -> ProcessIdentity | None:
    try:
        return process_identity_and_state_in_stat_line((attempt / "process").read_text())[0]
    except (OSError, ValueError):
        return None


def _attempt_exit_code_and_end_s(attempt: Path) -> tuple[int, float] | None:
    try:
        code, at_s = (attempt / "exit").read_text().split()
    except OSError:
        return None
    return int(code), float(at_s)
