"""What the kernel needs, made from a projection or from an economy's last year."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commonwatt.core.messages import Message
from commonwatt.treasury.domain.bonds.ladder import Tranche
from commonwatt.treasury.domain.country import Country, MixPart
from commonwatt.treasury.domain.errors import CountryError
from commonwatt.treasury.domain.shocks import BUCKETS, CURRENCIES, F64
from commonwatt.treasury.engines.fan.kernel import (
    FanBaseline,
    FanRules,
    MixProfile,
    OpeningLadder,
)
from commonwatt.treasury.engines.projection import ProjectedYear, Projection

# A threshold that no draw reaches.
NO_CALLS = -1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class FanInputs:
    """Baseline, ladder and rules of a fan; money in one unit.

    Args:
        names: Fiscal years, shape (years,).
        currencies: Names of the four currency slots; unused ones are empty.
        gdp_before: Nominal GDP of the year before the first.
        growth: Baseline nominal growth, shape (years,).
        primary: Baseline primary balance and transfers over GDP, shape (years,).
        net_issue: Baseline issues less redemptions, shape (years,).
        need: Baseline need before bonds: interest less primary balance, shape (years,).
        opening: The opening stock by currency and year.
        anchor: Net debt over GDP from which the reaction is reckoned, for the year before
            and each year, shape (years + 1,).
        mix: What a vintage of each currency repays and pays, by years since its issue.
        reserves: Opening reserves.
        reserves_return: Return on them that no line holds [1/year].
        financing_share: Share of a shock that debt finances; reserves take the rest.
        floor: Reserves under which a path is counted.
        guarantees: Guaranteed debt, shape (years,).
        call_threshold: Guarantee factor under which guarantees are called, in its
            standard deviations.
        call_loss: Share of the guarantee that a call costs.
        ceiling: Ceiling on debt, infinite where there is none, shape (years,).
    """

    names: tuple[str, ...]
    currencies: tuple[str, ...]
    gdp_before: float
    growth: F64
    primary: F64
    net_issue: F64
    need: F64
    opening: OpeningLadder
    anchor: F64
    mix: MixProfile
    reserves: float
    reserves_return: float
    financing_share: float
    floor: float
    guarantees: F64
    call_threshold: float
    call_loss: float
    ceiling: F64

    def fan_rules(self, reaction: float) -> FanRules:
        """Return what holds for every path, as the kernel reads it."""
        return FanRules(
            gdp_before=float(self.gdp_before),
            reserves=float(self.reserves),
            reserves_return=float(self.reserves_return),
            financing_share=float(self.financing_share),
            floor=float(self.floor),
            call_threshold=float(self.call_threshold),
            call_loss=float(self.call_loss),
            reaction=float(reaction),
        )

    def fan_baseline(self) -> FanBaseline:
        """Return what the projection gives by year, as the kernel reads it."""
        return FanBaseline(
            growth=self.growth,
            primary=self.primary,
            net_issue=self.net_issue,
            need=self.need,
            guarantees=self.guarantees,
            ceiling=self.ceiling,
            anchor=self.anchor,
        )


def debt_fan_inputs(
    projection: Projection,
    *,
    financing_share: float | None = None,
    floor: float = 0.0,
    call_threshold: float = NO_CALLS,
    call_loss: float = 0.0,
    guarantees: F64 | None = None,
) -> FanInputs:
    """Return the inputs of a fan around a projection.

    Args:
        projection: The baseline.
        financing_share: Share of a shock that debt finances; the country's by default.
        floor: Reserves under which a path is counted.
        call_threshold: Guarantee factor under which guarantees are called.
        call_loss: Share of the guarantee that a call costs.
        guarantees: Guaranteed debt by year; the opening stock kept on by default.
    """
    country, years = projection.country, projection.years
    count, first = len(years), years[0].year
    slots = debt_currency_slots(country, projection.ladder)
    gdp = np.array([y.gdp for y in years])
    before = np.array([country.gdp_before, *gdp[:-1]])
    need = np.array(
        [y.interest - y.primary_balance - _transfers_bn_of_projected_year(y) for y in years]
    )
    # The ladder of the projection holds what it issues itself; the paths issue their own.
    opening = opening_debt_ladder(
        [t for t in projection.ladder if t.issued < first], slots, first, count
    )
    share = country.financing_share if financing_share is None else financing_share
    return FanInputs(
        names=tuple(y.name for y in years),
        currencies=slots,
        gdp_before=country.gdp_before,
        growth=gdp / before - 1,
        primary=np.array(
            [(y.primary_balance + _transfers_bn_of_projected_year(y)) / y.gdp for y in years]
        ),
        net_issue=np.array([y.gross_issuance - y.redemption for y in years]),
        need=need,
        opening=opening,
        anchor=_planned_net_debt_gdp_shares(projection, float(opening.face.sum())),
        mix=mix_repayment_and_interest_profile(country.mix, slots, count),
        reserves=country.reserves or 0.0,
        reserves_return=country.reserves_return,
        # Without reserves there is nothing but debt to meet a shock.
        financing_share=1.0 if country.reserves is None else share,
        floor=floor,
        guarantees=np.full(count, country.guarantees) if guarantees is None else guarantees,
        call_threshold=call_threshold,
        call_loss=call_loss,
        # An infinite ceiling is never passed, which spares the kernel a branch.
        ceiling=np.full(count, country.ceiling or np.inf),
    )


def _transfers_bn_of_projected_year(year: ProjectedYear) -> float:
    return math.fsum(year.balances.transfers.values())


def _planned_net_debt_gdp_shares(projection: Projection, face: float) -> F64:
    # The reaction is to what differs from the plan: a planned rise of debt must not make the
    # primary balance of the plan itself better.
    country = projection.country
    before = (face - (country.reserves or 0.0)) / country.gdp_before
    path = [(y.debt - (y.reserves or 0.0)) / y.gdp for y in projection.years]
    return np.array([before, *path])


def debt_currency_slots(country: Country, ladder: Sequence[Tranche]) -> tuple[str, ...]:
    """Return the four currency slots, the country's own first.

    Raises:
        CountryError: There are more than four currencies.
    """
    home = "own" if any(t.currency == "own" for t in ladder) else country.currency
    names = {t.currency for t in ladder} | {m.currency for m in country.mix}
    foreign = sorted(names - {home})
    if len(foreign) >= CURRENCIES:
        raise CountryError(
            country.name,
            found=Message("{count} foreign currencies", {"count": str(len(foreign))}),
            wanted=Message("at most 3 foreign currencies"),
        )
    return (home, *foreign, *[""] * (CURRENCIES - 1 - len(foreign)))


def opening_debt_ladder(
    tranches: Sequence[Tranche], slots: Sequence[str], first: int, years: int
) -> OpeningLadder:
    """Return redemption, interest and face of the opening stock by currency and year."""
    redemption, cost, face = np.zeros((4, years)), np.zeros((4, years)), np.zeros(4)
    for tranche in tranches:
        if tranche.matures < first:
            continue
        slot, last = slots.index(tranche.currency), tranche.matures - first
        face[slot] += tranche.amount
        # The year of maturity still pays its coupon, as `ladder.interest` has it.
        cost[slot, : last + 1] += tranche.amount * tranche.coupon
        if last < years:
            redemption[slot, last] += tranche.amount
    return OpeningLadder(redemption, cost, face)


def mix_repayment_and_interest_profile(
    mix: Sequence[MixPart], slots: Sequence[str], years: int
) -> MixProfile:
    """Return what a vintage of each currency repays and pays, by years since its issue.

    A tenor's rate moves with the short rate by 1 - w and with the long rate by w,
    w = min(tenor, 30) / 30.

    Raises:
        CountryError: A tenor is beyond thirty years.
    """
    red, cost, short, long = (np.zeros((4, years + 1)) for _ in range(4))
    currency = np.zeros(4)
    for part in mix:
        _check_bond_tenor(part)
        currency[slots.index(part.currency)] += part.share
    for part in mix:
        c = slots.index(part.currency)
        share = part.share / currency[c]
        weight = min(part.tenor, BUCKETS) / BUCKETS
        standing = slice(1, part.tenor + 1)
        cost[c, standing] += share * part.coupon
        short[c, standing] += share * (1 - weight)
        long[c, standing] += share * weight
        if part.tenor <= years:
            red[c, part.tenor] += share
    return MixProfile(red, cost, short, long, currency)


def _check_bond_tenor(part: MixPart) -> None:
    if 1 <= part.tenor <= BUCKETS:
        return
    raise CountryError(
        f"issuance mix, {part.currency}",
        found=Message("a tenor of {tenor} years", {"tenor": str(part.tenor)}),
        wanted=Message("a tenor of 1 to 30 years"),
    )
