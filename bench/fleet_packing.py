"""Packing against the published curves of the FGD paper, and how fast it goes.

    python bench/fleet_packing.py            all variants, seeds 42 to 51
    python bench/fleet_packing.py default    one variant

Prints unallocated GPU at 100 % and 130 % arrived load, ours and published, per policy
and variant; then arrivals per CPU-second of each policy beside the slow reference's, as
the peer in the same run. Needs the shared data folder beside the checkout.
"""

import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

from commonwatt.fleet.domain.policies.place import PLACES
from commonwatt.fleet.engines.packing import place_arrived_load
from commonwatt.fleet.engines.packing.protocol import prepare_packing, run_packing_of_jobs
from commonwatt.fleet.engines.packing.reference import pack_reference
from commonwatt.fleet.io.nodes import read_node_list
from commonwatt.fleet.io.traces.read import read_trace
from tests.shared_data import ROOT

OPENB = ROOT / "traces" / "openb-gpu-2023"
PUBLISHED = {
    "random-fit": "01-Random",
    "dot-product": "02-DotProd",
    "gpu-clustering": "03-GpuClustering",
    "gpu-packing": "04-GpuPacking",
    "best-fit": "05-BestFit",
    "fgd": "06-FGD",
}
SEEDS = range(42, 52)
LOADS = (100, 130)
TOLERANCE = 0.3  # points of GPU capacity


def variants() -> list[str]:
    """Return the names of the pod lists that stand in the folder."""
    names = [path.name for path in OPENB.glob("openb_pod_list_*.csv.gz")]
    return sorted(name.removeprefix("openb_pod_list_").removesuffix(".csv.gz") for name in names)


def published(variant: str, policy: str, load: int) -> float:
    """Return the mean published unallocated GPU [%] over the seeds."""
    frame = pl.read_parquet(OPENB / "fgd_reference_allo.parquet").filter(
        (pl.col("workload") == f"openb_pod_list_{variant}")
        & (pl.col("sc_policy") == PUBLISHED[policy])
        & pl.col("seed").is_in(list(SEEDS))
    )
    return 100.0 - float(frame[str(load)].cast(pl.Float64).mean())


def packed_shares(fleet, pods, policy: str) -> dict[int, float]:
    """Return our mean unallocated GPU [%] over the seeds, by load."""
    shares: dict[int, list[float]] = {load: [] for load in LOADS}
    for seed in SEEDS:
        curve = place_arrived_load(fleet, pods, policy, load=1.3, seed=seed).arrived_load_curve()
        for load in LOADS:
            line = curve.filter(pl.col("arrived_percent") == load)
            shares[load].append(100.0 * line["unallocated_gpu_share"].item())
    return {load: float(np.mean(values)) for load, values in shares.items()}


def cells(fleet, chosen: list[str]) -> None:
    """Print a line per cell, then how many cells are inside the tolerance."""
    inside = total = 0
    started = time.process_time()
    print(
        f"{'variant':12} {'policy':15} {'load %':>6} {'packed_shares':>7} {'publ.':>7} {'diff':>6}"
    )
    for variant in chosen:
        pods = read_trace(OPENB / f"openb_pod_list_{variant}.csv.gz").workload
        for policy in PUBLISHED:
            for load, share in packed_shares(fleet, pods, policy).items():
                wanted = published(variant, policy, load)
                good = abs(share - wanted) <= TOLERANCE
                inside, total = inside + good, total + 1
                numbers = f"{load:6d} {share:7.2f} {wanted:7.2f} {share - wanted:+6.2f}"
                print(f"{variant:12} {policy:15} {numbers} {'' if good else 'outside'}")
    runs = len(chosen) * len(PUBLISHED) * len(SEEDS)
    print(f"{inside} of {total} cells inside {TOLERANCE} points")
    print(f"{runs} runs in {time.process_time() - started:.1f} CPU-s")


def speed(fleet) -> None:
    """Print arrivals per CPU-second on the default pods, best of five, and the reference's."""
    pods = read_trace(OPENB / "openb_pod_list_default.csv.gz").workload
    scene = prepare_packing(fleet, pods, load=1.3, seed=42)
    arrivals = 40
    order, draws = scene.order[:arrivals].tolist(), scene.draws[:arrivals].tolist()
    slow = partial(pack_reference, order=order, node_order=scene.node_order.tolist(), draws=draws)
    print(f"\n{'policy':15} {'pods/CPU-s':>11} {'reference':>7} {'ratio':>8}")
    for name, policy in PLACES.items():
        run = partial(run_packing_of_jobs, scene, policy)
        run()
        fast = len(scene.order) / min(seconds(run) for _ in range(5))
        reference = arrivals / seconds(partial(slow, fleet, pods, name))
        print(f"{name:15} {fast:11,.0f} {reference:7,.1f} {fast / reference:8,.0f}")


def seconds(run) -> float:
    """Return the CPU time of one call."""
    started = time.process_time()
    run()
    return time.process_time() - started


def main() -> None:
    fleet = read_node_list(OPENB / "openb_node_list_gpu_node.csv.gz")
    first = read_trace(OPENB / "openb_pod_list_default.csv.gz").workload
    took = seconds(lambda: place_arrived_load(fleet, first, "fgd", load=0.1, seed=1))
    print(f"first call, with compilation where it was not cached: {took:.1f} CPU-s\n")
    cells(fleet, sys.argv[1:] or variants())
    speed(fleet)


if __name__ == "__main__":
    main()
