"""Requests to language models, summarised: how many, how fast, how long, how much is shared."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import polars as pl

SHARES: Final = (0.5, 0.9, 0.99)
_MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTrace:
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

    def summary_as_dict(self) -> dict[str, object]:
        """Return the summary for `--json`, without the rows."""
        summary = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        summary.pop("frame")
        return summary


def request_trace_summary(request_frame: pl.DataFrame) -> RequestTrace:
    """Return the summary of single requests.

    Args:
        request_frame: A row a request: `at_ms`, `prompt_tokens`, `output_tokens` and, where known,
            `blocks`, the ids of its prompt's prefix blocks.
    """
    request_frame = request_frame.with_columns(pl.col("at_ms") - pl.col("at_ms").min())
    # The span is read off both ends, and not every file is in order of time.
    request_frame = request_frame.sort("at_ms", maintain_order=True)
    span_s = float(request_frame["at_ms"][-1]) / 1000
    return RequestTrace(
        requests=request_frame.height,
        span_s=span_s,
        # Requests of one instant have no rate.
        mean_rps=request_frame.height / span_s if span_s else 0.0,
        peak_rps=_busiest_minute_requests_per_s(request_frame["at_ms"]),
        prompt_tokens=request_token_quantiles(request_frame["prompt_tokens"]),
        output_tokens=request_token_quantiles(request_frame["output_tokens"]),
        shared_block_share=_repeated_prefix_block_share(request_frame["blocks"])
        if "blocks" in request_frame.columns
        else None,
        clients=0,
        frame=request_frame,
    )


def request_token_quantiles(request_tokens: pl.Series) -> dict[float, float]:
    """Return the token counts below which the `SHARES` of requests lie.

    >>> request_token_quantiles(pl.Series([1, 2, 3]))[0.5]
    2.0
    """
    # `lower` is a length that some request really had.
    return {share: float(request_tokens.quantile(share, "lower") or 0) for share in SHARES}


def _busiest_minute_requests_per_s(request_at_ms: pl.Series) -> float:
    minutes = (request_at_ms // _MINUTE_MS).value_counts()
    return float(minutes["count"].cast(pl.Float64).sort()[-1]) / 60


def _repeated_prefix_block_share(prefix_blocks: pl.Series) -> float:
    """Return the share of prefix blocks that came before: 1 - distinct / all."""
    # A prompt without blocks explodes to one null, which is no block.
    all_blocks = prefix_blocks.explode().drop_nulls()
    return 1 - all_blocks.n_unique() / len(all_blocks) if len(all_blocks) else 0.0
