"""The monitor's bound, delay and speed, beside the CUSUM designed for each change.

python bench/clinic_monitor.py [null streams a case mix] [changed streams] [rows of a null stream]
"""

import sys
import time

import numpy as np

from commonwatt.clinic.surveillance import MonitorPlan, watch
from commonwatt.core.jit import njit
from commonwatt.core.seeds import stream

HORIZON, ALPHA = 50_000, 0.10
MIXES = {"5 %": (-3.6, 1.4), "15 %": (-2.1, 1.4), "40 %": (-0.5, 1.4)}


@njit(cache=True)
def cusum(score, label, shift, slope, middle, limit):
    """Page's CUSUM of the exact likelihood ratio, which knows the change that will come."""
    most = 0.0
    level = 0.0
    for i in range(len(score)):
        x = np.log(score[i] / (1 - score[i]))
        q = 1 / (1 + np.exp(-(middle + shift + slope * (x - middle))))
        gain = np.log(q / score[i]) if label[i] == 1 else np.log((1 - q) / (1 - score[i]))
        level = max(0.0, level + gain)
        most = max(most, level)
        if level >= limit:
            return i, most
    return -1, most


def rows(chance, count, mean, spread, shift=0.0, slope=1.0):
    x = chance.normal(mean, spread, count)
    truth = 1 / (1 + np.exp(-(mean + shift + slope * (x - mean))))
    return 1 / (1 + np.exp(-x)), (chance.random(count) < truth).astype(np.int8)


def alarms(plan, mean, spread, streams, count, seed, shift=0.0, slope=1.0):
    one, found = np.zeros((count, 1), np.int32), []
    chance = stream(seed, "monitor")
    for _ in range(streams):
        score, label = rows(chance, count, mean, spread, shift, slope)
        found.append(int(watch(score, label, one, plan, count=1).alarm_at[0]))
    return np.array(found)


def delays_of_cusum(mean, spread, shift, slope, streams, nulls):
    chance = stream(3, "cusum")
    peaks = [
        cusum(*rows(chance, HORIZON, mean, spread), shift, slope, mean, 1e9)[1]
        for _ in range(nulls)
    ]
    limit = float(np.quantile(peaks, 1 - ALPHA))
    chance = stream(4, "cusum")
    changed = (rows(chance, 5_000, mean, spread, shift, slope) for _ in range(streams))
    return np.median([cusum(s, y, shift, slope, mean, limit)[0] + 1 for s, y in changed])


def main(nulls: int, changed: int, length: int) -> None:
    for name, (mean, spread) in MIXES.items():
        plan = MonitorPlan(band=0.0, alpha=ALPHA, horizon=length, middle=mean)
        share = (alarms(plan, mean, spread, nulls, length, 1) >= 0).mean()
        print(f"false alarms, event rate about {name:4} {share:.4f} of {nulls:,} (bound {ALPHA})")
    cases = (
        ("AUC .80 to .67", -0.85, 1.4, 0.0, 0.46),
        ("slope 0.5 at 15 %", -2.1, 1.4, 0.0, 0.5),
        ("shift +1.0 at 40 %", -0.5, 1.4, 1.0, 1.0),
        ("shift +1.0 at 15 %", -2.1, 1.4, 1.0, 1.0),
    )
    for what, mean, spread, shift, slope in cases:
        plan = MonitorPlan(band=0.0, alpha=ALPHA, horizon=HORIZON, middle=mean)
        ours = np.median(alarms(plan, mean, spread, changed, 5_000, 2, shift, slope) + 1)
        known = delays_of_cusum(mean, spread, shift, slope, changed, 200)
        print(
            f"delay, {what:19} {ours:5.0f} rows; CUSUM that knows it {known:5.0f};"
            f" {ours / known:.2f} x"
        )
    speed()


def speed(count: int = 400_000) -> None:
    chance = stream(5, "speed")
    score, label = rows(chance, count, -2.1, 1.4)
    of = np.stack(
        [np.zeros(count), 1 + chance.integers(0, 10, count), 11 + chance.integers(0, 20, count)], 1
    )
    watch(score[:10], label[:10], of[:10], MonitorPlan(), count=31)
    began = time.process_time()
    watch(score, label, of, MonitorPlan(middle=-2.1), count=31)
    took = time.process_time() - began
    print(f"10 subgroups + 20 sites + all, 10 alternatives: {count / took:,.0f} rows/CPU-s")


if __name__ == "__main__":
    given = [int(a) for a in sys.argv[1:]]
    main(*(given + [1_000, 300, HORIZON][len(given) :]))
