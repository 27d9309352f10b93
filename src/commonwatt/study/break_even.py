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
import numpy.typing as npt

from commonwatt.study.mix import StudySiteMix
from commonwatt.study.stages.sites import StudyCostInput, is_programme_cost_input_fixed

F64 = npt.NDArray[np.float64]

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

    input: StudyCostInput
    low: float
    median: float
    high: float
    flips_at: float | None

    @property
    def is_break_even_within_input_range(self) -> bool:
        """Whether the answer changes inside the input's own range."""
        return self.flips_at is not None and self.low <= self.flips_at <= self.high

    @property
    def break_even_half_ranges_from_median(self) -> float:
        """How far the crossing lies from the median, over the half range on that side."""
        if self.flips_at is None:
            return float("inf")
        # In half ranges, since inputs have units of their own: 0.01 is far for a tariff and nothing
        # for a wage.
        side = self.high - self.median if self.flips_at > self.median else self.median - self.low
        # A range may end at the median; a crossing beyond it is then as far as can be.
        return abs(self.flips_at - self.median) / max(side, 1e-12)


def study_break_even_points_nearest_first(
    first: StudySiteMix, second: StudySiteMix
) -> list[BreakEvenPoint]:
    """Return, for every input with a range, where the cheaper of two changes; nearest first."""
    # By key: a cell that both mixes read is one input and moves in both.
    inputs = first.mix_cost_inputs_by_key() | second.mix_cost_inputs_by_key()
    points = [
        _alternative_break_even_point(first, second, item)
        for item in inputs.values()
        if not is_programme_cost_input_fixed(item)
    ]
    return sorted(
        points,
        key=lambda crossing: (crossing.break_even_half_ranges_from_median, crossing.input.key.text),
    )


def _alternative_break_even_point(
    cheapest: StudySiteMix, other: StudySiteMix, cost_input: StudyCostInput
) -> BreakEvenPoint:
    low, median, high = (cost_input.value.cost_input_quantile(q) for q in (0.05, 0.5, 0.95))

    def alternative_minus_cheapest_cost_usd(values: F64) -> F64:
        moved = {cost_input.key: values}
        dearer = other.gpu_hour_costs_usd(moved, len(values))
        return dearer - cheapest.gpu_hour_costs_usd(moved, len(values))

    return BreakEvenPoint(
        input=cost_input,
        low=low,
        median=median,
        high=high,
        flips_at=nearest_zero_of_alternatives_cost_gap(
            alternative_minus_cheapest_cost_usd,
            median,
            _break_even_search_values_of_input(cost_input, low, median, high),
        ),
    )


def _break_even_search_values_of_input(
    cost_input: StudyCostInput, low: float, median: float, high: float
) -> list[float]:
    """Return the values to look at, from the least that the input can be to the most."""
    # An input may have no end, and steps over an endless stretch would find nothing.
    roof = min(cost_input.roof, SEARCH_RANGE_FACTOR * max(abs(high), abs(median), 1e-9))
    floor = max(cost_input.floor, -SEARCH_RANGE_FACTOR * max(abs(low), abs(median), 1e-9))
    ends = [min(floor, low), low, median, high, max(roof, high)]
    # Each stretch has its own steps, so that the long ways outside do not coarsen the search inside
    # the input's range.
    pieces = [np.linspace(a, b, STEPS) for a, b in pairwise(ends)]
    return sorted({float(value) for value in np.concatenate(pieces)})


def nearest_zero_of_alternatives_cost_gap(
    gaps_at: Callable[[F64], F64], start: float, values: list[float]
) -> float | None:
    """Return the zero of a gap nearest to `start` that a walk over `values` finds.

    Args:
        gaps_at: The gap at each of some places, shape (n,) to shape (n,).
        start: Where the input stands.
        values: Places to look at, ascending.

    >>> round(nearest_zero_of_alternatives_cost_gap(lambda x: x * x - 2, 1.0, [0.0, 1.0, 2.0]), 9)
    1.414213562
    >>> [
    ...     nearest_zero_of_alternatives_cost_gap(gap, 1.0, [0.0, 1.0, 2.0])
    ...     for gap in (lambda x: x * x + 1, lambda x: 0 * x)
    ... ]
    [None, None]
    """
    gaps = gaps_at(np.array(values)).tolist()
    # Two that cost the same whatever the input is: it changes no answer.
    if not any(gaps):
        return None
    pairs = zip(values[:-1], values[1:], gaps[:-1], gaps[1:], strict=True)
    zeros = [
        _bisected_zero_of_alternatives_cost_gap(gaps_at, a, b)
        for a, b, ga, gb in pairs
        if ga * gb < 0
    ]
    # A zero that falls on a value changes no sign between neighbours.
    zeros += [value for value, gap in zip(values, gaps, strict=True) if gap == 0]
    return min(zeros, key=lambda value: (abs(value - start), value), default=None)


def _bisected_zero_of_alternatives_cost_gap(
    gaps_at: Callable[[F64], F64], a: float, b: float
) -> float:
    """Return the zero between `a` and `b`, by halving until nothing lies between."""

    def is_below(value: float) -> bool:
        return bool(gaps_at(np.array([value]))[0] < 0)

    starts_below = is_below(a)
    for _ in range(100):
        middle = (a + b) / 2
        # Two neighbouring floats: there is nothing left to halve.
        if middle in (a, b):
            break
        if is_below(middle) == starts_below:
            a = middle
        else:
            b = middle
    return b
