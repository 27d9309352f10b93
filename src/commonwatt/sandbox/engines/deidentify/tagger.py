"""A small linear tagger: which tokens are names, addresses, places and their like.

Each token has some forty features, made of itself and its neighbours; each feature
gives every tag some points, and the best sequence of tags wins (Viterbi). Points are
whole numbers of one byte, so the same text has the same tags everywhere.

Sources: Collins (2002), averaged perceptron for sequences; Weinberger et al. (2009),
    features hashed into a table of fixed size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.core.jit import njit
from commonwatt.sandbox.domain.findings import IdentifierLabel, IdentifierSpan
from commonwatt.sandbox.engines.deidentify.lists import deidentification_tagger_weights_file
from commonwatt.sandbox.engines.deidentify.tokens import COLUMNS, Atoms, TokenisedText

KINDS: Final = (
    IdentifierLabel.NAME, IdentifierLabel.ADDRESS, IdentifierLabel.PLACE,
    IdentifierLabel.ORGANISATION, IdentifierLabel.HOSPITAL, IdentifierLabel.DATE,
    IdentifierLabel.PHONE, IdentifierLabel.MRN, IdentifierLabel.OTHER_NUMBER,
)  # fmt: skip
_LEAST: Final = 2
_PARTICLE: Final = "de|da|di|du|del|della|van|von|der|den|ten|ter|bin|al|el|la|le|dos|das|zu|y|e"
# Lower-case particles are part of names in many languages and stay; other small words are cut
# off.
_SMALL_BEFORE: Final = re.compile(rf"(?:(?!(?:{_PARTICLE}) )[a-z]+ )+(?=\S*[^\W\d_a-z])")
_SMALL_AFTER: Final = re.compile(r"(?:,? [a-z]+)+$")
_SHORT_NUMBER: Final = re.compile(r"#?\d{1,3}(?:\s?[A-Z]|[\-,./]\d+)?")
_SPELT: Final = frozenset(
    {
        IdentifierLabel.NAME,
        IdentifierLabel.PLACE,
        IdentifierLabel.ORGANISATION,
        IdentifierLabel.HOSPITAL,
    }
)
TAGS: Final = 1 + 2 * len(KINDS)
"""Tag 0 is outside; kind k begins with 1 + 2k and goes on with 2 + 2k."""

_FEATURES: Final = """
    word; word-1; word+1; word-2; word+2; word-3; word+3; word-1 word; word word+1; word-2 word-1;
    word+1 word+2; word-1 word+1; word-2 word-1 word; word-1 word word+1; word word+1 word+2;
    word-3 word-2 word-1; word+1 word+2 word+3;
    shape; shape-1 shape; shape shape+1; shape-1 shape shape+1; shape-2 shape-1 shape;
    shape shape+1 shape+2; lists; lists-1 lists; lists lists+1; lists-1 lists lists+1;
    lists-2 lists-1 lists; lists lists+1 lists+2; shape lists word-1; shape lists word+1;
    shape lists word-2 word-1; shape lists word+1 word+2; shape lists word-2; shape lists word+2;
    kind-1 kind kind+1; kind-2 kind-1 kind kind+1; kind kind+1 word-1; kind kind-1 word-2;
    kind kind+1 word+2; kind kind-1 word+1; kind word-3 word-2 word-1;
    begin shape; end shape; end shape lists; end-1 end; end end+1; before shape;
    before shape shape-1; before lists word-1; kind-1 kind kind+1 word-2;
    kind-1 kind kind+1 word+2;
    kind-1 kind kind+1 kind+2 kind-2; begin word-1 shape; end word-1 shape
