"""Charts of a fleet run: use, queue, waiting by tenant, where energy went, policies."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from commonwatt.catalogue.measures import (
    TableColumn,
    measure_label_message,
    measure_value_text,
)
from commonwatt.catalogue.shared import ENERGY, QUEUE_DELAY_MEAN, UTILISATION
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.measures import ALLOCATED_GPUS, QUEUE_DELAY
from commonwatt.fleet.domain.tables import POLICIES, QUEUE, SITES, TENANTS
from commonwatt.report.charts import Chart, ChartForm, ChartSeries
from commonwatt.report.charts.findings import (
    largest_part_name_and_share_or_none,
    row_with_most_or_least_or_none,
)

_DAYS = Message("Days from the first submission")
_ALL_SITES = "all_available_gpus"


def fleet_gpu_use_by_site_chart(sites: Sequence[str]) -> Chart:
    """Return allocated GPUs by site over time, with the available GPUs as a line.

    Args:
        sites: Names of the sites, in the programme's order.
    """
    return Chart(
        name="use",
        title=Message("Use over time"),
        caption=Message(
            "GPUs allocated by site, each bin its exact mean; the dashed line is what was there."
        ),
        form=ChartForm.AREAS,
        table="use",
        x="day",
        x_label=_DAYS,
        series=[ChartSeries("allocated_gpus", site, where=("site", site)) for site in sites],
        line=ChartSeries(_ALL_SITES, Message("available"), where=("site", sites[0])),
        measure=ALLOCATED_GPUS,
        # A bin holds one value until the next; slopes would draw use that never was.
        step=True,
        prepare=_with_available_gpus_of_all_sites,
        finding=_busiest_fleet_site_message,
    )


def _with_available_gpus_of_all_sites(gpu_use: pl.DataFrame, language: str) -> pl.DataFrame:
    del language
    return gpu_use.with_columns(pl.col("available_gpus").sum().over("day").alias(_ALL_SITES))


def _busiest_fleet_site_message(gpu_use: pl.DataFrame, language: str) -> Message | None:
    most = largest_part_name_and_share_or_none(gpu_use, "site", "allocated_gpus")
    if most is None:
        return None
    site, share = most
    return Message(
        "{site} carries most: {share} of the allocated GPU time",
        {"site": site, "share": measure_value_text(share, UTILISATION, language)},
    )


def fleet_queue_over_time_chart() -> Chart:
    """Return waiting jobs and the GPUs that they request over time."""
    return Chart(
        name="queue",
        title=Message("Queue over time"),
        caption=Message("Jobs that wait, and the GPUs that they ask for."),
        form=ChartForm.LINES,
        table="queue",
        x="day",
        x_label=_DAYS,
        series=[
            _chart_series_of_fleet_column(QUEUE.column(name))
            for name in ("waiting_jobs", "waiting_gpus")
        ],
        step=True,
        finding=_longest_queue_message,
    )


def _longest_queue_message(queue: pl.DataFrame, language: str) -> Message:
    at = queue.sort("waiting_jobs", descending=True, maintain_order=True).row(0, named=True)
    return Message(
        # The table has the mean of each interval, and more may wait at one moment of it.
        "In the busiest interval {jobs} jobs wait on average, on day {day}",
        {
            "jobs": measure_value_text(at["waiting_jobs"], QUEUE.column("waiting_jobs"), language),
            "day": f"{at['day']:.1f}",
        },
    )


def queue_delay_by_tenant_chart() -> Chart:
    """Return the spread of queue delay by tenant: median to 95th percentile, and mean."""
    return Chart(
        name="tenants",
        title=Message("Waiting by tenant"),
        caption=Message("Median to 95th percentile of queue delay; the dot is the mean."),
        form=ChartForm.RANGES,
        table="tenants",
        x="tenant",
        series=[
            ChartSeries(
                "mean_h", measure_label_message(QUEUE_DELAY_MEAN), low="p50_h", high="p95_h"
            )
        ],
        measure=TableColumn.of(QUEUE_DELAY, unit="h"),
        finding=_longest_waiting_tenant_message,
    )


def _longest_waiting_tenant_message(tenants: pl.DataFrame, language: str) -> Message | None:
    most = row_with_most_or_least_or_none(tenants, "mean_h", is_most=True)
    if most is None:
        return None
    wait = measure_value_text(most["mean_h"], TENANTS.column("mean_h"), language)
    return Message(
        "{tenant} waits longest: {wait} on average", {"tenant": most["tenant"], "wait": wait}
    )


def fleet_gpu_energy_by_site_chart() -> Chart:
    """Return where the energy went: busy GPUs, idle GPUs and overhead, by site."""
    return Chart(
        name="energy",
        title=Message("Where the energy went"),
        caption=Message("Draw of held GPUs, of free GPUs, and cooling with losses, by site."),
        form=ChartForm.BARS,
        table="sites",
        x="site",
        measure=TableColumn.of(ENERGY, unit="MWh"),
        series=[
            _chart_series_of_fleet_column(SITES.column(name))
            for name in ("busy_mwh", "idle_mwh", "overhead_mwh")
        ],
        finding=_energy_share_of_held_gpus_message,
    )


def _energy_share_of_held_gpus_message(energy: pl.DataFrame, language: str) -> Message | None:
    busy, idle, overhead = (
        float(energy[f"{part}_mwh"].sum()) for part in ("busy", "idle", "overhead")
    )
    total = busy + idle + overhead
    if not total:
        return None
    share = measure_value_text(busy / total, UTILISATION, language)
    return Message("{share} of the energy goes into GPUs that a job holds", {"share": share})


def queue_delay_by_policy_chart() -> Chart:
    """Return mean and 95th percentile of queue delay by policy, on a logarithmic scale."""
    return Chart(
        name="policies",
        title=Message("Other policies on the same demand"),
        caption=Message(
            "Each policy replays the same trace on the same machines. The shortest-job-first "
            "order knows every run time, as no real scheduler does; it shows what could be won."
        ),
        form=ChartForm.POINTS,
        table="policies",
        x="policy",
        axis_note=Message("logarithmic; a second at the least"),
        series=[
            _chart_series_of_fleet_column(POLICIES.column(name))
            for name in ("mean_queue_delay_s", "p95_queue_delay_s")
        ],
        measure=QUEUE_DELAY,
        logarithmic=True,
        # A logarithmic axis has no nought: a second stands in for less, and the axis says so.
        least=1.0,
        finding=_shortest_wait_policy_message,
    )


def _shortest_wait_policy_message(policies: pl.DataFrame, language: str) -> Message | None:
    best = row_with_most_or_least_or_none(policies, "mean_queue_delay_s", is_most=False)
    if best is None:
        return None
    wait = measure_value_text(best["mean_queue_delay_s"], QUEUE_DELAY_MEAN, language)
    return Message(
        "Jobs wait least under {policy}: {wait} on average",
        {"policy": best["policy"], "wait": wait},
    )


def _chart_series_of_fleet_column(column: TableColumn) -> ChartSeries:
    return ChartSeries(column.name, measure_label_message(column))
