"""A controller of its own process that is killed, again and again, while jobs run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from commonwatt.ledger.verify import verify_ledger
from commonwatt.operate.domain.cluster import TERMINAL_PHASES, JobPhase, JobRequest
from commonwatt.operate.usecases.home import (
    ControllerHome,
    open_cluster_backend,
    open_controller_store,
)
from commonwatt.operate.usecases.run import run_controller
from commonwatt.operate.usecases.status import logged_decisions_agreement_with_simulator


@dataclass(frozen=True)
class Killed:
    """What came of it; `ran` counts how often each job's program began and ended."""

    kills: int
    finished: int
    begun: dict[str, int]
    ended: dict[str, int]
    differing: int
    intents: dict[str, int]
    entries: int

    @property
    def lost(self) -> list[str]:
        return [name for name, count in self.ended.items() if count == 0]

    @property
    def doubled(self) -> list[str]:
        return [name for name, count in self.begun.items() if count > 1]


def jobs(folder: Path, count: int, seed: int) -> list[JobRequest]:
    """Return jobs that write down when they begin and when they end."""
    rng = np.random.default_rng(seed)
    return [
        JobRequest(
            job_id=f"job{i:03d}",
            argv=(
                "sh", "-c",
                f"echo b >> {folder}/job{i:03d}; sleep {rng.uniform(0.2, 1.5):.2f};"
                f" echo e >> {folder}/job{i:03d}",
            ),
            gpus=int(rng.integers(1, 9)),
            estimate_s=3.0,
            submitted_at_s=time.time() + i * 1e-3,
        )
        for i in range(count)
    ]  # fmt: skip


def kill_often(
    home: ControllerHome,
    folder: Path,
    *,
    count: int,
    kills: int,
    seed: int = 7,
    apart_s: float = 1.0,
) -> Killed:
    """Hand in jobs, kill the controller `kills` times at random instants, then let it end."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    requests = jobs(folder, count, seed)
    with open_cluster_backend(home) as backend:
        for request in requests:
            backend.submit(request)
    rng, killed_count = np.random.default_rng(seed), 0
    # children of a server that has imported everything and started no thread
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload(["tests.operate_kills"])
    for _ in range(kills):
        child = forked.Process(target=_control, args=(home,))
        child.start()
        child.join(float(rng.uniform(0.2, apart_s)))
        if child.exitcode is None:
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
            killed_count += 1
        child.join()
        child.close()
    last = forked.Process(target=_control, args=(home,))
    last.start()
    last.join(300)
    assert last.exitcode == 0, "the last controller did not come to its end"
    last.close()
    return _outcome(home, folder, requests, killed_count)


def _control(home: ControllerHome) -> None:
    run_controller(home, until_idle=True)


def _outcome(home: ControllerHome, folder: Path, requests: list[JobRequest], kills: int) -> Killed:
    written = {request.job_id: (folder / request.job_id) for request in requests}
    lines = {name: path.read_text() if path.exists() else "" for name, path in written.items()}
    with open_cluster_backend(home) as backend:
        observed_jobs = backend.observe().jobs
    assert all(observed_jobs[request.job_id].phase in TERMINAL_PHASES for request in requests)
    with open_controller_store(home) as store:
        states = [state.value for _, state in store.intents()]
        entries = verify_ledger(store.ledger).entries
    return Killed(
        kills=kills,
        finished=sum(
            observed_jobs[request.job_id].phase == JobPhase.FINISHED for request in requests
        ),
        begun={name: text.count("b") for name, text in lines.items()},
        ended={name: text.count("e") for name, text in lines.items()},
        differing=len(logged_decisions_agreement_with_simulator(home)["differing"]),
        intents={state: states.count(state) for state in sorted(set(states))},
        entries=entries,
    )
