"""Money of one currency and one scale, told apart by the type: a sum and its rate cannot be mixed.

Capital comes from the siting wing in millions of dollars, and debt is counted in billions of
the country's own money. A number for the one is a type error for the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NewType

UsdMn = NewType("UsdMn", float)
CurrencyPerUsd = NewType("CurrencyPerUsd", float)
CurrencyBn = NewType("CurrencyBn", float)


def study_usd_mn_total(amounts_usd_mn: Iterable[float]) -> UsdMn:
    """Return the sum of amounts that the siting wing counts in millions of dollars."""
    return UsdMn(sum(amounts_usd_mn))


def study_currency_bn_of_usd_mn(amount: UsdMn, rate: CurrencyPerUsd) -> CurrencyBn:
    """Return an amount in billions of a country's own money.

    >>> round(study_currency_bn_of_usd_mn(UsdMn(1188.7), CurrencyPerUsd(7.8)), 3)
    9.272
    """
    return CurrencyBn(amount * rate / 1000)
