"""The attacks: what each tries, which layer must stop it, and the sign of that.

A program ends by printing `ESCAPED`, or `STOPPED` and the sign it met. Names in
double braces are the judge's bait: a file, ports, a process, a secret.
"""

# ruff: noqa: E501

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from commonwatt.sandbox.domain.job import OutputKind

PRELUDE: Final = r"""
import ctypes, errno, os, signal, socket, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)

def say(word):
    print(word, flush=True)

def attempt(action):
    try:
        action()
    except OSError as error:
        say("STOPPED " + errno.errorcode.get(error.errno, str(error.errno)))
    except RuntimeError:
        say("STOPPED EAGAIN")
    else:
        say("ESCAPED")

def call(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "")

def write(path, data=b"x"):
    with open(path, "wb") as file:
        file.write(data)
"""

NETWORK: Final = "network namespace"
FILTER: Final = "system call filter"
FILES: Final = "private mount table"
READ_ONLY: Final = "read-only mounts"
PROCESSES: Final = "process namespace"
USER: Final = "user id of its own"
NO_POWERS: Final = "no capabilities"
LIMITS: Final = "limits per process"
GROUP: Final = "control group"
SIZED: Final = "sized folders in memory"
COLLECTOR: Final = "output collector"
DEADLINE: Final = "deadline"
CLEARED: Final = "cleared environment"
LOG: Final = "log cap"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackProgram:
    """One attempt to break a promise.

    Args:
        name: A short handle.
        layer: What must stop it.
        signs: Any of these shows that the layer did: an error's name, a job's
            ending, a collector's refusal, or a word that the program prints.
        outputs: What the job declares, for attacks through outputs.
    """

    name: str
    layer: str
    signs: frozenset[str]
    program: str
    outputs: dict[str, OutputKind] = field(default_factory=dict[str, OutputKind])


def _attack_program(
    name: str, layer: str, signs: str, program: str, **outputs: OutputKind
) -> AttackProgram:
    named = {f"loot.{ending}": kind for ending, kind in outputs.items()}
    return AttackProgram(
        name=name, layer=layer, signs=frozenset(signs.split("|")), program=program, outputs=named
    )


def _system_call_attack(
    name: str, layer: str, number: int, arguments: str = "0, 0, 0, 0, 0"
) -> AttackProgram:
    """Return an attack of one system call."""
    return _attack_program(name, layer, "EPERM", f"attempt(lambda: call({number}, {arguments}))")


def _file_open_attack(
    name: str, layer: str, path: str, signs: str = "ENOENT", mode: str = "rb"
) -> AttackProgram:
    """Return an attack of opening one file."""
    return _attack_program(name, layer, signs, f"attempt(lambda: open({path!r}, {mode!r}))")


def _socket_attack(name: str, family: int, kind: int = 1) -> AttackProgram:
    program = f"attempt(lambda: socket.socket({family}, {kind}))"
    return _attack_program(name, FILTER, "EACCES", program)


# Enters the kernel by the gate of 32-bit programs (int 0x80), where the same numbers mean other
# calls.
_MACHINE_CODE: Final = r"""
import mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("53b867010000bb02000000b90100000031d2cd805bc3"))
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
result = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
say("ESCAPED" if result >= 0 else "STOPPED " + errno.errorcode.get(-result, "?"))
"""

# Written and not truncated: only real bytes reach the limits on size.
_FILL: Final = r"""
def fill():
    with open(PLACE, "wb", buffering=0) as file:
        for _ in range(400):
            if file.write(bytes(1 << 20)) < (1 << 20):
                raise OSError(errno.ENOSPC, "")
attempt(fill)
"""

