"""Walks a project's moves and kills itself, as `kill -9` does, at one numbered moment.

Run by its path: FOLDER MOMENT. A moment is each side of every commit
and of every file that gets its final name.
"""

import os
import signal
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from commonwatt.ledger import Key, Ledger
from commonwatt.sandbox.domain.job import OutputKind
from commonwatt.sandbox.engines.airlock.cohort import Cohort
from commonwatt.sandbox.engines.isolation.collect import CollectedOutput
from commonwatt.sandbox.engines.isolation.node import JobEnding, JobOutcome
from commonwatt.sandbox.engines.privacy import measures
from commonwatt.sandbox.engines.synthetic.tables import CategoryColumn, PersonColumn, SyntheticTable
from commonwatt.sandbox.usecases.projects.project import JobSubmission, Project

DATA = b"gender,n\nfemale,30\nmale,30\n"
COST, SYNTHETIC_COST = 0.05, 0.1


class Bomb:
    """Kills this process at one moment."""

    def __init__(self, moment: int) -> None:
        self.left = moment

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def arm(moment: int) -> None:
    """Put a moment on each side of every commit and of every final name of a file."""
    bomb = Bomb(moment)
    transaction, replace = Ledger.transaction, Path.replace

    @contextmanager
    def timed_transaction(self):
        with transaction(self) as tx:
            yield tx
            bomb()
        bomb()

    def timed_replace(self, target):
        bomb()
        new_path = replace(self, target)
        bomb()
        return new_path

    Ledger.transaction, Path.replace = timed_transaction, timed_replace


class Runner:
    """Leaves one table, without isolation, which has tests of its own."""

    def environment(self, language):
        return {}

    def run(self, job, *, to):
        import hashlib

        digest = hashlib.sha256(DATA).hexdigest()
        draft = to / ".draft"
        draft.write_bytes(DATA)
        output = CollectedOutput(
            name="n.csv",
            kind=OutputKind.CSV,
            sha256=digest,
            size_bytes=len(DATA),
            path=draft.replace(to / digest),
        )
        return JobOutcome(
            ending=JobEnding.DONE,
            exit_code=0,
            wall_s=1.0,
            cpu_s=1.0,
            memory_peak_bytes=1,
            outputs=(output,),
            refusals={},
            log=b"",
            log_cut=False,
        )


def walk(folder: Path, moment: int) -> None:
    """Submit, vote twice, release, query, synthesize, delete; print each answer on stdout."""
    custodian, researcher, first, second = (Key.from_seed(bytes([1 + i]) * 32) for i in range(4))
    project = Project(Ledger.open(folder / "state.db"), folder / "room", "harbour")
    at = datetime(2026, 11, 23, tzinfo=UTC)

    def now():
        nonlocal at
        at += timedelta(seconds=1)
        return at

    arm(moment)
    request = JobSubmission(
        code="", dataset="safe", tables=("Patient",), outputs={"n.csv": OutputKind.CSV},
        cohorts={"n.csv": Cohort(table="Patient", by=("gender",))},
    )  # fmt: skip
    output = project.submit(Runner(), request, by=researcher, at=now()).outcome.outputs[0].sha256
    for checker in (first, second):
        project.vote(output, approve=True, by=checker, at=now())
    project.release(output, folder / "released", by=custodian, at=now())
    for _ in range(2):
        query = project.query(
            "safe", lambda *_: measures.noisy_count_query(60).answer(COST), COST, purpose="n",
            by=researcher, at=now(),
        )  # fmt: skip
        os.write(1, b"answered\n" if query.answer else b"waits\n")
    domains = {"patient_id": PersonColumn(), "gender": CategoryColumn(("female", "male"))}
    project.synthesize(
        "safe",
        {"Patient": SyntheticTable(domains=domains, rows=20)},
        SYNTHETIC_COST,
        folder / "twin",
        seed=1,
        by=researcher,
        at=now(),
    )
    project.delete_dataset("raw", by=custodian, at=now())
    os.write(1, b"whole\n")


if __name__ == "__main__":
    walk(Path(sys.argv[1]), int(sys.argv[2]))
