"""Calibration slope and intercept: the logistic line through the scores that fits the labels.

    logit P(event) = a + b · logit(score)

A slope below one says that scores are too extreme; the intercept with slope
one says how far they are off in the large. Fitted by Newton's method on bins.

Source: Cox (1958), Biometrika 45, 562; Van Calster et al. (2019), BMC Medicine 17, 230.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.clinic.engines.evidence.sketch import ScoreSketch, model_score_bin_middle_logits
from commonwatt.core.messages import Message

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibration:
    """The line and its standard errors; `in_the_large` is the intercept with slope one."""

    intercept: float
    slope: float
    intercept_se: float
    slope_se: float
    in_the_large: float


def score_recalibration_of_group(sketch: ScoreSketch, group: int = 0) -> Recalibration:
    """Return the recalibration of one group.

    Raises:
        EvidenceError: There is no event, no non-event, or only one score.
    """
    rows, events = sketch.counts[group].sum(axis=0), sketch.counts[group, 1]
    # Empty bins add nothing to the sums and would make each Newton step two thousand columns wide.
    used = rows > 0
    x, n, y = (
        model_score_bin_middle_logits()[used],
        rows[used].astype(np.float64),
        events[used].astype(np.float64),
    )
    if len(x) < 2 or not 0 < y.sum() < n.sum():
        raise EvidenceError("recalibration", wanted=Message("events, non-events and two scores"))
    design = np.stack([np.ones_like(x), x])
    beta, covariance = _recalibration_coefficients_and_covariance(design, n, y, np.zeros_like(x))
    # With the logit as offset the slope is held at one: what remains is how far scores are off in
    # the large.
    large, _ = _recalibration_coefficients_and_covariance(design[:1], n, y, x)
    errors = np.sqrt(np.diag(covariance))
    return Recalibration(
        intercept=float(beta[0]),
        slope=float(beta[1]),
        intercept_se=float(errors[0]),
        slope_se=float(errors[1]),
        in_the_large=float(large[0]),
    )


def _recalibration_coefficients_and_covariance(
    design: F64, n: F64, y: F64, offset: F64
) -> tuple[F64, F64]:
    beta: F64 = np.zeros(len(design))
    covariance: F64 = np.eye(len(design))
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(offset + beta @ design, -700, 700)))
        # A step that overshoots drives p to 0 or 1 and the weights to zero; the floor keeps the
        # matrix invertible until the next step brings it back.
        weight = np.maximum(n * p * (1 - p), 1e-12)
        covariance = np.asarray(np.linalg.inv((design * weight) @ design.T), np.float64)
        step = covariance @ (design @ (y - n * p))
        # a far step would leave where the model is quadratic
        beta = np.asarray(beta + np.clip(step, -2, 2))
        if np.abs(step).max() < 1e-10:
            break
    return beta, covariance
