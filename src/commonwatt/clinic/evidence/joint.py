"""What recording the doctor's own estimate is worth: model, doctor, and both together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from commonwatt.clinic.evidence.metrics import auc
from commonwatt.clinic.evidence.sketch import sketch_of

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """AUC with interval of each voice, and how often they disagree at one half.

    `doctor_right` is the share of the disagreements in which the doctor was right.
    """

    rows: int
    model: tuple[float, float, float]
    doctor: tuple[float, float, float]
    both: tuple[float, float, float]
    disagree: int
    doctor_right: float


def joint(model: npt.ArrayLike, doctor: npt.ArrayLike, label: npt.ArrayLike) -> Joint:
    """Return how model, doctor and their plain mean do on the same patients.

    The doctor's estimate must have been given before the advice was seen.

    Raises:
        EvidenceError: Lengths differ, or a value is out of bounds.

    >>> joint([0.2, 0.8, 0.4], [0.1, 0.9, 0.6], [0, 1, 1]).disagree
    1
    """
    m, d = np.asarray(model, np.float64), np.asarray(doctor, np.float64)
    y = np.asarray(label, np.int8)
    voices = [_area(m, y), _area(d, y), _area((m + d) / 2, y)]
    apart = (m >= 0.5) != (d >= 0.5)
    right = ((d >= 0.5) == (y == 1)) & apart
    count = int(apart.sum())
    return Joint(
        rows=len(y),
        model=voices[0],
        doctor=voices[1],
        both=voices[2],
        disagree=count,
        doctor_right=float(right.sum() / count) if count else float("nan"),
    )


def _area(score: F64, label: npt.NDArray[np.int8]) -> tuple[float, float, float]:
    found = auc(sketch_of(score, label).counts, 1.959964)
    return float(found[0][0]), float(found[1][0]), float(found[2][0])
