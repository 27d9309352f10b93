"""Noisy answers from exact aggregates.

Every aggregate is a whole number, or is made one on a fixed grid, before noise
is added, because noise on floating point leaks in its last digits. The unit of
privacy is a person: the caller says in how many rows a person may stand, and
has dropped the rows beyond (`frame_limited_to_rows_a_person`). Neighbouring tables differ by one
person added or removed; the measure is pure epsilon; costs add.

Sources: Dwork and Roth (2014), The Algorithmic Foundations of Differential
Privacy, sections 3.3, 3.4 and 3.5; Zhang et al. (2012), Functional Mechanism
(logistic regression by its expansion of second order); OpenDP for the
samplers. Mironov (2012) for why the grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from commonwatt.core.extras import import_optional_module
from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import PrivacyBudgetError

_GRID: Final = 1 << 20
"""Steps per unit of a scaled value; sums of a million rows stay exact."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyAnswer:
    """What may leave, and what it cost.

    Args:
        values: The noisy answer, flat.
        epsilon: What it costs the budget.
        scale: Standard width of the noise on each value, in its own unit; the
            expected absolute error of a Laplace answer.
    """

    values: tuple[float, ...]
    epsilon: float
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyQuery:
    """An aggregate that is ready for noise.

    Args:
        totals: Exact whole numbers on the grid.
        sensitivity: Most that one person changes them by, summed (L1), on the grid.
        unit: Grid steps per unit of the answer.
    """

    totals: tuple[int, ...]
    sensitivity: int
    unit: int = 1

    def answer(self, epsilon: float) -> NoisyAnswer:
        """Return the totals with discrete Laplace noise worth `epsilon`.

        Raises:
            PrivacyBudgetError: Epsilon is not above zero.
        """
        check_epsilon_finite_above_zero(epsilon)
        scale = self.sensitivity / epsilon
        measurement = _discrete_laplace_measurement(scale)
        # Two accounts of one cost: ours charges the budget, the library's is proved; if they
        # differ, nothing is answered.
        _check_opendp_agrees_with_epsilon_cost(measurement, self.sensitivity, epsilon)
        noisy = cast("list[int]", measurement(list(self.totals)))
        values = tuple(total / self.unit for total in noisy)
        return NoisyAnswer(values=values, epsilon=epsilon, scale=scale / self.unit)


def check_epsilon_finite_above_zero(epsilon: float) -> None:
    """Raise unless `epsilon` is a finite number above zero.

    Raises:
        PrivacyBudgetError: It is not.
    """
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise PrivacyBudgetError("epsilon", wanted=Message("a number above zero"))


def frame_limited_to_rows_a_person(frame: pl.DataFrame, person: str, rows: int) -> pl.DataFrame:
    """Return `frame` with at most `rows` rows a person, the first in the table's order.

    >>> frame_limited_to_rows_a_person(pl.DataFrame({"who": ["a", "a", "b"]}), "who", 1).height
    2
    """
    return frame.filter(pl.int_range(pl.len()).over(person) < rows)


def noisy_count_query(rows: int, *, rows_a_person: int = 1) -> NoisyQuery:
    """Return the question of how many rows there are."""
    return NoisyQuery(totals=(rows,), sensitivity=rows_a_person)


def noisy_histogram_query(counts: Sequence[int], *, rows_a_person: int = 1) -> NoisyQuery:
    """Return the question of how many rows fall into each of a fixed set of cells.

    A contingency table is a histogram over the product of its categories, which
    must be fixed without looking at the data.
    """
    return NoisyQuery(totals=tuple(counts), sensitivity=rows_a_person)


def noisy_total_query(
    values: npt.ArrayLike, *, lowest: float, highest: float, rows_a_person: int = 1
) -> NoisyQuery:
    """Return the question of the sum of `values`, each held within the bounds.

    The bounds must be fixed without looking at the data.
    """
    unit = _privacy_noise_grid_steps_per_unit(lowest, highest)
    steps = _noise_grid_steps(values, lowest, highest, unit)
    # A person may add the bound of larger size, whichever sign it has.
    largest = math.ceil(max(abs(lowest), abs(highest)) * unit)
    return NoisyQuery(totals=(int(steps.sum()),), sensitivity=rows_a_person * largest, unit=unit)