# Every family by itself, because a filter that lists families can forget one; the last tries all
# that there are.
NETWORK_ATTACKS: Final = (
    _socket_attack("tcp", 2),
    _socket_attack("tcp over ip version 6", 10),
    _socket_attack("udp", 2, 2),
    _socket_attack("raw internet packets", 2, 3),
    _socket_attack("raw link packets", 17, 3),
    _socket_attack("netlink to the kernel", 16, 3),
    _socket_attack("virtual machine socket", 40),
    _socket_attack("kernel cryptography socket", 38, 5),
    _socket_attack("bluetooth", 31),
    _socket_attack("can bus", 29, 3),
    _socket_attack("express data path", 44, 3),
    _attack_program("every other family", FILTER, "NONE", r"""
opened = []
for family in range(0, 64):
    for kind in (1, 2, 3, 5):
        if family != socket.AF_UNIX:
            try:
                opened.append(socket.socket(family, kind))
            except OSError:
                pass
say("ESCAPED" if opened else "STOPPED NONE")
"""),
    _attack_program("name lookup", FILTER, "NO-ADDRESS", r"""
try:
    socket.getaddrinfo("example.org", 80)
    say("ESCAPED")
except socket.gaierror:
    say("STOPPED NO-ADDRESS")
"""),
    _attack_program("abstract socket of the host", NETWORK, "ECONNREFUSED", r"""
attempt(lambda: socket.socket(socket.AF_UNIX).connect("\0{{abstract}}"))
"""),
    _attack_program("socket file of the host", FILES, "ENOENT", r"""
attempt(lambda: socket.socket(socket.AF_UNIX).connect("{{socket_file}}"))
"""),
    _attack_program("docker's socket", FILES, "ENOENT", r"""
attempt(lambda: socket.socket(socket.AF_UNIX).connect("/var/run/docker.sock"))
"""),
    _attack_program("network devices", NETWORK, "NONE", r"""
names = [line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line]
say("STOPPED NONE" if names == ["lo"] else "ESCAPED")
"""),
    _system_call_attack("rings that make calls unseen", FILTER, 425, "8, ctypes.create_string_buffer(256)"),
    _attack_program("calls of the 32-bit kind", FILTER, "SIGSYS", _MACHINE_CODE),
    _attack_program("calls of the x32 kind", FILTER, "SIGSYS", "attempt(lambda: call(0x40000029, 2, 1, 0))"),
)  # fmt: skip

# ENOENT is the sign wanted: EACCES would say that the file is in sight and only its mode stands
# between.
FILE_ATTACKS: Final = (
    _file_open_attack("bait beside the project", FILES, "{{secret_file}}"),
    _file_open_attack("bait in another project", FILES, "{{other_room}}"),
    _file_open_attack("shadow file", FILES, "/etc/shadow"),
    _file_open_attack("account list", FILES, "/etc/passwd"),
    _file_open_attack("host name of the machine", FILES, "/etc/hostname"),
    _file_open_attack("resolver", FILES, "/etc/resolv.conf"),
    _file_open_attack("keys of root", FILES, "/root/.ssh/id_rsa"),
    _file_open_attack("devices by sysfs", FILES, "/sys/class/net"),
    _file_open_attack("own control group", FILES, "/sys/fs/cgroup/memory/cgroup.procs"),
    _file_open_attack("physical memory", FILES, "/dev/mem"),
    _file_open_attack("kernel log device", FILES, "/dev/kmsg"),
    _file_open_attack("first disk", FILES, "/dev/vda", "ENOENT"),
    _file_open_attack("kernel core", USER, "/proc/kcore", "EACCES|EPERM|ENOENT"),
    _file_open_attack("write an input", READ_ONLY, "/data/rows", "EROFS|EACCES", "r+b"),
    _file_open_attack("write the run time", READ_ONLY, "/usr/lib/loot", "EROFS", "wb"),
    _file_open_attack("write the packages", READ_ONLY, "/opt/site/loot.py", "EROFS", "wb"),
    _file_open_attack("write the program", READ_ONLY, "/job/main.py", "EROFS|EACCES", "wb"),
    _file_open_attack("write the root", READ_ONLY, "/loot", "EROFS", "wb"),
    _file_open_attack("write below the devices", READ_ONLY, "/dev/loot", "EROFS", "wb"),
    _file_open_attack("core pattern", READ_ONLY, "/proc/sys/kernel/core_pattern", "EROFS|EACCES", "wb"),
    _file_open_attack("panic switch", READ_ONLY, "/proc/sysrq-trigger", "EROFS|EACCES|ENOENT", "wb"),
    _file_open_attack("root of the first process", FILES, "/proc/1/root{{secret_file}}", "ENOENT|EACCES"),
    _attack_program("climb out of the folder", FILES, "ENOENT", r"""
os.chdir("/out")
for _ in range(64):
    os.chdir("..")
attempt(lambda: open("." + "{{secret_file}}"))
"""),
    _attack_program("folders left open", FILES, "ENOENT|NONE", r"""
extra = [fd for fd in os.listdir("/proc/self/fd") if int(fd) > 3]
say("ESCAPED" if extra else "STOPPED NONE")
"""),
    _system_call_attack("open by file handle", FILTER, 304, "-100, ctypes.create_string_buffer(64), 0"),
    _system_call_attack("mount", FILTER, 165, 'b"none", b"/tmp", b"tmpfs", 0, 0'),
    _system_call_attack("bind mount", FILTER, 165, 'b"/data", b"/tmp", 0, 4096, 0'),
    _system_call_attack("unmount", FILTER, 166, 'b"/data", 2'),
    _system_call_attack("new mount calls", FILTER, 430, 'b"tmpfs", 0'),
    _system_call_attack("clone a mount tree", FILTER, 428, '-100, b"/", 1'),
    _system_call_attack("pivot the root", FILTER, 155, 'b"/tmp", b"/tmp"'),
    _system_call_attack("change the root", FILTER, 161, 'b"/tmp"'),
    _attack_program("disk device node", FILTER, "EPERM", r"""
attempt(lambda: os.mknod("/tmp/disk", 0o060600, os.makedev(254, 0)))
"""),
    _attack_program("hard link to an input", READ_ONLY, "EXDEV|EPERM|EROFS", r"""
attempt(lambda: os.link("/data/rows", "/out/loot.csv"))
""", csv=OutputKind.CSV),
)  # fmt: skip

