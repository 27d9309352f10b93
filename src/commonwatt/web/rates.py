"""How many requests each visitor made in this minute, counted by all processes together.

The counts lie in one small file that every process of a server maps into memory, under
a lock that is held for microseconds; a database would cost a synced write a request. A
visitor has one place in each of two rows, found by a hash, and the smaller count
is the visitor's (Cormode and Muthukrishnan 2005, count-min sketch): two visitors who
share a place in one row hardly ever share it in the other, and nobody counts too few.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

_PLACES: Final = 1 << 15
_ROWS: Final = 2
_MINUTE: Final = struct.Struct("<q")
_COUNT: Final = struct.Struct("<I")
_BYTES: Final = _MINUTE.size + _ROWS * _PLACES * _COUNT.size
_MOST_COUNT: Final = 2**32 - 1


class RequestRates:
    """The counts of this minute.

    Args:
        most: Requests that a visitor may make in a minute; 0 for any number.
        clock: Seconds that all processes of this machine agree on.
        path: File of the counts; None for a process alone.

    >>> rates = RequestRates(2, clock=lambda: 0.0)
    >>> (
    ...     [rates.exceeds_limit_with_request("a") for _ in range(3)],
    ...     rates.exceeds_limit_with_request("b"),
    ... )
    ([False, False, True], False)
    """

    def __init__(
        self, most: int, clock: Callable[[], float] = time.monotonic, path: Path | None = None
    ) -> None:
        # Monotonic, which Linux counts since boot for all processes alike: a clock that is set
        # back would give everybody a second minute.
        self._most, self._clock = most, clock
        self._thread_lock = threading.Lock()
        self._fd = (
            os.memfd_create("rates") if path is None else _request_counts_file_descriptor(path)
        )
        os.ftruncate(self._fd, _BYTES)
        self._counts = mmap.mmap(self._fd, _BYTES)

    def exceeds_limit_with_request(self, visitor: str) -> bool:
        """Count a request and return whether it is one too many."""
        if self._most <= 0:
            return False
        digest = hashlib.blake2b(visitor.encode(), digest_size=8).digest()
        places = struct.unpack("<II", digest)
        # The lock of the file holds off other processes, and only them.
        with self._thread_lock:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            try:
                self._begin_minute(int(self._clock() // 60))
                return (
                    min(self._count_with_this_request(row, at) for row, at in enumerate(places))
                    > self._most
                )
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _begin_minute(self, minute: int) -> None:
        if _MINUTE.unpack_from(self._counts)[0] != minute:
            self._counts[:] = bytes(_BYTES)
            _MINUTE.pack_into(self._counts, 0, minute)

    def _count_with_this_request(self, row: int, place: int) -> int:
        """Count one more at a place and return the count."""
        at = _MINUTE.size + (row * _PLACES + place % _PLACES) * _COUNT.size
        count = min(_COUNT.unpack_from(self._counts, at)[0] + 1, _MOST_COUNT)
        _COUNT.pack_into(self._counts, at, count)
        return count


def _request_counts_file_descriptor(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
