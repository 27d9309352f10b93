"""A real Slurm on the loopback address, started and stopped by whoever needs one.

Debian's 22.05, one control daemon and many `slurmd -N` on one host, GPUs emulated by
character devices that every machine has. Each daemon is ended by its own process id.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

DAEMONS = ("munged", "slurmctld", "slurmd", "scontrol", "sbatch")


def _tool(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def have_slurm() -> bool:
    """Return whether this machine has all that is needed."""
    return os.getuid() == 0 and all(_tool(name) for name in DAEMONS)


def need_slurm() -> None:
    """Skip the test where there is no Slurm, but never in CI."""
    if have_slurm():
        return
    if os.environ.get("CI") == "true":
        pytest.fail("slurm-wlm missing in CI")
    pytest.skip("needs slurm-wlm and root")


@dataclass
class SlurmCluster:
    """A running cluster: `conf` is what SLURM_CONF should name."""

    folder: Path
    nodes: tuple[str, ...]
    gpus: int
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def conf(self) -> Path:
        return self.folder / "slurm.conf"

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.conf)}

    def run(self, *argv: str) -> str:
        finished = subprocess.run(
            [_tool(argv[0]) or argv[0], *argv[1:]],
            env=self.env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if finished.returncode:
            raise RuntimeError(f"{argv}: {finished.stderr.strip()}")
        return finished.stdout

    def kill_node(self, node: str) -> None:
        """End a node's daemon and every step on it at once, as a power cut would."""
        daemon = self.daemons.pop(node)
        for pid in _below(daemon.pid):
            _kill(pid, signal.SIGKILL)
        daemon.kill()
        daemon.wait()
        for pid in _steps_of(self.folder, node):
            _kill(pid, signal.SIGKILL)

    def start_node(self, node: str, *, booted: bool = False) -> None:
        """Start a node's daemon; `booted` lets it say that the machine has just started."""
        boot_options = ["-b"] if booted else []
        self._spawn(node, "slurmd", "-D", *boot_options, "-N", node, "-f", str(self.conf))

    def restart_control(self) -> None:
        """End the control daemon and start it again from its saved state."""
        daemon = self.daemons.pop("slurmctld")
        daemon.terminate()
        daemon.wait(20)
        self._spawn("slurmctld", "slurmctld", "-D", "-f", str(self.conf))
        self.wait_idle()

    def wait_idle(self, wait_s: float = 40.0) -> None:
        """Wait until every node answers."""
        until = time.monotonic() + wait_s
        while time.monotonic() < until:
            with contextlib.suppress(RuntimeError):
                states = self.run("sinfo", "-h", "-N", "-o", "%N %t").split("\n")
                if sum(line.endswith((" idle", " mix", " alloc")) for line in states) == len(
                    self.nodes
                ):
                    return
            time.sleep(0.2)
        raise RuntimeError("the cluster did not come up: " + self.log("slurmctld"))

    def log(self, daemon: str) -> str:
        path = self.folder / f"{daemon}.out"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""

    def stop(self) -> None:
        """End every daemon and every step that it left."""
        order = sorted(self.daemons, key=lambda name: (name == "munged", name != "slurmctld"))
        for name in order:
            daemon = self.daemons.pop(name)
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for node in self.nodes:
            for pid in _steps_of(self.folder, node):
                _kill(pid, signal.SIGKILL)

    def _spawn(self, name: str, *argv: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(
                [_tool(argv[0]) or argv[0], *argv[1:]],
                env=self.env, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                start_new_session=True, cwd=self.folder,
            )  # fmt: skip


@contextlib.contextmanager
def slurm_cluster(nodes: int = 16, gpus: int = 8) -> Iterator[SlurmCluster]:
    """Give a running cluster of `nodes` nodes with `gpus` GPUs each."""
    folder = Path(tempfile.mkdtemp(prefix="cwslurm-"))
    folder.chmod(0o755)
    cluster = SlurmCluster(folder, tuple(f"n{i:03d}" for i in range(nodes)), gpus)
    try:
        _write(cluster)
        munge = folder / "munge"
        cluster._spawn(
            "munged", "munged", "-F", "-f", f"--socket={munge}/socket", f"--key-file={munge}/key",
            f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed",
            "--num-threads=2",
        )  # fmt: skip
        _wait_for(munge / "socket")
        cluster._spawn("slurmctld", "slurmctld", "-D", "-f", str(cluster.conf))
        for node in cluster.nodes:
            cluster.start_node(node)
        cluster.wait_idle()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _write(cluster: SlurmCluster) -> None:
    folder = cluster.folder
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(mode=0o700 if name == "munge" else 0o755)
    (folder / "munge" / "key").write_bytes(os.urandom(128))
    (folder / "munge" / "key").chmod(0o400)
    control, *ports = _free_ports(len(cluster.nodes) + 1)
    # an emulated GPU needs a character device of its own
    (folder / "gres.conf").write_text(
        f"AutoDetect=off\nName=gpu File=/dev/tty[0-{cluster.gpus - 1}]\n"
    )
    cluster.ports = dict(zip(cluster.nodes, ports, strict=True))
    cluster.conf.write_text(CONF.format(
        folder=folder, port=control,
        nodes="\n".join(
            f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} "
            f"CPUs=64 RealMemory=65536 Gres=gpu:{cluster.gpus} State=UNKNOWN"
            for name, port in cluster.ports.items()
        ),
        names=",".join(cluster.nodes),
    ))  # fmt: skip


CONF = """\
ClusterName=loop
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmctldDebug=error
SlurmdDebug=error
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=5
PriorityType=priority/basic
SlurmdParameters=config_overrides
ReturnToService=1
SlurmdTimeout=30
RebootProgram=/bin/true
ResumeTimeout=120
InactiveLimit=0
KillWait=2
MinJobAge=300
MaxJobCount=20000
Waittime=0
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
GresTypes=gpu
{nodes}
PartitionName=all Nodes={names} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in sockets]
    finally:
        for listener in sockets:
            listener.close()


def _wait_for(path: Path, wait_s: float = 20.0) -> None:
    until = time.monotonic() + wait_s
    while not path.exists():
        if time.monotonic() > until:
            raise RuntimeError(f"{path.name} did not appear")
        time.sleep(0.02)


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _processes() -> Iterator[tuple[int, int, str]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError):
            stat = (entry / "stat").read_text()
            parent = int(stat.rpartition(")")[2].split()[1])
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            yield int(entry.name), parent, line


def _below(root: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for pid, parent, _ in _processes():
        parents.setdefault(parent, []).append(pid)
    descendants, queue = [], [root]
    while queue:
        children = parents.get(queue.pop(), [])
        descendants += children
        queue += children
    return descendants


def _steps_of(folder: Path, node: str) -> list[int]:
    """Return the step daemons of a node and what runs below them; they outlive slurmd."""
    steps = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            env = (entry / "environ").read_bytes()
            if f"SLURM_CONF={folder}".encode() in env or str(folder).encode() in env:
                line = (entry / "cmdline").read_bytes()
                if b"slurmstepd" in line or f"SLURMD_NODENAME={node}\0".encode() in env:
                    steps.append((int(entry.name), line, env))
    node_processes = [pid for pid, _, env in steps if f"SLURMD_NODENAME={node}\0".encode() in env]
    daemons = {pid for pid, line, _ in steps if b"slurmstepd" in line}
    parents = {pid: parent for pid, parent, _ in _processes()}
    above = {parents.get(pid, 0) for pid in node_processes} & daemons
    return [*above, *node_processes]
