"""The example room: the whole chain on synthetic patients, told as a section."""

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

from commonwatt.core.errors import CommonwattError
from commonwatt.core.messages import Message
from commonwatt.core.shipped import DATA as SHIPPED
from commonwatt.ledger import Key, Ledger, Person, actor_id_of
from commonwatt.report import ReportFact, ReportSection, ReportTable
from commonwatt.sandbox.domain.job import OutputKind
from commonwatt.sandbox.engines.airlock.cohort import Cohort
from commonwatt.sandbox.engines.airlock.training import TrainingDeclaration, TrainingFeature
from commonwatt.sandbox.engines.isolation.node import prove_node
from commonwatt.sandbox.engines.privacy.measures import NoisyAnswer, count
from commonwatt.sandbox.engines.risk.report import RiskReport
from commonwatt.sandbox.engines.synthetic.domains import load_domains
from commonwatt.sandbox.io.imports.dataset import Dataset, import_fhir
from commonwatt.sandbox.io.store.opt_outs import ConsentScope, people_of
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
_BUDGET, _COUNT_COST, _TWIN_COST = 3.0, 0.5, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxExample:
    """What the example room did; `jobs` are none where no job could be caged.

    Args:
        people_count: A noisy count of the people, which left by the fast lane.
        synthetic: Made-up rows by table, on which the researcher wrote the programs.
        spent: Privacy budget that count and twin cost together [epsilon].
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


def run_example(folder: Path, *, now: datetime) -> SandboxExample:
    """Walk the chain in `folder`: open, import, assess, ask, make a twin, run, review, release.

    Where the machine cannot cage a job, the chain ends after the twin, and says why.

    Args:
        folder: Empty, and open to all users for passing through.
        now: The time of the first step; each later step is a second later.
    """
    ledger = Ledger.open(folder / "ledger.db")
    clock = _ExampleClock(now)
    keys = _enrol(ledger, clock)
    custodian = keys[0]
    facts = ProjectFacts(
        name="example", purpose="Who has hypertension?", legal_basis="synthetic data",
        scope=ConsentScope.AI_TRAINING, expires_on=(now + timedelta(days=1)).date().isoformat(),
    )  # fmt: skip
    _give_key(folder / "room")
    room = Project.open(ledger, folder / "room", facts, by=custodian, at=next(clock))
    raw = room.import_dataset(
        lambda store: import_fhir([DATA / f"{name}.ndjson.zst" for name in _TABLES], store, "raw"),
        by=custodian,
        at=next(clock),
    )
    _, report = room.deidentify("raw", "safe", by=custodian, at=next(clock))
    room.sign_risk("safe", report.sha256, by=custodian, at=next(clock))
    people, twin = _ask(room, keys, clock, folder / "twin")
    jobs, no_job, released = list[SubmissionResult](), None, dict[str, bytes]()
    try:
        node = prove_node(folder / "node")
    except CommonwattError as error:
        no_job = error
    else:
        for request in (_count(), _model()):
            job = room.submit(node, request, by=keys[1], at=next(clock))
            jobs.append(job)
            released |= _release(room, job, keys, clock, folder / "released")
    models, entries = room.status()["models"], ledger.head().size
    ledger.engine.dispose()
    return SandboxExample(
        raw=raw, risk=report, people_count=people, synthetic=twin, spent=_COUNT_COST + _TWIN_COST, jobs=jobs,
        no_job=no_job, attack_auc=models[0]["attack_auc"] if models else None, released=released,
        entries=entries,
    )  # fmt: skip


def example_section_and_tables(
    language: str, *, now: datetime
) -> tuple[ReportSection, dict[str, pl.DataFrame]]:
    """Run the example in a folder of its own and return its section and tables."""
    with tempfile.TemporaryDirectory(prefix="commonwatt-room-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # a job's user must be able to pass through
        example = run_example(folder, now=now)
    return example_section(example, language), example_tables(example)


def example_section(example: SandboxExample, language: str) -> ReportSection:
    """Return the report's section on the example room."""
    return ReportSection(
        name="sandbox",
        title=Message("Use data without seeing it: a data room").translate(language),
        lede=Message(
            "A custodian imports {people} synthetic patients, removes what says who they are,"
            " attacks what is left, and lets a study run inside; only checked results leave.",
            {"people": f"{example.raw.rows['Patient']:,}"},
        ).translate(language),
        facts=_facts(example, language),
        tables=[_chain(example, language), *_released_tables(example, language)],
        notes=_notes(example, language),
    )


