"""Whether every job could ever start on a fleet; checked once, before anything runs."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from commonwatt.core.errors import TraceError, table_cell_location
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.machines import SHARED, Fleet
from commonwatt.fleet.domain.workload import ANY, I64, Bools, Workload
from commonwatt.fleet.io.traces.rows import shown_trace_cell

_RESOURCES: Final = ("gpus", "cpu_milli", "memory_mib")
_ENDLESS: Final = np.iinfo(np.int64).max


def check_jobs_fit_fleet(workload: Workload, fleet: Fleet, where: str = "trace") -> None:
    """Raise if a job could not start even on the empty fleet.

    A gang is held against the nodes of its GPU types that its tenant may use: all of
    them together, or each by itself where it must share one.

    Args:
        workload: The jobs.
        fleet: The nodes.
        where: The trace's name, for the message.

    Raises:
        TraceError: Names the first such job and what would let it start.
    """
    # Types first: jobs of a type that no node has would otherwise read as jobs too large.
    _check_gpu_types_in_fleet(workload, fleet, where)
    # Each resource by itself before all together, because the message can then name a column.
    for column, most in _largest_startable_request_by_job(workload, fleet).items():
        too_much = getattr(workload, column) > most
        if too_much.any():
            at = int(too_much.argmax())
            raise _job_too_large_error(workload, at, int(most[at]), column, where)
    homeless = ~_jobs_with_node_large_enough(workload, fleet)
    if homeless.any():
        raise _job_too_wide_error(workload, int(homeless.argmax()), where)


def jobs_that_fit_fleet(workload: Workload, fleet: Fleet) -> Bools:
    """Return which jobs could start on the empty fleet, shape (jobs,).

    >>> from commonwatt.fleet.domain.machines import uniform_fleet
    >>> from commonwatt.fleet.domain.workload import workload_from_columns
    >>> jobs = workload_from_columns([0, 1], [60, 60], [16, 17])
    >>> jobs_that_fit_fleet(jobs, uniform_fleet(2, 8)).tolist()
    [True, False]
    """
    limits = _largest_startable_request_by_job(workload, fleet)
    within_limits = [getattr(workload, column) <= most for column, most in limits.items()]
    return np.logical_and.reduce(within_limits) & _jobs_with_node_large_enough(workload, fleet)


def _check_gpu_types_in_fleet(workload: Workload, fleet: Fleet, where: str) -> None:
    fleet_types = {fleet.gpu_types[int(index)].name for index in np.unique(fleet.gpu_type)}
    for bit, name in enumerate(workload.gpu_type_names):
        requesting = (workload.gpu_types & (1 << bit)) != 0
        if name not in fleet_types and requesting.any():
            names = {"names": ", ".join(sorted(fleet_types))}
            raise TraceError(
                _job_location_in_trace(workload, int(requesting.argmax()), where, "gpu_types"),
                found=shown_trace_cell(name),
                wanted=Message("a GPU type of the fleet: {names}", names),
                remedy=Message("Add nodes of that type, or take the type out of the trace."),
            )


def _largest_startable_request_by_job(workload: Workload, fleet: Fleet) -> dict[str, I64]:
    """Return the most that each job may request of each thing and still start."""
    kinds, kind = _distinct_job_kinds(workload)
    return {
        column: np.array(
            [_largest_startable_request_of_job_kind(fleet, workload, row, column) for row in kinds],
            np.int64,
        )[kind]
        for column in _RESOURCES
    }


def _distinct_job_kinds(workload: Workload) -> tuple[I64, npt.NDArray[np.intp]]:
    """Return the distinct (GPU types, tenant, single node) of the jobs, and each job's kind."""
    masks, mask = np.unique(workload.gpu_types, return_inverse=True)
    tenants = len(workload.tenant_names)
    # One number for a kind: sorting a million numbers is far cheaper than sorting rows of three.
    key = (mask.astype(np.int64) * tenants + workload.tenant) * 2 + workload.single_node
    keys, kind = np.unique(key, return_inverse=True)
    columns = (masks[keys // 2 // tenants], keys // 2 % tenants, keys % 2)
    return np.column_stack(columns), kind


def _largest_startable_request_of_job_kind(
    fleet: Fleet, workload: Workload, kind: I64, column: str
) -> int:
    """Return the most that jobs of a kind may request and still start."""
    gpu_types, tenant, single_node = (int(number) for number in kind)
    # Once for each kind of job and not for each job, of which a trace may hold millions.
    usable = _nodes_of_gpu_type_mask(fleet, workload, gpu_types) & np.isin(
        fleet.tenant, (SHARED, tenant)
    )
    amounts = getattr(fleet, column)[usable].astype(np.int64)
    if column != "gpus" and (amounts == 0).any():
        return _ENDLESS  # what is unknown binds nothing
    return int(amounts.max(initial=0) if single_node else amounts.sum())


def _nodes_of_gpu_type_mask(fleet: Fleet, workload: Workload, mask: int) -> Bools:
    if mask == ANY:
        return np.ones(len(fleet), np.bool_)
    names = {name for bit, name in enumerate(workload.gpu_type_names) if mask >> bit & 1}
    wanted = [index for index, gpu in enumerate(fleet.gpu_types) if gpu.name in names]
    return np.isin(fleet.gpu_type, wanted)


def _jobs_with_node_large_enough(workload: Workload, fleet: Fleet) -> Bools:
    """Return which jobs need no single node, or have one that holds all they request."""
    fits = ~workload.single_node
    pods, pod = _distinct_pods_and_pod_of_each_job(workload, np.flatnonzero(workload.single_node))
    gpu_types, tenant, *amounts = pods.T
    held_somewhere = np.zeros(len(pods), np.bool_)
    for at in _first_nodes_of_each_kind(fleet):
        held_somewhere |= _pods_that_may_use_node(
            workload, fleet, at, gpu_types, tenant
        ) & _pods_that_node_holds(fleet, at, amounts)
    fits[workload.single_node] = held_somewhere[pod]
    return fits


def _distinct_pods_and_pod_of_each_job(
    workload: Workload, rows: npt.NDArray[np.intp]
) -> tuple[I64, npt.NDArray[np.intp]]:
    """Return the distinct pods among `rows`, and which of them each row is."""
    columns = ("gpu_types", "tenant", *_RESOURCES)
    table = pl.DataFrame({name: getattr(workload, name)[rows].astype(np.int64) for name in columns})
    pods = table.unique(maintain_order=True)
    number = pl.int_range(pods.height, eager=True, dtype=pl.Int64).alias("pod")
    which = table.join(pods.with_columns(number), on=columns, how="left", maintain_order="left")
    return pods.to_numpy(), which["pod"].to_numpy().astype(np.intp)


def _first_nodes_of_each_kind(fleet: Fleet) -> list[int]:
    """Return the first node of each kind: equal in size, GPU type and tenant."""
    columns = ("gpu_type", "tenant", *_RESOURCES)
    table = np.column_stack([getattr(fleet, column).astype(np.int64) for column in columns])
    return np.unique(table, axis=0, return_index=True)[1].tolist()


def _pods_that_may_use_node(
    workload: Workload, fleet: Fleet, at: int, gpu_types: I64, tenant: I64
) -> Bools:
    """Return which pods may use node `at` by their GPU types and their tenant."""
    name, owner = fleet.gpu_types[int(fleet.gpu_type[at])].name, int(fleet.tenant[at])
    names = workload.gpu_type_names
    # A type that the trace never names serves only jobs that take any.
    bit = 1 << names.index(name) if name in names else 0
    of_type = (gpu_types == ANY) | ((gpu_types & bit) != 0)
    return of_type & ((tenant == owner) | (owner == SHARED))


def _pods_that_node_holds(fleet: Fleet, at: int, amounts: list[I64]) -> Bools:
    gpus, cpu_milli, memory_mib = amounts
    fits = gpus <= fleet.gpus[at]
    for amount, most in ((cpu_milli, fleet.cpu_milli[at]), (memory_mib, fleet.memory_mib[at])):
        fits = fits & ((amount <= most) | (most == 0))  # what is unknown binds nothing
    return fits


def _job_too_large_error(
    workload: Workload, at: int, most: int, column: str, where: str
) -> TraceError:
    limit = {"limit": f"{most:,}"}
    return TraceError(
        _job_location_in_trace(workload, at, where, column),
        found=f"{int(getattr(workload, column)[at]):,}",
        wanted=Message("at most {limit}, all that the nodes open to it hold", limit),
        remedy=Message("Add nodes, or leave such jobs out."),
    )


def _job_too_wide_error(workload: Workload, at: int, where: str) -> TraceError:
    amounts = {column: f"{int(getattr(workload, column)[at]):,}" for column in _RESOURCES}
    return TraceError(
        _job_location_in_trace(workload, at, where, None),
        found=Message("{gpus} GPUs, {cpu_milli} milli-cores and {memory_mib} MiB", amounts),
        wanted=Message("what one of the nodes open to it holds"),
        remedy=Message("Add nodes, or leave such jobs out."),
    )


def _job_location_in_trace(workload: Workload, at: int, where: str, column: str | None) -> str:
    # By the job's name: a workload is sorted by time and has left the rows of its file.
    return table_cell_location(
        f"{where}, job {shown_trace_cell(workload.job_id[at])[1:-1]}", None, column
    )
