"""Which single input would have to change, and by how much, for the cheaper of two to change.

Everything but one input stays at its median; use and energy stay as the fleet run
measured them, because prices move no job. A crossing is looked for inside the input's
own range first and then beyond it, up to what the input can be at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from commonwatt.study.mix import SiteMix
from commonwatt.study.stages.sites import CostInput, is_measured

STEPS = 48  # looked at in each stretch of an input before a crossing is closed in on
SEARCH_RANGE_FACTOR = 10.0  # how many times the larger end of its range an input is followed


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEvenPoint:
    """Where the cheaper of two mixes changes as one input moves.

    Args:
        input: The input.
        low: 5th percentile of its range.
        median: Its median.
        high: 95th percentile.
        flips_at: Nearest value at which both cost the same; None where none was found.
    """

    input: CostInput
    low: float
    median: float
    high: float
    flips_at: float | None

    @property
    def is_within_range(self) -> bool:
        """Whether the answer changes inside the input's own range."""
        return self.flips_at is not None and self.low <= self.flips_at <= self.high

    @property
    def distance(self) -> float:
        """How far the crossing lies from the median, over the half range on that side."""
        if self.flips_at is None:
            return float("inf")
        side = self.high - self.median if self.flips_at > self.median else self.median - self.low
        return abs(self.flips_at - self.median) / max(side, 1e-12)


def break_even_points(first: SiteMix, second: SiteMix) -> list[BreakEvenPoint]:
    """Return, for every input with a range, where the cheaper of two changes; nearest first."""
    inputs = first.inputs() | second.inputs()
    points = [
        _break_even_point(first, second, item) for item in inputs.values() if not is_measured(item)
    ]
    return sorted(points, key=lambda crossing: (crossing.distance, crossing.input.key))


def _break_even_point(cheapest: SiteMix, other: SiteMix, item: CostInput) -> BreakEvenPoint:
    low, median, high = (item.value.quantile(q) for q in (0.05, 0.5, 0.95))

    def gap(value: float) -> float:
        return other.cost({item.key: value}) - cheapest.cost({item.key: value})

    return BreakEvenPoint(
        input=item,
        low=low,
        median=median,
        high=high,
        flips_at=nearest_zero(gap, median, _stretches(item, low, median, high)),
    )


def _stretches(item: CostInput, low: float, median: float, high: float) -> list[float]:
    """Return the values to look at, from the least that the input can be to the most."""
    roof = min(item.roof, SEARCH_RANGE_FACTOR * max(abs(high), abs(median), 1e-9))
    floor = max(item.floor, -SEARCH_RANGE_FACTOR * max(abs(low), abs(median), 1e-9))
    ends = [min(floor, low), low, median, high, max(roof, high)]
    pieces = [np.linspace(a, b, STEPS) for a, b in pairwise(ends)]
    return sorted({float(value) for value in np.concatenate(pieces)})


def nearest_zero(gap: Callable[[float], float], start: float, values: list[float]) -> float | None:
    """Return the zero of `gap` nearest to `start` that a walk over `values` finds.

    >>> round(nearest_zero(lambda x: x * x - 2, 1.0, [0.0, 1.0, 2.0]), 9)
    1.414213562
    >>> nearest_zero(lambda x: x * x + 1, 1.0, [0.0, 1.0, 2.0]) is None
    True
    """
    gaps = [gap(value) for value in values]
    pairs = zip(values[:-1], values[1:], gaps[:-1], gaps[1:], strict=True)
    zeros = [_zero_between(gap, a, b) for a, b, ga, gb in pairs if ga * gb < 0]
    zeros += [value for value, difference in zip(values, gaps, strict=True) if difference == 0]
    return min(zeros, key=lambda value: (abs(value - start), value), default=None)


def _zero_between(gap: Callable[[float], float], a: float, b: float) -> float:
    """Return the zero between `a` and `b`, by halving until nothing lies between."""
    below = gap(a) < 0
    for _ in range(100):
        middle = (a + b) / 2
        if middle in (a, b):
            break
        if (gap(middle) < 0) == below:
            a = middle
        else:
            b = middle
    return b