def example_tables(example: SandboxExample) -> dict[str, pl.DataFrame]:
    """Return the tables that a run keeps of the example room."""
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
    return {"sandbox_attacks": pl.DataFrame(rows)}


def _give_key(room: Path) -> None:
    """Give the room a key that is no secret, so that a study's tables can be repeated.

    Nobody real stands in it; any other room makes a key of its own.
    """
    room.mkdir(mode=0o700)
    (room / KEY).write_bytes(hashlib.sha256(b"the example room").digest())
    (room / KEY).chmod(0o600)


class _ExampleClock:
    """Hands out moments, each a second after the one before."""

    def __init__(self, now: datetime) -> None:
        self._at = now

    def __next__(self) -> datetime:
        self._at += timedelta(seconds=1)
        return self._at


def _enrol(ledger: Ledger, clock: _ExampleClock) -> list[Key]:
    """Enrol a registrar and one person in each role, with keys made for the example."""
    registrar = Key.generate()
    ledger.enrol_first_registrar(registrar, _person("registrar", 0), at=next(clock))
    keys = [Key.generate() for _ in _ROLES]
    with ledger.transaction() as tx:
        for number, (role, key) in enumerate(zip(_ROLES, keys, strict=True), start=1):
            who = _person(role, number)
            ledger.enrol(tx, who, key.public_key, by=registrar, at=next(clock))
    return keys


def _person(role: str, number: int) -> Person:
    return Person(name=f"example {number}", role=role, organisation="example", device="example")


def _ask(
    room: Project, keys: list[Key], clock: _ExampleClock, to: Path
) -> tuple[NoisyAnswer, dict[str, pl.DataFrame]]:
    """Open the fast lane, ask how many people there are, and make a twin to write code on."""
    custodian, researcher = keys[:2]
    me = actor_id_of(researcher.public_key)
    for person in ("", me):
        room.grant(_BUDGET, person=person, by=custodian, at=next(clock))
    room.set_preapproved_release(_TWIN_COST, by=custodian, at=next(clock))

    def measure(found: Dataset, gone: frozenset[str]) -> NoisyAnswer:
        return count(len(people_of([found.table("Patient")]) - gone)).answer(_COUNT_COST)

    asked = room.query(
        "safe", measure, _COUNT_COST, tables=("Patient",), purpose="count Patient",
        by=researcher, at=next(clock),
    )  # fmt: skip
    assert asked.answer is not None  # the lane is open for it
    domains = load_domains()
    tables = {name: domains[name] for name in _TABLES}
    files = room.synthesize("safe", tables, _TWIN_COST, to, seed=1, by=researcher, at=next(clock))
    return asked.answer, {name: pl.read_parquet(path) for name, path in files.items()}


def _count() -> JobSubmission:
    return JobSubmission(
        code=(DATA / "study.py.txt").read_text(encoding="utf-8"),
        dataset="safe",
        tables=("Patient",),
        outputs={"people.csv": OutputKind.CSV},
        cohorts={"people.csv": Cohort(table="Patient", by=("gender",))},
    )


def _model() -> JobSubmission:
    ill = Cohort(table="Condition", where=(("code_code", "=", _HYPERTENSION),))
    return JobSubmission(
        code=(DATA / "model.py.txt").read_text(encoding="utf-8"),
        dataset="safe",
        tables=("Patient",),
        outputs={"model.json": OutputKind.MODEL, "metrics.json": OutputKind.JSON},
        training=TrainingDeclaration(
            table="Patient",
            features=(
                TrainingFeature(name="birth_band", column="birth_band"),
                TrainingFeature(name="gender=male", column="gender", equals="male"),
                TrainingFeature(name="visits", cohort=Cohort(table="Encounter")),
            ),
            outcome=ill,
        ),
    )


