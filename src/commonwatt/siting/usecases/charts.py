"""Charts of the siting wing: stacked cost, tornado, bands, break-even map, load by hour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import polars as pl

from commonwatt.catalogue.measures import measure_heading, measure_shown_value
from commonwatt.catalogue.shared import GPU_HOUR_COST, UTILISATION
from commonwatt.core.messages import translate
from commonwatt.report.theme import BAND, chart_at_report_size, chart_colour_scale, report_chart_svg
from commonwatt.siting.domain.cost_inputs import cost_input_label
from commonwatt.siting.domain.measures import COST_RATIO, HARDWARE_PRICE, PLAN_HOUR, POOL_LOAD
from commonwatt.siting.engines.cost.model import PARTS

Rows = list[dict[str, Any]]
BARS = 12


def site_cost_svg_files_by_name(answer: Mapping[str, Any], language: str = "en") -> dict[str, str]:
    """Return the charts of `siting cost` as SVG files by name."""
    files = {
        "cost_by_site.svg": gpu_hour_cost_stack_chart(answer["parts"], language),
        "cost_bands.svg": gpu_hour_cost_band_chart(answer["sites"], language),
    }
    for site in [row["site"] for row in answer["sites"]]:
        bars = [row for row in answer["tornado"] if row["site"] == site]
        files[f"tornado_{site}.svg"] = siting_cost_tornado_chart(bars, language)
    return files


def gpu_hour_cost_stack_chart(cost_part_rows: Rows, language: str = "en") -> str:
    """Return the cost of a GPU-hour by site, stacked by part, at the medians."""
    rows_shown = [row | {"part_label": translate(row["part"], language)} for row in cost_part_rows]
    # In the model's order, so that a part has the same colour in every chart of costs.
    parts = list(dict.fromkeys([*PARTS, *(row["part"] for row in cost_part_rows)]))
    names = [translate(part, language) for part in parts]
    order = {part: index for index, part in enumerate(parts)}
    frame = pl.DataFrame([row | {"order": order[row["part"]]} for row in rows_shown])
    chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("usd_per_gpu_hour:Q", title=measure_heading(GPU_HOUR_COST, language)),
            # In the order given; Vega-Lite sorts names unless told not to.
            y=alt.Y("site:N", sort=None, title=None),
            color=alt.Color(
                "part_label:N", scale=chart_colour_scale(names), title=None, sort=names
            ),
            # Without it the stack goes by name, and not as the legend reads.
            order=alt.Order("order:Q"),
        )
    )
    description = translate("Cost of a useful GPU-hour by site and part, at the medians.", language)
    return report_chart_svg(chart_at_report_size(chart), description=description)


def gpu_hour_cost_band_chart(site_cost_rows: Rows, language: str = "en") -> str:
    """Return the 5th to 95th percentile and the median of the cost by site."""
    base = alt.Chart(pl.DataFrame(site_cost_rows))
    y = alt.Y("site:N", sort=None, title=None)
    title = measure_heading(GPU_HOUR_COST, language)
    bars = base.mark_bar(opacity=0.35, color=BAND, height=14).encode(
        x=alt.X("p5_usd_per_gpu_hour:Q", title=title), x2="p95_usd_per_gpu_hour:Q", y=y
    )
    ticks = base.mark_tick(color=BAND, thickness=3, size=18).encode(
        x=alt.X("p50_usd_per_gpu_hour:Q", title=title), y=y
    )
    # The drawing says nothing to a screen reader, so the numbers stand in its description.
    description = "; ".join(
        f"{row['site']} {row['p5_usd_per_gpu_hour']:.2f} – {row['p50_usd_per_gpu_hour']:.2f} – "
        f"{row['p95_usd_per_gpu_hour']:.2f}"
        for row in site_cost_rows
    )
    return report_chart_svg(chart_at_report_size(alt.layer(bars, ticks)), description=description)


def siting_cost_tornado_chart(cost_swing_rows: Rows, language: str = "en") -> str:
    """Return how far each input moves the cost, widest first."""
    rows_shown = [
        row
        | {
            "input": cost_input_label(row["input"]).translate(language),
            "low": min(row["cost_at_p5_usd_per_gpu_hour"], row["cost_at_p95_usd_per_gpu_hour"]),
            "high": max(row["cost_at_p5_usd_per_gpu_hour"], row["cost_at_p95_usd_per_gpu_hour"]),
        }
        for row in cost_swing_rows[:BARS]
    ]
    chart = (
        alt.Chart(pl.DataFrame(rows_shown))
        .mark_bar()
        .encode(
            x=alt.X(
                "low:Q",
                title=measure_heading(GPU_HOUR_COST, language),
                # A bar is the range of an input and not an amount; from zero the ranges would be
                # slivers.
                scale=alt.Scale(zero=False),
            ),
            x2="high:Q",
            y=alt.Y("input:N", sort=[row["input"] for row in rows_shown], title=None),
        )
    )
    description = ", ".join(
        f"{row['input']} {row['swing_usd_per_gpu_hour']:.2f}" for row in rows_shown[:6]
    )
    return report_chart_svg(
        chart_at_report_size(chart, height=260),
        description=f"{cost_swing_rows[0]['site']}: {description}",
    )


def break_even_map_chart(
    break_even_rows: Rows, first_site: str, second_site: str, language: str = "en"
) -> str:
    """Return where `first_site` is cheaper than `second_site`, by use and chip price."""
    colour = alt.Color(
        "cost_ratio:Q",
        # Equal cost is where the two colours meet, whatever range of ratios the map holds.
        scale=alt.Scale(scheme="blueorange", domainMid=1.0),
        title=measure_heading(COST_RATIO, language),
    )
    shares_shown = [
        row
        | {
            # Steps of a float end in 0.30000000000000004, which an axis of names would show in
            # full.
            "utilisation_share": round(
                measure_shown_value(row["utilisation_share"], UTILISATION, language), 1
            )
        }
        for row in break_even_rows
    ]
    chart = (
        alt.Chart(pl.DataFrame(shares_shown))
        .mark_rect()
        .encode(
            x=alt.X("utilisation_share:O", title=measure_heading(UTILISATION, language)),
            y=alt.Y(
                "hardware_price_ratio:O",
                sort="descending",
                title=measure_heading(HARDWARE_PRICE, language),
            ),
            color=colour,
        )
    )
    description = f"{first_site} / {second_site}"
    return report_chart_svg(chart_at_report_size(chart, height=300), description=description)


def placement_files(answer: Mapping[str, Any], language: str = "en") -> dict[str, str]:
    """Return the charts of `siting place` as SVG files by name."""
    return {"load_by_hour.svg": siting_placement_load_chart(answer["hourly"], language)}


def siting_placement_load_chart(hourly_load_rows: Rows, language: str = "en") -> str:
    """Return the load of each pool, hour by hour, of the first two weeks."""
    # A year has more hours than the chart has pixels.
    rows_shown = [row for row in hourly_load_rows if row["hour"] < 336]
    names = list(dict.fromkeys(row["pool"] for row in rows_shown))
    chart = (
        alt.Chart(pl.DataFrame(rows_shown))
        .mark_area()
        .encode(
            x=alt.X(
                "hour:Q", title=measure_heading(PLAN_HOUR, language), scale=alt.Scale(nice=False)
            ),
            y=alt.Y("load_gpus:Q", stack=True, title=measure_heading(POOL_LOAD, language)),
            color=alt.Color(
                "pool:N", scale=chart_colour_scale(names), title=None, legend=alt.Legend(columns=4)
            ),
        )
    )
    description = translate("Where the load runs, hour by hour.", language)
    return report_chart_svg(chart_at_report_size(chart, height=260), description=description)
