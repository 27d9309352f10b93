"""Limits on memory, processes and processor time of a whole job.

Both generations of control groups are driven through the same three moves:
make a group, let the launcher join it, remove it. Groups are made below the
caller's own group, so that a limit set on the caller still holds.

Sources: Linux `Documentation/admin-guide/cgroup-v1/`, `cgroup-v2.rst`.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import IsolationError
from commonwatt.sandbox.domain.job import JobLimits

ROOT: Final = Path("/sys/fs/cgroup")
_PERIOD_US: Final = 100_000


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """The folders of one job's control group, one a controller in version 1."""

    folders: dict[str, Path]

    @property
    def control_group_process_join_files(self) -> list[str]:
        """Return the files into which a process writes 0 to join."""
        return [str(folder / "cgroup.procs") for folder in dict.fromkeys(self.folders.values())]

    def isolated_job_pids(self) -> list[int]:
        """Return the processes that live in the group."""
        text = (self.folders["pids"] / "cgroup.procs").read_text(encoding="ascii")
        return [int(pid) for pid in text.split()]

    def memory_peak_bytes(self) -> int:
        """Return the most memory that the job held at once."""
        # Version 1 and version 2; kernels before 5.19 have no peak in version 2.
        for name in ("memory.max_usage_in_bytes", "memory.peak"):
            path = self.folders["memory"] / name
            if path.exists():
                return int(path.read_text(encoding="ascii"))
        return 0

    def cpu_s(self) -> float | None:
        """Return the processor time that the whole job used, where it is counted [s]."""
        if folder := self.folders.get("cpuacct"):
            return int((folder / "cpuacct.usage").read_text(encoding="ascii")) / 1e9
        folder = self.folders.get("cpu")
        if folder is None or not (folder / "cgroup.controllers").exists():
            return None
        fields = dict(
            line.split() for line in (folder / "cpu.stat").read_text("ascii").splitlines()
        )
        return int(fields["usage_usec"]) / 1e6

    def isolated_job_ran_out_of_memory(self) -> bool:
        """Return whether the kernel killed a process of the group for memory."""
        for name in ("memory.oom_control", "memory.events"):
            path = self.folders["memory"] / name
            if path.exists():
                fields = dict(line.split() for line in path.read_text("ascii").splitlines())
                return int(fields.get("oom_kill", "0")) > 0
        return False

    def kill(self, patience_s: float = 10.0) -> None:
        """Kill every process in the group and wait until it is empty.

        Raises:
            IsolationError: A process outlived SIGKILL for `patience_s`.
        """
        # The wall clock may be set while a job dies; this one cannot.
        deadline = time.monotonic() + patience_s
        if (switch := self.folders["pids"] / "cgroup.kill").exists():
            switch.write_text("1", encoding="ascii")  # version 2 kills forks in flight, too
        # In a loop: a process that was forking when the list was read is in the next one.
        while alive := self.isolated_job_pids():
            for pid in alive:
                _kill_isolated_process(pid)
            if time.monotonic() > deadline:
                raise IsolationError("cgroup", found=Message("a job that cannot be killed"))
            time.sleep(0.002)

    def remove(self) -> None:
        """Remove the empty group."""
        for folder in dict.fromkeys(self.folders.values()):
            if folder.exists():
                folder.rmdir()


