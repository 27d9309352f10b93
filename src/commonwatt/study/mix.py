"""The cost of a GPU-hour over several sites, each weighted by the GPU time that it served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from commonwatt.core.seeds import named_random_stream
from commonwatt.core.special import normal_cdf
from commonwatt.runs import Stage, StageResult, StageStore
from commonwatt.siting.domain.cost_inputs import NAMES
from commonwatt.siting.engines.cost.chance import (
    cost_inputs_of_normal_scores,
    gpu_hour_costs_usd_of_input_rows,
    site_gpu_hour_costs_usd_by_draw,
)
from commonwatt.study.stages.basis import DRAWS_WITH_INPUTS, study_site_draw_inputs_frame
from commonwatt.study.stages.samplers import site_cost_sampler_with_cached_grid
from commonwatt.study.stages.sites import (
    RENT,
    StudyCostedSite,
    StudyCostInput,
    StudyInputKey,
    study_cost_model_input_index_or_none,
    study_rented_gpu_hour_usd,
)
from commonwatt.study.tables import BASIS_MIX_DRAW_INPUTS, BASIS_MIX_DRAWS

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class StudyMixSite:
    """One site of a mix, ready to be costed many times.

    Args:
        site: The site.
        weight: Its share of the GPU time of the mix.
        medians: Medians of its inputs by key, in the order of the cost model; of the price
            alone where it is rented.
    """

    site: StudyCostedSite
    weight: float
    medians: dict[StudyInputKey, float]

    @cached_property
    def median_gpu_hour_usd(self) -> float:
        """Cost of a useful GPU-hour at the medians of every input [USD]."""
        return float(self.gpu_hour_costs_usd({}, 1)[0])

    def gpu_hour_costs_usd(self, moved: Mapping[StudyInputKey, F64], count: int) -> F64:
        """Return the cost of a useful GPU-hour with some inputs moved [USD], shape (count,)."""
        # In the order of the cost model, which takes them by position.
        rows = np.tile(list(self.medians.values()), (count, 1))
        for place, key in enumerate(self.medians):
            if key in moved:
                rows[:, place] = moved[key]
        if self.site.cells is not None:
            return gpu_hour_costs_usd_of_input_rows(rows)
        site, use = self.site.site, self.site.use
        prices: list[float] = rows[:, 0].tolist()
        return np.array([study_rented_gpu_hour_usd(price, site, use) for price in prices])


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySiteDraws:
    """What was drawn at one site of a mix.

    Args:
        name: The site.
        gpu_hour_usd: Cost of a useful GPU-hour in each draw [USD], shape (draws,).
        inputs: Names of the inputs that were drawn.
        values: The inputs of the first draws, shape (first draws, inputs).
    """

    name: str
    gpu_hour_usd: F64
    inputs: Sequence[str]
    values: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyMixDraws:
    """What was drawn of a mix.

    Args:
        gpu_hour_usd: Mean cost of a useful GPU-hour in each draw [USD], shape (draws,).
        sites: What was drawn at each of its sites.
    """

    gpu_hour_usd: F64
    sites: tuple[StudySiteDraws, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteDrawStageInputs:
    """What decides the cost of a GPU-hour at one site in each draw.

    Args:
        site: The site with its cells and what was measured there.
        draws: How many draws.
        seed: Their seed.
        parts: Where what all sites share is cached; None: nowhere.
    """

    site: StudyCostedSite
    draws: int
    seed: int
    parts: StageStore | None = field(default=None, metadata={"decides": False}, repr=False)


def compute_site_gpu_hour_cost_draws(inputs: SiteDrawStageInputs) -> StageResult:
    """Return what was drawn at one site: each draw's cost, and the inputs of the first draws."""
    drawn = _study_site_draws(inputs)
    return StageResult(
        data={},
        tables={
            "draws": pl.DataFrame({"cost_usd_per_gpu_hour": drawn.gpu_hour_usd}),
            "inputs": pl.DataFrame(drawn.values, schema=list(drawn.inputs)),
        },
    )


SITE_DRAW_STAGE: Final = Stage(name="site-draws", compute=compute_site_gpu_hour_cost_draws)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySiteMix:
    """Several sites as one."""

    parts: tuple[StudyMixSite, ...]

    def gpu_hour_usd(self, moved: Mapping[StudyInputKey, float] | None = None) -> float:
        """Return the mean cost of a useful GPU-hour, some inputs moved [USD].

        Args:
            moved: Values by key; a key that several sites share moves at all of them.
        """
        one_each = {key: np.array([value]) for key, value in (moved or {}).items()}
        return float(self.gpu_hour_costs_usd(one_each, 1)[0])

    def gpu_hour_costs_usd(self, moved: Mapping[StudyInputKey, F64], count: int) -> F64:
        """Return the mean cost at each of `count` places of some inputs [USD], shape (count,)."""
        costs = np.zeros(count)
        for part in self.parts:
            # A walk over one input leaves most sites as they are.
            if moved.keys().isdisjoint(part.medians):
                costs += part.weight * part.median_gpu_hour_usd
            else:
                costs += part.weight * part.gpu_hour_costs_usd(moved, count)
        return costs

    def mix_cost_inputs_by_key(self) -> dict[StudyInputKey, StudyCostInput]:
        """Return every input of every site, by key."""
        return {
            cost_input.key: cost_input
            for part in self.parts
            for cost_input in part.site.sourced_inputs_of_site_cost()
        }

    def drawn_mix_gpu_hour_costs_usd(
        self, draws: int, seed: int, parts: StageStore | None = None
    ) -> StudyMixDraws:
        """Return the mean cost in each draw of all inputs, and what was drawn at each site.

        A key is drawn from a stream of its own, so that two mixes that share an input
        share its draws, too.

        Args:
            draws: How many.
            seed: Their seed.
            parts: Where the draws of a single site are cached; without it nowhere.
        """
        sites = tuple(
            _study_site_draws_from_cache_or_computed(
                SiteDrawStageInputs(site=part.site, draws=draws, seed=seed, parts=parts)
            )
            for part in self.parts
        )
        weighted = [
            part.weight * site.gpu_hour_usd for part, site in zip(self.parts, sites, strict=True)
        ]
        return StudyMixDraws(gpu_hour_usd=np.sum(weighted, axis=0), sites=sites)


