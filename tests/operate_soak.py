"""Random work and random faults, with the invariants looked at throughout."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

import numpy as np

from commonwatt.ledger.verify import verify_ledger
from commonwatt.operate.domain.cluster import TERMINAL_PHASES, ClusterBackend, JobRequest, NodeState
from commonwatt.operate.domain.errors import BackendError, UnknownNameError
from commonwatt.operate.domain.settings import parse_controller_settings
from commonwatt.operate.engines.controller import Controller
from commonwatt.operate.engines.replay import compare_live_with_simulated
from tests.operate_cases import store

SETTINGS = """
grace_s = 1.0
start_within_s = 60
keep_captures = 2000
[quotas]
a = 24
b = 16
filler = 0
[policy]
order = "priority"
backfill = "easy"
preempt = "reclaim"
[filler]
argv = ["sleep", "30"]
gpus = 2
most = 6
estimate_s = 30
"""


def soak(folder: Path, backend: ClusterBackend, *, minutes: float, seed: int) -> dict[str, Any]:
    """Run jobs, nodes that fail and come back, controllers that are dropped and opened anew."""
    rng = np.random.default_rng(seed)
    backend.forget_after_s = 60.0  # so that memory and folder have an end to grow to
    control, memory = _opened(folder, backend)
    until, sampled = time.monotonic() + minutes * 60, 0.0
    handed: set[str] = set()
    ended: set[str] = set()
    memories: list[float] = []
    counts: dict[str, int] = dict.fromkeys(
        ("ticks", "node faults", "reopened", "cancelled", "over-committed", "refused acts"), 0
    )
    number = 0
    while time.monotonic() < until or any(name not in ended for name in handed):
        if time.monotonic() > until + 300:
            break
        if time.monotonic() < until:
            for _ in range(int(rng.poisson(0.35))):
                number += 1
                handed.add(f"s{number:05d}")
                backend.submit(_ask(rng, f"s{number:05d}"))
            _fault(rng, backend, counts)
            if rng.random() < 0.01:
                memory.ledger.engine.dispose()
                control, memory = _opened(folder, backend)
                counts["reopened"] += 1
        elif any(node.state != NodeState.UP for node in backend.observe().nodes):
            for node in backend.observe().nodes:
                backend.resume(node.name)
        tick = control.tick()
        counts["ticks"] += 1
        counts["over-committed"] += len(tick.overcommitted)
        counts["refused acts"] += len(tick.refused)
        ended |= {
            name for name, job in tick.observation.jobs.items() if job.phase in TERMINAL_PHASES
        }
        if time.monotonic() - sampled > 5:
            sampled = time.monotonic()
            memories.append(_rss_mib())
        time.sleep(0.2)
    half = memories[len(memories) // 3 :]
    compared = compare_live_with_simulated(memory.decisions())
    states = [state.value for _, state in memory.intents()]
    entries = verify_ledger(memory.ledger).entries
    return {
        "minutes": round(minutes, 1),
        "jobs handed in": len(handed),
        "jobs that ended": len(handed & ended),
        "jobs lost": len(handed - ended),
        **counts,
        "decisions that differ": f"{len(compared.differing)} of {compared.decisions}",
        "acts, ledger entries": f"{len(states)}, {entries - 2}",
        "acts left open": states.count("open"),
        "memory first, last, most MiB": f"{half[0]:.0f}, {half[-1]:.0f}, {max(half):.0f}",
    }


def _opened(folder: Path, backend: ClusterBackend) -> tuple[Controller, Any]:
    memory = store(folder)
    control = Controller(backend, memory, parse_controller_settings(SETTINGS))
    control.recover_open_intents()
    return control, memory


def _ask(rng: np.random.Generator, name: str) -> JobRequest:
    runtime_s = float(rng.uniform(0.2, 8.0))
    return JobRequest(
        job_id=name,
        argv=("sleep", f"{runtime_s:.2f}"),
        gpus=int(rng.choice([1, 1, 2, 4, 8, 12])),
        tenant=str(rng.choice(["a", "b"])),
        priority=int(rng.integers(0, 3)),
        estimate_s=runtime_s * float(rng.uniform(0.5, 2.0)),
        submitted_at_s=time.time(),
        checkpoints=bool(rng.random() < 0.5),
    )


def _fault(rng: np.random.Generator, backend: ClusterBackend, counts: dict[str, int]) -> None:
    """Take a node out or bring one back, cancel a job, or say something that cannot be."""
    draw = rng.random()
    if draw > 0.08:
        return
    observation = backend.observe()
    node = observation.nodes[int(rng.integers(len(observation.nodes)))]
    out = [node_out for node_out in observation.nodes if node_out.state != NodeState.UP]
    try:
        if out and (draw < 0.04 or len(out) >= 3):
            backend.resume(out[0].name)
        elif draw < 0.06:
            backend.down(node.name, "soak")
            counts["node faults"] += 1
        elif draw < 0.07:
            backend.drain(node.name, "soak")
        elif draw < 0.075 and observation.jobs:
            name = str(rng.choice(sorted(observation.jobs)))
            backend.cancel(name, "soak")
            counts["cancelled"] += 1
        else:
            backend.drain("no-such-node", "bad telemetry")
    except (BackendError, UnknownNameError):
        counts["refused acts"] += 0


def _rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20
