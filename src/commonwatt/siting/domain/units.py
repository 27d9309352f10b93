"""Units as people write them, and the one way between any two of them.

A unit is a factor and a set of dimensions; two units may be compared only where
their dimensions agree. Money of two currencies is converted by an explicit
`CurrencyTable` table of exchange rates and prices, never silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from commonwatt.catalogue.errors import UnitError
from commonwatt.core.messages import Message

CURRENCIES: Final = frozenset({"USD", "CNY", "HKD", "EUR", "GBP", "JPY"})

# Canonical units: s, kWh, kW, bit, op, m2, GPU, person, money, share of one.
_ATOMS: Final[Mapping[str, tuple[float, str]]] = {
    "": (1.0, ""), "1": (1.0, ""), "share": (1.0, ""), "ratio": (1.0, ""), "times": (1.0, ""),
    "x": (1.0, ""), "PUE": (1.0, ""), "number": (1.0, ""), "%": (0.01, ""), "pct": (0.01, ""),
    "percent": (0.01, ""), "index": (1.0, ""), "factor": (1.0, ""),
    "us": (1e-6, "s"), "ms": (1e-3, "s"), "s": (1.0, "s"), "min": (60.0, "s"),
    "h": (3600.0, "s"), "hour": (3600.0, "s"), "day": (86400.0, "s"), "week": (604800.0, "s"),
    "month": (2628000.0, "s"), "year": (31536000.0, "s"), "a": (31536000.0, "s"),
    "Wh": (1e-3, "kWh"), "kWh": (1.0, "kWh"), "MWh": (1e3, "kWh"), "GWh": (1e6, "kWh"),
    "TWh": (1e9, "kWh"), "W": (1e-3, "kW"), "kW": (1.0, "kW"), "MW": (1e3, "kW"), "GW": (1e6, "kW"),
    "bit": (1.0, "bit"), "Mbit": (1e6, "bit"), "Gbit": (1e9, "bit"), "Tbit": (1e12, "bit"),
    "B": (8.0, "bit"), "GB": (8e9, "bit"), "TB": (8e12, "bit"),
    "op": (1.0, "op"), "flop": (1.0, "op"), "FLOP": (1.0, "op"), "TFLOP": (1e12, "op"),
    "PFLOP": (1e15, "op"), "EFLOP": (1e18, "op"), "TFLOPS": (1e12, "op/s"),
    "PFLOPS": (1e15, "op/s"), "EFLOPS": (1e18, "op/s"), "FLOPS": (1.0, "op/s"),
    "m2": (1.0, "m2"), "acre": (4046.8564224, "m2"), "mu": (666.6667, "m2"), "ha": (1e4, "m2"),
    "GPU": (1.0, "GPU"), "person": (1.0, "person"), "rack": (1.0, "rack"),
    "GDP": (1.0, ""), "g": (1e-3, "kg"), "gCO2": (1e-3, "kg"), "kg": (1.0, "kg"), "t": (1e3, "kg"),
    "event": (1.0, ""), "date": (1.0, "date"),
}  # fmt: skip
_SCALES: Final[Mapping[str, float]] = {
    "thousand": 1e3, "mn": 1e6, "million": 1e6, "m": 1e6, "bn": 1e9, "billion": 1e9, "trn": 1e12,
    "trillion": 1e12, "cents": 1e-2, "cent": 1e-2, "k": 1e3,
}  # fmt: skip
_SPELLINGS: Final[Mapping[str, str]] = {
    "RMB": "CNY", "yuan": "CNY", "US$": "USD", "HK$": "HKD", "euro": "EUR", "dollars": "USD",
    "years": "year", "months": "month", "hours": "hour", "minutes": "min", "days": "day",
    "GPUs": "GPU", "persons": "person", "people": "person", "racks": "rack", "OP": "op",
    "ops": "op", "mil": "million", "Billion": "billion", "Million": "million", "pp": "%",
}  # fmt: skip
_NOISE: Final = frozenset(
    {"of", "per", "US", "a", "an", "nominal", "about", "revenue", "operating"}
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: how many canonical units it holds, and of which dimensions.

    Args:
        text: As it was written.
        factor: Canonical units in one of these.
        dims: Dimensions with their powers, sorted; money is "money".
        currency: The currency where money is among the dimensions, else "".
    """

    text: str
    factor: float
    dims: tuple[tuple[str, int], ...]
    currency: str = ""


@cache
def parse_unit(text: str) -> Unit:
    """Return the unit that `text` names.

    Raises:
        UnitError: A word of it is not a unit.

    >>> parse_unit("CNY/kWh").currency, parse_unit("MW").factor, parse_unit("%").factor
    ('CNY', 1000.0, 0.01)
    >>> parse_unit("US cents/kWh").factor, parse_unit("HKD bn a year").dims
    (0.01, (('money', 1), ('s', -1)))
    """
    factor, powers, currency = 1.0, dict[str, int](), ""
    spread = text.replace(" a year", "/year").replace(" per ", "/").replace("-", " ")
    for place, part in enumerate(spread.split("/")):
        sign = 1 if place == 0 else -1
        size, dims, money = _part(part, text)
        factor *= size**sign
        currency = currency or money
        for name, power in dims.items():
            powers[name] = powers.get(name, 0) + sign * power
    kept = tuple(sorted((name, power) for name, power in powers.items() if name and power))
    return Unit(text, factor, kept, currency)


