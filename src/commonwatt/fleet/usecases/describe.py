"""What a trace holds, before anything is simulated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from commonwatt.fleet.domain.workload import Workload
from commonwatt.fleet.io.traces import TraceRead, read_trace

Row = dict[str, Any]


def read_traces_to_describe(
    paths: Sequence[Path],
    *,
    format: str | None = None,  # noqa: A002
    mapping: Path | None = None,
    strict: bool = False,
) -> list[TraceRead]:
    """Return each trace as it was read, jobs or requests."""
    return [read_trace(path, format=format, mapping=mapping, strict=strict) for path in paths]


def trace_description(trace_read: TraceRead) -> Row:
    """Return a trace's summary for `--json`."""
    summary: Row = trace_read.trace_as_dict()
    if trace_read.jobs is not None:
        summary |= {"summary": job_trace_summary(trace_read.jobs)}
    return summary


def job_trace_summary(job_trace: Workload) -> Row:
    """Return demand, span and names of a trace of jobs.

    `mean_demand_gpus` is GPU time requested over the span from first to last submission.
    """
    demand = job_trace.gpu_demand_milli_by_job() / 1000
    seconds = job_trace.runtime_ms / 1000
    span_s = float(job_trace.submit_ms[-1] - job_trace.submit_ms[0]) / 1000
    gpu_hours = float((demand * seconds).sum()) / 3600
    return {
        "origin": job_trace.origin,
        "span_s": span_s,
        "gpu_hours": gpu_hours,
        # Demand as it was requested, whatever a cluster then served: what a fleet would have to be
        # sized by.
        "mean_demand_gpus": gpu_hours * 3600 / span_s if span_s else None,
        "largest_gang_gpus": int(job_trace.gpus.max()),
        "fractional_jobs": int(((job_trace.gpu_milli < 1000) & (job_trace.gpus > 0)).sum()),
        "cpu_jobs": int((job_trace.gpus == 0).sum()),
        "median_runtime_s": float(np.median(seconds)),
        "tenants": len(job_trace.tenant_names),
        "gpu_types": list(job_trace.gpu_type_names),
    }
