"""The gate from outside: serve it to clinicians and to agents, ask it once, audit its lots."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commonwatt.clinic.engines.gateway import Gate, Runner
from commonwatt.clinic.engines.gateway.lottery import audit, pledge
from commonwatt.clinic.engines.gateway.site import (
    Site,
    load_secret,
    load_site,
    lot_secret,
    read_secret,
    salt_of,
    sample_of,
)
from commonwatt.clinic.io.registry import Desk
from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.ledger import Key, Ledger

if TYPE_CHECKING:
    import uvicorn

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A gate that is ready, and the site file behind it."""

    gate: Gate
    site: Site

    @property
    def on_trust(self) -> list[str]:
        """Deployments of which nothing shows that the version on record is what runs."""
        return sorted(name for name, model in self.site.models.items() if not model.checked)


@contextmanager
def opened(
    where: str, key_file: Path, site_file: Path, secret_file: Path, *, now: datetime
) -> Generator[Opened]:
    """Give the gate of a site over the ledger at `where`, its lot pledged.

    Raises:
        InputError: The site file or the secret cannot be read.
        AdviceRefused: A model's weights are not those of the version on record.
        ActorError: The key may not speak for a gateway.
    """
    site, secret = load_site(site_file), load_secret(secret_file)
    key = Key.load(key_file)
    ledger = Ledger.open(where, create=False)
    try:
        desk = Desk(ledger)
        site.check_artefacts(desk.registry)
        lot = sample_of(site, secret) if site.share else None
        if lot:
            pledge(desk, site.name, lot, by=key, at=now)
        models = {name: loaded.model for name, loaded in site.models.items()}
        gate = Gate(desk, site.name, models, by=key, salt=salt_of(secret), sample=lot)
        yield Opened(gate=gate, site=site)
    finally:
        ledger.engine.dispose()


def hooks_server(opened_gate: Opened, host: str, port: int, clock: Clock) -> uvicorn.Server:
    """Return the CDS Hooks server, not yet started.

    Raises:
        UsageError: The port is taken.
    """
    import uvicorn

    from commonwatt.clinic.engines.gateway.service import Service

    site = opened_gate.site
    remote = frozenset(name for name, loaded in site.models.items() if loaded.remote)
    service = Service(opened_gate.gate, clock, site.signer_of, remote)
    config = uvicorn.Config(
        service.app(), host=host, port=port, log_level="warning", access_log=False, lifespan="off"
    )
    return uvicorn.Server(config)


def serve_hooks(server: uvicorn.Server, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until interrupted; `ready` is told the address once it is bound.

    Raises:
        UsageError: The address cannot be bound.
    """
    import socket

    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise UsageError(f"{host}:{port}", found=error.strerror or "", wanted=_FREE) from None
    with bound:
        name = f"[{host}]" if ":" in host else host
        ready(f"http://{name}:{bound.getsockname()[1]}/cds-services")
        server.run(sockets=[bound])


_FREE = Message("an address of this machine with a free port")


def serve_agents(
    opened_gate: Opened, pathway: str, plan: str, clock: Clock, lines: Iterable[str]
) -> Iterator[str]:
    """Yield the MCP server's answer to each line of one agent's plan.

    Raises:
        InputError: The site file has no such pathway.
    """
    from commonwatt.clinic.engines.gateway.mcp import McpServer

    runner = Runner(opened_gate.gate, opened_gate.site.pathway(pathway), plan)
    yield from McpServer(runner, clock).serve(lines)


def ask(
    opened_gate: Opened,
    deployment: str,
    encounter: str,
    facts: Mapping[str, str],
    own_estimate: float | None,
    *,
    now: datetime,
) -> dict[str, Any]:
    """Return one piece of advice, on record before it is returned.

    Raises:
        AdviceRefused: The rule is named; the refusal is on record, too.
    """
    verdict = opened_gate.gate.ask(deployment, encounter, facts, at=now, own_estimate=own_estimate)
    verdict.check()
    return asdict(verdict) | {"words": dict(verdict.words)}


def audit_lots(where: str, site: str, secret_files: Iterable[Path]) -> dict[str, Any]:
    """Return what drawing a site's lots again shows.

    Raises:
        InputError: A secret cannot be read.
    """
    told = [lot_secret(read_secret(path)) for path in secret_files]
    ledger = Ledger.open(where, create=False)
    try:
        return asdict(audit(ledger.entries(), site, told)) | {"site": site}
    finally:
        ledger.engine.dispose()
