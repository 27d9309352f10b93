"""Workload traces in, jobs as columns out: one reader for each published format.

A reader refuses what it cannot understand with the file, the row and the column,
counts what its format's own documentation lets it leave out, and guesses nothing.
`read_trace` finds the format by content; the modules below each describe one.
"""

from commonwatt.fleet.io.traces.fits import (
    check_jobs_fit_fleet,
    job_location_in_trace,
    jobs_that_fit_fleet,
)
from commonwatt.fleet.io.traces.read import TraceRead, TracesRead, read_trace, read_traces
from commonwatt.fleet.io.traces.registry import FORMATS
from commonwatt.fleet.io.traces.requests import RequestTrace
from commonwatt.fleet.io.traces.rows import SkippedRows

__all__ = [
    "FORMATS",
    "RequestTrace",
    "SkippedRows",
    "TraceRead",
    "TracesRead",
    "check_jobs_fit_fleet",
    "job_location_in_trace",
    "jobs_that_fit_fleet",
    "read_trace",
    "read_traces",
]