# Calls that local exploits are made of, each refused by number before the kernel looks at its
# arguments.
POWER_ATTACKS: Final = (
    _attack_program("become root", NO_POWERS, "EPERM|EINVAL", "attempt(lambda: os.setuid(0))"),
    _attack_program("join a group", NO_POWERS, "EPERM|EINVAL", "attempt(lambda: os.setgroups([0]))"),
    _attack_program("become another job", NO_POWERS, "EPERM|EINVAL", r"""
attempt(lambda: os.setresuid(1879000001, 1879000001, 1879000001))
"""),
    _file_open_attack("run su", FILES, "/usr/bin/su"),
    _attack_program("own program with the root bit", SIZED, "EACCES", r"""
write("/tmp/su", b"\x7fELF")
os.chmod("/tmp/su", 0o4755)
attempt(lambda: os.execv("/tmp/su", ["su"]))
"""),
    _attack_program("powers held", NO_POWERS, "NONE", r"""
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
held = [status[name].strip() for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")]
say("STOPPED NONE" if all(int(mask, 16) == 0 for mask in held) else "ESCAPED")
"""),
    _attack_program("powers taken", NO_POWERS, "EPERM", r"""
head = struct.pack("Ii", 0x20080522, 0)
attempt(lambda: call(126, head, struct.pack("IIIIII", *[0xFFFFFFFF] * 6)))
"""),
    _system_call_attack("new user namespace", FILTER, 272, "0x10000000"),
    _attack_program("new namespace by clone", FILTER, "EPERM", r"""
attempt(lambda: call(56, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0))
"""),
    _attack_program("new namespace by clone3", FILTER, "ENOSYS", r"""
attempt(lambda: call(435, ctypes.create_string_buffer(struct.pack("Q", 0x10000000) + bytes(80)), 88))
"""),
    _attack_program("enter a namespace", FILTER, "EPERM|EACCES", r"""
attempt(lambda: call(308, os.open("/proc/self/ns/net", os.O_RDONLY), 0))
"""),
    _system_call_attack("trace a process", FILTER, 101, "16, 1, 0, 0"),
    _system_call_attack("read another's memory", FILTER, 310, "1, 0, 0, 0, 0, 0"),
    _system_call_attack("steal a descriptor", FILTER, 438, "3, 0, 0"),
    _system_call_attack("key ring", FILTER, 250, "0, -3, 1"),
    _system_call_attack("kernel program", FILTER, 321, "5, ctypes.create_string_buffer(128), 128"),
    _system_call_attack("performance counters", FILTER, 298, "ctypes.create_string_buffer(128), 0, -1, -1, 0"),
    _system_call_attack("page-fault handler", FILTER, 323, "1"),
    _system_call_attack("load a module", FILTER, 313, '0, b"", 0'),
    _system_call_attack("load a kernel", FILTER, 246, "0, 0, 0, 0"),
    _system_call_attack("restart the machine", FILTER, 169, "0xfee1dead, 672274793, 0, 0"),
    _system_call_attack("rename the machine", FILTER, 170, 'b"loot", 4'),
    _system_call_attack("set the clock", FILTER, 227, "0, ctypes.create_string_buffer(16)"),
    _system_call_attack("read the kernel log", FILTER, 103, "3, ctypes.create_string_buffer(64), 64"),
    _attack_program("type into the terminal", FILTER, "EPERM", r"""
attempt(lambda: __import__("fcntl").ioctl(0, 0x5412, b"x"))
"""),
    _attack_program("raise own limits", LIMITS, "EPERM|REFUSED", r"""
import resource
try:
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    say("ESCAPED")
except (OSError, ValueError):
    say("STOPPED REFUSED")
"""),
    _attack_program("real-time priority", LIMITS, "EPERM", r"""
attempt(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
"""),
    _attack_program("lock memory", LIMITS, "ENOMEM|EPERM|EAGAIN", r"""
def lock():
    if libc.mlockall(3) != 0:
        raise OSError(ctypes.get_errno(), "")
attempt(lock)
"""),
)  # fmt: skip

