"""Planning from day to day, as an operator must, beside hindsight.

At midnight the operator knows the day-ahead price of the coming day and the load
that waits. Carbon of that day, and everything of the day after, it takes to be as
on the day before. It plans two days, keeps the first, and carries on. Hindsight
plans four weeks at a time with everything known. Waiting load may cross midnight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from commonwatt.core.errors import IdentityError
from commonwatt.core.messages import Message
from commonwatt.siting.domain.market import PowerMarket
from commonwatt.siting.domain.placement import DAY, F64, I64, Bools
from commonwatt.siting.engines.place.dayflow import solve_placement_day_unserved_gpu_hours

HINDSIGHT_HOURS: Final = (
    28 * DAY
)  # at once, and a day more is looked at, so that the edge binds little


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingCase:
    """Load of every region, and where it may go. K classes, R regions, T hours.

    Args:
        market: Prices and carbon.
        origin: Region of each class, shape (K,).
        demand: Load of each class [MW of IT], shape (K, T).
        defer_h: Hours that each class may wait, shape (K,).
        near: Regions within the latency limit, shape (K, R).
        size: Room of each region [MW of IT], shape (R,).
        pue: Facility over IT draw, shape (R, T).
        carbon_usd_per_t: Price put on carbon [USD/t].
    """

    market: PowerMarket
    origin: I64
    demand: F64
    defer_h: I64
    near: Bools
    size: F64
    pue: F64
    carbon_usd_per_t: float

    def hourly_usd_per_mw(self, price: F64, carbon: F64, pue: F64) -> F64:
        """Return the cost of 1 MW for an hour, carbon priced [USD/MWh], same shape."""
        return pue * (price + carbon * self.carbon_usd_per_t / 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingOutcome:
    """What a way of planning cost in truth.

    Args:
        energy_usd: Price paid for energy.
        carbon_t: Carbon emitted.
        objective_usd: Energy and priced carbon.
        far_share: Load served beyond its latency limit [MWh]; zero unless there is a bug.
        load: Load by class, region and hour [MW], shape (K, R, T).
    """

    energy_usd: float
    carbon_t: float
    objective_usd: float
    far_share: float
    load: F64


def rolling_case_of_market(
    market: PowerMarket,
    limit_ms: float,
    *,
    shape: F64,
    batch_share: float = 0.3,
    defer_h: int = 12,
    room: float = 1.5,
    carbon_usd_per_t: float = 50.0,
) -> RollingCase:
    """Return 1 MW of mean load in every region, part of which may wait.

    Args:
        market: Prices and carbon.
        limit_ms: Round-trip time at most; the own region always qualifies.
        shape: Load over its mean, by hour, shape (T,).
        batch_share: Share of the load that may wait.
        defer_h: Hours that it may wait.
        room: Size of each region over its own peak.
        carbon_usd_per_t: Price put on carbon.
    """
    regions, hours = market.price_usd_per_mwh.shape
    regions_once = np.arange(regions, dtype=np.int64)
    origin = np.concatenate([regions_once, regions_once])
    share = np.repeat([1 - batch_share, batch_share], regions)
    demand = share[:, None] * shape[None, :hours]
    near = market.rtt_ms[origin] <= limit_ms
    # A region reaches itself at any limit, even where its own round trip was never measured.
    near[np.arange(2 * regions), origin] = True
    return RollingCase(
        market=market, origin=origin, demand=demand, near=near,
        defer_h=np.repeat([0, defer_h], regions).astype(np.int64),
        size=np.ones(regions) * (room * float(np.max(shape))),
        pue=np.ones((regions, hours)), carbon_usd_per_t=carbon_usd_per_t,
    )  # fmt: skip


def placement_outcome_at_origin(case: RollingCase) -> RollingOutcome:
    """Return what it costs when all load runs where and when it arises."""
    load = np.zeros((*case.near.shape, case.demand.shape[1]))
    load[np.arange(len(case.origin)), case.origin] = case.demand
    return _rolling_placement_outcome(case, load)


def outcome_of_day_ahead_planning(case: RollingCase) -> RollingOutcome:
    """Return what it costs with day-ahead prices and yesterday's carbon."""
    return _rolling_placement_outcome(
        case, _rolling_placement_load(case, commit=DAY, look=2 * DAY, hindsight=False)
    )


def outcome_of_planning_in_hindsight(case: RollingCase) -> RollingOutcome:
    """Return what it costs when everything is known."""
    return _rolling_placement_outcome(
        case,
        _rolling_placement_load(
            case, commit=HINDSIGHT_HOURS, look=HINDSIGHT_HOURS + DAY, hindsight=True
        ),
    )


def _rolling_placement_load(case: RollingCase, *, commit: int, look: int, hindsight: bool) -> F64:
    classes, regions = case.near.shape
    hours = case.demand.shape[1]
    load = np.zeros((classes, regions, hours))
    waiting = [np.zeros((int(wait) + 1,)) for wait in case.defer_h]
    for start in range(0, hours, commit):
        end, until = min(start + look, hours), min(start + commit, hours)
        cost = _expected_usd_per_mw_by_hour_region(case, start, end, hindsight=hindsight)
        demand = _expected_load_mw_by_hour_and_class(case, start, end, hindsight=hindsight)
        flow = _placement_window_load(case, cost, demand, waiting)
        committed = flow[: until - start]
        load[:, :, start:until] = committed.transpose(1, 2, 0)
        waiting = [
            _waiting_placement_load_by_hours_left_after_run(
                waiting[k], case.demand[k, start:until], committed[:, k].sum(axis=1)
            )
            for k in range(classes)
        ]
    if sum(float(each.sum()) for each in waiting) > 1e-6:
        raise IdentityError("siting.rolling", found=Message("load that was never run"))
    return load


