"""Start an isolated process, check its namespaces, let the job begin, and wait for its end.

Bubblewrap stops before the job's first instruction and says which namespaces
it made; the gate opens only when each differs from our own. After the end no
process of the job is left, so what it wrote can no longer change.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import commonwatt.sandbox.engines.isolation.launch as launch
from commonwatt.core.messages import Message
from commonwatt.processes.spawn import PIPE, TO_STDOUT, ChildProcess, ProcessKind, start_process
from commonwatt.sandbox.domain.errors import IsolationError
from commonwatt.sandbox.domain.job import JobLimits
from commonwatt.sandbox.engines.isolation.cgroups import ControlGroup
from commonwatt.sandbox.engines.isolation.seccomp import seccomp_filter_program

_NAMESPACES: Final = {
    "net": "network", "pid": "processes", "mnt": "files", "ipc": "shared memory",
    "uts": "host name", "cgroup": "control groups",
}  # fmt: skip
_PIECE: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolatedProcessResult:
    """How the first process of an isolated job ended, and the start of what it printed."""

    exit_code: int
    wall_s: float
    cpu_s: float
    timed_out: bool
    log: bytes
    log_cut: bool


def run_isolated_process(
    plan: Mapping[str, Any], folders: Mapping[str, int], group: ControlGroup, limits: JobLimits
) -> IsolatedProcessResult:
    """Run the isolated process that `plan` describes to its end.

    Args:
        plan: What `launch` reads, without descriptors.
        folders: Descriptors of folders in memory, by the name in the plan.
        group: The control group that the plan joins; empty again at the end.
        limits: Of time and of log.

    Raises:
        IsolationError: The isolation could not be built, or shares a namespace with
            us; the job's code did not run.
    """
    started = time.monotonic()
    with ExitStack() as stack:
        info, info_inside = _open_launcher_pipe(stack)
        gate_inside, gate = _open_launcher_pipe(stack)
        seccomp = _launcher_memory_file_fd(stack, seccomp_filter_program())
        inside = {"--seccomp": seccomp, "--info-fd": info_inside, "--block-fd": gate_inside}
        whole = _launcher_memory_file_fd(
            stack, json.dumps(_launch_plan_with_fds(plan, folders, inside)).encode()
        )
        process = _spawn_isolation_launcher((whole, *folders.values(), *inside.values()))
        try:
            # Our copy of the writing end must be closed, or the end of the report would never
            # come.
            _close_isolated_job_pipe_keeping_fd(info_inside)
            watch = _IsolatedProcessMonitor(process, limits, started)
            watch.read_isolated_job_until_end(info, gate)
        finally:
            # In any case, also when our own code failed: the first process may be gone and its
            # children not.
            group.kill()
            # Our own launcher, which a failure may have kept from joining the group.
            process.signal_group(signal.SIGKILL)
            # After the kill, so that the use of all children that it waited for is counted.
            use = process.wait_for_process_and_return_resource_use()
        watch.drain_job_log()
        # What was printed so far is from our own tools, because the gate never opened.
        if not watch.gate_opened:
            raise _isolation_build_error(watch)
        return IsolatedProcessResult(
            exit_code=process.exit_code or 0,
            wall_s=time.monotonic() - started,
            cpu_s=use.ru_utime + use.ru_stime,
            timed_out=watch.timed_out,
            log=bytes(watch.log),
            log_cut=watch.log_cut,
        )


class _IsolatedProcessMonitor:
    """What is seen of a running isolated process from outside."""

    def __init__(self, process: ChildProcess, limits: JobLimits, started: float) -> None:
        assert process.stdout is not None
        self.output = process.stdout
        os.set_blocking(self.output.fileno(), False)
        self.log, self.log_cut, self._keep = bytearray(), False, limits.log_bytes
        self.gate_opened = self.timed_out = False
        self._pid, self._deadline = process.pid, started + limits.wall_s
        self._info = bytearray()

    def read_isolated_job_until_end(self, info: int, gate: int) -> None:
        """Read what comes until the first process ends or time is up."""
        # A descriptor of the process: it cannot be reused by another as a number can, and it can
        # be waited for beside the pipes.
        exit_fd = os.pidfd_open(self._pid)
        try:
            with selectors.DefaultSelector() as selector:
                for fd in (info, self.output.fileno(), exit_fd):
                    selector.register(fd, selectors.EVENT_READ)
                while not self._handle_ready_and_tell_if_over(selector, info, gate, exit_fd):
                    pass
        finally:
            os.close(exit_fd)

    def _handle_ready_and_tell_if_over(
        self, selector: selectors.BaseSelector, info: int, gate: int, exit_fd: int
    ) -> bool:
        """Handle what is ready; return whether the watch is over."""
        remaining_s = self._deadline - time.monotonic()
        if remaining_s <= 0:
            self.timed_out = True
            return True
        ready = {key.fd for key, _ in selector.select(remaining_s)}
        if info in ready and not self._read_report_piece_and_tell_if_more(info, gate):
            selector.unregister(info)
        output = self.output.fileno()
        if output in ready and not self._read_log_piece_and_tell_if_more():
            selector.unregister(output)
        return exit_fd in ready

    def _read_report_piece_and_tell_if_more(self, info: int, gate: int) -> bool:
        """Collect bubblewrap's report; at its end check it and open the gate."""
        if piece := os.read(info, _PIECE):
            self._info += piece
            return True
        if self._info:
            # Before the gate: a namespace that is shared would be a hole from the first
            # instruction on.
            check_job_namespaces_differ_from_own(json.loads(self._info))
            os.write(gate, b"1")
            self.gate_opened = True
        return False

    def _read_log_piece_and_tell_if_more(self) -> bool:
        try:
            piece = os.read(self.output.fileno(), _PIECE)
        except BlockingIOError:
            return True
        # Read on and thrown away beyond the limit: a full pipe would stop the job and be a signal
        # to it.
        space = self._keep - len(self.log)
        self.log += piece[:space]
        self.log_cut = self.log_cut or len(piece) > space
        return bool(piece)

    def drain_job_log(self) -> None:
        """Read what the dead left in the pipe, and close it."""
        while True:
            try:
                piece = os.read(self.output.fileno(), _PIECE)
            except BlockingIOError:
                break
            if not piece:
                break
            space = self._keep - len(self.log)
            self.log += piece[:space]
            self.log_cut = self.log_cut or len(piece) > space
        self.output.close()


