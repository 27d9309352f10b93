"""The tables that siting writes, each column a measure of the catalogue."""

from __future__ import annotations

from typing import Final

from commonwatt.catalogue.measures import TableColumn
from commonwatt.catalogue.shared import (
    CONFIDENCE,
    DATED,
    GPU_HOUR_COST,
    GPU_HOUR_COST_P5,
    GPU_HOUR_COST_P50,
    GPU_HOUR_COST_P95,
    INPUT,
    MEDIAN,
    NOTE,
    P5,
    P95,
    SITE,
    SITE_NAME,
    SOURCE,
    UTILISATION,
    YEAR,
)
from commonwatt.catalogue.tables import TableSchema
from commonwatt.siting.domain.measures import (
    AGAINST,
    BORROWED_FROM,
    CARBON_CEILING,
    CARBON_OVER_HINDSIGHT,
    CASE,
    CELLS,
    CELLS_BORROWED,
    CELLS_NOT_OFFICIAL,
    CONTEST_CASE,
    COST_AT_P5,
    COST_AT_P95,
    COST_MEAN,
    COST_OVER_HINDSIGHT,
    COST_RATIO,
    DAY_AHEAD_CARBON,
    DAY_AHEAD_COST,
    FIRST_ORDER,
    FIRST_P5,
    FIRST_P50,
    FIRST_P95,
    H100_EQUIVALENTS,
    HARDWARE_PRICE,
    HINDSIGHT_CARBON,
    HINDSIGHT_COST,
    LAST_GPU_COSTS,
    LAST_GPU_SAVES,
    LATENCY_LIMIT,
    LOAD_BEYOND,
    LOAD_CLASS,
    LOAD_SHARE,
    PART,
    PART_COST,
    PFLOP_COST_P5,
    PFLOP_COST_P50,
    PFLOP_COST_P95,
    PLACEMENT_CARBON,
    PLAN_HOUR,
    POOL,
    POOL_LOAD,
    POOL_RUNNING_COST,
    POOL_USE,
    PRICE_CEILING,
    RATIO_P5,
    RATIO_P50,
    RATIO_P95,
    RENT,
    SECOND_CHEAPER,
    SECOND_P5,
    SECOND_P50,
    SECOND_P95,
    SIZE_COST,
    SOURCE_UNIT,
    SWING,
    TARIFF_WHERE_RENT_WINS,
    TOTAL_ORDER,
    UTILISATION_TO_MATCH,
)

_NAME: Final = TableColumn.of(SITE_NAME, "name")

