"""The special functions that the wings use, loaded when the first of them is called.

SciPy's take a third of a second to load, which every command would pay that only reads what was
computed before. Names follow the NIST Digital Library of Mathematical Functions, chapters 7 and 8.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

F64 = NDArray[np.float64]


def normal_cdf(scores: ArrayLike) -> F64:
    """Return the distribution function of the standard normal.

    >>> float(normal_cdf(0.0))
    0.5
    """
    return _scipy_special_values("ndtr", scores)


def normal_quantile(probabilities: ArrayLike) -> F64:
    """Return the quantile of the standard normal.

    >>> float(normal_quantile(0.5))
    0.0
    """
    return _scipy_special_values("ndtri", probabilities)


def student_t_quantile(degrees: float, probability: float) -> float:
    """Return the quantile of Student's t.

    >>> round(student_t_quantile(1.0, 0.75), 6)
    1.0
    """
    return float(_scipy_special_values("stdtrit", degrees, probability))


def regularised_incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b).

    >>> regularised_incomplete_beta(1.0, 1.0, 0.25)
    0.25
    """
    return float(_scipy_special_values("betainc", a, b, x))


def inverse_regularised_incomplete_gamma(a: ArrayLike, p: ArrayLike) -> F64:
    """Return the x at which the regularised lower incomplete gamma function P(a, x) is p.

    >>> round(float(inverse_regularised_incomplete_gamma(1.0, 0.5)), 6)
    0.693147
    """
    return _scipy_special_values("gammaincinv", a, p)


def _scipy_special_values(function: str, *arguments: ArrayLike) -> F64:
    import scipy.special  # noqa: PLC0415  # see above  # pyright: ignore[reportMissingTypeStubs]

    values: Any = getattr(scipy.special, function)(*arguments)
    return cast("F64", values)
