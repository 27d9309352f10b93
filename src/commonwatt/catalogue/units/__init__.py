"""Units as people write them: one parser, one converter, one printer.

A unit is an exact factor over base dimensions; each currency is a dimension of its own,
so that money never changes its currency without a rate. The units and their
spellings stand in one `table`, in the definition language of the units library pint.

>>> parse_quantity("89.2 US$/MWh", to="USD/kWh")
0.0892
>>> format_quantity(9.27, "HKD bn", "zh-Hant")
'92.7 億港元'
"""

from commonwatt.catalogue.units.convert import (
    check_same_unit_kind,
    convert,
    is_same_unit_kind,
    parse_quantity,
    quantity_number_and_unit_text,
)
from commonwatt.catalogue.units.parse import parse_unit
from commonwatt.catalogue.units.show import (
    decimals_in_other_unit_scale,
    format_quantity,
    format_unit,
    unit_in_scale_of_language,
    unit_value_in_other_scale,
)
from commonwatt.catalogue.units.unit import Unit

__all__ = [
    "Unit",
    "check_same_unit_kind",
    "convert",
    "decimals_in_other_unit_scale",
    "format_quantity",
    "format_unit",
    "is_same_unit_kind",
    "parse_quantity",
    "parse_unit",
    "quantity_number_and_unit_text",
    "unit_in_scale_of_language",
    "unit_value_in_other_scale",
]
