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
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from commonwatt.operate.engines.ray import RayEngine  # noqa: E402
from commonwatt.operate.engines.slurm import SlurmEngine  # noqa: E402
from tests.operate_cases import controller, local  # noqa: E402
from tests.operate_rehearsal import rehearse, trace_slice  # noqa: E402
from tests.ray_cluster import ray_cluster  # noqa: E402
from tests.slurm_cluster import slurm_cluster  # noqa: E402


@contextmanager
def engine_of(name: str, folder: Path, nodes: int, gpus: int):
    if name == "slurm":
        with slurm_cluster(nodes, gpus) as cluster:
            engine = SlurmEngine(cluster.conf)
            yield engine
            engine.close()
    elif name == "ray":
        with ray_cluster(nodes, gpus) as cluster:
            engine = RayEngine(cluster.address, folder / "engine")
            yield engine
            engine.close()
    else:
        yield local(folder, nodes, gpus)


def run_rehearsal(args: argparse.Namespace) -> None:
    gpus = args.gpus
    work = trace_slice(args.jobs, longest_s=args.longest_s, scale=args.scale, gpus=64)
    runtime = work.runtime_ms / 1000
    print(
        f"{len(work)} jobs of the packaged ITP trace up to {args.longest_s / 3600:g} h, "
        f"1/{args.scale:g} of their time: {runtime.min():.1f} to {runtime.max():.1f} s, "
        f"mean {runtime.mean():.1f} s, "
        f"arriving over {work.submit_ms[-1] / 1000:.0f} s; {args.nodes} x {gpus} GPUs"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with engine_of(args.engine, folder, args.nodes, gpus) as engine:
            control = controller(folder, engine)
            control.settings = control.settings.model_copy(update={"tick_s": args.tick_s})
            control.explain = False
            done = rehearse(
                control, engine, work, nodes=args.nodes, gpus=gpus, launch_s=args.launch_s,
                wait_s=3600,
            )  # fmt: skip
    print(f"{'finished':28}{done.finished} of {done.jobs}")
    print(f"{'makespan live / simulated':28}{done.makespan_s:.1f} / {done.simulated_makespan_s:.1f}"
          f" s ({done.makespan_error:+.1%})")  # fmt: skip
    print(f"{'mean JCT live / simulated':28}{done.jct_s:.2f} / {done.simulated_jct_s:.2f} s"
          f" ({done.jct_error:+.1%})")  # fmt: skip
    compared = done.compared
    print(f"{'decisions that differ':28}{len(compared.differing)} of {compared.decisions}"
          f" ({compared.starts} starts)")  # fmt: skip
    print(f"{'over-committed, refused':28}{done.overcommitted}, {done.refused}")
    print(f"{'median offered to running':28}{done.start_delay_s:.2f} s")
    print(f"{'controller':28}{done.controller_cpu_s:.1f} CPU-s in {done.ticks} ticks, "
          f"{1000 * done.controller_cpu_s / done.ticks:.0f} ms a tick")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("rehearse")
    one.set_defaults(run=run_rehearsal)
    one.add_argument("--engine", choices=["slurm", "ray", "local"], default="slurm")
    one.add_argument("--jobs", type=int, default=500)
    one.add_argument("--nodes", type=int, default=16)
    one.add_argument("--gpus", type=int, default=8)
    one.add_argument("--scale", type=float, default=600)
    one.add_argument("--longest-s", type=float, default=6 * 3600)
    one.add_argument("--launch-s", type=float, default=0.0)
    one.add_argument("--tick-s", type=float, default=0.25)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
