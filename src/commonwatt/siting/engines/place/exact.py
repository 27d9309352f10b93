"""The whole problem in one call of HiGHS, its model built from arrays."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import highspy  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
import numpy.typing as npt

from commonwatt.core.errors import InfeasibleError
from commonwatt.core.messages import Message
from commonwatt.siting.domain.placement import (
    F64,
    I64,
    PlacementPlan,
    PlacementProblem,
    check_placement_plan,
    check_placement_series_whole_days,
    checked_placement_bound_usd,
    deferred_load_limit_by_class_and_hour,
    placement_plan_cost_usd,
)

INF: Final = float("inf")
_HIGHS: Any = highspy


@dataclass(slots=True)
class MixedIntegerModel:
    """Columns and rows under construction; entries are (row, column, value)."""

    cost: list[F64]
    low: list[F64]
    high: list[F64]
    row_low: list[F64]
    row_high: list[F64]
    rows: list[I64]
    cols: list[I64]
    values: list[F64]
    integer: list[npt.NDArray[np.bool_]]
    columns: int = 0
    height: int = 0

    def add_placement_model_columns(
        self, cost: F64, low: F64, high: F64, *, integer: bool = False
    ) -> I64:
        """Return the indices of new columns."""
        self.cost.append(cost)
        self.low.append(low)
        self.high.append(high)
        self.integer.append(np.full(len(cost), integer))
        self.columns += len(cost)
        return np.arange(self.columns - len(cost), self.columns)

    def add_placement_model_rows(self, low: F64, high: F64) -> I64:
        """Return the indices of new rows."""
        self.row_low.append(low)
        self.row_high.append(high)
        self.height += len(low)
        return np.arange(self.height - len(low), self.height)

    def add_placement_model_entries(self, rows: I64, cols: I64, values: F64) -> None:
        """Add coefficients; the three have the same shape."""
        self.rows.append(rows.ravel())
        self.cols.append(cols.ravel())
        self.values.append(values.ravel())


def empty_placement_model() -> MixedIntegerModel:
    """Return a model without rows and columns."""
    return MixedIntegerModel([], [], [], [], [], [], [], [], [])


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableLayout:
    """Where each decision stands among the columns and rows.

    Args:
        pairs: Class and pool of each allowed pair, shape (P, 2).
        load: Columns of the load, shape (P, T).
        size: Columns of sizes, in steps where there is one, shape (J,).
        opened: Columns of open sites, shape (S,); empty where no site costs to open.
        capacity: Rows of capacity, shape (J, T).
    """

    pairs: I64
    load: I64
    size: I64
    opened: I64
    capacity: I64


def solve_placement_exactly(
    problem: PlacementProblem, *, solver: str = "choose", gap: float = 1e-9
) -> PlacementPlan:
    """Return the best plan from one call of HiGHS.

    Args:
        problem: What to place.
        solver: "choose", "simplex" or "ipm".
        gap: Relative gap at which HiGHS may stop where sizes are discrete.

    Raises:
        InfeasibleError: The limits cannot all hold.
    """
    check_placement_series_whole_days(problem)
    model, layout = build_placement_model(problem)
    highs = run_highs_on_placement(model, solver=solver, gap=gap)
    return _placement_plan_of_highs(problem, layout, highs)


def build_placement_model(problem: PlacementProblem) -> tuple[MixedIntegerModel, VariableLayout]:
    """Return the model of a problem and where its decisions stand."""
    model = empty_placement_model()
    pairs, load = _add_placement_load_columns(problem, model)
    _add_placement_balance_rows(problem, model, pairs, load)
    size, opened = _add_pool_size_columns(problem, model)
    capacity = _add_pool_capacity_rows(problem, model, pairs, load, size)
    _add_placement_carbon_cap_row(problem, model, pairs, load)
    layout = VariableLayout(pairs=pairs, load=load, size=size, opened=opened, capacity=capacity)
    return model, layout


def _add_placement_load_columns(
    problem: PlacementProblem, model: MixedIntegerModel
) -> tuple[I64, I64]:
    pairs = np.argwhere(problem.allowed_class_pools).astype(np.int64)
    k, j = pairs[:, 0], pairs[:, 1]
    hours = problem.shape[2]
    cost = problem.draw[k, None] * problem.run_usd[j] + problem.move_usd[k, j][:, None]
    flat = cost.ravel()
    cols = model.add_placement_model_columns(flat, np.zeros(len(flat)), np.full(len(flat), INF))
    return pairs, cols.reshape(len(pairs), hours)


def _add_placement_balance_rows(
    problem: PlacementProblem, model: MixedIntegerModel, pairs: I64, load: I64
) -> None:
    """Add, per class and hour: load run + waiting after - waiting before = arrivals."""
    classes, _, hours = problem.shape
    arrivals = problem.demand.ravel()
    rows = model.add_placement_model_rows(arrivals, arrivals).reshape(classes, hours)
    model.add_placement_model_entries(rows[pairs[:, 0]], load, np.ones(load.shape))
    # Only hours at whose end load may wait get a variable: most classes cannot wait at all.
    limit = deferred_load_limit_by_class_and_hour(problem)
    k, t = np.nonzero(limit > 0)
    waits = model.add_placement_model_columns(np.zeros(len(k)), np.zeros(len(k)), limit[k, t])
    model.add_placement_model_entries(rows[k, t], waits, np.ones(len(k)))
    model.add_placement_model_entries(rows[k, t + 1], waits, -np.ones(len(k)))


def _add_pool_size_columns(problem: PlacementProblem, model: MixedIntegerModel) -> tuple[I64, I64]:
    pools, sites = len(problem.pool_names), len(problem.site_names)
    step = np.where(problem.unit > 0, problem.unit, 1.0)
    # The last whole step below the largest size: a ceiling between two steps cannot be built.
    most = np.where(problem.unit > 0, np.floor(problem.max_size / step + 1e-9), problem.max_size)
    cols = [
        model.add_placement_model_columns(
            problem.size_usd[j : j + 1] * step[j], np.zeros(1), most[j : j + 1],
            integer=bool(problem.unit[j] > 0),
        )
        for j in range(pools)
    ]  # fmt: skip
    size = np.concatenate(cols)
    # Without opening costs no site needs a yes or no, and the model stays linear.
    if not (problem.open_usd > 0).any():
        return size, np.empty(0, np.int64)
    opened = model.add_placement_model_columns(
        problem.open_usd, np.zeros(sites), np.ones(sites), integer=True
    )
    rows = model.add_placement_model_rows(np.full(pools, -INF), np.zeros(pools))
    model.add_placement_model_entries(rows, size, np.ones(pools))
    model.add_placement_model_entries(rows, opened[problem.site], -most)
    return size, opened


def _add_pool_capacity_rows(
    problem: PlacementProblem, model: MixedIntegerModel, pairs: I64, load: I64, size: I64
) -> I64:
    _, pools, hours = problem.shape
    rows = model.add_placement_model_rows(np.full(pools * hours, -INF), np.zeros(pools * hours))
    rows = rows.reshape(pools, hours)
    model.add_placement_model_entries(rows[pairs[:, 1]], load, np.ones(load.shape))
    step = np.where(problem.unit > 0, problem.unit, 1.0)
    model.add_placement_model_entries(
        rows, np.repeat(size[:, None], hours, axis=1), -np.repeat(step[:, None], hours, axis=1)
    )
    return rows


def _add_placement_carbon_cap_row(
    problem: PlacementProblem, model: MixedIntegerModel, pairs: I64, load: I64
) -> None:
    if not np.isfinite(problem.carbon_cap_kg):
        return
    row = model.add_placement_model_rows(np.array([-INF]), np.array([problem.carbon_cap_kg]))
    carbon = problem.draw[pairs[:, 0], None] * problem.carbon_kg[pairs[:, 1]]
    model.add_placement_model_entries(np.full(load.shape, row[0]), load, carbon)


def run_highs_on_placement(
    model: MixedIntegerModel, *, solver: str = "choose", gap: float = 1e-9
) -> Any:
    """Return HiGHS after solving `model`.

    Raises:
        InfeasibleError: No plan exists.
    """
    highs = new_highs_placement_solver(solver, gap)
    highs.passModel(placement_model_as_highs_lp(model))
    highs.run()
    status = highs.getModelStatus()
    if status != _HIGHS.HighsModelStatus.kOptimal:
        raise InfeasibleError(
            "siting.place",
            found=Message(
                "no plan within all limits ({status})", {"status": str(status).split(".k")[-1]}
            ),
            remedy=Message("Ask for the smallest set of limits that cannot hold together."),
        )
    return highs


def new_highs_placement_solver(solver: str, gap: float) -> Any:
    """Return a quiet HiGHS on one thread, so that a run repeats itself."""
    _let_highs_print_its_banner_nowhere()
    highs = _HIGHS.Highs()
    for name, value in (
        ("output_flag", False), ("threads", 1), ("solver", solver), ("mip_rel_gap", gap),
        ("random_seed", 1),
    ):  # fmt: skip
        highs.setOptionValue(name, value)
    return highs


@cache
def _let_highs_print_its_banner_nowhere() -> None:
    """Make the first solver of the process while its standard output leads nowhere.

    From release 1.16 on HiGHS prints its licence to standard output when the first solver is
    made, before any option can forbid it; there it would stand in front of `--json`.
    """
    try:
        stdout = os.dup(1)
    except OSError:  # closed: there is nothing to keep clean
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        _HIGHS.Highs()
        # The lines stand in the buffer of C and would come out after the descriptor is back.
        ctypes.CDLL(None).fflush(None)
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
        os.close(nowhere)


def placement_model_as_highs_lp(model: MixedIntegerModel) -> Any:
    """Return the model as HiGHS takes it, rows compressed."""
    rows, cols = np.concatenate(model.rows), np.concatenate(model.cols)
    # Stable, so that entries keep their order: where costs tie HiGHS may go by it, and the same
    # problem must give the same plan.
    order = np.argsort(rows, kind="stable")
    lp = _HIGHS.HighsLp()
    lp.num_col_, lp.num_row_ = model.columns, model.height
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = (
        np.concatenate(part) for part in (model.cost, model.low, model.high)
    )
    lp.row_lower_, lp.row_upper_ = np.concatenate(model.row_low), np.concatenate(model.row_high)
    lp.a_matrix_.format_ = _HIGHS.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.searchsorted(rows[order], np.arange(model.height + 1)).astype(np.int32)
    lp.a_matrix_.index_ = cols[order].astype(np.int32)
    lp.a_matrix_.value_ = np.concatenate(model.values)[order]
    integer = np.concatenate(model.integer)
    if integer.any():
        kinds = (_HIGHS.HighsVarType.kContinuous, _HIGHS.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(each)] for each in integer]
    return lp


def _placement_plan_of_highs(
    problem: PlacementProblem, layout: VariableLayout, highs: Any
) -> PlacementPlan:
    solution = highs.getSolution()
    values = np.array(solution.col_value)
    load = np.zeros(problem.shape)
    # HiGHS may leave loads just below zero, inside its tolerance; a schedule has none.
    load[layout.pairs[:, 0], layout.pairs[:, 1]] = np.maximum(values[layout.load], 0.0)
    step = np.where(problem.unit > 0, problem.unit, 1.0)
    size = values[layout.size]
    size = np.where(problem.unit > 0, np.rint(size), size) * step
    opened = opened_placement_sites(problem, size)
    cost = placement_plan_cost_usd(problem, size, opened, load)
    info = highs.getInfo()
    bound = (
        float(info.mip_dual_bound)
        if problem.has_unit_steps_or_opening_costs
        else float(info.objective_function_value)
    )
    duals = np.array(solution.row_dual)
    # HiGHS gives duals of a minimum: one more GPU lowers the cost, so the sign turns.
    capacity = -duals[layout.capacity] if len(duals) else np.zeros(layout.capacity.shape)
    plan = PlacementPlan(
        size=size, opened=opened, load=load, cost_usd=cost,
        bound_usd=checked_placement_bound_usd(bound, cost),
        capacity_usd=np.maximum(capacity, 0.0),
    )  # fmt: skip
    # HiGHS keeps rows to a tolerance of its own, in a scale of its own.
    check_placement_plan(problem, plan, tolerance=1e-5)
    return plan


def opened_placement_sites(problem: PlacementProblem, size: F64) -> npt.NDArray[np.bool_]:
    """Return which sites have any GPU, shape (S,)."""
    total = np.zeros(len(problem.site_names))
    np.add.at(total, problem.site, size)
    return total > 1e-9
