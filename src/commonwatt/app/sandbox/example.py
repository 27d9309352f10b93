"""The example room: the whole chain on synthetic patients, told as a section."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from commonwatt.app.report import Fact, Section, Shown
from commonwatt.core.errors import CommonwattError
from commonwatt.core.messages import Message
from commonwatt.ledger import Key, Ledger, Person
from commonwatt.sandbox.airlock.cohort import Cohort
from commonwatt.sandbox.imports.dataset import Dataset, import_fhir
from commonwatt.sandbox.isolate.job import Kind
from commonwatt.sandbox.isolate.node import open_node
from commonwatt.sandbox.risk.report import RiskReport
from commonwatt.sandbox.rooms.consent import Scope
from commonwatt.sandbox.rooms.room import Facts, Request, Room, Submitted

DATA: Final = Path(__file__).parents[2] / "data" / "sandbox" / "example"
_ROLES: Final = ("data-custodian", "researcher", "output-checker", "output-checker")
_TABLES: Final = ("Patient", "Condition", "Encounter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """What the example room did; `job` is None where no job could be caged."""

    raw: Dataset
    risk: RiskReport
    job: Submitted | None
    no_job: CommonwattError | None
    released: dict[str, bytes]
    entries: int


def run_example(folder: Path, *, now: datetime) -> Example:
    """Walk the chain in `folder`: open, import, assess, run, review, release.

    Where the machine cannot cage a job, the chain ends after the risk report,
    and says why.

    Args:
        folder: Empty, and open to all users for passing through.
        now: The time of the first step; each later step is a second later.
    """
    ledger = Ledger.open(folder / "ledger.db")
    clock = _Clock(now)
    keys = _enrol(ledger, clock)
    custodian, researcher = keys[0], keys[1]
    facts = Facts(
        name="example", purpose="Who has hypertension?", legal_basis="synthetic data",
        scope=Scope.AI_TRAINING, expires_on=(now + timedelta(days=1)).date().isoformat(),
    )  # fmt: skip
    room = Room.open(ledger, folder / "room", facts, by=custodian, at=next(clock))
    raw = room.take_in(
        lambda store: import_fhir([DATA / f"{name}.ndjson.zst" for name in _TABLES], store, "raw"),
        by=custodian,
        at=next(clock),
    )
    _, report = room.deidentify("raw", "safe", by=custodian, at=next(clock))
    room.sign_risk("safe", report.sha256, by=custodian, at=next(clock))
    job, no_job, released = None, None, dict[str, bytes]()
    try:
        node = open_node(folder / "node")
    except CommonwattError as error:
        no_job = error
    else:
        job = room.submit(node, _request(), by=researcher, at=next(clock))
        released = _release(room, job, keys, clock, folder / "released")
    entries = ledger.head().size
    ledger.engine.dispose()
    return Example(raw=raw, risk=report, job=job, no_job=no_job, released=released, entries=entries)


def tell_example(language: str, *, now: datetime) -> tuple[Section, dict[str, pl.DataFrame]]:
    """Run the example in a folder of its own and return its section and tables."""
    with tempfile.TemporaryDirectory(prefix="commonwatt-room-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # a job's user must be able to pass through
        example = run_example(folder, now=now)
    return example_section(example, language), example_tables(example)


def example_section(example: Example, language: str) -> Section:
    """Return the report's section on the example room."""
    return Section(
        name="sandbox",
        title=Message("Use data without seeing it: a data room").say(language),
        lede=Message(
            "A custodian imports {people} synthetic patients, removes what says who they are,"
            " attacks what is left, and lets a study run inside; only checked results leave.",
            {"people": f"{example.raw.rows['Patient']:,}"},
        ).say(language),
        facts=_facts(example, language),
        tables=[_chain(example, language), *_released_tables(example, language)],
        notes=_notes(example, language),
    )


def example_tables(example: Example) -> dict[str, pl.DataFrame]:
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


class _Clock:
    """Hands out moments, each a second after the one before."""

    def __init__(self, now: datetime) -> None:
        self._at = now

    def __next__(self) -> datetime:
        self._at += timedelta(seconds=1)
        return self._at


def _enrol(ledger: Ledger, clock: _Clock) -> list[Key]:
    """Enrol a registrar and one person in each role, with keys made for the example."""
    registrar = Key.generate()
    ledger.found(registrar, _person("registrar", 0), at=next(clock))
    keys = [Key.generate() for _ in _ROLES]
    with ledger.transaction() as tx:
        for number, (role, key) in enumerate(zip(_ROLES, keys, strict=True), start=1):
            who = _person(role, number)
            ledger.enrol(tx, who, key.public_key, by=registrar, at=next(clock))
    return keys


def _person(role: str, number: int) -> Person:
    return Person(name=f"example {number}", role=role, organisation="example", device="example")


def _request() -> Request:
    return Request(
        code=(DATA / "study.py.txt").read_text(encoding="utf-8"),
        dataset="safe",
        tables=("Patient", "Condition"),
        outputs={"people.csv": Kind.CSV, "model.csv": Kind.CSV, "metrics.json": Kind.JSON},
        cohorts={"people.csv": Cohort(table="Patient", by=("gender",))},
    )


def _release(
    room: Room, job: Submitted, keys: list[Key], clock: _Clock, to: Path
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


def _facts(example: Example, language: str) -> list[Fact]:
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
    return [
        Fact(label=label.say(language), value=value, note=note.say(language))
        for label, value, note in facts
    ]


def _chain(example: Example, language: str) -> Shown:
    rows = [
        (Message("Imported rows"), f"{sum(example.raw.rows.values()):,}"),
        (Message("Set aside as broken"), f"{_set_aside(example.raw):,}"),
        (Message("Outputs collected"), str(len(example.job.ended.outputs) if example.job else 0)),
        (Message("Outputs released"), str(len(example.released))),
        (Message("Entries in the ledger"), str(example.entries)),
    ]
    return Shown(
        title=Message("The chain, step by step").say(language),
        headings=[Message("Step").say(language), Message("Result").say(language)],
        rows=[[step.say(language), value] for step, value in rows],
    )


def _released_tables(example: Example, language: str) -> list[Shown]:
    shown: list[Shown] = []
    for name, data in example.released.items():
        text = data.decode("utf-8")
        title = Message("Released: {name}", {"name": name}).say(language)
        if name.endswith(".csv"):
            header, *rows = list(csv.reader(io.StringIO(text)))
        else:
            header, rows = ["", ""], [[k, str(v)] for k, v in json.loads(text).items()]
        shown.append(Shown(title=title, headings=header, rows=rows))
    return shown


def _notes(example: Example, language: str) -> list[str]:
    if example.no_job is None:
        return []
    said = Message(
        "No job was run: this machine cannot cage one. {why}",
        {"why": example.no_job.say(language)},
    )
    return [said.say(language)]


def _set_aside(dataset: Dataset) -> int:
    return sum(count for reasons in dataset.set_aside.values() for count in reasons.values())
