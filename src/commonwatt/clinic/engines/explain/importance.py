"""What each column is worth to a model: the AUC that is lost when it is shuffled.

Each round draws the rows anew and shuffles one column among them, so that the
interval carries both the luck of the sample and that of the shuffle. Columns that
say the same share their worth, and each may then seem worth little.

Source: Breiman (2001), Machine Learning 45, 5; Fisher, Rudin and Dominici (2019),
JMLR 20, 177.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats as untyped_stats  # pyright: ignore[reportMissingTypeStubs]

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.clinic.domain.tables import IMPORTANCE
from commonwatt.clinic.engines.explain.shapley import Score
from commonwatt.core.messages import Message

# SciPy ships no complete types; what is used of it is small.
stats: Any = untyped_stats
F64 = npt.NDArray[np.float64]


def permutation_importance(
    score: Score,
    patient_rows: F64,
    label: npt.NDArray[np.int8],
    columns: Sequence[str],
    chance: np.random.Generator,
    *,
    rounds: int = 100,
) -> pl.DataFrame:
    """Return what each column is worth, the most worthy first.

    Args:
        score: The model.
        patient_rows: Cases, shape (rows, columns).
        label: Whether the event came, shape (rows,).
        columns: Their names.
        chance: Draws rows and shuffles.
        rounds: How often.

    Raises:
        EvidenceError: There is no event or no non-event.
    """
    if not 0 < int(label.sum()) < len(label):
        raise EvidenceError("labels", wanted=Message("events and non-events"))
    lost = np.array(
        [_auc_lost_by_column(score, patient_rows, label, chance) for _ in range(rounds)]
    )
    mean = lost.mean(axis=0)
    low, high = np.quantile(lost, (0.025, 0.975), axis=0)
    # Ties keep the order of the columns, or the table would change from run to run.
    order = np.lexsort((np.arange(len(columns)), -mean))
    return IMPORTANCE.build_frame(
        column=[columns[i] for i in order],
        auc_lost=mean[order],
        low=low[order],
        high=high[order],
        rounds=[rounds] * len(columns),
    )


def _auc_lost_by_column(
    score: Score, patient_rows: F64, label: npt.NDArray[np.int8], chance: np.random.Generator
) -> F64:
    """Return the AUC lost by each column in one draw of rows with both labels."""
    sample = chance.integers(len(patient_rows), size=len(patient_rows))
    # A draw without an event has no AUC; drawing again conditions on having both, which is what the
    # estimate is stated for.
    while not 0 < int(label[sample].sum()) < len(sample):
        sample = chance.integers(len(patient_rows), size=len(patient_rows))
    x, y = patient_rows[sample], label[sample]
    unshuffled = area_under_roc(score(x), y)
    lost = np.empty(x.shape[1])
    for j in range(x.shape[1]):
        shuffled = x.copy()
        shuffled[:, j] = chance.permutation(x[:, j])
        lost[j] = unshuffled - area_under_roc(score(shuffled), y)
    return lost


def area_under_roc(score: F64, label: npt.NDArray[np.int8]) -> float:
    """Return the area under the ROC curve, ties counting half.

    >>> area_under_roc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([0, 0, 1, 1], np.int8))
    0.875
    """
    p = int(label.sum())
    n = len(label) - p
    ranks = stats.rankdata(score)
    return float((ranks[label == 1].sum() - p * (p + 1) / 2) / (p * n))
