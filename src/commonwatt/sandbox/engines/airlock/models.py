"""A model as numbers alone: read without running anything, and asked by ourselves.

A pickle is a program, so no model leaves as one. A job writes its model in a
small JSON form of ours (`job_tools.write_model` does it for scikit-learn's):
a linear model, a sum or mean of trees, or a network. Nothing rides along: every
key is known, names are the declared features, and numbers have six digits.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

FORMAT: Final = "commonwatt-model-1"
MOST_NUMBERS: Final = 20_000
_DIGITS: Final = 6
_LINKS: Final = ("logit", "identity")

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

    def leaves(self, x: Floats) -> Ints:
        """Return the leaf that each row of `x` reaches."""
        at = np.zeros(len(x), np.int64)
        rows = np.arange(len(x))
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

    def raw(self, x: Floats) -> Floats:
        """Return the value before the link."""
        return self.start + x @ self.weights


@dataclass(frozen=True, slots=True)
class TreeEnsemble:
    """start + scale · the sum of what the trees say."""

    start: float
    scale: float
    trees: tuple[DecisionTree, ...]

    def raw(self, x: Floats) -> Floats:
        """Return the value before the link."""
        said = [tree.value[tree.leaves(x)] for tree in self.trees]
        return self.start + self.scale * np.sum(said, axis=0)


@dataclass(frozen=True, slots=True)
class NeuralNetwork:
    """Layers of weights and biases with one activation between them."""

    activation: str
    layers: tuple[tuple[Floats, Floats], ...]

    def raw(self, x: Floats) -> Floats:
        """Return the value before the link."""
        bend = _ACTIVATIONS[self.activation]
        for number, (weights, bias) in enumerate(self.layers, start=1):
            x = x @ weights + bias
            x = bend(x) if number < len(self.layers) else x
        return x[:, 0]


_ACTIVATIONS: Final[dict[str, Callable[[Floats], Floats]]] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "tanh": np.tanh,
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

    def scaled(self, x: npt.ArrayLike) -> Floats:
        """Return features as the body sees them."""
        return (np.asarray(x, dtype=float) - self.centre) / self.spread

    def predict(self, x: npt.ArrayLike) -> Floats:
        """Return the chance or number that the model gives each row of `x`."""
        raw = self.body.raw(self.scaled(x))
        return _ACTIVATIONS["logistic"](raw) if self.link == "logit" else raw


def parse_model(data: bytes) -> OutputModel:
    """Return the model in `data`.

    Raises:
        ModelError: It is not of the form; the reason carries no value of it.
    """
    try:
        found = cast("dict[str, Any]", json.loads(data))
        _check_keys(found, {"format", "features", "link", "centre", "spread", "body"})
        _check_numbers(found)
        return _model(found)
    except OutputModelError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        raise OutputModelError("shape") from None


def _model(found: dict[str, Any]) -> OutputModel:
    names = found["features"]
    if found["format"] != FORMAT or found["link"] not in _LINKS:
        raise OutputModelError("shape")
    if not names or not all(isinstance(name, str) for name in names):
        raise OutputModelError("features")
    size = len(names)
    spread = _vector(found["spread"], size)
    if (spread <= 0).any():
        raise OutputModelError("spread")
    return OutputModel(
        features=tuple(names),
        link=found["link"],
        centre=_vector(found["centre"], size),
        spread=spread,
        body=_body(found["body"], size),
    )


def _body(found: dict[str, Any], size: int) -> LinearBody | TreeEnsemble | NeuralNetwork:
    match found.get("kind"):
        case "linear":
            _check_keys(found, {"kind", "start", "weights"})
            return LinearBody(float(found["start"]), _vector(found["weights"], size))
        case "trees":
            _check_keys(found, {"kind", "start", "scale", "trees"})
            trees = tuple(_tree(one, size) for one in found["trees"])
            if not trees:
                raise OutputModelError("trees")
            return TreeEnsemble(float(found["start"]), float(found["scale"]), trees)
        case "network":
            _check_keys(found, {"kind", "activation", "layers"})
            if found["activation"] not in _ACTIVATIONS:
                raise OutputModelError("activation")
            return NeuralNetwork(found["activation"], _layers(found["layers"], size))
        case _:
            raise OutputModelError("kind")


def _tree(found: dict[str, Any], size: int) -> DecisionTree:
    _check_keys(found, {"feature", "threshold", "left", "right", "value"})
    nodes = len(found["feature"])
    feature, left, right = (_indices(found[name], nodes) for name in ("feature", "left", "right"))
    tree = DecisionTree(
        feature, _vector(found["threshold"], nodes), left, right, _vector(found["value"], nodes)
    )
    inner = np.flatnonzero(feature >= 0)
    later = (left[inner] > inner) & (right[inner] > inner)
    inside = (left[inner] < nodes) & (right[inner] < nodes) & (feature[inner] < size)
    if nodes == 0 or not (later & inside).all():
        raise OutputModelError("tree")  # children come later, so every walk ends
    return tree


def _layers(found: Sequence[dict[str, Any]], size: int) -> tuple[tuple[Floats, Floats], ...]:
    layers: list[tuple[Floats, Floats]] = []
    for one in found:
        _check_keys(one, {"weights", "bias"})
        weights = np.array(one["weights"], dtype=float)
        bias = np.array(one["bias"], dtype=float)
        if weights.ndim != 2 or weights.shape != (size, len(bias)):
            raise OutputModelError("layers")
        size = len(bias)
        layers.append((weights, bias))
    if size != 1 or not layers:
        raise OutputModelError("layers")
    return tuple(layers)


def _vector(found: Sequence[float], size: int) -> Floats:
    values = np.array(found, dtype=float)
    if values.shape != (size,):
        raise OutputModelError("shape")
    return values


def _indices(found: Sequence[int], size: int) -> Ints:
    if len(found) != size or any(type(value) is not int for value in found):
        raise OutputModelError("shape")
    return np.array(found, dtype=np.int64)


def _check_keys(found: Mapping[str, Any], known: set[str]) -> None:
    if set(found) != known:
        raise OutputModelError("keys")


def _check_numbers(found: dict[str, Any]) -> None:
    """Raise unless all numbers are finite, short and not too many."""
    numbers = list(_numbers([found["centre"], found["spread"], found["body"]]))
    if len(numbers) > MOST_NUMBERS:
        raise OutputModelError("size")
    for value in numbers:
        if not math.isfinite(value) or abs(value) > 1e15:
            raise OutputModelError("numbers")
        if float(f"{value:.{_DIGITS}g}") != value:
            raise OutputModelError("digits")


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        inner = cast("dict[str, Any]", value)
        return [number for one in inner.values() for number in _numbers(one)]
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [number for one in items for number in _numbers(one)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []
