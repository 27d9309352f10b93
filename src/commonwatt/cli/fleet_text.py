"""What a person reads in the terminal after a fleet command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from commonwatt.catalogue.measures import (
    TableColumn,
    measure_cell_text,
    measure_heading,
)
from commonwatt.cli.terminal_text import (
    aligned_terminal_rows_text,
    terminal_figures_text,
    terminal_table_text,
)
from commonwatt.fleet.domain.measures import TOKENS_OF_REQUEST
from commonwatt.fleet.domain.tables import (
    COMPARISON,
    JOB_TRACE_FIGURES,
    PACKING_FIGURES,
    QUEUE_FIGURES,
    REQUEST_TRACE_FIGURES,
    fleet_sweep_schema,
)

if TYPE_CHECKING:
    import polars as pl


def simulation_terminal_text(data: Mapping[str, Any], language: str) -> str:
    """Return the headline figures of a simulation."""
    # The digest is among them: two people see at once whether they ran the same thing.
    names = (
        "policy",
        "jobs",
        "jobs_finished",
        "gpus",
        "utilisation_share",
        "makespan_utilisation_share",
        "mean_queue_delay_s",
        "p95_queue_delay_s",
        "mean_jct_s",
        "fragmented_gpu_share",
        "energy_kwh",
        "jobs_per_cpu_s",
        "result_sha256",
    )
    return _fleet_figures_terminal_text(
        _terminal_figures_with_short_digest(data), QUEUE_FIGURES, names, language
    )


def gpu_packing_terminal_text(data: Mapping[str, Any], language: str) -> str:
    """Return the headline figures of an arrived-load run."""
    names = (
        "policy",
        "jobs",
        "jobs_placed",
        "gpus",
        "arrived_gpu_share",
        "unallocated_gpu_share",
        "fragmented_gpu_share",
        "jobs_per_cpu_s",
        "result_sha256",
    )
    return _fleet_figures_terminal_text(
        _terminal_figures_with_short_digest(data), PACKING_FIGURES, names, language
    )


def described_traces_terminal_text(data: Sequence[Mapping[str, Any]], language: str) -> str:
    """Return what each trace holds."""
    return "\n\n".join(_described_trace_terminal_text(trace, language) for trace in data)


def _described_trace_terminal_text(trace: Mapping[str, Any], language: str) -> str:
    requests = trace["requests"]
    if requests is not None:
        quantiles = {
            name: " / ".join(
                measure_cell_text(tokens, TOKENS_OF_REQUEST, language)
                for tokens in requests[name].values()
            )
            or None
            for name in ("prompt_tokens", "output_tokens")
        }
        figures = {**trace, **requests, **quantiles}
        return _fleet_figures_terminal_text(
            figures, REQUEST_TRACE_FIGURES, REQUEST_TRACE_FIGURES, language
        )
    names = (
        "path",
        "format",
        "jobs",
        "origin",
        "span_s",
        "gpu_hours",
        "mean_demand_gpus",
        "largest_gang_gpus",
        "tenants",
    )
    return _fleet_figures_terminal_text(
        {**trace, **trace["summary"]}, JOB_TRACE_FIGURES, names, language
    )


def policy_comparison_terminal_text(rows: pl.DataFrame, language: str) -> str:
    """Return a comparison of policies as a table."""
    names = (
        "policy",
        "utilisation_share",
        "mean_queue_delay_s",
        "p95_queue_delay_s",
        "mean_jct_s",
        "preemptions",
    )
    columns = [COMPARISON.column(name) for name in names]
    return terminal_table_text(columns, rows.iter_rows(named=True), language, left=(0,))


def fleet_sweep_terminal_text(rows: pl.DataFrame, axes: Sequence[str], language: str) -> str:
    """Return a sweep as a table: its axes and the main figures that it has."""
    schema = fleet_sweep_schema(axes)
    figures = [
        schema.column(name)
        for name in (
            "utilisation_share",
            "mean_queue_delay_s",
            "p95_queue_delay_s",
            "unallocated_gpu_share",
        )
        # Runs at an arrived load have no delays and simulations no unallocated share; an empty
        # column tells nothing.
        if rows[name].null_count() < rows.height
    ]
    # Axes are headed as they were typed and not by their labels, so that a reader can give a
    # row's values to the options again.
    headings = [*axes, *(measure_heading(column, language) for column in figures)]
    lines = [
        [
            *(row[axis] for axis in axes),
            *(measure_cell_text(row[c.name], c, language) for c in figures),
        ]
        for row in rows.iter_rows(named=True)
    ]
    return aligned_terminal_rows_text([headings, *lines])


def job_wait_terminal_text(data: Mapping[str, Any], language: str) -> str:
    """Return why a job waited, in sentences."""
    return "\n".join(data["sentences"][language])


def _fleet_figures_terminal_text(
    figures: Mapping[str, Any],
    columns: Mapping[str, TableColumn],
    names: Iterable[str],
    language: str,
) -> str:
    """Return figures one below the other, their values flush."""
    return terminal_figures_text(((columns[name], figures[name]) for name in names), language)


def _terminal_figures_with_short_digest(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures with as much of the digest as eyes compare."""
    return {**data, "result_sha256": data["result_sha256"][:16]}