PROCESS_ATTACKS: Final = (
    _attack_program("kill a process of the host", PROCESSES, "ESRCH", r"""
attempt(lambda: os.kill({{pid}}, signal.SIGKILL))
"""),
    _attack_program("kill everything", PROCESSES, "KEPT-TO-ITSELF", r"""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
try:
    os.kill(-1, signal.SIGTERM)
except OSError:
    pass
say("STOPPED KEPT-TO-ITSELF")
"""),
    # The first process of a namespace takes no signal from inside that it has no handler for.
    _attack_program("kill the first process", PROCESSES, "EPERM|ALIVE", r"""
os.kill(1, signal.SIGSTOP)
time.sleep(0.05)
say("STOPPED ALIVE" if os.getppid() == 1 else "ESCAPED")
"""),
    _attack_program("see other processes", PROCESSES, "ALONE", r"""
seen = [name for name in os.listdir("/proc") if name.isdigit()]
say("STOPPED ALONE" if len(seen) <= 2 else "ESCAPED")
"""),
    _attack_program("environment of the first process", CLEARED, "NONE|EACCES|EPERM", r"""
try:
    text = open("/proc/1/environ", "rb").read()
    say("ESCAPED" if b"{{secret}}" in text else "STOPPED NONE")
except OSError:
    say("STOPPED EACCES")
"""),
    _attack_program("secrets in the environment", CLEARED, "NONE", r"""
known = {"HOME", "LANG", "TMPDIR", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED",
         "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "PWD"}
say("STOPPED NONE" if set(os.environ) <= known else "ESCAPED")
"""),
    # Children sleep, so that they all live at once and meet the limit and not the scheduler.
    _attack_program("fork bomb", GROUP, "EAGAIN", r"""
def bomb():
    for _ in range(5000):
        if os.fork() == 0:
            time.sleep(5)
            os._exit(0)
attempt(bomb)
os._exit(0)
"""),
    _attack_program("thread bomb", GROUP, "EAGAIN", r"""
import threading
def bomb():
    for _ in range(5000):
        threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
attempt(bomb)
os._exit(0)
"""),
    _attack_program("memory bomb", GROUP, "out of memory", r"""
kept = []
for _ in range(4000):
    kept.append(bytearray(b"x") * (1 << 20))
say("ESCAPED")
"""),
    _attack_program("memory bomb of many processes", GROUP, "out of memory", r"""
for _ in range(8):
    if os.fork() == 0:
        kept = [bytearray(b"x") * (1 << 20) for _ in range(500)]
        time.sleep(2)
        os._exit(0)
for _ in range(8):
    os.wait()
"""),
    _attack_program("run for ever", DEADLINE, "timed out", "while True: pass"),
    _attack_program("sleep through every signal", DEADLINE, "timed out", r"""
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
while True:
    time.sleep(60)
"""),
    _attack_program("daemon that outlives the deadline", DEADLINE, "timed out", r"""
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    os._exit(0)
time.sleep(60)
"""),
    _attack_program("daemon that outlives the job", PROCESSES, "done", r"""
if os.fork() == 0:
    os.setsid()
    time.sleep(60)
    write("{{secret_file}}")
    os._exit(0)
say("STOPPED")
"""),
    _attack_program("close the log and go on", DEADLINE, "timed out", r"""
for fd in (0, 1, 2):
    os.close(fd)
time.sleep(60)
"""),
)  # fmt: skip

