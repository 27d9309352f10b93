"""The reduction loses no peak and no trough, against the obvious loop."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from commonwatt.report.charts.reduce import chart_x_and_series_reduced_to_most

VALUES = st.floats(-1e9, 1e9) | st.just(float("nan"))


def _by_hand(values, most):
    """Return the least and the greatest of each stretch, in the order in which they came."""
    edges = np.linspace(0, len(values), most // 2 + 1).astype(int)
    out = []
    for a, b in pairwise(edges):
        real = [(v, i) for i, v in enumerate(values[a:b]) if not np.isnan(v)]
        if not real:
            out += [float("nan")] * 2
            continue
        low = min(real, key=lambda pair: (pair[0], pair[1]))
        high = max(real, key=lambda pair: (pair[0], -pair[1]))
        out += [pair[0] for pair in sorted((low, high), key=lambda pair: pair[1])]
    return out


@given(arrays(np.float64, st.integers(9, 200), elements=VALUES), st.sampled_from([2, 4, 6, 8]))
def test_fast_and_slow_agree(values, most):
    x = np.arange(float(len(values)))
    places, (fast,) = chart_x_and_series_reduced_to_most(x, [values], most=most)
    slow = _by_hand(values, most)
    assert len(places) == len(fast) == most
    assert np.all(np.diff(places) >= 0)
    np.testing.assert_array_equal(fast, slow)


@given(arrays(np.float64, st.integers(9, 200), elements=st.floats(-1e9, 1e9)))
def test_the_greatest_and_the_least_remain(values):
    _, (fast,) = chart_x_and_series_reduced_to_most(np.arange(float(len(values))), [values], most=8)
    assert fast.max() == values.max()
    assert fast.min() == values.min()
