"""A model as numbers alone: read without running anything, and asked by ourselves.

A pickle is a program, so no model leaves as one. A job writes its model in a
small JSON form of ours (`job_tools.write_model` does it for scikit-learn's):
a linear model, a sum or mean of trees, or a network. Nothing rides along: every
key is known, names are the declared features, and numbers have six digits.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from commonwatt.core.strict_json import RepeatedNameError, json_object_with_unique_names

FORMAT: Final = "commonwatt-model-1"
MOST_NUMBERS: Final = 20_000
_DIGITS: Final = 6
_BLANKS: Final = re.compile(r"[\t\r\n]| {2}")
_LINKS: Final = ("logit", "identity")
_WORDS: Final = ("kind", "activation")
"""Keys of a body that hold a word from a closed list."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class OutputModelError(ValueError):
    """The bytes are no model of the form; `args` says why, without a value of it."""


@dataclass(frozen=True, slots=True)
class DecisionTree:
    """A tree as arrays over its nodes; a leaf has no feature (-1), children come later."""

    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    value: Floats

    def decision_tree_leaf_index_by_row(self, x: Floats) -> Ints:
        """Return the leaf that each row of `x` reaches."""
        at = np.zeros(len(x), np.int64)
        rows = np.arange(len(x))
        # All rows walk down together, a level at a time; children come later, so it ends.
        while (inner := self.feature[at] >= 0).any():
            feature, node = self.feature[at[inner]], at[inner]
            goes_left = x[rows[inner], feature] <= self.threshold[node]
            at[inner] = np.where(goes_left, self.left[node], self.right[node])
        return at


@dataclass(frozen=True, slots=True)
class LinearBody:
    """start + x · weights."""

    start: float
    weights: Floats

    def output_model_value_before_link(self, x: Floats) -> Floats:
        """Return the value before the link."""
        return self.start + x @ self.weights


@dataclass(frozen=True, slots=True)
class TreeEnsemble:
    """start + scale · the sum of what the trees say."""

    start: float
    scale: float
    trees: tuple[DecisionTree, ...]

    def output_model_value_before_link(self, x: Floats) -> Floats:
        """Return the value before the link."""
        tree_values = [tree.value[tree.decision_tree_leaf_index_by_row(x)] for tree in self.trees]
        return self.start + self.scale * np.sum(tree_values, axis=0)


@dataclass(frozen=True, slots=True)
class NeuralNetwork:
    """Layers of weights and biases with one activation between them."""

    activation: str
    layers: tuple[tuple[Floats, Floats], ...]

    def output_model_value_before_link(self, x: Floats) -> Floats:
        """Return the value before the link."""
        bend = _ACTIVATIONS[self.activation]
        for number, (weights, bias) in enumerate(self.layers, start=1):
            x = x @ weights + bias
            x = bend(x) if number < len(self.layers) else x
        return x[:, 0]


_ACTIVATIONS: Final[dict[str, Callable[[Floats], Floats]]] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "tanh": np.tanh,
    # Clipped where the exponential would overflow; beyond it is 0 or 1 in any case.
    "logistic": lambda x: 1 / (1 + np.exp(-np.clip(x, -500, 500))),
    "identity": lambda x: x,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputModel:
    """A model that can be asked.

    Args:
        features: Names of the columns of its input, in order.
        link: `logit` if its body gives log odds, else `identity`.
        centre: Subtracted from each feature first.
        spread: Divided by afterwards.
        body: What makes a value of the scaled features.
    """

    features: tuple[str, ...]
    link: str
    centre: Floats
    spread: Floats
    body: LinearBody | TreeEnsemble | NeuralNetwork

    def scaled_features(self, x: npt.ArrayLike) -> Floats:
        """Return features as the body sees them."""
        return (np.asarray(x, dtype=float) - self.centre) / self.spread

    def predict(self, x: npt.ArrayLike) -> Floats:
        """Return the chance or number that the model gives each row of `x`."""
        raw = self.body.output_model_value_before_link(self.scaled_features(x))
        return _ACTIVATIONS["logistic"](raw) if self.link == "logit" else raw


def parse_output_model(data: bytes) -> OutputModel:
    """Return the model in `data`.

    Raises:
        OutputModelError: It is not of the form; the reason carries no value of it.
    """
    try:
        document = _parse_output_model_json(data)
        _check_output_model_json_keys(
            document, {"format", "features", "link", "centre", "spread", "body"}
        )
        _check_output_model_numbers(document)
        return _build_output_model(document)
    except OutputModelError:
        raise
    except RepeatedNameError:
        raise OutputModelError("keys") from None
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        raise OutputModelError("shape") from None


def _parse_output_model_json(model_bytes: bytes) -> dict[str, Any]:
    """Return the JSON of a model, spelled in the one way that leaves no second message.

    What leaves are the bytes and not the values read from them, so whatever a reader of
    JSON passes over (blanks, a key's first value, digits beyond the precision) is refused.
    """
    text = model_bytes.decode("utf-8")
    if _BLANKS.search(text):
        raise OutputModelError("blanks")
    document = json.loads(
        text,
        parse_float=_parse_output_model_number,
        parse_int=_parse_output_model_number,
        object_pairs_hook=json_object_with_unique_names,
    )
    return cast("dict[str, Any]", document)


