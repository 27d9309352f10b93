"""ServeGen: request rates of single clients of Alibaba Model Studio, in windows of 600 s.

Schema: github.com/alibaba/ServeGen, servegen/clientpool.py and data/: `chunk-N-trace.csv` has no
header and the fields window start [s], rate [1/s], coefficient of variation, arrival family and its
two parameters, and N is the client. A joined Parquet copy names them `client`, `t_s`, `rate_rps`,
`cv`, `dist`, `p0`, `p1`. Windows without requests have rate 0 or are left out.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from commonwatt.core.messages import Message
from commonwatt.fleet.io.traces.requests import RequestTrace
from commonwatt.fleet.io.traces.rows import (
    LATEST_S,
    ReadingGaps,
    TraceRows,
    trace_finite_numbers,
    trace_milliseconds,
    trace_whole_numbers,
)
from commonwatt.fleet.io.traces.source import TraceSource
from commonwatt.fleet.io.traces.tabular import (
    TableBody,
    first_trace_line,
    read_trace_rows,
    split_trace_rows,
    trace_column_names,
)

JOINED: Final = ("client", "t_s", "rate_rps")
FIELDS: Final = ("t_s", "rate_rps", "cv", "dist", "p0", "p1")
WINDOW_S: Final = 600
_ROW: Final = r"\d+,[\d.eE+-]+,[\d.eE+-]+,[A-Za-z]*,[\d.eE+-]*,[\d.eE+-]*"


def is_servegen_trace(source: TraceSource) -> bool:
    """Return whether it is a joined table or a headerless one of single windows."""
    if set(JOINED) <= set(trace_column_names(source)):
        return True
    return not source.is_parquet and re.fullmatch(_ROW, first_trace_line(source)) is not None


def read_servegen_rates(source: TraceSource, gaps: ReadingGaps) -> RequestTrace:
    """Return the summary of the rates."""
    is_joined = set(JOINED) <= set(trace_column_names(source))
    if is_joined:
        rows = read_trace_rows(source, JOINED)
    else:
        rows = split_trace_rows(TableBody(source, source.data, 1, list(FIELDS), ",", quote=False))
    gaps.add_trace_reading_note(
        Message("The trace holds rates, not single requests; counts are rate times 600 s.")
    )
    return _request_rate_summary(rows)


def _request_rate_summary(rows: TraceRows) -> RequestTrace:
    columns = {
        "at_ms": trace_milliseconds(rows, "t_s", high_s=LATEST_S),
        "rate_rps": trace_finite_numbers(rows, "rate_rps", high=1e9),
    }
    if rows.has_column("client"):
        columns["client"] = trace_whole_numbers(rows, "client", high=1_000_000_000)
    frame = pl.DataFrame(columns)
    # Sorted before they are added: a group's rows come in no fixed order, and with it a sum of
    # floats changes in its last digits.
    windows = frame.group_by("at_ms").agg(pl.col("rate_rps").sort().sum()).sort("at_ms")
    # The last window lasts as long as the others.
    span_s = float(windows["at_ms"][-1] - windows["at_ms"][0]) / 1000 + WINDOW_S
    requests = float(windows["rate_rps"].sum()) * WINDOW_S
    return RequestTrace(
        requests=requests,
        span_s=span_s,
        mean_rps=requests / span_s,
        peak_rps=float(windows["rate_rps"].sort()[-1]),
        prompt_tokens={},
        output_tokens={},
        shared_block_share=None,
        clients=frame["client"].n_unique() if "client" in columns else 1,
        frame=frame,
    )
