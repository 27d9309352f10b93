"""The same units in pint: the slow, obvious reference of the parser.

Importing pint takes longer than a whole command of ours should, so it is imported
where it is asked for: by the tests, which compare every conversion with it, and by
whoever wants arrays that carry their units.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from commonwatt.catalogue.units.table import CURRENCIES, UNITS
from commonwatt.catalogue.units.unit import Unit
from commonwatt.core.extras import import_optional_module


@cache
def pint_unit_registry() -> Any:
    """Return a registry of our units alone, from the very lines that the parser reads."""
    # Half a second, see above; untyped, because pint's own types do not allow a registry
    # without a file, which its documentation does.
    made: Any = import_optional_module("pint").UnitRegistry(None)
    for row in (*UNITS, *CURRENCIES):
        # Pint has the pure number itself.
        if row.name != "one":
            made.define(f"{row.name} = {row.definition}")
    return made


def unit_as_pint_quantity(unit: Unit) -> Any:
    """Return one of `unit` as a quantity of pint, scale included.

    >>> from commonwatt.catalogue.units import parse_unit
    >>> round(unit_as_pint_quantity(parse_unit("MWh")).to("kilowatt_hour").magnitude)
    1000
    """
    names = {name: power for name, power in unit.parts if name != "one"}
    made = pint_unit_registry()
    return made.Quantity(float(unit.scale), made.UnitsContainer(names))
