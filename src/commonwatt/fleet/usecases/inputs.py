"""From names on a command line to a workload and a fleet that belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from commonwatt.core.errors import TableError, UsageError, table_cell_location_text
from commonwatt.core.messages import Message
from commonwatt.core.spreadsheets import read_spreadsheet_csv
from commonwatt.fleet.domain.machines import SHARED, Fleet, uniform_fleet
from commonwatt.fleet.domain.policies.place import workload_in_gpu_slices
from commonwatt.fleet.domain.workload import Workload
from commonwatt.fleet.engines.simulator.simulate import Pool
from commonwatt.fleet.io.nodes import read_fleet_of_tenant_node_counts, read_node_list
from commonwatt.fleet.io.traces import check_jobs_fit_fleet, read_traces
from commonwatt.fleet.io.traces.read import TraceRead


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSimulationOptions:
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
        check_fits: Refuse a trace with a job that could never run; the arrived-load
            protocol counts such jobs instead.
    """

    traces: tuple[Path, ...]
    format: str | None = None
    mapping: Path | None = None
    strict: bool = False
    clock: str = "shared"
    nodes: str
    gpus_per_node: int | None = None
    pool: Pool = "all"
    check_fits: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetInputs:
    """A workload and the fleet that it is to run on."""

    workload: Workload
    fleet: Fleet
    reads: tuple[TraceRead, ...]
    files: tuple[Path, ...]
    pool: Pool


def load_fleet_inputs(options: FleetSimulationOptions) -> FleetInputs:
    """Read what was named, and check that every job could ever run.

    Raises:
        InputError: A file cannot be read, or a row holds a bad value.
        TraceError: A job requests more than the fleet has, or for an unknown GPU type.
        UsageError: The options contradict each other.
    """
    read = read_traces(
        options.traces,
        format=options.format,
        mapping=options.mapping,
        strict=options.strict,
        clock=options.clock,
    )
    fleet = load_fleet(options, read.workload.tenant_names)
    if options.check_fits:
        check_jobs_fit_fleet(
            read.workload, fleet, where=", ".join(path.name for path in options.traces)
        )
    # Every file that was read, because a run's id follows from the bytes of all of them.
    listed = [Path(options.nodes)] if not options.nodes.isdigit() else []
    mapping = [options.mapping] if options.mapping else []
    return FleetInputs(
        workload=workload_in_gpu_slices(read.workload, fleet),
        fleet=fleet,
        reads=read.reads,
        files=(*options.traces, *mapping, *listed),
        pool=options.pool,
    )


def load_fleet(options: FleetSimulationOptions, tenants: Sequence[str]) -> Fleet:
    """Return the fleet that the options describe.

    `--nodes 62 --gpus-per-node 8` are equal nodes; a file with `tenant,nodes` needs
    `--gpus-per-node`, too; any other node list says all itself.
    """
    if options.nodes.isdigit():
        return _fleet_of_equal_nodes(options)
    path = Path(options.nodes)
    if not _fleet_file_lists_tenant_nodes(path):
        return read_node_list(path, tenants=tenants)
    fleet = read_fleet_of_tenant_node_counts(
        path, gpus_per_node=_required_gpus_per_node(options), tenants=tenants
    )
    if options.pool == "tenant":
        return fleet
    # The file says whose the nodes are, and the option that all tenants share them; the option
    # wins, so that one file serves for both runs.
    return replace(fleet, tenant=np.full(len(fleet), SHARED, np.int32))


def _fleet_of_equal_nodes(options: FleetSimulationOptions) -> Fleet:
    if options.pool == "tenant":
        raise UsageError(
            "--pool tenant",
            found=Message("a number of nodes"),
            wanted=Message("a file with the columns tenant,nodes after --nodes"),
        )
    if int(options.nodes) < 1:
        raise UsageError("--nodes", found=options.nodes, wanted=Message("at least 1 node"))
    return uniform_fleet(int(options.nodes), _required_gpus_per_node(options))


def _required_gpus_per_node(options: FleetSimulationOptions) -> int:
    if options.gpus_per_node is None:
        raise UsageError("--gpus-per-node", wanted=Message("the number of GPUs on each node"))
    return options.gpus_per_node


def _fleet_file_lists_tenant_nodes(path: Path) -> bool:
    if path.suffix != ".csv" or not path.is_file():
        return False
    with path.open("rb") as file:
        # No more than a header takes: a file of another kind may be one endless line. `-sig`,
        # because spreadsheets put a mark before the first name.
        head = file.readline(200).decode("utf-8-sig", errors="replace")
    names = {name.strip().strip('"') for name in head.split(",")}
    return {"tenant", "nodes"} <= names and "gpus" not in names


def load_tenant_quotas(path: Path, workload: Workload) -> dict[str, float]:
    """Return the quota of each tenant [GPUs] from a CSV with `tenant,gpus`.

    Raises:
        TableError: A column is missing, a tenant is unknown, or a quota is no number.
    """
    frame = _tenant_quota_frame(path)
    quotas: dict[str, float] = {}
    for row, (tenant, gpus) in enumerate(frame.select("tenant", "gpus").iter_rows(), start=2):
        _check_simulated_tenant_quota(path, row, tenant, gpus, workload)
        # Of two quotas the last would count, and nobody would learn of the first.
        if tenant in quotas:
            raise TableError(
                table_cell_location_text(str(path), row, "tenant"),
                found=Message("{name} twice", {"name": repr(tenant[:40])}),
                wanted=Message("each row once"),
                remedy=Message("Take one of the two rows out."),
            )
        quotas[tenant] = float(gpus)
    return quotas


def _tenant_quota_frame(path: Path) -> pl.DataFrame:
    try:
        frame = read_spreadsheet_csv(
            path, schema_overrides={"tenant": pl.String, "gpus": pl.Float64}
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        wanted = Message("a CSV file with the columns tenant,gpus")
        # Only the kind of fault: the parser's own words quote the file.
        raise TableError(str(path), found=type(error).__name__, wanted=wanted) from None
    if not {"tenant", "gpus"} <= set(frame.columns):
        names = Message("columns {names}", {"names": ", ".join(frame.columns)})
        raise TableError(str(path), found=names, wanted=Message("the columns tenant,gpus"))
    return frame


def _check_simulated_tenant_quota(
    path: Path, row: int, tenant: str, gpus: float | None, workload: Workload
) -> None:
    if tenant not in workload.tenant_names:
        known_tenants = Message("one of {names}", {"names": ", ".join(workload.tenant_names)})
        raise TableError(
            table_cell_location_text(str(path), row, "tenant"),
            found=str(tenant)[:40],
            wanted=known_tenants,
        )
    if gpus is None or not 0 <= gpus < 1e9:
        wanted = Message("a number of GPUs, 0 or more")
        raise TableError(
            table_cell_location_text(str(path), row, "gpus"), found=str(gpus), wanted=wanted
        )
