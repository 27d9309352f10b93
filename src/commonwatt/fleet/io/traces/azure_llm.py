"""Azure LLM inference requests, 2023 and 2024.

Schema: github.com/Azure/AzurePublicDataset, AzureLLMInferenceDataset2023.md: `TIMESTAMP`
(invocation), `ContextTokens`, `GeneratedTokens`. A Parquet copy may count `t_us`
microseconds from the first request with `context_tokens` and `generated_tokens`.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from commonwatt.fleet.io.traces.requests import RequestTrace, request_trace_summary
from commonwatt.fleet.io.traces.rows import (
    LATEST_S,
    ReadingGaps,
    trace_instants_ms,
    trace_milliseconds,
    trace_whole_numbers,
)
from commonwatt.fleet.io.traces.source import TraceSource
from commonwatt.fleet.io.traces.tabular import read_trace_rows, trace_column_names

PUBLISHED: Final = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
COUNTED: Final = ("t_us", "context_tokens", "generated_tokens")
MOST_TOKENS: Final = 1_000_000_000


def is_azure_llm_trace(source: TraceSource) -> bool:
    """Return whether the header is one of the two."""
    columns = set(trace_column_names(source))
    return set(PUBLISHED) <= columns or set(COUNTED) <= columns


def read_azure_llm_requests(source: TraceSource, gaps: ReadingGaps) -> RequestTrace:  # noqa: ARG001 - nothing may be left out
    """Return the summary of the requests."""
    is_counted = set(COUNTED) <= set(trace_column_names(source))
    at, prompt, output = COUNTED if is_counted else PUBLISHED
    rows = read_trace_rows(source, (at, prompt, output))
    if is_counted:
        at_ms = trace_milliseconds(rows, at, high_s=LATEST_S, per_second=1e6)
    else:
        at_ms = trace_instants_ms(rows, at)
    tokens = {
        "at_ms": at_ms,
        "prompt_tokens": trace_whole_numbers(rows, prompt, high=MOST_TOKENS),
        "output_tokens": trace_whole_numbers(rows, output, high=MOST_TOKENS),
    }
    return request_trace_summary(pl.DataFrame(tokens))
