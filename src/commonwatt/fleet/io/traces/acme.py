"""Shanghai AI Lab Acme job logs (`trace_seren.csv`, `trace_kalos.csv`), March to August 2023.

Schema: github.com/InternLM/AcmeTrace, README, "Job Trace": `job_id`, `user`, `node_num`, `gpu_num`,
`cpu_num`, `type`, `state`, `submit_time`, `start_time`, `end_time` [with offset from UTC],
`duration`, `queue` [s], `gpu_time` [GPU-seconds]; Kalos adds `mem_per_pod_GB` and others. The
README's own Kalos rows have `duration` counted from submission against its note, so the
run time here is `end_time` less `start_time` in both.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from commonwatt.fleet.io.traces.draft import DraftWorkload
from commonwatt.fleet.io.traces.joblog import (
    finished_job_rows,
    is_instant_column_zoned,
    submit_and_runtime_ms_columns,
)
from commonwatt.fleet.io.traces.rows import (
    MOST_GPUS,
    ReadingGaps,
    TraceRows,
    trace_finite_numbers,
    trace_text_column,
    trace_whole_numbers,
)
from commonwatt.fleet.io.traces.source import TraceSource
from commonwatt.fleet.io.traces.tabular import read_trace_rows

COLUMNS: Final = (
    "job_id",
    "user",
    "node_num",
    "gpu_num",
    "cpu_num",
    "type",
    "submit_time",
    "start_time",
    "end_time",
)
_MIB_PER_GB: Final = 1e9 / (1 << 20)


def read_acme_jobs(source: TraceSource, gaps: ReadingGaps) -> DraftWorkload:
    """Return the jobs of an Acme log; kinds of work become groups."""
    rows = finished_job_rows(read_trace_rows(source, COLUMNS), gaps, "start_time", "end_time")
    columns = submit_and_runtime_ms_columns(rows, "submit_time", "start_time", "end_time") | {
        "job_id": trace_text_column(rows, "job_id"),
        "gpus": trace_whole_numbers(rows, "gpu_num", high=MOST_GPUS),
        "cpu_milli": (trace_finite_numbers(rows, "cpu_num", high=1e6) * 1000)
        .round()
        .cast(pl.Int64),
        "user": trace_text_column(rows, "user", missing="unknown"),
        "group": trace_text_column(rows, "type", missing="unknown"),
    }
    if rows.has_column("mem_per_pod_GB"):
        columns["memory_mib"] = _acme_job_memory_mib(rows)
    # With an offset the instants are UTC's and may stand beside other traces; without one they are
    # a wall clock, which `--clock start` alone can bring together with another.
    zoned = len(rows) > 0 and is_instant_column_zoned(rows, "submit_time")
    return DraftWorkload(pl.DataFrame(columns), "utc" if zoned else "local")


def _acme_job_memory_mib(rows: TraceRows) -> pl.Series:
    """Return the memory of all pods, one on each node [MiB]."""
    per_pod_gb = trace_finite_numbers(rows, "mem_per_pod_GB", high=1e6, missing=0)
    nodes = trace_whole_numbers(rows, "node_num", high=MOST_GPUS)
    return (per_pod_gb * nodes * _MIB_PER_GB).round().cast(pl.Int64)
