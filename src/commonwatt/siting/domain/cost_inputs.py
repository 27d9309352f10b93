"""The inputs of the cost model: one table for validation, help and docs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from commonwatt.catalogue.shared import UTILISATION
from commonwatt.core.messages import Message
from commonwatt.siting.domain.measures import RENT


class CostInputs(NamedTuple):
    """One value for each input of the cost model, in the unit that `INPUTS` gives it.

    A named tuple, because the kernels read it as they stand: numba sees a tuple of floats
    and the law reads words. The order of the fields is that of `INPUTS`, of the columns of
    a matrix of draws and of the cells of a site.
    """

    utilisation_share: float
    server_usd_per_gpu: float
    hardware_price_ratio: float
    network_usd_per_gpu: float
    it_kw_per_gpu: float
    busy_draw_share: float
    idle_draw_share: float
    shell_usd_per_kw: float
    land_usd_per_kw: float
    build_months: float
    delay_months: float
    shell_life_years: float
    hardware_life_years: float
    salvage_share: float
    discount_rate: float
    tariff_usd_per_kwh: float
    demand_charge_usd_per_kw: float
    pue_ratio: float
    staff_per_mw: float
    wage_usd_per_year: float
    it_upkeep_share: float
    shell_upkeep_share: float
    uplink_usd_per_gpu: float
    faults_per_gpu: float
    part_share: float
    repair_hours: float
    subsidy_share: float
    tax_share: float
    holding_share: float


@dataclass(frozen=True, slots=True)
class CostInputSpec:
    """One input: what people call it, its canonical unit, bounds and meaning."""

    name: str
    label: Message
    unit: str
    low: float
    high: float
    meaning: str


INPUTS: Final[tuple[CostInputSpec, ...]] = (
    # Not 0: the model divides every cost by it.
    CostInputSpec(
        "utilisation_share",
        UTILISATION.label,
        "share",
        0.01,
        1.0,
        "useful GPU time over available GPU time",
    ),
    CostInputSpec(
        "server_usd_per_gpu",
        Message("Price of a server, per GPU"),
        "USD/GPU",
        0,
        1e6,
        "server with its GPUs, per GPU, at US price",
    ),
    CostInputSpec(
        "hardware_price_ratio",
        Message("Local over US hardware price"),
        "ratio",
        0.1,
        10,
        "price paid at the site over the US price",
    ),
    CostInputSpec(
        "network_usd_per_gpu",
        Message("Network and storage, per GPU"),
        "USD/GPU",
        0,
        1e5,
        "cluster network and storage per GPU",
    ),
    CostInputSpec(
        "it_kw_per_gpu",
        Message("Rated draw, per GPU"),
        "kW/GPU",
        0.05,
        10,
        "rated draw of one GPU with its server share",
    ),
    CostInputSpec(
        "busy_draw_share",
        Message("Busy draw, of the rating"),
        "share",
        0.05,
        1.0,
        "draw of a busy GPU over its rating",
    ),
    CostInputSpec(
        "idle_draw_share",
        Message("Idle draw, of the rating"),
        "share",
        0.0,
        1.0,
        "draw of an idle GPU over its rating",
    ),
    CostInputSpec(
        "shell_usd_per_kw",
        Message("Building, power and cooling, per kW"),
        "USD/kW",
        0,
        1e5,
        "building, power and cooling per kW of IT",
    ),
    CostInputSpec(
        "land_usd_per_kw",
        Message("Land, per kW"),
        "USD/kW",
        0,
        1e5,
        "land per kW of IT; keeps its value",
    ),
    CostInputSpec(
        "build_months",
        Message("Time to build"),
        "month",
        0,
        120,
        "from ground breaking to first power",
    ),
    CostInputSpec(
        "delay_months",
        Message("Wait for grid or permit"),
        "month",
        0,
        120,
        "finished site that waits for grid or permit",
    ),
    CostInputSpec(
        "shell_life_years",
        Message("Life of the building"),
        "year",
        5,
        60,
        "life of building, power and cooling",
    ),
    CostInputSpec(
        "hardware_life_years",
        Message("Life of the servers"),
        "year",
        1,
        15,
        "life of servers until refresh",
    ),
    CostInputSpec(
        "salvage_share",
        Message("Value of servers at refresh"),
        "share",
        0,
        0.9,
        "value of servers at refresh over their price",
    ),
    CostInputSpec(
        "discount_rate",
        Message("Real cost of capital"),
        "share",
        0,
        0.5,
        "real cost of capital, a year",
    ),
    # Below 0 as well: wholesale prices are, in hours of more wind and sun than load.
    CostInputSpec(
        "tariff_usd_per_kwh",
        Message("Energy charge of power"),
        "USD/kWh",
        -1,
        5,
        "delivered energy charge",
    ),
    CostInputSpec(
        "demand_charge_usd_per_kw",
        Message("Demand charge of power"),
        "USD/kW/year",
        0,
        1000,
        "charge per kW of facility, a year",
    ),
    # The facility's draw holds that of the IT, so that no PUE is below 1 (ISO/IEC 30134-2).
    CostInputSpec(
        "pue_ratio", Message("PUE of the site"), "PUE", 1.0, 4.0, "facility draw over IT draw"
    ),
    CostInputSpec(
        "staff_per_mw", Message("Staff, per MW"), "person/MW", 0, 100, "staff per MW of IT"
    ),
    CostInputSpec(
        "wage_usd_per_year",
        Message("Full cost of one person"),
        "USD/person/year",
        0,
        1e6,
        "full cost of one person, a year",
    ),
    CostInputSpec(
        "it_upkeep_share",
        Message("Upkeep of servers, of their price"),
        "share",
        0,
        0.5,
        "maintenance and support over IT price, a year",
    ),
    CostInputSpec(
        "shell_upkeep_share",
        Message("Upkeep of the building, of its price"),
        "share",
        0,
        0.5,
        "maintenance over shell price, a year",
    ),
    CostInputSpec(
        "uplink_usd_per_gpu",
        Message("Wide-area network, per GPU"),
        "USD/GPU/year",
        0,
        1e4,
        "wide-area network per GPU, a year",
    ),
    CostInputSpec(
        "faults_per_gpu",
        Message("Faults a year, per GPU"),
        "event/GPU/year",
        0,
        10,
        "faults that stop a GPU, a year",
    ),
    CostInputSpec(
        "part_share",
        Message("Faults that need a new GPU"),
        "share",
        0,
        1,
        "faults that need a new GPU",
    ),
    CostInputSpec(
        "repair_hours",
        Message("Time out of service per fault"),
        "hour",
        0,
        1000,
        "hours out of service per fault",
    ),
    CostInputSpec(
        "subsidy_share",
        Message("Public grant, of the outlay"),
        "share",
        0,
        0.9,
        "public grant over capital outlay",
    ),
    CostInputSpec("tax_share", Message("Tax on profit"), "share", 0, 0.6, "tax on profit"),
    CostInputSpec(
        "holding_share",
        Message("Property tax and insurance"),
        "share",
        0,
        0.2,
        "property tax and insurance over capital, a year",
    ),
)
RENT_INPUT: Final = CostInputSpec(
    "rent_usd_per_gpu_hour",
    RENT.label,
    "USD/GPU-hour",
    0.0,
    # Far above any price of a GPU-hour: it only ends the search for where the answer changes.
    1000.0,
    "price of a rented GPU-hour",
)
"""What a rented site has instead of the inputs of a site of one's own."""
NAMES: Final[tuple[str, ...]] = tuple(each.name for each in INPUTS)
PLACE: Final[dict[str, int]] = {name: index for index, name in enumerate(NAMES)}


def cost_input_spec(name: str) -> CostInputSpec:
    """Return the input called `name`.

    >>> cost_input_spec("pue_ratio").low
    1.0
    """
    return INPUTS[PLACE[name]]


def cost_input_label(name: str) -> Message:
    """Return what people call the input `name`, of a site of one's own or of a rented one.

    >>> str(cost_input_label("staff_per_mw")), str(cost_input_label("rent_usd_per_gpu_hour"))
    ('Staff, per MW', 'Rent of a GPU-hour')
    """
    return (RENT_INPUT if name == RENT_INPUT.name else cost_input_spec(name)).label
