"""A million draws of correlated inputs, and what they say about the cost.

Inputs are joined by a Gaussian copula: normal scores are correlated, then each
score is carried to its marginal through a table of quantiles, so that a draw
costs a handful of additions. `reference_gpu_hour_costs_usd_of_scores` is the obvious reference.

Sobol indices are those of the independent scores *before* correlation, in the
order of the model: an input's share includes what it brings along in the inputs
that follow it (Saltelli et al. 2010, estimators of Jansen and Saltelli).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from commonwatt.core.errors import IdentityError
from commonwatt.core.jit import is_numba_compiler_loaded, njit
from commonwatt.core.messages import Message
from commonwatt.core.seeds import named_random_stream
from commonwatt.core.special import normal_cdf, normal_quantile
from commonwatt.siting.domain.cells import SiteCells
from commonwatt.siting.domain.cost_inputs import INPUTS, NAMES, PLACE, CostInputs
from commonwatt.siting.domain.errors import CellsError
from commonwatt.siting.engines.cost.arrays import (
    BLOCK,
    SCORE_CUT,
    STEPS,
    cost_inputs_interpolated_at_normal_scores,
    gpu_hour_costs_usd_in_arrays,
)
from commonwatt.siting.engines.cost.model import (
    levelised_compute_cost_usd_per_gpu_hour,
    levelised_cost_parts,
    total_gpu_hour_cost_usd,
)

F64 = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]

# Beyond, loading the compiler takes less time than the arrays.
_MOST_DRAWS_IN_ARRAYS: Final = 200_000
_FEW_DRAWS: Final = 8  # one by one they take less time than an array for each step of the law
# A row of inputs seen as a record, so that the law reads it by name: the same memory, where a
# named tuple built from the row in every draw took longer than the law itself.
BY_NAME: Final[Any] = np.dtype([(name, np.float64) for name in NAMES])

# Why: dear places pay more for land, people and power; scarce chips are dear chips; a
# long-lived server is worth more at refresh; waiting and building go together. Judgement, not
# measurement: change them with `correlations`.
CORRELATIONS: Final[Mapping[tuple[str, str], float]] = {
    ("server_usd_per_gpu", "hardware_price_ratio"): 0.3,
    ("server_usd_per_gpu", "network_usd_per_gpu"): 0.5,
    ("shell_usd_per_kw", "land_usd_per_kw"): 0.4,
    ("shell_usd_per_kw", "wage_usd_per_year"): 0.4,
    ("land_usd_per_kw", "wage_usd_per_year"): 0.4,
    ("tariff_usd_per_kwh", "demand_charge_usd_per_kw"): 0.4,
    ("build_months", "delay_months"): 0.3,
    ("hardware_life_years", "salvage_share"): -0.4,
    ("hardware_life_years", "faults_per_gpu"): -0.2,
    ("staff_per_mw", "shell_upkeep_share"): 0.2,
    ("pue_ratio", "tariff_usd_per_kwh"): -0.1,
    ("busy_draw_share", "idle_draw_share"): 0.3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CostDraws:
    """Cost of every draw, and its summary.

    Args:
        cost: LCOC [USD/GPU-hour], shape (draws,).
        p5: 5th percentile.
        p50: Median.
        p95: 95th percentile.
        mean: Mean.
    """

    cost: F64
    p5: float
    p50: float
    p95: float
    mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SobolIndices:
    """Share of the variance of the cost that each input explains, shape (inputs,)."""

    names: tuple[str, ...]
    first: F64
    total: F64


class CostSampler(NamedTuple):
    """A site's inputs ready to be drawn; a named tuple, because kernels take it whole.

    Args:
        table: Value of each input at each normal score, shape (inputs, STEPS + 1).
        row: Sparse Cholesky factor: input that gets a share, shape (links,).
        col: Score that the share comes from, shape (links,).
        weight: The share, shape (links,).
    """

    table: F64
    row: npt.NDArray[np.int64]
    col: npt.NDArray[np.int64]
    weight: F64


class ScoreGrid(NamedTuple):
    """The steps of the normal score at which the inputs of every site are tabled.

    Args:
        shares: Share of draws below each step, shape (STEPS + 1,).
        scores: Normal score of each share: the step itself but for rounding, shape (STEPS + 1,).
    """

    shares: F64
    scores: F64


def cost_normal_score_grid() -> ScoreGrid:
    """Return the steps of the score."""
    shares = normal_cdf(np.linspace(-SCORE_CUT, SCORE_CUT, STEPS + 1))
    return ScoreGrid(shares=shares, scores=normal_quantile(shares))


def site_cost_sampler(
    cells: SiteCells,
    correlations: Mapping[tuple[str, str], float] = CORRELATIONS,
    *,
    grid: ScoreGrid | None = None,
) -> CostSampler:
    """Return a site's sampler; the correlations must be able to hold together.

    Args:
        cells: The inputs of the site.
        correlations: Correlation of the normal scores of pairs of inputs.
        grid: What `cost_normal_score_grid` gives, where it is at hand.

    Raises:
        CellsError: The correlation matrix is not positive definite.
    """
    lower = cost_input_cholesky(correlations)
    # Most inputs stand alone, so that the factor is nearly the identity: only its links are
    # multiplied.
    row, col = np.nonzero(lower)
    # Distributions are evaluated once, at steps of the score: a draw then reads its quantiles
    # from a table and calls no quantile function.
    shares, scores = cost_normal_score_grid() if grid is None else grid
    table = np.array(
        [
            np.clip(cell.value.cost_input_quantiles(shares, scores), each.low, each.high)
            for cell, each in zip(cells.cells, INPUTS, strict=True)
        ]
    )
    return CostSampler(table=table, row=row, col=col, weight=np.ascontiguousarray(lower[row, col]))


def cost_input_cholesky(correlations: Mapping[tuple[str, str], float]) -> F64:
    """Return the Cholesky factor of the correlation matrix, shape (inputs, inputs)."""
    matrix = np.eye(len(NAMES))
    for (first, second), value in correlations.items():
        i, j = PLACE[first], PLACE[second]
        matrix[i, j] = matrix[j, i] = value
    try:
        return np.linalg.cholesky(matrix).astype(np.float64)
    except np.linalg.LinAlgError as error:
        raise CellsError(
            "correlations",
            found=Message("pairs that cannot all hold"),
            wanted=Message("a positive definite matrix"),
        ) from error


def draw_gpu_hour_costs(
    cells: SiteCells, *, draws: int, seed: int, sampler: CostSampler | None = None
) -> CostDraws:
    """Return the cost of `draws` draws of correlated inputs.

    Args:
        cells: The inputs of the site.
        draws: How many draws.
        seed: Their seed.
        sampler: What `site_cost_sampler` gives of the cells, where it is at hand.

    >>> from commonwatt.siting.domain.cells import site_cells
    >>> from commonwatt.siting.io.cells import load_cost_cells
    >>> cells = site_cells(load_cost_cells(), "us-virginia")
    >>> drawn = draw_gpu_hour_costs(cells, draws=2000, seed=1)
    >>> drawn.p5 < drawn.p50 < drawn.p95
    True
    """
    inputs = site_cost_sampler(cells) if sampler is None else sampler
    rng = named_random_stream(seed, f"siting.cost.{cells.site}")
    in_arrays = draws <= _MOST_DRAWS_IN_ARRAYS and not is_numba_compiler_loaded()
    cost = np.empty(draws)
    # Single precision is far finer than a step of the table, and half as much to fill.
    scores = np.empty((min(draws, BLOCK), len(NAMES)), np.float32)
    for start in range(0, draws, BLOCK):
        block = scores[: min(BLOCK, draws - start)]
        rng.standard_normal(out=block, dtype=np.float32)
        _fill_gpu_hour_costs(block, inputs, cost[start:], in_arrays=in_arrays)
    return gpu_hour_cost_summary(cost)


def reference_gpu_hour_costs_usd_of_scores(cells: SiteCells, scores: F32) -> F64:
    """Return the cost of given normal scores, one at a time: the obvious reference."""
    lower = cost_input_cholesky(CORRELATIONS)
    costs: list[float] = []
    for row in scores.astype(np.float64):
        shares = normal_cdf(np.clip(lower @ row, -SCORE_CUT, SCORE_CUT))
        values = [
            float(np.clip(cell.value.cost_input_quantile(float(share)), spec.low, spec.high))
            for cell, spec, share in zip(cells.cells, INPUTS, shares, strict=True)
        ]
        costs.append(levelised_compute_cost_usd_per_gpu_hour(CostInputs(*values)))
    return np.array(costs)


def site_gpu_hour_costs_usd_by_draw(
    cells: SiteCells, scores: F32, sampler: CostSampler | None = None
) -> F64:
    """Return the cost of given independent normal scores, shape (draws, inputs).

    Args:
        cells: The inputs of the site.
        scores: The scores.
        sampler: What `site_cost_sampler` gives of the cells, where it is at hand.
    """
    inputs = site_cost_sampler(cells) if sampler is None else sampler
    costs = np.empty(len(scores))
    in_arrays = len(scores) <= _MOST_DRAWS_IN_ARRAYS and not is_numba_compiler_loaded()
    _fill_gpu_hour_costs(scores, inputs, costs, in_arrays=in_arrays)
    return costs


def cost_inputs_of_normal_scores(sampler: CostSampler, scores: F32) -> F64:
    """Return the inputs that given independent normal scores stand for, shape (draws, inputs).

    They are read from the same table as the kernel reads them, so that the law can be
    recomputed from them without it.

    Args:
        sampler: What turns scores into the inputs of the site.
        scores: In the order of the cost law, shape (draws, inputs).
    """
    links = list(zip(sampler.row, sampler.col, sampler.weight, strict=True))
    return cost_inputs_interpolated_at_normal_scores(scores, sampler.table, links)


def gpu_hour_costs_usd_of_input_rows(inputs: F64) -> F64:
    """Return the cost of a useful GPU-hour for each row of inputs [USD], shape (rows,).

    Args:
        inputs: In the order of the cost law, shape (rows, inputs).
    """
    if len(inputs) <= _FEW_DRAWS and not is_numba_compiler_loaded():
        rows: list[list[float]] = inputs.tolist()
        return np.array([levelised_compute_cost_usd_per_gpu_hour(CostInputs(*row)) for row in rows])
    if len(inputs) <= _MOST_DRAWS_IN_ARRAYS and not is_numba_compiler_loaded():
        # Where Python and NumPy stop, compiled code goes on with an infinity or no number.
        with suppress(ArithmeticError, ValueError):
            return gpu_hour_costs_usd_in_arrays(inputs)
    costs = np.empty(len(inputs))
    _fill_gpu_hour_costs_of_inputs(np.ascontiguousarray(inputs), costs)
    return costs


def _fill_gpu_hour_costs(scores: F32, sampler: CostSampler, costs: F64, *, in_arrays: bool) -> None:
    """Fill the cost at independent scores, in arrays or compiled; both give the same bytes."""
    if in_arrays:
        with suppress(ArithmeticError, ValueError):
            costs[: len(scores)] = gpu_hour_costs_usd_in_arrays(
                cost_inputs_of_normal_scores(sampler, scores)
            )
            return
    _fill_gpu_hour_costs_of_scores(scores, sampler, costs)


def gpu_hour_cost_summary(costs_usd: F64) -> CostDraws:
    """Return percentiles and mean; check that every cost is a number."""
    if not np.isfinite(costs_usd).all():
        raise IdentityError("siting.cost", found=Message("a draw without a finite cost"))
    p5, p50, p95 = np.percentile(costs_usd, [5, 50, 95])
    return CostDraws(
        cost=costs_usd, p5=float(p5), p50=float(p50), p95=float(p95), mean=float(costs_usd.mean())
    )


def cost_sobol_indices(cells: SiteCells, *, draws: int, seed: int) -> SobolIndices:
    """Return first and total Sobol indices from `draws` base draws.

    Costs `draws * (inputs + 2)` runs of the model. First order by Saltelli et al.
    (2010) table 2 (b), total by Jansen (1999).
    """
    inputs, n = site_cost_sampler(cells), len(NAMES)
    rng = named_random_stream(seed, f"siting.sobol.{cells.site}")
    sums = np.zeros((n, 2))
    moments = np.zeros(3)
    for start in range(0, draws, BLOCK):
        size = min(BLOCK, draws - start)
        a = rng.standard_normal((size, n), dtype=np.float32)
        b = rng.standard_normal((size, n), dtype=np.float32)
        _add_block_to_cost_sobol_sums(a, b, inputs, sums, moments)
    mean = moments[0] / moments[2]
    # A cost without spread has no shares to give; they are zero then, and not a division by it.
    variance = max(moments[1] / moments[2] - mean * mean, 1e-300)
    return SobolIndices(
        names=NAMES,
        # The estimators are unbiased and may leave the interval by sampling error alone.
        first=np.clip(sums[:, 0] / draws / variance, 0, 1),
        total=np.clip(sums[:, 1] / (2 * draws) / variance, 0, 1),
    )


@njit()
def _cost_input_at_score(z: F64, i: int, table: F64) -> float:
    """Return input `i` at normal score `z[i]`, between two steps of its table."""
    place = (z[i] + SCORE_CUT) * (STEPS / (2.0 * SCORE_CUT))
    # Below the last step by a hair, so that the step above it always exists.
    place = min(max(place, 0.0), STEPS - 1e-9)
    step = int(place)
    low = table[i, step]
    return low + (table[i, step + 1] - low) * (place - step)


@njit()
def _gpu_hour_cost_usd_at_scores(
    scores: F32, sampler: CostSampler, z: F64, values: F64, named: Any
) -> float:
    """Return the cost at independent scores.

    Args:
        scores: The scores, shape (inputs,).
        sampler: What turns them into inputs.
        z: Scratch for the correlated scores, shape (inputs,).
        values: Scratch for the inputs, shape (inputs,).
        named: `values` as one record, shape (1,).
    """
    for i in range(z.shape[0]):
        z[i] = 0.0
    for k in range(sampler.row.shape[0]):
        z[sampler.row[k]] += sampler.weight[k] * scores[sampler.col[k]]
    for i in range(z.shape[0]):
        values[i] = _cost_input_at_score(z, i, sampler.table)
    return total_gpu_hour_cost_usd(levelised_cost_parts(named[0]))


@njit()
def _fill_gpu_hour_costs_of_scores(scores: F32, sampler: CostSampler, costs: F64) -> None:
    n = scores.shape[1]
    z, values = np.empty(n), np.empty(n)
    named = values.view(BY_NAME)
    for k in range(scores.shape[0]):
        costs[k] = _gpu_hour_cost_usd_at_scores(scores[k], sampler, z, values, named)


@njit()
def _fill_gpu_hour_costs_of_inputs(inputs: F64, costs: F64) -> None:
    for k in range(inputs.shape[0]):
        costs[k] = total_gpu_hour_cost_usd(levelised_cost_parts(inputs[k].view(BY_NAME)[0]))


@njit()
def _add_block_to_cost_sobol_sums(
    a: F32, b: F32, sampler: CostSampler, sums: F64, moments: F64
) -> None:
    """Add a block of base draws to the sums of the two estimators and to the moments."""
    n = a.shape[1]
    z, values = np.empty(n), np.empty(n)
    named = values.view(BY_NAME)
    for k in range(a.shape[0]):
        cost_a = _gpu_hour_cost_usd_at_scores(a[k], sampler, z, values, named)
        cost_b = _gpu_hour_cost_usd_at_scores(b[k], sampler, z, values, named)
        moments[0] += cost_a + cost_b
        moments[1] += cost_a * cost_a + cost_b * cost_b
        moments[2] += 2.0
        for i in range(n):
            # One input of `a` taken from `b` and put back: no matrix is copied for each input.
            score = a[k, i]
            a[k, i] = b[k, i]
            cost = _gpu_hour_cost_usd_at_scores(a[k], sampler, z, values, named)
            a[k, i] = score
            sums[i, 0] += cost_b * (cost - cost_a)
            sums[i, 1] += (cost_a - cost) * (cost_a - cost)