SITES: Final = TableSchema(
    "siting_sites",
    "Cost of a useful GPU-hour by site, with its band.",
    (
        TableColumn.of(SITE),
        TableColumn.of(CASE, "case"),
        TableColumn.of(GPU_HOUR_COST, "at_medians_usd_per_gpu_hour"),
        TableColumn.of(GPU_HOUR_COST_P5, "p5_usd_per_gpu_hour"),
        TableColumn.of(GPU_HOUR_COST_P50, "p50_usd_per_gpu_hour"),
        TableColumn.of(GPU_HOUR_COST_P95, "p95_usd_per_gpu_hour"),
        TableColumn.of(COST_MEAN, "mean_usd_per_gpu_hour"),
        TableColumn.of(PFLOP_COST_P5, "p5_usd_per_effective_pflop_hour"),
        TableColumn.of(PFLOP_COST_P50, "p50_usd_per_effective_pflop_hour"),
        TableColumn.of(PFLOP_COST_P95, "p95_usd_per_effective_pflop_hour"),
        TableColumn.of(
            UTILISATION,
            "utilisation_share",
            meaning="Useful GPU time over available GPU time, at which the site is costed",
        ),
        TableColumn.of(CELLS_NOT_OFFICIAL),
        TableColumn.of(CELLS),
    ),
)
PARTS: Final = TableSchema(
    "siting_parts",
    "What a useful GPU-hour consists of, by site.",
    (
        TableColumn.of(SITE),
        TableColumn.of(PART, "part"),
        TableColumn.of(PART_COST, "usd_per_gpu_hour"),
    ),
)
TORNADO: Final = TableSchema(
    "siting_tornado",
    "How far each input moves the cost, by site; widest first.",
    (
        TableColumn.of(SITE),
        TableColumn.of(INPUT),
        TableColumn.of(P5, "at_p5", meaning="5th percentile of the input, in its own unit"),
        TableColumn.of(P95, "at_p95", meaning="95th percentile of the input, in its own unit"),
        TableColumn.of(COST_AT_P5, "cost_at_p5_usd_per_gpu_hour"),
        TableColumn.of(COST_AT_P95, "cost_at_p95_usd_per_gpu_hour"),
        TableColumn.of(SWING, "swing_usd_per_gpu_hour"),
    ),
)
SOBOL: Final = TableSchema(
    "siting_sobol",
    "Share of the cost's variance that each input explains, by site.",
    (
        TableColumn.of(SITE),
        TableColumn.of(INPUT),
        TableColumn.of(FIRST_ORDER, "first_order_share"),
        TableColumn.of(TOTAL_ORDER, "total_share"),
    ),
)
BREAK_EVEN: Final = TableSchema(
    "siting_break_even",
    "Where a site matches the first one, and where renting is cheaper than owning.",
    (
        TableColumn.of(SITE),
        TableColumn.of(AGAINST, "against"),
        TableColumn.of(UTILISATION_TO_MATCH, "utilisation_to_match_share"),
        TableColumn.of(RENT, "rent_usd_per_gpu_hour"),
        TableColumn.of(TARIFF_WHERE_RENT_WINS, "tariff_where_rent_wins_usd_per_kwh"),
    ),
)
CELLS_TABLE: Final = TableSchema(
    "siting_cells",
    "Every input of every site, in the unit of the model and with its source.",
    (
        TableColumn.of(SITE),
        TableColumn.of(INPUT),
        TableColumn.of(P5),
        TableColumn.of(MEDIAN),
        TableColumn.of(P95),
        TableColumn.of(SOURCE_UNIT),
        TableColumn.of(YEAR, meaning="Year of the money or of the measurement"),
        TableColumn.of(SOURCE),
        TableColumn.of(DATED),
        TableColumn.of(CONFIDENCE),
        TableColumn.of(NOTE),
    ),
)
CONTEST: Final = TableSchema(
    "siting_contest",
    "Two sites against each other, case by case.",
    (
        TableColumn.of(CONTEST_CASE, "contest"),
        TableColumn.of(FIRST_P5, "one_p5_usd_per_gpu_hour"),
        TableColumn.of(FIRST_P50, "one_p50_usd_per_gpu_hour"),
        TableColumn.of(FIRST_P95, "one_p95_usd_per_gpu_hour"),
        TableColumn.of(SECOND_P5, "other_p5_usd_per_gpu_hour"),
        TableColumn.of(SECOND_P50, "other_p50_usd_per_gpu_hour"),
        TableColumn.of(SECOND_P95, "other_p95_usd_per_gpu_hour"),
        TableColumn.of(RATIO_P5, "ratio_p5"),
        TableColumn.of(RATIO_P50, "ratio_p50"),
        TableColumn.of(RATIO_P95, "ratio_p95"),
        TableColumn.of(SECOND_CHEAPER, "other_cheaper_share"),
    ),
)
BREAK_EVEN_MAP: Final = TableSchema(
    "siting_break_even_map",
    "Cost of one site over another by the first one's use and its price of hardware.",
    (
        TableColumn.of(UTILISATION, "utilisation_share"),
        TableColumn.of(HARDWARE_PRICE),
        TableColumn.of(COST_RATIO),
    ),
)
PLACE_SITES: Final = TableSchema(
    "place_sites",
    "What is built where, and what it costs over the hours planned.",
    (
        TableColumn.of(POOL, "pool"),
        TableColumn.of(H100_EQUIVALENTS),
        TableColumn.of(POOL_USE, "mean_use_share"),
        TableColumn.of(SIZE_COST, "size_usd"),
        TableColumn.of(POOL_RUNNING_COST, "running_usd"),
        TableColumn.of(PLACEMENT_CARBON, "carbon_t"),
        TableColumn.of(LAST_GPU_SAVES, "last_gpu_saves_usd"),
        TableColumn.of(LAST_GPU_COSTS, "last_gpu_costs_usd"),
    ),
)
PLACE_CLASSES: Final = TableSchema(
    "place_classes",
    "Which load runs where.",
    (
        TableColumn.of(LOAD_CLASS, "class"),
        TableColumn.of(POOL, "pool"),
        TableColumn.of(LOAD_SHARE, "share"),
    ),
)
PLACE_HOURLY: Final = TableSchema(
    "place_hourly",
    "Load of each pool in each hour.",
    (
        TableColumn.of(PLAN_HOUR, "hour"),
        TableColumn.of(POOL, "pool"),
        TableColumn.of(POOL_LOAD, "load_gpus"),
    ),
)
DAY_AHEAD: Final = TableSchema(
    "siting_day_ahead",
    "What planning from day to day saves, by latency limit.",
    (
        TableColumn.of(LATENCY_LIMIT, "latency_limit_ms"),
        TableColumn.of(PRICE_CEILING, "price_ceiling_share"),
        TableColumn.of(CARBON_CEILING, "carbon_ceiling_share"),
        TableColumn.of(HINDSIGHT_COST, "hindsight_saves_cost_share"),
        TableColumn.of(DAY_AHEAD_COST, "day_ahead_saves_cost_share"),
        TableColumn.of(HINDSIGHT_CARBON, "hindsight_saves_carbon_share"),
        TableColumn.of(DAY_AHEAD_CARBON, "day_ahead_saves_carbon_share"),
        TableColumn.of(COST_OVER_HINDSIGHT, "cost_over_hindsight_share"),
        TableColumn.of(CARBON_OVER_HINDSIGHT, "carbon_over_hindsight_share"),
        TableColumn.of(LOAD_BEYOND, "load_beyond_limit_mwh"),
    ),
)
# In a study a site has a title for people and a name for the programme.
COST_SITES: Final = SITES.schema_under_name_with_more_columns(
    "cost_sites", TableColumn.of(CELLS_BORROWED), TableColumn.of(BORROWED_FROM), _NAME
)
COST_PARTS: Final = PARTS.schema_under_name_with_more_columns("cost_parts", _NAME)
COST_TORNADO: Final = TORNADO.schema_under_name_with_more_columns("cost_tornado", _NAME)
COST_CELLS: Final = CELLS_TABLE.schema_under_name_with_more_columns(
    "cost_cells", TableColumn.of(BORROWED_FROM), _NAME
)

# What `siting cost`, `siting cost --contest`, `siting place` and its `--day-ahead` write.
COST_TABLES: Final = {
    "sites": SITES, "parts": PARTS, "tornado": TORNADO, "sobol": SOBOL,
    "break_even": BREAK_EVEN, "cells": CELLS_TABLE, "contest": CONTEST,
    "break_even_map": BREAK_EVEN_MAP,
}  # fmt: skip
PLACE_TABLES: Final = {
    "sites": PLACE_SITES, "classes": PLACE_CLASSES, "hourly": PLACE_HOURLY,
    "day_ahead": DAY_AHEAD,
}  # fmt: skip
