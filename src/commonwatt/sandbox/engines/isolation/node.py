"""One machine that runs isolated jobs, having proved that the isolation holds.

The layers, from the outside in: a user id that owns nothing, a control group,
a private mount table that shows only run time, code and inputs, bubblewrap's
namespaces without capabilities, a system call filter, limits per process, and
at the end the output collector. `prove` names the promise that each keeps.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from commonwatt.core.log import LogEvent, log_event
from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import IsolationError
from commonwatt.sandbox.domain.job import IsolatedJob, JobLanguage, JobLimits
from commonwatt.sandbox.engines.isolation.cgroups import (
    ControlGroup,
    is_isolated_job_runner_alive,
    make_isolated_job_control_group,
    remove_orphaned_job_control_groups,
)
from commonwatt.sandbox.engines.isolation.collect import (
    CollectedOutput,
    CollectionRefusal,
    collect_isolated_job_outputs,
)
from commonwatt.sandbox.engines.isolation.mounts import mount_isolated_memory_folder_fd
from commonwatt.sandbox.engines.isolation.probe import PROBE, check_isolation_probe_log
from commonwatt.sandbox.engines.isolation.runtime import JobRuntime, isolated_program_path
from commonwatt.sandbox.engines.isolation.supervise import (
    IsolatedProcessResult,
    run_isolated_process,
)

# Far above the ids of people and services, so that a job's user owns no file of the machine.
_FIRST_UID: Final = 1_879_000_000
_UIDS: Final = 256
_ISOLATION_OPTIONS: Final = (
    "--unshare-user --unshare-all --disable-userns --die-with-parent"
    " --new-session --clearenv --cap-drop ALL"
)
_INSIDE_UID: Final = "1000"
_SCRATCH_INODES: Final = 4096
_TOOLS: Final = Path(__file__).with_name("inside")
"""What a job may import, shown as `/opt/room`."""


class JobEnding(StrEnum):
    """How a job ended."""

    DONE = "done"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutcome:
    """What is known of a job that ran; holds no value of a record.

    Args:
        exit_code: Of the program; negative is the signal that ended it.
        log: Kept beginning of standard output and error. It was written by
            foreign code beside records: it stays in the project.
    """

    ending: JobEnding
    exit_code: int
    wall_s: float
    cpu_s: float
    memory_peak_bytes: int
    outputs: tuple[CollectedOutput, ...]
    refusals: dict[CollectionRefusal, int]
    log: bytes
    log_cut: bool


@dataclass(frozen=True, slots=True)
class IsolationNode:
    """A machine whose isolation was proved; make one with `prove_node`."""

    folder: Path
    runtime: JobRuntime
    bubblewrap: Path

    def environment(self, language: JobLanguage) -> Mapping[str, str]:
        """Return what jobs run on, by name, so that a run can be repeated."""
        return self.runtime.isolated_job_environment_record(language)

    def run(self, job: IsolatedJob, *, to: Path) -> JobOutcome:
        """Run `job` to its end and collect its outputs into the folder `to`.

        Raises:
            IsolationError: A layer could not be put in place; nothing ran.
        """
        with ExitStack() as stack:
            uid = stack.enter_context(_claim_isolated_job_uid(self.folder))
            isolation = stack.enter_context(_prepared_isolation_of_job(self, job, uid))
            log_event(LogEvent.ISOLATED_JOB_STARTED)
            process = run_isolated_process(
                isolation.plan, isolation.folders, isolation.group, job.limits
            )
            collection = collect_isolated_job_outputs(
                isolation.folders["out"], job.outputs, to, limit=job.limits.output_bytes
            )
            ending = _isolated_job_ending(process, isolation.group)
            # Neither its exit code nor what it used: a job chooses both, and could speak by them.
            log_event(LogEvent.ISOLATED_JOB_ENDED, ending=ending)
            return JobOutcome(
                ending=ending,
                exit_code=process.exit_code,
                wall_s=process.wall_s,
                # The group counts every process; where it is not counted, the first process and
                # those it waited for stand in.
                cpu_s=isolation.group.cpu_s() or process.cpu_s,
                memory_peak_bytes=isolation.group.memory_peak_bytes(),
                outputs=collection.outputs,
                refusals=collection.refusals,
                log=process.log,
                log_cut=process.log_cut,
            )


@dataclass(frozen=True, slots=True)
class _PreparedIsolation:
    """Everything that stands before the first process of a job."""

    group: ControlGroup
    folders: dict[str, int]
    plan: dict[str, Any]


def _isolated_job_ending(process: IsolatedProcessResult, group: ControlGroup) -> JobEnding:
    # Asked first: a job that is killed for memory ends like any other killed one.
    if group.isolated_job_ran_out_of_memory():
        return JobEnding.OUT_OF_MEMORY
    if process.timed_out:
        return JobEnding.TIMED_OUT
    return JobEnding.DONE if process.exit_code == 0 else JobEnding.FAILED


def prove_node(folder: Path, *, runtime: JobRuntime | None = None) -> IsolationNode:
    """Prove that this machine can isolate a job, and return it as a node.

    A probe runs exactly as jobs will and reports what it can see and do.

    Args:
        folder: Where the node keeps locks and stages; made if need be. Every
            folder above it must be open to all users for passing through.
        runtime: The programs that jobs may use; by default our own.

    Raises:
        IsolationError: A promise cannot be kept here; nothing else will run.
    """
    if os.geteuid() != 0:
        raise IsolationError(
            "node",
            found=Message("an ordinary user"),
            wanted=Message("root, who alone can give each job a user id of its own"),
        )
    (folder / "stage").mkdir(parents=True, exist_ok=True)
    _remove_leftover_job_stages(folder / "stage")
    node = IsolationNode(folder, runtime or JobRuntime(), bubblewrap_program_path())
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        outcome = node.run(IsolatedJob(code=PROBE, limits=JobLimits(wall_s=30.0)), to=Path(scratch))
    # The probe takes the way of every job, so that what it proves is what jobs get.
    check_isolation_probe_log(outcome.log)
    return node


def _remove_leftover_job_stages(stages: Path) -> None:
    """Remove what runners left that were killed."""
    remove_orphaned_job_control_groups()
    for path in stages.iterdir():
        if not is_isolated_job_runner_alive(path.name):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()


def bubblewrap_program_path() -> Path:
    """Return the path of bubblewrap.

    Raises:
        IsolationError: It is not installed.
    """
    path = shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin")
    if path is None:
        raise IsolationError(
            "bwrap",
            found=Message("no such program"),
            remedy=Message("Install it: apt install bubblewrap"),
        )
    return Path(path)


@contextmanager
def _claim_isolated_job_uid(folder: Path) -> Generator[int]:
    """Yield a user id that no other job on this machine has, by a lock on a file."""
    locks = folder / "uids"
    locks.mkdir(exist_ok=True)
    for slot in range(_UIDS):
        # A lock on an open file goes with its process, however that ends; a file that only exists
        # would be left by a kill.
        fd = os.open(locks / str(slot), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            continue
        try:
            yield _FIRST_UID + slot
        finally:
            os.close(fd)
        return
    raise IsolationError(
        str(folder), found=Message("{count} jobs already running", {"count": str(_UIDS)})
    )


@contextmanager
def _prepared_isolation_of_job(
    node: IsolationNode, job: IsolatedJob, uid: int
) -> Generator[_PreparedIsolation]:
    name = f"{os.getpid()}-{uid - _FIRST_UID}"
    stage = node.folder / "stage" / name
    stage.mkdir(parents=True, exist_ok=True)
    program = node.folder / "stage" / f"{name}.program"
    with ExitStack() as stack:
        stack.callback(stage.rmdir)
        program.write_text(job.code, encoding="utf-8")
        program.chmod(0o444)
        stack.callback(program.unlink)
        group = make_isolated_job_control_group(name, job.limits)
        # Callbacks run in reverse: kill, then remove, since a group with processes cannot be
        # removed.
        stack.callback(group.remove)
        stack.callback(group.kill)
        folders = _isolated_job_memory_folder_fds(job.limits, uid)
        for fd in folders.values():
            stack.callback(os.close, fd)
        plan = _isolation_launch_plan(node, job, uid, stage=stage, program=program, group=group)
        yield _PreparedIsolation(group, folders, plan)


def _isolated_job_memory_folder_fds(limits: JobLimits, uid: int) -> dict[str, int]:
    sizes = {
        "out": (limits.output_bytes, limits.output_files),
        "tmp": (limits.scratch_bytes, _SCRATCH_INODES),
        "shm": (limits.scratch_bytes, _SCRATCH_INODES),
    }
    return {
        name: mount_isolated_memory_folder_fd(size_bytes=size, inodes=inodes, uid=uid)
        for name, (size, inodes) in sizes.items()
    }


def _isolation_launch_plan(
    node: IsolationNode,
    job: IsolatedJob,
    uid: int,
    *,
    stage: Path,
    program: Path,
    group: ControlGroup,
) -> dict[str, Any]:
    sources = {"python": node.runtime.prefix, "site": node.runtime.site, "room": _TOOLS}
    sources |= {"program": program}
    sources |= {f"in-{name}": path for name, path in job.inputs.items()}
    for path in sources.values():
        # A link among the inputs could point anywhere by the time it is mounted.
        _check_job_input_is_no_link(path)
    return {
        "stage": str(stage),
        "uid": uid,
        "cgroup_procs": group.control_group_process_join_files,
        "binds": [{"source": str(path), "name": name} for name, path in sources.items()],
        "rlimits": _isolated_job_rlimit_by_name(job.limits),
        "argv": _bubblewrap_argv(node, job, stage),
        "command": node.runtime.command(job.language),
    }


def _isolated_job_rlimit_by_name(limits: JobLimits) -> dict[str, int]:
    return {
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": limits.cpu_s,
        "RLIMIT_FSIZE": max(limits.output_bytes, limits.scratch_bytes),
        "RLIMIT_MEMLOCK": 65536,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_NICE": 0,
        "RLIMIT_NOFILE": 1024,
        "RLIMIT_NPROC": limits.processes,
        "RLIMIT_RTPRIO": 0,
        "RLIMIT_SIGPENDING": 1024,
    }


def _bubblewrap_argv(node: IsolationNode, job: IsolatedJob, stage: Path) -> list[str]:
    argv = [str(node.bubblewrap), *_ISOLATION_OPTIONS.split(), "--hostname", "room"]
    argv += ["--uid", _INSIDE_UID, "--gid", _INSIDE_UID]
    argv += _bubblewrap_library_arguments()
    argv += ["--ro-bind", str(stage / "python"), str(node.runtime.prefix)]
    argv += ["--ro-bind", str(stage / "site"), "/opt/site"]
    argv += ["--ro-bind", str(stage / "room"), "/opt/room"]
    argv += ["--ro-bind", str(stage / "program"), isolated_program_path(job.language)]
    argv += node.runtime.bubblewrap_language_mount_arguments(job.language)
    for name in job.inputs:
        argv += ["--ro-bind", str(stage / f"in-{name}"), f"/data/{name}"]
    argv += ["--proc", "/proc", "--dev", "/dev"]
    for name, target in (("out", "/out"), ("tmp", "/tmp"), ("shm", "/dev/shm")):  # noqa: S108
        argv += ["--bind", str(stage / name), target]
    # Last, after every mount point was made; nothing but the three folders stays writable.
    argv += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]  # noqa: S108
    for key, value in node.runtime.variables(job.language, job.limits).items():
        argv += ["--setenv", key, value]
    return argv


def _bubblewrap_library_arguments() -> list[str]:
    # Libraries only: no /usr/bin, so that no shell and no program with the set-user bit is in
    # sight.
    argv = ["--ro-bind", "/usr/lib", "/usr/lib"]
    for library in ("/usr/lib64", "/lib", "/lib64"):
        path = Path(library)
        if path.is_symlink():
            argv += ["--symlink", str(path.readlink()), library]
        elif path.exists():
            argv += ["--ro-bind", library, library]
    return [*argv, "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]


def _check_job_input_is_no_link(path: Path) -> None:
    if path.is_symlink() or not (path.is_file() or path.is_dir()):
        raise IsolationError(
            str(path.name), wanted=Message("a file or folder that exists and is no link")
        )