def noisy_mean_answer(
    values: npt.ArrayLike, epsilon: float, *, lowest: float, highest: float, rows_a_person: int = 1
) -> NoisyAnswer:
    """Return a noisy mean: half of epsilon for the sum about the middle, half for the count."""
    # Sums about the middle have half the sensitivity of sums about zero for values between 0 and
    # the bound.
    middle = (lowest + highest) / 2
    exact = np.asarray(values, dtype=float)
    half = (highest - lowest) / 2
    about = noisy_total_query(
        exact - middle, lowest=-half, highest=half, rows_a_person=rows_a_person
    )
    summed = about.answer(epsilon / 2)
    counted = noisy_count_query(len(exact), rows_a_person=rows_a_person).answer(epsilon / 2)
    # A noisy count may be zero or below, and the mean must not be a division by it.
    rows = max(counted.values[0], 1.0)
    estimate = min(max(middle + summed.values[0] / rows, lowest), highest)
    return NoisyAnswer(values=(estimate,), epsilon=epsilon, scale=summed.scale / rows)


def noisy_quantile_answer(
    values: npt.ArrayLike,
    epsilon: float,
    *,
    share: float,
    candidates: Sequence[float],
    rows_a_person: int = 1,
) -> NoisyAnswer:
    """Return the candidate that best splits the values, by the exponential mechanism.

    The score of a candidate c is -|(1 - share)·#{v < c} - share·#{v > c}|, which one
    row changes by at most one.

    Args:
        values: What is asked about.
        epsilon: What the answer may cost.
        share: 0.5 for the median.
        candidates: Possible answers, fixed without looking at the data.
        rows_a_person: Most rows of one person.
    """
    check_epsilon_finite_above_zero(epsilon)
    data = np.sort(np.asarray(values, dtype=float))
    below = np.searchsorted(data, candidates, side="left")
    above = len(data) - np.searchsorted(data, candidates, side="right")
    # Whole scores: the sampler is exact on integers and leaks in the last digits of fractions
    # (Mironov).
    thousandths = round(share * 1000)
    scores = -np.abs((1000 - thousandths) * below - thousandths * above)
    sensitivity = 1000 * rows_a_person
    measurement = _noisy_max_measurement(2 * sensitivity / epsilon)
    _check_opendp_agrees_with_epsilon_cost(measurement, sensitivity, epsilon)
    index = cast("int", measurement([int(score) for score in scores]))
    return NoisyAnswer(values=(float(candidates[index]),), epsilon=epsilon, scale=2 / epsilon)


def noisy_linear_regression(
    features: npt.ArrayLike,
    outcome: npt.ArrayLike,
    epsilon: float,
    *,
    rows_a_person: int = 1,
) -> NoisyAnswer:
    """Return the coefficients of a linear model from noisy moments.

    Features and outcome must be scaled into [-1, 1] by bounds that were fixed
    without looking at the data; what lies outside is held at the bound. The
    first feature added is the constant.
    """
    x, y = (
        _privacy_regression_design_matrix(features),
        np.clip(np.asarray(outcome, dtype=float), -1.0, 1.0),
    )
    return _noisy_regression_coefficients_from_moments(x, y, epsilon, rows_a_person, factor=1.0)


def noisy_logistic_regression(
    features: npt.ArrayLike,
    outcome: npt.ArrayLike,
    epsilon: float,
    *,
    rows_a_person: int = 1,
) -> NoisyAnswer:
    """Return the coefficients of a logistic model from noisy moments.

    The loss is replaced by its expansion of second order about zero,

        log 2 + (x·w)² / 8 - (y - 1/2) x·w,

    whose minimum follows from the same moments as a linear model's.

    Args:
        features: Scaled into [-1, 1], as for `noisy_linear_regression`.
        outcome: 0 or 1.
        epsilon: What the answer may cost.
        rows_a_person: Most rows of one person.
    """
    x = _privacy_regression_design_matrix(features)
    y = np.clip(np.asarray(outcome, dtype=float), 0.0, 1.0) - 0.5
    return _noisy_regression_coefficients_from_moments(x, y, epsilon, rows_a_person, factor=4.0)


