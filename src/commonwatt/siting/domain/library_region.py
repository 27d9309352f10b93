"""A region of the library: the cells that stand for it, and the carbon of its grid."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryRegion:
    """A region that a programme may be started from.

    Args:
        name: How it is called on the command line.
        english: What people call it.
        chinese: The same in Traditional Chinese.
        zone: Grid zone or country of its carbon.
        cost_site: Site of the library whose cells stand for it.
        borrowed: Whether those cells are another place's, for want of its own.
        carbon_g_per_kwh: Mean carbon intensity of its grid [gCO2e/kWh].
        carbon_source: Where that comes from, with its year and how far it may be trusted.
    """

    name: str
    english: str
    chinese: str
    zone: str
    cost_site: str
    borrowed: bool
    carbon_g_per_kwh: float
    carbon_source: str
