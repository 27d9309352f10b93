"""From weather to PUE: what cooling draws at each hour, by its type.

The overhead of a facility is a fixed part (power conversion, lighting, fans) and a
cooling part that grows with the temperature that the cooling sees: dry bulb for
air, wet bulb for evaporation. Below `free_c` no compressor runs.

The curves are judgement within published annual means (Uptime Institute 2024: 1.56
for all sizes; large operators 1.1 to 1.2), not a maker's data; give a measured PUE
where there is one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


ADDER_USD_PER_KWH: Final = 0.02  # network, capacity, taxes and margin over wholesale, judgement


class Cooling(StrEnum):
    """How heat leaves the building."""

    CHILLER = "chiller"
    ECONOMISER = "economiser"
    EVAPORATIVE = "evaporative"
    LIQUID = "liquid"


class CoolingCurve(NamedTuple):
    """How the overhead of a facility grows with the temperature that its cooling meets.

    Args:
        fixed_share: Overhead at any temperature, over IT draw.
        free_c: Temperature below which no compressor runs [°C].
        share_per_kelvin: Overhead per kelvin above that.
        is_wet_bulb: Whether the temperature is that of the wet bulb, as water evaporates.
    """

    fixed_share: float
    free_c: float
    share_per_kelvin: float
    is_wet_bulb: bool


# Liquid takes heat at 28 °C, where air needs 16: warm water is why it needs least compressor
# time, and the evaporative tower's gain is the gap between the two bulbs in dry air.
CURVES: Final[dict[Cooling, CoolingCurve]] = {
    Cooling.CHILLER: CoolingCurve(0.22, 5.0, 0.009, is_wet_bulb=False),
    Cooling.ECONOMISER: CoolingCurve(0.12, 16.0, 0.012, is_wet_bulb=False),
    Cooling.EVAPORATIVE: CoolingCurve(0.10, 16.0, 0.011, is_wet_bulb=True),
    Cooling.LIQUID: CoolingCurve(0.06, 28.0, 0.010, is_wet_bulb=False),
}


def site_wet_bulb_c(temp_c: F64, rh_pct: F64) -> F64:
    """Return the wet-bulb temperature at sea level [°C].

    Source: Stull (2011), "Wet-Bulb Temperature from Relative Humidity and Air
    Temperature", J. Appl. Meteor. Climatol. 50, equation 1; good to 1 K between 5
    and 99 % humidity and -20 and 50 °C.

    >>> round(float(site_wet_bulb_c(np.array([20.0]), np.array([50.0]))[0]), 1)
    13.7
    """
    # Stull's fit holds within these humidities and bends away outside them.
    t, rh = temp_c, np.clip(rh_pct, 5.0, 99.0)
    return (
        t * np.arctan(0.151977 * np.sqrt(rh + 8.313659))
        + np.arctan(t + rh)
        - np.arctan(rh - 1.676331)
        + 0.00391838 * rh**1.5 * np.arctan(0.023101 * rh)
        - 4.686035
    )


def site_hourly_pue(temp_c: F64, rh_pct: F64, cooling: Cooling) -> F64:
    """Return the PUE of each hour; a missing hour takes the mean of the others.

    >>> site_hourly_pue(np.array([0.0, 35.0]), np.array([50.0, 40.0]), Cooling.ECONOMISER).round(3)
    array([1.12 , 1.348])
    """
    curve = CURVES[cooling]
    met_c = site_wet_bulb_c(temp_c, rh_pct) if curve.is_wet_bulb else temp_c
    pue = 1.0 + curve.fixed_share + curve.share_per_kelvin * np.maximum(met_c - curve.free_c, 0.0)
    # Stations miss hours; the mean PUE of the others leaves the year's mean as it is. Without
    # any weather only the fixed part is known, and nothing is guessed beside it.
    mean = np.nanmean(pue) if np.isfinite(pue).any() else 1.0 + curve.fixed_share
    return np.where(np.isfinite(pue), pue, mean)


def site_tariff_usd_per_kwh_and_pue(
    price_usd_per_mwh: F64, pue: F64, adder_usd_per_kwh: float
) -> tuple[float, float]:
    """Return tariff and PUE that cost the same as the hours do [USD/kWh, ratio].

    The PUE is the plain mean; the tariff is weighted by it, so that their product
    is the mean cost of one kWh of IT.

    >>> price, pue = np.array([50.0, 100.0]), np.array([1.1, 1.3])
    >>> tariff, pue = site_tariff_usd_per_kwh_and_pue(price, pue, 0.02)
    >>> round(tariff, 5), round(pue, 5)
    (0.09708, 1.2)
    """
    mean = float(pue.mean())
    cost = float(((price_usd_per_mwh / 1000 + adder_usd_per_kwh) * pue).mean())
    return cost / mean, mean
