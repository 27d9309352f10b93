"""The event loop of a worker that is one of several on a socket."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any


class SharedSocketEventLoop(asyncio.SelectorEventLoop):
    """An event loop that takes one waiting connection a turn from a socket of several workers.

    The loop of asyncio takes all that wait, up to the length of the queue: the first worker
    that is ready takes the whole crowd of a start, whose connections are kept open, and answers
    it on one core while the others look on. With one a turn whoever has less to do is back
    sooner and takes the next.
    """

    async def create_server(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], **options: Any
    ) -> asyncio.Server:
        """Return a server; the descriptor of `sock`, where one is given, stays its opener's."""
        if "sock" in options:
            fd = os.dup(options["sock"].fileno())
            options["sock"] = OneConnectionATurnSocket(fileno=fd)
        return await super().create_server(protocol_factory, **options)


class OneConnectionATurnSocket(socket.socket):
    """A listening socket that does not block, and says after each connection that none waits."""

    _is_turn_over = False

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the next connection and its address.

        Raises:
            BlockingIOError: None waits, or the call before returned one.
        """
        # The selector speaks of a socket for as long as connections wait, so none is forgotten.
        self._is_turn_over = not self._is_turn_over
        if not self._is_turn_over:
            raise BlockingIOError
        try:
            return super().accept()
        except BaseException:
            self._is_turn_over = False
            raise
