"""Quantities, regions and dated references, and the way from a claim to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from commonwatt.audit.domain.claim_units import (
    are_claim_units_comparable,
    claim_unit_with_implied_denominator,
)
from commonwatt.audit.domain.intervals import ClaimInterval, claim_interval_hull
from commonwatt.audit.domain.periods import ClaimPeriod
from commonwatt.audit.domain.regions import RegionTable
from commonwatt.catalogue.units import Unit
from commonwatt.siting.domain.money import CurrencyTable


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
    value: ClaimInterval
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
    regions: RegionTable
    references: tuple[ReferenceValue, ...]
    money: CurrencyTable
    by_quantity: dict[str, list[ReferenceValue]] = field(
        default_factory=dict[str, list[ReferenceValue]]
    )

    def best_claim_quantity_for_words_and_unit(
        self, words: str, unit: Unit, *, compared: bool
    ) -> ClaimQuantity | None:
        """Return the quantity that the words name best, if its unit can be compared."""
        best: tuple[float, ClaimQuantity] | None = None
        text = words.lower()
        for each in self.quantities:
            length = max(
                (len(word) for word in each.words if _is_quantity_word_in_claim_text(word, text)),
                default=0,
            )
            if not length:
                continue
            exact = are_claim_units_comparable(unit, each.unit)
            fits = exact or claim_unit_with_implied_denominator(unit, each.unit) is not None
            # The longest phrase wins, unless the unit settles it: "power" is a price per kWh or a
            # draw in kW, and only the unit tells.
            score = length + (20 if exact and unit.text else 10 if fits else 0)
            # A comparison is a pure ratio whatever it compares, so its unit rules out no quantity.
            if not fits and not (compared or not unit.text):
                continue
            if best is None or score > best[0]:
                best = (score, each)
        # "125 % of GDP" is said of debt so often that nobody adds the word.
        if best is None and unit.of == "GDP":
            return self.quantity_by_id("debt_ratio")
        return best[1] if best else None

    def quantity_by_id(self, quantity: str) -> ClaimQuantity:
        """Return the quantity of that id."""
        return next(each for each in self.quantities if each.id == quantity)

    def references_of_region_members_or_parent(
        self, quantity: str, region: str
    ) -> list[ReferenceValue]:
        """Return references for a region: its own, its members' hull, or its parent's."""
        direct = [each for each in self.by_quantity.get(quantity, []) if each.region == region]
        if direct:
            return direct
        members = [
            each
            for each in self.by_quantity.get(quantity, [])
            if self.regions.is_claim_region_within(each.region, region)
        ]
        if members:
            return self._reference_hull_per_basis_and_date(quantity, region, members)
        # A province without a figure of its own is held against its country's, and the finding says
        # so by the reference's name.
        parent = self.regions.parents.get(region, "")
        return self.references_of_region_members_or_parent(quantity, parent) if parent else []

    def highest_reference_in_outermost_region(
        self, quantity: str, region: str
    ) -> ReferenceValue | None:
        """Return the highest reference anywhere in the country of `region`."""
        country = self.regions.outermost_claim_region(region)
        inside = [
            reference
            for reference in self.by_quantity.get(quantity, [])
            if self.regions.is_claim_region_within(reference.region, country)
        ]
        return max(inside, key=lambda reference: reference.value.high, default=None)

    def _reference_hull_per_basis_and_date(
        self, quantity: str, region: str, members: Sequence[ReferenceValue]
    ) -> list[ReferenceValue]:
        groups: dict[tuple[str, str], list[ReferenceValue]] = {}
        for each in members:
            # Never across bases or dates: a hull of tariffs with and without tax holds any claim.
            groups.setdefault((each.basis, each.when), []).append(each)
        return [self._reference_hull(quantity, region, group) for group in groups.values()]

    def _reference_hull(
        self, quantity: str, region: str, group: list[ReferenceValue]
    ) -> ReferenceValue:
        low = min(group, key=lambda each: each.value.low)
        high = max(group, key=lambda each: each.value.high)
        # The hub's figure is the centre: of a large region people mean the part where data centres
        # stand.
        hub = self.regions.hubs.get(region, "")
        main = next((each for each in group if each.region == hub), None)
        value = claim_interval_hull([each.value for each in group])
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


def claim_interval_in_unit(
    value: ClaimInterval, unit: Unit, into: Unit, money: CurrencyTable, year: int
) -> ClaimInterval:
    """Return an interval in another unit; money goes at the rate of the nearest year known."""
    if not are_claim_units_comparable(unit, into):
        unit = claim_unit_with_implied_denominator(unit, into) or unit
    factor = unit.factor / into.factor
    if unit.currency and unit.currency != into.currency:
        # By way of the dollar, in which the rates are kept.
        factor *= claim_currency_per_usd_in_nearest_year(
            money, into.currency, year
        ) / claim_currency_per_usd_in_nearest_year(money, unit.currency, year)
    return value.scaled(factor)


def claim_currency_per_usd_in_nearest_year(money: CurrencyTable, currency: str, year: int) -> float:
    """Return units of a currency per US dollar in the known year nearest to `year`.

    The nearest year and no error, because a claim of this year is read before this year's mean
    rate exists; the reference beside it names its own date.
    """
    if currency == "USD":
        return 1.0
    years = [known for name, known in money.per_usd if name == currency]
    # The earlier of two that are as near: it was known when the claim was made.
    return money.site_cost_currency_units_per_usd(
        currency, min(years, key=lambda known: (abs(known - year), known))
    )


def has_rate_for_claim_currency(money: CurrencyTable, currency: str) -> bool:
    """Return whether money of a currency can be exchanged at all; "" is no money and can."""
    return currency in ("", "USD") or any(name == currency for name, _ in money.per_usd)


def _is_quantity_word_in_claim_text(word: str, text: str) -> bool:
    # Chinese has no spaces between words, so that a boundary would never be met.
    if word.isascii():
        return re.search(rf"(?<![a-z]){re.escape(word)}", text) is not None
    return word in text
