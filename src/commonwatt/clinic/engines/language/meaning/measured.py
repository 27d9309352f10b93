"""How well the meter tells contradicted from entailed: on pairs, and when it shipped."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from commonwatt.clinic.engines.language.meaning.lexicon import FOLDER

ROC_FILE: Final = FOLDER / "roc.csv"
FLAGGED_SHARES: Final = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


class RocPoint(NamedTuple):
    """A point of a ROC curve, as a row of `roc.csv`.

    Args:
        part: Language or dimension of the pairs; `all`.
        auroc: Of contradicted against entailed.
        faithful: How many entailed pairs.
        contradicted: How many contradicted pairs.
        flagged_share: Share of entailed pairs that may be flagged; -1 at the limit in use.
        flagged: Share of entailed pairs that is flagged.
        recall: Share of contradicted pairs that is flagged.
        limit: Score above which a pair is flagged.
    """

    part: str
    auroc: float
    faithful: int
    contradicted: int
    flagged_share: float
    flagged: float
    recall: float
    limit: float


def auroc(positive: npt.NDArray[np.float64], negative: npt.NDArray[np.float64]) -> float:
    """Return the chance that a positive scores above a negative; a tie counts half.

    >>> auroc(np.array([0.9, 0.5]), np.array([0.5, 0.1]))
    0.875
    """
    if not (len(positive) and len(negative)):
        return float("nan")
    above = (positive[:, None] > negative).mean()
    return float(above + 0.5 * (positive[:, None] == negative).mean())


def clinic_note_fidelity_roc_points(
    part: str,
    contradicted: npt.NDArray[np.float64],
    entailed: npt.NDArray[np.float64],
    limit_in_use: float,
) -> list[RocPoint]:
    """Return points of the curve of one part, the last at the limit in use."""
    area = auroc(contradicted, entailed)
    rows: list[RocPoint] = []
    for share in (*FLAGGED_SHARES, -1.0):
        # The highest score that may stay unflagged: no more than `share` lie above it.
        limit = (
            limit_in_use if share < 0 else float(np.quantile(entailed, 1 - share, method="higher"))
        )
        rows.append(
            RocPoint(
                part,
                round(area, 3),
                len(entailed),
                len(contradicted),
                share,
                round(float((entailed > limit).mean()), 3),
                round(float((contradicted > limit).mean()), 3),
                round(limit, 4),
            )
        )
    return rows


def clinic_note_fidelity_roc_csv(points: Sequence[RocPoint]) -> str:
    """Return points as the lines of `roc.csv`."""
    lines = [",".join(RocPoint._fields)]
    lines += [",".join(str(value) for value in point) for point in points]
    return "\n".join(lines) + "\n"


@lru_cache(1)
def shipped_clinic_note_fidelity_roc() -> tuple[RocPoint, ...]:
    """Return what was measured on frames left out when the weights shipped."""
    with ROC_FILE.open(encoding="utf-8", newline="") as file:
        return tuple(
            RocPoint(
                row["part"],
                float(row["auroc"]),
                int(row["faithful"]),
                int(row["contradicted"]),
                float(row["flagged_share"]),
                float(row["flagged"]),
                float(row["recall"]),
                float(row["limit"]),
            )
            for row in csv.DictReader(file)
        )
