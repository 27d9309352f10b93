"""Charts of the siting wing: stacked cost, tornado, bands, break-even map, load by hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from commonwatt.catalogue.bands import BAND_90
from commonwatt.catalogue.measures import (
    measure_cell_text,
    measure_heading,
    measure_label_message,
    measure_value_in_heading_unit,
    measure_value_text,
)
from commonwatt.catalogue.shared import GPU_HOUR_COST, UTILISATION
from commonwatt.core.messages import Message, translate
from commonwatt.report.charts import Chart, ChartForm, ChartSeries, chart_svg_document
from commonwatt.report.charts.findings import largest_part_name_and_share_or_none
from commonwatt.siting.domain.cost_inputs import cost_input_label
from commonwatt.siting.domain.measures import COST_RATIO, HARDWARE_PRICE, PLAN_HOUR, POOL_LOAD
from commonwatt.siting.engines.cost.model import PARTS

Rows = list[dict[str, Any]]
WIDEST_INPUTS = 12
HOURS_DRAWN = 336  # two weeks; a year has more hours than the chart has pixels


def site_cost_svg_texts_by_file_name(
    answer: Mapping[str, Any], language: str = "en"
) -> dict[str, str]:
    """Return the charts of `siting cost` as SVG files by name."""
    parts, sites = (pl.DataFrame(answer[name]) for name in ("parts", "sites"))
    files = {
        "cost_by_site.svg": chart_svg_document(
            gpu_hour_cost_stack_chart(parts["part"].unique(maintain_order=True).to_list()),
            parts,
            language,
        ),
        "cost_bands.svg": chart_svg_document(gpu_hour_cost_band_chart(), sites, language),
    }
    for site in sites["site"].to_list():
        bars = pl.DataFrame([row for row in answer["tornado"] if row["site"] == site])
        files[f"tornado_{site}.svg"] = chart_svg_document(
            siting_cost_tornado_chart(site), bars, language
        )
    return files


def gpu_hour_cost_stack_chart(parts: Sequence[str]) -> Chart:
    """Return the cost of a GPU-hour by site, stacked by part, at the medians.

    Args:
        parts: Names of the parts that the table has.
    """
    # In the model's order, so that a part has the same colour in every chart of costs.
    ordered = [part for part in PARTS if part in parts]
    ordered += [part for part in parts if part not in PARTS]
    return Chart(
        name="stack",
        title=Message("What the cost consists of"),
        caption=Message("Levelised cost by site at the medians of all inputs, stacked."),
        form=ChartForm.BARS,
        table="parts",
        x="site",
        series=[
            ChartSeries("usd_per_gpu_hour", Message(part), where=("part", part)) for part in ordered
        ],
        measure=GPU_HOUR_COST,
        finding=_largest_part_of_cost_message,
    )


def _largest_part_of_cost_message(parts: pl.DataFrame, language: str) -> Message | None:
    # Of each site by itself: costs of a GPU-hour of several add up to nothing that anybody pays,
    # as one site serves more hours than another.
    largest: dict[str, tuple[str, float]] = {}
    for (site,), rows in parts.group_by("site", maintain_order=True):
        # A rent is the one part of its site, and all of it.
        most = largest_part_name_and_share_or_none(rows, "part", "usd_per_gpu_hour") or (
            rows["part"][0],
            1.0,
        )
        largest[str(site)] = most
    if parts["part"].n_unique() < 2:
        return None
    names = {part for part, _ in largest.values()}
    shares = sorted(share for _, share in largest.values())
    low, high = (
        measure_value_text(share, UTILISATION, language) for share in (shares[0], shares[-1])
    )
    if len(names) > 1:
        return Message(
            "The largest part differs by site: {parts}",
            {
                "parts": "; ".join(
                    f"{site}: {translate(part, language)} "
                    f"({measure_value_text(share, UTILISATION, language)})"
                    for site, (part, share) in largest.items()
                )
            },
        )
    values = {"part": translate(names.pop(), language), "low": low, "high": high}
    if low == high:
        return Message("The largest part is: {part} ({low})", values)
    return Message("At every site the largest part is: {part} ({low} to {high})", values)


def gpu_hour_cost_band_chart() -> Chart:
    """Return the 5th to 95th percentile and the median of the cost by site."""
    return Chart(
        name="cost",
        title=Message("Cost by site, with its band"),
        caption=Message("5th to 95th percentile of correlated draws; the dot is the median."),
        form=ChartForm.RANGES,
        table="cost",
        x="site",
        series=[
            ChartSeries(
                "p50_usd_per_gpu_hour",
                Message("median, with its 90 % interval"),
                low="p5_usd_per_gpu_hour",
                high="p95_usd_per_gpu_hour",
            )
        ],
        measure=GPU_HOUR_COST,
        finding=_cheapest_site_message,
    )


def _cheapest_site_message(sites: pl.DataFrame, language: str) -> Message | None:
    if sites.height < 2:
        return None
    first, second = (
        sites.sort("p50_usd_per_gpu_hour", maintain_order=True).head(2).iter_rows(named=True)
    )
    values = {
        "site": first["site"],
        "other": second["site"],
        "cost": measure_value_text(first["p50_usd_per_gpu_hour"], GPU_HOUR_COST, language),
    }
    # A band that reaches into the next is no order of the two, and the heading must not give one.
    if first["p95_usd_per_gpu_hour"] > second["p5_usd_per_gpu_hour"]:
        return Message(
            "{site} is cheapest at the median, {cost}; its band reaches into that of {other}",
            values,
        )
    return Message("{site} is cheapest, {cost} at the median, over the whole band", values)


def siting_cost_tornado_chart(site: str) -> Chart:
    """Return how far each input moves the cost of a site, widest first."""
    return Chart(
        name="tornado",
        title=Message("What moves the cost at {site}", {"site": site}),
        caption=Message(
            "The cost when one input goes from its 5th to its 95th percentile and all others "
            "stay at their medians; the twelve widest."
        ),
        form=ChartForm.RANGES,
        table="tornado",
        x="input",
        # A bar is the range of an input and not an amount, so it has no mark of its own.
        series=[ChartSeries("", BAND_90.label, low="low", high="high")],
        measure=GPU_HOUR_COST,
        prepare=_widest_cost_ranges,
        finding=_widest_cost_input_message,
    )


def _widest_cost_ranges(swings: pl.DataFrame, language: str) -> pl.DataFrame:
    low, high = "cost_at_p5_usd_per_gpu_hour", "cost_at_p95_usd_per_gpu_hour"
    widest = swings.sort("swing_usd_per_gpu_hour", descending=True, maintain_order=True)
    names = [
        cost_input_label(name).translate(language) for name in widest["input"].head(WIDEST_INPUTS)
    ]
    return widest.head(WIDEST_INPUTS).with_columns(
        pl.Series("input", names, pl.String),
        # A higher input may lower the cost, as more use does, so the cost at its 5th percentile
        # may be the higher end.
        low=pl.min_horizontal(low, high),
        high=pl.max_horizontal(low, high),
    )


def _widest_cost_input_message(widest: pl.DataFrame, language: str) -> Message:
    first = widest.row(0, named=True)
    values = {
        "input": first["input"],
        "low": measure_cell_text(first["low"], GPU_HOUR_COST, language),
        "high": measure_value_text(first["high"], GPU_HOUR_COST, language),
    }
    return Message("{input} moves the cost most: from {low} to {high}", values)


def siting_break_even_map_chart(first_site: str, second_site: str) -> Chart:
    """Return where `first_site` is cheaper than `second_site`, by use and chip price."""

    def cheaper_cases_of_first_site_message(ratios: pl.DataFrame, language: str) -> Message:
        del language
        values = {
            "site": first_site,
            "other": second_site,
            "count": f"{ratios.filter(pl.col('cost_ratio') < 1).height:,}",
            "all": f"{ratios.height:,}",
        }
        return Message("{site} is cheaper than {other} in {count} of {all} cases", values)

    return Chart(
        name="break-even",
        title=Message("{site} over {other}", {"site": first_site, "other": second_site}),
        caption=Message(
            "Cost of one site over that of the other, by use and price of hardware; the colours "
            "meet where both cost the same."
        ),
        form=ChartForm.HEAT,
        table="break-even-map",
        x="utilisation",
        y="hardware_price",
        x_label=measure_heading(UTILISATION),
        y_label=measure_label_message(HARDWARE_PRICE),
        series=[ChartSeries("cost_ratio", measure_label_message(COST_RATIO))],
        measure=COST_RATIO,
        middle=1.0,
        prepare=_break_even_map_cells_with_axis_texts,
        finding=cheaper_cases_of_first_site_message,
    )


def _break_even_map_cells_with_axis_texts(ratios: pl.DataFrame, language: str) -> pl.DataFrame:
    # Steps of a float end in 0.30000000000000004, which an axis of names would show in full.
    uses = [
        f"{measure_value_in_heading_unit(value, UTILISATION, language):.4g}"
        for value in ratios["utilisation_share"]
    ]
    prices = [
        measure_cell_text(value, HARDWARE_PRICE, language)
        for value in ratios["hardware_price_ratio"]
    ]
    named = ratios.with_columns(
        pl.Series("utilisation", uses, pl.String), pl.Series("hardware_price", prices, pl.String)
    )
    # The dearest hardware stands above, as on an axis.
    return named.sort(
        ["hardware_price_ratio", "utilisation_share"],
        descending=[True, False],
        maintain_order=True,
    )


def placement_svg_texts_by_file_name(
    answer: Mapping[str, Any], language: str = "en"
) -> dict[str, str]:
    """Return the charts of `siting place` as SVG files by name."""
    hours = pl.DataFrame(answer["hourly"])
    chart = siting_placement_load_chart(hours["pool"].unique(maintain_order=True).to_list())
    return {"load_by_hour.svg": chart_svg_document(chart, hours, language)}


def siting_placement_load_chart(pools: Sequence[str]) -> Chart:
    """Return the load of each pool, hour by hour, of the first two weeks.

    Args:
        pools: Names of the pools, in their order.
    """
    return Chart(
        name="hourly",
        title=Message("Load by hour"),
        caption=Message("The optimal placement under latency and residency, stacked."),
        form=ChartForm.AREAS,
        table="hourly",
        x="hour",
        x_label=measure_label_message(PLAN_HOUR),
        series=[ChartSeries("load_gpus", pool, where=("pool", pool)) for pool in pools],
        measure=POOL_LOAD,
        step=True,
        prepare=_hourly_load_of_first_two_weeks,
        finding=_busiest_pool_message,
    )


def _hourly_load_of_first_two_weeks(hours: pl.DataFrame, language: str) -> pl.DataFrame:
    del language
    return hours.filter(pl.col("hour") < HOURS_DRAWN)


def _busiest_pool_message(hours: pl.DataFrame, language: str) -> Message | None:
    most = largest_part_name_and_share_or_none(hours, "pool", "load_gpus")
    if most is None:
        return None
    pool, share = most
    return Message(
        "{pool} carries most of the load: {share}",
        {"pool": pool, "share": measure_value_text(share, UTILISATION, language)},
    )