def check_job_namespaces_differ_from_own(
    report: Mapping[str, Any], own_namespaces: Path = Path("/proc/self/ns")
) -> None:
    """Raise unless every namespace in bubblewrap's report differs from our own.

    Raises:
        IsolationError: A namespace is shared, or not reported.
    """
    for name, meaning in _NAMESPACES.items():
        inode = report.get(f"{name}-namespace")
        if inode is None or inode == (own_namespaces / name).stat().st_ino:
            raise IsolationError(
                f"{name} namespace",
                found=Message("a job that would share the machine's {what}", {"what": meaning}),
                wanted=Message("a namespace of its own"),
            )


def _isolation_build_error(watch: _IsolatedProcessMonitor) -> IsolationError:
    """Return why the isolation failed; only our own tools have written so far."""
    lines = bytes(watch.log).decode("utf-8", "replace").strip().splitlines()
    return IsolationError(
        "bubblewrap",
        found=lines[-1] if lines else Message("no report before the time limit"),
        wanted=Message("isolation around the job; nothing was run"),
    )


def _launch_plan_with_fds(
    plan: Mapping[str, Any], folders: Mapping[str, int], inside: Mapping[str, int]
) -> dict[str, Any]:
    options = [argument for name, fd in inside.items() for argument in (name, str(fd))]
    return {
        **plan,
        "mounts": [{"fd": fd, "name": name} for name, fd in folders.items()],
        "keep_fds": list(inside.values()),
        "argv": [*plan["argv"], *options, "--", *plan["command"]],
    }


def _spawn_isolation_launcher(fds: tuple[int, ...]) -> ChildProcess:
    return start_process(
        [sys.executable, "-I", "-S", launch.__file__, str(fds[0])],
        ProcessKind.ISOLATED_JOB,
        stdout=PIPE,
        stderr=TO_STDOUT,
        pass_fds=fds,
        env={},
    )


def _open_launcher_pipe(stack: ExitStack) -> tuple[int, int]:
    read, write = os.pipe()
    stack.callback(os.close, read)
    stack.callback(os.close, write)
    return read, write


def _launcher_memory_file_fd(stack: ExitStack, data: bytes) -> int:
    fd = os.memfd_create("commonwatt", os.MFD_CLOEXEC)
    stack.callback(os.close, fd)
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _close_isolated_job_pipe_keeping_fd(fd: int) -> None:
    """Give up our end of a pipe but keep its number, which is closed later."""
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(nothing, fd, inheritable=False)
    os.close(nothing)
