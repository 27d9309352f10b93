"""How live control keeps its promises, on a real Slurm or Ray that this script starts.

.venv/bin/python bench/operate_control.py rehearse --engine slurm
.venv/bin/python bench/operate_control.py faults
.venv/bin/python bench/operate_control.py kill
.venv/bin/python bench/operate_control.py soak --minutes 30
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from commonwatt.operate.domain.cluster import JobPhase  # noqa: E402
from commonwatt.operate.engines.elastic.forecast import (  # noqa: E402
    controller_gpu_demand_rise_quantile,
    controller_gpu_demand_rises,
)
from commonwatt.operate.io.backends.ray import RayBackend  # noqa: E402
from commonwatt.operate.io.backends.slurm import SlurmBackend  # noqa: E402
from commonwatt.operate.usecases.home import make_controller_home  # noqa: E402
from tests.operate_cases import controller, local, request  # noqa: E402
from tests.operate_kills import kill_often  # noqa: E402
from tests.operate_rehearsal import rehearse, trace_slice  # noqa: E402
from tests.operate_soak import soak  # noqa: E402
from tests.ray_cluster import ray_cluster  # noqa: E402
from tests.shared_data import shared_data  # noqa: E402
from tests.slurm_cluster import slurm_cluster  # noqa: E402


@contextmanager
def backend_of(name: str, folder: Path, nodes: int, gpus: int):
    if name == "slurm":
        with slurm_cluster(nodes, gpus) as cluster:
            backend = SlurmBackend(cluster.conf)
            yield backend
            backend.close()
    elif name == "ray":
        with ray_cluster(nodes, gpus) as cluster:
            backend = RayBackend(cluster.address, folder / "engine")
            yield backend
            backend.close()
    else:
        yield local(folder, nodes, gpus)


def run_rehearsal(args: argparse.Namespace) -> None:
    gpus = args.gpus
    trace = trace_slice(args.jobs, longest_s=args.longest_s, scale=args.scale, gpus=64)
    runtime = trace.runtime_ms / 1000
    print(
        f"{len(trace)} jobs of the packaged ITP trace up to {args.longest_s / 3600:g} h, "
        f"1/{args.scale:g} of their time: {runtime.min():.1f} to {runtime.max():.1f} s, "
        f"mean {runtime.mean():.1f} s, "
        f"arriving over {trace.submit_ms[-1] / 1000:.0f} s; {args.nodes} x {gpus} GPUs"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with backend_of(args.engine, folder, args.nodes, gpus) as backend:
            control = controller(folder, backend)
            control.settings = control.settings.model_copy(update={"tick_s": args.tick_s})
            control.explain = False
            rehearsal = rehearse(
                control, backend, trace, nodes=args.nodes, gpus=gpus, launch_s=args.launch_s,
                wait_s=3600,
            )  # fmt: skip
    print(f"{'finished':28}{rehearsal.finished} of {rehearsal.jobs}")
    makespans = f"{rehearsal.makespan_s:.1f} / {rehearsal.simulated_makespan_s:.1f} s"
    print(f"{'makespan live / simulated':28}{makespans} ({rehearsal.makespan_error:+.1%})")
    jcts = f"{rehearsal.jct_s:.2f} / {rehearsal.simulated_jct_s:.2f} s"
    print(f"{'mean JCT live / simulated':28}{jcts} ({rehearsal.jct_error:+.1%})")
    compared = rehearsal.compared
    print(f"{'decisions that differ':28}{len(compared.differing)} of {compared.decisions}"
          f" ({compared.starts} starts)")  # fmt: skip
    print(f"{'over-committed, refused':28}{rehearsal.overcommitted}, {rehearsal.refused}")
    print(f"{'median offered to running':28}{rehearsal.start_delay_s:.2f} s")
    print(f"{'controller':28}{rehearsal.controller_cpu_s:.1f} CPU-s in {rehearsal.ticks} ticks, "
          f"{1000 * rehearsal.controller_cpu_s / rehearsal.ticks:.0f} ms a tick")  # fmt: skip


def run_kills(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as temporary, slurm_cluster(args.nodes, 8) as cluster:
        folder = Path(temporary)
        folder.chmod(0o755)
        settings = f"engine = 'slurm'\ntick_s = 0.1\n[slurm]\nconf = '{cluster.conf}'\n"
        home = make_controller_home(folder / "home", settings, now=datetime.now(UTC))
        outcome = kill_often(
            home, folder / "marks", count=args.jobs, kills=args.kills, apart_s=args.apart_s
        )
    print(f"{'kill -9 of the controller':28}{outcome.kills} times, {args.jobs} jobs on Slurm")
    lost, doubled = len(outcome.lost), len(outcome.doubled)
    print(f"{'finished, lost, doubled':28}{outcome.finished}, {lost}, {doubled}")
    print(f"{'decisions that differ':28}{outcome.differing}")
    print(f"{'intents':28}{outcome.intents}; {outcome.entries} ledger entries verified")


def run_faults(args: argparse.Namespace) -> None:
    """Kill a node's daemon, say that it is down, and time until its jobs run elsewhere."""
    waits: list[float] = []
    with tempfile.TemporaryDirectory() as temporary, slurm_cluster(args.nodes, 8) as cluster:
        backend = SlurmBackend(cluster.conf)
        control = controller(Path(temporary), backend)
        for i in range(args.nodes - 4):
            backend.submit(request(f"long{i:02d}", "sleep", "600", gpus=4))
        _tick_until(control, lambda jobs: all(j.phase == JobPhase.RUNNING for j in jobs.values()))
        for number in range(args.kills):
            jobs = control.tick().observation.jobs
            node = jobs[f"long{number % len(jobs):02d}"].places[0].node
            hit = {k: j.starts for k, j in jobs.items() if node in {p.node for p in j.places}}
            cluster.kill_node(node)
            killed = time.monotonic()
            if args.told:
                backend.down(node, "its daemon is gone")
            hit_jobs = dict(hit)
            while hit_jobs:
                jobs = control.tick().observation.jobs
                for name in list(hit_jobs):
                    if jobs[name].phase == JobPhase.RUNNING and jobs[name].starts > hit_jobs[name]:
                        waits.append(time.monotonic() - killed)
                        del hit_jobs[name]
                time.sleep(0.25)
            cluster.start_node(node)
            backend.resume(node)
        backend.close()
    ordered = sorted(waits)
    p95 = ordered[-(-95 * len(ordered) // 100) - 1]
    print(f"{'killed nodes, jobs hit':28}{args.kills}, {len(waits)}"
          f" ({'said to be down at once' if args.told else 'found by Slurm alone'})")  # fmt: skip
    print(f"{'to running elsewhere':28}median {ordered[len(ordered) // 2]:.1f} s, p95 {p95:.1f} s")


def _tick_until(control, holds, wait_s: float = 120.0) -> None:
    until = time.monotonic() + wait_s
    while not holds(control.tick().observation.jobs):
        if time.monotonic() > until:
            raise AssertionError("the cluster did not get there")
        time.sleep(0.25)


def run_soak(args: argparse.Namespace) -> None:
    with (
        tempfile.TemporaryDirectory() as temporary,
        backend_of(args.engine, Path(temporary), args.nodes, args.gpus) as backend,
    ):
        summary = soak(Path(temporary), backend, minutes=args.minutes, seed=args.seed)
    for name, value in summary.items():
        print(f"{name:28}{value}")


def run_forecast(args: argparse.Namespace) -> None:
    """How often the demand of a real cluster rose by no more than was told, on days not looked at.

    Every minute of the second half is told from the day before it; beside it stands the
    naive answer, that demand will not rise.
    """
    path = shared_data("traces", "helios-earth-2020", "earth_vc_minutes_to_2020-05-24.parquet")
    frame = (
        pl.read_parquet(path)
        .group_by("time")
        .agg(demand=(pl.col("running_gpu_num") + pl.col("pending_gpu_num")).sum())
    )
    demand = frame.sort("time")["demand"].cast(pl.Float64).to_numpy()
    half, ahead = len(demand) // 2, args.ahead
    steps = range(half, len(demand) - ahead, 10)
    true = controller_gpu_demand_rises(demand, ahead)[list(steps)]
    print(f"{len(steps):,} instants, {ahead} min ahead; demand mean {demand.mean():.0f} GPUs, "
          f"mean rise {true.mean():.1f}")  # fmt: skip
    print(f"{'asked':>8}{'held':>8}{'mean told':>11}{'naive held':>12}")
    for share in (0.5, 0.8, 0.9, 0.95):
        rises = np.array(
            [
                controller_gpu_demand_rise_quantile(demand[t - 1440 : t + 1], ahead, share)
                for t in steps
            ]
        )
        print(f"{share:>8.0%}{(true <= rises).mean():>8.1%}{rises.mean():>11.1f}"
              f"{(true <= 0).mean():>12.1%}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    rehearse_command = commands.add_parser("rehearse")
    rehearse_command.set_defaults(run=run_rehearsal)
    rehearse_command.add_argument("--engine", choices=["slurm", "ray", "local"], default="slurm")
    rehearse_command.add_argument("--jobs", type=int, default=500)
    rehearse_command.add_argument("--nodes", type=int, default=16)
    rehearse_command.add_argument("--gpus", type=int, default=8)
    rehearse_command.add_argument("--scale", type=float, default=600)
    rehearse_command.add_argument("--longest-s", type=float, default=6 * 3600)
    rehearse_command.add_argument("--launch-s", type=float, default=0.0)
    rehearse_command.add_argument("--tick-s", type=float, default=0.25)
    kill_command = commands.add_parser("kill")
    kill_command.set_defaults(run=run_kills)
    kill_command.add_argument("--jobs", type=int, default=60)
    kill_command.add_argument("--nodes", type=int, default=16)
    kill_command.add_argument("--kills", type=int, default=10)
    kill_command.add_argument("--apart-s", type=float, default=3.0)
    faults_command = commands.add_parser("faults")
    faults_command.set_defaults(run=run_faults)
    faults_command.add_argument("--nodes", type=int, default=16)
    faults_command.add_argument("--kills", type=int, default=10)
    faults_command.add_argument("--told", action=argparse.BooleanOptionalAction, default=True)
    soak_command = commands.add_parser("soak")
    soak_command.set_defaults(run=run_soak)
    soak_command.add_argument("--engine", choices=["slurm", "ray", "local"], default="local")
    soak_command.add_argument("--minutes", type=float, default=30.0)
    soak_command.add_argument("--nodes", type=int, default=8)
    soak_command.add_argument("--gpus", type=int, default=8)
    soak_command.add_argument("--seed", type=int, default=1)
    five = commands.add_parser("forecast")
    five.set_defaults(run=run_forecast)
    five.add_argument("--ahead", type=int, default=15)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
