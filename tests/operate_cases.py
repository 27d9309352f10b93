"""Small clusters and controllers for the tests of live control."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from commonwatt.ledger import Key, Ledger, Person
from commonwatt.operate.domain.cluster import (
    TERMINAL_PHASES,
    ClusterBackend,
    JobPhase,
    JobRequest,
    ObservedJob,
    ObservedNode,
)
from commonwatt.operate.domain.settings import ControllerSettings, parse_controller_settings
from commonwatt.operate.engines.controller import Controller
from commonwatt.operate.io.backends.local import LocalBackend
from commonwatt.operate.io.store import ControllerStore

QUICK = "tick_s = 0.05\ngrace_s = 0.2\nstart_within_s = 20\n"


def nodes(count: int, gpus: int = 4, **fields: object) -> tuple[ObservedNode, ...]:
    return tuple(ObservedNode(name=f"n{i:03d}", gpus=gpus, **fields) for i in range(count))


def request(job_id: str, *argv: str, gpus: int = 1, **fields: object) -> JobRequest:
    fields = {"estimate_s": 60.0, "submitted_at_s": time.time()} | fields
    return JobRequest(job_id=job_id, argv=argv or ("sleep", "0.1"), gpus=gpus, **fields)


def runs_until(file: Path) -> tuple[str, ...]:
    """Return a program that runs until `file` is there: the test says when it ends."""
    return ("sh", "-c", f"until test -e {file}; do sleep 0.05; done")


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
    folder: Path, backend: ClusterBackend, settings: ControllerSettings | str = ""
) -> Controller:
    if isinstance(settings, str):
        settings = parse_controller_settings(QUICK + settings)
    control = Controller(backend, store(folder), settings, explain=True)
    control.recover_open_intents()
    return control


def happens(event: Callable[[], bool], what: str = "", *, wait_s: float = 120.0) -> None:
    """Wait for an event; the bound is for a test that hangs, and says nothing of speed."""
    until = time.monotonic() + wait_s
    while not event():
        assert time.monotonic() < until, f"{what or event} did not come about in {wait_s} s"
        time.sleep(0.02)


def job_in(backend: ClusterBackend, job_id: str, *phases: JobPhase) -> ObservedJob:
    """Return a job as it was seen when it had come into one of `phases`."""
    jobs: list[ObservedJob] = []

    def is_there() -> bool:
        # one look and no second: a job that is over may be forgotten by the next
        jobs.append(backend.observe().jobs[job_id])
        return jobs[-1].phase in phases

    happens(is_there, f"{job_id} in {', '.join(phases)}")
    return jobs[-1]


def run_until_over(control: Controller, *names: str, wait_s: float = 120.0):
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
