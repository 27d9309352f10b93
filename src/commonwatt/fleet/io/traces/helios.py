"""SenseTime Helios job logs (`cluster_log.csv`), four clusters, April to September 2020.

Schema: github.com/S-Lab-System-Group/HeliosData, README, "cluster_log.csv": `job_id`, `user`,
`vc`, `gpu_num`, `cpu_num`, `node_num`, `state`, `submit_time`, `start_time`, `end_time` [local
wall clock], `duration` [s, end - start], `queue` [s, start - submit].
"""

from __future__ import annotations

from typing import Final

import polars as pl

from commonwatt.core.messages import Message
from commonwatt.fleet.io.traces.draft import DraftWorkload
from commonwatt.fleet.io.traces.joblog import finished_job_rows, submit_and_runtime_ms_columns
from commonwatt.fleet.io.traces.rows import (
    MOST_GPUS,
    ReadingGaps,
    trace_text_column,
    trace_whole_numbers,
)
from commonwatt.fleet.io.traces.source import TraceSource
from commonwatt.fleet.io.traces.tabular import read_trace_rows

COLUMNS: Final = (
    "job_id",
    "user",
    "vc",
    "gpu_num",
    "cpu_num",
    "submit_time",
    "start_time",
    "end_time",
)


def read_helios_jobs(source: TraceSource, gaps: ReadingGaps) -> DraftWorkload:
    """Return the jobs of a Helios log; virtual clusters become tenants."""
    rows = finished_job_rows(read_trace_rows(source, COLUMNS), gaps, "start_time", "end_time")
    columns = submit_and_runtime_ms_columns(rows, "submit_time", "start_time", "end_time") | {
        "job_id": trace_text_column(rows, "job_id"),
        "gpus": trace_whole_numbers(rows, "gpu_num", high=MOST_GPUS),
        "cpu_milli": trace_whole_numbers(rows, "cpu_num", high=1_000_000) * 1000,
        "tenant": trace_text_column(rows, "vc"),
        "user": trace_text_column(rows, "user", missing="unknown"),
    }
    if rows.has_column("jobname"):
        columns["group"] = trace_text_column(rows, "jobname", missing="unknown")
    gaps.add_trace_reading_note(Message("Times are kept on the cluster's own wall clock."))
    return DraftWorkload(pl.DataFrame(columns), "local", "(the cluster's wall clock)")
