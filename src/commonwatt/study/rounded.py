"""Rounded parts that do not add up to their rounded sum are said to be rounded."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from commonwatt.core.messages import Message

_NUMBER: Final = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")


def rounded_net_text(gross: str, reserves: str, net: str, language: str) -> str:
    """Return a net effect as it is shown, marked where debt less reserves shows another number.

    A reader adds what stands before him: 5.84 and 5.28 beside 11.11 look like a slip. Amounts of
    different units, as 萬 and 億, nobody adds at sight.

    >>> rounded_net_text("+5.84", "-5.28", "+11.11 HKD bn", "en")
    '+11.11 HKD bn (rounded)'
    >>> rounded_net_text("+5.84", "-5.27", "+11.11 HKD bn", "en")
    '+11.11 HKD bn'
    """
    *parts, whole = (_NUMBER.search(text) for text in (gross, reserves, net))
    units = {_unit_of_amount(text) for text in (gross, reserves, net)} - {""}
    if len(units) > 1 or whole is None or not all(parts):
        return net
    debt, held, both = (_decimal_of_match(match) for match in (*parts, whole))
    if debt - held == both:
        return net
    return f"{net} {Message('(rounded)').translate(language)}"


def _unit_of_amount(text: str) -> str:
    return text.partition(" ")[2]


def _decimal_of_match(match: re.Match[str] | None) -> Decimal:
    return Decimal(match[0].replace(",", "")) if match else Decimal()
