"""Models whose parts add up on the logit scale, explained exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from commonwatt.core.errors import IdentityError
from commonwatt.core.messages import Message

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditiveExplanation:
    """What each column adds to the logit of one case, against the mean case.

    Args:
        base: Logit of the mean case.
        contributions: Added by each column, shape (columns,).
        logit: Of this case; base and parts make it up.
    """

    base: float
    contributions: F64
    logit: float


def explain_linear_model_case(
    intercept: float, weights: F64, means: F64, case: F64
) -> AdditiveExplanation:
    """Return what each column of a linear model adds for one case.

        φⱼ = wⱼ (xⱼ − x̄ⱼ),  base = a + Σ wⱼ x̄ⱼ,  base + Σ φⱼ = a + Σ wⱼ xⱼ

    With independent columns these are the Shapley values of the logit.

    Args:
        intercept: a.
        weights: w, shape (columns,).
        means: Mean of each column over the cases compared with, shape (columns,).
        case: x, shape (columns,).

    Raises:
        IdentityError: The parts do not make up the logit.

    >>> one = explain_linear_model_case(-1.0, np.array([0.5]), np.array([2.0]), np.array([4.0]))
    >>> one.base, one.contributions.tolist(), one.logit
    (0.0, [1.0], 1.0)
    """
    base = intercept + float(weights @ means)
    parts = weights * (case - means)
    logit = intercept + float(weights @ case)
    check_explanation_sum(base, parts, logit)
    return AdditiveExplanation(base=base, contributions=parts, logit=logit)


def check_explanation_sum(base: float, parts: F64, model_score: float) -> None:
    """Refuse parts that do not add up.

    Raises:
        IdentityError: Base and parts differ from the whole by more than rounding.
    """
    size = 1 + abs(base) + float(np.abs(parts).sum())
    # Relative to what was added up: large parts that cancel carry a rounding error of their own
    # size, not of their sum's. "Not at most" also refuses NaN.
    if not abs(base + float(parts.sum()) - model_score) <= 1e-9 * size:
        raise IdentityError("explanation", wanted=Message("parts that make up the whole"))
