"""The example project: the whole chain on synthetic patients, as a section of the report."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

import commonwatt.sandbox.domain.measures as measures
from commonwatt.catalogue.measures import (
    TEXT,
    Measure,
    TableColumn,
    measure_label_text,
    measure_value_text,
)
from commonwatt.catalogue.tables import TableSchema
from commonwatt.core.errors import CommonwattError
from commonwatt.core.messages import Message
from commonwatt.core.shipped import DATA as SHIPPED
from commonwatt.ledger import Key, Ledger, Person, actor_id_of
from commonwatt.report import (
    ReportFact,
    ReportSection,
    ReportTable,
    report_fact,
    report_table_of_rows,
)
from commonwatt.sandbox.domain.job import OutputKind
from commonwatt.sandbox.engines.airlock.cohort import Cohort
from commonwatt.sandbox.engines.airlock.training import ProjectTrainingDeclaration, TrainingFeature
from commonwatt.sandbox.engines.isolation.node import prove_node
from commonwatt.sandbox.engines.privacy.measures import NoisyAnswer, noisy_count_query
from commonwatt.sandbox.engines.risk.report import RiskReport
from commonwatt.sandbox.engines.synthetic.domains import load_synthetic_table_plans_by_name
from commonwatt.sandbox.io.imports.dataset import Dataset, import_fhir
from commonwatt.sandbox.io.store.opt_outs import ConsentScope
from commonwatt.sandbox.io.store.people_tables import people_in_tables
from commonwatt.sandbox.usecases.projects.base import KEY
from commonwatt.sandbox.usecases.projects.project import (
    JobSubmission,
    Project,
    ProjectFacts,
    SubmissionResult,
)

DATA: Final = SHIPPED / "sandbox" / "example"
_ROLES: Final = ("data-custodian", "researcher", "output-checker", "output-checker")
_TABLES: Final = ("Patient", "Condition", "Encounter")
_HYPERTENSION: Final = "38341003"
"""SNOMED CT: hypertensive disorder."""
_BUDGET, _COUNT_COST, _SYNTHETIC_COST = 3.0, 0.5, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxExample:
    """What the example project did; `jobs` are none where no job could be isolated.

    Args:
        people_count: A noisy count of the people, which left by pre-approved release.
        synthetic: Made-up rows by table, on which the researcher wrote the programs.
        spent: Privacy budget that count and synthetic data cost together [epsilon].
        attack_auc: How well the model tells its own people from those kept back.
    """

    raw: Dataset
    risk: RiskReport
    people_count: NoisyAnswer
    synthetic: dict[str, pl.DataFrame]
    spent: float
    jobs: list[SubmissionResult]
    no_job: CommonwattError | None
    attack_auc: float | None
    released: dict[str, bytes]
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleProjectReport:
    """What a report shows of the example project.

    Args:
        section: Its section.
        tables: What a run keeps of it, by name.
        no_job: Why no job was run, where this machine cannot isolate one.
    """

    section: ReportSection
    tables: dict[str, pl.DataFrame]
    no_job: CommonwattError | None


def run_example(folder: Path, *, now: datetime) -> SandboxExample:
    """Walk the chain in `folder`: open, import, assess, query, synthesize, run, review, release.

    Where the machine cannot isolate a job, the chain ends after the synthetic data, and says why.

    Args:
        folder: Empty, and open to all users for passing through.
        now: The time of the first step; each later step is a second later.
    """
    ledger = Ledger.open(folder / "ledger.db")
    clock = _ExampleClock(now)
    keys = _enrol_example_project_keys(ledger, clock)
    custodian = keys[0]
    facts = ProjectFacts(
        name="example", purpose="Who has hypertension?", legal_basis="synthetic data",
        scope=ConsentScope.AI_TRAINING, expires_on=(now + timedelta(days=1)).date().isoformat(),
    )  # fmt: skip
    _write_example_project_key(folder / "room")
    project = Project.open(ledger, folder / "room", facts, by=custodian, at=next(clock))
    raw = project.import_dataset(
        lambda store: import_fhir([DATA / f"{name}.ndjson.zst" for name in _TABLES], store, "raw"),
        by=custodian,
        at=next(clock),
    )
    _, report = project.deidentify("raw", "safe", by=custodian, at=next(clock))
    project.sign_dataset_risk_report("safe", report.sha256, by=custodian, at=next(clock))
    people, synthetic = _query_and_synthesize(project, keys, clock, folder / "twin")
    jobs, no_job, released = list[SubmissionResult](), None, dict[str, bytes]()
    try:
        node = prove_node(folder / "node")
    # The report must come out on machines without root or bubblewrap, too; what could not be
    # shown there is named in its notes.
    except CommonwattError as error:
        no_job = error
    else:
        for request in (_example_count_job(), _example_model_job()):
            job = project.submit(node, request, by=keys[1], at=next(clock))
            jobs.append(job)
            released |= _approve_and_release_outputs_by_name(
                project, job, keys, clock, folder / "released"
            )
    models, entries = project.status()["models"], ledger.head().size
    # The folder is deleted right after, and a pooled connection would hold its database open.
    ledger.engine.dispose()
    return SandboxExample(
        raw=raw, risk=report, people_count=people, synthetic=synthetic,
        spent=_COUNT_COST + _SYNTHETIC_COST, jobs=jobs,
        no_job=no_job, attack_auc=models[0]["attack_auc"] if models else None, released=released,
        entries=entries,
    )  # fmt: skip


def example_project_report(language: str, *, now: datetime) -> ExampleProjectReport:
    """Run the example in a folder of its own and return what a report shows of it."""
    with tempfile.TemporaryDirectory(prefix="commonwatt-project-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # a job's user must be able to pass through
        example = run_example(folder, now=now)
    return ExampleProjectReport(
        section=example_project_section(example, language),
        tables=sandbox_example_attack_tables(example),
        no_job=example.no_job,
    )


def example_project_section(example: SandboxExample, language: str) -> ReportSection:
    """Return the report's section on the example project."""
    return ReportSection(
        name="sandbox",
        title=Message("Use data without seeing it: a data project").translate(language),
        lede=Message(
            "A custodian imports {people} synthetic patients, removes what says who they are,"
            " attacks what is left, and lets a study run inside; only checked results leave.",
            {"people": f"{example.raw.rows['Patient']:,}"},
        ).translate(language),
        facts=_example_reidentification_risk_facts(example, language),
        tables=[
            _example_project_figures_table(example, language),
            *_project_released_output_tables(example, language),
        ],
        notes=_example_missing_isolation_notes(example, language),
    )


