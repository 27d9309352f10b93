"""An isolated job as a command, for a backend that starts it on another machine.

`prepare_isolated_job_handover` writes a job into a folder that both machines see and returns the
exact command and environment; Slurm runs it as `srun --export=NONE … argv`, as
root of the machine, because each job gets a user id of its own there. The
command proves that machine's isolation, runs the job in the same isolation as
always, and leaves what was collected and how it ended. `collect_isolated_job_outcome` reads
that, believes no byte without its digest and its kind, and returns the same
`JobOutcome` as `IsolationNode.run`. `RemoteJobRunner` is both as a runner for `Project.submit`.

The backend's own limits (`srun --mem --cpus-per-task --time`) come on top and
must not be below the job's. The folder holds no record, only paths of tables.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from commonwatt.core.files import save_bytes, save_text
from commonwatt.core.hashes import file_sha256
from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import IsolationError
from commonwatt.sandbox.domain.job import IsolatedJob, JobLanguage, JobLimits, OutputKind
from commonwatt.sandbox.engines.isolation.collect import CollectedOutput, CollectionRefusal
from commonwatt.sandbox.engines.isolation.node import JobEnding, JobOutcome, prove_node
from commonwatt.sandbox.engines.isolation.output_kinds import cleaned_output_bytes_or_none
from commonwatt.sandbox.engines.isolation.runtime import JobRuntime

_JOB, _ENDED, _LOG, _OUTPUTS = "job.json", "ended.json", "log", "outputs"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverStep:
    """What a backend needs to start an isolated job.

    Args:
        argv: The command, whole.
        environment: Its whole environment; nothing of the caller's is wanted.
        stage: The folder that both machines see.
        limits: What the backend must grant at least.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    stage: Path
    limits: JobLimits


def prepare_isolated_job_handover(job: IsolatedJob, stage: Path, node_folder: Path) -> HandoverStep:
    """Write `job` into the new folder `stage` and return the command that runs it.

    Args:
        job: What to run; its inputs must lie where both machines see them.
        stage: Does not exist yet; only its owner may enter.
        node_folder: Where the other machine keeps locks and stages.
    """
    stage.mkdir(mode=0o700, parents=True)
    (stage / _OUTPUTS).mkdir(mode=0o700)
    inputs = {
        name: {"path": str(path.resolve()), "sha256": file_sha256(path)}
        for name, path in job.inputs.items()
    }
    facts = {
        "code": job.code, "language": job.language.value, "inputs": inputs,
        "outputs": job.outputs, "limits": asdict(job.limits),
    }  # fmt: skip
    (stage / _JOB).write_text(json.dumps(facts), encoding="utf-8")
    # Isolated mode: neither the user's packages nor variables of the environment decide what runs
    # as root.
    argv = (sys.executable, "-I", "-m", __name__, str(stage), str(node_folder))
    return HandoverStep(
        argv=argv, environment={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}, stage=stage,
        limits=job.limits,
    )  # fmt: skip


