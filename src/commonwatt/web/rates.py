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
import ipaddress
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

_PLACES: Final = 1 << 15
_ROWS: Final = 2
_MINUTE: Final = struct.Struct("<q")
_COUNT: Final = struct.Struct("<I")
_BYTES: Final = _MINUTE.size + _ROWS * _PLACES * _COUNT.size
_MOST_COUNT: Final = 2**32 - 1

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class RequestRates:
    """The counts of this minute.

    Args:
        most: Requests that a visitor may make in a minute; 0 for any number.
        clock: Seconds that all processes of this machine agree on.
        path: File of the counts; None for a process alone.

    >>> rates = RequestRates(2, clock=lambda: 0.0)
    >>> (
    ...     [rates.count_request_and_tell_if_over_limit("a") for _ in range(3)],
    ...     rates.count_request_and_tell_if_over_limit("b"),
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
            os.memfd_create("rates") if path is None else _open_request_counts_file_descriptor(path)
        )
        os.ftruncate(self._fd, _BYTES)
        self._counts = mmap.mmap(self._fd, _BYTES)

    def count_request_and_tell_if_over_limit(self, visitor: str) -> bool:
        """Count a request and return whether it is one too many."""
        if self._most <= 0:
            return False
        digest = hashlib.blake2b(visitor.encode(), digest_size=8).digest()
        places = struct.unpack("<II", digest)
        # The lock of the file holds off other processes, and only them.
        with self._thread_lock:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            try:
                self._reset_counts_if_new_minute(int(self._clock() // 60))
                return (
                    min(
                        self._count_after_adding_this_request(row, at)
                        for row, at in enumerate(places)
                    )
                    > self._most
                )
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def seconds_to_next_rate_limit_minute(self) -> int:
        """Return when the counts begin anew [s], at least 1."""
        return 60 - int(self._clock() % 60)

    def _reset_counts_if_new_minute(self, minute: int) -> None:
        if _MINUTE.unpack_from(self._counts)[0] != minute:
            self._counts[:] = bytes(_BYTES)
            _MINUTE.pack_into(self._counts, 0, minute)

    def _count_after_adding_this_request(self, row: int, place: int) -> int:
        """Count one more at a place and return the count."""
        at = _MINUTE.size + (row * _PLACES + place % _PLACES) * _COUNT.size
        count = min(_COUNT.unpack_from(self._counts, at)[0] + 1, _MOST_COUNT)
        _COUNT.pack_into(self._counts, at, count)
        return count


def _open_request_counts_file_descriptor(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def rate_limit_network_of_address(address: str) -> str:
    """Return what a visitor's address is counted as: itself, or the network that is all theirs.

    >>> rate_limit_network_of_address("1.2.3.4"), rate_limit_network_of_address("::ffff:1.2.3.4")
    ('1.2.3.4', '1.2.3.4')
    >>> rate_limit_network_of_address("2001:db8::1")
    '2001:db8::/64'
    """
    parsed = _parsed_ip_address_or_none(address)
    if parsed is None:
        return address[:60]
    if parsed.version == 4:
        return str(parsed)
    # The last 64 bits are the visitor's own to choose (RFC 4291, 2.5.4), as often as they like.
    return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))


def client_address_behind_trusted_proxies(
    peer: str, forwarded: Iterable[str], trusted: Sequence[IpNetwork]
) -> str:
    """Return the address of who asks, as far as trusted proxies vouch for it.

    Each proxy adds at the end of `X-Forwarded-For` whom it was asked by, and anybody can write
    what stands before that. So it is read from the end, for as long as the one who wrote it is
    trusted.

    Args:
        peer: Who opened the connection.
        forwarded: The header, a text for each time that it was sent.
        trusted: Proxies whose word is taken.

    >>> proxy = [ipaddress.ip_network("10.0.0.0/8")]
    >>> client_address_behind_trusted_proxies("10.0.0.1", ["6.6.6.6, 1.2.3.4"], proxy)
    '1.2.3.4'
    >>> client_address_behind_trusted_proxies("1.2.3.4", ["6.6.6.6"], proxy)
    '1.2.3.4'
    """
    hops = [hop for line in forwarded for hop in line.split(",")] if trusted else []
    address = _parsed_ip_address_or_none(peer)
    while hops and address is not None and any(address in network for network in trusted):
        hop = _parsed_ip_address_or_none(_forwarded_host_without_port(hops.pop()))
        if hop is None:
            break  # what is no address, such as "unknown", vouches for nothing before it
        address, peer = hop, str(hop)
    return peer


def _forwarded_host_without_port(hop: str) -> str:
    """Return a hop without the port that some proxies add."""
    text = hop.strip()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _parsed_ip_address_or_none(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A socket for both families shows IPv4 as ::ffff:1.2.3.4, and all of IPv4 is one /64 there.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
