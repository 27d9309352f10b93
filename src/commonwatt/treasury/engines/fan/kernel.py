"""The kernel of the fan: one block of paths, year by year.

Bonds are kept by vintage and currency. What a vintage repays k years on is its
amount times the mix's share of tenor k, what it pays is its amount times the
coupon still standing, so thirty maturity buckets a currency cost one product a
vintage instead of a shift of thirty. Paths run along the innermost axis.

The twin that keeps the buckets themselves is `reference`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from commonwatt.core.jit import njit
from commonwatt.treasury.domain.shocks import F64

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@njit()
def run_block(
    draws: F32,
    chi: F32,
    unsure: F64,
    factor: F64,
    persistence: F64,
    growth: F64,
    primary: F64,
    net_issue: F64,
    need_base: F64,
    open_red: F64,
    open_cost: F64,
    face: F64,
    anchor: F64,
    mix_red: F64,
    mix_cost: F64,
    mix_short: F64,
    mix_long: F64,
    mix_currency: F64,
    scalars: F64,
    guarantees: F64,
    ceiling: F64,
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
        growth: Baseline nominal growth, shape (years,).
        primary: Baseline primary balance with transfers [share of GDP], shape (years,).
        net_issue: Baseline issues less redemptions [money], shape (years,).
        need_base: Baseline need before bonds [money], shape (years,).
        open_red: Redemption of the opening stock, shape (4, years).
        open_cost: Interest on the opening stock, shape (4, years).
        face: Opening face by currency, shape (4,).
        anchor: Debt less reserves over GDP from which the primary balance's reaction is
            reckoned, for the year before and each year, shape (years + 1,).
        mix_red: Share of a vintage that matures k years on, shape (4, years + 1).
        mix_cost: Coupon of a vintage paid k years on, baseline rates, shape (4, years + 1).
        mix_short: Effect on it of a point on short rates, likewise.
        mix_long: Effect of a point on long rates, likewise.
        mix_currency: Share of gross issuance by currency, shape (4,).
        scalars: GDP before, reserves, return on them, financing share, floor of
            reserves, threshold of a guarantee call, loss given a call, reaction of
            the primary balance to net debt, shape (8,).
        guarantees: Guaranteed debt, shape (years,).
        ceiling: Ceiling on debt, infinite where there is none, shape (years,).
        out_debt: Debt over GDP, shape (years, paths).
        out_reserves: Reserves over GDP, likewise.
        out_gfn: Gross financing need over GDP, likewise.
        out_last: Debt in the last year [money], shape (paths,).
        counts: Paths over the ceiling, under the floor, with a call, each by year,
            then ever; shape (3, years + 1).
    """
    years, paths = chi.shape
    issued = np.empty((3, years, 4, paths))  # amount, amount × short rate, amount × long rate
    state = np.zeros((5, paths))
    shock = np.empty((9, paths))
    fx = np.ones((4, paths))
    stock = np.empty((4, paths))
    for c in range(4):
        stock[c, :] = face[c]
    gdp = np.full(paths, scalars[0])
    reserves = np.full(paths, scalars[1])
    gap = np.full(paths, (face.sum() - scalars[1]) / scalars[0] - anchor[0])
    ever = np.zeros((3, paths), np.bool_)
    red, cost, need = np.empty(paths), np.empty(paths), np.empty(paths)
    due = np.empty((4, paths))
    for t in range(years):
        _shake(draws[t], chi[t], unsure[3], factor, shock)
        _move(state, shock, persistence, fx, gap, scalars[7])
        _service(t, issued, fx, open_red, open_cost, mix_red, mix_cost, mix_short, mix_long,
                 due, red, cost)  # fmt: skip
        _live(t, growth[t], primary[t], unsure, state, shock[8], scalars, guarantees[t], cost,
              gdp, need, counts, ever)  # fmt: skip
        for p in range(paths):
            out_gfn[t, p] = max(red[p] + need[p], 0.0) / gdp[p]
        _finance(net_issue[t], need_base[t], scalars, red, need, reserves)
        _issue(t, red, state, mix_currency, fx, due, stock, issued)
        for p in range(paths):
            debt = 0.0
            for c in range(4):
                debt += fx[c, p] * stock[c, p]
            out_debt[t, p] = debt / gdp[p]
            # The ceiling is an amount of money: no ratio alone shows which paths are over it.
            out_last[p] = debt
            out_reserves[t, p] = reserves[p] / gdp[p]
            gap[p] = (debt - reserves[p]) / gdp[p] - anchor[t + 1]
            _count(0, t, p, debt > ceiling[t], counts, ever)
            _count(1, t, p, reserves[p] < scalars[4], counts, ever)
    for i in range(3):
        counts[i, years] += ever[i].sum()


