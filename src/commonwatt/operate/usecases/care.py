"""Use cases of care: keep a cluster healthy, let a person decide, show where nodes stand."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.ledger import Key, Ledger, Person
from commonwatt.ledger.keys import actor_id_of
from commonwatt.ledger.usecases import load_or_make_key_and_is_new
from commonwatt.operate.domain.care.cases import CareCase
from commonwatt.operate.domain.care.errors import TelemetryError
from commonwatt.operate.domain.care.findings import TelemetrySample
from commonwatt.operate.domain.care.lifecycle import CARE, OPERATOR, CareStage
from commonwatt.operate.engines.care.caretaker import CareStep, Caretaker
from commonwatt.operate.engines.care.detect.peer_watch import PeerWatch
from commonwatt.operate.engines.care.detect.rules import DetectionRuleBook
from commonwatt.operate.engines.care.operator import CareOperator
from commonwatt.operate.io.care.journal import CaseBook, Journal, LedgerJournal, MemoryJournal
from commonwatt.operate.io.care.settings import CareSettings, load_care_settings
from commonwatt.operate.io.care.telemetry.prometheus import scrape_prometheus_samples
from commonwatt.operate.io.care.telemetry.table import load_telemetry_samples
from commonwatt.operate.usecases.home import (
    DATABASE,
    REGISTRAR,
    ControllerHome,
    open_cluster_backend,
)

SETTINGS = "care.toml"
Clock = Callable[[], float]


def run_node_care(
    home: ControllerHome,
    *,
    samples: Path | None,
    observations: int,
    dry_run: bool,
    on_step: Callable[[CareStep], None] = lambda _: None,
    clock: Clock = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Observe a cluster so many times and do what the table and its bounds allow.

    Args:
        home: The home of the cluster's controller.
        samples: Telemetry in a table, read once, as if it had just come in.
        observations: How many times to observe it.
        dry_run: Decide and report, and touch nothing; nothing is written to the ledger.
        on_step: Called after each step of a node.
        clock: Returns the instant [s since 1970].
        sleep: Waits.

    Raises:
        TelemetryError: The table cannot be read.
        BackendError: The backend does not answer.
    """
    settings = load_care_settings(home.folder / SETTINGS)
    table_samples = load_telemetry_samples(samples) if samples else []
    steps: list[CareStep] = []
    with (
        open_cluster_backend(home, clock=clock) as backend,
        _open_care_journal(home, CARE, clock) as ledger_journal,
    ):
        # A dry run decides by the true cases and writes into a copy, or its moves would be
        # carried out by the next real run.
        journal = _copy_care_journal_in_memory(ledger_journal) if dry_run else ledger_journal
        rules = DetectionRuleBook()
        care = Caretaker(
            backend,
            journal,
            policy=settings.care_policy(),
            node_tester=settings.node_tester(),
            rules=rules,
            dry_run=dry_run,
        )
        peers = PeerWatch()
        if settings.scrape:
            rules.expect_telemetry_of_nodes(
                [node.name for node in backend.observe().nodes], clock()
            )
        for number in range(observations):
            batch = [*table_samples, *_scraped_telemetry_samples(settings, clock())]
            findings = rules.observe_telemetry(
                [*batch, *peers.take_samples_and_score_suspect_nodes(batch, backend.observe())]
            )
            # Once only: the table stands for telemetry that has just come in, and would count
            # again at every observation.
            table_samples = []
            for step in care.step(findings):
                steps.append(step)
                on_step(step)
            if number + 1 < observations:
                sleep(settings.every_s)
        return {
            "dry_run": dry_run,
            "looks": observations,
            "steps": [care_step_dict(s) for s in steps],
            **_care_cases_json(care.cases),
        }


def act_as_care_operator(
    home: ControllerHome,
    action: str,
    node: str | None,
    *,
    reason: str = "",
    clock: Clock = time.time,
) -> dict[str, Any]:
    """Do what an operator requests: undo, approve, test or release.

    Raises:
        UsageError: The action needs a node and none was named.
        CareMoveError: The table has no such move, or nothing waits.
    """
    settings = load_care_settings(home.folder / SETTINGS)
    with (
        open_cluster_backend(home, clock=clock) as backend,
        _open_care_journal(home, OPERATOR, clock) as journal,
    ):
        operator, now_s = CareOperator(backend, journal, settings.node_tester()), clock()
        match (action, node):
            case ("release", _):
                operator.release_care_freeze(now_s=now_s)
            case (_, None):
                raise UsageError(action, wanted=Message("the name of a node"))
            case ("undo", str()):
                operator.undo_node_care(node, now_s=now_s)
            case ("approve", str()):
                operator.approve_held_move(node, now_s=now_s)
            case (_, str()):
                operator.move_node(node, CareStage.TEST, reason=reason or "repaired", now_s=now_s)
        return {"act": action, "node": node, **_care_cases_json(CaseBook(journal))}


def care_step_dict(step: CareStep) -> dict[str, Any]:
    """Return a step as plain values."""
    plain = asdict(step) | {"from": str(step.origin), "to": str(step.to)}
    del plain["origin"]
    return plain


def care_case_dict(case: CareCase) -> dict[str, Any]:
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


def _care_cases_json(cases_book: CaseBook) -> dict[str, Any]:
    cases = sorted(cases_book.cases.values(), key=lambda case: case.node)
    return {"frozen": cases_book.frozen, "nodes": [care_case_dict(case) for case in cases]}


def _scraped_telemetry_samples(settings: CareSettings, at_s: float) -> list[TelemetrySample]:
    """Return the samples of all pages; one that does not answer is silent, which a rule counts."""
    samples: list[TelemetrySample] = []
    for url in settings.scrape:
        try:
            samples += scrape_prometheus_samples(url, at_s=at_s)
        # Not an error of care: a page that is away is what the rule of silence is for.
        except TelemetryError:
            continue
    return samples


@contextmanager
def _open_care_journal(home: ControllerHome, role: str, clock: Clock) -> Generator[LedgerJournal]:
    """Give the journal of a home, signed in `role`; its key is enrolled at first use."""
    ledger = Ledger.open(home.folder / DATABASE, origin="operate")
    try:
        key = _care_key_enrolled_at_first_use(
            ledger, home.folder, role, _care_entry_instant(clock())
        )
        yield LedgerJournal(ledger, key, lambda: _care_entry_instant(clock()))
    finally:
        ledger.engine.dispose()


def _care_key_enrolled_at_first_use(ledger: Ledger, folder: Path, role: str, at: datetime) -> Key:
    key, _ = load_or_make_key_and_is_new(folder / f"{role}.pem")
    actor_ids = {actor.actor_id for actor in ledger.actors()}
    if actor_id_of(key.public_key) not in actor_ids:
        # Care and the operator sign with keys of their own, so that the ledger can tell whose
        # move it was and refuse the moves of the other.
        registrar = Key.load(folder / REGISTRAR)
        person = Person(
            name=f"commonwatt operate {role}", role=role, organisation="operator", device="host"
        )
        with ledger.transaction() as tx:
            ledger.enrol(tx, person, key.public_key, by=registrar, at=at)
    return key


def _copy_care_journal_in_memory(journal: Journal) -> MemoryJournal:
    memory = MemoryJournal()
    memory.entries = [entry for _, entry in journal.entries_after(0)]
    return memory


def _care_entry_instant(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
