"""What an operator decides beforehand: policy, quotas, grace, tariffs, reservations.

Read once from a TOML file; a key that is unknown or out of bounds is refused with its
place. Not given means the default that the table in the reference shows.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies import SchedulingPolicy, parse_scheduling_policy
from commonwatt.operate.domain.errors import ControlError

Share = Annotated[float, Field(ge=0, le=1)]
# Bounded above, too: infinity and 1e308 pass a check for sign and then break the arithmetic
# that follows.
Positive = Annotated[float, Field(ge=0, le=1e9)]


class _SettingsTable(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class PolicySettings(_SettingsTable):
    """How the queue is run; the words are those of `commonwatt fleet simulate`."""

    order: str = "fifo"
    place: str = "consolidate"
    backfill: str = "easy"
    preempt: str = "none"
    borrow: bool = True
    keep_progress: bool = True


class GpuPower(_SettingsTable):
    """What a GPU of one type draws, with its share of the server [W]."""

    idle_w: Positive = 100.0
    busy_w: Positive = 400.0


class SiteSettings(_SettingsTable):
    """A site's overhead, power price and carbon."""

    pue: Annotated[float, Field(ge=1, le=10)] = 1.3
    price_usd_per_mwh: Positive = 80.0
    carbon_g_per_kwh: Positive = 450.0


class Tariff(_SettingsTable):
    """What a GPU-hour is invoiced at.

    `usd_per_gpu_h` counts unless the GPU type, or the tenant, has a price of its own;
    preemptible filler is charged `filler_share` of it.
    """

    currency: str = "USD"
    usd_per_gpu_h: Positive = 2.0
    by_gpu_type: dict[str, Positive] = {}
    by_tenant: dict[str, Positive] = {}
    filler_share: Share = 0.2


class Reservation(_SettingsTable):
    """Nodes kept free for one tenant's latency-bound service over a span of time.

    Jobs of others that would still run at its beginning, by their estimates, do not
    start there; what is left at its beginning is preempted where it may be.
    """

    name: str
    tenant: str
    nodes: tuple[str, ...]
    from_s: float
    until_s: float


class Filler(_SettingsTable):
    """Preemptible work that fills what the others leave idle."""

    tenant: str = "filler"
    argv: tuple[str, ...]
    gpus: Annotated[int, Field(ge=1, le=1024)] = 1
    estimate_s: Positive = 600.0
    most: Annotated[int, Field(ge=0, le=10_000)] = 8
    ahead_s: Positive = 300.0
    """How far ahead demand is forecast; what it will need is left free."""


class SlurmSettings(_SettingsTable):
    """Which Slurm."""

    conf: str | None = None
    """Its configuration file; not given, the machine's own."""
    partition: str | None = None
    output: str = "/dev/null"
    """Where jobs write, in Slurm's patterns."""


class RaySettings(_SettingsTable):
    """Which Ray."""

    address: str = "127.0.0.1:6379"


class ControllerSettings(_SettingsTable):
    """Everything that a controller is told."""

    policy: PolicySettings = PolicySettings()
    quotas: dict[str, Positive] | None = None
    """GPUs that each tenant may count on; others have none. Not given: no quotas."""
    grace_s: Positive = 30.0
    """Between the warning and the end of a preempted job [s]."""
    tick_s: Annotated[float, Field(ge=0.05, le=3600)] = 1.0
    start_within_s: Annotated[float, Field(ge=1, le=86400)] = 60.0
    """A job that has not begun by then is held again [s]."""
    refusals: Annotated[int, Field(ge=1, le=100)] = 3
    """After so many refused starts in a row a job is parked until a person looks."""
    keep_captures: Annotated[int, Field(ge=0, le=10_000_000)] = 100_000
    tenant_sites: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = {}
    """Sites that a tenant's jobs may run at, whatever a job asks; others may use all."""
    seed: int = 0
    gpu_types: dict[str, GpuPower] = {}
    sites: dict[str, SiteSettings] = {}
    tariff: Tariff = Tariff()
    reservations: tuple[Reservation, ...] = ()
    filler: Filler | None = None
    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Where Prometheus may scrape, on the loopback address; 0 takes a free port."""
    engine: Literal["local", "slurm", "ray"] = "local"
    slurm: SlurmSettings = SlurmSettings()
    ray: RaySettings = RaySettings()
    node_sites: dict[str, str] = {}
    """Where nodes stand whose backend does not say, by name."""


def load_controller_settings(path: Path) -> ControllerSettings:
    """Return the settings in a TOML file.

    Raises:
        ControlError: The file cannot be read, or holds a value that cannot be; the first
            fault is named with its place.
    """
    try:
        return parse_controller_settings(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ControlError(
            str(path), found=type(error).__name__, wanted=Message("a readable TOML file")
        ) from None


def parse_controller_settings(text: str, where: str = "settings") -> ControllerSettings:
    """Return the settings that `text` holds.

    >>> parse_controller_settings("policy = { order = 'sjf' }").policy.order
    'sjf'
    """
    try:
        settings = ControllerSettings.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ControlError(where, found=str(error), wanted=Message("a TOML file")) from None
    except ValidationError as error:
        # Without the input: a settings file may hold what must not be printed, and a log is
        # read by others.
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise ControlError(f"{where}, {place}", found=fault["msg"]) from None
    # Built once and thrown away: a name that no policy bears is refused when the file is read
    # and not at the first tick.
    policy_of_controller_settings(settings.policy)
    return settings


def policy_of_controller_settings(named: PolicySettings) -> SchedulingPolicy:
    """Return the policy of these names.

    Raises:
        UsageError: A name is unknown.
    """
    return parse_scheduling_policy(
        named.order,
        named.place,
        named.backfill,
        named.preempt,
        borrow=named.borrow,
        keep_progress=named.keep_progress,
    )
