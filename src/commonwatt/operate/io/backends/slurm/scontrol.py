"""One long-lived `scontrol` that is asked question after question."""

from __future__ import annotations

import os
import select
import shutil
import time
from collections.abc import Mapping

from commonwatt.core.errors import ProcessError
from commonwatt.core.messages import Message
from commonwatt.operate.domain.errors import BackendError
from commonwatt.processes.spawn import PIPE, TO_STDOUT, ChildProcess, ProcessKind, start_process

# One process for all questions: a fork and a connection for each would be paid for every job in
# every tick.
PROMPT = b"scontrol: "
_FAULTS = ("error:", "slurm_load")


class ScontrolProcess:
    """A running `scontrol`, started anew when it has died.

    Args:
        env: Its environment; `SLURM_CONF` says which cluster.
        wait_s: How long an answer may take [s].
    """

    def __init__(self, env: Mapping[str, str], wait_s: float = 30.0) -> None:
        self.env, self.wait_s = dict(env), wait_s
        self._child: ChildProcess | None = None

    def query(self, question: str) -> str:
        """Return what `scontrol` answers.

        Raises:
            BackendError: It does not answer, or refuses.
        """
        body = self._scontrol_answer(question).partition("\n")[
            2
        ]  # the first line repeats the question
        first = body.lstrip().partition("\n")[0]
        # Only the first line: a job's own name or comment may hold the word further down.
        if any(fault in first for fault in _FAULTS):
            raise BackendError(f"scontrol {_scontrol_verb_and_object(question)}", found=first[:300])
        return body

    def command(self, order: str) -> None:
        """Have `scontrol` do something, which it does without a word.

        Raises:
            BackendError: It does not answer, or has something to say.
        """
        complaint = self._scontrol_answer(order).partition("\n")[2].strip()
        if complaint:
            raise BackendError(
                f"scontrol {_scontrol_verb_and_object(order)}",
                found=complaint.splitlines()[0][:300],
            )

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _scontrol_answer(self, question: str) -> str:
        try:
            child = self._live_scontrol_process()
            assert child.stdin is not None
            child.stdin.write(f"{question}\n".encode())
            return self._read_until_prompt(child).decode(errors="replace")
        except (OSError, TimeoutError, ProcessError) as error:
            self.close()
            raise BackendError(
                f"scontrol {_scontrol_verb_and_object(question)}",
                found=Message("no answer ({kind})", {"kind": type(error).__name__}),
                wanted=Message("a Slurm control daemon that answers"),
            ) from None

    def _live_scontrol_process(self) -> ChildProcess:
        if self._child is None or self._child.poll() is not None:
            self.close()
            self._child = start_process(
                [slurm_program_path("scontrol"), "--oneliner", "--details"],
                ProcessKind.SCHEDULER,
                stdin=PIPE,
                stdout=PIPE,
                # Together, because an answer and its error must be read in the order in which
                # they were written.
                stderr=TO_STDOUT,
                env=self.env,
                unbuffered=True,
            )
        return self._child

    def _read_until_prompt(self, child: ChildProcess) -> bytes:
        """Read on until the prompt stands at the end: `scontrol` then waits again.

        The first answer is led in by a prompt of its own, before the question.
        """
        assert child.stdout is not None
        until, output = time.monotonic() + self.wait_s, bytearray()
        while not (output.endswith(b"\n" + PROMPT) and len(output) > len(PROMPT)):
            left_s = until - time.monotonic()
            if left_s <= 0 or not select.select([child.stdout], [], [], left_s)[0]:
                raise TimeoutError
            piece = os.read(child.stdout.fileno(), 1 << 18)
            if not piece:
                raise BrokenPipeError
            output += piece
        return bytes(output[: -len(PROMPT)])


def _scontrol_verb_and_object(question: str) -> str:
    return " ".join(question.split()[:2])


def slurm_program_path(name: str) -> str:
    """Return where a program of Slurm lies.

    Raises:
        BackendError: It is not installed.
    """
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if program is None:
        raise BackendError(
            name,
            found=Message("not installed"),
            remedy=Message("Install Slurm's client programs (slurm-client) on this machine."),
        )
    return program
