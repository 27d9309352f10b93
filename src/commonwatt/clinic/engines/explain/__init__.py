"""Why a model scores as it does: for all patients, and for one.

A linear model is explained exactly, because its parts add up; any other by sampled
Shapley values that carry their own error. What a column is worth to the model is the
AUC that is lost when it is shuffled.
"""

from commonwatt.clinic.engines.explain.additive import AdditiveExplanation, additive_parts
from commonwatt.clinic.engines.explain.importance import IMPORTANCE, importance
from commonwatt.clinic.engines.explain.shapley import ShapleyValues, exact_shapley, sampled_shapley

__all__ = [
    "IMPORTANCE",
    "AdditiveExplanation",
    "ShapleyValues",
    "additive_parts",
    "exact_shapley",
    "importance",
    "sampled_shapley",
]
