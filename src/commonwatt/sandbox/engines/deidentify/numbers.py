"""Identity numbers with check digits, and other numbers that point to a person.

Sources: Hong Kong Immigration Department, HKID check digit as published in
"Hong Kong identity card" (weights 9 to 1 over 36-letter values, modulo 11);
GB 11643-1999 and ISO 7064 MOD 11-2 (mainland China); Republic of China
(Taiwan) Household Registration, ID number weights 1, 9 … 1, modulo 10.
"""

from __future__ import annotations

import re
from typing import Final

_MAINLAND_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_MAINLAND_CHECK: Final = "10X98765432"
_TAIWAN_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVXYWZIO"


def is_hkid(text: str) -> bool:
    """Return whether a Hong Kong identity number, written plainly, checks out.

    >>> is_hkid("A1234563"), is_hkid("A1234567"), is_hkid("XG689581A")
    (True, False, True)
    """
    match = re.fullmatch(r"([A-Z]{1,2})(\d{6})([\dA])", text.upper())
    if match is None:
        return False
    # A single letter is preceded by a blank, which counts as 36.
    head = [36, *(_identity_number_letter_value(char) for char in match[1])][-2:]
    values = [*head, *(int(digit) for digit in match[2])]
    total = sum(weight * value for weight, value in zip(range(9, 1, -1), values, strict=True))
    check = 10 if match[3] == "A" else int(match[3])
    return (total + check) % 11 == 0


def is_mainland_id(text: str) -> bool:
    """Return whether a mainland Chinese identity number of 18 places checks out.

    >>> is_mainland_id("11010519491231002X"), is_mainland_id("110105194912310021")
    (True, False)
    """
    if not re.fullmatch(r"\d{17}[\dXx]", text):
        return False
    total = sum(w * int(d) for w, d in zip(_MAINLAND_WEIGHTS, text[:17], strict=True))
    return _MAINLAND_CHECK[total % 11] == text[-1].upper()


def is_valid_taiwan_id_number(text: str) -> bool:
    """Return whether a Taiwanese identity or resident number checks out.

    >>> is_valid_taiwan_id_number("A123456789"), is_valid_taiwan_id_number("A123456788")
    (True, False)
    """
    if not re.fullmatch(r"[A-Z][1289]\d{8}", text.upper()):
        return False
    head = _TAIWAN_LETTERS.index(text[0].upper()) + 10
    digits = [head // 10, head % 10, *(int(digit) for digit in text[1:])]
    weights = (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)
    return sum(w * d for w, d in zip(weights, digits, strict=True)) % 10 == 0


def card_number_passes_luhn(text: str) -> bool:
    """Return whether the digits of a payment card check out.

    Source: ISO/IEC 7812-1, annex B.

    >>> card_number_passes_luhn("4111111111111111")
    True
    """
    digits = [int(char) for char in reversed(text) if char.isdigit()]
    doubled = [d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits)]
    return bool(digits) and sum(doubled) % 10 == 0


def _identity_number_letter_value(char: str) -> int:
    return ord(char) - ord("A") + 10