@njit()
def _shake(draws: F32, chi: F32, scale: F64, factor: F64, shock: F64) -> None:
    """Fill a year's shocks: correlated, with the year's and the path's own scale."""
    paths = len(scale)
    for i in range(9):
        for p in range(paths):
            shock[i, p] = 0.0
        for j in range(i + 1):
            weight = factor[i, j]
            if weight != 0.0:
                for p in range(paths):
                    shock[i, p] += weight * draws[j, p]
        for p in range(paths):
            shock[i, p] *= chi[p] * scale[p]


@njit()
def _move(state: F64, shock: F64, persistence: F64, fx: F64, gap: F64, reaction: float) -> None:
    """Move persistent shocks and exchange rates a year on."""
    paths = len(gap)
    for i in range(5):
        for p in range(paths):
            state[i, p] = persistence[i] * state[i, p] + shock[i, p]
    for p in range(paths):
        state[1, p] += reaction * gap[p]
    for c in range(1, 4):
        for p in range(paths):
            fx[c, p] *= np.exp(shock[4 + c, p])


@njit()
def _service(
    t: int,
    issued: F64,
    fx: F64,
    open_red: F64,
    open_cost: F64,
    mix_red: F64,
    mix_cost: F64,
    mix_short: F64,
    mix_long: F64,
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
        due[c, :] = open_red[c, t]
        paid[:] = open_cost[c, t]
        for v in range(t):
            k = t - v
            m, k0, k1, k2 = mix_red[c, k], mix_cost[c, k], mix_short[c, k], mix_long[c, k]
            face, short, long = issued[0, v, c], issued[1, v, c], issued[2, v, c]
            for p in range(paths):
                due[c, p] += m * face[p]
                paid[p] += k0 * face[p] + k1 * short[p] + k2 * long[p]
        for p in range(paths):
            red[p] += fx[c, p] * due[c, p]
            cost[p] += fx[c, p] * paid[p]


@njit()
def _live(
    t: int,
    growth: float,
    primary: float,
    unsure: F64,
    state: F64,
    factor: F64,
    scalars: F64,
    guaranteed: float,
    cost: F64,
    gdp: F64,
    need: F64,
    counts: I64,
    ever: Bools,
) -> None:
    """Let GDP grow, call guarantees, and fill the need before bonds."""
    for p in range(len(gdp)):
        gdp[p] *= 1.0 + max(growth + unsure[0, p] + state[0, p], -0.5)
        called = factor[p] < scalars[5]
        _count(2, t, p, called, counts, ever)
        balance = primary + unsure[1, p] + state[1, p] - unsure[2, p] - state[2, p]
        need[p] = cost[p] - balance * gdp[p]
        if called:
            need[p] += scalars[6] * guaranteed


@njit()
def _finance(
    net_issue: float, need_base: float, scalars: F64, red: F64, need: F64, reserves: F64
) -> None:
    """Turn `red` from redemptions into gross issuance, and let reserves take the rest."""
    share = scalars[3]
    for p in range(len(red)):
        gross = red[p] + net_issue + share * (need[p] - need_base)
        if share < 1.0:
            before = reserves[p] * (1.0 + scalars[2]) - red[p] - need[p]
            gross = max(gross, -before)
            gross = max(gross, 0.0)
            reserves[p] = max(before + gross, 0.0)
        red[p] = max(gross, 0.0)


@njit()
def _issue(
    t: int, gross: F64, state: F64, mix_currency: F64, fx: F64, due: F64, stock: F64, issued: F64
) -> None:
    """Issue in the mix's currencies and move the stocks."""
    for c in range(4):
        for p in range(len(gross)):
            amount = gross[p] * mix_currency[c] / fx[c, p]
            issued[0, t, c, p] = amount
            issued[1, t, c, p] = amount * state[3, p]
            issued[2, t, c, p] = amount * state[4, p]
            stock[c, p] += amount - due[c, p]


@njit()
def _count(row: int, t: int, p: int, happened: bool, counts: I64, ever: Bools) -> None:
    if happened:
        counts[row, t] += 1
        ever[row, p] = True
