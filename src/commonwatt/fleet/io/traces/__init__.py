"""Workload traces in, jobs as columns out: one reader for each published format.

A reader refuses what it cannot understand with the file, the row and the column,
counts what its format's own documentation lets it leave out, and guesses nothing.
`read_trace` finds the format by content; the modules below each describe one.
"""

from commonwatt.fleet.io.traces.fits import can_fit, check_fits
from commonwatt.fleet.io.traces.read import TraceRead, TracesRead, read_trace, read_traces
from commonwatt.fleet.io.traces.registry import FORMATS
from commonwatt.fleet.io.traces.requests import Requests
from commonwatt.fleet.io.traces.rows import Gap

__all__ = [
    "FORMATS",
    "Gap",
    "Requests",
    "TraceRead",
    "TracesRead",
    "can_fit",
    "check_fits",
    "read_trace",
    "read_traces",
]
