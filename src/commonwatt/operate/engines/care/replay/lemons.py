"""A trial of lemon detection: a fleet with planted lemons, before and after.

Source of the defaults: Kokolis et al. (2024), "Revisiting Reliability in Large-Scale
    Machine Learning Research Clusters": 6.5 node failures per thousand node-days, lemons
    1.2 to 1.7 % of the nodes, jobs of 512 GPUs and more failing in 14 % of the cases
    before and in 4 % after lemons were taken out. The rates of lemons and of sound nodes
    below are what follows from these figures; nothing else of that fleet is known here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from commonwatt.core.seeds import named_random_stream
from commonwatt.operate.engines.care.lemons import LemonRule, lemon_nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedLemons:
    """A fleet with lemons.

    Args:
        nodes: Nodes of the fleet.
        lemon_share: Share of them that are lemons.
        sound_per_day: Faults of a sound node [1/day].
        lemon_per_day: Faults of a lemon [1/day].
        watched_days: History before lemons are looked for [days].
        job_nodes: Nodes of a large job.
        job_days: Its length [days].
        jobs: Large jobs before, and again after.
    """

    nodes: int = 2000
    lemon_share: float = 0.015
    sound_per_day: float = 0.00178
    lemon_per_day: float = 0.316
    watched_days: float = 28.0
    job_nodes: int = 64
    job_days: float = 0.363
    jobs: int = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class LemonTrial:
    """What a trial shows; all are shares.

    Args:
        failed_before: Large jobs that failed while lemons were in service.
        failed_after: Large jobs that failed after those found were taken out.
        found_share: Lemons that were found.
        wrong_share: Sound nodes that were taken for lemons.
    """

    failed_before: float
    failed_after: float
    found_share: float
    wrong_share: float


def planted_lemons_trial(
    planted: PlantedLemons, *, seed: int, rule: LemonRule | None = None
) -> LemonTrial:
    """Return how large jobs fare before and after lemons are found from their history."""
    chance = named_random_stream(seed, "care.lemons")
    rates = np.full(planted.nodes, planted.sound_per_day)
    rates[: round(planted.lemon_share * planted.nodes)] = planted.lemon_per_day
    counts = chance.poisson(rates * planted.watched_days)
    history = {str(i): int(counts[i]) for i in np.flatnonzero(counts).tolist()}
    out = np.zeros(planted.nodes, dtype=bool)
    out[[int(lemon.node) for lemon in lemon_nodes(history, planted.nodes, rule)]] = True
    lemon = rates > planted.sound_per_day
    return LemonTrial(
        failed_before=_failed_large_job_share(rates, planted, chance),
        failed_after=_failed_large_job_share(rates[~out], planted, chance),
        found_share=float(out[lemon].mean()),
        wrong_share=float(out[~lemon].mean()),
    )


def _failed_large_job_share(
    rates: npt.NDArray[np.float64], planted: PlantedLemons, chance: np.random.Generator
) -> float:
    """Return the share of large jobs, each on nodes drawn anew, that meet a fault."""
    failed = 0
    for _ in range(planted.jobs):
        nodes = chance.choice(len(rates), planted.job_nodes, replace=False)
        failed += chance.poisson(float(rates[nodes].sum()) * planted.job_days) > 0
    return failed / planted.jobs