"""
"""What a token is judged by, `word-1` being the word before."""

Table = npt.NDArray[np.int8]
Scores = npt.NDArray[np.int64]

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(29)


@cache
def tagger_feature_column_offsets() -> npt.NDArray[np.int64]:
    """Return features as rows of up to five pairs of column and offset; column -1 ends one."""
    rows: list[list[int]] = []
    for feature in " ".join(_FEATURES.split()).split(";"):
        row: list[int] = []
        for part in feature.split():
            name = part.rstrip("+-0123456789")
            row += [COLUMNS.index(name), int(part.removeprefix(name) or 0)]
        rows.append(row + [-1] * (10 - len(row)))
    return np.array(rows, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class TaggerWeights:
    """What training found.

    Args:
        points: Points of every hashed feature for every tag; rows are a power of two.
        moves: Points of a tag after a tag.
    """

    points: Table
    moves: Scores


def load_deidentification_tagger_weights(path: Path) -> TaggerWeights:
    """Return the weights in a file that `save_deidentification_tagger_weights` wrote."""
    with np.load(path) as file:
        # Most rows of a hashed table are empty, so the file holds only those with points and the
        # distance between them.
        points = np.zeros((int(file["size"]), TAGS), dtype=np.int8)
        points[np.cumsum(file["steps"].astype(np.int64))] = file["rows"]
        return TaggerWeights(points, file["moves"].astype(np.int64))


def save_deidentification_tagger_weights(weights: TaggerWeights, path: Path) -> None:
    """Write the rows that hold points, each by its distance from the one before."""
    rows_with_points = np.flatnonzero(weights.points.any(axis=1))
    steps = np.diff(rows_with_points, prepend=0)
    narrow = np.uint16 if steps.max(initial=0) <= np.iinfo(np.uint16).max else np.int64
    np.savez_compressed(
        path,
        size=np.int64(len(weights.points)),
        steps=steps.astype(narrow),
        rows=weights.points[rows_with_points],
        moves=weights.moves.astype(np.int32),
    )


@cache
def shipped_deidentification_tagger_weights() -> TaggerWeights:
    """Return the weights that ship with the package."""
    return load_deidentification_tagger_weights(deidentification_tagger_weights_file())


def find_tagged_identifier_spans(
    tokens: TokenisedText, weights: TaggerWeights
) -> Iterator[IdentifierSpan]:
    """Yield what the tagger takes for an identifier."""
    tags = best_identifier_tags(
        hashed_tagger_feature_rows(tokens.atoms, len(weights.points)), weights
    )
    for whole in tagged_identifier_spans(tokens, tags):
        span = whole if tokens.flat else _trimmed_name_span(tokens.text, whole)
        if _is_plausible_identifier(
            tokens.text[span.start : span.end], span.label, flat=tokens.flat
        ):
            yield span


def _trimmed_name_span(text: str, span: IdentifierSpan) -> IdentifierSpan:
    """Return a name without the small words before and after it, particles of names aside."""
    if span.label is not IdentifierLabel.NAME:
        return span
    words = text[span.start : span.end]
    before, after = _SMALL_BEFORE.match(words), _SMALL_AFTER.search(words)
    first = before.end() if before else 0
    last = after.start() if after else len(words)
    return (
        IdentifierSpan(span.start + first, span.start + last, span.label) if first < last else span
    )


def _is_plausible_identifier(words: str, label: IdentifierLabel, *, flat: bool) -> bool:
    """Return whether a find can be what it was taken for.

    A name has capitals where its text has any, and none of what is spelt out is a
    single letter or a short number.
    """
    if label in _SPELT and words.islower() and not flat:
        return False
    letters = sum(char.isalnum() for char in words)
    short = letters < _LEAST and words.isascii()
    return not short and not (
        label in _SPELT | {IdentifierLabel.ADDRESS} and _SHORT_NUMBER.fullmatch(words)
    )


def tagged_identifier_spans(tokens: TokenisedText, tags: Sequence[int]) -> Iterator[IdentifierSpan]:
    """Yield the stretches that runs of tags name."""
    first, kind = 0, -1
    for i, tag in enumerate([*tags, 0]):
        if kind >= 0 and tag != 2 + 2 * kind:
            yield IdentifierSpan(tokens.starts[first], tokens.ends[i - 1], KINDS[kind])
            kind = -1
        if tag and kind < 0:
            first, kind = i, (tag - 1) // 2


def hashed_tagger_feature_rows(atoms: Atoms, size: int) -> npt.NDArray[np.int32]:
    """Return the row of each feature of each token, shape (tokens, features)."""
    table = tagger_feature_column_offsets()
    out = np.empty((len(atoms), len(table)), dtype=np.int32)
    _hash_token_features(atoms.astype(np.uint64), table, np.uint64(size - 1), out)
    return out


@njit()
def _hash_token_features(
    atoms: npt.NDArray[np.uint64],
    table: npt.NDArray[np.int64],
    mask: np.uint64,
    out: npt.NDArray[np.int32],
) -> None:
    count = len(atoms)
    for i in range(count):
        for f in range(len(table)):
            mixed = np.uint64(f + 1) * _MIX
            for p in range(0, 10, 2):
                column = table[f, p]
                if column < 0:
                    break
                at = i + table[f, p + 1]
                value = atoms[at, column] if 0 <= at < count else np.uint64(0)
                # Multiply and shift, as in Fibonacci hashing: cheap, and the same on every
                # machine because it is whole numbers modulo 2^64.
                mixed = (mixed ^ value) * _MIX
                mixed ^= mixed >> _SHIFT
            out[i, f] = np.int32(mixed & mask)


def best_identifier_tags(features: npt.NDArray[np.int32], weights: TaggerWeights) -> list[int]:
    """Return the best sequence of tags."""
    if not len(features):
        return []
    scores = np.zeros((len(features), TAGS), dtype=np.int64)
    _add_identifier_tag_scores(features, weights.points, scores)
    tags = np.zeros(len(features), dtype=np.int64)
    _viterbi_identifier_tags(scores, weights.moves, tags)
    return [int(tag) for tag in tags]


@njit()
def _add_identifier_tag_scores(
    features: npt.NDArray[np.int32], points: Table, scores: Scores
) -> None:
    for i in range(features.shape[0]):
        for f in range(features.shape[1]):
            row = features[i, f]
            for t in range(points.shape[1]):
                scores[i, t] += points[row, t]


@njit()
def _viterbi_identifier_tags(scores: Scores, moves: Scores, tags: npt.NDArray[np.int64]) -> None:
    """Put the best tags into `tags`; of equal ones the lowest."""
    count, kinds = scores.shape
    previous_tag = np.zeros((count, kinds), dtype=np.int64)
    best = np.empty(kinds, dtype=np.int64)
    for t in range(kinds):
        best[t] = scores[0, t] + moves[0, t]
    for i in range(1, count):
        now = np.empty(kinds, dtype=np.int64)
        for t in range(kinds):
            top = best[0] + moves[0, t]
            for s in range(1, kinds):
                if best[s] + moves[s, t] > top:
                    top = best[s] + moves[s, t]
                    previous_tag[i, t] = s
            now[t] = top + scores[i, t]
        best = now
    tag = 0
    for t in range(1, kinds):
        if best[t] > best[tag]:
            tag = t
    for i in range(count - 1, -1, -1):
        tags[i] = tag
        tag = previous_tag[i, tag]
