"""The kernel of the fan: one block of paths, year by year.

Bonds are kept by vintage and currency. What a vintage repays k years on is its
amount times the mix's share of tenor k, what it pays is its amount times the
coupon still standing, so thirty maturity buckets a currency cost one product a
vintage instead of a shift of thirty. Paths run along the innermost axis.

The reference that keeps the buckets themselves is `reference`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from commonwatt.core.jit import njit
from commonwatt.treasury.domain.shocks import F64

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Places of the shocks in a year's draw, the order of `SHOCKS`; numba folds them to constants.
GROWTH, PRIMARY, STOCK_FLOW, SHORT, LONG, FX, GUARANTEE = 0, 1, 2, 3, 4, 5, 8
VOLATILITY: Final = 3  # of what a path is unsure of: three means, then its volatility
# Rows of `issued`: what a vintage was, and what its coupon moves by.
FACE, FACE_SHORT, FACE_LONG = 0, 1, 2
# Rows of `counts`.
OVER_CEILING, UNDER_FLOOR, CALLED = 0, 1, 2
# GDP does not halve in a year: without a floor a heavy tail would turn it negative, and every
# ratio of the path with it.
WORST_GROWTH: Final = -0.5


class FanRules(NamedTuple):
    """What holds for every path; money in one unit, see `FanInputs`."""

    gdp_before: float
    reserves: float
    reserves_return: float
    financing_share: float
    floor: float
    call_threshold: float
    call_loss: float
    reaction: float


class FanBaseline(NamedTuple):
    """What the projection gives, one value a year; see `FanInputs`.

    `anchor` has one value more: that of the year before.
    """

    growth: F64
    primary: F64
    net_issue: F64
    need: F64
    guarantees: F64
    ceiling: F64
    anchor: F64


class OpeningLadder(NamedTuple):
    """The opening stock by currency: redemption and interest by year, shape (4, years); face."""

    redemption: F64
    interest: F64
    face: F64


class MixProfile(NamedTuple):
    """A vintage by currency and years since its issue, shape (4, years + 1).

    Args:
        redemption: Share of the vintage that matures.
        coupon: Coupon paid at baseline rates.
        short: Effect on it of one unit of short rate.
        long: Effect of one unit of long rate.
        currency: Share of gross issuance by currency, shape (4,).
    """

    redemption: F64
    coupon: F64
    short: F64
    long: F64
    currency: F64


@njit()
def run_debt_path_block(
    draws: F32,
    chi: F32,
    unsure: F64,
    factor: F64,
    persistence: F64,
    baseline: FanBaseline,
    opening: OpeningLadder,
    mix: MixProfile,
    rules: FanRules,
    out_debt: F32,
    out_reserves: F32,
    out_gfn: F32,
    out_last: F64,
    counts: I64,
) -> None:
    """Fill the outputs of one block.

    Args:
        draws: Unit-variance normals, shape (years, 9, paths).
        chi: Student scale of each year, shape (years, paths).
        unsure: Mean shifts of growth, primary balance, stock-flow, and a volatility
            scale, one each a path, shape (4, paths).
        factor: `ShockModel.factor`, shape (9, 9).
        persistence: φ of the five persistent shocks, shape (5,).
        baseline: The projection.
        opening: The opening stock.
        mix: What each year's gross issuance is made of.
        rules: What holds for every path.
        out_debt: Debt over GDP, shape (years, paths).
        out_reserves: Reserves over GDP, likewise.
        out_gfn: Gross financing need over GDP, likewise.
        out_last: Debt in the last year [money], shape (paths,).
        counts: Paths over the ceiling, under the floor, with a call, each by year,
            then ever; shape (3, years + 1).
    """
    years, paths = chi.shape
    # Vintages are kept for good, not shifted: the sum over them is one pass through memory
    # that a lane's cache holds, where thirty shifted buckets would be thirty.
    issued = np.empty((3, years, 4, paths))
    state = np.zeros((5, paths))
    shock = np.empty((9, paths))
    fx = np.ones((4, paths))
    stock = np.empty((4, paths))
    for c in range(4):
        stock[c, :] = opening.face[c]
    gdp = np.full(paths, rules.gdp_before)
    reserves = np.full(paths, rules.reserves)
    gap = np.full(
        paths, (opening.face.sum() - rules.reserves) / rules.gdp_before - baseline.anchor[0]
    )
    ever = np.zeros((3, paths), np.bool_)
    red, cost, need = np.empty(paths), np.empty(paths), np.empty(paths)
    due = np.empty((4, paths))
    for t in range(years):
        _fill_macro_market_shocks(draws[t], chi[t], unsure[VOLATILITY], factor, shock)
        _advance_macro_state_and_fx(state, shock, persistence, fx, gap, rules.reaction)
        _fill_debt_service(t, issued, fx, opening, mix, due, red, cost)
        _fill_gdp_and_financing_need(t, baseline, unsure, state, shock[GUARANTEE], rules, cost,
                       gdp, need, counts, ever)  # fmt: skip
        for p in range(paths):
            # Before `_fill_issuance_and_reserves` turns `red` into gross issuance.
            out_gfn[t, p] = max(red[p] + need[p], 0.0) / gdp[p]
        _fill_issuance_and_reserves(
            baseline.net_issue[t], baseline.need[t], rules, red, need, reserves
        )
        _issue_bonds_by_currency(t, red, state, mix.currency, fx, due, stock, issued)
        for p in range(paths):
            debt = 0.0
            for c in range(4):
                debt += fx[c, p] * stock[c, p]
            out_debt[t, p] = debt / gdp[p]
            # The ceiling is an amount of money: no ratio alone shows which paths are over it.
            out_last[p] = debt
            out_reserves[t, p] = reserves[p] / gdp[p]
            gap[p] = (debt - reserves[p]) / gdp[p] - baseline.anchor[t + 1]
            _count_debt_event(OVER_CEILING, t, p, debt > baseline.ceiling[t], counts, ever)
            _count_debt_event(UNDER_FLOOR, t, p, reserves[p] < rules.floor, counts, ever)
    for event in range(3):
        counts[event, years] += ever[event].sum()


@njit()
def _fill_macro_market_shocks(draws: F32, chi: F32, scale: F64, factor: F64, shock: F64) -> None:
    """Fill a year's shocks: correlated, with the year's and the path's own scale."""
    paths = len(scale)
    for i in range(9):
        for p in range(paths):
            shock[i, p] = 0.0
        # The factor is lower triangular, and most of it is zero: markets meet the macro
        # shocks in the guarantee factor only.
        for j in range(i + 1):
            weight = factor[i, j]
            if weight != 0.0:
                for p in range(paths):
                    shock[i, p] += weight * draws[j, p]
        for p in range(paths):
            shock[i, p] *= chi[p] * scale[p]


