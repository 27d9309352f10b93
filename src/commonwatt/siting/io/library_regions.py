"""The regions of the library: every site with cells of its own, and every cloud region."""

from __future__ import annotations

import csv
from typing import Final

from commonwatt.core.shipped import DATA as SHIPPED
from commonwatt.siting.domain.cells import sites_of_cost_cells
from commonwatt.siting.domain.library_region import LibraryRegion
from commonwatt.siting.io.cells import load_cost_cells

DATA: Final = SHIPPED / "siting"


def load_siting_library_regions() -> dict[str, LibraryRegion]:
    """Return every region by its name: sites with cells first, then cloud regions.

    >>> regions = load_siting_library_regions()
    >>> regions["hong-kong"].borrowed, regions["asia-northeast1"].cost_site
    (False, 'hong-kong')
    """
    stand_ins = {site: (site, False) for site in sites_of_cost_cells(load_cost_cells())}
    stand_ins |= {
        row["region"]: (row["site"], row["stand_in"] == "yes")
        for row in _siting_library_table_rows("site_of_region.csv")
    }
    grids = {row["region"]: row for row in _siting_library_table_rows("grid_of_region.csv")}
    return {
        name: _library_region(name, cost_site, borrowed, grids[name])
        for name, (cost_site, borrowed) in stand_ins.items()
        # A site that is added without its grid cannot start a programme; a test finds it.
        if name in grids
    }


def _library_region(
    name: str, cost_site: str, borrowed: bool, grid: dict[str, str]
) -> LibraryRegion:
    return LibraryRegion(
        name=name,
        english=grid["en"],
        chinese=grid["zh_hant"],
        zone=grid["zone"],
        cost_site=cost_site,
        borrowed=borrowed,
        carbon_g_per_kwh=float(grid["carbon_g_per_kwh"]),
        carbon_source=f"{grid['source']}; {grid['year']}, {grid['confidence']}",
    )


def _siting_library_table_rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
