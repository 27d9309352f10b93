"""From names on a command line to a workload and a fleet that belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.fleet.machines import SHARED, Fleet, uniform_fleet
from commonwatt.fleet.nodes import read_nodes, read_pools
from commonwatt.fleet.traces import check_fits, read_traces
from commonwatt.fleet.traces.read import TraceRead
from commonwatt.fleet.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user named.

    Args:
        traces: Trace files, one or more.
        format: Their format, or None to find it.
        mapping: Mapping file of a generic table.
        strict: Refuse incomplete rows.
        clock: "shared" or "start", as in `read_traces`.
        nodes: A number of equal nodes, or a node list.
        gpus_per_node: GPUs on each of equal nodes.
        pool: "all": every tenant may use every node; "tenant": its own nodes only.
    """

    traces: tuple[Path, ...]
    format: str | None = None
    mapping: Path | None = None
    strict: bool = False
    clock: str = "shared"
    nodes: str
    gpus_per_node: int | None = None
    pool: str = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """A workload and the fleet that it is to run on."""

    workload: Workload
    fleet: Fleet
    reads: tuple[TraceRead, ...]
    files: tuple[Path, ...]
    pool: str


def load_inputs(asked: Asked) -> Inputs:
    """Read what was asked for, and check that every job could ever run.

    Raises:
        InputError: A file cannot be read, or a row holds a bad value.
        TraceError: A job asks for more than the fleet has, or for an unknown GPU type.
        UsageError: The options contradict each other.
    """
    read = read_traces(
        asked.traces,
        format=asked.format,
        mapping=asked.mapping,
        strict=asked.strict,
        clock=asked.clock,
    )
    fleet = load_fleet(asked, read.workload.tenant_names)
    check_fits(read.workload, fleet)
    listed = [Path(asked.nodes)] if not asked.nodes.isdigit() else []
    mapping = [asked.mapping] if asked.mapping else []
    return Inputs(
        workload=read.workload,
        fleet=fleet,
        reads=read.reads,
        files=(*asked.traces, *mapping, *listed),
        pool=asked.pool,
    )


def load_fleet(asked: Asked, tenants: Sequence[str]) -> Fleet:
    """Return the fleet that the options describe.

    `--nodes 62 --gpus-per-node 8` are equal nodes; a file with `tenant,nodes` needs
    `--gpus-per-node`, too; any other node list says all itself.
    """
    if asked.nodes.isdigit():
        return _equal_nodes(asked)
    path = Path(asked.nodes)
    if not _is_pools(path):
        return read_nodes(path, tenants=tenants)
    fleet = read_pools(path, gpus_per_node=_gpus_per_node(asked), tenants=tenants)
    if asked.pool == "tenant":
        return fleet
    return replace(fleet, tenant=np.full(len(fleet), SHARED, np.int32))


def _equal_nodes(asked: Asked) -> Fleet:
    if asked.pool == "tenant":
        raise UsageError(
            "--pool tenant",
            found=Message("a number of nodes"),
            wanted=Message("a file with the columns tenant,nodes after --nodes"),
        )
    if int(asked.nodes) < 1:
        raise UsageError("--nodes", found=asked.nodes, wanted=Message("at least 1 node"))
    return uniform_fleet(int(asked.nodes), _gpus_per_node(asked))


def _gpus_per_node(asked: Asked) -> int:
    if asked.gpus_per_node is None:
        raise UsageError("--gpus-per-node", wanted=Message("the number of GPUs on each node"))
    return asked.gpus_per_node


def _is_pools(path: Path) -> bool:
    if path.suffix != ".csv" or not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.readline(200).decode("utf-8-sig", errors="replace")
    names = {name.strip().strip('"') for name in head.split(",")}
    return {"tenant", "nodes"} <= names and "gpus" not in names
