"""Tables behind the plots of a fleet run: use, queue, tenants, energy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from commonwatt.fleet.domain.tables import QUEUE, SITES, TENANTS, USE
from commonwatt.fleet.domain.workload import I64
from commonwatt.fleet.engines.energy import site_energies_in_site_order
from commonwatt.fleet.engines.timeline import gpu_milli_held_series, timeline_of_gpus_and_queue
from commonwatt.fleet.usecases.simulate import FleetRun

HOUR_MS = 3_600_000
MOST_BINS = 240  # more than this cannot be told apart at the width of a page


def mean_allocated_gpus_by_bin_and_site(run: FleetRun, labels: Sequence[str]) -> pl.DataFrame:
    """Return mean allocated GPUs by bin and site; `labels` name the sites in order."""
    edges = _schedule_time_bin_edges_ms(run)
    fleet = run.inputs.fleet
    parts: list[pl.DataFrame] = []
    for i, label in enumerate(labels):
        # The integral over the bin: a sample at its start would miss whatever is shorter than a
        # bin.
        held = np.diff(
            gpu_milli_held_series(run.result, fleet.site.astype(np.int64), i).integral_until(edges)
        )
        parts.append(
            USE.build_frame(
                day=(edges[:-1] - edges[0]) / (24 * HOUR_MS),
                site=[label] * (len(edges) - 1),
                rank=np.full(len(edges) - 1, i),
                allocated_gpus=held / np.diff(edges) / 1000,
                available_gpus=np.full(len(edges) - 1, int(fleet.gpus[fleet.site == i].sum())),
            )
        )
    return pl.concat(parts)


def queue_over_time_table(run: FleetRun) -> pl.DataFrame:
    """Return mean waiting jobs, and the GPUs that they request, by bin."""
    edges = _schedule_time_bin_edges_ms(run)
    lines = timeline_of_gpus_and_queue(run.result, run.inputs.workload)
    return QUEUE.build_frame(
        day=(edges[:-1] - edges[0]) / (24 * HOUR_MS),
        waiting_jobs=np.diff(lines.queue.integral_until(edges)) / np.diff(edges),
        waiting_gpus=np.diff(lines.queued_milli.integral_until(edges)) / np.diff(edges) / 1000,
    )


def fleet_gpu_hours_and_delay_by_tenant(run: FleetRun, labels: Mapping[str, str]) -> pl.DataFrame:
    """Return service by tenant, those of most GPU time first."""
    waits = run.metrics.by_tenant
    names = sorted(waits, key=lambda name: (-waits[name].gpu_hours, name))
    rows = [waits[name] for name in names]
    return TENANTS.build_frame(
        tenant=[labels.get(name, name) for name in names],
        jobs=[row.jobs for row in rows],
        jobs_finished=[row.jobs_finished for row in rows],
        gpu_hours=[row.gpu_hours for row in rows],
        mean_h=[row.mean_queue_delay_s / 3600 for row in rows],
        p50_h=[row.median_queue_delay_s / 3600 for row in rows],
        p95_h=[row.p95_queue_delay_s / 3600 for row in rows],
        mean_jct_h=[row.mean_jct_s / 3600 for row in rows],
    )


def simulated_site_use_and_energy_table(run: FleetRun, labels: Sequence[str]) -> pl.DataFrame:
    """Return use and energy by site; busy, idle and overhead add up to the energy.

    A held GPU's whole draw counts as busy, a free one's as idle.
    """
    fleet = run.inputs.fleet
    first = int(run.inputs.workload.submit_ms[0])
    until = first + round(run.metrics.makespan_s * 1000)
    used = site_energies_in_site_order(run.result, fleet, from_ms=first, until_ms=until)
    rows = list(run.metrics.by_site.values())
    idle = [_simulated_idle_gpu_kwh_of_site(run, i, until - first) for i in range(len(rows))]
    return SITES.build_frame(
        site=list(labels),
        gpus=[row.gpus for row in rows],
        jobs=[row.jobs for row in rows],
        gpu_hours=[row.gpu_hours for row in rows],
        utilisation_share=[row.utilisation_share for row in rows],
        busy_mwh=[(site.it_kwh - free) / 1000 for site, free in zip(used, idle, strict=True)],
        idle_mwh=[free / 1000 for free in idle],
        overhead_mwh=[row.overhead_kwh / 1000 for row in rows],
        energy_mwh=[row.energy_kwh / 1000 for row in rows],
        cost_usd=[row.cost_usd for row in rows],
        carbon_t=[row.carbon_kg / 1000 for row in rows],
    )


def _simulated_idle_gpu_kwh_of_site(run: FleetRun, site: int, length_ms: int) -> float:
    """Return what GPUs drew while nobody held them [kWh]."""
    fleet, total = run.inputs.fleet, 0.0
    segment, node, milli = run.result.segments.segment_node_and_gpu_milli()
    segments = run.result.segments
    held_ms = milli * (segments.end_ms - segments.start_ms)[segment]
    for k, kind in enumerate(fleet.gpu_types):
        nodes = (fleet.site == site) & (fleet.gpu_type == k)
        available = int(fleet.gpus[nodes].sum()) * 1000 * length_ms
        # Counted as milli-GPU times milliseconds in whole numbers, so that busy and idle are exact
        # parts.
        unheld = available - int(held_ms[nodes[node]].sum())
        total += kind.idle_w * unheld / 1000 / HOUR_MS / 1000
    return total


def _schedule_time_bin_edges_ms(run: FleetRun) -> I64:
    """Return the edges of equal bins of whole hours over the makespan [ms]."""
    first = int(run.inputs.workload.submit_ms[0])
    # Bins of whole hours; the last may reach beyond the makespan, where nothing is held. A run of a
    # moment still gets one bin.
    length = max(round(run.metrics.makespan_s * 1000), HOUR_MS)
    hours = max(1, math.ceil(length / HOUR_MS / MOST_BINS))
    count = math.ceil(length / (hours * HOUR_MS))
    return first + np.arange(count + 1, dtype=np.int64) * hours * HOUR_MS
