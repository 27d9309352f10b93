"""What the draws of every site share, cached beside the stages that draw them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from commonwatt.runs import Stage, StageResult, StageStore
from commonwatt.siting.domain.cells import SiteCells
from commonwatt.siting.engines.cost.arrays import SCORE_CUT, STEPS
from commonwatt.siting.engines.cost.chance import (
    CostSampler,
    ScoreGrid,
    cost_normal_score_grid,
    site_cost_sampler,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreGridStageInputs:
    """What decides the steps at which inputs are tabled: where they end and how many there are."""

    cut: float = SCORE_CUT
    steps: int = STEPS


def compute_cost_sampler_score_grid(_: ScoreGridStageInputs) -> StageResult:
    """Return the steps as a table."""
    return StageResult(data={}, tables={"grid": pl.DataFrame(cost_normal_score_grid()._asdict())})


SCORE_GRID_STAGE: Final = Stage(name="score-grid", compute=compute_cost_sampler_score_grid)


def site_cost_sampler_with_cached_grid(cells: SiteCells, parts: StageStore | None) -> CostSampler:
    """Return a site's sampler; the normal distribution is asked once a store, not once a study.

    Args:
        cells: The inputs of the site.
        parts: Where the steps are cached; without it nowhere.
    """
    if parts is None:
        return site_cost_sampler(cells)
    grid = parts.get_or_compute(SCORE_GRID_STAGE, ScoreGridStageInputs()).tables["grid"]
    steps = ScoreGrid(shares=grid["shares"].to_numpy(), scores=grid["scores"].to_numpy())
    return site_cost_sampler(cells, grid=steps)
