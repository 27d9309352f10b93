"""Metrics by subgroup at a million rows, beside one pass over the same memory and Fairlearn.

python bench/clinic_evidence.py [rows] [groups]
"""

import sys
import time

import numpy as np

from commonwatt.clinic.engines.evidence import evaluate_score_sketch, sketch_model_scores
from commonwatt.core.seeds import named_random_stream


def fairlearn_s(score, label, group) -> float | None:
    """CPU time of Fairlearn's MetricFrame for five metrics by group, without intervals."""
    try:
        from fairlearn import metrics as fm  # noqa: PLC0415 - optional
    except ImportError:
        return None
    from sklearn.metrics import accuracy_score, precision_score  # noqa: PLC0415

    decided = score >= 0.5
    began = time.process_time()
    frame = fm.MetricFrame(
        metrics={
            "accuracy": accuracy_score,
            "precision": lambda y, p: precision_score(y, p, zero_division=0),
            "sensitivity": fm.true_positive_rate,
            "specificity": fm.true_negative_rate,
            "selected": fm.selection_rate,
        },
        y_true=label, y_pred=decided, sensitive_features=group,
    )  # fmt: skip
    assert len(frame.by_group) == group.max() + 1
    return time.process_time() - began


def main(rows: int, groups: int) -> None:
    chance = named_random_stream(1, "bench")
    score = chance.beta(1, 5, rows)
    label = (chance.random(rows) < score).astype(np.int8)
    group = chance.integers(0, groups, rows).astype(np.int32)
    names = [str(g) for g in range(groups)]
    evaluate_score_sketch(
        sketch_model_scores(score[:100], label[:100], group[:100], groups=groups), names
    )  # compiles
    times, passes = [], []
    for _ in range(5):
        began = time.process_time()
        frame = evaluate_score_sketch(
            sketch_model_scores(score, label, group, groups=groups), names
        )
        times.append(time.process_time() - began)
        began = time.process_time()
        np.log(score).sum()
        passes.append(time.process_time() - began)
    best = min(times)
    print(f"{frame.height:,} estimates with intervals at {rows:,} rows   {best:.3f} CPU-s")
    peer_s = fairlearn_s(score, label, group)
    print(f"  Fairlearn, five metrics, no intervals: {_ratio(peer_s, best)}")
    print(f"  ratio to one logarithm a row                        {best / min(passes):.1f} x")


def _ratio(peer_s: float | None, own_s: float) -> str:
    return f"{peer_s:.1f} CPU-s, {peer_s / own_s:.0f} x" if peer_s else "not installed"


if __name__ == "__main__":
    given = [int(a) for a in sys.argv[1:]]
    main(*(given + [1_000_000, 200][len(given) :]))
