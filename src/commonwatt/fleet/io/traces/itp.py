"""Microsoft ITP training jobs (ElasticFlow's raw traces): one CSV a cluster, or all as one table.

Schema: github.com/microsoft/elasticflow-traces, README, "Schema for raw-traces": `job_id`,
`submission_time` [s from the start of collection], `duration` [s], `num_gpu`. A joined
table names the cluster of each job in `cluster`; single files hold none.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from commonwatt.core.messages import Message
from commonwatt.fleet.io.traces.draft import DraftWorkload
from commonwatt.fleet.io.traces.rows import (
    LATEST_S,
    MOST_GPUS,
    ReadingGaps,
    trace_milliseconds,
    trace_text_column,
    trace_whole_numbers,
)
from commonwatt.fleet.io.traces.source import TraceSource
from commonwatt.fleet.io.traces.tabular import read_trace_rows

COLUMNS: Final = ("submission_time", "duration", "num_gpu")


def read_itp_jobs(source: TraceSource, gaps: ReadingGaps) -> DraftWorkload:
    """Return the jobs of an ITP table; clusters become tenants."""
    rows = read_trace_rows(source, COLUMNS)
    columns = {
        "submit_ms": trace_milliseconds(rows, "submission_time", high_s=LATEST_S),
        "runtime_ms": trace_milliseconds(rows, "duration"),
        "gpus": trace_whole_numbers(rows, "num_gpu", low=1, high=MOST_GPUS),
        "job_id": trace_text_column(rows, "job_id")
        if rows.has_column("job_id")
        else rows.row.cast(pl.String),
    }
    if rows.has_column("cluster"):
        columns["tenant"] = trace_text_column(rows, "cluster")
    else:
        gaps.add_trace_reading_note(
            Message("The table names no cluster; all its jobs belong to one tenant.")
        )
    return DraftWorkload(pl.DataFrame(columns), "itp", "the start of collection")
