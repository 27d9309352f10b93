"""Charts of a fleet run: use, queue, waiting by tenant, where energy went, policies."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from commonwatt.catalogue.measures import measure_heading, measure_label_text, measure_shown_value
from commonwatt.catalogue.shared import ENERGY
from commonwatt.core.messages import Message, translate
from commonwatt.fleet.domain.measures import ALLOCATED_GPUS, QUEUE_DELAY
from commonwatt.fleet.domain.tables import POLICIES, QUEUE, SITES
from commonwatt.report.theme import (
    ALARM,
    chart_at_report_size,
    chart_colour_scale,
    report_chart_svg,
)


def gpu_use_over_time_chart(gpu_use: pl.DataFrame, *, language: str) -> str:
    """Return allocated GPUs by site over time, with the available GPUs as a line.

    Args:
        gpu_use: Columns `day`, `site`, `allocated_gpus`; one row per bin and site.
        language: "en" or "zh-Hant".
    """
    sites = gpu_use["site"].unique(maintain_order=True).to_list()
    total = gpu_use.group_by("day", maintain_order=True).agg(pl.col("available_gpus").sum())
    areas = (
        alt.Chart(gpu_use)
        # A bin holds one value until the next; slopes would draw use that never was.
        .mark_area(interpolate="step-after", opacity=0.85)
        .encode(
            x=_fleet_chart_days_from_first_job_axis(language),
            y=alt.Y(
                "allocated_gpus:Q", title=measure_heading(ALLOCATED_GPUS, language), stack=True
            ),
            color=alt.Color("site:N", title=None, scale=chart_colour_scale(sites), sort=sites),
            # The rank stacks the sites in the programme's order, which is also the legend's.
            order=alt.Order("rank:Q"),
        )
    )
    line = (
        alt.Chart(total)
        .mark_line(color="#1c1c1c", strokeDash=[4, 3], strokeWidth=1.2)
        .encode(x="day:Q", y="available_gpus:Q")
    )
    description = translate(
        "Allocated GPUs by site over time; the dashed line is what was there.", language
    )
    return report_chart_svg(chart_at_report_size(alt.layer(areas, line)), description=description)


def queue_over_time_chart(queue: pl.DataFrame, *, language: str) -> str:
    """Return waiting jobs and the GPUs that they request over time.

    Args:
        queue: Columns `day`, `waiting_jobs`, `waiting_gpus`.
        language: "en" or "zh-Hant".
    """
    names = {
        name: measure_label_text(QUEUE.column(name), language)
        for name in ("waiting_jobs", "waiting_gpus")
    }
    long = queue.unpivot(list(names), index="day", variable_name="what")
    long = long.with_columns(pl.col("what").replace_strict(names))
    order = list(names.values())
    chart = (
        alt.Chart(long)
        .mark_line(interpolate="step-after")
        .encode(
            x=_fleet_chart_days_from_first_job_axis(language),
            y=alt.Y("value:Q", title=None),
            color=alt.Color("what:N", title=None, scale=chart_colour_scale(order), sort=order),
        )
    )
    description = translate("Jobs waiting, and the GPUs that they request, over time.", language)
    return report_chart_svg(chart_at_report_size(chart), description=description)


def queue_delay_by_tenant_chart(tenants: pl.DataFrame, *, language: str) -> str:
    """Return the spread of queue delay by tenant: median to 95th percentile, and mean.

    Args:
        tenants: Columns `tenant`, `p50_h`, `p95_h`, `mean_h`.
        language: "en" or "zh-Hant".
    """
    order = tenants["tenant"].to_list()
    base = alt.Chart(tenants).encode(y=alt.Y("tenant:N", title=None, sort=order))
    axis = alt.X("p50_h:Q", title=measure_heading(QUEUE_DELAY, language))
    bars = base.mark_bar(height=10, opacity=0.55).encode(x=axis, x2="p95_h:Q")
    mean = base.mark_point(filled=True, color=ALARM, size=60, opacity=1).encode(x="mean_h:Q")
    description = translate(
        "Queue delay by tenant: a bar from median to 95th percentile, a dot at the mean.",
        language,
    )
    return report_chart_svg(
        chart_at_report_size(alt.layer(bars, mean), height=max(60, 24 * len(order))),
        description=description,
    )


def fleet_gpu_energy_by_site_chart(energy: pl.DataFrame, *, language: str) -> str:
    """Return where the energy went: busy GPUs, idle GPUs and overhead, by site.

    Args:
        energy: Columns `site`, `busy_mwh`, `idle_mwh`, `overhead_mwh`.
        language: "en" or "zh-Hant".
    """
    names = {
        name: measure_label_text(SITES.column(name), language)
        for name in ("busy_mwh", "idle_mwh", "overhead_mwh")
    }
    long = energy.unpivot(list(names), index="site", variable_name="what", value_name="mwh")
    # By column and not by words: the order of the stack must not change with the language.
    ranks = pl.col("what").replace_strict({name: i for i, name in enumerate(names)})
    long = long.with_columns(rank=ranks, what=pl.col("what").replace_strict(names))
    order = list(names.values())
    chart = (
        alt.Chart(long)
        .mark_bar(height=18)
        .encode(
            y=alt.Y("site:N", title=None, sort=energy["site"].to_list()),
            x=alt.X("mwh:Q", title=measure_heading(ENERGY, language), stack=True),
            color=alt.Color("what:N", title=None, scale=chart_colour_scale(order), sort=order),
            order=alt.Order("rank:Q"),
        )
    )
    description = translate("Energy by site: busy GPUs, idle GPUs, cooling and losses.", language)
    return report_chart_svg(
        chart_at_report_size(chart, height=max(60, 34 * energy.height)), description=description
    )


def queue_delay_by_policy_chart(policy_rows: pl.DataFrame, *, language: str) -> str:
    """Return mean and 95th percentile of queue delay by policy, on a logarithmic scale.

    Args:
        policy_rows: Columns `policy`, `mean_queue_delay_s`, `p95_queue_delay_s`.
        language: "en" or "zh-Hant".
    """
    names = {
        name: measure_label_text(POLICIES.column(name), language)
        for name in ("mean_queue_delay_s", "p95_queue_delay_s")
    }
    long = policy_rows.unpivot(
        list(names), index="policy", variable_name="what", value_name="wait_s"
    )
    in_hours = measure_shown_value(1, QUEUE_DELAY, language)
    long = long.with_columns(
        what=pl.col("what").replace_strict(names),
        # A logarithmic axis has no nought: a second stands in for less, and the axis says so.
        wait_h=(pl.col("wait_s") * in_hours).clip(lower_bound=in_hours),
    )
    order = list(names.values())
    chart = (
        alt.Chart(long)
        .mark_point(filled=True, size=80, opacity=0.9)
        .encode(
            y=alt.Y("policy:N", title=None, sort=policy_rows["policy"].to_list()),
            x=alt.X(
                "wait_h:Q",
                title=Message(
                    "{figure}, logarithmic; a second at the least",
                    {"figure": measure_heading(QUEUE_DELAY, language)},
                ).translate(language),
                scale=alt.Scale(type="log"),
            ),
            color=alt.Color("what:N", title=None, scale=chart_colour_scale(order), sort=order),
            # By shape as well, for readers who cannot tell the colours apart (WCAG 2.2, 1.4.1).
            shape=alt.Shape("what:N", legend=None, sort=order),
        )
    )
    description = translate("Mean and 95th percentile of queue delay by policy.", language)
    return report_chart_svg(
        chart_at_report_size(chart, height=max(70, 28 * policy_rows.height)),
        description=description,
    )


def _fleet_chart_days_from_first_job_axis(language: str) -> Any:
    return alt.X("day:Q", title=translate("Days from the first submission", language))