def _noisy_regression_coefficients_from_moments(
    x: Floats, y: Floats, epsilon: float, rows_a_person: int, *, factor: float
) -> NoisyAnswer:
    """Return factor · (XᵀX)⁻¹ Xᵀy from noisy moments, made invertible by a ridge."""
    size = x.shape[1]
    upper = np.triu_indices(size)
    products = np.rint((x.T @ x)[upper] * _GRID)
    crossed = np.rint((x.T @ y) * _GRID)
    # Each product is at most 1 in size, and rounding happens once, after the sum.
    sensitivity = rows_a_person * (len(upper[0]) + size) * (_GRID + 1)
    totals = tuple(int(value) for value in (*products, *crossed))
    noisy = NoisyQuery(totals=totals, sensitivity=sensitivity, unit=_GRID).answer(epsilon)
    moments = np.zeros((size, size))
    moments[upper] = noisy.values[: len(upper[0])]
    moments = moments + moments.T - np.diag(np.diag(moments))
    right = np.array(noisy.values[len(upper[0]) :])
    values, vectors = np.linalg.eigh(moments)
    # Noise can make the moments singular or indefinite; a ridge of the noise's own size costs no
    # privacy, because it is set from noisy values alone.
    values = np.maximum(values, max(noisy.scale, 1.0))
    weights = factor * vectors @ ((vectors.T @ right) / values)
    return NoisyAnswer(values=tuple(map(float, weights)), epsilon=epsilon, scale=noisy.scale)


def _privacy_regression_design_matrix(features: npt.ArrayLike) -> Floats:
    x = np.clip(np.atleast_2d(np.asarray(features, dtype=float)), -1.0, 1.0)
    return np.hstack([np.ones((len(x), 1)), x])


def _privacy_noise_grid_steps_per_unit(lowest: float, highest: float) -> int:
    """Return grid steps per unit: finer for small bounds, never below one."""
    if not (math.isfinite(lowest) and math.isfinite(highest) and lowest < highest):
        raise PrivacyBudgetError("bounds", wanted=Message("two numbers, the lower one first"))
    return max(1, int(_GRID / max(abs(lowest), abs(highest), 1.0)))


def _noise_grid_steps(
    values: npt.ArrayLike, lowest: float, highest: float, unit: int
) -> npt.NDArray[np.int64]:
    held = np.clip(np.nan_to_num(np.asarray(values, dtype=float), nan=lowest), lowest, highest)
    return np.rint(held * unit).astype(np.int64)


def _discrete_laplace_measurement(scale: float) -> Any:
    domain = _opendp_module("domains").vector_domain(_opendp_module("domains").atom_domain(T="i64"))
    return _opendp_module("measurements").make_laplace(
        domain, _opendp_module("metrics").l1_distance(T="i64"), scale=scale
    )


def _noisy_max_measurement(scale: float) -> Any:
    domain = _opendp_module("domains").vector_domain(_opendp_module("domains").atom_domain(T="i64"))
    metric, divergence = (
        _opendp_module("metrics").linf_distance(T="i64"),
        _opendp_module("measures").max_divergence(),
    )
    return _opendp_module("measurements").make_noisy_max(domain, metric, divergence, scale=scale)


def _check_opendp_agrees_with_epsilon_cost(
    measurement: Any, sensitivity: int, epsilon: float
) -> None:
    """Raise unless OpenDP's own accounting agrees with ours.

    Raises:
        PrivacyBudgetError: The answer would cost more than it says.
    """
    cost = float(measurement.map(sensitivity))
    # The library rounds its bound upward in binary fractions; a billionth is that rounding and no
    # cost.
    if cost > epsilon * (1 + 1e-9):
        raise PrivacyBudgetError(
            "epsilon", found=Message("an answer that would cost more than is paid")
        )


@cache
def _opendp_module(name: str) -> Any:
    """Return a module of OpenDP, imported when noise is first drawn: a status asks for none."""
    # By module: the prelude would bring scikit-learn along.
    import_optional_module("opendp.mod").enable_features("contrib")
    return import_optional_module(f"opendp.{name}")
