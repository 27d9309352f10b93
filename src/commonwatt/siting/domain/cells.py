"""Sourced cells: a value of the cost model with its unit, year, source, date and confidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from commonwatt.core.messages import Message
from commonwatt.siting.domain.cost_inputs import INPUTS, PLACE, CostInputs
from commonwatt.siting.domain.distributions import Distribution
from commonwatt.siting.domain.errors import CellsError

# One year of money for every cost: dollars of two years in one sum look like any other sum.
PRICE_YEAR: Final = 2025


# Country of each site of the shipped library, by ISO 3166: a site elsewhere that reads its cells
# pays the wages and the taxes of that country.
COUNTRY_OF_LIBRARY_SITE: Final = {
    "us-virginia": "US",
    "us-texas": "US",
    "us-iowa": "US",
    "cn-west": "CN",
    "cn-east": "CN",
    "hong-kong": "HK",
    "eu-germany": "DE",
    "eu-sweden": "SE",
}


class CellConfidence(StrEnum):
    """How far a cell may be trusted; the last two are marked wherever they are shown."""

    MEASURED = "measured"
    OFFICIAL = "official"
    ESTIMATE = "estimate"
    PRESS = "press"
    REMEMBERED = "remembered"
    CLAIM = "claim"  # of somebody with an interest, such as a column under audit


class CellOrigin(StrEnum):
    """Who says a value; the text of its source is for people and decides nothing."""

    LIBRARY = "library"
    CALLER = "caller"
    MARKET = "market"
    FLEET_RUN = "fleet run"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostCell:
    """One sourced value, in the canonical unit of its input.

    Args:
        site: Site of the library, or "all" for a value that every site shares.
        input: Name of the model input.
        value: Value or distribution [canonical unit of the input, money of `PRICE_YEAR`].
        unit: Unit as the source writes it.
        year: Year of the money or the measurement.
        source: Title of the source.
        dated: Date of the source, as far as known.
        confidence: How far it may be trusted.
        note: What was done to it, or what to beware of.
        origin: Who says it.
    """

    site: str
    input: str
    value: Distribution
    unit: str
    year: int
    source: str
    dated: str
    confidence: CellConfidence
    note: str = ""
    origin: CellOrigin = CellOrigin.LIBRARY


def borrowed_cost_cell_site_or_empty(cell: CostCell, country: str) -> str:
    """Return the library's site that a cell is borrowed from; empty where it is not.

    A cell is borrowed where it is the library's own for a site of another country. What all
    sites share is nobody's own, and what a programme or a run states is not the library's.

    Args:
        cell: The cell.
        country: Code of the country that it is used in.
    """
    owner = COUNTRY_OF_LIBRARY_SITE.get(cell.site)
    is_borrowed = cell.origin is CellOrigin.LIBRARY and owner not in (None, country)
    return cell.site if is_borrowed else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCells:
    """The cells of one site, one for every input of the model, in its order."""

    site: str
    cells: tuple[CostCell, ...]

    def __getitem__(self, name: str) -> CostCell:
        return self.cells[PLACE[name]]

    def median_cost_inputs(self) -> CostInputs:
        """Return the median of each input."""
        return CostInputs(*(cell.value.cost_input_quantile(0.5) for cell in self.cells))

    def with_cost_values(
        self, values: Mapping[str, Distribution], source: str, origin: CellOrigin
    ) -> SiteCells:
        """Return these cells with some values replaced, as coming from `source`."""
        cells = tuple(
            # The note spoke of the value that goes.
            replace(each, value=values[each.input], source=source, note="", origin=origin)
            if each.input in values
            else each
            for each in self.cells
        )
        return replace(self, cells=cells)


def sites_of_cost_cells(cells: Iterable[CostCell]) -> list[str]:
    """Return the sites of a library in the order of the file."""
    names = dict.fromkeys(each.site for each in cells)
    return [name for name in names if name != "all"]


def site_cells(cells: Sequence[CostCell], site: str) -> SiteCells:
    """Return one cell per input for `site`: its own, or the one that all share.

    Raises:
        CellsError: An input has no cell.
    """
    # A site's own cell goes before the shared one; a library file may list them in any order.
    cell_of_input = {each.input: each for each in cells if each.site == "all"}
    cell_of_input |= {each.input: each for each in cells if each.site == site}
    missing = [each.name for each in INPUTS if each.name not in cell_of_input]
    if missing:
        raise CellsError(
            site,
            found=Message("no cell for {names}", {"names": ", ".join(missing)}),
            wanted=Message("one cell for every input of the model"),
        )
    return SiteCells(site=site, cells=tuple(cell_of_input[each.name] for each in INPUTS))