def sandbox_example_attack_tables(example: SandboxExample) -> dict[str, pl.DataFrame]:
    """Return the tables that a run keeps of the example project."""
    rows = [
        {"attacker": name, "knows": attack.knows, "people": attack.people,
         "claimed_share": attack.claimed_share, "success_share": attack.success_share}
        for name, attack in (
            ("neighbour, raw data", example.risk.before),
            ("neighbour, de-identified", example.risk.after),
            ("diary, de-identified", example.risk.diary),
        )
        if attack is not None
    ]  # fmt: skip
    return {measures.ATTACKS.name: measures.ATTACKS.frame_from_rows(rows)}


def _write_example_project_key(folder: Path) -> None:
    """Write a project key that is no secret, so that a study's tables can be repeated.

    Nobody real stands in it; every other project makes a key of its own.
    """
    folder.mkdir(mode=0o700)
    (folder / KEY).write_bytes(hashlib.sha256(b"the example room").digest())
    (folder / KEY).chmod(0o600)


class _ExampleClock:
    """Hands out moments, each a second after the one before."""

    def __init__(self, now: datetime) -> None:
        self._at = now

    def __next__(self) -> datetime:
        self._at += timedelta(seconds=1)
        return self._at


def _enrol_example_project_keys(ledger: Ledger, clock: _ExampleClock) -> list[Key]:
    """Enrol a registrar and one person in each role, with keys made for the example."""
    registrar = Key.generate()
    ledger.enrol_first_registrar(registrar, _example_project_person("registrar", 0), at=next(clock))
    keys = [Key.generate() for _ in _ROLES]
    with ledger.transaction() as tx:
        for number, (role, key) in enumerate(zip(_ROLES, keys, strict=True), start=1):
            person = _example_project_person(role, number)
            ledger.enrol(tx, person, key.public_key, by=registrar, at=next(clock))
    return keys