def make_isolated_job_control_group(
    name: str, limits: JobLimits, *, root: Path = ROOT
) -> ControlGroup:
    """Make a control group with `limits` and return it.

    Raises:
        IsolationError: The machine offers no control of memory or processes.
    """
    unified = (root / "cgroup.controllers").exists()
    parents = (
        _unified_cgroup_parent_by_controller(root)
        if unified
        else _legacy_cgroup_parent_by_controller(root)
    )
    # These two keep a promise; processor time is only fairness and may be missing.
    for need in ("memory", "pids"):
        if need not in parents:
            raise IsolationError(
                f"cgroup {need}",
                found=Message("no such controller"),
                wanted=Message("control groups that limit memory and processes"),
            )
    group = ControlGroup({key: parent / f"commonwatt-{name}" for key, parent in parents.items()})
    try:
        for folder in dict.fromkeys(group.folders.values()):
            folder.mkdir()
        for key, settings in _control_group_setting_texts_by_controller(
            limits, unified=unified
        ).items():
            if key in group.folders:
                _write_control_group_settings(group.folders[key], settings)
    except OSError as error:
        group.remove()
        raise IsolationError(
            "cgroup", found=os.strerror(error.errno or 0), wanted=Message("a limit that holds")
        ) from None
    return group


def remove_orphaned_job_control_groups(*, root: Path = ROOT) -> None:
    """Remove the empty groups of runners that were killed before they could."""
    unified = (root / "cgroup.controllers").exists()
    parents = (
        {root / "commonwatt"}
        if unified
        else set(_legacy_cgroup_parent_by_controller(root).values())
    )
    for folder in (group for parent in parents for group in parent.glob("commonwatt-*-*")):
        if not is_isolated_job_runner_alive(folder.name.removeprefix("commonwatt-")):
            with suppress(OSError):  # its last process is still dying; the next sweep gets it
                folder.rmdir()


def is_isolated_job_runner_alive(name: str) -> bool:
    """Return whether the runner that a job's name begins with is alive.

    >>> is_isolated_job_runner_alive(f"{os.getpid()}-0")
    True
    """
    return Path("/proc", name.split("-", maxsplit=1)[0]).exists()


def _control_group_setting_texts_by_controller(
    limits: JobLimits, *, unified: bool
) -> dict[str, dict[str, str]]:
    quota = int(limits.cpus * _PERIOD_US)
    if unified:
        return {
            # No swap: pages of records must not reach a disk.
            "memory": {"memory.max": str(limits.memory_bytes), "memory.swap.max": "0"},
            "pids": {"pids.max": str(limits.processes)},
            "cpu": {"cpu.max": f"{quota} {_PERIOD_US}"},
        }
    return {
        "memory": {
            "memory.limit_in_bytes": str(limits.memory_bytes),
            "memory.memsw.limit_in_bytes": str(limits.memory_bytes),
        },
        "pids": {"pids.max": str(limits.processes)},
        "cpu": {"cpu.cfs_period_us": str(_PERIOD_US), "cpu.cfs_quota_us": str(quota)},
    }


def _write_control_group_settings(folder: Path, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        optional = "swap" in name or "memsw" in name
        if optional and not (folder / name).exists():
            continue  # a machine without swap has no such file and needs none
        (folder / name).write_text(value, encoding="ascii")


def _legacy_cgroup_parent_by_controller(root: Path) -> dict[str, Path]:
    parents: dict[str, Path] = {}
    for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            # Below the caller's own group, so that what an administrator allowed the caller still
            # binds the job.
            folder = root / controller / path.lstrip("/")
            if controller in ("memory", "pids", "cpu", "cpuacct") and folder.is_dir():
                parents[controller] = folder
    return parents


def _unified_cgroup_parent_by_controller(root: Path) -> dict[str, Path]:
    """Return the group of all jobs in version 2, with its controllers switched on.

    A group with processes of its own may not hand controllers down, so jobs live
    under a group of their own beside the caller's.
    """
    parent = root / "commonwatt"
    offered = set((root / "cgroup.controllers").read_text(encoding="ascii").split())
    controllers = sorted(offered & {"memory", "pids", "cpu"})
    switch = " ".join(f"+{controller}" for controller in controllers)
    parent.mkdir(exist_ok=True)
    for folder in (root, parent):
        (folder / "cgroup.subtree_control").write_text(switch, encoding="ascii")
    return dict.fromkeys(controllers, parent)


def _kill_isolated_process(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
