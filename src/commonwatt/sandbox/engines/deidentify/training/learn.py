"""Learn the tagger's weights from documents whose truth is known.

An averaged perceptron for sequences: read a document with the weights so far,
where a tag is wrong give points to the right one and take them from the wrong one,
and keep the mean over all steps. A missed identifier costs more than a word too
many, and a wrong tag is favoured a little while learning, so that right ones win by
a margin.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.core.jit import njit
from commonwatt.sandbox.domain.findings import IdentifierLabel, IdentifierSpan
from commonwatt.sandbox.engines.deidentify.tagger import (
    KINDS,
    TAGS,
    Atoms,
    TaggerWeights,
    hashed_tagger_feature_rows,
)
from commonwatt.sandbox.engines.deidentify.tokens import TokenisedText

FORBIDDEN: Final = -1_000_000
_SIZE: Final = 1 << 20
_LEAST: Final = 3
"""Features whose points stay below this are dropped [points]."""
_MARGIN: Final = 2.0
"""By how much right tags should win [points]."""
_MISSED: Final = {
    IdentifierLabel.NAME: 5.0, IdentifierLabel.ADDRESS: 3.0, IdentifierLabel.HOSPITAL: 3.0,
    IdentifierLabel.DATE: 3.0,
    IdentifierLabel.PHONE: 4.0, IdentifierLabel.MRN: 4.0, IdentifierLabel.OTHER_NUMBER: 4.0,
}  # fmt: skip
"""What a missed identifier costs [points]."""
_FALSE: Final = {IdentifierLabel.ORGANISATION: 4.0, IdentifierLabel.PLACE: 3.0}
"""What a false one costs: companies and places look like titles and headings [points]."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TrainingArrays:
    """Documents as arrays, end to end.

    Args:
        atoms: Of all tokens.
        tags: The right ones.
        bounds: Where each document begins, and where the last one ends.
    """

    atoms: Atoms
    tags: npt.NDArray[np.int64]
    bounds: npt.NDArray[np.int64]


def true_identifier_tags(tokens: TokenisedText, findings: Iterable[IdentifierSpan]) -> list[int]:
    """Return the tags that say `findings`; kinds that the tagger does not learn are outside."""
    tags = [0] * len(tokens.starts)
    for span in findings:
        if span.label not in KINDS:
            continue
        begin = 1 + 2 * KINDS.index(span.label)
        inside = [i for i, s in enumerate(tokens.starts) if span.start <= s < span.end]
        for i in inside:
            tags[i] = begin if i == inside[0] else begin + 1
    return tags


def tagger_training_arrays(read: Sequence[tuple[TokenisedText, list[int]]]) -> TrainingArrays:
    """Return documents as arrays."""
    bounds = np.cumsum([0, *(len(tags) for _, tags in read)])
    atoms = np.concatenate([tokens.atoms for tokens, _ in read])
    return TrainingArrays(
        atoms, np.concatenate([np.array(t, dtype=np.int64) for _, t in read]), bounds
    )


def learn_tagger_weights(taught: TrainingArrays, *, rounds: int, seed: int) -> TaggerWeights:
    """Return weights after reading every document `rounds` times.

    Args:
        taught: The documents.
        rounds: How often each is read.
        seed: Of the order in which they are read.
    """
    points = np.zeros((_SIZE, TAGS), dtype=np.float32)
    total = np.zeros((_SIZE, TAGS), dtype=np.float32)
    moves = np.zeros((TAGS, TAGS), dtype=np.float32)
    moves_total = np.zeros((TAGS, TAGS), dtype=np.float32)
    _forbid_identifier_tag_moves(moves)
    costs = _identifier_tag_mistake_cost_matrix()
    order = np.random.default_rng(seed)
    step = 1.0
    for _ in range(rounds):
        turn = order.permutation(len(taught.bounds) - 1)
        for i in turn:
            part = slice(taught.bounds[i], taught.bounds[i + 1])
            if part.start == part.stop:
                continue
            rows = hashed_tagger_feature_rows(taught.atoms[part], _SIZE)
            _learn_identifier_tags(
                rows, taught.tags[part], points, total, moves, moves_total, costs, step
            )
            step += 1.0
    # The mean over all steps without keeping them: Collins' averaged perceptron by running
    # totals.
    mean = (points - total / step).astype(np.float32)
    return _quantised_tagger_weights(mean, (moves - moves_total / step).astype(np.float32))


