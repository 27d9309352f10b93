"""What the figures of a study are, and which tables it writes.

A study's own measures are those of the alternatives, of what would change the answer, and of
the capital that is borrowed; those of a wing stand beside that wing's domain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from commonwatt.catalogue.errors import CatalogueError
from commonwatt.catalogue.measures import (
    CHANGE,
    COUNT,
    FLAG,
    MONEY,
    NUMBER,
    SHARE,
    TEXT,
    Measure,
    TableColumn,
)
from commonwatt.catalogue.shared import (
    CONFIDENCE,
    FISCAL_YEAR,
    GPU_HOUR_COST,
    GPU_HOUR_COST_P5,
    GPU_HOUR_COST_P95,
    GPUS,
    HOUR,
    INPUT,
    MEDIAN,
    P5,
    P95,
    QUEUE_DELAY_MEAN,
    RUNNING_COST,
    SITE,
    SITE_NAME,
    SOURCE,
    TENANT,
    UNIT,
    UTILISATION,
)
from commonwatt.catalogue.tables import TableSchema
from commonwatt.clinic.domain import tables as clinic
from commonwatt.core.messages import Message
from commonwatt.fleet.domain import tables as fleet
from commonwatt.fleet.domain.measures import ALLOCATED_GPUS
from commonwatt.runs.measures import FIGURE
from commonwatt.sandbox.domain.measures import ATTACKS
from commonwatt.siting.domain import tables as siting
from commonwatt.treasury.domain.tables import FAN_DEBT

if TYPE_CHECKING:
    import polars as pl

ALTERNATIVE: Final = Measure(
    "alternative", Message("Alternative"), "", Message("Another way to build the programme"), TEXT
)
ALTERNATIVE_NAME: Final = Measure(
    "alternative_name",
    Message("Name of the alternative"),
    "",
    Message("The alternative's name in the programme file"),
    TEXT,
)
ROUND_TRIP: Final = Measure(
    "round_trip_mean",
    Message("Round trip, mean"),
    "ms",
    Message("From where a tenant works to where its jobs ran, weighted by GPU time"),
    NUMBER.with_digits(1),
)
GPU_HOUR_CARBON: Final = Measure(
    "gpu_hour_carbon",
    Message("Carbon of a GPU-hour"),
    "gCO2e/GPU-hour",
    Message("Carbon of the window over the GPU time held in it, idle draw within"),
    NUMBER.with_digits(0),
    "carbon_in_window / gpu_hours_in_window",
)
CAPITAL_PER_GPU: Final = Measure(
    "capital_per_gpu",
    Message("Capital per GPU"),
    "USD/GPU",
    Message("Server, network, shell and land of one GPU, at the median of every input"),
    MONEY.with_digits(0),
)
CAPITAL: Final = Measure(
    "capital",
    Message("Capital"),
    "USD mn",
    Message("What building the sites takes; nothing for a site whose GPUs are rented"),
    MONEY.with_digits(1),
    "gpus * capital_per_gpu",
)
BORROWING: Final = Measure(
    "borrowing",
    Message("To be borrowed"),
    "{currency} bn",
    Message("The capital of all sites in the country's own money, borrowed as it is spent"),
    MONEY.with_digits(3),
    "capital * exchange_rate",
)
DEBT_GDP_LAST: Final = Measure(
    "debt_gdp_last",
    Message("Debt over GDP, last year"),
    "share of GDP",
    Message("Debt over GDP at the end of the last year that is projected"),
    SHARE.with_digits(2).measure_form_with_shown_unit("% of GDP"),
)
# Beside the debt of the capital alone: renting borrows almost nothing, so only this one sets it
# fairly against building.
DEBT_RUNNING_BORROWED: Final = Measure(
    "debt_gdp_running_borrowed",
    Message("Debt over GDP, running cost borrowed too"),
    "share of GDP",
    Message("Debt over GDP if every year's running cost after building is borrowed as well"),
    SHARE.with_digits(2).measure_form_with_shown_unit("% of GDP"),
)
NEED: Final = Measure(
    "capital_need",
    Message("Capital need"),
    "{currency} bn",
    Message("Capital that is spent in the year, all of it borrowed"),
    MONEY,
)
DEBT_WITH: Final = Measure(
    "debt_with",
    Message("Debt with the programme"),
    "{currency} bn",
    Message("Gross debt at the year's end on the planned path, the need borrowed as it is spent"),
    MONEY.with_digits(1),
)
DEBT_WITHOUT: Final = Measure(
    "debt_without",
    Message("Debt without the programme"),
    "{currency} bn",
    Message("Gross debt at the year's end on the planned path"),
    MONEY.with_digits(1),
)
DEBT_GDP_WITH: Final = Measure(
    "debt_gdp_with",
    Message("Debt over GDP with the programme"),
    "share of GDP",
    Message("Gross debt with the programme over that year's GDP"),
    SHARE.with_digits(2).measure_form_with_shown_unit("% of GDP"),
    "debt_with / gdp",
)
DEBT_GDP_WITHOUT: Final = Measure(
    "debt_gdp_without",
    Message("Debt over GDP without the programme"),
    "share of GDP",
    Message("Gross debt without the programme over that year's GDP"),
    SHARE.with_digits(2).measure_form_with_shown_unit("% of GDP"),
    "debt_without / gdp",
)
DEBT_GDP_WITH_MEDIAN: Final = Measure(
    "debt_gdp_with_median",
    Message("Debt over GDP with the programme, median of the paths"),
    "share of GDP",
    Message("Median of debt over GDP over the stochastic paths, the need borrowed"),
    SHARE.with_digits(2).measure_form_with_shown_unit("% of GDP"),
)
DEBT_GDP_WITHOUT_MEDIAN: Final = Measure(
    "debt_gdp_without_median",
    Message("Debt over GDP without the programme, median of the paths"),
    "share of GDP",
    Message("Median of debt over GDP over the same stochastic paths, nothing borrowed on top"),
    SHARE.with_digits(2).measure_form_with_shown_unit("% of GDP"),
)
# Of the last year and not of any year: the latter is larger and was once printed under a label that
# named a year.
CEILING_CHANCE_WITH: Final = Measure(
    "debt_over_ceiling_chance_with",
    Message("Chance of debt over its ceiling in the last year, with the programme"),
    "share",
    Message("Share of the stochastic paths whose debt is over its ceiling in the last year"),
    SHARE,
)
CEILING_CHANCE_WITHOUT: Final = Measure(
    "debt_over_ceiling_chance_without",
    Message("Chance of debt over its ceiling in the last year, without the programme"),
    "share",
    Message("The same share of the paths on which nothing is borrowed on top"),
    SHARE,
)
FLIPS_AT: Final = Measure(
    "flips_at",
    Message("The answer changes at"),
    "",
    Message("The nearest value of the input at which the two cheapest cost the same"),
    NUMBER,
)
CHANGE_SHARE: Final = Measure(
    "change",
    Message("Change"),
    "share",
    Message("How far the value moves, over where it stood"),
    CHANGE,
    "after / before - 1",
)
WITHIN_RANGE: Final = Measure(
    "within_range",
    Message("Within its range"),
    "",
    Message("Whether the answer changes between the input's 5th and 95th percentile"),
    FLAG,
)
INPUT_KEY: Final = Measure(
    "input_key", Message("Key of the input"), "", Message("Owner and name of the input"), TEXT
)
BEFORE: Final = Measure(
    "before", Message("Before"), "", Message("The figure of the programme as written"), TEXT
)
AFTER: Final = Measure(
    "after", Message("After"), "", Message("The figure with the changes asked for"), TEXT
)
DIFFERENCE: Final = Measure(
    "difference", Message("Difference"), "", Message("The figure after, less the one before"), TEXT
)
EXTENT: Final = Measure(
    "extent", Message("Of what"), "", Message("Scale, period and basis of a figure"), TEXT
)
IS_CHANGED: Final = Measure(
    "changed", Message("Changed"), "", Message("Whether the two figures differ"), FLAG
)
# Gross debt, reserves and both together stand side by side wherever a debt effect is shown: where a
# plan publishes its issues, the programme's own bonds are repaid from the reserves, and debt alone
# tells half.
# Three digits: with two, gross debt and reserves do not add up to the net effect below them.
_OVER_GDP: Final = CHANGE.with_digits(3).measure_form_with_shown_unit("% of GDP")
_IN_MONEY: Final = replace(CHANGE.with_digits(2), unit="")
_SHARE: Final = "share of GDP"
_MONEY: Final = "{currency} bn"
_OF_DRAWS: Final = Message(
    "Over the stochastic paths, each with and without the programme under the same shocks"
)
_GROSS: Final = Message(
    "Gross debt at the year's end with the programme, less that without it, on the planned path"
)
_RESERVES: Final = Message(
    "Reserves at the year's end with the programme, less those without it, on the planned path"
)
_NET: Final = Message("What the programme adds to gross debt, less what it adds to reserves")

GROSS_EFFECT: Final = Measure(
    "gross_debt_effect", Message("Change of gross debt"), _MONEY, _GROSS, _IN_MONEY,
    "debt_with - debt_without",
)  # fmt: skip
RESERVES_EFFECT: Final = Measure(
    "reserves_effect", Message("Change of reserves"), _MONEY, _RESERVES, _IN_MONEY
)
NET_EFFECT: Final = Measure(
    "net_debt_effect", Message("Net effect on debt less reserves"), _MONEY, _NET, _IN_MONEY,
    "gross_debt_effect - reserves_effect",
)  # fmt: skip
GROSS_EFFECT_GDP: Final = Measure(
    "gross_debt_effect_gdp", Message("Change of gross debt over GDP"), _SHARE, _GROSS, _OVER_GDP,
    "gross_debt_effect / gdp",
)  # fmt: skip
RESERVES_EFFECT_GDP: Final = Measure(
    "reserves_effect_gdp", Message("Change of reserves over GDP"), _SHARE, _RESERVES, _OVER_GDP,
    "reserves_effect / gdp",
)  # fmt: skip
NET_EFFECT_GDP: Final = Measure(
    "net_debt_effect_gdp", Message("Net effect on debt less reserves over GDP"), _SHARE, _NET,
    _OVER_GDP, "net_debt_effect / gdp",
)  # fmt: skip
GROSS_EFFECT_P5: Final = Measure(
    "gross_debt_effect_p5", Message("Change of gross debt over GDP, 5th percentile"), _SHARE,
    _OF_DRAWS, _OVER_GDP,
)  # fmt: skip
GROSS_EFFECT_P50: Final = Measure(
    "gross_debt_effect_p50", Message("Change of gross debt over GDP, median of the paths"), _SHARE,
    _OF_DRAWS, _OVER_GDP,
)  # fmt: skip
GROSS_EFFECT_P95: Final = Measure(
    "gross_debt_effect_p95", Message("Change of gross debt over GDP, 95th percentile"), _SHARE,
    _OF_DRAWS, _OVER_GDP,
)  # fmt: skip
RESERVES_EFFECT_P5: Final = Measure(
    "reserves_effect_p5", Message("Change of reserves over GDP, 5th percentile"), _SHARE,
    _OF_DRAWS, _OVER_GDP,
)  # fmt: skip
RESERVES_EFFECT_P50: Final = Measure(
    "reserves_effect_p50", Message("Change of reserves over GDP, median of the paths"), _SHARE,
    _OF_DRAWS, _OVER_GDP,
)  # fmt: skip
RESERVES_EFFECT_P95: Final = Measure(
    "reserves_effect_p95", Message("Change of reserves over GDP, 95th percentile"), _SHARE,
    _OF_DRAWS, _OVER_GDP,
)  # fmt: skip
NET_EFFECT_P5: Final = Measure(
    "net_debt_effect_p5", Message("Net effect over GDP, 5th percentile"), _SHARE, _OF_DRAWS,
    _OVER_GDP,
)  # fmt: skip
NET_EFFECT_P50: Final = Measure(
    "net_debt_effect_p50", Message("Net effect over GDP, median of the paths"), _SHARE, _OF_DRAWS,
    _OVER_GDP,
)  # fmt: skip
NET_EFFECT_P95: Final = Measure(
    "net_debt_effect_p95", Message("Net effect over GDP, 95th percentile"), _SHARE, _OF_DRAWS,
    _OVER_GDP,
)  # fmt: skip

PLANNED_EFFECTS: Final = (
    TableColumn.of(GROSS_EFFECT, "gross_debt_effect_bn"),
    TableColumn.of(RESERVES_EFFECT, "reserves_effect_bn"),
    TableColumn.of(NET_EFFECT, "net_debt_effect_bn"),
    TableColumn.of(GROSS_EFFECT_GDP, "gross_debt_effect_gdp_share"),
    TableColumn.of(RESERVES_EFFECT_GDP, "reserves_effect_gdp_share"),
    TableColumn.of(NET_EFFECT_GDP, "net_debt_effect_gdp_share"),
)
EFFECT_BANDS: Final = (
    TableColumn.of(GROSS_EFFECT_P5, "gross_debt_effect_p5_gdp_share"),
    TableColumn.of(GROSS_EFFECT_P95, "gross_debt_effect_p95_gdp_share"),
    TableColumn.of(RESERVES_EFFECT_P5, "reserves_effect_p5_gdp_share"),
    TableColumn.of(RESERVES_EFFECT_P95, "reserves_effect_p95_gdp_share"),
    TableColumn.of(NET_EFFECT_P5, "net_debt_effect_p5_gdp_share"),
    TableColumn.of(NET_EFFECT_P95, "net_debt_effect_p95_gdp_share"),
)
EFFECT_MEDIANS: Final = (
    TableColumn.of(GROSS_EFFECT_P50, "gross_debt_effect_p50_gdp_share"),
    TableColumn.of(RESERVES_EFFECT_P50, "reserves_effect_p50_gdp_share"),
    TableColumn.of(NET_EFFECT_P50, "net_debt_effect_p50_gdp_share"),
)
EFFECT_FIGURES: Final = tuple(column.name for column in (*PLANNED_EFFECTS, *EFFECT_BANDS))

ALTERNATIVES: Final = TableSchema(
    "alternatives",
    "The alternatives of a programme side by side.",
    (
        TableColumn.of(ALTERNATIVE_NAME, "name"),
        TableColumn.of(ALTERNATIVE),
        TableColumn.of(GPUS),
        TableColumn.of(GPU_HOUR_COST, "cost_usd_per_gpu_hour"),
        TableColumn.of(GPU_HOUR_COST_P5, "cost_p5_usd_per_gpu_hour"),
        TableColumn.of(GPU_HOUR_COST_P95, "cost_p95_usd_per_gpu_hour"),
        TableColumn.of(UTILISATION, "utilisation_share"),
        TableColumn.of(QUEUE_DELAY_MEAN, "mean_queue_delay_h", unit="h"),
        TableColumn.of(ROUND_TRIP, "mean_rtt_ms"),
        TableColumn.of(GPU_HOUR_CARBON, "carbon_g_per_gpu_hour"),
        TableColumn.of(CAPITAL, "capital_usd_mn"),
        TableColumn.of(RUNNING_COST, "running_usd_mn_a_year"),
        TableColumn.of(BORROWING, "borrowing_bn"),
        TableColumn.of(DEBT_GDP_LAST, "debt_gdp_share"),
        TableColumn.of(DEBT_RUNNING_BORROWED, "debt_running_borrowed_gdp_share"),
        *PLANNED_EFFECTS,
        *EFFECT_BANDS,
    ),
)
ALTERNATIVES_BREAK_EVEN: Final = TableSchema(
    "alternatives_break_even",
    "Which single input would have to change for the cheaper of the two best to change.",
    (
        TableColumn.of(INPUT),
        TableColumn.of(SITE),
        TableColumn.of(UNIT),
        TableColumn.of(P5),
        TableColumn.of(MEDIAN),
        TableColumn.of(P95),
        TableColumn.of(FLIPS_AT),
        TableColumn.of(CHANGE_SHARE, "change_share"),
        TableColumn.of(WITHIN_RANGE),
        TableColumn.of(SOURCE),
        TableColumn.of(CONFIDENCE),
        TableColumn.of(INPUT_KEY, "key"),
    ),
)
CHEAPEST_CHEAPER: Final = Measure(
    "cheapest_alternative_cheaper",
    Message("Draws in which the cheapest alternative is cheaper"),
    "share",
    Message("Share of the draws in which the cheapest alternative costs less than the next"),
    SHARE.with_digits(0),
)
FIGURES_UNMOVED: Final = Measure(
    "figures_unmoved",
    Message("Figures that stay"),
    "",
    Message("Figures that the changes asked for did not move"),
    COUNT,
)

WHAT_IF: Final = TableSchema(
    "what_if",
    "The figures that people quote, before and after the changes asked for.",
    (
        TableColumn.of(FIGURE, meaning="The figure's name in the run's headline"),
        TableColumn.of(BEFORE),
        TableColumn.of(AFTER),
        TableColumn.of(CHANGE_SHARE, "change_share"),
        TableColumn.of(IS_CHANGED),
    ),
)
FUNDING_CAPITAL: Final = TableSchema(
    "funding_capital",
    "Capital and running cost by site.",
    (
        TableColumn.of(SITE),
        TableColumn.of(SITE_NAME, "name"),
        # No count: GPUs times scale need not be whole.
        TableColumn.of(GPUS, kind="number"),
        TableColumn.of(CAPITAL_PER_GPU, "capital_usd_per_gpu"),
        TableColumn.of(CAPITAL, "capital_usd_mn"),
        TableColumn.of(RUNNING_COST, "running_usd_mn_a_year"),
    ),
)
FUNDING_YEARS: Final = TableSchema(
    "funding_years",
    "The capital need and the debt with and without it, year by year of the planned path.",
    (
        TableColumn.of(FISCAL_YEAR),
        TableColumn.of(NEED, "need_{currency}_bn"),
        TableColumn.of(DEBT_WITHOUT, "debt_without_{currency}_bn"),
        TableColumn.of(DEBT_WITH, "debt_with_{currency}_bn"),
        TableColumn.of(DEBT_GDP_WITHOUT, "debt_without_gdp_share"),
        TableColumn.of(DEBT_GDP_WITH, "debt_with_gdp_share"),
    ),
)
FUNDING_EFFECT: Final = TableSchema(
    "funding_effect",
    "What the programme and each alternative add to gross debt, reserves and both, by year.",
    (
        TableColumn.of(
            ALTERNATIVE_NAME,
            "variant",
            meaning="Name of the alternative, or `programme` for the programme as it is written",
        ),
        TableColumn.of(FISCAL_YEAR),
        *PLANNED_EFFECTS,
        *EFFECT_BANDS,
        *EFFECT_MEDIANS,
    ),
)
FUNDING_FAN_WITH: Final = FAN_DEBT.schema_under_name_with_more_columns(
    "funding_fan_with", meaning="Debt over GDP on the stochastic paths, the capital borrowed."
)
FUNDING_FAN_WITHOUT: Final = FAN_DEBT.schema_under_name_with_more_columns(
    "funding_fan_without", meaning="Debt over GDP on the same paths, nothing borrowed on top."
)
FLEET_LOAD: Final = TableSchema(
    "fleet_load",
    "GPUs that each tenant held, hour by hour of the first week.",
    (
        TableColumn.of(TENANT),
        TableColumn.of(HOUR),
        # A mean over the hour, so it need not be whole.
        TableColumn.of(ALLOCATED_GPUS, "held_gpus", kind="number"),
    ),
)

TABLES: Final[Mapping[str, TableSchema]] = {
    table.name: table
    for table in (
        fleet.JOBS,
        fleet.USE,
        fleet.QUEUE,
        fleet.TENANTS,
        fleet.SITES,
        fleet.POLICIES,
        FLEET_LOAD,
        siting.COST_SITES,
        siting.COST_PARTS,
        siting.COST_TORNADO,
        siting.COST_CELLS,
        siting.PLACE_SITES,
        siting.PLACE_CLASSES,
        siting.PLACE_HOURLY,
        ALTERNATIVES,
        ALTERNATIVES_BREAK_EVEN,
        FUNDING_CAPITAL,
        FUNDING_YEARS,
        FUNDING_EFFECT,
        FUNDING_FAN_WITH,
        FUNDING_FAN_WITHOUT,
        WHAT_IF,
        ATTACKS,
        clinic.CLINIC_OVER_TIME,
        clinic.CLINIC_EVIDENCE,
        clinic.CLINIC_SUBGROUPS,
        clinic.CLINIC_FUNNEL,
        clinic.CLINIC_VOICES,
    )
}


def declared_study_table_schema_or_none(name: str, currency: str = "") -> TableSchema | None:
    """Return what is declared of a study's table; None where nothing is, as of other runs."""
    table = TABLES.get(name)
    return table and table.in_currency(currency)


def study_frame_checked_against_schema(
    name: str, frame: pl.DataFrame, currency: str = ""
) -> pl.DataFrame:
    """Return a table of a study where its columns are those declared, and refuse any other.

    Args:
        name: The table's name in the run.
        frame: Its rows.
        currency: The money of the study's country; empty where nobody borrows.

    Raises:
        CatalogueError: Nobody declared such a table, or its columns differ: a bug.
    """
    if name not in TABLES:
        raise CatalogueError(
            name,
            found=Message("a table that nobody declared"),
            wanted=Message("one of {names}", {"names": ", ".join(TABLES)}),
        )
    # Before it is written: a column that nobody declared would be shown without label and unit for
    # ever.
    return TABLES[name].in_currency(currency).frame_checked_against_schema(frame)
