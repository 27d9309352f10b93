"""The levelised cost of compute (LCOC): what a useful GPU-hour costs over its life.

Discounted lifetime cost over discounted useful GPU-hours, in real money. With
costs and hours that repeat each year this is an annuity, and each asset can be
priced over its own life::

    LCOC = (sum of yearly charges) / (8760 * availability * utilisation)
    charge of an asset = crf(r, L) * I * (1 - tax * D) / (1 - tax) - salvage
    crf(r, L) = r / (1 - (1 + r) ** -L),  D = (1 - (1 + r) ** -L) / (r L)

The charge is the revenue before tax that pays an outlay `I` back at rate `r`
when straight-line depreciation is deducted. `lcoc_by_cash_flow` below is the slow twin that
walks through every year instead.

Source: IEA and NEA (2020), Projected Costs of Generating Electricity, levelised
cost method; Short, Packey and Holt (1995), NREL/TP-462-5173, revenue requirements.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.core.jit import njit

F64 = npt.NDArray[np.float64]

HOURS: Final = 8760.0
PARTS: Final = (
    "servers", "shell", "land", "energy", "staff", "upkeep", "network", "spares", "holding",
)  # fmt: skip


@njit()
def crf(r: float, life: float) -> float:
    """Return the yearly payment that repays 1 over `life` years at rate `r`.

        r / (1 - (1 + r) ** -life), and 1 / life in the limit r = 0

    >>> round(crf(0.08, 5.0), 6), crf(0.0, 4.0)
    (0.250456, 0.25)
    """
    if abs(r) < 1e-12:
        return 1.0 / life
    return r / -math.expm1(-life * math.log1p(r))


@njit()
def asset_charge(outlay: float, salvage: float, r: float, life: float, tax: float) -> float:
    """Return the yearly revenue before tax that pays for an asset [USD/year].

    Args:
        outlay: Price when it enters service, grants deducted [USD].
        salvage: What it fetches at the end of its life, taxed in full [USD].
        r: Real cost of capital, after tax [1/year].
        life: Years in service.
        tax: Tax on profit [share].

    >>> round(asset_charge(100.0, 0.0, 0.0, 4.0, 0.25), 6)
    25.0
    """
    recovery = crf(r, life)
    depreciation = 1.0 / (life * recovery)
    grossed = outlay * (1.0 - tax * depreciation) / (1.0 - tax)
    return recovery * (grossed - salvage * math.exp(-life * math.log1p(r)))


@njit()
def build_factor(r: float, months: float) -> float:
    """Return the value at completion of 1 spent evenly over the building time.

    >>> build_factor(0.0, 24.0), round(build_factor(0.1, 24.0), 4)
    (1.0, 1.1017)
    """
    years = months / 12.0
    growth = math.log1p(r) * years
    if abs(growth) < 1e-9:
        return 1.0
    return math.expm1(growth) / growth


@njit()
def lcoc_parts(x: F64, out: F64) -> float:
    """Fill `out` with the cost per useful GPU-hour by part; return the sum.

    Args:
        x: Inputs in the order of `inputs.INPUTS`, shape (29,).
        out: Parts in the order of `PARTS` [USD/GPU-hour], shape (9,).
    """
    utilisation, kw = x[0], x[4]
    r, tax, grant = x[14], x[27], 1.0 - x[26]
    wait = math.exp(math.log1p(r) * x[10] / 12.0)
    servers = (x[1] * x[2] + x[3]) * grant
    shell = x[7] * kw * grant * build_factor(r, x[9]) * wait
    land = x[8] * kw * wait * math.exp(math.log1p(r) * x[9] / 12.0)
    mean_kw = kw * (x[6] + (x[5] - x[6]) * utilisation) * x[17]
    out[0] = asset_charge(servers, servers * x[13], r, x[12], tax)
    out[1] = asset_charge(shell, 0.0, r, x[11], tax)
    out[2] = land * r / (1.0 - tax)
    out[3] = HOURS * mean_kw * x[15] + kw * x[17] * x[16]
    out[4] = x[18] / 1000.0 * kw * x[19]
    out[5] = (x[1] * x[2] + x[3]) * x[20] + x[7] * kw * x[21]
    out[6] = x[22]
    out[7] = x[23] * x[24] * x[1] * x[2]
    out[8] = (x[1] * x[2] + x[3] + x[7] * kw + x[8] * kw) * x[28]
    hours = HOURS * utilisation * max(1.0 - x[23] * x[25] / HOURS, 0.01)
    total = 0.0
    for i in range(9):
        out[i] /= hours
        total += out[i]
    return total


def lcoc(x: Sequence[float] | F64) -> float:
    """Return the levelised cost of one useful GPU-hour [USD/GPU-hour]."""
    return float(lcoc_parts(np.asarray(x, dtype=np.float64), np.empty(len(PARTS))))


def lcoc_by_part(x: Sequence[float] | F64) -> dict[str, float]:
    """Return the cost of one useful GPU-hour by part [USD/GPU-hour]."""
    out = np.empty(len(PARTS))
    lcoc_parts(np.asarray(x, dtype=np.float64), out)
    return dict(zip(PARTS, out.tolist(), strict=True))


def per_effective_pflop_hour(cost: float, peak_pflops: float, achieved_share: float) -> float:
    """Return the cost of one effective PFLOP-hour [USD].

    Args:
        cost: Levelised cost of a GPU-hour [USD/GPU-hour].
        peak_pflops: Peak of the GPU at a named precision [PFLOP/s].
        achieved_share: Share of the peak that the work reaches.

    >>> round(per_effective_pflop_hour(2.0, 0.989, 0.4), 3)
    5.056
    """
    return cost / (peak_pflops * achieved_share)


def undiscounted_cost(x: Sequence[float] | F64) -> float:
    """Return total cost over total hours, without discounting or tax.

    The annuity model agrees with it where rate and tax are zero.
    """
    flat = np.array(x, dtype=np.float64)
    flat[14] = flat[27] = 0.0
    return lcoc(flat)


def lcoc_by_cash_flow(x: Sequence[float] | F64) -> float:
    """Return the levelised cost by walking through every year: the slow twin.

    The shell's life must be a whole number of whole hardware lives. Finds the
    price at which the discounted cash flow after tax is zero.
    """
    v = np.asarray(x, dtype=np.float64)
    years, cycle = int(v[11]), int(v[12])
    outlay, land = _outlays(v)
    parts = np.empty(len(PARTS))
    lcoc_parts(v, parts)
    hours = HOURS * v[0] * max(1.0 - v[23] * v[25] / HOURS, 0.01)
    opex = float(parts[3:].sum()) * hours
    flow = [0.0] * (years + 1)
    flow[0] -= outlay["shell"] + land
    flow[years] += land
    for year in range(1, years + 1):
        writeoff = outlay["servers"] / cycle + outlay["shell"] / years
        flow[year] += v[27] * writeoff - (1 - v[27]) * opex
    for start in range(0, years, cycle):
        flow[start] -= outlay["servers"]
        flow[start + cycle] += outlay["servers"] * v[13] * (1 - v[27])
    value = math.fsum(cash / (1 + v[14]) ** year for year, cash in enumerate(flow))
    sold = math.fsum(hours / (1 + v[14]) ** year for year in range(1, years + 1))
    return -value / (sold * (1 - v[27]))


def _outlays(v: F64) -> tuple[dict[str, float], float]:
    """Return what is paid for servers and shell, and the land, at completion."""
    r, months = float(v[14]), float(v[9])
    wait = (1 + r) ** (float(v[10]) / 12)
    built = 1.0 if r == 0 or months == 0 else ((1 + r) ** (months / 12) - 1) / (
        math.log(1 + r) * months / 12
    )  # fmt: skip
    servers = float((v[1] * v[2] + v[3]) * (1 - v[26]))
    shell = float(v[7] * v[4] * (1 - v[26])) * built * wait
    return {"servers": servers, "shell": shell}, float(v[8] * v[4]) * wait * (1 + r) ** (
        months / 12
    )


@njit()
def lcoc_many(x: F64) -> F64:
    """Return the cost of each row of inputs, shape (draws,), from (draws, 29)."""
    out = np.empty(x.shape[0])
    parts = np.empty(9)
    for i in range(x.shape[0]):
        out[i] = lcoc_parts(x[i], parts)
    return out


def energy_share_of_operation(x: Sequence[float] | F64) -> float:
    """Return energy over all yearly running costs, capital left out [share]."""
    parts = lcoc_by_part(x)
    running = sum(parts[name] for name in ("energy", "staff", "upkeep", "network", "spares"))
    return parts["energy"] / (running + parts["holding"])
