"""How much more GPU will soon be wanted: a quantile of past rises.

    rise(t) = max over s in (t, t + ahead] of demand(s) - demand(t)

Distribution-free: whatever the demand looks like, the share of instants at which it
rose by no more than the answer is the one asked for, over the history looked at. It
knows no calendar; a rise at the same hour each day is seen only as one among others.
"""

from __future__ import annotations

import numpy as np

from commonwatt.fleet.domain.machines import F64

LEAST_STEPS = 30  # below this a quantile says nothing, and the answer is the largest rise


def controller_gpu_demand_rises(demand: F64, ahead: int) -> F64:
    """Return the largest rise within `ahead` steps after each step, at least 0.

    Args:
        demand: Demand at equal steps, shape (steps,).
        ahead: Steps to look ahead; at least 1.

    >>> controller_gpu_demand_rises(np.array([1.0, 4.0, 2.0, 3.0]), 2).tolist()
    [3.0, 0.0]
    """
    steps = len(demand) - ahead
    if steps <= 0:
        return np.zeros(0)
    windows = np.lib.stride_tricks.sliding_window_view(demand[1:], ahead)[:steps]
    return np.maximum(windows.max(axis=1) - demand[:steps], 0.0)


def controller_gpu_demand_rise_quantile(demand: F64, ahead: int, share: float = 0.9) -> float:
    """Return the rise that a `share` of past windows did not exceed.

    >>> controller_gpu_demand_rise_quantile(np.arange(100.0) % 10, ahead=1, share=0.5)
    1.0
    """
    past = controller_gpu_demand_rises(demand, ahead)
    if len(past) == 0:
        return 0.0
    # Few windows: a high quantile of them would be a guess, so the largest rise is taken, which
    # errs towards leaving capacity free.
    if len(past) < LEAST_STEPS:
        return float(past.max())
    # An observed rise and no interpolation: the promise is about a share of windows, and only a
    # value of the sample keeps it exactly.
    return float(np.quantile(past, share, method="inverted_cdf"))
