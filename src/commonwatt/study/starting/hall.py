"""The sites of a first programme: a hall of its own, and GPUs that could be rented."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from commonwatt.core.messages import Message
from commonwatt.siting.domain.cells import PRICE_YEAR, CellConfidence, CostCell, SiteCells
from commonwatt.siting.domain.cost_inputs import cost_input_label, cost_input_spec
from commonwatt.siting.domain.library_region import LibraryRegion
from commonwatt.siting.io.library_regions import load_siting_library_regions
from commonwatt.study.starting.demand import SIZED_FOR_USE
from commonwatt.study.starting.start import RENTED, ProgrammeStart, StartedFile, StartedPool

_RENTED_REGION: Final = "us-virginia"
# Measured by the run, or stated by keys of their own.
_NOT_CELLS: Final = frozenset({"utilisation_share", "tariff_usd_per_kwh", "pue_ratio"})
_ASSUMED: Final = (CellConfidence.ESTIMATE, CellConfidence.REMEMBERED)


def started_hall_site_name(start: ProgrammeStart, region: LibraryRegion) -> str:
    """Return what the hall is called in the file: the place in plain letters, or the region."""
    plain = re.sub(r"[^a-z0-9]+", "-", start.place.casefold())[:40].strip("-")
    name = plain if start.place else region.name
    # A name in other letters leaves nothing, and the rented site has its own.
    return "hall" if name in ("", RENTED) else name


def started_hall_toml_table(
    file: StartedFile,
    start: ProgrammeStart,
    region: LibraryRegion,
    cells: SiteCells,
    pools: Sequence[StartedPool],
) -> dict[str, Any]:
    """Return the table of the hall; what is another place's says so."""
    name = started_hall_site_name(start, region)
    path = f"sites.{name}"
    owner = region.name if start.place else region.cost_site if region.borrowed else ""
    tariff, pue = cells["tariff_usd_per_kwh"], cells["pue_ratio"]
    _note_borrowed_or_assumed_library_value(file, f"{path}.pue", pue, owner)
    _note_borrowed_or_assumed_library_value(file, f"{path}.power_price", tariff, owner)
    if start.place:
        file.note_value_of_other_place(f"{path}.carbon", owner)
    _add_library_cells_remark(file, f"{path}.cost_cells", cells, owner)
    english, chinese = start.place or region.english, start.place or region.chinese
    return {
        "name": name,
        "label": {"en": english, "zh-Hant": chinese},
        "region": start.zone or region.zone,
        "pue": round(pue.value.mode, 3),
        "pue_range": [round(bound, 3) for bound in (pue.value.low, pue.value.high)],
        "power_price": f"{tariff.value.mode:.4g} USD/kWh",
        "price_range": [f"{bound:.4g} USD/kWh" for bound in (tariff.value.low, tariff.value.high)],
        "carbon": f"{region.carbon_g_per_kwh:g} g/kWh",
        "source": _started_hall_source_text(file, start, region, cells, owner),
        "cost_cells": region.cost_site,
        "pools": _started_pool_toml_tables(file, path, pools),
    }


def _note_borrowed_or_assumed_library_value(
    file: StartedFile, path: str, cell: CostCell, owner: str
) -> None:
    if owner:
        file.note_value_of_other_place(path, owner)
    elif cell.confidence in _ASSUMED:
        file.note_assumed_value_of_started_file(
            path,
            Message(
                "the library's value, {confidence}: {source}",
                {"confidence": str(cell.confidence), "source": cell.source},
            ),
        )


def _started_hall_source_text(
    file: StartedFile,
    start: ProgrammeStart,
    region: LibraryRegion,
    cells: SiteCells,
    owner: str,
) -> str:
    values = {
        "price": _cell_source(cells["tariff_usd_per_kwh"]),
        "pue": _cell_source(cells["pue_ratio"]),
        "carbon": region.carbon_source,
        "owner": owner,
    }
    if start.place:
        form = Message("borrowed from {owner}: price: {price}; PUE: {pue}; carbon: {carbon}")
    elif owner:
        form = Message("price and PUE borrowed from {owner}: {price}; {pue}; carbon: {carbon}")
    else:
        form = Message("price: {price}; PUE: {pue}; carbon: {carbon}")
    return file.text(Message(form.text, values))


