"""Counts of scores by group, label and bin: all that metrics need, and mergeable.

Bins are equal steps of the logit, because models of rare events say little
above a few percent. Sums are whole numbers, so that merging in any order gives
the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.core.jit import njit
from commonwatt.core.messages import Message

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

BINS: Final = 2048
EDGE: Final = 12.0  # scores beyond ±12 on the logit scale share the outermost bins
STEP: Final = 2 * EDGE / BINS
UNIT: Final = float(2**32)  # sums of scores are kept in 2⁻³²


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSketch:
    """What is left of rows.

    Args:
        counts: Rows by group, label and bin, shape (groups, 2, BINS).
        above: Rows at or above the threshold, shape (groups, 2).
        score_sum: Sum of scores in 2⁻³², shape (groups,).
        threshold: Score from which the model advises.
    """

    counts: I64
    above: I64
    score_sum: I64
    threshold: float

    def merge_score_sketch(self, other: ScoreSketch) -> ScoreSketch:
        """Return the sketch of both sets of rows.

        Raises:
            EvidenceError: They were made with another threshold or other groups.
        """
        # Counts above different thresholds would add up to a number that means nothing, without any
        # sign of it.
        if self.threshold != other.threshold or self.counts.shape != other.counts.shape:
            raise EvidenceError("sketch", wanted=Message("the same threshold and groups"))
        return ScoreSketch(
            counts=self.counts + other.counts,
            above=self.above + other.above,
            score_sum=self.score_sum + other.score_sum,
            threshold=self.threshold,
        )

    def over_all_groups(self) -> ScoreSketch:
        """Return the sketch of all groups as one."""
        return ScoreSketch(
            counts=self.counts.sum(axis=0, keepdims=True),
            above=self.above.sum(axis=0, keepdims=True),
            score_sum=self.score_sum.sum(keepdims=True),
            threshold=self.threshold,
        )


def model_score_bin_middle_logits() -> F64:
    """Return the logit at the middle of each bin, shape (BINS,)."""
    # Equal steps of the logit, as fine at one in a thousand as at one half; equal steps of the
    # score would put a rare disease into one bin.
    return -EDGE + (np.arange(BINS, dtype=np.float64) + 0.5) * STEP


def model_score_bin_index(score: F64) -> I64:
    """Return the bin of each score from 0 to 1, as `sketch_model_scores` counts it."""
    with np.errstate(divide="ignore"):
        logits = np.log(score / (1.0 - score))
    # Cut off below first, because a truncated negative number would land in the bin above.
    steps = np.clip((logits + EDGE) / STEP, 0.0, BINS - 1.0)
    return np.where(score >= 1.0, BINS - 1, steps.astype(np.int64))


def sketch_model_scores(
    score: npt.ArrayLike,
    label: npt.ArrayLike,
    group: npt.ArrayLike | None = None,
    *,
    groups: int = 1,
    threshold: float = 0.5,
) -> ScoreSketch:
    """Return the sketch of rows.

    Args:
        score: Probability that the model gave, shape (rows,).
        label: Whether the event came, 0 or 1, shape (rows,).
        group: Group of each row, 0 to `groups` − 1, shape (rows,); all one group if left out.
        groups: How many groups there are.
        threshold: Score from which the model advises.

    Raises:
        EvidenceError: Lengths differ, or a score, label or group is out of bounds.

    >>> made = sketch_model_scores([0.2, 0.7], [0, 1])
    >>> int(made.counts.sum()), made.above.tolist()
    (2, [[0, 1]])
    """
    s = np.ascontiguousarray(score, np.float64)
    y = np.ascontiguousarray(label, np.int8)
    g = np.zeros(len(s), np.int32) if group is None else np.ascontiguousarray(group, np.int32)
    if not len(s) == len(y) == len(g):
        raise EvidenceError("rows", wanted=Message("as many labels and groups as scores"))
    counts = np.zeros((groups, 2, BINS), np.int64)
    above = np.zeros((groups, 2), np.int64)
    sums = np.zeros(groups, np.int64)
    bad = _count_scores_and_find_bad_row(s, y, g, threshold, counts, above, sums)
    if bad >= 0:
        raise EvidenceError(
            f"row {bad:,}", wanted=Message("a score from 0 to 1, a label 0 or 1, a known group")
        )
    return ScoreSketch(counts=counts, above=above, score_sum=sums, threshold=threshold)


@njit(cache=True)
def _count_scores_and_find_bad_row(
    score: F64, label: Any, group: Any, threshold: float, counts: I64, above: I64, sums: I64
) -> int:
    groups = counts.shape[0]
    for i in range(len(score)):
        s, y, g = score[i], label[i], group[i]
        if not 0.0 <= s <= 1.0 or y < 0 or y > 1 or g < 0 or g >= groups:
            return i
        if s <= 0.0:
            b = 0
        elif s >= 1.0:
            b = BINS - 1
        else:
            b = min(max(int((np.log(s / (1.0 - s)) + EDGE) / STEP), 0), BINS - 1)
        counts[g, y, b] += 1
        sums[g] += np.int64(s * UNIT + 0.5)
        if s >= threshold:
            above[g, y] += 1
    return -1
