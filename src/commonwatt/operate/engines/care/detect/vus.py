"""VUS-PR: how well a score finds labelled intervals, without point adjustment.

Range-based precision and recall widen each labelled interval by a buffer whose weight
falls with distance, and multiply recall by the share of intervals that were touched.
VUS-PR is the mean area under that precision-recall curve over every buffer length
from 0 to `window`.

Source: Paparrizos, Boniol, Palpanas, Tsay, Elmore, Franklin (2022), "Volume Under the
Surface", PVLDB 15(11), sections 4 and 5; thresholds and the shape of the buffer as in
the authors' published software.

The obvious reference is `vus_reference.py`. This one sorts each point once into the first
threshold that it passes, so that a buffer length costs one walk over the points near
an interval instead of one per threshold.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from commonwatt.core.jit import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def node_anomaly_vus_pr(
    label: npt.NDArray[np.integer], score: Floats, *, window: int, thresholds: int = 250
) -> float:
    """Return the volume under the range-based precision-recall surface.

    Args:
        label: 1 within an anomaly, else 0, shape (n,); at least one 1.
        score: Higher is more anomalous, shape (n,); no NaN.
        window: Longest buffer around an interval, in steps.
        thresholds: How many thresholds, spread evenly over the sorted scores.

    >>> label = np.array([0, 0, 1, 1, 0, 0, 0, 0])
    >>> score = np.array([0.1, 0.9, 0.8, 0.2, 0.3, 0.1, 0, 0])
    >>> round(node_anomaly_vus_pr(label, score, window=2), 4)
    0.6005
    """
    cuts = node_anomaly_score_thresholds(score, thresholds)
    first = first_passed_node_alarm_threshold_index(score, cuts)
    starts, ends = node_anomaly_first_and_last_steps(label)
    flagged = np.cumsum(np.bincount(first, minlength=thresholds)[:thresholds])
    areas = np.empty(window + 1)
    _fill_node_anomaly_area_by_buffer_length(starts, ends, first, flagged.astype(np.float64), areas)
    return float(sum(areas.tolist()) / (window + 1))


def node_anomaly_score_thresholds(score: Floats, thresholds: int) -> Floats:
    """Return the scores that serve as thresholds, falling."""
    falling = -np.sort(-score)
    return falling[np.linspace(0, len(score) - 1, thresholds).astype(np.int64)]


def first_passed_node_alarm_threshold_index(score: Floats, threshold_scores: Floats) -> Ints:
    """Return for each point the number of the first (highest) threshold that it reaches."""
    return np.searchsorted(-threshold_scores, -score, side="left").astype(np.int64)


def node_anomaly_first_and_last_steps(label: npt.NDArray[np.integer]) -> tuple[Ints, Ints]:
    """Return first and last step of each run of ones.

    >>> node_anomaly_first_and_last_steps(np.array([0, 1, 1, 0, 1]))
    (array([1, 4]), array([2, 4]))
    """
    edges = np.diff(np.concatenate(([0], (label != 0).astype(np.int8), [0])))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1


@njit()
def _fill_node_anomaly_area_by_buffer_length(
    starts: Ints, ends: Ints, first: Ints, flagged: Floats, areas: Floats
) -> None:
    """Write the area under the curve of each buffer length."""
    labelled = _labelled_node_anomaly_points_by_threshold(starts, ends, first, len(flagged))
    size = float(np.sum(ends - starts + 1))
    scratch = np.zeros(len(first))
    for k in range(len(starts)):
        scratch[starts[k] : ends[k] + 1] = -np.inf  # labelled points never join a buffer
    for window in range(len(areas)):
        buffered = _node_anomaly_buffer_weight_by_threshold(
            starts, ends, first, len(flagged), window, scratch
        )
        touched = _touched_node_anomaly_share_by_threshold(
            starts, ends, first, len(flagged), window
        )
        areas[window] = _anomaly_precision_recall_area(labelled, buffered, touched, flagged, size)


@njit(inner=True)
def _labelled_node_anomaly_points_by_threshold(
    starts: Ints, ends: Ints, first: Ints, cuts: int
) -> Floats:
    """Return, by threshold, how many labelled points pass it."""
    count = np.zeros(cuts)
    for k in range(len(starts)):
        for i in range(starts[k], ends[k] + 1):
            count[first[i]] += 1.0
    return np.cumsum(count)


@njit(inner=True)
def _node_anomaly_buffer_weight_by_threshold(
    starts: Ints, ends: Ints, first: Ints, cuts: int, window: int, scratch: Floats
) -> Floats:
    """Return, by threshold, the weight of the buffer points that pass it."""
    half = window // 2
    for k in range(len(starts)):
        for distance in range(1, half + 1):
            weight = np.sqrt(1.0 - distance / window)
            if starts[k] - distance >= 0:
                scratch[starts[k] - distance] += weight
            if ends[k] + distance < len(first):
                scratch[ends[k] + distance] += weight
    passed = np.zeros(cuts)
    for k in range(len(starts)):
        for i in range(max(starts[k] - half, 0), min(ends[k] + half + 1, len(first))):
            if scratch[i] > 0.0:
                passed[first[i]] += min(scratch[i], 1.0)
                scratch[i] = 0.0
    return np.cumsum(passed)


@njit(inner=True)
def _touched_node_anomaly_share_by_threshold(
    starts: Ints, ends: Ints, first: Ints, cuts: int, window: int
) -> Floats:
    """Return, by threshold, the share of buffered intervals with a point that passes it."""
    count = np.zeros(cuts)
    half, groups, k = window // 2, 0, 0
    while k < len(starts):
        last = k
        while last + 1 < len(starts) and ends[last] + half >= starts[last + 1] - half:
            last += 1
        best = cuts - 1
        for i in range(max(starts[k] - half, 0), min(ends[last] + half + 1, len(first))):
            best = min(best, first[i])
        count[best] += 1.0
        groups += 1
        k = last + 1
    return np.cumsum(count) / groups


@njit(inner=True)
def _anomaly_precision_recall_area(
    labelled: Floats, buffered: Floats, touched: Floats, flagged: Floats, size: float
) -> float:
    area, before = 0.0, 0.0
    for cut in range(len(flagged)):
        hits = labelled[cut] + buffered[cut]
        wanted = (2.0 * size + buffered[cut]) / 2.0
        recall = min(hits / wanted, 1.0) * touched[cut]
        area += (recall - before) * hits / flagged[cut]
        before = recall
    return area
