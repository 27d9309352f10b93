"""Speed of the siting wing: draws, Sobol, a year of PUE, and placement beside HiGHS.

Run: .venv/bin/python bench/siting_speed.py [--long]
--long adds interior point, whole sizes with opening costs (HiGHS takes minutes) and a year.
Times are CPU seconds of one process; each ratio is to HiGHS in the same run.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from commonwatt.siting.domain.cells import site_cells
from commonwatt.siting.engines.cost.chance import cost_sobol_indices, draw_gpu_hour_costs
from commonwatt.siting.engines.place.decompose import solve_placement_by_days
from commonwatt.siting.engines.place.exact import solve_placement_exactly
from commonwatt.siting.io.cells import load_cost_cells
from tests.siting_problems import lifelike_problem


def cpu(function, *arguments, **options):
    start = time.process_time()
    result = function(*arguments, **options)
    return time.process_time() - start, result


def row(what, seconds, more=""):
    print(f"{what:<58}{seconds:>9.2f} s  {more}", flush=True)


def draws():
    cells = site_cells(load_cost_cells(), "cn-west")
    draw_gpu_hour_costs(cells, draws=1000, seed=1), cost_sobol_indices(cells, draws=100, seed=1)
    row(
        "1,000,000 draws of 29 correlated inputs",
        cpu(draw_gpu_hour_costs, cells, draws=1_000_000, seed=1)[0],
    )
    seconds, _ = cpu(cost_sobol_indices, cells, draws=32_768, seed=1)
    row("Sobol, 32,768 base draws (1,015,808 runs of the model)", seconds)


def placement(hours, gap, reach, solvers, discrete=False):
    options = {"unit": 50.0, "opening": 2e6} if discrete else {}
    problem = lifelike_problem(hours, reach=reach, **options)
    pairs = int(problem.allowed_class_pools.sum())
    label = (
        f"{hours} h, 30 regions, 20 classes, {pairs} of 600 pairs{', whole, opening' * discrete}"
    )
    times = {}
    for solver in solvers:
        seconds, plan = cpu(solve_placement_exactly, problem, solver=solver, gap=gap)
        times[solver] = seconds
        row(f"{label}: HiGHS {solver}", seconds, f"cost {plan.cost_usd:,.0f}")
    seconds, plan = cpu(solve_placement_by_days, problem, gap=gap)
    ratio = f", {seconds / min(times.values()):.2f} of the best HiGHS call" if times else ""
    row(
        f"{label}: by days",
        seconds,
        f"gap {plan.optimality_gap_share:.1e}, {plan.rounds} rounds{ratio}",
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--long", action="store_true")
    options = parser.parse_args()
    draws()
    solve_placement_by_days(lifelike_problem(48), gap=1e-3)
    placement(168, 1e-4, 1.0, ("simplex",))
    for reach in (1.0, 2.0, 10.0):
        placement(672, 1e-4, reach, ("simplex",))
    if options.long:
        placement(672, 1e-4, 1.0, ("ipm",))
        placement(672, 1e-4, 1.0, ("choose",), discrete=True)
        placement(8760, 1e-3, 1.0, ())
        placement(8760, 1e-3, 2.0, ())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory {peak:.2f} GB")


if __name__ == "__main__":
    main()