def _example_project_person(role: str, number: int) -> Person:
    return Person(name=f"example {number}", role=role, organisation="example", device="example")


def _query_and_synthesize(
    project: Project, keys: list[Key], clock: _ExampleClock, to: Path
) -> tuple[NoisyAnswer, dict[str, pl.DataFrame]]:
    """Pre-approve small costs, count the people with noise, and make synthetic data."""
    custodian, researcher = keys[:2]
    me = actor_id_of(researcher.public_key)
    # Every cost is taken from the project's budget and from the person's.
    for person in ("", me):
        project.set_privacy_budget(_BUDGET, person=person, by=custodian, at=next(clock))
    project.set_preapproved_release(_SYNTHETIC_COST, by=custodian, at=next(clock))

    def count_patients_with_noise(signed: Dataset, excluded: frozenset[str]) -> NoisyAnswer:
        return noisy_count_query(
            len(people_in_tables([signed.table_path("Patient")]) - excluded)
        ).answer(_COUNT_COST)

    query_result = project.query(
        "safe",
        count_patients_with_noise,
        _COUNT_COST,
        tables=("Patient",),
        purpose="count Patient",
        by=researcher,
        at=next(clock),
    )
    assert query_result.answer is not None  # the pre-approved cost covers it
    # The made-up rows are drawn with a fixed seed, and the noise beneath them still comes from
    # the machine: only what needs no secrecy is repeatable.
    domains = load_synthetic_table_plans_by_name()
    tables = {name: domains[name] for name in _TABLES}
    files = project.synthesize(
        "safe", tables, _SYNTHETIC_COST, to, seed=1, by=researcher, at=next(clock)
    )
    return query_result.answer, {name: pl.read_parquet(path) for name, path in files.items()}


def _example_count_job() -> JobSubmission:
    return JobSubmission(
        code=(DATA / "study.py.txt").read_text(encoding="utf-8"),
        dataset="safe",
        tables=("Patient",),
        outputs={"people.csv": OutputKind.CSV},
        cohorts={"people.csv": Cohort(table="Patient", by=("gender",))},
    )


def _example_model_job() -> JobSubmission:
    ill = Cohort(table="Condition", where=(("code_code", "=", _HYPERTENSION),))
    return JobSubmission(
        code=(DATA / "model.py.txt").read_text(encoding="utf-8"),
        dataset="safe",
        tables=("Patient",),
        outputs={"model.json": OutputKind.MODEL, "metrics.json": OutputKind.JSON},
        training=ProjectTrainingDeclaration(
            table="Patient",
            features=(
                TrainingFeature(name="birth_band", column="birth_band"),
                TrainingFeature(name="gender=male", column="gender", equals="male"),
                TrainingFeature(name="visits", cohort=Cohort(table="Encounter")),
            ),
            outcome=ill,
        ),
    )


def _approve_and_release_outputs_by_name(
    project: Project, job: SubmissionResult, keys: list[Key], clock: _ExampleClock, to: Path
) -> dict[str, bytes]:
    """Let both checkers approve what waits, and release it."""
    custodian, _, first, second = keys
    released: dict[str, bytes] = {}
    for output in job.outcome.outputs:
        if job.stops[output.name]:
            continue
        for checker in (first, second):
            project.vote(output.sha256, approve=True, by=checker, at=next(clock))
        path = project.release(output.sha256, to, by=custodian, at=next(clock))
        released[output.name] = path.read_bytes()
    return released