def _expected_usd_per_mw_by_hour_region(
    case: RollingCase, start: int, end: int, *, hindsight: bool
) -> F64:
    """Return the cost that the operator expects, shape (hours, R)."""
    price = case.market.price_usd_per_mwh
    carbon = case.market.carbon_g_per_kwh
    hours = np.arange(start, end)
    if hindsight:
        return case.hourly_usd_per_mw(price[:, hours], carbon[:, hours], case.pue[:, hours]).T
    of_day = start + (hours - start) % DAY  # prices beyond the day: as those of the day
    before = np.where(start >= DAY, of_day - DAY, of_day)  # carbon of the day before
    return case.hourly_usd_per_mw(price[:, of_day], carbon[:, before], case.pue[:, of_day]).T


def _expected_load_mw_by_hour_and_class(
    case: RollingCase, start: int, end: int, *, hindsight: bool
) -> F64:
    """Return the load that the operator expects, shape (hours, K)."""
    hours = np.arange(start, end)
    expected = hours if hindsight else np.minimum(start + (hours - start) % DAY, end - 1)
    return np.ascontiguousarray(case.demand[:, expected].T)


def _placement_window_load(
    case: RollingCase, hourly_cost: F64, demand: F64, waiting: Sequence[F64]
) -> F64:
    """Return the load of a window, what waits from before among it, shape (H, K, R)."""
    hours, (classes, regions) = len(hourly_cost), case.near.shape
    reach, counts = np.zeros((classes, regions), np.int64), case.near.sum(axis=1)
    for k in range(classes):
        reach[k, : counts[k]] = np.flatnonzero(case.near[k])
    arrivals, room = demand.copy(), np.zeros((hours, classes))
    for k in range(classes):
        if not case.defer_h[k]:
            continue
        arrivals[0, k] += waiting[k].sum()
        room[:, k] = _load_allowed_to_wait_by_hour(waiting[k], demand[:, k], int(case.defer_h[k]))
    # A thousand times the dearest hour: no price is high enough to leave load unserved.
    flow, mu = np.zeros((hours, classes, regions)), np.zeros((hours, regions))
    full = np.repeat(hourly_cost[:, None, :], classes, axis=1)
    left = solve_placement_day_unserved_gpu_hours(
        full, arrivals, reach, counts.astype(np.int64), room, case.size,
        float(np.abs(hourly_cost).max() * 1000 + 1), flow, mu,
    )  # fmt: skip
    if left > 1e-6:
        raise IdentityError("siting.rolling", found=Message("load without a place"))
    return flow


def _load_allowed_to_wait_by_hour(waiting: F64, demand: F64, wait: int) -> F64:
    """Return how much may wait at the end of each hour.

    Args:
        waiting: Load from before by the hours that it may still wait, shape (wait + 1,).
        demand: Load that arrives, shape (H,).
        wait: Hours that new load may wait.
    """
    hours = len(demand)
    arrived = np.concatenate([[0.0], np.cumsum(demand)])
    end = np.arange(1, hours + 1)
    fresh = arrived[end] - arrived[np.maximum(end - wait, 0)]
    old = np.array([waiting[h + 1 :].sum() if h < wait else 0.0 for h in range(hours)])
    room = fresh + old
    room[-1] = 0.0  # the window ends here, and what it leaves nobody would run
    return room


def _waiting_placement_load_by_hours_left_after_run(waiting: F64, demand: F64, run: F64) -> F64:
    """Return what still waits, by the hours left, after the oldest was run first."""
    wait = len(waiting) - 1
    queue = waiting.copy()
    for arrived, done in zip(demand, run, strict=True):
        queue[wait] += arrived
        left = done
        # The oldest first, as any operator must who owes each class its deadline.
        for hour in range(wait + 1):
            taken = min(queue[hour], left)
            queue[hour] -= taken
            left -= taken
        if wait and queue[0] > 1e-6:
            raise IdentityError("siting.rolling", found=Message("load past its deadline"))
        queue[:-1] = queue[1:]
        queue[-1] = 0.0
    return queue


def _rolling_placement_outcome(case: RollingCase, load: F64) -> RollingOutcome:
    power = load.sum(axis=0) * case.pue
    energy = float((power * case.market.price_usd_per_mwh).sum())
    carbon = float((power * case.market.carbon_g_per_kwh).sum()) / 1000
    far = float(load.sum(axis=2)[~case.near].sum())
    return RollingOutcome(
        energy_usd=energy, carbon_t=carbon, far_share=far, load=load,
        objective_usd=energy + carbon * case.carbon_usd_per_t,
    )  # fmt: skip


def best_region_saving_share(market: PowerMarket, limit_ms: float, values: F64) -> float:
    """Return the saving when each hour runs at the best region in reach, without limits of size.

    Args:
        market: For the round-trip times.
        limit_ms: Round-trip time at most.
        values: Price or carbon, shape (R, T).
    """
    near = market.rtt_ms <= limit_ms
    np.fill_diagonal(near, True)
    best = np.array([values[row].min(axis=0) for row in near])
    return 1 - float(best.mean() / values.mean())