def _parse_output_model_number(literal: str) -> float:
    # Only the shortest spelling: zeros with an exponent, or digits beyond those of a double,
    # change no value and could spell anything.
    number = int(literal) if literal.lstrip("-").isdigit() else float(literal)
    if repr(number) != literal:
        raise OutputModelError("digits")
    return number


def _build_output_model(document: dict[str, Any]) -> OutputModel:
    names = document["features"]
    if document["format"] != FORMAT or document["link"] not in _LINKS:
        raise OutputModelError("shape")
    if not names or not all(isinstance(name, str) for name in names):
        raise OutputModelError("features")
    size = len(names)
    spread = _checked_output_model_vector(document["spread"], size)
    # A spread of zero would make every prediction infinite and the attack blind.
    if (spread <= 0).any():
        raise OutputModelError("spread")
    return OutputModel(
        features=tuple(names),
        link=document["link"],
        centre=_checked_output_model_vector(document["centre"], size),
        spread=spread,
        body=_build_output_model_body(document["body"], size),
    )


def _build_output_model_body(
    fields: dict[str, Any], size: int
) -> LinearBody | TreeEnsemble | NeuralNetwork:
    match fields.get("kind"):
        case "linear":
            _check_output_model_json_keys(fields, {"kind", "start", "weights"})
            return LinearBody(
                float(fields["start"]), _checked_output_model_vector(fields["weights"], size)
            )
        case "trees":
            _check_output_model_json_keys(fields, {"kind", "start", "scale", "trees"})
            trees = tuple(_build_output_model_decision_tree(tree, size) for tree in fields["trees"])
            if not trees:
                raise OutputModelError("trees")
            return TreeEnsemble(float(fields["start"]), float(fields["scale"]), trees)
        case "network":
            _check_output_model_json_keys(fields, {"kind", "activation", "layers"})
            if fields["activation"] not in _ACTIVATIONS:
                raise OutputModelError("activation")
            return NeuralNetwork(
                fields["activation"], _parse_output_model_network_layers(fields["layers"], size)
            )
        case _:
            raise OutputModelError("kind")


def _build_output_model_decision_tree(fields: dict[str, Any], size: int) -> DecisionTree:
    _check_output_model_json_keys(fields, {"feature", "threshold", "left", "right", "value"})
    nodes = len(fields["feature"])
    feature, left, right = (
        _output_model_tree_indices(fields[name], nodes) for name in ("feature", "left", "right")
    )
    tree = DecisionTree(
        feature,
        _checked_output_model_vector(fields["threshold"], nodes),
        left,
        right,
        _checked_output_model_vector(fields["value"], nodes),
    )
    inner = np.flatnonzero(feature >= 0)
    later = (left[inner] > inner) & (right[inner] > inner)
    inside = (left[inner] < nodes) & (right[inner] < nodes) & (feature[inner] < size)
    if nodes == 0 or not (later & inside).all():
        raise OutputModelError("tree")  # children come later, so every walk ends
    return tree


def _parse_output_model_network_layers(
    fields: Sequence[dict[str, Any]], size: int
) -> tuple[tuple[Floats, Floats], ...]:
    layers: list[tuple[Floats, Floats]] = []
    for layer in fields:
        _check_output_model_json_keys(layer, {"weights", "bias"})
        weights = np.array(layer["weights"], dtype=float)
        bias = np.array(layer["bias"], dtype=float)
        if weights.ndim != 2 or weights.shape != (size, len(bias)):
            raise OutputModelError("layers")
        size = len(bias)
        layers.append((weights, bias))
    if size != 1 or not layers:
        raise OutputModelError("layers")
    return tuple(layers)


def _checked_output_model_vector(numbers: Sequence[float], size: int) -> Floats:
    values = np.array(numbers, dtype=float)
    if values.shape != (size,):
        raise OutputModelError("shape")
    return values


def _output_model_tree_indices(numbers: Sequence[int], size: int) -> Ints:
    # `True` is an int to Python and must not be one here.
    if len(numbers) != size or any(type(value) is not int for value in numbers):
        raise OutputModelError("shape")
    return np.array(numbers, dtype=np.int64)


def _check_output_model_json_keys(fields: Mapping[str, Any], allowed: set[str]) -> None:
    if set(fields) != allowed:
        raise OutputModelError("keys")


def _check_output_model_numbers(document: dict[str, Any]) -> None:
    """Raise unless all numbers are finite, short and not too many."""
    numbers = _output_model_numbers([document["centre"], document["spread"], document["body"]])
    # Capacity is what a hidden message needs; this many suit every model that a study of people
    # reports.
    if len(numbers) > MOST_NUMBERS:
        raise OutputModelError("size")
    for value in numbers:
        if not math.isfinite(value) or abs(value) > 1e15:
            raise OutputModelError("numbers")
        # Digits beyond the sixth change no prediction that matters and could carry a record.
        if float(f"{value:.{_DIGITS}g}") != value:
            raise OutputModelError("digits")


def _output_model_numbers(value: Any, name: str = "") -> list[float]:
    if isinstance(value, dict):
        inner = cast("dict[str, Any]", value)
        return [
            number for key, child in inner.items() for number in _output_model_numbers(child, key)
        ]
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [number for child in items for number in _output_model_numbers(child)]
    if name in _WORDS:
        return []
    # Text, truth and nothing are no numbers here, though numpy would take each for one.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OutputModelError("numbers")
    return [value]
