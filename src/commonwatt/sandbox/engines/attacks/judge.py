"""Lay out bait, run every attack as an isolated job, and judge by the bait.

An attack counts as stopped only when it met the sign of the layer that should
stop it, printed no success, carried no secret out, and left the bait untouched.
"""

from __future__ import annotations

import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonwatt.sandbox.domain.job import MEGABYTE, IsolatedJob, JobLimits
from commonwatt.sandbox.engines.attacks.programs import ATTACKS, PRELUDE, AttackProgram
from commonwatt.sandbox.engines.isolation.node import IsolationNode, JobOutcome

LIMITS: Final = JobLimits(
    wall_s=3.0,
    cpu_s=10,
    memory_bytes=192 * MEGABYTE,
    processes=64,
    output_bytes=4 * MEGABYTE,
    output_files=64,
    scratch_bytes=8 * MEGABYTE,
    log_bytes=MEGABYTE,
    cpus=1.0,
)
"""Tight enough that every bomb is over in a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackVerdict:
    """What became of one attack; `signs_met` are the signs that were seen."""

    attack: AttackProgram
    stopped: bool
    signs_met: frozenset[str]
    wall_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackBait:
    """Things of the host that no attack may reach."""

    secret: str
    folder: Path
    abstract: str
    pid: int
    victim: subprocess.Popen[bytes]
    listeners: tuple[socket.socket, ...]

    @property
    def placeholders(self) -> dict[str, str]:
        """Return what the programs call their bait."""
        return {
            "secret": self.secret,
            "secret_file": str(self.folder / "secret"),
            "other_room": str(self.folder / "rooms" / "other" / "rows"),
            "socket_file": str(self.folder / "socket"),
            "abstract": self.abstract,
            "pid": str(self.pid),
        }

    def is_attack_bait_untouched(self) -> bool:
        """Return whether every bait is as it was laid out."""
        return (
            self.victim.poll() is None
            and all(
                self._bait_file_is_intact(name) for name in ("secret", "rooms/other/rows", "rows")
            )
            and not any(_bait_socket_was_reached(listener) for listener in self.listeners)
        )

    def _bait_file_is_intact(self, name: str) -> bool:
        return (self.folder / name).read_text(encoding="ascii") == self.secret


def run_isolation_attacks(
    node: IsolationNode, folder: Path, attacks: Sequence[AttackProgram] = ATTACKS
) -> Iterator[AttackVerdict]:
    """Run `attacks` one after the other on `node` and yield a verdict for each.

    Args:
        node: Where they run, exactly as jobs do.
        folder: An empty folder for the bait, open to all users for passing.
        attacks: Which ones; all by default.
    """
    with place_isolation_attack_bait(folder) as bait:
        for attack in attacks:
            outcome = node.run(isolation_attack_job(attack, bait), to=folder)
            yield judge_isolation_attack(attack, outcome, bait)


def isolation_attack_job(attack: AttackProgram, bait: AttackBait) -> IsolatedJob:
    """Return the job that carries an attack out against `bait`."""
    code = PRELUDE + attack.program
    for name, value in bait.placeholders.items():
        code = code.replace("{{" + name + "}}", value)
    rows = bait.folder / "rows"
    return IsolatedJob(code=code, inputs={"rows": rows}, outputs=attack.outputs, limits=LIMITS)


def judge_isolation_attack(
    attack: AttackProgram, outcome: JobOutcome, bait: AttackBait
) -> AttackVerdict:
    """Judge one attack by what it met and what became of the bait."""
    met = attack_job_ending_signs(outcome)
    log = outcome.log.decode("utf-8", "replace")
    collected = [output.path.read_bytes() for output in outcome.outputs]
    # The right layer must have stopped it: an attack that failed for another reason proves
    # nothing of the layer that it is named for.
    stopped = (
        bool(met & attack.signs)
        and "ESCAPED" not in log
        and bait.secret not in log
        and not any(bait.secret.encode() in data for data in collected)
        and bait.is_attack_bait_untouched()
    )
    return AttackVerdict(attack=attack, stopped=stopped, signs_met=met, wall_s=outcome.wall_s)


def attack_job_ending_signs(outcome: JobOutcome) -> frozenset[str]:
    """Return every sign that a job's end shows."""
    signs = {outcome.ending.value, *(refusal.value for refusal in outcome.refusals)}
    for line in outcome.log.decode("utf-8", "replace").splitlines():
        if line.startswith("STOPPED "):
            signs.add(line.removeprefix("STOPPED ").strip())
    if outcome.log_cut:
        signs.add("LOG-CUT")
    # Python counts signals below zero, shells and bubblewrap above 128.
    number = -outcome.exit_code if outcome.exit_code < 0 else outcome.exit_code - 128
    if number in set(signal.Signals):
        signs.add(signal.Signals(number).name)
    return frozenset(signs)


@contextmanager
def place_isolation_attack_bait(folder: Path) -> Generator[AttackBait]:
    """Yield bait in `folder`; take it all away afterwards."""
    secret = secrets.token_hex(16)
    abstract = f"commonwatt-{secrets.token_hex(4)}"
    (folder / "rooms" / "other").mkdir(parents=True)
    for name in ("secret", "rooms/other/rows", "rows"):
        (folder / name).write_text(secret, encoding="ascii")
        # Readable by every user, so that only the isolation stands between an attack and the
        # bait.
        (folder / name).chmod(0o644)
    with ExitStack() as stack:
        listeners = tuple(
            stack.enter_context(_listen_on_bait_socket(address))
            for address in ("\0" + abstract, str(folder / "socket"))
        )
        # A live process with a secret in its environment, as a service on a shared machine would
        # be.
        victim = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"],
            env={"SECRET": secret},
        )
        stack.callback(victim.wait)
        stack.callback(victim.kill)
        yield AttackBait(
            secret=secret, folder=folder, abstract=abstract, pid=victim.pid,
            victim=victim, listeners=listeners,
        )  # fmt: skip


def _listen_on_bait_socket(address: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    listener.setblocking(False)
    return listener


def _bait_socket_was_reached(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True
