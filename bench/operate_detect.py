"""Detectors on labelled servers: VUS-PR, recall and false episodes, and speed.

    .venv/bin/python bench/operate_detect.py [smd|asd] [FOLDER]

Thresholds come from the train half only and no label is looked at. `window` is the
longest buffer of VUS-PR. The slow twin's time is scaled from one buffer length.
"""

import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

from commonwatt.operate.engines.care.detect import alarms, learned
from commonwatt.operate.engines.care.detect.vus import node_anomaly_vus_pr
from commonwatt.operate.engines.care.detect.vus_reference import reference_node_anomaly_vus_pr

DATA = Path(__file__).parents[2] / "shared" / "data" / "telemetry"


def detectors(day: int) -> dict[str, learned.Detector]:
    return {
        "level, 1 step": learned.PcaDistance(window=1),
        "level, 5 steps": learned.PcaDistance(window=5),
        "less 60 steps, 5 steps": learned.PcaDistance(window=5, baseline=60),
        "less 240 steps, 5 steps": learned.PcaDistance(window=5, baseline=240),
        "seasonal, 5 steps": learned.SeasonalDistance(day=day),
        "alarming": learned.node_alarm_detector(day=day),
        "ranking, live": learned.node_anomaly_ranking_detector(day=day, live=True),
        "ranking": learned.node_anomaly_ranking_detector(day=day),
    }


def servers(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    series_of = {}
    for path in sorted(folder.glob("*.train.parquet")):
        name = path.name.removesuffix(".train.parquet")
        test = pl.read_parquet(folder / f"{name}.test.parquet")
        values = test.drop("label").to_numpy().astype(float)
        train = pl.read_parquet(path).to_numpy().astype(float)
        series_of[name] = (train, values, test["label"].to_numpy().astype(np.int64))
    return series_of


def main() -> None:
    kind = sys.argv[1] if len(sys.argv) > 1 else "smd"
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else DATA / kind
    series_of = servers(folder)
    day = 1440 if kind == "smd" else 288
    scores = {}
    print(f"{len(series_of)} servers; VUS-PR with buffers up to 100 steps, mean over servers last")
    for name, detector in detectors(day).items():
        begun = time.process_time()
        scores[name] = {n: detector.score(a, b) for n, (a, b, _) in series_of.items()}
        spent = time.process_time() - begun
        areas = [
            node_anomaly_vus_pr(series_of[n][2], s[1], window=100) for n, s in scores[name].items()
        ]
        row = " ".join(f"{area:.3f}" for area in areas)
        print(f"{name:26} {row}  mean {np.mean(areas):.4f}   {spent:5.1f} CPU-s")
    for window in (0, 20, 50, 200):
        means = {
            k: np.mean(
                [node_anomaly_vus_pr(series_of[n][2], s[1], window=window) for n, s in v.items()]
            )
            for k, v in scores.items()
            if k.startswith("ranking")
        }
        print(f"window {window}: " + ", ".join(f"{k} {v:.4f}" for k, v in means.items()))
    print("\nalarms of 'alarming', thresholds from the train half")
    level = scores["alarming"]
    for reckoned in (0.0, 0.15, 0.3, 0.5, 0.75):
        budget = alarms.AlarmBudget(incidents_per_day=reckoned, day=day, quiet=day // 24)
        cuts = alarms.alarm_threshold_by_node({n: s[0] for n, s in level.items()}, budget)
        each = {
            n: alarms.judge_node_alarms(s[1] > cuts[n], series_of[n][2], budget)
            for n, s in level.items()
        }
        every = sum(
            each.values(),
            alarms.AlarmScore(
                incidents=0,
                incidents_found=0,
                minutes=0,
                minutes_found=0,
                false_episodes=0,
                days=0.0,
            ),
        )
        print(
            f"incidents reckoned with {reckoned:.2f}/day: "
            f"episodes found {every.incidents_found} of {every.incidents} "
            f"({every.incident_recall:.3f}), minutes {every.labelled_minutes_recall:.3f}, "
            f"false episodes per machine-day {every.false_episodes_per_day:.3f}"
        )
    label = next(iter(series_of.values()))[2]
    score = next(iter(level.values()))[1]
    node_anomaly_vus_pr(label, score, window=100)
    begun = time.process_time()
    for _ in range(20):
        node_anomaly_vus_pr(label, score, window=100)
    fast = (time.process_time() - begun) / 20
    begun = time.process_time()
    reference_node_anomaly_vus_pr([*label[:1999].tolist(), 1], score[:2000].tolist(), window=0)
    slow = (time.process_time() - begun) * 101 * len(label) / 2000
    print(
        f"\nVUS-PR of {len(label):,} steps, 101 buffers: {1000 * fast:.1f} ms; "
        f"the slow twin about {slow:,.0f} s ({slow / fast:,.0f} times)"
    )


if __name__ == "__main__":
    main()
