"""Start the console: bind, prepare what it needs, answer."""

from __future__ import annotations

import functools
import ipaddress
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from commonwatt.core.errors import UsageError
from commonwatt.core.log import LOG_ENVIRONMENT, log_destination_or_blank
from commonwatt.core.messages import Message
from commonwatt.core.sockets import listening_tcp_socket
from commonwatt.web.auth.admission import AdmissionRules
from commonwatt.web.middleware import LOOPBACK
from commonwatt.web.settings import ENVIRONMENT, Settings
from commonwatt.web.workers import console_app_of_worker, run_console_workers

if TYPE_CHECKING:
    import socket

    from commonwatt.web.services import Services

# Letters that mean nothing in an address, a cookie's path or a page; no part is "." or "..".
_ROOT_PATH: Final = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~-]+)*")
_OWN_NAMES: Final = frozenset(
    {
        "account", "accounts", "health", "oidc", "openapi.json", "preferences", "sign-in",
        "sign-out", "static", "welcome", "works",
    }
)  # fmt: skip


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
        UsageError: The console would answer others over plain HTTP, or an option names an
            address, a network, a role or a zone that there cannot be.
        InputError: The institution file is at fault.
    """
    # Asked of the socket, because with --port 0 only the system knows the port.
    host, port = sock.getsockname()[:2]
    # RFC 3986 writes an IPv6 address in an URL in brackets.
    name = f"[{host}]" if ":" in host else host
    address = _checked_console_address(given.pop("address", "") or f"http://{name}:{port}")
    # An option that was not given is "" and leaves the default; only for the sample does "" mean
    # none.
    chosen = {name: value for name, value in given.items() if value != "" or name == "sample"}
    for name in ("trusted_proxies", "oidc_groups", "oidc_domains"):
        # A list in the environment may end in its separator.
        chosen[name] = tuple(text.strip() for text in chosen.get(name, ()) if text.strip())
    secure = urlsplit(address).scheme == "https"
    settings = Settings.of(store, address=address, secure=secure, **chosen)
    for proxy in settings.trusted_proxies:
        _check_proxy_address_or_network(proxy)
    AdmissionRules.of(settings)
    # Asked now: a name that nobody knows would otherwise fail in the middle of the first page.
    _ = settings.zone
    if settings.institution:
        from commonwatt.clinic.usecases.gateway import load_institution_name_and_guides

        # The same: a clinician would otherwise find out in front of the patient.
        load_institution_name_and_guides(Path(settings.institution))
    return settings


def console_start_warnings(settings: Settings) -> list[Message]:
    """Return what whoever starts the console with these settings should know."""
    notes: list[Message] = []
    if settings.oidc_issuer and not (settings.oidc_groups or settings.oidc_domains):
        notes.append(
            Message(
                "People of the provider come in by invitation only: by the one-time link of an "
                "account. Others need --oidc-group GROUP=ROLE or --oidc-domain DOMAIN."
            )
        )
    if settings.secure and not settings.trusted_proxies:
        notes.append(
            Message(
                "All who come through the proxy share one count of requests and failed sign-ins. "
                "Name the proxy's own address, so that each has their own: "
                "--trusted-proxy 127.0.0.1"
            )
        )
    return notes


def _checked_console_address(given: str) -> str:
    """Return the address as everything below is made from it: no slash at its end, no port 443.

    Raises:
        UsageError: It is none at which a console can be reached.
    """
    parts = urlsplit(given)
    try:
        port = parts.port
    except ValueError:
        port = -1
    root_path = parts.path.rstrip("/")
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or port == -1
        or parts.username is not None
        or parts.query
        or parts.fragment
        or not _ROOT_PATH.fullmatch(root_path)
    ):
        raise UsageError(
            "--address",
            found=repr(given),
            wanted=Message("an address such as https://example.org or https://example.org/compute"),
        )
    # Over plain HTTP passwords and the session's cookie would cross the network for all to read.
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise UsageError(
            "--address",
            found=given,
            wanted=Message("an address with https, unless it is this machine's own"),
            remedy=Message("Put a proxy with TLS before the console and name its address."),
        )
    # A proxy may take the path off or leave it on; below a path that the console has itself, the
    # two could not be told apart.
    if root_path.partition("/")[2].partition("/")[0] in console_first_path_segments():
        raise UsageError(
            "--address",
            found=given,
            wanted=Message("a path whose first part is no page of the console"),
        )
    # Browsers leave the usual port out of the name that they ask for.
    usual = {"http": 80, "https": 443}[parts.scheme]
    place = (
        parts.netloc.lower().removesuffix(f":{usual}") if port == usual else parts.netloc.lower()
    )
    return f"{parts.scheme}://{place}{root_path}"


def console_first_path_segments() -> frozenset[str]:
    """Return the first part of every path that the console has."""
    from commonwatt.web.registry import PAGES

    return frozenset({page.name for page in PAGES} | _OWN_NAMES)


def _check_proxy_address_or_network(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise UsageError(
            "--trusted-proxy",
            found=repr(text),
            wanted=Message("an address such as 127.0.0.1 or a network such as 10.0.0.0/8"),
        ) from None


def prepare_console_and_return_link(settings: Settings) -> str:
    """Open everything once, before any worker does; return the one link to print."""
    from commonwatt.web.auth.accounts import has_any_console_account, make_welcome_link_secret
    from commonwatt.web.services import open_console_services

    now = datetime.now(UTC)
    services = open_console_services(settings, now=now)
    try:
        _start_sample_study_task_if_empty(services, now)
        if has_any_console_account(services):
            return settings.address
        return f"{settings.address}/welcome/{make_welcome_link_secret(services, '', now=now)}"
    finally:
        # Each worker opens connections of its own; one shared between two processes would mix up
        # their answers.
        services.database.dispose()


def _start_sample_study_task_if_empty(services: Services, now: datetime) -> None:
    """Put the sample on the list where there is nothing to look at yet."""
    from commonwatt.web.tasks.supervisor import list_newest_tasks, start_task

    # A sample that is under way, or that somebody stopped, is not begun again by a restart.
    if services.settings.sample and not services.runs.ids() and not list_newest_tasks(services, 1):
        start_task(services, "study", {"programme": services.settings.sample}, "console", now=now)


def _console_worker_environment(settings: Settings) -> dict[str, str]:
    environment = {ENVIRONMENT: settings.as_text()}
    if destination := log_destination_or_blank():
        environment[LOG_ENVIRONMENT] = destination
    return environment


def serve_console(settings: Settings, sock: socket.socket, workers: int) -> None:
    """Answer until stopped; `load_program_for_workers` came before, where there are several."""
    import uvicorn

    config = uvicorn.Config(
        functools.partial(console_app_of_worker, _console_worker_environment(settings)),
        factory=True,
        workers=workers,
        log_level="warning",
        # Addresses hold the secrets of one-time links, and a log would keep them.
        access_log=False,
        server_header=False,
        # Whom to believe is decided before all pages, by --trusted-proxy: uvicorn believes whoever
        # asks from this machine, and so would let them choose the address that they are counted by.
        proxy_headers=False,
        # Without a limit one slow download keeps a stopped console alive.
        timeout_graceful_shutdown=5,
        timeout_keep_alive=75,  # longer than people think between two pages
    )
    if workers > 1:
        run_console_workers(config, sock)
    else:
        uvicorn.Server(config).run(sockets=[sock])
