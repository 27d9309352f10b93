"""Metrics by subgroup at a million rows, beside the time of one pass over the same memory.

python bench/clinic_evidence.py [rows] [groups]
"""

import sys
import time

import numpy as np

from commonwatt.clinic.evidence import evaluate, sketch_of
from commonwatt.core.seeds import stream


def main(rows: int, groups: int) -> None:
    chance = stream(1, "bench")
    score = chance.beta(1, 5, rows)
    label = (chance.random(rows) < score).astype(np.int8)
    group = chance.integers(0, groups, rows).astype(np.int32)
    names = [str(g) for g in range(groups)]
    evaluate(sketch_of(score[:100], label[:100], group[:100], groups=groups), names)  # compiles
    times, passes = [], []
    for _ in range(5):
        began = time.process_time()
        frame = evaluate(sketch_of(score, label, group, groups=groups), names)
        times.append(time.process_time() - began)
        began = time.process_time()
        np.log(score).sum()
        passes.append(time.process_time() - began)
    best = min(times)
    print(f"{frame.height:,} estimates with intervals at {rows:,} rows   {best:.3f} CPU-s")
    print(f"  ratio to one logarithm a row                        {best / min(passes):.1f} x")


if __name__ == "__main__":
    given = [int(a) for a in sys.argv[1:]]
    main(*(given + [1_000_000, 200][len(given) :]))
