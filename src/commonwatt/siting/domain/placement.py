"""The placement problem as arrays, and a plan for it.

A *pool* is one GPU type at one site; a *class* is load of one origin that is
alike. A class with `defer_h` may wait that many hours, but not past the end of
its day (UTC), so that a year falls apart by day once the sizes are fixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.core.errors import IdentityError
from commonwatt.core.messages import Message
from commonwatt.siting.domain.errors import SeriesError

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
DAY: Final = 24
BOUND_ROUNDING: Final = 1e-6
"""What a bound may lie above the cost of a plan that HiGHS found, over that cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementProblem:
    """What to place and where it may go. K classes, J pools, S sites, T hours.

    Args:
        class_names: Names of the classes.
        pool_names: Names of the pools.
        site_names: Names of the sites.
        site: Site of each pool, shape (J,).
        demand: Load [GPU in use], shape (K, T).
        draw: Draw of a class over the rated draw of the pool, shape (K,).
        run_usd: Cost of one GPU of a pool for one hour at rated draw, energy and
            carbon price within [USD/GPU-hour], shape (J, T).
        move_usd: Transfer cost [USD/GPU-hour], shape (K, J).
        carbon_kg: Carbon of one GPU for one hour at rated draw [kg], shape (J, T).
        latency_ok: The pool is near enough for the class, shape (K, J).
        residency_ok: Its data may go there, shape (K, J).
        type_ok: Its GPU type will do, shape (K, J).
        defer_h: Hours that a class may wait, 0 for none, shape (K,).
        size_usd: Cost of one GPU of a pool over the hours planned [USD], shape (J,).
        open_usd: Cost of opening a site at all, over the hours planned [USD], shape (S,).
        unit: Step of sizes [GPU], 0 where any size will do, shape (J,).
        max_size: Largest size [GPU], shape (J,).
        carbon_cap_kg: Carbon over all hours at most [kg]; infinite without a cap.
    """

    class_names: tuple[str, ...]
    pool_names: tuple[str, ...]
    site_names: tuple[str, ...]
    site: I64
    demand: F64
    draw: F64
    run_usd: F64
    move_usd: F64
    carbon_kg: F64
    latency_ok: Bools
    residency_ok: Bools
    type_ok: Bools
    defer_h: I64
    size_usd: F64
    open_usd: F64
    unit: F64
    max_size: F64
    carbon_cap_kg: float = np.inf

    @property
    def shape(self) -> tuple[int, int, int]:
        """Classes, pools, hours."""
        return len(self.class_names), len(self.pool_names), self.demand.shape[1]

    @property
    def allowed_class_pools(self) -> Bools:
        """Return where each class may run, shape (K, J)."""
        return self.latency_ok & self.residency_ok & self.type_ok & (self.max_size > 0)

    @property
    def has_unit_steps_or_opening_costs(self) -> bool:
        """Return whether a size has a step or a site an opening cost."""
        return bool((self.unit > 0).any() or (self.open_usd > 0).any())

    def unserved_penalty_usd_per_gpu_hour(self) -> float:
        """Return a cost of unserved load above that of a GPU for it alone [USD/GPU-hour].

        Any penalty leaves the bounds of `decompose` true; this one is dear enough that
        no load of more than a few GPU-hours stays unserved, and no dearer, because
        HiGHS adds it to small numbers.
        """
        # 25 GPU-hours left out already cost more than opening a site for them.
        dearest = self.size_usd.max(initial=0.0) + self.open_usd.max(initial=0.0) / 100
        spread = float(np.ptp(self.run_usd) + self.move_usd.max(initial=0.0))
        return float(4 * dearest + 2 * spread + np.abs(self.run_usd).max() + 1e-3)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementPlan:
    """A feasible answer, and how good it is.

    Args:
        size: GPUs of each pool, shape (J,).
        opened: Sites opened, shape (S,).
        load: Load by class, pool and hour [GPU], shape (K, J, T).
        cost_usd: Cost of this plan [USD].
        bound_usd: No plan can cost less [USD].
        capacity_usd: Shadow price of one more GPU, hour by hour [USD/GPU-hour], shape (J, T).
        rounds: Rounds of the method.
    """

    size: F64
    opened: Bools
    load: F64
    cost_usd: float
    bound_usd: float
    capacity_usd: F64
    rounds: int = 1

    @property
    def optimality_gap_share(self) -> float:
        """Return the proved distance from the best plan, over its cost [share]."""
        return max(0.0, self.cost_usd - self.bound_usd) / max(abs(self.cost_usd), 1e-12)


