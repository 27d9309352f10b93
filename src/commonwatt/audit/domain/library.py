"""Quantities, regions and dated references, and the way from a claim to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from commonwatt.audit.domain.intervals import Interval, hull
from commonwatt.audit.domain.periods import ClaimPeriod
from commonwatt.siting.domain.units import CurrencyTable, Unit, same_kind, with_implied_denominator


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimQuantity:
    """What a claim may be about.

    Args:
        id: Its name.
        unit: Unit that references are shown in.
        words: Phrases that name it, lower case.
        model_input: Input of the cost model that backs it, or "".
    """

    id: str
    unit: Unit
    words: tuple[str, ...]
    model_input: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceValue:
    """One dated value.

    Args:
        quantity: Id of the quantity.
        region: Region of the table.
        value: Value in the canonical unit of the quantity.
        centre: Its best single value, same unit.
        basis: What exactly was measured.
        period: When, parsed; `dated` is the date of the source.
        source: Title of the source.
        confidence: As for a cell.
        note: What to beware of, or which members make up a region.
    """

    quantity: str
    region: str
    value: Interval
    centre: float
    basis: str
    when: str
    period: ClaimPeriod
    source: str
    dated: str
    confidence: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceLibrary:
    """All that claims are checked against."""

    quantities: tuple[ClaimQuantity, ...]
    parents: dict[str, str]
    names: dict[str, str]
    hubs: dict[str, str]
    references: tuple[ReferenceValue, ...]
    money: CurrencyTable
    by_quantity: dict[str, list[ReferenceValue]] = field(
        default_factory=dict[str, list[ReferenceValue]]
    )

    def region(self, text: str) -> str | None:
        """Return the region that `text` names, or the one that it mentions at most length."""
        plain = " ".join(text.lower().replace("-", " ").split())
        if plain in self.names:
            return self.names[plain]
        known = [name for name in self.names if len(name) > 1 and f" {name} " in f" {plain} "]
        return self.names[max(known, key=len)] if known else None

    def quantity_of(self, words: str, unit: Unit, *, compared: bool) -> ClaimQuantity | None:
        """Return the quantity that the words name best, if its unit can be compared."""
        best: tuple[float, ClaimQuantity] | None = None
        text = words.lower()
        for each in self.quantities:
            length = max((len(word) for word in each.words if _named(word, text)), default=0)
            if not length:
                continue
            exact = same_kind(each.unit, unit)
            fits = exact or with_implied_denominator(unit, each.unit) is not None
            score = length + (20 if exact and unit.text else 10 if fits else 0)
            if not fits and not (compared or not unit.text):
                continue
            if best is None or score > best[0]:
                best = (score, each)
        if best is None and "GDP" in unit.text:
            return self.quantity("debt_ratio")
        return best[1] if best else None

    def quantity(self, quantity: str) -> ClaimQuantity:
        """Return the quantity of that id."""
        return next(each for each in self.quantities if each.id == quantity)

    def lookup(self, quantity: str, region: str) -> list[ReferenceValue]:
        """Return references for a region: its own, its members' hull, or its parent's."""
        own = [each for each in self.by_quantity.get(quantity, []) if each.region == region]
        if own:
            return own
        members = [
            each
            for each in self.by_quantity.get(quantity, [])
            if self.is_within(each.region, region)
        ]
        if members:
            return self._hulls(quantity, region, members)
        parent = self.parents.get(region, "")
        return self.lookup(quantity, parent) if parent else []

    def is_within(self, region: str, of: str) -> bool:
        """Return whether `region` lies inside `of`."""
        above = self.parents.get(region, "")
        return bool(above) and (above == of or self.is_within(above, of))

    def highest_in_country(self, quantity: str, region: str) -> ReferenceValue | None:
        """Return the highest reference anywhere in the country of `region`."""
        top = region
        while self.parents.get(top):
            top = self.parents[top]
        all_ = [r for r in self.by_quantity.get(quantity, []) if self.is_within(r.region, top)]
        return max(all_, key=lambda each: each.value.high, default=None)

    def _hulls(
        self, quantity: str, region: str, members: Sequence[ReferenceValue]
    ) -> list[ReferenceValue]:
        groups: dict[tuple[str, str], list[ReferenceValue]] = {}
        for each in members:
            groups.setdefault((each.basis, each.when), []).append(each)
        return [self._hull(quantity, region, group) for group in groups.values()]

    def _hull(self, quantity: str, region: str, group: list[ReferenceValue]) -> ReferenceValue:
        low = min(group, key=lambda each: each.value.low)
        high = max(group, key=lambda each: each.value.high)
        hub = self.hubs.get(region, "")
        main = next((each for each in group if each.region == hub), None)
        value = hull([each.value for each in group])
        note = f"{low.region} {low.value.low:.4g}, {high.region} {high.value.high:.4g}"
        if main is not None:
            note = f"{main.region} {main.value}, " + note
        first = main or group[0]
        return ReferenceValue(
            quantity=quantity, region=region, value=value,
            centre=main.centre if main else value.centre, basis=first.basis, when=first.when,
            period=first.period, source=first.source, dated=first.dated,
            confidence=first.confidence, note=note,
        )  # fmt: skip


def in_unit(value: Interval, unit: Unit, into: Unit, money: CurrencyTable, year: int) -> Interval:
    """Return an interval in another unit; money goes at the rate of the nearest year known."""
    if not same_kind(unit, into):
        unit = with_implied_denominator(unit, into) or unit
    factor = unit.factor / into.factor
    if unit.currency and unit.currency != into.currency:
        factor *= rate(money, into.currency, year) / rate(money, unit.currency, year)
    return value.scaled(factor)


def rate(money: CurrencyTable, currency: str, year: int) -> float:
    """Return units of a currency per US dollar in the known year nearest to `year`."""
    years = [known for name, known in money.per_usd if name == currency]
    if currency == "USD" or not years:
        return 1.0
    return money.rate(currency, min(years, key=lambda known: (abs(known - year), known)))


def _named(word: str, text: str) -> bool:
    if word.isascii():
        return re.search(rf"(?<![a-z]){re.escape(word)}", text) is not None
    return word in text
