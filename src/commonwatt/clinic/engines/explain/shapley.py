"""Shapley values of one score: what each column adds, averaged over every order of columns.

    v(S) = E_b f(x_S, b_{−S}),   φⱼ = E_π [ v(S_πⱼ ∪ j) − v(S_πⱼ) ]

`exact_shapley_values` goes through all 2^d coalitions; `sampled_shapley_values` draws orders, each
with its reverse, against every row of the background in turn, and says how sure it is.

Source: Shapley (1953); Castro, Gómez and Tejada (2009), Computers & Operations
Research 36, 1726; antithetic orders as in Mitchell et al. (2022), JMLR 23, 43.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.clinic.engines.explain.additive import check_explanation_sum
from commonwatt.core.messages import Message

F64 = npt.NDArray[np.float64]
Score = Callable[[F64], F64]  # rows of columns to one score each
# 4,096 coalitions, each scored on the whole background; twenty columns would be a million.
MOST_EXACT: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapleyValues:
    """What each column adds to a score.

    Args:
        base: Mean score of the background.
        values: Added by each column, shape (columns,).
        errors: Standard error of each, zero where it is exact, shape (columns,).
        score: Of this case; base and shares make it up.
    """

    base: float
    values: F64
    errors: F64
    score: float


def exact_shapley_values(score: Score, background: F64, case: F64) -> ShapleyValues:
    """Return the Shapley values of a case by every coalition of columns.

    Raises:
        EvidenceError: There are more than `MOST_EXACT` columns.

    >>> product = lambda rows: rows[:, 0] * rows[:, 1]
    >>> exact_shapley_values(product, np.zeros((1, 2)), np.array([2.0, 3.0])).values.tolist()
    [3.0, 3.0]
    """
    d = len(case)
    if d > MOST_EXACT:
        wanted = Message("at most {count} columns", {"count": str(MOST_EXACT)})
        raise EvidenceError("columns", wanted=wanted)
    values = np.array(
        [_coalition_mean_score(score, background, case, subset) for subset in range(2**d)]
    )
    shares = np.zeros(d)
    for j in range(d):
        for subset in range(2**d):
            if not subset >> j & 1:
                size = subset.bit_count()
                weight = factorial(size) * factorial(d - size - 1) / factorial(d)
                shares[j] += weight * (values[subset | 1 << j] - values[subset])
    check_explanation_sum(float(values[0]), shares, float(values[-1]))
    return ShapleyValues(
        base=float(values[0]), values=shares, errors=np.zeros(d), score=float(values[-1])
    )


def _coalition_mean_score(score: Score, background: F64, case: F64, subset: int) -> float:
    rows = background.copy()
    inside = [j for j in range(len(case)) if subset >> j & 1]
    rows[:, inside] = case[inside]
    return float(score(rows).mean())


def sampled_shapley_values(
    score: Score, background: F64, case: F64, chance: np.random.Generator, *, rounds: int = 4
) -> ShapleyValues:
    """Return estimates of the Shapley values of a case, with their standard errors.

    Args:
        score: The model.
        background: Rows that stand for a column that is not known, shape (rows, columns).
        case: The row that is explained, shape (columns,).
        chance: Draws the orders.
        rounds: How often each row of the background is used, with an order and its reverse.

    Raises:
        EvidenceError: There is no background.
        IdentityError: The shares do not make up the score.
    """
    if not len(background):
        raise EvidenceError("background", wanted=Message("at least one row"))
    # Every background row equally often, rather than drawn: base and shares then add up to the
    # score exactly and not only on average.
    rows = np.tile(background, (rounds, 1))
    added = np.stack(
        [_antithetic_shapley_parts(score, row, case, chance) for row in rows]
    )  # (draws, columns)
    shares = added.mean(axis=0)
    spread = added.std(axis=0, ddof=1) if len(added) > 1 else np.full(len(case), np.nan)
    base, total = float(score(background).mean()), float(score(case[None])[0])
    check_explanation_sum(base, shares, total)
    return ShapleyValues(base=base, values=shares, errors=spread / np.sqrt(len(added)), score=total)


def _antithetic_shapley_parts(
    score: Score, row: F64, case: F64, chance: np.random.Generator
) -> F64:
    """Return what each column adds in one order and in its reverse, averaged."""
    d = len(case)
    order = chance.permutation(d)
    steps = np.tile(row, (2 * d + 2, 1))
    # An order and its reverse: what a column gains by coming late in one it loses in the other, so
    # that the pair varies less than two orders drawn apart.
    for i in range(1, d + 1):
        steps[i, order[:i]] = case[order[:i]]
        steps[d + 1 + i, order[d - i :]] = case[order[d - i :]]
    scores = score(steps)
    added = np.empty(d)
    added[order] = np.diff(scores[: d + 1]) / 2
    added[order[::-1]] += np.diff(scores[d + 1 :]) / 2
    return added
