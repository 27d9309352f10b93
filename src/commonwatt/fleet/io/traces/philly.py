"""Microsoft Philly jobs, the cleaned table that several simulators carry.

Schema: README of the copy in github.com/gudiandian/ElasticFlow (pollux traces, philly.csv):
`timestamp` [submission, Pacific wall clock without a zone], `duration` [s of running],
`num_gpus`, `gpu_time` [GPU-seconds used, retries included], `vc` [virtual cluster].
The clock is kept as it reads, so the hour when summer time ends is there twice.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from commonwatt.core.messages import Message
from commonwatt.fleet.io.traces.draft import DraftWorkload
from commonwatt.fleet.io.traces.rows import (
    MOST_GPUS,
    ReadingGaps,
    trace_instants_ms,
    trace_milliseconds,
    trace_text_column,
    trace_whole_numbers,
)
from commonwatt.fleet.io.traces.source import TraceSource
from commonwatt.fleet.io.traces.tabular import read_trace_rows

COLUMNS: Final = ("timestamp", "duration", "num_gpus", "vc")


def read_philly_jobs(source: TraceSource, gaps: ReadingGaps) -> DraftWorkload:
    """Return the jobs of a cleaned Philly table; virtual clusters become tenants."""
    rows = read_trace_rows(source, COLUMNS)
    frame = pl.DataFrame(
        {
            "submit_ms": trace_instants_ms(rows, "timestamp"),
            "runtime_ms": trace_milliseconds(rows, "duration"),
            "gpus": trace_whole_numbers(rows, "num_gpus", low=1, high=MOST_GPUS),
            "tenant": trace_text_column(rows, "vc"),
            # The table names no job; its row is the one name that a reader can look up in the file.
            "job_id": rows.row.cast(pl.String),
        }
    )
    gaps.add_trace_reading_note(Message("Times are kept on the file's own Pacific wall clock."))
    return DraftWorkload(frame, "local", "(Pacific wall clock)")
