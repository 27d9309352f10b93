"""Quantities in a clinical text: numbers in figures and words, with units in one measure.

Masses are in mg, those of bodies in kg, volumes in mL, lengths in mm, temperatures in °C, times in
hours; `3/7`, `2/52` and `1/12` are days,
weeks and months. A number without a unit has the dimension "".
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Quantity(NamedTuple):
    """A number of a text.

    Args:
        figure: As written.
        dimension: Of its unit; "" where there is none.
        amount: In the measure of its dimension.
    """

    figure: float
    dimension: str
    amount: float


_UNIT_WORDS: Final = """
mass 0.001 mcg μg ug microgram micrograms 微克
mass 1 mg milligram milligrams 毫克
mass 1000 g gm gram grams 克
bodymass 1 kg kilogram kilograms kilos 公斤 千克
bodymass 0.45359237 lb lbs pounds pound 磅
volume 1 ml millilitre millilitres milliliter milliliters cc 毫升
volume 1000 l litre litres liter liters 公升 升
cups 1 cup cups 杯
units 1 unit units iu u 單位
substance 1 mmol millimole millimoles 毫摩爾
substance 0.001 micromol μmol umol 微摩爾
length 1 mm millimetre millimetres millimeter 毫米
length 10 cm centimetre centimetres centimeter 厘米 公分
length 1000 m metre metres meter 米
share 1 % percent 巴仙
degrees 1 c degrees degree deg ° celsius
pressure 1 mmhg 毫米汞柱 毫米水銀柱
time 0.0166667 min mins minute minutes 分鐘
time 1 h hr hrs hour hours 小時 鐘頭 個鐘
time 24 d day days 日 天
time 168 wk wks week weeks 星期 週 周 禮拜 個星期 個禮拜
time 730 month months mth mths 個月 月
time 8760 yr yrs year years 年 歲 yo
times 1 times time 次 次數
packs 1 packs pack 包
tablets 1 tab tabs tablet tablets 粒藥 片
beats 1 bpm
"""
_UNITS: Final[dict[str, tuple[str, float]]] = {
    word: (line.split()[0], float(line.split()[1]))
    for line in _UNIT_WORDS.strip().splitlines()
    for word in line.split()[2:]
}
_ENGLISH: Final = {
    word: float(number)
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
} | {
    word: 10.0 * number
    for number, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2
    )
}
_CHINESE: Final = dict(zip("零一二三四五六七八九", range(10), strict=True)) | {"兩": 2, "〇": 0}
_WHOLE_WORDS: Final = {
    "once": Quantity(1.0, "times", 1.0),
    "twice": Quantity(2.0, "times", 2.0),
    "thrice": Quantity(3.0, "times", 3.0),
    "fortnight": Quantity(2.0, "time", 336.0),
}
_TWENTY: Final = "廿"
_TENS: Final = {"十": 10, "百": 100, "千": 1000}
_PER: Final = frozenset(
    {"l", "dl", "ml", "kg", "h", "hr", "hour", "min", "day", "d", "mmol", "mol"}
)
_MEASURES: Final = frozenset("個粒處條枚塊隻度程劑針")
_DURATIONS: Final = {"7": 24.0, "52": 168.0, "12": 730.0}
_DEGREES: Final = frozenset(["°", "deg", "degree", "degrees"])
_SCALES: Final = {
    "c": "c",
    "celsius": "c",
    "攝氏": "c",
    "f": "f",
    "fahrenheit": "f",
    "華氏": "f",
}
LONGEST_UNIT: Final = 6


def clinical_quantity_end_and_quantity(
    tokens: list[str], start: int
) -> tuple[int, Quantity | None]:
    """Return where a quantity that begins at a token ends, and the quantity.

    >>> clinical_quantity_end_and_quantity(["500", "mcg"], 0)
    (2, Quantity(figure=500.0, dimension='mass', amount=0.5))
    >>> clinical_quantity_end_and_quantity(["三", "十", "五", "毫", "克"], 0)[1]
    Quantity(figure=35.0, dimension='mass', amount=35.0)
    >>> clinical_quantity_end_and_quantity(["3", "/", "52"], 0)
    (3, Quantity(figure=3.0, dimension='time', amount=504.0))
    """
    if prefixed := _prefixed_quantity_end_and_quantity(tokens, start):
        return prefixed
    if whole := _WHOLE_WORDS.get(tokens[start]):
        return start + 1, whole
    end, number = _clinical_number_end_and_number(tokens, start)
    if number is None:
        return start, None
    slashed = tokens[end : end + 2]
    if len(slashed) == 2 and slashed[0] == "/" and slashed[1] in _DURATIONS and number <= 30:
        # "7/12 cores" is a share of twelve, "x 7/12" months.
        following = tokens[end + 2] if end + 2 < len(tokens) else ""
        if slashed[1] == "12" and following.isascii() and following.isalpha():
            return end + 2, Quantity(number, "", number)
        return end + 2, Quantity(number, "time", number * _DURATIONS[slashed[1]])
    return _unit_end_and_quantity(tokens, end, number)


def _prefixed_quantity_end_and_quantity(
    tokens: list[str], start: int
) -> tuple[int, Quantity] | None:
    """Return a quantity whose unit stands before its number: 百分之三十, 攝氏38度."""
    is_share = tokens[start : start + 3] == ["百", "分", "之"]
    scale = _SCALES.get("".join(tokens[start : start + 2]))
    if not (is_share or scale):
        return None
    end, number = _clinical_number_end_and_number(tokens, start + (3 if is_share else 2))
    if number is None:
        return None
    if scale:
        return end + (tokens[end : end + 1] == ["度"]), _temperature_quantity_in_celsius(
            number, scale
        )
    return end, Quantity(number, "share", number)


def _unit_end_and_quantity(tokens: list[str], end: int, number: float) -> tuple[int, Quantity]:
    if tokens[end : end + 2] == ["per", "cent"]:
        return end + 2, Quantity(number, "share", number)
    marks = tokens[end : end + 2]
    if marks and marks[0] in _DEGREES:
        marks = marks[1:]
    if marks and (scale := _SCALES.get(marks[0])):
        return end + len(tokens[end : end + 2]) - len(marks) + 1, _temperature_quantity_in_celsius(
            number, scale
        )
    for width in range(LONGEST_UNIT, 0, -1):
        words = tokens[end : end + width]
        # Words of English stand alone; only Chinese units are written in several tokens.
        if len(words) < width or (width > 1 and words[-1].isascii()):
            continue
        if unit := _UNITS.get("".join(words)):
            return _clinical_token_index_past_rate(tokens, end + width), Quantity(
                number, unit[0], number * unit[1]
            )
    if end < len(tokens) and tokens[end] in _MEASURES:
        return end + 1, Quantity(number, "", number)
    return end, Quantity(number, "", number)


def _temperature_quantity_in_celsius(number: float, scale: str) -> Quantity:
    """Return a temperature, its amount in °C.

    >>> _temperature_quantity_in_celsius(98.6, "f")
    Quantity(figure=98.6, dimension='degrees', amount=37.0)
    """
    celsius = round((number - 32) / 1.8, 6) if scale == "f" else number
    return Quantity(number, "degrees", celsius)


def _clinical_token_index_past_rate(tokens: list[str], end: int) -> int:
    """Return where a unit ends with what it is per: `mmol/L`, `mg/kg`."""
    if tokens[end : end + 1] == ["/"] and end + 1 < len(tokens) and tokens[end + 1] in _PER:
        return end + 2
    return end


def _clinical_number_end_and_number(tokens: list[str], start: int) -> tuple[int, float | None]:
    if start >= len(tokens):
        return start, None
    first = tokens[start]
    if first[0].isdigit():
        return start + 1, float(first.replace(",", ""))
    if first in _ENGLISH:
        return _english_clinical_number_end_and_number(tokens, start)
    if first in _CHINESE or first in _TENS or first in ("廿", "半"):
        return _chinese_clinical_number_end_and_number(tokens, start)
    return start, None


def _english_clinical_number_end_and_number(tokens: list[str], start: int) -> tuple[int, float]:
    number = _ENGLISH[tokens[start]]
    after = tokens[start + 1] if start + 1 < len(tokens) else ""
    if number >= 20 and 0 < _ENGLISH.get(after, 0) < 10:
        return start + 2, number + _ENGLISH[after]
    return (start + 2, number * 100) if after == "hundred" else (start + 1, number)


def _chinese_clinical_number_end_and_number(tokens: list[str], start: int) -> tuple[int, float]:
    if tokens[start] == "半":
        return start + 1, 0.5
    total, digit, end = 0.0, 0.0, start
    while end < len(tokens):
        token = tokens[end]
        if token in _CHINESE:
            digit = float(_CHINESE[token])
        elif token in _TENS:
            total, digit = total + (digit or 1.0) * _TENS[token], 0.0
        elif token == _TWENTY:
            total, digit = total + 20, 0.0
        else:
            break
        end += 1
    return end, total + digit
