"""The tables that the figures of a study are evaluated over: the basis of the report.

Stages write them before any figure exists. They are kept without labels and titles where
another table has them, so that a cell stands once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from commonwatt.catalogue.measures import (
    CHANGE,
    COUNT,
    FLAG,
    MONEY,
    NUMBER,
    SHARE,
    TEXT,
    Measure,
)
from commonwatt.catalogue.shared import (
    FISCAL_YEAR,
    GPU_HOUR_COST,
    GPU_HOURS,
    GPUS,
    HOUR,
    INPUT,
    SITE,
    SITE_NAME,
    TENANT,
    UTILISATION,
    YEAR,
)
from commonwatt.catalogue.tables import TableColumn, TableSchema
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.measures import FIRST_START, JOB_END, SUBMITTED
from commonwatt.study.measures import ALTERNATIVE_NAME, NEED, ROUND_TRIP
from commonwatt.treasury.domain.measures import (
    DEBT,
    GDP,
    GROSS_ISSUANCE,
    INTEREST,
    REDEMPTION,
    RESERVES,
)

PROGRAMME: Final = "programme"  # in the column `variant`: the programme as it is written

SIMULATED_RUN: Final = Measure(
    "simulated_run",
    Message("Simulated run"),
    "",
    Message("The first variant whose fleet run this is; variants with the same run share it"),
    TEXT,
)
JOB_NUMBER: Final = Measure(
    "job_number",
    Message("Number of the job"),
    "",
    Message("Place of the job in the order of submission, from 0"),
    COUNT,
)
JOB_FINISHED: Final = Measure(
    "job_finished", Message("Job finished"), "", Message("Whether the job ran to its end"), FLAG
)
JOB_ADMITTED: Final = Measure(
    "job_admitted",
    Message("Job admitted"),
    "",
    Message("Whether some set of permitted nodes could hold the job, so that it waits"),
    FLAG,
)
NODE_NUMBER: Final = Measure(
    "node_number", Message("Number of the node"), "", Message("Place of the node, from 0"), COUNT
)
PIECE_NUMBER: Final = Measure(
    "piece_number",
    Message("Number of the piece"),
    "",
    Message("Place of the node in the gang of one stretch of running, from 0"),
    COUNT,
)
PIECE_START: Final = Measure(
    "piece_start",
    Message("Start of the stretch"),
    "s",
    Message("Start of a stretch of running, from the trace's origin"),
    NUMBER,
)
PIECE_END: Final = Measure(
    "piece_end",
    Message("End of the stretch"),
    "s",
    Message("End of a stretch of running or its preemption, from the trace's origin"),
    NUMBER,
)
PIECE_GPUS: Final = Measure(
    "piece_gpus",
    Message("GPUs of the piece"),
    "GPU",
    Message("GPUs that the stretch of running holds on the node"),
    NUMBER,
)
QUEUED_AGAIN: Final = Measure(
    "queued_again",
    Message("Queued again"),
    "",
    Message("Whether the job waits again after this stretch, because it was preempted"),
    FLAG,
)
GPU_NAME: Final = Measure(
    "gpu_name", Message("Kind of GPU"), "", Message("Name of the kind of GPU of a node"), TEXT
)
IDLE_DRAW: Final = Measure(
    "idle_draw", Message("Draw of a free GPU"), "W", Message("Draw while nobody holds it"), NUMBER
)
BUSY_DRAW: Final = Measure(
    "busy_draw", Message("Draw of a held GPU"), "W", Message("Draw while a job holds it"), NUMBER
)
SITE_PUE: Final = Measure(
    "site_pue",
    Message("Power usage effectiveness"),
    "PUE",
    Message("Facility draw over the draw of the servers, as the programme states it"),
    NUMBER,
)
SPAN_START: Final = Measure(
    "span_start",
    Message("Start of the span"),
    "s",
    Message("Start of a span of one price: a clock hour, cut at both ends of the window"),
    NUMBER,
)
SPAN_END: Final = Measure(
    "span_end", Message("End of the span"), "s", Message("End of the span of one price"), NUMBER
)
SPAN_IN_WINDOW: Final = Measure(
    "span_in_window",
    Message("Within the window of arrivals"),
    "",
    Message("Whether the span lies between the first and the last arrival"),
    FLAG,
)
HOUR_PRICE: Final = Measure(
    "hour_price",
    Message("Power price of the span"),
    "USD/MWh",
    Message("The programme's price of the hour, the series repeated where it ends"),
    NUMBER,
)
HOUR_CARBON: Final = Measure(
    "hour_carbon",
    Message("Carbon intensity of the span"),
    "gCO2e/kWh",
    Message("The programme's carbon intensity of the hour, the series repeated likewise"),
    NUMBER,
)
IT_ENERGY: Final = Measure(
    "gpu_hour_it_energy",
    Message("IT energy of a GPU-hour"),
    "kWh/GPU-h",
    Message("IT energy of the window over the GPU time held in it, idle draw within"),
    NUMBER.with_digits(3),
)
SCALE: Final = Measure(
    "build_scale",
    Message("GPUs built for each simulated"),
    "ratio",
    Message("How many times as large the programme is as the fleet that was simulated"),
    NUMBER,
)
IS_RENTED: Final = Measure(
    "is_rented", Message("Rented"), "", Message("Whether the GPUs of the site are rented"), FLAG
)
EVERY_HOUR_PAID: Final = Measure(
    "every_hour_paid",
    Message("Every hour paid"),
    "",
    Message("Whether rent is paid for every hour, and not only for those used"),
    FLAG,
)
INPUT_VALUE: Final = Measure(
    "input_value", Message("Value of the input"), "", Message("In the unit of the input"), NUMBER
)
DRAW_NUMBER: Final = Measure(
    "draw_number", Message("Number of the draw"), "", Message("Place of the draw, from 0"), COUNT
)
DEBT_PATH: Final = Measure(
    "debt_path",
    Message("Path of the debt"),
    "",
    Message("What is borrowed on top of the plan: nothing, the capital, or running cost too"),
    TEXT,
)
DEBT_BEFORE: Final = Measure(
    "debt_before",
    Message("Debt at the year's start"),
    "{currency} bn",
    Message("Gross debt at the end of the year before"),
    NUMBER,
)
DEBT_REVALUED: Final = Measure(
    "debt_revalued",
    Message("Revaluation of the debt"),
    "{currency} bn",
    Message("Change of foreign bonds by the year's exchange rates"),
    NUMBER,
)
PATH_NUMBER: Final = Measure(
    "path_number", Message("Number of the path"), "", Message("Place of the path, from 0"), COUNT
)
PATH_DEBT_GDP_WITH: Final = Measure(
    "path_debt_gdp_with",
    Message("Debt over GDP of the path, with the programme"),
    "share of GDP",
    Message("Debt over GDP in the last year of one stochastic path, the need borrowed"),
    SHARE.with_digits(2).measure_form_with_shown_unit("% of GDP"),
)
PATH_DEBT_GDP_WITHOUT: Final = Measure(
    "path_debt_gdp_without",
    Message("Debt over GDP of the path, without the programme"),
    "share of GDP",
    Message("Debt over GDP in the last year of the same path, nothing borrowed on top"),
    SHARE.with_digits(2).measure_form_with_shown_unit("% of GDP"),
)
PATH_DEBT_WITH: Final = Measure(
    "path_debt_with",
    Message("Debt of the path, with the programme"),
    "{currency} bn",
    Message("Gross debt in the last year of one stochastic path, the need borrowed"),
    MONEY,
)
PATH_GROSS_EFFECT: Final = Measure(
    "path_gross_effect",
    Message("Change of gross debt over GDP on the path"),
    "share of GDP",
    Message("Debt of one stochastic path with the programme, less that of the same path without"),
    CHANGE.with_digits(3).measure_form_with_shown_unit("% of GDP"),
)
PATH_RESERVES_EFFECT: Final = Measure(
    "path_reserves_effect",
    Message("Change of reserves over GDP on the path"),
    "share of GDP",
    Message(
        "Reserves of one stochastic path with the programme, less those of the same path without"
    ),
    CHANGE.with_digits(3).measure_form_with_shown_unit("% of GDP"),
)
PLAN_SIZE: Final = Measure(
    "plan_size", Message("GPUs planned"), "GPU", Message("GPUs that the plan builds"), NUMBER
)
PLAN_GPU_PRICE: Final = Measure(
    "plan_gpu_price",
    Message("Standing cost of a planned GPU"),
    "USD/GPU",
    Message("What a GPU costs over the hours planned, whether it runs or not"),
    MONEY,
)
PLAN_LOAD: Final = Measure(
    "plan_load",
    Message("GPUs at work in the hour"),
    "GPU",
    Message("GPUs of the site that work for the tenant in the hour"),
    NUMBER,
)
PLAN_HOUR_PRICE: Final = Measure(
    "plan_hour_price",
    Message("Cost of a GPU's working hour"),
    "USD/GPU-h",
    Message("Energy, its carbon price and rent of one GPU that works in the hour"),
    NUMBER,
)
PLAN_HOUR_CARBON: Final = Measure(
    "plan_hour_carbon",
    Message("Carbon of a GPU's working hour"),
    "kg CO2e/GPU-h",
    Message("Carbon of one GPU that works in the hour"),
    NUMBER,
)
PLAN_COST: Final = Measure(
    "plan_cost",
    Message("Cost of the plan"),
    "USD",
    Message("Standing cost of the planned GPUs and the cost of their working hours"),
    MONEY.with_digits(0),
)
PLAN_CARBON: Final = Measure(
    "plan_carbon",
    Message("Carbon of the plan"),
    "t CO2e",
    Message("Carbon of all working hours of the plan"),
    NUMBER.with_digits(1),
)
PLAN_GAP: Final = Measure(
    "plan_gap",
    Message("Proved gap of the plan"),
    "share",
    Message("How much cheaper another plan could at most be, over the cost of this one"),
    SHARE.with_digits(3),
)
PLAN_BOUND: Final = Measure(
    "plan_bound",
    Message("Proved bound of the plan"),
    "USD",
    Message("No plan can cost less, as the solver proved"),
    MONEY,
)

# By run and not by variant: alternatives that move no job share the rows of one run.
_RUN: Final = TableColumn.of(SIMULATED_RUN, "run")
_VARIANT: Final = TableColumn.of(
    ALTERNATIVE_NAME,
    "variant",
    meaning="Name of the alternative, or `programme` for the programme as it is written",
)
_SITE: Final = TableColumn.of(SITE_NAME, "site")

BASIS_RUNS: Final = TableSchema(
    "basis_runs",
    "Which fleet run stands behind each variant.",
    (_VARIANT, _RUN),
)
BASIS_SITES: Final = TableSchema(
    "basis_sites",
    "The sites of each run: title and PUE.",
    (_RUN, _SITE, TableColumn.of(SITE, "title"), TableColumn.of(SITE_PUE, "pue")),
)
BASIS_NODES: Final = TableSchema(
    "basis_nodes",
    "The nodes of each run.",
    (
        _RUN,
        TableColumn.of(NODE_NUMBER, "node"),
        _SITE,
        TableColumn.of(GPU_NAME, "gpu"),
        TableColumn.of(GPUS, kind="number"),
    ),
)
BASIS_DRAW: Final = TableSchema(
    "basis_draw",
    "What a GPU of each kind draws.",
    (
        _RUN,
        TableColumn.of(GPU_NAME, "gpu"),
        TableColumn.of(IDLE_DRAW, "idle_w"),
        TableColumn.of(BUSY_DRAW, "busy_w"),
    ),
)
BASIS_JOBS: Final = TableSchema(
    "basis_jobs",
    "The jobs of each run.",
    (
        _RUN,
        TableColumn.of(JOB_NUMBER, "job"),
        TableColumn.of(TENANT),
        TableColumn.of(SUBMITTED, "submit_s"),
        TableColumn.of(FIRST_START, "start_s"),
        TableColumn.of(JOB_END, "end_s"),
        TableColumn.of(JOB_ADMITTED, "admitted"),
        TableColumn.of(JOB_FINISHED, "finished"),
    ),
)
BASIS_PIECES: Final = TableSchema(
    "basis_pieces",
    "Who held how much of which node from when to when, in each run.",
    (
        _RUN,
        TableColumn.of(JOB_NUMBER, "job"),
        TableColumn.of(PIECE_NUMBER, "piece"),
        TableColumn.of(NODE_NUMBER, "node", meaning="-1 where the job holds no node"),
        TableColumn.of(PIECE_GPUS, "gpus"),
        TableColumn.of(PIECE_START, "from_s"),
        TableColumn.of(PIECE_END, "until_s"),
        TableColumn.of(QUEUED_AGAIN, "queued_again"),
    ),
)
BASIS_HOURS: Final = TableSchema(
    "basis_hours",
    "GPU time held at each site by kind of GPU, span by span of one price, in each run.",
    (
        _RUN,
        _SITE,
        TableColumn.of(GPU_NAME, "gpu"),
        TableColumn.of(SPAN_START, "from_s"),
        TableColumn.of(SPAN_END, "until_s"),
        TableColumn.of(SPAN_IN_WINDOW, "in_window"),
        TableColumn.of(GPU_HOURS, "held_gpu_h"),
        TableColumn.of(HOUR_PRICE, "price_usd_per_mwh"),
        TableColumn.of(HOUR_CARBON, "carbon_g_per_kwh"),
    ),
)
BASIS_TRIPS: Final = TableSchema(
    "basis_trips",
    "Round trip from where each tenant works to each site, in each run.",
    (_RUN, TableColumn.of(TENANT), _SITE, TableColumn.of(ROUND_TRIP, "round_trip_ms")),
)
BASIS_COSTS: Final = TableSchema(
    "basis_costs",
    "What the cost of each site was computed with, beside its inputs, by variant.",
    (
        _VARIANT,
        _SITE,
        TableColumn.of(GPUS, kind="number"),
        TableColumn.of(SCALE, "scale"),
        TableColumn.of(UTILISATION, "utilisation_share"),
        TableColumn.of(GPU_HOURS, "held_gpu_h"),
        TableColumn.of(IS_RENTED, "rented"),
        TableColumn.of(EVERY_HOUR_PAID, "every_hour_paid"),
    ),
)
BASIS_INPUTS: Final = TableSchema(
    "basis_inputs",
    "The median of every input of the cost of each site, by variant.",
    (_VARIANT, _SITE, TableColumn.of(INPUT), TableColumn.of(INPUT_VALUE, "value")),
)
BASIS_DRAWS: Final = TableSchema(
    "basis_draws",
    "The cost of a useful GPU-hour in every draw of the inputs of each site.",
    (
        _SITE,
        TableColumn.of(DRAW_NUMBER, "draw"),
        TableColumn.of(GPU_HOUR_COST, "cost_usd_per_gpu_hour", meaning="In this draw"),
    ),
)
# Of the first draws alone: those of all would be a million rows and more for each site.
BASIS_DRAW_INPUTS: Final = TableSchema(
    "basis_draw_inputs",
    "The inputs of the first draws of each site.",
    (
        _SITE,
        TableColumn.of(DRAW_NUMBER, "draw"),
        TableColumn.of(INPUT),
        TableColumn.of(INPUT_VALUE, "value"),
    ),
)
BASIS_MIX_DRAWS: Final = TableSchema(
    "basis_mix_draws",
    "The cost of a useful GPU-hour over all sites of each alternative in every draw.",
    (
        _VARIANT,
        TableColumn.of(DRAW_NUMBER, "draw"),
        TableColumn.of(GPU_HOUR_COST, "cost_usd_per_gpu_hour", meaning="In this draw"),
    ),
)
BASIS_MIX_DRAW_INPUTS: Final = TableSchema(
    "basis_mix_draw_inputs",
    "The inputs of the first draws of each site of each alternative.",
    (
        _VARIANT,
        _SITE,
        TableColumn.of(DRAW_NUMBER, "draw"),
        TableColumn.of(INPUT),
        TableColumn.of(INPUT_VALUE, "value"),
    ),
)
BASIS_TERMS: Final = TableSchema(
    "basis_terms",
    "The terms of the funding by variant: scale, exchange rate, years, ceiling on debt.",
    (_VARIANT, TableColumn.of(INPUT), TableColumn.of(INPUT_VALUE, "value")),
)
BASIS_ACCOUNTS: Final = TableSchema(
    "basis_accounts",
    "GDP and debt of each year of each planned path, by variant.",
    (
        _VARIANT,
        TableColumn.of(DEBT_PATH, "path"),
        TableColumn.of(YEAR),
        TableColumn.of(FISCAL_YEAR),
        TableColumn.of(NEED, "need_bn"),
        TableColumn.of(GDP, "gdp_bn"),
        TableColumn.of(DEBT_BEFORE, "debt_before_bn"),
        TableColumn.of(DEBT_REVALUED, "revaluation_bn"),
        TableColumn.of(GROSS_ISSUANCE, "issuance_bn"),
        TableColumn.of(REDEMPTION, "redemption_bn"),
        TableColumn.of(INTEREST, "interest_bn"),
        TableColumn.of(DEBT, "debt_bn"),
        TableColumn.of(
            RESERVES, "reserves_bn", meaning="At the year's end; nothing where a country has none"
        ),
    ),
)
BASIS_PATHS: Final = TableSchema(
    "basis_paths",
    "The last year of every stochastic path, with and without the programme.",
    (
        TableColumn.of(PATH_NUMBER, "path"),
        TableColumn.of(PATH_DEBT_GDP_WITH, "debt_with_gdp_share"),
        TableColumn.of(PATH_DEBT_GDP_WITHOUT, "debt_without_gdp_share"),
        TableColumn.of(PATH_DEBT_WITH, "debt_with_bn"),
    ),
)
BASIS_EFFECTS: Final = TableSchema(
    "basis_effects",
    "What each variant adds to gross debt and to reserves in the last year of every path.",
    (
        _VARIANT,
        TableColumn.of(PATH_NUMBER, "path"),
        TableColumn.of(PATH_GROSS_EFFECT, "gross_gdp_share"),
        TableColumn.of(PATH_RESERVES_EFFECT, "reserves_gdp_share"),
    ),
)
BASIS_SIZES: Final = TableSchema(
    "basis_sizes",
    "The sizes of the plan and what a GPU costs while it stands there.",
    (_SITE, TableColumn.of(PLAN_SIZE, "gpus"), TableColumn.of(PLAN_GPU_PRICE, "usd_per_gpu")),
)
BASIS_LOADS: Final = TableSchema(
    "basis_loads",
    "Which site works for which tenant in each hour of the plan.",
    (TableColumn.of(TENANT), _SITE, TableColumn.of(HOUR), TableColumn.of(PLAN_LOAD, "gpus")),
)
BASIS_RATES: Final = TableSchema(
    "basis_rates",
    "Cost and carbon of a GPU's working hour at each site.",
    (
        _SITE,
        TableColumn.of(HOUR),
        TableColumn.of(PLAN_HOUR_PRICE, "usd_per_gpu_h"),
        TableColumn.of(PLAN_HOUR_CARBON, "kg_per_gpu_h"),
    ),
)
BASIS_BOUND: Final = TableSchema(
    "basis_bound",
    "What the solver proved of the plan.",
    (TableColumn.of(PLAN_BOUND, "bound_usd"),),
)

FLEET_BASIS: Final = (
    BASIS_SITES,
    BASIS_NODES,
    BASIS_DRAW,
    BASIS_JOBS,
    BASIS_PIECES,
    BASIS_HOURS,
    BASIS_TRIPS,
)
# The order in which a run lists them.
BASIS: Final[Mapping[str, TableSchema]] = {
    table.name: table
    for table in (
        BASIS_RUNS,
        *FLEET_BASIS,
        BASIS_COSTS,
        BASIS_INPUTS,
        BASIS_DRAWS,
        BASIS_DRAW_INPUTS,
        BASIS_MIX_DRAWS,
        BASIS_MIX_DRAW_INPUTS,
        BASIS_TERMS,
        BASIS_ACCOUNTS,
        BASIS_PATHS,
        BASIS_EFFECTS,
        BASIS_SIZES,
        BASIS_LOADS,
        BASIS_RATES,
        BASIS_BOUND,
    )
}
