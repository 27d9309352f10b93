"""Whether every job could ever start on a fleet; checked once, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from commonwatt.core.errors import TraceError, table_cell_location_text
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.machines import SHARED, Fleet
from commonwatt.fleet.domain.workload import ANY, I64, Bools, Workload
from commonwatt.fleet.io.traces.rows import shown_trace_cell

_RESOURCES: Final = ("gpus", "cpu_milli", "memory_mib")
# What of a job decides which nodes are open to it, and how many of them it may take.
_KIND: Final = ("gpu_types", "sites", "tenant", "single_node")
_ENDLESS: Final = np.iinfo(np.int64).max


def check_jobs_fit_fleet(workload: Workload, fleet: Fleet, where: str = "trace") -> None:
    """Raise if a job could not start even on the empty fleet.

    A gang is held against the nodes of its GPU types and sites that its tenant may use:
    each by itself where it must share one, and else one group of equal nodes together,
    because no gang spans two sites, GPU types or sizes of node.

    Args:
        workload: The jobs.
        fleet: The nodes.
        where: The trace's name, for the message.

    Raises:
        TraceError: Names the first such job and what would let it start.
    """
    workload = _workload_with_types_of_gpu_jobs(workload)
    # Types first: jobs of a type that no node has would otherwise read as jobs too large.
    _check_gpu_types_in_fleet(workload, fleet, where)
    homeless = np.flatnonzero(~_fitting_job_flags_on_empty_fleet(workload, fleet))
    if not len(homeless):
        return
    jobs = workload.workload_of_job_rows(homeless)
    _check_some_node_open_to_each_job(jobs, fleet, where)
    # Each resource by itself before all together, because the message can then name a column.
    for column, most in _largest_startable_amounts_of_jobs_by_resource(jobs, fleet).items():
        too_much = getattr(jobs, column) > most
        if too_much.any():
            at = int(too_much.argmax())
            raise _job_too_large_error(jobs, at, int(most[at]), column, where)
    raise _job_too_wide_error(jobs, 0, where)


def jobs_that_fit_fleet(workload: Workload, fleet: Fleet) -> Bools:
    """Return which jobs could start on the empty fleet, shape (jobs,).

    >>> from commonwatt.fleet.domain.machines import uniform_fleet
    >>> from commonwatt.fleet.domain.workload import workload_from_columns
    >>> jobs = workload_from_columns([0, 1], [60, 60], [16, 17])
    >>> jobs_that_fit_fleet(jobs, uniform_fleet(2, 8)).tolist()
    [True, False]
    """
    return _fitting_job_flags_on_empty_fleet(_workload_with_types_of_gpu_jobs(workload), fleet)


def job_location_in_trace(workload: Workload, at: int, where: str, column: str | None) -> str:
    """Return where job `at` stands in the trace `where`, as messages say it."""
    # By the job's name: a workload is sorted by time and has left the rows of its file.
    return table_cell_location_text(
        f"{where}, job {shown_trace_cell(workload.job_id[at])[1:-1]}", None, column
    )


def _workload_with_types_of_gpu_jobs(workload: Workload) -> Workload:
    """Return the jobs as they are placed: a CPU job is not held to a GPU type."""
    return replace(workload, gpu_types=np.where(workload.gpus > 0, workload.gpu_types, ANY))


def _check_gpu_types_in_fleet(workload: Workload, fleet: Fleet, where: str) -> None:
    fleet_types = {fleet.gpu_types[int(index)].name for index in np.unique(fleet.gpu_type)}
    declared = {gpu.name for gpu in fleet.gpu_types}
    names = workload.gpu_type_names
    offered = sum(1 << bit for bit, name in enumerate(names) if name in fleet_types)
    nowhere = (workload.gpu_types != ANY) & (workload.gpu_types & offered == 0)
    for bit, name in enumerate(names):
        if name in fleet_types:
            continue
        requesting = (workload.gpu_types & (1 << bit)) != 0
        # A type that is declared and has no node is known, and a job that also takes another
        # type loses nothing by it; one that nobody declared is a name misspelt.
        refused = requesting & nowhere if name in declared else requesting
        if refused.any():
            raise TraceError(
                job_location_in_trace(workload, int(refused.argmax()), where, "gpu_types"),
                found=shown_trace_cell(name),
                wanted=Message(
                    "a GPU type of the fleet: {names}", {"names": ", ".join(sorted(fleet_types))}
                ),
                remedy=Message("Add nodes of that type, or take the type out of the trace."),
            )


def _check_some_node_open_to_each_job(workload: Workload, fleet: Fleet, where: str) -> None:
    """Raise if no site that a job's data may go to has a node, or none of its GPU types."""
    kinds, kind = _distinct_job_rows_and_row_of_job(workload, _KIND)
    open_to_kind: list[set[str]] = [set() for _ in kinds["sites"]]
    for nodes in _node_kinds_of_fleet(fleet):
        at_site = _name_accepted_flags_of_masks(kinds["sites"], workload.site_names, nodes.site)
        for row in np.flatnonzero(at_site).tolist():
            open_to_kind[row].add(nodes.gpu)
    for at, row in enumerate(cast("list[int]", kind.tolist())):
        types = _trace_names_in_bit_mask(int(workload.gpu_types[at]), workload.gpu_type_names)
        there = open_to_kind[row]
        if there and (not types or there & set(types)):
            continue
        column = "gpu_types" if there else "sites"
        built = {fleet.sites[int(site)].name for site in np.unique(fleet.site)}
        requested = (
            types
            if there
            else _trace_names_in_bit_mask(int(workload.sites[at]), workload.site_names)
        )
        raise TraceError(
            job_location_in_trace(workload, at, where, column),
            found=shown_trace_cell("|".join(requested)),
            wanted=Message(
                "a GPU type that sites open to it have: {names}",
                {"names": ", ".join(sorted(there))},
            )
            if there
            else Message("a site that has nodes: {names}", {"names": ", ".join(sorted(built))}),
            remedy=Message("Add such nodes, or leave such jobs out."),
        )


