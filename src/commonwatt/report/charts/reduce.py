"""A long series in as many points as a screen can tell apart, spikes kept.

In each of a few hundred stretches of equal length the least and the greatest value
remain, in the order in which they came: no peak and no trough is lost, and a mean
never hides one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
MOST_POINTS = 600  # points of a line; a chart is about as many pixels wide


def chart_x_and_series_reduced_to_most(
    x: F64, series: Sequence[F64], most: int = MOST_POINTS
) -> tuple[F64, list[F64]]:
    """Return `x` and each of `series` in at most `most` points.

    Series that are short enough come back as they are. Otherwise each of
    `most // 2` stretches gives two points, at the places of its first and its middle
    row, which hold the stretch's least and greatest value in the order in which they
    came. A value that is not a number is passed over; a stretch with none has none.

    Args:
        x: Rising values of the axis, shape (n,).
        series: Values over `x`, each of shape (n,).
        most: Points wanted; even, at least 2.

    >>> x = np.arange(10.0)
    >>> y = np.array([0, 0, 9, 0, 0, 0, -7, 0, 0, 0.0])
    >>> _, (y,) = chart_x_and_series_reduced_to_most(x, [y], most=4)
    >>> y.tolist()
    [0.0, 9.0, 0.0, -7.0]
    """
    if len(x) <= most:
        return x, list(series)
    # There are more rows than points here, so no stretch is empty; `reduceat` would answer for an
    # empty one with its neighbour's value.
    edges = np.linspace(0, len(x), most // 2 + 1).astype(np.int64)
    places = np.column_stack([edges[:-1], (edges[:-1] + edges[1:]) // 2]).ravel()
    return x[places], [_chart_stretch_least_and_greatest_values(values, edges) for values in series]


def _chart_stretch_least_and_greatest_values(values: F64, edges: npt.NDArray[np.int64]) -> F64:
    low, first_low = _chart_stretch_extremes_and_first_rows(values, edges, least=True)
    high, first_high = _chart_stretch_extremes_and_first_rows(values, edges, least=False)
    # In the order in which they came, so that a fall is not drawn as a rise.
    swapped = first_high < first_low
    out = np.empty(2 * len(low))
    out[0::2], out[1::2] = np.where(swapped, high, low), np.where(swapped, low, high)
    return out


def _chart_stretch_extremes_and_first_rows(
    values: F64, edges: npt.NDArray[np.int64], *, least: bool
) -> tuple[F64, npt.NDArray[np.int64]]:
    """Return the extreme of each stretch and the place of its first row."""
    # They pass over NaN; `minimum` and `maximum` would let one gap blank its whole stretch.
    reduce = np.fmin if least else np.fmax
    reduced = reduce.reduceat(values, edges[:-1])
    owner = np.repeat(np.arange(len(reduced)), np.diff(edges))
    # The length stands for "nowhere": it is later than any row, so the minimum below passes over
    # it.
    rows = np.where(values == reduced[owner], np.arange(len(values)), len(values))
    return reduced, np.minimum.reduceat(rows, edges[:-1])
