"""What people hand to a project and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import commonwatt.sandbox.io.store.opt_outs as consent
from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import ProjectError
from commonwatt.sandbox.domain.job import IsolatedJob, JobLanguage, JobLimits, OutputKind
from commonwatt.sandbox.domain.lifecycle import OutputState
from commonwatt.sandbox.engines.airlock.checks import StopReason
from commonwatt.sandbox.engines.airlock.cohort import Cohort
from commonwatt.sandbox.engines.airlock.training import ProjectTrainingDeclaration
from commonwatt.sandbox.engines.isolation.node import JobOutcome
from commonwatt.sandbox.engines.privacy.measures import NoisyAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFacts:
    """What a project is for; fixed when it opens."""

    name: str
    purpose: str
    legal_basis: str
    scope: consent.ConsentScope
    expires_on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSubmission:
    """A job as a researcher hands it in.

    Args:
        dataset: A signed dataset of the project.
        tables: Tables to read, which the job sees as `/data/<table in small letters>`.
        cohorts: The people that an output counts, by output, or by `output:column`
            where it has several columns of counts.
        training: What a model learns from, seen as `/data/train`; the job then sees
            no row of the people whom the project keeps back.
    """

    code: str
    dataset: str
    tables: tuple[str, ...]
    outputs: dict[str, OutputKind]
    cohorts: dict[str, Cohort] = field(default_factory=dict[str, Cohort])
    training: ProjectTrainingDeclaration | None = None
    language: JobLanguage = JobLanguage.PYTHON
    limits: JobLimits = field(default_factory=JobLimits)

    def __post_init__(self) -> None:
        if len({table.lower() for table in self.tables}) < len(self.tables):
            raise ProjectError(
                self.dataset,
                found=Message("two tables that a job would see under one name"),
                wanted=Message("tables whose names differ by more than capitals"),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionResult:
    """How a job ended, and what the checks said of each output."""

    job: str
    outcome: JobOutcome
    states: dict[str, OutputState]
    stops: dict[str, list[StopReason]]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """A question that was paid for.

    Args:
        output: The SHA-256 of the answer's bytes.
        state: Released where the pre-approved cost covers it, else waiting for votes.
        answer: The answer, if it is released.
    """

    output: str
    state: OutputState
    answer: NoisyAnswer | None


class IsolatedJobRunner(Protocol):
    """Whatever runs a job isolated: a `IsolationNode`, or a backend that starts one elsewhere."""

    def run(self, job: IsolatedJob, *, to: Path) -> JobOutcome:
        """Run a job to its end and collect its outputs into the folder `to`."""
        ...

    def environment(self, language: JobLanguage) -> Mapping[str, str]:
        """Return what jobs run on, by name, so that a run can be repeated."""
        ...
