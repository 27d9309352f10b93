"""What moves the cost of a GPU-hour most, the use that was measured among it.

Use is an input like the others and has no range: a run measured it, on a slice and on demand
of its own. It divides every charge, so that half of it nearly doubles the cost, and no search
over the ranges of the other inputs would ever name it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from commonwatt.siting.domain.cost_inputs import cost_input_spec
from commonwatt.study.mix import study_site_mix_weighted_by_gpu_hours
from commonwatt.study.stages.sites import (
    StudyCostedSite,
    StudyInputKey,
    StudyInputOwner,
    is_programme_cost_input_fixed,
)

USE: Final = "utilisation_share"
# By how much demand may fall short of the trace: the library's own cells cite local centres at a
# fifth to a third of their hours, far below half of what a busy slice shows.
USE_FACTOR: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class CostDoubt:
    """An input and what it does to the cost of a useful GPU-hour.

    Args:
        key: Text of the key of the input; `USE` where the use of every site falls to half.
        low: 5th percentile of the input; half of the measured use [share].
        high: 95th percentile of the input; the measured use [share].
        at_low_usd: Cost with the input at its low end [USD/GPU-hour].
        at_high_usd: Cost with the input at its high end [USD/GPU-hour].
    """

    key: str
    low: float
    high: float
    at_low_usd: float
    at_high_usd: float

    @property
    def cost_swing_usd_per_gpu_hour(self) -> float:
        """How far the cost moves between the two ends [USD/GPU-hour]."""
        return abs(self.at_high_usd - self.at_low_usd)


def largest_cost_doubt(sites: Sequence[StudyCostedSite]) -> CostDoubt:
    """Return the input that moves the cost of some sites most, one at a time from the medians."""
    doubts = [_cost_doubt_of_halved_use(sites), *_cost_doubts_of_each_input(sites)]
    # By key where two move it alike, so that the answer does not hang on the order of the sites.
    return min(doubts, key=lambda doubt: (-doubt.cost_swing_usd_per_gpu_hour, doubt.key))


def _cost_doubt_of_halved_use(sites: Sequence[StudyCostedSite]) -> CostDoubt:
    half = study_site_mix_weighted_by_gpu_hours(
        [replace(site, use=USE_FACTOR * site.use) for site in sites]
    )
    # A site that is built takes its use from its cells, and one that is rented from itself.
    # Not below the least use that a cost is asked of: a fleet that held nothing would else divide
    # by nought.
    least = cost_input_spec(USE).low
    moved = {
        StudyInputKey(StudyInputOwner.PROGRAMME, site.site.name, USE): max(
            USE_FACTOR * site.use, least
        )
        for site in sites
        if site.cells
    }
    # By GPUs, which are there over one window at every site: the use of the slice, as the table
    # beside this sentence has it. By hours served a busy site would count twice.
    gpus = sum(site.site.gpus for site in sites)
    use = sum(site.use * site.site.gpus for site in sites) / gpus if gpus else 0.0
    return CostDoubt(
        key=USE,
        low=USE_FACTOR * use,
        high=use,
        at_low_usd=half.gpu_hour_usd(moved),
        at_high_usd=study_site_mix_weighted_by_gpu_hours(list(sites)).gpu_hour_usd(),
    )


def _cost_doubts_of_each_input(sites: Sequence[StudyCostedSite]) -> list[CostDoubt]:
    mix = study_site_mix_weighted_by_gpu_hours(list(sites))
    doubts: list[CostDoubt] = []
    for item in mix.mix_cost_inputs_by_key().values():
        if is_programme_cost_input_fixed(item):
            continue
        low, high = (item.value.cost_input_quantile(level) for level in (0.05, 0.95))
        doubts.append(
            CostDoubt(
                key=item.key.text,
                low=low,
                high=high,
                at_low_usd=mix.gpu_hour_usd({item.key: low}),
                at_high_usd=mix.gpu_hour_usd({item.key: high}),
            )
        )
    return doubts
