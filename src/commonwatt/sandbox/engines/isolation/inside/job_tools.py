"""What an isolated job may import: `import job_tools`.

It stands alone there, without the rest of the package, so it imports nothing
of ours. It guards no promise: what it writes is checked outside like anything
else that a job leaves.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

_FORMAT = "commonwatt-model-1"
_DIGITS = 6


def write_model(
    path: str, estimator: Any, features: Sequence[str], *, scaler: Any | None = None
) -> None:
    """Write a fitted scikit-learn model as numbers in the form that the airlock reads.

    Linear and logistic regression, one tree, forests and boosted trees, and
    networks of `sklearn.neural_network`, for one number or two classes.

    Args:
        path: Where, such as `/out/model.json`.
        estimator: The fitted model.
        features: Names of its inputs, as the job declared them.
        scaler: A fitted `StandardScaler` through which the inputs went, if any.
    """
    size = len(features)
    centre = [0.0] * size if scaler is None else scaler.mean_
    spread = [1.0] * size if scaler is None else scaler.scale_
    body, link = _job_model_body_and_link_name(estimator)
    model = {
        "format": _FORMAT,
        "features": list(features),
        "link": link,
        "centre": _six_digit_model_numbers(centre),
        "spread": _six_digit_model_numbers(spread),
        "body": body,
    }
    Path(path).write_text(json.dumps(model), encoding="ascii")


def rounded(count: int) -> int:
    """Return a count as it may leave: a multiple of five, or 0 for 1 to 7 people.

    >>> rounded(7), rounded(8), rounded(63)
    (0, 10, 65)
    """
    # The airlock's own rule, so that a job that uses it is not stopped for rounding.
    return 0 if count < 8 else (count + 2) // 5 * 5


def _job_model_body_and_link_name(estimator: Any) -> tuple[dict[str, Any], str]:
    name = type(estimator).__name__
    chance = hasattr(estimator, "predict_proba")
    if hasattr(estimator, "coef_"):
        return _job_linear_model_body(estimator), "logit" if chance else "identity"
    if hasattr(estimator, "coefs_"):
        return _job_network_model_body(estimator), "logit" if chance else "identity"
    if hasattr(estimator, "tree_"):
        return _job_tree_ensemble_body([estimator], 0.0, 1.0), "identity"
    if name.startswith("GradientBoosting"):
        return _job_boosted_model_body_and_link(estimator, chance=chance)
    if hasattr(estimator, "estimators_"):
        return _job_tree_ensemble_body(
            estimator.estimators_, 0.0, 1.0 / len(estimator.estimators_)
        ), "identity"
    raise TypeError(f"{name} has no form in which it may leave")


def _job_linear_model_body(estimator: Any) -> dict[str, Any]:
    weights, start = (
        _flat_job_model_numbers(estimator.coef_),
        _flat_job_model_numbers([estimator.intercept_]),
    )
    return {
        "kind": "linear",
        "start": _six_digit_model_numbers(start)[0],
        "weights": _six_digit_model_numbers(weights),
    }


def _job_network_model_body(estimator: Any) -> dict[str, Any]:
    layers = [
        {
            "weights": [_six_digit_model_numbers(row) for row in weights],
            "bias": _six_digit_model_numbers(bias),
        }
        for weights, bias in zip(estimator.coefs_, estimator.intercepts_, strict=True)
    ]
    return {"kind": "network", "activation": estimator.activation, "layers": layers}


def _job_boosted_model_body_and_link(estimator: Any, *, chance: bool) -> tuple[dict[str, Any], str]:
    trees = [stage[0] for stage in estimator.estimators_]
    if chance:
        # Boosting starts from the log odds of the outcome; without that start the trees alone
        # predict something else.
        share = float(estimator.init_.class_prior_[1])
        start = _sandbox_model_log_odds(share)
    else:
        start = float(_flat_job_model_numbers([estimator.init_.constant_])[0])
    return _job_tree_ensemble_body(
        trees, start, estimator.learning_rate
    ), "logit" if chance else "identity"


def _job_tree_ensemble_body(
    estimators: Iterable[Any], start: float, scale: float
) -> dict[str, Any]:
    trees = [_airlock_sklearn_tree_arrays(estimator.tree_) for estimator in estimators]
    return {
        "kind": "trees",
        "start": _six_digit_model_numbers([start])[0],
        "scale": _six_digit_model_numbers([scale])[0],
        "trees": trees,
    }


def _airlock_sklearn_tree_arrays(tree: Any) -> dict[str, Any]:
    return {
        # scikit-learn marks a leaf with -2.
        "feature": [max(int(feature), -1) for feature in tree.feature],
        "threshold": _six_digit_model_numbers(tree.threshold),
        "left": [int(child) for child in tree.children_left],
        "right": [int(child) for child in tree.children_right],
        "value": _six_digit_model_numbers(
            [_job_model_tree_node_value(value[0]) for value in tree.value]
        ),
    }


def _job_model_tree_node_value(value: Any) -> float:
    """Return what a node says: a number, or the share of the second class."""
    return float(value[0]) if len(value) == 1 else float(value[1]) / float(sum(value))


def _sandbox_model_log_odds(share: float) -> float:
    return math.log(share / (1 - share))


def _flat_job_model_numbers(values: Any) -> list[float]:
    if hasattr(values, "__len__"):
        return [number for part in values for number in _flat_job_model_numbers(part)]
    return [float(values)]


def _six_digit_model_numbers(values: Iterable[Any]) -> list[float]:
    return [float(f"{float(value):.{_DIGITS}g}") for value in values]
