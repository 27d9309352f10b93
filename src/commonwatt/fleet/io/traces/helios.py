"""SenseTime Helios job logs (`cluster_log.csv`), four clusters, April to September 2020.

Schema: github.com/S-Lab-System-Group/HeliosData, README, "cluster_log.csv": `job_id`, `user`,
`vc`, `gpu_num`, `cpu_num`, `node_num`, `state`, `submit_time`, `start_time`, `end_time` [local
wall clock], `duration` [s, end - start], `queue` [s, start - submit].
"""

from __future__ import annotations

from typing import Final

import polars as pl

from commonwatt.core.messages import Message
from commonwatt.fleet.io.traces.draft import Draft
from commonwatt.fleet.io.traces.joblog import ran, spans
from commonwatt.fleet.io.traces.rows import MOST_GPUS, Gaps, text, whole
from commonwatt.fleet.io.traces.source import Source
from commonwatt.fleet.io.traces.tabular import read_rows

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


def read(source: Source, gaps: Gaps) -> Draft:
    """Return the jobs of a Helios log; virtual clusters become tenants."""
    rows = ran(read_rows(source, COLUMNS), gaps, "start_time", "end_time")
    columns = spans(rows, "submit_time", "start_time", "end_time") | {
        "job_id": text(rows, "job_id"),
        "gpus": whole(rows, "gpu_num", high=MOST_GPUS),
        "cpu_milli": whole(rows, "cpu_num", high=1_000_000) * 1000,
        "tenant": text(rows, "vc"),
        "user": text(rows, "user", missing="unknown"),
    }
    if rows.has("jobname"):
        columns["group"] = text(rows, "jobname", missing="unknown")
    gaps.note(Message("Times are kept on the cluster's own wall clock."))
    return Draft(pl.DataFrame(columns), "local", "(the cluster's wall clock)")