def study_mix_cost_and_input_draw_tables(drawn: StudyMixDraws) -> dict[str, pl.DataFrame]:
    """Return the cost of every draw of a mix, and the inputs of the first of them by site.

    The column `variant` stands empty: a stage does not know which alternatives share it.
    """
    costs = drawn.gpu_hour_usd
    inputs = [
        study_site_draw_inputs_frame(site.name, site.inputs, site.values) for site in drawn.sites
    ]
    return {
        BASIS_MIX_DRAWS.name: BASIS_MIX_DRAWS.build_frame(
            variant=[""] * len(costs),
            draw=np.arange(len(costs)),
            cost_usd_per_gpu_hour=costs,
        ),
        BASIS_MIX_DRAW_INPUTS.name: pl.concat(inputs).select(pl.lit("").alias("variant"), pl.all()),
    }


def study_site_mix_weighted_by_gpu_hours(sites: list[StudyCostedSite]) -> StudySiteMix:
    """Return the sites as a mix; those that served nothing count by their GPUs alone."""
    hours = np.array([site.gpu_hours for site in sites])
    # By the time that each served and not by its size: the policy chooses sites, and not the plan.
    weights = hours / hours.sum() if hours.sum() else np.full(len(sites), 1 / len(sites))
    return StudySiteMix(
        parts=tuple(
            _study_mix_site_at_median_inputs(site, float(w))
            for site, w in zip(sites, weights, strict=True)
            if w > 0
        )
    )


def _study_mix_site_at_median_inputs(site: StudyCostedSite, weight: float) -> StudyMixSite:
    medians = {
        item.key: item.value.cost_input_quantile(0.5) for item in site.sourced_inputs_of_site_cost()
    }
    return StudyMixSite(site=site, weight=weight, medians=medians)


def _study_site_draws_from_cache_or_computed(inputs: SiteDrawStageInputs) -> StudySiteDraws:
    """Return what was drawn at a site, from where it is cached if it is cached somewhere."""
    if inputs.parts is None:
        return _study_site_draws(inputs)
    tables = inputs.parts.get_or_compute(SITE_DRAW_STAGE, inputs).tables
    return StudySiteDraws(
        name=inputs.site.site.name,
        gpu_hour_usd=tables["draws"]["cost_usd_per_gpu_hour"].to_numpy(),
        inputs=tables["inputs"].columns,
        values=tables["inputs"].to_numpy(),
    )


def _study_site_draws(inputs: SiteDrawStageInputs) -> StudySiteDraws:
    site = inputs.site
    scores = {
        cost_input.key: _study_input_standard_normal_draws(
            cost_input.key, inputs.draws, inputs.seed
        )
        for cost_input in site.sourced_inputs_of_site_cost()
    }
    name = site.site.name
    if site.cells is None:
        rent = next(site.sourced_inputs_of_site_cost())
        prices = rent.value.cost_input_quantiles(normal_cdf(scores[rent.key].astype(np.float64)))
        # The cost is proportional to the price, so one factor serves all draws.
        costs = prices * study_rented_gpu_hour_usd(1.0, site.site, site.use)
        return StudySiteDraws(
            name=name, gpu_hour_usd=costs, inputs=(RENT,), values=prices[:DRAWS_WITH_INPUTS, None]
        )
    columns = {
        study_cost_model_input_index_or_none(cost_input): scores[cost_input.key]
        for cost_input in site.sourced_inputs_of_site_cost()
    }
    in_order = np.stack([columns[i] for i in range(len(columns))], axis=1)
    sampler = site_cost_sampler_with_cached_grid(site.cells, inputs.parts)
    return StudySiteDraws(
        name=name,
        gpu_hour_usd=site_gpu_hour_costs_usd_by_draw(site.cells, in_order, sampler),
        inputs=NAMES,
        values=cost_inputs_of_normal_scores(sampler, in_order[:DRAWS_WITH_INPUTS]),
    )


def _study_input_standard_normal_draws(
    key: StudyInputKey, draws: int, seed: int
) -> npt.NDArray[np.float32]:
    stream = named_random_stream(seed, f"study.mix.{key.text}")
    return stream.standard_normal(draws, dtype=np.float32)
