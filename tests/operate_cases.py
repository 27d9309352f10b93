"""Small clusters and controllers for the tests of live control."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from commonwatt.ledger import Key, Ledger, Person
from commonwatt.operate.domain.cluster import (
    TERMINAL_PHASES,
    ClusterBackend,
    JobRequest,
    ObservedNode,
)
from commonwatt.operate.domain.settings import ControllerSettings, parse_settings
from commonwatt.operate.engines.controller import Controller
from commonwatt.operate.io.backends.local import LocalBackend
from commonwatt.operate.io.store import ControllerStore

QUICK = "tick_s = 0.05\ngrace_s = 0.2\nstart_within_s = 20\n"


def nodes(count: int, gpus: int = 4, **fields: object) -> tuple[ObservedNode, ...]:
    return tuple(ObservedNode(name=f"n{i:03d}", gpus=gpus, **fields) for i in range(count))


def ask(job_id: str, *argv: str, gpus: int = 1, **fields: object) -> JobRequest:
    given = {"estimate_s": 60.0, "submitted_at_s": time.time()} | fields
    return JobRequest(job_id=job_id, argv=argv or ("sleep", "0.1"), gpus=gpus, **given)


def store(folder: Path) -> ControllerStore:
    """Return a store in `folder`, its ledger founded when it is first opened."""
    folder.mkdir(parents=True, exist_ok=True)
    ledger = Ledger.open(folder / "operate.db")
    key = Key.from_seed(bytes([7]) * 32)
    if ledger.head().size == 0:
        now = datetime.fromtimestamp(0, UTC)
        registrar = Key.from_seed(bytes(32))
        who = Person(name="R", role="registrar", organisation="O", device="d")
        ledger.enrol_first_registrar(registrar, who, at=now)
        with ledger.transaction() as tx:
            service = Person(name="C", role="controller", organisation="O", device="d")
            ledger.enrol(tx, service, key.public_key, by=registrar, at=now)
    return ControllerStore(ledger, key)


def local(folder: Path, count: int = 2, gpus: int = 4, **fields: object) -> LocalBackend:
    return LocalBackend(folder / "engine", nodes(count, gpus, **fields), time.time)


def controller(
    folder: Path, engine: ClusterBackend, settings: ControllerSettings | str = ""
) -> Controller:
    if isinstance(settings, str):
        settings = parse_settings(QUICK + settings)
    made = Controller(engine, store(folder), settings, explain=True)
    made.recover()
    return made


def run_until_over(control: Controller, *names: str, wait_s: float = 60.0):
    """Tick until the named jobs, or all, are over; return the ticks that did something."""
    until, busy = time.monotonic() + wait_s, []
    while time.monotonic() < until:
        tick = control.tick()
        if tick.performed or tick.refused:
            busy.append(tick)
        jobs = tick.observation.jobs
        if all(jobs[name].phase in TERMINAL_PHASES for name in names or jobs):
            return busy
        time.sleep(control.settings.tick_s)
    phases = {name: job.phase.value for name, job in tick.observation.jobs.items()}
    raise AssertionError(f"not over within {wait_s} s: {phases}")