def _trace_names_in_bit_mask(mask: int, names: tuple[str, ...]) -> list[str]:
    return [name for bit, name in enumerate(names) if mask >> bit & 1]


def _largest_startable_amounts_of_jobs_by_resource(
    workload: Workload, fleet: Fleet
) -> dict[str, I64]:
    """Return the most that each job may request of each thing and still start."""
    kinds, kind = _distinct_job_rows_and_row_of_job(workload, _KIND)
    node_kinds = list(_node_kinds_of_fleet(fleet))
    most = {
        column: _largest_startable_request_by_job_kind(node_kinds, workload, kinds, column)
        for column in _RESOURCES
    }
    return {column: amounts[kind] for column, amounts in most.items()}


def _distinct_job_rows_and_row_of_job(
    workload: Workload, columns: tuple[str, ...]
) -> tuple[dict[str, I64], npt.NDArray[np.intp]]:
    """Return the distinct rows of these columns, and which of them each job is.

    Once for each kind of job and not for each job, of which a trace may hold millions.
    """
    table = pl.DataFrame({name: getattr(workload, name).astype(np.int64) for name in columns})
    rows = table.unique(maintain_order=True)
    number = pl.int_range(rows.height, eager=True, dtype=pl.Int64).alias("row")
    which = table.join(rows.with_columns(number), on=columns, how="left", maintain_order="left")
    return {name: rows[name].to_numpy() for name in columns}, which["row"].to_numpy().astype(
        np.intp
    )


@dataclass(frozen=True, slots=True)
class _NodeKind:
    """Nodes that are equal in all that a job can ask of them.

    Args:
        nodes: How many there are.
        group: What a gang of several nodes must not leave: site, GPU type, GPUs, tenant.
        site: Name of their site.
        gpu: Name of their GPU type.
        tenant: Index of their only tenant, or `SHARED`.
        gpus: GPUs of each.
        cpu_milli: CPU of each [1/1000 core]; 0 where unknown.
        memory_mib: Memory of each [MiB]; 0 where unknown.
    """

    nodes: int
    group: tuple[int, int, int, int]
    site: str
    gpu: str
    tenant: int
    gpus: int
    cpu_milli: int
    memory_mib: int


def _node_kinds_of_fleet(fleet: Fleet) -> Iterator[_NodeKind]:
    columns = (fleet.site, fleet.gpu_type, fleet.gpus, fleet.tenant, fleet.cpu_milli,
               fleet.memory_mib)  # fmt: skip
    table = np.column_stack([column.astype(np.int64) for column in columns])
    rows, counts = np.unique(table, axis=0, return_counts=True)
    numbers = cast("list[list[int]]", rows.tolist())
    for (site, gpu, gpus, tenant, cpu, memory), nodes in zip(numbers, counts.tolist(), strict=True):
        yield _NodeKind(
            nodes=nodes,
            group=(site, gpu, gpus, tenant),
            site=fleet.sites[site].name,
            gpu=fleet.gpu_types[gpu].name,
            tenant=tenant,
            gpus=gpus,
            cpu_milli=cpu,
            memory_mib=memory,
        )


def _jobs_that_may_use_nodes(workload: Workload, jobs: dict[str, I64], nodes: _NodeKind) -> Bools:
    """Return which of the distinct jobs may use these nodes by GPU type, site and tenant."""
    of_type = _name_accepted_flags_of_masks(jobs["gpu_types"], workload.gpu_type_names, nodes.gpu)
    of_site = _name_accepted_flags_of_masks(jobs["sites"], workload.site_names, nodes.site)
    return of_type & of_site & ((nodes.tenant == SHARED) | (jobs["tenant"] == nodes.tenant))


def _name_accepted_flags_of_masks(masks: I64, names: tuple[str, ...], name: str) -> Bools:
    # What the trace never names serves only jobs that take any.
    bit = 1 << names.index(name) if name in names else 0
    return (masks == ANY) | ((masks & bit) != 0)


