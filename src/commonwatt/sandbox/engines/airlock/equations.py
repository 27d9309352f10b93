"""Which combinations of released counts tell about a few people alone?

Each released count is one equation: the sum over the people in its cell. People
who stand in the same cells are one unknown, an atom. If some combination of the
equations, with any factors, cancels everybody but fewer than eight people, then
subtracting and adding what was released tells about those few; a pair of cells
and a total with all but one of its parts are the simplest cases.

How it is found: the combinations that cancel every large atom are the left null
space of the large atoms' columns; what they say of the small atoms is a second,
small system, and its rows are brought to echelon form in many column orders,
which shows a combination of few people as a row with few entries. Arithmetic is
modulo a prime, so it is exact but for accidents of one in two thousand million.

Rounding is ignored on purpose: a combination counts, though noise from rounding
would blur it. The search over orders is bounded, so that a combination of many
cells about several atoms can be missed; of a single atom or a pair none is.

Source: Denning and Schlörer (1983), Inference controls for statistical
databases, for systems of equations over query sets; Lee and Brickell (1988) for
searching short codewords by orders of columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.core.seeds import named_random_stream

# The largest Mersenne prime whose products still fit into 64 bits.
_PRIME: Final = (1 << 31) - 1
_ORDERS: Final = 48
_WORK: Final = 150_000_000
"""Most steps of arithmetic that the search may take."""

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CellCombination:
    """Cells, by their row, that together tell about `people`, a few."""

    cells: tuple[int, ...]
    people: int


def identifying_cell_combinations(members: Flags, smallest: int) -> list[CellCombination]:
    """Return combinations of cells that tell about fewer than `smallest` people.

    Args:
        members: Whether a person stands in a cell, shape (cells, people).
        smallest: Fewest people whom a combination may tell about.

    >>> total, part = [True] * 20, [True] * 19 + [False]
    >>> identifying_cell_combinations(np.array([total, part]), 8)
    [CellCombination(cells=(0, 1), people=1)]
    """
    if not members.size:
        return []
    atoms, sizes = _cells_by_people_atoms_and_atom_sizes(members)
    # Only atoms of few people are worth singling out; all larger ones have to cancel.
    small = sizes < smallest
    if not small.any():
        return []
    factors = _left_null_basis_of_large_cells(atoms[:, ~small])
    system = (factors @ atoms[:, small]) % _PRIME
    return _cell_combinations_on_few_people(system, factors, sizes[small], smallest)


def _cells_by_people_atoms_and_atom_sizes(members: Flags) -> tuple[Ints, Ints]:
    """Return cells by atoms, and how many people each atom has; who is in no cell is left out."""
    columns = np.ascontiguousarray(np.packbits(members, axis=0).T)
    # Bits packed by the person: equal bytes mean the same cells, and sorting bytes is far cheaper
    # than comparing sets.
    _, first, sizes = np.unique(columns, axis=0, return_index=True, return_counts=True)
    atoms = members[:, first].astype(np.int64)
    inside = atoms.any(axis=0)
    return atoms[:, inside], sizes[inside].astype(np.int64)


def _left_null_basis_of_large_cells(large_atoms: Ints) -> Ints:
    """Return a basis of the factors under which every large atom cancels.

    Random mixtures of the columns have the same left null space, but for an
    accident, and are no more than there are cells.
    """
    cells, count = large_atoms.shape
    width = cells + 4
    if count > width:
        # A fixed stream: the same outputs must be judged alike in every run.
        mix = named_random_stream(0, "mixtures").integers(_PRIME, size=(count, width))
        large_atoms = (large_atoms @ mix) % _PRIME
    whole = np.hstack([large_atoms, np.eye(cells, dtype=np.int64)])
    rank = len(_reduce_airlock_equations_to_pivots(whole, large_atoms.shape[1]))
    return whole[rank:, large_atoms.shape[1] :]


def _cell_combinations_on_few_people(
    system: Ints, factors: Ints, sizes: Ints, smallest: int
) -> list[CellCombination]:
    """Return the rows, in some order of columns, whose entries stand on few people."""
    combinations: dict[tuple[int, ...], CellCombination] = {}
    for order in _airlock_elimination_column_orders(system, sizes):
        whole = np.hstack([system[:, order], factors])
        rank = len(_reduce_airlock_equations_to_pivots(whole, len(order)))
        rows, used_cells = whole[:rank, : len(order)] != 0, whole[:rank, len(order) :] != 0
        people = rows @ sizes[order]
        for row in np.flatnonzero(people < smallest):
            atoms = tuple(sorted(order[rows[row]].tolist()))
            cells = tuple(np.flatnonzero(used_cells[row]).tolist())
            # The first way found to the same people is enough to stop an output.
            combinations.setdefault(atoms, CellCombination(cells, int(people[row])))
    return sorted(
        combinations.values(), key=lambda combination: (combination.people, combination.cells)
    )


def _airlock_elimination_column_orders(system: Ints, sizes: Ints) -> Sequence[Ints]:
    """Return orders of columns to try: light ones last, light ones first, then by chance."""
    rows, columns = system.shape
    if not rows or not columns:
        return []
    heavy = np.argsort(-sizes, kind="stable")
    tries = int(np.clip(_WORK // (rows * rows * (columns + 1)), 2, _ORDERS))
    chance = named_random_stream(0, "orders")
    return [heavy, heavy[::-1], *(chance.permutation(columns) for _ in range(tries))]


def _reduce_airlock_equations_to_pivots(matrix: Ints, columns: int) -> list[int]:
    """Bring `matrix` to reduced echelon form in its first columns, in place; return the pivots."""
    pivots: list[int] = []
    for column in range(columns):
        row = len(pivots)
        below = np.flatnonzero(matrix[row:, column])
        if not len(below):
            continue
        pivot = row + int(below[0])
        matrix[[row, pivot]] = matrix[[pivot, row]]
        matrix[row] = matrix[row] * pow(int(matrix[row, column]), -1, _PRIME) % _PRIME
        others = np.flatnonzero(matrix[:, column])
        others = others[others != row]
        matrix[others] = (matrix[others] - matrix[others, column, None] * matrix[row]) % _PRIME
        pivots.append(column)
        # Every row has its pivot; further columns cannot lower the rank.
        if len(pivots) == len(matrix):
            break
    return pivots
