"""Reading the references of the auditor, and what the cost model adds to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from commonwatt.audit.domain.claim_units import parse_claim_unit
from commonwatt.audit.domain.intervals import ClaimInterval
from commonwatt.audit.domain.library import (
    ClaimQuantity,
    ReferenceLibrary,
    ReferenceValue,
    claim_interval_in_unit,
)
from commonwatt.audit.domain.periods import parse_claim_period
from commonwatt.audit.io.regions import DATA, load_claim_region_table, read_audit_csv_rows
from commonwatt.catalogue.units import Unit, parse_unit
from commonwatt.core.shipped import installed_share_alike_data_folder
from commonwatt.siting.domain.cells import site_cells, sites_of_cost_cells
from commonwatt.siting.domain.cost_inputs import CostInputs, cost_input_spec
from commonwatt.siting.domain.money import CurrencyTable
from commonwatt.siting.engines.cost.chance import draw_gpu_hour_costs
from commonwatt.siting.engines.cost.model import levelised_usd_per_gpu_hour_by_part
from commonwatt.siting.io.cells import load_cost_cells, load_site_cost_currency_table

SITE_REGIONS: Final = {
    "us-virginia": "US Virginia", "us-texas": "US Texas", "us-iowa": "US Iowa",
    "cn-west": "CN west", "cn-east": "CN east", "hong-kong": "HK", "eu-germany": "DE",
    "eu-sweden": "SE",
}  # fmt: skip
LIBRARY_BASIS: Final = "library of the cost model"


def _share_alike_claim_reference_files() -> list[Path]:
    """Return the references under a share-alike licence, where their package is installed."""
    apart = installed_share_alike_data_folder()
    return [apart / "audit" / "references.csv"] if apart else []


def load_reference_library(folder: Path = DATA) -> ReferenceLibrary:
    """Return the shipped library, with what the cost model adds to it."""
    money = load_site_cost_currency_table()
    quantities = tuple(
        ClaimQuantity(
            id=row["quantity"], unit=parse_claim_unit(row["unit"]),
            words=tuple(word.lower() for word in row["words"].split("|")),
            model_input=row["model_input"],
        )
        for row in read_audit_csv_rows(folder / "quantities.csv")
    )  # fmt: skip
    units = {each.id: each.unit for each in quantities}
    from_sources = [
        _reference_value_of_row(row, units, money)
        for path in (folder / "references.csv", *_share_alike_claim_reference_files())
        for row in read_audit_csv_rows(path)
    ]
    sourced = {(each.quantity, each.region) for each in from_sources}
    derived = [
        each
        for each in _references_from_cost_cells(quantities)
        if (each.quantity, each.region) not in sourced
    ]
    # A sourced reference goes before one that our own cells give: a claim is held against the
    # world before it is held against our model of it.
    library = ReferenceLibrary(
        quantities=quantities, regions=load_claim_region_table(folder),
        references=(*from_sources, *derived), money=money,
    )  # fmt: skip
    for each in library.references:
        library.by_quantity.setdefault(each.quantity, []).append(each)
    return library


def _reference_value_of_row(
    row: dict[str, str], units: dict[str, Unit], money: CurrencyTable
) -> ReferenceValue:
    period = parse_claim_period(row["period"])
    # Our own file: a row without a date is a bug of the library and no fault of a claim.
    assert period is not None, row
    value = claim_interval_in_unit(
        ClaimInterval(float(row["low"]), float(row["high"])), parse_unit(row["unit"]),
        units[row["quantity"]], money, int(period.start),
    )  # fmt: skip
    return ReferenceValue(
        quantity=row["quantity"], region=row["region"], value=value, centre=value.centre,
        basis=row["basis"], when=row["period"], period=period, source=row["source"],
        dated=row["dated"], confidence=row["confidence"], note=row["note"],
    )  # fmt: skip


def _references_from_cost_cells(quantities: Sequence[ClaimQuantity]) -> list[ReferenceValue]:
    cells = load_cost_cells()
    inputs = {each.model_input: each for each in quantities if each.model_input}
    references: list[ReferenceValue] = []
    for site in sites_of_cost_cells(cells):
        chosen = site_cells(cells, site)
        for name, quantity in inputs.items():
            cell = chosen[name]
            factor = parse_unit(cost_input_spec(name).unit).factor / quantity.unit.factor
            low, mid, high = (cell.value.cost_input_quantile(q) * factor for q in (0.05, 0.5, 0.95))
            references.append(
                _estimated_reference_value(
                    quantity.id, site, low, mid, high, LIBRARY_BASIS, cell.year, cell.source
                )
            )
        references += _references_from_cost_model(site)
    return references


def _references_from_cost_model(site: str) -> list[ReferenceValue]:
    cells = site_cells(load_cost_cells(), site)
    # Few draws: an interval that a claim is held against needs two digits.
    spread = draw_gpu_hour_costs(cells, draws=4000, seed=1)
    source = "Commonwatt cost model with its shipped cells"
    ends = [
        _energy_usd_per_gpu_hour_and_cost_shares(
            cells.median_cost_inputs(), cells["tariff_usd_per_kwh"].value.cost_input_quantile(q)
        )
        for q in (0.05, 0.5, 0.95)
    ]
    modelled = [("gpu_hour_cost", "levelised, 90 % interval", (spread.p5, spread.p50, spread.p95))]
    for index, (quantity, basis) in enumerate((
        ("energy_spending", "energy of one useful GPU-hour"),
        ("energy_cost_share", "running cost of the whole centre"),
        ("energy_cost_share", "running cost of building and plant only, no servers"),
    )):  # fmt: skip
        modelled.append((quantity, basis, (ends[0][index], ends[1][index], ends[2][index])))
    return [
        _estimated_reference_value(q, site, *v, basis, 2025, source) for q, basis, v in modelled
    ]


def _energy_usd_per_gpu_hour_and_cost_shares(
    medians: CostInputs, tariff: float
) -> tuple[float, float, float]:
    """Return energy cost of a GPU-hour, its share of running cost, and of plant cost."""
    parts = levelised_usd_per_gpu_hour_by_part(medians._replace(tariff_usd_per_kwh=tariff))
    energy, staff = parts["energy"], parts["staff"]
    whole = energy + staff + parts["upkeep"] + parts["network"] + parts["spares"] + parts["holding"]
    hours = 8760 * medians.utilisation_share
    plant_upkeep = (
        medians.shell_usd_per_kw * medians.it_kw_per_gpu * medians.shell_upkeep_share / hours
    )  # fmt: skip
    return energy, energy / whole, energy / (energy + staff + plant_upkeep)


def _estimated_reference_value(
    quantity: str,
    site: str,
    low: float,
    mid: float,
    high: float,
    basis: str,
    year: int,
    source: str,
) -> ReferenceValue:
    period = parse_claim_period(str(year))
    assert period is not None
    return ReferenceValue(
        quantity=quantity, region=SITE_REGIONS[site], value=ClaimInterval(low, high), centre=mid,
        basis=basis, when=str(year), period=period, source=source, dated=str(year),
        # A model's answer is never more than an estimate, however sure its inputs are.
        confidence="estimate",
    )  # fmt: skip
