"""Start the console: bind, prepare what it needs, answer."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from commonwatt.core.errors import UsageError
from commonwatt.core.log import LOG_ENVIRONMENT, log_destination
from commonwatt.core.messages import Message
from commonwatt.core.sockets import listening_tcp_socket
from commonwatt.web.middleware import LOOPBACK
from commonwatt.web.settings import ENVIRONMENT, Settings

if TYPE_CHECKING:
    import socket

    from commonwatt.web.services import Services


def bind_console_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens, bound at once so that two consoles never share a port.

    Raises:
        UsageError: The port is taken, or the address is not this machine's.
    """
    try:
        # Who comes before we are ready waits and is not refused.
        return listening_tcp_socket(host, port, backlog=2048)
    except OSError as error:
        raise UsageError(
            f"--port {port}",
            found=error.strerror or "error",
            wanted=Message("a free port"),
            remedy=Message("Choose another with --port."),
        ) from None


def console_settings_for(store: Path, sock: socket.socket, **given: Any) -> Settings:
    """Return the settings that the options describe.

    Raises:
        UsageError: The console would answer others over plain HTTP, or in a zone that there is
            not.
    """
    # Asked of the socket, because with --port 0 only the system knows the port.
    host, port = sock.getsockname()[:2]
    # RFC 3986 writes an IPv6 address in an URL in brackets.
    name = f"[{host}]" if ":" in host else host
    address = given.pop("address", "") or f"http://{name}:{port}"
    parts = urlsplit(address)
    # Over plain HTTP passwords and the session's cookie would cross the network for all to read.
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise UsageError(
            "--address",
            found=address,
            wanted=Message("an address with https, unless it is this machine's own"),
            remedy=Message("Put a proxy with TLS before the console and name its address."),
        )
    # An option that was not given is "" and leaves the default; only for the sample does "" mean
    # none.
    chosen = {name: value for name, value in given.items() if value != "" or name == "sample"}
    settings = Settings.of(store, address=address, secure=parts.scheme == "https", **chosen)
    # Asked now: a name that nobody knows would otherwise fail in the middle of the first page.
    _ = settings.zone
    return settings


def prepare_console_link(settings: Settings) -> str:
    """Open everything once, before any worker does; return the one link to print."""
    from commonwatt.web.auth.accounts import has_any_account, make_welcome_link
    from commonwatt.web.services import open_console_services

    now = datetime.now(UTC)
    services = open_console_services(settings, now=now)
    try:
        _start_sample_study_task(services, now)
        if has_any_account(services):
            return settings.address
        return f"{settings.address}/welcome/{make_welcome_link(services, '', now=now)}"
    finally:
        # Each worker opens connections of its own; one shared between two processes would mix up
        # their answers.
        services.database.dispose()


def _start_sample_study_task(services: Services, now: datetime) -> None:
    """Put the sample on the list where there is nothing to look at yet."""
    from commonwatt.web.tasks.supervisor import list_newest_tasks, start_task

    # A sample that is under way, or that somebody stopped, is not begun again by a restart.
    if services.settings.sample and not services.runs.ids() and not list_newest_tasks(services, 1):
        start_task(services, "study", {"programme": services.settings.sample}, "console", now=now)


def serve_console(settings: Settings, sock: socket.socket, workers: int) -> None:
    """Answer until stopped."""
    import uvicorn

    # Worker processes import the application by its name and can be handed nothing else.
    os.environ[ENVIRONMENT] = settings.as_text()
    # Worker processes are begun anew and know only their environment.
    if destination := log_destination():
        os.environ[LOG_ENVIRONMENT] = destination
    config = uvicorn.Config(
        "commonwatt.web.app:from_environment",
        factory=True,
        workers=workers,
        log_level="warning",
        # Addresses hold the secrets of one-time links, and a log would keep them.
        access_log=False,
        server_header=False,
        # Without a proxy anybody could write these headers and so choose the address that attempts
        # are counted under.
        proxy_headers=settings.secure,
        # Without a limit one slow download keeps a stopped console alive.
        timeout_graceful_shutdown=5,
        timeout_keep_alive=75,  # longer than people think between two pages
    )
    if workers > 1:
        from uvicorn.supervisors import Multiprocess

        Multiprocess(config, sockets=[sock]).run()
    else:
        uvicorn.Server(config).run(sockets=[sock])
