"""From a text or a value to a value in the unit that is wanted."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache
from typing import Final

from commonwatt.catalogue.units.parse import parse_unit, parse_unit_raising_unit_fault
from commonwatt.catalogue.units.text import (
    LONGEST,
    plain_unit_text,
    quantity_digits_power_and_end,
)
from commonwatt.catalogue.units.unit import Unit, UnitFault
from commonwatt.core.messages import Message

# From here on a float no longer holds every whole number.
_EXACT: Final = 2**53
_POWERS: Final = 700  # beyond any float, digits and factors included
_LEAD: Final = re.compile(
    r"(?P<sign>[+-]?)\s*(?P<money>(?:[A-Z]{1,3}\s?[$¥€£]|[$€£¥₹₩]|[A-Z]{3}(?=[\s\d.+-])"
    r"|人民幣|港[元幣]|美[元金]|新?[台臺]幣|歐元|英鎊))?"
    r"\s*(?P<minus>-?)\s*(?=[\d.])"
)
# What most files hold: "350 kW", "0.08 USD/kWh"; anything else takes the long way.
_SIMPLE: Final = re.compile(r"([+-]?\d{1,15})(?:\.(\d{1,15}))? ([A-Za-wyz%][ -~]{0,60})", re.ASCII)
_EACH: Final = re.compile(r"每([^\d\s.+-]+?)\s*(?=[+-]?[A-Z$]*[\d.])")


def parse_quantity(
    text: str | float, to: str | Unit, *, home: str = "", bare: str = "", where: str = ""
) -> float:
    """Return the value of `text` in the unit `to`.

    Args:
        text: A number with its unit, as people write it.
        to: The unit of the answer.
        home: Code of the currency that a bare "$", "元", "¥" or "¢" means; "" refuses them.
        bare: The unit that a number without one has; "" refuses such a number.
        where: Place of the text, for the error.

    Raises:
        UnitError: No number, no unit, an unknown unit, or one of another kind.

    >>> parse_quantity("350 kW", to="MW"), parse_quantity("8.92 ¢ a kWh", "USD/kWh", home="USD")
    (0.35, 0.0892)
    """
    into = parse_unit(to, where=where) if isinstance(to, str) else to
    shown = text if isinstance(text, str) else repr(text)
    try:
        # A cell of a spreadsheet may be a number already.
        if not isinstance(text, str):
            unit = parse_unit_raising_unit_fault(
                _default_unit_of_unitless_quantity(bare, shown, into), home
            )
            return _converted_unit_value(_quantity_number_as_float(text), unit, into)
        simple = _SIMPLE.fullmatch(text)
        digits, power, spelled = (
            _simple_quantity_digits_power_and_unit(simple)
            if simple
            else _quantity_digits_power_and_unit_text(text)
        )
        unit = parse_unit_raising_unit_fault(
            spelled or _default_unit_of_unitless_quantity(bare, shown, into), home
        )
        return _exactly_converted_value(digits, power, unit, into)
    except UnitFault as fault:
        raise fault.unit_error_at_place(where, shown) from None


def quantity_number_and_unit_text(text: str) -> tuple[float, str]:
    """Return the number of a quantity and the text of its unit, in any spelling that is read.

    Raises:
        UnitError: There is no number, or one whose separators can be read in two ways.

    >>> quantity_number_and_unit_text("1 200 W"), quantity_number_and_unit_text("US$0.12/kWh")
    ((1200.0, 'W'), (0.12, 'US$ /kWh'))
    """
    try:
        digits, power, spelled = _quantity_digits_power_and_unit_text(text)
    except UnitFault as fault:
        raise fault.unit_error_at_place("", text) from None
    return float(f"{digits}e{power}"), spelled


def convert(value: float, source: str | Unit, target: str | Unit, *, where: str = "") -> float:
    """Return `value` of the unit `source` in the unit `target`.

    Raises:
        UnitError: The two are of different kinds, currencies or price years.

    >>> convert(60.0, "lb/MWh", "gCO2/kWh"), convert(27.0, "°C", "K")
    (27.2155422, 300.15)
    """
    given_unit = parse_unit(source, where=where) if isinstance(source, str) else source
    other = parse_unit(target, where=where) if isinstance(target, str) else target
    try:
        return _converted_unit_value(value, given_unit, other)
    except UnitFault as fault:
        raise fault.unit_error_at_place(where, f"{value:g} {given_unit.text}") from None


def is_same_unit_kind(first: Unit, other: Unit) -> bool:
    """Return whether a value of `one` can be given in `other` with no rate.

    >>> is_same_unit_kind(parse_unit("USD/kWh"), parse_unit("US cents/MWh"))
    True
    >>> is_same_unit_kind(parse_unit("USD/kWh"), parse_unit("CNY/kWh"))
    False
    """
    return _unit_kind_clash(first, other) is None


def check_same_unit_kind(first: Unit, other: Unit, *, where: str = "") -> None:
    """Raise unless a value of `one` can be given in `other` with no rate."""
    clash = _unit_kind_clash(first, other)
    if clash is not None:
        raise clash.unit_error_at_place(where, first.text)


def _simple_quantity_digits_power_and_unit(simple: re.Match[str]) -> tuple[int, int, str]:
    whole, decimals, spelled = simple.groups("")
    return int(whole + decimals), -len(decimals), spelled


def _quantity_digits_power_and_unit_text(text: str) -> tuple[int, int, str]:
    """Return digits, power of ten and the unit's text; money may stand before the number."""
    if len(text) > LONGEST:
        raise _no_quantity_number_fault()
    spelled = plain_unit_text(text)
    under = ""
    each = _EACH.match(spelled) if spelled.startswith("每") else None
    if each is not None:  # 每度0.3元: the denominator stands first
        spelled, under = spelled[each.end() :], f"每{each[1]}"
    lead = _LEAD.match(spelled)
    # "-$-5" is a slip, and no price of five.
    if lead is None or (lead["sign"] and lead["minus"]):
        raise _no_quantity_number_fault()
    read = quantity_digits_power_and_end(spelled[lead.end() :])
    if read is None:
        raise _no_quantity_number_fault()
    digits, power, end = read
    sign = -1 if "-" in (lead["sign"], lead["minus"]) else 1
    rest = spelled[lead.end() + end :].strip()
    # "3-5 USD" would otherwise be three of a unit called "-5 USD".
    if rest.startswith(("-", "~")) and rest[1:].strip()[:1].isdigit():
        raise _quantity_range_fault()
    return sign * digits, power, f"{lead['money'] or ''} {rest}{under}".strip()


