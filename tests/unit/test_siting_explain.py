"""Conflicts are named by their smallest set; limits have a price."""

from dataclasses import replace

import numpy as np
import pytest

from commonwatt.core.errors import InfeasibleError
from commonwatt.siting.domain.placement import placement_carbon_kg
from commonwatt.siting.engines.place.decompose import solve_placement_by_days
from commonwatt.siting.engines.place.exact import solve_placement_exactly
from commonwatt.siting.engines.place.explain import (
    LimitKind,
    PlacementLimit,
    can_placement_be_feasible,
    check_placement_feasible,
    last_gpu_prices_of_built_placement_pools,
    price_of_placement_limits,
    smallest_placement_conflict,
)
from tests.siting_problems import random_problem


def roomy(seed=1):
    problem = random_problem(seed)
    return replace(problem, max_size=problem.max_size * 10, demand=problem.demand + 1)


def test_limits_that_can_hold_have_no_conflict():
    assert smallest_placement_conflict(roomy()) == ()
    assert can_placement_be_feasible(roomy())
    check_placement_feasible(roomy())


def test_latency_and_residency_that_share_no_pool_are_named():
    problem = roomy()
    near, home = problem.latency_ok.copy(), problem.residency_ok.copy()
    near[2], home[2] = False, False
    near[2, 0] = home[2, 1] = True
    broken = replace(problem, latency_ok=near, residency_ok=home)
    assert set(smallest_placement_conflict(broken)) == {
        PlacementLimit(LimitKind.LATENCY, 2),
        PlacementLimit(LimitKind.RESIDENCY, 2),
    }
    with pytest.raises(
        InfeasibleError, match="latency limit of class-2.*data residency of class-2"
    ):
        check_placement_feasible(broken)


def test_a_size_too_small_for_a_bound_class_is_named_with_its_limit():
    problem = roomy()
    near, size = problem.latency_ok.copy(), problem.max_size.copy()
    near[0] = False
    near[0, 3], size[3] = True, 0.5
    conflict = smallest_placement_conflict(replace(problem, latency_ok=near, max_size=size))
    assert set(conflict) == {
        PlacementLimit(LimitKind.LATENCY, 0),
        PlacementLimit(LimitKind.SIZE, 3),
    }


def test_a_carbon_cap_below_the_least_carbon_is_named():
    problem = roomy()
    low = replace(problem, run_usd=problem.carbon_kg, move_usd=problem.move_usd * 0)
    least = placement_carbon_kg(
        low, solve_placement_exactly(replace(low, size_usd=low.size_usd * 0)).load
    )
    conflict = smallest_placement_conflict(replace(problem, carbon_cap_kg=least * 0.5))
    assert PlacementLimit(LimitKind.CARBON, -1) in conflict
    assert can_placement_be_feasible(replace(problem, carbon_cap_kg=least * 1.01))


def test_every_member_of_a_conflict_is_needed():
    problem = roomy()
    size = np.full(len(problem.max_size), 5.0)
    broken = replace(problem, max_size=size, latency_ok=np.ones_like(problem.latency_ok))
    conflict = smallest_placement_conflict(broken)
    assert {each.rule for each in conflict} == {LimitKind.SIZE}
    assert len(conflict) == len(size)


def test_dropping_the_latency_limits_saves_what_two_exact_plans_differ_by():
    problem = roomy(7)
    plan = solve_placement_by_days(problem, gap=1e-6)
    (price,) = price_of_placement_limits(problem, plan, gap=1e-6)
    free = solve_placement_exactly(replace(problem, latency_ok=np.ones_like(problem.latency_ok)))
    saved = solve_placement_exactly(problem).cost_usd - free.cost_usd
    assert price.usd[0] - 1e-6 <= saved <= price.usd[1] + 1e-6
    assert "latency" in str(price.what)


def test_at_the_optimum_the_last_gpu_saves_what_it_costs():
    problem = roomy(3)
    plan = solve_placement_exactly(problem)
    for price, j in zip(
        last_gpu_prices_of_built_placement_pools(problem, plan),
        np.flatnonzero(plan.size > 1e-6),
        strict=True,
    ):
        if plan.size[j] < problem.max_size[j] * 0.999:
            assert np.isclose(price.usd[0], problem.size_usd[j], rtol=1e-6)
