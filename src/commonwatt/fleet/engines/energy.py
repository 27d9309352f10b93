"""Energy, its cost and its carbon, integrated exactly over what was held when.

A node's GPUs draw their idle power all the time and the step up to busy power for
the share that is held. A site draws its power usage effectiveness (PUE) times that.
Price and carbon change by the hour; the hours repeat when a run outlasts the series.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from commonwatt.core.errors import IdentityError
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.machines import Fleet, Site
from commonwatt.fleet.domain.result import SimulationResult
from commonwatt.fleet.domain.workload import I64
from commonwatt.fleet.engines.timeline import StepSeries, gpu_milli_held_series

F64 = npt.NDArray[np.float64]
HOUR_MS = 3_600_000
MILLI_GPU_MS_PER_GPU_H = 1000 * HOUR_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteEnergy:
    """What one site drew.

    Args:
        it_kwh: Energy of the servers [kWh].
        idle_kwh: Part of it that idle draw makes up [kWh].
        overhead_kwh: Cooling and distribution [kWh].
        energy_kwh: Both [kWh].
        cost_usd: What it cost [USD].
        carbon_kg: Carbon of it [kg CO2e].
        held_gpu_h: GPU time held [GPU-h].
        held_milli: GPU held over time [1/1000 GPU].
        hour_kwh: Energy by hour of the run [kWh], shape (hours,).
    """

    it_kwh: float
    idle_kwh: float
    overhead_kwh: float
    energy_kwh: float
    cost_usd: float
    carbon_kg: float
    held_gpu_h: float
    held_milli: StepSeries
    hour_kwh: F64


def site_energies_in_site_order(
    result: SimulationResult, fleet: Fleet, *, from_ms: int, until_ms: int
) -> list[SiteEnergy]:
    """Return what each site drew between two instants, in the order of the sites.

    Raises:
        IdentityError: Hours do not add up to the whole, or servers and overhead do
            not add up to the energy: a bug.
    """
    return [
        _energy_of_site(result, fleet, i, _clock_hour_cuts_ms(from_ms, until_ms))
        for i in range(len(fleet.sites))
    ]


def _clock_hour_cuts_ms(from_ms: int, until_ms: int) -> I64:
    """Return the instants that cut a run into clock hours, its ends included."""
    # Hours of the clock and not of the run: tariffs and the grid's carbon change on the hour.
    whole = np.arange(from_ms // HOUR_MS + 1, -(-until_ms // HOUR_MS)) * HOUR_MS
    return np.concatenate([[from_ms], whole, [until_ms]]).astype(np.int64)


def _energy_of_site(
    result: SimulationResult, fleet: Fleet, site_number: int, cuts_ms: I64
) -> SiteEnergy:
    site, on_site = fleet.sites[site_number], fleet.site == site_number
    idle_kwh, step_kwh = np.zeros(len(cuts_ms) - 1), np.zeros(len(cuts_ms) - 1)
    whole_kwh, held = 0.0, np.zeros(len(cuts_ms) - 1, np.int64)
    for k, kind in enumerate(fleet.gpu_types):
        nodes = on_site & (fleet.gpu_type == k)
        gpus = int(fleet.gpus[nodes].sum())
        hours = np.diff(
            gpu_milli_held_series(result, nodes.astype(np.int64), 1).integral_until(cuts_ms)
        )
        held += hours
        idle_kwh += gpus * kind.idle_w * np.diff(cuts_ms) / HOUR_MS / 1000
        # Idle power is drawn by every GPU at all times, the step up to busy power while it is held.
        # Traces hold no power, so a held GPU counts as busy whatever its job does with it.
        step_kwh += (kind.busy_w - kind.idle_w) * hours / MILLI_GPU_MS_PER_GPU_H / 1000
        # The same energy a second time, over the run as a whole and piece by piece: the two agree
        # only if no hour was lost or counted twice.
        whole_kwh += gpus * kind.idle_w * int(cuts_ms[-1] - cuts_ms[0]) / HOUR_MS / 1000
        whole_kwh += (
            (kind.busy_w - kind.idle_w)
            * _gpu_milli_ms_held_on_nodes(result, nodes, cuts_ms)
            / MILLI_GPU_MS_PER_GPU_H
        ) / 1000
    it_kwh = float((idle_kwh + step_kwh).sum())
    _check_energy_balance("energy by hour", it_kwh, whole_kwh)
    return _fleet_site_energy_at_price(
        site,
        cuts_ms,
        idle_kwh,
        step_kwh,
        held,
        gpu_milli_held_series(result, on_site.astype(np.int64), 1),
    )


def _gpu_milli_ms_held_on_nodes(
    result: SimulationResult, nodes: npt.NDArray[np.bool_], cuts_ms: I64
) -> int:
    """Return GPU time held on `nodes`, piece by piece rather than hour by hour."""
    segment, node, milli = result.segments.segment_node_and_gpu_milli()
    segments = result.segments
    ran = np.minimum(segments.end_ms, cuts_ms[-1]) - np.maximum(segments.start_ms, cuts_ms[0])
    return int((milli * np.maximum(ran, 0)[segment])[nodes[node]].sum())


def _fleet_site_energy_at_price(
    site: Site, cuts_ms: I64, idle_kwh: F64, step_kwh: F64, held: I64, held_milli: StepSeries
) -> SiteEnergy:
    it_kwh = idle_kwh + step_kwh
    hour_kwh = it_kwh * site.pue
    hour = cuts_ms[:-1] // HOUR_MS
    # A run may outlast the year of prices that is given; the series then begins again.
    price = site.price_usd_per_mwh[hour % len(site.price_usd_per_mwh)]
    carbon = site.carbon_g_per_kwh[hour % len(site.carbon_g_per_kwh)]
    # Overhead by its own law, and not as the rest: a rest would close any balance.
    energy_kwh, overhead_kwh = float(hour_kwh.sum()), float((it_kwh * (site.pue - 1)).sum())
    _check_energy_balance(
        "energy of servers and overhead", float(it_kwh.sum()) + overhead_kwh, energy_kwh
    )
    return SiteEnergy(
        it_kwh=float(it_kwh.sum()),
        idle_kwh=float(idle_kwh.sum()),
        overhead_kwh=overhead_kwh,
        energy_kwh=energy_kwh,
        cost_usd=float((hour_kwh * price).sum()) / 1000,
        carbon_kg=float((hour_kwh * carbon).sum()) / 1000,
        held_gpu_h=int(held.sum()) / MILLI_GPU_MS_PER_GPU_H,
        held_milli=held_milli,
        hour_kwh=hour_kwh,
    )


def _check_energy_balance(law: str, left_kwh: float, right_kwh: float) -> None:
    # Relative, because both sides are sums of floats in different orders; a lost hour of even a
    # year-long run is far larger.
    if abs(left_kwh - right_kwh) > 1e-9 * max(abs(left_kwh), abs(right_kwh), 1e-9):
        raise IdentityError(law, found=Message("a conservation law that does not close"))