# What a job leaves is the one way out, so most attempts are made here.
OUTPUT_ATTACKS: Final = (
    _attack_program("fill /tmp", SIZED, "ENOSPC|EFBIG", 'PLACE = "/tmp/loot"' + _FILL),
    _attack_program("fill shared memory", SIZED, "ENOSPC|EFBIG", 'PLACE = "/dev/shm/loot"' + _FILL),
    _attack_program("fill the output", SIZED, "ENOSPC|EFBIG", 'PLACE = "/out/loot.txt"' + _FILL),
    _attack_program("a million small files", SIZED, "ENOSPC", r"""
def spread():
    for number in range(1_000_000):
        write(f"/out/{number}", b"")
attempt(spread)
"""),
    _attack_program("a file of a terabyte of nothing", LIMITS, "EFBIG", r"""
write("/out/loot.txt")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
attempt(lambda: os.truncate("/out/loot.txt", 1 << 40))
""", txt=OutputKind.TEXT),
    _attack_program("endless log", LOG, "LOG-CUT", 'for _ in range(20): sys.stdout.write("x" * 100_000)'),
    _attack_program("link to the shadow file", COLLECTOR, "not a regular file", r"""
os.symlink("/etc/shadow", "/out/loot.txt")
""", txt=OutputKind.TEXT),
    _attack_program("link to bait of the host", COLLECTOR, "not a regular file", r"""
os.symlink("{{secret_file}}", "/out/loot.txt")
""", txt=OutputKind.TEXT),
    _attack_program("two names of one file", COLLECTOR, "more than one link", r"""
write("/out/loot.txt", b"text")
os.link("/out/loot.txt", "/out/other")
""", txt=OutputKind.TEXT),
    _attack_program("pipe in place of a file", FILTER, "EPERM", 'attempt(lambda: os.mkfifo("/out/loot.txt"))',
            txt=OutputKind.TEXT),
    _attack_program("socket in place of a file", COLLECTOR, "not a regular file", r"""
socket.socket(socket.AF_UNIX).bind("/out/loot.txt")
""", txt=OutputKind.TEXT),
    _attack_program("folder in place of a file", COLLECTOR, "not a regular file", r"""
os.mkdir("/out/loot.txt")
""", txt=OutputKind.TEXT),
    _attack_program("file with holes", COLLECTOR, "holes, larger than what is stored", r"""
write("/out/loot.txt")
os.truncate("/out/loot.txt", 1 << 20)
""", txt=OutputKind.TEXT),
    _attack_program("message in a file name", COLLECTOR, "undeclared name", r"""
write("/out/CHAN TAI MAN A123456(3)")
""", txt=OutputKind.TEXT),
    _attack_program("bytes that are no text in a file name", COLLECTOR, "undeclared name", r"""
write(b"/out/\xff\xfe\n")
""", txt=OutputKind.TEXT),
    _attack_program("undeclared file", COLLECTOR, "undeclared name", 'write("/out/more.csv", b"a\\n")'),
    _attack_program("pickle that runs code", COLLECTOR, "bytes that are not of the declared kind", r"""
import pickle
write("/out/loot.csv", pickle.dumps({"rows": [1, 2, 3]}))
""", csv=OutputKind.CSV),
    _attack_program("old pickle in plain letters", COLLECTOR, "bytes that are not of the declared kind", r"""
write("/out/loot.json", b"cos\nsystem\n(S'true'\ntR.")
""", json=OutputKind.JSON),
    _attack_program("zip bomb", COLLECTOR, "bytes that are not of the declared kind", r"""
import zipfile
with zipfile.ZipFile("/out/loot.txt", "w", zipfile.ZIP_DEFLATED) as file:
    file.writestr("zeros", bytes(20 << 20))
""", txt=OutputKind.TEXT),
    _attack_program("gzip bomb", COLLECTOR, "bytes that are not of the declared kind", r"""
import gzip
write("/out/loot.csv", gzip.compress(bytes(20 << 20)))
""", csv=OutputKind.CSV),
    _attack_program("program in place of a table", COLLECTOR, "bytes that are not of the declared kind", r"""
write("/out/loot.csv", b"\x7fELF" + bytes(60))
""", csv=OutputKind.CSV),
    _attack_program("rows behind the end of a picture", COLLECTOR, "bytes that are not of the declared kind",
            r"""
write("/out/loot.png", b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0IEND\xaeB`\x82" + b"A123456,3,1950-01-01")
""", png=OutputKind.PNG),
    _attack_program("rows between the parts of a picture", COLLECTOR,
            "words riding in a picture, taken out", r"""
import zlib
text = b"Comment\0A123456,3,1950-01-01"
def part(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
head = part(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
dots = part(b"IDAT", zlib.compress(b"\0\0"))
write("/out/loot.png", b"\x89PNG\r\n\x1a\n" + head + part(b"tEXt", text) + dots + part(b"IEND", b""))
""", png=OutputKind.PNG),
    _attack_program("control characters in text", COLLECTOR, "bytes that are not of the declared kind", r"""
write("/out/loot.txt", b"\x1b]0;loot\x07\x1b[2J")
""", txt=OutputKind.TEXT),
)  # fmt: skip

ATTACKS: Final = (
    *NETWORK_ATTACKS, *FILE_ATTACKS, *POWER_ATTACKS, *PROCESS_ATTACKS, *OUTPUT_ATTACKS,
)  # fmt: skip
