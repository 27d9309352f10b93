"""The slow, obvious reference of `vus.py`: every point, threshold and buffer by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence


def reference_node_anomaly_vus_pr(
    label: Sequence[int], score: Sequence[float], *, window: int, thresholds: int = 250
) -> float:
    """Return VUS-PR as it is defined, one buffer length after the other.

    >>> label, score = [0, 0, 1, 1, 0, 0], [0.1, 0.2, 0.9, 0.8, 0.3, 0.1]
    >>> round(reference_node_anomaly_vus_pr(label, score, window=0), 4)
    1.0
    """
    areas = [
        _anomaly_precision_recall_area(label, score, length, thresholds)
        for length in range(window + 1)
    ]
    return sum(areas) / len(areas)


def _anomaly_precision_recall_area(
    label: Sequence[int], score: Sequence[float], length: int, thresholds: int
) -> float:
    weights = node_anomaly_label_weights_with_buffers(label, length)
    groups = _merged_buffered_node_anomaly_intervals(label, length)
    area, before = 0.0, 0.0
    for cut in _node_anomaly_thresholds_from_high_to_low(score, thresholds):
        flagged = [score_at >= cut for score_at in score]
        recall, precision = _node_anomaly_recall_and_precision(label, weights, groups, flagged)
        area += (recall - before) * precision
        before = recall
    return area


def _node_anomaly_recall_and_precision(
    label: Sequence[int],
    weights: Sequence[float],
    groups: Sequence[range],
    flagged: Sequence[bool],
) -> tuple[float, float]:
    """Return recall (share found × share of intervals touched) and precision."""
    hits = math.fsum(w for w, flag in zip(weights, flagged, strict=True) if flag)
    ones = sum(label)
    counted = ones + math.fsum(
        w
        for w, flag, is_labelled in zip(weights, flagged, label, strict=True)
        if flag and not is_labelled
    )
    share = min(hits / ((ones + counted) / 2), 1.0)
    touched = sum(any(flagged[i] for i in group) for group in groups) / len(groups)
    return share * touched, hits / sum(flagged)


def node_anomaly_label_weights_with_buffers(label: Sequence[int], length: int) -> list[float]:
    """Return 1 on labelled points and sqrt(1 - distance / length) on those within half of it."""
    weights = [float(mark) for mark in label]
    for start, end in _reference_node_anomaly_intervals(label):
        for distance in range(1, length // 2 + 1):
            for i in (start - distance, end + distance):
                if 0 <= i < len(label):
                    weights[i] += math.sqrt(1 - distance / length)
    return [min(weight, 1.0) for weight in weights]


def _reference_node_anomaly_intervals(label: Sequence[int]) -> list[tuple[int, int]]:
    inside = [i for i, mark in enumerate(label) if mark]
    starts = [i for i in inside if i == 0 or not label[i - 1]]
    ends = [i for i in inside if i == len(label) - 1 or not label[i + 1]]
    return list(zip(starts, ends, strict=True))


def _merged_buffered_node_anomaly_intervals(label: Sequence[int], length: int) -> list[range]:
    """Return the buffered intervals, those that meet counted as one."""
    half, groups = length // 2, list[range]()
    for start, end in _reference_node_anomaly_intervals(label):
        low, high = max(start - half, 0), min(end + half, len(label) - 1)
        if groups and groups[-1].stop - 1 >= low:
            low = groups.pop().start
        groups.append(range(low, high + 1))
    return groups


def _node_anomaly_thresholds_from_high_to_low(
    score: Sequence[float], thresholds: int
) -> list[float]:
    falling = sorted(score, reverse=True)
    step = (len(score) - 1) / (thresholds - 1)
    return [*(falling[int(i * step)] for i in range(thresholds - 1)), falling[-1]]
