"""Units and quantities as they are printed, in English and Traditional Chinese."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Final

from commonwatt.catalogue.units.parse import parse_unit
from commonwatt.catalogue.units.table import CODES, unit_lookup_table
from commonwatt.catalogue.units.unit import Unit

# Largest first: a scale is spelled as a product of these.
_WORDS: Final = {
    "en": {"trn": 10**12, "bn": 10**9, "mn": 10**6, "thousand": 10**3, "hundred": 100, "ten": 10},
    "zh-Hant": {"萬億": 10**12, "億": 10**8, "萬": 10**4, "千": 10**3, "百": 100, "十": 10},
}
_RAISED: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
# Chinese counts in myriads: 9.27 bn are 92.7 億, and nobody says 9.27 十億.
_RESCALED: Final = {
    "en": {10**4: 10**3, 10**5: 10**6, 10**7: 10**6, 10**8: 10**9, 10**10: 10**9, 10**11: 10**9},
    "zh-Hant": {10**5: 10**4, 10**7: 10**6, 10**9: 10**8, 10**10: 10**8, 10**11: 10**8},
}
_CENTS: Final = {
    ("USD", "en"): "US cents", ("USD", "zh-Hant"): "美仙", ("EUR", "zh-Hant"): "歐仙",
    ("HKD", "zh-Hant"): "港仙",
}  # fmt: skip
_OF: Final = {"GDP": "GDP", "revenue": "收入", "IT": "IT", "exports": "出口"}


def format_quantity(
    value: float, unit: str | Unit, language: str = "en", *, digits: int | None = None
) -> str:
    """Return a value with its unit, in the scale that readers of `language` count in.

    Args:
        value: Value in `unit`.
        unit: Its unit.
        language: "en" or "zh-Hant".
        digits: Decimals to keep in `unit`, as many fewer as the scale is smaller; all that the
            value has where none is said.

    >>> format_quantity(1234.5, "USD/GPU-hour"), format_quantity(0.3, "CNY/kWh", "zh-Hant")
    ('1,234.5 USD/GPU-hour', '0.3 人民幣/千瓦時')
    >>> [format_quantity(n, "USD mn/year", "zh-Hant", digits=1) for n in (85.7, 1234.5)]
    ['8,570 萬美元/年', '12.345 億美元/年']
    """
    parsed = parse_unit(unit) if isinstance(unit, str) else unit
    counted = unit_in_scale_of_language(parsed, language, value=value)
    shown = unit_value_in_other_scale(value, parsed, counted)
    decimals = None if digits is None else decimals_in_other_unit_scale(digits, parsed, counted)
    number = f"{shown:,}" if decimals is None else f"{shown:,.{decimals}f}"
    name = _unit_text(counted, counted.scale, language)
    # "5 1/kWh" would read as two numbers.
    return f"{number} {name[1:] if name.startswith('1/') else name}"


def format_unit(unit: str | Unit, language: str = "en") -> str:
    """Return the name of a unit, as a heading shows it.

    >>> format_unit("us cents per kilowatt-hour"), format_unit("kgCO2eq/kWh")
    ('US cents/kWh', 'kg CO₂e/kWh')
    >>> format_unit("USD/m²/year", "zh-Hant")
    '美元/平方米/年'
    """
    parsed = parse_unit(unit) if isinstance(unit, str) else unit
    return _unit_text(parsed, parsed.scale, language)


def unit_in_scale_of_language(
    unit: str | Unit, language: str, *, value: float | None = None
) -> Unit:
    """Return a unit in the scale that readers of `language` count in.

    Args:
        unit: The unit.
        language: "en" or "zh-Hant".
        value: The one value that stands beside it; a heading has none, and its scale may not
            hang on what happens to stand below it.

    >>> [unit_in_scale_of_language("HKD bn", to).scale for to in ("en", "zh-Hant")]
    [Fraction(1000000000, 1), Fraction(100000000, 1)]
    """
    parsed = parse_unit(unit) if isinstance(unit, str) else unit
    scale = _unit_scale_in_language(parsed, language)
    # Tables of Hong Kong's accounts are headed in 百萬; in a sentence nobody says so.
    if value is not None and language == "zh-Hant" and parsed.currency and parsed.scale >= 10**6:
        scale = _scale_of_chinese_amount(abs(value) * float(parsed.scale))
    if scale == parsed.scale:
        return parsed
    return replace(parsed, scale=scale, ratio=parsed.ratio * scale / parsed.scale)


def _scale_of_chinese_amount(amount: float) -> Fraction:
    if amount >= 10**8:
        return Fraction(10**8)
    # Of nothing there are no 萬.
    return Fraction(10**4 if amount else 1)


def unit_value_in_other_scale(value: float, unit: Unit, counted: Unit) -> float:
    """Return a value of `unit` in the same unit of another scale.

    >>> bn = parse_unit("HKD bn")
    >>> unit_value_in_other_scale(9.27, bn, unit_in_scale_of_language(bn, "zh-Hant"))
    92.7
    """
    if unit.scale == counted.scale or not math.isfinite(value):
        return value
    # In decimals, because 9.27 times ten in binary is 92.69999999999999.
    ratio = unit.scale / counted.scale
    return float(Decimal(repr(float(value))) * ratio.numerator / ratio.denominator)


def decimals_in_other_unit_scale(digits: int, unit: Unit, counted: Unit) -> int:
    """Return the decimals that say as much in another scale as `digits` do in `unit`."""
    return max(0, digits + round(math.log10(counted.scale / unit.scale)))


def _unit_scale_in_language(unit: Unit, language: str) -> Fraction:
    # Cents and thousandths are not counted in myriads.
    if unit.scale.denominator != 1:
        return unit.scale
    return Fraction(_RESCALED[language].get(int(unit.scale), unit.scale))


def _unit_text(unit: Unit, scale: Fraction, language: str) -> str:
    over = [(name, power) for name, power in unit.parts if power > 0]
    under = [(name, -power) for name, power in unit.parts if power < 0]
    words = _unit_numerator_text(over, language)
    words, number = _unit_numerator_with_scale_and_divisor(
        words, over[0][0] if over else "", scale, language
    )
    if unit.of.startswith("CO2"):
        words, under_of = _unit_words_and_trailing_co2_name(words, over, unit, language)
    else:
        under_of = ""
    text = words or ("1" if under else unit_lookup_table().printed["one"][language == "zh-Hant"])
    if number and not under:
        text += f"/{number}"
    for index, (name, power) in enumerate(_unit_parts_with_gpu_hour_fused(under)):
        count = f"{number} " if index == 0 and number else ""
        text += (
            f"/{count}{_unit_part_symbol(name, power, language)}{under_of if index == 0 else ''}"
        )
    return (
        text
        + _unit_substance_suffix_text(unit, language)
        + _unit_price_year_suffix_text(unit, language)
    )


def _unit_parts_with_gpu_hour_fused(parts: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Write a GPU and its hour as the one word that they are."""
    if ("gpu", 1) in parts and ("hour", 1) in parts:
        rest = [part for part in parts if part not in {("gpu", 1), ("hour", 1)}]
        return [("gpu_hour", 1), *rest]
    return parts


