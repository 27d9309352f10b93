"""Charts of the joined study: the trade-offs of its alternatives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from commonwatt.catalogue.measures import measure_label_message, measure_value_text
from commonwatt.catalogue.shared import GPU_HOUR_COST
from commonwatt.core.messages import Message
from commonwatt.report.charts import Chart, ChartForm, ChartSeries
from commonwatt.study.measures import ALTERNATIVES

PANELS = (
    "cost_usd_per_gpu_hour",
    "utilisation_share",
    "mean_queue_delay_h",
    "mean_rtt_ms",
    "carbon_g_per_gpu_hour",
    "borrowing_bn",
    "running_usd_mn_a_year",
    "debt_running_borrowed_gdp_share",
)


# Two that cost the same but for the order of their sums; of such neither is the cheapest.
_SAME: Final = 1e-9


def do_alternatives_cost_the_same(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Return whether two alternatives cost the same at the medians.

    >>> [
    ...     do_alternatives_cost_the_same(*({"cost_usd_per_gpu_hour": usd} for usd in pair))
    ...     for pair in ((4.32, 4.32), (4.32, 4.3200001), (None, 4.32))
    ... ]
    [True, False, False]
    """
    costs = [row["cost_usd_per_gpu_hour"] for row in (first, second)]
    return None not in costs and math.isclose(*costs, rel_tol=_SAME)


def study_alternatives_panel_charts(columns: Sequence[str], *, currency: str = "") -> list[Chart]:
    """Return the alternatives in one small panel for each criterion.

    Args:
        columns: Criteria that every alternative has; an absent bar reads as the best of all.
        currency: The money that is borrowed; empty where nobody borrows.
    """
    return [
        Chart(
            name=f"alternatives-{name.replace('_', '-')}",
            title=measure_label_message(ALTERNATIVES.column(name)),
            caption=Message("One criterion on its own scale."),
            # The debt is large and the difference small: a place, and no length from nought.
            form=ChartForm.POINTS if name == "debt_running_borrowed_gdp_share" else ChartForm.BARS,
            table="alternatives",
            x="alternative",
            series=[ChartSeries(name, "")],
            measure=ALTERNATIVES.column(name),
            currency=currency,
            are_values_written=True,
        )
        for name in PANELS
        if name in columns
    ]


def study_alternatives_cost_chart() -> Chart:
    """Return what a GPU-hour costs under each alternative, with its band."""
    return Chart(
        name="alternatives",
        title=Message("Other ways to build it"),
        caption=Message(
            "What a GPU-hour costs under each alternative: a bar from the 5th to the 95th "
            "percentile of all inputs, a dot at the medians."
        ),
        form=ChartForm.RANGES,
        table="alternatives",
        x="alternative",
        measure=GPU_HOUR_COST,
        series=[
            ChartSeries(
                "cost_usd_per_gpu_hour",
                Message("at the medians, with its 90 % interval"),
                low="cost_p5_usd_per_gpu_hour",
                high="cost_p95_usd_per_gpu_hour",
            )
        ],
        finding=cheapest_alternative_message_or_none,
    )


def cheapest_alternative_message_or_none(
    alternatives: pl.DataFrame, language: str
) -> Message | None:
    """Return which alternative is cheapest, before which other."""
    if alternatives.height < 2:
        return None
    first, second = (
        alternatives.sort("cost_usd_per_gpu_hour", maintain_order=True)
        .head(2)
        .iter_rows(named=True)
    )
    if do_alternatives_cost_the_same(first, second):
        return Message(
            "“{best}” and “{second}” are cheapest, each at {low}",
            {
                "best": first["alternative"],
                "second": second["alternative"],
                "low": measure_value_text(first["cost_usd_per_gpu_hour"], GPU_HOUR_COST, language),
            },
        )
    values = {
        "best": first["alternative"],
        "low": measure_value_text(first["cost_usd_per_gpu_hour"], GPU_HOUR_COST, language),
        "second": second["alternative"],
        "high": measure_value_text(second["cost_usd_per_gpu_hour"], GPU_HOUR_COST, language),
    }
    return Message("“{best}” is cheapest at {low}, before “{second}” at {high}", values)
