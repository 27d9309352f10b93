"""The monitor's bound, delay and speed, beside the CUSUM designed for each change.

python bench/clinic_monitor.py [null streams a case mix] [changed streams] [rows of a null stream]
"""

import sys
import time

import numpy as np

from commonwatt.clinic.engines.monitor import MonitorPlan, monitor_result_of_scored_rows
from commonwatt.core.jit import njit
from commonwatt.core.seeds import named_random_stream

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


def changed_rows(chance, before, mean, spread, shift, slope):
    """A model that was right for `before` rows and is wrong afterwards."""
    right, wrong = (
        rows(chance, before, mean, spread),
        rows(chance, 5_000, mean, spread, shift, slope),
    )
    return tuple(np.concatenate(pair) for pair in zip(right, wrong, strict=True))


def first_alarm(plan, score, label):
    stream_of_row = np.zeros((len(score), 1), np.int32)
    return int(
        monitor_result_of_scored_rows(score, label, stream_of_row, plan, count=1).alarm_at[0]
    )


def null_share(plan, mean, spread, streams, length):
    chance = named_random_stream(1, "monitor")
    return np.mean(
        [first_alarm(plan, *rows(chance, length, mean, spread)) >= 0 for _ in range(streams)]
    )


def cusum_limit(mean, spread, shift, slope, nulls):
    """The limit at which that CUSUM raises a false alarm in a tenth of null streams."""
    chance = named_random_stream(3, "cusum")
    peaks = [
        cusum(*rows(chance, HORIZON, mean, spread), shift, slope, mean, 1e9)[1]
        for _ in range(nulls)
    ]
    return float(np.quantile(peaks, 1 - ALPHA))


def delays(plan, limit, case, before, streams):
    """Median rows from the change to the alarm, of the monitor and of the CUSUM."""
    mean, spread, shift, slope = case
    chance, delays_found = named_random_stream(4, "changed"), []
    for _ in range(streams):
        score, label = changed_rows(chance, before, mean, spread, shift, slope)
        at = first_alarm(plan, score, label), cusum(score, label, shift, slope, mean, limit)[0]
        delays_found.append([row + 1 - before if row >= before else np.nan for row in at])
    return np.nanmedian(delays_found, axis=0)


def subgroup_delay(streams):
    """Median rows of a tenth of all patients until its own alarm, in one budget of eleven."""
    mean, spread = -0.5, 1.4
    plan = MonitorPlan(band=0.0, alpha=ALPHA, horizon=HORIZON, middle=mean)
    chance, delays_found = named_random_stream(6, "subgroup"), []
    for _ in range(streams):
        group = chance.integers(0, 10, 10_000)
        score, label = rows(chance, 10_000, mean, spread)
        x = np.log(score / (1 - score)) + (group == 0)
        label = (chance.random(10_000) < 1 / (1 + np.exp(-x))).astype(np.int8)
        of = np.stack([np.zeros(10_000, np.int32), 1 + group], axis=1)
        at = monitor_result_of_scored_rows(score, label, of, plan, count=11).alarm_at[1]
        delays_found.append((group[: at + 1] == 0).sum() if at >= 0 else np.inf)
    return np.median(delays_found)


def main(nulls: int, changed: int, length: int) -> None:
    for name, (mean, spread) in MIXES.items():
        plan = MonitorPlan(band=0.0, alpha=ALPHA, horizon=length, middle=mean)
        share = null_share(plan, mean, spread, nulls, length)
        spread_of = 1.96 * (share * (1 - share) / nulls) ** 0.5
        print(
            f"false alarms, event rate about {name:4} {share:.4f} ± {spread_of:.4f}"
            f" of {nulls:,} (bound {ALPHA})"
        )
    cases = {
        "AUC .80 to .67": (-0.85, 1.4, 0.0, 0.46),
        "slope 0.5 at 15 %": (-2.1, 1.4, 0.0, 0.5),
        "shift +1.0 at 40 %": (-0.5, 1.4, 1.0, 1.0),
        "shift +1.0 at 15 %": (-2.1, 1.4, 1.0, 1.0),
    }
    for what, case in cases.items():
        limit = cusum_limit(*case, 400)
        plan = MonitorPlan(band=0.0, alpha=ALPHA, horizon=HORIZON, middle=case[0])
        for before in (0, 1_000):
            ours, peer = delays(plan, limit, case, before, changed)
            print(
                f"delay, {what:18} after {before:5,} good rows: {ours:5.0f} rows;"
                f" CUSUM that knows it {peer:5.0f}; {ours / peer:.2f} x"
            )
    print(f"delay, shift +1.0 in a tenth of patients: {subgroup_delay(changed):.0f} of its rows")
    speed()


def speed(count: int = 400_000) -> None:
    chance = named_random_stream(5, "speed")
    score, label = rows(chance, count, -2.1, 1.4)
    of = np.stack(
        [np.zeros(count), 1 + chance.integers(0, 10, count), 11 + chance.integers(0, 20, count)], 1
    )
    monitor_result_of_scored_rows(score[:10], label[:10], of[:10], MonitorPlan(), count=31)
    began = time.process_time()
    monitor_result_of_scored_rows(score, label, of, MonitorPlan(middle=-2.1), count=31)
    cpu_s = time.process_time() - began
    print(f"10 subgroups + 20 sites + all, 10 alternatives: {count / cpu_s:,.0f} rows/CPU-s")


if __name__ == "__main__":
    given = [int(a) for a in sys.argv[1:]]
    main(*(given + [1_000, 300, HORIZON][len(given) :]))
