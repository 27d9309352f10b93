"""Text such as "400 W" or "0.12 USD/kWh", read into one canonical unit.

The table of units is the only place that knows factors; a unit of the wrong
kind is refused with the list of those that would do.
"""

from __future__ import annotations

import math
import re
from functools import partial
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

UNITS: Final[dict[str, dict[str, float]]] = {
    "W": {"W": 1.0, "kW": 1e3, "MW": 1e6},
    "ms": {"ms": 1.0, "s": 1e3, "us": 1e-3},
    "USD/MWh": {"USD/MWh": 1.0, "USD/kWh": 1e3, "US cents/kWh": 10.0},
    "USD/GPU-hour": {"USD/GPU-hour": 1.0, "US cents/GPU-hour": 0.01},
    "g/kWh": {"g/kWh": 1.0, "kg/kWh": 1e3, "kg/MWh": 1.0, "t/MWh": 1e3},
}

_FORM = re.compile(r"\s*([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*(.*?)\s*")


def parse_quantity(text: object, unit: str) -> float:
    """Return the value of `text` in `unit`.

    Raises:
        ValueError: No number, no unit, or a unit of another kind; pydantic adds the path.

    >>> parse_quantity("0.12 USD/kWh", "USD/MWh")
    120.0
    >>> parse_quantity("400 ms", "W")
    Traceback (most recent call last):
    ...
    ValueError: '400 ms' is not in W, kW, MW
    """
    kinds = UNITS[unit]
    if not isinstance(text, str):
        raise ValueError(f'{text!r} has no unit; write for example "{text} {unit}"')
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f'{text!r} is not a number with a unit such as "10 {unit}"')
    value, name = float(found[1]), found[2]
    if name not in kinds:
        raise ValueError(f"{text!r} is not in {', '.join(kinds)}")
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not finite")
    return value * kinds[name]


def scaled_quantity(text: str, factor: float) -> str:
    """Return a quantity times `factor`, in the unit that it is written in.

    Raises:
        ValueError: The text does not start with a number.

    >>> scaled_quantity("0.056 USD/kWh", 1.5)
    '0.084 USD/kWh'
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a number with a unit")
    return f"{float(found[1]) * factor:.12g} {found[2]}".strip()


def _reader(unit: str) -> BeforeValidator:
    return BeforeValidator(partial(parse_quantity, unit=unit))


Watts = Annotated[float, _reader("W"), Field(ge=0, description="[W]")]
Milliseconds = Annotated[float, _reader("ms"), Field(ge=0, description="[ms]")]
UsdPerMwh = Annotated[float, _reader("USD/MWh"), Field(description="[USD/MWh]")]
UsdPerGpuHour = Annotated[float, _reader("USD/GPU-hour"), Field(ge=0, description="[USD/GPU-h]")]
GramsPerKwh = Annotated[float, _reader("g/kWh"), Field(ge=0, description="[gCO2e/kWh]")]