def _unit_part_symbol(name: str, power: int, language: str) -> str:
    if name == "gpu_hour":
        return "GPU 小時" if language == "zh-Hant" else "GPU-hour"
    symbol = unit_lookup_table().printed[name][language == "zh-Hant"]
    return f"{symbol}{str(power).translate(_RAISED)}" if power > 1 else symbol.replace("2", "²")


def _unit_numerator_text(parts: list[tuple[str, int]], language: str) -> str:
    mark = "" if language == "zh-Hant" else "·"
    return mark.join(
        _unit_part_symbol(name, power, language)
        for name, power in _unit_parts_with_gpu_hour_fused(parts)
    )


def _unit_numerator_with_scale_and_divisor(
    words: str, first: str, scale: Fraction, language: str
) -> tuple[str, str]:
    """Return the numerator with its scale, and the count that the denominator carries."""
    if first in CODES and scale == Fraction(1, 100):
        chinese = language == "zh-Hant"
        default = f"{words}仙" if chinese else f"{words} cents"
        return _CENTS.get((first, language), default), ""
    name = _unit_scale_words(scale, language)
    if name is None:
        # A scale that no words reach goes below the stroke, as in "USD/8 GPU".
        return words, f"{float(1 / scale):.12f}".rstrip("0").rstrip(".")
    if language == "zh-Hant":
        return name + words, ""
    # Money stands before its scale and anything else behind it: "USD bn", but "mn tokens".
    return (f"{words} {name}" if first in CODES else f"{name} {words}").strip(), ""


def _unit_scale_words(scale: Fraction, language: str) -> str | None:
    """Return a scale in words, smallest word first, or None where words do not reach."""
    left, spelled = scale, list[str]()
    for word, size in _WORDS[language].items():
        while left >= size and (left / size).denominator == 1:
            left /= size
            spelled.insert(0, word)
    return ("" if language == "zh-Hant" else " ").join(spelled) if left == 1 else None


def _unit_words_and_trailing_co2_name(
    words: str, over: list[tuple[str, int]], unit: Unit, language: str
) -> tuple[str, str]:
    is_equal = unit.of == "CO2e"
    if language == "zh-Hant":
        name = "二氧化碳當量" if is_equal else "二氧化碳"
    else:
        name = " CO₂e" if is_equal else " CO₂"
    if any(("mass", 1) in unit_lookup_table().dims[part] for part, _ in over):
        return words + name, ""
    return words, name


def _unit_substance_suffix_text(unit: Unit, language: str) -> str:
    if not unit.of or unit.of.startswith("CO2"):
        return ""
    return f" of {unit.of}" if language == "en" else f"（佔{_OF[unit.of]}）"


def _unit_price_year_suffix_text(unit: Unit, language: str) -> str:
    if unit.price_year is None:
        return ""
    if language == "zh-Hant":
        return f"（{unit.price_year}年價格）"
    return f" ({unit.price_year} prices)"
