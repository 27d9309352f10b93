"""The joint shocks of a fan: what they are, how long they last, how sure we are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
MACRO = ("growth", "primary_balance", "stock_flow")
RATES = ("short_rate", "long_rate")
CURRENCIES = 4
BUCKETS = 30
# Order of the shocks of one year: macro, rates, three exchange rates, guarantees.
SHOCKS = (*MACRO, *RATES, "fx_1", "fx_2", "fx_3", "guarantee")
PARAMETER_DRAWS = len(MACRO) + 1  # draws a path makes once: three means and a scale


@dataclass(frozen=True, slots=True, kw_only=True)
class ShockModel:
    """Shocks around a baseline, one set for a country.

    Each macro shock follows x' = φ x + e, rates likewise, exchange rates are random
    walks in logs; the primary balance also rises with debt, x' = φ x + ρ (d - d*) + e.
    The e of a year are multivariate Student t: one scale for all, so bad years are bad
    in everything.

    Args:
        mean: Long-run means of growth, primary balance, stock-flow, shape (3,).
        persistence: φ of growth, primary balance, stock-flow, short, long, shape (5,).
        sd: Standard deviation of the yearly shocks in the order of `SHOCKS`, shape (9,).
        correlation: Between them, shape (9, 9).
        degrees: Degrees of freedom of the Student t; above 2.
        mean_error: Standard error of the long-run means, shape (3,).
        scale_degrees: Degrees of freedom left to the volatility; fewer is less sure.
        reaction: Rise of the primary balance for each unit of net debt over its anchor.
        observations: Years of the country's own history that were used.
        source: What it was estimated on.
    """

    mean: F64
    persistence: F64
    sd: F64
    correlation: F64
    degrees: float
    mean_error: F64
    scale_degrees: float
    reaction: float
    observations: int
    source: str

    def shock_cholesky_factor(self) -> F64:
        """Return L with sd-scaled shocks = L z, for unit-variance Student z, shape (9, 9)."""
        cholesky = np.linalg.cholesky(self.correlation)
        # Lower triangular: growth comes first, so its shock is one draw whatever else is drawn.
        return np.ascontiguousarray(self.sd[:, None] * cholesky)
