"""The folder of one controller, and what is opened from it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import assert_never

from commonwatt.core.files import save_text
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.machines import Fleet
from commonwatt.fleet.io.nodes import read_node_list
from commonwatt.ledger import Key, Ledger, Person
from commonwatt.ledger.usecases import load_or_make_key_and_is_new
from commonwatt.operate.domain.cluster import ClusterBackend, ObservedNode
from commonwatt.operate.domain.errors import ControlError
from commonwatt.operate.domain.settings import (
    ControllerSettings,
    load_controller_settings,
    parse_controller_settings,
)
from commonwatt.operate.io.backends.local import LocalBackend
from commonwatt.operate.io.store import ControllerStore

SETTINGS, DATABASE, KEY, REGISTRAR = "control.toml", "operate.db", "controller.pem", "registrar.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerHome:
    """One controller's folder.

    Args:
        folder: Where it is.
        settings: What the operator decided beforehand.
    """

    folder: Path
    settings: ControllerSettings


def open_controller_home(folder: Path) -> ControllerHome:
    """Return the home in `folder`.

    Raises:
        ControlError: There is no home, or its settings cannot be read.
    """
    if not (folder / SETTINGS).exists():
        raise ControlError(
            str(folder),
            found=Message("no home of a controller"),
            remedy=Message("Make one with: commonwatt operate init FOLDER"),
        )
    return ControllerHome(folder=folder, settings=load_controller_settings(folder / SETTINGS))


def make_controller_home(folder: Path, settings: str, *, now: datetime) -> ControllerHome:
    """Make a home: settings, keys, ledger; the controller signs in a role of its own.

    Raises:
        ControlError: There is a home already, or the settings cannot be read.
    """
    if (folder / SETTINGS).exists():
        raise ControlError(str(folder), found=Message("a home of a controller already"))
    # Before anything is made: a home with settings that cannot be read would have to be taken
    # apart by hand.
    parsed = parse_controller_settings(settings, SETTINGS)
    folder.mkdir(parents=True, exist_ok=True)
    registrar, _ = load_or_make_key_and_is_new(folder / REGISTRAR)
    controller, _ = load_or_make_key_and_is_new(folder / KEY)
    with _opened_controller_ledger(folder) as ledger:
        if ledger.head().size == 0:
            ledger.enrol_first_registrar(registrar, _controller_signing_person("registrar"), at=now)
            with ledger.transaction() as tx:
                ledger.enrol(
                    tx,
                    _controller_signing_person("controller"),
                    controller.public_key,
                    by=registrar,
                    at=now,
                )
    # Last, because this file is what makes a folder a home: after a kill before it, init simply
    # runs again.
    save_text(settings, folder / SETTINGS)
    return ControllerHome(folder=folder, settings=parsed)


@contextmanager
def open_controller_store(home: ControllerHome) -> Generator[ControllerStore]:
    """Give the store of a home."""
    with _opened_controller_ledger(home.folder) as ledger:
        yield ControllerStore(ledger, Key.load(home.folder / KEY))


@contextmanager
def open_cluster_backend(
    home: ControllerHome, *, clock: Callable[[], float] = time.time
) -> Generator[ClusterBackend]:
    """Give the backend that a home's settings name."""
    backend = _cluster_backend_of_home(home, clock)
    try:
        yield backend
    finally:
        backend.close()


@contextmanager
def hold_controller_lock(home: ControllerHome) -> Generator[None]:
    """Hold the home's lock, which a killed controller gives back by itself.

    Raises:
        ControlError: Another controller runs here.
    """
    # flock, which the kernel gives back however the process dies; a file with a process number
    # would outlive a kill -9.
    with (home.folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ControlError(
                str(home.folder),
                found=Message("another controller running here"),
                wanted=Message("one controller a cluster"),
            ) from None
        file.seek(0)
        # The number is for a person who looks; nobody decides by it.
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def local_cluster_nodes(nodes: Path | None) -> tuple[ObservedNode, ...]:
    """Return the nodes of a node list, or this machine as one node without GPUs.

    Nodes of a list are parts of this machine: their GPUs are numbers handed to jobs.
    """
    if nodes is None:
        name = os.uname().nodename or "localhost"
        cores = os.cpu_count() or 1
        return (ObservedNode(name=name, gpus=0, cpu_milli=cores * 1000),)
    return observed_nodes_of_fleet(read_node_list(nodes))


def observed_nodes_of_fleet(fleet: Fleet) -> tuple[ObservedNode, ...]:
    """Return the nodes of a fleet as a backend sees them."""
    return tuple(
        ObservedNode(
            name=fleet.node_id[i],
            gpus=int(fleet.gpus[i]),
            gpu_type=fleet.gpu_types[int(fleet.gpu_type[i])].name,
            site=fleet.sites[int(fleet.site[i])].name,
            cpu_milli=int(fleet.cpu_milli[i]),
            memory_mib=int(fleet.memory_mib[i]),
        )
        for i in range(len(fleet))
    )


def _cluster_backend_of_home(home: ControllerHome, clock: Callable[[], float]) -> ClusterBackend:
    folder, settings = home.folder / "engine", home.settings
    match settings.engine:
        case "slurm":
            # Imported where it is named: a cluster of one machine has neither Slurm nor Ray.
            from commonwatt.operate.io.backends.slurm import SlurmBackend

            return SlurmBackend(
                settings.slurm.conf,
                partition=settings.slurm.partition,
                output=settings.slurm.output,
                clock=clock,
                sites=settings.node_sites,
            )
        case "ray":
            from commonwatt.operate.io.backends.ray import RayBackend

            address = settings.ray.address
            return RayBackend(address, folder, clock=clock, sites=settings.node_sites)
        case "local":
            listed = home.folder / "nodes.csv"
            return LocalBackend(
                folder, local_cluster_nodes(listed if listed.exists() else None), clock
            )
        case _:
            assert_never(settings.engine)


def _controller_signing_person(role: str) -> Person:
    return Person(name="commonwatt operate", role=role, organisation="operator", device="host")


@contextmanager
def _opened_controller_ledger(folder: Path) -> Generator[Ledger]:
    ledger = Ledger.open(folder / DATABASE, origin="operate")
    try:
        yield ledger
    finally:
        ledger.engine.dispose()