@njit()
def _advance_macro_state_and_fx(
    state: F64, shock: F64, persistence: F64, fx: F64, gap: F64, reaction: float
) -> None:
    """Move persistent shocks and exchange rates a year on."""
    paths = len(gap)
    for i in range(5):
        for p in range(paths):
            state[i, p] = persistence[i] * state[i, p] + shock[i, p]
    for p in range(paths):
        state[PRIMARY, p] += reaction * gap[p]
    for c in range(1, 4):
        for p in range(paths):
            fx[c, p] *= np.exp(shock[FX - 1 + c, p])


@njit()
def _fill_debt_service(
    t: int,
    issued: F64,
    fx: F64,
    opening: OpeningLadder,
    mix: MixProfile,
    due: F64,
    red: F64,
    cost: F64,
) -> None:
    """Fill redemptions by currency, and redemptions and interest in home money."""
    paths = len(red)
    paid = np.empty(paths)
    red[:] = 0.0
    cost[:] = 0.0
    for c in range(4):
        due[c, :] = opening.redemption[c, t]
        paid[:] = opening.interest[c, t]
        for vintage in range(t):
            age = t - vintage
            matures, coupon = mix.redemption[c, age], mix.coupon[c, age]
            by_short, by_long = mix.short[c, age], mix.long[c, age]
            face = issued[FACE, vintage, c]
            short, long = issued[FACE_SHORT, vintage, c], issued[FACE_LONG, vintage, c]
            for p in range(paths):
                due[c, p] += matures * face[p]
                paid[p] += coupon * face[p] + by_short * short[p] + by_long * long[p]
        for p in range(paths):
            red[p] += fx[c, p] * due[c, p]
            cost[p] += fx[c, p] * paid[p]


@njit()
def _fill_gdp_and_financing_need(
    t: int,
    baseline: FanBaseline,
    unsure: F64,
    state: F64,
    guarantee: F64,
    rules: FanRules,
    cost: F64,
    gdp: F64,
    need: F64,
    counts: I64,
    ever: Bools,
) -> None:
    """Let GDP grow, call guarantees, and fill the need before bonds."""
    growth, primary = baseline.growth[t], baseline.primary[t]
    for p in range(len(gdp)):
        gdp[p] *= 1.0 + max(growth + unsure[GROWTH, p] + state[GROWTH, p], WORST_GROWTH)
        called = guarantee[p] < rules.call_threshold
        _count_debt_event(CALLED, t, p, called, counts, ever)
        balance = (
            primary
            + unsure[PRIMARY, p]
            + state[PRIMARY, p]
            - unsure[STOCK_FLOW, p]
            - state[STOCK_FLOW, p]
        )
        need[p] = cost[p] - balance * gdp[p]
        if called:
            need[p] += rules.call_loss * baseline.guarantees[t]


@njit()
def _fill_issuance_and_reserves(
    net_issue: float, need_base: float, rules: FanRules, red: F64, need: F64, reserves: F64
) -> None:
    """Turn `red` from redemptions into gross issuance, and let reserves take the rest."""
    share = rules.financing_share
    for p in range(len(red)):
        # Only what differs from the plan is shared: the plan's own need is met as planned.
        gross = red[p] + net_issue + share * (need[p] - need_base)
        if share < 1.0:
            before = reserves[p] * (1.0 + rules.reserves_return) - red[p] - need[p]
            # Reserves that would be spent are borrowed back: cash cannot be negative.
            gross = max(gross, -before)
            gross = max(gross, 0.0)
            reserves[p] = max(before + gross, 0.0)
        red[p] = max(gross, 0.0)


@njit()
def _issue_bonds_by_currency(
    t: int, gross: F64, state: F64, mix_currency: F64, fx: F64, due: F64, stock: F64, issued: F64
) -> None:
    """Issue in the mix's currencies and move the stocks."""
    for c in range(4):
        for p in range(len(gross)):
            amount = gross[p] * mix_currency[c] / fx[c, p]
            issued[FACE, t, c, p] = amount
            # The coupon is fixed at issue, so the rates of this year stay with the vintage.
            issued[FACE_SHORT, t, c, p] = amount * state[SHORT, p]
            issued[FACE_LONG, t, c, p] = amount * state[LONG, p]
            stock[c, p] += amount - due[c, p]


@njit()
def _count_debt_event(event: int, t: int, p: int, happened: bool, counts: I64, ever: Bools) -> None:
    if happened:
        counts[event, t] += 1
        ever[event, p] = True
