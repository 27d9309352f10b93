"""The inputs of the cost model: one table for validation, help and docs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Input:
    """One input: its canonical unit, bounds and meaning."""

    name: str
    unit: str
    low: float
    high: float
    meaning: str


INPUTS: Final[tuple[Input, ...]] = (
    Input("utilisation_share", "share", 0.01, 1.0, "useful GPU time over available GPU time"),
    Input("server_usd_per_gpu", "USD/GPU", 0, 1e6, "server with its GPUs, per GPU, at US price"),
    Input("hardware_price_ratio", "ratio", 0.1, 10, "price paid at the site over the US price"),
    Input("network_usd_per_gpu", "USD/GPU", 0, 1e5, "cluster network and storage per GPU"),
    Input("it_kw_per_gpu", "kW/GPU", 0.05, 10, "rated draw of one GPU with its server share"),
    Input("busy_draw_share", "share", 0.05, 1.0, "draw of a busy GPU over its rating"),
    Input("idle_draw_share", "share", 0.0, 1.0, "draw of an idle GPU over its rating"),
    Input("shell_usd_per_kw", "USD/kW", 0, 1e5, "building, power and cooling per kW of IT"),
    Input("land_usd_per_kw", "USD/kW", 0, 1e5, "land per kW of IT; keeps its value"),
    Input("build_months", "month", 0, 120, "from ground breaking to first power"),
    Input("delay_months", "month", 0, 120, "finished site that waits for grid or permit"),
    Input("shell_life_years", "year", 5, 60, "life of building, power and cooling"),
    Input("hardware_life_years", "year", 1, 15, "life of servers until refresh"),
    Input("salvage_share", "share", 0, 0.9, "value of servers at refresh over their price"),
    Input("discount_rate", "share", 0, 0.5, "real cost of capital, a year"),
    Input("tariff_usd_per_kwh", "USD/kWh", -1, 5, "delivered energy charge"),
    Input("demand_charge_usd_per_kw", "USD/kW/year", 0, 1000, "charge per kW of facility, a year"),
    Input("pue_ratio", "PUE", 1.0, 4.0, "facility draw over IT draw"),
    Input("staff_per_mw", "person/MW", 0, 100, "staff per MW of IT"),
    Input("wage_usd_per_year", "USD/person/year", 0, 1e6, "full cost of one person, a year"),
    Input("it_upkeep_share", "share", 0, 0.5, "maintenance and support over IT price, a year"),
    Input("shell_upkeep_share", "share", 0, 0.5, "maintenance over shell price, a year"),
    Input("uplink_usd_per_gpu", "USD/GPU/year", 0, 1e4, "wide-area network per GPU, a year"),
    Input("faults_per_gpu", "event/GPU/year", 0, 10, "faults that stop a GPU, a year"),
    Input("part_share", "share", 0, 1, "faults that need a new GPU"),
    Input("repair_hours", "hour", 0, 1000, "hours out of service per fault"),
    Input("subsidy_share", "share", 0, 0.9, "public grant over capital outlay"),
    Input("tax_share", "share", 0, 0.6, "tax on profit"),
    Input("holding_share", "share", 0, 0.2, "property tax and insurance over capital, a year"),
)
NAMES: Final[tuple[str, ...]] = tuple(each.name for each in INPUTS)
PLACE: Final[dict[str, int]] = {name: index for index, name in enumerate(NAMES)}


def input_named(name: str) -> Input:
    """Return the input called `name`.

    >>> input_named("pue_ratio").low
    1.0
    """
    return INPUTS[PLACE[name]]
