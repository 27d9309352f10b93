"""Rows read a CPU-second from traces of a million jobs, beside polars alone and Python's csv.

python bench/fleet_traces.py [rows]
"""

import csv
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from commonwatt.fleet.io.traces import read_trace

DAY, CLOCK = "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"


def write_traces(folder: Path, n: int) -> list[Path]:
    rng = np.random.default_rng(1)
    submit = np.sort(rng.integers(0, 10_000_000, n))
    runtime, gpus = rng.integers(1, 100_000, n), rng.integers(1, 65, n)
    team, user = rng.integers(1, 12, n), rng.integers(1, 999, n)
    at = pl.from_epoch(pl.Series(submit + 1_600_000_000), "s")
    end = pl.from_epoch(pl.Series(submit + runtime + 1_600_000_000), "s")
    itp = {"submission_time": submit, "duration": runtime, "num_gpu": gpus}
    pl.DataFrame({"cluster": team} | itp).write_parquet(folder / "itp.parquet")
    pl.DataFrame({"job_id": [f"job-{i}" for i in range(n)]} | itp).write_csv(folder / "itp.csv")
    pl.DataFrame(
        {"timestamp": at.dt.strftime(DAY), "duration": runtime, "num_gpus": gpus, "vc": team}
    ).write_csv(folder / "philly.csv")
    pl.DataFrame(
        {
            "job_id": range(n), "user": user, "vc": team, "gpu_num": gpus, "cpu_num": gpus * 4,
            "node_num": 1, "state": "COMPLETED", "submit_time": at.dt.strftime(DAY),
            "start_time": at.dt.strftime(DAY), "end_time": end.dt.strftime(DAY),
        }
    ).write_csv(folder / "helios.csv")  # fmt: skip
    pl.DataFrame(
        {
            "JobID": range(n), "User": user, "Account": team, "Submit": at.dt.strftime(CLOCK),
            "Start": at.dt.strftime(CLOCK), "End": end.dt.strftime(CLOCK), "ElapsedRaw": runtime,
            "State": "COMPLETED",
            "AllocTRES": [f"billing=8,cpu={i},gres/gpu={i},mem=64G,node=1" for i in gpus],
        }
    ).write_csv(folder / "sacct.txt", separator="|")  # fmt: skip
    minus = np.full(n, -1)
    fields = [np.arange(n), submit, minus, runtime, gpus, minus, minus, gpus, runtime * 2, minus]
    fields += [np.ones(n, int), user, team, team, team, team, minus, minus]
    pl.DataFrame({str(i): field for i, field in enumerate(fields)}).write_csv(
        folder / "log.swf", separator=" ", include_header=False
    )
    return sorted(folder.iterdir())


def cpu_s(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def polars_alone(path: Path) -> None:
    """Read the same file without a single check, every text column kept as text."""
    if path.suffix == ".parquet":
        pl.read_parquet(path)
    else:
        mark = {".txt": "|", ".swf": " "}.get(path.suffix, ",")
        pl.read_csv(path, separator=mark, has_header=path.suffix != ".swf")


def python_csv(path: Path) -> None:
    mark = {".txt": "|", ".swf": " "}.get(path.suffix, ",")
    with path.open(newline="", encoding="utf-8") as file:
        for _ in csv.reader(file, delimiter=mark):
            pass


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(f"{'trace':12} {'format':8} {'rows/s':>12} {'wall s':>7} {'x polars':>9} {'x csv':>7}")
    with tempfile.TemporaryDirectory() as name:
        for path in write_traces(Path(name), n):
            read = read_trace(path)  # the first reading also loads what polars loads lazily
            began = time.perf_counter()
            reading_s = cpu_s(lambda path=path: read_trace(path))
            wall = time.perf_counter() - began
            alone = cpu_s(lambda path=path: polars_alone(path))
            slow = cpu_s(lambda path=path: python_csv(path)) if path.suffix != ".parquet" else 0.0
            print(
                f"{path.name:12} {read.format:8} {n / reading_s:12,.0f} {wall:7.2f}"
                f" {alone / reading_s:9.2f} {slow / reading_s:7.2f}"
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:,.0f} MiB; x is speed against polars without checks, and csv.reader")


if __name__ == "__main__":
    main()