def _identifier_tag_mistake_cost_matrix() -> Floats:
    """Return what it costs to take a tag (row) for another (column)."""
    costs = np.full((TAGS, TAGS), _MARGIN, dtype=np.float32)
    for k, kind in enumerate(KINDS):
        costs[1 + 2 * k : 3 + 2 * k, 0] = _MISSED.get(kind, _MARGIN)
        costs[0, 1 + 2 * k : 3 + 2 * k] = _FALSE.get(kind, _MARGIN)
    np.fill_diagonal(costs, 0.0)
    return costs


def _forbid_identifier_tag_moves(moves: Floats) -> None:
    """Let only a kind's own tags go on as that kind."""
    for k in range(len(KINDS)):
        for before in range(TAGS):
            if before not in (1 + 2 * k, 2 + 2 * k):
                moves[before, 2 + 2 * k] = FORBIDDEN


@njit()
def _learn_identifier_tags(
    rows: npt.NDArray[np.int32],
    right: npt.NDArray[np.int64],
    points: Floats,
    total: Floats,
    moves: Floats,
    moves_total: Floats,
    costs: Floats,
    step: float,
) -> None:
    """Read one document; where the favoured tags are wrong, move points."""
    count, features = rows.shape
    kinds = points.shape[1]
    previous_tag = np.zeros((count, kinds), dtype=np.int64)
    best = np.zeros(kinds, dtype=np.float64)
    for i in range(count):
        now = np.empty(kinds, dtype=np.float64)
        for t in range(kinds):
            # Wrong tags start with their cost, so that the right one has to win by that margin.
            score = np.float64(costs[right[i], t])
            for f in range(features):
                score += points[rows[i, f], t]
            if i == 0:
                now[t] = score + moves[0, t]
                continue
            top = best[0] + moves[0, t]
            for s in range(1, kinds):
                if best[s] + moves[s, t] > top:
                    top = best[s] + moves[s, t]
                    previous_tag[i, t] = s
            now[t] = top + score
        best = now
    tag = np.argmax(best)
    guess = np.empty(count, dtype=np.int64)
    for i in range(count - 1, -1, -1):
        guess[i] = tag
        tag = previous_tag[i, tag]
    for i in range(count):
        before_right = right[i - 1] if i else 0
        before_guess = guess[i - 1] if i else 0
        if right[i] != guess[i]:
            for f in range(features):
                row = rows[i, f]
                points[row, right[i]] += 1.0
                total[row, right[i]] += step
                points[row, guess[i]] -= 1.0
                total[row, guess[i]] -= step
        if right[i] != guess[i] or before_right != before_guess:
            moves[before_right, right[i]] += 1.0
            moves_total[before_right, right[i]] += step
            moves[before_guess, guess[i]] -= 1.0
            moves_total[before_guess, guess[i]] -= step


def _quantised_tagger_weights(points: Floats, moves: Floats) -> TaggerWeights:
    """Return weights as bytes: the largest become 127, and what rounds to nought goes."""
    # By a high quantile and not the maximum: a few extreme weights would press all others into a
    # handful of steps.
    scale = 127.0 / float(np.quantile(np.abs(points[points != 0]), 0.9995))
    whole = np.clip(np.rint(points * scale), -127, 127).astype(np.int8)
    whole[np.abs(whole).max(axis=1) < _LEAST] = 0
    forbidden = moves <= FORBIDDEN / 2
    rounded_moves = np.rint(np.where(forbidden, 0, moves * scale)).astype(np.int64)
    rounded_moves[forbidden] = FORBIDDEN
    return TaggerWeights(whole, rounded_moves)
