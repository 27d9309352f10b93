"""The last steps of a trusted process before it becomes the isolated job.

Run as a script by `node`, alone in a fresh interpreter, with only the standard
library, because a fork of a threaded program may not do what this does. In
order: join the control group, leave the host's mount table, lay out what the
job may see, take the limits, become the job's user, turn into bubblewrap.
A step that fails ends the process before any foreign code has run.

Sources: Linux `mount_namespaces(7)`, `move_mount(2)`, `credentials(7)`.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
from typing import Any

_NEW_MOUNTS = 0x00020000
_PRIVATE, _RECURSIVE, _BIND = 1 << 18, 1 << 14, 1 << 12
_NOSUID, _NODEV = 2, 4
_MOVE_MOUNT, _EMPTY_PATH, _HERE = 429, 0x4, -100

_libc = ctypes.CDLL(None, use_errno=True)


def become_isolated_sandbox_job(plan_fd: int) -> None:
    """Read the plan from `plan_fd`, carry it out, become bubblewrap."""
    with os.fdopen(plan_fd, encoding="utf-8") as file:
        plan: dict[str, Any] = json.load(file)
    # First of all: everything that follows, forks included, is already counted and limited.
    for path in plan["cgroup_procs"]:
        _join_isolated_job_control_group(path, "0")
    _leave_host_mount_table(plan["stage"])
    for bind in plan["binds"]:
        _bind_mount_into_stage(bind["source"], f"{plan['stage']}/{bind['name']}")
    for mount in plan["mounts"]:
        _move_mount_into_stage(mount["fd"], f"{plan['stage']}/{mount['name']}")
    for name, limit in plan["rlimits"].items():
        resource.setrlimit(getattr(resource, name), (limit, limit))
    os.umask(0o077)
    # Groups before user: afterwards the right to drop them is gone.
    os.setgroups([])
    # Real, effective and saved: a saved root could be taken back.
    os.setresgid(plan["uid"], plan["uid"], plan["uid"])
    os.setresuid(plan["uid"], plan["uid"], plan["uid"])
    for fd in plan["keep_fds"]:
        os.set_inheritable(fd, True)
    # With an empty environment: the caller's holds paths and, on servers, secrets.
    os.execve(plan["argv"][0], plan["argv"], {})  # noqa: S606


def _leave_host_mount_table(stage: str) -> None:
    _check_isolated_job_mount_call(_libc.unshare(_NEW_MOUNTS))
    # Private first, or mounts made here would show in the host's table.
    _mount_for_isolated_job(None, "/", None, _PRIVATE | _RECURSIVE, None)
    _mount_for_isolated_job("stage", stage, "tmpfs", _NOSUID | _NODEV, "size=64k,mode=755")


def _bind_mount_into_stage(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.mkdir(target)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
    _mount_for_isolated_job(source, target, None, _BIND | _RECURSIVE, None)


def _move_mount_into_stage(fd: int, target: str) -> None:
    os.mkdir(target)
    _check_isolated_job_mount_call(
        _libc.syscall(_MOVE_MOUNT, fd, b"", _HERE, target.encode(), _EMPTY_PATH)
    )
    os.close(fd)  # else the job would inherit it


def _mount_for_isolated_job(
    source: str | None, target: str, kind: str | None, flags: int, data: str | None
) -> None:
    arguments = [
        None if argument is None else argument.encode() for argument in (source, target, kind, data)
    ]
    _check_isolated_job_mount_call(
        _libc.mount(arguments[0], arguments[1], arguments[2], ctypes.c_ulong(flags), arguments[3])
    )


def _check_isolated_job_mount_call(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), "launch")


def _join_isolated_job_control_group(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, text.encode())
    os.close(fd)


if __name__ == "__main__":
    become_isolated_sandbox_job(int(sys.argv[1]))
