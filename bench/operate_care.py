"""Care on two months of faults: training time, isolation, false drains, lemons, advice.

    .venv/bin/python bench/operate_care.py [trace|counts|lemons|all]

`trace` replays whole histories of real nodes, with interruptions by software added at
the rate of a published run; `counts` replays that run's causes; `lemons` plants lemons
as a published fleet had them, and looks for lemons in the real histories.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from commonwatt.operate.engines.care.lemons import LemonRule, lemon_nodes
from commonwatt.operate.engines.care.replay.faults import (
    node_faults_drawn_from_trace,
    node_faults_of_counts,
)
from commonwatt.operate.engines.care.replay.lemons import PlantedLemons, planted_lemons_trial
from commonwatt.operate.engines.care.replay.run import replay_gang_in_care
from commonwatt.operate.engines.care.replay.setting import FalseSignRates, ReplaySetting

DATA = Path(__file__).parents[2] / "shared" / "data"
TRACE = DATA / "traces" / "stepfun-faults-2024" / "faults_to_day240.parquet"
COUNTS = DATA / "telemetry" / "llama3_interruptions.csv"
SOFTWARE = ("software_bug", "nccl_watchdog_timeout", "dependency")


def counts() -> dict[str, int]:
    return dict(pl.read_csv(COUNTS).rows())


def show(name: str, faults, setting: ReplaySetting) -> None:
    begun = time.process_time()
    out = replay_gang_in_care(faults, setting)
    spent = time.process_time() - begun
    low, mid, most = np.quantile(out.isolation_s or (0.0,), (0.5, 0.95, 1.0))
    print(
        f"{name:34} faults {len(faults):4}  stops {out.interruptions:4}  "
        f"ETTR {out.effective_training_share:.4f}  isolation median {low:.0f} "
        f"p95 {mid:.0f} longest {most:.0f} s  "
        f"drains {out.drains}  false {out.false_drains} "
        f"({out.false_drains_per_1000_node_days:.3f} per 1,000 node-days)  {spent:.1f} CPU-s",
        flush=True,
    )
    shares = {k: getattr(out.account, k) / out.wall_s for k in
              ("kept", "saving", "lost", "isolating", "restarting", "waiting")}  # fmt: skip
    print("    " + ", ".join(f"{k} {v:.4f}" for k, v in shares.items())
          + f", saves every {out.save_every_s:.0f} s")  # fmt: skip


def from_trace(setting: ReplaySetting):
    nodes = node_faults_drawn_from_trace(TRACE, nodes=setting.nodes, days=setting.days, watched=400,
                            seed=setting.seed)  # fmt: skip
    programs = {k: round(v * setting.days / 54) for k, v in counts().items() if k in SOFTWARE}
    struck = node_faults_of_counts(
        programs, nodes=setting.nodes, days=setting.days, seed=setting.seed
    )
    return sorted([*nodes, *struck], key=lambda fault: (fault.at_s, fault.node))


def trace() -> None:
    setting = ReplaySetting()
    faults = from_trace(setting)
    show("real histories", faults, setting)
    show("saves of 5 s", faults, replace(setting, save_s=5.0))
    show("restarts of 5 minutes", faults, replace(setting, restart_s=300.0))
    show("ten times the false checks", faults, replace(setting, noise=FalseSignRates(check=0.002)))


def published() -> None:
    setting = ReplaySetting()
    faults = node_faults_of_counts(counts(), nodes=setting.gang, days=54.0, seed=1)
    show("causes of a published run", faults, setting)


def planted() -> None:
    rows = [planted_lemons_trial(PlantedLemons(), seed=seed) for seed in range(20)]
    before = np.mean([row.failed_before for row in rows])
    after = np.mean([row.failed_after for row in rows])
    print(
        f"planted lemons: large jobs that fail {before:.3f} -> {after:.3f} "
        f"(cut by {1 - after / before:.2f}), found {np.mean([r.found_share for r in rows]):.2f} of "
        f"the lemons, {np.mean([r.wrong_share for r in rows]):.2f} sound nodes wrongly, "
        f"worst cut of 20 seeds {min(1 - r.failed_after / r.failed_before for r in rows):.2f}"
    )
    frame = pl.read_parquet(TRACE)
    for split in (90, 120, 150):
        first, later = frame.filter(pl.col("start_day") < split), frame.filter(
            pl.col("start_day") >= split)  # fmt: skip
        counts = {str(n): int(k) for n, k in first.group_by("node").len().rows()}
        for rule in (LemonRule(), LemonRule(times=2.0, sure=0.8)):
            out = {lemon.node for lemon in lemon_nodes(counts, 400, rule)}
            gone = later.filter(pl.col("node").cast(pl.String).is_in(list(out))).height
            print(f"real histories, found by day {split}, x{rule.times:g}: {len(out)} of 400 "
                  f"nodes, who had {gone} of the {later.height} later faults")  # fmt: skip


if __name__ == "__main__":
    what = sys.argv[1] if len(sys.argv) > 1 else "all"
    for name, run in (("trace", trace), ("counts", published), ("lemons", planted)):
        if what in (name, "all"):
            run()
