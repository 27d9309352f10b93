"""Text before it is a unit: characters made plain, numbers and their separators."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from commonwatt.catalogue.units.table import SIMPLIFIED
from commonwatt.catalogue.units.unit import UnitFault
from commonwatt.core.messages import Message

LONGEST: Final = 200
_RAISED: Final = re.compile("[⁺⁻]?[⁰¹²³⁴-⁹]+")
_PLAIN: Final = str.maketrans({
    "−": "-", "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "µ": "μ",
    "⋅": "·", "∙": "·", "•": "·", "（": "(", "）": ")",
    "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u3000": " ",
})  # fmt: skip
_NUMBER: Final = re.compile(
    r"""(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])
        |\d{1,3}(?:[ ]\d{3})+(?:\.\d+)?(?![\d.,]|[ ]\d)
        |\d+(?:\.\d+)?(?![\d.,]|[ ]\d)|\d+\.(?!\S)|\.\d+(?![\d.,]))
        (?:[eE](?P<power>[+-]?\d{1,4})(?![\d.,])
        |\s*[x×*]\s*10(?:\^|\*\*)?(?P<ten>[+-]?\d{1,4})(?![\d.,]))?""",
    re.VERBOSE,
)
_LOOSE: Final = re.compile(r"[\d][\d.,' ]*")


def plain_unit_text(text: str) -> str:
    """Return `text` with full-width forms, raised digits and dashes made plain.

    >>> plain_unit_text("１２３．５　kWh⁻¹"), plain_unit_text("−5 m²"), plain_unit_text("亿")
    ('123.5 kWh^-1', '-5 m^2', '億')
    """
    # Most texts; the steps below change nothing of them.
    if text.isascii():
        return text.strip()
    # Before NFKC, which would turn m² into m2 and lose that it is a power.
    raised = _RAISED.sub(lambda match: "^" + unicodedata.normalize("NFKC", match[0]), text)
    # Full-width digits, ℃, ㎡, ㎾ and ％ are compatibility forms of what the table spells.
    spread = unicodedata.normalize("NFKC", raised.translate(_PLAIN)).translate(_PLAIN)
    return spread.translate(SIMPLIFIED).strip()


def quantity_digits_power_and_end(text: str) -> tuple[int, int, int] | None:
    """Return the number that plain `text` starts with, or None: digits, power of ten, end.

    The digits stay whole numbers, so that a conversion rounds once: 58.1 億 are 5.81 bn.

    Raises:
        UnitFault: Digits whose separators can be read in two ways.

    >>> quantity_digits_power_and_end("1,234.5 kWh"), quantity_digits_power_and_end("kWh")
    ((12345, -1, 7), None)
    """
    number = _NUMBER.match(text)
    if number is None:
        loose = _LOOSE.match(text)
        if loose is None:
            return None
        # "1.234,5" and "1,23" are read one way in Berlin and another in Hong Kong; a guess is wrong
        # by a thousand.
        raise _ambiguous_separators_fault(loose[0].strip())
    digits = number["digits"].replace(",", "").replace(" ", "")
    whole, _, decimals = digits.partition(".")
    power = int(number["power"] or number["ten"] or 0) - len(decimals)
    return int(whole + decimals), power, number.end()


def _ambiguous_separators_fault(digits: str) -> UnitFault:
    return UnitFault(
        Message("the number {digits}, which can be read in two ways", {"digits": digits}),
        Message("a point before decimals and a comma between thousands"),
        Message("Write 1,234.5 or 1234.5."),
    )