def _quantity_number_as_float(value: float) -> float:
    if isinstance(value, bool):
        raise _no_quantity_number_fault()
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise _no_quantity_number_fault() from None


def _default_unit_of_unitless_quantity(bare: str, shown: str, into: Unit) -> str:
    if bare:
        return bare
    raise UnitFault(
        Message("a number without a unit"),
        Message("a number with a unit such as {unit}", {"unit": into.text}),
        Message('Write for example "{example}".', {"example": f"{shown.strip()} {into.text}"}),
    )


def _converted_unit_value(value: float, unit: Unit, into: Unit) -> float:
    times, over, shift = _unit_conversion_factor_divisor_and_shift(unit, into)
    # 400 ms over 1000 are 0.4 s, 400 times 0.001 are not.
    wide = max(times, over) >= _EXACT
    out = (value * (times / over) if wide else value * times / over) + float(shift)
    if not math.isfinite(out):
        raise _not_finite_quantity_fault()
    return out


def _exactly_converted_value(digits: int, power: int, unit: Unit, into: Unit) -> float:
    """Return digits and power of ten in `into`, rounded once."""
    times, over, shift = _unit_conversion_factor_divisor_and_shift(unit, into)
    if power > 0:
        # Bounded: "1e9999999" must not build a number of ten million digits before it is refused.
        times *= 10 ** min(power, _POWERS)
    else:
        over *= 10 ** min(-power, _POWERS)
    try:
        # Python divides whole numbers of any size and rounds once; a float on the way would round
        # twice.
        return float(Fraction(digits * times, over) + shift) if shift else digits * times / over
    except OverflowError:
        raise _not_finite_quantity_fault() from None


@lru_cache(maxsize=4096)
def _unit_conversion_factor_divisor_and_shift(unit: Unit, into: Unit) -> tuple[int, int, Fraction]:
    """Return factor, divisor and shift between two units of one kind."""
    clash = _unit_kind_clash(unit, into)
    if clash is not None:
        raise clash
    ratio = unit.ratio / into.ratio
    return ratio.numerator, ratio.denominator, (unit.offset - into.offset) / into.ratio


def _unit_kind_clash(first: Unit, other: Unit) -> UnitFault | None:
    """Return why two units are not of one kind, or None where they are."""
    if first.dims != other.dims:
        return _other_unit_kind_fault(first, other)
    # Money of 2015 and of 2024 are two units, though both are dollars.
    if first.price_year != other.price_year:
        return UnitFault(
            _money_unit_price_year_message(first),
            _money_unit_price_year_message(other),
            Message("Convert the money with a price index first."),
        )
    # CO2 and CO2 equivalents are compared, because sources name the one and mean the other.
    if first.of and other.of and first.of.removesuffix("e") != other.of.removesuffix("e"):
        return UnitFault(
            Message("a value of {of}", {"of": first.of}),
            Message("a value of {of}", {"of": other.of}),
        )
    return None


def _other_unit_kind_fault(first: Unit, other: Unit) -> UnitFault:
    # Named apart from other kinds, because the remedy is a rate, and a rate has a day.
    bare = [tuple(("money" if name.startswith("currency_") else name, power)
                  for name, power in unit.dims) for unit in (first, other)]  # fmt: skip
    if sorted(bare[0]) == sorted(bare[1]):
        return UnitFault(
            Message("money in {currency}", {"currency": first.currency or first.text}),
            Message("money in {currency}", {"currency": other.currency or other.text}),
            Message("Convert the money at an exchange rate of a stated day first."),
        )
    given = Message("a value in {unit}", {"unit": first.text})
    wanted = Message("a value in {unit}, or in a unit of that kind", {"unit": other.text})
    # Percent and points are so easily taken for each other that the remedy spells both out.
    if {first.dims, other.dims} == {(), (("point", 1),)}:
        remedy = Message("A rise from 2 to 3 percent is one percentage point, and 50 percent.")
        return UnitFault(given, wanted, remedy)
    return UnitFault(given, wanted)


def _money_unit_price_year_message(unit: Unit) -> Message:
    if unit.price_year is None:
        return Message("money whose price year is not named")
    return Message("money in prices of {year}", {"year": str(unit.price_year)})


def _no_quantity_number_fault() -> UnitFault:
    return UnitFault(
        Message("no number"), Message('a number with its unit, such as "0.08 USD/kWh"'),
        Message("Put the number first, then the unit."),
    )  # fmt: skip


def _not_finite_quantity_fault() -> UnitFault:
    return UnitFault(Message("a number that is not finite"), Message("a finite number"))


def _quantity_range_fault() -> UnitFault:
    return UnitFault(
        Message("a range"), Message("one number with its unit"), Message("Give each bound apart.")
    )
