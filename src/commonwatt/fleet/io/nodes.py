"""Node lists in, a fleet out: a plain CSV of ours, openb's nodes, and nodes by tenant.

Schemas: openb nodes as its README has them (`sn`, `cpu_milli`, `memory_mib`, `gpu`, `model`).
The plain list is ours: `gpus` and, where known, `node`, `count`, `gpu_type`, `site`,
`cpu_milli`, `memory_mib`, `tenant`. Nodes by tenant: `tenant,nodes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from commonwatt.core.errors import InputError, NodesError, table_cell_location_text
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.machines import (
    SHARED,
    SINGLE_SITE,
    UNNAMED_GPU,
    Fleet,
    GpuType,
    Site,
    uniform_fleet,
)
from commonwatt.fleet.domain.workload import I32, I64
from commonwatt.fleet.io.traces.draft import job_names_and_codes
from commonwatt.fleet.io.traces.rows import (
    TraceRows,
    check_trace_rows,
    trace_text_column,
    trace_whole_numbers,
)
from commonwatt.fleet.io.traces.source import TraceSource, open_trace_source
from commonwatt.fleet.io.traces.tabular import (
    read_trace_rows,
    trace_column_names,
    trace_column_names_text_for_messages,
)

OPENB: Final = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
PLAIN: Final = ("gpus",)
POOLS: Final = ("tenant", "nodes")
# Far above any fleet: a count beyond it is a slipped column, and would fill the memory with nodes.
MOST_NODES: Final = 1_000_000
_MOST_GPUS: Final = 1024
_MOST_MILLI: Final = 1_000_000_000
_MOST_MIB: Final = 1 << 40
NO_GPU: Final = GpuType(name="none", idle_w=0.0, busy_w=0.0, source="a node without GPUs")


def read_node_list(
    path: Path,
    *,
    gpu_types: Mapping[str, GpuType] | None = None,
    sites: Sequence[Site] = (),
    tenants: Sequence[str] = (),
) -> Fleet:
    """Return the fleet in a node list: openb's, or a plain one with a `gpus` column.

    Args:
        path: CSV or Parquet; `.gz` and `.zst` are unpacked.
        gpu_types: Draw of each type by name; an unlisted one draws as `UNNAMED_GPU`.
        sites: The sites that a `site` column may name; one unnamed site where not given.
        tenants: The tenants that a `tenant` column may name, in the workload's order.

    Raises:
        InputError: The file cannot be read, or is no node list.
        NodesError: A row holds a bad value.
    """
    source = open_trace_source(path, NodesError)
    columns = set(trace_column_names(source))
    if set(OPENB) <= columns:
        rows = _openb_node_rows_renamed(read_trace_rows(source, OPENB))
    # openb calls its GPUs `gpu`, so that no list is of both kinds.
    elif set(PLAIN) <= columns:
        rows = read_trace_rows(source, PLAIN)
    else:
        raise _unknown_node_columns_error(source)
    return _fleet_of_node_rows(rows, gpu_types or {}, tuple(sites) or (SINGLE_SITE,), tenants)


def read_fleet_of_tenant_node_counts(
    path: Path, *, gpus_per_node: int, tenants: Sequence[str]
) -> Fleet:
    """Return a fleet in which each tenant has nodes of its own, from `tenant,nodes` rows.

    Args:
        path: CSV or Parquet with the columns `tenant` and `nodes`.
        gpus_per_node: GPUs on every node.
        tenants: The workload's tenants, in its order; each must have a row.

    Raises:
        NodesError: A tenant is unknown, named twice or missing, or a count is bad.
    """
    rows = read_trace_rows(open_trace_source(path, NodesError), POOLS)
    owner = _name_indices_of_nodes(rows, "tenant", tenants, Message("a tenant of the trace"))
    check_trace_rows(rows, "tenant", ~owner.is_first_distinct(), Message("each tenant once"))
    missing = sorted(set(range(len(tenants))) - set(owner.to_list()))
    if missing:
        actual = Message("no row for {count} tenants of the trace", {"count": str(len(missing))})
        raise NodesError(rows.where, found=actual, wanted=Message("a row for each of its tenants"))
    nodes = trace_whole_numbers(rows, "nodes", high=MOST_NODES).to_numpy()
    fleet = uniform_fleet(int(nodes.sum()), gpus_per_node)
    return replace(fleet, tenant=np.repeat(owner.to_numpy(), nodes).astype(np.int32))


def _openb_node_rows_renamed(rows: TraceRows) -> TraceRows:
    openb_names = {"node": "sn", "gpus": "gpu", "gpu_type": "model"}
    frame = rows.frame.rename({name: plain for plain, name in openb_names.items()})
    return replace(rows, frame=frame, spelled=openb_names)


def _fleet_of_node_rows(
    rows: TraceRows,
    gpu_types: Mapping[str, GpuType],
    sites: tuple[Site, ...],
    tenants: Sequence[str],
) -> Fleet:
    names, _ = job_names_and_codes(_gpu_type_names_of_nodes(rows))
    listed = _node_columns_frame(rows, sites, tenants)
    nodes = listed.select(pl.all().repeat_by("count").explode()).drop("count")
    return Fleet(
        node_id=_trace_node_ids_with_copies(rows, listed["count"]),
        site=_trace_node_column_i32(nodes["site"]),
        gpu_type=_trace_node_column_i32(nodes["gpu_type"]),
        gpus=_trace_node_column_i32(nodes["gpus"]),
        cpu_milli=_trace_node_column_i64(nodes["cpu_milli"]),
        memory_mib=_trace_node_column_i64(nodes["memory_mib"]),
        tenant=_trace_node_column_i32(nodes["tenant"]),
        sites=sites,
        gpu_types=tuple(_gpu_type_named(name, gpu_types) for name in names),
        # A node list says nothing of distances.
        rtt_ms=np.zeros((len(sites), len(sites))),
    )


def _node_columns_frame(
    rows: TraceRows, sites: tuple[Site, ...], tenants: Sequence[str]
) -> pl.DataFrame:
    zeros = pl.zeros(len(rows), dtype=pl.Int64, eager=True)
    _, gpu_type = job_names_and_codes(_gpu_type_names_of_nodes(rows))
    names = [site.name for site in sites]
    has = rows.has_column
    return pl.DataFrame(
        {
            "gpus": trace_whole_numbers(rows, "gpus", high=_MOST_GPUS),
            "gpu_type": gpu_type,
            "count": trace_whole_numbers(rows, "count", low=1, high=MOST_NODES)
            if has("count")
            else zeros + 1,
            "cpu_milli": _node_size_column_or_zeros(rows, "cpu_milli", _MOST_MILLI, zeros),
            "memory_mib": _node_size_column_or_zeros(rows, "memory_mib", _MOST_MIB, zeros),
            "site": _name_indices_of_nodes(rows, "site", names, _SITES) if has("site") else zeros,
            "tenant": _tenant_numbers_of_nodes(rows, tenants) if has("tenant") else zeros + SHARED,
        }
    )


_SITES = Message("a site of the programme")


def _node_size_column_or_zeros(
    rows: TraceRows, column: str, high: int, zeros: pl.Series
) -> pl.Series:
    return (
        trace_whole_numbers(rows, column, high=high, missing=0)
        if rows.has_column(column)
        else zeros
    )


def _gpu_type_names_of_nodes(rows: TraceRows) -> pl.Series:
    """Return the GPU type of each row; a node without GPUs may leave it out."""
    if not rows.has_column("gpu_type"):
        return pl.Series([UNNAMED_GPU.name]).new_from_index(0, len(rows))
    gpus = trace_whole_numbers(rows, "gpus", high=_MOST_GPUS)
    names = trace_text_column(rows, "gpu_type", missing="")
    check_trace_rows(rows, "gpu_type", (names == "") & (gpus > 0), Message("the type of its GPUs"))
    # A node without GPUs may leave the type out; one of its own keeps it out of every GPU type.
    return names.set(gpus == 0, NO_GPU.name)


def _gpu_type_named(name: str, gpu_types: Mapping[str, GpuType]) -> GpuType:
    if name == NO_GPU.name:
        return NO_GPU
    # A type without known draw keeps its name, which jobs are matched by.
    return gpu_types.get(name) or replace(UNNAMED_GPU, name=name)


def _tenant_numbers_of_nodes(rows: TraceRows, tenants: Sequence[str]) -> pl.Series:
    is_shared = trace_text_column(rows, "tenant", missing="") == ""
    named = replace(rows, frame=rows.frame.filter(~is_shared), row=rows.row.filter(~is_shared))
    owner = _name_indices_of_nodes(
        named, "tenant", tenants, Message("a tenant of the trace, or nothing")
    )
    everyone = pl.Series([SHARED], dtype=pl.Int32).new_from_index(0, len(rows))
    return everyone.scatter((~is_shared).arg_true(), owner)


def _name_indices_of_nodes(
    rows: TraceRows, column: str, names: Sequence[str], wanted: Message
) -> pl.Series:
    values = trace_text_column(rows, column)
    index = pl.int_range(len(names), eager=True, dtype=pl.Int32)
    known_names = pl.Series(names, dtype=pl.String)
    indices = values.replace_strict(known_names, index, default=None, return_dtype=pl.Int32)
    check_trace_rows(rows, column, indices.is_null(), wanted)
    return indices


def _trace_node_ids_with_copies(rows: TraceRows, copies_of_nodes: pl.Series) -> tuple[str, ...]:
    if not rows.has_column("node"):
        # Padded, because the arrived-load protocol sorts nodes by name.
        return tuple(f"node-{i:05d}" for i in range(int(copies_of_nodes.sum())))
    names = trace_text_column(rows, "node")
    check_trace_rows(rows, "node", ~names.is_first_distinct(), Message("each node once"))
    pairs = zip(names.to_list(), copies_of_nodes.to_list(), strict=True)
    return tuple(name for node, times in pairs for name in _trace_node_ids_of_copies(node, times))


def _trace_node_ids_of_copies(node: str, times: int) -> list[str]:
    return [node] if times == 1 else [f"{node}-{i:05d}" for i in range(times)]


def _unknown_node_columns_error(source: TraceSource) -> InputError:
    return NodesError(
        table_cell_location_text(source.file_name, None if source.is_parquet else 1),
        found=Message(
            "the columns {names}",
            {"names": trace_column_names_text_for_messages(trace_column_names(source))},
        ),
        wanted=Message("a column gpus, or the columns of an openb node list"),
    )


def _trace_node_column_i32(node_column: pl.Series) -> I32:
    return np.ascontiguousarray(node_column.cast(pl.Int32).to_numpy())


def _trace_node_column_i64(node_column: pl.Series) -> I64:
    return np.ascontiguousarray(node_column.cast(pl.Int64).to_numpy())
