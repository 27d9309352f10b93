"""File systems in memory that belong to no mount table.

A detached mount is held by a file descriptor alone: the launcher places it in
the job's private table, the collector reads it after the job is dead, and it
is gone with the process that held it, however that process ends.

Source: Linux `fsopen(2)`, `fsconfig(2)`, `fsmount(2)`.
"""

from __future__ import annotations

import ctypes
import os

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import IsolationError

_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
_CLOEXEC, _SET_STRING, _CREATE = 1, 1, 6
# nosuid, nodev, noexec: nothing that a job writes can become a program with powers or a device.
_NOSUID_NODEV_NOEXEC = 2 | 4 | 8


def mount_isolated_memory_folder_fd(*, size_bytes: int, inodes: int, uid: int) -> int:
    """Return a descriptor of an empty folder that cannot grow past its limits.

    Raises:
        IsolationError: The kernel makes no such mount for this user.
    """
    settings = {
        "size": str(size_bytes),
        # A million empty files fill a machine as surely as one large one.
        "nr_inodes": str(inodes),
        "mode": "0700",
        "uid": str(uid),
        "gid": str(uid),
    }
    context = _mount_system_call_result(_FSOPEN, b"tmpfs", _CLOEXEC)
    try:
        for name, value in settings.items():
            _mount_system_call_result(
                _FSCONFIG, context, _SET_STRING, name.encode(), value.encode(), 0
            )
        _mount_system_call_result(_FSCONFIG, context, _CREATE, None, None, 0)
        return _mount_system_call_result(_FSMOUNT, context, _CLOEXEC, _NOSUID_NODEV_NOEXEC)
    finally:
        os.close(context)


def _mount_system_call_result(number: int, *arguments: int | bytes | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(number, *arguments))
    if result < 0:
        raise IsolationError(
            "mount",
            found=os.strerror(ctypes.get_errno()),
            wanted=Message("a Linux kernel 5.2 or newer, and the node run by root"),
        )
    return result
