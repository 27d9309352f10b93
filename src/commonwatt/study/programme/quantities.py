"""Text such as "400 W" or "0.12 USD/kWh" of a programme, read into one canonical unit.

The catalogue's parser reads it, so that a programme takes every spelling that any other file
of ours takes; here stands only what a field of the programme wants, and how pydantic is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final, get_args

from pydantic import BeforeValidator, Field

from commonwatt.catalogue.errors import UnitError
from commonwatt.catalogue.units import parse_quantity, quantity_number_and_unit_text
from commonwatt.core.messages import Message
from commonwatt.study.programme.faults import ErrorSentence, ProgrammeValueError
from commonwatt.study.programme.plausible import (
    check_programme_quantity_plausible,
    programme_quantity_example_text,
)

# A number and the rest: the rest is somebody's unit and stays as it is written.
_NUMBER: Final = re.compile(r"\s*([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*(.*?)\s*")


def parse_programme_quantity(text: object, unit: str) -> float:
    """Return the value of `text` in `unit`.

    Raises:
        ProgrammeValueError: No number, no unit, a unit of another kind, or a value that cannot
            be; pydantic adds the path.

    >>> (
    ...     parse_programme_quantity("0.12 USD/kWh", "USD/MWh"),
    ...     parse_programme_quantity("12 US cents/kWh", "USD/MWh"),
    ... )
    (120.0, 120.0)
    >>> parse_programme_quantity(0.16, "USD/MWh")
    Traceback (most recent call last):
    ...
    commonwatt.study.programme.faults.ProgrammeValueError: 0.16 has no unit. \
Write for example "0.16 USD/kWh".
    """
    number = _NUMBER.fullmatch(text) if isinstance(text, str) else None
    if not isinstance(text, str) or (number is not None and not number[2]):
        # The number again, in the unit that it is likely in: a price without a unit is nearly
        # always one per kWh, and a remedy that named the MWh would be obeyed and wrong a
        # thousandfold.
        value = _plain_programme_number_or_none(number[1] if number else text)
        given = Message("{given} has no unit", {"given": repr(text)[:40]})
        raise ProgrammeValueError(given, remedy=_programme_quantity_remedy(value, unit))
    try:
        quantity = parse_quantity(text, unit)
    except UnitError as error:
        # Without the number, which stands in another unit or in none that is known.
        sentence = ErrorSentence("", {}, error)
        raise ProgrammeValueError(
            sentence, remedy=_programme_quantity_remedy(None, unit)
        ) from error
    check_programme_quantity_plausible(quantity, unit)
    # Of "-0 W" nobody means another nought; its sign would stand in the report.
    return quantity + 0.0


def _programme_quantity_remedy(value: float | None, unit: str) -> Message:
    example = programme_quantity_example_text(value, unit)
    return Message('Write for example "{example}".', {"example": example})


def _plain_programme_number_or_none(given: object) -> float | None:
    try:
        return None if isinstance(given, bool) else float(str(given))
    except ValueError:
        return None


def scaled_programme_quantity(text: str, factor: float) -> str:
    """Return a quantity times `factor`, in the unit that it is written in.

    Raises:
        ValueError: The text has no number, or one that can be read in two ways.

    >>> scaled_programme_quantity("0.056 USD/kWh", 1.5), scaled_programme_quantity("1 200 W", 2)
    ('0.084 USD/kWh', '2400 W')
    """
    # By the parser that reads the file: what takes the first digits alone for the number makes
    # twice 1 200 W to 2 200 W.
    try:
        number, unit = quantity_number_and_unit_text(text)
    except UnitError:
        raise ValueError(f"{text!r} is not a number with a unit") from None
    return f"{number * factor:.12g} {unit}".strip()


@dataclass(frozen=True, slots=True)
class InUnit:
    """The unit that a field is read into, in its type."""

    unit: str


def programme_schema_field_unit(annotation: object, metadata: Iterable[object] = ()) -> str:
    """Return the unit that stands in a field's type, or nothing.

    >>> tuple(programme_schema_field_unit(field) for field in (Watts, list[Watts] | None, float))
    ('W', 'W', '')
    """
    own = [*metadata, *getattr(annotation, "__metadata__", ())]
    units = [each.unit for each in own if isinstance(each, InUnit)]
    units += [unit for part in get_args(annotation) if (unit := programme_schema_field_unit(part))]
    return units[0] if units else ""


def _programme_quantity_validator(unit: str) -> BeforeValidator:
    return BeforeValidator(partial(parse_programme_quantity, unit=unit))


Watts = Annotated[
    float, _programme_quantity_validator("W"), InUnit("W"), Field(ge=0, description="[W]")
]
Milliseconds = Annotated[
    float, _programme_quantity_validator("ms"), InUnit("ms"), Field(ge=0, description="[ms]")
]
UsdPerMwh = Annotated[
    float,
    _programme_quantity_validator("USD/MWh"),
    InUnit("USD/MWh"),
    Field(description="[USD/MWh]"),
]
UsdPerGpuHour = Annotated[
    float,
    _programme_quantity_validator("USD/GPU-hour"),
    InUnit("USD/GPU-hour"),
    Field(ge=0, description="[USD/GPU-h]"),
]
GramsPerKwh = Annotated[
    float,
    _programme_quantity_validator("gCO2e/kWh"),
    InUnit("gCO2e/kWh"),
    Field(ge=0, description="[gCO2e/kWh]"),
]
