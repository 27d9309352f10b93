"""What the figures of siting are: cost by site, what drives it, and where load is placed."""

from __future__ import annotations

from typing import Final

from commonwatt.catalogue.measures import COUNT, MONEY, NUMBER, SHARE, TEXT, Measure
from commonwatt.core.messages import Message

_MEDIAN_OF_DRAWS: Final = Message("The same at the median of correlated draws of all inputs")
_P95_OF_DRAWS: Final = Message("The same at the 95th percentile of correlated draws of all inputs")
_OTHERS_AT_MEDIAN: Final = Message("Every other input at its median")
_P5_OF_DRAWS: Final = Message("The same at the 5th percentile of correlated draws of all inputs")
_RATIO_OF_DRAWS: Final = Message(
    "Ratio of the two costs in each draw; inputs that both share are drawn once"
)
_ALL_KNOWN: Final = Message("Against all load at its origin, every price known")
_TOMORROW_KNOWN: Final = Message("Against all load at its origin, only tomorrow's prices known")
CASE: Final = Measure(
    "cost_case",
    Message("Case of the cost"),
    "",
    Message("Which figures the cost is computed with: audited, a column's own, equal or measured"),
    TEXT,
)
COST_MEAN: Final = Measure(
    "gpu_hour_cost_mean",
    Message("Cost of a GPU-hour, mean"),
    "USD/GPU-hour",
    Message("Mean of correlated draws of all inputs"),
    MONEY,
)
PFLOP_COST_P5: Final = Measure(
    "pflop_hour_cost_p5",
    Message("Cost of an effective PFLOP-hour, 5th percentile"),
    "USD/PFLOPS-hour",
    Message(
        "Cost of a GPU-hour over what the GPU computes in it: dense BF16 at 40 percent of peak"
    ),
    MONEY,
)
PFLOP_COST_P50: Final = Measure(
    "pflop_hour_cost_p50",
    Message("Cost of an effective PFLOP-hour, median"),
    "USD/PFLOPS-hour",
    _MEDIAN_OF_DRAWS,
    MONEY,
)
PFLOP_COST_P95: Final = Measure(
    "pflop_hour_cost_p95",
    Message("Cost of an effective PFLOP-hour, 95th percentile"),
    "USD/PFLOPS-hour",
    _P95_OF_DRAWS,
    MONEY,
)
CELLS_NOT_OFFICIAL: Final = Measure(
    "cells_not_official",
    Message("Inputs not official"),
    "",
    Message("Inputs whose value is an estimate, a press figure, remembered or claimed"),
    COUNT,
)
CELLS: Final = Measure(
    "cells",
    Message("Inputs of the cost"),
    "",
    Message("Inputs that the cost model takes, each with one sourced value"),
    COUNT,
)
CELLS_BORROWED: Final = Measure(
    "cells_borrowed",
    Message("Borrowed inputs"),
    "",
    Message("Inputs that are cells of a site in another country, for want of the country's own"),
    COUNT,
)
BORROWED_FROM: Final = Measure(
    "borrowed_from",
    Message("Borrowed from"),
    "",
    Message("Site of the library, in another country, whose cell stands for the site's own"),
    TEXT,
)
PART: Final = Measure(
    "cost_part",
    Message("Part of the cost"),
    "",
    Message("What the money goes to, such as servers, energy or staff"),
    TEXT,
)
PART_COST: Final = Measure(
    "gpu_hour_cost_part",
    Message("Cost of the part"),
    "USD/GPU-hour",
    Message("What the part adds to a useful GPU-hour, every input at its median"),
    MONEY,
)
COST_AT_P5: Final = Measure(
    "gpu_hour_cost_low_input",
    Message("Cost with the input at its 5th percentile"),
    "USD/GPU-hour",
    _OTHERS_AT_MEDIAN,
    MONEY,
)
COST_AT_P95: Final = Measure(
    "gpu_hour_cost_high_input",
    Message("Cost with the input at its 95th percentile"),
    "USD/GPU-hour",
    _OTHERS_AT_MEDIAN,
    MONEY,
)
SWING: Final = Measure(
    "gpu_hour_cost_swing",
    Message("Swing of the cost"),
    "USD/GPU-hour",
    Message("How far the input moves the cost between its 5th and 95th percentile"),
    MONEY,
    "abs(gpu_hour_cost_high_input - gpu_hour_cost_low_input)",
)
FIRST_ORDER: Final = Measure(
    "variance_first_order",
    Message("Variance explained alone"),
    "share",
    Message("First-order Sobol index: what knowing the input would take off the variance"),
    SHARE,
)
TOTAL_ORDER: Final = Measure(
    "variance_total",
    Message("Variance explained in all"),
    "share",
    Message("Total Sobol index: the input alone and with all others"),
    SHARE,
)
AGAINST: Final = Measure(
    "compared_with",
    Message("Compared with"),
    "",
    Message("The site that the first one is compared with"),
    TEXT,
)
UTILISATION_TO_MATCH: Final = Measure(
    "utilisation_to_match",
    Message("Utilisation to match"),
    "share",
    Message(
        "Utilisation at which the site costs what the other costs at its own; none where none does"
    ),
    SHARE,
)
RENT: Final = Measure(
    "rent",
    Message("Rent of a GPU-hour"),
    "USD/GPU-hour",
    Message("Price of a rented GPU-hour on demand"),
    MONEY,
)
TARIFF_WHERE_RENT_WINS: Final = Measure(
    "tariff_where_rent_wins",
    Message("Tariff above which renting is cheaper"),
    "USD/kWh",
    Message("Energy charge at which owning costs as much as renting"),
    NUMBER.with_digits(3),
)
SOURCE_UNIT: Final = Measure(
    "source_unit",
    Message("Unit in the source"),
    "",
    Message("The unit in which the source states the value, before it is converted"),
    TEXT,
)
CONTEST_CASE: Final = Measure(
    "contest_case",
    Message("Figures compared"),
    "",
    Message("Which figures both sites are costed with"),
    TEXT,
)
FIRST_P5: Final = Measure(
    "first_site_cost_p5",
    Message("Cost at the first site, 5th percentile"),
    "USD/GPU-hour",
    _P5_OF_DRAWS,
    MONEY,
)
FIRST_P50: Final = Measure(
    "first_site_cost_p50",
    Message("Cost at the first site, median"),
    "USD/GPU-hour",
    _MEDIAN_OF_DRAWS,
    MONEY,
)
FIRST_P95: Final = Measure(
    "first_site_cost_p95",
    Message("Cost at the first site, 95th percentile"),
    "USD/GPU-hour",
    _P95_OF_DRAWS,
    MONEY,
)
SECOND_P5: Final = Measure(
    "second_site_cost_p5",
    Message("Cost at the second site, 5th percentile"),
    "USD/GPU-hour",
    _P5_OF_DRAWS,
    MONEY,
)
SECOND_P50: Final = Measure(
    "second_site_cost_p50",
    Message("Cost at the second site, median"),
    "USD/GPU-hour",
    _MEDIAN_OF_DRAWS,
    MONEY,
)
SECOND_P95: Final = Measure(
    "second_site_cost_p95",
    Message("Cost at the second site, 95th percentile"),
    "USD/GPU-hour",
    _P95_OF_DRAWS,
    MONEY,
)
RATIO_P5: Final = Measure(
    "cost_ratio_p5",
    Message("Second site over first, 5th percentile"),
    "ratio",
    _RATIO_OF_DRAWS,
    NUMBER.with_digits(2),
)
RATIO_P50: Final = Measure(
    "cost_ratio_p50",
    Message("Second site over first, median"),
    "ratio",
    _RATIO_OF_DRAWS,
    NUMBER.with_digits(2),
)
RATIO_P95: Final = Measure(
    "cost_ratio_p95",
    Message("Second site over first, 95th percentile"),
    "ratio",
    _RATIO_OF_DRAWS,
    NUMBER.with_digits(2),
)
SECOND_CHEAPER: Final = Measure(
    "second_site_cheaper",
    Message("Draws in which the second site is cheaper"),
    "share",
    Message("Share of the draws in which the second site costs less"),
    SHARE.with_digits(0),
)
HARDWARE_PRICE: Final = Measure(
    "hardware_price_ratio",
    Message("Hardware price over the US price"),
    "ratio",
    Message("Price paid for servers at the first site over the price in the United States"),
    NUMBER.with_digits(2),
)
COST_RATIO: Final = Measure(
    "cost_ratio",
    Message("First site over second, at the medians"),
    "ratio",
    Message("Cost at the first site over the second's, the second left as it is"),
    NUMBER.with_digits(2),
)
POOL: Final = Measure(
    "placement_pool", Message("Pool of GPUs"), "", Message("GPUs of one type at one site"), TEXT
)
H100_EQUIVALENTS: Final = Measure(
    "h100_equivalents",
    Message("GPUs built, in H100"),
    "GPU",
    Message("Size of the pool by its peak in dense BF16 over that of an H100"),
    NUMBER.with_digits(0),
)
POOL_USE: Final = Measure(
    "pool_use_mean",
    Message("Mean use of the pool"),
    "share",
    Message("Load placed in the pool over its size, mean of the hours"),
    SHARE.with_digits(0),
    "mean(pool_load) / h100_equivalents",
)
SIZE_COST: Final = Measure(
    "pool_size_cost",
    Message("Cost of what is built"),
    "USD",
    Message("Yearly cost of the pool's GPUs without energy, for the hours planned"),
    MONEY.with_digits(0),
)
POOL_RUNNING_COST: Final = Measure(
    "pool_running_cost",
    Message("Cost of what runs"),
    "USD",
    Message("Energy of the load placed there, each hour at its price, carbon priced within"),
    MONEY.with_digits(0),
)
PLACEMENT_CARBON: Final = Measure(
    "placement_carbon",
    Message("Carbon of the load"),
    "t CO2",
    Message("Energy of the load in each hour times the carbon intensity of that hour"),
    NUMBER.with_digits(1),
)
LAST_GPU_SAVES: Final = Measure(
    "last_gpu_saves",
    Message("Saved by the last GPU"),
    "USD",
    Message("Sum of the shadow prices of the pool's capacity over the hours planned"),
    MONEY,
)
LAST_GPU_COSTS: Final = Measure(
    "last_gpu_costs",
    Message("Cost of the last GPU"),
    "USD",
    Message("Yearly cost of one GPU without energy, for the hours planned"),
    MONEY,
)
LOAD_CLASS: Final = Measure(
    "load_class",
    Message("Class of load"),
    "",
    Message("Load of one origin that is alike in latency, residency and type"),
    TEXT,
)
LOAD_SHARE: Final = Measure(
    "load_share",
    Message("Share of its load"),
    "share",
    Message("Load of the class that runs in the pool over all load of the class"),
    SHARE,
)
PLAN_HOUR: Final = Measure(
    "plan_hour",
    Message("Hour of the plan"),
    "h",
    Message("Hours from the start of what is planned"),
    COUNT,
)
POOL_LOAD: Final = Measure(
    "pool_load",
    Message("Load in the pool"),
    "GPU",
    Message("H100-equivalents in use in the hour"),
    NUMBER.with_digits(0),
)
LATENCY_LIMIT: Final = Measure(
    "latency_limit",
    Message("Latency limit"),
    "ms",
    Message("Round trip at most from where the load arises to where it runs"),
    NUMBER.with_digits(0),
)
PRICE_CEILING: Final = Measure(
    "price_ceiling",
    Message("Most that price could save"),
    "share",
    Message("Saving on price if every hour ran at the cheapest region in reach, whatever its size"),
    SHARE,
)
CARBON_CEILING: Final = Measure(
    "carbon_ceiling",
    Message("Most that carbon could save"),
    "share",
    Message(
        "Saving of carbon if every hour ran at the cleanest region in reach, whatever its size"
    ),
    SHARE,
)
HINDSIGHT_COST: Final = Measure(
    "hindsight_saves_cost", Message("Cost saved in hindsight"), "share", _ALL_KNOWN, SHARE
)
DAY_AHEAD_COST: Final = Measure(
    "day_ahead_saves_cost", Message("Cost saved day-ahead"), "share", _TOMORROW_KNOWN, SHARE
)
HINDSIGHT_CARBON: Final = Measure(
    "hindsight_saves_carbon", Message("Carbon saved in hindsight"), "share", _ALL_KNOWN, SHARE
)
DAY_AHEAD_CARBON: Final = Measure(
    "day_ahead_saves_carbon", Message("Carbon saved day-ahead"), "share", _TOMORROW_KNOWN, SHARE
)
COST_OVER_HINDSIGHT: Final = Measure(
    "cost_over_hindsight",
    Message("Cost over that of hindsight"),
    "share",
    Message("What planning from day to day costs more than knowing all"),
    SHARE,
)
CARBON_OVER_HINDSIGHT: Final = Measure(
    "carbon_over_hindsight",
    Message("Carbon over that of hindsight"),
    "share",
    Message("What planning from day to day emits more than knowing all"),
    SHARE,
)
LOAD_BEYOND: Final = Measure(
    "load_beyond_limit",
    Message("Load beyond its limit"),
    "MWh",
    Message("Load that ran beyond its latency limit; above zero only by a bug"),
    NUMBER.with_digits(1),
)

# What a plan costs as a whole.
PLANNED_HOURS: Final = Measure(
    "planned_hours",
    Message("Hours planned"),
    "h",
    Message("Length of what was planned"),
    NUMBER.with_digits(0),
)
PLACEMENT_COST: Final = Measure(
    "placement_cost",
    Message("Cost of the whole plan"),
    "USD",
    Message("Cost of what is built and what runs, for the hours planned"),
    MONEY.with_digits(0),
)
PLACEMENT_GAP: Final = Measure(
    "placement_gap",
    Message("Proved gap"),
    "share",
    Message("Most by which the best plan can be cheaper"),
    NUMBER.measure_form_with_shown_unit("%"),
)
ACHIEVED_SHARE: Final = Measure(
    "achieved_share_of_peak",
    Message("Achieved share of peak"),
    "share",
    Message(
        "Computation that is achieved over the peak of the GPU, at the precision that is named"
    ),
    SHARE.with_digits(0),
)
