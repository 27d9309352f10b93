"""Could a new output, subtracted from what was released before, show a person?

Each released count was made from a set of people. The guard keeps, in the
room, which people stood in each released cell, as a keyed bitmap that no
researcher can read, and tests the sets themselves: two cells whose sets
differ by one to seven people are a pair that tells about those people, however
the counts were rounded. Sums and differences of several cells are followed as
far as nested and split cells go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint8]
_SMALLEST: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two cells that differ in too few people; `few` is how many."""

    new: str
    old: str
    few: int


class Guard:
    """Everything released from a room, as sets of people.

    Args:
        people: The room's people; their order is the order of the bits.
        smallest: Fewest people in whom two cells may differ.
    """

    def __init__(self, people: Iterable[str], *, smallest: int = _SMALLEST) -> None:
        self._place = {person: i for i, person in enumerate(people)}
        self._smallest = smallest
        self._names: list[str] = []
        self._sets = np.zeros((0, (len(self._place) + 7) // 8), np.uint8)

    def bits(self, people: Iterable[str]) -> Bits:
        """Return a set of people as bits."""
        flags = np.zeros(len(self._place), np.uint8)
        flags[[self._place[person] for person in people]] = 1
        return np.packbits(flags)

    def check(self, cells: Mapping[str, Bits]) -> list[Pair]:
        """Return the pairs of cells, new with old or new with new, that tell too much."""
        pairs: list[Pair] = []
        names, sets = list(self._names), self._sets
        for name, bits in cells.items():
            pairs += self._pairs(name, bits, names, sets)
            names.append(name)
            sets = np.vstack([sets, bits])
        return pairs

    def remember(self, cells: Mapping[str, Bits]) -> None:
        """Add the cells of an output that was released."""
        for name, bits in cells.items():
            self._names.append(name)
            self._sets = np.vstack([self._sets, bits])

    def _pairs(self, name: str, bits: Bits, names: list[str], sets: Bits) -> list[Pair]:
        if not len(names):
            return []
        found = [(int(few), names[i]) for i, few in enumerate(_count(sets ^ bits))]
        whole_names, whole = [*names, name], np.vstack([sets, bits])
        around = np.flatnonzero(_count(bits & ~sets) < self._smallest)
        for total in (bits, *sets[around]):
            found += _sums(total, whole_names, whole, self._smallest)
        return [Pair(new=name, old=old, few=few) for few, old in found if 0 < few < self._smallest]


def _sums(total: Bits, names: list[str], sets: Bits, smallest: int) -> list[tuple[int, str]]:
    """Return in how many people `total` differs from the sum of disjoint smaller cells.

    Cells that lie in it, but for a few people, are taken from the largest down
    as long as they do not overlap, which is how a table's rows split its total.
    """
    sizes = _count(sets)
    size = int(_count(total[None])[0])
    inside = np.flatnonzero((_count(sets & ~total) < smallest) & (sizes < size))
    union = np.zeros_like(total)
    used: list[str] = []
    order: list[int] = inside[np.argsort(-sizes[inside], kind="stable")].tolist()
    for i in order:
        if not (sets[i] & union).any():
            union |= sets[i]
            used.append(names[i])
    few = int(_count((total ^ union)[None])[0])
    return [(few, " + ".join(used))] if len(used) > 1 else []


def _count(rows: Bits) -> npt.NDArray[np.int64]:
    return np.bitwise_count(rows).sum(axis=1, dtype=np.int64)


def can_recover(first: Iterable[str], second: Iterable[str], *, smallest: int = _SMALLEST) -> bool:
    """Return whether two released counts tell about fewer than `smallest` people.

    The slow, obvious twin of `Guard.check` for two cells.

    >>> can_recover(map(str, range(5000)), map(str, range(4999)))
    True
    """
    few = len(set(first) ^ set(second))
    return 0 < few < smallest
