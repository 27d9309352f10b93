"""Measures that more than one wing names: a label stands once, so these stand below them all."""

from __future__ import annotations

from typing import Final

from commonwatt.catalogue.measures import (
    COUNT,
    HOURS,
    MONEY,
    NUMBER,
    SHARE,
    TEXT,
    Form,
    FormKind,
    Measure,
)
from commonwatt.core.messages import Message

# 2026, and never 2,026.
_YEAR: Final = Form(FormKind.COUNT, 0, grouped=False)

SITE: Final = Measure(
    "site", Message("Site"), "", Message("The place where machines stand, by its title"), TEXT
)
SITE_NAME: Final = Measure(
    "site_name", Message("Name of the site"), "", Message("The site's name in the programme"), TEXT
)
TENANT: Final = Measure(
    "tenant", Message("Tenant"), "", Message("Who submits jobs, by its title"), TEXT
)
GPUS: Final = Measure("gpus", Message("GPUs"), "GPU", Message("Number of GPUs"), COUNT)
INPUT: Final = Measure(
    "input", Message("Input"), "", Message("The name of an input of a calculation"), TEXT
)
UNIT: Final = Measure("unit", Message("Unit"), "", Message("The unit of the row's values"), TEXT)
SOURCE: Final = Measure(
    "source", Message("Source"), "", Message("Where a value comes from, in words"), TEXT
)
DATED: Final = Measure("dated", Message("Dated"), "", Message("The date that a source bears"), TEXT)
CONFIDENCE: Final = Measure(
    "confidence",
    Message("Confidence"),
    "",
    Message("How far a source may be trusted: official, report, press, estimate or memory"),
    TEXT,
)
NOTE: Final = Measure("note", Message("Note"), "", Message("What else a reader should know"), TEXT)
DAY: Final = Measure("day", Message("Day"), "d", Message("Days from the start"), NUMBER)
YEAR: Final = Measure("year", Message("Year"), "", Message("The calendar year"), _YEAR)
P5: Final = Measure(
    "p5", Message("5th percentile"), "", Message("5th percentile of the row's values"), NUMBER
)
MEDIAN: Final = Measure(
    "median", Message("Median"), "", Message("Median of the row's values"), NUMBER
)
P95: Final = Measure(
    "p95", Message("95th percentile"), "", Message("95th percentile of the row's values"), NUMBER
)
UTILISATION: Final = Measure(
    "utilisation",
    Message("Utilisation"),
    "share",
    Message(
        "Allocated GPU time over available GPU time, between the first and the last arrival; "
        "a node that is down is not available"
    ),
    SHARE,
    "allocated_gpu_hours / available_gpu_hours",
)
GPU_HOURS: Final = Measure(
    "gpu_hours",
    Message("GPU time"),
    "GPU-h",
    Message("GPUs that were allocated, times how long"),
    NUMBER.with_digits(0),
)
ENERGY: Final = Measure(
    "energy",
    Message("Energy, overhead included"),
    "kWh",
    Message("Energy of GPUs, held and free, with cooling and losses"),
    NUMBER.with_digits(1).measure_form_with_shown_unit("MWh"),
)
POWER_BILL: Final = Measure(
    "power_bill",
    Message("Power bill"),
    "USD",
    Message("Energy of each hour times the power price of that hour"),
    MONEY.with_digits(0),
)
CARBON: Final = Measure(
    "carbon",
    Message("Carbon"),
    "kg CO2e",
    Message("Energy of each hour times the carbon intensity of that hour"),
    NUMBER.with_digits(1).measure_form_with_shown_unit("t CO2e"),
)
HOUR: Final = Measure(
    "hour", Message("Hour of the week (UTC)"), "h", Message("Hours from the week's start"), COUNT
)
# Only jobs that finished, as a job cut off at the end of a trace has waited for a time that nobody
# knows.
QUEUE_DELAY_MEAN: Final = Measure(
    "queue_delay_mean",
    Message("Queue delay, mean"),
    "s",
    Message("First start minus submission, over the jobs that finished"),
    HOURS,
    "mean(first_start - submission)",
)
GPU_HOUR_COST: Final = Measure(
    "gpu_hour_cost",
    Message("Cost of a GPU-hour"),
    "USD/GPU-hour",
    Message(
        "Levelised: discounted lifetime cost over discounted useful GPU-hours, every input at "
        "its median"
    ),
    MONEY,
)
GPU_HOUR_COST_P5: Final = Measure(
    "gpu_hour_cost_p5",
    Message("Cost of a GPU-hour, 5th percentile"),
    "USD/GPU-hour",
    Message("The same at the 5th percentile of correlated draws of all inputs"),
    MONEY,
)
GPU_HOUR_COST_P50: Final = Measure(
    "gpu_hour_cost_p50",
    Message("Cost of a GPU-hour, median"),
    "USD/GPU-hour",
    Message("The same at the median of correlated draws of all inputs"),
    MONEY,
)
GPU_HOUR_COST_P95: Final = Measure(
    "gpu_hour_cost_p95",
    Message("Cost of a GPU-hour, 95th percentile"),
    "USD/GPU-hour",
    Message("The same at the 95th percentile of correlated draws of all inputs"),
    MONEY,
)
RUNNING_COST: Final = Measure(
    "running_cost",
    Message("Running cost"),
    "USD mn/year",
    Message(
        "Energy, staff, upkeep, network, spares and holding of all GPUs in a year; the rent, "
        "where GPUs are rented"
    ),
    NUMBER.with_digits(1),
)
FISCAL_YEAR: Final = Measure(
    "fiscal_year", Message("Fiscal year"), "", Message("The government's own year"), TEXT
)
# Over the GDP of the same year: a stock over last year's GDP overstates the ratio wherever the
# economy grows.
DEBT_GDP: Final = Measure(
    "debt_gdp",
    Message("Debt over GDP"),
    "share of GDP",
    Message("Gross debt at the year's end over that year's GDP"),
    SHARE.with_digits(2).measure_form_with_shown_unit("% of GDP"),
    "debt / gdp",
)
