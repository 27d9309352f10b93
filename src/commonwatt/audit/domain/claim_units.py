"""How the units of a claim and of a reference meet: money at a rate, denominators left out.

Units are read by the catalogue's parser; this page holds only what people leave unsaid
in a claim and mean all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from commonwatt.catalogue.units import Unit, is_same_unit_kind, parse_unit

# What a sentence leaves out because its reader knows it: a yearly flow without "a year", the
# price of a GPU without "per GPU". More than one of them is no longer plain, and not guessed.
_IMPLIED: Final[Mapping[str, str]] = {
    "time": "year", "gpu": "GPU", "person": "person", "rack": "rack",
}  # fmt: skip


def parse_claim_unit(text: str, *, home: str = "") -> Unit:
    """Return the unit of a cell of a table; an empty cell is a pure number.

    Args:
        text: The cell.
        home: Currency that a bare sign of money means.

    Raises:
        UnitError: A word of it is no unit.

    >>> parse_claim_unit("").dims, parse_claim_unit("US cents/kWh").currency
    ((), 'USD')
    """
    return parse_unit(text, home=home) if text else replace(parse_unit("ratio"), text="")


def are_claim_units_comparable(unit: Unit, target: Unit) -> bool:
    """Return whether a value of `unit` can be given in `target`, its money at some rate.

    >>> are_claim_units_comparable(parse_unit("USD/kWh"), parse_unit("CNY/MWh"))
    True
    """
    return is_same_unit_kind(
        _claim_unit_in_currency(unit, target.currency), _claim_unit_in_currency(target, "")
    )


def claim_unit_with_implied_denominator(unit: Unit, target: Unit) -> Unit | None:
    """Return `unit` with one denominator that people leave out, or None where none fits.

    >>> yearly = claim_unit_with_implied_denominator(parse_unit("TWh"), parse_unit("TWh/year"))
    >>> yearly is not None and are_claim_units_comparable(yearly, parse_unit("TWh/year"))
    True
    """
    counted = _claim_unit_in_currency(unit, target.currency)
    lacking = dict(_claim_unit_in_currency(target, "").dims)
    for name, power in counted.dims:
        lacking[name] = lacking.get(name, 0) - power
    missing = {name: power for name, power in lacking.items() if power}
    # A pure number lacks everything, and would fit any unit with one denominator.
    if len(missing) != 1 or not counted.dims:
        return None
    ((name, power),) = missing.items()
    # Only a denominator is ever left out: nobody says "5 USD" for five dollars times a year.
    if power != -1 or name not in _IMPLIED:
        return None
    implied = parse_unit(_IMPLIED[name])
    return replace(
        unit,
        ratio=unit.ratio / implied.ratio,
        dims=tuple(sorted((*unit.dims, (name, -1)))),
        parts=(*unit.parts, *((part, -power) for part, power in implied.parts)),
    )


def _claim_unit_in_currency(unit: Unit, currency: str) -> Unit:
    """Return the unit in a currency, its events as the numbers that people count them by."""
    counted = unit.in_currency(currency)
    # An event is a thing that is counted: "3 faults" and "3" are one figure to who writes a claim.
    return replace(
        counted, dims=tuple((name, power) for name, power in counted.dims if name != "event")
    )
