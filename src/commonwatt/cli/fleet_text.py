"""What a person reads in the terminal after a fleet command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from commonwatt.core.messages import Message

if TYPE_CHECKING:
    import polars as pl


def duration(seconds: float) -> str:
    """Return a length of time as people say it.

    >>> duration(42), duration(5400), duration(200000)
    ('42 s', '1.5 h', '2.3 d')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} d"


def simulation_text(data: Mapping[str, Any], language: str) -> str:
    """Return the headline figures of a simulation."""
    rows = [
        (Message("Policy"), data["policy"]),
        (Message("Jobs finished"), f"{data['jobs_finished']:,} / {data['jobs']:,}"),
        (Message("GPUs"), f"{data['gpus']:,}"),
        (Message("Utilisation, first to last arrival"), f"{data['utilisation_share']:.1%}"),
        (Message("Utilisation, makespan"), f"{data['makespan_utilisation_share']:.1%}"),
        (Message("Queue delay, mean"), duration(data["mean_queue_delay_s"])),
        (Message("Queue delay, 95th percentile"), duration(data["p95_queue_delay_s"])),
        (Message("Job completion time, mean"), duration(data["mean_jct_s"])),
        (Message("Idle while jobs waited"), f"{data['fragmented_gpu_share']:.1%}"),
        (Message("Energy, overhead included"), f"{data['energy_kwh'] / 1000:,.1f} MWh"),
        (Message("Engine"), f"{data['jobs_per_cpu_s']:,.0f} jobs/CPU-s"),
        (Message("Result"), data["result_sha256"][:16]),
    ]
    return _aligned_facts(rows, language)


def describe_text(data: Sequence[Mapping[str, Any]], language: str) -> str:
    """Return what each trace holds."""
    return "\n\n".join(_aligned_facts(_trace_facts(trace), language) for trace in data)


def _trace_facts(trace: Mapping[str, Any]) -> list[tuple[Message, str]]:
    rows = [(Message("Trace"), trace["path"]), (Message("Format"), trace["format"])]
    if trace["requests"] is not None:
        return rows + _request_facts(trace["requests"])
    summary = trace["summary"]
    mean = summary["mean_demand_gpus"]
    return [
        *rows,
        (Message("Jobs"), f"{trace['jobs']:,}"),
        (Message("Origin"), summary["origin"]),
        (Message("Span"), duration(summary["span_s"])),
        (Message("GPU-hours"), f"{summary['gpu_hours']:,.0f}"),
        (Message("Demand, mean"), "–" if mean is None else f"{mean:,.1f} GPU"),
        (Message("Largest gang"), f"{summary['largest_gang_gpus']:,} GPU"),
        (Message("Tenants"), f"{summary['tenants']:,}"),
    ]


def _request_facts(requests: Mapping[str, Any]) -> list[tuple[Message, str]]:
    tokens = {key: requests[f"{key}_tokens"] for key in ("prompt", "output")}
    quantiles = {
        k: " / ".join(f"{v:,.0f}" for v in by_share.values()) for k, by_share in tokens.items()
    }
    shared = requests["shared_block_share"]
    return [
        (Message("Requests"), f"{requests['requests']:,.0f}"),
        (Message("Span"), duration(requests["span_s"])),
        (Message("Requests a second, mean"), f"{requests['mean_rps']:,.2f}"),
        (Message("Requests a second, peak"), f"{requests['peak_rps']:,.2f}"),
        (Message("Prompt tokens, p50 / p90 / p99"), quantiles["prompt"] or "–"),
        (Message("Output tokens, p50 / p90 / p99"), quantiles["output"] or "–"),
        (Message("Prefix blocks seen before"), "–" if shared is None else f"{shared:.1%}"),
    ]


def packing_text(data: Mapping[str, Any], language: str) -> str:
    """Return the headline figures of an arrived-load run."""
    rows = [
        (Message("Policy"), data["policy"]),
        (Message("Jobs placed"), f"{data['jobs_placed']:,} / {data['jobs']:,}"),
        (Message("GPUs"), f"{data['gpus']:,}"),
        (Message("Arrived load"), f"{data['arrived_gpu_share']:.1%}"),
        (Message("Unallocated GPU share"), f"{data['unallocated_gpu_share']:.2%}"),
        (Message("Fragmented GPU share"), f"{data['fragmented_gpu_share']:.2%}"),
        (Message("Engine"), f"{data['jobs_per_cpu_s']:,.0f} jobs/CPU-s"),
        (Message("Result"), data["result_sha256"][:16]),
    ]
    return _aligned_facts(rows, language)


def comparison_text(rows: pl.DataFrame, language: str) -> str:
    """Return a comparison of policies as a table."""
    headings = (
        Message("Policy"),
        Message("Utilisation"),
        Message("Queue, mean"),
        Message("Queue, p95"),
        Message("JCT, mean"),
        Message("Preempted"),
    )
    lines = [
        (
            row["policy"],
            f"{row['utilisation_share']:.1%}",
            duration(row["mean_queue_delay_s"]),
            duration(row["p95_queue_delay_s"]),
            duration(row["mean_jct_s"]),
            f"{row['preemptions']:,}",
        )
        for row in rows.iter_rows(named=True)
    ]
    return grid([heading.translate(language) for heading in headings], lines)


def sweep_text(rows: pl.DataFrame, axes: Sequence[str], language: str) -> str:
    """Return a sweep as a table: its axes and the main figures that it has."""
    figures = {
        "utilisation_share": Message("Utilisation"),
        "mean_queue_delay_s": Message("Queue, mean [s]"),
        "p95_queue_delay_s": Message("Queue, p95 [s]"),
        "unallocated_gpu_share": Message("Unallocated"),
    }
    present = {
        name: text for name, text in figures.items() if rows[name].null_count() < rows.height
    }
    headings = [*axes, *(text.translate(language) for text in present.values())]
    lines = [
        (*(str(row[axis]) for axis in axes), *(_figure_or_dash(row[name]) for name in present))
        for row in rows.iter_rows(named=True)
    ]
    return grid(headings, lines)


def explanation_text(data: Mapping[str, Any], language: str) -> str:
    """Return why a job waited, in sentences."""
    return "\n".join(data["sentences"][language])


def grid(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table in columns, the first flush left and the others flush right.

    >>> print(grid(["a", "b"], [["x", "10"], ["yy", "2"]]))
    a    b
    x   10
    yy   2
    """
    table = [headings, *lines]
    widths = [max(_width(row[i]) for row in table) for i in range(len(headings))]
    return "\n".join(_aligned_row(row, widths) for row in table)


def _aligned_row(row: Sequence[str], widths: Sequence[int]) -> str:
    first = row[0] + " " * (widths[0] - _width(row[0]))
    pairs = zip(row[1:], widths[1:], strict=True)
    return "  ".join([first, *(" " * (width - _width(text)) + text for text, width in pairs)])


def _width(text: str) -> int:
    """Return how many columns of a terminal `text` takes; Chinese signs take two."""
    return sum(2 if ord(sign) > 0x2E7F else 1 for sign in text)


def _aligned_facts(rows: Sequence[tuple[Message, str]], language: str) -> str:
    labels = [label.translate(language) for label, _ in rows]
    width = max(map(_width, labels))
    pairs = zip(labels, rows, strict=True)
    return "\n".join(f"{label}{' ' * (width - _width(label))}  {row[1]}" for label, row in pairs)


def _figure_or_dash(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,.4f}" if abs(value) < 10 else f"{value:,.0f}"
