"""Alibaba GPU cluster trace 2023 ("openb"): pods that may share a GPU.

Schema: github.com/hkust-adsl/kubernetes-scheduler-simulator and alibaba/clusterdata,
cluster-trace-gpu-v2023, README: `name`, `cpu_milli`, `memory_mib`, `num_gpu`, `gpu_milli`
[1/1000 GPU of each], `gpu_spec` [GPU types joined by `|`, empty for any], `qos`,
`pod_phase`, `creation_time`, `deletion_time`, `scheduled_time` [s on one clock]. Some
published variants hold the first five columns only, and so no times.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from commonwatt.core.messages import Message
from commonwatt.fleet.io.traces.draft import DraftWorkload
from commonwatt.fleet.io.traces.rows import (
    LATEST_S,
    ReadingGaps,
    TraceRows,
    check_trace_rows,
    trace_milliseconds,
    trace_text_column,
    trace_whole_numbers,
)
from commonwatt.fleet.io.traces.source import TraceSource
from commonwatt.fleet.io.traces.tabular import check_trace_columns, read_trace_rows

COLUMNS: Final = ("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
TIMES: Final = ("creation_time", "deletion_time")
_MOST_MILLI: Final = 1_000_000_000
_MOST_MIB: Final = 1 << 40


def read_openb_pods(source: TraceSource, gaps: ReadingGaps) -> DraftWorkload:
    """Return the pods of an openb list; a pod's GPUs share one node."""
    rows = read_trace_rows(source, COLUMNS)
    timed = any(rows.has_column(name) for name in TIMES)
    columns = (
        _pod_time_columns(source, rows, gaps) if timed else _absent_pod_times_as_zeros(rows, gaps)
    ) | _pod_size_columns(rows)
    columns["job_id"] = trace_text_column(rows, "name")
    if rows.has_column("gpu_spec"):
        columns["gpu_types"] = trace_text_column(rows, "gpu_spec", missing="")
    if rows.has_column("qos"):
        columns["group"] = trace_text_column(rows, "qos", missing="unknown")
    frame = pl.DataFrame(columns).with_columns(single_node=True)
    return DraftWorkload(frame, "openb", "the start of the trace")


def _pod_size_columns(rows: TraceRows) -> dict[str, pl.Series]:
    gpus = trace_whole_numbers(rows, "num_gpu", high=1024)
    share = trace_whole_numbers(rows, "gpu_milli", high=1000)
    check_trace_rows(
        rows, "gpu_milli", (gpus > 0) & (share < 1), Message("a share from 1 to 1,000")
    )
    whole_gpus = Message("1,000, because pods of several GPUs take whole ones")
    check_trace_rows(rows, "gpu_milli", (gpus > 1) & (share != 1000), whole_gpus)
    return {
        "gpus": gpus,
        # CPU pods carry a share of 0. With no GPU a whole share holds nothing either, and only
        # traces whose shares are all whole take the compiled simulator.
        "gpu_milli": share.set(gpus == 0, 1000),
        "cpu_milli": trace_whole_numbers(rows, "cpu_milli", high=_MOST_MILLI),
        "memory_mib": trace_whole_numbers(rows, "memory_mib", high=_MOST_MIB),
    }


def _pod_time_columns(
    source: TraceSource, rows: TraceRows, gaps: ReadingGaps
) -> dict[str, pl.Series]:
    check_trace_columns(source, rows.frame.columns, TIMES)
    created = trace_milliseconds(rows, "creation_time", high_s=LATEST_S)
    deleted = trace_milliseconds(rows, "deletion_time", high_s=LATEST_S)
    check_trace_rows(
        rows, "deletion_time", deleted < created, Message("a time at or after creation_time")
    )
    # The lists without `scheduled_time` say only when a pod was there, so that it ran from
    # creation.
    started = created
    if rows.has_column("scheduled_time"):
        started = _pod_start_ms(rows, created, gaps)
    later = Message("a time from creation_time to deletion_time")
    check_trace_rows(rows, "scheduled_time", (started < created) | (started > deleted), later)
    return {"submit_ms": created, "runtime_ms": deleted - started}


def _pod_start_ms(rows: TraceRows, created: pl.Series, gaps: ReadingGaps) -> pl.Series:
    """Return when each pod was bound; a pod that never was counts from its creation."""
    never = trace_text_column(rows, "scheduled_time", missing="") == ""
    reason = Message("the pod was never scheduled; it counts from its creation")
    gaps.count_filled_rows_or_refuse_if_strict(rows, never, reason)
    started = trace_milliseconds(rows, "scheduled_time", high_s=LATEST_S, missing=0)
    return started.zip_with(~never, created)


def _absent_pod_times_as_zeros(rows: TraceRows, gaps: ReadingGaps) -> dict[str, pl.Series]:
    gaps.add_trace_reading_note(
        Message("The list holds no times; all pods are submitted at once and run for no time.")
    )
    zeros = pl.zeros(len(rows), dtype=pl.Int64, eager=True)
    return {"submit_ms": zeros, "runtime_ms": zeros}
