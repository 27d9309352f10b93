"""What a job is: code, declared inputs, declared outputs, limits.

The same object can be handed to any backend; this package runs it on one node.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from commonwatt.core.identifiers import JOB_FILE
from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import IsolatedJobError

MEGABYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLimits:
    """How much of the machine a job may use.

    Args:
        wall_s: Longest time from start to end [s].
        cpu_s: Most processor time of one process [s].
        memory_bytes: Most memory of all processes, files in memory included [B].
        processes: Most processes and threads at once.
        output_bytes: Most bytes in the output folder [B].
        output_files: Most files, folders and links in the output folder.
        scratch_bytes: Most bytes in /tmp and, separately, in /dev/shm [B].
        log_bytes: Most bytes kept of standard output and of standard error [B].
        cpus: Processors' worth of time per second.
    """

    wall_s: float = 600.0
    cpu_s: int = 3600
    memory_bytes: int = 2048 * MEGABYTE
    processes: int = 128
    output_bytes: int = 64 * MEGABYTE
    output_files: int = 256
    scratch_bytes: int = 256 * MEGABYTE
    log_bytes: int = MEGABYTE
    cpus: float = 2.0


class OutputKind(StrEnum):
    """What an output may be; the collector checks the bytes against it."""

    CSV = "csv"
    JSON = "json"
    TEXT = "text"
    PNG = "png"
    MODEL = "model"


class JobLanguage(StrEnum):
    """What a job is written in."""

    PYTHON = "python"
    R = "r"


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolatedJob:
    """One piece of work, complete: nothing else is visible to it.

    Args:
        code: The program.
        inputs: Host paths of data to read, by the name under which the job sees
            them in `/data`.
        outputs: Files that the job may leave in `/out`, with their kind.
        language: What the program is written in.
    """

    code: str
    inputs: dict[str, Path] = field(default_factory=dict[str, Path])
    outputs: dict[str, OutputKind] = field(default_factory=dict[str, OutputKind])
    limits: JobLimits = field(default_factory=JobLimits)
    language: JobLanguage = JobLanguage.PYTHON

    def __post_init__(self) -> None:
        # Here and not at the node, so that a job that was made is a job that can run, whichever
        # backend it is handed to.
        for name in (*self.inputs, *self.outputs):
            check_isolated_job_file_name(name)

    @property
    def code_sha256(self) -> str:
        """Return the digest that names the code in logs and reviews."""
        return hashlib.sha256(self.code.encode()).hexdigest()


def check_isolated_job_file_name(name: str) -> None:
    """Raise unless `name` is plain enough to be an input or output.

    Raises:
        IsolatedJobError: The name could climb, hide or carry a message.
    """
    # The name itself is not told: it could carry a record.
    if not JOB_FILE.fits(name):
        raise IsolatedJobError(
            "job",
            found=Message(
                "a name of {count} characters that is not plain", {"count": str(len(name))}
            ),
            wanted=Message(
                "lower-case letters, digits, _ and -, at most 40, then one short ending"
            ),
        )
