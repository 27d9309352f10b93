"""Hourly price, carbon and weather of regions, and how far apart they are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerMarket:
    """Regions with their hours.

    Args:
        names: The regions.
        zones: Their grid zones.
        price_usd_per_mwh: Wholesale price, shape (R, T).
        carbon_g_per_kwh: Operational carbon, shape (R, T).
        temp_c: Air temperature; NaN where unknown, shape (R, T).
        rh_pct: Relative humidity; NaN where unknown, shape (R, T).
        rtt_ms: Round-trip time, shape (R, R).
    """

    names: tuple[str, ...]
    zones: tuple[str, ...]
    price_usd_per_mwh: F64
    carbon_g_per_kwh: F64
    temp_c: F64
    rh_pct: F64
    rtt_ms: F64

    def without_zones(self, left_out: Collection[str]) -> PowerMarket:
        """Return the regions of all other grid zones."""
        others = np.array([zone not in left_out for zone in self.zones])
        return PowerMarket(
            names=tuple(name for name, is_in in zip(self.names, others, strict=True) if is_in),
            zones=tuple(zone for zone in self.zones if zone not in left_out),
            price_usd_per_mwh=self.price_usd_per_mwh[others],
            carbon_g_per_kwh=self.carbon_g_per_kwh[others],
            temp_c=self.temp_c[others],
            rh_pct=self.rh_pct[others],
            rtt_ms=self.rtt_ms[np.ix_(others, others)],
        )

    def power_market_of_hour_window(self, first: int, count: int) -> PowerMarket:
        """Return the same regions over `count` hours from hour `first`."""
        part = slice(first, first + count)
        return PowerMarket(
            names=self.names, zones=self.zones, rtt_ms=self.rtt_ms,
            price_usd_per_mwh=self.price_usd_per_mwh[:, part],
            carbon_g_per_kwh=self.carbon_g_per_kwh[:, part],
            temp_c=self.temp_c[:, part], rh_pct=self.rh_pct[:, part],
        )  # fmt: skip
