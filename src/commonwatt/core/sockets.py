"""Sockets that a server of ours listens on."""

from __future__ import annotations

import socket


def listening_tcp_socket(host: str, port: int, *, backlog: int) -> socket.socket:
    """Return a bound socket that listens, whose connections answer without delay.

    Args:
        host: An address of this machine; IPv6 where it has a colon.
        port: 0 takes a free one.
        backlog: Connections that may wait until the server is ready.

    Raises:
        OSError: The port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named (`base_events._set_nodelay`).
    # Without it the second part of an answer waits until the client has acknowledged the first,
    # which a kept connection does after 40 ms (Nagle, RFC 896, against delayed acknowledgement,
    # RFC 9293, 3.8.6.3).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Set here, too: Linux and macOS give it to every connection that is accepted, whatever
        # the event loop does and in whichever worker process.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Connections of a server that has just stopped linger for a minute and would hold the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener
