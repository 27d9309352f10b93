"""Exchange rates and prices by year: the one way between two currencies, or two price years.

Money never changes its currency or its year in silence, because a cost that mixes dollars of
two years looks like any other; a year without a rate is an error, and no rate is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commonwatt.catalogue.errors import UnitError
from commonwatt.core.messages import Message


@dataclass(frozen=True, slots=True)
class CurrencyTable:
    """Exchange rates and prices by year.

    Args:
        per_usd: Units of a currency that bought one US dollar, by (currency, year).
        us_prices: US consumer price index by year.
    """

    per_usd: Mapping[tuple[str, int], float]
    us_prices: Mapping[int, float]

    def site_cost_currency_units_per_usd(self, currency: str, year: int) -> float:
        """Return units of `currency` per US dollar in `year`, the mean of its months.

        Raises:
            UnitError: No rate is known for that year; none is guessed.
        """
        if currency == "USD":
            return 1.0
        if (currency, year) not in self.per_usd:
            raise self._missing_site_currency_error(f"{currency} {year}")
        return self.per_usd[currency, year]

    def site_cost_in_usd(
        self, amount: float, currency: str, year: int, *, price_year: int
    ) -> float:
        """Return `amount` in US dollars of `price_year`.

        First to dollars at the rate of `year`, then to the prices of `price_year`
        by US consumer prices.
        """
        if year not in self.us_prices or price_year not in self.us_prices:
            raise self._missing_site_currency_error(f"US consumer prices {year} and {price_year}")
        # US prices after the exchange, not local prices before it: rates follow the gap between
        # the two inflations only over many years, and the answer is in US dollars.
        lift = self.us_prices[price_year] / self.us_prices[year]
        return amount / self.site_cost_currency_units_per_usd(currency, year) * lift

    def _missing_site_currency_error(self, what: str) -> UnitError:
        return UnitError(
            "money.csv",
            found=Message("no entry for {what}", {"what": what}),
            wanted=Message("an exchange rate and a price index for every year that a cell names"),
        )
