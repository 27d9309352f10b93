"""Quantities, regions and dated references, and the way from a claim to them."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from commonwatt.audit.domain.intervals import Interval, hull
from commonwatt.audit.domain.periods import ClaimPeriod, parse_period
from commonwatt.core.shipped import DATA as SHIPPED
from commonwatt.siting.domain.cost_inputs import PLACE, input_named
from commonwatt.siting.domain.units import (
    CurrencyTable,
    Unit,
    parse_unit,
    same_kind,
    with_implied_denominator,
)
from commonwatt.siting.engines.cost.chance import draw_costs
from commonwatt.siting.engines.cost.model import lcoc_by_part
from commonwatt.siting.io.cells import load_cells, load_money, site_cells, sites_of

DATA: Final = SHIPPED / "audit"
SITE_REGIONS: Final = {
    "us-virginia": "US Virginia", "us-texas": "US Texas", "us-iowa": "US Iowa",
    "cn-west": "CN west", "cn-east": "CN east", "hong-kong": "HK", "eu-germany": "DE",
    "eu-sweden": "SE",
}  # fmt: skip
LIBRARY_BASIS: Final = "library of the cost model"


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


def load_library(folder: Path = DATA) -> ReferenceLibrary:
    """Return the shipped library, with what the cost model adds to it."""
    money = load_money()
    quantities = tuple(
        ClaimQuantity(
            id=row["quantity"], unit=parse_unit(row["unit"]),
            words=tuple(word.lower() for word in row["words"].split("|")),
            model_input=row["model_input"],
        )
        for row in _rows(folder / "quantities.csv")
    )  # fmt: skip
    parents, names, hubs = _regions(_rows(folder / "regions.csv"))
    units = {each.id: each.unit for each in quantities}
    written = [_reference(row, units, money) for row in _rows(folder / "references.csv")]
    known = {(each.quantity, each.region) for each in written}
    derived = [
        each for each in _from_cells(quantities) if (each.quantity, each.region) not in known
    ]
    library = ReferenceLibrary(
        quantities=quantities, parents=parents, names=names, hubs=hubs,
        references=(*written, *derived), money=money,
    )  # fmt: skip
    for each in library.references:
        library.by_quantity.setdefault(each.quantity, []).append(each)
    return library


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


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _regions(
    rows: list[dict[str, str]],
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    parents = {row["region"]: row["parent"] for row in rows}
    names = {
        " ".join(name.replace("-", " ").split()): row["region"]
        for row in rows
        for name in row["names"].split("|")
    }
    return parents, names, {row["region"]: row["hub"] for row in rows if row["hub"]}


def _reference(row: dict[str, str], units: dict[str, Unit], money: CurrencyTable) -> ReferenceValue:
    period = parse_period(row["period"])
    assert period is not None, row
    value = in_unit(
        Interval(float(row["low"]), float(row["high"])), parse_unit(row["unit"]),
        units[row["quantity"]], money, int(period.start),
    )  # fmt: skip
    return ReferenceValue(
        quantity=row["quantity"], region=row["region"], value=value, centre=value.centre,
        basis=row["basis"], when=row["period"], period=period, source=row["source"],
        dated=row["dated"], confidence=row["confidence"], note=row["note"],
    )  # fmt: skip


def _from_cells(quantities: Sequence[ClaimQuantity]) -> list[ReferenceValue]:
    cells = load_cells()
    inputs = {each.model_input: each for each in quantities if each.model_input}
    out: list[ReferenceValue] = []
    for site in sites_of(cells):
        chosen = site_cells(cells, site)
        for name, quantity in inputs.items():
            one = chosen[name]
            factor = parse_unit(input_named(name).unit).factor / quantity.unit.factor
            low, mid, high = (one.value.quantile(q) * factor for q in (0.05, 0.5, 0.95))
            out.append(_own(quantity.id, site, low, mid, high, LIBRARY_BASIS, one.year, one.source))
        out += _modelled(site)
    return out


def _modelled(site: str) -> list[ReferenceValue]:
    cells = site_cells(load_cells(), site)
    spread = draw_costs(cells, draws=4000, seed=1)
    source = "Commonwatt cost model with its shipped cells"
    ends = [_energy(cells.medians(), cells["tariff_usd_per_kwh"].value.quantile(q))
            for q in (0.05, 0.5, 0.95)]  # fmt: skip
    own = [("gpu_hour_cost", "levelised, 90 % interval", (spread.p5, spread.p50, spread.p95))]
    for index, (quantity, basis) in enumerate((
        ("energy_spending", "energy of one useful GPU-hour"),
        ("energy_cost_share", "running cost of the whole centre"),
        ("energy_cost_share", "running cost of building and plant only, no servers"),
    )):  # fmt: skip
        own.append((quantity, basis, (ends[0][index], ends[1][index], ends[2][index])))
    return [_own(q, site, *v, basis, 2025, source) for q, basis, v in own]


def _energy(medians: list[float], tariff: float) -> tuple[float, float, float]:
    """Return energy cost of a GPU-hour, its share of running cost, and of plant cost."""
    values = list(medians)
    values[PLACE["tariff_usd_per_kwh"]] = tariff
    parts = lcoc_by_part(values)
    energy, staff = parts["energy"], parts["staff"]
    whole = energy + staff + parts["upkeep"] + parts["network"] + parts["spares"] + parts["holding"]
    hours = 8760 * values[0]
    plant_upkeep = (
        values[PLACE["shell_usd_per_kw"]] * values[PLACE["it_kw_per_gpu"]]
        * values[PLACE["shell_upkeep_share"]] / hours
    )  # fmt: skip
    return energy, energy / whole, energy / (energy + staff + plant_upkeep)


def _own(
    quantity: str,
    site: str,
    low: float,
    mid: float,
    high: float,
    basis: str,
    year: int,
    source: str,
) -> ReferenceValue:
    period = parse_period(str(year))
    assert period is not None
    return ReferenceValue(
        quantity=quantity, region=SITE_REGIONS[site], value=Interval(low, high), centre=mid,
        basis=basis, when=str(year), period=period, source=source, dated=str(year),
        confidence="estimate",
    )  # fmt: skip
