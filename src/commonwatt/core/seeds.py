"""Named streams of chance from one seed.

Adding a failure must not move the arrivals: each purpose draws from a stream
of its own, keyed by its name, so a new stream leaves the others as they were.
"""

from __future__ import annotations

import hashlib

import numpy as np


def named_random_stream(seed: int, name: str) -> np.random.Generator:
    """Return the generator of stream `name` under `seed`.

    The name is hashed into the spawn key, so streams do not depend on the
    order in which they are asked for.

    Source: NumPy, "Parallel random number generation", SeedSequence spawn keys.

    >>> a, b = named_random_stream(1, "arrivals"), named_random_stream(1, "failures")
    >>> a.integers(100) == named_random_stream(1, "arrivals").integers(100)
    np.True_
    """
    digest = hashlib.sha256(name.encode()).digest()
    # 128 bits of the name as four words, which is how SeedSequence takes a spawn key; its own
    # spawn counter would depend on the order of calls.
    key = tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
