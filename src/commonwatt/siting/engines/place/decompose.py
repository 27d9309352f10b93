"""Sizes by cutting planes, days by flows: a feasible plan and a proved bound.

With the sizes fixed each day stands alone, and its cost is convex in the sizes.
A day's shadow prices give a plane below that cost, valid for every size (see
`dayflow.day_bound`). A small master problem over the sizes, with one such plane
per day and round, bounds the whole from below; the days at trial sizes bound it
from above. Trial sizes lie between the best so far and the master's wish, which
keeps the planes near the answer (Ben-Ameur and Neto 2007, in-out separation).

Benders (1962); multi-cut form of Birge and Louveaux (1988).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import highspy  # pyright: ignore[reportMissingTypeStubs]
import numpy as np

from commonwatt.core.errors import InfeasibleError
from commonwatt.core.messages import Message
from commonwatt.siting.domain.placement import (
    DAY,
    F64,
    I64,
    PlacementPlan,
    PlacementProblem,
    check_placement_plan,
    check_placement_series_whole_days,
    checked_placement_bound_usd,
    deferred_load_limit_by_class_and_hour,
    placement_running_cost_usd,
)
from commonwatt.siting.engines.place.dayflow import (
    placement_day_cost_bound_adding_slope,
    solve_placement_day_unserved_gpu_hours,
)
from commonwatt.siting.engines.place.exact import (
    build_placement_model,
    new_highs_placement_solver,
    opened_placement_sites,
    run_highs_on_placement,
)

INF: Final = float("inf")
GROUPS: Final = 60
FIRST_SIZE_FACTOR: Final = 1.01
_HIGHS: Any = highspy


@dataclass(frozen=True, slots=True, kw_only=True)
class CuttingPlane:
    """A bound on the running cost of each group of days, true for every size.

    Args:
        level: Height where sizes are zero [USD], shape (G,).
        slope: Slope in the sizes [USD/GPU], shape (G, J).
    """

    level: F64
    slope: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeTrial:
    """What the days say about one choice of sizes.

    Args:
        size: The sizes, shape (J,).
        cost_usd: Fixed and running cost, penalty for unserved load within.
        missing: Load without a place by day [GPU-hours], shape (D,).
        plane: The bound that its shadow prices prove.
        flow: Load by hour, class in the order of the days, and pool, shape (T, K, J).
        mu: Shadow prices of capacity, shape (T, J).
    """

    size: F64
    cost_usd: float
    missing: F64
    plane: CuttingPlane
    flow: F64
    mu: F64

    @property
    def unserved_gpu_hours(self) -> float:
        """Load without a place [GPU-hours]."""
        return float(self.missing.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyProblem:
    """Arrays of a problem cut into days, ready for the flows.

    Classes stand in the order of `order`: those that cannot wait first, which keeps
    the searches of the flows short.
    """

    problem: PlacementProblem
    order: I64
    defer_h: I64
    draw: F64
    move_usd: F64
    reach: I64
    counts: I64
    demand: F64
    max_size: F64
    run_usd: F64
    group: I64
    penalty: float

    @property
    def days_in_problem(self) -> int:
        """Whole days."""
        return len(self.group)

    @property
    def cutting_plane_group_count(self) -> int:
        """Groups of days that share a plane."""
        return int(self.group[-1]) + 1


def cut_placement_into_days(problem: PlacementProblem) -> DailyProblem:
    """Return the problem day by day."""
    classes, pools, hours = problem.shape
    number = hours // DAY
    order = np.argsort(problem.defer_h, kind="stable")
    allowed = problem.allowed_class_pools[order]
    reach, counts = np.zeros((classes, pools), np.int64), allowed.sum(axis=1)
    for k in range(classes):
        reach[k, : counts[k]] = np.flatnonzero(allowed[k])
    # Consecutive days share a plane: prices and load of a week are alike, and a year in 60 groups
    # keeps the master small.
    size = -(-number // GROUPS)
    return DailyProblem(
        problem=problem,
        order=order,
        defer_h=problem.defer_h[order],
        draw=problem.draw[order],
        move_usd=problem.move_usd[order],
        reach=reach,
        counts=counts.astype(np.int64),
        demand=np.ascontiguousarray(problem.demand[order].T),
        max_size=np.ascontiguousarray(deferred_load_limit_by_class_and_hour(problem)[order].T),
        run_usd=np.ascontiguousarray(problem.run_usd.T),
        group=(np.arange(number) // size).astype(np.int64),
        penalty=problem.unserved_penalty_usd_per_gpu_hour(),
    )


def placement_day_usd_per_gpu_hour(days: DailyProblem, day: int) -> F64:
    """Return the cost of load on one day [USD/GPU-hour], shape (DAY, K, J)."""
    part = slice(day * DAY, (day + 1) * DAY)
    return days.draw[None, :, None] * days.run_usd[part][:, None, :] + days.move_usd


def gpus_needed_by_placement_pool_set(days: DailyProblem) -> list[tuple[I64, float]]:
    """Return sets of pools and the GPUs that they must hold together in any plan.

    For every class: the pools that it may use must hold, at each hour, the load of
    all classes that may use no others and cannot wait, and on average over each day
    the load of all of them. The set of all pools is there as well.
    """
    allowed = days.problem.allowed_class_pools[days.order]
    waits = days.defer_h > 0
    sets = {tuple(np.flatnonzero(row).tolist()): row for row in allowed}
    sets[tuple(range(allowed.shape[1]))] = np.ones(allowed.shape[1], np.bool_)
    out: list[tuple[I64, float]] = []
    for pools, row in sets.items():
        inside = ~(allowed & ~row).any(axis=1)
        now = days.demand[:, inside & ~waits].sum(axis=1)
        mean = days.demand[:, inside].sum(axis=1).reshape(-1, DAY).mean(axis=1)
        out.append((np.array(pools, np.int64), float(max(now.max(), mean.max()))))
    return out


def try_placement_size(
    days: DailyProblem, size: F64, *, whole: bool = True, cached: SizeTrial | None = None
) -> SizeTrial:
    """Return cost, planes and load of a choice of sizes.

    Args:
        days: The days.
        size: The sizes, shape (J,).
        whole: A site that is used at all is opened and paid; else it is opened by
            the share of its largest size that is used, as the master does before
            it counts in whole sites.
        cached: A trial at sizes nowhere larger. Days on which it served all load stay
            as they are, feasible and perhaps a little dear; the others are solved.
    """
    if cached is None:
        cached = _initial_placement_size_trial(days)
    flow, mu, missing = cached.flow.copy(), cached.mu.copy(), cached.missing.copy()
    for day in np.flatnonzero(missing > 0).tolist():
        part = slice(day * DAY, (day + 1) * DAY)
        missing[day] = solve_placement_day_unserved_gpu_hours(
            placement_day_usd_per_gpu_hour(days, day),
            days.demand[part],
            days.reach,
            days.counts,
            days.max_size[part],
            size,
            days.penalty,
            flow[part],
            mu[part],
        )
    # Negative by rounding alone, and the proof of the bound needs mu >= 0.
    np.maximum(mu, 0.0, out=mu)
    plane, running = _cutting_plane_and_running_cost(days, flow, mu)
    fixed = float((days.problem.size_usd * size).sum())
    fixed += site_opening_cost_usd(days.problem, size, whole=whole)
    cost = fixed + running + days.penalty * float(missing.sum())
    return SizeTrial(
        size=size.copy(), cost_usd=cost, missing=missing, plane=plane, flow=flow, mu=mu
    )


def _initial_placement_size_trial(days: DailyProblem) -> SizeTrial:
    """Return a trial at no size that has served nothing yet."""
    classes, pools, hours = days.problem.shape
    none = CuttingPlane(
        level=np.zeros(days.cutting_plane_group_count),
        slope=np.zeros((days.cutting_plane_group_count, pools)),
    )
    return SizeTrial(
        size=np.zeros(pools), cost_usd=INF, missing=np.full(days.days_in_problem, INF), plane=none,
        flow=np.zeros((hours, classes, pools)), mu=np.zeros((hours, pools)),
    )  # fmt: skip


def _cutting_plane_and_running_cost(
    days: DailyProblem, flow: F64, mu: F64
) -> tuple[CuttingPlane, float]:
    """Return the planes that shadow prices prove, and the running cost of a load [USD]."""
    pools = mu.shape[1]
    plane = CuttingPlane(
        level=np.zeros(days.cutting_plane_group_count),
        slope=np.zeros((days.cutting_plane_group_count, pools)),
    )
    running = 0.0
    for day in range(days.days_in_problem):
        part, cost, group = (
            slice(day * DAY, (day + 1) * DAY),
            placement_day_usd_per_gpu_hour(days, day),
            days.group[day],
        )
        plane.level[group] += placement_day_cost_bound_adding_slope(
            cost, days.demand[part], days.reach, days.counts, days.defer_h, days.penalty,
            mu[part], plane.slope[group],
        )  # fmt: skip
        running += float((cost * flow[part]).sum())
    return plane, running


def site_opening_cost_usd(problem: PlacementProblem, size: F64, *, whole: bool) -> float:
    """Return what the sites of these sizes cost to open [USD]."""
    if whole:
        return float(problem.open_usd[opened_placement_sites(problem, size)].sum())
    share = np.zeros(len(problem.site_names))
    # As the master counts before it counts in whole sites; the two costs must be comparable.
    np.maximum.at(share, problem.site, size / np.maximum(problem.max_size, 1e-12))
    return float((problem.open_usd * share).sum())


class MasterProblem:
    """The problem over the sizes, growing by one plane per group and round."""

    def __init__(self, days: DailyProblem, *, whole: bool, gap: float) -> None:
        self._days, self._whole = days, whole
        problem = days.problem
        self._step = np.where((problem.unit > 0) & whole, problem.unit, 1.0)
        # Its own gap must be well inside ours, or its bound would never close the rest.
        self._highs = new_highs_placement_solver("choose", gap / 10)
        self._most = _largest_pool_size_in_steps(problem, self._step, whole=whole)
        self._add_pool_and_site_columns()

    def _add_pool_and_site_columns(self) -> None:
        problem, highs = self._days.problem, self._highs
        pools, sites = len(problem.pool_names), len(problem.site_names)
        for j in range(pools):
            highs.addCol(problem.size_usd[j] * self._step[j], 0.0, self._most[j], 0, [], [])
        for s in range(sites):
            highs.addCol(problem.open_usd[s], 0.0, 1.0, 0, [], [])
        for _ in range(self._days.cutting_plane_group_count):
            highs.addCol(1.0, -INF, INF, 0, [], [])
        for j in range(pools):
            site = pools + int(problem.site[j])
            highs.addRow(-INF, 0.0, 2, [j, site], [1.0, -float(self._most[j])])
        # True of any plan and known without a single plane, so that the first sizes that are
        # tried lie near what is needed.
        for pools_of, need in gpus_needed_by_placement_pool_set(self._days):
            highs.addRow(need, INF, len(pools_of), pools_of.astype(np.int32), self._step[pools_of])
        if self._whole:
            kind = _HIGHS.HighsVarType.kInteger
            for j in np.flatnonzero(problem.unit > 0):
                highs.changeColIntegrality(int(j), kind)
            for s in np.flatnonzero(problem.open_usd > 0):
                highs.changeColIntegrality(pools + int(s), kind)

    def add_cutting_plane(self, plane: CuttingPlane) -> None:
        """Add a plane per group: theta >= level + slope @ size."""
        problem = self._days.problem
        pools, sites = len(problem.pool_names), len(problem.site_names)
        for g in range(self._days.cutting_plane_group_count):
            used = np.flatnonzero(plane.slope[g])
            index = np.append(used, pools + sites + g).astype(np.int32)
            value = np.append(-plane.slope[g, used] * self._step[used], 1.0)
            self._highs.addRow(float(plane.level[g]), INF, len(index), index, value)

    def solve_pool_sizes_and_cost_bound(self) -> tuple[F64, float]:
        """Return the sizes wished for and a lower bound on the whole cost."""
        self._highs.run()
        if self._highs.getModelStatus() != _HIGHS.HighsModelStatus.kOptimal:
            # A warm start can end in numerical trouble where a cold one does not; only the
            # cold one decides that there is no answer.
            self._highs.clearSolver()
            self._highs.run()
        if self._highs.getModelStatus() != _HIGHS.HighsModelStatus.kOptimal:
            raise InfeasibleError("siting.place", found=Message("no sizes within their limits"))
        values = np.array(self._highs.getSolution().col_value)[: len(self._step)]
        info = self._highs.getInfo()
        # The incumbent of a mixed-integer run is a cost; only its dual bound bounds from below.
        bound = info.mip_dual_bound if self._whole else info.objective_function_value
        if self._whole:
            values = np.where(self._days.problem.unit > 0, np.rint(values), values)
        return np.clip(values, 0, self._most) * self._step, float(bound)


def _largest_pool_size_in_steps(problem: PlacementProblem, unit_size: F64, *, whole: bool) -> F64:
    counted = np.floor(problem.max_size / unit_size + 1e-9)
    return np.where((problem.unit > 0) & whole, counted, problem.max_size / unit_size)


def solve_placement_by_days(
    problem: PlacementProblem,
    *,
    gap: float = 1e-4,
    rounds: int = 200,
    watch: Callable[[int, float, float], None] | None = None,
) -> PlacementPlan:
    """Return a feasible plan and a bound at most `gap` apart.

    Args:
        problem: What to place; a carbon cap must be given as a carbon price instead.
        gap: Relative gap to stop at.
        rounds: Rounds at most; the plan then carries the gap that was reached.
        watch: Called each round with the round, the bound and the best cost.

    Raises:
        InfeasibleError: The limits cannot all hold, or there is a carbon cap.
    """
    check_placement_series_whole_days(problem)
    if np.isfinite(problem.carbon_cap_kg):
        raise InfeasibleError(
            "carbon_cap_kg",
            found=Message("a cap over all days, which ties them together"),
            remedy=Message("Give a carbon price instead, or solve it exactly."),
        )
    days = cut_placement_into_days(problem)
    planes: list[CuttingPlane] = []
    best, bound, count = _best_trial_by_cutting_planes(
        days, planes, _first_pool_sizes(days), gap, rounds, watch, whole=False
    )
    # Planes of the continuous problem hold for whole sizes, too, so that the second stage starts
    # with a master that already knows the valley.
    if problem.has_unit_steps_or_opening_costs:
        start = _pool_sizes_in_whole_units(problem, best.size)
        best, bound, whole_rounds = _best_trial_by_cutting_planes(
            days, planes, start, gap, rounds, watch, whole=True
        )
        count += whole_rounds
    return _placement_plan_of_trial(days, size_trial_serving_all_load(days, best), bound, count)


def size_trial_serving_all_load(days: DailyProblem, best: SizeTrial) -> SizeTrial:
    """Return the trial with sizes raised by the little that still found no place.

    Raises:
        InfeasibleError: The largest sizes do not serve everything.
    """
    enough = 1e-7 * max(1.0, float(days.problem.demand.max()))
    # Load that moves to a raised pool may fall short elsewhere, so it is tried a few times.
    for _ in range(8):
        if best.unserved_gpu_hours <= enough:
            return best
        best = try_placement_size(days, _pool_sizes_with_shortage_added(days, best), cached=best)
    raise InfeasibleError(
        "siting.place",
        found=Message("load without a place at the largest sizes"),
        remedy=Message("Ask for the smallest set of limits that cannot hold together."),
    )


def _pool_sizes_with_shortage_added(days: DailyProblem, trial: SizeTrial) -> F64:
    """Return sizes with each class's worst shortage of a day added where it is cheapest."""
    problem, size = days.problem, trial.size.copy()
    missing = days.demand - trial.flow.sum(axis=2)
    short = missing.reshape(-1, DAY, missing.shape[1]).sum(axis=1).max(axis=0)
    # The last whole unit: a pool that stands between two of them cannot be built.
    most = _pool_sizes_in_whole_units(problem, problem.max_size)
    for k in np.flatnonzero(short > 1e-12):
        pools = days.reach[k, : days.counts[k]]
        free = pools[size[pools] < most[pools]]
        if len(free):
            j = free[np.argmin(problem.size_usd[free])]
            step = max(float(problem.unit[j]), 0.0)
            extra = short[k] * 1.000001 + 1e-9  # over the rounding of the flow
            extra = np.ceil(extra / step) * step if step else extra
            size[j] = min(size[j] + extra, most[j])
    return size


