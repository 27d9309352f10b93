"""Few people alone: the fast search against trying every set of people."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.sandbox.engines.airlock.equations import (
    _PRIME,
    _airlock_elimination_column_orders,
    _left_null_basis_of_large_cells,
    identifying_cell_combinations,
)
from tests.proofs import most_examples_reach


def _rank(rows):
    rows = [[Fraction(int(value)) for value in row] for row in rows]
    rank = 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((i for i in range(rank, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        for i in range(rank + 1, len(rows)):
            factor = rows[i][column] / rows[rank][column]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[rank], strict=True)]
        rank += 1
    return rank


def _slow(members, smallest):
    """Return whether leaving some few people out lowers what the cells can tell apart."""
    people, whole = range(len(members[0])), _rank(members)
    return any(
        _rank([[row[p] for p in people if p not in few] for row in members]) < whole
        for size in range(1, smallest)
        for few in itertools.combinations(people, size)
    )


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 7).flatmap(
        lambda people: st.lists(
            st.lists(st.booleans(), min_size=people, max_size=people), min_size=1, max_size=5
        )
    ),
    st.integers(2, 4),
)
def test_the_search_finds_a_combination_exactly_where_one_exists(members, smallest):
    assert bool(identifying_cell_combinations(np.array(members), smallest)) == _slow(
        members, smallest
    )


@st.composite
def _cells_that_tell(draw):
    """Give cells of which one is the sum of two others and a few people: less these, it tells."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    part = chance.integers(0, 3, 60)
    few = draw(st.lists(st.integers(0, 59), min_size=1, max_size=3, unique=True))
    part[few] = 3
    telling = [part == 0, part == 1, part != 2]
    others = list(chance.random((4, 60)) < 0.5)
    return np.array(draw(st.permutations([*telling, *others]))), len(few)


def test_what_is_found_is_a_combination_of_the_named_cells():
    """With the named cells alone, the same few people are told of."""

    @settings(max_examples=60, deadline=None)
    @given(_cells_that_tell())
    def law(cells):
        examples.drawn += 1
        members, few = cells
        combinations = identifying_cell_combinations(members, 4)
        assert min(combination.people for combination in combinations) <= few
        for combination in combinations:
            alone = identifying_cell_combinations(members[list(combination.cells)], 4)
            assert min(narrower.people for narrower in alone) <= combination.people
        examples.reached += bool(combinations)

    with most_examples_reach(1.0) as examples:
        law()


@pytest.mark.parametrize(
    ("rows", "columns", "by_chance"),
    [
        # 150 million steps, of rows² × (columns + 1) each; two at least, and 48 at most.
        (1000, 29, 5), (1000, 24, 6), (1000, 36, 4), (1000, 300, 2), (1000, 74, 2), (1000, 49, 3),
        (100, 9, 48), (1, 1, 48),
    ],
)  # fmt: skip
def test_the_search_takes_no_more_steps_than_it_may(rows, columns, by_chance):
    sizes = np.arange(columns)
    orders = _airlock_elimination_column_orders(np.zeros((rows, columns), np.int64), sizes)
    assert len(orders) == 2 + by_chance
    assert all(sorted(order.tolist()) == list(range(columns)) for order in orders)
    # Heavy columns first, so that light ones are left over, and the other way round.
    assert sizes[orders[0]].tolist() == sorted(sizes.tolist(), reverse=True)
    assert sizes[orders[1]].tolist() == sorted(sizes.tolist())
    if columns > 20:
        assert len({tuple(order.tolist()) for order in orders}) == len(orders)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_a_system_without_rows_or_columns_has_no_order_to_try(shape):
    assert (
        list(_airlock_elimination_column_orders(np.zeros(shape, np.int64), np.ones(shape[1]))) == []
    )


@pytest.mark.parametrize("count", [0, 1, 5, 9, 10, 11, 40, 400])
@pytest.mark.parametrize("rank", [1, 3, 5])
def test_factors_cancel_every_large_atom_and_all_such_factors_are_spanned(count, rank):
    """Of six cells, of which `rank` tell apart: what is left over are the factors that cancel."""
    chance = np.random.default_rng(count)
    apart = chance.integers(0, 2, (rank, count))
    atoms = np.vstack([apart, *(apart[:1] for _ in range(6 - rank))]).astype(np.int64)
    basis = _left_null_basis_of_large_cells(atoms)
    true_rank = _rank(atoms.tolist()) if count else 0
    assert basis.shape == (6 - true_rank, 6)
    assert not ((basis @ atoms) % _PRIME).any()
    assert (basis != 0).any(axis=1).all()
    # As many as there are, and none a mixture of the others.
    square = [[int(value) if value <= _PRIME // 2 else int(value) - _PRIME for value in row]
              for row in basis]  # fmt: skip
    assert _rank(square) == len(basis)
