"""Running means that look back only, so that a live score equals a replayed one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def trailing_telemetry_mean(values: Floats, window: int) -> Floats:
    """Return the mean of each step and the `window - 1` before it; fewer at the start.

    Args:
        values: Shape (n,) or (n, metrics).
        window: Steps, at least 1.

    >>> trailing_telemetry_mean(np.array([1.0, 3.0, 5.0]), 2).tolist()
    [1.0, 2.0, 4.0]
    """
    stop = np.arange(1, len(values) + 1)
    return _telemetry_mean_between(values, np.maximum(stop - window, 0), stop)


def centred_telemetry_mean(values: Floats, window: int) -> Floats:
    """Return the mean of the `window // 2` steps either side; fewer at the ends.

    It looks ahead and is for ranking past days only.

    >>> centred_telemetry_mean(np.array([1.0, 3.0, 5.0]), 3).tolist()
    [2.0, 3.0, 4.0]
    """
    at = np.arange(len(values))
    start = np.maximum(at - window // 2, 0)
    return _telemetry_mean_between(values, start, np.minimum(at + window // 2 + 1, len(values)))


def _telemetry_mean_between(
    values: Floats, start: npt.NDArray[np.int64], stop: npt.NDArray[np.int64]
) -> Floats:
    summed = np.concatenate((np.zeros_like(values[:1]), np.cumsum(values, axis=0)))
    count = (stop - start).astype(np.float64)
    return (summed[stop] - summed[start]) / (count[:, None] if values.ndim > 1 else count)
