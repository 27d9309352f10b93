"""How large a quantity of a programme can be at all, and how one that is not was probably meant.

A unit that is off by a thousand gives a study that runs and is wrong by as much. The bounds lie
far outside of what anybody has seen, so that no sound programme meets them; each remedy is a
text that the reader accepts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from commonwatt.catalogue.units import parse_quantity
from commonwatt.core.messages import Message
from commonwatt.study.programme.faults import ProgrammeValueError

_THOUSAND: Final = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlausibleRange:
    """What a quantity can be, in its own unit.

    Args:
        low: Least that it can be.
        high: Most that it can be.
        smallest: Least size beside nought, which always stands for "none".
        usual: Where nearly every value lies; a remedy is sought only there.
        spellings: Units that people write it in, the likeliest first.
        typical: A text that is right, for want of a better remedy.
    """

    low: float
    high: float
    smallest: float
    usual: tuple[float, float]
    spellings: tuple[str, ...]
    typical: str

    def holds(self, value: float) -> bool:
        """Return whether a value can be."""
        return self.low <= value <= self.high and (value == 0 or abs(value) >= self.smallest)

    def is_usual_plausible_size(self, value: float) -> bool:
        """Return whether a value, or its opposite, lies where nearly all do."""
        return self.holds(value) and self.usual[0] <= abs(value) <= self.usual[1]


RANGES: Final[Mapping[str, PlausibleRange]] = {
    # The cost model takes tariffs from -1 to 5 USD/kWh; under 0.001 USD/kWh nobody sells, and
    # nothing at all is paid where the power is in a rent.
    "USD/MWh": PlausibleRange(
        low=-1000, high=5000, smallest=1, usual=(5, 1000), spellings=("USD/kWh", "USD/MWh"),
        typical="0.12 USD/kWh",
    ),
    # Lignite stands at about 1,100 g, the worst grids of IPCC's tables under 1,700; between
    # nought and 1 g lies none but a figure in kg.
    "gCO2e/kWh": PlausibleRange(
        low=0, high=2000, smallest=1, usual=(1, 2000), spellings=("g/kWh", "kg/kWh"),
        typical="400 g/kWh",
    ),
    # From a module of a few watts to a wafer of 23 kW.
    "W": PlausibleRange(
        low=0, high=50_000, smallest=1, usual=(5, 5000), spellings=("W", "kW"), typical="400 W",
    ),
    # Light needs 0.05 ms for 5 km of fibre and back, and a fifth of a second around the world.
    "ms": PlausibleRange(
        low=0, high=5000, smallest=0.05, usual=(0.5, 1000), spellings=("ms", "s"), typical="30 ms",
    ),
    "USD/GPU-hour": PlausibleRange(
        low=0, high=200, smallest=0.005, usual=(0.05, 50), spellings=("USD/GPU-hour",),
        typical="2 USD/GPU-hour",
    ),
}  # fmt: skip


def check_programme_quantity_plausible(value: float, unit: str) -> None:
    """Raise where a quantity cannot be.

    Raises:
        ProgrammeValueError: It is out of its range; the remedy says how it was probably meant.
    """
    bounds = RANGES[unit]
    if bounds.holds(value):
        return
    raise ProgrammeValueError(
        found=Message("{value} {unit}", {"value": f"{value:,g}", "unit": unit}),
        wanted=programme_quantity_plausible_range_message(unit),
        remedy=Message(
            'Check the unit; write for example "{example}".',
            {"example": _thousandfold_quantity_example_text(value, bounds, unit)},
        ),
    )


def programme_quantity_plausible_range_message(unit: str) -> Message:
    """Return what a quantity can be, for an error."""
    bounds = RANGES[unit]
    values = {
        "low": f"{bounds.low:,g}",
        "high": f"{bounds.high:,g}",
        "smallest": f"{bounds.smallest:g}",
        "unit": unit,
    }
    if bounds.low < 0:
        return Message(
            "{low} to {high} {unit}, and no other than 0 between -{smallest} and {smallest}",
            values,
        )
    return Message("0, or {smallest} to {high} {unit}", values)


def programme_quantity_example_text(number: float | None, unit: str) -> str:
    """Return a text that is accepted for a quantity, with `number` in it where that can be.

    >>> [programme_quantity_example_text(number, "USD/MWh") for number in (0.16, 150, 1e6, None)]
    ['0.16 USD/kWh', '150 USD/MWh', '0.12 USD/kWh', '0.12 USD/kWh']
    >>> programme_quantity_example_text(0.4, "W"), programme_quantity_example_text(435, "gCO2e/kWh")
    ('0.4 kW', '435 g/kWh')
    """
    bounds = RANGES[unit]
    for spelled in bounds.spellings if number is not None and math.isfinite(number) else ():
        text = f"{number:.12g} {spelled}"
        if bounds.is_usual_plausible_size(parse_quantity(text, unit)):
            return text
    return bounds.typical


def _thousandfold_quantity_example_text(value: float, bounds: PlausibleRange, unit: str) -> str:
    """Return the quantity a thousand times as large or as small, where one of them is usual."""
    for scaled in (value * _THOUSAND, value / _THOUSAND):
        if bounds.is_usual_plausible_size(scaled):
            factor = parse_quantity(f"1 {bounds.spellings[0]}", unit)
            return f"{scaled / factor:.6g} {bounds.spellings[0]}"
    return bounds.typical
