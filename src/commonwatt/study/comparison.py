"""What the comparison of two alternatives rests on, cached: nothing of it hangs on the others."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from commonwatt.runs import Stage, StageOutput, StageResult, StageStore
from commonwatt.siting.engines.cost.chance import gpu_hour_cost_summary
from commonwatt.study.break_even import BreakEvenPoint, study_break_even_points_nearest_first
from commonwatt.study.doubt import largest_cost_doubt
from commonwatt.study.mix import (
    study_mix_cost_and_input_draw_tables,
    study_site_mix_weighted_by_gpu_hours,
)
from commonwatt.study.stages.sites import StudyCostedSite

DRAWS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AlternativeCostStageInputs:
    """What decides the cost of a GPU-hour of one alternative, and its band.

    Args:
        sites: Each site with its cells and what was measured there.
        measured: Where use and energy of the sites come from.
        seed: The programme's.
        parts: Where the draws of a single site are cached.
        draws: Draws of the inputs.
    """

    sites: tuple[StudyCostedSite, ...]
    measured: StageOutput[Any]
    seed: int
    parts: StageStore = field(metadata={"decides": False}, repr=False)
    draws: int = DRAWS


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEvenStageInputs:
    """What decides where the cheaper of two alternatives changes.

    Args:
        cheapest: Sites of the cheapest at the medians.
        other: Sites of the next.
        measured: Where use and energy of the sites of both come from.
        seed: The programme's.
        parts: Where the draws of a single site are cached.
        draws: Draws in which the two are compared.
    """

    cheapest: tuple[StudyCostedSite, ...]
    other: tuple[StudyCostedSite, ...]
    measured: tuple[StageOutput[Any], StageOutput[Any]]
    seed: int
    parts: StageStore = field(metadata={"decides": False}, repr=False)
    draws: int = DRAWS


def compute_alternative_gpu_hour_cost(inputs: AlternativeCostStageInputs) -> StageResult:
    """Return the cost of a GPU-hour at the medians, and its 5th and 95th percentile [USD]."""
    mix = study_site_mix_weighted_by_gpu_hours(list(inputs.sites))
    drawn = mix.drawn_mix_gpu_hour_costs_usd(inputs.draws, inputs.seed, inputs.parts)
    summary = gpu_hour_cost_summary(drawn.gpu_hour_usd)
    return StageResult(
        data={
            "at_medians": mix.gpu_hour_usd(),
            "p5": summary.p5,
            "p95": summary.p95,
            "doubt": asdict(largest_cost_doubt(inputs.sites)),
        },
        tables=study_mix_cost_and_input_draw_tables(drawn),
    )


def compute_cheapest_share_and_break_even_points(inputs: BreakEvenStageInputs) -> StageResult:
    """Return in which share of the draws the cheapest is cheaper, and every crossing."""
    cheapest, other = (
        study_site_mix_weighted_by_gpu_hours(list(inputs.cheapest)),
        study_site_mix_weighted_by_gpu_hours(list(inputs.other)),
    )
    # Draw against draw: an input that both share has the same value in both and decides nothing
    # between them.
    first, second = (
        mix.drawn_mix_gpu_hour_costs_usd(inputs.draws, inputs.seed, inputs.parts).gpu_hour_usd
        for mix in (cheapest, other)
    )
    points = [
        {
            "key": point.input.key.text,
            "low": point.low,
            "median": point.median,
            "high": point.high,
            "flips_at": point.flips_at,
        }
        for point in study_break_even_points_nearest_first(cheapest, other)
    ]
    return StageResult(data={"cheaper_share": float((first < second).mean()), "points": points})


ALTERNATIVE_COST_STAGE: Final = Stage(
    name="alternative-cost", compute=compute_alternative_gpu_hour_cost
)
BREAK_EVEN_STAGE: Final = Stage(
    name="break-even", compute=compute_cheapest_share_and_break_even_points
)


def study_break_even_points_of_stage(
    stage: StageResult, inputs: BreakEvenStageInputs
) -> list[BreakEvenPoint]:
    """Return the crossings of a stage with the inputs that they are of, nearest first."""
    sites = (*inputs.cheapest, *inputs.other)
    by_key = {item.key.text: item for site in sites for item in site.sourced_inputs_of_site_cost()}
    return [
        BreakEvenPoint(
            input=by_key[row["key"]],
            low=row["low"],
            median=row["median"],
            high=row["high"],
            flips_at=row["flips_at"],
        )
        for row in stage.data["points"]
    ]