def _best_trial_by_cutting_planes(
    days: DailyProblem,
    planes: list[CuttingPlane],
    start: F64,
    gap: float,
    rounds: int,
    watch: Callable[[int, float, float], None] | None,
    *,
    whole: bool,
) -> tuple[SizeTrial, float, int]:
    """Return the best trial, the best bound and the rounds that it took."""
    master = MasterProblem(days, whole=whole, gap=gap)
    for plane in planes:
        master.add_cutting_plane(plane)
    best, bound, count = try_placement_size(days, start, whole=whole), -INF, 0
    _add_trial_cutting_plane(planes, master, best)
    if best.unserved_gpu_hours > 0:
        best = try_placement_size(
            days, _pool_sizes_with_shortage_added(days, best), whole=whole, cached=best
        )
        _add_trial_cutting_plane(planes, master, best)
    # Why: whole sizes need a little of the gap for themselves.
    goal = gap / 4 if days.problem.has_unit_steps_or_opening_costs and not whole else gap
    while count < rounds:
        count += 1
        wish, master_bound = master.solve_pool_sizes_and_cost_bound()
        rise, bound = master_bound - bound, max(bound, master_bound)
        if watch is not None:
            watch(count, bound, best.cost_usd)
        if best.cost_usd - bound <= goal * abs(best.cost_usd):
            break
        trial = try_placement_size(
            days, wish if whole else _damped_pool_sizes(best, wish, bound, rise), whole=whole
        )
        _add_trial_cutting_plane(planes, master, trial)
        if trial.cost_usd < best.cost_usd:
            best = trial
    return best, bound, count


