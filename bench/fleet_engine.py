"""Speed of the queue engine, in jobs per CPU-second on one core, with peers in the same run.

Usage: python bench/fleet_engine.py [ITP.parquet] [--peers-only]

The million-job trace is ITP (Microsoft, 2021) 34 times over, each copy shifted by a
random time around the trace's span, on 2,500 nodes of 8 GPUs; "overload" brings the
same jobs in 1/1.5 of the time. Compilation is done before anything is timed; "replay"
is the kernel alone, "whole" also derives its inputs and checks its outcome.
"""

from __future__ import annotations

import collections
import collections.abc
import contextlib
import io
import json
import logging
import os
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from commonwatt.fleet.domain.machines import Fleet, uniform_fleet
from commonwatt.fleet.domain.policies import parse_scheduling_policy
from commonwatt.fleet.domain.workload import Workload, workload_from_columns
from commonwatt.fleet.engines.simulator import fast, simulate_schedule, simulate_user
from commonwatt.fleet.engines.simulator.reference import replay_on_simpy
from commonwatt.fleet.engines.simulator.setup import (
    ReplaySetup,
    believed_runtimes_ms,
    placement_random_draws_by_job,
)

SHARED = Path(os.environ.get("COMMONWATT_SHARED_DATA", Path(__file__).parents[2] / "shared/data"))
ITP = SHARED / "traces/itp-2021/itp_jobs.parquet"
COPIES, NODES = 34, 2500


def read(path: Path) -> Workload:
    jobs = pl.read_parquet(path)
    first = jobs["submission_time"].min()
    return workload_from_columns(
        (jobs["submission_time"] - first).to_numpy(),
        jobs["duration"].to_numpy(),
        jobs["num_gpu"].to_numpy(),
    )


def copies(base: Workload, times: int, pace: float) -> Workload:
    span = int(base.submit_ms.max()) + 1
    shifts = np.random.default_rng(1).integers(0, span, times)
    submit = np.concatenate([(base.submit_ms + shift) % span for shift in shifts]) / pace / 1000
    return workload_from_columns(
        submit, np.tile(base.runtime_ms, times) / 1000, np.tile(base.gpus, times)
    )


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(jobs: Workload, fleet: Fleet, *names: str) -> tuple[float, float, float]:
    """Return CPU time of the replay alone and of the whole [s], and the mean delay [s]."""
    inner = [0.0]
    replay = fast.replay_kernel

    def watched(world):
        began = time.process_time()
        replay(world)
        inner[0] = time.process_time() - began

    fast.replay_kernel = watched
    began = time.process_time()
    result = simulate_schedule(jobs, fleet, parse_scheduling_policy(*names))
    whole = time.process_time() - began
    fast.replay_kernel = replay
    return inner[0], whole, float((result.start_ms - jobs.submit_ms).mean()) / 1000


def engine_table(base: Workload) -> None:
    fleet = uniform_fleet(NODES, 8)
    print(
        f"{'trace':10}{'policy':26}{'replay':>12}{'whole':>12}{'mean delay s':>14}{'peak MiB':>10}"
    )
    for label, pace in (("load 0.6", 1.0), ("overload", 1.5), ("overload+", 2.5)):
        jobs = copies(base, COPIES, pace)
        for order, backfill in (
            ("fifo", "none"),
            ("sjf", "none"),
            ("fifo", "easy"),
            ("sjf", "easy"),
        ):
            inner, whole, delay = timed(jobs, fleet, order, "first-fit", backfill)
            speed = f"{len(jobs) / inner / 1e6:9.2f} M/s{len(jobs) / whole / 1e6:8.2f} M/s"
            name = f"{order} first-fit {backfill}"
            print(f"{label:10}{name:26}{speed}{delay:14,.0f}{peak_mib():10,.0f}", flush=True)


def what_if(base: Workload) -> None:
    jobs = copies(base, 3, 1.0).workload_of_job_rows(np.arange(64_000))
    sites = np.repeat(np.arange(7, dtype=np.int32), 27)[: 62 * 3]
    fleet = uniform_fleet(len(sites), 8)
    site = tuple(replace(fleet.sites[0], name=f"site {i}") for i in range(7))
    fleet = replace(fleet, sites=site, site=sites, rtt_ms=np.zeros((7, 7)))
    masks = np.random.default_rng(2).choice([0, 0, 0, 1, 6, 120], len(jobs)).astype(np.int64)
    jobs = replace(jobs, sites=masks, site_names=tuple(s.name for s in site))
    for names in (("fifo",), ("sjf",), ("fifo", "first-fit", "easy")):
        began = time.perf_counter()
        simulate_schedule(jobs, fleet, parse_scheduling_policy(*names))
        took = time.perf_counter() - began
        print(f"what-if, 64,000 jobs, 7 sites, residency: {' '.join(names):24}{took:6.2f} s wall")


