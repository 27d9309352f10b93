"""What limits cost, and which of them cannot hold together.

A set of limits that cannot hold is made small by a deletion filter (Chinneck and
Dravnieks 1991): drop one limit after another, and keep only those without which the
rest can be met. What remains is irreducible; several orders are tried and the
smallest set wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np

from commonwatt.core.errors import InfeasibleError
from commonwatt.core.messages import Message, translate
from commonwatt.siting.domain.placement import (
    DAY,
    PlacementPlan,
    PlacementProblem,
    placement_carbon_kg,
)
from commonwatt.siting.engines.place.dayflow import solve_placement_day_unserved_gpu_hours
from commonwatt.siting.engines.place.decompose import (
    DailyProblem,
    cut_placement_into_days,
    placement_day_usd_per_gpu_hour,
    solve_placement_by_days,
)

UNLIMITED: Final = 1e12  # GPUs; finite, because infinity times a load of zero is no number


class LimitKind(StrEnum):
    """What kind of limit."""

    LATENCY = "latency"
    RESIDENCY = "residency"
    TYPE = "type"
    SIZE = "size"
    CARBON = "carbon"


@dataclass(frozen=True, slots=True, order=True)
class PlacementLimit:
    """One limit: a rule, and the class or pool that it binds (-1 for all)."""

    rule: LimitKind
    index: int

    def limit_description(self, problem: PlacementProblem) -> Message:
        """Return the limit in words."""
        match self.rule:
            case LimitKind.LATENCY:
                text = Message(
                    "the latency limit of {name}",
                    _placement_class_message_values(problem, self.index),
                )
            case LimitKind.RESIDENCY:
                text = Message(
                    "the data residency of {name}",
                    _placement_class_message_values(problem, self.index),
                )
            case LimitKind.TYPE:
                text = Message(
                    "the GPU type of {name}", _placement_class_message_values(problem, self.index)
                )
            case LimitKind.SIZE:
                name = problem.pool_names[self.index]
                most = f"{problem.max_size[self.index]:,.0f}"
                text = Message(
                    "the largest size of {name}, {most} GPUs", {"name": name, "most": most}
                )
            case LimitKind.CARBON:
                cap = f"{problem.carbon_cap_kg / 1000:,.1f}"
                text = Message("the carbon cap of {cap} t", {"cap": cap})
        return text


def _placement_class_message_values(problem: PlacementProblem, class_index: int) -> dict[str, str]:
    return {"name": problem.class_names[class_index]}


def smallest_placement_conflict(problem: PlacementProblem) -> tuple[PlacementLimit, ...]:
    """Return a smallest set of limits that cannot hold together; empty if all can."""
    limits = _all_placement_limits(problem)
    if _can_placement_limits_hold(problem, limits):
        return ()
    conflicts = [
        _conflicting_placement_limits(problem, order)
        for order in _placement_limit_trial_orders(limits)
    ]
    return min(conflicts, key=lambda each: (len(each), each))


@dataclass(frozen=True, slots=True)
class ListMessage(Message):
    """A sentence whose gap `names` is a list of messages, each said in the same language."""

    parts: tuple[Message, ...] = ()

    def translate(self, language: str) -> str:
        """Return the sentence with its list in `language`."""
        names = "; ".join(part.translate(language) for part in self.parts)
        return translate(self.text, language).format(names=names)

    def __str__(self) -> str:
        return self.translate("en")


def check_placement_feasible(problem: PlacementProblem) -> None:
    """Raise if the limits cannot all hold, naming the smallest set that cannot.

    Raises:
        InfeasibleError: With the limits in words.
    """
    conflict = smallest_placement_conflict(problem)
    if conflict:
        named = tuple(each.limit_description(problem) for each in conflict)
        raise InfeasibleError(
            "siting.place",
            found=ListMessage("limits that cannot hold together: {names}", parts=named),
            remedy=Message("Loosen any one of them."),
        )


def can_placement_be_feasible(problem: PlacementProblem) -> bool:
    """Return whether some plan keeps all limits."""
    return _can_placement_limits_hold(problem, _all_placement_limits(problem))


def _all_placement_limits(problem: PlacementProblem) -> list[PlacementLimit]:
    classes, pools, _ = problem.shape
    out = [
        PlacementLimit(rule, k)
        for rule, table in (
            (LimitKind.LATENCY, problem.latency_ok),
            (LimitKind.RESIDENCY, problem.residency_ok),
            (LimitKind.TYPE, problem.type_ok),
        )
        for k in range(classes)
        if not table[k].all() and problem.demand[k].any()
    ]
    out += [PlacementLimit(LimitKind.SIZE, j) for j in range(pools)]
    return out + (
        [PlacementLimit(LimitKind.CARBON, -1)] if np.isfinite(problem.carbon_cap_kg) else []
    )


def _placement_limit_trial_orders(limits: Sequence[PlacementLimit]) -> list[list[PlacementLimit]]:
    """Return the orders in which limits are tried, the last to go standing last."""
    sizes = [each for each in limits if each.rule is LimitKind.SIZE]
    rest = [each for each in limits if each.rule is not LimitKind.SIZE]
    # What stands last survives longest: one order would always blame the same kind of limit.
    return [sizes + rest, rest + sizes, sizes[::-1] + rest[::-1], rest[::-1] + sizes[::-1]]


def _conflicting_placement_limits(
    problem: PlacementProblem, order: list[PlacementLimit]
) -> tuple[PlacementLimit, ...]:
    remaining = list(order)
    # Eighths first: most limits are innocent, and dropping many at once saves most of the tests.
    for part in _placement_limit_chunks(order):
        tried = [each for each in remaining if each not in part]
        if not _can_placement_limits_hold(problem, tried):
            remaining = tried
    for limit in list(remaining):
        tried = [left for left in remaining if left != limit]
        if not _can_placement_limits_hold(problem, tried):
            remaining = tried
    return tuple(sorted(remaining))


def _placement_limit_chunks(order: list[PlacementLimit]) -> list[list[PlacementLimit]]:
    size = max(1, len(order) // 8)
    return [order[i : i + size] for i in range(0, len(order), size)]


def _can_placement_limits_hold(problem: PlacementProblem, limits: Sequence[PlacementLimit]) -> bool:
    limited = _least_carbon_placement_with_only_limits(problem, limits)
    if (limited.demand.any(axis=1) & ~limited.allowed_class_pools.any(axis=1)).any():
        return False
    # Days stand alone once the sizes are at their largest, and only the cap on carbon adds them
    # up: at the least carbon of each day, because it must hold for some plan and not for the
    # cheapest.
    days = cut_placement_into_days(limited)
    capped = PlacementLimit(LimitKind.CARBON, -1) in limits
    least = 0.0
    for day in _placement_day_numbers_heaviest_first(days):
        unserved, carbon = _placement_day_unserved_and_carbon_kg(days, int(day))
        least += carbon
        if unserved > 1e-7 * max(1.0, float(limited.demand.max())):
            return False
        if capped and least > limited.carbon_cap_kg * (1 + 1e-9):
            return False
    return True


def _least_carbon_placement_with_only_limits(
    problem: PlacementProblem, limits: Sequence[PlacementLimit]
) -> PlacementProblem:
    """Return the problem with every limit dropped that is not among `limits`."""
    tables = {
        LimitKind.LATENCY: problem.latency_ok.copy(),
        LimitKind.RESIDENCY: problem.residency_ok.copy(),
        LimitKind.TYPE: problem.type_ok.copy(),
    }
    wanted, size = set(limits), problem.max_size.copy()
    for rule, table in tables.items():
        for k in range(len(table)):
            if PlacementLimit(rule, k) not in wanted:
                table[k] = True
    for j in range(len(size)):
        if PlacementLimit(LimitKind.SIZE, j) not in wanted:
            size[j] = UNLIMITED
    return replace(
        problem, latency_ok=tables[LimitKind.LATENCY], residency_ok=tables[LimitKind.RESIDENCY],
        type_ok=tables[LimitKind.TYPE], max_size=size, run_usd=problem.carbon_kg,
        move_usd=np.zeros_like(problem.move_usd),
    )  # fmt: skip


def _placement_day_numbers_heaviest_first(days: DailyProblem) -> list[int]:
    # If any day fails it is likely the fullest, and the first failure ends the test.
    load = days.demand.sum(axis=1).reshape(-1, DAY).max(axis=1)
    return np.argsort(-load, kind="stable").tolist()


def _placement_day_unserved_and_carbon_kg(days: DailyProblem, day: int) -> tuple[float, float]:
    classes, pools, _ = days.problem.shape
    flow, mu = np.zeros((DAY, classes, pools)), np.zeros((DAY, pools))
    part, cost = slice(day * DAY, (day + 1) * DAY), placement_day_usd_per_gpu_hour(days, day)
    unserved = solve_placement_day_unserved_gpu_hours(
        cost, days.demand[part], days.reach, days.counts, days.max_size[part],
        days.problem.max_size, 1e9, flow, mu,
    )  # fmt: skip
    return unserved, float((cost * flow).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitPrice:
    """What a rule costs over the hours planned.

    Args:
        rule: Which rule, or the last GPU of a pool.
        what: In words.
        usd: What the plan would save without it [USD]; at least the first, at most
            the second, as both plans are only known to their gaps.
        share: The middle of that over the cost of the plan.
    """

    rule: LimitKind
    what: Message
    usd: tuple[float, float]
    share: float


def price_of_placement_limits(
    problem: PlacementProblem, plan: PlacementPlan, *, gap: float = 1e-4
) -> list[LimitPrice]:
    """Return what latency limits, residency rules and GPU types cost, each dropped alone."""
    out: list[LimitPrice] = []
    for rule, table in (
        (LimitKind.LATENCY, "latency_ok"),
        (LimitKind.RESIDENCY, "residency_ok"),
        (LimitKind.TYPE, "type_ok"),
    ):
        if getattr(problem, table).all():
            continue
        freed = replace(problem, **{table: np.ones_like(getattr(problem, table))})
        # Both costs are only known to their gaps, so the saving is an interval: best case of the
        # one against worst case of the other.
        without = solve_placement_by_days(freed, gap=gap)
        low = max(0.0, plan.bound_usd - without.cost_usd)
        high = max(0.0, plan.cost_usd - without.bound_usd)
        out.append(_placement_limit_price(rule, low, high, plan))
    return out


def _placement_limit_price(
    rule: LimitKind, low: float, high: float, plan: PlacementPlan
) -> LimitPrice:
    share = (low + high) / 2 / plan.cost_usd
    values = {"low": f"{low:,.0f}", "high": f"{high:,.0f}", "share": f"{100 * share:.1f}"}
    texts: dict[LimitKind, Callable[[], Message]] = {
        LimitKind.LATENCY: lambda: Message(
            "The latency limits together cost {low} to {high} USD, {share} percent of the plan.",
            values,
        ),
        LimitKind.RESIDENCY: lambda: Message(
            "The rules on where data may go cost {low} to {high} USD, {share} percent of the plan.",
            values,
        ),
        LimitKind.TYPE: lambda: Message(
            "Binding classes to GPU types costs {low} to {high} USD, {share} percent of the plan.",
            values,
        ),
    }
    return LimitPrice(rule=rule, what=texts[rule](), usd=(low, high), share=share)


def last_gpu_prices_of_built_placement_pools(
    problem: PlacementProblem, plan: PlacementPlan
) -> list[LimitPrice]:
    """Return, for every pool that is built, what its last GPU costs and saves."""
    out: list[LimitPrice] = []
    for j in np.flatnonzero(plan.size > 1e-6):
        worth, cost = float(plan.capacity_usd[j].sum()), float(problem.size_usd[j])
        full = int((plan.capacity_usd[j] > 1e-9).sum())
        text = Message(
            "The last GPU of {pool} costs {cost} USD and saves {worth} USD, "
            "in {full} of {hours} hours when the pool is full.",
            {
                "pool": problem.pool_names[j],
                "cost": f"{cost:,.2f}",
                "worth": f"{worth:,.2f}",
                "full": f"{full:,}",
                "hours": f"{problem.shape[2]:,}",
            },
        )
        out.append(
            LimitPrice(
                rule=LimitKind.SIZE, what=text, usd=(worth, worth), share=worth / plan.cost_usd
            )
        )
    return out


def placement_carbon_and_its_cost_message(
    problem: PlacementProblem, plan: PlacementPlan, usd_per_t: float
) -> Message:
    """Return the carbon of a plan and what its price adds, in words."""
    tonnes = placement_carbon_kg(problem, plan.load) / 1000
    return Message(
        "The load emits {tonnes} t; at {price} USD/t that is {usd} USD of the plan.",
        {
            "tonnes": f"{tonnes:,.1f}",
            "price": f"{usd_per_t:g}",
            "usd": f"{tonnes * usd_per_t:,.0f}",
        },
    )