def _cell_source(cell: CostCell) -> str:
    return f"{cell.source} ({cell.dated}, {cell.confidence})"


def _add_library_cells_remark(file: StartedFile, path: str, cells: SiteCells, owner: str) -> None:
    """List the library's cells that hold for the hall; those of another place say whose."""
    own = [cell for cell in cells.cells if cell.site != "all" and cell.input not in _NOT_CELLS]
    if owner:
        file.note_value_of_other_place(path, owner)
    file.add_value_remark_to_started_file(
        path,
        Message(
            "These cells of the library hold, in USD of {year}; a value of your own goes before"
            " them, as [sites.cells.NAME] with value, low, high and source:",
            {"year": str(PRICE_YEAR)},
        ),
    )
    file.before[path] += [_library_cost_cell_remark_line(file, cell) for cell in own]


def _library_cost_cell_remark_line(file: StartedFile, cell: CostCell) -> str:
    known, value = cost_input_spec(cell.input), cell.value
    bounds = f" ({value.low:,.4g} – {value.high:,.4g})" if value.low < value.high else ""
    label = cost_input_label(cell.input).translate(file.language)
    mode = f"{value.mode:,.0f}" if value.mode >= 1000 else f"{value.mode:.4g}"
    if value.high >= 1000:
        bounds = f" ({value.low:,.0f} – {value.high:,.0f})" if value.low < value.high else ""
    return f"- {cell.input}: {mode}{bounds} {known.unit}. {label}. {_cell_source(cell)}"


def _started_pool_toml_tables(
    file: StartedFile, path: str, pools: Sequence[StartedPool]
) -> list[dict[str, Any]]:
    for number in range(len(pools)):
        file.note_assumed_value_of_started_file(
            f"{path}.pools.{number}.nodes",
            Message(
                "so many that the trace keeps {share} % of the GPU time busy, and that its largest"
                " job fits.",
                {"share": f"{100 * SIZED_FOR_USE:g}"},
            ),
        )
    return [
        {"nodes": pool.nodes, "gpus_per_node": pool.gpus_per_node, "gpu": pool.gpu}
        for pool in pools
    ]


def started_rented_site_toml_table(
    file: StartedFile, pools: Sequence[StartedPool], *, place: str
) -> dict[str, Any]:
    """Return the site that stands for renting: nothing is built there, an alternative uses it.

    Args:
        file: The file that is begun.
        pools: What is built at home.
        place: What the place at home is called, so that the two do not read alike.
    """
    abroad = load_siting_library_regions()[_RENTED_REGION]
    path = f"sites.{RENTED}"
    file.note_assumed_value_of_started_file(
        f"{path}.pue", Message("a large hall of a cloud company.")
    )
    file.note_assumed_value_of_started_file(
        f"{path}.rent", Message("an asking price from the press; put in an offer that you have.")
    )
    source = Message(
        "power is in the rent; PUE: assumption; carbon, as in Virginia: {carbon}",
        {"carbon": abroad.carbon_source},
    )
    price = Message(
        "assumption from asking prices in the press, 2025: about 2.5 USD for an H100-hour on"
        " demand, a fifth less when reserved for a year"
    )
    return {
        "name": RENTED,
        "label": (
            {"en": "Rented abroad", "zh-Hant": "境外租用"}
            if place.strip().casefold() in ("rented", "租用")
            else {"en": "Rented", "zh-Hant": "租用"}
        ),
        "region": abroad.zone,
        "pue": 1.2,
        "power_price": "0 USD/kWh",
        "carbon": f"{abroad.carbon_g_per_kwh:g} g/kWh",
        "source": file.text(source),
        "rent": {
            "price": "2.00 USD/GPU-hour",
            "low": "1.40 USD/GPU-hour",
            "high": "2.80 USD/GPU-hour",
            "paid": "reserved",
            "source": file.text(price),
        },
        "pools": [
            {"nodes": 0, "gpus_per_node": pool.gpus_per_node, "gpu": pool.gpu} for pool in pools
        ],
    }
