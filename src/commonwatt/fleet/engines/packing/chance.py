"""The chance of the published runs, so that a seed means here what it means there.

The artifact of the FGD paper is written in Go, whose generator is the additive
lagged Fibonacci sequence of Mitchell and Reeds,

    x[k] = x[k - 607] + x[k - 273]  modulo 2^64

started from a minimal-standard sequence (multiplier 48271, modulus 2^31 - 1) mixed
with the state of the same generator after 7.8e12 steps. That state is computed here
by raising t to that power modulo the characteristic polynomial, t^607 - t^334 - 1.

Source: Knuth, TAOCP 2, section 3.2.2; Go's package math/rand, whose sequences are
    frozen for a given seed by its compatibility promise.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

_LONG, _SHORT = 607, 273
_STEPS = 7_800_000_000_000
_MODULUS = (1 << 31) - 1
_LOW_63 = np.uint64((1 << 63) - 1)


class PublishedChance:
    """Whole numbers as the published runs draw them under `seed`.

    >>> chance = PublishedChance(1)
    >>> [chance.draw_packing_number_below(100) for _ in range(10)]
    [81, 87, 47, 59, 81, 18, 25, 40, 56, 0]
    """

    def __init__(self, seed: int) -> None:
        state = _packing_seed_words_expanded(seed, (40, 20, 0)) ^ _packing_generator_far_state()
        self._numbers = _packing_random_numbers(_packing_rng_state_in_draw_order(state))

    def skip_packing_draws(self, count: int) -> None:
        """Pass over `count` numbers."""
        for _ in range(count):
            next(self._numbers)

    def draw_packing_number_below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1, each as likely; `limit` below 2^31."""
        # Go's `Int31n`: of a power of two the low bits are fair as they are, otherwise what lies
        # beyond the largest multiple of the limit is drawn again.
        if limit & (limit - 1) == 0:
            return (next(self._numbers) >> 32) & (limit - 1)
        largest = (1 << 31) - 1 - (1 << 31) % limit
        while True:
            number = next(self._numbers) >> 32
            if number <= largest:
                return number % limit

    def draw_node_permutation(self, count: int) -> list[int]:
        """Return 0 … `count` - 1 in chance order, each order as likely."""
        # Go's `Perm`. It draws for i = 0, too, which changes nothing in the order; leaving that
        # draw out would shift every later one.
        order = [0] * count
        for i in range(count):
            j = self.draw_packing_number_below(i + 1)
            order[i] = order[j]
            order[j] = i
        return order

    def shuffle_jobs_in_place(self, items: list[int]) -> None:
        """Put `items` in chance order, in place, each order as likely."""
        # Go's `Shuffle` draws otherwise than `Perm`, from 32 bits by a product, hence the second
        # method.
        for i in range(len(items) - 1, 0, -1):
            j = self._draw_packing_number_by_product(i + 1)
            items[i], items[j] = items[j], items[i]

    def _draw_packing_number_by_product(self, limit: int) -> int:
        """Return a number below `limit` by Lemire's multiplication, as a shuffle draws."""
        unfair = (1 << 32) % limit
        while True:
            product = (next(self._numbers) >> 31) * limit
            if product & 0xFFFFFFFF >= unfair:
                return product >> 32


def _packing_random_numbers(last: Words) -> Iterator[int]:
    """Yield the numbers that follow the `last` 607, cut to 63 bits."""
    while True:
        # A block of 273, because the recurrence reaches back no less than that: none of its numbers
        # needs another of the same block, and unsigned words wrap at 2^64 by themselves.
        block = last[:_SHORT] + last[-_SHORT:]
        last = np.concatenate([last[_SHORT:], block])
        yield from (block & _LOW_63).tolist()


def _packing_seed_words_expanded(seed: int, shifts: tuple[int, int, int]) -> Words:
    """Return 607 words, each of three steps of the minimal-standard sequence."""
    number = seed % _MODULUS or 89482311  # the sequence must not start at 0
    for _ in range(20):
        number = number * 48271 % _MODULUS
    words: list[int] = []
    for _ in range(_LONG):
        word = 0
        for shift in shifts:
            number = number * 48271 % _MODULUS
            word ^= number << shift
        words.append(word & ((1 << 64) - 1))
    return np.array(words, np.uint64)


@cache
def _packing_generator_far_state() -> Words:
    """Return the generator's state 7.8e12 steps after seed 1."""
    first = _packing_rng_state_in_draw_order(_packing_seed_words_expanded(1, (20, 10, 0)))
    power = _packing_generator_jump_polynomial(_STEPS)
    # Far enough for the 607 windows below, each of 607 words.
    for _ in range(3):
        first = np.concatenate([first, first[-_LONG : -_LONG + _SHORT] + first[-_SHORT:]])
    last = [(power * first[i : i + _LONG]).sum(dtype=np.uint64) for i in range(_LONG)]
    return _packing_random_words_by_place(np.array(last, np.uint64), _STEPS)


def _packing_generator_jump_polynomial(exponent: int) -> Words:
    """Return t^exponent modulo t^607 - t^334 - 1, lowest coefficient first."""
    power = np.zeros(_LONG, np.uint64)
    power[0] = 1
    for bit in f"{exponent:b}":
        # Coefficients wrap at 2^64, which is the modulus of the recurrence itself.
        power = _packing_polynomial_reduced(np.convolve(power, power))
        if bit == "1":
            power = _packing_polynomial_reduced(np.concatenate([np.zeros(1, np.uint64), power]))
    return power


def _packing_polynomial_reduced(polynomial: Words) -> Words:
    while (excess := len(polynomial) - _LONG) > 0:
        cut = len(polynomial) - min(excess, _SHORT)
        top, polynomial = polynomial[cut:], polynomial[:cut].copy()
        polynomial[cut - _LONG : cut - _LONG + len(top)] += top
        polynomial[cut - _SHORT : cut - _SHORT + len(top)] += top
    return polynomial


def _packing_rng_state_in_draw_order(state: Words) -> Words:
    """Return the words of a state, by place, in the order in which they were drawn."""
    ages = np.arange(1 - _LONG, 1)
    return state[(_LONG - _SHORT - ages) % _LONG]


def _packing_random_words_by_place(last_words: Words, steps: int) -> Words:
    """Return the state, by place, whose `last_words` were drawn in `steps` steps."""
    state = np.empty(_LONG, np.uint64)
    ages = (steps - _LONG + 1 + np.arange(_LONG)) % _LONG
    state[(_LONG - _SHORT - ages) % _LONG] = last_words
    return state
