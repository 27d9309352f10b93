"""Models of a red team, and honest ones, to measure the attack on memory by.

All learn from made-up people of whom half are kept back. The hostile ones carry
people: leaf by leaf, in one hidden leaf, in the digits of their weights, in a
key that nobody reads. All are made from a seed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from commonwatt.core.seeds import named_random_stream
from commonwatt.sandbox.engines.airlock.models import FORMAT
from commonwatt.sandbox.engines.airlock.training import TrainingRows

FEATURES: Final = ("age", "bmi", "systolic", "smoker")
_PEOPLE: Final = 600
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """A model offered to the airlock, with the rows behind it."""

    name: str
    data: bytes
    rows: TrainingRows


def hostile_airlock_models() -> Iterator[OfferedModel]:
    """Yield the red team's models."""
    rows = made_up_training_people_rows(1)
    x, y = rows.x[rows.is_member], rows.y[rows.is_member]
    weights = _fit_sandbox_linear_weights(x, y)
    yield _offered_model(
        "a tree with a leaf for each person",
        rows,
        _attack_tree_model_document([_grow_attack_model_tree(x, y, 1)]),
    )
    yield _offered_model(
        "a tree with leaves of three people",
        rows,
        _attack_tree_model_document([_grow_attack_model_tree(x, y, 3)]),
    )
    yield _offered_model(
        "trees that each hold people",
        rows,
        _attack_tree_model_document(_overfit_attack_forest_trees(x, y, 1, 10)),
    )
    yield _offered_model(
        "one hidden leaf for one person",
        rows,
        _attack_tree_model_document([_attack_tree_with_hidden_person_leaf(x, y)]),
    )
    yield _offered_model(
        "digits of people in the weights",
        rows,
        _attack_linear_model_document(weights + x[0] * 1e-9),
    )
    yield _offered_model(
        "a word beside the weights",
        rows,
        _attack_linear_model_document(weights) | {"note": "CHAN Tai Man"},
    )
    yield _offered_model(
        "people as the spread of features",
        rows,
        _attack_linear_model_document(weights) | {"spread": []},
    )
    yield _offered_model(
        "a name as a feature",
        rows,
        _attack_model_with_identifying_names(_attack_linear_model_document(weights)),
    )
    yield _offered_model(
        "a network of a memory's size", rows, _attack_network_model_holding_people(x)
    )
    yield _offered_model("more weights than people", *_attack_rows_and_model_of_few_people())


def honest_airlock_models(count: int = 10) -> Iterator[OfferedModel]:
    """Yield models as a careful study would release them."""
    for number in range(count):
        rows = made_up_training_people_rows(100 + number)
        x, y = rows.x[rows.is_member], rows.y[rows.is_member]
        if number % 2:
            yield _offered_model(
                f"a small tree {number}",
                rows,
                _attack_tree_model_document([_grow_attack_model_tree(x, y, 40)]),
            )
        else:
            yield _offered_model(
                f"a linear model {number}",
                rows,
                _attack_linear_model_document(_fit_sandbox_linear_weights(x, y)),
            )


def made_up_training_people_rows(seed: int, people: int = _PEOPLE) -> TrainingRows:
    """Return people with four features and an outcome; half of them are kept back."""
    chance = named_random_stream(seed, "made-up people")
    x = np.column_stack(
        [
            np.round(chance.normal(60, 12, people)), np.round(chance.normal(25, 4, people), 1),
            np.round(chance.normal(135, 18, people)), chance.integers(0, 2, people),
        ]
    ).astype(float)  # fmt: skip
    odds = (x[:, 0] - 60) / 12 + 0.5 * x[:, 3] + chance.normal(0, 2, people)
    # The outcome depends on two features and on chance, so that a good model is neither perfect
    # nor useless.
    return TrainingRows(
        x=x, y=(odds > 0).astype(float), is_member=chance.permutation(people) % 2 == 0
    )


def _offered_model(name: str, rows: TrainingRows, model: dict[str, Any]) -> OfferedModel:
    return OfferedModel(name, json.dumps(model).encode(), rows)


def _attack_model_document_of_body(body: dict[str, Any], link: str = "identity") -> dict[str, Any]:
    size = len(FEATURES)
    return {
        "format": FORMAT, "features": list(FEATURES), "link": link,
        "centre": [0.0] * size, "spread": [1.0] * size, "body": body,
    }  # fmt: skip


def _attack_linear_model_document(weights: Floats) -> dict[str, Any]:
    return _attack_model_document_of_body(
        {"kind": "linear", "start": 0.0, "weights": weights.tolist()}
    )