def _largest_startable_request_by_job_kind(
    node_kinds: list[_NodeKind], workload: Workload, kinds: dict[str, I64], column: str
) -> I64:
    """Return the most of one thing that jobs of each kind may request and still start."""
    single = kinds["single_node"] == 1
    most = np.zeros(len(single), np.int64)
    by_group: dict[tuple[int, int, int, int], I64] = {}
    for nodes in node_kinds:
        amount = int(getattr(nodes, column))
        # What is unknown binds nothing; a node without GPUs is known to have none.
        each = _ENDLESS if amount == 0 and column != "gpus" else amount
        together = _ENDLESS if each == _ENDLESS else amount * nodes.nodes
        usable = _jobs_that_may_use_nodes(workload, kinds, nodes)
        most = np.maximum(most, np.where(usable & single, each, 0))
        held = by_group.get(nodes.group, np.zeros(len(single), np.int64))
        added = np.where(usable & ~single, together, 0)
        # Endless stays endless: to add to the largest number would wrap around to a small one.
        by_group[nodes.group] = np.where(held > _ENDLESS - added, _ENDLESS, held + added)
    return np.maximum.reduce([most, *by_group.values()])


class _GroupRoom(NamedTuple):
    """How many idle nodes of a group would hold a part of each job, shape (jobs,).

    Args:
        whole: Nodes that hold as much of it as fills their GPUs.
        rest: Nodes that hold what such whole nodes leave over.
    """

    whole: I64
    rest: I64


def _fitting_job_flags_on_empty_fleet(workload: Workload, fleet: Fleet) -> Bools:
    """Return which jobs find all they request at once, on one node or on one group of nodes.

    A gang that some node open to it could hold by its GPUs takes one node; a wider one takes
    whole nodes of one group, and one more for what is left over.
    """
    # What no node states binds nothing; the fewer the columns, the fewer are the distinct jobs.
    stated = tuple(name for name in ("cpu_milli", "memory_mib") if getattr(fleet, name).any())
    jobs, row_of_job = _distinct_job_rows_and_row_of_job(workload, (*_KIND, "gpus", *stated))
    gpus = jobs["gpus"]
    takes_one = (jobs["single_node"] == 1) | (gpus == 0)
    held = np.zeros(len(gpus), np.bool_)
    rooms: dict[tuple[int, ...], _GroupRoom] = {}
    for nodes in _node_kinds_of_fleet(fleet):
        usable = _jobs_that_may_use_nodes(workload, jobs, nodes)
        takes_one = takes_one | (usable & (gpus <= nodes.gpus))
        held = held | (
            usable & (gpus <= nodes.gpus) & _cpu_and_memory_fit_node_flags(jobs, nodes, gpus)
        )
        if nodes.gpus:
            whole = usable & _cpu_and_memory_fit_node_flags(
                jobs, nodes, np.full(len(gpus), nodes.gpus)
            )
            rest = usable & _cpu_and_memory_fit_node_flags(jobs, nodes, gpus % nodes.gpus)
            before = rooms.get(nodes.group, _GroupRoom(np.zeros_like(gpus), np.zeros_like(gpus)))
            rooms[nodes.group] = _GroupRoom(
                before.whole + nodes.nodes * whole, before.rest + nodes.nodes * rest
            )
    spans = np.zeros(len(gpus), np.bool_)
    for (_, _, size, _), room in rooms.items():
        count, rest = np.divmod(gpus, size)
        spans |= (room.whole >= count) & ((rest == 0) | (room.rest > count))
    return np.where(takes_one, held, spans)[row_of_job]


def _cpu_and_memory_fit_node_flags(jobs: dict[str, I64], nodes: _NodeKind, gpus: I64) -> Bools:
    """Return whether each job's CPU and memory beside `gpus` of its GPUs fit an idle node."""
    fits = np.ones(len(gpus), np.bool_)
    for column, most in (("cpu_milli", nodes.cpu_milli), ("memory_mib", nodes.memory_mib)):
        if most and column in jobs:
            # By GPU and rounded up on each node, as gangs are placed; a job without GPUs whole.
            share = -(-jobs[column] * gpus // np.maximum(jobs["gpus"], 1))
            fits &= np.where(jobs["gpus"] > 0, share, jobs[column]) <= most
    return fits


def _job_too_large_error(
    workload: Workload, at: int, most: int, column: str, where: str
) -> TraceError:
    limit = {"limit": f"{most:,}"}
    # A gang is told that its nodes must be alike, or it would count all that are open to it.
    wanted = (
        Message("at most {limit}, all that a node open to it holds", limit)
        if workload.single_node[at]
        else Message("at most {limit}, all that equal nodes of one site open to it hold", limit)
    )
    return TraceError(
        job_location_in_trace(workload, at, where, column),
        found=f"{int(getattr(workload, column)[at]):,}",
        wanted=wanted,
        remedy=Message("Add nodes, or leave such jobs out."),
    )


def _job_too_wide_error(workload: Workload, at: int, where: str) -> TraceError:
    amounts = {column: f"{int(getattr(workload, column)[at]):,}" for column in _RESOURCES}
    return TraceError(
        job_location_in_trace(workload, at, where, None),
        found=Message("{gpus} GPUs, {cpu_milli} milli-cores and {memory_mib} MiB", amounts),
        wanted=Message("what one of the nodes open to it holds"),
        remedy=Message("Add nodes, or leave such jobs out."),
    )