def _add_trial_cutting_plane(
    planes: list[CuttingPlane], master: MasterProblem, trial: SizeTrial
) -> None:
    planes.append(trial.plane)
    master.add_cutting_plane(trial.plane)


def _damped_pool_sizes(best: SizeTrial, wished_size: F64, bound: float, bound_rise: float) -> F64:
    """Return sizes between the best and the wish, or the wish where the bound stands still."""
    scale = max(abs(best.cost_usd), 1e-12)
    gap = (best.cost_usd - bound) / scale
    weight = 0.95 if gap > 0.1 else 0.5 if gap > 0.01 and bound_rise > 1e-3 * scale else 0.0
    return weight * best.size + (1 - weight) * wished_size


def _first_pool_sizes(days: DailyProblem) -> F64:
    """Return sizes that suit a few days solved exactly and hold what any plan needs."""
    problem = days.problem
    load = problem.demand.sum(axis=0).reshape(-1, DAY).sum(axis=1)
    # The fullest day sets the sizes, two others say what an ordinary day saves; stable, so that
    # equal days are taken in the order of the calendar.
    order = np.argsort(-load, kind="stable")
    picked = np.unique(order[[0, len(order) // 3, (2 * len(order)) // 3]])
    hours = (picked[:, None] * DAY + np.arange(DAY)).ravel()
    share = len(picked) / days.days_in_problem
    few = replace(
        problem, demand=problem.demand[:, hours], run_usd=problem.run_usd[:, hours],
        carbon_kg=problem.carbon_kg[:, hours], size_usd=problem.size_usd * share,
        open_usd=np.zeros_like(problem.open_usd), unit=np.zeros_like(problem.unit),
    )  # fmt: skip
    model, layout = build_placement_model(few)
    for pools, need in gpus_needed_by_placement_pool_set(days):
        row = model.add_placement_model_rows(np.array([need]), np.array([INF]))
        model.add_placement_model_entries(
            np.repeat(row, len(pools)), layout.size[pools], np.ones(len(pools))
        )
    values = np.array(run_highs_on_placement(model, solver="simplex").getSolution().col_value)
    return np.minimum(values[layout.size] * FIRST_SIZE_FACTOR, problem.max_size)


def _pool_sizes_in_whole_units(problem: PlacementProblem, size: F64) -> F64:
    step = np.where(problem.unit > 0, problem.unit, 1.0)
    up = np.where(problem.unit > 0, np.ceil(size / step - 1e-6) * step, size)
    return np.where(up > problem.max_size + 1e-9, np.floor(problem.max_size / step) * step, up)


def _placement_plan_of_trial(
    days: DailyProblem, best: SizeTrial, bound: float, rounds: int
) -> PlacementPlan:
    problem = days.problem
    load = np.empty(problem.shape)
    load[days.order] = best.flow.transpose(1, 2, 0)
    opened = opened_placement_sites(problem, best.size)
    cost = float((problem.size_usd * best.size).sum() + problem.open_usd[opened].sum())
    cost += placement_running_cost_usd(problem, load)
    plan = PlacementPlan(
        size=best.size, opened=opened, load=load, cost_usd=cost,
        bound_usd=checked_placement_bound_usd(bound, cost),
        capacity_usd=best.mu.T.copy(), rounds=rounds,
    )  # fmt: skip
    check_placement_plan(problem, plan)
    return plan
