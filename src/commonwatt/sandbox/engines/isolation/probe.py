"""The program that runs first on every node and tells what a job could do.

It reports facts; this side judges them, because a report that says "fine"
proves less than one that says what was tried.
"""

from __future__ import annotations

import json
from typing import Any, Final

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import IsolationError

PROBE: Final = r"""
import json, os, socket

def tried(action):
    try:
        action()
    except OSError as error:
        return error.errno
    return 0

status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(json.dumps({
    "interfaces": [line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line],
    "inet": tried(lambda: socket.socket(socket.AF_INET)),
    "inet6": tried(lambda: socket.socket(socket.AF_INET6)),
    "uid": os.getuid(),
    "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
    "no_new_privileges": int(status["NoNewPrivs"]),
    "filter": int(status["Seccomp"]),
    "processes": sum(name.isdigit() for name in os.listdir("/proc")),
    "root_write": tried(lambda: open("/written", "w")),
    "shadow": tried(lambda: open("/etc/shadow")),
    "descriptors": len(os.listdir("/proc/self/fd")),
}))
"""

_WANTED: Final[dict[str, tuple[Any, str]]] = {
    "interfaces": (["lo"], "no network device but the loop of the job itself"),
    # EACCES from our filter and not EAFNOSUPPORT, which a kernel without networking would give by
    # chance.
    "inet": (13, "no internet socket"),
    "inet6": (13, "no internet socket"),
    "uid": (1000, "a plain user id"),
    "capabilities": (0, "no capability"),
    "no_new_privileges": (1, "no way to new privileges"),
    "filter": (2, "a system call filter in force"),
    # bubblewrap's init and the probe itself.
    "processes": (2, "no process of others in sight"),
    "root_write": (30, "a read-only root"),
    "shadow": (2, "no file of the machine's accounts"),
    # Three streams and the folder that is being listed.
    "descriptors": (4, "no file of ours left open"),
}


def check_isolation_probe_log(probe_log: bytes) -> None:
    """Raise unless the probe's report shows every promise kept.

    Raises:
        IsolationError: Names the first promise that this machine does not keep.
    """
    try:
        report: dict[str, Any] = json.loads(probe_log)
    except ValueError:
        raise IsolationError(
            "probe", found=Message("no report"), wanted=Message("a probe that runs to its end")
        ) from None
    for name, (value, promise) in _WANTED.items():
        if report.get(name) != value:
            raise IsolationError(
                f"probe, {name}",
                found=str(report.get(name)),
                wanted=Message(promise),
                remedy=Message("This machine runs no job until the promise holds."),
            )