def plain_python(base: Workload) -> None:
    class Fifo:
        def order(self, waiting, _now_s):
            return waiting

    class Shortest:
        def order(self, waiting, _now_s):
            return sorted(waiting, key=lambda job: job.runtime_s)

    for policy in (Fifo(), Shortest()):
        began = time.process_time()
        simulate_user(base, uniform_fleet(62, 8), policy)
        took = time.process_time() - began
        print(f"plain-Python policy {type(policy).__name__:10}{len(base) / took:12,.0f} jobs/s")


def peers(base: Workload) -> None:
    jobs, fleet = base.workload_of_job_rows(np.arange(2000)), uniform_fleet(20, 8)
    _, whole, _ = timed(jobs, fleet, "fifo")
    kernel_speed = len(jobs) / whole
    print(f"\nThe first 2,000 ITP jobs on 20 nodes of 8, FIFO: {kernel_speed:,.0f} jobs/s (whole)")
    setup = ReplaySetup(
        workload=jobs,
        fleet=fleet,
        policy=parse_scheduling_policy("fifo"),
        believed_ms=believed_runtimes_ms(jobs, "oracle"),
        chance=placement_random_draws_by_job(0, len(jobs), parse_scheduling_policy("fifo")),
        quota_milli=None,
    )
    began = time.process_time()
    replay_on_simpy(setup)
    slow = len(jobs) / (time.process_time() - began)
    print(f"SimPy        {slow:10,.0f} jobs/s; ours is {kernel_speed / slow:,.0f} times as fast")
    try:
        speed = accasim_speed(jobs, 20)
    except Exception as error:
        print(f"accasim      did not run here: {type(error).__name__}: {error}")
    else:
        print(
            f"accasim      {speed:10,.0f} jobs/s; ours is {kernel_speed / speed:,.0f} times as fast"
        )


def accasim_speed(jobs: Workload, nodes: int) -> float:
    """Return accasim's jobs per CPU-second on the same jobs: one core a GPU.

    Its last release takes names from `collections` that moved in Python 3.10; they are
    put back for this run, so that the comparison is with the peer as it was meant.
    """
    for name in ("Mapping", "MutableMapping", "Sequence", "Iterable", "Callable"):
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))
    from accasim.base.allocator_class import FirstFit  # noqa: PLC0415  # may not import
    from accasim.base.scheduler_class import FirstInFirstOut  # noqa: PLC0415
    from accasim.base.simulator_class import Simulator  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        trace, system = Path(folder) / "jobs.swf", Path(folder) / "system.json"
        trace.write_text("; UnixStartTime: 0\n" + "\n".join(_swf(jobs)) + "\n")
        group = {"core": 8, "mem": 1024}
        system.write_text(json.dumps({"groups": {"g0": group}, "resources": {"g0": nodes}}))
        logging.disable(logging.CRITICAL)
        quiet = contextlib.redirect_stdout(io.StringIO())
        began = time.process_time()
        with quiet, contextlib.chdir(folder):
            simulator = Simulator(
                str(trace),
                str(system),
                FirstInFirstOut(FirstFit()),
                scheduling_output=False,
                statistics_output=False,
                show_statistics=False,
                RESULTS_FOLDER_NAME=str(Path(folder) / "results"),
            )
            simulator.start_simulation()
        return len(jobs) / (time.process_time() - began)


def _swf(jobs: Workload) -> list[str]:
    rows = zip(jobs.submit_ms // 1000 + 1, jobs.runtime_ms // 1000, jobs.gpus.tolist(), strict=True)
    return [
        f"{i + 1} {submit} -1 {run} {gpus} -1 -1 {gpus} {run} -1 1 1 1 1 1 1 -1 -1"
        for i, (submit, run, gpus) in enumerate(rows)
    ]


def main() -> None:
    paths = [Path(a) for a in sys.argv[1:] if not a.startswith("-")]
    base = read(paths[0] if paths else ITP)
    began = time.process_time()
    for backfill in ("none", "easy"):
        simulate_schedule(
            base.workload_of_job_rows(np.arange(500)),
            uniform_fleet(9, 8),
            parse_scheduling_policy(backfill=backfill),
        )
    print(f"first call, compiled or read from the cache: {time.process_time() - began:.1f} CPU-s")
    if "--peers-only" not in sys.argv:
        engine_table(base)
        what_if(base)
        plain_python(base)
    peers(base)


if __name__ == "__main__":
    main()