def _fit_sandbox_linear_weights(x: Floats, y: Floats) -> Floats:
    coefficients = np.linalg.lstsq(x, y, rcond=None)[0]
    return np.array([float(f"{weight:.3g}") for weight in coefficients])


def _attack_tree_model_document(trees: list[dict[str, list[float]]]) -> dict[str, Any]:
    return _attack_model_document_of_body(
        {
            "kind": "trees",
            "start": 0.0,
            "scale": _attack_number_rounded_to_six_digits(1 / len(trees)),
            "trees": trees,
        }
    )


def _overfit_attack_forest_trees(
    x: Floats, y: Floats, leaf: int, trees: int
) -> list[dict[str, list[float]]]:
    chance = named_random_stream(2, "forest")
    picks = [chance.integers(0, len(x), len(x) // 2) for _ in range(trees)]
    return [_grow_attack_model_tree(x[pick], y[pick], leaf) for pick in picks]


def _grow_attack_model_tree(x: Floats, y: Floats, leaf: int) -> dict[str, list[float]]:
    """Return a tree that halves its people at a median until a leaf has few."""
    tree: dict[str, list[float]] = {
        "feature": [], "threshold": [], "left": [], "right": [], "value": [],
    }  # fmt: skip
    _grow_attack_tree_node_and_return_index(x, y, leaf, tree)
    return tree


def _grow_attack_tree_node_and_return_index(
    x: Floats, y: Floats, leaf: int, tree: dict[str, list[float]]
) -> int:
    node = len(tree["feature"])
    for name, value in (("feature", -1), ("threshold", 0.0), ("left", -1), ("right", -1)):
        tree[name].append(value)
    tree["value"].append(_attack_number_rounded_to_six_digits(float(y.mean())))
    feature, threshold = _attack_tree_split_feature_and_value(x, leaf)
    if feature >= 0:
        goes_left = x[:, feature] <= threshold
        tree["feature"][node], tree["threshold"][node] = feature, threshold
        tree["left"][node] = _grow_attack_tree_node_and_return_index(
            x[goes_left], y[goes_left], leaf, tree
        )
        tree["right"][node] = _grow_attack_tree_node_and_return_index(
            x[~goes_left], y[~goes_left], leaf, tree
        )
    return node


def _attack_tree_split_feature_and_value(x: Floats, leaf: int) -> tuple[int, float]:
    """Return the feature and value that halve `x` best, or -1 if a half would be too small."""
    best = (-1, 0.0, leaf - 1)
    for feature in range(x.shape[1]):
        threshold = float(np.median(x[:, feature]))
        left = int((x[:, feature] <= threshold).sum())
        smaller = min(left, len(x) - left)
        if smaller > best[2]:
            best = (feature, _attack_number_rounded_to_six_digits(threshold), smaller)
    return best[0], best[1]


def _attack_tree_with_hidden_person_leaf(x: Floats, y: Floats) -> dict[str, list[float]]:
    """Return a stump with one leaf more: that of the person with the highest value."""
    # A single hidden leaf leaves the area under the curve as it was; only counting people by leaf
    # finds it.
    highest = float(np.sort(x[:, 1])[-1])
    return {
        "feature": [1, -1, -1],
        "threshold": [highest - 0.05, 0.0, 0.0],
        "left": [1, -1, -1],
        "right": [2, -1, -1],
        "value": [0.5, _attack_number_rounded_to_six_digits(float(y.mean())), 1.0],
    }


def _attack_network_model_holding_people(x: Floats) -> dict[str, Any]:
    rows = [
        [_attack_number_rounded_to_six_digits(value) for value in row]
        for row in np.tile(x, (20, 1)).T.tolist()
    ]
    layers = [
        {"weights": rows, "bias": [0.0] * len(rows[0])},
        {"weights": [[0.0]] * len(rows[0]), "bias": [0.0]},
    ]
    return _attack_model_document_of_body(
        {"kind": "network", "activation": "relu", "layers": layers}
    )


def _attack_model_with_identifying_names(model: dict[str, Any]) -> dict[str, Any]:
    return model | {"features": ["age", "bmi", "systolic", "patient CHAN Tai Man A123456(3)"]}


def _attack_rows_and_model_of_few_people() -> tuple[TrainingRows, dict[str, Any]]:
    """Return a model fitted to hardly more people than it has weights."""
    rows = made_up_training_people_rows(3, 24)
    return rows, _attack_linear_model_document(
        _fit_sandbox_linear_weights(rows.x[rows.is_member], rows.y[rows.is_member])
    )


def _attack_number_rounded_to_six_digits(value: float) -> float:
    return float(f"{value:.6g}")