def checked_placement_bound_usd(bound_usd: float, cost_usd: float) -> float:
    """Return a bound, at most the cost; more than rounding above it, it is no bound.

    Raises:
        IdentityError: The bound lies above the cost of a plan: one of the two is wrong.

    >>> checked_placement_bound_usd(99.0, 100.0), checked_placement_bound_usd(100.0 + 1e-9, 100.0)
    (99.0, 100.0)
    """
    if not bound_usd - cost_usd <= BOUND_ROUNDING * max(abs(cost_usd), 1.0):
        raise IdentityError(
            "siting.place",
            found=Message(
                "a lower bound of {bound} USD above the cost of {cost} USD",
                {"bound": repr(bound_usd), "cost": repr(cost_usd)},
            ),
        )
    return min(bound_usd, cost_usd)


def check_placement_series_whole_days(problem: PlacementProblem) -> None:
    """Raise unless every series covers the same whole days without a hole."""
    hours = problem.demand.shape[1]
    for name, series in (("run_usd", problem.run_usd), ("carbon_kg", problem.carbon_kg)):
        if series.shape[1] != hours:
            raise SeriesError(
                name,
                found=Message("{count} hours", {"count": str(series.shape[1])}),
                wanted=Message("{count} hours", {"count": str(hours)}),
            )
    if hours % DAY:
        raise SeriesError(
            "demand",
            found=Message("{count} hours", {"count": str(hours)}),
            wanted=Message("whole days of 24 hours"),
        )
    for name, series in (("demand", problem.demand), ("run_usd", problem.run_usd)):
        if not np.isfinite(series).all():
            raise SeriesError(name, found=Message("a missing hour"), wanted=Message("every hour"))


def placement_running_cost_usd(problem: PlacementProblem, load: F64) -> float:
    """Return the cost of a load over all hours, in a fixed order [USD]."""
    # Classes first, then pools and hours: a sum in another order differs in its last digits,
    # and a plan must cost the same bytes on one core or many.
    by_pool = np.einsum("k,kjt->jt", problem.draw, load)
    moved = np.einsum("kj,kjt->", problem.move_usd, load)
    return float((by_pool * problem.run_usd).sum() + moved)


def placement_plan_cost_usd(
    problem: PlacementProblem, size: F64, opened: Bools, load: F64
) -> float:
    """Return what a plan costs altogether [USD]."""
    fixed = float((problem.size_usd * size).sum() + problem.open_usd[opened].sum())
    return fixed + placement_running_cost_usd(problem, load)


def placement_carbon_kg(problem: PlacementProblem, load: F64) -> float:
    """Return the carbon of a load over all hours [kg]."""
    return float((np.einsum("k,kjt->jt", problem.draw, load) * problem.carbon_kg).sum())


def deferred_load_limit_by_class_and_hour(problem: PlacementProblem) -> F64:
    """Return how much load of a class may wait at the end of each hour, shape (K, T).

    Load that arrived in hour `t` must run by `t + defer_h` and within its day, so
    what waits at the end of an hour arrived in the last `defer_h` hours of that day.
    """
    classes, _, hours = problem.shape
    out = np.zeros((classes, hours // DAY, DAY))
    for k in np.flatnonzero(problem.defer_h):
        arrived = np.cumsum(problem.demand[k].reshape(-1, DAY), axis=1)
        wait = min(int(problem.defer_h[k]), DAY)
        # Load of the day before is gone from the sum: no class waits past its midnight.
        out[k] = arrived
        out[k, :, wait:] -= arrived[:, : DAY - wait]
        out[k, :, -1] = 0.0  # at the day's last hour everything has run
    return out.reshape(classes, hours)


def check_placement_plan(
    problem: PlacementProblem, plan: PlacementPlan, *, tolerance: float = 1e-6
) -> None:
    """Raise unless load is conserved and every limit holds.

    Raises:
        IdentityError: A bug; the plan is withheld.
    """
    # Relative to the largest load, because HiGHS keeps its own tolerance in its own scale.
    scale = max(1.0, float(problem.demand.max()))
    waits = np.cumsum(_placement_series_by_day(problem.demand - plan.load.sum(axis=1)), axis=-1)
    limit = _placement_series_by_day(deferred_load_limit_by_class_and_hour(problem))
    step = np.where(problem.unit > 0, problem.unit, 1.0)
    whole = np.where(problem.unit > 0, np.rint(plan.size / step) * step, plan.size)
    faults = {
        "load that runs before it arrives or too late": max(
            float(-waits.min()), float((waits - limit).max())
        ),
        "load at a place where it may not run": float(
            (plan.load.max(axis=2) * ~problem.allowed_class_pools).max()
        ),
        "load over the size of a pool": float((plan.load.sum(axis=0) - plan.size[:, None]).max()),
        "negative load": float(-plan.load.min()),
        "size over its limit": float((plan.size - problem.max_size).max()),
        "size between whole units": float(np.abs(plan.size - whole).max()),
    }
    for name, excess in faults.items():
        if excess > tolerance * scale:
            raise IdentityError(
                "siting.place",
                found=Message("{name}: {excess}", {"name": name, "excess": f"{excess:.3g}"}),
            )


def _placement_series_by_day(hourly_series: F64) -> F64:
    return hourly_series.reshape(hourly_series.shape[0], -1, DAY)