def _example_reidentification_risk_facts(
    example: SandboxExample, language: str
) -> list[ReportFact]:
    risk = example.risk
    knows = Message("by a neighbour who knows {what}", {"what": risk.before.knows})
    facts = [
        report_fact(measures.SMALLEST_GROUP, risk.risk.k, language, note=Message("k-anonymity")),
        report_fact(measures.FOUND_BEFORE, risk.before.success_share, language, note=knows),
        report_fact(
            measures.FOUND_AFTER, risk.after.success_share, language,
            note=Message("by the same neighbour"),
        ),
    ]  # fmt: skip
    if risk.diary is not None:
        note = Message("by one who knows the dates of three visits; why data stay in the project")
        facts.append(
            report_fact(measures.FOUND_BY_DIARY, risk.diary.success_share, language, note=note)
        )
    if example.attack_auc is not None:
        note = Message("area; 0.5 tells nobody of its training from others")
        facts.append(report_fact(measures.ATTACK_AUC, example.attack_auc, language, note=note))
    return facts


def _example_project_figures_table(example: SandboxExample, language: str) -> ReportTable:
    # Where no job could be run nothing was counted, and a nought would look like a count.
    collected = released = None
    if example.no_job is None:
        collected = sum(len(job.outcome.outputs) for job in example.jobs)
        released = len(example.released)
    figures = (
        (measures.IMPORTED_ROWS, sum(example.raw.rows.values())),
        (measures.QUARANTINED_ROWS, _quarantined_import_record_count(example.raw)),
        (measures.SYNTHETIC_ROWS, sum(frame.height for frame in example.synthetic.values())),
        (measures.NOISY_PEOPLE, example.people_count.values[0]),
        (measures.SPENT, example.spent),
        (measures.COLLECTED_OUTPUTS, collected),
        (measures.RELEASED_OUTPUTS, released),
        (measures.LEDGER_ENTRIES, example.entries),
    )
    rows = [
        {
            "step": measure_label_text(figure, language),
            "result": measure_value_text(value, figure, language),
        }
        for figure, value in figures
    ]
    return report_table_of_rows(
        measures.CHAIN, rows, language, title=Message("The chain, step by step"),
        of=f"table.{measures.ATTACKS.name}",
    )  # fmt: skip


def _project_released_output_tables(example: SandboxExample, language: str) -> list[ReportTable]:
    """Return what left, under the headings that the researcher's program wrote."""
    tables: list[ReportTable] = []
    for name, data in example.released.items():
        header, *rows = _released_airlock_output_rows(name, data.decode("utf-8"))
        # Columns go by their number: two of them may have the same heading, or none.
        names = [f"column_{number}" for number in range(len(header))]
        columns = tuple(
            _released_output_table_column(*pair) for pair in zip(names, header, strict=True)
        )
        tables.append(
            report_table_of_rows(
                TableSchema(name, name, columns),
                [dict(zip(names, row, strict=True)) for row in rows],
                language,
                title=Message("Released: {name}", {"name": name}),
                of=f"table.{measures.ATTACKS.name}",
            )
        )
    return tables


def _released_output_table_column(name: str, text: str) -> TableColumn:
    # A sentence of one gap, so that a heading of a researcher's own is never translated.
    heading = Message("{heading}", {"heading": text})
    return TableColumn.of(Measure(name, heading, "", heading, TEXT))


def _released_airlock_output_rows(name: str, text: str) -> list[list[str]]:
    """Return a released file as rows of text, its header first."""
    if name.endswith(".csv"):
        return list(csv.reader(io.StringIO(text)))
    document: dict[str, Any] = json.loads(text)
    if "body" in document:
        body = document["body"]
        weights = [("", body["start"]), *zip(document["features"], body["weights"], strict=True)]
        return [["", "logit"], *([feature, str(weight)] for feature, weight in weights)]
    return [["", ""], *([key, str(value)] for key, value in document.items())]


def _example_missing_isolation_notes(example: SandboxExample, language: str) -> list[str]:
    if example.no_job is None:
        return []
    note = Message(
        "No job was run: this machine cannot isolate one. {why}",
        {"why": example.no_job.translate(language)},
    )
    return [note.translate(language)]


def _quarantined_import_record_count(dataset: Dataset) -> int:
    return sum(count for reasons in dataset.quarantined.values() for count in reasons.values())
