"""What drives the cost: tornado, break-even points, and the map between two sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from commonwatt.siting.domain.cells import SiteCells
from commonwatt.siting.domain.cost_inputs import NAMES, PLACE
from commonwatt.siting.engines.cost.model import lcoc

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSwing:
    """How far one input moves the cost, the others at their medians.

    Args:
        input: Name of the input.
        low: 5th percentile of the input, in its own unit.
        high: 95th percentile of the input.
        cost_at_low: Cost there [USD/GPU-hour].
        cost_at_high: Cost there [USD/GPU-hour].
    """

    input: str
    low: float
    high: float
    cost_at_low: float
    cost_at_high: float

    @property
    def swing(self) -> float:
        """Width of the bar [USD/GPU-hour]."""
        return abs(self.cost_at_high - self.cost_at_low)


def tornado(cells: SiteCells) -> list[CostSwing]:
    """Return the swing of every input that varies, widest first."""
    base = np.array(cells.medians())
    swings = [_swing(cells, base, name) for name in NAMES]
    moving = [each for each in swings if each.low != each.high]
    return sorted(moving, key=lambda each: (-each.swing, each.input))


def _swing(cells: SiteCells, base: F64, name: str) -> CostSwing:
    value = cells[name].value
    low, high = value.quantile(0.05), value.quantile(0.95)
    return CostSwing(
        input=name,
        low=low,
        high=high,
        cost_at_low=lcoc(_at(base, name, low)),
        cost_at_high=lcoc(_at(base, name, high)),
    )


def _at(base: F64, name: str, value: float) -> F64:
    moved = base.copy()
    moved[PLACE[name]] = value
    return moved


def utilisation_for_cost(x: Sequence[float] | F64, cost: float) -> float | None:
    """Return the utilisation at which a site costs `cost`, or None where none does.

    Cost is `a / u + b` in the utilisation `u`, so the answer is `a / (cost - b)`.
    """
    base = np.asarray(x, dtype=np.float64)
    at_one, at_half = lcoc(_at(base, NAMES[0], 1.0)), lcoc(_at(base, NAMES[0], 0.5))
    a = at_half - at_one
    b = at_one - a
    if cost <= b:
        return None
    u = a / (cost - b)
    return u if u <= 1.0 else None


def break_even_utilisation(a: Sequence[float] | F64, b: Sequence[float] | F64) -> float | None:
    """Return the utilisation above which site `a` beats `b` at `b`'s own utilisation."""
    return utilisation_for_cost(a, lcoc(b))


def break_even_tariff(x: Sequence[float] | F64, rent: float, *, useful_share: float = 1.0) -> float:
    """Return the tariff at which owning costs as much as renting [USD/kWh].

    Above it renting is cheaper; cost is a straight line in the tariff.

    Args:
        x: Inputs of the model.
        rent: Price of a rented GPU-hour [USD/GPU-hour].
        useful_share: Share of the rented hours that are useful: 1 on demand,
            the own utilisation for a reservation.
    """
    base = np.asarray(x, dtype=np.float64)
    name = "tariff_usd_per_kwh"
    free, one = lcoc(_at(base, name, 0.0)), lcoc(_at(base, name, 1.0))
    return (rent / useful_share - free) / (one - free)


def break_even_map(
    a: Sequence[float] | F64, b: Sequence[float] | F64, shares: F64, ratios: F64
) -> F64:
    """Return cost of `a` over `b` by `a`'s utilisation and hardware price ratio.

    Args:
        a: Inputs of the first site.
        b: Inputs of the second, left as they are.
        shares: Utilisations of the first, shape (n,).
        ratios: Hardware price ratios of the first, shape (m,).

    Returns:
        Cost ratio, below 1 where `a` is cheaper, shape (n, m).
    """
    base, other = np.asarray(a, dtype=np.float64), lcoc(b)
    out = np.empty((len(shares), len(ratios)))
    for i, share in enumerate(shares):
        for j, ratio in enumerate(ratios):
            moved = _at(base, "utilisation_share", float(share))
            out[i, j] = lcoc(_at(moved, "hardware_price_ratio", float(ratio))) / other
    return out