def _release(
    room: Project, job: SubmissionResult, keys: list[Key], clock: _ExampleClock, to: Path
) -> dict[str, bytes]:
    """Let both checkers approve what waits, and release it."""
    custodian, _, first, second = keys
    released: dict[str, bytes] = {}
    for output in job.ended.outputs:
        if job.stops[output.name]:
            continue
        for checker in (first, second):
            room.vote(output.sha256, approve=True, by=checker, at=next(clock))
        left = room.release(output.sha256, to, by=custodian, at=next(clock))
        released[output.name] = left.read_bytes()
    return released


def _facts(example: SandboxExample, language: str) -> list[ReportFact]:
    risk = example.risk
    facts = [
        (Message("Smallest group of people alike"), f"{risk.risk.k}", Message("k-anonymity")),
        (
            Message("Found again before"), f"{risk.before.success_share:.1%}",
            Message("by a neighbour who knows {what}", {"what": risk.before.knows}),
        ),
        (
            Message("Found again after"), f"{risk.after.success_share:.1%}",
            Message("by the same neighbour"),
        ),
    ]  # fmt: skip
    if risk.diary is not None:
        facts.append(
            (
                Message("Found by a diary"), f"{risk.diary.success_share:.1%}",
                Message("by one who knows the dates of three visits; why data stay in the room"),
            )
        )  # fmt: skip
    if example.attack_auc is not None:
        facts.append(
            (
                Message("Attack on the model"), f"{example.attack_auc:.2f}",
                Message("area; 0.5 tells nobody of its training from others"),
            )
        )  # fmt: skip
    return [
        ReportFact(label=label.translate(language), value=value, note=note.translate(language))
        for label, value, note in facts
    ]


def _chain(example: SandboxExample, language: str) -> ReportTable:
    rows = [
        (Message("Imported rows"), f"{sum(example.raw.rows.values()):,}"),
        (Message("Set aside as broken"), f"{_set_aside(example.raw):,}"),
        (Message("Made-up rows in the dummy twin"), f"{_rows(example.synthetic):,}"),
        (Message("People, counted with noise"), f"{example.people_count.values[0]:,.0f}"),
        (Message("Privacy budget spent (ε)"), f"{example.spent:g}"),
        (Message("Outputs collected"), str(sum(len(job.ended.outputs) for job in example.jobs))),
        (Message("Outputs released"), str(len(example.released))),
        (Message("Entries in the ledger"), str(example.entries)),
    ]
    return ReportTable(
        title=Message("The chain, step by step").translate(language),
        headings=[Message("Step").translate(language), Message("Result").translate(language)],
        rows=[[step.translate(language), value] for step, value in rows],
    )


def _released_tables(example: SandboxExample, language: str) -> list[ReportTable]:
    shown: list[ReportTable] = []
    for name, data in example.released.items():
        title = Message("Released: {name}", {"name": name}).translate(language)
        header, *rows = _cells(name, data.decode("utf-8"))
        shown.append(ReportTable(title=title, headings=header, rows=rows))
    return shown


def _cells(name: str, text: str) -> list[list[str]]:
    """Return a released file as rows of text, its header first."""
    if name.endswith(".csv"):
        return list(csv.reader(io.StringIO(text)))
    found: dict[str, Any] = json.loads(text)
    if "body" in found:
        body = found["body"]
        weights = [("", body["start"]), *zip(found["features"], body["weights"], strict=True)]
        return [["", "logit"], *([feature, str(weight)] for feature, weight in weights)]
    return [["", ""], *([key, str(value)] for key, value in found.items())]


def _notes(example: SandboxExample, language: str) -> list[str]:
    if example.no_job is None:
        return []
    said = Message(
        "No job was run: this machine cannot cage one. {why}",
        {"why": example.no_job.translate(language)},
    )
    return [said.translate(language)]


def _rows(twin: dict[str, pl.DataFrame]) -> int:
    return sum(frame.height for frame in twin.values())


def _set_aside(dataset: Dataset) -> int:
    return sum(count for reasons in dataset.set_aside.values() for count in reasons.values())
