"""Requests to language models, summarised: how many, how fast, how long, how much is shared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

SHARES: Final = (0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """What a request trace holds.

    Args:
        requests: Number of requests, a rate times its window where only rates are known.
        span_s: First to last request, or the windows covered [s].
        mean_rps: Requests over the span [1/s].
        peak_rps: The busiest minute, or window, of the trace [1/s].
        prompt_tokens: Quantiles of prompt length by share, e.g. `{0.5: 1020}`.
        output_tokens: Quantiles of output length by share.
        shared_block_share: Prefix blocks that an earlier request brought already, over all.
        clients: Distinct clients, 0 where the trace names none.
        frame: The rows, times in `at_ms` from the first.
    """

    requests: float
    span_s: float
    mean_rps: float
    peak_rps: float
    prompt_tokens: dict[float, float]
    output_tokens: dict[float, float]
    shared_block_share: float | None
    clients: int
    frame: pl.DataFrame
