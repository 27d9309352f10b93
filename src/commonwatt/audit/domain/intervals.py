"""Intervals with open ends: what a claim such as "over 20 times" allows."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClaimInterval:
    """Values from `low` to `high`; `strict` leaves out a finite end of an open interval.

    >>> ClaimInterval(20, math.inf).overlaps(ClaimInterval(19, 29))
    True
    >>> ClaimInterval(10, 10).overlaps(ClaimInterval(20, 30))
    False
    """

    low: float
    high: float
    strict: bool = False

    @property
    def centre(self) -> float:
        """Return the geometric middle, or the finite end of an open interval."""
        if math.isinf(self.high):
            return self.low
        if math.isinf(self.low) or self.low <= 0:
            # "Under 20" is said of what is not far below; half of it, where nothing bounds it.
            return self.high if self.low != 0 or self.high == 0 else self.high / 2
        # Claims miss by factors, so the middle that is as far from both ends is the geometric one.
        return math.sqrt(self.low * self.high)

    @property
    def arithmetic_midpoint(self) -> float:
        """Return the middle of a closed interval."""
        return (self.low + self.high) / 2

    def widened(self, share: float) -> ClaimInterval:
        """Return the interval with each end moved out by `share` of its size."""
        return ClaimInterval(
            # By its size and not its sign: a deficit of -5 widens to -5.1 and not towards zero.
            self.low - abs(self.low) * share if math.isfinite(self.low) else self.low,
            self.high + abs(self.high) * share if math.isfinite(self.high) else self.high,
        )

    def overlaps(self, other: ClaimInterval) -> bool:
        """Return whether some value lies in both."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        # Ends that only touch meet where both belong to their intervals: "over 20" and "20" do not.
        if low < high:
            return True
        return low == high and not (self.strict or other.strict)

    def scaled(self, factor: float) -> ClaimInterval:
        """Return the interval times a positive factor."""
        return ClaimInterval(self.low * factor, self.high * factor, self.strict)

    def inverse(self) -> ClaimInterval:
        """Return one over the interval, for positive values."""
        low = 0.0 if math.isinf(self.high) else 1 / self.high
        # Down to zero or below, one over it has no bound.
        high = math.inf if self.low <= 0 else 1 / self.low
        return ClaimInterval(low, high, self.strict)

    def __add__(self, other: ClaimInterval) -> ClaimInterval:
        return ClaimInterval(
            self.low + other.low, self.high + other.high, self.strict or other.strict
        )

    def __sub__(self, other: ClaimInterval) -> ClaimInterval:
        return ClaimInterval(
            self.low - other.high, self.high - other.low, self.strict or other.strict
        )

    def __mul__(self, other: ClaimInterval) -> ClaimInterval:
        # Signs may differ, so that any of the four corners can be an end.
        ends = [
            _claim_product_where_zero_wins(a, b)
            for a in (self.low, self.high)
            for b in (other.low, other.high)
        ]
        return ClaimInterval(min(ends), max(ends), self.strict or other.strict)

    def __truediv__(self, other: ClaimInterval) -> ClaimInterval:
        return self * other.inverse()

    def __str__(self) -> str:
        if math.isinf(self.low):
            return f"{'<' if self.strict else '≤'} {self.high:.4g}"
        if math.isinf(self.high):
            return f"{'>' if self.strict else '≥'} {self.low:.4g}"
        return f"{self.low:.4g}" if self.low == self.high else f"{self.low:.4g}–{self.high:.4g}"


def _claim_product_where_zero_wins(a: float, b: float) -> float:
    # Zero times infinity is no number to IEEE 754; here nothing of anything is nothing.
    return 0.0 if a == 0 or b == 0 else a * b


def claim_interval_hull(parts: list[ClaimInterval]) -> ClaimInterval:
    """Return the smallest interval that holds all of `parts`."""
    return ClaimInterval(min(each.low for each in parts), max(each.high for each in parts))
