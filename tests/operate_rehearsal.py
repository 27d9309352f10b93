"""A slice of a real trace, time-scaled, run on a cluster by the controller, and simulated."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import polars as pl

from commonwatt.fleet.domain.machines import uniform_fleet
from commonwatt.fleet.domain.workload import Workload, workload_from_columns
from commonwatt.fleet.engines.simulator import simulate_schedule
from commonwatt.operate.domain.cluster import TERMINAL_PHASES, ClusterBackend, JobPhase, JobRequest
from commonwatt.operate.domain.settings import policy_of_controller_settings
from commonwatt.operate.engines.controller import Controller
from commonwatt.operate.engines.replay import ReplayAgreement, compare_live_with_simulated

TRACE = files("commonwatt") / "data" / "traces" / "itp_ten_days.parquet"


def trace_slice(jobs: int, *, longest_s: float, scale: float, gpus: int) -> Workload:
    """Return consecutive jobs of the packaged ITP trace, both their times divided by `scale`."""
    frame = pl.read_parquet(Path(str(TRACE))).sort("submission_time", maintain_order=True)
    fitting = frame.filter((pl.col("duration") <= longest_s) & (pl.col("num_gpu") <= gpus))[:jobs]
    submit = (fitting["submission_time"] - fitting["submission_time"].min()).to_numpy()
    return workload_from_columns(
        submit / scale, fitting["duration"].to_numpy() / scale, fitting["num_gpu"].to_numpy()
    )


@dataclass(frozen=True)
class Rehearsal:
    """What came of it; times in seconds."""

    jobs: int
    finished: int
    makespan_s: float
    simulated_makespan_s: float
    jct_s: float
    simulated_jct_s: float
    compared: ReplayAgreement
    overcommitted: int
    refused: int
    ticks: int
    controller_cpu_s: float
    start_delay_s: float

    @property
    def makespan_error(self) -> float:
        return self.makespan_s / self.simulated_makespan_s - 1

    @property
    def jct_error(self) -> float:
        return self.jct_s / self.simulated_jct_s - 1


def rehearse(
    control: Controller, backend: ClusterBackend, trace: Workload, *, nodes: int, gpus: int,
    launch_s: float = 0.0, wait_s: float = 600.0, each_tick=lambda tick: None,
) -> Rehearsal:  # fmt: skip
    """Submit each job at its time, tick until all are over, and simulate the same.

    `launch_s` is what the backend needs to bring a job up and to clear it away; the
    simulation counts it as part of each run.
    """
    began, cpu = time.time(), time.process_time()
    waiting, names = list(range(len(trace))), set(trace.job_id.to_list())
    over: dict[str, float] = {}
    offered: dict[str, float] = {}
    ran: dict[str, float] = {}
    count = over_committed = refused = ticks = 0
    while len(over) < len(trace):
        now = time.time()
        while waiting and trace.submit_ms[waiting[0]] / 1000 <= now - began:
            backend.submit(_ask(trace, waiting.pop(0), began))
        tick = control.tick()
        each_tick(tick)
        ticks += 1
        over_committed += len(tick.overcommitted)
        refused += len(tick.refused)
        for intent in tick.performed:
            if intent.action == "start":
                offered[intent.subject] = now
        for name, job in tick.observation.jobs.items():
            if name not in names:
                continue
            if job.phase == JobPhase.RUNNING and name not in ran:
                ran[name] = tick.observation.at_s
            if job.phase in TERMINAL_PHASES and name not in over:
                over[name] = tick.observation.at_s
                count += job.phase == JobPhase.FINISHED
        if now - began > wait_s:
            raise AssertionError(f"{len(trace) - len(over)} jobs not over within {wait_s} s")
        time.sleep(max(control.settings.tick_s - (time.time() - now), 0.01))
    cpu = time.process_time() - cpu
    policy = policy_of_controller_settings(control.settings.policy)
    runtime = (trace.runtime_ms + round(launch_s * 1000)) / 1000
    simulated_trace = workload_from_columns(trace.submit_ms / 1000, runtime, trace.gpus)
    result = simulate_schedule(simulated_trace, uniform_fleet(nodes, gpus), policy)
    first = int(trace.submit_ms.min())
    submitted = {str(trace.job_id[i]): began + trace.submit_ms[i] / 1000 for i in range(len(trace))}
    return Rehearsal(
        jobs=len(trace),
        finished=count,
        makespan_s=max(over.values()) - began - first / 1000,
        simulated_makespan_s=(int(result.end_ms.max()) - first) / 1000,
        jct_s=float(np.mean([over[name] - at for name, at in submitted.items()])),
        simulated_jct_s=float(np.mean(result.end_ms - simulated_trace.submit_ms)) / 1000,
        compared=compare_live_with_simulated(control.store.logged_decisions()),
        overcommitted=over_committed,
        refused=refused,
        ticks=ticks,
        controller_cpu_s=cpu,
        start_delay_s=float(np.median([ran[n] - offered[n] for n in ran if n in offered] or [0])),
    )


def _ask(trace: Workload, i: int, began_s: float) -> JobRequest:
    runtime_s = trace.runtime_ms[i] / 1000
    return JobRequest(
        job_id=str(trace.job_id[i]),
        argv=("sleep", f"{runtime_s:.3f}"),
        gpus=int(trace.gpus[i]),
        estimate_s=runtime_s,
        submitted_at_s=began_s + trace.submit_ms[i] / 1000,
    )
