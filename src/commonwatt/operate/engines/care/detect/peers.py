"""Peers: the nodes of one gang do the same work, so one that differs is suspect.

At each step and for each metric the distance of a node from the median of its gang is
measured in the gang's own spread (median absolute deviation); a node's score is the
largest such distance that lasted a window. No history is needed.

Source: Jiang et al. (2024), "MegaScale: Scaling Large Language Model Training to More
    Than 10,000 GPUs", section 5, compares machines of one job in this manner.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from commonwatt.operate.engines.care.detect.windows import trailing_telemetry_mean

Floats = npt.NDArray[np.float64]

_TO_SIGMA = 1.4826
"""A normal's standard deviation over its median absolute deviation."""


def gang_peer_scores(values: Floats, *, window: int, spread_share: float = 0.02) -> Floats:
    """Return how far each node stands from its gang, shape (steps, nodes).

    Args:
        values: Metrics of the nodes of one gang, shape (steps, nodes, metrics); a gap
            is NaN and counts as being in the middle.
        window: Steps over which a node must differ.
        spread_share: Least spread of a metric, as a share of its median, so that a
            gang in lockstep does not make a suspect of a rounding.

    >>> values = np.full((3, 4, 1), 10.0)
    >>> values[:, 2] = 7.0
    >>> gang_peer_scores(values, window=3)[-1].round(1).tolist()
    [0.0, 0.0, 15.0, 0.0]
    """
    middle = np.nanmedian(values, axis=1, keepdims=True)
    away = np.nan_to_num(values - middle, nan=0.0)
    spread = _TO_SIGMA * np.median(np.abs(away), axis=1, keepdims=True)
    spread = np.maximum(spread, np.maximum(spread_share * np.abs(middle), 1e-9))
    flat = (away / spread).reshape(len(values), -1)
    lasting = trailing_telemetry_mean(flat, window).reshape(values.shape)
    lasting[: window - 1] = 0.0
    return np.abs(lasting).max(axis=2)


def suspect_minority_gang_node_indices(scores: Floats, *, limit: float) -> npt.NDArray[np.int64]:
    """Return the nodes beyond `limit` at the last step, farthest first.

    If a third of the gang or more is beyond it, the gang is at fault and not a node:
    none is returned.

    >>> suspect_minority_gang_node_indices(np.array([[0.0, 9.0, 1.0, 0.5]]), limit=5.0)
    array([1])
    """
    last = scores[-1]
    beyond = np.flatnonzero(last > limit)
    if 3 * len(beyond) >= len(last):
        return np.empty(0, dtype=np.int64)
    return beyond[np.argsort(-last[beyond], kind="stable")]
