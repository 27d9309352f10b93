"""Start a child process, wait for it, and stop it with all that it started.

Every child leads a session of its own, so that its group is exactly what it started
and a key pressed at our terminal does not reach it.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, Final

from commonwatt.core.errors import CommonwattError, ProcessError
from commonwatt.core.faults import FAULT_MESSAGES, MachineFault, machine_fault
from commonwatt.core.log import LogEvent, log_event
from commonwatt.core.messages import Message
from commonwatt.processes.identity import ProcessIdentity, process_identity

NOTHING: Final = subprocess.DEVNULL
PIPE: Final = subprocess.PIPE
TO_STDOUT: Final = subprocess.STDOUT
Stream = int | IO[bytes]
_LOOK_EVERY_S: Final = 0.02


class ProcessKind(StrEnum):
    """What a child is for; its word in the log."""

    CONSOLE_RESULT = "console-result"
    CONSOLE_TASK = "console-task"
    CLUSTER_JOB = "cluster-job"
    ISOLATED_JOB = "isolated-job"
    NODE_RESET = "node-reset"
    NODE_TEST = "node-test"
    REPORT_PRINT = "report-print"
    SCHEDULER = "scheduler"
    TEXT_RECOGNITION = "text-recognition"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedProcess:
    """How a child that was waited for ended."""

    exit_code: int
    stdout: bytes
    stderr: bytes


def start_process(
    argv: Sequence[str],
    kind: ProcessKind,
    *,
    env: Mapping[str, str] | None = None,
    stdin: Stream = NOTHING,
    stdout: Stream = NOTHING,
    stderr: Stream = NOTHING,
    pass_fds: Sequence[int] = (),
    unbuffered: bool = False,
) -> ChildProcess:
    """Start a child and return it.

    Args:
        argv: Program and arguments; no shell reads them.
        kind: What it is for.
        env: Its whole environment; ours by default.
        stdin: What it reads.
        stdout: Where it writes.
        stderr: Where it complains.
        pass_fds: Descriptors that it keeps.
        unbuffered: Whether our ends of its pipes are unbuffered.

    Raises:
        ProcessError: It cannot be started; nothing runs.
    """
    child = _spawned_process(
        argv,
        kind,
        env=env,
        streams=(stdin, stdout, stderr),
        pass_fds=pass_fds,
        unbuffered=unbuffered,
    )
    log_event(LogEvent.PROCESS_STARTED, kind=kind, process=child.pid)
    return child


def _spawned_process(
    argv: Sequence[str],
    kind: ProcessKind,
    *,
    env: Mapping[str, str] | None,
    streams: tuple[Stream, Stream, Stream],
    pass_fds: Sequence[int] = (),
    unbuffered: bool = False,
) -> ChildProcess:
    try:
        popen = subprocess.Popen(  # noqa: S603  each caller says where its words come from
            list(argv),
            env=None if env is None else dict(env),
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            pass_fds=tuple(pass_fds),
            start_new_session=True,
            bufsize=0 if unbuffered else -1,
        )
    except (OSError, subprocess.SubprocessError, MemoryError) as error:
        raise _process_spawn_error(argv[0], kind, error) from error
    return ChildProcess(popen, kind)


def run_process(
    argv: Sequence[str],
    kind: ProcessKind,
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    data: bytes = b"",
) -> FinishedProcess:
    """Run a child to its end and return what it wrote.

    Raises:
        ProcessError: It cannot be started, or has not ended in time; nothing of it runs.
    """
    # No line in the log for its start: a scheduler is asked three times a second.
    child = _spawned_process(argv, kind, env=env, streams=(PIPE, PIPE, PIPE))
    try:
        stdout, stderr = child.communicate(data, timeout_s)
    except subprocess.TimeoutExpired:
        log_event(LogEvent.PROCESS_STOPPED, kind=kind, process=child.pid)
        raise ProcessError(
            os.path.basename(argv[0]),
            found=Message("no end after {seconds} s", {"seconds": f"{timeout_s:g}"}),
            wanted=Message("a program that ends"),
        ) from None
    finally:
        child.kill()
    return FinishedProcess(exit_code=child.exit_code or 0, stdout=stdout, stderr=stderr)


class ChildProcess:
    """A child of ours, with the group that it leads."""

    def __init__(self, popen: subprocess.Popen[bytes], kind: ProcessKind) -> None:
        self._popen, self._kind = popen, kind
        # Our child cannot be reaped by anybody else, so that its number is still its own here.
        self.identity = process_identity(popen.pid) or ProcessIdentity(popen.pid, "")

    @property
    def pid(self) -> int:
        """Its number, which is its group's and its session's, too."""
        return self._popen.pid

    @property
    def stdin(self) -> IO[bytes] | None:
        """Our end of what it reads."""
        return self._popen.stdin

    @property
    def stdout(self) -> IO[bytes] | None:
        """Our end of what it writes."""
        return self._popen.stdout

    @property
    def exit_code(self) -> int | None:
        """What it returned, negative for a signal; None until it was reaped."""
        return self._popen.returncode

    def poll(self) -> int | None:
        """Reap it if it has ended; return its exit code, or None."""
        return self._popen.poll()

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for its end and return its exit code.

        Raises:
            TimeoutError: It still runs.
        """
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None

    def wait_for_process_and_return_resource_use(self) -> resource.struct_rusage:
        """Wait for its end; return what it used, with all the children that it waited for."""
        _, status, use = os.wait4(self.pid, 0)
        self._popen.returncode = os.waitstatus_to_exitcode(status)
        return use

    def communicate(self, data: bytes, timeout_s: float) -> tuple[bytes, bytes]:
        """Write `data` to it and return what it wrote until its end.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        return self._popen.communicate(data, timeout_s)

    def stop(self, *, grace_s: float) -> None:
        """Ask its group to end, kill what is left after `grace_s`, and reap it."""
        if self.exit_code is None:
            self.signal_group(signal.SIGTERM)
            until = time.monotonic() + grace_s
            while not self._has_child_process_ended_unreaped() and time.monotonic() < until:
                time.sleep(_LOOK_EVERY_S)
            log_event(LogEvent.PROCESS_STOPPED, kind=self._kind, process=self.pid)
        self.kill()

    def kill(self) -> None:
        """Kill its group, reap it and close our ends of its pipes."""
        if self.exit_code is None:
            self.signal_group(signal.SIGKILL)
            self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to what it started and itself, unless it was reaped."""
        # Reaped, its number may lead another's group by now. Until then the number is its own,
        # even where it has ended and only what it started goes on.
        if self.exit_code is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def release(self) -> None:
        """Let it outlive us without being waited for."""
        if self.poll() is None:
            # Without a code the interpreter would warn that it had been forgotten.
            self._popen.returncode = 0

    def _has_child_process_ended_unreaped(self) -> bool:
        """Return whether it has ended, without reaping it: its group is still to be killed."""
        state = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return state is not None


def _process_spawn_error(program: str, kind: ProcessKind, error: BaseException) -> CommonwattError:
    fault = machine_fault(error)
    name = os.path.basename(program)
    number = getattr(error, "errno", None) or 0
    if fault is None:
        log_event(LogEvent.PROCESS_NOT_STARTED, kind=kind, errno=number)
        sentence = Message("no such program") if isinstance(error, FileNotFoundError) else ""
        return ProcessError(
            name,
            found=sentence or Message("{kind} at its start", {"kind": type(error).__name__}),
            wanted=Message("a program that can be started"),
        )
    log_event(LogEvent.PROCESS_NOT_STARTED, kind=kind, errno=number, fault=fault)
    sentence, remedy = FAULT_MESSAGES[fault]
    if fault is MachineFault.NOT_PERMITTED:
        remedy = Message("Let this user run the program.")
    return ProcessError(name, found=sentence, remedy=remedy)
