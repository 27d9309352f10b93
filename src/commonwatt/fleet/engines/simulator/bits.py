"""Sets of small numbers as words of 64 bits, for compiled code.

All words are signed, because mixing signed and unsigned integers turns into
floating point in NumPy; the sign bit is a bit like any other here.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from commonwatt.core.jit import leading_zeros, njit, trailing_zeros
from commonwatt.fleet.domain.workload import I64

# Typed numbers: compiled code would take a plain one for a literal, and compile every
# function that it is handed to once more.
ZERO, ONE, NONE, LATER = (cast("int", np.int64(number)) for number in (0, 1, -1, 1 << 62))


@njit(inline=True)
def lowest_bit_place_in_simulator_word(word: int) -> int:
    """Return the place of the lowest bit of a word that is not 0."""
    return trailing_zeros(word)


@njit(inline=True)
def highest_bit_place_in_simulator_word(word: int) -> int:
    """Return the place of the highest bit of a word that is not 0."""
    return 63 - leading_zeros(word)


def empty_job_queue_bitsets_and_floors(sizes: list[int]) -> tuple[I64, I64]:
    """Return empty sets over 0..size-1 as towers of words, and where their floors begin.

    Each bit of a floor says whether a word of the floor below holds anything, so
    that the least member is found in as many steps as there are floors. All towers have as
    many floors as the highest needs.

    >>> words, floors = empty_job_queue_bitsets_and_floors([5000, 64])
    >>> len(words), floors.tolist()
    (85, [[0, 79, 81, 82], [82, 83, 84, 85]])
    """
    heights = [_bitset_word_count_by_floor(size) for size in sizes]
    most = max(len(words) for words in heights)
    begins = [0]
    rows: list[list[int]] = []
    for words in heights:
        row = [begins[-1]]
        for count in words + [1] * (most - len(words)):
            row.append(row[-1] + count)
        rows.append(row)
        begins.append(row[-1])
    return np.zeros(begins[-1], np.int64), np.array(rows, np.int64)


def _bitset_word_count_by_floor(size: int) -> list[int]:
    words = [max(-(-size // 64), 1)]
    while words[-1] > 1:
        words.append(-(-words[-1] // 64))
    return words


@njit(bare=True, hot=True)
def add_to_job_queue_bitset(words: I64, floors: I64, member: int) -> None:
    """Add `member` to the set."""
    for floor in range(len(floors) - 1):
        at = floors[floor] + (member >> 6)
        before = words[at]
        words[at] = before | (ONE << (member & 63))
        # Every floor above knows already that this word holds something.
        if before != 0:
            return
        member >>= 6


@njit(bare=True, hot=True)
def drop_from_job_queue_bitset(words: I64, floors: I64, member: int) -> None:
    """Take `member` out of the set."""
    for floor in range(len(floors) - 1):
        at = floors[floor] + (member >> 6)
        words[at] &= ~(ONE << (member & 63))
        # Something is left here, so nothing changes on the floors above.
        if words[at] != 0:
            return
        member >>= 6


@njit(bare=True, hot=True)
def least_in_job_queue_bitset(words: I64, floors: I64) -> int:
    """Return the least member, or -1 where the set is empty."""
    top = len(floors) - 2
    if words[floors[top]] == 0:
        return NONE
    member = ZERO
    for floor in range(top, -1, -1):
        at = floors[floor] + member
        member = (member << 6) | lowest_bit_place_in_simulator_word(int(words[at]))
    return member
