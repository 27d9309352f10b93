"""The system calls that a job may not make, as a filter for the kernel.

The namespaces already take the network, other processes and other files
away. The filter takes away what is left to attack the kernel itself with:
calls that a study never makes and that local exploits are made of.

Sources: Linux `seccomp(2)`, `bpf(4)`; the numbers are those of x86-64 in
`arch/x86/entry/syscalls/syscall_64.tbl`.
"""

from __future__ import annotations

import errno
import platform
import struct
from typing import Final

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import IsolationError

DENIED: Final[dict[str, dict[str, int]]] = {
    "io_uring runs calls where no filter sees them": {
        "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    },
    "kernel key rings outlive the job": {"add_key": 248, "request_key": 249, "keyctl": 250},
    "reading or steering another process": {
        "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312,
        "pidfd_getfd": 438, "process_madvise": 440,
    },
    "new namespaces give new powers": {"unshare": 272, "setns": 308},
    "mounting changes what is visible": {
        "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "open_tree": 428,
        "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
        "mount_setattr": 442, "open_tree_attr": 467,
    },
    "file handles walk around the mount tree": {
        "name_to_handle_at": 303, "open_by_handle_at": 304,
    },
    "kernel programs, counters and page-fault handlers": {
        "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "lookup_dcookie": 212,
    },
    "changing the machine": {
        "init_module": 175, "finit_module": 313, "delete_module": 176, "kexec_load": 246,
        "kexec_file_load": 320, "reboot": 169, "swapon": 167, "swapoff": 168, "acct": 163,
        "quotactl": 179, "quotactl_fd": 443, "settimeofday": 164, "clock_settime": 227,
        "clock_adjtime": 305, "adjtimex": 159, "sethostname": 170, "setdomainname": 171,
        "iopl": 172, "ioperm": 173, "syslog": 103, "vhangup": 153, "nfsservctl": 180,
        "fanotify_init": 300, "modify_ldt": 154, "personality": 135, "uselib": 134,
        "mbind": 237, "set_mempolicy": 238, "migrate_pages": 256, "move_pages": 279,
        "mknod": 133, "mknodat": 259,
    },
}  # fmt: skip
"""Why, then which: each of these fails with EPERM."""

_X86_64: Final = 0xC000003E
_X32_BIT: Final = 0x40000000
_CLONE, _CLONE3, _SOCKET, _SOCKETPAIR, _IOCTL = 56, 435, 41, 53, 16
_NEW_NAMESPACES: Final = 0x7E020080  # NEWTIME NEWNS NEWCGROUP NEWUTS NEWIPC NEWUSER NEWPID NEWNET
_AF_UNIX: Final = 1
_TERMINAL_INJECTION: Final = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_NUMBER, _ARCH, _ARG0, _ARG1 = 0, 4, 16, 24

_LOAD, _JEQ, _JGE, _JSET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


def seccomp_filter_program() -> bytes:
    """Return the filter as the array of `struct sock_filter` that bubblewrap loads.

    Raises:
        IsolationError: The machine is no x86-64; a filter of foreign numbers
            would deny the wrong calls.

    >>> len(seccomp_filter_program()) % 8
    0
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        raise IsolationError(
            platform.machine(), wanted=Message("an x86-64 machine, for which the filter is written")
        )
    return b"".join(struct.pack("<HBBI", *line) for line in _seccomp_filter_instruction_fields())


def _seccomp_filter_instruction_fields() -> list[tuple[int, int, int, int]]:
    lines = [
        (_LOAD, 0, 0, _ARCH),
        # Calls of another architecture have other numbers for the same deeds; such a process is
        # killed, not refused.
        (_JEQ, 1, 0, _X86_64),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        # x32 calls carry the same architecture and a high bit in the number, and would slip past
        # every comparison below.
        (_JGE, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _KILL),
    ]
    for number in sorted({n for group in DENIED.values() for n in group.values()}):
        lines += _seccomp_lines_for_call(number, [_seccomp_refuse_line(errno.EPERM)])
    # glibc falls back from clone3, whose flags a filter cannot read, to clone.
    lines += _seccomp_lines_for_call(_CLONE3, [_seccomp_refuse_line(errno.ENOSYS)])
    lines += _seccomp_lines_for_call(
        _CLONE,
        [
            (_LOAD, 0, 0, _ARG0),
            (_JSET, 0, 1, _NEW_NAMESPACES),
            _seccomp_refuse_line(1),
            _seccomp_allow_line(),
        ],
    )
    # Refused with EACCES, which the probe and programs can tell from a kernel that lacks the
    # family.
    family = [(_LOAD, 0, 0, _ARG0), (_JEQ, 1, 0, _AF_UNIX)]
    for call in (_SOCKET, _SOCKETPAIR):
        lines += _seccomp_lines_for_call(
            call, [*family, _seccomp_refuse_line(errno.EACCES), _seccomp_allow_line()]
        )
    # TIOCSTI types into the terminal of whoever started the job; programs need every other ioctl.
    injection = [(_LOAD, 0, 0, _ARG1)]
    for request in _TERMINAL_INJECTION:
        injection += [(_JEQ, 0, 1, request), _seccomp_refuse_line(errno.EPERM)]
    lines += _seccomp_lines_for_call(_IOCTL, [*injection, _seccomp_allow_line()])
    return [*lines, _seccomp_allow_line()]


def _seccomp_lines_for_call(
    number: int, then: list[tuple[int, int, int, int]]
) -> list[tuple[int, int, int, int]]:
    return [(_JEQ, 0, len(then), number), *then]


def _seccomp_refuse_line(error: int) -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, _ERRNO | error)


def _seccomp_allow_line() -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, _ALLOW)