def _part(part: str, whole: str) -> tuple[float, dict[str, int], str]:
    factor, dims, currency = 1.0, dict[str, int](), ""
    words = part.split()
    for spelled in words:
        word = _SPELLINGS.get(spelled.strip(","), spelled)
        if word in CURRENCIES:
            currency, dims["money"] = word, 1
        elif word in _SCALES and (len(words) > 1 or word.startswith("cent")):
            factor *= _SCALES[word]
        elif word in _ATOMS and word != "a":
            size, name = _ATOMS[word]
            factor *= size
            for index, base in enumerate(name.split("/")):
                dims[base] = dims.get(base, 0) + (1 if index == 0 else -1)
        elif word not in _NOISE:
            raise _unknown(word, whole)
    if "cents" in words or "cent" in words:
        currency, dims["money"] = currency or "USD", 1
    return factor, dims, currency


def _unknown(word: str, whole: str) -> UnitError:
    return UnitError(
        whole,
        found=Message("the unknown unit {word}", {"word": repr(word)}),
        wanted=Message("a unit such as %, kWh, USD/kWh, CNY/kWh, MW, ms, year or op/s"),
    )


def check_same_kind(first: Unit, second: Unit, where: str) -> None:
    """Raise unless `first` may be compared with `second`."""
    if not same_kind(first, second):
        raise UnitError(
            where,
            found=Message("units {one} and {other}", {"one": first.text, "other": second.text}),
            wanted=Message("two units of the same kind"),
        )


def same_kind(first: Unit, second: Unit) -> bool:
    """Return whether two units have the same dimensions.

    >>> same_kind(parse_unit("USD/kWh"), parse_unit("CNY/MWh"))
    True
    """
    return first.dims == second.dims


YEAR_S: Final = 31536000.0
_IMPLIED: Final[Mapping[str, float]] = {"s": YEAR_S, "GPU": 1.0, "person": 1.0, "rack": 1.0}


def with_implied_denominator(unit: Unit, target: Unit) -> Unit | None:
    """Return `unit` with one denominator that people leave out, or None where none fits.

    A yearly flow is often given without "a year", a price of a GPU without "per GPU".

    >>> same_kind(with_implied_denominator(parse_unit("TWh"), parse_unit("TWh/year")), parse_unit("TWh/year"))
    True
    """
    lacking = dict(target.dims)
    for name, power in unit.dims:
        lacking[name] = lacking.get(name, 0) - power
    rest = {name: power for name, power in lacking.items() if power}
    if len(rest) != 1 or not unit.dims:
        return None
    ((name, power),) = rest.items()
    if power != -1 or name not in _IMPLIED:
        return None
    return Unit(unit.text, unit.factor / _IMPLIED[name], target.dims, unit.currency)


@dataclass(frozen=True, slots=True)
class CurrencyTable:
    """Exchange rates and prices by year.

    Args:
        per_usd: Units of a currency that bought one US dollar, by (currency, year).
        us_prices: US consumer price index by year.
    """

    per_usd: Mapping[tuple[str, int], float]
    us_prices: Mapping[int, float]

    def rate(self, currency: str, year: int) -> float:
        """Return units of `currency` per US dollar in `year`, the mean of its months.

        Raises:
            UnitError: No rate is known for that year; none is guessed.
        """
        if currency == "USD":
            return 1.0
        if (currency, year) not in self.per_usd:
            raise self._missing(f"{currency} {year}")
        return self.per_usd[currency, year]

    def usd(self, amount: float, currency: str, year: int, *, price_year: int) -> float:
        """Return `amount` in US dollars of `price_year`.

        First to dollars at the rate of `year`, then to the prices of `price_year`
        by US consumer prices.
        """
        if year not in self.us_prices or price_year not in self.us_prices:
            raise self._missing(f"US consumer prices {year} and {price_year}")
        lift = self.us_prices[price_year] / self.us_prices[year]
        return amount / self.rate(currency, year) * lift

    def _missing(self, what: str) -> UnitError:
        return UnitError(
            "money.csv",
            found=Message("no entry for {what}", {"what": what}),
            wanted=Message("an exchange rate and a price index for every year that a cell names"),
        )


def convert(value: float, unit: Unit, into: Unit, where: str, *, rate: float = 1.0) -> float:
    """Return `value` of `unit` in `into`; `rate` is units of its currency per one of `into`'s.

    >>> round(convert(0.3, parse_unit("CNY/kWh"), parse_unit("USD/kWh"), "E3", rate=7.2), 4)
    0.0417
    """
    check_same_kind(unit, into, where)
    return value * unit.factor / into.factor / rate
