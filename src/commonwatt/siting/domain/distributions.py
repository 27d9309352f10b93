"""Distributions of sourced values, by their quantile functions.

Only the quantile function matters here: a draw is the quantile of a uniform
number, and correlation is put on the normal scores (a Gaussian copula).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import numpy as np
import numpy.typing as npt

from commonwatt.core.special import normal_quantile

F64 = npt.NDArray[np.float64]
Z95 = 1.6448536269514722  # 95th percentile of the standard normal


class DistributionShape(StrEnum):
    """How a value may vary; `low`, `mode`, `high` mean what each line says."""

    FIXED = "fixed"  # mode
    UNIFORM = "uniform"  # between low and high
    TRIANGULAR = "triangular"  # low, most likely, high
    NORMAL = "normal"  # 5th percentile, median, 95th
    LOGNORMAL = "lognormal"  # 5th percentile, median, 95th


@dataclass(frozen=True, slots=True)
class Distribution:
    """A value that may vary: its shape and three numbers in one unit.

    >>> round(Distribution(DistributionShape.TRIANGULAR, 0.2, 0.3, 0.6).cost_input_quantile(0.5), 4)
    0.3551
    """

    shape: DistributionShape
    low: float
    mode: float
    high: float

    def cost_input_quantile(self, share: float) -> float:
        """Return the value that `share` of draws stay below."""
        return float(self.cost_input_quantiles(np.array([share]))[0])

    def cost_input_quantiles(self, shares: F64, scores: F64 | None = None) -> F64:
        """Return the quantiles of `shares`, of the same shape.

        Args:
            shares: The shares.
            scores: `normal_quantile` of them, where it is known.
        """
        match self.shape:
            case DistributionShape.FIXED:
                return np.full(shares.shape, self.mode)
            case DistributionShape.UNIFORM:
                return self.low + (self.high - self.low) * shares
            case DistributionShape.TRIANGULAR:
                return _triangular_cost_quantiles(shares, self.low, self.mode, self.high)
            case DistributionShape.NORMAL:
                # Low and high are 5th and 95th percentiles, as sources give ranges, and no bounds.
                z = normal_quantile(shares) if scores is None else scores
                return self.mode + (self.high - self.low) / (2 * Z95) * z
            case DistributionShape.LOGNORMAL:
                # From both ends, because a source's median seldom is their geometric mean.
                spread = np.log(self.high / self.low) / (2 * Z95)
                z = normal_quantile(shares) if scores is None else scores
                return self.mode * np.exp(spread * z)
            case _:
                assert_never(self.shape)

    def scaled_cost_input(self, factor: float) -> Distribution:
        """Return the same distribution in another unit."""
        return Distribution(self.shape, self.low * factor, self.mode * factor, self.high * factor)


def _triangular_cost_quantiles(quantile_shares: F64, low: float, mode: float, high: float) -> F64:
    width = high - low
    # A triangle without width is its mode; the formula below would divide nothing by nothing.
    if width <= 0:
        return np.full(quantile_shares.shape, mode)
    rise, fall = (mode - low) * width, (high - mode) * width
    left = low + np.sqrt(np.maximum(quantile_shares * rise, 0))
    right = high - np.sqrt(np.maximum((1 - quantile_shares) * fall, 0))
    return np.where(quantile_shares * width < mode - low, left, right)
