"""Could a new output, subtracted from what was released before, show a person?

Each released count was made from a set of people. The check keeps, in the
project, which people stood in each released cell, as bits that no researcher can
read, and tests the sets themselves, however the counts were rounded: two cells
whose sets differ by one to seven people tell about those people, and so does
every combination of cells that cancels all others (`equations`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.sandbox.engines.airlock.equations import identifying_cell_combinations

Bits = npt.NDArray[np.uint8]
_SMALLEST: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferencingPair:
    """A new cell and old ones that together tell about too few people."""

    new: str
    old: str
    people_count: int


class DifferencingCheck:
    """Everything released from a project, as sets of people.

    Args:
        people: The project's people; their order is the order of the bits.
        smallest: Fewest people in whom cells may differ.
    """

    def __init__(self, people: Iterable[str], *, smallest: int = _SMALLEST) -> None:
        self._place = {person: i for i, person in enumerate(people)}
        self._smallest = smallest
        self._names: list[str] = []
        self._sets = np.zeros((0, (len(self._place) + 7) // 8), np.uint8)

    def people_bits(self, people: Iterable[str]) -> Bits:
        """Return a set of people as bits."""
        flags = np.zeros(len(self._place), np.uint8)
        flags[[self._place[person] for person in people]] = 1
        return np.packbits(flags)

    def add_released_differencing_cells(self, cells: Mapping[str, Bits]) -> None:
        """Add the cells of an output that was released."""
        for name, bits in cells.items():
            self._names.append(name)
            self._sets = np.vstack([self._sets, bits])

    def identifying_differencing_cell_pairs(
        self, cells: Mapping[str, Bits]
    ) -> list[DifferencingPair]:
        """Return every way found in which cells, new with old or new with new, tell too much."""
        names, sets = list(self._names), self._sets
        pairs: list[DifferencingPair] = []
        for name, bits in cells.items():
            pairs += self._differencing_pairs(name, bits, names, sets)
            names.append(name)
            sets = np.vstack([sets, bits])
        # Pairs are the common case and cheap; the search for combinations runs only where none
        # was found.
        return pairs or self._identifying_differencing_pairs(names, sets)

    def _differencing_pairs(
        self, name: str, bits: Bits, names: list[str], sets: Bits
    ) -> list[DifferencingPair]:
        # The symmetric difference: people in one set and not in the other, whichever was released
        # first. XOR over bits compares with everything ever released in one pass.
        few = np.bitwise_count(sets ^ bits).sum(axis=1, dtype=np.int64)
        near_sets = np.flatnonzero((few > 0) & (few < self._smallest))
        return [
            DifferencingPair(new=name, old=names[i], people_count=int(few[i])) for i in near_sets
        ]

    def _identifying_differencing_pairs(
        self, names: list[str], sets: Bits
    ) -> list[DifferencingPair]:
        """Return combinations in which a new cell has a part; equal cells are one equation."""
        # In the order of release, so that which cells are new can be told by their place.
        first = sorted(map(int, np.unique(sets, axis=0, return_index=True)[1]))
        old = sum(i < len(self._names) for i in first)
        if old == len(first):
            return []
        members = np.unpackbits(sets[first], axis=1, count=len(self._place)).astype(bool)
        cell_names = [names[i] for i in first]
        return [
            DifferencingPair(
                new=" + ".join(cell_names[i] for i in combination.cells if i >= old),
                old=" + ".join(cell_names[i] for i in combination.cells if i < old),
                people_count=combination.people,
            )
            for combination in identifying_cell_combinations(members, self._smallest)
            if max(combination.cells) >= old
        ]


def do_two_counts_reveal_few_people(
    first_people: Iterable[str], second_people: Iterable[str], *, smallest: int = _SMALLEST
) -> bool:
    """Return whether two released counts tell about fewer than `smallest` people.

    The slow, obvious reference of `DifferencingCheck.check` for two cells.

    >>> do_two_counts_reveal_few_people(map(str, range(5000)), map(str, range(4999)))
    True
    """
    few = len(set(first_people) ^ set(second_people))
    return 0 < few < smallest
