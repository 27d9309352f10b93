"""Use cases of care: look after a cluster, ask a person, show where every node stands."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.ledger import Key, Ledger, Person
from commonwatt.ledger.keys import actor_id_of
from commonwatt.ledger.usecases import key_at
from commonwatt.operate.domain.care.cases import CareCase
from commonwatt.operate.domain.care.errors import TelemetryError
from commonwatt.operate.domain.care.findings import TelemetrySample
from commonwatt.operate.domain.care.lifecycle import CARE, OPERATOR, CareStage
from commonwatt.operate.domain.cluster import ClusterBackend
from commonwatt.operate.engines.care.caretaker import CareStep, Caretaker
from commonwatt.operate.engines.care.detect.peer_watch import PeerWatch
from commonwatt.operate.engines.care.detect.rules import DetectionRuleBook
from commonwatt.operate.engines.care.operator import CareOperator
from commonwatt.operate.io.care.journal import CaseBook, Journal, LedgerJournal, MemoryJournal
from commonwatt.operate.io.care.settings import CareSettings, load_care_settings
from commonwatt.operate.io.care.telemetry.prometheus import scrape
from commonwatt.operate.io.care.telemetry.table import load_samples
from commonwatt.operate.usecases.home import DATABASE, REGISTRAR, ControllerHome, open_backend

SETTINGS = "care.toml"
Clock = Callable[[], float]


def run_care(
    home: ControllerHome,
    *,
    samples: Path | None,
    observations: int,
    dry_run: bool,
    each: Callable[[CareStep], None] = lambda _: None,
    clock: Clock = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Look at a cluster so many times and do what the table and its bounds allow.

    Args:
        home: The home of the cluster's controller.
        samples: Telemetry in a table, read once, as if it had just come in.
        observations: How many times to look.
        dry_run: Decide and say, and touch nothing; nothing is written to the ledger.
        each: Called after each step of a node.
        clock: Returns the instant [s since 1970].
        sleep: Waits.

    Raises:
        TelemetryError: The table cannot be read.
        EngineError: The engine does not answer.
    """
    settings = load_care_settings(home.folder / SETTINGS)
    told = load_samples(samples) if samples else []
    steps: list[CareStep] = []
    with open_backend(home, clock=clock) as engine, _journal(home, CARE, clock) as kept:
        journal = _copy(kept) if dry_run else kept
        rules = DetectionRuleBook()
        care = Caretaker(engine, journal, policy=settings.policy(),
                         workshop=settings.node_tester(), rules=rules, dry_run=dry_run)  # fmt: skip
        peers = PeerWatch()
        if settings.scrape:
            rules.expect_nodes([node.name for node in engine.observe().nodes], clock())
        for number in range(observations):
            read = [*told, *_scraped(settings, clock())]
            findings = rules.observe([*read, *peers.peer_samples(read, engine.observe())])
            told = []
            for step in care.step(findings):
                steps.append(step)
                each(step)
            if number + 1 < observations:
                sleep(settings.every_s)
        return {"dry_run": dry_run, "looks": observations, "steps": [step_dict(s) for s in steps],
                **_standing(care.cases)}  # fmt: skip


def care_status(home: ControllerHome) -> dict[str, Any]:
    """Return where every node in care stands, and whether care is frozen."""
    with _journal(home, CARE, time.time) as journal:
        return _standing(CaseBook(journal))


def operator_action(
    home: ControllerHome,
    action: str,
    node: str | None,
    *,
    reason: str = "",
    clock: Clock = time.time,
) -> dict[str, Any]:
    """Do what an operator asks: undo, approve, test or release.

    Raises:
        UsageError: The act needs a node and none was named.
        CareMoveError: The table has no such move, or nothing waits.
    """
    settings = load_care_settings(home.folder / SETTINGS)
    with open_backend(home, clock=clock) as engine, _journal(home, OPERATOR, clock) as journal:
        _desk_act(
            CareOperator(engine, journal, settings.node_tester()), action, node, reason, clock()
        )
        return {"act": action, "node": node, **_standing(CaseBook(journal))}


def _desk_act(at: CareOperator, act: str, node: str | None, reason: str, now_s: float) -> None:
    if act == "release":
        at.release(now_s=now_s)
        return
    if node is None:
        raise UsageError(act, wanted=Message("the name of a node"))
    match act:
        case "undo":
            at.undo(node, now_s=now_s)
        case "approve":
            at.approve(node, now_s=now_s)
        case _:
            at.move(node, CareStage.TEST, reason=reason or "repaired", now_s=now_s)


def caretaker_of(
    backend: ClusterBackend, journal: Journal, settings: CareSettings, rules: DetectionRuleBook
) -> Caretaker:
    """Return the caretaker that these settings describe, for one who has an engine."""
    return Caretaker(
        backend, journal, policy=settings.policy(), workshop=settings.node_tester(), rules=rules
    )


def step_dict(step: CareStep) -> dict[str, Any]:
    """Return a step as plain values."""
    plain = asdict(step) | {"from": str(step.origin), "to": str(step.to)}
    del plain["origin"]
    return plain


def case_dict(case: CareCase) -> dict[str, Any]:
    """Return a case as plain values."""
    return {
        "node": case.node,
        "stage": str(case.stage),
        "since_s": case.since_s,
        "component": str(case.component),
        "severity": str(case.severity),
        "tried": [str(stage) for stage in case.tried],
        "returns": case.returns,
        "waits_for": str(case.held_move) if case.held_move else None,
    }


def _standing(book: CaseBook) -> dict[str, Any]:
    cases = sorted(book.cases.values(), key=lambda case: case.node)
    return {"frozen": book.frozen, "nodes": [case_dict(case) for case in cases]}


def _scraped(settings: CareSettings, at_s: float) -> list[TelemetrySample]:
    """Return what all pages say; one that does not answer is silent, which a rule counts."""
    found: list[TelemetrySample] = []
    for url in settings.scrape:
        try:
            found += scrape(url, at_s=at_s)
        except TelemetryError:
            continue
    return found


@contextmanager
def _journal(home: ControllerHome, role: str, clock: Clock) -> Generator[LedgerJournal]:
    """Give the journal of a home, signed in `role`; its key is enrolled at first use."""
    ledger = Ledger.open(home.folder / DATABASE, origin="operate")
    try:
        key = _enrolled(ledger, home.folder, role, _instant(clock()))
        yield LedgerJournal(ledger, key, lambda: _instant(clock()))
    finally:
        ledger.engine.dispose()


def _enrolled(ledger: Ledger, folder: Path, role: str, at: datetime) -> Key:
    key, _ = key_at(folder / f"{role}.pem")
    known = {actor.actor_id for actor in ledger.actors()}
    if actor_id_of(key.public_key) not in known:
        registrar = Key.load(folder / REGISTRAR)
        person = Person(
            name=f"commonwatt operate {role}", role=role, organisation="operator", device="host"
        )
        with ledger.transaction() as tx:
            ledger.enrol(tx, person, key.public_key, by=registrar, at=at)
    return key


def _copy(journal: Journal) -> MemoryJournal:
    made = MemoryJournal()
    made.entries = [entry for _, entry in journal.entries_after(0)]
    return made


def _instant(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)


OPERATOR_ACTIONS: Sequence[str] = ("undo", "approve", "test", "release")
"""What an operator can do at the desk."""
