"""What drives the cost: tornado, break-even points, and the map between two sites."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from commonwatt.siting.domain.cells import SiteCells
from commonwatt.siting.domain.cost_inputs import NAMES, CostInputs
from commonwatt.siting.engines.cost.model import levelised_compute_cost_usd_per_gpu_hour

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
    def cost_swing_usd(self) -> float:
        """Width of the bar [USD/GPU-hour]."""
        return abs(self.cost_at_high - self.cost_at_low)


def cost_tornado(cells: SiteCells) -> list[CostSwing]:
    """Return the swing of every input that varies, widest first."""
    base = cells.median_cost_inputs()
    swings = [_cost_swing_of_input(cells, base, name) for name in NAMES]
    moving = [swing for swing in swings if swing.low != swing.high]
    # By name where two bars are of one length, so that the order never depends on the last bit.
    return sorted(moving, key=lambda swing: (-swing.cost_swing_usd, swing.input))


def _cost_swing_of_input(cells: SiteCells, base: CostInputs, name: str) -> CostSwing:
    spread = cells[name].value
    low, high = spread.cost_input_quantile(0.05), spread.cost_input_quantile(0.95)
    return CostSwing(
        input=name,
        low=low,
        high=high,
        cost_at_low=levelised_compute_cost_usd_per_gpu_hour(base._replace(**{name: low})),
        cost_at_high=levelised_compute_cost_usd_per_gpu_hour(base._replace(**{name: high})),
    )


def utilisation_for_gpu_hour_cost(inputs: CostInputs, cost: float) -> float | None:
    """Return the utilisation at which a site costs `cost`, or None where none does.

    Cost is `a / u + b` in the utilisation `u`, because the charges of a year are a straight
    line in `u` and the useful hours are in proportion to it; the answer is `a / (cost - b)`.
    Two costs give `a` and `b` exactly, where a search would stop at its tolerance.
    """
    at_full = levelised_compute_cost_usd_per_gpu_hour(inputs._replace(utilisation_share=1.0))
    at_half = levelised_compute_cost_usd_per_gpu_hour(inputs._replace(utilisation_share=0.5))
    a = at_half - at_full
    b = at_full - a
    # What a useful hour costs at any use, such as its own energy, cannot be spread thinner.
    if cost <= b:
        return None
    utilisation = a / (cost - b)
    # Above 1 even a GPU that never idles costs more.
    return utilisation if utilisation <= 1.0 else None


def break_even_utilisation(first: CostInputs, second: CostInputs) -> float | None:
    """Return the utilisation above which `first` beats `second` at the second's own."""
    return utilisation_for_gpu_hour_cost(first, levelised_compute_cost_usd_per_gpu_hour(second))


def break_even_tariff_usd_per_kwh(
    inputs: CostInputs, rent: float, *, useful_share: float = 1.0
) -> float:
    """Return the tariff at which owning costs as much as renting [USD/kWh].

    Above it renting is cheaper; cost is a straight line in the tariff.

    Args:
        inputs: Inputs of the model.
        rent: Price of a rented GPU-hour [USD/GPU-hour].
        useful_share: Share of the rented hours that are useful: 1 on demand,
            the own utilisation for a reservation.
    """
    at_zero = levelised_compute_cost_usd_per_gpu_hour(inputs._replace(tariff_usd_per_kwh=0.0))
    at_one = levelised_compute_cost_usd_per_gpu_hour(inputs._replace(tariff_usd_per_kwh=1.0))
    return (rent / useful_share - at_zero) / (at_one - at_zero)


def site_cost_ratio_matrix(first: CostInputs, second: CostInputs, shares: F64, ratios: F64) -> F64:
    """Return cost of `first` over `second` by the first's utilisation and hardware price ratio.

    Args:
        first: Inputs of the first site.
        second: Inputs of the second, left as they are.
        shares: Utilisations of the first, shape (n,).
        ratios: Hardware price ratios of the first, shape (m,).

    Returns:
        Cost ratio, below 1 where the first is cheaper, shape (n, m).
    """
    cost_of_second = levelised_compute_cost_usd_per_gpu_hour(second)
    cost_ratios = np.empty((len(shares), len(ratios)))
    for i, share in enumerate(shares):
        for j, ratio in enumerate(ratios):
            moved = first._replace(
                utilisation_share=float(share), hardware_price_ratio=float(ratio)
            )
            cost_ratios[i, j] = levelised_compute_cost_usd_per_gpu_hour(moved) / cost_of_second
    return cost_ratios
