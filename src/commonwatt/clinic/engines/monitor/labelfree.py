"""What scores alone would say, if the model had stayed calibrated: a companion, never a proof.

The estimate assumes that P(event | score) is what it was at reference. When
that itself has changed, which is what matters most, the estimate is wrong and
cannot know it; it is always shown beside the realised figure, marked.

Source: the idea of confidence-based performance estimation, Guillory et al.
(2021), ICCV, and NannyML's CBPE.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.clinic.engines.evidence.metrics import auc_and_interval_by_group
from commonwatt.clinic.engines.evidence.recalibrate import Recalibration
from commonwatt.clinic.engines.evidence.sketch import model_score_bin_middle_logits

ASSUMPTION: Final = "P(event | score) is assumed to be what it was at reference"


def label_free_auc(rows_by_score_bin: npt.ArrayLike, reference: Recalibration) -> float:
    """Return the AUC that scores would have if labels still followed the reference.

    Args:
        rows_by_score_bin: Rows by bin, whatever their label, shape (BINS,).
        reference: The line from scores to chances, fitted when labels were known.
    """
    n = np.asarray(rows_by_score_bin, np.float64)
    chance = 1 / (
        1 + np.exp(-(reference.intercept + reference.slope * model_score_bin_middle_logits()))
    )
    # Fractions of rows: rounded to whole ones, rare events would vanish from most bins.
    expected = np.stack([n * (1 - chance), n * chance])[None] * 1.0
    return float(auc_and_interval_by_group(expected.astype(np.float64), 0.0)[0][0])  # pyright: ignore[reportArgumentType]