def collect_isolated_job_outcome(step: HandoverStep, to: Path) -> JobOutcome:
    """Return how a step ended, with its outputs checked again and moved into `to`.

    Raises:
        IsolationError: The step left no end, or other bytes than it says.
    """
    try:
        facts: dict[str, Any] = json.loads((step.stage / _ENDED).read_bytes())
        log = (step.stage / _LOG).read_bytes()
    except (OSError, ValueError):
        raise IsolationError(
            "step", found=Message("no end on record"), wanted=Message("a step that ran to its end")
        ) from None
    outputs = tuple(
        _checked_handover_output(step.stage, output, to) for output in facts.pop("outputs")
    )
    refusals = {CollectionRefusal(name): count for name, count in facts.pop("refusals").items()}
    ending = JobEnding(facts.pop("ending"))
    return JobOutcome(ending=ending, outputs=outputs, refusals=refusals, log=log, **facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteJobRunner:
    """A runner whose jobs a backend starts.

    Args:
        stages: A folder that both machines see.
        node_folder: Where the other machine keeps locks and stages.
        submit_step: Starts a step and returns when it has ended, well or not.
        runtime: What jobs run on there.
    """

    stages: Path
    node_folder: Path
    submit_step: Callable[[HandoverStep], object]
    runtime: JobRuntime = field(default_factory=JobRuntime)

    def environment(self, language: JobLanguage) -> Mapping[str, str]:
        """Return what jobs run on, by name."""
        return self.runtime.isolated_job_environment_record(language)

    def run(self, job: IsolatedJob, *, to: Path) -> JobOutcome:
        """Run `job` elsewhere and collect its outputs into the folder `to`."""
        step = prepare_isolated_job_handover(
            job, self.stages / f"step-{secrets.token_hex(6)}", self.node_folder
        )
        try:
            self.submit_step(step)
            return collect_isolated_job_outcome(step, to)
        finally:
            shutil.rmtree(step.stage)


def _checked_handover_output(stage: Path, output: Mapping[str, Any], to: Path) -> CollectedOutput:
    """Return one output, if its bytes are those that the step named, of their kind."""
    kind = OutputKind(output["kind"])
    fd = os.open(stage / _OUTPUTS / str(output["sha256"]), os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(fd, "rb") as file:
        data = file.read()
    # The folder is shared, so it is believed no more than a job's own output folder.
    if (
        hashlib.sha256(data).hexdigest() != output["sha256"]
        or cleaned_output_bytes_or_none(data, kind) != data
    ):
        raise IsolationError("step", found=Message("bytes other than those collected"))
    path = save_bytes(data, to / str(output["sha256"]), mode=0o600)
    return CollectedOutput(
        name=str(output["name"]), kind=kind, sha256=str(output["sha256"]), size_bytes=len(data),
        path=path, trimmed=bool(output["trimmed"]),
    )  # fmt: skip


def _read_handover_job(stage: Path) -> IsolatedJob:
    """Return the job of a stage, if its inputs are the bytes that were meant.

    Raises:
        IsolationError: An input is not.
    """
    facts: dict[str, Any] = json.loads((stage / _JOB).read_text(encoding="utf-8"))
    inputs = {name: Path(file["path"]) for name, file in facts["inputs"].items()}
    for name, path in inputs.items():
        # A shared file system may show an older file, and a job must not run on rows that were
        # not meant.
        if file_sha256(path) != facts["inputs"][name]["sha256"]:
            raise IsolationError(name, found=Message("bytes other than those meant"))
    return IsolatedJob(
        code=facts["code"], inputs=inputs, language=JobLanguage(facts["language"]),
        outputs={name: OutputKind(kind) for name, kind in facts["outputs"].items()},
        limits=JobLimits(**facts["limits"]),
    )  # fmt: skip


def _run_isolated_job_handover(stage: Path, node_folder: Path) -> None:
    """Do a step on this machine; the end is written last."""
    outcome = prove_node(node_folder).run(_read_handover_job(stage), to=stage / _OUTPUTS)
    (stage / _LOG).write_bytes(outcome.log)
    facts = {
        "ending": outcome.ending.value, "exit_code": outcome.exit_code, "wall_s": outcome.wall_s,
        "cpu_s": outcome.cpu_s, "memory_peak_bytes": outcome.memory_peak_bytes,
        "refusals": {refusal.value: count for refusal, count in outcome.refusals.items()},
        "log_cut": outcome.log_cut,
        "outputs": [
            {"name": output.name, "kind": output.kind.value, "sha256": output.sha256,
             "trimmed": output.trimmed}
            for output in outcome.outputs
        ],
    }  # fmt: skip
    # The end is the last file and appears whole: a step that was killed has none.
    save_text(json.dumps(facts), stage / _ENDED)


if __name__ == "__main__":
    _run_isolated_job_handover(Path(sys.argv[1]), Path(sys.argv[2]))
