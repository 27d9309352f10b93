"""The tagger beside a slow one that follows its definition word for word."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.sandbox.engines.deidentify.tagger import (
    TAGS,
    TaggerWeights,
    best_identifier_tags,
    hashed_tagger_feature_rows,
    shipped_deidentification_tagger_weights,
    tagger_feature_column_offsets,
)
from commonwatt.sandbox.engines.deidentify.tokens import tokenise

WORD = 2**64
PIECES = st.lists(
    st.sampled_from(
        [
            "Dr ",
            "Chan",
            " called",
            "病人",
            "陳大文",
            "，",
            "\n",
            "9123 4567",
            "on 2 May",
            "O'Brien's ",
        ]
    ),
    min_size=1,
    max_size=6,
).map("".join)


def slow_features(atoms, size):
    rows = []
    for i in range(len(atoms)):
        row = []
        for number, feature in enumerate(tagger_feature_column_offsets().tolist(), 1):
            mixed = number * 0x9E3779B97F4A7C15 % WORD
            for column, offset in _pairs(feature):
                if column < 0:
                    break
                at = i + offset
                value = int(atoms[at][column]) if 0 <= at < len(atoms) else 0
                mixed = (mixed ^ value) * 0x9E3779B97F4A7C15 % WORD
                mixed ^= mixed >> 29
            row.append(mixed % size)
        rows.append(row)
    return rows


def _pairs(flat):
    return zip(flat[::2], flat[1::2], strict=True)


def slow_score(features, tags, weights):
    total, before = 0, 0
    for row, tag in zip(features, tags, strict=True):
        total += sum(int(weights.points[index, tag]) for index in row)
        total += int(weights.moves[before, tag])
        before = tag
    return total


def slow_best(features, weights):
    """The best score of any sequence, by trying every last tag on every best way to it."""
    best = {0: 0}
    for place, row in enumerate(features):
        points = [sum(int(weights.points[index, tag]) for index in row) for tag in range(TAGS)]
        best = {
            tag: max(score + int(weights.moves[before, tag]) for before, score in best.items())
            + points[tag]
            for tag in range(TAGS)
        }
        assert len(best) == TAGS or place == 0
    return max(best.values())


@settings(max_examples=30, deadline=None)
@given(PIECES)
def test_features_are_hashed_as_defined(text):
    atoms = tokenise(text).atoms
    assert hashed_tagger_feature_rows(atoms, 1 << 20).tolist() == slow_features(
        atoms.tolist(), 1 << 20
    )


@settings(max_examples=30, deadline=None)
@given(PIECES)
def test_no_sequence_of_tags_has_more_points(text):
    weights = shipped_deidentification_tagger_weights()
    features = hashed_tagger_feature_rows(tokenise(text).atoms, len(weights.points))
    tags = best_identifier_tags(features, weights)
    rows = features.tolist()
    assert slow_score(rows, tags, weights) == slow_best(rows, weights)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 2))
def test_the_best_of_all_sequences_is_found_whatever_the_weights(seed, length):
    chance = np.random.default_rng(seed)
    weights = TaggerWeights(
        chance.integers(-9, 9, (8, TAGS), dtype=np.int8),
        chance.integers(-9, 9, (TAGS, TAGS), dtype=np.int64),
    )
    features = chance.integers(0, 8, (length, 3), dtype=np.int32)
    best = max(
        slow_score(features.tolist(), tags, weights)
        for tags in itertools.product(range(TAGS), repeat=length)
    )
    assert slow_score(features.tolist(), best_identifier_tags(features, weights), weights) == best
