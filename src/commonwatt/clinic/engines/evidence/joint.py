"""What recording the doctor's own estimate is worth: model, doctor, and both together.

Areas and their differences follow DeLong, DeLong and Clarke-Pearson (1988), who give
the covariance of areas measured on the same patients. Both together are the plain mean
of the two estimates: nothing is fitted, so nothing can be fitted too well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import stats as untyped_stats  # pyright: ignore[reportMissingTypeStubs]

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.core.messages import Message

# SciPy ships no complete types; what is used of it is small.
stats: Any = untyped_stats
F64 = npt.NDArray[np.float64]
Estimate = tuple[float, float, float]
# Fixed to six digits rather than asked of SciPy: intervals on record must not move with its
# version.
Z: Final = 1.959964
FEWEST_OUTCOMES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicianModelComparison:
    """AUC with interval of model, doctor and both, what both add, and how often they disagree.

    They disagree where one lies at or above one half and the other below. `over_model` and
    `over_doctor` are the AUC of both less that of the one, with the interval of a
    difference on the same patients. `doctor_right` is the share of the disagreements in
    which the doctor was right.
    """

    rows: int
    model: Estimate
    doctor: Estimate
    both: Estimate
    over_model: Estimate
    over_doctor: Estimate
    disagree: int
    doctor_right: float


def compare_clinician_and_model(
    model: npt.ArrayLike, doctor: npt.ArrayLike, label: npt.ArrayLike
) -> ClinicianModelComparison:
    """Return how model, doctor and their plain mean do on the same patients.

    The doctor's estimate must have been given before the advice was seen.

    Raises:
        EvidenceError: Lengths differ, a value is out of bounds, or there are not two
            events and two non-events.

    >>> model, doctor = [0.2, 0.8, 0.4, 0.3], [0.1, 0.9, 0.6, 0.2]
    >>> compare_clinician_and_model(model, doctor, [0, 1, 1, 0]).disagree
    1
    """
    m, d = np.asarray(model, np.float64), np.asarray(doctor, np.float64)
    y = np.asarray(label, np.int8)
    _check_clinician_forecasts(m, d, y)
    # All three areas at once: they rest on the same patients, and the interval of a difference
    # needs their covariance.
    area, covariance = areas_under_roc_and_covariance(np.stack([m, d, (m + d) / 2]), y)
    apart = (m >= 0.5) != (d >= 0.5)
    right = ((d >= 0.5) == (y == 1)) & apart
    count = int(apart.sum())
    return ClinicianModelComparison(
        rows=len(y),
        model=_auc_estimate_with_interval(area[0], covariance[0, 0]),
        doctor=_auc_estimate_with_interval(area[1], covariance[1, 1]),
        both=_auc_estimate_with_interval(area[2], covariance[2, 2]),
        over_model=_auc_gain_of_both(area, covariance, 0),
        over_doctor=_auc_gain_of_both(area, covariance, 1),
        disagree=count,
        doctor_right=float(right.sum() / count) if count else float("nan"),
    )


def areas_under_roc_and_covariance(scores: F64, label: npt.NDArray[np.int8]) -> tuple[F64, F64]:
    """Return the area of each score on the same rows, and their covariance.

        V₁₀(x) = (rank among all − rank among positives) / N, likewise V₀₁
        cov = cov(V₁₀) / P + cov(V₀₁) / N

    Args:
        scores: One score a line, shape (scores, rows).
        label: 0 or 1, shape (rows,).

    Source: DeLong et al. (1988), Biometrics 44, 837; by ranks as Sun and Xu (2014),
        IEEE Signal Processing Letters 21, 1389.
    """
    yes = label == 1
    p, n = int(yes.sum()), int((~yes).sum())
    # Ranks instead of the n × m table of comparisons of the 1988 paper: the same numbers in n log
    # n.
    ranks = stats.rankdata(scores, axis=1)
    v10 = (ranks[:, yes] - stats.rankdata(scores[:, yes], axis=1)) / n
    v01 = 1 - (ranks[:, ~yes] - stats.rankdata(scores[:, ~yes], axis=1)) / p
    return v10.mean(axis=1), np.atleast_2d(np.cov(v10) / p + np.cov(v01) / n)


def _check_clinician_forecasts(
    model_scores: F64, doctor_scores: F64, labels: npt.NDArray[np.int8]
) -> None:
    if not len(model_scores) == len(doctor_scores) == len(labels):
        raise EvidenceError("rows", wanted=Message("as many labels and groups as scores"))
    scores = np.concatenate([model_scores, doctor_scores])
    if not (((scores >= 0) & (scores <= 1)).all() and np.isin(labels, (0, 1)).all()):
        wanted = Message("a score from 0 to 1, a label 0 or 1, a known group")
        raise EvidenceError("rows", wanted=wanted)
    if not FEWEST_OUTCOMES <= int(labels.sum()) <= len(labels) - FEWEST_OUTCOMES:
        raise EvidenceError("rows", wanted=Message("two events and two non-events"))


def _auc_estimate_with_interval(area: float, variance: float) -> Estimate:
    # Rounding can leave a variance of zero a hair below it, when every event outscores every non-
    # event.
    half = Z * float(np.sqrt(max(variance, 0.0)))
    return float(area), max(float(area) - half, 0.0), min(float(area) + half, 1.0)


def _auc_gain_of_both(areas: F64, covariance: F64, alone: int) -> Estimate:
    """Return how far both together lie above model or doctor alone."""
    gap = float(areas[2] - areas[alone])
    variance = covariance[2, 2] + covariance[alone, alone] - 2 * covariance[2, alone]
    half = Z * float(np.sqrt(max(float(variance), 0.0)))
    return gap, gap - half, gap + half
