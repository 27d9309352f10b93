"""A project with one person in each role, for tests that walk its moves."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from commonwatt.ledger import Key, Ledger, Person
from commonwatt.sandbox.domain.job import OutputKind
from commonwatt.sandbox.engines.airlock.cohort import Cohort
from commonwatt.sandbox.io.imports.dataset import import_fhir
from commonwatt.sandbox.io.store.opt_outs import ConsentScope
from commonwatt.sandbox.usecases.projects.project import JobSubmission, Project, ProjectFacts

START = datetime(2026, 11, 22, 8, tzinfo=UTC)
ROLES = ("data-custodian", "researcher", "output-checker", "output-checker", "auditor")
FACTS = ProjectFacts(
    name="harbour",
    purpose="a test",
    legal_basis="consent",
    scope=ConsentScope.AI_TRAINING,
    expires_on="2027-01-01",
)


class Clock:
    """Hands out moments that never go back."""

    def __init__(self):
        self.at = START

    def __call__(self):
        self.at += timedelta(seconds=1)
        return self.at


class SandboxProject:
    """A ledger with one person in each role, and a project with a signed dataset."""

    def __init__(self, folder: Path, people: int = 60, where: str = ""):
        self.now = Clock()
        self.ledger = Ledger.open(where or folder / "state.db")
        registrar = Key.from_seed(bytes(32))
        self.ledger.enrol_first_registrar(registrar, _person("registrar", 0), at=self.now())
        self.keys = [Key.from_seed(bytes([1 + i]) * 32) for i in range(len(ROLES))]
        with self.ledger.transaction() as tx:
            for i, role in enumerate(ROLES):
                self.ledger.enrol(
                    tx, _person(role, i), self.keys[i].public_key, by=registrar, at=self.now()
                )
        self.custodian, self.researcher, self.first, self.second, self.auditor = self.keys
        self.project = Project.open(
            self.ledger, folder / "room", FACTS, by=self.custodian, at=self.now()
        )
        lines = [_patient(i) for i in range(people)]
        (folder / "Patient.ndjson").write_text("\n".join(lines))
        self.project.import_dataset(
            lambda store: import_fhir([folder / "Patient.ndjson"], store, "raw"),
            by=self.custodian, at=self.now(),
        )  # fmt: skip
        _, report = self.project.deidentify("raw", "safe", by=self.custodian, at=self.now())
        self.report = report

    def sign(self):
        self.project.sign_dataset_risk_report(
            "safe", self.report.sha256, by=self.custodian, at=self.now()
        )

    def release(self, output, to):
        """Let both checkers approve an output, and release it."""
        for checker in (self.first, self.second):
            self.project.vote(output, approve=True, by=checker, at=self.now())
        return self.project.release(output, to, by=self.custodian, at=self.now())

    def submit(self, node, code, **cohorts):
        request = JobSubmission(
            code=code, dataset="safe", tables=("Patient",),
            outputs={"n.csv": OutputKind.CSV}, cohorts={"n.csv": cohorts["n"]} if cohorts else {},
        )  # fmt: skip
        return self.project.submit(node, request, by=self.researcher, at=self.now())


def _patient(number):
    facts = {"resourceType": "Patient", "id": f"p{number}", "birthDate": "1960-01-01"}
    return json.dumps(facts | {"gender": ("male", "female")[number % 2]})


def _person(role, number):
    return Person(name=f"{role} {number}", role=role, organisation="HA", device="test")


ALL_BY_SEX = Cohort(table="Patient", by=("gender",))
BY_SEX = (
    "import polars as pl\nt = pl.read_parquet('/data/patient')\n"
    "t.group_by('gender').len('n').sort('gender').write_csv('/out/n.csv')"
)
