"""How a console is set up: folders, database, address, limits."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from commonwatt.web.instants import console_zone, server_zone_name

ENVIRONMENT = "COMMONWATT_CONSOLE"  # how a worker process is told its settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that decides how a console behaves.

    Args:
        store: Folder of the run store.
        database: Path or URL of the database with ledger, accounts, rooms and models.
        state: Folder of keys, works and what is kept; beside the store by default.
        rooms: Folder of all data projects.
        operate: Folder of the controller of a live cluster.
        address: Where it answers, as people type it: `http://127.0.0.1:8800`, or below a path
            of a host that it shares: `https://example.org/commonwatt`; no slash at its end.
        secure: Whether cookies are only for HTTPS; off on the loopback address only.
        session_hours: How long a sign-in lasts without use.
        requests_per_minute: Limit for one visitor; 0 for none.
        attempts: Failed sign-ins on one name or from one address in a quarter of an hour.
        trusted_proxies: Addresses or networks of proxies whose `X-Forwarded-For` is believed.
        works: Runs that are worked on at the same time.
        patience_s: How long a page waits for what is made outside it, before it says so.
        sample: Programme that is run when the store is empty; "" for none.
        contact: Whom people ask who may not come in; "" for whoever keeps the accounts.
        institution: File of the clinic's institution, whose patients are told of models here; ""
            for none.
        institution_secret: File of that institution's secret.
        oidc_issuer: Address of an OpenID Connect provider; "" for none.
        oidc_client: Our name there.
        oidc_secret_file: File with our secret there.
        oidc_scope: What of a person the provider is asked for.
        oidc_roles_claim: Claim that names a person's groups or roles; full stops lead inwards.
        oidc_groups: Groups that may come in, each as `GROUP=ROLE,ROLE`.
        oidc_domains: E-mail domains that may come in, each as `DOMAIN` or `DOMAIN=ROLE,ROLE`.
        time_zone: Zone in which every page names times; the server's own where none is given.
    """

    store: Path
    database: str
    state: Path
    rooms: Path = Path("rooms")
    operate: Path = Path("operate")
    address: str = "http://127.0.0.1:8800"
    secure: bool = False
    session_hours: float = 12.0
    requests_per_minute: int = 1200
    attempts: int = 10
    trusted_proxies: tuple[str, ...] = ()
    works: int = 1
    patience_s: float = 0.7
    sample: str = "harbour"
    contact: str = ""
    institution: str = ""
    # The file and not the secret, for the same reason as with the next one.
    institution_secret: str = "institution.secret"  # noqa: S105  a name, no secret
    oidc_issuer: str = ""
    oidc_client: str = ""
    # The file and not the secret: settings go to workers by the environment, which every child
    # inherits.
    oidc_secret_file: str = ""
    oidc_scope: str = "openid profile email"
    oidc_roles_claim: str = "roles"
    oidc_groups: tuple[str, ...] = ()
    oidc_domains: tuple[str, ...] = ()
    time_zone: str = field(default_factory=server_zone_name)

    @classmethod
    def of(cls, store: Path, **changes: Any) -> Settings:
        """Return the settings for a store, with everything else beside it."""
        state = store / ".console"
        plain = cls(store=store, database=str(state / "console.db"), state=state)
        return replace(plain, **changes)

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which every page names times.

        Raises:
            UsageError: There is no such zone on this machine.
        """
        return console_zone(self.time_zone)

    @property
    def log_file(self) -> Path:
        """Where the log goes unless another place was asked for."""
        return self.state / "log" / "console.jsonl"

    @property
    def root_path(self) -> str:
        """Path below which people see the console; "" where it has the host to itself."""
        return urlsplit(self.address).path.rstrip("/")

    def as_text(self) -> str:
        """Return the settings for the environment of a worker."""
        # `default` writes paths as text; `from_environment` makes them paths again.
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings that a worker was given."""
        given_settings = json.loads(environment[ENVIRONMENT])
        paths = {
            name: Path(given_settings[name]) for name in ("store", "state", "rooms", "operate")
        }
        # JSON knows lists only.
        lists = {
            name: tuple(given_settings[name])
            for name in ("trusted_proxies", "oidc_groups", "oidc_domains")
        }
        return cls(**(given_settings | paths | lists))
