"""Why a model scores as it does: for all patients, and for one.

A linear model is explained exactly, because its parts add up; any other by sampled
Shapley values that carry their own error. What a column is worth to the model is the
AUC that is lost when it is shuffled.
"""

from commonwatt.clinic.engines.explain.additive import (
    AdditiveExplanation,
    explain_linear_model_case,
)
from commonwatt.clinic.engines.explain.importance import IMPORTANCE, permutation_importance
from commonwatt.clinic.engines.explain.shapley import (
    ShapleyValues,
    exact_shapley_values,
    sampled_shapley_values,
)

__all__ = [
    "IMPORTANCE",
    "AdditiveExplanation",
    "ShapleyValues",
    "exact_shapley_values",
    "explain_linear_model_case",
    "permutation_importance",
    "sampled_shapley_values",
]
