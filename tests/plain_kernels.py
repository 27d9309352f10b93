"""Kernels as plain Python, where the compiler is switched off."""

import os

from commonwatt.fleet.engines.simulator import bits


def lowest_bit(word: int) -> int:
    """Return how many zeros a word of 64 bits ends with."""
    word = int(word)
    return (word & -word).bit_length() - 1


def zeros_before(word: int) -> int:
    """Return how many zeros a word of 64 bits, signed, begins with."""
    return 64 - (int(word) & (1 << 64) - 1).bit_length()


def run_bits_plainly() -> None:
    """Put plain functions in the place of the two instructions that only compiled code has."""
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        bits._trailing_zeros, bits._leading_zeros = lowest_bit, zeros_before
