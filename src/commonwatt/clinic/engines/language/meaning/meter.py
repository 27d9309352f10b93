"""The meter of truth: how likely a sentence is entailed, contradicted or not in its source."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from commonwatt.clinic.engines.language.meaning.comparing import (
    FEATURES,
    is_clinical_sentence_verbatim_in_source,
    summary_against_source_features,
)
from commonwatt.clinic.engines.language.meaning.lexicon import FOLDER

LABELS: Final = ("entailed", "contradicted", "not in source")


class PairVerdict(NamedTuple):
    """The chances of the three labels; they add up to one."""

    entailed: float
    contradicted: float
    not_in_source: float

    @property
    def contradiction_score(self) -> float:
        """How much more the pair looks contradicted than entailed, 0 to 1."""
        both = self.contradicted + self.entailed
        return self.contradicted / both if both else 0.0


class FidelityMeter:
    """Weights on features of a pair, and the limit from which a pair counts as contradicted."""

    def __init__(self, weights: npt.NDArray[np.float64], limit: float) -> None:
        self._weights, self.limit = weights, limit

    def contradicts(self, verdict: PairVerdict) -> bool:
        """Return whether a verdict is one of contradiction, at the limit that ships."""
        return verdict.contradiction_score > self.limit

    def __call__(self, summary: str, source: str) -> PairVerdict:
        """Return the verdict on a sentence of a summary, given the source as a whole."""
        # What stands in the source as it is cannot be contradicted by it, whatever else is there.
        if is_clinical_sentence_verbatim_in_source(summary, source):
            return PairVerdict(1.0, 0.0, 0.0)
        row = summary_against_source_features(summary, source)
        contradicted, new = (row @ self._weights[:-1] + self._weights[-1]).tolist()
        chance_new = 1 / (1 + math.exp(-new))
        chance = 1 / (1 + math.exp(-contradicted))
        return PairVerdict((1 - chance_new) * (1 - chance), (1 - chance_new) * chance, chance_new)


@lru_cache(1)
def shipped_clinic_note_fidelity_meter() -> FidelityMeter:
    """Return the meter with the weights that ship with the program."""
    file = json.loads((FOLDER / "weights.json").read_text(encoding="utf-8"))
    names = (*FEATURES, "intercept")
    weights = np.array([file["weights"][name] for name in names], np.float64)
    return FidelityMeter(weights, float(file["limit"]))
