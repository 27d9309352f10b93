"""Which tables the fleet writes, and the figures of a run by their names in `--json`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from commonwatt.catalogue.measures import TableColumn
from commonwatt.catalogue.shared import (
    CARBON,
    DAY,
    ENERGY,
    GPU_HOURS,
    GPUS,
    POWER_BILL,
    QUEUE_DELAY_MEAN,
    SITE,
    TENANT,
    UTILISATION,
)
from commonwatt.catalogue.tables import TableSchema
from commonwatt.fleet.domain import measures as of

JOBS: Final = TableSchema(
    "fleet_jobs",
    "What became of every job.",
    (
        TableColumn.of(of.JOB_NAME, "job_id"),
        TableColumn.of(TENANT),
        TableColumn.of(GPUS, meaning="GPUs of the gang"),
        TableColumn.of(of.GPU_SHARE, "gpu_milli", kind="count"),
        TableColumn.of(of.SUBMITTED, "submit_s"),
        TableColumn.of(of.FIRST_START, "start_s"),
        TableColumn.of(of.JOB_END, "end_s"),
        TableColumn.of(of.QUEUE_DELAY, "queue_delay_s"),
        TableColumn.of(of.PENDING, "pending_s"),
        TableColumn.of(of.JOB_STATE, "state"),
        TableColumn.of(of.PREEMPTIONS),
        TableColumn.of(SITE, meaning="Where it ran, each site once; empty where it never started"),
    ),
)
USE: Final = TableSchema(
    "fleet_use",
    "GPUs allocated by site over time, each the exact mean of its bin.",
    (
        TableColumn.of(DAY, meaning="Start of the bin, from the first submission"),
        TableColumn.of(SITE),
        TableColumn.of(of.SITE_RANK, "rank"),
        TableColumn.of(of.ALLOCATED_GPUS, kind="number"),
        TableColumn.of(of.SITE_GPUS, "available_gpus", kind="number"),
    ),
)
QUEUE: Final = TableSchema(
    "fleet_queue",
    "The queue over time, each value the exact mean of its bin.",
    (
        TableColumn.of(DAY, meaning="Start of the bin, from the first submission"),
        TableColumn.of(of.WAITING_JOBS),
        TableColumn.of(of.WAITING_GPUS, kind="number"),
    ),
)
TENANTS: Final = TableSchema(
    "fleet_tenants",
    "Service by tenant.",
    (
        TableColumn.of(TENANT),
        TableColumn.of(of.JOBS_SUBMITTED, "jobs"),
        TableColumn.of(of.JOBS_FINISHED),
        TableColumn.of(GPU_HOURS, meaning="GPU time served"),
        TableColumn.of(QUEUE_DELAY_MEAN, "mean_h", unit="h"),
        TableColumn.of(of.QUEUE_DELAY_MEDIAN, "p50_h", unit="h"),
        TableColumn.of(of.QUEUE_DELAY_P95, "p95_h", unit="h"),
        TableColumn.of(of.COMPLETION_MEAN, "mean_jct_h", unit="h"),
    ),
)
SITES: Final = TableSchema(
    "fleet_sites",
    "Use, energy, cost and carbon by site, over the makespan.",
    (
        TableColumn.of(SITE),
        TableColumn.of(GPUS, meaning="GPUs on the site"),
        TableColumn.of(of.JOBS_OF_SITE, "jobs"),
        TableColumn.of(GPU_HOURS),
        TableColumn.of(UTILISATION, "utilisation_share"),
        TableColumn.of(of.BUSY_ENERGY, "busy_mwh", unit="MWh"),
        TableColumn.of(of.IDLE_ENERGY, "idle_mwh", unit="MWh"),
        TableColumn.of(of.OVERHEAD_ENERGY, "overhead_mwh", unit="MWh"),
        TableColumn.of(ENERGY, "energy_mwh", unit="MWh"),
        TableColumn.of(POWER_BILL, "cost_usd"),
        TableColumn.of(CARBON, "carbon_t", unit="t CO2e"),
    ),
)
POLICIES: Final = TableSchema(
    "fleet_policies",
    "Policies on the same trace and machines.",
    (
        TableColumn.of(of.POLICY),
        TableColumn.of(of.JOBS_FINISHED),
        TableColumn.of(UTILISATION, "utilisation_share"),
        TableColumn.of(of.UTILISATION_MAKESPAN, "makespan_utilisation_share"),
        TableColumn.of(QUEUE_DELAY_MEAN, "mean_queue_delay_s"),
        TableColumn.of(of.QUEUE_DELAY_P95, "p95_queue_delay_s"),
        TableColumn.of(of.COMPLETION_MEAN, "mean_jct_s"),
        TableColumn.of(of.IDLE_WHILE_WAITING, "fragmented_gpu_share"),
        TableColumn.of(ENERGY, "energy_kwh"),
        TableColumn.of(of.PREEMPTIONS),
        TableColumn.of(of.SCHEDULE_DIGEST, "result_sha256"),
    ),
)
PACKING_CURVE: Final = TableSchema(
    "packing_curve",
    "Shares of the fleet's GPUs while jobs arrive and none leaves.",
    (
        TableColumn.of(of.ARRIVED_LOAD, "arrived_percent", unit="%", kind="count"),
        TableColumn.of(of.ALLOCATED_SHARE, "allocated_gpu_share"),
        TableColumn.of(of.UNALLOCATED_SHARE, "unallocated_gpu_share"),
        TableColumn.of(of.FRAGMENTED_SHARE, "fragmented_gpu_share"),
        TableColumn.of(of.FRAGMENTED_IDLE_SHARE, "fragmented_idle_share"),
    ),
)


# The same two under the names that a single command gives its files.
SIMULATED_JOBS: Final = JOBS.schema_under_name_with_more_columns("jobs")
COMPARISON: Final = POLICIES.schema_under_name_with_more_columns("comparison")


def _fleet_columns_by_name(*columns: TableColumn) -> dict[str, TableColumn]:
    return {column.name: column for column in columns}


QUEUE_FIGURES: Final = _fleet_columns_by_name(
    *POLICIES.columns,
    TableColumn.of(of.JOBS_SUBMITTED, "jobs"),
    TableColumn.of(of.JOBS_REJECTED),
    TableColumn.of(of.JOBS_LEFT, "jobs_waiting"),
    TableColumn.of(GPUS),
    TableColumn.of(GPU_HOURS),
    TableColumn.of(of.WINDOW, "window_s"),
    TableColumn.of(of.MAKESPAN, "makespan_s"),
    TableColumn.of(of.QUEUE_DELAY_MEDIAN, "median_queue_delay_s"),
    TableColumn.of(of.PENDING_MEAN, "mean_pending_s"),
    TableColumn.of(of.UNUSED_IN_WINDOW, "unallocated_gpu_share"),
    TableColumn.of(of.QUEUE_LENGTH_MEAN, "mean_queue_length"),
    TableColumn.of(POWER_BILL, "cost_usd"),
    TableColumn.of(CARBON, "carbon_kg"),
    TableColumn.of(of.ENGINE_TIME, "engine_cpu_s"),
    TableColumn.of(of.ENGINE_SPEED, "jobs_per_cpu_s"),
)
"""Figures of a simulation of a queue."""
PACKING_FIGURES: Final = _fleet_columns_by_name(
    TableColumn.of(of.POLICY),
    TableColumn.of(of.JOBS_SUBMITTED, "jobs", meaning="Jobs that arrived"),
    TableColumn.of(of.JOBS_PLACED),
    TableColumn.of(GPUS),
    TableColumn.of(of.ARRIVED_LOAD, "arrived_gpu_share"),
    *PACKING_CURVE.columns[1:4],
    TableColumn.of(of.ENGINE_TIME, "engine_cpu_s"),
    TableColumn.of(of.ENGINE_SPEED, "jobs_per_cpu_s"),
    TableColumn.of(of.SCHEDULE_DIGEST, "result_sha256"),
)
"""Figures of the arrived-load protocol, which has no queue; two names mean another thing there."""
JOB_TRACE_FIGURES: Final = _fleet_columns_by_name(
    TableColumn.of(of.TRACE, "path"),
    TableColumn.of(of.TRACE_FORMAT, "format"),
    TableColumn.of(of.JOBS_SUBMITTED, "jobs"),
    TableColumn.of(of.CLOCK_ORIGIN, "origin"),
    TableColumn.of(of.SPAN, "span_s"),
    TableColumn.of(GPU_HOURS, meaning="GPU time that the jobs request"),
    TableColumn.of(of.DEMAND_MEAN, "mean_demand_gpus", kind="number"),
    TableColumn.of(of.LARGEST_GANG, "largest_gang_gpus"),
    TableColumn.of(of.SHARING_JOBS, "fractional_jobs"),
    TableColumn.of(of.CPU_JOBS),
    TableColumn.of(of.RUN_TIME_MEDIAN, "median_runtime_s"),
    TableColumn.of(of.TENANTS),
)
"""Figures of a trace of jobs."""
REQUEST_TRACE_FIGURES: Final = _fleet_columns_by_name(
    TableColumn.of(of.TRACE, "path"),
    TableColumn.of(of.TRACE_FORMAT, "format"),
    TableColumn.of(of.REQUESTS),
    TableColumn.of(of.SPAN, "span_s"),
    TableColumn.of(of.REQUEST_RATE_MEAN, "mean_rps"),
    TableColumn.of(of.REQUEST_RATE_PEAK, "peak_rps"),
    TableColumn.of(of.PROMPT_TOKENS),
    TableColumn.of(of.OUTPUT_TOKENS),
    TableColumn.of(of.SHARED_BLOCKS, "shared_block_share"),
)
"""Figures of a trace of requests to a language model."""

SWEEP_AXES: Final = _fleet_columns_by_name(
    TableColumn.of(of.POLICY),
    TableColumn.of(of.AXIS_NODES, "nodes"),
    TableColumn.of(of.AXIS_GPUS_PER_NODE, "gpus-per-node"),
    TableColumn.of(of.AXIS_POOL, "pool"),
    TableColumn.of(of.AXIS_RUNTIME, "runtime"),
    TableColumn.of(of.AXIS_LOAD, "load"),
    TableColumn.of(of.AXIS_SEED, "seed"),
)
"""What a sweep may vary, by the names of `--axis`."""
SWEEP_FIGURES: Final = (
    "jobs",
    "jobs_finished",
    "gpus",
    "utilisation_share",
    "makespan_utilisation_share",
    "mean_queue_delay_s",
    "p95_queue_delay_s",
    "mean_jct_s",
    "unallocated_gpu_share",
    "fragmented_gpu_share",
    "energy_kwh",
    "result_sha256",
)
"""What each point of a sweep gives; nothing where its protocol knows no such figure."""


def fleet_sweep_schema(axes: Iterable[str]) -> TableSchema:
    """Return the columns of a sweep over `axes`.

    >>> [column.name for column in fleet_sweep_schema(["seed", "load"]).columns][:3]
    ['seed', 'load', 'jobs']
    """
    varied = list(axes)
    figures = QUEUE_FIGURES | PACKING_FIGURES if "load" in varied else QUEUE_FIGURES
    columns = [SWEEP_AXES[name] for name in varied] + [figures[name] for name in SWEEP_FIGURES]
    return TableSchema("sweep", "Figures at each point of the product of axes.", tuple(columns))
